/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <pthread.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_eal.h>

#include <fc_capture.h>
#include <fc_engine.h>
#include <fc_port_name.h>

#include "args.h"
#include "control.h"
#include "eal_start.h"
#include "inspect.h"
#include "log.h"
#include "notify.h"
#include "reload.h"
#include "reload_queue.h"
#include "stats_file.h"
#include "telemetry.h"
#include "vdevs.h"

#define DRAIN_MS 1000

#define LONG_START_MS	2000 /* after which the user is told that filters are being compiled */
#define START_NOTICE_MS 10000

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_BAD_USAGE = 2 };

/* These stay to the very end: threads that serve telemetry may still use them then. */
static struct fc_reload_queue queue;
static char config_path[PATH_MAX];

static void print_findings(struct fc_findings **findings, const char *source)
{
	fc_log_findings(*findings);
	fc_findings_free(*findings);
	*findings = fc_findings_new(source);
}

/* The configuration file, wherever the working directory will be; NULL: none to read again. */
static const char *file_to_reload(const struct fc_args *args)
{
	char folder[PATH_MAX];
	const char *file = args->config_path;

	if (file == NULL || strcmp(file, "-") == 0)
		return NULL;
	if (file[0] == '/' || getcwd(folder, sizeof(folder)) == NULL ||
		snprintf(config_path, sizeof(config_path), "%s/%s", folder, file) >=
			(int)sizeof(config_path))
		return file;
	return config_path;
}

/* What the control thread works on. */
struct operation {
	struct fc_engine *engine;
	const struct fc_args *args;
	struct fc_findings *findings;
	int status; /* exit status, when it has ended */
};

/* From the start of the lcores until it is time to stop them. */
static int operate_until_asked(const struct operation *op)
{
	struct fc_reload reload = {
		.engine = op->engine,
		.source = fc_args_source(op->args),
		.path = file_to_reload(op->args),
	};
	int ret = fc_engine_start(op->engine);

	if (ret != 0) {
		fc_log(FC_ERROR, "cannot start the lcores: %s", strerror(-ret));
		return ret;
	}
	ret = fc_reload_queue_open(&queue);
	if (ret != 0) {
		fc_log(FC_ERROR, "cannot take requests: %s", strerror(-ret));
		return ret;
	}
	if (fc_telemetry_serve(
		    op->engine, reload.path != NULL ? reload.path : reload.source, &queue) != 0)
		fc_log(FC_WARNING, "telemetry cannot be served");
	ret = fc_control_run(&reload, &queue, op->args->exit_idle_ms);
	/* Nobody shall look at a port that is being closed. */
	fc_telemetry_end();
	fc_reload_end(&reload);
	return ret;
}

static void *operate(void *arg)
{
	struct operation *op = arg;
	int ret = operate_until_asked(op);

	fc_engine_stop(op->engine, DRAIN_MS);
	if (!fc_engine_is_stuck())
		fc_engine_check_pools(op->engine, op->findings);
	fc_capture_report(op->findings);
	if (op->args->stats_path != NULL &&
		fc_stats_file_write(op->engine, op->args->stats_path) != 0)
		ret = -EIO;
	op->status = ret == 0 && fc_findings_n_errors(op->findings) == 0 ? EXIT_DONE : EXIT_FAILED;
	return NULL;
}

/* With a single lcore the main thread polls, and control gets a thread beside it. */
static void operate_beside(struct operation *op)
{
	pthread_t thread;
	int ret = pthread_create(&thread, NULL, operate, op);

	if (ret != 0) {
		fc_log(FC_ERROR, "cannot start the control thread: %s", strerror(ret));
		return;
	}
	fc_engine_work(op->engine);
	pthread_join(thread, NULL);
}

/* The configuration is no longer the caller's. */
static int run_engine(
	struct fc_config *config, const struct fc_args *args, struct fc_findings **findings)
{
	struct fc_engine *engine = NULL;
	struct operation op;
	int ret = fc_engine_new(config, *findings, &engine);

	print_findings(findings, "fluxcap");
	if (ret != 0) {
		fc_config_free(config);
		return ret == -EINVAL ? EXIT_BAD_USAGE : EXIT_FAILED;
	}
	/* Without it dpdk-dumpcap cannot attach, and nothing else is missing. */
	ret = fc_engine_offer_captures();
	if (ret != 0)
		fc_log(FC_WARNING, "dpdk-dumpcap cannot be served: %s", strerror(-ret));
	op = (struct operation){ engine, args, *findings, EXIT_FAILED };
	if (fc_engine_needs_main(engine))
		operate_beside(&op);
	else
		operate(&op);
	if (fc_engine_is_stuck()) { /* the kernel cleans up */
		fc_findings_print(*findings, stderr);
		_exit(op.status);
	}
	fc_engine_free(engine);
	return op.status;
}

/* While the configuration is read; always true. */
static bool tell_of_long_start(void *context, const char *place, uint64_t ms)
{
	uint64_t *next_ms = context; /* when whoever has started it is told the next time */
	char what[128];

	if (place[0] == '\0' || ms < *next_ms)
		return true;
	snprintf(what, sizeof(what), "compiling %s", place);
	if (*next_ms == LONG_START_MS)
		fc_log(FC_NOTE, "the start takes longer: long filters are being compiled, now %s",
			place);
	fc_notify_starting(what);
	*next_ms = ms + START_NOTICE_MS;
	return true;
}

/* The configuration, with all looked at that would only be seen later otherwise. */
static struct fc_config *load_to_run(const struct fc_args *args, struct fc_findings *findings)
{
	uint64_t next_ms = LONG_START_MS;
	struct fc_config *config;
	bool can_write;

	if (fc_inspect_load(args, findings, tell_of_long_start, &next_ms, &config) != 0)
		fc_log(FC_ERROR, "out of memory");
	can_write = args->stats_path == NULL || fc_stats_file_check(args->stats_path) == 0;
	if (config == NULL)
		return NULL;
	fc_port_check_interfaces(config, findings);
	fc_vdevs_check(args, config, findings);
	if (can_write && fc_findings_n_errors(findings) == 0)
		return config;
	fc_config_free(config);
	return NULL;
}

static int run(const struct fc_args *args, char **argv)
{
	struct fc_findings *findings = fc_findings_new(fc_args_source(args));
	struct fc_config *config;
	int ret = EXIT_BAD_USAGE;

	fc_control_end_by_signals();
	config = load_to_run(args, findings);
	print_findings(&findings, fc_args_source(args));
	if (config == NULL)
		goto free_findings;
	fc_control_block_signals();
	ret = fc_eal_start(args->n_eal, argv, &args->eal);
	if (ret != 0) {
		ret = ret == -EINVAL ? EXIT_BAD_USAGE : EXIT_FAILED;
		fc_config_free(config);
		goto free_findings;
	}
	ret = run_engine(config, args, &findings);
	fc_log_findings(findings);
	rte_eal_cleanup();
free_findings:
	fc_findings_free(findings);
	return ret;
}

int main(int argc, char **argv)
{
	struct fc_args args;
	int ret = EXIT_BAD_USAGE;

	if (fc_args_read(&args, argc, argv) == 0) {
		switch (args.mode) {
		case FC_MODE_HELP:
			fc_args_print_help(stdout);
			ret = EXIT_DONE;
			break;
		case FC_MODE_VERSION:
			printf("fluxcap %s\n", FC_VERSION);
			ret = EXIT_DONE;
			break;
		case FC_MODE_CHECK:
		case FC_MODE_PLAN:
		case FC_MODE_DUMP:
			ret = fc_inspect(&args) == 0 ? EXIT_DONE : EXIT_BAD_USAGE;
			break;
		case FC_MODE_RUN:
			ret = run(&args, argv);
			break;
		}
	}
	fc_args_free(&args);
	return ret;
}
