/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_ring.h>

#include <fc_config_compare.h>

#include "pdump.h"
#include "change.h"
#include "generation.h"
#include "lanes.h"
#include "old_pools.h"
#include "plug.h"

static void check_list(const uint16_t *before, uint16_t n_before, const uint16_t *after,
	uint16_t n_after, const char *place, struct fc_findings *findings)
{
	if (n_before != n_after || memcmp(before, after, n_after * sizeof(*after)) != 0)
		fc_findings_add(findings, FC_ERROR, place,
			"cannot be changed while fluxcap runs; restart it");
}

/* What cannot be changed. */
static int check_lcores(const struct fc_engine *engine, const struct fc_config *config,
	struct fc_findings *findings)
{
	const struct fc_lcores_config *before, *after = &config->lcores;
	size_t n_errors = fc_findings_n_errors(findings);

	if (engine->now == NULL)
		return 0;
	before = &engine->now->config->lcores;
	check_list(before->rx, before->n_rx, after->rx, after->n_rx, "lcores.rx", findings);
	check_list(before->tx, before->n_tx, after->tx, after->n_tx, "lcores.tx", findings);
	return fc_findings_n_errors(findings) == n_errors ? 0 : -EINVAL;
}

int fc_engine_check(
	struct fc_engine *engine, const struct fc_config *config, struct fc_findings *findings)
{
	struct fc_plan *plan = NULL;
	int ret = check_lcores(engine, config, findings);

	if (ret == 0)
		ret = fc_engine_plan_for(engine, config, true, findings, &plan);
	fc_plan_free(plan);
	if (ret == 0)
		fc_config_compare(engine->now->config, config, findings);
	return ret;
}

/* Ports that have just gone are closed, so that it can be seen whether they are there again. */
static void close_leaving(struct fc_engine *engine)
{
	for (uint16_t i = 0; engine->now != NULL && i < engine->now->plan->n_ports; i++) {
		struct fc_port *port = engine->now->ports[i];

		if (!port->is_started ||
			!atomic_load_explicit(&port->is_gone, memory_order_relaxed))
			continue;
		fc_engine_settle(engine);
		fc_plug_let_go(engine, port);
	}
}

/* What the reload before has left over may be just what this one needs. */
static void free_old_pools(struct fc_engine *engine)
{
	if (engine->n_old_pools == 0)
		return;
	fc_old_pools_reap(engine);
	fc_engine_settle(engine);
	fc_old_pools_reap(engine);
}

/* Whether a port that was not there is, when the configuration that runs is planned again. */
static bool takes_some(
	const struct fc_engine *engine, const struct fc_plan *plan, struct fc_findings *findings)
{
	char place[FC_PORT_NAME_SIZE + 8];
	bool takes = false;

	for (uint16_t i = 0; i < plan->n_ports; i++) {
		takes |= !engine->now->ports[i]->is_started && !plan->ports[i].facts.is_absent;
		if (engine->now->ports[i]->is_started || !plan->ports[i].facts.is_absent ||
			!fc_plug_is_there(engine, engine->now->config, plan->ports[i].facts.name))
			continue;
		snprintf(place, sizeof(place), "port %s", plan->ports[i].facts.name);
		fc_findings_add(findings, FC_ERROR, place,
			"is there again, but EAL cannot plug it in (its messages say why)");
	}
	return takes;
}

/* Lcores that get work now must not have any from somebody else. */
static int check_idle(const struct fc_engine *engine, const struct fc_generation *next,
	struct fc_findings *findings)
{
	int ret = 0;

	for (uint16_t l = 0; engine->is_running && l < engine->n_lanes; l++) {
		unsigned id = engine->lcores[l].id;

		if (!fc_generation_uses(next, l) || fc_engine_is_working(&engine->lanes[l]) ||
			rte_eal_get_lcore_state(id) == WAIT)
			continue;
		fc_findings_add(findings, FC_ERROR, "lcores", "lcore %u is busy", id);
		ret = -EINVAL;
	}
	return ret;
}

static int prepare(struct fc_engine *engine, struct fc_config *config, struct fc_findings *findings,
	struct fc_change *change)
{
	struct fc_plan *plan;
	int ret = check_lcores(engine, config, findings);

	if (ret == 0)
		ret = fc_engine_plan_for(engine, config, false, findings, &plan);
	if (ret != 0)
		return ret;
	if (engine->now != NULL && config == engine->now->config &&
		!takes_some(engine, plan, findings)) {
		fc_plan_free(plan);
		return -EIO;
	}
	ret = fc_generation_make(engine, config, plan, findings, &change->next);
	if (ret != 0)
		return ret;
	ret = fc_change_make_orders(engine, change);
	if (ret != 0)
		fc_findings_add(findings, FC_ERROR, "", "out of memory");
	else
		ret = check_idle(engine, change->next, findings);
	if (ret == 0)
		ret = fc_change_ports(engine, change->next, findings);
	if (ret != 0)
		fc_generation_free(engine, change->next, engine->now);
	return ret;
}

int fc_engine_prepare(struct fc_engine *engine, struct fc_config *config,
	struct fc_findings *findings, struct fc_change **out)
{
	struct fc_change *change = calloc(1, sizeof(*change));
	int ret;

	if (change == NULL) {
		fc_findings_add(findings, FC_ERROR, "", "out of memory");
		return -ENOMEM;
	}
	if (fc_pdump_is_stuck()) {
		fc_findings_add(findings, FC_ERROR, "",
			"EAL's shared memory is locked by a process that was killed; restart "
			"fluxcap");
		free(change);
		return -EBUSY;
	}
	close_leaving(engine);
	free_old_pools(engine);
	ret = prepare(engine, config != NULL ? config : engine->now->config, findings, change);
	if (ret != 0) {
		fc_change_free(change);
		fc_plug_undo(engine);
		return ret;
	}
	engine->n_plugged = 0;
	if (engine->now != NULL && config != NULL)
		fc_config_compare(engine->now->config, config, findings);
	*out = change;
	return 0;
}

static void launch_lanes(struct fc_engine *engine, const struct fc_generation *next)
{
	for (uint16_t l = 0; l < engine->n_lanes; l++)
		if (fc_generation_uses(next, l) && !fc_engine_is_working(&engine->lanes[l]))
			fc_engine_launch(&engine->lanes[l]);
}

static void halt_lanes(struct fc_engine *engine, const struct fc_generation *next)
{
	for (uint16_t l = 0; l < engine->n_lanes; l++)
		if (!fc_generation_uses(next, l) &&
			engine->lanes[l].lcore_id != rte_get_main_lcore())
			fc_engine_halt(&engine->lanes[l]);
}

/* Have the lanes follow their orders, and wait until they have. */
static void give_orders(struct fc_engine *engine, const struct fc_orders *orders)
{
	for (uint16_t l = 0; l < engine->n_lanes; l++) {
		struct fc_lane *lane = &engine->lanes[l];

		if (fc_engine_is_working(lane))
			atomic_store_explicit(&lane->orders, &orders[l], memory_order_release);
		else
			fc_lane_follow(lane, &orders[l]);
	}
	fc_engine_settle(engine);
}

/* rte_ring has no function that says how far it has come. */
static uint32_t read_index(const volatile uint32_t *index)
{
	return __atomic_load_n(index, __ATOMIC_ACQUIRE);
}

/* Wait until what is in the handoffs now has been taken out of them. */
static void drain_handoffs(struct fc_engine *engine)
{
	for (uint32_t i = 0; i < (uint32_t)engine->n_lanes * engine->n_lanes; i++) {
		const struct rte_ring *ring = engine->handoffs[i].ring;
		uint32_t end;

		if (ring == NULL || !fc_engine_is_working(&engine->lanes[i % engine->n_lanes]))
			continue;
		end = read_index(&ring->prod.tail);
		while ((int32_t)(read_index(&ring->cons.tail) - end) < 0)
			fc_engine_pause();
	}
	/* A burst that was taken out is worked on before its lcore follows the next orders. */
}

/* What came to a feed over the routes of a generation that ends. */
static void keep_counts(const struct fc_generation *now, uint16_t tap, struct fc_feed *feed)
{
	for (uint16_t q = 0; q < fc_generation_n_queues(now, tap); q++) {
		const struct fc_route *route = fc_generation_route(now, tap, q, feed);

		fc_count_add(&feed->past_forwarded, fc_tally_read(&route->forwarded));
		fc_count_add(&feed->past_handoff_full, fc_tally_read(&route->handoff_full));
	}
}

/* Tell what a feed that is no more has come to; its output, if that stays (@ended), has it, too. */
static void bury_feed(const struct fc_generation *now, uint16_t tap, uint16_t output,
	struct fc_feed *feed, struct fc_feed_stats *ended, struct fc_findings *findings)
{
	char place[2 * FC_NAME_SIZE + 16];
	struct fc_feed_stats stats;
	struct fc_count waiting;
	uint64_t n_lost = 0;

	fc_feed_read(now, tap, feed, &stats);
	for (unsigned i = 0; i < FC_N_DROPS; i++)
		n_lost += stats.drops[i].packets;
	fc_feed_discard(feed);
	fc_count_add(&stats.drops[FC_DROP_OVERRUN], stats.queued);
	waiting = stats.queued;
	snprintf(place, sizeof(place), "feeds.%s.%s", now->config->taps[tap].name,
		now->config->outputs[output].name);
	stats.queued = (struct fc_count){ 0 };
	if (ended != NULL)
		fc_feed_stats_add(ended, &stats);
	fc_findings_add(findings, FC_NOTE, place,
		"ended: it was given %" PRIu64 " packets, sent %" PRIu64 ", dropped %" PRIu64
		", and %" PRIu64 " still waited, which are lost",
		stats.forwarded.packets, stats.tx.packets, n_lost, waiting.packets);
}

static void settle_feeds(
	const struct fc_generation *now, struct fc_generation *next, struct fc_findings *findings)
{
	for (uint16_t o = 0; now != NULL && o < now->config->n_outputs; o++) {
		const struct fc_output_config *config = &now->config->outputs[o];
		int heir = fc_generation_find_output(next, config->name);
		struct fc_feed_stats *ended = NULL;

		if (heir >= 0 && next->outputs[heir]->port == now->outputs[o]->port)
			ended = &next->ended[heir];
		if (ended != NULL)
			*ended = now->ended[o];
		for (uint16_t i = 0; i < config->n_from; i++) {
			struct fc_feed *feed = now->feeds[now->first_feed[o] + i];

			if (fc_generation_has_feed(next, feed))
				keep_counts(now, config->from[i], feed);
			else
				bury_feed(now, config->from[i], o, feed, ended, findings);
		}
	}
}

/* What the generations had in common is the next one's now. */
static void hand_over(
	const struct fc_generation *now, struct fc_generation *next, struct fc_findings *findings)
{
	for (uint16_t i = 0; now != NULL && i < now->plan->n_ports; i++) {
		const struct fc_plan_port *port =
			fc_plan_find_port(next->plan, now->plan->ports[i].facts.name);
		uint16_t at = port != NULL ? (uint16_t)(port - next->plan->ports) : 0;

		if (port == NULL)
			continue;
		if (next->stations[at] != NULL && next->stations[at]->before != NULL)
			fc_station_succeed(now->stations[i], next->stations[at]);
		for (uint16_t q = 0; next->queues[at] != NULL && q < port->n_rx_queues; q++) {
			if (!next->queues[at][q].borrows_reassembly)
				continue;
			next->queues[at][q].borrows_reassembly = false;
			now->queues[i][q].borrows_reassembly = true;
		}
	}
	for (uint16_t i = 0; i < next->plan->n_ports; i++) {
		fc_port_follow(next->ports[i], &next->plan->ports[i]);
		fc_port_hear(next->ports[i], findings);
		next->ports[i]->rx_pool = next->rx_pools[i];
		fc_port_resume(next->ports[i]);
	}
}

static void close_ports(
	struct fc_engine *engine, const struct fc_generation *now, const struct fc_generation *next)
{
	for (uint16_t i = 0; now != NULL && i < now->plan->n_ports; i++)
		if (fc_plan_find_port(next->plan, now->plan->ports[i].facts.name) == NULL)
			fc_plug_out(engine, now->ports[i]);
}

void fc_engine_apply(
	struct fc_engine *engine, struct fc_change *change, struct fc_findings *findings)
{
	struct fc_generation *now = engine->now, *next = change->next;
	struct fc_config *before = now != NULL ? now->config : NULL;

	if (engine->is_running)
		launch_lanes(engine, next);
	give_orders(engine, change->orders[FC_LEARN]);
	give_orders(engine, change->orders[FC_SWITCH]);
	drain_handoffs(engine);
	give_orders(engine, change->orders[FC_FORGET]);
	if (engine->is_running)
		halt_lanes(engine, next);
	settle_feeds(now, next, findings);
	hand_over(now, next, findings);
	engine->now = next;
	close_ports(engine, now, next);
	fc_generation_free(engine, now, next);
	for (uint16_t t = 0; t < next->config->n_taps; t++)
		for (uint16_t q = 0; q < fc_generation_n_queues(next, t); q++)
			next->outlets[t][q].is_borrowed = false;
	fc_generation_flush_pools(next); /* of what the ports held that were closed */
	if (before != next->config)
		fc_config_free(before);
	fc_change_free(change);
}
