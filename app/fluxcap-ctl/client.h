/* SPDX-License-Identifier: MIT */
#ifndef FC_CTL_CLIENT_H
#define FC_CTL_CLIENT_H

#include <stdbool.h>

#include <jansson.h>

#include "place.h"
#include "problem.h"

/** One connection to the telemetry socket of a process. One thread at a time. */
struct fc_client;

/** How to reach a process; whoever fills it keeps it valid while clients are open. */
struct fc_client_options {
	const char *prefix;	     /**< EAL's --file-prefix of the process */
	struct fc_place_rules rules; /**< where its runtime directory can be */
	int timeout_ms;		     /**< longest wait for a connection and for each answer, > 0 */
	int wake_fd;		     /**< waiting is broken off when this can be read; -1: none */
	/** Called then; true: go on waiting. NULL: waiting ends. */
	bool (*wake)(void *context);
	void *wake_context;
};

/**
 * Connect and read the greeting.
 *
 * @param options  How; kept by reference.
 * @param problem  FC_PROBLEM_CONNECTION with the socket, the cause and the remedy: no such socket
 *                 (and which prefixes there are), no permission, nobody listens, too many clients,
 *                 no greeting in time. FC_PROBLEM_ANSWER when it is not telemetry v2.
 *                 FC_PROBLEM_INTERRUPTED when options->wake_fd ended the wait.
 * @return         The client (end with fc_client_close()), or NULL with @p problem set.
 */
struct fc_client *fc_client_open(
	const struct fc_client_options *options, struct fc_problem *problem);

/** End a connection. NULL is allowed. */
void fc_client_close(struct fc_client *client);

/**
 * Ask one command.
 *
 * @param command  Such as "/fluxcap/tap,cisco".
 * @param problem  As for fc_client_open(), and FC_PROBLEM_ANSWER as for fc_reply_value(). After any
 *                 problem the connection is of no more use.
 * @return         The value of the answer (the caller's reference), JSON null when the process does
 *                 not know the command or its parameter; NULL with @p problem set.
 */
json_t *fc_client_ask(struct fc_client *client, const char *command, struct fc_problem *problem);

/** As fc_client_ask(), with a longest wait of its own, in ms, > 0. */
json_t *fc_client_ask_within(
	struct fc_client *client, const char *command, int timeout_ms, struct fc_problem *problem);

/** The id of the process that answers, 0 when it did not say. */
long long fc_client_pid(const struct fc_client *client);

/** The size in bytes of the largest reply of this process. */
size_t fc_client_max_reply(const struct fc_client *client);

/** The path of the socket, valid until the client is closed. */
const char *fc_client_path(const struct fc_client *client);

#endif
