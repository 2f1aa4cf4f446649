/* SPDX-License-Identifier: MIT */
#include "table.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include "units.h"

#define MIN_NAME_WIDTH 12
#define LINK_WIDTH     5
#define MIN_BAR_WIDTH  8
#define MAX_BAR_WIDTH  40
#define PLAIN_WIDTH    80 /* what lines without a limit have where names are short */

enum colour {
	PLAIN,
	BOLD,
	RED,
	GREEN,
	DIM,
};

static const char *const colour_codes[] = {
	[BOLD] = "\033[1m",
	[RED] = "\033[1;31m",
	[GREEN] = "\033[32m",
	[DIM] = "\033[2m",
};

/* One line that never gets longer than the terminal is wide. */
struct line {
	FILE *out;
	const struct fc_table_style *style;
	unsigned used;
};

enum cell_kind {
	CELL_END,
	CELL_BITS,  /* bit/s of a byte counter */
	CELL_RATE,  /* packets/s */
	CELL_LOST,  /* packets/s that should be none */
	CELL_LEVEL, /* packets, now */
	CELL_POOL,  /* percent of the pool that is in use */
	CELL_EMPTY,
};

struct column {
	enum cell_kind kind;
	unsigned width;
	const char *title;
	uint32_t values;
};

static const struct column tap_columns[] = {
	{ CELL_BITS, 6, "bit/s", FC_BIT(FC_BYTES) },
	{ CELL_RATE, 6, "pkt/s", FC_BIT(FC_PACKETS) },
	{ CELL_LOST, 8, "missed", FC_BIT(FC_RX_MISSED) | FC_BIT(FC_RX_NOMBUF) | FC_BIT(FC_NOMBUF) },
	{ CELL_LOST, 8, "bad", FC_BIT(FC_MALFORMED) | FC_BIT(FC_NOT_OURS) | FC_BIT(FC_RX_ERRORS) },
	{ CELL_RATE, 7, "filter", FC_BIT(FC_FILTERED) | FC_BIT(FC_SAMPLED_OUT) },
	{ CELL_EMPTY, 6, "", 0 },
	{ CELL_POOL, 7, "pool", 0 },
	{ CELL_END, 0, NULL, 0 },
};

static const struct column output_columns[] = {
	{ CELL_BITS, 6, "bit/s", FC_BIT(FC_BYTES) },
	{ CELL_RATE, 6, "pkt/s", FC_BIT(FC_PACKETS) },
	{ CELL_LOST, 8, "overrun", FC_BIT(FC_OVERRUN) },
	{ CELL_LOST, 8, "handoff", FC_BIT(FC_HANDOFF_FULL) },
	{ CELL_RATE, 7, "filter", FC_BIT(FC_FILTERED) | FC_BIT(FC_SAMPLED_OUT) },
	{ CELL_LOST, 6, "other",
		FC_BIT(FC_UNRESOLVED) | FC_BIT(FC_OVERSIZE) | FC_BIT(FC_NOMBUF) |
			FC_BIT(FC_TX_REFUSED) | FC_BIT(FC_TX_ERRORS) },
	{ CELL_LEVEL, 7, "queued", FC_BIT(FC_QUEUED) },
	{ CELL_END, 0, NULL, 0 },
};

static const struct column wide_tap_columns[] = {
	{ CELL_BITS, 6, "bit/s", FC_BIT(FC_BYTES) },
	{ CELL_RATE, 6, "pkt/s", FC_BIT(FC_PACKETS) },
	{ CELL_LOST, 13, "rx_missed", FC_BIT(FC_RX_MISSED) },
	{ CELL_LOST, 10, "rx_nombuf", FC_BIT(FC_RX_NOMBUF) },
	{ CELL_RATE, 9, "filtered", FC_BIT(FC_FILTERED) },
	{ CELL_RATE, 12, "sampled_out", FC_BIT(FC_SAMPLED_OUT) },
	{ CELL_LOST, 11, "rx_errors", FC_BIT(FC_RX_ERRORS) },
	{ CELL_LOST, 10, "malformed", FC_BIT(FC_MALFORMED) },
	{ CELL_LOST, 10, "not_ours", FC_BIT(FC_NOT_OURS) },
	{ CELL_LOST, 7, "nombuf", FC_BIT(FC_NOMBUF) },
	{ CELL_EMPTY, 11, "", 0 },
	{ CELL_POOL, 7, "pool", 0 },
	{ CELL_END, 0, NULL, 0 },
};

static const struct column wide_output_columns[] = {
	{ CELL_BITS, 6, "bit/s", FC_BIT(FC_BYTES) },
	{ CELL_RATE, 6, "pkt/s", FC_BIT(FC_PACKETS) },
	{ CELL_LOST, 13, "handoff_full", FC_BIT(FC_HANDOFF_FULL) },
	{ CELL_LOST, 10, "overrun", FC_BIT(FC_OVERRUN) },
	{ CELL_RATE, 9, "filtered", FC_BIT(FC_FILTERED) },
	{ CELL_RATE, 12, "sampled_out", FC_BIT(FC_SAMPLED_OUT) },
	{ CELL_LOST, 11, "unresolved", FC_BIT(FC_UNRESOLVED) },
	{ CELL_LOST, 10, "oversize", FC_BIT(FC_OVERSIZE) },
	{ CELL_LOST, 10, "tx_errors", FC_BIT(FC_TX_ERRORS) },
	{ CELL_LOST, 7, "nombuf", FC_BIT(FC_NOMBUF) },
	{ CELL_LOST, 11, "tx_refused", FC_BIT(FC_TX_REFUSED) },
	{ CELL_LEVEL, 7, "queued", FC_BIT(FC_QUEUED) },
	{ CELL_END, 0, NULL, 0 },
};

/* Widths that all lines of one refresh share. */
struct layout {
	unsigned name_width;
	unsigned bar_width; /* 0: no bar */
};

static unsigned room_left(const struct line *line)
{
	if (line->style->width == 0)
		return UINT32_MAX;
	return line->style->width - line->used;
}

/* Put n_columns of text; n_columns is the number of characters but for UTF-8. */
static void put_text(struct line *line, enum colour colour, const char *text, unsigned n_columns)
{
	const char *code = line->style->colour ? colour_codes[colour] : NULL;

	if (n_columns > room_left(line))
		return;
	fprintf(line->out, "%s%s%s", code != NULL ? code : "", text, code != NULL ? "\033[0m" : "");
	line->used += n_columns;
}

static void put(struct line *line, enum colour colour, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Put formatted ASCII; what is beyond the line's end is cut. */
static void put(struct line *line, enum colour colour, const char *format, ...)
{
	unsigned room = room_left(line);
	char text[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (room < sizeof(text))
		text[room] = '\0';
	put_text(line, colour, text, (unsigned)strlen(text));
}

static void end_line(struct line *line)
{
	fputc('\n', line->out);
	line->used = 0;
}

static const struct column *choose_columns(enum fc_row_kind kind, bool wide)
{
	if (kind == FC_ROW_TAP)
		return wide ? wide_tap_columns : tap_columns;
	return wide ? wide_output_columns : output_columns;
}

static unsigned columns_width(const struct column *columns)
{
	unsigned width = 0;

	for (; columns->kind != CELL_END; columns++)
		width += columns->width;
	return width;
}

static struct layout choose_layout(
	const struct fc_table_style *style, const struct fc_sample *sample)
{
	unsigned fixed = 1 + LINK_WIDTH + columns_width(choose_columns(FC_ROW_TAP, style->wide));
	unsigned longest = (unsigned)strlen("output");
	unsigned room, limit;
	struct layout layout;

	for (size_t i = 0; i < sample->n_rows; i++) {
		unsigned size = (unsigned)strlen(sample->rows[i].name);

		if (sample->rows[i].kind != FC_ROW_LCORE && size > longest)
			longest = size;
	}
	room = style->width > fixed ? style->width - fixed : 0;
	limit = room > MIN_NAME_WIDTH + 2 * MIN_BAR_WIDTH ? room - 2 * MIN_BAR_WIDTH
							  : MIN_NAME_WIDTH;
	if (style->width == 0) {
		limit = longest;
		room = fixed + longest + 1 + MIN_BAR_WIDTH;
		room = (room > PLAIN_WIDTH ? room : PLAIN_WIDTH) - fixed;
	}
	layout.name_width = longest < limit ? longest : limit;
	layout.bar_width = room > layout.name_width + 1 ? room - layout.name_width - 1 : 0;
	if (layout.bar_width < MIN_BAR_WIDTH)
		layout.bar_width = 0;
	if (layout.bar_width > MAX_BAR_WIDTH)
		layout.bar_width = MAX_BAR_WIDTH;
	return layout;
}

static void put_cell(struct line *line, const struct column *column, const double *rates)
{
	double value = fc_rates_sum(rates, column->values);
	enum colour colour = PLAIN;
	char text[FC_SI_SIZE];

	switch (column->kind) {
	case CELL_EMPTY:
		put(line, PLAIN, "%*s", (int)column->width, "");
		return;
	case CELL_POOL:
		value = (rates[FC_POOL_SIZE] - rates[FC_POOL_FREE]) * 100 / rates[FC_POOL_SIZE];
		if (value >= 0 && value <= 100)
			snprintf(text, sizeof(text), "%.0f%%", value);
		else
			snprintf(text, sizeof(text), "-");
		put(line, PLAIN, "%*s", (int)column->width, text);
		return;
	case CELL_BITS:
		value *= 8;
		break;
	case CELL_LOST:
		colour = value > 0 ? RED : PLAIN;
		break;
	default:
		break;
	}
	fc_unit_si(text, value);
	put(line, colour, "%*s", (int)column->width, text);
}

static void draw_head(struct line *line, const struct layout *layout, enum fc_row_kind kind)
{
	const struct column *column = choose_columns(kind, line->style->wide);
	char scale[MAX_BAR_WIDTH + 1];

	put(line, BOLD, "%-*s %-*s", (int)layout->name_width, kind == FC_ROW_TAP ? "tap" : "output",
		LINK_WIDTH - 1, "link");
	for (put(line, BOLD, " "); column->kind != CELL_END; column++)
		put(line, BOLD, "%*s", (int)column->width, column->title);
	if (layout->bar_width > 0 && kind == FC_ROW_TAP) {
		fc_unit_scale(scale, layout->bar_width);
		put(line, DIM, " %s", scale);
	}
	end_line(line);
}

static void draw_row(struct line *line, const struct layout *layout, const struct fc_row *row,
	const struct fc_row *before)
{
	const struct column *column = choose_columns(row->kind, line->style->wide);
	char name[FC_ROW_NAME_SIZE], link[LINK_WIDTH], bar[FC_BAR_SIZE(MAX_BAR_WIDTH)];
	double rates[FC_N_VALUES];
	unsigned n_columns;
	bool is_down = row->note[0] != '\0' && strcmp(row->note, "up") != 0;

	fc_row_rates(rates, row, before);
	fc_unit_printable(name, layout->name_width + 1, row->name);
	fc_unit_printable(link, sizeof(link), row->note[0] != '\0' ? row->note : "-");
	put(line, PLAIN, "%-*s ", (int)layout->name_width, name);
	put(line, is_down ? RED : PLAIN, "%-*s", LINK_WIDTH - 1, link);
	for (put(line, PLAIN, " "); column->kind != CELL_END; column++)
		put_cell(line, column, rates);
	n_columns = fc_unit_bar(bar, rates[FC_BYTES] * 8, layout->bar_width, line->style->utf8);
	if (n_columns > 0) {
		put(line, PLAIN, " ");
		put_text(line, GREEN, bar, n_columns);
	}
	end_line(line);
}

static void draw_rows(struct line *line, const struct layout *layout, enum fc_row_kind kind,
	const struct fc_sample *now, const struct fc_sample *before)
{
	size_t n_drawn = 0;

	draw_head(line, layout, kind);
	for (size_t i = 0; i < now->n_rows; i++) {
		const struct fc_row *row = &now->rows[i];

		if (row->kind != kind)
			continue;
		draw_row(line, layout, row, fc_sample_find(before, kind, row->name));
		n_drawn++;
	}
	if (n_drawn == 0) {
		put(line, DIM, "(none)");
		end_line(line);
	}
}

static void draw_lcores(
	struct line *line, const struct fc_sample *now, const struct fc_sample *before)
{
	bool is_first = true;

	for (size_t i = 0; i < now->n_rows; i++) {
		const struct fc_row *row = &now->rows[i];
		double rates[FC_N_VALUES], busy;
		char text[FC_ROW_NAME_SIZE + sizeof(row->note) + 16], share[FC_SI_SIZE];

		if (row->kind != FC_ROW_LCORE)
			continue;
		fc_row_rates(rates, row, fc_sample_find(before, FC_ROW_LCORE, row->name));
		busy = rates[FC_BUSY_CYCLES] * 100 /
		       (rates[FC_BUSY_CYCLES] + rates[FC_IDLE_CYCLES]);
		if (busy >= 0 && busy <= 100)
			snprintf(share, sizeof(share), "%.0f%%", busy);
		else
			snprintf(share, sizeof(share), "-");
		snprintf(text, sizeof(text), "  %s %s %s", row->name, row->note, share);
		if (!is_first && strlen(text) > room_left(line)) {
			end_line(line);
			is_first = true;
		}
		if (is_first)
			put(line, BOLD, "lcores");
		is_first = false;
		put(line, PLAIN, "%s", text);
	}
	if (!is_first)
		end_line(line);
}

static void draw_title(struct line *line, const struct fc_sample *now)
{
	char uptime[FC_DURATION_SIZE];

	put(line, BOLD, "fluxcap");
	if (now != NULL) {
		if (now->version[0] != '\0')
			put(line, PLAIN, " %s", now->version);
		if (now->pid > 0)
			put(line, PLAIN, "  process %lld", now->pid);
		if (now->uptime_s != UINT64_MAX) {
			fc_unit_duration(uptime, now->uptime_s);
			put(line, PLAIN, "  up %s", uptime);
		}
		if (now->config[0] != '\0')
			put(line, PLAIN, "  %s", now->config);
	}
	end_line(line);
}

void fc_table_draw(FILE *out, const struct fc_table_style *style, const struct fc_sample *now,
	const struct fc_sample *before, const char *notice)
{
	struct line line = { .out = out, .style = style };
	struct layout layout;

	draw_title(&line, now);
	if (notice != NULL && notice[0] != '\0') {
		put(&line, RED, "%s", notice);
		end_line(&line);
	}
	if (now == NULL)
		return;
	layout = choose_layout(style, now);
	draw_rows(&line, &layout, FC_ROW_TAP, now, before);
	draw_rows(&line, &layout, FC_ROW_OUTPUT, now, before);
	draw_lcores(&line, now, before);
}
