/* SPDX-License-Identifier: MIT */
#ifndef FC_HANDOFF_H
#define FC_HANDOFF_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_mbuf.h>
#include <rte_ring.h>

#include <fc_plan.h>

/**
 * The ring from one lcore to another, which carries whole bursts.
 *
 * A burst is a header word (which route, how many packets, position in the tap's stream), then its
 * packets. One lcore puts bursts in and one takes them out.
 *
 * When the ring has run full it counts as full until it is half empty: producer and consumer then
 * touch its indices once for many bursts, instead of chasing each other around a full ring.
 */
struct fc_handoff {
	struct rte_ring *ring;
	bool was_full; /* rx lcore only */
};

#define FC_HANDOFF_POSITION_BITS 40
#define FC_HANDOFF_COUNT_BITS	 8
#define FC_HANDOFF_MAX_ROUTES	 (1 << 16)

/** Whether a burst of FC_BURST packets fits. Rx lcore. */
static inline bool fc_handoff_has_room(struct fc_handoff *handoff)
{
	unsigned n_free = rte_ring_free_count(handoff->ring);

	if (handoff->was_full && n_free < FC_HANDOFF_WORDS / 2)
		return false;
	handoff->was_full = n_free < FC_BURST + 1;
	return !handoff->was_full;
}

/** Put a burst of 1..FC_BURST packets in; fc_handoff_has_room() said yes before. Rx lcore. */
static inline void fc_handoff_push(struct fc_handoff *handoff, uint16_t route, uint64_t start,
	struct rte_mbuf *const *packets, uint16_t n)
{
	uintptr_t words[FC_BURST + 1];

	words[0] = (uint64_t)route << (FC_HANDOFF_POSITION_BITS + FC_HANDOFF_COUNT_BITS) |
		   (uint64_t)n << FC_HANDOFF_POSITION_BITS |
		   (start & ((UINT64_C(1) << FC_HANDOFF_POSITION_BITS) - 1));
	for (uint16_t i = 0; i < n; i++)
		words[i + 1] = (uintptr_t)packets[i];
	rte_ring_sp_enqueue_bulk(handoff->ring, (void **)words, n + 1U, NULL);
}

/**
 * Take a burst out. Tx lcore.
 *
 * @return  How many packets, 0 when there is none.
 */
static inline uint16_t fc_handoff_pop(struct fc_handoff *handoff, uint16_t *route, uint64_t *start,
	struct rte_mbuf *packets[FC_BURST])
{
	uintptr_t header;
	uint16_t n;

	if (rte_ring_sc_dequeue_bulk(handoff->ring, (void **)&header, 1, NULL) == 0)
		return 0;
	*route = (uint16_t)(header >> (FC_HANDOFF_POSITION_BITS + FC_HANDOFF_COUNT_BITS));
	*start = header & ((UINT64_C(1) << FC_HANDOFF_POSITION_BITS) - 1);
	n = (uint16_t)(header >> FC_HANDOFF_POSITION_BITS & ((1 << FC_HANDOFF_COUNT_BITS) - 1));
	rte_ring_sc_dequeue_bulk(handoff->ring, (void **)packets, n, NULL);
	return n;
}

#endif
