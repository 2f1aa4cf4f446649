/* SPDX-License-Identifier: MIT */
#ifndef FC_RELOAD_QUEUE_H
#define FC_RELOAD_QUEUE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include <fc_findings.h>

/**
 * How threads that serve clients ask the control thread for a reload, and get its answer.
 *
 * Requests are answered one at a time, in the order in which they came.
 */

/** What came of a reload. */
struct fc_reload_answer {
	bool is_ok;
	bool is_dry_run;
	uint32_t n_changes;	      /**< differences between what ran and what was read */
	struct fc_findings *findings; /**< why not, and what changes; NULL: out of memory */
};

/** One thread's request; it belongs to the queue. */
struct fc_reload_request {
	struct fc_reload_request *next;
	struct fc_reload_answer answer; /* is_dry_run from the beginning on */
	bool is_taken, is_answered;
	bool is_abandoned; /* nobody waits for the answer */
};

/** The fields are for the functions below, under the lock. */
struct fc_reload_queue {
	pthread_mutex_t lock;
	pthread_cond_t answered;
	struct fc_reload_request *first, *last; /* not yet taken */
	int event;				/* readable while there may be one */
	bool is_open;
};

/**
 * Make a queue ready for requests. It must stay for as long as a thread could ask: in a program
 * that does not wait for those threads, to its end.
 *
 * @return 0, or -errno when no file descriptor can be had.
 */
int fc_reload_queue_open(struct fc_reload_queue *queue);

/**
 * Take no more requests. Those that wait, and all that come later, are answered at once that the
 * program is stopping. Control thread.
 */
void fc_reload_queue_close(struct fc_reload_queue *queue);

/**
 * Ask for a reload and wait for the answer. Any thread but the control thread.
 *
 * @param is_dry_run   Only find out what it would do.
 * @param patience_ms  Longest wait. After that the answer says that there was none in time; a
 *                     reload that has begun by then goes on.
 * @return             The answer; its findings are the caller's.
 */
struct fc_reload_answer fc_reload_queue_ask(
	struct fc_reload_queue *queue, bool is_dry_run, unsigned patience_ms);

/** A file descriptor that can be read when fc_reload_queue_take() may have something. */
int fc_reload_queue_fd(const struct fc_reload_queue *queue);

/** The next request, to be ended with fc_reload_queue_answer(); NULL: none. Control thread. */
struct fc_reload_request *fc_reload_queue_take(struct fc_reload_queue *queue);

/** Answer a request, which ends by that; the findings are no longer the caller's. Control thread.
 */
void fc_reload_queue_answer(struct fc_reload_queue *queue, struct fc_reload_request *request,
	struct fc_reload_answer answer);

#endif
