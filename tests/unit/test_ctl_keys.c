/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include "keys.h"

#define MAX_KEYS 8

/* Feed all of a text, in reads of at most n_read bytes; what keys came of it. */
static size_t take(int *keys, const char *text, size_t n_read)
{
	struct fc_keys state = { 0 };
	size_t n_keys = 0, size = strlen(text);

	for (size_t i = 0; i < size; i++) {
		int key = fc_keys_take(&state, (unsigned char)text[i]);

		if (key != FC_KEY_NONE)
			keys[n_keys++] = key;
		key = (i + 1) % n_read == 0 || i + 1 == size ? fc_keys_pause(&state) : 0;
		if (key != FC_KEY_NONE)
			keys[n_keys++] = key;
		assert_true(n_keys < MAX_KEYS);
	}
	return n_keys;
}

static void check(const char *text, int first, int second)
{
	int keys[MAX_KEYS] = { 0 };
	size_t n_keys = take(keys, text, SIZE_MAX);

	assert_int_equal(keys[0], first);
	assert_int_equal(keys[1], second);
	assert_int_equal(n_keys, (first != 0) + (second != 0));
}

static void test_characters(void **state)
{
	(void)state;
	check("q", 'q', 0);
	check(" +", ' ', '+');
	check("\f", 12, 0);
	/* No key of this program, whatever a keyboard sends for it. */
	check("\xc3\xa9q", 'q', 0);
}

/* As infocmp shows them for xterm, linux, screen and rxvt. */
static void test_sequences(void **state)
{
	static const struct {
		const char *text;
		int key;
	} cases[] = {
		{ "\033[A", FC_KEY_UP },
		{ "\033OA", FC_KEY_UP },
		{ "\033[B", FC_KEY_DOWN },
		{ "\033OB", FC_KEY_DOWN },
		{ "\033[C", FC_KEY_RIGHT },
		{ "\033[D", FC_KEY_LEFT },
		{ "\033[H", FC_KEY_HOME },
		{ "\033OH", FC_KEY_HOME },
		{ "\033[1~", FC_KEY_HOME },
		{ "\033[7~", FC_KEY_HOME },
		{ "\033[F", FC_KEY_END },
		{ "\033[4~", FC_KEY_END },
		{ "\033[8~", FC_KEY_END },
		{ "\033[5~", FC_KEY_PAGE_UP },
		{ "\033[6~", FC_KEY_PAGE_DOWN },
		{ "\033OP", FC_KEY_F1 },
		{ "\033[11~", FC_KEY_F1 },
		{ "\033[[A", FC_KEY_F1 },
		/* Held with Ctrl. */
		{ "\033[1;5A", FC_KEY_UP },
		{ "\033[6;5~", FC_KEY_PAGE_DOWN },
		/* Of no meaning here: Insert, F5, F3 of the console, a position of the mouse. */
		{ "\033[2~", FC_KEY_NONE },
		{ "\033[15~", FC_KEY_NONE },
		{ "\033[[C", FC_KEY_NONE },
		{ "\033[<0;10;20M", FC_KEY_NONE },
		{ "\033[99999999999999999999~", FC_KEY_NONE },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char twice[64];

		check(cases[i].text, cases[i].key, 0);
		/* What follows is a key of its own. */
		strcpy(twice, cases[i].text);
		strcat(twice, "x");
		if (cases[i].key != FC_KEY_NONE)
			check(twice, cases[i].key, 'x');
		else
			check(twice, 'x', 0);
	}
}

static void test_escape(void **state)
{
	(void)state;
	check("\033", FC_KEY_ESCAPE, 0);
	/* Held with Alt. */
	check("\033q", FC_KEY_NONE, 0);
	check("\033\033[A", FC_KEY_UP, 0);
	check("\033[\033[A", FC_KEY_UP, 0);
}

/* A network may bring each byte by itself: Escape is a key then, and the sequence goes on. */
static void test_pieces(void **state)
{
	int keys[MAX_KEYS];

	(void)state;
	assert_int_equal(take(keys, "\033[6~q", 1), 3);
	assert_int_equal(keys[0], FC_KEY_ESCAPE);
	assert_int_equal(keys[1], FC_KEY_PAGE_DOWN);
	assert_int_equal(keys[2], 'q');
	assert_int_equal(take(keys, "\033[6~q", 2), 2);
	assert_int_equal(keys[0], FC_KEY_PAGE_DOWN);
	/* An Escape that was a key leaves the one after it alone. */
	assert_int_equal(take(keys, "\033q", 1), 2);
	assert_int_equal(keys[1], 'q');
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_characters),
		cmocka_unit_test(test_sequences),
		cmocka_unit_test(test_escape),
		cmocka_unit_test(test_pieces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
