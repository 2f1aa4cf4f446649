/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <fc_config_compare.h>

#include "row.h"

/*
 * Configurations are compared in the form of their dump, where defaults are written out, names
 * stand for taps and what has no effect is left out. So there is no second list of the keys.
 */

#define PART_LENGTH 160 /* characters of a long value that a note shows */
#define PART_BEFORE 24	/* of them, those in front of the first difference */
#define PART_SIZE   (PART_LENGTH + sizeof("......"))

struct comparison {
	struct decoder decoder; /* the place; findings: NULL where nobody will read them */
	unsigned n_differences;
	bool set_up_only; /* without the keys that say how a port comes to be there */
	bool is_out_of_memory;
};

static void print_value(const json_t *value, FILE *stream)
{
	const json_t *item = NULL;
	size_t i = 0;

	switch (json_typeof(value)) {
	case JSON_STRING:
		fprintf(stream, "'%s'", json_string_value(value));
		break;
	case JSON_ARRAY:
		json_array_foreach (value, i, item) {
			fputs(i == 0 ? "[" : ", ", stream);
			print_value(item, stream);
		}
		fputs("]", stream);
		break;
	default:
		/* A stream that has failed is seen when it is closed. */
		(void)json_dumpf(value, stream, JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));
	}
}

/* A value as a note shows it; the caller frees it, NULL when out of memory. */
static char *show_value(const json_t *value)
{
	char *text = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&text, &size);

	if (stream == NULL)
		return NULL;
	if (value == NULL)
		fputs("none", stream);
	else
		print_value(value, stream);
	bool ok = ferror(stream) == 0;

	if (fclose(stream) == 0 && ok)
		return text;
	free(text);
	return NULL;
}

static void cut_text(const char *text, size_t start, char part[PART_SIZE])
{
	snprintf(part, PART_SIZE, "%s%.*s%s", start > 0 ? "..." : "", PART_LENGTH, text + start,
		strlen(text + start) > PART_LENGTH ? "..." : "");
}

/* Where to begin with two texts so that a note shows what differs. */
static size_t find_start(const char *from, const char *to)
{
	size_t n_common = 0;

	if (strlen(from) <= PART_LENGTH && strlen(to) <= PART_LENGTH)
		return 0;
	while (from[n_common] != '\0' && from[n_common] == to[n_common])
		n_common++;
	return n_common > PART_BEFORE ? n_common - PART_BEFORE : 0;
}

static void note_change(struct comparison *comparison, const json_t *from, const json_t *to)
{
	char from_part[PART_SIZE];
	char to_part[PART_SIZE];

	comparison->n_differences++;
	if (comparison->decoder.findings == NULL)
		return;
	char *from_text = show_value(from);
	char *to_text = show_value(to);

	if (from_text != NULL && to_text != NULL) {
		size_t start = find_start(from_text, to_text);

		cut_text(from_text, start, from_part);
		cut_text(to_text, start, to_part);
		fc_findings_add(comparison->decoder.findings, FC_NOTE, comparison->decoder.place,
			"%s instead of %s", to_part, from_part);
	} else {
		comparison->is_out_of_memory = true;
	}
	free(from_text);
	free(to_text);
}

static void note_entry(struct comparison *comparison, const char *what)
{
	comparison->n_differences++;
	if (comparison->decoder.findings != NULL)
		fc_findings_add(comparison->decoder.findings, FC_NOTE, comparison->decoder.place,
			"%s", what);
}

/* Neither list has an item twice. */
static bool is_same_set(const json_t *from, const json_t *to)
{
	const json_t *item = NULL;
	const json_t *other = NULL;
	size_t i = 0;
	size_t j = 0;

	if (json_array_size(from) != json_array_size(to))
		return false;
	json_array_foreach (from, i, item) {
		bool found = false;

		json_array_foreach (to, j, other)
			found |= json_equal(item, other) != 0;
		if (!found)
			return false;
	}
	return true;
}

/* The value that a key has: its default where it is not there. A new reference; NULL: none. */
static json_t *effective_value(
	struct comparison *comparison, const struct key_row *row, json_t *value)
{
	if (value != NULL || row->preset == NULL)
		return json_incref(value);
	value = row->type->read(row, row->preset);
	comparison->is_out_of_memory |= value == NULL;
	return value;
}

static void compare_values(
	struct comparison *comparison, const struct key_row *row, json_t *from, json_t *to)
{
	json_t *a = effective_value(comparison, row, from);
	json_t *b = effective_value(comparison, row, to);
	bool is_same = a == b || json_equal(a, b) != 0;

	if (row->type == &fc_key_tap_list)
		is_same = is_same_set(a, b);
	if (!is_same)
		note_change(comparison, from, to);
	json_decref(a);
	json_decref(b);
}

static void compare_tables(
	struct comparison *comparison, const struct key_table *table, json_t *from, json_t *to);

static void compare_entries(
	struct comparison *comparison, const struct key_table *table, json_t *from, json_t *to)
{
	const char *name = NULL;
	json_t *entry = NULL;
	size_t mark = 0;

	json_object_foreach (from, name, entry) {
		json_t *other = json_object_get(to, name);

		mark = fc_place_enter(&comparison->decoder, name);
		if (other == NULL)
			note_entry(comparison, "removed");
		else
			compare_tables(comparison, table, entry, other);
		fc_place_leave(&comparison->decoder, mark);
	}
	json_object_foreach (to, name, entry) {
		if (json_object_get(from, name) != NULL)
			continue;
		mark = fc_place_enter(&comparison->decoder, name);
		note_entry(comparison, "added");
		fc_place_leave(&comparison->decoder, mark);
	}
}

/* Two objects of a table; NULL: it is not there, so none of its keys is. */
static void compare_tables(
	struct comparison *comparison, const struct key_table *table, json_t *from, json_t *to)
{
	for (size_t i = 0; i < table->n_rows; i++) {
		const struct key_row *row = &table->rows[i];
		json_t *a = json_object_get(from, row->name);
		json_t *b = json_object_get(to, row->name);

		if (comparison->set_up_only && row->presence)
			continue;
		size_t mark = fc_place_enter(&comparison->decoder, row->name);

		if (row->type == &fc_key_map)
			compare_entries(comparison, row->table, a, b);
		else if (row->table != NULL)
			compare_tables(comparison, row->table, a, b);
		else
			compare_values(comparison, row, a, b);
		fc_place_leave(&comparison->decoder, mark);
	}
}

static bool is_equal(const struct key_table *table, const void *a, const void *b)
{
	struct comparison comparison = { .set_up_only = true };
	bool a_set = a != NULL && fc_table_is_set(table, a);
	bool b_set = b != NULL && fc_table_is_set(table, b);
	/* Only names of taps need the configuration. */
	json_t *from = a_set ? fc_table_encode(NULL, table, a) : NULL;
	json_t *to = b_set ? fc_table_encode(NULL, table, b) : NULL;

	if ((a_set && from == NULL) || (b_set && to == NULL))
		comparison.is_out_of_memory = true;
	else
		compare_tables(&comparison, table, from, to);
	json_decref(from);
	json_decref(to);
	return comparison.n_differences == 0 && !comparison.is_out_of_memory;
}

bool fc_edits_is_equal(const struct fc_edits *a, const struct fc_edits *b)
{
	return is_equal(&fc_edits_table, a, b);
}

bool fc_encap_is_equal(const struct fc_encap *a, const struct fc_encap *b)
{
	return is_equal(&fc_encap_table, a, b);
}

bool fc_decap_is_equal(const struct fc_decap *a, const struct fc_decap *b)
{
	return is_equal(&fc_decap_table, a, b);
}

bool fc_port_config_is_equal(const struct fc_port_config *a, const struct fc_port_config *b)
{
	return is_equal(&fc_port_table, a, b);
}

unsigned fc_config_compare(
	const struct fc_config *from, const struct fc_config *to, struct fc_findings *findings)
{
	struct comparison comparison = { .decoder.findings = findings };
	json_t *a = fc_table_encode(from, &fc_root_table, from);
	json_t *b = fc_table_encode(to, &fc_root_table, to);

	if (a == NULL || b == NULL)
		comparison.is_out_of_memory = true;
	else
		compare_tables(&comparison, &fc_root_table, a, b);
	json_decref(a);
	json_decref(b);
	if (comparison.is_out_of_memory) {
		fc_decoder_no_memory(&comparison.decoder);
		comparison.n_differences++;
	}
	return comparison.n_differences;
}
