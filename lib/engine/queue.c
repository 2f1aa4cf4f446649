/* SPDX-License-Identifier: MIT */
#include <rte_bitops.h>
#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_prefetch.h>

#include "queue.h"

#define UNLIKE_BEFORE_LAST 8

#define AHEAD 4 /* frames of which the headers are fetched before they are looked at */

/* Frames out of tunnels, each with the tap that it belongs to. */
struct found {
	uint16_t n;
	uint64_t owners; /* bit i: some belong to intake i */
	uint64_t size;	 /* bytes of all, as they were received */
	struct rte_mbuf *packets[FC_BURST];
	uint32_t sizes[FC_BURST]; /* bytes of each */
	uint8_t owner[FC_BURST];
};

static bool has_room(struct fc_queue *queue)
{
	bool has = queue->n_intakes == 0;

	for (uint16_t i = 0; i < queue->n_intakes; i++)
		has |= fc_intake_has_room(queue->intakes[i]);
	return has;
}

/* Count a frame that belongs to no tap, and give it up unless somebody else has it. */
static void lose(struct fc_queue *queue, enum fc_drop reason, struct rte_mbuf *packet,
	uint32_t size, bool owned)
{
	struct fc_intake *first;

	if (queue->n_intakes == 0) { /* nobody asked for what arrives here */
		if (owned)
			rte_pktmbuf_free(packet);
		return;
	}
	first = queue->intakes[0];
	fc_tally_add(&first->rx, 1, size);
	fc_drop_packets(first->drops, reason, &packet, 1, owned);
}

/* Count what was noticed about a frame that a tap counts as something else. */
static void note_hint(struct fc_intake *intake, const struct fc_tunnel_match *match, uint32_t size)
{
	if (unlikely(match->hint != FC_N_HINTS))
		fc_tally_add(&intake->hints[match->hint], 1, size);
}

static void lose_malformed(struct fc_queue *queue, const struct fc_tunnel_match *match,
	struct rte_mbuf *packet, uint32_t size)
{
	if (queue->n_intakes != 0)
		note_hint(queue->intakes[0], match, size);
	lose(queue, FC_DROP_MALFORMED, packet, size, true);
}

/*
 * Lose frames that have arrived cut, before anybody looks into them. Returns how many are whole;
 * those come first.
 */
static uint16_t drop_cut(struct fc_queue *queue, struct rte_mbuf **packets, uint16_t n)
{
	uint8_t keep[FC_MAX_BURST];
	uint32_t odd = 0;
	uint16_t n_kept, n_cut;

#pragma GCC unroll 4
	for (uint16_t i = 0; i < n; i++)
		odd |= queue->longest - packets[i]->pkt_len;
	if (likely(odd >> 31 == 0))
		return n;
	for (uint16_t i = 0; i < n; i++)
		keep[i] = packets[i]->pkt_len <= queue->longest;
	n_kept = fc_stage_sort(packets, n, keep);
	n_cut = (uint16_t)(n - n_kept);
	packets += n_kept;
	if (queue->n_intakes == 0) {
		rte_pktmbuf_free_bulk(packets, n_cut);
		return n_kept;
	}
	fc_tally_add(&queue->intakes[0]->rx, n_cut, fc_packets_size(packets, n_cut));
	fc_intake_drop_cut(queue->intakes[0], packets, n_cut);
	return n_kept;
}

static void tell(struct fc_queue *queue, struct rte_mbuf *packet)
{
	if (rte_ring_sp_enqueue(queue->heard, packet) != 0)
		rte_pktmbuf_free(packet);
}

static void add(struct found *found, uint16_t owner, struct rte_mbuf *packet, uint32_t size)
{
	found->owners |= UINT64_C(1) << owner;
	found->size += size;
	found->packets[found->n] = packet;
	found->sizes[found->n] = size;
	found->owner[found->n] = (uint8_t)owner;
	found->n++;
}

/* A frame that is not simply for one of the tunnels. */
static void sort_out(struct fc_queue *queue, struct rte_mbuf *packet, struct fc_tunnel_match *match,
	struct found *found)
{
	uint32_t size = packet->pkt_len;
	struct rte_mbuf *whole;

	switch (match->verdict) {
	case FC_TUNNEL_HOST:
		lose(queue, FC_DROP_NOT_OURS, packet, size, false);
		tell(queue, packet);
		return;
	case FC_TUNNEL_MALFORMED:
		lose_malformed(queue, match, packet, size);
		return;
	case FC_TUNNEL_PIECE:
		break;
	default:
		lose(queue, FC_DROP_NOT_OURS, packet, size, true);
		return;
	}
	whole = fc_reassembly_add(queue->reassembly, packet, match, rte_rdtsc());
	if (whole == NULL) {
		fc_tally_add(&queue->intakes[0]->rx, 1, size);
		fc_tally_add(&queue->intakes[0]->held, 1, size);
		return;
	}
	switch (fc_tunnel_look(queue->ends, whole, match)) {
	case FC_TUNNEL_OURS:
		note_hint(queue->intakes[match->end], match, size);
		fc_tunnel_strip(whole, match);
		add(found, match->end, whole, size);
		break;
	case FC_TUNNEL_MALFORMED:
		lose_malformed(queue, match, whole, size);
		break;
	default:
		lose(queue, FC_DROP_NOT_OURS, whole, size, true);
	}
}

/* Give each tap its frames, in their order. */
static void distribute(struct fc_queue *queue, struct found *found)
{
	if (likely(found->owners != 0 && (found->owners & (found->owners - 1)) == 0)) {
		struct fc_intake *intake = queue->intakes[rte_bsf64(found->owners)];

		fc_tally_add(&intake->rx, found->n, found->size);
		fc_intake_pass(intake, found->packets, found->n);
		return;
	}
	while (found->owners != 0) {
		uint16_t owner = (uint16_t)rte_bsf64(found->owners);
		struct rte_mbuf *packets[FC_BURST];
		uint64_t size = 0;
		uint16_t n = 0;

		for (uint16_t i = 0; i < found->n; i++) {
			if (found->owner[i] != owner)
				continue;
			packets[n++] = found->packets[i];
			size += found->sizes[i];
		}
		found->owners &= found->owners - 1;
		fc_tally_add(&queue->intakes[owner]->rx, n, size);
		fc_intake_pass(queue->intakes[owner], packets, n);
	}
}

/* Remembers the header of a packet for one of the ends, but not when they alternate. */
static enum fc_tunnel_verdict look(
	struct fc_queue *queue, const struct rte_mbuf *packet, struct fc_tunnel_match *match)
{
	enum fc_tunnel_verdict verdict = fc_tunnel_look(queue->ends, packet, match);

	if (verdict == FC_TUNNEL_OURS && ++queue->n_unlike >= UNLIKE_BEFORE_LAST) {
		queue->n_unlike = 0;
		fc_tunnel_remember(queue->ends, packet, match, &queue->last);
	}
	return verdict;
}

static void fetch_ahead(struct rte_mbuf *const *packets, uint16_t i, uint16_t n)
{
	if (i + AHEAD < n)
		rte_prefetch0(rte_pktmbuf_mtod(packets[i + AHEAD], void *));
}

/*
 * Strip frames that are like the one that is remembered, up to the first that is not. Returns how
 * many there are; @size gets the bytes that they had.
 */
static uint16_t strip_alike(
	struct fc_queue *queue, struct rte_mbuf **packets, uint16_t n, uint64_t *size)
{
	/* Nobody else knows its address, so that no store into a packet can be one into it. */
	const struct fc_tunnel_memory last = queue->last;
	uint64_t total = 0;
	uint16_t i;

	for (i = 0; i < n; i++) {
		struct rte_mbuf *packet = packets[i];
		uint32_t length = packet->pkt_len;
		struct fc_tunnel_match match;

		fetch_ahead(packets, i, n);
		if (unlikely(!fc_tunnel_is_like(&last, packet, &match)) ||
			unlikely(packet->nb_segs != 1))
			break;
		fc_tunnel_cut(packet, &match);
		total += length;
	}
	*size = total;
	return i;
}

/* Frames of which some are not like the one that is remembered. */
static void strip_each(struct fc_queue *queue, struct rte_mbuf **packets, uint16_t n)
{
	struct fc_tunnel_match match;
	struct found found;

	/* Not as an initializer, which would clear all of it. */
	found.n = 0;
	found.owners = found.size = 0;
	for (uint16_t i = 0; i < n; i++) {
		uint32_t size = packets[i]->pkt_len;

		fetch_ahead(packets, i, n);
		if (likely(fc_tunnel_is_like(&queue->last, packets[i], &match)) ||
			look(queue, packets[i], &match) == FC_TUNNEL_OURS) {
			note_hint(queue->intakes[match.end], &match, size);
			fc_tunnel_strip(packets[i], &match);
			add(&found, match.end, packets[i], size);
		} else {
			sort_out(queue, packets[i], &match, &found);
		}
	}
	distribute(queue, &found);
}

/* Frames on a port where tunnels end: nearly always all of one tunnel. */
static void end_tunnels(struct fc_queue *queue, struct rte_mbuf **packets, uint16_t n)
{
	uint16_t n_private, n_alike;
	uint64_t size;

	n = drop_cut(queue, packets, n);
	n_private = fc_private_take(&queue->how, packets, n);
	for (uint16_t i = n_private; i < n; i++)
		lose(queue, FC_DROP_NOMBUF, packets[i], packets[i]->pkt_len, true);
	for (uint16_t i = 0; i < RTE_MIN(n_private, AHEAD); i++)
		rte_prefetch0(rte_pktmbuf_mtod(packets[i], void *));
	n_alike = strip_alike(queue, packets, n_private, &size);
	if (n_alike != 0) {
		struct fc_intake *intake = queue->intakes[queue->last.end];

		fc_tally_add(&intake->rx, n_alike, size);
		fc_intake_pass(intake, packets, n_alike);
	}
	if (unlikely(n_alike != n_private))
		strip_each(queue, packets + n_alike, (uint16_t)(n_private - n_alike));
}

/* Frames on a port where tunnels only begin: what is for the port's own address is heard. */
static void overhear(struct fc_queue *queue, struct rte_mbuf **packets, uint16_t n)
{
	struct fc_tunnel_match match;

	n = drop_cut(queue, packets, n);
	for (uint16_t i = 0; i < n; i++) {
		if (fc_tunnel_look(queue->ends, packets[i], &match) != FC_TUNNEL_HOST)
			continue;
		rte_pktmbuf_refcnt_update(packets[i], 1);
		tell(queue, packets[i]);
	}
	if (queue->n_intakes != 0 && n != 0)
		fc_intake_take(queue->intakes[0], packets, n, queue->longest);
	else
		rte_pktmbuf_free_bulk(packets, n);
}

static void expire_fragments(struct fc_queue *queue)
{
	const struct fc_reassembly_counts *counts = fc_reassembly_counts(queue->reassembly);

	if (unlikely(atomic_load_explicit(&counts->held, memory_order_relaxed) != 0))
		fc_reassembly_expire(queue->reassembly, rte_rdtsc());
}

unsigned fc_queue_poll(struct fc_queue *queue)
{
	struct rte_mbuf *packets[FC_BURST];
	uint16_t n;

	if (queue->reassembly != NULL)
		expire_fragments(queue);
	if (!has_room(queue) || unlikely(fc_port_is_away(queue->port)))
		return 0;
	n = rte_eth_rx_burst(queue->port->id, queue->id, packets, FC_BURST);
	if (n == 0)
		return 0;
	if (likely(queue->ends == NULL && queue->n_intakes != 0))
		fc_intake_take(queue->intakes[0], packets, n, queue->longest);
	else if (queue->ends == NULL) /* nobody wants what arrives on a port that only sends */
		rte_pktmbuf_free_bulk(packets, n);
	else if (queue->reassembly != NULL)
		end_tunnels(queue, packets, n);
	else
		overhear(queue, packets, n);
	return n;
}
