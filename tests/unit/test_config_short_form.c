/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "cases.h"

#define MAX_OPTIONS 8

/* Lines such as "-t a=net0". */
static struct fc_config *read_options(char *input, struct fc_findings *findings)
{
	struct fc_short_option options[MAX_OPTIONS];
	size_t n = 0;

	while (*input != '\0') {
		char *line = strsep(&input, "\n");

		assert_true(n < MAX_OPTIONS && strlen(line) >= 3);
		options[n++] = (struct fc_short_option){ .letter = line[1], .text = line + 3 };
	}
	return fc_config_from_options(options, n, NULL, findings);
}

static void test_cases(void **state)
{
	(void)state;
	cases_run("short_form.cases", read_options, 46);
}

static void test_million(void **state)
{
	(void)state;
	char *text = malloc(1000001);
	struct fc_short_option option = { .letter = 't', .text = text };

	for (const char *unit = "x,=.+"; *unit != '\0'; unit++) {
		struct fc_findings *findings = fc_findings_new("command line");

		memset(text, *unit, 1000000);
		text[1000000] = '\0';
		memcpy(text, "a=b,c=", 6);
		assert_null(fc_config_from_options(&option, 1, NULL, findings));
		assert_true(fc_findings_n_errors(findings) >= 2);
		for (size_t i = 0; i < fc_findings_count(findings); i++)
			assert_true(strlen(fc_findings_get(findings, i).text) < 300);
		fc_findings_free(findings);
	}
	free(text);
}

/* The example of the documentation is one configuration in two forms. */
static void test_same_as_json(void **state)
{
	(void)state;
	static const struct fc_short_option options[] = {
		{ 't', "cisco=0000:03:00.0,ring=100m,vlan=100" },
		{ 't', "dell=0000:03:00.1,ring=1g,vlan=200" },
		{ 'o', "ids=0000:04:00.0,from=cisco+dell" },
		{ 'o', "store=0000:04:00.1,from=cisco,truncate=128" },
	};
	char *page = cases_read_file(SOURCE_ROOT "/docs/configuration.md");
	char *json = strstr(page, "```json\n");

	assert_non_null(json);
	json += strlen("```json\n");
	size_t size = (size_t)(strstr(json, "```") - json);
	struct fc_findings *findings = fc_findings_new("x");
	struct fc_config *from_json = fc_config_parse(json, size, NULL, findings);
	struct fc_config *from_options = fc_config_from_options(options, 4, NULL, findings);

	assert_non_null(from_json);
	assert_non_null(from_options);
	char *json_dump = fc_config_dump(from_json);
	char *options_dump = fc_config_dump(from_options);

	assert_string_equal(json_dump, options_dump);
	for (size_t i = 0; i < 4; i++)
		assert_non_null(strstr(page, options[i].text));
	free(json_dump);
	free(options_dump);
	fc_config_free(from_json);
	fc_config_free(from_options);
	fc_findings_free(findings);
	free(page);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_million),
		cmocka_unit_test(test_same_as_json),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
