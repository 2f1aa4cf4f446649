/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <sys/stat.h>

#include <fc_stage.h>

#include "log.h"
#include "reload.h"
#include "telemetry.h"

static uint32_t count_notes(const struct fc_findings *findings)
{
	uint32_t n = 0;

	for (size_t i = 0; i < fc_findings_count(findings); i++)
		n += fc_findings_get(findings, i).severity == FC_NOTE;
	return n;
}

/* Reading a pipe a second time would take as long as nobody writes into it. */
static bool can_be_read_again(const struct fc_reload *reload, struct fc_findings *findings)
{
	struct stat file;

	if (reload->path == NULL) {
		fc_findings_add(findings, FC_ERROR, "",
			"this configuration cannot be read again; start fluxcap with it in a file "
			"(-c FILE)");
		return false;
	}
	/* A file that is not there is a finding of who reads it. */
	if (stat(reload->path, &file) == 0 && !S_ISREG(file.st_mode)) {
		fc_findings_add(findings, FC_ERROR, "",
			"only a regular file can be read again; start fluxcap with one (-c FILE)");
		return false;
	}
	return true;
}

/* Nobody reads counters while they move from one place to another. */
static void apply(struct fc_engine *engine, struct fc_change *change, struct fc_findings *findings)
{
	fc_telemetry_pause();
	fc_engine_apply(engine, change, findings);
	fc_telemetry_resume();
}

/* What a thread reads beside the control thread. */
struct loading {
	const char *path; /* stays to the end of the program */
	struct fc_findings *findings;
	struct fc_config *config;
};

static void *load(void *arg)
{
	struct loading *loading = arg;

	loading->config = fc_config_load(loading->path, &fc_stage_checks, loading->findings);
	return NULL;
}

static struct timespec soon(void)
{
	struct timespec time;

	clock_gettime(CLOCK_REALTIME, &time);
	time.tv_nsec += 10000000;
	time.tv_sec += time.tv_nsec / 1000000000;
	time.tv_nsec %= 1000000000;
	return time;
}

/* Whether the thread has come to its end; false: nobody waits for it any more. */
static bool wait_for(const struct fc_reload *reload, pthread_t thread)
{
	struct timespec end = soon();

	while (pthread_timedjoin_np(thread, NULL, &end) != 0) {
		if (reload->meanwhile != NULL && !reload->meanwhile(reload->context)) {
			pthread_detach(thread);
			return false;
		}
		end = soon();
	}
	return true;
}

/*
 * Read the configuration in a thread of its own: hundreds of terms of a filter take seconds. When
 * fluxcap is to stop meanwhile, what that thread has is left to it.
 */
static struct fc_config *load_beside(struct fc_reload *reload, struct fc_reload_answer *answer)
{
	struct loading *loading = calloc(1, sizeof(*loading));
	struct fc_config *config = NULL;
	pthread_t thread;

	if (loading == NULL)
		return NULL;
	loading->path = reload->path;
	loading->findings = answer->findings;
	if (pthread_create(&thread, NULL, load, loading) != 0) {
		load(loading);
	} else if (!wait_for(reload, thread)) {
		answer->findings = fc_findings_new(reload->source);
		if (answer->findings != NULL)
			fc_findings_add(answer->findings, FC_ERROR, "", "fluxcap is stopping");
		return NULL;
	}
	config = loading->config;
	free(loading);
	return config;
}

static int carry_out(struct fc_reload *reload, struct fc_reload_answer *answer)
{
	struct fc_findings *findings;
	struct fc_config *config = NULL;
	struct fc_change *change;
	uint32_t n_before;
	int ret;

	if (can_be_read_again(reload, answer->findings))
		config = load_beside(reload, answer);
	findings = answer->findings;
	if (config == NULL)
		return -EINVAL;
	n_before = count_notes(findings);
	if (answer->is_dry_run)
		ret = fc_engine_check(reload->engine, config, findings);
	else
		ret = fc_engine_prepare(reload->engine, config, findings, &change);
	if (ret == 0)
		answer->n_changes = count_notes(findings) - n_before;
	if (ret != 0 || answer->is_dry_run)
		fc_config_free(config);
	else
		apply(reload->engine, change, findings);
	return ret;
}

static const char *reason_of(int error)
{
	switch (error) {
	case -EINVAL:
		return "the configuration has errors";
	case -ENOMEM:
		return "memory does not suffice";
	case -EIO:
		return "a driver fails";
	default:
		return strerror(-error);
	}
}

static void tell(const struct fc_reload_answer *answer, int ret)
{
	fc_log_findings(answer->findings);
	if (ret == 0)
		fc_log(FC_NOTE, "reloaded: %u change%s", answer->n_changes,
			answer->n_changes == 1 ? "" : "s");
	else
		fc_log(FC_ERROR, "not reloaded: %s; it goes on as before", reason_of(ret));
	fc_telemetry_reloaded(answer);
}

struct fc_reload_answer fc_reload_do(struct fc_reload *reload, bool is_dry_run)
{
	struct fc_reload_answer answer = {
		.is_dry_run = is_dry_run,
		.findings = fc_findings_new(reload->source),
	};
	int ret;

	if (answer.findings == NULL) {
		fc_log(FC_ERROR, "not reloaded: out of memory");
		return answer;
	}
	ret = carry_out(reload, &answer);
	answer.is_ok = ret == 0;
	if (ret != 0 && fc_findings_n_errors(answer.findings) == 0)
		fc_findings_add(answer.findings, FC_ERROR, "", "%s", reason_of(ret));
	if (!is_dry_run)
		tell(&answer, ret);
	return answer;
}

static bool are_equal(const struct fc_findings *a, const struct fc_findings *b)
{
	if (fc_findings_count(a) != fc_findings_count(b))
		return false;
	for (size_t i = 0; i < fc_findings_count(a); i++)
		if (strcmp(fc_findings_get(a, i).place, fc_findings_get(b, i).place) != 0 ||
			strcmp(fc_findings_get(a, i).text, fc_findings_get(b, i).text) != 0)
			return false;
	return true;
}

bool fc_reload_take_back(struct fc_reload *reload, uint64_t now_ms)
{
	struct fc_findings *findings;
	struct fc_change *change;
	bool is_changed;

	if (!fc_engine_has_returned(reload->engine, now_ms))
		return false;
	findings = fc_findings_new(reload->source);
	if (findings == NULL)
		return false;
	is_changed = fc_engine_prepare(reload->engine, NULL, findings, &change) == 0;
	if (is_changed)
		apply(reload->engine, change, findings);
	if (is_changed || reload->refused == NULL || !are_equal(findings, reload->refused))
		fc_log_findings(findings);
	fc_findings_free(reload->refused);
	reload->refused = NULL;
	if (is_changed)
		fc_findings_free(findings);
	else
		reload->refused = findings;
	return is_changed;
}

void fc_reload_end(struct fc_reload *reload)
{
	fc_findings_free(reload->refused);
	reload->refused = NULL;
}
