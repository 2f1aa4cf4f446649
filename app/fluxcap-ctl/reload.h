/* SPDX-License-Identifier: MIT */
#ifndef FC_CTL_RELOAD_H
#define FC_CTL_RELOAD_H

#include <stdbool.h>

#include "client.h"

/** Exit statuses of fc_reload_run(). */
enum {
	FC_RELOAD_DONE = 0,
	FC_RELOAD_REFUSED = 1,	 /**< nothing has changed */
	FC_RELOAD_NO_ANSWER = 2, /**< nobody there, or no answer to understand */
};

struct fc_reload_options {
	struct fc_client_options client;
	int patience_ms; /**< longest wait for the answer, > 0; client.timeout_ms is for the rest */
	bool is_dry_run;
	bool json; /**< print the answer, not a text */
};

/**
 * Have fluxcap read its configuration again, and print what it found: errors and warnings on
 * standard error, notes and the result on standard output.
 *
 * @return  The exit status.
 */
int fc_reload_run(const struct fc_reload_options *options);

#endif
