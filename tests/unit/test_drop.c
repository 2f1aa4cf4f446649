/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <fc_drop.h>

/* Every reason has a name of its own: two of one name would be one counter to a user. */
static void test_names(void **state)
{
	(void)state;
	for (int i = 0; i < FC_N_DROPS; i++) {
		assert_non_null(fc_drop_name((enum fc_drop)i));
		for (int j = 0; j < i; j++)
			assert_string_not_equal(
				fc_drop_name((enum fc_drop)i), fc_drop_name((enum fc_drop)j));
	}
	assert_string_equal(fc_drop_name(FC_DROP_NOT_OURS), "not_ours");
	assert_string_equal(fc_drop_name(FC_DROP_TX_REFUSED), "tx_refused");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
