/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "order.h"

#define N_ROWS 5

static void test_parse(void **state)
{
	(void)state;
	for (int i = 0; i < FC_N_ORDERS; i++)
		assert_int_equal(fc_order_parse(fc_order_name((enum fc_order)i)), i);
	assert_int_equal(fc_order_parse("drop"), FC_ORDER_DROPS);
	/* bits, backlog */
	assert_int_equal(fc_order_parse("b"), -EINVAL);
	assert_int_equal(fc_order_parse("ba"), FC_ORDER_BACKLOG);
	assert_int_equal(fc_order_parse(""), -EINVAL);
	assert_int_equal(fc_order_parse("drops2"), -EINVAL);
}

static void check(
	const struct fc_row *rows, enum fc_order order, bool is_reverse, const char *expected)
{
	const struct fc_row *sorted[N_ROWS];
	char names[N_ROWS + 1] = "";

	for (int i = 0; i < N_ROWS; i++)
		sorted[i] = &rows[i];
	fc_order_sort(sorted, N_ROWS, order, is_reverse);
	for (int i = 0; i < N_ROWS; i++)
		names[i] = sorted[i]->name[0];
	assert_string_equal(names, expected);
}

static void test_sort(void **state)
{
	static const struct {
		const char *name;
		double bytes, packets, overrun, oversize, share, backlog;
	} values[N_ROWS] = {
		{ "c", 10, 5, 0, 0, 0.1, 9 },
		{ "a", 30, 5, 1, 0, 0.1, 10 },
		{ "e", NAN, NAN, NAN, NAN, NAN, NAN },
		{ "b", 20, 5, 0, 7, 0.5, 1 },
		{ "d", 0, 5, 3, 3, NAN, 3 },
	};
	struct fc_row rows[N_ROWS] = { 0 };

	(void)state;
	for (int i = 0; i < N_ROWS; i++) {
		strcpy(rows[i].name, values[i].name);
		for (int v = 0; v < FC_N_VALUES; v++)
			rows[i].rates[v] = NAN;
		rows[i].rates[FC_BYTES] = values[i].bytes;
		rows[i].rates[FC_PACKETS] = values[i].packets;
		rows[i].rates[FC_OVERRUN] = values[i].overrun;
		rows[i].rates[FC_OVERSIZE] = values[i].oversize;
		rows[i].ring_share = values[i].share;
		rows[i].backlog = values[i].backlog;
	}
	check(rows, FC_ORDER_CONFIG, false, "caebd");
	check(rows, FC_ORDER_CONFIG, true, "dbeac");
	check(rows, FC_ORDER_NAME, false, "abcde");
	check(rows, FC_ORDER_NAME, true, "edcba");
	check(rows, FC_ORDER_BITS, false, "abcde");
	/* Equal ones stay as they were, so that rows do not jump about. */
	check(rows, FC_ORDER_PACKETS, false, "cabde");
	check(rows, FC_ORDER_PACKETS, true, "cabde");
	check(rows, FC_ORDER_DROPS, false, "bdace");
	/* What is not known is last both ways. */
	check(rows, FC_ORDER_DROPS, true, "cadbe");
	check(rows, FC_ORDER_BACKLOG, false, "bacde");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_sort),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
