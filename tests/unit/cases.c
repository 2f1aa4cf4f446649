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

#define CASE_MARK     "--- "
#define EXPECTED_MARK ">>>\n"

char *cases_read_file(const char *path)
{
	char *text = NULL;
	size_t size = 0;
	FILE *file = fopen(path, "re");
	FILE *stream = open_memstream(&text, &size);
	int c = 0;

	if (file == NULL)
		fail_msg("%s cannot be opened", path);
	assert_non_null(stream);
	while ((c = fgetc(file)) != EOF)
		fputc(c, stream);
	fclose(file);
	assert_int_equal(fclose(stream), 0);
	return text;
}

/* What a user would see of an input. */
static char *show_result(case_reader *read, char *input)
{
	struct fc_findings *findings = fc_findings_new("");
	char *text = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&text, &size);

	assert_non_null(findings);
	assert_non_null(stream);
	struct fc_config *config = read(input, findings);

	for (size_t i = 0; i < fc_findings_count(findings); i++) {
		struct fc_finding finding = fc_findings_get(findings, i);

		fprintf(stream, "%s: %s%s\n", finding.place,
			finding.severity == FC_WARNING ? "warning: " : "", finding.text);
	}
	assert_int_equal(config == NULL, fc_findings_n_errors(findings) > 0);
	if (config != NULL) {
		char *dump = fc_config_dump(config);

		assert_non_null(dump);
		fputs(dump, stream);
		free(dump);
	}
	assert_int_equal(fclose(stream), 0);
	fc_config_free(config);
	fc_findings_free(findings);
	return text;
}

static bool run_case(char *text, case_reader *read)
{
	char *input = strchr(text, '\n');
	char *expected = strstr(text, EXPECTED_MARK);

	assert_non_null(input);
	*input++ = '\0';
	if (expected == NULL || expected < input)
		fail_msg("case '%s' has no line >>>", text);
	*expected = '\0';
	expected += strlen(EXPECTED_MARK);
	char *result = show_result(read, input);
	bool same = strcmp(result, expected) == 0;

	if (!same)
		print_error("case '%s'\nexpected:\n%s\nfound:\n%s\n", text, expected, result);
	free(result);
	return same;
}

void cases_run(const char *file, case_reader *read, size_t min_cases)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/tests/unit/data/%s", SOURCE_ROOT, file);
	char *text = cases_read_file(path);
	char *next = strstr(text, "\n" CASE_MARK);
	size_t n = 0;
	size_t n_failed = 0;

	while (next != NULL) {
		char *current = next + 1 + strlen(CASE_MARK);

		next = strstr(current, "\n" CASE_MARK);
		/* The newline in front of the next case belongs to this one's last line. */
		char *end = next == NULL ? current + strlen(current) : next + 1;
		char saved = *end;

		*end = '\0';
		n_failed += run_case(current, read) ? 0 : 1;
		*end = saved;
		n++;
	}
	free(text);
	assert_int_equal(n_failed, 0);
	assert_in_range(n, min_cases, SIZE_MAX);
}

struct fc_config *cases_parse(const char *text)
{
	struct fc_findings *findings = fc_findings_new("x");
	struct fc_config *config = fc_config_parse(text, strlen(text), NULL, findings);

	fc_findings_print(findings, stderr);
	assert_non_null(config);
	fc_findings_free(findings);
	return config;
}
