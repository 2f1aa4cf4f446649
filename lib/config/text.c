/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <fc_text.h>

#include "row.h"

static json_t *read_text(const struct key_row *row, const char *text)
{
	(void)row;
	return json_string(text);
}

static char **text_of(const struct key_row *row, void *owner)
{
	return (char **)(void *)((char *)owner + row->offset);
}

static const char *text_value(const struct key_row *row, const void *owner)
{
	return *(char *const *)(const void *)((const char *)owner + row->offset);
}

static void describe_text(const struct key_row *row, char phrase[FC_PHRASE_SIZE])
{
	snprintf(phrase, FC_PHRASE_SIZE, "a string of %" PRIu64 "..%" PRIu64 " bytes", row->min,
		row->max);
}

/* The text as it is now in its field; NULL, with a finding, where it could not be put there. */
static const char *take_text(
	struct decoder *decoder, const struct key_row *row, json_t *value, void *owner)
{
	size_t length = json_string_length(value);

	if (!json_is_string(value)) {
		fc_decoder_reject(decoder, row, value);
		return NULL;
	}
	if (length < row->min || length > row->max) {
		decoder_error(decoder,
			"expected a string of %" PRIu64 "..%" PRIu64 " bytes, found %zu", row->min,
			row->max, length);
		return NULL;
	}
	char *copy = strdup(json_string_value(value));

	if (copy == NULL)
		fc_decoder_no_memory(decoder);
	free(*text_of(row, owner));
	*text_of(row, owner) = copy;
	return copy;
}

static void decode_text(
	struct decoder *decoder, const struct key_row *row, json_t *value, void *owner)
{
	(void)take_text(decoder, row, value, owner);
}

static void decode_filter(
	struct decoder *decoder, const struct key_row *row, json_t *value, void *owner)
{
	const char *text = take_text(decoder, row, value, owner);

	if (text != NULL && decoder->checks != NULL && decoder->checks->filter != NULL)
		decoder->checks->filter(text, decoder->findings, decoder->place);
}

static bool is_text_set(const struct key_row *row, const void *owner)
{
	return text_value(row, owner) != NULL;
}

static json_t *encode_text(
	const struct fc_config *config, const struct key_row *row, const void *owner)
{
	(void)config;
	return json_string(text_value(row, owner));
}

static json_t *schema_text(const struct key_row *row)
{
	return json_pack("{s:s, s:I, s:I}", "type", "string", "minLength", (json_int_t)row->min,
		"maxLength", (json_int_t)row->max);
}

static void release_text(const struct key_row *row, void *owner)
{
	free(*text_of(row, owner));
}

const struct key_type fc_key_text = {
	.describe = describe_text,
	.decode = decode_text,
	.is_set = is_text_set,
	.encode = encode_text,
	.read = read_text,
	.schema = schema_text,
	.release = release_text,
};

const struct key_type fc_key_filter = {
	.describe = describe_text,
	.decode = decode_filter,
	.is_set = is_text_set,
	.encode = encode_text,
	.read = read_text,
	.schema = schema_text,
	.release = release_text,
};

static void describe_port(const struct key_row *row, char phrase[FC_PHRASE_SIZE])
{
	(void)row;
	snprintf(phrase, FC_PHRASE_SIZE,
		"a PCI address such as \"0000:03:00.1\" or a vdev's name such as \"net_pcap0\"");
}

static void decode_port(
	struct decoder *decoder, const struct key_row *row, json_t *value, void *owner)
{
	char *port = (char *)owner + row->offset;

	if (!json_is_string(value) ||
		fc_text_parse_port(json_string_value(value), port, row->size) != 0)
		fc_decoder_reject(decoder, row, value);
}

static bool is_port_set(const struct key_row *row, const void *owner)
{
	return ((const char *)owner)[row->offset] != '\0';
}

static json_t *encode_port(
	const struct fc_config *config, const struct key_row *row, const void *owner)
{
	(void)config;
	return json_string((const char *)owner + row->offset);
}

static json_t *schema_port(const struct key_row *row)
{
	(void)row;
	return json_pack("{s:s}", "$ref", "#/$defs/port_name");
}

const struct key_type fc_key_port = {
	.describe = describe_port,
	.decode = decode_port,
	.is_set = is_port_set,
	.encode = encode_port,
	.read = read_text,
	.schema = schema_port,
};

static void describe_tpid(const struct key_row *row, char phrase[FC_PHRASE_SIZE])
{
	(void)row;
	snprintf(phrase, FC_PHRASE_SIZE,
		"one of \"0x8100\", \"0x88a8\", \"0x9100\", \"0x9200\", \"0x9300\"");
}

static void decode_tpid(
	struct decoder *decoder, const struct key_row *row, json_t *value, void *owner)
{
	uint16_t tpid = 0;

	if (!json_is_string(value) || fc_text_parse_tpid(json_string_value(value), &tpid) != 0)
		fc_decoder_reject(decoder, row, value);
	else
		fc_field_set(owner, row->offset, row->size, tpid);
}

static bool is_tpid_set(const struct key_row *row, const void *owner)
{
	return fc_field_get(owner, row->offset, row->size) != 0;
}

static json_t *encode_tpid(
	const struct fc_config *config, const struct key_row *row, const void *owner)
{
	char text[16];

	(void)config;
	snprintf(text, sizeof(text), "0x%04" PRIx64, fc_field_get(owner, row->offset, row->size));
	return json_string(text);
}

static json_t *schema_tpid(const struct key_row *row)
{
	(void)row;
	return json_pack(
		"{s:[s, s, s, s, s]}", "enum", "0x8100", "0x88a8", "0x9100", "0x9200", "0x9300");
}

const struct key_type fc_key_tpid = {
	.describe = describe_tpid,
	.decode = decode_tpid,
	.is_set = is_tpid_set,
	.encode = encode_tpid,
	.read = read_text,
	.schema = schema_tpid,
};
