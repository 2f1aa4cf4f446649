/* SPDX-License-Identifier: MIT */
#include "client.h"

#include <errno.h>
#include <glob.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "reply.h"
#include "units.h"

#define GREETING_SIZE 1024

struct fc_client {
	const struct fc_client_options *options;
	char prefix[sizeof(((struct sockaddr_un *)0)->sun_path)]; /* without the socket's number */
	int number; /* of the socket that was chosen, -1: any */
	struct sockaddr_un address;
	int fd;
	long long pid;
	size_t size; /* of the buffer: the largest reply */
	char *buffer;
};

/* A socket of the prefix, and what came of connecting to it. */
struct attempt {
	unsigned number;
	struct sockaddr_un address;
	int result; /* the connection, or a negative errno value */
};

/* Whether a process may be behind a socket: one that has ended leaves its own behind. */
static bool is_there(int result)
{
	return result != -ECONNREFUSED && result != -ENOENT && result != -ENOTDIR;
}

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
		const char *previous = "";
		glob_t found;

		if ((size_t)snprintf(pattern, sizeof(pattern), "%s/dpdk/*/dpdk_telemetry.v2*",
			    places->places[i]) >= sizeof(pattern) ||
			glob(pattern, 0, NULL, &found) != 0)
			continue;
		for (size_t j = 0; j < found.gl_pathc; j++) {
			char *end = strrchr(found.gl_pathv[j], '/');
			const char *other;

			*end = '\0';
			other = strrchr(found.gl_pathv[j], '/') + 1;
			if (strcmp(other, client->options->prefix) == 0 ||
				strcmp(other, previous) == 0)
				continue;
			previous = other;
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
		if (client->number >= 0) {
			fc_problem_set(problem, FC_PROBLEM_CONNECTION,
				"no process %d with --file-prefix %s: there is no socket %s\n"
				"'-f %s' takes the one that there is, or lists them.",
				client->number, client->prefix, path, client->prefix);
			break;
		}
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

/* Several processes take connections: say which, and how to choose one. */
static void explain_several(const struct fc_client *client, const struct attempt *attempts,
	size_t n, struct fc_problem *problem)
{
	fc_problem_set(problem, FC_PROBLEM_CONNECTION,
		"several processes have --file-prefix %s; choose one:", client->prefix);
	for (size_t i = 0; i < n; i++) {
		struct ucred owner = { 0 };
		socklen_t size = sizeof(owner);

		if (!is_there(attempts[i].result))
			continue;
		fc_problem_append(problem, "\n-f %s:%u", client->prefix, attempts[i].number);
		if (attempts[i].result >= 0 &&
			getsockopt(attempts[i].result, SOL_SOCKET, SO_PEERCRED, &owner, &size) == 0)
			fc_problem_append(problem, "  process %d", (int)owner.pid);
		else
			fc_problem_append(problem, "  takes no connection");
	}
}

/* Let go of a connection that is not used. DPDK's thread writes its greeting first: to a connection
 * that is closed by then it would lose one of its 10 places, or the process by SIGPIPE. */
static void drop_connection(const struct fc_client *client, int fd)
{
	struct pollfd fds[] = {
		{ .fd = fd, .events = POLLIN },
		{ .fd = client->options->wake_fd, .events = POLLIN },
	};

	if (fd < 0)
		return;
	poll(fds, 2, client->options->timeout_ms);
	close(fd);
}

/* The connection, or a negative errno value. */
static int connect_address(const struct fc_client *client, const struct sockaddr_un *address)
{
	struct timeval timeout = {
		.tv_sec = client->options->timeout_ms / 1000,
		.tv_usec = (client->options->timeout_ms % 1000) * 1000,
	};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
	if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0) {
		int error = errno;

		close(fd);
		return -error;
	}
	return fd;
}

/* Connect to the sockets of one place; how many attempts there were. */
static size_t try_place(const struct fc_client *client, const char *place, struct attempt *attempts)
{
	unsigned numbers[FC_PLACE_SOCKETS_MAX];
	size_t n = 1, n_attempts = 0;

	if (client->number >= 0)
		numbers[0] = (unsigned)client->number;
	else
		n = fc_place_sockets(numbers, place, client->prefix);
	for (size_t i = 0; i < n; i++) {
		struct attempt *attempt = &attempts[n_attempts];

		attempt->number = numbers[i];
		if (fc_place_address(&attempt->address, place, client->prefix, numbers[i]) < 0)
			continue; /* no process can have made it */
		attempt->result = connect_address(client, &attempt->address);
		n_attempts++;
	}
	return n_attempts;
}

/* Take the one that is there, if it is one. Whether this decides where to look. */
static bool choose_attempt(struct fc_client *client, const struct fc_places *places,
	const struct attempt *attempts, size_t n, struct fc_problem *problem)
{
	const struct attempt *chosen = NULL;
	int n_there = 0;

	for (size_t i = 0; i < n; i++) {
		if (!is_there(attempts[i].result))
			continue;
		n_there++;
		chosen = &attempts[i];
	}
	if (n_there == 0)
		return false;
	if (n_there > 1) {
		explain_several(client, attempts, n, problem);
		for (size_t i = 0; i < n; i++)
			drop_connection(client, attempts[i].result);
		return true;
	}
	client->address = chosen->address;
	client->fd = chosen->result;
	if (client->fd < 0)
		explain_connect(client, places, -client->fd, problem);
	return true;
}

/* PREFIX:NUMBER is a prefix and a number, unless there is such a prefix. */
static void read_prefix(struct fc_client *client, const struct fc_places *places)
{
	unsigned numbers[FC_PLACE_SOCKETS_MAX], number;
	const char *prefix = client->options->prefix;
	size_t n = 0;

	for (size_t i = 0; i < places->n_places; i++)
		n += fc_place_sockets(numbers, places->places[i], prefix);
	client->number = -1;
	if (n == 0 && fc_place_split(prefix, sizeof(client->prefix), client->prefix, &number))
		client->number = (int)number;
	else
		snprintf(client->prefix, sizeof(client->prefix), "%s", prefix);
}

/* Find the process in the first place where one is. Sockets that were left behind do not count. */
static int connect_socket(struct fc_client *client, struct fc_problem *problem)
{
	struct fc_places places = fc_place_list(&client->options->rules);
	int error = ENOENT;

	read_prefix(client, &places);
	if (strlen(client->options->prefix) >= sizeof(client->prefix) ||
		fc_place_address(&client->address, places.places[0], client->prefix,
			client->number > 0 ? (unsigned)client->number : 0) < 0) {
		fc_problem_set(problem, FC_PROBLEM_CONNECTION,
			"%s/dpdk/%s/dpdk_telemetry.v2 is too long for a socket's path (at most %zu "
			"bytes)\nGive fluxcap a shorter --file-prefix or RUNTIME_DIRECTORY.",
			places.places[0], client->options->prefix,
			sizeof(client->address.sun_path) - 1);
		return -ENAMETOOLONG;
	}
	for (size_t i = 0; i < places.n_places; i++) {
		struct attempt attempts[FC_PLACE_SOCKETS_MAX];
		size_t n = try_place(client, places.places[i], attempts);

		if (choose_attempt(client, &places, attempts, n, problem))
			return client->fd >= 0 ? 0 : -ENOTCONN;
		if (n > 0 && error == ENOENT && attempts[0].result != -ENOENT) {
			client->address = attempts[0].address;
			error = -attempts[0].result;
		}
	}
	explain_connect(client, &places, error, problem);
	return -error;
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
