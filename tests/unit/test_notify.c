/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "notify.h"

#define STATUS "running: 2 taps"

/* The socket that systemd would have; an abstract name, so that nothing is left. */
static int open_socket(void **state)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	char name[sizeof(address.sun_path)];
	int size = snprintf(name, sizeof(name), "@fluxcap-test-notify-%d", getpid());
	static int fd;

	memcpy(address.sun_path + 1, name + 1, (size_t)size - 1);
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	*state = &fd;
	return setenv("NOTIFY_SOCKET", name, 1) != 0 ||
	       bind(fd, (struct sockaddr *)&address,
		       (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)size)) != 0;
}

static int close_socket(void **state)
{
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
	return close(*(int *)*state);
}

static void check_told(void **state, const char *expected)
{
	char text[512];
	ssize_t size = recv(*(int *)*state, text, sizeof(text) - 1, 0);

	if (expected == NULL) {
		assert_int_equal(size, -1);
		assert_int_equal(errno, EAGAIN);
		return;
	}
	assert_true(size > 0);
	text[size] = '\0';
	assert_string_equal(text, expected);
}

/* Ready once; then alive each time that half of the watchdog's time has gone by. */
static void test_watchdog(void **state)
{
	struct fc_notify notify;

	setenv("WATCHDOG_USEC", "20000000", 1);
	fc_notify_begin(&notify, STATUS);
	assert_int_equal(notify.period_ms, 10000);
	check_told(state, NULL);
	assert_true(fc_notify_is_due(&notify, 5));
	assert_true(fc_notify_is_due(&notify, 70000));

	fc_notify_well(&notify, 70000);
	check_told(state, "READY=1\nSTATUS=" STATUS);
	assert_false(fc_notify_is_due(&notify, 70000));
	assert_false(fc_notify_is_due(&notify, 79999));
	assert_true(fc_notify_is_due(&notify, 80000));
	assert_true(fc_notify_is_due(&notify, 123456)); /* until it is said */

	fc_notify_well(&notify, 123456);
	check_told(state, "WATCHDOG=1");
	assert_false(fc_notify_is_due(&notify, 133455));
	assert_true(fc_notify_is_due(&notify, 133456));
	check_told(state, NULL);
}

static void test_stopping(void **state)
{
	fc_notify_stopping();
	check_told(state, "STOPPING=1\nSTATUS=stopping: what waits is being sent");
}

static void test_a_long_start(void **state)
{
	fc_notify_starting("compiling outputs.ids.filter");
	check_told(state,
		"EXTEND_TIMEOUT_USEC=60000000\nSTATUS=starting: compiling outputs.ids.filter");
}

/* Between the two, and with the clock of systemd. */
static void test_reload(void **state)
{
	char status[32] = "running: 2 taps", text[512];
	struct timespec before, after;
	struct fc_notify notify;
	unsigned long long us;
	ssize_t size;
	int n = 0;

	fc_notify_begin(&notify, status);
	fc_notify_reloading(&notify);
	fc_notify_reloaded(&notify);
	check_told(state, NULL); /* not ready by that */
	fc_notify_well(&notify, 1);
	check_told(state, "READY=1\nSTATUS=running: 2 taps");

	clock_gettime(CLOCK_MONOTONIC, &before);
	fc_notify_reloading(&notify);
	clock_gettime(CLOCK_MONOTONIC, &after);
	size = recv(*(int *)*state, text, sizeof(text) - 1, 0);
	assert_true(size > 0);
	text[size] = '\0';
	assert_int_equal(
		sscanf(text, "RELOADING=1\nMONOTONIC_USEC=%llu\nSTATUS=reloading%n", &us, &n), 1);
	assert_int_equal(n, size);
	assert_in_range(us, (unsigned long long)before.tv_sec * 1000000 + before.tv_nsec / 1000,
		(unsigned long long)after.tv_sec * 1000000 + after.tv_nsec / 1000);
	assert_false(fc_notify_is_due(&notify, UINT64_MAX));

	strcpy(status, "running: 3 taps");
	fc_notify_reloaded(&notify);
	check_told(state, "READY=1\nSTATUS=running: 3 taps");
}

static void test_no_watchdog(void **state)
{
	struct fc_notify notify;

	fc_notify_begin(&notify, STATUS);
	assert_int_equal(notify.period_ms, 0);
	assert_true(fc_notify_is_due(&notify, 0));
	fc_notify_well(&notify, 0);
	check_told(state, "READY=1\nSTATUS=" STATUS);
	assert_false(fc_notify_is_due(&notify, UINT64_MAX));
}

/* A watchdog that is set for the process which started this one. */
static void test_watchdog_of_another(void **state)
{
	struct fc_notify notify;
	char pid[16];

	(void)state;
	setenv("WATCHDOG_USEC", "20000000", 1);
	snprintf(pid, sizeof(pid), "%d", getppid());
	setenv("WATCHDOG_PID", pid, 1);
	fc_notify_begin(&notify, STATUS);
	assert_int_equal(notify.period_ms, 0);
	snprintf(pid, sizeof(pid), "%d", getpid());
	setenv("WATCHDOG_PID", pid, 1);
	fc_notify_begin(&notify, STATUS);
	assert_int_equal(notify.period_ms, 10000);
}

/* However short, it is not none. */
static void test_shortest_watchdog(void **state)
{
	struct fc_notify notify;

	(void)state;
	setenv("WATCHDOG_USEC", "1", 1);
	fc_notify_begin(&notify, STATUS);
	assert_int_equal(notify.period_ms, 2);
}

static void test_nobody_listens(void **state)
{
	struct fc_notify notify;

	unsetenv("NOTIFY_SOCKET");
	fc_notify_begin(&notify, STATUS);
	fc_notify_well(&notify, 1);
	assert_false(fc_notify_is_due(&notify, 2));
	fc_notify_stopping();
	check_told(state, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_watchdog, open_socket, close_socket),
		cmocka_unit_test_setup_teardown(test_a_long_start, open_socket, close_socket),
		cmocka_unit_test_setup_teardown(test_stopping, open_socket, close_socket),
		cmocka_unit_test_setup_teardown(test_reload, open_socket, close_socket),
		cmocka_unit_test_setup_teardown(test_no_watchdog, open_socket, close_socket),
		cmocka_unit_test_setup_teardown(
			test_watchdog_of_another, open_socket, close_socket),
		cmocka_unit_test_setup_teardown(test_shortest_watchdog, open_socket, close_socket),
		cmocka_unit_test_setup_teardown(test_nobody_listens, open_socket, close_socket),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
