/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <fc_drop.h>

/* The names are part of the telemetry, which must never change. */
static void test_names(void **state)
{
	static const struct {
		enum fc_drop drop;
		const char *name;
	} cases[] = {
		{ FC_DROP_NOT_OURS, "not_ours" },
		{ FC_DROP_MALFORMED, "malformed" },
		{ FC_DROP_FILTERED, "filtered" },
		{ FC_DROP_SAMPLED_OUT, "sampled_out" },
		{ FC_DROP_NOMBUF, "nombuf" },
		{ FC_DROP_HANDOFF_FULL, "handoff_full" },
		{ FC_DROP_OVERRUN, "overrun" },
		{ FC_DROP_UNRESOLVED, "unresolved" },
		{ FC_DROP_OVERSIZE, "oversize" },
		{ FC_DROP_TX_REFUSED, "tx_refused" },
	};

	(void)state;
	assert_int_equal(sizeof(cases) / sizeof(cases[0]), FC_N_DROPS);
	for (unsigned i = 0; i < FC_N_DROPS; i++)
		assert_string_equal(fc_drop_name(cases[i].drop), cases[i].name);
}

static void test_hint_names(void **state)
{
	(void)state;
	assert_int_equal(FC_N_HINTS, 3);
	assert_string_equal(fc_hint_name(FC_HINT_CUT), "malformed_cut");
	assert_string_equal(fc_hint_name(FC_HINT_NO_LENGTH), "malformed_no_length");
	assert_string_equal(fc_hint_name(FC_HINT_BAD_CHECKSUM), "bad_checksum");
}

static void test_names_differ(void **state)
{
	(void)state;
	for (unsigned i = 0; i < FC_N_DROPS; i++)
		for (unsigned j = 0; j < i; j++)
			assert_string_not_equal(fc_drop_name(i), fc_drop_name(j));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_hint_names),
		cmocka_unit_test(test_names_differ),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
