/* SPDX-License-Identifier: MIT */
#include "client.h"

#include <errno.h>
#include <glob.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "reply.h"
#include "units.h"

#define GREETING_SIZE 1024

struct fc_client {
	const struct fc_client_options *options;
	struct sockaddr_un address;
	int fd;
	long long pid;
	size_t size; /* of the buffer: the largest reply */
	char *buffer;
};

static long long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Name the other prefixes that have a socket below the places, so that a wrong -f is seen at once.
 */
static void append_other_prefixes(
	const struct fc_client *client, const struct fc_places *places, struct fc_problem *problem)
{
	const char *separator = "\nOther DPDK processes are there: -f ";

	for (size_t i = 0; i < places->n_places; i++) {
		char pattern[sizeof(struct sockaddr_un)], prefix[64];
		glob_t found;

		if ((size_t)snprintf(pattern, sizeof(pattern), "%s/dpdk/*/dpdk_telemetry.v2",
			    places->places[i]) >= sizeof(pattern) ||
			glob(pattern, 0, NULL, &found) != 0)
			continue;
		for (size_t j = 0; j < found.gl_pathc; j++) {
			char *end = strrchr(found.gl_pathv[j], '/');
			const char *other;

			*end = '\0';
			other = strrchr(found.gl_pathv[j], '/') + 1;
			if (strcmp(other, client->options->prefix) == 0)
				continue;
			fc_unit_printable(prefix, sizeof(prefix), other);
			fc_problem_append(problem, "%s%s", separator, prefix);
			separator = ", -f ";
		}
		globfree(&found);
	}
}

static void explain_connect(const struct fc_client *client, const struct fc_places *places,
	int error, struct fc_problem *problem)
{
	const char *path = client->address.sun_path;
	const char *prefix = client->options->prefix;

	switch (error) {
	case ENOENT:
	case ENOTDIR:
		fc_problem_set(problem, FC_PROBLEM_CONNECTION,
			"no fluxcap with --file-prefix %s: there is no socket %s\n"
			"Start fluxcap with that prefix, or name the prefix of the running one "
			"with -f.",
			prefix, path);
		append_other_prefixes(client, places, problem);
		break;
	case EACCES:
	case EPERM:
		fc_problem_set(problem, FC_PROBLEM_CONNECTION,
			"cannot connect to %s: permission denied\n"
			"Run fluxcap-ctl as the user that fluxcap runs as, or as root.",
			path);
		break;
	case ECONNREFUSED:
		fc_problem_set(problem, FC_PROBLEM_CONNECTION,
			"nobody listens at %s: the process has ended and left its socket behind\n"
			"Start fluxcap again.",
			path);
		append_other_prefixes(client, places, problem);
		break;
	case EAGAIN:
		fc_problem_set(problem, FC_PROBLEM_CONNECTION,
			"%s takes no connection within %g s: the process is stopped or overloaded\n"
			"Wait longer with --timeout SECONDS, or see what the process does.",
			path, client->options->timeout_ms / 1e3);
		break;
	case EPROTOTYPE:
		fc_problem_set(problem, FC_PROBLEM_CONNECTION,
			"%s is not DPDK's telemetry socket: it is of another type", path);
		break;
	default:
		fc_problem_set(problem, FC_PROBLEM_CONNECTION, "cannot connect to %s: %s", path,
			strerror(error));
	}
}

/* Choose the first place that has the socket, or where one cannot see whether it has. */
static int choose_address(struct fc_client *client, const struct fc_places *places)
{
	struct sockaddr_un address;
	struct stat info;

	for (size_t i = 0; i < places->n_places; i++) {
		int rc = fc_place_address(&address, places->places[i], client->options->prefix);

		if (rc < 0)
			return rc;
		if (i == 0)
			client->address = address;
		if (stat(address.sun_path, &info) == 0 || errno == EACCES) {
			client->address = address;
			return 0;
		}
	}
	return 0;
}

static int connect_socket(struct fc_client *client, struct fc_problem *problem)
{
	struct fc_places places = fc_place_list(&client->options->rules);
	struct timeval timeout = {
		.tv_sec = client->options->timeout_ms / 1000,
		.tv_usec = (client->options->timeout_ms % 1000) * 1000,
	};

	if (choose_address(client, &places) < 0) {
		fc_problem_set(problem, FC_PROBLEM_CONNECTION,
			"%s/dpdk/%s/dpdk_telemetry.v2 is too long for a socket's path (at most %zu "
			"bytes)\nGive fluxcap a shorter --file-prefix or RUNTIME_DIRECTORY.",
			places.places[0], client->options->prefix,
			sizeof(client->address.sun_path) - 1);
		return -ENAMETOOLONG;
	}
	client->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (client->fd < 0) {
		int error = errno;

		fc_problem_set(problem, FC_PROBLEM_CONNECTION, "cannot make a socket: %s",
			strerror(error));
		return -error;
	}
	setsockopt(client->fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
	if (connect(client->fd, (struct sockaddr *)&client->address, sizeof(client->address)) < 0) {
		int error = errno;

		explain_connect(client, &places, error, problem);
		return -error;
	}
	return 0;
}

/* Wait until a message can be read. */
static int wait_readable(
	struct fc_client *client, const char *what, int timeout_ms, struct fc_problem *problem)
{
	struct pollfd fds[] = {
		{ .fd = client->fd, .events = POLLIN },
		{ .fd = client->options->wake_fd, .events = POLLIN },
	};
	long long deadline = now_ms() + timeout_ms;

	for (;;) {
		long long left = deadline - now_ms();
		int n_ready = poll(fds, 2, left > 0 ? (int)left : 0);

		if (n_ready < 0 && errno == EINTR)
			continue;
		if (n_ready > 0 && fds[1].revents != 0) {
			if (client->options->wake != NULL &&
				client->options->wake(client->options->wake_context))
				continue;
			fc_problem_set(problem, FC_PROBLEM_INTERRUPTED, "interrupted");
			return -EINTR;
		}
		if (n_ready > 0)
			return 0;
		fc_problem_set(problem, FC_PROBLEM_CONNECTION,
			"no %s from %s within %g s: the process is stopped or overloaded\n"
			"Wait longer with --timeout SECONDS, or see what the process does.",
			what, client->address.sun_path, timeout_ms / 1e3);
		return -ETIMEDOUT;
	}
}

/* Receive one message into the buffer; its size, or a negative errno value. */
static ssize_t receive(
	struct fc_client *client, const char *what, int timeout_ms, struct fc_problem *problem)
{
	int rc = wait_readable(client, what, timeout_ms, problem);
	ssize_t size;

	if (rc < 0)
		return rc;
	size = recv(client->fd, client->buffer, client->size, MSG_TRUNC | MSG_DONTWAIT);
	if (size < 0) {
		int error = errno;

		fc_problem_set(problem, FC_PROBLEM_CONNECTION, "no %s from %s: %s", what,
			client->address.sun_path, strerror(error));
		return -error;
	}
	if ((size_t)size > client->size) {
		fc_problem_set(problem, FC_PROBLEM_ANSWER,
			"the %s from %s has %zd bytes, more than the %zu that were agreed", what,
			client->address.sun_path, size, client->size);
		return -EMSGSIZE;
	}
	return size;
}

static int read_greeting(struct fc_client *client, struct fc_problem *problem)
{
	ssize_t size;
	char *larger;
	int rc;

	client->size = GREETING_SIZE;
	client->buffer = malloc(client->size);
	if (client->buffer == NULL) {
		fc_problem_set(problem, FC_PROBLEM_CONNECTION, "out of memory");
		return -ENOMEM;
	}
	size = receive(client, "greeting", client->options->timeout_ms, problem);
	if (size < 0)
		return (int)size;
	if (size == 0) {
		fc_problem_set(problem, FC_PROBLEM_CONNECTION,
			"%s closed the connection at once: the process is ending, or it has as "
			"many "
			"telemetry clients as DPDK allows (10)\n"
			"End another client, or try again.",
			client->address.sun_path);
		return -ECONNRESET;
	}
	rc = fc_reply_greeting(client->buffer, (size_t)size, &client->pid, &client->size, problem);
	if (rc < 0)
		return rc;
	larger = realloc(client->buffer, client->size);
	if (larger == NULL) {
		fc_problem_set(problem, FC_PROBLEM_CONNECTION, "out of memory");
		return -ENOMEM;
	}
	client->buffer = larger;
	return 0;
}

struct fc_client *fc_client_open(
	const struct fc_client_options *options, struct fc_problem *problem)
{
	struct fc_client *client = calloc(1, sizeof(*client));

	if (client == NULL) {
		fc_problem_set(problem, FC_PROBLEM_CONNECTION, "out of memory");
		return NULL;
	}
	client->options = options;
	client->fd = -1;
	if (connect_socket(client, problem) < 0 || read_greeting(client, problem) < 0) {
		fc_client_close(client);
		return NULL;
	}
	return client;
}

void fc_client_close(struct fc_client *client)
{
	if (client == NULL)
		return;
	if (client->fd >= 0)
		close(client->fd);
	free(client->buffer);
	free(client);
}

json_t *fc_client_ask(struct fc_client *client, const char *command, struct fc_problem *problem)
{
	return fc_client_ask_within(client, command, client->options->timeout_ms, problem);
}

json_t *fc_client_ask_within(
	struct fc_client *client, const char *command, int timeout_ms, struct fc_problem *problem)
{
	char what[192];
	ssize_t size;

	snprintf(what, sizeof(what), "answer to %s", command);
	if (send(client->fd, command, strlen(command), MSG_NOSIGNAL) < 0) {
		fc_problem_set(problem, FC_PROBLEM_CONNECTION,
			"the connection to %s is lost (%s): the process has ended",
			client->address.sun_path, strerror(errno));
		return NULL;
	}
	size = receive(client, what, timeout_ms, problem);
	if (size < 0)
		return NULL;
	if (size == 0) {
		fc_problem_set(problem, FC_PROBLEM_CONNECTION,
			"%s closed the connection without an answer to %s: the process has ended",
			client->address.sun_path, command);
		return NULL;
	}
	return fc_reply_value(client->buffer, (size_t)size, command, problem);
}

long long fc_client_pid(const struct fc_client *client)
{
	return client->pid;
}

size_t fc_client_max_reply(const struct fc_client *client)
{
	return client->size;
}

const char *fc_client_path(const struct fc_client *client)
{
	return client->address.sun_path;
}
