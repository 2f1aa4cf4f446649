/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "place.h"

static void check_places(
	struct fc_place_rules rules, const char *first, const char *second, const char *third)
{
	const char *expected[] = { first, second, third };
	struct fc_places list = fc_place_list(&rules);

	assert_int_equal(list.n_places, third != NULL ? 3 : second != NULL ? 2 : 1);
	for (size_t i = 0; i < list.n_places; i++)
		assert_string_equal(list.places[i], expected[i]);
}

/* The order of eal_create_runtime_dir() in DPDK 22.11, and where systemd has fluxcap. */
static void test_list(void **state)
{
	(void)state;
	check_places(
		(struct fc_place_rules){ "/run/x", "/run/user/1", true }, "/run/x", NULL, NULL);
	check_places(
		(struct fc_place_rules){ "/run/x", "/run/user/1", false }, "/run/x", NULL, NULL);
	check_places((struct fc_place_rules){ NULL, "/run/user/1", true }, "/var/run",
		"/run/fluxcap", NULL);
	check_places((struct fc_place_rules){ NULL, NULL, true }, "/var/run", "/run/fluxcap", NULL);
	check_places((struct fc_place_rules){ NULL, "/run/user/1", false }, "/run/user/1",
		"/run/fluxcap", "/var/run");
	check_places(
		(struct fc_place_rules){ NULL, NULL, false }, "/tmp", "/run/fluxcap", "/var/run");
	/* EAL takes a variable that is set but empty as it is. */
	check_places((struct fc_place_rules){ "", "/run/user/1", true }, "", NULL, NULL);
}

static void test_address(void **state)
{
	struct sockaddr_un address;
	/* What is left of 107 characters beside "/a/dpdk//dpdk_telemetry.v2". */
	char prefix[83];

	(void)state;
	assert_int_equal(fc_place_address(&address, "/var/run", "rte"), 0);
	assert_int_equal(address.sun_family, AF_UNIX);
	assert_string_equal(address.sun_path, "/var/run/dpdk/rte/dpdk_telemetry.v2");

	memset(prefix, 'p', sizeof(prefix) - 1);
	prefix[sizeof(prefix) - 1] = '\0';
	assert_int_equal(fc_place_address(&address, "/a", prefix), -ENAMETOOLONG);
	prefix[sizeof(prefix) - 2] = '\0';
	assert_int_equal(fc_place_address(&address, "/a", prefix), 0);
	assert_int_equal(strlen(address.sun_path), sizeof(address.sun_path) - 1);
}

static void test_prefix(void **state)
{
	(void)state;
	assert_true(fc_place_prefix_ok("rte"));
	assert_true(fc_place_prefix_ok("fc-e2e.1_x"));
	assert_true(fc_place_prefix_ok("..."));
	assert_false(fc_place_prefix_ok(""));
	assert_false(fc_place_prefix_ok("."));
	assert_false(fc_place_prefix_ok(".."));
	assert_false(fc_place_prefix_ok("a/b"));
	assert_false(fc_place_prefix_ok("a b"));
	assert_false(fc_place_prefix_ok("a\033"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_list),
		cmocka_unit_test(test_address),
		cmocka_unit_test(test_prefix),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
