/* SPDX-License-Identifier: MIT */
#include <string.h>

#include <rte_ether.h>

#include "intake.h"

/* What has to be known of a burst, found in one pass. */
struct survey {
	uint64_t size; /* bytes */
	uint64_t n_segments;
	bool has_odd; /* frames that are shorter than an Ethernet header, or too long */
};

static struct survey survey_packets(struct rte_mbuf *const *packets, uint16_t n, uint32_t longest)
{
	struct survey survey = { .n_segments = n };
	uint32_t odd = 0;
	uint16_t segments = 0;

#pragma GCC unroll 4
	for (uint16_t i = 0; i < n; i++) {
		uint32_t length = packets[i]->pkt_len;

		survey.size += length;
		/* The highest bit: one of the differences is negative. */
		odd |= (length - RTE_ETHER_HDR_LEN) | (longest - length);
		segments |= packets[i]->nb_segs;
	}
	survey.has_odd = odd >> 31 != 0;
	if (unlikely(segments > 1))
		for (uint16_t i = 0; i < n; i++)
			survey.n_segments += packets[i]->nb_segs - 1u;
	return survey;
}

/* Lend packets to feed @i; returns how many it need not be offered any more. */
static uint16_t lend(const struct fc_route *route, uint16_t i, struct rte_mbuf **packets,
	uint16_t *n, uint64_t *size, uint64_t start)
{
	struct fc_lent lent = fc_feed_lend(route->feeds[i], packets, *n, start);

	if (unlikely(lent.lost.packets != 0)) {
		for (i++; i < route->n_feeds; i++)
			fc_tally_add(&route->feeds[i]->drops[FC_DROP_NOMBUF], lent.lost.packets,
				lent.lost.bytes);
		*n = lent.n_left;
		*size -= lent.lost.bytes;
	}
	return lent.n_sent;
}

void fc_route_fan_out(const struct fc_route *route, struct rte_mbuf **packets, uint16_t n,
	uint64_t size, uint64_t start)
{
	struct rte_mbuf *copy[FC_BURST];
	uint16_t last = (uint16_t)(route->n_feeds - 1);
	uint16_t n_sharing = route->n_sharing;

	/*
	 * Feeds that sort out or change packets come first and work on this lcore's reference;
	 * those that take all of them get theirs in one go, and the very last gets this lcore's
	 * own.
	 */
	for (uint16_t i = 0; i < last; i++) {
		bool shares = i >= route->n_feeds - n_sharing;
		struct fc_feed *feed = route->feeds[i];
		uint16_t n_lent = 0;

		if (shares && i == route->n_feeds - n_sharing)
			fc_packets_hold(packets, n, (int16_t)(n_sharing - 1));
		if (feed->output->borrows)
			n_lent = lend(route, i, packets, &n, &size, start);
		if (n_lent == n)
			continue;
		memcpy(copy, packets + n_lent, (n - n_lent) * sizeof(copy[0]));
		fc_feed_offer(feed, copy, (uint16_t)(n - n_lent),
			n_lent == 0 ? size : fc_packets_size(copy, (uint16_t)(n - n_lent)),
			start + n_lent, shares);
	}
	if (n != 0)
		fc_feed_offer(route->feeds[last], packets, n, size, start, true);
}

bool fc_intake_has_room(struct fc_intake *intake)
{
	bool can = intake->n_routes == 0;

	for (uint16_t i = 0; i < intake->n_routes; i++) {
		struct fc_handoff *handoff = intake->routes[i].handoff;

		can |= handoff == NULL || fc_handoff_has_room(handoff);
	}
	return can;
}

void fc_intake_drop_cut(struct fc_intake *intake, struct rte_mbuf **packets, uint16_t n)
{
	fc_tally_add(&intake->hints[FC_HINT_CUT], n, fc_packets_size(packets, n));
	fc_drop_packets(intake->drops, FC_DROP_MALFORMED, packets, n, true);
}

/* Frames without an Ethernet header, and those that were cut, cannot be worked on. */
static uint16_t drop_odd(
	struct fc_intake *intake, struct rte_mbuf **packets, uint16_t n, uint32_t longest)
{
	uint8_t keep[FC_MAX_BURST];
	uint16_t n_whole, n_kept;

	for (uint16_t i = 0; i < n; i++)
		keep[i] = packets[i]->pkt_len <= longest;
	n_whole = fc_stage_sort(packets, n, keep);
	fc_intake_drop_cut(intake, packets + n_whole, (uint16_t)(n - n_whole));
	for (uint16_t i = 0; i < n_whole; i++)
		keep[i] = packets[i]->pkt_len >= RTE_ETHER_HDR_LEN;
	n_kept = fc_stage_sort(packets, n_whole, keep);
	fc_drop_packets(intake->drops, FC_DROP_MALFORMED, packets + n_kept,
		(uint16_t)(n_whole - n_kept), true);
	return n_kept;
}

static uint16_t edit(struct fc_intake *intake, struct rte_mbuf **packets, uint16_t n)
{
	const struct fc_chain *chain = &intake->chain;
	uint16_t n_private;

	n = fc_stages_run(chain, 0, chain->n_read, intake->drops, packets, n, true);
	if (n == 0 || chain->n_write == 0)
		return n;
	n_private = fc_private_take(&intake->how, packets, n);
	fc_drop_packets(intake->drops, FC_DROP_NOMBUF, packets + n_private,
		(uint16_t)(n - n_private), true);
	return fc_stages_run(chain, chain->n_read, (unsigned)chain->n_read + chain->n_write,
		intake->drops, packets, n_private, true);
}

static uint64_t advance(struct fc_intake *intake, uint64_t n_segments)
{
	uint64_t start;

	if (!intake->is_alone)
		return atomic_fetch_add_explicit(intake->reached, n_segments, memory_order_acq_rel);
	start = atomic_load_explicit(intake->reached, memory_order_relaxed);
	atomic_store_explicit(intake->reached, start + n_segments, memory_order_release);
	return start;
}

/* Whether the route takes the burst; its lcore is passed by otherwise. */
static bool takes_burst(const struct fc_route *route)
{
	return route->handoff == NULL || !route->handoff->was_full;
}

static void pass_on(struct fc_intake *intake, struct rte_mbuf **packets, uint16_t n,
	const struct survey *survey)
{
	uint64_t start = advance(intake, survey->n_segments);
	struct fc_route *local = NULL;
	int16_t n_taking = 0;

	for (uint16_t i = 0; i < intake->n_routes; i++)
		n_taking = (int16_t)(n_taking + takes_burst(&intake->routes[i]));
	if (n_taking > 1)
		fc_packets_hold(packets, n, (int16_t)(n_taking - 1));
	for (uint16_t i = 0; i < intake->n_routes; i++) {
		struct fc_route *route = &intake->routes[i];

		fc_tally_add(&route->forwarded, n, survey->size);
		if (route->handoff == NULL)
			local = route;
		else if (takes_burst(route))
			fc_handoff_push(route->handoff, route->index, start, packets, n);
		else
			fc_tally_add(&route->handoff_full, n, survey->size);
	}
	if (local != NULL)
		fc_route_fan_out(local, packets, n, survey->size, start);
	else if (n_taking == 0) /* a tap that no output takes: it has only its own counters */
		rte_pktmbuf_free_bulk(packets, n);
}

/* Forward what is left of @n_taken packets, of which @survey was made before they were edited. */
static void forward(struct fc_intake *intake, struct rte_mbuf **packets, uint16_t n,
	uint16_t n_taken, const struct survey *survey)
{
	struct survey changed;

	n = edit(intake, packets, n);
	if (n == 0)
		return;
	if (n != n_taken || intake->chain.n_write != 0) {
		changed = survey_packets(packets, n, FC_LONGEST_FRAME);
		survey = &changed;
	}
	fc_tally_add(&intake->forwarded, n, survey->size);
	pass_on(intake, packets, n, survey);
}

void fc_intake_pass(struct fc_intake *intake, struct rte_mbuf **packets, uint16_t n)
{
	struct survey survey = survey_packets(packets, n, FC_LONGEST_FRAME);

	forward(intake, packets, n, n, &survey);
}

void fc_intake_take(
	struct fc_intake *intake, struct rte_mbuf **packets, uint16_t n, uint32_t longest)
{
	struct survey survey = survey_packets(packets, n, longest);
	uint16_t n_good = n;

	fc_tally_add(&intake->rx, n, survey.size);
	if (unlikely(survey.has_odd))
		n_good = drop_odd(intake, packets, n, longest);
	forward(intake, packets, n_good, n, &survey);
}
