/* SPDX-License-Identifier: MIT */
#ifndef FC_PDUMP_POINT_H
#define FC_PDUMP_POINT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <rte_ethdev.h>
#include <rte_mempool.h>
#include <rte_pdump.h>
#include <rte_ring.h>

#define FC_PDUMP_BURST 64

/** How long an lcore is waited for; who asks waits five seconds. */
#define FC_PDUMP_PATIENCE_MS 4000

/** Where copies of captured packets go. It never changes. */
struct fc_pdump_target {
	struct rte_ring *ring;	  /* the other process takes them from it */
	struct rte_mempool *pool; /* copies are made of its buffers; has no caches */
	uint32_t snaplen;	  /* bytes of a packet, at most */
	bool is_pcapng;		  /* each copy is a pcapng block, otherwise the bare bytes */
	/* One moment, as the TSC and as nanoseconds since 1970 tell it. */
	uint64_t base_cycles, base_ns;
};

/**
 * One direction of one queue of a port, where an lcore copies what passes.
 *
 * The ring and the pool belong to another process, which can be killed or stopped at any
 * instruction, and frees them as soon as it is told that the capture has ended. So
 *
 * - whoever ends the capture clears `target` and then waits until `is_busy` is false. The lcore
 *   sets `is_busy` before it reads `target`, and neither is reordered, so that it is either seen to
 *   be busy or sees that there is no target any more;
 * - the lcore only takes buffers out of the pool and only puts them into the ring. Those that find
 *   no room are kept for the next burst, never freed: an enqueue waits for the one before it,
 *   and the other process, which frees buffers to this pool, may have died in the middle of one.
 */
struct fc_pdump_point {
	uint16_t port, queue;
	bool is_tx;
	/* NULL: nothing is captured. Control and EAL's IPC thread: wo, lcore: ro. */
	_Atomic(const struct fc_pdump_target *) target;
	_Atomic bool is_busy; /* lcore: wo */

	/* Control thread. */
	const struct rte_eth_rxtx_callback *callback;
	struct fc_pdump_point *next;
	bool is_removed; /* new bursts do not come to it any more */
	uint32_t epoch;	 /* when every lane has seen it, no burst is in it */

	/* The lcore of the queue. */
	struct rte_pdump_stats *stats; /* other processes read them */
	uint16_t n_left;
	struct rte_mbuf *left[FC_PDUMP_BURST]; /* the ring had no room for them */
};

/**
 * Have ethdev call the point. Control thread.
 *
 * @param point  Stays until the callback was removed and the lcore has begun another round.
 * @return       0 or -errno.
 */
int fc_pdump_point_install(struct fc_pdump_point *point);

/** Have no more bursts come to the point. The port must not have been closed. Control thread. */
void fc_pdump_point_remove(struct fc_pdump_point *point);

/**
 * End the capture and wait until the lcore does not use its target any more, which takes as long as
 * copying a burst.
 *
 * @param patience_ms  Longest wait; for an lcore that does not run.
 * @return             Whether that has come true. Any thread.
 */
bool fc_pdump_point_end(struct fc_pdump_point *point, unsigned patience_ms);

/** Copy a burst. The lcore of the queue; exported for tests. */
void fc_pdump_point_copy(struct fc_pdump_point *point, struct rte_mbuf **packets, uint16_t n);

#endif
