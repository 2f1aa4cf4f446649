/* SPDX-License-Identifier: MIT */
#include "columns.h"

#include <string.h>

#define MARK_WIDTH     1
#define MIN_NAME_WIDTH 4
#define NAME_WIDTH     12 /* that names get before anything else is left out */
#define MIN_NOTE_WIDTH 4
#define MAX_NOTE_WIDTH 8
#define MIN_BAR_WIDTH  8
#define PLAIN_WIDTH    80 /* what lines without a limit have where names are short */

static const struct fc_column tap_columns[] = {
	{ FC_CELL_BITS, 6, "bit/s", FC_BIT(FC_BYTES), FC_ORDER_BITS },
	{ FC_CELL_RATE, 6, "pkt/s", FC_BIT(FC_PACKETS), FC_ORDER_PACKETS },
	{ FC_CELL_LOST, 8, "missed", FC_MISSED, FC_ORDER_DROPS },
	{ FC_CELL_LOST, 8, "bad", FC_BAD, FC_ORDER_DROPS },
	{ FC_CELL_RATE, 7, "filter", FC_LEFT_OUT, FC_ORDER_CONFIG },
	{ FC_CELL_POOL, 6, "pool", 0, FC_ORDER_CONFIG },
	{ FC_CELL_BACKLOG, 7, "queued", 0, FC_ORDER_BACKLOG },
	{ FC_CELL_RING, 5, "ring", 0, FC_ORDER_BACKLOG },
	{ FC_CELL_END, 0, NULL, 0, FC_ORDER_CONFIG },
};

static const struct fc_column output_columns[] = {
	{ FC_CELL_BITS, 6, "bit/s", FC_BIT(FC_BYTES), FC_ORDER_BITS },
	{ FC_CELL_RATE, 6, "pkt/s", FC_BIT(FC_PACKETS), FC_ORDER_PACKETS },
	{ FC_CELL_LOST, 8, "overrun", FC_BIT(FC_OVERRUN), FC_ORDER_DROPS },
	{ FC_CELL_LOST, 8, "handoff", FC_BIT(FC_HANDOFF_FULL), FC_ORDER_DROPS },
	{ FC_CELL_RATE, 7, "filter", FC_LEFT_OUT, FC_ORDER_CONFIG },
	{ FC_CELL_LOST, 6, "other", FC_OTHER, FC_ORDER_DROPS },
	{ FC_CELL_BACKLOG, 7, "queued", 0, FC_ORDER_BACKLOG },
	{ FC_CELL_RING, 5, "ring", 0, FC_ORDER_BACKLOG },
	{ FC_CELL_END, 0, NULL, 0, FC_ORDER_CONFIG },
};

static const struct fc_column narrow_columns[] = {
	{ FC_CELL_BITS, 6, "bit/s", FC_BIT(FC_BYTES), FC_ORDER_BITS },
	{ FC_CELL_RATE, 6, "pkt/s", FC_BIT(FC_PACKETS), FC_ORDER_PACKETS },
	{ FC_CELL_LOST, 6, "drops", FC_LOSSES, FC_ORDER_DROPS },
	{ FC_CELL_BACKLOG, 7, "queued", 0, FC_ORDER_BACKLOG },
	{ FC_CELL_RING, 5, "ring", 0, FC_ORDER_BACKLOG },
	{ FC_CELL_END, 0, NULL, 0, FC_ORDER_CONFIG },
};

static const struct fc_column tiny_columns[] = {
	{ FC_CELL_BITS, 6, "bit/s", FC_BIT(FC_BYTES), FC_ORDER_BITS },
	{ FC_CELL_LOST, 6, "drops", FC_LOSSES, FC_ORDER_DROPS },
	{ FC_CELL_END, 0, NULL, 0, FC_ORDER_CONFIG },
};

static const struct fc_column wide_tap_columns[] = {
	{ FC_CELL_BITS, 6, "bit/s", FC_BIT(FC_BYTES), FC_ORDER_BITS },
	{ FC_CELL_RATE, 6, "pkt/s", FC_BIT(FC_PACKETS), FC_ORDER_PACKETS },
	{ FC_CELL_LOST, 13, "rx_missed", FC_BIT(FC_RX_MISSED), FC_ORDER_DROPS },
	{ FC_CELL_LOST, 10, "rx_nombuf", FC_BIT(FC_RX_NOMBUF), FC_ORDER_DROPS },
	{ FC_CELL_LOST, 7, "nombuf", FC_BIT(FC_NOMBUF), FC_ORDER_DROPS },
	{ FC_CELL_LOST, 10, "rx_errors", FC_BIT(FC_RX_ERRORS), FC_ORDER_DROPS },
	{ FC_CELL_LOST, 10, "malformed", FC_BIT(FC_MALFORMED), FC_ORDER_DROPS },
	{ FC_CELL_LOST, 10, "fragments",
		FC_BIT(FC_FRAGMENTS_TIMED_OUT) | FC_BIT(FC_FRAGMENTS_REFUSED) |
			FC_BIT(FC_FRAGMENTS_TABLE_FULL),
		FC_ORDER_DROPS },
	{ FC_CELL_RATE, 9, "filtered", FC_BIT(FC_FILTERED), FC_ORDER_CONFIG },
	{ FC_CELL_RATE, 12, "sampled_out", FC_BIT(FC_SAMPLED_OUT), FC_ORDER_CONFIG },
	{ FC_CELL_RATE, 9, "not_ours", FC_BIT(FC_NOT_OURS), FC_ORDER_CONFIG },
	{ FC_CELL_POOL, 5, "pool", 0, FC_ORDER_CONFIG },
	{ FC_CELL_BACKLOG, 7, "queued", 0, FC_ORDER_BACKLOG },
	{ FC_CELL_RING, 5, "ring", 0, FC_ORDER_BACKLOG },
	{ FC_CELL_END, 0, NULL, 0, FC_ORDER_CONFIG },
};

static const struct fc_column wide_output_columns[] = {
	{ FC_CELL_BITS, 6, "bit/s", FC_BIT(FC_BYTES), FC_ORDER_BITS },
	{ FC_CELL_RATE, 6, "pkt/s", FC_BIT(FC_PACKETS), FC_ORDER_PACKETS },
	{ FC_CELL_LOST, 13, "handoff_full", FC_BIT(FC_HANDOFF_FULL), FC_ORDER_DROPS },
	{ FC_CELL_LOST, 8, "overrun", FC_BIT(FC_OVERRUN), FC_ORDER_DROPS },
	{ FC_CELL_LOST, 11, "unresolved", FC_BIT(FC_UNRESOLVED), FC_ORDER_DROPS },
	{ FC_CELL_LOST, 9, "oversize", FC_BIT(FC_OVERSIZE), FC_ORDER_DROPS },
	{ FC_CELL_LOST, 7, "nombuf", FC_BIT(FC_NOMBUF), FC_ORDER_DROPS },
	{ FC_CELL_LOST, 11, "tx_refused", FC_BIT(FC_TX_REFUSED), FC_ORDER_DROPS },
	{ FC_CELL_LOST, 10, "tx_errors", FC_BIT(FC_TX_ERRORS), FC_ORDER_DROPS },
	{ FC_CELL_RATE, 9, "filtered", FC_BIT(FC_FILTERED), FC_ORDER_CONFIG },
	{ FC_CELL_RATE, 12, "sampled_out", FC_BIT(FC_SAMPLED_OUT), FC_ORDER_CONFIG },
	{ FC_CELL_EMPTY, 5, "", 0, FC_ORDER_CONFIG },
	{ FC_CELL_BACKLOG, 7, "queued", 0, FC_ORDER_BACKLOG },
	{ FC_CELL_RING, 5, "ring", 0, FC_ORDER_BACKLOG },
	{ FC_CELL_END, 0, NULL, 0, FC_ORDER_CONFIG },
};

/* From the widest to the narrowest. */
static const struct {
	const struct fc_column *taps, *outputs;
} sets[] = {
	{ wide_tap_columns, wide_output_columns },
	{ tap_columns, output_columns },
	{ narrow_columns, narrow_columns },
	{ tiny_columns, tiny_columns },
};

#define N_SETS (sizeof(sets) / sizeof(sets[0]))

static unsigned sum_widths(const struct fc_column *columns)
{
	unsigned width = 0;

	for (; columns->kind != FC_CELL_END; columns++)
		width += columns->width;
	return width;
}

static unsigned max_of(unsigned a, unsigned b)
{
	return a > b ? a : b;
}

static unsigned min_of(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

/* All but the name and the bar. */
static unsigned fixed_width(const struct fc_layout *layout, size_t set)
{
	return MARK_WIDTH + 1 + layout->note_width +
	       max_of(sum_widths(sets[set].taps), sum_widths(sets[set].outputs));
}

/* What the longest name takes. */
static unsigned measure(struct fc_layout *layout, const struct fc_sample *sample, bool feeds)
{
	unsigned longest = (unsigned)strlen("output");

	layout->note_width = MIN_NOTE_WIDTH;
	for (size_t i = 0; i < sample->n_rows; i++) {
		const struct fc_row *row = &sample->rows[i];

		if (row->kind == FC_ROW_LCORE || (row->kind == FC_ROW_FEED && !feeds))
			continue;
		longest = max_of(
			longest, (unsigned)strlen(row->name) + (row->kind == FC_ROW_FEED ? 2 : 0));
		layout->note_width = max_of(layout->note_width, (unsigned)strlen(row->note));
	}
	layout->note_width = min_of(layout->note_width, MAX_NOTE_WIDTH);
	return longest;
}

struct fc_layout fc_layout_choose(
	const struct fc_sample *sample, unsigned width, bool wide, bool feeds)
{
	struct fc_layout layout = { 0 };
	unsigned longest = measure(&layout, sample, feeds);
	size_t set = wide ? 0 : 1;
	unsigned fixed, room, limit;

	while (width > 0 && set < N_SETS - 1 &&
		fixed_width(&layout, set) + min_of(longest, NAME_WIDTH) > width)
		set++;
	fixed = fixed_width(&layout, set);
	layout.taps = sets[set].taps;
	layout.outputs = sets[set].outputs;
	layout.has_reasons = set == 0;
	if (width == 0) {
		limit = longest;
		room = max_of(PLAIN_WIDTH, fixed + longest + 1 + MIN_BAR_WIDTH) - fixed;
	} else {
		room = width > fixed ? width - fixed : 0;
		limit = room > NAME_WIDTH + 2 * MIN_BAR_WIDTH ? room - 2 * MIN_BAR_WIDTH
							      : min_of(room, NAME_WIDTH);
	}
	layout.name_width = min_of(longest, max_of(limit, MIN_NAME_WIDTH));
	layout.bar_width = room > layout.name_width + 1 ? room - layout.name_width - 1 : 0;
	layout.bar_width = min_of(layout.bar_width, FC_BAR_MAX_WIDTH);
	if (layout.bar_width < MIN_BAR_WIDTH)
		layout.bar_width = 0;
	return layout;
}
