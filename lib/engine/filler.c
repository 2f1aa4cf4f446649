/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <sys/resource.h>

#include <rte_common.h>

#include "filler.h"

#define MIB	      (UINT64_C(1) << 20)
#define LOWEST	      19	   /* nice(1) */
#define PIECE_SIZE    (2 * MIB)	   /* of a memory at its turn */
#define FIRST_SIZE    (64 * MIB)   /* of a memory, before the thread */
#define MAX_FIRST     (1024 * MIB) /* of all of them */
#define MAX_ALLOWANCE (256 * MIB)  /* that is taken before the room is looked at again */
#define USED_AT_ONCE  4		   /* a part of the room, as others take of it, too */

/* What may be taken of a node before one looks again. */
struct allowance {
	int node;
	uint64_t size;
};

static uint64_t ready_size(const struct fc_memory *memory)
{
	return atomic_load_explicit(&memory->ready, memory_order_relaxed);
}

/* Whether @size bytes may be taken; the job says why they may not. */
static bool take_allowance(struct fc_filler_job *job, struct allowance *allowance, uint64_t size)
{
	struct fc_memory_room room;

	if (allowance->node == job->memory->node && allowance->size >= size) {
		allowance->size -= size;
		return true;
	}
	fc_memory_room_look(&room, "", job->memory->node);
	if (room.left < size) {
		snprintf(job->limit, sizeof(job->limit), "%s", room.left_limit);
		job->err = -ENOMEM;
		return false;
	}
	allowance->node = job->memory->node;
	allowance->size = RTE_MIN(RTE_MAX(room.left / USED_AT_ONCE, size), MAX_ALLOWANCE) - size;
	return true;
}

/* Fill up to @upto bytes. Whether there is more to be done for this job. */
static bool fill_some(struct fc_filler_job *job, struct allowance *allowance, uint64_t upto)
{
	struct fc_memory *memory = job->memory;
	uint64_t ready = ready_size(memory);

	upto = RTE_MIN(upto, memory->size);
	if (job->err != 0 || ready >= upto)
		return false;
	upto = RTE_MIN(upto, ready + PIECE_SIZE);
	if (!take_allowance(job, allowance, upto - ready))
		return false;
	job->err = fc_memory_fill(memory, upto);
	return job->err == 0;
}

int fc_filler_begin(struct fc_filler_job *jobs, uint32_t n_jobs)
{
	struct allowance allowance = { .size = 0 };
	uint64_t first = RTE_MIN(FIRST_SIZE, RTE_MAX(MAX_FIRST / RTE_MAX(n_jobs, 1U), MIB));
	int ret = 0;

	for (uint32_t i = 0; i < n_jobs; i++) {
		while (fill_some(&jobs[i], &allowance, first))
			;
		if (jobs[i].err != 0)
			ret = jobs[i].err;
	}
	return ret;
}

static fc_thread_result fill_all(void *arg)
{
	struct fc_filler *filler = arg;
	struct allowance allowance = { .size = 0 };
	bool is_more = true;

	setpriority(PRIO_PROCESS, 0, LOWEST); /* of this thread alone, on Linux */
	while (is_more) {
		is_more = false;
		for (uint32_t i = 0; i < filler->n_jobs; i++) {
			if (atomic_load_explicit(&filler->is_stopping, memory_order_relaxed))
				return FC_THREAD_RESULT;
			is_more |= fill_some(&filler->jobs[i], &allowance, UINT64_MAX);
		}
	}
	atomic_store_explicit(&filler->is_done, true, memory_order_release);
	return FC_THREAD_RESULT;
}

int fc_filler_start(struct fc_filler *filler, struct fc_filler_job *jobs, uint32_t n_jobs)
{
	int ret;

	fc_filler_stop(filler);
	filler->jobs = jobs;
	filler->n_jobs = n_jobs;
	atomic_store_explicit(&filler->is_stopping, false, memory_order_relaxed);
	atomic_store_explicit(&filler->is_done, false, memory_order_relaxed);
	ret = fc_thread_start(&filler->thread, "fc-filler", fill_all, filler);
	filler->is_started = ret == 0;
	if (ret != 0)
		fc_filler_stop(filler);
	return ret;
}

void fc_filler_tell(const struct fc_filler_job *job, struct fc_findings *findings)
{
	char place[FC_NAME_SIZE + 16];

	snprintf(place, sizeof(place), "taps.%s.ring", job->tap);
	fc_findings_add(findings, FC_WARNING, place,
		"only %" PRIu64 " MiB of %" PRIu64
		" MiB could be had, and it holds no more than these: %s has no more (%s). Make "
		"'ring' smaller or more memory free there; a reload tries again",
		ready_size(job->memory) / MIB, job->memory->size / MIB,
		job->limit[0] != '\0' ? job->limit : "the kernel", strerror(-job->err));
}

void fc_filler_watch(struct fc_filler *filler, struct fc_findings *findings)
{
	if (!filler->is_started || !atomic_load_explicit(&filler->is_done, memory_order_acquire))
		return;
	fc_thread_join(&filler->thread);
	filler->is_started = false;
	for (uint32_t i = 0; i < filler->n_jobs; i++)
		if (filler->jobs[i].err != 0)
			fc_filler_tell(&filler->jobs[i], findings);
	fc_filler_stop(filler);
}

void fc_filler_stop(struct fc_filler *filler)
{
	if (filler->is_started) {
		atomic_store_explicit(&filler->is_stopping, true, memory_order_relaxed);
		fc_thread_join(&filler->thread);
	}
	filler->is_started = false;
	free(filler->jobs);
	filler->jobs = NULL;
	filler->n_jobs = 0;
}
