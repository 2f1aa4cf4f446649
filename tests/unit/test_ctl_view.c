/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "keys.h"
#include "view.h"

static char *print(struct fc_view *view, unsigned height)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	assert_int_equal(fc_view_print(view, out, height), 0);
	assert_int_equal(fclose(out), 0);
	return text;
}

static void test_interval(void **state)
{
	struct fc_view view = { .interval_s = 1 };

	(void)state;
	assert_int_equal(fc_view_key(&view, '+'), FC_VIEW_INTERVAL);
	assert_true(view.interval_s == 2);
	fc_view_key(&view, '-');
	fc_view_key(&view, '-');
	assert_true(view.interval_s == 0.5);
	/* From one that is between the steps. */
	view.interval_s = 0.7;
	fc_view_key(&view, '=');
	assert_true(view.interval_s == 1);
	view.interval_s = 0.7;
	fc_view_key(&view, '-');
	assert_true(view.interval_s == 0.5);
	for (int i = 0; i < 30; i++)
		fc_view_key(&view, '-');
	assert_true(view.interval_s == FC_INTERVAL_MIN);
	for (int i = 0; i < 30; i++)
		fc_view_key(&view, '+');
	assert_true(view.interval_s == FC_INTERVAL_MAX);
}

static void test_sort(void **state)
{
	static const char letters[] = "cnbpdu";
	struct fc_view view = { .top = 3 };

	(void)state;
	for (int i = 0; i < FC_N_ORDERS; i++) {
		assert_int_equal(fc_view_key(&view, letters[i]), FC_VIEW_DRAW);
		assert_int_equal(view.style.order, i);
	}
	assert_int_equal(view.top, 0);
	fc_view_key(&view, '>');
	assert_int_equal(view.style.order, FC_ORDER_CONFIG);
	fc_view_key(&view, FC_KEY_LEFT);
	assert_int_equal(view.style.order, FC_ORDER_BACKLOG);
	fc_view_key(&view, '<');
	assert_int_equal(view.style.order, FC_ORDER_DROPS);
	fc_view_key(&view, FC_KEY_RIGHT);
	assert_int_equal(view.style.order, FC_ORDER_BACKLOG);
	fc_view_key(&view, 'r');
	assert_true(view.style.is_reverse);
	fc_view_key(&view, 'r');
	assert_false(view.style.is_reverse);
}

static void test_switches(void **state)
{
	struct fc_view view = { 0 };

	(void)state;
	assert_int_equal(fc_view_key(&view, 'f'), FC_VIEW_DRAW);
	assert_int_equal(fc_view_key(&view, 'w'), FC_VIEW_DRAW);
	assert_int_equal(fc_view_key(&view, ' '), FC_VIEW_PAUSE);
	assert_true(view.style.feeds && view.style.wide && view.is_paused);
	fc_view_key(&view, 'f');
	fc_view_key(&view, 'w');
	fc_view_key(&view, ' ');
	assert_false(view.style.feeds || view.style.wide || view.is_paused);
	assert_int_equal(fc_view_key(&view, 12), FC_VIEW_CLEAR);
	assert_int_equal(fc_view_key(&view, 'q'), FC_VIEW_END);
	assert_int_equal(fc_view_key(&view, 'x'), FC_VIEW_NOTHING);
	assert_int_equal(fc_view_key(&view, FC_KEY_NONE), FC_VIEW_NOTHING);
	assert_int_equal(fc_view_key(&view, FC_KEY_ESCAPE), FC_VIEW_NOTHING);
}

static void test_scroll(void **state)
{
	struct fc_view view = { .style = { .width = 80 }, .is_terminal = true, .is_help = true };
	char *text = print(&view, 5);

	(void)state;
	assert_int_equal(strncmp(text, "Keys\n", 5), 0);
	free(text);
	fc_view_key(&view, FC_KEY_UP);
	assert_int_equal(view.top, 0);
	fc_view_key(&view, 'j');
	fc_view_key(&view, FC_KEY_DOWN);
	assert_int_equal(view.top, 2);
	fc_view_key(&view, 'k');
	assert_int_equal(view.top, 1);
	/* A page is a screen without its foot, but for one line that stays to be seen. */
	fc_view_key(&view, FC_KEY_PAGE_DOWN);
	assert_int_equal(view.top, 4);
	fc_view_key(&view, FC_KEY_PAGE_UP);
	fc_view_key(&view, FC_KEY_PAGE_UP);
	assert_int_equal(view.top, 0);
	fc_view_key(&view, FC_KEY_END);
	text = print(&view, 5);
	assert_non_null(strstr(text, "logarithmic"));
	assert_non_null(strstr(text, " above  any key goes back\n"));
	assert_null(strstr(text, " below"));
	free(text);
	assert_true(view.top < 100);
	fc_view_key(&view, FC_KEY_HOME);
	assert_int_equal(view.top, 0);
}

/* Every key that does something in the view is in the help, and no line of it is too wide. */
static void test_help(void **state)
{
	struct fc_view view = { .style = { .width = 80 }, .is_terminal = true };
	char *text;

	(void)state;
	assert_int_equal(fc_view_key(&view, '?'), FC_VIEW_DRAW);
	assert_true(view.is_help);
	text = print(&view, 60);
	assert_null(strstr(text, "~\n"));
	for (const char *key = "q?h<>cnbpdurfw+-jk"; *key != '\0'; key++) {
		char word[] = { ' ', *key, ' ', '\0' };

		assert_non_null(strstr(text, word));
	}
	free(text);
	assert_int_equal(fc_view_key(&view, 'q'), FC_VIEW_END);
	assert_int_equal(fc_view_key(&view, FC_KEY_ESCAPE), FC_VIEW_DRAW);
	assert_false(view.is_help);
	for (view.style.width = 1; view.style.width < 80; view.style.width++) {
		view.is_help = true;
		text = print(&view, 60);
		for (const char *line = text; *line != '\0'; line += strcspn(line, "\n") + 1)
			assert_true(strcspn(line, "\n") <= view.style.width);
		free(text);
	}
}

static void test_title(void **state)
{
	struct fc_sample *sample = fc_sample_new();
	struct fc_view view = { .style = { .width = 80, .order = FC_ORDER_DROPS },
		.interval_s = 2,
		.sample = sample,
		.notice = "news",
		.is_terminal = true,
		.is_paused = true };
	char *text;

	(void)state;
	assert_non_null(sample);
	/* A little late is what every poll is. */
	sample->interval_s = 2.1;
	text = print(&view, 24);
	assert_non_null(strstr(text, "  by drops  every 2 s  \n"));
	assert_non_null(strstr(text, "\nheld, Space goes on.  news\n"));
	free(text);
	sample->interval_s = 7.25;
	view.style.is_reverse = true;
	text = print(&view, 24);
	assert_non_null(strstr(text, "  by drops reversed  over 7.25 s  \n"));
	free(text);
	fc_sample_free(sample);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_interval),
		cmocka_unit_test(test_sort),
		cmocka_unit_test(test_switches),
		cmocka_unit_test(test_scroll),
		cmocka_unit_test(test_help),
		cmocka_unit_test(test_title),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
