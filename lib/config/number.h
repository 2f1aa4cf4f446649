/* SPDX-License-Identifier: MIT */
#ifndef FC_NUMBER_H
#define FC_NUMBER_H

#include "row.h"

/* Whole numbers in row->min..row->max, for the types that consist of them. */

void fc_number_describe(const struct key_row *row, char phrase[FC_PHRASE_SIZE]);

/* False, with a finding, when the value is not such a number. */
bool fc_number_decode(
	struct decoder *decoder, const struct key_row *row, json_t *value, uint64_t *number);

/* The number in a text, or else the text; a new reference, NULL when out of memory. */
json_t *fc_number_read(const char *text);

json_t *fc_number_schema(const struct key_row *row);

#endif
