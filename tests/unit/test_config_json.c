/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "cases.h"

static struct fc_config *read_json(char *input, struct fc_findings *findings)
{
	return fc_config_parse(input, strlen(input), NULL, findings);
}

static void test_cases(void **state)
{
	(void)state;
	cases_run("config.cases", read_json, 250);
}

/* The text must be refused with exactly one finding. */
static void expect_one(const char *text, size_t size, const char *place, const char *message)
{
	struct fc_findings *findings = fc_findings_new("x");

	assert_null(fc_config_parse(text, size, NULL, findings));
	assert_int_equal(fc_findings_count(findings), 1);
	assert_string_equal(fc_findings_get(findings, 0).place, place);
	assert_string_equal(fc_findings_get(findings, 0).text, message);
	fc_findings_free(findings);
}

static void test_not_text(void **state)
{
	(void)state;
	expect_one("", 0, "", "is empty; expected a JSON object");
	expect_one("{}\0{}", 5, "", "is not text: byte 2 is NUL");
	expect_one("\0", 1, "", "is not text: byte 0 is NUL");
	expect_one("{\"\xff\": 1}", 8, "line 1, column 2",
		"unable to decode byte 0xff near '\"': {\"?\": 1}");
	expect_one("{\"a\0\": 1}", 9, "", "is not text: byte 3 is NUL");
	expect_one("\xef\xbb\xbf{}", 5, "",
		"begins with a byte order mark (BOM), which JSON does not have; save it as UTF-8 "
		"without BOM");
	expect_one("\xff\xfe{\0}\0", 6, "", "is UTF-16; save it as UTF-8 without BOM");
	expect_one("\xfe\xff\0{\0}", 6, "", "is UTF-16; save it as UTF-8 without BOM");
}

/* head, then n times middle, then tail, on the heap. */
static char *build_text(const char *head, const char *middle, size_t n, const char *tail)
{
	char *text = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&text, &size);

	assert_non_null(stream);
	fputs(head, stream);
	for (size_t i = 0; i < n; i++)
		fputs(middle, stream);
	fputs(tail, stream);
	assert_int_equal(fclose(stream), 0);
	return text;
}

#define MILLION 1000000
#define X44	"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define OUTPUTS "\"outputs\": {\"o\": {\"port\": \"p\", \"from\": [\"a\"]}}"

static void test_long_strings(void **state)
{
	(void)state;
	static const struct {
		const char *head;
		const char *tail;
		const char *place;
		const char *message;
	} cases[] = {
		{ "{\"taps\": {\"a\": {\"port\": \"net0\", \"filter\": \"", "\"}}, " OUTPUTS "}",
			"taps.a.filter", "expected a string of 1..65535 bytes, found 1000000" },
		{ "{\"taps\": {\"a\": {\"port\": \"", "\"}}, " OUTPUTS "}", "taps.a.port",
			"expected a PCI address such as \"0000:03:00.1\" or a vdev's name such as "
			"\"net_pcap0\", found the string \"" X44 "...\"" },
		{ "{\"taps\": {\"a\": {\"port\": \"net0\", \"", "\": 1}}, " OUTPUTS "}", "taps.a",
			"unknown key '" X44
			"...'; the keys here are 'port', 'ring', 'decap', 'filter', "
			"'sample', 'vlan', 'trim', 'truncate', 'description'" },
		{ "{\"taps\": {\"a\": {\"port\": \"net0\"}, \"",
			"\": {\"port\": \"n\"}}, " OUTPUTS "}", "taps." X44 "...",
			"is not a name for a tap: expected 1..31 letters, digits, '_', '-' or "
			"'.'" },
		{ "{\"taps\": {\"a\": {\"port\": \"net0\"}}, \"outputs\": {\"o\": {\"port\": "
		  "\"p\", "
		  "\"from\": [\"a\", \"",
			"\"]}}}", "outputs.o.from[1]", "no tap is named '" X44 "...'" },
		{ "\"", "\"", "",
			"expected an object with 'taps' and 'outputs', found the string \"" X44
			"...\"" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *text = build_text(cases[i].head, "x", MILLION, cases[i].tail);

		expect_one(text, strlen(text), cases[i].place, cases[i].message);
		free(text);
	}
	char *digits = build_text("[", "9", MILLION, "]");

	expect_one(digits, strlen(digits), "line 1, column 1000001",
		"too big integer: "
		"999999999999999999999999999999999999999999999999999]");
	free(digits);
}

static void test_deep_nesting(void **state)
{
	(void)state;
	char *lists = build_text("", "[", MILLION, "");
	char *objects = build_text("", "{\"taps\":", MILLION, "");

	expect_one(lists, strlen(lists), "line 1, column 2049",
		"maximum parsing depth reached near '[': "
		"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[");
	expect_one(objects, strlen(objects), "line 1, column 16385",
		"maximum parsing depth reached near '{': "
		"\":{\"taps\":{\"taps\":{\"taps\":{\"taps\":{\"taps\":{\"taps\":{\"taps\":{\"taps"
		"\":{\"taps\":{\"taps");
	free(lists);
	free(objects);
}

static void test_many_taps(void **state)
{
	(void)state;
	char *text = NULL;
	size_t size = 0;

	for (int n = 128; n <= 129; n++) {
		struct fc_findings *findings = fc_findings_new("x");
		FILE *stream = open_memstream(&text, &size);

		fputs("{\"taps\": {", stream);
		for (int i = 0; i < n; i++)
			fprintf(stream, "%s\"t%d\": {\"port\": \"p%d\"}", i == 0 ? "" : ",", i, i);
		fputs("}, \"outputs\": {\"o\": {\"port\": \"p\", \"from\": [", stream);
		for (int i = n; i > 0; i--)
			fprintf(stream, "%s\"t%d\"", i == n ? "" : ",", i - 1);
		fputs("]}}}", stream);
		assert_int_equal(fclose(stream), 0);
		struct fc_config *config = fc_config_parse(text, size, NULL, findings);

		if (n == 128) {
			assert_non_null(config);
			assert_int_equal(config->n_taps, 128);
			assert_int_equal(config->outputs[0].from[0], 127);
		} else {
			assert_null(config);
			assert_int_equal(fc_findings_count(findings), 1);
			assert_string_equal(fc_findings_get(findings, 0).place, "taps");
			assert_string_equal(fc_findings_get(findings, 0).text,
				"129 taps are too many; fluxcap takes at most 128");
		}
		fc_config_free(config);
		fc_findings_free(findings);
		free(text);
	}
}

static void test_many_findings(void **state)
{
	(void)state;
	struct fc_findings *findings = fc_findings_new("x");
	char *text = build_text("{\"taps\": {\"a\": {\"port\": \"p\"}}, \"outputs\": {\"o\": "
				"{\"port\": \"p\", \"from\": [",
		"1,", 126, "2, 3]}}}");

	assert_null(fc_config_parse(text, strlen(text), NULL, findings));
	assert_int_equal(fc_findings_n_errors(findings), 128);
	assert_string_equal(fc_findings_get(findings, 127).place, "outputs.o.from[127]");
	free(text);
	fc_findings_free(findings);
}

static void expect_load(const char *path, const char *message)
{
	struct fc_findings *findings = fc_findings_new(path);

	assert_null(fc_config_load(path, NULL, findings));
	assert_int_equal(fc_findings_count(findings), 1);
	assert_string_equal(fc_findings_get(findings, 0).place, "");
	assert_string_equal(fc_findings_get(findings, 0).text, message);
	fc_findings_free(findings);
}

static void test_files(void **state)
{
	(void)state;
	char path[] = "/tmp/fluxcap-test-XXXXXX";
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	expect_load(path, "is empty; expected a JSON object");
	assert_int_equal(ftruncate(fd, (off_t)(4 << 20) + 1), 0);
	expect_load(path, "is larger than 4 MiB");
	assert_int_equal(ftruncate(fd, 4 << 20), 0);
	expect_load(path, "is not text: byte 0 is NUL");
	/* The superuser may read everything. */
	if (geteuid() != 0) {
		assert_int_equal(fchmod(fd, 0), 0);
		expect_load(path, "cannot be opened: Permission denied");
	}
	close(fd);
	unlink(path);
	expect_load(path, "cannot be opened: No such file or directory");
	expect_load("/", "cannot be read: Is a directory");
	expect_load("/dev/zero", "is larger than 4 MiB");
	expect_load("", "cannot be opened: No such file or directory");
}

static void test_stdin(void **state)
{
	(void)state;
	static const char text[] = "{\"taps\": {\"a\": {\"port\": \"net0\"}}, \"outputs\": {\"o\": "
				   "{\"port\": \"net1\", "
				   "\"from\": [\"a\"]}}}";
	struct fc_findings *findings = fc_findings_new("standard input");
	int ends[2];

	assert_int_equal(pipe(ends), 0);
	assert_int_equal(write(ends[1], text, strlen(text)), strlen(text));
	close(ends[1]);
	assert_int_equal(dup2(ends[0], STDIN_FILENO), STDIN_FILENO);
	close(ends[0]);
	struct fc_config *config = fc_config_load("-", NULL, findings);

	assert_non_null(config);
	assert_string_equal(config->taps[0].port, "net0");
	fc_config_free(config);
	fc_findings_free(findings);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_not_text),
		cmocka_unit_test(test_long_strings),
		cmocka_unit_test(test_deep_nesting),
		cmocka_unit_test(test_many_taps),
		cmocka_unit_test(test_many_findings),
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_stdin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
