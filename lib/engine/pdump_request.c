/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <rte_errno.h>

#include "pdump_request.h"

#define REQUEST_MAX_MS 4000 /* who asked waits 5 s for the answer */

enum { DISABLE = 1, ENABLE = 2 };

struct response {
	uint16_t version;
	uint16_t operation;
	int32_t error;
};

struct fc_pdumps fc_pdumps = { .lock = PTHREAD_MUTEX_INITIALIZER };

static uint64_t clock_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* @return 0, or -errno: nobody has got it. */
int fc_pdump_answer(const char *peer, const struct fc_pdump_request *request, int error)
{
	struct rte_mp_msg message = { .name = FC_PDUMP_ACTION,
		.len_param = sizeof(struct response) };
	struct response response = { request->version, request->operation, error };

	memcpy(message.param, &response, sizeof(response));
	return rte_mp_reply(&message, peer) == 0 ? 0 : -rte_errno;
}

static bool is_for(
	const struct fc_pdump *capture, const char *peer, const struct fc_pdump_request *request)
{
	return strcmp(capture->peer, peer) == 0 && capture->request.queue == request->queue &&
	       strncmp(capture->request.device, request->device, sizeof(request->device)) == 0;
}

/* Whether lcores still copy into this memory, or one may. */
static bool is_in_use(const struct rte_ring *ring)
{
	for (const struct fc_pdump *one = fc_pdumps.running; one != NULL; one = one->next)
		if (one->target.ring == ring && (fc_pdump_directions(one) != 0 || one->is_stuck))
			return true;
	return false;
}

/* End some directions. The memory goes back with the last capture that uses it. Under the lock. */
int fc_pdump_end(struct fc_pdump *capture, uint32_t directions)
{
	const struct rte_ring *ring = capture->target.ring;

	for (struct fc_pdump_point *point = capture->points; point != NULL; point = point->next)
		if ((directions & fc_pdump_direction(point->is_tx)) != 0 &&
			!fc_pdump_point_end(point, FC_PDUMP_PATIENCE_MS))
			capture->is_stuck = true;
	atomic_store_explicit(&capture->directions, fc_pdump_directions(capture) & ~directions,
		memory_order_relaxed);
	for (struct fc_pdump *one = fc_pdumps.running; one != NULL && !is_in_use(ring);
		one = one->next)
		if (one->loan.is_held && one->loan.ring == ring)
			fc_pdump_loan_give_back(&one->loan);
	return capture->is_stuck ? -ETIMEDOUT : 0;
}

/* The control thread removes what has ended. @return 0 or -errno. */
static int disable_capture(const char *peer, const struct fc_pdump_request *request)
{
	int ret = 0;

	pthread_mutex_lock(&fc_pdumps.lock);
	for (struct fc_pdump *one = fc_pdumps.running; one != NULL; one = one->next)
		if (fc_pdump_directions(one) != 0 && is_for(one, peer, request))
			ret = fc_pdump_end(one, request->flags & RTE_PDUMP_FLAG_RXTX);
	pthread_mutex_unlock(&fc_pdumps.lock);
	return ret;
}

/* Leave it to the control thread to begin and to answer. @return 0 or -errno. */
static int enable_capture(const char *peer, const struct fc_pdump_request *request)
{
	struct fc_pdump *capture = calloc(1, sizeof(*capture));
	bool is_open;

	if (capture == NULL)
		return -ENOMEM;
	snprintf(capture->peer, sizeof(capture->peer), "%s", peer);
	capture->request = *request;
	capture->request.device[sizeof(request->device) - 1] = '\0';
	atomic_init(&capture->directions, request->flags & RTE_PDUMP_FLAG_RXTX);
	capture->asked_ms = clock_ms();
	pthread_mutex_lock(&fc_pdumps.lock);
	is_open = fc_pdumps.is_open;
	if (is_open) {
		capture->next = fc_pdumps.asked;
		fc_pdumps.asked = capture;
		atomic_store_explicit(&fc_pdumps.has_asked, true, memory_order_relaxed);
	}
	pthread_mutex_unlock(&fc_pdumps.lock);
	if (is_open)
		return 0;
	free(capture);
	return -ENODEV;
}

bool fc_pdump_is_late(const struct fc_pdump *capture)
{
	return clock_ms() - capture->asked_ms > REQUEST_MAX_MS;
}

/* EAL's IPC thread. */
int fc_pdump_serve(const struct rte_mp_msg *message, const void *peer)
{
	struct fc_pdump_request request = { 0 };
	int ret;

	if (message->len_param != sizeof(request))
		return fc_pdump_answer(peer, &request, -EINVAL);
	memcpy(&request, message->param, sizeof(request));
	if (request.version != FC_PDUMP_PLAIN && request.version != FC_PDUMP_PCAPNG)
		return fc_pdump_answer(peer, &request, -EINVAL);
	if (request.operation == ENABLE) {
		ret = enable_capture(peer, &request);
		return ret == 0 ? 0 : fc_pdump_answer(peer, &request, ret);
	}
	return fc_pdump_answer(peer, &request,
		request.operation == DISABLE ? disable_capture(peer, &request) : -EINVAL);
}

struct fc_pdump *fc_pdumps_take_asked(void)
{
	struct fc_pdump *list;

	pthread_mutex_lock(&fc_pdumps.lock);
	list = fc_pdumps.asked;
	fc_pdumps.asked = NULL;
	atomic_store_explicit(&fc_pdumps.has_asked, false, memory_order_relaxed);
	pthread_mutex_unlock(&fc_pdumps.lock);
	return list;
}
