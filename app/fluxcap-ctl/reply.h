/* SPDX-License-Identifier: MIT */
#ifndef FC_CTL_REPLY_H
#define FC_CTL_REPLY_H

#include <stddef.h>

#include <jansson.h>

#include "problem.h"

/**
 * Take the value out of one reply of DPDK's telemetry, {"COMMAND": VALUE}.
 *
 * Telemetry knows unsigned 64-bit numbers only, so a difference below zero arrives as its two's
 * complement: a whole number above INT64_MAX is read as the negative number that it stands for
 * (as INT64_MAX when it has fewer than 20 digits).
 *
 * @param text     The message as it came; need not end in NUL. Changed where a number is.
 * @param size     Bytes of it.
 * @param command  What was asked, with its parameters after a comma; the reply repeats the part
 *                 before the comma.
 * @param problem  FC_PROBLEM_ANSWER when the text is not JSON, not an object, or the answer to
 *                 something else.
 * @return         The value (the caller's reference; JSON null says that the process does not know
 *                 the command or its parameter), or NULL with @p problem set.
 */
json_t *fc_reply_value(char *text, size_t size, const char *command, struct fc_problem *problem);

/**
 * Read the message with which telemetry greets a client.
 *
 * @param text             As for fc_reply_value().
 * @param size             Bytes of it.
 * @param pid              Gets the process that answers, 0 when it does not say.
 * @param max_output_size  Gets the size in bytes of the largest reply.
 * @param problem          FC_PROBLEM_ANSWER when this is not such a message.
 * @return                 0 or -EPROTO.
 */
int fc_reply_greeting(char *text, size_t size, long long *pid, size_t *max_output_size,
	struct fc_problem *problem);

#endif
