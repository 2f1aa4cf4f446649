/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <time.h>

#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_ring.h>

#include "capture.h"
#include "generation.h"
#include "lanes.h"
#include "old_pools.h"
#include "pdump.h"
#include "plug.h"
#include "pool.h"
#include "port_interface.h"

#define PLACE_SIZE	 256  /* bytes of a port with its users */
#define MEETING_PAUSE_MS 1000 /* between trials to find the other end of a port */
#define FIRST_PAUSE_MS	 1000 /* between looks for ports that have returned */
#define LAST_PAUSE_MS	 60000

static const struct timespec a_millisecond = { .tv_nsec = 1000000 };

/* The lane of the main lcore, which works only when there is no other. */
static struct fc_lane *main_lane(const struct fc_engine *engine)
{
	for (uint16_t l = 0; l < engine->n_lanes; l++)
		if (engine->lanes[l].lcore_id == rte_get_main_lcore())
			return &engine->lanes[l];
	return NULL;
}

bool fc_engine_needs_main(const struct fc_engine *engine)
{
	return main_lane(engine) != NULL;
}

void fc_engine_work(struct fc_engine *engine)
{
	fc_lane_run(main_lane(engine));
}

static void begin(struct fc_lane *lane)
{
	atomic_store_explicit(&lane->phase, FC_PHASE_RUN, memory_order_relaxed);
	atomic_store_explicit(&lane->phase_seen, FC_PHASE_RUN, memory_order_release);
}

int fc_engine_launch(struct fc_lane *lane)
{
	int ret;

	begin(lane);
	ret = rte_eal_remote_launch(fc_lane_run, lane, lane->lcore_id);
	if (ret != 0) /* nothing runs there that could see a phase */
		atomic_store_explicit(&lane->phase_seen, FC_PHASE_STOP, memory_order_relaxed);
	return ret;
}

void fc_engine_halt(struct fc_lane *lane)
{
	if (!fc_engine_is_working(lane))
		return;
	atomic_store_explicit(&lane->phase, FC_PHASE_STOP, memory_order_release);
	rte_eal_wait_lcore(lane->lcore_id);
}

int fc_engine_start(struct fc_engine *engine)
{
	const struct fc_generation *now = engine->now;
	struct fc_lane *ours = main_lane(engine);
	int ret = 0;

	engine->is_running = true;
	if (ours != NULL)
		begin(ours);
	for (uint16_t l = 0; ret == 0 && l < now->plan->n_lanes; l++)
		if (&engine->lanes[now->lane_of[l]] != ours)
			ret = fc_engine_launch(&engine->lanes[now->lane_of[l]]);
	return ret;
}

int fc_engine_offer_captures(void)
{
	return fc_pdump_open();
}

bool fc_engine_has_advanced(struct fc_engine *engine)
{
	for (uint16_t l = 0; l < engine->n_lanes; l++)
		if (fc_generation_uses(engine->now, l) &&
			atomic_load_explicit(&engine->lanes[l].n_rounds, memory_order_relaxed) ==
				engine->lanes[l].n_rounds_seen)
			return false;
	for (uint16_t l = 0; l < engine->n_lanes; l++)
		engine->lanes[l].n_rounds_seen =
			atomic_load_explicit(&engine->lanes[l].n_rounds, memory_order_relaxed);
	return true;
}

static void set_phase(struct fc_engine *engine, enum fc_phase phase)
{
	for (uint16_t l = 0; l < engine->n_lanes; l++)
		atomic_store_explicit(&engine->lanes[l].phase, phase, memory_order_release);
}

/* Whether every lane has come to this phase; one that never ran counts as stopped. */
static bool has_seen_phase(const struct fc_engine *engine, enum fc_phase phase)
{
	for (uint16_t l = 0; l < engine->n_lanes; l++)
		if (atomic_load_explicit(&engine->lanes[l].phase_seen, memory_order_acquire) <
			(int)phase)
			return false;
	return true;
}

static void drain(struct fc_engine *engine, unsigned patience_ms)
{
	set_phase(engine, FC_PHASE_DRAIN);
	for (unsigned ms = 0; ms < patience_ms; ms++) {
		if (has_seen_phase(engine, FC_PHASE_DRAIN) && fc_engine_is_empty(engine))
			return;
		nanosleep(&a_millisecond, NULL);
	}
}

/* What is still between two lcores was never given to the feeds. */
static void discard_inbound(struct fc_inbound *inbound)
{
	struct fc_handoff_reader *reader = &inbound->reader;
	struct fc_handoff_burst burst;
	uint16_t at, next;

	do {
		fc_handoff_fill(reader);
		for (at = 0; (next = fc_handoff_read(reader, at, &burst)) != 0; at = next) {
			fc_tally_add(&fc_inbound_route(inbound, burst.route)->handoff_full, burst.n,
				fc_packets_size(burst.packets, burst.n));
			rte_pktmbuf_free_bulk(burst.packets, burst.n);
		}
		fc_handoff_keep(reader, at);
	} while (at != 0);
}

/* Outer fragments whose rest will never come. */
static void discard_fragments(const struct fc_queue *queues, uint16_t n)
{
	for (uint16_t q = 0; queues != NULL && q < n; q++)
		if (queues[q].reassembly != NULL)
			fc_reassembly_expire(queues[q].reassembly, UINT64_MAX);
}

static void discard_rest(struct fc_engine *engine)
{
	const struct fc_generation *now = engine->now;

	for (uint16_t i = 0; i < now->plan->n_ports; i++) {
		discard_fragments(now->queues[i], now->plan->ports[i].n_rx_queues);
		if (now->stations[i] != NULL)
			fc_station_empty(now->stations[i]);
	}
	for (uint16_t l = 0; l < engine->n_lanes; l++) {
		struct fc_lane *lane = &engine->lanes[l];

		for (uint16_t i = 0; i < lane->work.n_inbound; i++)
			discard_inbound(lane->work.inbound[i]);
		for (uint16_t i = 0; i < lane->work.n_feeds; i++)
			fc_feed_discard(lane->work.feeds[i]);
	}
}

static void close_ports(struct fc_engine *engine)
{
	for (uint16_t i = 0; i < engine->now->plan->n_ports; i++)
		fc_port_stop(engine->now->ports[i]);
}

void fc_engine_stop(struct fc_engine *engine, unsigned patience_ms)
{
	if (!engine->is_running)
		return;
	drain(engine, patience_ms);
	set_phase(engine, FC_PHASE_STOP);
	while (!has_seen_phase(engine, FC_PHASE_STOP))
		nanosleep(&a_millisecond, NULL);
	rte_eal_mp_wait_lcore();
	engine->is_running = false;
	fc_pdump_close();
	discard_rest(engine);
	if (!fc_pdump_is_stuck())
		close_ports(engine);
}

bool fc_engine_is_stuck(void)
{
	return fc_pdump_is_stuck();
}

void fc_engine_check_pools(const struct fc_engine *engine, struct fc_findings *findings)
{
	const struct fc_generation *now = engine->now;

	for (uint16_t o = 0; o < now->config->n_outputs; o++)
		fc_pool_check(now->outputs[o]->how.pool, 0, findings);
	for (uint16_t i = 0; i < now->plan->n_ports; i++) {
		fc_pool_check(now->rx_pools[i], now->plan->ports[i].pool.n_kept, findings);
		fc_pool_check(now->host_pools[i], 0, findings);
	}
	for (uint16_t i = 0; i < engine->n_old_pools; i++)
		fc_pool_check(engine->old_pools[i].pool, engine->old_pools[i].n_kept, findings);
}

void fc_engine_tend(struct fc_engine *engine, uint64_t now_ms)
{
	for (uint16_t i = 0; i < engine->now->plan->n_ports; i++)
		if (engine->now->stations[i] != NULL)
			fc_station_tend(engine->now->stations[i], now_ms);
}

bool fc_engine_needs_tending(const struct fc_engine *engine)
{
	for (uint16_t i = 0; i < engine->now->plan->n_ports; i++)
		if (engine->now->stations[i] != NULL)
			return true;
	return false;
}

uint32_t fc_engine_begin_epoch(struct fc_engine *engine)
{
	engine->epoch++;
	for (uint16_t l = 0; l < engine->n_lanes; l++)
		atomic_store_explicit(&engine->lanes[l].epoch, engine->epoch, memory_order_release);
	return engine->epoch;
}

bool fc_engine_has_seen(const struct fc_engine *engine, uint32_t epoch)
{
	for (uint16_t l = 0; l < engine->n_lanes; l++) {
		const struct fc_lane *lane = &engine->lanes[l];
		uint32_t seen = atomic_load_explicit(&lane->epoch_seen, memory_order_acquire);

		if ((int32_t)(seen - epoch) < 0 && fc_engine_is_working(lane))
			return false;
	}
	return true;
}

void fc_engine_pause(void)
{
	static const struct timespec a_moment = { .tv_nsec = 20000 };

	nanosleep(&a_moment, NULL);
}

void fc_engine_settle(struct fc_engine *engine)
{
	uint32_t epoch = fc_engine_begin_epoch(engine);

	while (!fc_engine_has_seen(engine, epoch))
		fc_engine_pause();
}

/* Close a port that is gone, once no lcore touches it any more. */
static void let_go(struct fc_engine *engine, struct fc_port *port)
{
	if (!port->is_leaving) {
		port->is_leaving = true;
		port->left_at = fc_engine_begin_epoch(engine);
	} else if (fc_engine_has_seen(engine, port->left_at)) {
		fc_plug_let_go(engine, port);
	}
}

/* Start a port anew whose other end has gone, once no lcore touches it, until that is there. */
static void meet_port(struct fc_engine *engine, struct fc_port *port, uint64_t now_ms)
{
	if (port->is_meeting) {
		if (fc_engine_has_seen(engine, port->left_at))
			fc_port_meet(port);
		return;
	}
	if (now_ms < port->next_meeting_ms || !fc_port_needs_peer(port, now_ms))
		return;
	port->next_meeting_ms = now_ms + MEETING_PAUSE_MS;
	port->is_meeting = true;
	fc_port_resume(port);
	port->left_at = fc_engine_begin_epoch(engine);
}

/* "port NAME (tap A, output B)": a port's name alone tells nobody what is missing. */
static void name_port(const struct fc_plan *plan, uint16_t index, char place[PLACE_SIZE])
{
	char users[PLACE_SIZE - FC_PORT_NAME_SIZE - 16];

	fc_plan_port_users(plan, index, users, sizeof(users));
	snprintf(place, PLACE_SIZE, "port %s (%s)", plan->ports[index].facts.name, users);
}

void fc_engine_watch(struct fc_engine *engine, uint64_t now_ms, struct fc_findings *findings)
{
	char place[PLACE_SIZE], news[FC_LINK_NEWS_SIZE];

	fc_old_pools_reap(engine);
	fc_generation_flush_pools(engine->now);
	fc_capture_tell(findings);
	fc_pdump_watch(engine, now_ms, findings);
	for (uint16_t i = 0; i < engine->now->plan->n_ports; i++) {
		struct fc_port *port = engine->now->ports[i];

		fc_port_look(port, now_ms);
		fc_port_tell_interface(port, findings);
		if (!engine->has_told_tags && fc_port_changes_tags(port)) {
			engine->has_told_tags = true;
			fc_port_tell_tags(port, findings);
		}
		if (port->is_started && atomic_load_explicit(&port->is_gone, memory_order_relaxed))
			let_go(engine, port);
		else
			meet_port(engine, port, now_ms);
		if (!fc_link_watch_tell(&port->watch, now_ms, news))
			continue;
		name_port(engine->now->plan, i, place);
		fc_findings_add(findings, fc_port_link(port) == FC_LINK_UP ? FC_NOTE : FC_WARNING,
			place, "%s", news);
	}
}

bool fc_engine_has_returned(struct fc_engine *engine, uint64_t now_ms)
{
	bool has_returned = false;

	if (now_ms < engine->next_return_ms || fc_pdump_is_stuck())
		return false;
	for (uint16_t i = 0; i < engine->now->plan->n_ports; i++) {
		if (engine->now->ports[i]->is_started)
			continue;
		has_returned |= fc_plug_is_there(
			engine, engine->now->config, engine->now->plan->ports[i].facts.name);
	}
	/* What cannot be taken now may be broken, and trying costs time. */
	engine->return_pause_ms =
		!has_returned ? FIRST_PAUSE_MS
			      : RTE_MIN(2 * engine->return_pause_ms, (uint64_t)LAST_PAUSE_MS);
	engine->next_return_ms =
		now_ms + RTE_MAX(engine->return_pause_ms, (uint64_t)FIRST_PAUSE_MS);
	return has_returned;
}
