/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <jansson.h>

#include <fc_config.h>
#include <fc_config_compare.h>

/*
 * Each allocation of the configuration's code fails once, in turn. The linker puts the functions
 * below in front of libc's (--wrap); jansson is told to use them.
 */

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *block, size_t size);
char *__real_strdup(const char *text);
char *__real_strndup(const char *text, size_t size);

void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *block, size_t size);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t size);

static size_t n_until_failure; /* 0: none will fail */
static bool has_failed;

static bool fails_now(void)
{
	if (n_until_failure == 0 || --n_until_failure > 0)
		return false;
	has_failed = true;
	return true;
}

void *__wrap_malloc(size_t size)
{
	return fails_now() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return fails_now() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *block, size_t size)
{
	return fails_now() ? NULL : __real_realloc(block, size);
}

char *__wrap_strdup(const char *text)
{
	return fails_now() ? NULL : __real_strdup(text);
}

char *__wrap_strndup(const char *text, size_t size)
{
	return fails_now() ? NULL : __real_strndup(text, size);
}

/* Strings of at most 13 bytes: jansson 2.14 reads beyond a longer one that it could not store. */
static const char full_text[] =
	"{\"taps\": {\"a\": {\"port\": \"p\", \"filter\": \"tcp\", \"sample\": 12.5, "
	"\"description\": \"left\"}, \"b\": "
	"{\"port\": \"q\", \"decap\": {\"type\": \"gre\", \"local\": \"192.0.2.1\", \"key\": "
	"\"1.2.3.4\"}}}, \"outputs\": {\"o\": {\"port\": \"p\", \"from\": [\"a\", \"b\"], "
	"\"vlan\": {\"push\": [1, 2]}, \"encap\": {\"type\": \"vxlan\", \"local\": "
	"\"fd00::1/64\", \"remote\": \"fd00::2\", \"key\": 5}}}, \"ports\": {\"p\": {\"mtu\": "
	"1500, \"devargs\": \"a=b\"}}, \"lcores\": {\"rx\": "
	"[1]}}";

static struct fc_config *parse_full(struct fc_findings *findings)
{
	return fc_config_parse(full_text, strlen(full_text), NULL, findings);
}

static struct fc_config *parse_options(struct fc_findings *findings)
{
	static const struct fc_short_option options[] = {
		{ 't', "a=p,vlan=5,sample=1.5,filter=tcp" },
		{ 't', "b=q,ring=1g" },
		{ 'o', "o=p,from=a+b,vlan.push=1+2,encap=gretap,encap.local=192.0.2.1/24,"
		       "encap.remote=192.0.2.2,encap.key=1.2.3.4,encap.mac=02:00:00:00:00:02" },
	};

	return fc_config_from_options(options, 3, NULL, findings);
}

/* A failed allocation is an error that is counted, even where its text is lost. */
static void fail_each(struct fc_config *(*parse)(struct fc_findings *findings))
{
	size_t n = 0;

	do {
		has_failed = false;
		n_until_failure = ++n;
		/* Whoever checks something makes the list of findings, too. */
		struct fc_findings *findings = fc_findings_new("x");
		struct fc_config *config = parse(findings);

		n_until_failure = 0;
		assert_int_equal(config == NULL, has_failed);
		assert_int_equal(fc_findings_n_errors(findings) > 0, has_failed);
		for (size_t i = 0; i < fc_findings_count(findings); i++)
			assert_true(strlen(fc_findings_get(findings, i).text) > 0);
		fc_config_free(config);
		fc_findings_free(findings);
	} while (has_failed);
	assert_in_range(n, 50, 5000);
}

static struct fc_config *parse_no_json(struct fc_findings *findings)
{
	static const char text[] = "{\"taps\": {\"a\": {\"port\": \"p\",}}}";

	return fc_config_parse(text, strlen(text), NULL, findings);
}

/* A list that was never made has its error, and nobody is told that all is well. */
static void test_no_findings(void **state)
{
	(void)state;
	static const char path[] = SOURCE_ROOT "/config/replicate.json";
	size_t n = 0;

	do {
		has_failed = false;
		n_until_failure = ++n;
		struct fc_findings *findings = fc_findings_new("x");

		n_until_failure = 0;
		if (findings == NULL) {
			assert_null(parse_full(findings));
			assert_null(parse_options(findings));
			assert_null(parse_no_json(findings));
			assert_null(fc_config_load(path, NULL, findings));
			assert_int_equal(fc_findings_n_errors(findings), 1);
		}
		fc_findings_free(findings);
	} while (has_failed);
	assert_int_equal(n, 3);
}

static void test_no_json(void **state)
{
	(void)state;
	for (size_t n = 1; n < 100; n++) {
		n_until_failure = n;
		struct fc_findings *findings = fc_findings_new("x");

		assert_null(parse_no_json(findings));
		n_until_failure = 0;
		assert_int_equal(fc_findings_n_errors(findings), 1);
		fc_findings_free(findings);
	}
}

static void test_parse(void **state)
{
	(void)state;
	fail_each(parse_full);
	fail_each(parse_options);
}

static struct fc_config *full_config;

static char *dump_full(void)
{
	return fc_config_dump(full_config);
}

static void fail_each_text(char *(*make)(void))
{
	size_t n = 0;

	do {
		has_failed = false;
		n_until_failure = ++n;
		char *text = make();

		n_until_failure = 0;
		assert_int_equal(text == NULL, has_failed);
		free(text);
	} while (has_failed);
	assert_in_range(n, 20, 5000);
}

static void test_texts(void **state)
{
	(void)state;
	struct fc_findings *findings = fc_findings_new("x");

	full_config = parse_full(findings);
	assert_non_null(full_config);
	fail_each_text(dump_full);
	fail_each_text(fc_config_schema);
	fail_each_text(fc_config_reference);
	fc_config_free(full_config);
	fc_findings_free(findings);
}

/* Without memory two things are never equal, and a difference is never passed over in silence. */
static void test_compare(void **state)
{
	(void)state;
	static const struct fc_short_option options[] = {
		{ 't', "a=p,vlan=5,sample=1.5,ring=1m" },
		{ 't', "b=q" },
		{ 'o', "o=p,from=b+a,encap=vxlan,encap.local=fd00::1/64,encap.remote=fd00::2,"
		       "encap.key=5" },
	};
	struct fc_findings *findings = fc_findings_new("x");
	struct fc_config *from = parse_full(findings);
	struct fc_config *to = fc_config_from_options(options, 3, NULL, findings);
	unsigned n_expected = fc_config_compare(from, to, findings);
	size_t n = 0;

	assert_in_range(n_expected, 8, 30);
	assert_int_equal(fc_findings_n_errors(findings), 0);
	do {
		struct fc_findings *notes = fc_findings_new("x");

		has_failed = false;
		n_until_failure = ++n;
		unsigned n_found = fc_config_compare(from, to, notes);

		n_until_failure = 0;
		assert_true(n_found == n_expected || fc_findings_n_errors(notes) == 1);
		assert_true(n_found > 0);
		fc_findings_free(notes);
	} while (has_failed);
	assert_in_range(n, 100, 5000);
	n = 0;
	do {
		has_failed = false;
		n_until_failure = ++n;
		bool is_equal = fc_encap_is_equal(&from->outputs[0].encap, &to->outputs[0].encap);

		n_until_failure = 0;
		assert_int_equal(is_equal, !has_failed);
	} while (has_failed);
	assert_in_range(n, 10, 5000);
	fc_config_free(from);
	fc_config_free(to);
	fc_findings_free(findings);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_findings),
		cmocka_unit_test(test_no_json),
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_texts),
		cmocka_unit_test(test_compare),
	};

	json_set_alloc_funcs(__wrap_malloc, free);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
