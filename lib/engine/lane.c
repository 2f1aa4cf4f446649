/* SPDX-License-Identifier: MIT */
#include <time.h>

#include <sys/prctl.h>

#include <rte_cycles.h>
#include <rte_pause.h>

#include "lane.h"

#define ROUNDS_PER_CLOCK 32
#define DEAF_ROUNDS	 256
#define ROUNDS_TO_SLEEP	 256 /* without work, before the lcore may sleep */

static unsigned drain_feeds(struct fc_lane *lane)
{
	unsigned n_done = 0;

	if (lane->work.n_feeds == 0)
		return 0;
	for (uint16_t i = 0; i < lane->work.n_feeds; i++) {
		struct fc_feed *feed =
			lane->work.feeds[(lane->first_feed + i) % lane->work.n_feeds];

		if (unlikely(fc_feed_is_waiting(feed)))
			n_done += fc_feed_drain(feed);
	}
	/* Feeds that share a slow port take turns at being first. */
	lane->first_feed = (uint16_t)((lane->first_feed + 1) % lane->work.n_feeds);
	return n_done;
}

static unsigned take_inbound(struct fc_inbound *inbound)
{
	struct fc_handoff_reader *reader = &inbound->reader;
	struct fc_handoff_burst burst;
	unsigned n_done = 0;
	uint16_t at = 0, next;

	fc_handoff_fill(reader);
	fc_handoff_prefetch(reader, 0);
	while ((next = fc_handoff_read(reader, at, &burst)) != 0) {
		fc_handoff_prefetch(reader, next);
		fc_route_fan_out(fc_inbound_route(inbound, burst.route), burst.packets, burst.n,
			fc_packets_size(burst.packets, burst.n), burst.start);
		n_done += burst.n;
		at = next;
	}
	fc_handoff_keep(reader, at);
	return n_done;
}

/*
 * What arrives at a port that only sends taps is seldom for it, and neither that nor what the box
 * itself says is urgent. An lcore that has other work looks after it now and then; the port's rx
 * descriptors hold what comes meanwhile.
 */
static unsigned be_a_host(struct fc_lane *lane, bool receives, bool is_busy)
{
	unsigned n_done = 0;

	if (is_busy && ++lane->n_deaf_rounds < DEAF_ROUNDS)
		return 0;
	lane->n_deaf_rounds = 0;
	for (uint16_t i = 0; receives && i < lane->work.n_ears; i++)
		n_done += fc_queue_poll(lane->work.ears[i]);
	for (uint16_t i = 0; i < lane->work.n_stations; i++)
		n_done += fc_station_speak(lane->work.stations[i]);
	return n_done;
}

static unsigned work(struct fc_lane *lane, bool receives)
{
	unsigned n_done = drain_feeds(lane);

	for (uint16_t i = 0; i < lane->work.n_inbound; i++)
		n_done += take_inbound(lane->work.inbound[i]);
	if (receives)
		for (uint16_t i = 0; i < lane->work.n_queues; i++)
			n_done += fc_queue_poll(lane->work.queues[i]);
	if (lane->work.n_ears + lane->work.n_stations != 0)
		n_done += be_a_host(lane, receives, n_done != 0);
	return n_done;
}

static void add_cycles(_Atomic uint64_t *counter, uint64_t n)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n,
		memory_order_relaxed);
}

/* What the time since @before was spent on. */
struct stopwatch {
	uint64_t before;
	bool is_busy;
	uint16_t n_rounds;
};

/* Reading the clock costs as much as a packet: once for some rounds in a row that are alike. */
static void take_time(struct fc_lane *lane, struct stopwatch *watch, bool is_busy)
{
	uint64_t now;

	if (is_busy == watch->is_busy && ++watch->n_rounds < ROUNDS_PER_CLOCK)
		return;
	now = rte_rdtsc();
	add_cycles(watch->is_busy ? &lane->busy_cycles : &lane->idle_cycles, now - watch->before);
	*watch = (struct stopwatch){ .before = now, .is_busy = is_busy };
}

/* Sleep a microsecond, then twice as long each time, up to the longest that is allowed. */
static void rest(const struct fc_lane *lane, unsigned n_idle_rounds)
{
	unsigned doublings = RTE_MIN((n_idle_rounds - ROUNDS_TO_SLEEP) / 8, 20U);
	uint32_t us = RTE_MIN(lane->work.idle_us, UINT32_C(1) << doublings);
	struct timespec duration = { .tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000L };

	nanosleep(&duration, NULL);
}

/* What it counts goes on in the tunnel that takes another's place. */
static void inherit(struct fc_output *output)
{
	if (output->heir_of == NULL)
		return;
	output->tunnel->state = output->heir_of->state;
	output->tunnel->state.header = NULL; /* not of the other's header */
	output->heir_of = NULL;
}

void fc_lane_follow(struct fc_lane *lane, const struct fc_orders *orders)
{
	lane->work = orders->work;
	lane->ports.n = 0; /* another tap's stream may have the same place soon */
	for (uint16_t i = 0; i < orders->n_tables; i++) {
		const struct fc_table_order *order = &orders->tables[i];

		order->inbound->routes[order->parity] = order->routes;
	}
	for (uint16_t i = 0; i < orders->n_intakes; i++) {
		const struct fc_intake_order *order = &orders->intakes[i];

		order->intake->is_alone = order->is_alone;
		order->intake->n_routes = order->n_routes;
		order->intake->routes = order->routes;
		order->intake->chain = *order->chain;
		order->intake->how = order->how;
	}
	for (uint16_t i = 0; i < orders->n_feeds; i++) {
		const struct fc_feed_order *order = &orders->feeds[i];

		inherit(order->output);
		fc_feed_take_output(order->feed, order->output);
		order->feed->window = order->window;
		if (order->larger != NULL)
			fc_backlog_grow(&order->feed->backlog, order->larger);
	}
}

/* Taken out, so that they are followed once, whichever epoch the lcore sees them in. */
static void heed_orders(struct fc_lane *lane)
{
	const struct fc_orders *orders =
		atomic_exchange_explicit(&lane->orders, NULL, memory_order_acquire);

	if (orders != NULL)
		fc_lane_follow(lane, orders);
}

int fc_lane_run(void *arg)
{
	struct fc_lane *lane = arg;
	struct stopwatch watch = { .before = rte_rdtsc() };
	uint32_t known_epoch = atomic_load_explicit(&lane->epoch_seen, memory_order_relaxed);
	unsigned n_idle_rounds = 0;
	int phase;

	/* The kernel lets a sleep of `idle_us` last 50 us longer unless it is told that this
	 * matters. */
	prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
	while ((phase = atomic_load_explicit(&lane->phase, memory_order_acquire)) !=
		FC_PHASE_STOP) {
		uint32_t epoch = atomic_load_explicit(&lane->epoch, memory_order_acquire);
		unsigned n_done;

		if (unlikely(epoch != known_epoch))
			heed_orders(lane);
		known_epoch = epoch;
		n_done = work(lane, phase == FC_PHASE_RUN);
		take_time(lane, &watch, n_done != 0);
		add_cycles(&lane->n_rounds, 1);
		atomic_store_explicit(&lane->phase_seen, phase, memory_order_release);
		atomic_store_explicit(&lane->epoch_seen, epoch, memory_order_release);
		if (n_done != 0)
			n_idle_rounds = 0;
		else if (++n_idle_rounds >= ROUNDS_TO_SLEEP && lane->work.idle_us != 0)
			rest(lane, n_idle_rounds);
		else
			rte_pause();
	}
	atomic_store_explicit(&lane->phase_seen, phase, memory_order_release);
	return 0;
}
