/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <fc_text.h>

#include "row.h"

uint64_t fc_field_get(const void *owner, size_t offset, size_t size)
{
	const char *field = (const char *)owner + offset;
	uint64_t u64 = 0;
	uint32_t u32 = 0;
	uint16_t u16 = 0;

	switch (size) {
	case sizeof(u64):
		memcpy(&u64, field, sizeof(u64));
		return u64;
	case sizeof(u32):
		memcpy(&u32, field, sizeof(u32));
		return u32;
	case sizeof(u16):
		memcpy(&u16, field, sizeof(u16));
		return u16;
	default:
		return *(const uint8_t *)field;
	}
}

void fc_field_set(void *owner, size_t offset, size_t size, uint64_t value)
{
	char *field = (char *)owner + offset;
	uint32_t u32 = (uint32_t)value;
	uint16_t u16 = (uint16_t)value;

	switch (size) {
	case sizeof(value):
		memcpy(field, &value, sizeof(value));
		break;
	case sizeof(u32):
		memcpy(field, &u32, sizeof(u32));
		break;
	case sizeof(u16):
		memcpy(field, &u16, sizeof(u16));
		break;
	default:
		*(uint8_t *)field = (uint8_t)value;
	}
}

static size_t append_place(struct decoder *decoder, const char *text)
{
	size_t mark = decoder->place_length;
	size_t length = strlen(text);

	if (length >= sizeof(decoder->place) - mark)
		length = sizeof(decoder->place) - mark - 1;
	memcpy(decoder->place + mark, text, length);
	decoder->place_length = mark + length;
	decoder->place[decoder->place_length] = '\0';
	return mark;
}

size_t fc_place_enter(struct decoder *decoder, const char *key)
{
	char shown[FC_TEXT_SHOWN_SIZE];
	size_t mark = decoder->place_length;

	if (mark > 0)
		append_place(decoder, ".");
	append_place(decoder, key[0] == '\0' ? "''" : fc_text_show(key, shown));
	return mark;
}

size_t fc_place_enter_item(struct decoder *decoder, size_t index)
{
	char text[32];

	snprintf(text, sizeof(text), "[%zu]", index);
	return append_place(decoder, text);
}

void fc_place_leave(struct decoder *decoder, size_t mark)
{
	decoder->place_length = mark;
	decoder->place[mark] = '\0';
}

void fc_decoder_no_memory(struct decoder *decoder)
{
	decoder_error(decoder, "out of memory");
}

void fc_decoder_mismatch(struct decoder *decoder, const char *expected, json_t *found)
{
	char shown[FC_TEXT_SHOWN_SIZE];
	char *number = NULL;

	switch (json_typeof(found)) {
	case JSON_STRING:
		decoder_error(decoder, "expected %s, found the string \"%s\"", expected,
			fc_text_show(json_string_value(found), shown));
		break;
	case JSON_INTEGER:
	case JSON_REAL:
		/* jansson writes numbers the same in every locale. */
		number = json_dumps(found, JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));
		decoder_error(decoder, "expected %s, found the number %s", expected,
			number == NULL ? "?" : fc_text_show(number, shown));
		free(number);
		break;
	case JSON_TRUE:
	case JSON_FALSE:
		decoder_error(decoder, "expected %s, found %s", expected,
			json_is_true(found) ? "true" : "false");
		break;
	case JSON_NULL:
		decoder_error(decoder, "expected %s, found null", expected);
		break;
	case JSON_OBJECT:
		decoder_error(decoder, "expected %s, found an object", expected);
		break;
	case JSON_ARRAY:
		decoder_error(decoder, "expected %s, found a list", expected);
		break;
	}
}

void fc_decoder_reject(struct decoder *decoder, const struct key_row *row, json_t *found)
{
	char phrase[FC_PHRASE_SIZE];

	row->type->describe(row, phrase);
	fc_decoder_mismatch(decoder, phrase, found);
}

void fc_table_preset(struct decoder *decoder, const struct key_table *table, void *owner)
{
	for (size_t i = 0; i < table->n_rows; i++) {
		const struct key_row *row = &table->rows[i];

		if (row->type == &fc_key_object)
			fc_table_preset(decoder, row->table, (char *)owner + row->offset);
		if (row->preset == NULL)
			continue;
		json_t *value = row->type->read(row, row->preset);

		if (value == NULL) {
			fc_decoder_no_memory(decoder);
			return;
		}
		row->type->decode(decoder, row, value, owner);
		json_decref(value);
	}
}

static void report_unknown(struct decoder *decoder, const struct key_table *table, const char *key)
{
	struct fc_nearest nearest = { .word = key };
	char shown[FC_TEXT_SHOWN_SIZE];
	char known[256];
	size_t length = 0;

	for (size_t i = 0; i < table->n_rows; i++)
		fc_nearest_offer(&nearest, table->rows[i].name);
	fc_text_show(key, shown);
	if (nearest.best != NULL) {
		decoder_error(decoder, "unknown key '%s'; did you mean '%s'?", shown, nearest.best);
		return;
	}
	known[0] = '\0';
	for (size_t i = 0; i < table->n_rows && length < sizeof(known); i++) {
		int n = snprintf(known + length, sizeof(known) - length, "%s'%s'",
			i == 0 ? "" : ", ", table->rows[i].name);

		length += n < 0 ? 0 : (size_t)n;
	}
	decoder_error(decoder, "unknown key '%s'; the keys here are %s", shown, known);
}

void fc_table_decode(
	struct decoder *decoder, const struct key_table *table, json_t *object, void *owner)
{
	const char *key = NULL;
	json_t *value = NULL;

	json_object_foreach (object, key, value) {
		const struct key_row *row = fc_table_find(table, key);

		if (row == NULL) {
			report_unknown(decoder, table, key);
			continue;
		}
		size_t mark = fc_place_enter(decoder, key);

		row->type->decode(decoder, row, value, owner);
		if (row->needs != NULL && json_object_get(object, row->needs) == NULL)
			decoder_error(decoder, "has no effect without '%s' beside it", row->needs);
		fc_place_leave(decoder, mark);
	}
	for (size_t i = 0; i < table->n_rows; i++) {
		const struct key_row *row = &table->rows[i];
		char phrase[FC_PHRASE_SIZE];

		if (!row->required || json_object_get(object, row->name) != NULL)
			continue;
		row->type->describe(row, phrase);
		decoder_error(decoder, "missing key '%s': expected %s", row->name, phrase);
	}
	if (table->check != NULL)
		table->check(decoder, object, owner);
}

bool fc_table_has(const struct key_table *table, const struct key_row *row, const void *owner)
{
	if (row->needs != NULL) {
		const struct key_row *needed = fc_table_find(table, row->needs);

		if (needed == NULL || !needed->type->is_set(needed, owner))
			return false;
	}
	return row->preset != NULL || row->type->is_set(row, owner);
}

json_t *fc_table_encode(
	const struct fc_config *config, const struct key_table *table, const void *owner)
{
	json_t *object = json_object();

	for (size_t i = 0; i < table->n_rows; i++) {
		const struct key_row *row = &table->rows[i];

		if (!fc_table_has(table, row, owner))
			continue;
		json_t *value = row->type->encode(config, row, owner);

		/* Without an object or a value this fails, too. */
		if (json_object_set_new(object, row->name, value) != 0) {
			json_decref(object);
			return NULL;
		}
	}
	return object;
}

void fc_table_release(const struct key_table *table, void *owner)
{
	for (size_t i = 0; i < table->n_rows; i++) {
		const struct key_row *row = &table->rows[i];

		if (row->type->release != NULL)
			row->type->release(row, owner);
	}
}
