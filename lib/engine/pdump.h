/* SPDX-License-Identifier: MIT */
#ifndef FC_PDUMP_H
#define FC_PDUMP_H

#include <fc_findings.h>

#include "state.h"

/**
 * Captures by other processes: dpdk-dumpcap and whatever else uses rte_pdump.
 *
 * DPDK's own end of this (rte_pdump_init()) removes its callbacks while lcores run them, answers at
 * once, and the other process frees the memory that they write into; and it never finds out that a
 * process was killed. So this answers the same requests instead:
 *
 *     EAL's IPC thread    takes requests. One that ends a capture it carries out at once, whatever
 *                         the control thread is doing: the process waits five seconds for the
 *                         answer, and then frees its memory anyway. It never allocates nor frees,
 *                         for which it might have to wait for answers that it alone can receive.
 *     control thread      begins captures, removes callbacks, looks after the processes
 *     janitor             frees what a process that has ended has left behind (pdump_janitor.h)
 *     lcores              copy (pdump_point.h)
 *
 * A port that is closed loses its callbacks; a capture goes on when a port of that name is there
 * again. There is one set of captures in a process, since EAL's requests do not say for whom they
 * are.
 */

/** Take requests. @return 0, or -errno: there are none in this mode of EAL, or no memory. */
int fc_pdump_open(void);

/** End all captures and take no more requests; no lcore works any more. */
void fc_pdump_close(void);

/** Begin, repair and clean up; to be called every FC_ENGINE_WATCH_MS. Control thread. */
void fc_pdump_watch(struct fc_engine *engine, uint64_t now_ms, struct fc_findings *findings);

/**
 * Whether a process has died with EAL's shared memory locked, so that nothing can be taken from it
 * or given back any more (pdump_janitor.h). Control thread.
 */
bool fc_pdump_is_stuck(void);

/** A port will be closed or get other queues; nobody receives or sends on it. Control thread. */
void fc_pdump_leave_port(uint16_t port);

#endif
