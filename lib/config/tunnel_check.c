/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include <fc_address.h>

#include "tunnel.h"

/* The end of a tunnel at one of this box's ports. */
struct end {
	const char *section, *name, *key; /* its place is SECTION.NAME.KEY.local */
	const char *port;
	const struct fc_address *address;
	uint8_t prefix_length; /* 0: not known */
};

static void print_place(const struct end *end, char place[FC_PLACE_SIZE])
{
	snprintf(place, FC_PLACE_SIZE, "%s.%s.%s.local", end->section, end->name, end->key);
}

/* The ends of all tunnels whose port and address could be read; the result is their number. */
static size_t list_ends(
	const struct fc_config *config, struct end ends[FC_MAX_TAPS + FC_MAX_OUTPUTS])
{
	size_t n = 0;

	for (size_t i = 0; i < config->n_taps; i++) {
		const struct fc_tap_config *tap = &config->taps[i];

		if (tap->decap.local.family != 0 && tap->port[0] != '\0')
			ends[n++] = (struct end){ "taps", tap->name, "decap", tap->port,
				&tap->decap.local, 0 };
	}
	for (size_t i = 0; i < config->n_outputs; i++) {
		const struct fc_output_config *output = &config->outputs[i];

		if (output->encap.local.family != 0 && output->port[0] != '\0')
			ends[n++] = (struct end){ "outputs", output->name, "encap", output->port,
				&output->encap.local, output->encap.prefix_length };
	}
	return n;
}

/* Whether one address can be at both ends; else a finding. */
static bool check_pair(
	const struct end *first, const struct end *second, struct fc_findings *findings)
{
	char place[FC_PLACE_SIZE];
	char other[FC_PLACE_SIZE];
	char text[FC_ADDRESS_TEXT_SIZE];

	if (!fc_address_is_equal(first->address, second->address))
		return true;
	print_place(second, place);
	print_place(first, other);
	if (strcmp(first->port, second->port) != 0)
		fc_findings_add(findings, FC_ERROR, place,
			"%s is at port %s already (%s); an address is at one port",
			fc_address_format(second->address, text), first->port, other);
	else if (first->prefix_length != 0 && second->prefix_length != 0 &&
		 first->prefix_length != second->prefix_length)
		fc_findings_add(findings, FC_ERROR, place,
			"the prefix length of %s is %u here, but %u in %s",
			fc_address_format(second->address, text), (unsigned)second->prefix_length,
			(unsigned)first->prefix_length, other);
	else
		return true;
	return false;
}

static void check_ends(const struct fc_config *config, struct fc_findings *findings)
{
	struct end ends[FC_MAX_TAPS + FC_MAX_OUTPUTS];
	size_t n = list_ends(config, ends);

	for (size_t i = 0; i < n; i++) {
		size_t j = 0;

		while (j < i && check_pair(&ends[j], &ends[i], findings))
			j++;
	}
}

/* The MTU that the configuration gives a port, or 0. */
static uint16_t port_mtu(const struct fc_config *config, const char *port)
{
	const struct fc_port_config *settings = fc_config_port(config, port);

	return settings == NULL ? 0 : settings->mtu;
}

static void check_mtus(const struct fc_config *config, struct fc_findings *findings)
{
	char place[FC_PLACE_SIZE];

	for (size_t i = 0; i < config->n_outputs; i++) {
		const struct fc_output_config *output = &config->outputs[i];
		const struct fc_encap *encap = &output->encap;
		unsigned mtu = port_mtu(config, output->port);

		if (encap->local.family == 0 || output->port[0] == '\0' || mtu == 0)
			continue;
		if (encap->mtu > mtu) {
			snprintf(place, sizeof(place), "outputs.%s.encap.mtu", output->name);
			fc_findings_add(findings, FC_ERROR, place,
				"%u is more than the %u bytes of ports.%s.mtu",
				(unsigned)encap->mtu, mtu, output->port);
		} else if (mtu < fc_min_mtu(encap->local.family)) {
			snprintf(place, sizeof(place), "ports.%s.mtu", output->port);
			fc_findings_add(findings, FC_ERROR, place,
				"%u is not in %u..65535, which the IPv%u tunnel of output '%s' "
				"needs",
				mtu, fc_min_mtu(encap->local.family), (unsigned)encap->local.family,
				output->name);
		}
	}
}

/* Whether both could be the key of one packet. */
static bool can_have_same_key(const struct fc_decap *a, const struct fc_decap *b)
{
	uint32_t vsid_a = a->has_vsid ? a->vsid : a->key >> FC_FLOW_BITS;
	uint32_t vsid_b = b->has_vsid ? b->vsid : b->key >> FC_FLOW_BITS;

	if (!(a->has_key || a->has_vsid) || !(b->has_key || b->has_vsid))
		return true;
	return a->has_key && b->has_key ? a->key == b->key : vsid_a == vsid_b;
}

static uint16_t udp_port(const struct fc_decap *decap)
{
	return fc_tunnel_is_udp(decap->type) ? fc_tunnel_udp_port(decap->type, decap->udp_port) : 0;
}

/* Whether there are packets that both taps take. */
static bool can_match_same(const struct fc_tap_config *first, const struct fc_tap_config *second)
{
	const struct fc_decap *a = &first->decap, *b = &second->decap;

	if (strcmp(first->port, second->port) != 0 || a->type == FC_TUNNEL_NONE ||
		a->type != b->type || !fc_address_is_equal(&a->local, &b->local) ||
		udp_port(a) != udp_port(b))
		return false;
	if (a->remote.family != 0 && b->remote.family != 0 &&
		!fc_address_is_equal(&a->remote, &b->remote))
		return false;
	return can_have_same_key(a, b);
}

/* Whether VXLAN and Geneve could not be told apart. */
static bool are_mixed(const struct fc_tap_config *first, const struct fc_tap_config *second)
{
	const struct fc_decap *a = &first->decap, *b = &second->decap;

	return fc_tunnel_is_udp(a->type) && fc_tunnel_is_udp(b->type) && a->type != b->type &&
	       fc_address_is_equal(&a->local, &b->local) && udp_port(a) == udp_port(b);
}

/* The first tap before this one that it collides with; NULL: there is none. */
static const struct fc_tap_config *find_earlier(const struct fc_config *config,
	const struct fc_tap_config *tap,
	bool (*collide)(const struct fc_tap_config *, const struct fc_tap_config *))
{
	for (const struct fc_tap_config *other = config->taps; other < tap; other++)
		if (collide(other, tap))
			return other;
	return NULL;
}

static void check_match(const struct fc_config *config, const struct fc_tap_config *tap,
	struct fc_findings *findings)
{
	const struct fc_tap_config *other = find_earlier(config, tap, can_match_same);
	char place[FC_PLACE_SIZE];

	if (other == NULL)
		return;
	snprintf(place, sizeof(place), "taps.%s.decap", tap->name);
	fc_findings_add(findings, FC_ERROR, place,
		"matches packets that tap '%s' on %s matches, too; taps of one port differ "
		"in 'type', 'local', 'remote', 'key' or 'udp_port'",
		other->name, tap->port);
}

static void check_udp_port(const struct fc_config *config, const struct fc_tap_config *tap,
	struct fc_findings *findings)
{
	const struct fc_tap_config *other = find_earlier(config, tap, are_mixed);
	char place[FC_PLACE_SIZE], text[FC_ADDRESS_TEXT_SIZE];

	if (other == NULL)
		return;
	snprintf(place, sizeof(place), "taps.%s.decap", tap->name);
	fc_findings_add(findings, FC_ERROR, place,
		"UDP port %u of %s is that of tap '%s' and of another type; nothing tells "
		"vxlan and geneve apart but 'local' and 'udp_port'",
		(unsigned)udp_port(&tap->decap), fc_address_format(&tap->decap.local, text),
		other->name);
}

void fc_config_check_tunnels(
	const struct fc_config *config, bool complete, struct fc_findings *findings)
{
	check_ends(config, findings);
	check_mtus(config, findings);
	/* A key that could not be read may be just what makes two taps differ. */
	for (size_t i = 0; complete && i < config->n_taps; i++)
		check_match(config, &config->taps[i], findings);
	for (size_t i = 0; complete && i < config->n_taps; i++)
		check_udp_port(config, &config->taps[i], findings);
}
