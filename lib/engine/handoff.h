/* SPDX-License-Identifier: MIT */
#ifndef FC_HANDOFF_H
#define FC_HANDOFF_H

#include <stdbool.h>
#include <stdint.h>

#include <string.h>

#include <rte_mbuf.h>
#include <rte_prefetch.h>
#include <rte_ring.h>

#include <fc_plan.h>

/**
 * The ring from one lcore to another, which carries whole bursts.
 *
 * A burst is a header word (which route, how many packets, position in the tap's stream), then its
 * packets. One lcore puts bursts in and one takes them out, several at once.
 *
 * Each look at the other side's index costs both lcores a cache miss. So a ring that has run full
 * counts as full until a quarter is empty, and is looked at again only after a while: two lcores of
 * different speed then touch the indices once for many bursts, instead of chasing each other around
 * a full ring.
 */
struct fc_handoff {
	struct rte_ring *ring;
	bool was_full;	    /* rx lcore only */
	uint16_t n_to_skip; /* looks to leave out, rx lcore only */
};

#define FC_HANDOFF_POSITION_BITS 40
#define FC_HANDOFF_COUNT_BITS	 8
#define FC_HANDOFF_BURST_WORDS	 (FC_BURST + 1)
#define FC_HANDOFF_SKIPS	 8
/* A queue of several taps makes of one burst one for each of them. */
#define FC_HANDOFF_ROUND_WORDS	 (2 * FC_BURST)

/** The receiving end: words that were taken out and not yet worked on. Tx lcore only. */
struct fc_handoff_reader {
	struct fc_handoff *handoff;
	uint16_t n_words;
	uintptr_t words[4 * FC_HANDOFF_BURST_WORDS];
};

/** A burst that was taken out. */
struct fc_handoff_burst {
	uint16_t route;		   /**< index of the route */
	uint16_t n;		   /**< 1..FC_BURST packets */
	uint64_t start;		   /**< position of the first in the tap's stream, 40 bits */
	struct rte_mbuf **packets; /**< in the reader, which does not need them any more */
};

/** Whether what one rx burst makes fits: FC_BURST packets, in up to as many bursts. Rx lcore. */
static inline bool fc_handoff_has_room(struct fc_handoff *handoff)
{
	unsigned n_free;

	if (handoff->n_to_skip != 0) {
		handoff->n_to_skip--;
		return false;
	}
	n_free = rte_ring_free_count(handoff->ring);
	handoff->was_full =
		n_free < (handoff->was_full ? FC_HANDOFF_WORDS / 4 : FC_HANDOFF_ROUND_WORDS);
	if (handoff->was_full)
		handoff->n_to_skip = FC_HANDOFF_SKIPS;
	return !handoff->was_full;
}

/** Put a burst of 1..FC_BURST packets in; fc_handoff_has_room() said yes before. Rx lcore. */
static inline void fc_handoff_push(struct fc_handoff *handoff, uint16_t route, uint64_t start,
	struct rte_mbuf *const *packets, uint16_t n)
{
	uintptr_t words[FC_HANDOFF_BURST_WORDS];

	words[0] = (uint64_t)route << (FC_HANDOFF_POSITION_BITS + FC_HANDOFF_COUNT_BITS) |
		   (uint64_t)n << FC_HANDOFF_POSITION_BITS |
		   (start & ((UINT64_C(1) << FC_HANDOFF_POSITION_BITS) - 1));
	for (uint16_t i = 0; i < n; i++)
		words[i + 1] = (uintptr_t)packets[i];
	rte_ring_sp_enqueue_bulk(handoff->ring, (void **)words, n + 1U, NULL);
}

/** Take out of the ring what fits the reader. @return Whether there is more. Tx lcore. */
static inline bool fc_handoff_fill(struct fc_handoff_reader *reader)
{
	unsigned n_left;

	reader->n_words = (uint16_t)(reader->n_words +
				     rte_ring_sc_dequeue_burst(reader->handoff->ring,
					     (void **)reader->words + reader->n_words,
					     RTE_DIM(reader->words) - reader->n_words, &n_left));
	return n_left != 0;
}

static inline uint16_t fc_handoff_count(uintptr_t header)
{
	return header >> FC_HANDOFF_POSITION_BITS & ((1 << FC_HANDOFF_COUNT_BITS) - 1);
}

/** Have the CPU fetch the packets of the burst at word @p at, as far as they are there. Tx lcore.
 */
static inline void fc_handoff_prefetch(const struct fc_handoff_reader *reader, uint16_t at)
{
	uint16_t end;

	if (at >= reader->n_words)
		return;
	end = (uint16_t)RTE_MIN(at + 1 + fc_handoff_count(reader->words[at]), reader->n_words);
	while (++at < end)
		rte_prefetch0((void *)reader->words[at]);
}

/**
 * Read the burst at word @p at of the reader. Tx lcore.
 *
 * @return  The word behind it, or 0 when there is no whole burst at @p at.
 */
static inline uint16_t fc_handoff_read(
	struct fc_handoff_reader *reader, uint16_t at, struct fc_handoff_burst *burst)
{
	uintptr_t header = at < reader->n_words ? reader->words[at] : 0;

	burst->n = fc_handoff_count(header);
	if (burst->n == 0 || at + 1 + burst->n > reader->n_words)
		return 0;
	burst->route = (uint16_t)(header >> (FC_HANDOFF_POSITION_BITS + FC_HANDOFF_COUNT_BITS));
	burst->start = header & ((UINT64_C(1) << FC_HANDOFF_POSITION_BITS) - 1);
	burst->packets = (struct rte_mbuf **)&reader->words[at + 1];
	return (uint16_t)(at + 1 + burst->n);
}

/** Keep the words from @p at on, a burst of which the rest has not been taken out yet. Tx lcore. */
static inline void fc_handoff_keep(struct fc_handoff_reader *reader, uint16_t at)
{
	reader->n_words = (uint16_t)(reader->n_words - at);
	memmove(reader->words, reader->words + at, reader->n_words * sizeof(reader->words[0]));
}

#endif
