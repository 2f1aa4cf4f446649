/* SPDX-License-Identifier: MIT */
#include <time.h>

#include <rte_cycles.h>
#include <rte_pause.h>
#include <rte_prefetch.h>

#include "lane.h"

#define INBOUND_BURSTS	4   /* that are taken from one lcore before the next has its turn */
#define ROUNDS_TO_SLEEP 256 /* without work, before the lcore may sleep */

static unsigned drain_feeds(struct fc_lane *lane)
{
	unsigned n_done = 0;

	if (lane->n_feeds == 0)
		return 0;
	for (uint16_t i = 0; i < lane->n_feeds; i++) {
		struct fc_feed *feed = lane->feeds[(lane->first_feed + i) % lane->n_feeds];

		if (unlikely(fc_feed_is_waiting(feed)))
			n_done += fc_feed_drain(feed);
	}
	/* Feeds that share a slow port take turns at being first. */
	lane->first_feed = (uint16_t)((lane->first_feed + 1) % lane->n_feeds);
	return n_done;
}

static unsigned take_inbound(const struct fc_inbound *inbound)
{
	struct rte_mbuf *packets[FC_BURST];
	unsigned n_done = 0;

	for (unsigned b = 0; b < INBOUND_BURSTS; b++) {
		uint64_t start;
		uint16_t route;
		uint16_t n = fc_handoff_pop(inbound->handoff, &route, &start, packets);

		if (n == 0)
			break;
		for (uint16_t i = 0; i < n; i++)
			rte_prefetch0(packets[i]);
		fc_route_fan_out(
			inbound->routes[route], packets, n, fc_packets_size(packets, n), start);
		n_done += n;
	}
	return n_done;
}

static unsigned work(struct fc_lane *lane, bool receives)
{
	unsigned n_done = drain_feeds(lane);

	for (uint16_t i = 0; i < lane->n_inbound; i++)
		n_done += take_inbound(&lane->inbound[i]);
	if (receives)
		for (uint16_t i = 0; i < lane->n_intakes; i++)
			n_done += fc_intake_poll(lane->intakes[i]);
	return n_done;
}

static void add_cycles(_Atomic uint64_t *counter, uint64_t n)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n,
		memory_order_relaxed);
}

/* Sleep a microsecond, then twice as long each time, up to the longest that is allowed. */
static void rest(const struct fc_lane *lane, unsigned n_idle_rounds)
{
	unsigned doublings = RTE_MIN((n_idle_rounds - ROUNDS_TO_SLEEP) / 8, 20U);
	uint32_t us = RTE_MIN(lane->idle_us, UINT32_C(1) << doublings);
	struct timespec duration = { .tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000L };

	nanosleep(&duration, NULL);
}

int fc_lane_run(void *arg)
{
	struct fc_lane *lane = arg;
	uint64_t before = rte_rdtsc();
	unsigned n_idle_rounds = 0;
	int phase;

	while ((phase = atomic_load_explicit(&lane->phase, memory_order_acquire)) !=
		FC_PHASE_STOP) {
		unsigned n_done = work(lane, phase == FC_PHASE_RUN);
		uint64_t now = rte_rdtsc();

		add_cycles(n_done != 0 ? &lane->busy_cycles : &lane->idle_cycles, now - before);
		before = now;
		add_cycles(&lane->n_rounds, 1);
		atomic_store_explicit(&lane->phase_seen, phase, memory_order_release);
		if (n_done != 0)
			n_idle_rounds = 0;
		else if (++n_idle_rounds >= ROUNDS_TO_SLEEP && lane->idle_us != 0)
			rest(lane, n_idle_rounds);
		else
			rte_pause();
	}
	atomic_store_explicit(&lane->phase_seen, phase, memory_order_release);
	return 0;
}
