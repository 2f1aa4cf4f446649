/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "link_watch.h"

/* What is told of a port, and when; the clock is the test's. */

#define BEGIN_MS 5000

static char text[FC_LINK_NEWS_SIZE];

static uint64_t flaps(const struct fc_link_watch *watch)
{
	return atomic_load(&watch->n_flaps);
}

static bool tells(struct fc_link_watch *watch, uint64_t now_ms, const char *expected)
{
	text[0] = '\0';
	if (!fc_link_watch_tell(watch, now_ms, text))
		return expected == NULL;
	return expected != NULL && strcmp(text, expected) == 0;
}

static void test_down_and_up(void **state)
{
	struct fc_link_watch watch;

	(void)state;
	fc_link_watch_begin(&watch, FC_PORT_RUNNING, BEGIN_MS);
	assert_true(tells(&watch, BEGIN_MS, NULL));
	fc_link_watch_note(&watch, FC_PORT_RUNNING, BEGIN_MS + 100);
	assert_true(tells(&watch, BEGIN_MS + 100, NULL));
	assert_int_equal(atomic_load(&watch.changed_ms), BEGIN_MS);
	fc_link_watch_note(&watch, FC_PORT_DOWN, BEGIN_MS + 200);
	assert_int_equal(fc_link_watch_state(&watch), FC_PORT_DOWN);
	assert_int_equal(atomic_load(&watch.changed_ms), BEGIN_MS + 200);
	assert_int_equal(flaps(&watch), 1);
	assert_true(tells(&watch, BEGIN_MS + 200, "the link is down"));
	assert_true(tells(&watch, BEGIN_MS + 300, NULL));
	fc_link_watch_note(&watch, FC_PORT_RUNNING, BEGIN_MS + 5000);
	assert_true(tells(&watch, BEGIN_MS + 5000, "the link is up"));
	assert_int_equal(flaps(&watch), 1);
}

/* A link that comes up for the first time has not flapped. */
static void test_down_at_start(void **state)
{
	struct fc_link_watch watch;

	(void)state;
	fc_link_watch_begin(&watch, FC_PORT_DOWN, BEGIN_MS);
	assert_true(tells(&watch, BEGIN_MS, NULL));
	fc_link_watch_note(&watch, FC_PORT_RUNNING, BEGIN_MS + 100);
	assert_true(tells(&watch, BEGIN_MS + 100, "the link is up"));
	assert_int_equal(flaps(&watch), 0);
}

/* One that goes down every 100 ms for ten minutes is told of a few times, and of all flaps. */
static void test_flapping(void **state)
{
	struct fc_link_watch watch;
	unsigned n_told = 0, n_sum = 0, n, seconds;
	uint64_t now_ms = BEGIN_MS;
	char word[8];

	(void)state;
	fc_link_watch_begin(&watch, FC_PORT_RUNNING, now_ms);
	for (unsigned i = 0; i < 6000; i++) {
		now_ms += 50;
		fc_link_watch_note(&watch, FC_PORT_DOWN, now_ms);
		if (fc_link_watch_tell(&watch, now_ms, text)) {
			n_told++;
			n = 1;
			if (strcmp(text, "the link is down") != 0)
				assert_int_equal(sscanf(text,
							 "the link is %7[a-z]; it went down %u "
							 "times in %u s",
							 word, &n, &seconds),
					3);
			n_sum += n;
		}
		now_ms += 50;
		fc_link_watch_note(&watch, FC_PORT_RUNNING, now_ms);
		if (fc_link_watch_tell(&watch, now_ms, text))
			fail_msg("up is told of after a pause that is no multiple: %s", text);
	}
	assert_int_equal(flaps(&watch), 6000);
	/* After 0, 1, 2, 4, .. 32, and then 60 s. */
	assert_in_range(n_told, 6, 17);
	now_ms += 60000;
	assert_true(fc_link_watch_tell(&watch, now_ms, text));
	assert_int_equal(sscanf(text, "the link is %7[a-z]; it went down %u times in %u s", word,
				 &n, &seconds),
		3);
	assert_string_equal(word, "up");
	assert_int_equal(n_sum + n, 6000);
	assert_true(tells(&watch, now_ms + 100, NULL));
	/* A quiet minute, and it is told of at once and soon again. */
	now_ms += 60000;
	fc_link_watch_note(&watch, FC_PORT_DOWN, now_ms);
	assert_true(tells(&watch, now_ms, "the link is down"));
	fc_link_watch_note(&watch, FC_PORT_RUNNING, now_ms + 100);
	assert_true(tells(&watch, now_ms + 100, NULL));
	assert_true(tells(&watch, now_ms + 1000, "the link is up"));
}

/* Back to what was told before it could be told: it is said nevertheless that it was down. */
static void test_between_messages(void **state)
{
	struct fc_link_watch watch;

	(void)state;
	fc_link_watch_begin(&watch, FC_PORT_DOWN, BEGIN_MS);
	fc_link_watch_note(&watch, FC_PORT_RUNNING, BEGIN_MS + 100);
	assert_true(tells(&watch, BEGIN_MS + 100, "the link is up"));
	fc_link_watch_note(&watch, FC_PORT_DOWN, BEGIN_MS + 200);
	fc_link_watch_note(&watch, FC_PORT_RUNNING, BEGIN_MS + 300);
	assert_true(tells(&watch, BEGIN_MS + 1099, NULL));
	assert_true(tells(&watch, BEGIN_MS + 1100, "the link is up; it went down once in 1 s"));
}

/* That a port is gone is told at once, and it stays gone. */
static void test_gone(void **state)
{
	struct fc_link_watch watch;

	(void)state;
	fc_link_watch_begin(&watch, FC_PORT_RUNNING, BEGIN_MS);
	fc_link_watch_note(&watch, FC_PORT_DOWN, BEGIN_MS + 100);
	assert_true(fc_link_watch_tell(&watch, BEGIN_MS + 100, text));
	fc_link_watch_note(&watch, FC_PORT_GONE, BEGIN_MS + 200);
	assert_true(fc_link_watch_tell(&watch, BEGIN_MS + 200, text));
	assert_non_null(strstr(text, "disappeared"));
	fc_link_watch_note(&watch, FC_PORT_RUNNING, BEGIN_MS + 300);
	assert_int_equal(fc_link_watch_state(&watch), FC_PORT_GONE);
	assert_int_equal(atomic_load(&watch.changed_ms), BEGIN_MS + 200);
	assert_int_equal(flaps(&watch), 1);
	assert_true(tells(&watch, BEGIN_MS + 100000, NULL));
}

static void test_absent(void **state)
{
	struct fc_link_watch watch;

	(void)state;
	fc_link_watch_begin(&watch, FC_PORT_ABSENT, BEGIN_MS);
	fc_link_watch_note(&watch, FC_PORT_DOWN, BEGIN_MS + 100);
	assert_int_equal(fc_link_watch_state(&watch), FC_PORT_ABSENT);
	assert_int_equal(flaps(&watch), 0);
	assert_true(tells(&watch, BEGIN_MS + 100000, NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_down_and_up),
		cmocka_unit_test(test_down_at_start),
		cmocka_unit_test(test_flapping),
		cmocka_unit_test(test_between_messages),
		cmocka_unit_test(test_gone),
		cmocka_unit_test(test_absent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
