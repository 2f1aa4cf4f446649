/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include "row.h"

const char *fc_choice_word(const struct key_choice *choices, uint64_t value)
{
	while (choices->word != NULL && choices->value != value)
		choices++;
	return choices->word;
}

static void describe_choice(const struct key_row *row, char phrase[FC_PHRASE_SIZE])
{
	size_t length = (size_t)snprintf(phrase, FC_PHRASE_SIZE, "one of");

	for (size_t i = 0; row->choices[i].word != NULL && length < FC_PHRASE_SIZE; i++)
		length += (size_t)snprintf(phrase + length, FC_PHRASE_SIZE - length, "%s \"%s\"",
			i == 0 ? "" : ",", row->choices[i].word);
}

static void decode_choice(
	struct decoder *decoder, const struct key_row *row, json_t *value, void *owner)
{
	const struct key_choice *choice = row->choices;

	if (!json_is_string(value)) {
		fc_decoder_reject(decoder, row, value);
		return;
	}
	while (choice->word != NULL && strcmp(choice->word, json_string_value(value)) != 0)
		choice++;
	if (choice->word == NULL)
		fc_decoder_reject(decoder, row, value);
	else
		fc_field_set(owner, row->offset, row->size, choice->value);
}

static bool is_choice_set(const struct key_row *row, const void *owner)
{
	return fc_field_get(owner, row->offset, row->size) != 0;
}

static json_t *encode_choice(
	const struct fc_config *config, const struct key_row *row, const void *owner)
{
	(void)config;
	return json_string(
		fc_choice_word(row->choices, fc_field_get(owner, row->offset, row->size)));
}

static json_t *read_choice(const struct key_row *row, const char *text)
{
	(void)row;
	return json_string(text);
}

static json_t *schema_choice(const struct key_row *row)
{
	json_t *words = json_array();

	for (size_t i = 0; row->choices[i].word != NULL; i++) {
		if (json_array_append_new(words, json_string(row->choices[i].word)) != 0) {
			json_decref(words);
			return NULL;
		}
	}
	return json_pack("{s:o}", "enum", words);
}

const struct key_type fc_key_choice = {
	.describe = describe_choice,
	.decode = decode_choice,
	.is_set = is_choice_set,
	.encode = encode_choice,
	.read = read_choice,
	.schema = schema_choice,
};

static void describe_bool(const struct key_row *row, char phrase[FC_PHRASE_SIZE])
{
	(void)row;
	snprintf(phrase, FC_PHRASE_SIZE, "true or false");
}

static void decode_bool(
	struct decoder *decoder, const struct key_row *row, json_t *value, void *owner)
{
	if (json_is_boolean(value))
		fc_field_set(owner, row->offset, row->size, json_is_true(value));
	else
		fc_decoder_reject(decoder, row, value);
}

/* Both values are ones, so a dump always has it. */
static bool is_bool_set(const struct key_row *row, const void *owner)
{
	(void)row;
	(void)owner;
	return true;
}

static json_t *encode_bool(
	const struct fc_config *config, const struct key_row *row, const void *owner)
{
	(void)config;
	return json_boolean(fc_field_get(owner, row->offset, row->size) != 0);
}

static json_t *read_bool(const struct key_row *row, const char *text)
{
	(void)row;
	if (strcmp(text, "true") == 0)
		return json_true();
	return strcmp(text, "false") == 0 ? json_false() : json_string(text);
}

static json_t *schema_bool(const struct key_row *row)
{
	(void)row;
	return json_pack("{s:s}", "type", "boolean");
}

const struct key_type fc_key_bool = {
	.describe = describe_bool,
	.decode = decode_bool,
	.is_set = is_bool_set,
	.encode = encode_bool,
	.read = read_bool,
	.schema = schema_bool,
};
