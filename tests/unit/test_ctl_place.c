/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

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
	assert_int_equal(fc_place_address(&address, "/var/run", "rte", 0), 0);
	assert_int_equal(address.sun_family, AF_UNIX);
	assert_string_equal(address.sun_path, "/var/run/dpdk/rte/dpdk_telemetry.v2");

	assert_int_equal(fc_place_address(&address, "/var/run", "rte", 12), 0);
	assert_string_equal(address.sun_path, "/var/run/dpdk/rte/dpdk_telemetry.v2:12");

	memset(prefix, 'p', sizeof(prefix) - 1);
	prefix[sizeof(prefix) - 1] = '\0';
	assert_int_equal(fc_place_address(&address, "/a", prefix, 0), -ENAMETOOLONG);
	prefix[sizeof(prefix) - 2] = '\0';
	assert_int_equal(fc_place_address(&address, "/a", prefix, 0), 0);
	assert_int_equal(strlen(address.sun_path), sizeof(address.sun_path) - 1);
	assert_int_equal(fc_place_address(&address, "/a", prefix, 1), -ENAMETOOLONG);
}

static void check_split(const char *text, const char *prefix, unsigned number)
{
	char found_prefix[8];
	unsigned found = 99;

	assert_true(fc_place_split(text, sizeof(found_prefix), found_prefix, &found));
	assert_string_equal(found_prefix, prefix);
	assert_int_equal(found, number);
}

static void test_split(void **state)
{
	static const char *const wrong[] = { "rte", "rte:", "rte:-1", "rte:+1", "rte:1x", "rte: 1",
		":1", "..:1", "rte:32768", "rte:99999999999999999999", "ab:c", "too-long:1" };
	char prefix[8];
	unsigned number;

	(void)state;
	check_split("rte:0", "rte", 0);
	check_split("rte:32767", "rte", 32767);
	check_split("a:2:1", "a:2", 1);
	check_split("sevenok:1", "sevenok", 1);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_false(fc_place_split(wrong[i], sizeof(prefix), prefix, &number));
}

/* Names as DPDK makes them, and others beside them, in no order. */
static void test_sockets(void **state)
{
	static const char *const names[] = { "dpdk_telemetry.v2:10", "dpdk_telemetry.v2",
		"dpdk_telemetry.v2:2", "dpdk_telemetry.v1", "dpdk_telemetry.v2:", "config",
		"dpdk_telemetry.v2:x", "dpdk_telemetry.v20" };
	char place[] = "/tmp/fc-place-XXXXXX", path[128];
	unsigned numbers[FC_PLACE_SOCKETS_MAX];
	size_t n;

	(void)state;
	assert_non_null(mkdtemp(place));
	assert_int_equal(fc_place_sockets(numbers, place, "rte"), 0);
	snprintf(path, sizeof(path), "%s/dpdk", place);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/dpdk/rte", place);
	assert_int_equal(mkdir(path, 0700), 0);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/dpdk/rte/%s", place, names[i]);
		assert_int_equal(close(open(path, O_CREAT | O_WRONLY, 0600)), 0);
	}
	n = fc_place_sockets(numbers, place, "rte");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/dpdk/rte/%s", place, names[i]);
		unlink(path);
	}
	snprintf(path, sizeof(path), "%s/dpdk/rte", place);
	rmdir(path);
	snprintf(path, sizeof(path), "%s/dpdk", place);
	rmdir(path);
	rmdir(place);
	assert_int_equal(n, 3);
	assert_int_equal(numbers[0], 0);
	assert_int_equal(numbers[1], 2);
	assert_int_equal(numbers[2], 10);
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
		cmocka_unit_test(test_split),
		cmocka_unit_test(test_sockets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
