/* SPDX-License-Identifier: MIT */
#include "reply.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "units.h"

#define MAX_OUTPUT_SIZE (1024 * 1024)
#define UINT64_DIGITS	20

static bool is_number_char(char c)
{
	return isdigit((unsigned char)c) || c == '.' || c == 'e' || c == 'E' || c == '+' ||
	       c == '-';
}

/* Rewrite one whole number above INT64_MAX as the negative one with the same 64 bits. */
static void fold_number(char *number, size_t n_chars)
{
	char text[UINT64_DIGITS + 1];
	char *end;
	uint64_t value;
	int size;

	if (n_chars >= sizeof(text))
		return;
	memcpy(text, number, n_chars);
	text[n_chars] = '\0';
	errno = 0;
	value = strtoull(text, &end, 10);
	if (!isdigit((unsigned char)text[0]) || *end != '\0' || errno != 0 || value <= INT64_MAX)
		return;
	/* With 19 digits there is no room for the sign. No difference comes near to that. */
	size = snprintf(text, sizeof(text), "%" PRId64,
		n_chars < UINT64_DIGITS ? INT64_MAX : (int64_t)value);
	memset(number, ' ', n_chars);
	memcpy(number, text, (size_t)size);
}

static void fold_numbers(char *text, size_t size)
{
	size_t i = 0;

	while (i < size) {
		size_t start = i;

		if (text[i] == '"') {
			for (i++; i < size && text[i] != '"'; i++)
				if (text[i] == '\\')
					i++;
			i++;
		} else if (is_number_char(text[i])) {
			while (i < size && is_number_char(text[i]))
				i++;
			fold_number(text + start, i - start);
		} else {
			i++;
		}
	}
}

static json_t *parse_object(char *text, size_t size, const char *what, struct fc_problem *problem)
{
	char start[41], excerpt[sizeof(start)];
	size_t n_start = size < sizeof(start) - 1 ? size : sizeof(start) - 1;
	char reason[JSON_ERROR_TEXT_LENGTH];
	json_error_t error;
	json_t *root;

	memcpy(start, text, n_start);
	start[n_start] = '\0';
	fc_unit_printable(excerpt, sizeof(excerpt), start);
	fold_numbers(text, size);
	root = json_loadb(text, size, JSON_REJECT_DUPLICATES, &error);
	if (root == NULL) {
		/* jansson quotes what it stumbled over, whatever that is. */
		fc_unit_printable(reason, sizeof(reason), error.text);
		fc_problem_set(problem, FC_PROBLEM_ANSWER,
			"%s is not JSON: %s at byte %d of %zu; it starts: %s", what, reason,
			error.position, size, excerpt);
		return NULL;
	}
	if (!json_is_object(root)) {
		fc_problem_set(problem, FC_PROBLEM_ANSWER,
			"%s is JSON, but not an object; it starts: %s", what, excerpt);
		json_decref(root);
		return NULL;
	}
	return root;
}

json_t *fc_reply_value(char *text, size_t size, const char *command, struct fc_problem *problem)
{
	size_t n_key = strcspn(command, ",");
	char what[192], key[128];
	json_t *root, *value;

	snprintf(what, sizeof(what), "the answer to %s", command);
	snprintf(key, sizeof(key), "%.*s", (int)n_key, command);
	root = parse_object(text, size, what, problem);
	if (root == NULL)
		return NULL;
	value = json_object_get(root, key);
	if (value == NULL)
		fc_problem_set(problem, FC_PROBLEM_ANSWER,
			"%s has no \"%s\" in it: it answers something else", what, key);
	json_incref(value);
	json_decref(root);
	return value;
}

int fc_reply_greeting(char *text, size_t size, long long *pid, size_t *max_output_size,
	struct fc_problem *problem)
{
	static const char what[] = "the first message of the process";
	json_t *root = parse_object(text, size, what, problem);
	json_int_t max_output;

	if (root == NULL)
		return -EPROTO;
	*pid = json_integer_value(json_object_get(root, "pid"));
	max_output = json_integer_value(json_object_get(root, "max_output_len"));
	json_decref(root);
	if (max_output < 1 || max_output > MAX_OUTPUT_SIZE) {
		fc_problem_set(problem, FC_PROBLEM_ANSWER,
			"%s has no \"max_output_len\" in 1..%d: it does not speak DPDK's telemetry "
			"v2",
			what, MAX_OUTPUT_SIZE);
		return -EPROTO;
	}
	*max_output_size = (size_t)max_output;
	return 0;
}
