/* SPDX-License-Identifier: MIT */
#include <glob.h>
#include <stdio.h>
#include <string.h>

#include <net/if.h>

#include <fc_plan.h>
#include <fc_port_name.h>
#include <fc_text.h>

#define PLACE_SIZE (FC_NAME_SIZE + 16)
#define TEXT_SIZE  512

/* Whether a device of this name is on any bus of this machine. */
static bool is_device(const char *name)
{
	char pattern[FC_PORT_NAME_SIZE + 32];
	glob_t found;
	bool is_found;

	/* A name has no slash and nothing that glob() would expand. */
	snprintf(pattern, sizeof(pattern), "/sys/bus/*/devices/%s", name);
	is_found = glob(pattern, GLOB_NOSORT, NULL, &found) == 0;
	if (is_found)
		globfree(&found);
	return is_found;
}

enum fc_port_kind fc_port_kind(const char *name)
{
	if (strchr(name, ':') != NULL)
		return FC_PORT_PCI;
	if (fc_text_begins(name, "net_") || fc_text_begins(name, "eth_") ||
		fc_text_begins(name, "virtio_user"))
		return FC_PORT_VDEV;
	if (if_nametoindex(name) != 0)
		return FC_PORT_INTERFACE;
	return is_device(name) ? FC_PORT_DEVICE : FC_PORT_UNKNOWN;
}

/* A name for the port that is made of an interface: the first that nobody has. */
static unsigned free_number(const struct fc_config *config, const char *interface)
{
	const char *names[FC_MAX_TAPS + FC_MAX_OUTPUTS];
	uint16_t n_names = fc_plan_port_names(config, names);
	char wanted[FC_PORT_NAME_SIZE];
	unsigned number = 0, n_before = 0;

	/* Each interface gets its own. */
	for (uint16_t i = 0; strcmp(names[i], interface) != 0; i++)
		n_before += fc_port_kind(names[i]) >= FC_PORT_INTERFACE;
	for (;; number++) {
		bool is_used = false;

		snprintf(wanted, sizeof(wanted), "net_af_packet%u", number);
		for (uint16_t i = 0; i < n_names; i++)
			is_used |= strcmp(names[i], wanted) == 0;
		if (!is_used && n_before-- == 0)
			return number;
	}
}

static void explain_interface(
	const struct fc_config *config, const char *name, const char *verb, char *text, size_t size)
{
	unsigned number = free_number(config, name);

	snprintf(text, size,
		"'%s' %s an interface of the kernel, which is no port by itself; have a port made "
		"of "
		"it: \"port\": \"net_af_packet%u\" with '--vdev net_af_packet%u,iface=%s' among "
		"EAL's options, or with \"ports\": { \"net_af_packet%u\": { \"devargs\": "
		"\"iface=%s\" } }",
		name, verb, number, number, name, number, name);
}

/* The known name that was probably meant, or "". */
static void find_nearest(const char *name, char *nearest, size_t size)
{
	static const char *const drivers[] = { "net_af_packet", "net_af_xdp", "net_memif",
		"net_null", "net_pcap", "net_ring", "net_tap", "net_vhost", "virtio_user" };
	struct if_nameindex *interfaces = if_nameindex();
	struct fc_nearest search = { .word = name };
	const char *digits = name + strlen(name);

	while (digits > name && digits[-1] >= '0' && digits[-1] <= '9')
		digits--;
	nearest[0] = '\0';
	for (size_t i = 0; i < sizeof(drivers) / sizeof(drivers[0]); i++) {
		const char *short_name =
			fc_text_begins(drivers[i], "net_") ? drivers[i] + 4 : drivers[i] + 7;
		size_t length = (size_t)(digits - name);

		/* af_packet0 for net_af_packet0, and netpcap0 */
		if ((length == strlen(short_name) && fc_text_begins(name, short_name)) ||
			(fc_text_begins(name, "net") && length == strlen(short_name) + 3 &&
				fc_text_begins(name + 3, short_name)))
			snprintf(nearest, size, "%s%s", drivers[i], digits);
	}
	for (size_t i = 0; interfaces != NULL && interfaces[i].if_index != 0; i++)
		fc_nearest_offer(&search, interfaces[i].if_name);
	if (nearest[0] == '\0' && search.best != NULL)
		snprintf(nearest, size, "%s", search.best);
	if_freenameindex(interfaces);
}

static void explain_unknown(const char *name, char *text, size_t size)
{
	char nearest[FC_PORT_NAME_SIZE];

	find_nearest(name, nearest, sizeof(nearest));
	snprintf(text, size,
		"'%s' is no interface of this machine, and neither a PCI address (0000:03:00.0) "
		"nor "
		"the name of a vdev (net_..., eth_..., virtio_user...)%s%s%s",
		name, nearest[0] != '\0' ? "; did you mean '" : "", nearest,
		nearest[0] != '\0' ? "'?" : "");
}

void fc_port_add_finding(const struct fc_config *config, const char *name,
	enum fc_severity severity, const char *text, struct fc_findings *findings)
{
	char place[PLACE_SIZE];

	for (uint16_t t = 0; t < config->n_taps; t++) {
		if (strcmp(config->taps[t].port, name) != 0)
			continue;
		snprintf(place, sizeof(place), "taps.%s.port", config->taps[t].name);
		fc_findings_add(findings, severity, place, "%s", text);
	}
	for (uint16_t o = 0; o < config->n_outputs; o++) {
		if (strcmp(config->outputs[o].port, name) != 0)
			continue;
		snprintf(place, sizeof(place), "outputs.%s.port", config->outputs[o].name);
		fc_findings_add(findings, severity, place, "%s", text);
	}
}

void fc_port_explain_name(const struct fc_config *config, const char *name, char *text, size_t size)
{
	text[0] = '\0';
	if (fc_port_kind(name) == FC_PORT_INTERFACE)
		explain_interface(config, name, "is", text, size);
	else if (fc_port_kind(name) == FC_PORT_UNKNOWN)
		explain_unknown(name, text, size);
}

void fc_port_check_interfaces(const struct fc_config *config, struct fc_findings *findings)
{
	const char *names[FC_MAX_TAPS + FC_MAX_OUTPUTS];
	uint16_t n_names = fc_plan_port_names(config, names);
	char text[TEXT_SIZE];

	for (uint16_t i = 0; i < n_names; i++) {
		if (fc_port_kind(names[i]) != FC_PORT_INTERFACE)
			continue;
		explain_interface(config, names[i], "is", text, sizeof(text));
		fc_port_add_finding(config, names[i], FC_ERROR, text, findings);
	}
}

void fc_port_check_names(
	const struct fc_config *config, bool is_elsewhere, struct fc_findings *findings)
{
	const char *names[FC_MAX_TAPS + FC_MAX_OUTPUTS];
	uint16_t n_names = fc_plan_port_names(config, names);
	char text[TEXT_SIZE];

	for (uint16_t i = 0; i < n_names; i++) {
		const struct fc_port_config *settings = fc_config_port(config, names[i]);
		enum fc_port_kind kind = fc_port_kind(names[i]);
		bool is_warning = is_elsewhere || (kind == FC_PORT_UNKNOWN && settings != NULL &&
							  settings->optional);

		if (kind != FC_PORT_INTERFACE && kind != FC_PORT_UNKNOWN)
			continue;
		/* What it is elsewhere can only be an interface. */
		if (is_elsewhere)
			explain_interface(config, names[i], "can only be", text, sizeof(text));
		else
			fc_port_explain_name(config, names[i], text, sizeof(text));
		fc_port_add_finding(
			config, names[i], is_warning ? FC_WARNING : FC_ERROR, text, findings);
	}
}

/* The value of a key in KEY=VALUE,...; false: it is not there. */
static bool find_value(const char *args, const char *key, char *value, size_t size)
{
	size_t length = strlen(key);

	for (const char *at = args; at != NULL; at = strchr(at, ',')) {
		at += at[0] == ',';
		if (strncmp(at, key, length) != 0 || at[length] != '=')
			continue;
		at += length + 1;
		return (size_t)snprintf(value, size, "%.*s", (int)strcspn(at, ","), at) < size;
	}
	return false;
}

void fc_port_explain_args(const char *args, char *text, size_t size)
{
	char value[256];

	text[0] = '\0';
	if (find_value(args, "iface", value, sizeof(value)) && if_nametoindex(value) == 0)
		snprintf(text, size, "there is no interface '%s' here", value);
}
