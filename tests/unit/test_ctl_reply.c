/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "reply.h"

/* The text in memory of exactly its size, so that a sanitizer sees a read beyond it. */
static json_t *value_of(const char *text, const char *command, struct fc_problem *problem)
{
	size_t size = strlen(text);
	char *copy = malloc(size > 0 ? size : 1);
	json_t *value;

	assert_non_null(copy);
	memcpy(copy, text, size);
	memset(problem, 0, sizeof(*problem));
	value = fc_reply_value(copy, size, command, problem);
	free(copy);
	return value;
}

static void check_refused(const char *text, const char *command, const char *reason)
{
	struct fc_problem problem;

	assert_null(value_of(text, command, &problem));
	assert_int_equal(problem.kind, FC_PROBLEM_ANSWER);
	assert_non_null(strstr(problem.text, command));
	assert_non_null(strstr(problem.text, reason));
	assert_null(strchr(problem.text, '\033'));
}

static void test_value(void **state)
{
	struct fc_problem problem;
	json_t *value;

	(void)state;
	value = value_of("{\"/fluxcap/tap\":{\"rx_packets\":7}}", "/fluxcap/tap,cisco", &problem);
	assert_non_null(value);
	assert_int_equal(json_integer_value(json_object_get(value, "rx_packets")), 7);
	assert_int_equal(problem.kind, FC_PROBLEM_NONE);
	json_decref(value);

	value = value_of("{\"/fluxcap/tap\":null}", "/fluxcap/tap,nosuch", &problem);
	assert_true(json_is_null(value));
	json_decref(value);
}

static void test_refused(void **state)
{
	(void)state;
	check_refused("", "/x", "is not JSON");
	check_refused("{\"/x\":{\"a\":1", "/x", "is not JSON");
	check_refused("\033[2J", "/x", "it starts: ?[2J");
	check_refused("{\"/x\":\"\\", "/x", "is not JSON");
	check_refused("{\"/x\":1,\"/x\":2}", "/x", "is not JSON");
	check_refused("{\"/x\":1} {}", "/x", "is not JSON");
	check_refused("[1]", "/x", "not an object");
	check_refused("{}", "/x", "no \"/x\"");
	check_refused("{\"/y\":1}", "/x,name", "no \"/x\"");
	check_refused("{\"/x\":18446744073709551616}", "/x", "is not JSON");
}

static void check_number(const char *text, long long expected)
{
	struct fc_problem problem;
	json_t *value = value_of(text, "/x", &problem);
	const json_t *number = json_is_object(value) ? json_object_get(value, "n") : value;

	assert_non_null(value);
	assert_true(json_is_integer(number));
	assert_int_equal(json_integer_value(number), expected);
	json_decref(value);
}

static void test_folded_numbers(void **state)
{
	struct fc_problem problem;
	json_t *value;

	(void)state;
	check_number("{\"/x\":18446744073709551615}", -1);
	check_number("{\"/x\":{\"m\":\"1\\\"\",\"n\":18446744073709551116,\"o\":2}}", -500);
	check_number("{\"/x\":10000000000000000000}", -8446744073709551616LL);
	check_number("{\"/x\":9223372036854775807}", INT64_MAX);
	check_number("{\"/x\":9223372036854775808}", INT64_MAX);
	check_number("{\"/x\":-5}", -5);

	value = value_of("{\"/x\":\"18446744073709551615\"}", "/x", &problem);
	assert_string_equal(json_string_value(value), "18446744073709551615");
	json_decref(value);
	value = value_of("{\"/x\":1.8446744073709551615e19}", "/x", &problem);
	assert_true(json_is_real(value));
	json_decref(value);
}

static int greet(const char *text, long long *pid, size_t *size, struct fc_problem *problem)
{
	char copy[256];

	strcpy(copy, text);
	return fc_reply_greeting(copy, strlen(copy), pid, size, problem);
}

static void test_greeting(void **state)
{
	struct fc_problem problem = { 0 };
	long long pid = -1;
	size_t size = 0;

	(void)state;
	assert_int_equal(greet("{\"version\":\"DPDK 22.11.0\",\"pid\":42,\"max_output_len\":16384}",
				 &pid, &size, &problem),
		0);
	assert_int_equal(pid, 42);
	assert_int_equal(size, 16384);
	assert_int_equal(greet("{\"max_output_len\":1048576}", &pid, &size, &problem), 0);
	assert_int_equal(pid, 0);

	assert_int_equal(greet("{\"pid\":42}", &pid, &size, &problem), -EPROTO);
	assert_non_null(strstr(problem.text, "max_output_len"));
	assert_int_equal(greet("{\"max_output_len\":0}", &pid, &size, &problem), -EPROTO);
	assert_int_equal(greet("{\"max_output_len\":-1}", &pid, &size, &problem), -EPROTO);
	assert_int_equal(greet("{\"max_output_len\":1048577}", &pid, &size, &problem), -EPROTO);
	assert_int_equal(greet("{\"max_output_len\":\"9\"}", &pid, &size, &problem), -EPROTO);
	assert_int_equal(greet("hello", &pid, &size, &problem), -EPROTO);
	assert_int_equal(problem.kind, FC_PROBLEM_ANSWER);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_value),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_folded_numbers),
		cmocka_unit_test(test_greeting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
