/* SPDX-License-Identifier: MIT */
#ifndef FC_CTL_COLUMNS_H
#define FC_CTL_COLUMNS_H

#include <stdbool.h>
#include <stdint.h>

#include "counters.h"
#include "order.h"

/** What a column of the live view shows. */
enum fc_cell_kind {
	FC_CELL_END,
	FC_CELL_BITS,	 /**< bit/s of a byte counter */
	FC_CELL_RATE,	 /**< packets/s */
	FC_CELL_LOST,	 /**< packets/s that should be none */
	FC_CELL_BACKLOG, /**< packets that wait now */
	FC_CELL_RING,	 /**< percent of the ring that they take */
	FC_CELL_POOL,	 /**< percent of the pool that is in use */
	FC_CELL_EMPTY,
};

struct fc_column {
	enum fc_cell_kind kind;
	unsigned width; /**< with the blanks before it */
	const char *title;
	uint32_t values;     /**< whose sum it shows */
	enum fc_order order; /**< that sorts by it, or FC_ORDER_CONFIG: none */
};

/** Widths and columns that all lines of one refresh share. */
struct fc_layout {
	const struct fc_column *taps, *outputs; /**< each ended by FC_CELL_END */
	bool has_reasons;			/**< a column for each reason */
	unsigned name_width;
	unsigned note_width;
	unsigned bar_width; /**< 0: no bar */
};

/** The bar is never longer. */
#define FC_BAR_MAX_WIDTH 40

/**
 * Choose what fits: columns first, then names, then the bar.
 *
 * @param width  Of the terminal. 0: no limit, names are never cut.
 * @param wide   A column for each reason where there is room.
 * @param feeds  Whether feeds are shown too.
 */
struct fc_layout fc_layout_choose(
	const struct fc_sample *sample, unsigned width, bool wide, bool feeds);

#endif
