/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_malloc.h>
#include <rte_ring.h>

#include "plan_pools.h"
#include "state.h"

/*
 * Which burst goes where. Every rx queue of a tap has one route to each lane that has feeds of the
 * tap; the routes between two different lanes share one ring, their handoff.
 */

struct fc_feed *fc_engine_feed(const struct fc_engine *engine, uint16_t tap, uint16_t output)
{
	const struct fc_output_config *config = &engine->config->outputs[output];

	for (uint16_t i = 0; i < config->n_from; i++)
		if (config->from[i] == tap)
			return &engine->feeds[engine->first_feed[output] + i];
	return NULL;
}

static const struct fc_plan_port *rx_port(const struct fc_engine *engine, uint16_t tap)
{
	return &engine->plan->ports[engine->plan->taps[tap].port];
}

static uint16_t output_lane(const struct fc_engine *engine, uint16_t output)
{
	return engine->plan->ports[engine->plan->outputs[output].port].tx_lane;
}

/* The feeds of a tap on a lane; those that share come last. @feeds may be NULL to count only. */
static uint16_t collect_feeds(const struct fc_engine *engine, uint16_t tap, uint16_t lane,
	struct fc_feed **feeds, uint16_t *n_sharing)
{
	uint16_t n = 0;

	*n_sharing = 0;
	for (int sharing = 0; sharing <= 1; sharing++) {
		for (uint16_t o = 0; o < engine->config->n_outputs; o++) {
			struct fc_feed *feed = fc_engine_feed(engine, tap, o);

			if (feed == NULL || output_lane(engine, o) != lane ||
				fc_feed_shares(feed) != sharing)
				continue;
			if (feeds != NULL)
				feeds[n] = feed;
			n++;
			*n_sharing = (uint16_t)(*n_sharing + sharing);
		}
	}
	return n;
}

static int make_ring(struct fc_handoff *handoff, unsigned from, unsigned to, int socket)
{
	char name[RTE_RING_NAMESIZE];

	if (handoff->ring != NULL)
		return 0;
	snprintf(name, sizeof(name), "fc_handoff_%u_%u", from, to);
	/* A ring of 2^n slots holds 2^n - 1. */
	handoff->ring =
		rte_ring_create(name, FC_HANDOFF_WORDS, socket, RING_F_SP_ENQ | RING_F_SC_DEQ);
	/* The lcore's node may have no memory for us: what was reserved is where the ports are. */
	if (handoff->ring == NULL)
		handoff->ring = rte_ring_create(
			name, FC_HANDOFF_WORDS, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
	return handoff->ring != NULL ? 0 : -ENOMEM;
}

/* Let the burst's header find the route on the other side. */
static int register_route(struct fc_lane *lane, struct fc_handoff *handoff, struct fc_route *route)
{
	struct fc_inbound *inbound = NULL;
	struct fc_route **routes;

	for (uint16_t i = 0; i < lane->n_inbound; i++)
		if (lane->inbound[i].reader.handoff == handoff)
			inbound = &lane->inbound[i];
	if (inbound == NULL) {
		inbound = &lane->inbound[lane->n_inbound++];
		inbound->reader.handoff = handoff;
	}
	routes = realloc(inbound->routes, (inbound->n_routes + 1U) * sizeof(*routes));
	if (routes == NULL)
		return -ENOMEM;
	inbound->routes = routes;
	route->index = inbound->n_routes;
	routes[inbound->n_routes++] = route;
	return 0;
}

static int make_route(
	struct fc_engine *engine, uint16_t tap, uint16_t from, uint16_t to, struct fc_route *route)
{
	const struct fc_plan_lane *lane = &engine->plan->lanes[to];
	struct fc_handoff *handoff = &engine->handoffs[from * engine->plan->n_lanes + to];

	route->n_feeds = collect_feeds(engine, tap, to, NULL, &route->n_sharing);
	route->feeds = calloc(route->n_feeds, sizeof(struct fc_feed *));
	if (route->feeds == NULL)
		return -ENOMEM;
	collect_feeds(engine, tap, to, route->feeds, &route->n_sharing);
	if (from == to)
		return 0;
	if (make_ring(handoff, engine->plan->lanes[from].lcore.id, lane->lcore.id,
		    lane->lcore.socket) != 0)
		return -ENOMEM;
	route->handoff = handoff;
	return register_route(&engine->lanes[to], handoff, route);
}

static uint16_t count_routes(const struct fc_engine *engine, uint16_t tap)
{
	uint16_t n = 0, n_sharing;

	for (uint16_t l = 0; l < engine->plan->n_lanes; l++)
		n = (uint16_t)(n + (collect_feeds(engine, tap, l, NULL, &n_sharing) != 0));
	return n;
}

static int make_routes(struct fc_engine *engine)
{
	struct fc_route *next;

	for (uint16_t t = 0; t < engine->config->n_taps; t++)
		engine->n_routes +=
			(uint32_t)rx_port(engine, t)->n_rx_queues * count_routes(engine, t);
	engine->routes = rte_zmalloc("fluxcap_routes",
		RTE_MAX(1U, engine->n_routes) * sizeof(*engine->routes), RTE_CACHE_LINE_SIZE);
	if (engine->routes == NULL)
		return -ENOMEM;
	next = engine->routes;
	for (uint16_t t = 0; t < engine->config->n_taps; t++) {
		const struct fc_plan_port *port = rx_port(engine, t);

		for (uint16_t q = 0; q < port->n_rx_queues; q++) {
			struct fc_intake *intake = &engine->taps[t].intakes[q];

			intake->routes = next;
			for (uint16_t l = 0; l < engine->plan->n_lanes; l++) {
				uint16_t n_sharing;

				if (collect_feeds(engine, t, l, NULL, &n_sharing) == 0)
					continue;
				intake->n_routes++;
				if (make_route(engine, t, port->rx_lanes[q], l, next++) != 0)
					return -ENOMEM;
			}
		}
	}
	return 0;
}

/* Set up one rx queue with what the port's taps take from it. */
static int make_queue(struct fc_engine *engine, uint16_t port_index, uint16_t id)
{
	struct fc_port *port = &engine->ports[port_index];
	const struct fc_plan_port *plan = &engine->plan->ports[port_index];
	const struct fc_reassembly_limits limits = {
		.max_datagrams = FC_REASSEMBLY_DATAGRAMS,
		.max_mbufs = FC_REASSEMBLY_MBUFS,
		.timeout_cycles = rte_get_tsc_hz() / 1000 * FC_REASSEMBLY_MS,
	};
	struct fc_queue *queue = &port->queues[id];

	*queue = (struct fc_queue){
		.port = port,
		.id = id,
		.how = { .pool = port->rx_pool, .reach = UINT32_MAX },
	};
	queue->intakes = calloc(RTE_MAX(engine->config->n_taps, 1), sizeof(struct fc_intake *));
	if (queue->intakes == NULL)
		return -ENOMEM;
	for (uint16_t t = 0; t < engine->config->n_taps; t++)
		if (engine->plan->taps[t].port == port_index)
			queue->intakes[queue->n_intakes++] = &engine->taps[t].intakes[id];
	if (port->station != NULL) {
		queue->ends = &port->station->ends;
		queue->heard = port->station->heard[id];
	}
	if (!plan->ends)
		return 0;
	queue->reassembly = fc_reassembly_new(&limits, plan->facts.socket);
	return queue->reassembly != NULL ? 0 : -ENOMEM;
}

static int make_queues(struct fc_engine *engine, uint16_t port_index)
{
	const struct fc_plan_port *plan = &engine->plan->ports[port_index];
	struct fc_port *port = &engine->ports[port_index];
	int ret = 0;

	if (!plan->receives)
		return 0;
	port->queues = rte_zmalloc_socket("fluxcap_queues",
		plan->n_rx_queues * sizeof(*port->queues), RTE_CACHE_LINE_SIZE, plan->facts.socket);
	if (port->queues == NULL)
		return -ENOMEM;
	for (uint16_t q = 0; ret == 0 && q < plan->n_rx_queues; q++)
		ret = make_queue(engine, port_index, q);
	return ret;
}

static void free_queues(struct fc_engine *engine, uint16_t port_index)
{
	const struct fc_plan_port *plan = &engine->plan->ports[port_index];
	struct fc_port *port = &engine->ports[port_index];

	for (uint16_t q = 0; port->queues != NULL && q < plan->n_rx_queues; q++) {
		fc_reassembly_free(port->queues[q].reassembly);
		free(port->queues[q].intakes);
	}
	rte_free(port->queues);
	port->queues = NULL;
}

/* Give each lane its rx queues, feeds and stations. */
static void fill_lane(struct fc_engine *engine, uint16_t index)
{
	struct fc_lane *lane = &engine->lanes[index];

	for (uint16_t i = 0; i < engine->plan->n_ports; i++) {
		const struct fc_plan_port *plan = &engine->plan->ports[i];
		struct fc_port *port = &engine->ports[i];

		for (uint16_t q = 0; port->queues != NULL && q < plan->n_rx_queues; q++)
			if (plan->rx_lanes[q] == index && plan->is_tap)
				lane->queues[lane->n_queues++] = &port->queues[q];
			else if (plan->rx_lanes[q] == index)
				lane->ears[lane->n_ears++] = &port->queues[q];
		if (port->station != NULL && plan->sends && plan->tx_lane == index)
			lane->stations[lane->n_stations++] = port->station;
	}
	for (uint16_t t = 0; t < engine->config->n_taps; t++) {
		uint16_t n_sharing;

		lane->n_feeds = (uint16_t)(lane->n_feeds + collect_feeds(engine, t, index,
								   lane->feeds + lane->n_feeds,
								   &n_sharing));
	}
}

static int make_lanes(struct fc_engine *engine)
{
	uint32_t n_ports = engine->plan->n_ports, n_queues = 0;

	for (uint16_t i = 0; i < n_ports; i++) {
		n_queues += engine->plan->ports[i].n_rx_queues;
		if (make_queues(engine, i) != 0)
			return -ENOMEM;
	}
	for (uint16_t l = 0; l < engine->plan->n_lanes; l++) {
		struct fc_lane *lane = &engine->lanes[l];

		lane->lcore_id = engine->plan->lanes[l].lcore.id;
		lane->idle_us = engine->config->lcores.idle_us;
		lane->queues = calloc(n_queues + 1U, sizeof(struct fc_queue *));
		lane->ears = calloc(n_queues + 1U, sizeof(struct fc_queue *));
		lane->feeds = calloc(engine->n_feeds + 1U, sizeof(struct fc_feed *));
		lane->inbound = calloc(engine->plan->n_lanes, sizeof(*lane->inbound));
		lane->stations = calloc(n_ports, sizeof(struct fc_station *));
		if (lane->queues == NULL || lane->ears == NULL || lane->feeds == NULL ||
			lane->inbound == NULL || lane->stations == NULL)
			return -ENOMEM;
		fill_lane(engine, l);
	}
	return 0;
}

int fc_wiring_make(struct fc_engine *engine, struct fc_findings *findings)
{
	uint32_t n_lanes = engine->plan->n_lanes;

	engine->handoffs = calloc((size_t)n_lanes * n_lanes, sizeof(*engine->handoffs));
	engine->lanes =
		rte_zmalloc("fluxcap_lanes", n_lanes * sizeof(*engine->lanes), RTE_CACHE_LINE_SIZE);
	if (engine->handoffs == NULL || engine->lanes == NULL || make_lanes(engine) != 0 ||
		make_routes(engine) != 0) {
		fc_findings_add(
			findings, FC_ERROR, "", "out of memory for the rings between lcores");
		return -ENOMEM;
	}
	return 0;
}

void fc_wiring_free(struct fc_engine *engine)
{
	uint32_t n_lanes = engine->plan != NULL ? engine->plan->n_lanes : 0;

	for (uint16_t i = 0; engine->ports != NULL && i < engine->plan->n_ports; i++)
		free_queues(engine, i);
	for (uint32_t i = 0; engine->routes != NULL && i < engine->n_routes; i++)
		free(engine->routes[i].feeds);
	rte_free(engine->routes);
	for (uint32_t l = 0; engine->lanes != NULL && l < n_lanes; l++) {
		struct fc_lane *lane = &engine->lanes[l];

		for (uint16_t i = 0; i < lane->n_inbound; i++)
			free(lane->inbound[i].routes);
		free(lane->inbound);
		free(lane->queues);
		free(lane->ears);
		free(lane->feeds);
		free(lane->stations);
	}
	rte_free(engine->lanes);
	for (uint32_t i = 0; engine->handoffs != NULL && i < n_lanes * n_lanes; i++)
		rte_ring_free(engine->handoffs[i].ring);
	free(engine->handoffs);
}
