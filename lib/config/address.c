/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <fc_address.h>
#include <fc_text.h>

#include "row.h"

#define IPV4_PATTERN "([0-9]{1,3}[.]){3}[0-9]{1,3}"
#define IPV6_PATTERN "[0-9A-Fa-f]{0,4}:[0-9A-Fa-f:.]+"
#define MAC_PATTERN  "^(?!00(:00){5})[0-9A-Fa-f][02468ACEace](:[0-9A-Fa-f]{2}){5}$"

static json_t *read_text(const struct key_row *row, const char *text)
{
	(void)row;
	return json_string(text);
}

static json_t *make_pattern(const char *pattern)
{
	return json_pack("{s:s, s:s}", "type", "string", "pattern", pattern);
}

static struct fc_address address_of(const struct key_row *row, const void *owner)
{
	struct fc_address address;

	memcpy(&address, (const char *)owner + row->offset, sizeof(address));
	return address;
}

static void set_address(const struct key_row *row, void *owner, const struct fc_address *address)
{
	memcpy((char *)owner + row->offset, address, sizeof(*address));
}

/* Whether an address is that of one host; else a finding. */
static bool check_unicast(struct decoder *decoder, const struct fc_address *address)
{
	char text[FC_ADDRESS_TEXT_SIZE];
	const char *kind = NULL;

	switch (fc_address_kind(address)) {
	case FC_ADDRESS_UNICAST:
		return true;
	case FC_ADDRESS_UNSPECIFIED:
		kind = "an unspecified address";
		break;
	case FC_ADDRESS_LOOPBACK:
		kind = "a loopback address";
		break;
	case FC_ADDRESS_MULTICAST:
		kind = "a multicast address";
		break;
	case FC_ADDRESS_BROADCAST:
		kind = "the broadcast address";
		break;
	case FC_ADDRESS_MAPPED:
		kind = "an IPv4 address in the form of IPv6";
		break;
	}
	decoder_error(decoder, "%s is %s; expected the address of one host",
		fc_address_format(address, text), kind);
	return false;
}

static void describe_address(const struct key_row *row, char phrase[FC_PHRASE_SIZE])
{
	snprintf(phrase, FC_PHRASE_SIZE, "an IPv4 or IPv6 address such as \"%s\"", row->example);
}

static void decode_address(
	struct decoder *decoder, const struct key_row *row, json_t *value, void *owner)
{
	const char *text = json_string_value(value);
	char alone[FC_ADDRESS_TEXT_SIZE];
	struct fc_address address;
	uint8_t prefix_length = 0;

	if (text != NULL && fc_address_parse(text, &address) == 0) {
		if (check_unicast(decoder, &address))
			set_address(row, owner, &address);
	} else if (text != NULL && fc_address_parse_prefix(text, &address, &prefix_length) == 0) {
		decoder_error(decoder, "expected an address without a prefix length: \"%s\"",
			fc_address_format(&address, alone));
	} else {
		fc_decoder_reject(decoder, row, value);
	}
}

static bool is_address_set(const struct key_row *row, const void *owner)
{
	return address_of(row, owner).family != 0;
}

static json_t *encode_address(
	const struct fc_config *config, const struct key_row *row, const void *owner)
{
	struct fc_address address = address_of(row, owner);
	char text[FC_ADDRESS_TEXT_SIZE];

	(void)config;
	return json_string(fc_address_format(&address, text));
}

static json_t *schema_address(const struct key_row *row)
{
	(void)row;
	return make_pattern("^(" IPV4_PATTERN "|" IPV6_PATTERN ")$");
}

const struct key_type fc_key_address = {
	.describe = describe_address,
	.decode = decode_address,
	.is_set = is_address_set,
	.encode = encode_address,
	.read = read_text,
	.schema = schema_address,
};

static void describe_prefix(const struct key_row *row, char phrase[FC_PHRASE_SIZE])
{
	snprintf(phrase, FC_PHRASE_SIZE,
		"an IPv4 or IPv6 address with the prefix length of its network, such as \"%s\"",
		row->example);
}

/* Say why a value is not an address with a prefix length. */
static void reject_prefix(struct decoder *decoder, const struct key_row *row, json_t *value, int rc)
{
	const char *text = json_string_value(value);
	char shown[FC_TEXT_SHOWN_SIZE];
	char alone[FC_ADDRESS_TEXT_SIZE];
	struct fc_address address;

	if (rc == -ERANGE)
		decoder_error(decoder, "the prefix length of \"%s\" is not in 1..%u",
			fc_text_show(text, shown), strchr(text, ':') == NULL ? 32u : 128u);
	else if (text != NULL && fc_address_parse(text, &address) == 0)
		decoder_error(decoder,
			"the prefix length is missing: expected \"%s/N\", N such as %u",
			fc_address_format(&address, alone), address.family == 4 ? 24u : 64u);
	else
		fc_decoder_reject(decoder, row, value);
}

static void decode_prefix(
	struct decoder *decoder, const struct key_row *row, json_t *value, void *owner)
{
	const char *text = json_string_value(value);
	char shown[FC_PREFIX_TEXT_SIZE];
	struct fc_address address;
	uint8_t prefix_length = 0;
	int rc = text == NULL ? -EINVAL : fc_address_parse_prefix(text, &address, &prefix_length);

	if (rc != 0) {
		reject_prefix(decoder, row, value, rc);
		return;
	}
	if (!check_unicast(decoder, &address))
		return;
	if (!fc_address_is_host(&address, prefix_length)) {
		decoder_error(decoder,
			"%s is not a host's address: all bits behind the prefix are %s",
			fc_address_format_prefix(&address, prefix_length, shown),
			(address.bytes[address.family == 4 ? 3 : 15] & 1) != 0 ? "1" : "0");
		return;
	}
	set_address(row, owner, &address);
	fc_field_set(owner, row->second_offset, row->second_size, prefix_length);
}

static json_t *encode_prefix(
	const struct fc_config *config, const struct key_row *row, const void *owner)
{
	struct fc_address address = address_of(row, owner);
	char text[FC_PREFIX_TEXT_SIZE];

	(void)config;
	return json_string(fc_address_format_prefix(&address,
		(uint8_t)fc_field_get(owner, row->second_offset, row->second_size), text));
}

static json_t *schema_prefix(const struct key_row *row)
{
	(void)row;
	return make_pattern("^(" IPV4_PATTERN "|" IPV6_PATTERN ")/[0-9]{1,3}$");
}

const struct key_type fc_key_address_prefix = {
	.describe = describe_prefix,
	.decode = decode_prefix,
	.is_set = is_address_set,
	.encode = encode_prefix,
	.read = read_text,
	.schema = schema_prefix,
};

static void describe_mac(const struct key_row *row, char phrase[FC_PHRASE_SIZE])
{
	snprintf(phrase, FC_PHRASE_SIZE, "a unicast MAC address such as \"%s\"", row->example);
}

static void decode_mac(
	struct decoder *decoder, const struct key_row *row, json_t *value, void *owner)
{
	uint8_t mac[FC_MAC_SIZE];

	if (!json_is_string(value) || fc_mac_parse(json_string_value(value), mac) != 0 ||
		!fc_mac_is_unicast(mac)) {
		fc_decoder_reject(decoder, row, value);
		return;
	}
	memcpy((char *)owner + row->offset, mac, sizeof(mac));
	fc_field_set(owner, row->second_offset, row->second_size, true);
}

static bool is_mac_set(const struct key_row *row, const void *owner)
{
	return fc_field_get(owner, row->second_offset, row->second_size) != 0;
}

static json_t *encode_mac(
	const struct fc_config *config, const struct key_row *row, const void *owner)
{
	char text[FC_MAC_TEXT_SIZE];

	(void)config;
	return json_string(fc_mac_format((const uint8_t *)owner + row->offset, text));
}

static json_t *schema_mac(const struct key_row *row)
{
	(void)row;
	return make_pattern(MAC_PATTERN);
}

const struct key_type fc_key_mac = {
	.describe = describe_mac,
	.decode = decode_mac,
	.is_set = is_mac_set,
	.encode = encode_mac,
	.read = read_text,
	.schema = schema_mac,
};
