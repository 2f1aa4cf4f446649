/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <fc_findings.h>

/* What fc_findings_print() writes; the caller frees it. */
static char *print_all(const struct fc_findings *findings)
{
	char *text = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&text, &size);

	assert_non_null(stream);
	fc_findings_print(findings, stream);
	assert_int_equal(fclose(stream), 0);
	return text;
}

static void test_empty(void **state)
{
	(void)state;
	struct fc_findings *findings = fc_findings_new("config.json");
	char *text = print_all(findings);

	assert_int_equal(fc_findings_n_errors(findings), 0);
	assert_int_equal(fc_findings_count(findings), 0);
	assert_string_equal(text, "");
	free(text);
	fc_findings_free(findings);
	fc_findings_free(NULL);
}

/* A list that could not be made. */
static void test_null(void **state)
{
	(void)state;
	fc_findings_add(NULL, FC_ERROR, "taps.a", "%d is not in %d..%d", 5000, 1, 4094);
	char *text = print_all(NULL);

	assert_string_equal(text, "fluxcap: out of memory: what else is wrong is not known\n");
	free(text);
	assert_int_equal(fc_findings_n_errors(NULL), 1);
	assert_int_equal(fc_findings_count(NULL), 0);
	fc_findings_free(NULL);
}

static void test_print(void **state)
{
	(void)state;
	struct fc_findings *findings = fc_findings_new("config.json");

	fc_findings_add(
		findings, FC_ERROR, "outputs.ids.vlan.push", "%d is not in %d..%d", 5000, 1, 4094);
	fc_findings_add(findings, FC_WARNING, "taps.a", "no output takes from this tap");
	fc_findings_add(findings, FC_ERROR, "", "is empty");
	char *text = print_all(findings);

	assert_string_equal(text, "config.json: outputs.ids.vlan.push: 5000 is not in 1..4094\n"
				  "config.json: taps.a: warning: no output takes from this tap\n"
				  "config.json: is empty\n");
	free(text);
	assert_int_equal(fc_findings_n_errors(findings), 2);
	assert_int_equal(fc_findings_count(findings), 3);
	struct fc_finding finding = fc_findings_get(findings, 1);

	assert_int_equal(finding.severity, FC_WARNING);
	assert_string_equal(finding.place, "taps.a");
	assert_string_equal(finding.text, "no output takes from this tap");
	fc_findings_free(findings);
}

static void test_unprintable(void **state)
{
	(void)state;
	struct fc_findings *findings = fc_findings_new("a\nb\xc3\xa4");

	fc_findings_add(findings, FC_ERROR, "x\x1b[2J", "%s", "y\r\n\xff\x7fz");
	char *text = print_all(findings);

	assert_string_equal(text, "a?b\xc3\xa4: x?[2J: y????z\n");
	free(text);
	fc_findings_free(findings);
}

static void test_long_text(void **state)
{
	(void)state;
	static char big[100000];
	struct fc_findings *findings = fc_findings_new("config.json");

	memset(big, 'x', sizeof(big) - 1);
	fc_findings_add(findings, FC_ERROR, big, "%s", big);
	assert_int_equal(strlen(fc_findings_get(findings, 0).place), 511);
	assert_int_equal(strlen(fc_findings_get(findings, 0).text), 1023);
	fc_findings_free(findings);
}

static void test_many(void **state)
{
	(void)state;
	struct fc_findings *findings = fc_findings_new("s");

	for (int i = 0; i < 5000; i++)
		fc_findings_add(findings, FC_ERROR, "", "number %d", i);
	assert_int_equal(fc_findings_n_errors(findings), 5000);
	assert_int_equal(fc_findings_count(findings), 1000);
	assert_string_equal(fc_findings_get(findings, 999).text, "number 999");
	char *text = print_all(findings);

	assert_non_null(strstr(text, "\ns: 4000 more findings are not shown\n"));
	free(text);
	fc_findings_free(findings);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_null),
		cmocka_unit_test(test_print),
		cmocka_unit_test(test_unprintable),
		cmocka_unit_test(test_long_text),
		cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
