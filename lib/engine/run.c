/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <time.h>

#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_ring.h>

#include "pool.h"
#include "state.h"

static const struct timespec a_millisecond = { .tv_nsec = 1000000 };

static struct fc_lane *main_lane(const struct fc_engine *engine)
{
	for (uint16_t l = 0; l < engine->plan->n_lanes; l++)
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

int fc_engine_start(struct fc_engine *engine)
{
	const struct fc_lane *not_ours = main_lane(engine);
	int ret = 0;

	engine->is_running = true;
	for (uint16_t l = 0; l < engine->plan->n_lanes; l++) {
		struct fc_lane *lane = &engine->lanes[l];

		if (lane == not_ours)
			continue;
		if (ret == 0)
			ret = rte_eal_remote_launch(fc_lane_run, lane, lane->lcore_id);
		if (ret != 0) /* nothing runs there that could see a phase */
			atomic_store_explicit(
				&lane->phase_seen, FC_PHASE_STOP, memory_order_relaxed);
	}
	return ret;
}

bool fc_engine_has_advanced(struct fc_engine *engine)
{
	uint16_t n_lanes = engine->plan->n_lanes;

	for (uint16_t l = 0; l < n_lanes; l++)
		if (atomic_load_explicit(&engine->lanes[l].n_rounds, memory_order_relaxed) ==
			engine->lanes[l].n_rounds_seen)
			return false;
	for (uint16_t l = 0; l < n_lanes; l++)
		engine->lanes[l].n_rounds_seen =
			atomic_load_explicit(&engine->lanes[l].n_rounds, memory_order_relaxed);
	return true;
}

static void set_phase(struct fc_engine *engine, enum fc_phase phase)
{
	for (uint16_t l = 0; l < engine->plan->n_lanes; l++)
		atomic_store_explicit(&engine->lanes[l].phase, phase, memory_order_release);
}

/* Whether every lane has come to this phase; one that never ran counts as stopped. */
static bool has_seen_phase(const struct fc_engine *engine, enum fc_phase phase)
{
	for (uint16_t l = 0; l < engine->plan->n_lanes; l++)
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
			fc_tally_add(&inbound->routes[burst.route]->handoff_full, burst.n,
				fc_packets_size(burst.packets, burst.n));
			rte_pktmbuf_free_bulk(burst.packets, burst.n);
		}
		fc_handoff_keep(reader, at);
	} while (at != 0);
}

/* Outer fragments whose rest will never come. */
static void discard_fragments(const struct fc_port *port, uint16_t n_queues)
{
	for (uint16_t q = 0; port->queues != NULL && q < n_queues; q++)
		if (port->queues[q].reassembly != NULL)
			fc_reassembly_expire(port->queues[q].reassembly, UINT64_MAX);
}

static void discard_rest(struct fc_engine *engine)
{
	for (uint16_t i = 0; i < engine->plan->n_ports; i++) {
		discard_fragments(&engine->ports[i], engine->plan->ports[i].n_rx_queues);
		if (engine->ports[i].station != NULL)
			fc_station_empty(engine->ports[i].station);
	}
	for (uint16_t l = 0; l < engine->plan->n_lanes; l++) {
		struct fc_lane *lane = &engine->lanes[l];

		for (uint16_t i = 0; i < lane->n_inbound; i++)
			discard_inbound(&lane->inbound[i]);
		for (uint16_t i = 0; i < lane->n_feeds; i++)
			fc_feed_discard(lane->feeds[i]);
	}
}

static void close_ports(struct fc_engine *engine)
{
	for (uint16_t i = 0; i < engine->plan->n_ports; i++)
		fc_port_stop(&engine->ports[i]);
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
	discard_rest(engine);
	close_ports(engine);
}

void fc_engine_check_pools(const struct fc_engine *engine, struct fc_findings *findings)
{
	for (uint16_t o = 0; o < engine->config->n_outputs; o++)
		fc_pool_check(
			engine->outputs[o].how.pool, &engine->plan->outputs[o].copies, findings);
	for (uint16_t i = 0; i < engine->plan->n_ports; i++) {
		const struct fc_port *port = &engine->ports[i];

		fc_pool_check(port->rx_pool, &engine->plan->ports[i].pool, findings);
		fc_pool_check(port->host_pool, &engine->plan->ports[i].host, findings);
	}
}

void fc_engine_tend(struct fc_engine *engine, uint64_t now_ms)
{
	for (uint16_t i = 0; i < engine->plan->n_ports; i++)
		if (engine->ports[i].station != NULL)
			fc_station_tend(engine->ports[i].station, now_ms);
}

bool fc_engine_needs_tending(const struct fc_engine *engine)
{
	for (uint16_t i = 0; i < engine->plan->n_ports; i++)
		if (engine->ports[i].station != NULL)
			return true;
	return false;
}

/* Have every lane say when it has seen all that was written until now. */
static uint32_t begin_epoch(struct fc_engine *engine)
{
	engine->epoch++;
	for (uint16_t l = 0; l < engine->plan->n_lanes; l++)
		atomic_store_explicit(&engine->lanes[l].epoch, engine->epoch, memory_order_release);
	return engine->epoch;
}

static bool has_seen_epoch(const struct fc_engine *engine, uint32_t epoch)
{
	for (uint16_t l = 0; l < engine->plan->n_lanes; l++) {
		const struct fc_lane *lane = &engine->lanes[l];
		uint32_t seen = atomic_load_explicit(&lane->epoch_seen, memory_order_acquire);

		if ((int32_t)(seen - epoch) < 0 && atomic_load_explicit(&lane->phase_seen,
							   memory_order_acquire) != FC_PHASE_STOP)
			return false;
	}
	return true;
}

/* Close a port that is gone, once no lcore touches it any more. */
static void let_go(struct fc_engine *engine, struct fc_port *port)
{
	if (!port->is_leaving) {
		port->is_leaving = true;
		port->left_at = begin_epoch(engine);
	} else if (has_seen_epoch(engine, port->left_at)) {
		fc_port_stop(port);
	}
}

void fc_engine_watch(struct fc_engine *engine, uint64_t now_ms, struct fc_findings *findings)
{
	char place[FC_PORT_NAME_SIZE + 8], news[FC_LINK_NEWS_SIZE];

	for (uint16_t i = 0; i < engine->plan->n_ports; i++) {
		struct fc_port *port = &engine->ports[i];

		fc_port_look(port, now_ms);
		if (port->is_started && atomic_load_explicit(&port->is_gone, memory_order_relaxed))
			let_go(engine, port);
		if (!fc_link_watch_tell(&port->watch, now_ms, news))
			continue;
		snprintf(place, sizeof(place), "port %s", engine->plan->ports[i].facts.name);
		fc_findings_add(findings, fc_port_link(port) == FC_LINK_UP ? FC_NOTE : FC_WARNING,
			place, "%s", news);
	}
}
