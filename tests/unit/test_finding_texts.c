/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "finding_texts.h"

#define SOURCE "/etc/c.json"
#define MANY   100000

/* Texts, as they came. */
struct list {
	size_t n, json_size;
	char texts[1100][FC_FINDING_TEXT_SIZE];
};

static void add(void *to, const char *text)
{
	struct list *list = to;

	assert_true(strlen(text) < FC_FINDING_TEXT_SIZE);
	strcpy(list->texts[list->n++], text);
	list->json_size += strlen(text) + 3;
	for (; *text != '\0'; text++)
		list->json_size += *text == '"' || *text == '\\';
}

static int begin(void **state)
{
	*state = fc_findings_new("c.json");
	return 0;
}

static int end(void **state)
{
	fc_findings_free(*state);
	return 0;
}

static struct list *texts_of(const struct fc_findings *findings, size_t n_max, size_t size_max)
{
	static struct list list;

	list = (struct list){ 0 };
	fc_finding_texts(findings, SOURCE, n_max, size_max, add, &list);
	return &list;
}

static void test_none(void **state)
{
	assert_int_equal(texts_of(*state, 10, MANY)->n, 0);
}

static void test_order_and_form(void **state)
{
	struct list *list;

	fc_findings_add(*state, FC_NOTE, "outputs.x", "new");
	fc_findings_add(*state, FC_WARNING, "taps.a.ring", "small");
	fc_findings_add(*state, FC_ERROR, "", "not JSON");
	fc_findings_add(*state, FC_NOTE, "outputs.y", "removed");
	fc_findings_add(*state, FC_ERROR, "taps.b", "no port");
	list = texts_of(*state, 10, MANY);
	assert_int_equal(list->n, 5);
	assert_string_equal(list->texts[0], "error: " SOURCE ": not JSON");
	assert_string_equal(list->texts[1], "error: taps.b: no port");
	assert_string_equal(list->texts[2], "warning: taps.a.ring: small");
	assert_string_equal(list->texts[3], "note: outputs.x: new");
	assert_string_equal(list->texts[4], "note: outputs.y: removed");
}

/* A long one goes on behind blanks that were its own. */
static void test_long(void **state)
{
	char text[901] = "", whole[2000], joined[2000] = "";
	struct list *list;

	for (int i = 0; strlen(text) + 10 < sizeof(text); i++)
		sprintf(text + strlen(text), "%s%d", i == 0 ? "" : " ", i * i);
	fc_findings_add(*state, FC_WARNING, "taps.a", "%s", text);
	snprintf(whole, sizeof(whole), "warning: taps.a: %s", text);
	list = texts_of(*state, 20, MANY);
	assert_true(list->n > strlen(whole) / FC_FINDING_TEXT_SIZE && list->n < 12);
	for (size_t i = 0; i < list->n; i++) {
		assert_int_equal(list->texts[i][0] == ' ', i != 0);
		strcat(joined, list->texts[i]);
	}
	assert_string_equal(joined, whole);
}

/* Each length around that of one and two texts. */
static void test_lengths(void **state)
{
	char text[300], joined[400];

	for (size_t length = 1; length < sizeof(text); length++) {
		struct fc_findings *findings = fc_findings_new("c.json");
		struct list *list;

		memset(text, 'x', length);
		for (size_t i = 5; i < length; i += 11)
			text[i] = ' ';
		text[length] = '\0';
		fc_findings_add(findings, FC_NOTE, "p", "%s", text);
		list = texts_of(findings, 10, MANY);
		joined[0] = '\0';
		for (size_t i = 0; i < list->n; i++)
			strcat(joined, list->texts[i]);
		assert_memory_equal(joined, "note: p: ", 9);
		assert_string_equal(joined + 9, text);
		fc_findings_free(findings);
	}
	(void)state;
}

/* A word that no text has room for gets blanks where it goes on, and nothing of it is lost. */
static void test_word(void **state)
{
	char word[601], joined[1000] = "";
	struct list *list;

	memset(word, 'w', sizeof(word) - 1);
	word[sizeof(word) - 1] = '\0';
	fc_findings_add(*state, FC_ERROR, "p", "%s", word);
	list = texts_of(*state, 10, MANY);
	assert_int_equal(list->n, 6);
	for (size_t i = 0; i < list->n; i++) {
		assert_int_equal(list->texts[i][0] == ' ', i != 0);
		strcat(joined, list->texts[i] + (i >= 2));
	}
	assert_string_equal(list->texts[0], "error: p:");
	assert_memory_equal(joined, "error: p: ", 10);
	assert_string_equal(joined + 10, word);
}

/* As many texts as are allowed, the last of which says how many findings are not among them. */
static void test_too_many(void **state)
{
	struct list *list;

	for (int i = 0; i < 12; i++)
		fc_findings_add(*state, i == 11 ? FC_ERROR : FC_NOTE, "p", "number %d", i);
	list = texts_of(*state, 13, MANY);
	assert_int_equal(list->n, 12);
	list = texts_of(*state, 10, MANY);
	assert_int_equal(list->n, 10);
	assert_string_equal(list->texts[0], "error: p: number 11");
	assert_string_equal(list->texts[8], "note: p: number 7");
	assert_string_equal(list->texts[9], "note: 3 more findings do not fit in here");
}

static void test_too_large(void **state)
{
	struct list *list;

	for (int i = 0; i < 1000; i++)
		fc_findings_add(
			*state, FC_ERROR, "p", "\"%d\" \\ \"%d\" is said twice: \"%d\"", i, i, i);
	for (size_t size = 200; size < 12000; size += 7) {
		size_t n_left;

		list = texts_of(*state, 1001, size);
		assert_true(list->json_size <= size);
		assert_true(list->json_size + 300 > size);
		assert_int_equal(
			sscanf(list->texts[list->n - 1], "note: %zu more findings", &n_left), 1);
		assert_int_equal(list->n - 1 + n_left, 1000);
	}
}

/* One in pieces is there whole or not at all. */
static void test_not_in_part(void **state)
{
	char text[400];
	struct list *list;

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	fc_findings_add(*state, FC_ERROR, "p", "first");
	fc_findings_add(*state, FC_ERROR, "p", "%s", text);
	fc_findings_add(*state, FC_ERROR, "p", "last");
	list = texts_of(*state, 5, MANY);
	assert_int_equal(list->n, 2);
	assert_string_equal(list->texts[0], "error: p: first");
	assert_string_equal(list->texts[1], "note: 2 more findings do not fit in here");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_none, begin, end),
		cmocka_unit_test_setup_teardown(test_order_and_form, begin, end),
		cmocka_unit_test_setup_teardown(test_long, begin, end),
		cmocka_unit_test(test_lengths),
		cmocka_unit_test_setup_teardown(test_word, begin, end),
		cmocka_unit_test_setup_teardown(test_too_many, begin, end),
		cmocka_unit_test_setup_teardown(test_too_large, begin, end),
		cmocka_unit_test_setup_teardown(test_not_in_part, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
