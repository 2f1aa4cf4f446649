/* SPDX-License-Identifier: MIT */
#ifndef FC_CTL_TABLE_H
#define FC_CTL_TABLE_H

#include <stdbool.h>
#include <stdio.h>

#include "counters.h"

/** How the live view is drawn. */
struct fc_table_style {
	unsigned width; /**< columns; no line is longer. 0: no limit, names are never cut */
	bool wide;	/**< one column for each drop reason instead of sums */
	bool utf8;	/**< bars of block elements */
	bool colour;	/**< escape sequences for what is lost */
};

/**
 * Draw one refresh of the live view: a title, the taps, the outputs, the lcores.
 *
 * @param out     Gets the lines, each ended by a newline.
 * @param style   How.
 * @param now     What there is; NULL draws only the title.
 * @param before  What there was, for the rates; NULL when not known: rates are "-".
 * @param notice  A line to show below the title; NULL or empty: none.
 */
void fc_table_draw(FILE *out, const struct fc_table_style *style, const struct fc_sample *now,
	const struct fc_sample *before, const char *notice);

#endif
