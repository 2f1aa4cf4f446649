/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "units.h"

static void test_si(void **state)
{
	static const struct {
		double value;
		const char *text;
	} cases[] = {
		{ NAN, "-" },
		{ -1, "-" },
		{ 0, "0" },
		{ 1e-9, "<.01" },
		{ 0.00499, "<.01" },
		{ 0.005, "0.01" },
		{ 0.5, "0.50" },
		{ 1, "1" },
		{ 1.5, "1.50" },
		{ 9.994, "9.99" },
		{ 9.996, "10.0" },
		{ 99.94, "99.9" },
		{ 99.96, "100" },
		{ 999, "999" },
		{ 999.4, "999" },
		{ 999.6, "1.00k" },
		{ 1000, "1.00k" },
		{ 9994, "9.99k" },
		{ 9996, "10.0k" },
		{ 99949, "99.9k" },
		{ 99951, "100k" },
		{ 999499, "999k" },
		{ 999500, "1.00M" },
		{ 1.21e9, "1.21G" },
		{ 1e13, "10.0T" },
		{ 8e13, "80.0T" },
		{ 1e15, "1.00P" },
		{ 18446744073709551615.0 * 8, "148E" },
		{ 1e30, "999E" },
		{ INFINITY, "999E" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[FC_SI_SIZE];

		fc_unit_si(text, cases[i].value);
		assert_string_equal(text, cases[i].text);
	}
}

/* No value from 10^-3 to 10^13 takes more than the 5 columns that the tables have for it. */
static void test_si_width(void **state)
{
	char text[FC_SI_SIZE];

	(void)state;
	for (double value = 1e-3; value < 1e13; value *= 1.0137) {
		fc_unit_si(text, value);
		assert_in_range(strlen(text), 1, 5);
	}
}

static void test_count(void **state)
{
	static const struct {
		int64_t value;
		const char *text;
	} cases[] = {
		{ 0, "0" },
		{ 999, "999" },
		{ 1000, "1,000" },
		{ -1, "-1" },
		{ -1000, "-1,000" },
		{ 123456789, "123,456,789" },
		{ INT64_MAX, "9,223,372,036,854,775,807" },
		{ INT64_MIN, "-9,223,372,036,854,775,808" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[FC_COUNT_SIZE];

		fc_unit_count(text, cases[i].value);
		assert_string_equal(text, cases[i].text);
	}
}

static void test_duration(void **state)
{
	static const struct {
		uint64_t seconds;
		const char *text;
	} cases[] = {
		{ 0, "00:00:00" },
		{ 86399, "23:59:59" },
		{ 86400, "1d 00:00:00" },
		{ 93784, "1d 02:03:04" },
		{ UINT64_MAX, "213503982334601d 07:00:15" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[FC_DURATION_SIZE];

		fc_unit_duration(text, cases[i].seconds);
		assert_string_equal(text, cases[i].text);
	}
}

static void test_bar(void **state)
{
	static const struct {
		double value;
		unsigned width;
		const char *ascii;
		const char *utf8;
		unsigned n_columns;
	} cases[] = {
		{ NAN, 8, "", "", 0 },
		{ 0, 8, "", "", 0 },
		{ 1, 8, "-", "▏", 1 },
		{ 1e3, 8, "-", "▏", 1 },
		{ 1e4, 8, "#", "█", 1 },
		{ 1e7, 8, "####", "████", 4 },
		{ 3.1622776601683795e7, 8, "#####", "████▌", 5 },
		{ 1.5e7, 8, "####-", "████▏", 5 },
		{ 1e11, 8, "########", "████████", 8 },
		{ 1e13, 8, "########", "████████", 8 },
		{ INFINITY, 2, "##", "██", 2 },
		{ 1e11, 0, "", "", 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[FC_BAR_SIZE(8)];

		assert_int_equal(fc_unit_bar(text, cases[i].value, cases[i].width, false),
			cases[i].n_columns);
		assert_string_equal(text, cases[i].ascii);
		assert_int_equal(fc_unit_bar(text, cases[i].value, cases[i].width, true),
			cases[i].n_columns);
		assert_string_equal(text, cases[i].utf8);
	}
}

static void test_scale(void **state)
{
	static const struct {
		unsigned width;
		const char *text;
	} cases[] = {
		{ 0, "" },
		{ 3, "   " },
		{ 4, "100G" },
		{ 7, "1k 100G" },
		{ 8, "1k  100G" },
		{ 16, "1k    1M    100G" },
		{ 24, "1k       1M         100G" },
		{ 32, "1k          1M          1G  100G" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[40];

		fc_unit_scale(text, cases[i].width);
		assert_int_equal(strlen(text), cases[i].width);
		assert_string_equal(text, cases[i].text);
	}
}

static void test_printable(void **state)
{
	char text[8];

	(void)state;
	fc_unit_printable(text, sizeof(text), "cisco");
	assert_string_equal(text, "cisco");
	fc_unit_printable(text, sizeof(text), "1234567");
	assert_string_equal(text, "1234567");
	fc_unit_printable(text, sizeof(text), "12345678");
	assert_string_equal(text, "123456~");
	fc_unit_printable(text, sizeof(text), "\033[2J\n\x7f\xc3");
	assert_string_equal(text, "?[2J???");
	fc_unit_printable(text, 2, "ab");
	assert_string_equal(text, "~");
	fc_unit_printable(text, sizeof(text), "");
	assert_string_equal(text, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_si),
		cmocka_unit_test(test_si_width),
		cmocka_unit_test(test_count),
		cmocka_unit_test(test_duration),
		cmocka_unit_test(test_bar),
		cmocka_unit_test(test_scale),
		cmocka_unit_test(test_printable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
