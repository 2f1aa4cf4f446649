/* SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <rte_eal_memconfig.h>
#include <rte_malloc.h>

#include "pdump_janitor.h"
#include "pdump_loan.h"

#define PATIENCE_MS 5000 /* processes that are stopped do not answer EAL, which waits as long */
#define STUCK_MS    (3 * PATIENCE_MS)

struct fc_remains {
	struct fc_remains *next;
	char ring[RTE_RING_NAMESIZE], pool[RTE_MEMPOOL_NAMESIZE];
	const void *program; /* of a filter */
};

/* What the thread works on. */
struct fc_janitor_run {
	pthread_t thread;
	struct fc_remains *remains;
	struct fc_pdump_point *points;
	_Atomic bool is_done; /* thread: wo, control: ro */
};

void fc_janitor_note(
	struct fc_janitor *janitor, const char *ring, const char *pool, const void *program)
{
	struct fc_remains *remains = calloc(1, sizeof(*remains));

	if (remains == NULL) /* they stay */
		return;
	snprintf(remains->ring, sizeof(remains->ring), "%s", ring);
	snprintf(remains->pool, sizeof(remains->pool), "%s", pool);
	remains->program = program;
	remains->next = janitor->noted;
	janitor->noted = remains;
}

void fc_janitor_note_points(struct fc_janitor *janitor, struct fc_pdump_point *points)
{
	for (struct fc_pdump_point *next; points != NULL; points = next) {
		next = points->next;
		points->next = janitor->points;
		janitor->points = points;
	}
}

/* Take every lock that a process may have had when it was killed. */
static void try_locks(void)
{
	rte_mcfg_tailq_write_lock();
	rte_mcfg_tailq_write_unlock();
	rte_mcfg_mempool_write_lock();
	rte_mcfg_mempool_write_unlock();
	rte_mcfg_mem_write_lock();
	rte_mcfg_mem_write_unlock();
	rte_free(rte_malloc("fluxcap_lock", 64, 0));
	rte_memzone_free(rte_memzone_reserve("fluxcap_lock", 64, SOCKET_ID_ANY, 0));
}

static void *clean_up(void *arg)
{
	struct fc_janitor_run *run = arg;

	try_locks();
	for (struct fc_remains *next, *one = run->remains; one != NULL; one = next) {
		next = one->next;
		fc_pdump_free_ring(one->ring);
		fc_pdump_free_pool(one->pool);
		rte_free((void *)(uintptr_t)one->program);
		free(one);
	}
	for (struct fc_pdump_point *next, *one = run->points; one != NULL; one = next) {
		next = one->next;
		rte_free((void *)(uintptr_t)one->callback);
		free(one);
	}
	atomic_store_explicit(&run->is_done, true, memory_order_release);
	return NULL;
}

void fc_janitor_start(struct fc_janitor *janitor, uint64_t now_ms)
{
	struct fc_janitor_run *run;

	if (janitor->run != NULL || (janitor->noted == NULL && janitor->points == NULL))
		return;
	run = calloc(1, sizeof(*run));
	if (run == NULL) /* next time */
		return;
	run->remains = janitor->noted;
	run->points = janitor->points;
	if (pthread_create(&run->thread, NULL, clean_up, run) != 0) {
		free(run);
		return;
	}
	pthread_detach(run->thread);
	janitor->run = run;
	janitor->noted = NULL;
	janitor->points = NULL;
	janitor->started_ms = now_ms;
}

void fc_janitor_watch(struct fc_janitor *janitor, uint64_t now_ms, struct fc_findings *findings)
{
	static const struct sched_param nothing;

	if (janitor->run == NULL)
		return;
	if (atomic_load_explicit(&janitor->run->is_done, memory_order_acquire)) {
		free(janitor->run);
		janitor->run = NULL;
		janitor->is_stuck = false;
	} else if (!janitor->is_stuck && now_ms - janitor->started_ms > STUCK_MS) {
		janitor->is_stuck = true;
		/* It waits for a lock, and does so by trying again and again. */
		pthread_setschedparam(janitor->run->thread, SCHED_IDLE, &nothing);
		fc_findings_add(findings, FC_WARNING, "",
			"a DPDK process was killed while it had EAL's shared memory locked. "
			"Packets go "
			"on, but nothing can be changed any more: no reload, no port that returns, "
			"no "
			"capture. Restart fluxcap when that suits");
	}
}

bool fc_janitor_is_busy(const struct fc_janitor *janitor)
{
	return janitor->run != NULL || janitor->noted != NULL;
}

bool fc_janitor_is_stuck(const struct fc_janitor *janitor)
{
	return janitor->is_stuck;
}

void fc_janitor_end(struct fc_janitor *janitor)
{
	static const struct timespec a_millisecond = { .tv_nsec = 1000000 };

	do { /* what runs, and then what has been noted since */
		fc_janitor_start(janitor, 0);
		if (janitor->run == NULL) /* not to be had */
			return;
		for (unsigned ms = 0; janitor->run != NULL && ms < PATIENCE_MS; ms++) {
			fc_janitor_watch(janitor, 0, NULL);
			nanosleep(&a_millisecond, NULL);
		}
		janitor->is_stuck = janitor->run != NULL;
	} while (!janitor->is_stuck && (janitor->noted != NULL || janitor->points != NULL));
}
