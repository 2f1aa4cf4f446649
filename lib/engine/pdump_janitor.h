/* SPDX-License-Identifier: MIT */
#ifndef FC_PDUMP_JANITOR_H
#define FC_PDUMP_JANITOR_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <fc_findings.h>

#include "pdump_point.h"

/**
 * Frees what other processes have left in EAL's shared memory when they ended.
 *
 * Its locks are in that memory, too, and know nothing of processes: one that is killed in the
 * hundred milliseconds in which it starts may leave one of them locked for ever, and nobody can
 * unlock what may be half changed. So a thread of its own cleans up, and tries all locks. When it
 * does not come back, the control thread knows not to touch the shared memory any more: what runs
 * goes on, which needs no new memory, but nothing can be changed.
 *
 * Control thread.
 */
struct fc_janitor {
	struct fc_remains *noted; /* for the next run */
	struct fc_pdump_point *points;
	struct fc_janitor_run *run; /* NULL: none */
	uint64_t started_ms;
	bool is_stuck;
};

/** Note a ring and a pool to be freed, where they are there, and a program or NULL. */
void fc_janitor_note(
	struct fc_janitor *janitor, const char *ring, const char *pool, const void *program);

/** Note points, and their callbacks, to be freed; a list, which may be empty. */
void fc_janitor_note_points(struct fc_janitor *janitor, struct fc_pdump_point *points);

/** Clean up what has been noted, if that is something and nothing is being cleaned up. */
void fc_janitor_start(struct fc_janitor *janitor, uint64_t now_ms);

/** See whether it has finished. @param findings  Gets a warning when it never will. */
void fc_janitor_watch(struct fc_janitor *janitor, uint64_t now_ms, struct fc_findings *findings);

/** Whether something is being cleaned up, or has to be. */
bool fc_janitor_is_busy(const struct fc_janitor *janitor);

/** Whether the shared memory must not be touched any more. */
bool fc_janitor_is_stuck(const struct fc_janitor *janitor);

/** Clean up what there is and wait for that, for some time. */
void fc_janitor_end(struct fc_janitor *janitor);

#endif
