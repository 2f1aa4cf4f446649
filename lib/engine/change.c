/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <rte_lcore.h>
#include <rte_ring.h>

#include <fc_config_compare.h>

#include "state.h"

/*
 * From one generation to the next.
 *
 * All that an lcore has to know of it reaches the lcore as orders, which it follows between two
 * rounds; three of them make the change:
 *
 *	1. new routes are known to those who receive over handoffs,
 *	2. rx queues give to the new routes,
 *	   (then what was given to the old ones is waited for)
 *	3. the old routes are forgotten; feeds change to their new outputs.
 *
 * So no packet meets a route that does not exist, and each feed sees all packets in their order.
 */

enum { LEARN, SWITCH, FORGET, N_STEPS };

struct fc_change {
	struct fc_generation *next;
	struct fc_orders *orders[N_STEPS]; /* of each lane of the engine */
	struct fc_intake_order *intakes;
	struct fc_feed_order *feeds;
	struct fc_table_order *tables;
	struct fc_backlog *backlogs; /* for feeds of which the rings become larger */
	uint32_t n_backlogs;
};

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

static void free_change(struct fc_change *change)
{
	for (int i = 0; i < N_STEPS; i++)
		free(change->orders[i]);
	free(change->intakes);
	free(change->feeds);
	free(change->tables);
	for (uint32_t i = 0; i < change->n_backlogs; i++)
		fc_backlog_end(&change->backlogs[i]);
	free(change->backlogs);
	free(change);
}

static uint32_t count_intakes(const struct fc_generation *generation)
{
	uint32_t n = 0;

	for (uint16_t t = 0; t < generation->config->n_taps; t++)
		n += generation->taps[t]->n_queues;
	return n;
}

static void order_tables(const struct fc_engine *engine, struct fc_change *change, uint16_t lane,
	struct fc_table_order **free_table)
{
	const struct fc_generation *next = change->next;
	struct fc_orders *learn = &change->orders[LEARN][lane];
	struct fc_orders *forget = &change->orders[FORGET][lane];

	learn->tables = *free_table;
	for (uint16_t from = 0; from < engine->n_lanes; from++) {
		size_t pair = (size_t)from * engine->n_lanes + lane;

		if (engine->inbounds[pair] != NULL)
			learn->tables[learn->n_tables++] =
				(struct fc_table_order){ engine->inbounds[pair], next->parity,
					next->tables[pair] };
	}
	forget->tables = learn->tables + learn->n_tables;
	forget->n_tables = learn->n_tables;
	for (uint16_t i = 0; i < learn->n_tables; i++)
		forget->tables[i] =
			(struct fc_table_order){ learn->tables[i].inbound, !next->parity, NULL };
	*free_table = forget->tables + forget->n_tables;
}

static void order_intakes(
	struct fc_change *change, uint16_t lane, struct fc_intake_order **free_intake)
{
	const struct fc_generation *next = change->next;
	struct fc_orders *orders = &change->orders[SWITCH][lane];

	orders->intakes = *free_intake;
	for (uint16_t t = 0; t < next->config->n_taps; t++) {
		uint16_t port = next->plan->taps[t].port;
		const struct fc_plan_port *plan = &next->plan->ports[port];

		for (uint16_t q = 0; q < plan->n_rx_queues; q++) {
			const struct fc_outlets *outlets = &next->outlets[t][q];

			if (next->lane_of[plan->rx_lanes[q]] != lane)
				continue;
			orders->intakes[orders->n_intakes++] = (struct fc_intake_order){
				.intake = &next->taps[t]->intakes[q],
				.n_routes = outlets->n_routes,
				.routes = outlets->routes,
				.chain = &outlets->chain,
				.how = { .pool = next->rx_pools[port],
					.reach = outlets->chain.reach,
					.headroom = outlets->chain.growth },
			};
		}
	}
	*free_intake = orders->intakes + orders->n_intakes;
}

static bool has_feed(const struct fc_generation *generation, const struct fc_feed *feed)
{
	for (uint32_t f = 0; generation != NULL && f < generation->n_feeds; f++)
		if (generation->feeds[f] == feed)
			return true;
	return false;
}

/* Where a feed's tap gets a larger ring, its backlog gets memory for that. */
static int order_feed(const struct fc_engine *engine, struct fc_change *change, uint16_t output,
	uint16_t tap, struct fc_feed *feed, struct fc_feed_order *order)
{
	const struct fc_plan_tap *plan = &change->next->plan->taps[tap];
	struct fc_backlog *larger = &change->backlogs[change->n_backlogs];

	*order = (struct fc_feed_order){ feed, change->next->outputs[output], plan->window, NULL };
	if (!has_feed(engine->now, feed) || fc_backlog_holds(&feed->backlog, plan->wanted))
		return 0;
	if (fc_backlog_begin(
		    larger, plan->wanted, change->next->plan->ports[plan->port].facts.socket) != 0)
		return -ENOMEM;
	order->larger = larger;
	change->n_backlogs++;
	return 0;
}

static int order_feeds(const struct fc_engine *engine, struct fc_change *change, uint16_t lane,
	struct fc_feed_order **free_feed)
{
	const struct fc_generation *next = change->next;
	struct fc_orders *learn = &change->orders[LEARN][lane];
	struct fc_orders *forget = &change->orders[FORGET][lane];
	struct fc_feed_order *at = *free_feed;

	forget->feeds = at;
	for (uint16_t o = 0; o < next->config->n_outputs; o++) {
		const struct fc_output_config *config = &next->config->outputs[o];
		const struct fc_plan_port *port = &next->plan->ports[next->plan->outputs[o].port];

		for (uint16_t i = 0; next->lane_of[port->tx_lane] == lane && i < config->n_from;
			i++)
			if (order_feed(engine, change, o, config->from[i],
				    next->feeds[next->first_feed[o] + i], at++) != 0)
				return -ENOMEM;
	}
	forget->n_feeds = (uint16_t)(at - forget->feeds);
	/* A window that becomes smaller does so before others need the buffers. */
	learn->feeds = at;
	for (uint16_t i = 0; i < forget->n_feeds; i++) {
		struct fc_feed_order order = forget->feeds[i];

		order.output = order.feed->output;
		forget->feeds[i].larger = NULL;
		if (has_feed(engine->now, order.feed))
			*at++ = order;
	}
	learn->n_feeds = (uint16_t)(at - learn->feeds);
	*free_feed = at;
	return 0;
}

static int make_orders(const struct fc_engine *engine, struct fc_change *change)
{
	const struct fc_generation *now = engine->now, *next = change->next;
	size_t n_lanes = engine->n_lanes;
	struct fc_intake_order *free_intake;
	struct fc_table_order *free_table;
	struct fc_feed_order *free_feed;

	for (int i = 0; i < N_STEPS; i++) {
		change->orders[i] = calloc(n_lanes, sizeof(*change->orders[i]));
		if (change->orders[i] == NULL)
			return -ENOMEM;
	}
	free_intake = change->intakes = calloc(count_intakes(next) + 1U, sizeof(*change->intakes));
	free_table = change->tables = calloc(2 * n_lanes * n_lanes, sizeof(*change->tables));
	free_feed = change->feeds = calloc(2U * next->n_feeds + 1U, sizeof(*change->feeds));
	change->backlogs = calloc(next->n_feeds + 1U, sizeof(*change->backlogs));
	if (change->intakes == NULL || change->tables == NULL || change->feeds == NULL ||
		change->backlogs == NULL)
		return -ENOMEM;
	for (uint16_t l = 0; l < n_lanes; l++) {
		const struct fc_work *to = &next->works[l];
		struct fc_work work = { .idle_us = to->idle_us };

		if (now != NULL)
			work = now->works[l];
		work.n_inbound = to->n_inbound;
		work.inbound = to->inbound;
		change->orders[LEARN][l].work = work;
		work.n_queues = to->n_queues;
		work.queues = to->queues;
		work.n_ears = to->n_ears;
		work.ears = to->ears;
		change->orders[SWITCH][l].work = work;
		change->orders[FORGET][l].work = *to;
		order_tables(engine, change, l, &free_table);
		order_intakes(change, l, &free_intake);
		if (order_feeds(engine, change, l, &free_feed) != 0)
			return -ENOMEM;
	}
	return 0;
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
		fc_port_stop(port);
	}
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
	ret = fc_generation_make(engine, config, plan, findings, &change->next);
	if (ret != 0)
		return ret;
	ret = make_orders(engine, change);
	if (ret != 0)
		fc_findings_add(findings, FC_ERROR, "", "out of memory");
	else
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
	close_leaving(engine);
	ret = prepare(engine, config != NULL ? config : engine->now->config, findings, change);
	if (ret != 0) {
		free_change(change);
		fc_plug_undo(engine);
		return ret;
	}
	engine->n_plugged = 0;
	if (engine->now != NULL && config != NULL)
		fc_config_compare(engine->now->config, config, findings);
	*out = change;
	return 0;
}

static bool is_needed(const struct fc_generation *generation, uint16_t lane)
{
	for (uint16_t l = 0; generation != NULL && l < generation->plan->n_lanes; l++)
		if (generation->lane_of[l] == lane)
			return true;
	return false;
}

static void launch_lanes(struct fc_engine *engine, const struct fc_generation *next)
{
	for (uint16_t l = 0; l < engine->n_lanes; l++)
		if (is_needed(next, l) && !fc_engine_is_working(&engine->lanes[l]))
			fc_engine_launch(&engine->lanes[l]);
}

static void halt_lanes(struct fc_engine *engine, const struct fc_generation *next)
{
	for (uint16_t l = 0; l < engine->n_lanes; l++)
		if (!is_needed(next, l) && engine->lanes[l].lcore_id != rte_get_main_lcore())
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
	for (uint16_t l = 0; l < engine->n_lanes; l++)
		atomic_store_explicit(&engine->lanes[l].orders, NULL, memory_order_relaxed);
}

/* Wait until what is in the handoffs now has been taken out of them. */
static void drain_handoffs(struct fc_engine *engine)
{
	static const struct timespec a_while = { .tv_nsec = 20000 };

	for (uint32_t i = 0; i < (uint32_t)engine->n_lanes * engine->n_lanes; i++) {
		const struct rte_ring *ring = engine->handoffs[i].ring;
		uint32_t end;

		if (ring == NULL || !fc_engine_is_working(&engine->lanes[i % engine->n_lanes]))
			continue;
		end = ring->prod.tail;
		while ((int32_t)(ring->cons.tail - end) < 0)
			nanosleep(&a_while, NULL);
	}
	/* A burst that was taken out is worked on before its lcore follows the next orders. */
}

static void add(struct fc_count *sum, struct fc_count count)
{
	sum->packets += count.packets;
	sum->bytes += count.bytes;
}

/* What came to a feed over the routes of a generation that ends. */
static void keep_counts(const struct fc_generation *now, uint16_t tap, struct fc_feed *feed)
{
	for (uint16_t q = 0; q < now->taps[tap]->n_queues; q++) {
		const struct fc_route *route = fc_generation_route(now, tap, q, feed);

		add(&feed->past_forwarded, fc_tally_read(&route->forwarded));
		add(&feed->past_handoff_full, fc_tally_read(&route->handoff_full));
	}
}

/* What a feed that is no more has come to. */
static void bury_feed(const struct fc_generation *now, uint16_t tap, uint16_t output,
	struct fc_feed *feed, struct fc_findings *findings)
{
	char place[2 * FC_NAME_SIZE + 16];
	struct fc_feed_stats stats;
	uint64_t n_lost = 0;

	fc_feed_read(now, tap, feed, &stats);
	fc_feed_discard(feed);
	for (unsigned i = 0; i < FC_N_DROPS; i++)
		n_lost += stats.drops[i].packets;
	snprintf(place, sizeof(place), "feeds.%s.%s", now->config->taps[tap].name,
		now->config->outputs[output].name);
	fc_findings_add(findings, FC_NOTE, place,
		"ended: it was given %" PRIu64 " packets, sent %" PRIu64 ", dropped %" PRIu64
		", and %" PRIu64 " still waited, which are lost",
		stats.forwarded.packets, stats.tx.packets, n_lost, stats.queued.packets);
}

static void settle_feeds(const struct fc_generation *now, const struct fc_generation *next,
	struct fc_findings *findings)
{
	for (uint16_t o = 0; now != NULL && o < now->config->n_outputs; o++) {
		const struct fc_output_config *config = &now->config->outputs[o];

		for (uint16_t i = 0; i < config->n_from; i++) {
			struct fc_feed *feed = now->feeds[now->first_feed[o] + i];

			if (has_feed(next, feed))
				keep_counts(now, config->from[i], feed);
			else
				bury_feed(now, config->from[i], o, feed, findings);
		}
	}
}

/* What the generations had in common is the next one's now. */
static void hand_over(const struct fc_generation *now, struct fc_generation *next)
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
		next->ports[i]->plan = &next->plan->ports[i];
		next->ports[i]->rx_pool = next->rx_pools[i];
		atomic_store_explicit(&next->ports[i]->is_paused, false, memory_order_release);
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
	give_orders(engine, change->orders[LEARN]);
	give_orders(engine, change->orders[SWITCH]);
	drain_handoffs(engine);
	give_orders(engine, change->orders[FORGET]);
	if (engine->is_running)
		halt_lanes(engine, next);
	settle_feeds(now, next, findings);
	hand_over(now, next);
	engine->now = next;
	close_ports(engine, now, next);
	fc_generation_free(engine, now, next);
	for (uint16_t t = 0; t < next->config->n_taps; t++)
		for (uint16_t q = 0; q < next->taps[t]->n_queues; q++)
			next->outlets[t][q].is_borrowed = false;
	if (before != next->config)
		fc_config_free(before);
	free_change(change);
}
