/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <fc_text.h>

#include "row.h"

/* Where the options of one letter go. */
struct target {
	char letter;
	const char *key; /* of the configuration */
	const char *form;
	const struct key_table *table;
};

static const struct target targets[] = {
	{ 't', "taps", "NAME=PORT[,KEY=VALUE...]", &fc_tap_table },
	{ 'o', "outputs", "NAME=PORT,from=TAP[+TAP...][,KEY=VALUE...]", &fc_output_table },
};

/* The object of a key, made where it is not there yet; borrowed, NULL when out of memory. */
static json_t *object_at(json_t *parent, const char *key)
{
	json_t *object = json_object_get(parent, key);

	if (object != NULL)
		return object;
	if (json_object_set_new(parent, key, json_object()) != 0)
		return NULL;
	return json_object_get(parent, key);
}

/*
 * Put one KEY=VALUE into an object. What no table knows goes in as it is, as a string: the checker
 * explains it with the same words as in a file. So nesting ends where the tables end.
 */
static void put_value(struct decoder *decoder, const struct key_table *table, json_t *object,
	char *key, const char *text)
{
	const struct key_row *row = fc_table_find(table, key);
	char *dot = strchr(key, '.');
	json_t *value = NULL;

	if (dot != NULL) {
		*dot = '\0';
		row = fc_table_find(table, key);
		if (row == NULL || row->type != &fc_key_object) {
			row = NULL;
			*dot = '.';
		}
	}
	size_t mark = fc_place_enter(decoder, key);

	if (row != NULL && row->type == &fc_key_object) {
		char shorthand[32];
		char *inner_key = dot == NULL ? shorthand : dot + 1;
		json_t *inner = object_at(object, key);

		snprintf(shorthand, sizeof(shorthand), "%s",
			row->table->shorthand == NULL ? "" : row->table->shorthand);
		if (inner == NULL)
			fc_decoder_no_memory(decoder);
		else
			put_value(decoder, row->table, inner, inner_key, text);
	} else if (json_object_get(object, key) != NULL) {
		decoder_error(decoder, "is given twice");
	} else {
		value = row == NULL ? json_string(text) : row->type->read(row, text);
		if (json_object_set_new(object, key, value) != 0)
			fc_decoder_no_memory(decoder);
	}
	fc_place_leave(decoder, mark);
}

static void put_pairs(
	struct decoder *decoder, const struct target *target, json_t *object, char *pairs)
{
	char shown[FC_TEXT_SHOWN_SIZE];

	while (pairs != NULL) {
		char *pair = strsep(&pairs, ",");
		char *value = strchr(pair, '=');

		if (value == NULL || value == pair) {
			decoder_error(decoder, "expected KEY=VALUE, found '%s'",
				fc_text_show(pair, shown));
			continue;
		}
		*value++ = '\0';
		put_value(decoder, target->table, object, pair, value);
	}
}

/* One option; its text is cut to pieces. */
static void put_option(
	struct decoder *decoder, const struct target *target, json_t *root, char *text)
{
	json_t *objects = object_at(root, target->key);
	char shown[FC_TEXT_SHOWN_SIZE];
	char place[FC_PHRASE_SIZE];
	char *rest = text;

	snprintf(place, sizeof(place), "-%c %s", target->letter, fc_text_show(text, shown));
	char *name = strsep(&rest, ",");
	char *port = strchr(name, '=');

	if (port == NULL || port == name) {
		fc_findings_add(decoder->findings, FC_ERROR, place, "expected %s", target->form);
		return;
	}
	*port++ = '\0';
	if (json_object_get(objects, name) != NULL) {
		fc_findings_add(decoder->findings, FC_ERROR, place, "%s '%s' is given twice",
			target->table->noun, fc_text_show(name, shown));
		return;
	}
	json_t *object = object_at(objects, name);

	if (object == NULL || json_object_set_new(object, "port", json_string(port)) != 0) {
		fc_decoder_no_memory(decoder);
		return;
	}
	size_t outer = fc_place_enter(decoder, target->key);

	fc_place_enter(decoder, name);
	put_pairs(decoder, target, object, rest);
	fc_place_leave(decoder, outer);
}

static void read_option(struct decoder *decoder, json_t *root, const struct fc_short_option *option)
{
	const struct target *target = NULL;
	char place[4] = { '-', option->letter, '\0' };

	for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
		if (targets[i].letter == option->letter)
			target = &targets[i];
	}
	if (target == NULL) {
		fc_findings_add(decoder->findings, FC_ERROR, place, "expected -t or -o");
		return;
	}
	/* jansson takes UTF-8 only; each piece between ASCII separators is, if the whole is. */
	json_t *whole = json_string(option->text);
	char *copy = strdup(option->text);

	if (copy == NULL)
		fc_decoder_no_memory(decoder);
	else if (whole == NULL)
		fc_findings_add(decoder->findings, FC_ERROR, place, "is not valid UTF-8");
	else
		put_option(decoder, target, root, copy);
	free(copy);
	json_decref(whole);
}

struct fc_config *fc_config_from_options(const struct fc_short_option *options, size_t n_options,
	const struct fc_config_checks *checks, struct fc_findings *findings)
{
	struct decoder decoder = { .findings = findings };
	size_t n_errors = fc_findings_n_errors(findings);
	json_t *root = json_object();

	if (root == NULL) {
		fc_decoder_no_memory(&decoder);
		return NULL;
	}
	/* Where no option makes one, the checker shall miss its entries and not a key. */
	for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
		if (object_at(root, targets[i].key) == NULL)
			fc_decoder_no_memory(&decoder);
	}
	for (size_t i = 0; i < n_options; i++)
		read_option(&decoder, root, &options[i]);
	/* Also after errors, to find all others as well. */
	struct fc_config *config = fc_config_build(root, checks, findings);

	json_decref(root);
	if (fc_findings_n_errors(findings) != n_errors) {
		fc_config_free(config);
		return NULL;
	}
	return config;
}
