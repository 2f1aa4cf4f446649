/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <sys/stat.h>

#include "loading.h"
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

/*
 * Read the configuration beside what the control thread has to do. When fluxcap is to stop
 * meanwhile, what has been found is left to the thread that reads.
 */
static int load_beside(
	struct fc_reload *reload, struct fc_reload_answer *answer, struct fc_config **config)
{
	struct fc_loading loading = {
		.path = reload->path,
		.meanwhile = reload->meanwhile,
		.context = reload->context,
	};
	int ret = fc_loading_run(&loading, answer->findings, config);

	if (ret == -ECANCELED) {
		answer->findings = fc_findings_new(reload->source);
		if (answer->findings != NULL)
			fc_findings_add(answer->findings, FC_ERROR, "", "fluxcap is stopping");
	}
	return ret == 0 && *config == NULL ? -EINVAL : ret;
}

static int carry_out(struct fc_reload *reload, struct fc_reload_answer *answer)
{
	struct fc_findings *findings;
	struct fc_config *config;
	struct fc_change *change;
	uint32_t n_before;
	int ret;

	if (!can_be_read_again(reload, answer->findings))
		return -EINVAL;
	ret = load_beside(reload, answer, &config);
	findings = answer->findings;
	if (ret != 0)
		return ret;
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
