/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <sys/eventfd.h>

#include "reload_queue.h"

int fc_reload_queue_open(struct fc_reload_queue *queue)
{
	pthread_condattr_t attributes;

	*queue = (struct fc_reload_queue){ .event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) };
	if (queue->event < 0)
		return -errno;
	queue->is_open = true;
	pthread_mutex_init(&queue->lock, NULL);
	pthread_condattr_init(&attributes);
	/* Nobody waits longer because the time of day was set back. */
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&queue->answered, &attributes);
	pthread_condattr_destroy(&attributes);
	return 0;
}

void fc_reload_queue_close(struct fc_reload_queue *queue)
{
	pthread_mutex_lock(&queue->lock);
	if (queue->is_open) {
		queue->is_open = false;
		close(queue->event);
		queue->event = -1;
	}
	pthread_cond_broadcast(&queue->answered);
	pthread_mutex_unlock(&queue->lock);
}

int fc_reload_queue_fd(const struct fc_reload_queue *queue)
{
	return queue->event;
}

static struct fc_reload_answer refuse(bool is_dry_run, const char *reason)
{
	struct fc_reload_answer answer = { .is_dry_run = is_dry_run };

	answer.findings = fc_findings_new("fluxcap");
	if (answer.findings != NULL)
		fc_findings_add(answer.findings, FC_ERROR, "fluxcap", "%s", reason);
	return answer;
}

static struct timespec time_in(unsigned patience_ms)
{
	struct timespec end;

	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += patience_ms / 1000;
	end.tv_nsec += (long)(patience_ms % 1000) * 1000000;
	if (end.tv_nsec >= 1000000000) {
		end.tv_sec++;
		end.tv_nsec -= 1000000000;
	}
	return end;
}

/* The lock is held, here and in the following. */
static void append(struct fc_reload_queue *queue, struct fc_reload_request *request)
{
	static const uint64_t one = 1;

	if (queue->last != NULL)
		queue->last->next = request;
	else
		queue->first = request;
	queue->last = request;
	/* It fails only when it can be read already. */
	if (write(queue->event, &one, sizeof(one)) < 0)
		return;
}

static void withdraw(struct fc_reload_queue *queue, const struct fc_reload_request *request)
{
	struct fc_reload_request *before = NULL;

	for (struct fc_reload_request *one = queue->first; one != request; one = one->next)
		before = one;
	if (before != NULL)
		before->next = request->next;
	else
		queue->first = request->next;
	if (queue->last == request)
		queue->last = before;
}

/* Wait until a request is answered, or will not be. */
static void wait_for(struct fc_reload_queue *queue, const struct fc_reload_request *request,
	const struct timespec *end)
{
	int ret = 0;

	while (ret == 0 && queue->is_open && !request->is_answered)
		ret = pthread_cond_timedwait(&queue->answered, &queue->lock, end);
}

struct fc_reload_answer fc_reload_queue_ask(
	struct fc_reload_queue *queue, bool is_dry_run, unsigned patience_ms)
{
	struct timespec end = time_in(patience_ms);
	struct fc_reload_request *request = calloc(1, sizeof(*request));
	struct fc_reload_answer answer = { .is_dry_run = is_dry_run };
	const char *reason = "is stopping";

	if (request == NULL)
		return answer;
	request->answer.is_dry_run = is_dry_run;
	pthread_mutex_lock(&queue->lock);
	if (queue->is_open) {
		append(queue, request);
		wait_for(queue, request, &end);
		if (queue->is_open && !request->is_answered)
			reason = request->is_taken
					 ? "no answer in time; the reload goes on, and last_reload "
					   "of /fluxcap/info will tell how it ends"
					 : "no answer in time; busy with other reloads, ask again "
					   "later";
		if (!request->is_taken)
			withdraw(queue, request);
	}
	if (request->is_answered)
		answer = request->answer;
	else
		answer = refuse(is_dry_run, reason);
	if (request->is_taken && !request->is_answered)
		request->is_abandoned = true; /* control frees it */
	else
		free(request);
	pthread_mutex_unlock(&queue->lock);
	return answer;
}

struct fc_reload_request *fc_reload_queue_take(struct fc_reload_queue *queue)
{
	struct fc_reload_request *request;
	uint64_t n;

	pthread_mutex_lock(&queue->lock);
	request = queue->first;
	if (request != NULL) {
		request->is_taken = true;
		queue->first = request->next;
		if (queue->first == NULL)
			queue->last = NULL;
	}
	/* Readable again only when there is another one. */
	if (queue->first == NULL && read(queue->event, &n, sizeof(n)) < 0)
		n = 0;
	pthread_mutex_unlock(&queue->lock);
	return request;
}

void fc_reload_queue_answer(struct fc_reload_queue *queue, struct fc_reload_request *request,
	struct fc_reload_answer answer)
{
	pthread_mutex_lock(&queue->lock);
	if (request->is_abandoned) {
		fc_findings_free(answer.findings);
		free(request);
	} else {
		request->answer = answer;
		request->is_answered = true;
		pthread_cond_broadcast(&queue->answered);
	}
	pthread_mutex_unlock(&queue->lock);
}
