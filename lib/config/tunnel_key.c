/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include <fc_address.h>

#include "number.h"
#include "row.h"

/* The key of a tunnel: a number, or a dotted quad, as routers show GRE keys. */

static void describe_key(const struct key_row *row, char phrase[FC_PHRASE_SIZE])
{
	char number[FC_PHRASE_SIZE];

	fc_number_describe(row, number);
	snprintf(phrase, FC_PHRASE_SIZE, "%.80s or a dotted quad such as \"10.0.0.1\"", number);
}

static void decode_key(
	struct decoder *decoder, const struct key_row *row, json_t *value, void *owner)
{
	struct fc_address quad = { .family = 0 };
	uint64_t key = 0;

	if (json_is_integer(value)) {
		if (!fc_number_decode(decoder, row, value, &key))
			return;
	} else if (json_is_string(value) &&
		   fc_address_parse(json_string_value(value), &quad) == 0 && quad.family == 4) {
		for (size_t i = 0; i < 4; i++)
			key = key << 8 | quad.bytes[i];
	} else {
		fc_decoder_reject(decoder, row, value);
		return;
	}
	fc_field_set(owner, row->offset, row->size, key);
	fc_field_set(owner, row->second_offset, row->second_size, true);
}

static bool is_key_set(const struct key_row *row, const void *owner)
{
	return fc_field_get(owner, row->second_offset, row->second_size) != 0;
}

static json_t *encode_key(
	const struct fc_config *config, const struct key_row *row, const void *owner)
{
	(void)config;
	return json_integer((json_int_t)fc_field_get(owner, row->offset, row->size));
}

static json_t *read_key(const struct key_row *row, const char *text)
{
	(void)row;
	return fc_number_read(text);
}

static json_t *schema_key(const struct key_row *row)
{
	return json_pack("{s:[o, {s:s, s:s}]}", "anyOf", fc_number_schema(row), "type", "string",
		"pattern", "^([0-9]{1,3}[.]){3}[0-9]{1,3}$");
}

const struct key_type fc_key_tunnel_key = {
	.describe = describe_key,
	.decode = decode_key,
	.is_set = is_key_set,
	.encode = encode_key,
	.read = read_key,
	.schema = schema_key,
};
