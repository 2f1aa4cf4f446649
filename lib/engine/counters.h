/* SPDX-License-Identifier: MIT */
#ifndef FC_COUNTERS_H
#define FC_COUNTERS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <rte_mbuf.h>

#include <fc_drop.h>
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

/** The bytes of @p n packets. */
static inline uint64_t fc_packets_size(struct rte_mbuf *const *packets, uint16_t n)
{
	uint64_t size = 0;

	for (uint16_t i = 0; i < n; i++)
		size += packets[i]->pkt_len;
	return size;
}

/**
 * Lose packets, for a reason that is counted. Nothing else frees a packet that was not sent.
 *
 * @param drops    One tally for each reason, written by the calling lcore.
 * @param packets  With @p owned the caller's references are given up; without it, they were
 *                 never the caller's and are only counted.
 */
static inline void fc_drop_packets(struct fc_tally drops[FC_N_DROPS], enum fc_drop reason,
	struct rte_mbuf **packets, uint16_t n, bool owned)
{
	if (n == 0)
		return;
	fc_tally_add(&drops[reason], n, fc_packets_size(packets, n));
	if (owned)
		rte_pktmbuf_free_bulk(packets, n);
}

#endif
