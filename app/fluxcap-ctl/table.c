/* SPDX-License-Identifier: MIT */
#include "table.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "columns.h"
#include "units.h"

#define HIGH_SHARE 0.8	/* of a ring: packets will be lost soon */
#define HIGH_BUSY  0.95 /* of an lcore's time */

enum colour {
	PLAIN,
	BOLD,
	UNDERLINED,
	RED,
	YELLOW,
	GREEN,
	DIM,
};

static const char *const colour_codes[] = {
	[BOLD] = "\033[1m",
	[UNDERLINED] = "\033[1;4m",
	[RED] = "\033[1;31m",
	[YELLOW] = "\033[33m",
	[GREEN] = "\033[32m",
	[DIM] = "\033[2m",
};

/* One line that never gets longer than the terminal is wide. */
struct line {
	struct fc_page *page;
	const struct fc_table_style *style;
	unsigned used;
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
	fprintf(fc_page_out(line->page), "%s%s%s", code != NULL ? code : "", text,
		code != NULL ? "\033[0m" : "");
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
	if (strlen(text) > room) {
		text[room] = '\0';
		if (room > 0)
			text[room - 1] = '~';
	}
	put_text(line, colour, text, (unsigned)strlen(text));
}

static void end_line(struct line *line, enum fc_line_kind kind, bool is_losing)
{
	fc_page_end_line(line->page, kind, is_losing);
	line->used = 0;
}

static void share_text(char *text, double share)
{
	if (!(share >= 0 && share <= 1))
		snprintf(text, FC_SI_SIZE, "-");
	else if (share > 0 && share < 0.005)
		snprintf(text, FC_SI_SIZE, "<1%%");
	else
		snprintf(text, FC_SI_SIZE, "%.0f%%", share * 100);
}

static double pool_share(const struct fc_row *row)
{
	return (row->rates[FC_POOL_SIZE] - row->rates[FC_POOL_FREE]) / row->rates[FC_POOL_SIZE];
}

static void put_cell(struct line *line, const struct fc_column *column, const struct fc_row *row)
{
	double value = fc_row_sum(row, column->values);
	enum colour colour = value == 0 ? DIM : PLAIN;
	char text[FC_SI_SIZE] = "";

	switch (column->kind) {
	case FC_CELL_POOL:
		/* Only a tap has one. */
		if (row->kind == FC_ROW_TAP)
			share_text(text, pool_share(row));
		break;
	case FC_CELL_RING:
		share_text(text, row->ring_share);
		colour = row->ring_share >= HIGH_SHARE ? YELLOW : PLAIN;
		break;
	case FC_CELL_BACKLOG:
		colour = row->backlog == 0 ? DIM : PLAIN;
		fc_unit_si(text, row->backlog);
		break;
	case FC_CELL_BITS:
		fc_unit_si(text, value * 8);
		break;
	case FC_CELL_LOST:
		colour = value > 0 ? RED : colour;
		fc_unit_si(text, value);
		break;
	case FC_CELL_RATE:
		fc_unit_si(text, value);
		break;
	default:
		break;
	}
	put(line, PLAIN, "%*s", (int)(column->width - strlen(text)), "");
	put(line, colour, "%s", text);
}

static const struct fc_column *columns_of(const struct fc_layout *layout, enum fc_row_kind kind)
{
	return kind == FC_ROW_TAP ? layout->taps : layout->outputs;
}

static void draw_head(struct line *line, const struct fc_layout *layout, enum fc_row_kind kind)
{
	enum fc_order order = line->style->order;
	const struct fc_column *column;
	char scale[FC_BAR_MAX_WIDTH + 1], name[FC_ROW_NAME_SIZE];

	put(line, PLAIN, " ");
	fc_unit_printable(name, layout->name_width + 1, kind == FC_ROW_TAP ? "tap" : "output");
	put(line, order == FC_ORDER_NAME ? UNDERLINED : BOLD, "%s", name);
	put(line, BOLD, "%*s %-*s", (int)(layout->name_width - strlen(name)), "",
		(int)layout->note_width, "link");
	for (column = columns_of(layout, kind); column->kind != FC_CELL_END; column++) {
		bool is_sorted = order != FC_ORDER_CONFIG && column->order == order;

		put(line, PLAIN, "%*s", (int)(column->width - strlen(column->title)), "");
		put(line, is_sorted ? UNDERLINED : BOLD, "%s", column->title);
	}
	if (layout->bar_width > 0 && kind == FC_ROW_TAP) {
		fc_unit_scale(scale, layout->bar_width);
		put(line, DIM, " %s", scale);
	}
	end_line(line, FC_LINE_HEAD, false);
}

static void put_mark(struct line *line, const struct fc_row *row)
{
	if (fc_row_is_losing(row))
		put(line, RED, "!");
	else if (row->ring_share >= HIGH_SHARE)
		put(line, YELLOW, "^");
	else if (row->has_lost)
		put(line, YELLOW, "*");
	else
		put(line, PLAIN, " ");
}

static void put_note(struct line *line, unsigned width, const struct fc_row *row)
{
	char note[sizeof(row->note)];
	unsigned size = width + 1 < sizeof(note) ? width + 1 : (unsigned)sizeof(note);

	fc_unit_printable(note, size, row->note[0] != '\0' ? row->note : "-");
	put(line, fc_row_is_down(row) ? RED : PLAIN, " %-*s", (int)width, note);
}

static void draw_row(struct line *line, const struct fc_layout *layout, const struct fc_row *row,
	enum fc_line_kind kind)
{
	bool is_total = kind == FC_LINE_HEAD;
	const struct fc_column *column;
	char whole[FC_ROW_NAME_SIZE + 2], name[FC_ROW_NAME_SIZE + 2];
	char bar[FC_BAR_SIZE(FC_BAR_MAX_WIDTH)];
	unsigned n_columns;

	snprintf(whole, sizeof(whole), "%s%s", row->kind == FC_ROW_FEED ? " <" : "", row->name);
	fc_unit_printable(name, layout->name_width + 1, whole);
	put_mark(line, row);
	put(line, is_total ? BOLD : PLAIN, "%-*s", (int)layout->name_width, name);
	put_note(line, layout->note_width, row);
	for (column = columns_of(layout, row->kind); column->kind != FC_CELL_END; column++)
		put_cell(line, column, row);
	n_columns =
		fc_unit_bar(bar, row->rates[FC_BYTES] * 8, layout->bar_width, line->style->utf8);
	if (n_columns > 0) {
		put(line, PLAIN, " ");
		put_text(line, GREEN, bar, n_columns);
	}
	end_line(line, kind, fc_row_is_losing(row));
}

/* The reasons for which packets are missing and hints about them, each with its name, below a row.
 */
static void draw_reasons(struct line *line, const struct fc_row *row)
{
	bool is_first = true;

	for (int i = 0; i < FC_N_VALUES; i++) {
		char text[FC_SI_SIZE], reason[64];

		if (!((FC_LOSSES | FC_LEFT_OUT | FC_HINTS) & FC_BIT(i)) || !(row->rates[i] > 0))
			continue;
		fc_unit_si(text, row->rates[i]);
		snprintf(reason, sizeof(reason), "  %s %s", fc_value_name(row->kind, i), text);
		if (!is_first && strlen(reason) > room_left(line)) {
			end_line(line, FC_LINE_ROW, false);
			is_first = true;
		}
		if (is_first)
			put(line, PLAIN, "  ");
		is_first = false;
		put(line, FC_LOSSES & FC_BIT(i) ? RED : PLAIN, "%s", reason);
	}
	if (!is_first)
		end_line(line, FC_LINE_ROW, false);
}

/* The rows of one kind, or the feeds of one output, in order; the caller frees them. */
static const struct fc_row **sort_rows(const struct fc_table_style *style,
	const struct fc_sample *sample, enum fc_row_kind kind, const char *output, size_t *n_rows)
{
	const struct fc_row **rows = calloc(sample->n_rows + 1, sizeof(*rows));

	*n_rows = 0;
	for (size_t i = 0; rows != NULL && i < sample->n_rows; i++)
		if (sample->rows[i].kind == kind && strcmp(sample->rows[i].output, output) == 0)
			rows[(*n_rows)++] = &sample->rows[i];
	if (rows != NULL)
		fc_order_sort(rows, *n_rows, style->order, style->is_reverse);
	return rows;
}

static void draw_rows(struct line *line, const struct fc_layout *layout,
	const struct fc_sample *sample, enum fc_row_kind kind, const char *output)
{
	size_t n_rows;
	const struct fc_row **rows = sort_rows(line->style, sample, kind, output, &n_rows);

	for (size_t i = 0; i < n_rows; i++) {
		draw_row(line, layout, rows[i], FC_LINE_ROW);
		if (line->style->wide && !layout->has_reasons)
			draw_reasons(line, rows[i]);
		if (kind == FC_ROW_OUTPUT && line->style->feeds)
			draw_rows(line, layout, sample, FC_ROW_FEED, rows[i]->name);
	}
	free(rows);
}

static void draw_section(struct line *line, const struct fc_layout *layout,
	const struct fc_sample *sample, enum fc_row_kind kind)
{
	struct fc_row total;
	size_t n_rows = fc_sample_total(&total, sample, kind);

	draw_head(line, layout, kind);
	/* A total of one says nothing. */
	if (n_rows > 1)
		draw_row(line, layout, &total, FC_LINE_HEAD);
	draw_rows(line, layout, sample, kind, "");
	if (n_rows == 0) {
		put(line, DIM, " (none)");
		end_line(line, FC_LINE_ROW, false);
	}
}

static void draw_lcores(struct line *line, const struct fc_sample *sample)
{
	bool is_first = true;

	for (size_t i = 0; i < sample->n_rows; i++) {
		const struct fc_row *row = &sample->rows[i];
		double busy = row->rates[FC_BUSY_CYCLES] /
			      (row->rates[FC_BUSY_CYCLES] + row->rates[FC_IDLE_CYCLES]);
		char text[FC_ROW_NAME_SIZE + sizeof(row->note) + 16], share[FC_SI_SIZE];

		if (row->kind != FC_ROW_LCORE)
			continue;
		share_text(share, busy);
		snprintf(text, sizeof(text), "  %s %s %s", row->name, row->note, share);
		if (!is_first && strlen(text) > room_left(line)) {
			end_line(line, FC_LINE_ALONE, false);
			is_first = true;
		}
		if (is_first)
			put(line, BOLD, "lcores");
		is_first = false;
		put(line, busy >= HIGH_BUSY ? YELLOW : PLAIN, "%s", text);
	}
	if (!is_first)
		end_line(line, FC_LINE_ALONE, false);
}

static void draw_title(struct line *line, const struct fc_sample *sample, const char *corner)
{
	unsigned size = (unsigned)strlen(corner), room;
	char uptime[FC_DURATION_SIZE], text[sizeof(sample->config) + 128];
	int used = 0;

	text[0] = '\0';
	if (sample != NULL && sample->version[0] != '\0')
		used += snprintf(text, sizeof(text), " %s", sample->version);
	if (sample != NULL && sample->pid > 0)
		used += snprintf(
			text + used, sizeof(text) - (size_t)used, "  process %lld", sample->pid);
	if (sample != NULL && sample->uptime_s != UINT64_MAX) {
		fc_unit_duration(uptime, sample->uptime_s);
		used += snprintf(text + used, sizeof(text) - (size_t)used, "  up %s", uptime);
	}
	if (sample != NULL && sample->config[0] != '\0')
		snprintf(text + used, sizeof(text) - (size_t)used, "  %s", sample->config);
	put(line, BOLD, "fluxcap");
	if (line->style->width == 0 || size == 0 || room_left(line) < size + 2) {
		put(line, PLAIN, "%s%s%s", text, size > 0 ? "  " : "", corner);
		end_line(line, FC_LINE_TOP, false);
		return;
	}
	room = room_left(line) - size - 2;
	if (strlen(text) > room) {
		text[room] = '\0';
		if (room > 0)
			text[room - 1] = '~';
	}
	put(line, PLAIN, "%-*s  %s", (int)room, text, corner);
	end_line(line, FC_LINE_TOP, false);
}

void fc_table_draw(struct fc_page *page, const struct fc_table_style *style,
	const struct fc_sample *sample, const char *corner, const char *notice)
{
	struct line line = { .page = page, .style = style };
	struct fc_layout layout;

	draw_title(&line, sample, corner);
	if (notice != NULL && notice[0] != '\0') {
		put(&line, RED, "%s", notice);
		end_line(&line, FC_LINE_TOP, false);
	}
	if (sample == NULL)
		return;
	layout = fc_layout_choose(sample, style->width, style->wide, style->feeds);
	draw_section(&line, &layout, sample, FC_ROW_TAP);
	draw_section(&line, &layout, sample, FC_ROW_OUTPUT);
	draw_lcores(&line, sample);
}
