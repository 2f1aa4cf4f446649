/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "reload_queue.h"

#define FOR_EVER_MS 600000
#define N_CLIENTS   8
#define N_EACH	    200

static struct fc_reload_queue queue;

static const struct timespec a_millisecond = { .tv_nsec = 1000000 };

/* A thread that asks once. */
struct client {
	pthread_t thread;
	bool is_dry_run;
	unsigned patience_ms;
	struct fc_reload_answer answer;
};

static void *ask(void *arg)
{
	struct client *client = arg;

	client->answer = fc_reload_queue_ask(&queue, client->is_dry_run, client->patience_ms);
	return NULL;
}

static void start(struct client *client, bool is_dry_run, unsigned patience_ms)
{
	*client = (struct client){ .is_dry_run = is_dry_run, .patience_ms = patience_ms };
	assert_int_equal(pthread_create(&client->thread, NULL, ask, client), 0);
}

static bool has_request(void)
{
	struct pollfd fd = { .fd = fc_reload_queue_fd(&queue), .events = POLLIN };

	return poll(&fd, 1, 0) == 1;
}

/* Wait until so many requests have come that nobody has taken. */
static void wait_waiting(int n)
{
	int n_waiting;

	do {
		nanosleep(&a_millisecond, NULL);
		n_waiting = 0;
		pthread_mutex_lock(&queue.lock);
		for (struct fc_reload_request *r = queue.first; r != NULL; r = r->next)
			n_waiting++;
		pthread_mutex_unlock(&queue.lock);
	} while (n_waiting != n);
}

static void wait_request(void)
{
	while (!has_request())
		nanosleep(&a_millisecond, NULL);
}

static struct fc_reload_request *take(void)
{
	wait_request();
	return fc_reload_queue_take(&queue);
}

static void answer(struct fc_reload_request *request, uint32_t n_changes)
{
	struct fc_reload_answer made = {
		.is_ok = true,
		.is_dry_run = request->answer.is_dry_run,
		.n_changes = n_changes,
		.findings = fc_findings_new("c.json"),
	};

	fc_findings_add(made.findings, FC_NOTE, "outputs", "%u", n_changes);
	fc_reload_queue_answer(&queue, request, made);
}

/* What a client got; frees it. */
static void check_answer(struct client *client, uint32_t n_changes)
{
	char text[16];

	assert_int_equal(pthread_join(client->thread, NULL), 0);
	assert_true(client->answer.is_ok);
	assert_int_equal(client->answer.is_dry_run, client->is_dry_run);
	assert_int_equal(client->answer.n_changes, n_changes);
	snprintf(text, sizeof(text), "%u", n_changes);
	assert_string_equal(fc_findings_get(client->answer.findings, 0).text, text);
	fc_findings_free(client->answer.findings);
}

static void check_refused(struct client *client, const char *reason)
{
	assert_int_equal(pthread_join(client->thread, NULL), 0);
	assert_false(client->answer.is_ok);
	assert_int_equal(client->answer.n_changes, 0);
	assert_int_equal(client->answer.is_dry_run, client->is_dry_run);
	assert_int_equal(fc_findings_n_errors(client->answer.findings), 1);
	assert_non_null(strstr(fc_findings_get(client->answer.findings, 0).text, reason));
	fc_findings_free(client->answer.findings);
}

static int open_queue(void **state)
{
	(void)state;
	return fc_reload_queue_open(&queue);
}

static int close_queue(void **state)
{
	(void)state;
	fc_reload_queue_close(&queue);
	return 0;
}

static void test_one(void **state)
{
	struct fc_reload_request *request;
	struct client client;

	(void)state;
	assert_false(has_request());
	assert_null(fc_reload_queue_take(&queue));
	start(&client, true, FOR_EVER_MS);
	request = take();
	assert_true(request->answer.is_dry_run);
	assert_false(has_request());
	answer(request, 7);
	check_answer(&client, 7);
}

/* In the order in which they came, each with its own answer. */
static void test_order(void **state)
{
	struct client clients[3];

	(void)state;
	for (int i = 0; i < 3; i++) {
		start(&clients[i], i == 1, FOR_EVER_MS);
		wait_waiting(i + 1);
	}
	for (int i = 0; i < 3; i++) {
		struct fc_reload_request *request = take();

		assert_int_equal(request->answer.is_dry_run, i == 1);
		answer(request, (uint32_t)i);
		check_answer(&clients[i], (uint32_t)i);
	}
	assert_false(has_request());
}

/* Clients that ask again and again, at the same time. */
static _Atomic uint32_t n_received;
static _Atomic uint64_t sum;

static void *ask_often(void *arg)
{
	(void)arg;
	for (int i = 0; i < N_EACH; i++) {
		struct fc_reload_answer got = fc_reload_queue_ask(&queue, i % 2, FOR_EVER_MS);

		if (got.is_ok && got.is_dry_run == i % 2) {
			atomic_fetch_add(&n_received, 1);
			atomic_fetch_add(&sum, got.n_changes);
		}
		fc_findings_free(got.findings);
	}
	return NULL;
}

static void test_many(void **state)
{
	const uint32_t n_all = N_CLIENTS * N_EACH;
	pthread_t threads[N_CLIENTS];

	(void)state;
	atomic_store(&n_received, 0);
	atomic_store(&sum, 0);
	for (int i = 0; i < N_CLIENTS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, ask_often, NULL), 0);
	for (uint32_t i = 0; i < n_all; i++)
		answer(take(), i);
	for (int i = 0; i < N_CLIENTS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	assert_int_equal(n_received, n_all);
	assert_int_equal(sum, (uint64_t)n_all * (n_all - 1) / 2);
	assert_false(has_request());
}

/* Nobody waits for a program that stops. */
static void test_stop(void **state)
{
	struct client clients[3];

	(void)state;
	for (int i = 0; i < 3; i++)
		start(&clients[i], false, FOR_EVER_MS);
	wait_waiting(3);
	fc_reload_queue_close(&queue);
	for (int i = 0; i < 3; i++)
		check_refused(&clients[i], "is stopping");
	assert_null(queue.first);
	start(&clients[0], true, FOR_EVER_MS);
	check_refused(&clients[0], "is stopping");
	assert_null(queue.last);
}

/* Too late: the request is gone, and those around it are not. */
static void test_nobody_takes_it(void **state)
{
	struct client first, second, third;

	(void)state;
	start(&first, false, 50);
	wait_request();
	check_refused(&first, "busy with other reloads");
	start(&first, false, FOR_EVER_MS);
	wait_waiting(1);
	start(&second, false, 50);
	check_refused(&second, "busy with other reloads");
	start(&third, true, FOR_EVER_MS);
	answer(take(), 1);
	check_answer(&first, 1);
	answer(take(), 3);
	check_answer(&third, 3);
	assert_null(fc_reload_queue_take(&queue));
}

/* Too late while it is being done: its answer goes nowhere. */
static void test_taken_too_late(void **state)
{
	struct fc_reload_request *request;
	struct client client;

	(void)state;
	for (;;) {
		start(&client, false, 50);
		request = take();
		if (request != NULL)
			break;
		check_refused(&client, "busy"); /* this machine is */
	}
	check_refused(&client, "the reload goes on");
	answer(request, 5);
	start(&client, false, FOR_EVER_MS);
	answer(take(), 6);
	check_answer(&client, 6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_one, open_queue, close_queue),
		cmocka_unit_test_setup_teardown(test_order, open_queue, close_queue),
		cmocka_unit_test_setup_teardown(test_many, open_queue, close_queue),
		cmocka_unit_test_setup_teardown(test_stop, open_queue, close_queue),
		cmocka_unit_test_setup_teardown(test_nobody_takes_it, open_queue, close_queue),
		cmocka_unit_test_setup_teardown(test_taken_too_late, open_queue, close_queue),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
