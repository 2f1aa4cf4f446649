/* SPDX-License-Identifier: MIT */
#ifndef FC_COUNTERS_H
#define FC_COUNTERS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <rte_mbuf.h>

#include <fc_drop.h>
#include <fc_stage.h>
#include <fc_stats.h>

/**
 * A counter of packets and of their bytes.
 *
 * One lcore writes it; any thread reads it. Loads and stores are relaxed: a reader may see a value
 * that is a little old, never one that was not there.
 */
struct fc_tally {
	_Atomic uint64_t packets;
	_Atomic uint64_t bytes;
};

static inline void fc_tally_add(struct fc_tally *tally, uint64_t packets, uint64_t bytes)
{
	uint64_t p = atomic_load_explicit(&tally->packets, memory_order_relaxed);
	uint64_t b = atomic_load_explicit(&tally->bytes, memory_order_relaxed);

	atomic_store_explicit(&tally->packets, p + packets, memory_order_relaxed);
	atomic_store_explicit(&tally->bytes, b + bytes, memory_order_relaxed);
}

static inline struct fc_count fc_tally_read(const struct fc_tally *tally)
{
	return (struct fc_count){
		.packets = atomic_load_explicit(&tally->packets, memory_order_relaxed),
		.bytes = atomic_load_explicit(&tally->bytes, memory_order_relaxed),
	};
}

/** Add what was read to a sum. */
static inline void fc_count_add(struct fc_count *sum, struct fc_count count)
{
	sum->packets += count.packets;
	sum->bytes += count.bytes;
}

/** The bytes of @p n packets. */
static inline uint64_t fc_packets_size(struct rte_mbuf *const *packets, uint16_t n)
{
	uint64_t size = 0;

	for (uint16_t i = 0; i < n; i++)
		size += packets[i]->pkt_len;
	return size;
}

/** Add @p by references to each of @p n packets: a chain's segments are shared one by one. */
static inline void fc_packets_hold(struct rte_mbuf *const *packets, uint16_t n, int16_t by)
{
	for (uint16_t i = 0; i < n; i++) {
		if (likely(packets[i]->nb_segs == 1))
			rte_mbuf_refcnt_update(packets[i], by);
		else
			rte_pktmbuf_refcnt_update(packets[i], by);
	}
}

/**
 * Lose packets, for a reason that is counted. Nothing else frees a packet that was not sent.
 *
 * @param drops     One tally for each reason, written by the calling lcore.
 * @param n_packets What the @p n frames are: a packet may have become several of them.
 * @param frames    With @p owned the caller's references are given up; without it, they were
 *                  never the caller's and are only counted.
 */
static inline void fc_drop_frames(struct fc_tally drops[FC_N_DROPS], enum fc_drop reason,
	uint64_t n_packets, struct rte_mbuf **frames, uint16_t n, bool owned)
{
	if (n == 0)
		return;
	fc_tally_add(&drops[reason], n_packets, fc_packets_size(frames, n));
	if (owned)
		rte_pktmbuf_free_bulk(frames, n);
}

/** Lose packets each of which is one frame. */
static inline void fc_drop_packets(struct fc_tally drops[FC_N_DROPS], enum fc_drop reason,
	struct rte_mbuf **packets, uint16_t n, bool owned)
{
	fc_drop_frames(drops, reason, n, packets, n, owned);
}

/**
 * Run the stages @p from .. @p to - 1 of a chain on a burst; what they sort out is lost.
 *
 * @param drops, owned  As fc_drop_packets().
 * @return              How many packets stay, at the front. The lcore that owns the chain.
 */
static inline uint16_t fc_stages_run(const struct fc_chain *chain, unsigned from, unsigned to,
	struct fc_tally drops[FC_N_DROPS], struct rte_mbuf **packets, uint16_t n, bool owned)
{
	for (unsigned i = from; n != 0 && i < to; i++) {
		const struct fc_stage *stage = &chain->stages[i];
		uint16_t n_kept = stage->ops->run(stage->state, packets, n);

		fc_drop_packets(
			drops, stage->ops->drop, packets + n_kept, (uint16_t)(n - n_kept), owned);
		n = n_kept;
	}
	return n;
}

#endif
