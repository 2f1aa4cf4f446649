/* SPDX-License-Identifier: MIT */
#ifndef FC_PROGRAM_H
#define FC_PROGRAM_H

#include <pcap/pcap.h>

#include <fc_findings.h>

#include "native.h"

#define FC_PROGRAM_SNAPLEN 65535

/**
 * A filter's program, for all filters with the same expression. It does not change and may be run
 * by any number of lcores.
 *
 * To compile hundreds of terms takes seconds, and a configuration is read before anything is made
 * of it. So a program that nobody uses any more, or not yet, is kept for some time.
 */
struct fc_program {
	struct fc_program *next;
	unsigned n_users;
	char *expression;
	struct bpf_program code;
	struct fc_native native; /* `run` is NULL where there is no machine code */
};

/**
 * Have the program of an expression; compile it where that is not there.
 *
 * @param findings  Gets the reason of a failure.
 * @param place     Where the expression stands in the configuration.
 * @return          The program, ended with fc_program_put(), or NULL. Any thread; only those wait
 *                  that compile.
 */
const struct fc_program *fc_program_get(
	const char *expression, struct fc_findings *findings, const char *place);

/** Use it no longer. NULL is allowed. Any thread. */
void fc_program_put(const struct fc_program *program);

#endif
