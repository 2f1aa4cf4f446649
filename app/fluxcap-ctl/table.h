/* SPDX-License-Identifier: MIT */
#ifndef FC_CTL_TABLE_H
#define FC_CTL_TABLE_H

#include <stdbool.h>

#include "counters.h"
#include "order.h"
#include "page.h"

/** How the live view is drawn. */
struct fc_table_style {
	unsigned width; /**< columns; no line is longer. 0: no limit, names are never cut */
	bool wide;	/**< each drop reason by itself: in columns, or in lines of their own */
	bool feeds;	/**< the feeds below each output */
	bool utf8;	/**< bars of block elements */
	bool colour;	/**< escape sequences for what is lost */
	enum fc_order order;
	bool is_reverse;
};

/**
 * Draw one refresh of the live view: a title, the taps, the outputs with their feeds, the lcores.
 *
 * What loses packets is marked with '!', and where colours are on, red. A line that had to be cut
 * ends in '~'.
 *
 * @param page    Gets the lines.
 * @param style   How.
 * @param sample  What there is, compared with what there was; NULL draws only the title.
 * @param corner  To stand at the right end of the title if there is room.
 * @param notice  A line to show below the title; NULL or empty: none.
 */
void fc_table_draw(struct fc_page *page, const struct fc_table_style *style,
	const struct fc_sample *sample, const char *corner, const char *notice);

#endif
