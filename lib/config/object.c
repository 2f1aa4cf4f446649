/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <fc_text.h>

#include "row.h"

static void *object_of(const struct key_row *row, void *owner)
{
	return (char *)owner + row->offset;
}

static const void *object_value(const struct key_row *row, const void *owner)
{
	return (const char *)owner + row->offset;
}

static void describe_object(const struct key_row *row, char phrase[FC_PHRASE_SIZE])
{
	size_t length = (size_t)snprintf(phrase, FC_PHRASE_SIZE, "an object with");

	for (size_t i = 0; i < row->table->n_rows && length < FC_PHRASE_SIZE; i++) {
		const char *separator = i == 0 ? " " : ", ";

		if (i > 0 && i + 1 == row->table->n_rows)
			separator = " or ";
		length += (size_t)snprintf(phrase + length, FC_PHRASE_SIZE - length, "%s'%s'",
			separator, row->table->rows[i].name);
	}
}

static void decode_object(
	struct decoder *decoder, const struct key_row *row, json_t *value, void *owner)
{
	if (!json_is_object(value) || json_object_size(value) < row->min) {
		char phrase[FC_PHRASE_SIZE];

		describe_object(row, phrase);
		if (json_is_object(value))
			decoder_error(decoder, "expected %s, found an empty object", phrase);
		else
			fc_decoder_mismatch(decoder, phrase, value);
		return;
	}
	fc_table_decode(decoder, row->table, value, object_of(row, owner));
}

bool fc_table_is_set(const struct key_table *table, const void *owner)
{
	bool has_any = false;

	/* Without what it cannot be without, it is not there: the others have only defaults. */
	for (size_t i = 0; i < table->n_rows; i++) {
		const struct key_row *row = &table->rows[i];
		bool has = fc_table_has(table, row, owner);

		if (row->required && !has)
			return false;
		has_any |= has;
	}
	return has_any;
}

static bool is_object_set(const struct key_row *row, const void *owner)
{
	return fc_table_is_set(row->table, object_value(row, owner));
}

static json_t *encode_object(
	const struct fc_config *config, const struct key_row *row, const void *owner)
{
	return fc_table_encode(config, row->table, object_value(row, owner));
}

static json_t *read_object(const struct key_row *row, const char *text)
{
	(void)row;
	return json_string(text);
}

/* The definition of a table in the schema has the name of its noun. */
static json_t *refer_to(const struct key_table *table)
{
	return json_sprintf("#/$defs/%s", table->noun);
}

static json_t *schema_object(const struct key_row *row)
{
	return json_pack(
		"{s:o, s:I}", "$ref", refer_to(row->table), "minProperties", (json_int_t)row->min);
}

static void release_object(const struct key_row *row, void *owner)
{
	fc_table_release(row->table, object_of(row, owner));
}

const struct key_type fc_key_object = {
	.describe = describe_object,
	.decode = decode_object,
	.is_set = is_object_set,
	.encode = encode_object,
	.read = read_object,
	.schema = schema_object,
	.release = release_object,
};

static char **entries_of(const struct key_row *row, void *owner)
{
	return (char **)(void *)((char *)owner + row->offset);
}

static const char *entries_value(const struct key_row *row, const void *owner)
{
	return *(char *const *)(const void *)((const char *)owner + row->offset);
}

static size_t count_of(const struct key_row *row, const void *owner)
{
	return (size_t)fc_field_get(owner, row->second_offset, row->second_size);
}

static void describe_map(const struct key_row *row, char phrase[FC_PHRASE_SIZE])
{
	snprintf(phrase, FC_PHRASE_SIZE, "an object with an entry for each %s", row->table->noun);
}

/* Put the name of an entry into its first field; a finding where it is not valid. */
static void decode_name(
	struct decoder *decoder, const struct key_table *table, const char *key, char *name)
{
	if (table->named_by_port) {
		if (fc_text_parse_port(key, name, table->name_size) != 0)
			decoder_error(decoder, "is not a port: expected a PCI address such as "
					       "\"0000:03:00.1\" or a vdev's name such as "
					       "\"net_pcap0\"");
	} else if (fc_text_is_name(key)) {
		memcpy(name, key, strlen(key) + 1);
	} else {
		decoder_error(decoder,
			"is not a name for %s %s: expected 1..%d letters, digits, "
			"'_', '-' or '.'",
			table->noun[0] == 'o' ? "an" : "a", table->noun, FC_TEXT_NAME_MAX);
	}
}

static void check_new(
	struct decoder *decoder, const struct key_table *table, const char *entries, size_t index)
{
	const char *name = entries + index * table->size;

	for (size_t i = 0; i < index && name[0] != '\0'; i++) {
		if (strcmp(entries + i * table->size, name) == 0)
			decoder_error(decoder, "is %s '%s' a second time", table->noun, name);
	}
}

static void decode_map(
	struct decoder *decoder, const struct key_row *row, json_t *value, void *owner)
{
	const struct key_table *table = row->table;
	size_t n = json_object_size(value);
	const char *key = NULL;
	json_t *inner = NULL;
	size_t i = 0;

	if (!json_is_object(value)) {
		fc_decoder_reject(decoder, row, value);
		return;
	}
	if (n < row->min)
		decoder_error(decoder, "expected at least one %s", table->noun);
	if (n > row->max)
		decoder_error(decoder, "%zu %ss are too many; fluxcap takes at most %" PRIu64, n,
			table->noun, row->max);
	if (n > row->max)
		n = row->max;
	if (n == 0)
		return;
	char *entries = calloc(n, table->size);

	if (entries == NULL) {
		fc_decoder_no_memory(decoder);
		return;
	}
	*entries_of(row, owner) = entries;
	fc_field_set(owner, row->second_offset, row->second_size, n);
	json_object_foreach (value, key, inner) {
		if (i == n)
			break;
		char *entry = entries + i * table->size;
		size_t mark = fc_place_enter(decoder, key);

		decode_name(decoder, table, key, entry);
		check_new(decoder, table, entries, i);
		fc_table_preset(decoder, table, entry);
		if (json_is_object(inner))
			fc_table_decode(decoder, table, inner, entry);
		else
			fc_decoder_mismatch(decoder, "an object", inner);
		fc_place_leave(decoder, mark);
		i++;
	}
}

static bool is_map_set(const struct key_row *row, const void *owner)
{
	return count_of(row, owner) > 0;
}

static json_t *encode_map(
	const struct fc_config *config, const struct key_row *row, const void *owner)
{
	const char *entries = entries_value(row, owner);
	json_t *map = json_object();

	for (size_t i = 0; i < count_of(row, owner); i++) {
		const char *entry = entries + i * row->table->size;

		if (json_object_set_new(map, entry, fc_table_encode(config, row->table, entry)) !=
			0) {
			json_decref(map);
			return NULL;
		}
	}
	return map;
}

static json_t *schema_map(const struct key_row *row)
{
	const struct key_table *table = row->table;

	return json_pack("{s:s, s:{s:s}, s:{s:o}, s:I, s:I}", "type", "object", "propertyNames",
		"$ref", table->named_by_port ? "#/$defs/port_name" : "#/$defs/name",
		"additionalProperties", "$ref", refer_to(table), "minProperties",
		(json_int_t)row->min, "maxProperties", (json_int_t)row->max);
}

static void release_map(const struct key_row *row, void *owner)
{
	char *entries = *entries_of(row, owner);

	for (size_t i = 0; i < count_of(row, owner); i++)
		fc_table_release(row->table, entries + i * row->table->size);
	free(entries);
}

const struct key_type fc_key_map = {
	.describe = describe_map,
	.decode = decode_map,
	.is_set = is_map_set,
	.encode = encode_map,
	.read = read_object,
	.schema = schema_map,
	.release = release_map,
};
