/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <fc_text.h>

#include "number.h"
#include "row.h"

bool fc_number_decode(
	struct decoder *decoder, const struct key_row *row, json_t *value, uint64_t *number)
{
	char phrase[FC_PHRASE_SIZE];

	if (!json_is_integer(value)) {
		fc_number_describe(row, phrase);
		fc_decoder_mismatch(decoder, phrase, value);
		return false;
	}
	json_int_t integer = json_integer_value(value);

	if (integer < 0 || (uint64_t)integer < row->min || (uint64_t)integer > row->max) {
		decoder_error(decoder, "%" JSON_INTEGER_FORMAT " is not in %" PRIu64 "..%" PRIu64,
			integer, row->min, row->max);
		return false;
	}
	*number = (uint64_t)integer;
	return true;
}

void fc_number_describe(const struct key_row *row, char phrase[FC_PHRASE_SIZE])
{
	snprintf(phrase, FC_PHRASE_SIZE, "a whole number in %" PRIu64 "..%" PRIu64, row->min,
		row->max);
}

json_t *fc_number_read(const char *text)
{
	uint64_t number = 0;

	if (fc_text_parse_whole(text, 0, INT64_MAX, &number) != 0)
		return json_string(text);
	return json_integer((json_int_t)number);
}

json_t *fc_number_schema(const struct key_row *row)
{
	return json_pack("{s:s, s:I, s:I}", "type", "integer", "minimum", (json_int_t)row->min,
		"maximum", (json_int_t)row->max);
}

static void decode_whole(
	struct decoder *decoder, const struct key_row *row, json_t *value, void *owner)
{
	uint64_t number = 0;

	if (!fc_number_decode(decoder, row, value, &number))
		return;
	fc_field_set(owner, row->offset, row->size, number);
	if (row->second_size != 0)
		fc_field_set(owner, row->second_offset, row->second_size, true);
}

static bool is_number_set(const struct key_row *row, const void *owner)
{
	if (row->second_size != 0)
		return fc_field_get(owner, row->second_offset, row->second_size) != 0;
	return fc_field_get(owner, row->offset, row->size) != 0;
}

static json_t *encode_whole(
	const struct fc_config *config, const struct key_row *row, const void *owner)
{
	(void)config;
	return json_integer((json_int_t)fc_field_get(owner, row->offset, row->size));
}

static json_t *read_whole(const struct key_row *row, const char *text)
{
	(void)row;
	return fc_number_read(text);
}

const struct key_type fc_key_whole = {
	.describe = fc_number_describe,
	.decode = decode_whole,
	.is_set = is_number_set,
	.encode = encode_whole,
	.read = read_whole,
	.schema = fc_number_schema,
};

static void describe_size(const struct key_row *row, char phrase[FC_PHRASE_SIZE])
{
	char min[24];
	char max[24];

	fc_text_format_size(row->min, min, sizeof(min));
	fc_text_format_size(row->max, max, sizeof(max));
	snprintf(
		phrase, FC_PHRASE_SIZE, "a size in %s..%s, such as \"%s\"", min, max, row->example);
}

static void decode_size(
	struct decoder *decoder, const struct key_row *row, json_t *value, void *owner)
{
	const char *text = json_string_value(value);
	char bytes[24];
	char shown[FC_TEXT_SHOWN_SIZE];
	char min[24];
	char max[24];
	uint64_t size = 0;

	if (json_is_integer(value)) {
		snprintf(bytes, sizeof(bytes), "%" JSON_INTEGER_FORMAT, json_integer_value(value));
		text = bytes;
	}
	switch (text == NULL ? -EINVAL : fc_text_parse_size(text, row->min, row->max, &size)) {
	case 0:
		fc_field_set(owner, row->offset, row->size, size);
		break;
	case -ERANGE:
		fc_text_format_size(row->min, min, sizeof(min));
		fc_text_format_size(row->max, max, sizeof(max));
		decoder_error(decoder, "%s is not in %s..%s", fc_text_show(text, shown), min, max);
		break;
	default:
		fc_decoder_reject(decoder, row, value);
	}
}

static json_t *encode_size(
	const struct fc_config *config, const struct key_row *row, const void *owner)
{
	char text[24];

	(void)config;
	fc_text_format_size(fc_field_get(owner, row->offset, row->size), text, sizeof(text));
	return json_string(text);
}

static json_t *read_text(const struct key_row *row, const char *text)
{
	(void)row;
	return json_string(text);
}

static json_t *schema_size(const struct key_row *row)
{
	return json_pack("{s:[{s:s, s:s}, o]}", "anyOf", "type", "string", "pattern",
		"^[0-9]+[kKmMgGtT]?$", fc_number_schema(row));
}

const struct key_type fc_key_size = {
	.describe = describe_size,
	.decode = decode_size,
	.is_set = is_number_set,
	.encode = encode_size,
	.read = read_text,
	.schema = schema_size,
};

static void describe_percent(const struct key_row *row, char phrase[FC_PHRASE_SIZE])
{
	snprintf(phrase, FC_PHRASE_SIZE, "a number above %" PRIu64 " and up to %" PRIu64, row->min,
		row->max);
}

static double *percent_of(const struct key_row *row, void *owner)
{
	return (double *)(void *)((char *)owner + row->offset);
}

static double percent_value(const struct key_row *row, const void *owner)
{
	return *(const double *)(const void *)((const char *)owner + row->offset);
}

/* A whole number is written without ".0". */
static json_t *number_of(double percent)
{
	json_int_t whole = (json_int_t)percent;

	return (double)whole == percent ? json_integer(whole) : json_real(percent);
}

static void decode_percent(
	struct decoder *decoder, const struct key_row *row, json_t *value, void *owner)
{
	double percent = json_number_value(value);
	char digits[32];

	if (!json_is_number(value) || !(percent > (double)row->min) ||
		!(percent <= (double)row->max)) {
		fc_decoder_reject(decoder, row, value);
		return;
	}
	/* The digits that a dump writes: more of them would not survive it. */
	snprintf(digits, sizeof(digits), "%.15g", percent);
	*percent_of(row, owner) = strtod(digits, NULL);
}

static bool is_percent_set(const struct key_row *row, const void *owner)
{
	return percent_value(row, owner) > 0;
}

static json_t *encode_percent(
	const struct fc_config *config, const struct key_row *row, const void *owner)
{
	(void)config;
	return number_of(percent_value(row, owner));
}

static json_t *read_percent(const struct key_row *row, const char *text)
{
	double percent = 0;

	(void)row;
	if (fc_text_parse_decimal(text, &percent) != 0)
		return json_string(text);
	return number_of(percent);
}

static json_t *schema_percent(const struct key_row *row)
{
	return json_pack("{s:s, s:I, s:I}", "type", "number", "exclusiveMinimum",
		(json_int_t)row->min, "maximum", (json_int_t)row->max);
}

const struct key_type fc_key_percent = {
	.describe = describe_percent,
	.decode = decode_percent,
	.is_set = is_percent_set,
	.encode = encode_percent,
	.read = read_percent,
	.schema = schema_percent,
};
