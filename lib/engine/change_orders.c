/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>

#include "change.h"
#include "generation.h"

static uint32_t count_intakes(const struct fc_generation *generation)
{
	uint32_t n = 0;

	for (uint16_t t = 0; t < generation->config->n_taps; t++)
		n += fc_generation_n_queues(generation, t);
	return n;
}

static void order_tables(const struct fc_engine *engine, struct fc_change *change, uint16_t lane,
	struct fc_table_order **free_table)
{
	const struct fc_generation *next = change->next;
	struct fc_orders *learn = &change->orders[FC_LEARN][lane];
	struct fc_orders *forget = &change->orders[FC_FORGET][lane];

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
	struct fc_orders *orders = &change->orders[FC_SWITCH][lane];

	orders->intakes = *free_intake;
	for (uint16_t t = 0; t < next->config->n_taps; t++) {
		uint16_t port = next->plan->taps[t].port;
		const struct fc_plan_port *plan = &next->plan->ports[port];

		for (uint16_t q = 0; q < plan->n_rx_queues; q++) {
			const struct fc_outlets *outlets = &next->outlets[t][q];

			if (next->lane_of[plan->rx_lanes[q]] != lane)
				continue;
			orders->intakes[orders->n_intakes++] = (struct fc_intake_order){
				.intake = next->taps[t]->intakes[q],
				.is_alone = plan->n_rx_queues == 1,
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

/* Where a feed's tap gets a larger ring, its backlog gets memory for that. */
static int order_feed(const struct fc_engine *engine, struct fc_change *change, uint16_t output,
	uint16_t tap, struct fc_feed *feed, struct fc_feed_order *order)
{
	const struct fc_plan_tap *plan = &change->next->plan->taps[tap];
	struct fc_backlog *larger = &change->backlogs[change->n_backlogs];

	*order = (struct fc_feed_order){ feed, change->next->outputs[output], plan->window, NULL };
	if (!fc_generation_has_feed(engine->now, feed) ||
		fc_backlog_holds(&feed->backlog, plan->wanted))
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
	struct fc_orders *learn = &change->orders[FC_LEARN][lane];
	struct fc_orders *forget = &change->orders[FC_FORGET][lane];
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
		if (fc_generation_has_feed(engine->now, order.feed))
			*at++ = order;
	}
	learn->n_feeds = (uint16_t)(at - learn->feeds);
	*free_feed = at;
	return 0;
}

int fc_change_make_orders(const struct fc_engine *engine, struct fc_change *change)
{
	const struct fc_generation *now = engine->now, *next = change->next;
	size_t n_lanes = engine->n_lanes;
	struct fc_intake_order *free_intake;
	struct fc_table_order *free_table;
	struct fc_feed_order *free_feed;

	for (int i = 0; i < FC_N_STEPS; i++) {
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
		change->orders[FC_LEARN][l].work = work;
		work.n_queues = to->n_queues;
		work.queues = to->queues;
		work.n_ears = to->n_ears;
		work.ears = to->ears;
		change->orders[FC_SWITCH][l].work = work;
		change->orders[FC_FORGET][l].work = *to;
		order_tables(engine, change, l, &free_table);
		order_intakes(change, l, &free_intake);
		if (order_feeds(engine, change, l, &free_feed) != 0)
			return -ENOMEM;
	}
	return 0;
}

void fc_change_free(struct fc_change *change)
{
	for (int i = 0; i < FC_N_STEPS; i++)
		free(change->orders[i]);
	free(change->intakes);
	free(change->feeds);
	free(change->tables);
	for (uint32_t i = 0; i < change->n_backlogs; i++)
		fc_backlog_end(&change->backlogs[i]);
	free(change->backlogs);
	free(change);
}
