/* SPDX-License-Identifier: MIT */
#include <inttypes.h>

#include <fc_address.h>

#include "tunnel.h"

/* What the key of each type is. */
static const struct key_use {
	const char *noun; /* NULL: the type has no key */
	uint32_t max;
	bool is_quad;	  /* may be written as a dotted quad */
	bool is_required; /* to send */
} key_uses[] = {
	[FC_TUNNEL_GRE] = { "GRE key", UINT32_MAX, true, false },
	[FC_TUNNEL_GRETAP] = { "GRE key", UINT32_MAX, true, false },
	[FC_TUNNEL_ERSPAN1] = { NULL, 0, false, false },
	[FC_TUNNEL_ERSPAN2] = { "session id", 1023, false, false },
	[FC_TUNNEL_ERSPAN3] = { "session id", 1023, false, false },
	[FC_TUNNEL_VXLAN] = { "VNI", 0xffffff, false, true },
	[FC_TUNNEL_GENEVE] = { "VNI", 0xffffff, false, true },
};

unsigned fc_min_mtu(uint8_t family)
{
	return family == 6 ? 1280 : 576;
}

#define key_error(decoder, key, ...)                                                               \
	do {                                                                                       \
		size_t mark = fc_place_enter(decoder, key);                                        \
                                                                                                   \
		decoder_error(decoder, __VA_ARGS__);                                               \
		fc_place_leave(decoder, mark);                                                     \
	} while (0)

static void check_key(struct decoder *decoder, json_t *object, enum fc_tunnel_type type,
	bool has_key, uint32_t key)
{
	const struct key_use *use = &key_uses[type];
	const char *word = fc_choice_word(fc_tunnel_types, type);

	if (!has_key || type == FC_TUNNEL_NONE)
		return;
	if (use->noun == NULL)
		key_error(decoder, "key", "%s has no key: its header has no session id", word);
	else if (!use->is_quad && json_is_string(json_object_get(object, "key")))
		key_error(decoder, "key",
			"a dotted quad is a GRE key; the %s of %s is a whole number in 0..%" PRIu32,
			use->noun, word, use->max);
	else if (key > use->max)
		key_error(decoder, "key", "%" PRIu32 " is not in 0..%" PRIu32 ", the %ss of %s",
			key, use->max, use->noun, word);
}

/* The key that only tunnels over UDP have. */
static void check_udp_port(struct decoder *decoder, json_t *object, enum fc_tunnel_type type)
{
	if (json_object_get(object, "udp_port") != NULL && type != FC_TUNNEL_NONE &&
		!fc_tunnel_is_udp(type))
		key_error(decoder, "udp_port", "%s goes over GRE; vxlan and geneve have a UDP port",
			fc_choice_word(fc_tunnel_types, type));
}

static void check_vsid(struct decoder *decoder, json_t *object, enum fc_tunnel_type type)
{
	if (json_object_get(object, "vsid") == NULL)
		return;
	if (type != FC_TUNNEL_GRETAP && type != FC_TUNNEL_NONE)
		key_error(decoder, "vsid", "%s has no virtual subnet; NVGRE is 'gretap'",
			fc_choice_word(fc_tunnel_types, type));
	else if (json_object_get(object, "key") != NULL)
		key_error(decoder, "vsid", "is a part of 'key'; expected one of the two");
}

static void check_ends(
	struct decoder *decoder, const struct fc_address *local, const struct fc_address *remote)
{
	if (local->family == 0 || remote->family == 0)
		return;
	if (local->family != remote->family)
		key_error(decoder, "remote",
			"is an IPv%u address, but 'local' is an IPv%u address; both ends are of "
			"one family",
			(unsigned)remote->family, (unsigned)local->family);
	else if (fc_address_is_equal(local, remote))
		key_error(decoder, "remote", "is 'local' itself; expected the other end");
}

static bool is_on_link(const struct fc_encap *encap, const struct fc_address *address)
{
	return fc_address_is_within(address, &encap->local, encap->prefix_length) ||
	       (encap->local.family == 6 && fc_address_is_link_local(address));
}

/* An address on the link must be that of a host there. */
static void check_host(struct decoder *decoder, const struct fc_encap *encap, const char *key,
	const struct fc_address *address)
{
	char network[FC_PREFIX_TEXT_SIZE];
	char text[FC_ADDRESS_TEXT_SIZE];

	if (fc_address_is_within(address, &encap->local, encap->prefix_length) &&
		!fc_address_is_host(address, encap->prefix_length))
		key_error(decoder, key, "%s is not a host's address in the network of %s",
			fc_address_format(address, text),
			fc_address_format_prefix(&encap->local, encap->prefix_length, network));
}

static void check_remote(struct decoder *decoder, json_t *object, const struct fc_encap *encap)
{
	bool has_gateway = json_object_get(object, "gateway") != NULL;
	bool has_mac = json_object_get(object, "mac") != NULL;
	char network[FC_PREFIX_TEXT_SIZE];
	char text[FC_ADDRESS_TEXT_SIZE];

	if (is_on_link(encap, &encap->remote)) {
		check_host(decoder, encap, "remote", &encap->remote);
		if (has_gateway && !has_mac)
			key_error(decoder, "gateway",
				"has no effect: 'remote' is on the link of %s",
				fc_address_format_prefix(
					&encap->local, encap->prefix_length, network));
		return;
	}
	if (!has_gateway && !has_mac)
		key_error(decoder, "remote",
			"%s is not in the network of %s; expected 'gateway' or 'mac' beside it",
			fc_address_format(&encap->remote, text),
			fc_address_format_prefix(&encap->local, encap->prefix_length, network));
}

static void check_gateway(struct decoder *decoder, const struct fc_encap *encap)
{
	const struct fc_address *gateway = &encap->gateway;
	char network[FC_PREFIX_TEXT_SIZE];
	char text[FC_ADDRESS_TEXT_SIZE];

	if (!is_on_link(encap, gateway))
		key_error(decoder, "gateway", "%s is not in the network of %s",
			fc_address_format(gateway, text),
			fc_address_format_prefix(&encap->local, encap->prefix_length, network));
	else if (fc_address_is_equal(gateway, &encap->local))
		key_error(decoder, "gateway", "is 'local' itself; expected a router's address");
	else
		check_host(decoder, encap, "gateway", gateway);
}

static void check_next_hop(struct decoder *decoder, json_t *object, const struct fc_encap *encap)
{
	/* One of them would be ignored, and nobody can tell which one was meant. */
	if (json_object_get(object, "gateway") != NULL && json_object_get(object, "mac") != NULL)
		key_error(decoder, "gateway", "has no effect beside 'mac', which is the next hop");
	if (encap->local.family == 0)
		return;
	if (encap->remote.family == encap->local.family &&
		!fc_address_is_equal(&encap->remote, &encap->local))
		check_remote(decoder, object, encap);
	if (encap->gateway.family != 0)
		check_gateway(decoder, encap);
}

void fc_encap_check(struct decoder *decoder, json_t *object, const void *owner)
{
	const struct fc_encap *encap = owner;
	const struct key_use *use = &key_uses[encap->type];
	unsigned min_mtu = fc_min_mtu(encap->local.family);

	check_ends(decoder, &encap->local, &encap->remote);
	check_next_hop(decoder, object, encap);
	check_key(decoder, object, encap->type, encap->has_key, encap->key);
	check_udp_port(decoder, object, encap->type);
	if (use->is_required && json_object_get(object, "key") == NULL)
		decoder_error(decoder,
			"missing key 'key': expected the %s of %s, a whole number in 0..%" PRIu32,
			use->noun, fc_choice_word(fc_tunnel_types, encap->type), use->max);
	if (encap->mtu != 0 && encap->mtu < min_mtu)
		key_error(decoder, "mtu", "%u is not in %u..65535, the MTUs of IPv%u",
			(unsigned)encap->mtu, min_mtu, (unsigned)encap->local.family);
}

void fc_decap_check(struct decoder *decoder, json_t *object, const void *owner)
{
	const struct fc_decap *decap = owner;

	check_ends(decoder, &decap->local, &decap->remote);
	check_key(decoder, object, decap->type, decap->has_key, decap->key);
	check_vsid(decoder, object, decap->type);
	check_udp_port(decoder, object, decap->type);
}
