/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <rte_cycles.h>
#include <rte_telemetry.h>

#include <fc_compat.h>

#include "finding_texts.h"
#include "report.h"
#include "telemetry.h"

#define RELOAD_PATIENCE_MS 60000
/* An answer has at most 16 KiB, and what is not findings in it is little. */
#define MAX_FINDINGS_SIZE  15000
#define NEVER		   "never"

_Static_assert(FC_FINDING_TEXT_SIZE <= RTE_TEL_MAX_STRING_LEN, "telemetry would cut the texts");

/*
 * DPDK 22.11 gives a command's function no argument of its own, so this is the one pointer that the
 * telemetry threads find the engine by.
 */
static struct {
	pthread_rwlock_t lock;
	/* control: wo, telemetry threads: ro, under the lock */
	const struct fc_engine *engine; /* NULL: there is none any more */
	/* As the commands need them: once set they stay. */
	const char *config_path;
	struct fc_reload_queue *queue;
	struct timespec since;
	struct {
		uint64_t n_ok;
		char when[sizeof("2026-11-23T12:00:00Z")];
		const char *result;
		char error[RTE_TEL_MAX_STRING_LEN];
	} reloads;
} served = {
	/* Control must get in however many ask, one after the other. */
	.lock = PTHREAD_RWLOCK_WRITER_NONRECURSIVE_INITIALIZER_NP,
	.reloads = { .when = NEVER, .result = "none" },
};

static void add_number(void *to, const char *name, uint64_t value)
{
	fc_tel_add_number(to, name, value);
}

static void add_difference(void *to, const char *name, int64_t value)
{
	/* 22.11 has 32-bit integers only; what is on its way is far less than that. */
	rte_tel_data_add_dict_int(to, name, (int)value);
}

static void add_text(void *to, const char *name, const char *value)
{
	rte_tel_data_add_dict_string(to, name, value);
}

static struct fc_sink sink_into(struct rte_tel_data *data)
{
	return (struct fc_sink){ data, add_number, add_difference, add_text };
}

static const struct fc_config *config(void)
{
	return fc_engine_config(served.engine);
}

/* Index of the tap called by the first @length bytes of @name, or -EINVAL. */
static int find_tap(const char *name, size_t length)
{
	for (uint16_t t = 0; t < config()->n_taps; t++)
		if (strlen(config()->taps[t].name) == length &&
			strncmp(config()->taps[t].name, name, length) == 0)
			return t;
	return -EINVAL;
}

static int find_output(const char *name)
{
	for (uint16_t o = 0; o < config()->n_outputs; o++)
		if (strcmp(config()->outputs[o].name, name) == 0)
			return o;
	return -EINVAL;
}

static int answer_taps(const char *parameters, struct rte_tel_data *data)
{
	(void)parameters;
	rte_tel_data_start_array(data, RTE_TEL_STRING_VAL);
	for (uint16_t t = 0; t < config()->n_taps; t++)
		rte_tel_data_add_array_string(data, config()->taps[t].name);
	return 0;
}

static int answer_outputs(const char *parameters, struct rte_tel_data *data)
{
	(void)parameters;
	rte_tel_data_start_array(data, RTE_TEL_STRING_VAL);
	for (uint16_t o = 0; o < config()->n_outputs; o++)
		rte_tel_data_add_array_string(data, config()->outputs[o].name);
	return 0;
}

static int answer_feeds(const char *parameters, struct rte_tel_data *data)
{
	char pair[2 * FC_NAME_SIZE];

	(void)parameters;
	rte_tel_data_start_array(data, RTE_TEL_STRING_VAL);
	for (uint16_t o = 0; o < config()->n_outputs; o++) {
		const struct fc_output_config *output = &config()->outputs[o];

		for (uint16_t i = 0; i < output->n_from; i++) {
			snprintf(pair, sizeof(pair), "%s,%s", config()->taps[output->from[i]].name,
				output->name);
			rte_tel_data_add_array_string(data, pair);
		}
	}
	return 0;
}

static int answer_tap(const char *parameters, struct rte_tel_data *data)
{
	struct fc_sink sink = sink_into(data);
	int tap = parameters != NULL ? find_tap(parameters, strlen(parameters)) : -EINVAL;

	if (tap < 0)
		return tap;
	rte_tel_data_start_dict(data);
	fc_report_tap(served.engine, (uint16_t)tap, &sink);
	return 0;
}

static int answer_output(const char *parameters, struct rte_tel_data *data)
{
	struct fc_sink sink = sink_into(data);
	int output = parameters != NULL ? find_output(parameters) : -EINVAL;

	if (output < 0)
		return output;
	rte_tel_data_start_dict(data);
	fc_report_output(served.engine, (uint16_t)output, &sink);
	return 0;
}

static int answer_feed(const char *parameters, struct rte_tel_data *data)
{
	struct fc_sink sink = sink_into(data);
	const char *comma = parameters != NULL ? strchr(parameters, ',') : NULL;
	int tap, output;

	if (comma == NULL)
		return -EINVAL;
	tap = find_tap(parameters, (size_t)(comma - parameters));
	output = find_output(comma + 1);
	if (tap < 0 || output < 0)
		return -EINVAL;
	rte_tel_data_start_dict(data);
	return fc_report_feed(served.engine, (uint16_t)tap, (uint16_t)output, &sink) ? 0 : -EINVAL;
}

static int answer_lcores(const char *parameters, struct rte_tel_data *data)
{
	(void)parameters;
	rte_tel_data_start_dict(data);
	for (uint16_t l = 0; l < fc_engine_n_lanes(served.engine); l++) {
		struct rte_tel_data *lane = rte_tel_data_alloc();
		struct fc_lane_stats stats;
		struct fc_sink sink;
		char id[16];

		if (lane == NULL)
			return -ENOMEM;
		rte_tel_data_start_dict(lane);
		sink = sink_into(lane);
		fc_report_lane(served.engine, l, &sink);
		fc_engine_lane_stats(served.engine, l, &stats);
		snprintf(id, sizeof(id), "%u", stats.lcore);
		if (rte_tel_data_add_dict_container(data, id, lane, 0) != 0)
			rte_tel_data_free(lane);
	}
	return 0;
}

static int answer_info(const char *parameters, struct rte_tel_data *data)
{
	struct timespec now;

	(void)parameters;
	clock_gettime(CLOCK_MONOTONIC, &now);
	rte_tel_data_start_dict(data);
	add_text(data, "version", FC_VERSION);
	add_number(data, "uptime_s", (uint64_t)(now.tv_sec - served.since.tv_sec));
	add_text(data, "config", served.config_path);
	add_text(data, "last_reload", served.reloads.when);
	add_text(data, "last_reload_result", served.reloads.result);
	add_text(data, "last_reload_error", served.reloads.error);
	add_number(data, "reloads", served.reloads.n_ok);
	add_number(data, "tsc_hz", rte_get_tsc_hz());
	return 0;
}

static const struct {
	const char *command;
	int (*answer)(const char *parameters, struct rte_tel_data *data);
	const char *help;
} commands[] = {
	{ "/fluxcap/taps", answer_taps, "Returns the names of the taps. No parameters" },
	{ "/fluxcap/outputs", answer_outputs, "Returns the names of the outputs. No parameters" },
	{ "/fluxcap/feeds", answer_feeds, "Returns the pairs TAP,OUTPUT. No parameters" },
	{ "/fluxcap/tap", answer_tap, "Returns the counters of a tap. Parameters: NAME" },
	{ "/fluxcap/output", answer_output, "Returns the counters of an output. Parameters: NAME" },
	{ "/fluxcap/feed", answer_feed, "Returns the counters of a feed. Parameters: TAP,OUTPUT" },
	{ "/fluxcap/lcores", answer_lcores, "Returns what each lcore does. No parameters" },
	{ "/fluxcap/info", answer_info,
		"Returns version, uptime and configuration. No parameters" },
};

#define N_COMMANDS (sizeof(commands) / sizeof(commands[0]))

static int answer(const char *command, const char *parameters, struct rte_tel_data *data)
{
	int ret = -ENOENT;

	pthread_rwlock_rdlock(&served.lock);
	for (size_t i = 0; served.engine != NULL && i < N_COMMANDS; i++)
		if (strcmp(commands[i].command, command) == 0)
			ret = commands[i].answer(parameters, data);
	pthread_rwlock_unlock(&served.lock);
	return ret;
}

static void add_finding(void *to, const char *text)
{
	rte_tel_data_add_array_string(to, text);
}

static void add_findings(struct rte_tel_data *data, const struct fc_findings *findings)
{
	struct rte_tel_data *list = rte_tel_data_alloc();

	if (list == NULL)
		return;
	rte_tel_data_start_array(list, RTE_TEL_STRING_VAL);
	if (findings != NULL)
		fc_finding_texts(findings, served.config_path, RTE_TEL_MAX_ARRAY_ENTRIES,
			MAX_FINDINGS_SIZE, add_finding, list);
	if (rte_tel_data_add_dict_container(data, "findings", list, 0) != 0)
		rte_tel_data_free(list);
}

/* It waits for control, which will want the lock: only here there is none. */
static int answer_reload(const char *command, const char *parameters, struct rte_tel_data *data)
{
	bool is_dry_run = parameters != NULL && strcmp(parameters, "dry-run") == 0;
	struct fc_reload_answer answer;

	(void)command;
	if (parameters != NULL && !is_dry_run)
		return -EINVAL;
	answer = fc_reload_queue_ask(served.queue, is_dry_run, RELOAD_PATIENCE_MS);
	rte_tel_data_start_dict(data);
	add_text(data, "result", answer.is_ok ? "ok" : "failed");
	add_number(data, "changes", answer.n_changes);
	add_number(data, "dry_run", answer.is_dry_run);
	add_findings(data, answer.findings);
	fc_findings_free(answer.findings);
	return 0;
}

int fc_telemetry_serve(
	const struct fc_engine *engine, const char *config_path, struct fc_reload_queue *queue)
{
	int ret = 0;

	pthread_rwlock_wrlock(&served.lock);
	served.engine = engine;
	served.config_path = config_path;
	served.queue = queue;
	clock_gettime(CLOCK_MONOTONIC, &served.since);
	pthread_rwlock_unlock(&served.lock);
	for (size_t i = 0; ret == 0 && i < N_COMMANDS; i++)
		ret = rte_telemetry_register_cmd(commands[i].command, answer, commands[i].help);
	if (ret == 0)
		ret = rte_telemetry_register_cmd("/fluxcap/reload", answer_reload,
			"Reads the configuration again. Parameters: none, or dry-run");
	return ret;
}

void fc_telemetry_end(void)
{
	pthread_rwlock_wrlock(&served.lock);
	served.engine = NULL;
	pthread_rwlock_unlock(&served.lock);
}

void fc_telemetry_pause(void)
{
	pthread_rwlock_wrlock(&served.lock);
}

void fc_telemetry_resume(void)
{
	pthread_rwlock_unlock(&served.lock);
}

/* The first error. */
static void write_error(char *error, size_t size, const struct fc_findings *findings)
{
	error[0] = '\0';
	for (size_t i = 0; i < fc_findings_count(findings) && error[0] == '\0'; i++) {
		struct fc_finding finding = fc_findings_get(findings, i);

		if (finding.severity == FC_ERROR)
			snprintf(error, size, "%s%s%s", finding.place,
				finding.place[0] != '\0' ? ": " : "", finding.text);
	}
}

void fc_telemetry_reloaded(const struct fc_reload_answer *answer)
{
	time_t now = time(NULL);
	struct tm utc;

	gmtime_r(&now, &utc);
	pthread_rwlock_wrlock(&served.lock);
	strftime(served.reloads.when, sizeof(served.reloads.when), "%Y-%m-%dT%H:%M:%SZ", &utc);
	served.reloads.result = answer->is_ok ? "ok" : "failed";
	served.reloads.n_ok += answer->is_ok;
	write_error(served.reloads.error, sizeof(served.reloads.error), answer->findings);
	pthread_rwlock_unlock(&served.lock);
}
