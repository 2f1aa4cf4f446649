/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "page.h"

#define N_LINES 20

/* A line for each letter, named after it and its place: T(op), H(ead), R(ow), L(osing row),
 * A(lone).
 */
static struct fc_page *page_of(const char *kinds)
{
	struct fc_page *page = fc_page_new();

	assert_non_null(page);
	for (size_t i = 0; kinds[i] != '\0'; i++) {
		fprintf(fc_page_out(page), "%c%zu", kinds[i], i);
		fc_page_end_line(page,
			kinds[i] == 'T'	  ? FC_LINE_TOP
			: kinds[i] == 'H' ? FC_LINE_HEAD
			: kinds[i] == 'A' ? FC_LINE_ALONE
					  : FC_LINE_ROW,
			kinds[i] == 'L');
	}
	return page;
}

#define TEXT_SIZE 1024

static void print(char *text, struct fc_page *page, unsigned height, unsigned width, size_t *top)
{
	FILE *out = fmemopen(text, TEXT_SIZE, "w");

	assert_non_null(out);
	assert_true(fc_page_print_part(page, out, height, width, top, "foot") >= 1);
	assert_int_equal(fclose(out), 0);
}

static void check(struct fc_page *page, unsigned height, size_t top, const char *expected)
{
	char text[TEXT_SIZE];

	print(text, page, height, 80, &top);
	assert_string_equal(text, expected);
}

static void test_all(void **state)
{
	struct fc_page *page = page_of("THRRHRA");
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	(void)state;
	assert_int_equal(fc_page_n_lines(page), 7);
	assert_int_equal(fc_page_print(page, out), 0);
	assert_int_equal(fclose(out), 0);
	assert_string_equal(text, "T0\nH1\nR2\nR3\nH4\nR5\nA6\n");
	free(text);
	/* The foot is at the bottom, and left out first. */
	check(page, 9, 0, "T0\nH1\nR2\nR3\nH4\nR5\nA6\n\nfoot\n");
	check(page, 8, 5, "T0\nH1\nR2\nR3\nH4\nR5\nA6\nfoot\n");
	check(page, 7, 0, "T0\nH1\nR2\nR3\nH4\nR5\nA6\n");
	fc_page_free(page);
	fc_page_free(NULL);
}

static void test_scrolled(void **state)
{
	/*                            0123456789012 */
	struct fc_page *page = page_of("THHRRRLRHRRLA");

	(void)state;
	check(page, 8, 0, "T0\nH1\nH2\nR3\nR4\nR5\nL6\n+6 below  !1 of them  foot\n");
	/* The heads stay, and what stands in their place is counted. */
	check(page, 8, 1, "T0\nH1\nH2\nR4\nR5\nL6\nR7\n+1 above  +5 below  !1 of them  foot\n");
	check(page, 8, 3, "T0\nH1\nH2\nL6\nR7\nH8\nR9\n+3 above  +3 below  !1 of them  foot\n");
	/* No head where its section would have no row left beside it. */
	check(page, 8, 5, "T0\nL6\nR7\nH8\nR9\nR10\nL11\n+5 above  +1 below  foot\n");
	/* The end is not left behind. */
	check(page, 8, 6, "T0\nR7\nH8\nR9\nR10\nL11\nA12\n+6 above  !1 of them  foot\n");
	check(page, 8, SIZE_MAX / 2, "T0\nR7\nH8\nR9\nR10\nL11\nA12\n+6 above  !1 of them  foot\n");
	fc_page_free(page);
}

static void test_low(void **state)
{
	struct fc_page *page = page_of("THRLR");

	(void)state;
	check(page, 1, 0, "T0\n");
	check(page, 1, 3, "L3\n");
	check(page, 2, 0, "T0\n+4 below  !1 of them  foot\n");
	check(page, 3, 1, "H1\nR2\n+1 above  +2 below  !1 of them  foot\n");
	fc_page_free(page);
}

/* The number before a word of the foot, 0 without it. */
static size_t number_before(const char *text, const char *word)
{
	for (const char *plus = strchr(text, '+'); plus != NULL; plus = strchr(plus + 1, '+')) {
		char *end;
		size_t number = strtoul(plus, &end, 10);

		if (strncmp(end, word, strlen(word)) == 0)
			return number;
	}
	return 0;
}

/* For every size and place: not more lines than there is room for, and each line of the page is
 * either shown or counted as hidden. */
static void test_bounds(void **state)
{
	static const char *const pages[] = { "THHRRRLRHRRLA", "T", "RRRRRR", "AAAAAAAA", "TTTTTTTT",
		"HHHHHHHH", "THTHRA", "HRHRHRHRHR" };

	(void)state;
	for (size_t p = 0; p < sizeof(pages) / sizeof(pages[0]); p++) {
		struct fc_page *page = page_of(pages[p]);
		size_t n_lines = strlen(pages[p]);

		for (size_t i = 0; i < N_LINES * N_LINES; i++) {
			unsigned height = 1 + (unsigned)(i / N_LINES);
			size_t top = i % N_LINES, n_printed = 0;
			char text[TEXT_SIZE];

			print(text, page, height, 80, &top);
			assert_true(top <= i % N_LINES);
			for (const char *at = text; (at = strchr(at, '\n')) != NULL; at++)
				n_printed++;
			assert_in_range(n_printed, 1, height);
			if (height > 1 && n_lines > height)
				assert_int_equal(n_lines, n_printed - 1 +
								  number_before(text, " above") +
								  number_before(text, " below"));
		}
		fc_page_free(page);
	}
}

static void test_narrow(void **state)
{
	struct fc_page *page = page_of("THRLR");
	size_t top = 0;

	(void)state;
	for (unsigned width = 1; width < 40; width++) {
		char text[TEXT_SIZE];

		print(text, page, 3, width, &top);
		assert_true(strlen(text) <= strlen("T0\nH1\n") + width + 1);
	}
	fc_page_free(page);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all),
		cmocka_unit_test(test_scrolled),
		cmocka_unit_test(test_low),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_narrow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
