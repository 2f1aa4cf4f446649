/* SPDX-License-Identifier: MIT */
#include "fetch.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* The server reads requests of at most 1023 bytes, and fluxcap's names are far shorter. */
#define COMMAND_SIZE 192
/* RTE_TEL_MAX_ARRAY_ENTRIES */
#define MAX_LIST     512

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static json_t *ask_typed(
	struct fc_client *client, const char *command, json_type type, struct fc_problem *problem)
{
	json_t *value = fc_client_ask(client, command, problem);

	if (value == NULL)
		return NULL;
	if (json_is_null(value) || json_typeof(value) == type)
		return value;
	json_decref(value);
	fc_problem_set(problem, FC_PROBLEM_ANSWER, "the answer to %s is not %s", command,
		type == JSON_ARRAY ? "a list" : "an object");
	return NULL;
}

/* As ask_typed(), for a command that every fluxcap knows. */
static json_t *ask_known(
	struct fc_client *client, const char *command, json_type type, struct fc_problem *problem)
{
	json_t *value = ask_typed(client, command, type, problem);

	if (!json_is_null(value))
		return value;
	json_decref(value);
	fc_problem_set(problem, FC_PROBLEM_ANSWER,
		"process %lld at %s does not know %s: it is another DPDK program, or fluxcap has "
		"not "
		"started yet\nName the --file-prefix of fluxcap with -f.",
		fc_client_pid(client), fc_client_path(client), command);
	return NULL;
}

/* Whether a text from a list can be put into a command. */
static bool name_ok(const char *name)
{
	size_t size = strlen(name);

	if (size == 0 || size > COMMAND_SIZE - 32)
		return false;
	for (; *name != '\0'; name++)
		if (*name <= 0x20 || *name == 0x7f)
			return false;
	return true;
}

typedef int (*visit_fn)(
	void *context, const char *name, json_t *answer, struct fc_problem *problem);

/* Ask for each name that a list command gives; what is gone by then is left out. */
static int visit_list(struct fc_client *client, const char *list_command, const char *command,
	visit_fn visit, void *context, struct fc_problem *problem)
{
	json_t *list = ask_known(client, list_command, JSON_ARRAY, problem);
	int rc = list != NULL ? 0 : -EPROTO;

	for (size_t i = 0; rc == 0 && i < json_array_size(list); i++) {
		const char *name = json_string_value(json_array_get(list, i));
		char request[COMMAND_SIZE];
		json_t *answer;

		if (name == NULL || !name_ok(name)) {
			fc_problem_set(problem, FC_PROBLEM_ANSWER,
				"the answer to %s is not a list of names", list_command);
			rc = -EPROTO;
			break;
		}
		snprintf(request, sizeof(request), "%s,%s", command, name);
		answer = ask_typed(client, request, JSON_OBJECT, problem);
		if (answer == NULL)
			rc = -EPROTO;
		else if (!json_is_null(answer))
			rc = visit(context, name, answer, problem);
		json_decref(answer);
	}
	json_decref(list);
	return rc;
}

static int out_of_memory(struct fc_problem *problem)
{
	fc_problem_set(problem, FC_PROBLEM_CONNECTION, "out of memory");
	return -ENOMEM;
}

static int add_object(void *context, const char *name, json_t *answer, struct fc_problem *problem)
{
	return json_object_set(context, name, answer) < 0 ? out_of_memory(problem) : 0;
}

static int not_a_pair(const char *name, struct fc_problem *problem)
{
	fc_problem_set(problem, FC_PROBLEM_ANSWER,
		"the answer to /fluxcap/feeds has \"%s\", which is not TAP,OUTPUT", name);
	return -EPROTO;
}

static int add_feed(void *context, const char *name, json_t *answer, struct fc_problem *problem)
{
	const char *comma = strchr(name, ',');
	char tap[COMMAND_SIZE];
	json_t *outputs;

	if (comma == NULL)
		return not_a_pair(name, problem);
	snprintf(tap, sizeof(tap), "%.*s", (int)(comma - name), name);
	outputs = json_object_get(context, tap);
	if (outputs == NULL) {
		outputs = json_object();
		if (json_object_set_new(context, tap, outputs) < 0)
			return out_of_memory(problem);
	}
	return add_object(outputs, comma + 1, answer, problem);
}

static int fetch_part(struct fc_client *client, json_t *all, const char *key,
	const char *list_command, const char *command, visit_fn visit, struct fc_problem *problem)
{
	json_t *part = json_object();

	if (json_object_set_new(all, key, part) < 0)
		return out_of_memory(problem);
	return visit_list(client, list_command, command, visit, part, problem);
}

/*
 * Whether a list of this many pairs may have lost its end: DPDK ends a list after 512 strings, and
 * leaves out of a reply what does not fit.
 */
static bool may_be_cut(size_t n_feeds, size_t size, size_t max_size)
{
	return n_feeds >= MAX_LIST || size + COMMAND_SIZE > max_size;
}

/* Ask for each pair of tap and output that the list did not have. */
static int fetch_unlisted_feeds(struct fc_client *client, json_t *all, struct fc_problem *problem)
{
	json_t *feeds = json_object_get(all, "feeds");
	const char *tap, *output;
	json_t *value;

	json_object_foreach (json_object_get(all, "taps"), tap, value) {
		json_object_foreach (json_object_get(all, "outputs"), output, value) {
			char name[2 * COMMAND_SIZE], request[3 * COMMAND_SIZE];
			json_t *answer;
			int rc = 0;

			if (json_object_get(json_object_get(feeds, tap), output) != NULL)
				continue;
			snprintf(name, sizeof(name), "%s,%s", tap, output);
			snprintf(request, sizeof(request), "/fluxcap/feed,%s", name);
			answer = ask_typed(client, request, JSON_OBJECT, problem);
			if (answer == NULL)
				return -EPROTO;
			if (!json_is_null(answer))
				rc = add_feed(feeds, name, answer, problem);
			json_decref(answer);
			if (rc < 0)
				return rc;
		}
	}
	return 0;
}

static int fetch_feeds(struct fc_client *client, json_t *all, struct fc_problem *problem)
{
	json_t *feeds, *outputs, *value;
	const char *tap, *output;
	size_t n_feeds = 0, size = 0;

	if (fetch_part(client, all, "feeds", "/fluxcap/feeds", "/fluxcap/feed", add_feed, problem) <
		0)
		return -EPROTO;
	feeds = json_object_get(all, "feeds");
	json_object_foreach (feeds, tap, outputs) {
		json_object_foreach (outputs, output, value) {
			n_feeds++;
			size += strlen("\"\",,") + strlen(tap) + strlen(output);
		}
	}
	if (!may_be_cut(n_feeds, size, fc_client_max_reply(client)))
		return 0;
	return fetch_unlisted_feeds(client, all, problem);
}

/* The answer to /fluxcap/lcores; an empty object from a process that does not know it. */
static json_t *ask_lcores(struct fc_client *client, struct fc_problem *problem)
{
	json_t *lcores = ask_typed(client, "/fluxcap/lcores", JSON_OBJECT, problem);

	if (!json_is_null(lcores))
		return lcores;
	json_decref(lcores);
	return json_object();
}

json_t *fc_fetch_all(struct fc_client *client, struct fc_problem *problem)
{
	json_t *all = json_object();
	json_t *info;

	if (all == NULL) {
		out_of_memory(problem);
		return NULL;
	}
	info = ask_known(client, "/fluxcap/info", JSON_OBJECT, problem);
	if (info == NULL || json_object_set_new(all, "info", info) < 0)
		goto failed;
	if (fetch_part(client, all, "taps", "/fluxcap/taps", "/fluxcap/tap", add_object, problem) <
		0)
		goto failed;
	if (fetch_part(client, all, "outputs", "/fluxcap/outputs", "/fluxcap/output", add_object,
		    problem) < 0)
		goto failed;
	if (fetch_feeds(client, all, problem) < 0)
		goto failed;
	if (json_object_set_new(all, "lcores", ask_lcores(client, problem)) < 0)
		goto failed;
	return all;
failed:
	json_decref(all);
	return NULL;
}

struct row_adder {
	struct fc_sample *sample;
	enum fc_row_kind kind;
};

static int add_row(void *context, const char *name, json_t *answer, struct fc_problem *problem)
{
	const struct row_adder *adder = context;
	uint64_t time_ns = now_ns();
	struct fc_row *row = fc_sample_add(adder->sample);

	if (adder->kind == FC_ROW_FEED && strchr(name, ',') == NULL)
		return not_a_pair(name, problem);
	if (row == NULL)
		return out_of_memory(problem);
	fc_row_read(row, adder->kind, name, answer, time_ns);
	return 0;
}

/* As fetch_unlisted_feeds(), for rows. */
static int add_unlisted_feeds(
	struct fc_client *client, struct row_adder *adder, struct fc_problem *problem)
{
	struct fc_sample *sample = adder->sample;
	/* Rows move when one is added, but those of taps and outputs keep their index. */
	size_t n_rows = sample->n_rows;

	for (size_t t = 0; t < n_rows && sample->rows[t].kind == FC_ROW_TAP; t++) {
		for (size_t o = t + 1; o < n_rows && sample->rows[o].kind != FC_ROW_FEED; o++) {
			struct fc_row like = { .kind = FC_ROW_FEED };
			char name[2 * FC_ROW_NAME_SIZE], request[COMMAND_SIZE];
			json_t *answer;
			int rc = 0;

			if (sample->rows[o].kind != FC_ROW_OUTPUT)
				continue;
			memcpy(like.name, sample->rows[t].name, sizeof(like.name));
			memcpy(like.output, sample->rows[o].name, sizeof(like.output));
			if (fc_sample_find(sample, &like) != NULL)
				continue;
			snprintf(name, sizeof(name), "%s,%s", like.name, like.output);
			snprintf(request, sizeof(request), "/fluxcap/feed,%s", name);
			answer = ask_typed(client, request, JSON_OBJECT, problem);
			if (answer == NULL)
				return -EPROTO;
			if (!json_is_null(answer))
				rc = add_row(adder, name, answer, problem);
			json_decref(answer);
			if (rc < 0)
				return rc;
		}
	}
	return 0;
}

static int add_feeds(struct fc_client *client, struct fc_sample *sample, struct fc_problem *problem)
{
	struct row_adder adder = { sample, FC_ROW_FEED };
	size_t n_feeds = 0, size = 0;

	if (visit_list(client, "/fluxcap/feeds", "/fluxcap/feed", add_row, &adder, problem) < 0)
		return -EPROTO;
	for (size_t i = 0; i < sample->n_rows; i++) {
		const struct fc_row *row = &sample->rows[i];

		if (row->kind != FC_ROW_FEED)
			continue;
		n_feeds++;
		size += strlen("\"\",,") + strlen(row->name) + strlen(row->output);
	}
	if (!may_be_cut(n_feeds, size, fc_client_max_reply(client)))
		return 0;
	return add_unlisted_feeds(client, &adder, problem);
}

static int add_lcores(
	struct fc_client *client, struct fc_sample *sample, struct fc_problem *problem)
{
	struct row_adder adder = { sample, FC_ROW_LCORE };
	json_t *lcores = ask_lcores(client, problem), *lcore;
	const char *id;
	int rc = 0;

	if (lcores == NULL)
		return -EPROTO;
	json_object_foreach (lcores, id, lcore) {
		rc = add_row(&adder, id, lcore, problem);
		if (rc < 0)
			break;
	}
	json_decref(lcores);
	return rc;
}

static int fetch_rows(
	struct fc_client *client, struct fc_sample *sample, struct fc_problem *problem)
{
	struct row_adder taps = { sample, FC_ROW_TAP }, outputs = { sample, FC_ROW_OUTPUT };

	if (visit_list(client, "/fluxcap/taps", "/fluxcap/tap", add_row, &taps, problem) < 0 ||
		visit_list(client, "/fluxcap/outputs", "/fluxcap/output", add_row, &outputs,
			problem) < 0)
		return -EPROTO;
	if (add_feeds(client, sample, problem) < 0)
		return -EPROTO;
	return add_lcores(client, sample, problem);
}

struct fc_sample *fc_fetch_sample(struct fc_client *client, struct fc_problem *problem)
{
	struct fc_sample *sample = fc_sample_new();
	json_t *info;

	if (sample == NULL) {
		out_of_memory(problem);
		return NULL;
	}
	info = ask_known(client, "/fluxcap/info", JSON_OBJECT, problem);
	if (info == NULL)
		goto failed;
	fc_sample_read_info(sample, info);
	sample->pid = fc_client_pid(client);
	sample->time_ns = now_ns();
	sample->when = time(NULL);
	json_decref(info);
	if (fetch_rows(client, sample, problem) < 0)
		goto failed;
	return sample;
failed:
	fc_sample_free(sample);
	return NULL;
}
