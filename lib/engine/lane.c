/* SPDX-License-Identifier: MIT */
#include <time.h>

#include <sys/prctl.h>

#include <rte_cycles.h>
#include <rte_pause.h>

#include "lane.h"

#define ROUNDS_PER_CLOCK 32
#define DEAF_ROUNDS	 256
#define ROUNDS_TO_SLEEP	 256 /* without work, before the lcore may sleep */

/*
 * Backlogs get the time that the lcore's sources leave. While one of them has more than a burst,
 * one burst of all backlogs is sent in a round, so that they get on, and the source is looked at
 * again long before it runs over. So an output that catches up takes nothing from the others.
 *
 * An lcore that has been offered more than it can carry for OVERLOADED_ROUNDS, in which a queue of
 * a NIC would have emptied, loses packets whatever it does. Then every feed gets on faster than
 * packets come, until it has caught up: otherwise those that waited once would lose all that the
 * lcore cannot carry, for ever, and the others nothing.
 */
#define DRAIN_BURSTS	  8
#define PRESSED_BURSTS	  1
#define OVERLOADED_ROUNDS 1024
#define OVERLOADED_PASSES 2

/* Bursts that may be sent from the backlogs of @n_waiting feeds in this round. */
static unsigned drain_budget(const struct fc_lane *lane, unsigned n_waiting)
{
	if (!lane->is_pressed)
		return DRAIN_BURSTS;
	return lane->n_pressed_rounds < OVERLOADED_ROUNDS ? PRESSED_BURSTS
							  : OVERLOADED_PASSES * n_waiting;
}

/*
 * Send a burst of each backlog in turn, which leaves a packet of several of them in the caches,
 * until the budget is spent or no port takes any more. Feeds take turns at being first: some share
 * a port.
 */
static unsigned send_waiting(struct fc_lane *lane, unsigned budget)
{
	uint16_t n_feeds = lane->work.n_feeds;
	unsigned n_done = 0, n_last = 1;

	while (n_last != 0 && budget != 0) {
		n_last = 0;
		for (uint16_t i = 0; i < n_feeds && budget != 0; i++) {
			struct fc_feed *feed = lane->work.feeds[(lane->first_feed + i) % n_feeds];

			if (!fc_feed_is_waiting(feed))
				continue;
			n_last += fc_feed_drain(feed);
			budget--;
		}
		n_done += n_last;
	}
	lane->first_feed = (uint16_t)((lane->first_feed + 1) % n_feeds);
	return n_done;
}

static unsigned drain_feeds(struct fc_lane *lane)
{
	unsigned n_done = 0, n_waiting = 0;

	for (uint16_t i = 0; i < lane->work.n_feeds; i++) {
		if (likely(!fc_feed_is_waiting(lane->work.feeds[i])))
			continue;
		n_waiting++;
		n_done += fc_feed_expire(lane->work.feeds[i]);
	}
	if (unlikely(n_waiting != 0))
		n_done += send_waiting(lane, drain_budget(lane, n_waiting));
	return n_done;
}

static unsigned take_inbound(struct fc_inbound *inbound, bool *is_pressed)
{
	struct fc_handoff_reader *reader = &inbound->reader;
	struct fc_handoff_burst burst;
	unsigned n_done = 0;
	uint16_t at = 0, next;

	*is_pressed |= fc_handoff_fill(reader);
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
	bool is_pressed = false;

	for (uint16_t i = 0; i < lane->work.n_inbound; i++)
		n_done += take_inbound(lane->work.inbound[i], &is_pressed);
	for (uint16_t i = 0; receives && i < lane->work.n_queues; i++) {
		unsigned n = fc_queue_poll(lane->work.queues[i]);

		is_pressed |= n == FC_BURST;
		n_done += n;
	}
	lane->is_pressed = is_pressed;
	lane->n_pressed_rounds = !is_pressed ? 0 : RTE_MIN(lane->n_pressed_rounds + 1, UINT16_MAX);
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
