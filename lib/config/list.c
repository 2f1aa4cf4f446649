/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <fc_text.h>

#include "number.h"
#include "row.h"

static size_t count_of(const struct key_row *row, const void *owner)
{
	return (size_t)fc_field_get(owner, row->second_offset, row->second_size);
}

static void set_count(const struct key_row *row, void *owner, size_t count)
{
	fc_field_set(owner, row->second_offset, row->second_size, count);
}

static bool is_list_set(const struct key_row *row, const void *owner)
{
	return count_of(row, owner) > 0;
}

/* Whether a value is a list of an allowed length; else a finding. */
static bool check_list(struct decoder *decoder, const struct key_row *row, json_t *value)
{
	size_t n = json_array_size(value);

	if (!json_is_array(value)) {
		fc_decoder_reject(decoder, row, value);
		return false;
	}
	/* A list of all taps is not what is wrong where there are too many taps. */
	if (n > row->max_items && row->type == &fc_key_tap_list &&
		n <= json_object_size(decoder->taps))
		return false;
	if (n < 1 || n > row->max_items) {
		decoder_error(decoder, "expected a list of 1..%u items, found %zu",
			(unsigned)row->max_items, n);
		return false;
	}
	return true;
}

/* The JSON of a text such as "a+b": a list with what read_item makes of each part. */
static json_t *read_list(
	const struct key_row *row, const char *text, json_t *(*read_item)(const char *text))
{
	json_t *list = json_array();
	char *copy = strdup(text);
	char *rest = copy;

	while (rest != NULL && list != NULL) {
		const char *part = strsep(&rest, "+");

		/* Without an item this fails, too. */
		if (json_array_append_new(list, read_item(part)) != 0) {
			json_decref(list);
			list = NULL;
		}
	}
	if (copy == NULL) {
		json_decref(list);
		return NULL;
	}
	free(copy);
	if (row->single && json_array_size(list) == 1) {
		json_t *item = json_incref(json_array_get(list, 0));

		json_decref(list);
		return item;
	}
	return list;
}

static void describe_whole_list(const struct key_row *row, char phrase[FC_PHRASE_SIZE])
{
	char item[FC_PHRASE_SIZE];

	fc_number_describe(row, item);
	if (row->single)
		snprintf(phrase, FC_PHRASE_SIZE, "%.60s or a list of 1..%u of them", item,
			(unsigned)row->max_items);
	else
		snprintf(phrase, FC_PHRASE_SIZE,
			"a list of 1..%u whole numbers in %" PRIu64 "..%" PRIu64,
			(unsigned)row->max_items, row->min, row->max);
}

static size_t item_offset(const struct key_row *row, size_t index)
{
	return row->offset + index * row->size;
}

static void decode_whole_list(
	struct decoder *decoder, const struct key_row *row, json_t *value, void *owner)
{
	uint64_t number = 0;

	if (row->single && json_is_integer(value)) {
		if (fc_number_decode(decoder, row, value, &number)) {
			fc_field_set(owner, row->offset, row->size, number);
			set_count(row, owner, 1);
		}
		return;
	}
	if (!check_list(decoder, row, value))
		return;
	size_t n_set = 0;

	for (size_t i = 0; i < json_array_size(value); i++) {
		size_t mark = fc_place_enter_item(decoder, i);
		bool twice = false;

		if (fc_number_decode(decoder, row, json_array_get(value, i), &number)) {
			for (size_t j = 0; row->unique && j < n_set; j++)
				twice |= fc_field_get(owner, item_offset(row, j), row->size) ==
					 number;
			if (twice)
				decoder_error(decoder, "%" PRIu64 " is in the list twice", number);
			fc_field_set(owner, item_offset(row, n_set++), row->size, number);
		}
		fc_place_leave(decoder, mark);
	}
	set_count(row, owner, n_set);
}

static json_t *encode_whole_list(
	const struct fc_config *config, const struct key_row *row, const void *owner)
{
	size_t n = count_of(row, owner);
	json_t *list = json_array();

	(void)config;
	if (row->single && n == 1) {
		json_decref(list);
		return json_integer((json_int_t)fc_field_get(owner, row->offset, row->size));
	}
	for (size_t i = 0; i < n; i++) {
		uint64_t number = fc_field_get(owner, item_offset(row, i), row->size);

		if (json_array_append_new(list, json_integer((json_int_t)number)) != 0) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

static json_t *read_whole_list(const struct key_row *row, const char *text)
{
	return read_list(row, text, fc_number_read);
}

static json_t *schema_whole_list(const struct key_row *row)
{
	json_t *list = json_pack("{s:s, s:o, s:i, s:i, s:b}", "type", "array", "items",
		fc_number_schema(row), "minItems", 1, "maxItems", (int)row->max_items,
		"uniqueItems", (int)row->unique);

	return row->single ? json_pack("{s:[o, o]}", "anyOf", fc_number_schema(row), list) : list;
}

const struct key_type fc_key_whole_list = {
	.describe = describe_whole_list,
	.decode = decode_whole_list,
	.is_set = is_list_set,
	.encode = encode_whole_list,
	.read = read_whole_list,
	.schema = schema_whole_list,
};

static uint16_t **taps_of(const struct key_row *row, void *owner)
{
	return (uint16_t **)(void *)((char *)owner + row->offset);
}

static const uint16_t *taps_value(const struct key_row *row, const void *owner)
{
	return *(uint16_t *const *)(const void *)((const char *)owner + row->offset);
}

static void describe_tap_list(const struct key_row *row, char phrase[FC_PHRASE_SIZE])
{
	(void)row;
	snprintf(phrase, FC_PHRASE_SIZE, "a list of names of taps");
}

/* The number of the tap with this name; else a finding and -1. */
static int find_tap(struct decoder *decoder, const char *name)
{
	struct fc_nearest nearest = { .word = name };
	char shown[FC_TEXT_SHOWN_SIZE];
	const char *key = NULL;
	json_t *tap = NULL;
	int index = 0;

	json_object_foreach (decoder->taps, key, tap) {
		if (index == FC_MAX_TAPS)
			break;
		if (strcmp(key, name) == 0)
			return index;
		/* What is not a name itself is no help. */
		if (fc_text_is_name(key))
			fc_nearest_offer(&nearest, key);
		index++;
	}
	/* Without any tap there is a finding already, and it is not about this name. */
	if (index == 0)
		return -1;
	fc_text_show(name, shown);
	if (nearest.best != NULL)
		decoder_error(
			decoder, "no tap is named '%s'; did you mean '%s'?", shown, nearest.best);
	else
		decoder_error(decoder, "no tap is named '%s'", shown);
	return -1;
}

static void decode_tap_list(
	struct decoder *decoder, const struct key_row *row, json_t *value, void *owner)
{
	if (!check_list(decoder, row, value))
		return;
	size_t n = json_array_size(value);
	uint16_t *taps = calloc(n, sizeof(*taps));
	size_t n_set = 0;

	if (taps == NULL) {
		fc_decoder_no_memory(decoder);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		size_t mark = fc_place_enter_item(decoder, i);
		json_t *item = json_array_get(value, i);
		int index = -1;

		if (json_is_string(item))
			index = find_tap(decoder, json_string_value(item));
		else
			fc_decoder_mismatch(decoder, "the name of a tap", item);
		for (size_t j = 0; index >= 0 && j < n_set; j++) {
			if (taps[j] != index)
				continue;
			decoder_error(
				decoder, "'%s' is in the list twice", json_string_value(item));
			index = -1;
		}
		if (index >= 0)
			taps[n_set++] = (uint16_t)index;
		fc_place_leave(decoder, mark);
	}
	free(*taps_of(row, owner));
	*taps_of(row, owner) = taps;
	set_count(row, owner, n_set);
}

static json_t *encode_tap_list(
	const struct fc_config *config, const struct key_row *row, const void *owner)
{
	const uint16_t *taps = taps_value(row, owner);
	json_t *list = json_array();

	for (size_t i = 0; i < count_of(row, owner); i++) {
		if (json_array_append_new(list, json_string(config->taps[taps[i]].name)) != 0) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

static json_t *read_tap_list(const struct key_row *row, const char *text)
{
	return read_list(row, text, json_string);
}

static json_t *schema_tap_list(const struct key_row *row)
{
	return json_pack("{s:s, s:{s:s}, s:i, s:i, s:b}", "type", "array", "items", "$ref",
		"#/$defs/name", "minItems", 1, "maxItems", (int)row->max_items, "uniqueItems",
		(int)row->unique);
}

static void release_tap_list(const struct key_row *row, void *owner)
{
	free(*taps_of(row, owner));
}

const struct key_type fc_key_tap_list = {
	.describe = describe_tap_list,
	.decode = decode_tap_list,
	.is_set = is_list_set,
	.encode = encode_tap_list,
	.read = read_tap_list,
	.schema = schema_tap_list,
	.release = release_tap_list,
};
