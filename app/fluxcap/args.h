/* SPDX-License-Identifier: MIT */
#ifndef FC_ARGS_H
#define FC_ARGS_H

#include <stdbool.h>
#include <stdio.h>

#include <fc_config.h>

#include "eal_options.h"

enum fc_mode {
	FC_MODE_RUN,
	FC_MODE_CHECK,
	FC_MODE_PLAN,
	FC_MODE_DUMP,
	FC_MODE_HELP,
	FC_MODE_VERSION,
};

/** What the command line asks for. Its strings belong to argv. */
struct fc_args {
	enum fc_mode mode;
	int n_eal;			 /**< argv[0 .. n_eal - 1] are EAL's */
	struct fc_eal_options eal;	 /**< the same, read */
	const char *config_path;	 /**< NULL: the short form */
	struct fc_short_option *options; /**< the short form, in the order written */
	size_t n_options;
	unsigned exit_idle_ms;	/**< 0: run until told to stop */
	const char *lcores;	/**< to plan with; NULL: as the configuration says */
	bool assume_ports;	/**< to check with: all are present */
	const char *stats_path; /**< "-": standard output; NULL: none */
};

/**
 * Read the command line: EAL's options up to "--", then ours.
 *
 * @param args  Filled; end it with fc_args_free() also after an error.
 * @return      0, or -1 after a message on standard error.
 */
int fc_args_read(struct fc_args *args, int argc, char **argv);

/** Where the configuration comes from, as messages name it. */
const char *fc_args_source(const struct fc_args *args);

void fc_args_free(struct fc_args *args);

void fc_args_print_help(FILE *stream);

#endif
