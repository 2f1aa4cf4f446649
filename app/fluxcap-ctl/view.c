/* SPDX-License-Identifier: MIT */
#include "view.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include "keys.h"
#include "page.h"

#define CTRL_L	   12
#define TEXT_WIDTH 100 /* of the longest line of the help */

static const char foot[] =
	"q quit  ? help  < > sort  f feeds  w reasons  space pause  + - interval";

static const char *const help[] = {
	"Keys",
	"  q                  quit",
	"  ? h F1             this help; any key but those that scroll ends it",
	"  < > Left Right     sort by the column before, behind",
	"  c n b p d u        sort as configured, by name, bit/s, pkt/s, drops, queued",
	"  r                  the other way round",
	"  f                  the feeds (tap to output) below each output",
	"  w                  each drop reason by its name",
	"  Space              hold the view, and let it go on",
	"  + -                longer, shorter interval",
	"  Up Down j k        scroll by a line",
	"  PgUp PgDn Home End scroll further",
	"  Ctrl-L             draw the whole screen again",
	"",
	"Marks",
	"  !  loses packets now: in the last interval",
	"  ^  a backlog takes 80 % of its tap's ring, or more: will lose the oldest soon",
	"  *  has lost packets since this view began",
	"  ~  cut for want of room",
	"",
	"Columns, per second",
	"  missed   fluxcap did not keep up: rx_missed, rx_nombuf, nombuf",
	"  bad      of no use: malformed, rx_errors, fragments that were given up",
	"  overrun  the output's port is too slow",
	"  handoff  the output's lcore is too slow",
	"  filter   left out as configured: filtered, sampled_out, not_ours",
	"  other    unresolved, oversize, nombuf, tx_refused, tx_errors",
	"Columns, now",
	"  queued   packets that wait; of a tap: in the longest backlog of its feeds",
	"  ring     their share of the tap's ring; of an output: the greatest",
	"  pool     the share of the tap's buffers that are in use",
	"The bar is logarithmic, from 1 kbit/s to 100 Gbit/s.",
};

static double change_interval(double interval_s, bool is_longer)
{
	static const double steps[] = { FC_INTERVAL_MIN, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120,
		300, 600, 1200, FC_INTERVAL_MAX };
	const size_t n_steps = sizeof(steps) / sizeof(steps[0]);

	if (is_longer) {
		for (size_t i = 0; i < n_steps; i++)
			if (steps[i] > interval_s)
				return steps[i];
		return FC_INTERVAL_MAX;
	}
	for (size_t i = n_steps; i > 0; i--)
		if (steps[i - 1] < interval_s)
			return steps[i - 1];
	return FC_INTERVAL_MIN;
}

static bool scroll(struct fc_view *view, int key)
{
	size_t step = view->step > 0 ? view->step : 1;

	switch (key) {
	case FC_KEY_UP:
	case 'k':
		view->top -= view->top > 0;
		return true;
	case FC_KEY_DOWN:
	case 'j':
		view->top++;
		return true;
	case FC_KEY_PAGE_UP:
		view->top -= view->top < step ? view->top : step;
		return true;
	case FC_KEY_PAGE_DOWN:
		view->top += step;
		return true;
	case FC_KEY_HOME:
		view->top = 0;
		return true;
	case FC_KEY_END:
		view->top = SIZE_MAX / 2;
		return true;
	default:
		return false;
	}
}

static bool sort(struct fc_view *view, int key)
{
	static const char letters[FC_N_ORDERS + 1] = {
		[FC_ORDER_CONFIG] = 'c',
		[FC_ORDER_NAME] = 'n',
		[FC_ORDER_BITS] = 'b',
		[FC_ORDER_PACKETS] = 'p',
		[FC_ORDER_DROPS] = 'd',
		[FC_ORDER_BACKLOG] = 'u',
	};
	const char *letter = key > 0 && key < 128 ? strchr(letters, key) : NULL;

	if (letter != NULL)
		view->style.order = (enum fc_order)(letter - letters);
	else if (key == '>' || key == FC_KEY_RIGHT)
		view->style.order = (view->style.order + 1) % FC_N_ORDERS;
	else if (key == '<' || key == FC_KEY_LEFT)
		view->style.order = (view->style.order + FC_N_ORDERS - 1) % FC_N_ORDERS;
	else if (key == 'r')
		view->style.is_reverse = !view->style.is_reverse;
	else
		return false;
	view->top = 0;
	return true;
}

static enum fc_view_action end_help(struct fc_view *view, int key)
{
	if (key == 'q' || key == 'Q')
		return FC_VIEW_END;
	if (!scroll(view, key)) {
		view->is_help = false;
		view->top = 0;
	}
	return FC_VIEW_DRAW;
}

enum fc_view_action fc_view_key(struct fc_view *view, int key)
{
	if (key == FC_KEY_NONE)
		return FC_VIEW_NOTHING;
	if (view->is_help)
		return end_help(view, key);
	if (scroll(view, key) || sort(view, key))
		return FC_VIEW_DRAW;
	switch (key) {
	case 'q':
	case 'Q':
		return FC_VIEW_END;
	case '?':
	case 'h':
	case FC_KEY_F1:
		view->is_help = true;
		view->top = 0;
		return FC_VIEW_DRAW;
	case 'f':
		view->style.feeds = !view->style.feeds;
		return FC_VIEW_DRAW;
	case 'w':
		view->style.wide = !view->style.wide;
		return FC_VIEW_DRAW;
	case ' ':
		view->is_paused = !view->is_paused;
		return FC_VIEW_PAUSE;
	case '+':
	case '=':
	case '-':
		view->interval_s = change_interval(view->interval_s, key != '-');
		return FC_VIEW_INTERVAL;
	case CTRL_L:
		return FC_VIEW_CLEAR;
	default:
		return FC_VIEW_NOTHING;
	}
}

/* What stands at the right end of the title. */
static void describe_view(const struct fc_view *view, char *text, size_t size)
{
	const struct fc_table_style *style = &view->style;
	double measured_s = view->sample != NULL ? view->sample->interval_s : 0;
	char clock[40] = "";
	time_t when = view->sample != NULL ? view->sample->when : 0;
	struct tm local;
	int used = 0;

	if (when == 0 || localtime_r(&when, &local) == NULL ||
		strftime(clock, sizeof(clock), view->is_terminal ? "%H:%M:%S" : "%FT%T%z",
			&local) == 0)
		clock[0] = '\0';
	text[0] = '\0';
	if (style->order != FC_ORDER_CONFIG || style->is_reverse)
		used = snprintf(text, size, "by %s%s  ", fc_order_name(style->order),
			style->is_reverse ? " reversed" : "");
	/* What the rates are about, where it is not what was asked for. */
	if (measured_s > 1.25 * view->interval_s || (measured_s > 0 && !view->is_terminal))
		used += snprintf(text + used, size - (size_t)used, "over %.3g s  ", measured_s);
	else if (view->is_terminal)
		used += snprintf(
			text + used, size - (size_t)used, "every %g s  ", view->interval_s);
	snprintf(text + used, size - (size_t)used, "%s", clock);
}

static void draw_table(const struct fc_view *view, struct fc_page *page)
{
	char corner[128], notice[512];

	describe_view(view, corner, sizeof(corner));
	snprintf(notice, sizeof(notice), "%s%s", view->is_paused ? "held, Space goes on.  " : "",
		view->notice);
	fc_table_draw(page, &view->style, view->sample, corner, notice);
}

static void draw_help(struct fc_page *page, unsigned width)
{
	for (size_t i = 0; i < sizeof(help) / sizeof(help[0]); i++) {
		char text[TEXT_WIDTH + 1];

		snprintf(text, sizeof(text), "%s", help[i]);
		if (strlen(text) > width)
			snprintf(text + width - 1, sizeof(text) - (width - 1), "~");
		fputs(text, fc_page_out(page));
		fc_page_end_line(page, FC_LINE_ALONE, false);
	}
}

int fc_view_print(struct fc_view *view, FILE *out, unsigned height)
{
	struct fc_page *page = fc_page_new();
	int rc;

	if (page == NULL)
		return -ENOMEM;
	if (view->is_help)
		draw_help(page, view->style.width);
	else
		draw_table(view, page);
	if (view->is_terminal)
		rc = fc_page_print_part(page, out, height, view->style.width, &view->top,
			view->is_help ? "any key goes back" : foot);
	else
		rc = fc_page_print(page, out);
	fc_page_free(page);
	if (rc > 0)
		view->step = (size_t)rc;
	return rc < 0 ? rc : 0;
}
