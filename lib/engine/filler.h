/* SPDX-License-Identifier: MIT */
#ifndef FC_FILLER_H
#define FC_FILLER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <fc_config.h>
#include <fc_findings.h>

#include "fc_compat.h"
#include "memory.h"
#include "memory_room.h"

/** Memory that is to be filled. */
struct fc_filler_job {
	struct fc_memory *memory;
	char tap[FC_NAME_SIZE];		  /* whose ring it is */
	int err;			  /* why it cannot be filled, 0: nothing known */
	char limit[FC_MEMORY_LIMIT_SIZE]; /* which one is met, "": the kernel has refused */
};

/**
 * A thread that gets the pages of memory beside the lcores, so that neither the start nor a reload
 * waits for them: a second for each GiB or three.
 *
 * It fills all memories in turn, and looks before how much there is: in a memory cgroup the kernel
 * does not refuse a page, it ends the process. It runs on the CPUs that no lcore has, where there
 * are some, and with the lowest priority.
 *
 * All calls: the control thread.
 */
struct fc_filler {
	bool is_started;
	struct fc_thread thread;
	struct fc_filler_job *jobs; /* the thread's while it runs */
	uint32_t n_jobs;
	_Atomic bool is_stopping; /* control: wo, thread: ro */
	_Atomic bool is_done;	  /* thread: wo, control: ro */
};

/**
 * Fill what the thread need not do: the first bytes of each memory, so that small ones are there at
 * once.
 *
 * @return  0; -errno when some job cannot be filled so far: its `err` and `limit` say why.
 */
int fc_filler_begin(struct fc_filler_job *jobs, uint32_t n_jobs);

/**
 * Start filling.
 *
 * @param jobs  The filler's from now on; free(3) frees it. Nobody else fills these memories or
 *              changes their sizes before fc_filler_stop().
 * @return      0 or -errno, and nothing will be filled.
 */
int fc_filler_start(struct fc_filler *filler, struct fc_filler_job *jobs, uint32_t n_jobs);

/**
 * Say once, when it has come to its end, which memories could not be filled.
 *
 * @param findings  Gets a warning for each.
 */
void fc_filler_watch(struct fc_filler *filler, struct fc_findings *findings);

/** Stop it, which takes some milliseconds. Nothing when it does not run. */
void fc_filler_stop(struct fc_filler *filler);

/** Say what could not be filled of one memory. */
void fc_filler_tell(const struct fc_filler_job *job, struct fc_findings *findings);

#endif
