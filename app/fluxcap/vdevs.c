/* SPDX-License-Identifier: MIT */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <fc_capture.h>
#include <fc_local_socket.h>
#include <fc_plan.h>

#include "vdevs.h"

static bool has_vdev(const struct fc_vdev *vdevs, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(vdevs[i].name, name) == 0)
			return true;
	return false;
}

/* Those that the configuration plugs in when EAL has none of their name. */
static size_t list_configured(const struct fc_config *config, struct fc_vdev *vdevs, size_t n)
{
	const char *names[FC_MAX_TAPS + FC_MAX_OUTPUTS];
	uint16_t n_names = fc_plan_port_names(config, names);

	for (uint16_t i = 0; i < n_names; i++) {
		const struct fc_port_config *port = fc_config_port(config, names[i]);

		if (port != NULL && port->devargs != NULL && !has_vdev(vdevs, n, names[i]))
			vdevs[n++] = (struct fc_vdev){ names[i], port->devargs };
	}
	return n;
}

int fc_vdevs_check(
	const struct fc_args *args, const struct fc_config *config, struct fc_findings *findings)
{
	size_t n_own = args->eal.n_vdevs, n = 0;
	struct fc_vdev *vdevs = calloc(n_own + FC_MAX_TAPS + FC_MAX_OUTPUTS, sizeof(*vdevs));
	int ret;

	if (vdevs == NULL) {
		fc_findings_add(findings, FC_ERROR, "", "out of memory");
		return -1;
	}
	for (size_t i = 0; i < n_own; i++) {
		const char *value = args->eal.vdevs[i];
		size_t n_name = strcspn(value, ",");
		char *name = strndup(value, n_name);

		if (name != NULL)
			vdevs[n++] = (struct fc_vdev){ name,
				value[n_name] == ',' ? value + n_name + 1 : "" };
	}
	n_own = n;
	n = list_configured(config, vdevs, n);
	ret = fc_capture_check(vdevs, n, 0, findings) == 0 ? 0 : -1;
	if (ret == 0)
		fc_local_socket_clean(vdevs, n, findings);
	for (size_t i = 0; i < n_own; i++)
		free((char *)(uintptr_t)vdevs[i].name);
	free(vdevs);
	return ret;
}
