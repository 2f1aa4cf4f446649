/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_malloc.h>
#include <rte_ring.h>

#include "generation.h"
#include "plan_pools.h"

/*
 * Which burst goes where. Every rx queue of a tap has one route to each lane that has feeds of the
 * tap; the routes between two different lanes share one ring, their handoff.
 *
 * Lanes are those of the engine here, one for each lcore.
 */

static const struct fc_plan_port *rx_port(const struct fc_generation *next, uint16_t tap)
{
	return &next->plan->ports[next->plan->taps[tap].port];
}

static uint16_t output_lane(const struct fc_generation *next, uint16_t output)
{
	return next->lane_of[next->plan->ports[next->plan->outputs[output].port].tx_lane];
}

/* The feeds of a tap on a lane; those that share come last. @feeds may be NULL to count only. */
static uint16_t collect_feeds(const struct fc_generation *next, uint16_t tap, uint16_t lane,
	struct fc_feed **feeds, uint16_t *n_sharing)
{
	uint16_t n = 0;

	*n_sharing = 0;
	for (int sharing = 0; sharing <= 1; sharing++) {
		for (uint16_t o = 0; o < next->config->n_outputs; o++) {
			struct fc_feed *feed = fc_generation_feed(next, tap, o);

			if (feed == NULL || output_lane(next, o) != lane ||
				fc_output_shares(next->outputs[o]) != sharing)
				continue;
			if (feeds != NULL)
				feeds[n] = feed;
			n++;
			*n_sharing = (uint16_t)(*n_sharing + sharing);
		}
	}
	return n;
}

static int make_ring(struct fc_engine *engine, uint16_t from, uint16_t to)
{
	size_t pair = (size_t)from * engine->n_lanes + to;
	struct fc_handoff *handoff = &engine->handoffs[pair];
	int socket = engine->lcores[to].socket;
	char name[RTE_RING_NAMESIZE];

	if (handoff->ring != NULL)
		return 0;
	snprintf(name, sizeof(name), "fc_handoff_%u_%u", engine->lcores[from].id,
		engine->lcores[to].id);
	engine->inbounds[pair] = rte_zmalloc_socket(
		"fluxcap_inbound", sizeof(struct fc_inbound), RTE_CACHE_LINE_SIZE, socket);
	if (engine->inbounds[pair] == NULL)
		return -ENOMEM;
	engine->inbounds[pair]->reader.handoff = handoff;
	/* A ring of 2^n slots holds 2^n - 1. */
	handoff->ring =
		rte_ring_create(name, FC_HANDOFF_WORDS, socket, RING_F_SP_ENQ | RING_F_SC_DEQ);
	/* The lcore's node may have no memory for us: what was reserved is where the ports are. */
	if (handoff->ring == NULL)
		handoff->ring = rte_ring_create(
			name, FC_HANDOFF_WORDS, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
	if (handoff->ring != NULL)
		return 0;
	rte_free(engine->inbounds[pair]);
	engine->inbounds[pair] = NULL;
	return -ENOMEM;
}

/* Let the burst's header find the route on the other side. */
static int register_route(struct fc_generation *next, size_t pair, struct fc_route *route)
{
	uint16_t n = next->n_in_table[pair];
	struct fc_route **table = realloc(next->tables[pair], (n + 1U) * sizeof(*table));

	if (table == NULL)
		return -ENOMEM;
	next->tables[pair] = table;
	table[n] = route;
	route->index = (uint16_t)(next->parity << FC_ROUTE_PARITY_SHIFT | n);
	next->n_in_table[pair]++;
	return 0;
}

static int make_route(struct fc_engine *engine, struct fc_generation *next, uint16_t tap,
	uint16_t from, uint16_t to, struct fc_route *route)
{
	size_t pair = (size_t)from * engine->n_lanes + to;

	route->n_feeds = collect_feeds(next, tap, to, NULL, &route->n_sharing);
	route->feeds = calloc(route->n_feeds, sizeof(struct fc_feed *));
	if (route->feeds == NULL)
		return -ENOMEM;
	collect_feeds(next, tap, to, route->feeds, &route->n_sharing);
	if (from == to)
		return 0;
	if (make_ring(engine, from, to) != 0)
		return -ENOMEM;
	route->handoff = &engine->handoffs[pair];
	return register_route(next, pair, route);
}

static uint16_t count_routes(
	const struct fc_engine *engine, const struct fc_generation *next, uint16_t tap)
{
	uint16_t n = 0, n_sharing;

	for (uint16_t l = 0; l < engine->n_lanes; l++)
		n = (uint16_t)(n + (collect_feeds(next, tap, l, NULL, &n_sharing) != 0));
	return n;
}

static int make_outlets(struct fc_engine *engine, struct fc_generation *next, uint16_t tap,
	uint16_t queue, struct fc_route **free_route)
{
	struct fc_outlets *outlets = &next->outlets[tap][queue];
	uint16_t from = next->lane_of[rx_port(next, tap)->rx_lanes[queue]];

	outlets->routes = *free_route;
	for (uint16_t l = 0; l < engine->n_lanes; l++) {
		uint16_t n_sharing;

		if (collect_feeds(next, tap, l, NULL, &n_sharing) == 0)
			continue;
		outlets->n_routes++;
		if (make_route(engine, next, tap, from, l, (*free_route)++) != 0)
			return -ENOMEM;
	}
	return 0;
}

static int make_routes(struct fc_engine *engine, struct fc_generation *next)
{
	struct fc_route *free_route;
	int ret = 0;

	for (uint16_t t = 0; t < next->config->n_taps; t++)
		next->n_routes +=
			(uint32_t)rx_port(next, t)->n_rx_queues * count_routes(engine, next, t);
	next->routes = rte_zmalloc("fluxcap_routes",
		RTE_MAX(1U, next->n_routes) * sizeof(*next->routes), RTE_CACHE_LINE_SIZE);
	if (next->routes == NULL)
		return -ENOMEM;
	free_route = next->routes;
	for (uint16_t t = 0; t < next->config->n_taps; t++)
		for (uint16_t q = 0; ret == 0 && q < rx_port(next, t)->n_rx_queues; q++)
			ret = make_outlets(engine, next, t, q, &free_route);
	return ret;
}

const struct fc_route *fc_generation_route(const struct fc_generation *generation, uint16_t tap,
	uint16_t queue, const struct fc_feed *feed)
{
	const struct fc_outlets *outlets = &generation->outlets[tap][queue];

	for (uint16_t i = 0; i < outlets->n_routes; i++)
		for (uint16_t f = 0; f < outlets->routes[i].n_feeds; f++)
			if (outlets->routes[i].feeds[f] == feed)
				return &outlets->routes[i];
	return NULL;
}

/* The table of fragments of a queue where tunnels end: it goes on, or is made. */
static int have_reassembly(const struct fc_generation *now, const struct fc_plan_port *plan,
	const struct fc_port *port, struct fc_queue *queue)
{
	const struct fc_reassembly_limits limits = {
		.max_datagrams = FC_REASSEMBLY_DATAGRAMS,
		.max_mbufs = FC_REASSEMBLY_MBUFS,
		.timeout_cycles = rte_get_tsc_hz() / 1000 * FC_REASSEMBLY_MS,
	};

	for (uint16_t i = 0; now != NULL && i < now->plan->n_ports; i++)
		if (now->ports[i] == port && now->queues[i] != NULL &&
			queue->id < now->plan->ports[i].n_rx_queues)
			queue->reassembly = now->queues[i][queue->id].reassembly;
	if (queue->reassembly != NULL) {
		queue->borrows_reassembly = true;
		return 0;
	}
	queue->reassembly = fc_reassembly_new(&limits, plan->facts.socket);
	return queue->reassembly != NULL ? 0 : -ENOMEM;
}

/* Bytes of the longest frame of a port that cannot have been cut. */
static uint32_t longest_whole(const struct fc_port_facts *facts)
{
	return facts->cut_at != 0 ? RTE_MIN(facts->cut_at - 1, (uint32_t)FC_LONGEST_FRAME)
				  : FC_LONGEST_FRAME;
}

/* Set up one rx queue with what the port's taps take from it. */
static int make_queue(const struct fc_generation *now, struct fc_generation *next,
	uint16_t port_index, uint16_t id)
{
	const struct fc_plan_port *plan = &next->plan->ports[port_index];
	struct fc_station *station = next->stations[port_index];
	struct fc_queue *queue = &next->queues[port_index][id];

	*queue = (struct fc_queue){
		.port = next->ports[port_index],
		.id = id,
		.longest = longest_whole(&plan->facts),
		.how = { .pool = next->rx_pools[port_index], .reach = UINT32_MAX },
	};
	queue->intakes = calloc(RTE_MAX(next->config->n_taps, 1), sizeof(struct fc_intake *));
	if (queue->intakes == NULL)
		return -ENOMEM;
	for (uint16_t t = 0; t < next->config->n_taps; t++)
		if (next->plan->taps[t].port == port_index)
			queue->intakes[queue->n_intakes++] = next->taps[t]->intakes[id];
	if (station != NULL) {
		queue->ends = &station->ends;
		queue->heard = station->heard[id];
	}
	return plan->ends ? have_reassembly(now, plan, queue->port, queue) : 0;
}

static int make_queues(
	const struct fc_generation *now, struct fc_generation *next, uint16_t port_index)
{
	const struct fc_plan_port *plan = &next->plan->ports[port_index];
	int ret = 0;

	if (!plan->receives)
		return 0;
	next->queues[port_index] =
		rte_zmalloc_socket("fluxcap_queues", plan->n_rx_queues * sizeof(struct fc_queue),
			RTE_CACHE_LINE_SIZE, plan->facts.socket);
	if (next->queues[port_index] == NULL)
		return -ENOMEM;
	for (uint16_t q = 0; ret == 0 && q < plan->n_rx_queues; q++)
		ret = make_queue(now, next, port_index, q);
	return ret;
}

static int allocate_work(
	const struct fc_engine *engine, const struct fc_generation *next, struct fc_work *work)
{
	uint32_t n_queues = 0;

	for (uint16_t i = 0; i < next->plan->n_ports; i++)
		n_queues += next->plan->ports[i].n_rx_queues;
	work->idle_us = next->config->lcores.idle_us;
	work->queues = calloc(n_queues + 1U, sizeof(struct fc_queue *));
	work->ears = calloc(n_queues + 1U, sizeof(struct fc_queue *));
	work->feeds = calloc(next->n_feeds + 1U, sizeof(struct fc_feed *));
	work->inbound = calloc(engine->n_lanes, sizeof(struct fc_inbound *));
	work->stations = calloc(next->plan->n_ports + 1U, sizeof(struct fc_station *));
	return work->queues != NULL && work->ears != NULL && work->feeds != NULL &&
			       work->inbound != NULL && work->stations != NULL
		       ? 0
		       : -ENOMEM;
}

/* Give a lane its rx queues, feeds, stations and handoffs. */
static void fill_work(const struct fc_engine *engine, struct fc_generation *next, uint16_t lane)
{
	struct fc_work *work = &next->works[lane];

	for (uint16_t i = 0; i < next->plan->n_ports; i++) {
		const struct fc_plan_port *plan = &next->plan->ports[i];
		struct fc_queue *queues = next->queues[i];

		for (uint16_t q = 0; queues != NULL && q < plan->n_rx_queues; q++)
			if (next->lane_of[plan->rx_lanes[q]] != lane)
				continue;
			else if (plan->is_tap)
				work->queues[work->n_queues++] = &queues[q];
			else
				work->ears[work->n_ears++] = &queues[q];
		if (next->stations[i] != NULL && plan->sends &&
			next->lane_of[plan->tx_lane] == lane)
			work->stations[work->n_stations++] = next->stations[i];
	}
	for (uint16_t t = 0; t < next->config->n_taps; t++) {
		uint16_t n_sharing;

		work->n_feeds = (uint16_t)(work->n_feeds + collect_feeds(next, t, lane,
								   work->feeds + work->n_feeds,
								   &n_sharing));
	}
	for (uint16_t from = 0; from < engine->n_lanes; from++) {
		struct fc_inbound *inbound =
			engine->inbounds[(size_t)from * engine->n_lanes + lane];

		if (inbound != NULL)
			work->inbound[work->n_inbound++] = inbound;
	}
}

int fc_wiring_make(struct fc_engine *engine, struct fc_generation *next)
{
	int ret = 0;

	for (uint16_t i = 0; ret == 0 && i < next->plan->n_ports; i++)
		ret = make_queues(engine->now, next, i);
	if (ret == 0)
		ret = make_routes(engine, next);
	for (uint16_t l = 0; ret == 0 && l < engine->n_lanes; l++) {
		ret = allocate_work(engine, next, &next->works[l]);
		if (ret == 0)
			fill_work(engine, next, l);
	}
	return ret;
}

static void free_queues(struct fc_generation *generation, uint16_t port_index)
{
	const struct fc_plan_port *plan = &generation->plan->ports[port_index];
	struct fc_queue *queues = generation->queues[port_index];

	for (uint16_t q = 0; queues != NULL && q < plan->n_rx_queues; q++) {
		if (!queues[q].borrows_reassembly && queues[q].reassembly != NULL) {
			fc_reassembly_expire(queues[q].reassembly, UINT64_MAX);
			fc_reassembly_free(queues[q].reassembly);
		}
		free(queues[q].intakes);
	}
	rte_free(queues);
}

void fc_wiring_free(const struct fc_engine *engine, struct fc_generation *generation)
{
	for (uint16_t i = 0; generation->queues != NULL && i < generation->plan->n_ports; i++)
		free_queues(generation, i);
	for (uint32_t i = 0; generation->routes != NULL && i < generation->n_routes; i++)
		free(generation->routes[i].feeds);
	rte_free(generation->routes);
	for (uint32_t i = 0;
		generation->tables != NULL && i < (uint32_t)engine->n_lanes * engine->n_lanes; i++)
		free(generation->tables[i]);
	for (uint16_t l = 0; generation->works != NULL && l < engine->n_lanes; l++) {
		struct fc_work *work = &generation->works[l];

		free(work->queues);
		free(work->ears);
		free(work->feeds);
		free(work->inbound);
		free(work->stations);
	}
}
