/* SPDX-License-Identifier: MIT */
#include "place.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

static const char root_place[] = "/var/run";
static const char service_place[] = "/run/fluxcap"; /* RuntimeDirectory of fluxcap.service */

struct fc_places fc_place_list(const struct fc_place_rules *rules)
{
	struct fc_places list = { .n_places = 1 };

	if (rules->runtime_directory != NULL) {
		list.places[0] = rules->runtime_directory;
	} else if (rules->is_root) {
		list.places[0] = root_place;
		list.places[list.n_places++] = service_place;
	} else {
		list.places[0] = rules->xdg_runtime_dir != NULL ? rules->xdg_runtime_dir : "/tmp";
		list.places[list.n_places++] = service_place;
		list.places[list.n_places++] = root_place;
	}
	return list;
}

int fc_place_address(struct sockaddr_un *address, const char *place, const char *prefix)
{
	int size;

	memset(address, 0, sizeof(*address));
	address->sun_family = AF_UNIX;
	size = snprintf(address->sun_path, sizeof(address->sun_path),
		"%s/dpdk/%s/dpdk_telemetry.v2", place, prefix);
	return size < 0 || (size_t)size >= sizeof(address->sun_path) ? -ENAMETOOLONG : 0;
}

bool fc_place_prefix_ok(const char *prefix)
{
	if (*prefix == '\0' || strcmp(prefix, ".") == 0 || strcmp(prefix, "..") == 0)
		return false;
	for (; *prefix != '\0'; prefix++)
		if (*prefix == '/' || *prefix <= 0x20 || *prefix == 0x7f)
			return false;
	return true;
}
