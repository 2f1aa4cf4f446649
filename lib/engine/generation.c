/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_malloc.h>
#include <rte_mbuf.h>

#include <fc_config_compare.h>

#include "generation.h"
#include "pool.h"

#define PLACE_SIZE (FC_NAME_SIZE + 16)

/* What is being made, and what it is made beside; `now` may be NULL. */
struct making {
	struct fc_engine *engine;
	const struct fc_generation *now;
	struct fc_generation *next;
	struct fc_findings *findings;
};

int fc_generation_find_tap(const struct fc_generation *generation, const char *name)
{
	for (uint16_t t = 0; generation != NULL && t < generation->config->n_taps; t++)
		if (strcmp(generation->config->taps[t].name, name) == 0)
			return t;
	return -1;
}

int fc_generation_find_output(const struct fc_generation *generation, const char *name)
{
	for (uint16_t o = 0; generation != NULL && o < generation->config->n_outputs; o++)
		if (strcmp(generation->config->outputs[o].name, name) == 0)
			return o;
	return -1;
}

static int find_port(const struct fc_generation *generation, const char *name)
{
	const struct fc_plan_port *port =
		generation != NULL ? fc_plan_find_port(generation->plan, name) : NULL;

	return port != NULL ? (int)(port - generation->plan->ports) : -1;
}

struct fc_feed *fc_generation_feed(
	const struct fc_generation *generation, uint16_t tap, uint16_t output)
{
	const struct fc_output_config *config = &generation->config->outputs[output];

	for (uint16_t i = 0; i < config->n_from; i++)
		if (config->from[i] == tap)
			return generation->feeds[generation->first_feed[output] + i];
	return NULL;
}

bool fc_generation_uses(const struct fc_generation *generation, uint16_t lane)
{
	for (uint16_t l = 0; l < generation->plan->n_lanes; l++)
		if (generation->lane_of[l] == lane)
			return true;
	return false;
}

bool fc_generation_has_feed(const struct fc_generation *generation, const struct fc_feed *feed)
{
	for (uint32_t f = 0; generation != NULL && f < generation->n_feeds; f++)
		if (generation->feeds[f] == feed)
			return true;
	return false;
}

/* Whether a pool that is there already can do what is planned. */
static bool is_enough(const struct rte_mempool *pool, const struct fc_plan_pool *planned)
{
	return pool->size >= planned->n_mbufs &&
	       rte_pktmbuf_data_room_size((struct rte_mempool *)(uintptr_t)pool) ==
		       planned->data_room &&
	       pool->socket_id == planned->socket;
}

static int have_pool(struct making *m, const char *kind, struct rte_mempool *old,
	struct fc_plan_pool *planned, const char *place, struct rte_mempool **pool)
{
	if (planned->n_mbufs == 0)
		return 0;
	if (old != NULL && is_enough(old, planned)) {
		planned->n_mbufs = old->size;
		*pool = old;
		return 0;
	}
	*pool = fc_pool_new(kind, m->engine->n_made++, planned, m->next->plan, place, m->findings);
	return *pool != NULL ? 0 : -ENOMEM;
}

/* The first tap of a port, or UINT16_MAX. */
static uint16_t first_tap(const struct fc_generation *generation, uint16_t port)
{
	for (uint16_t t = 0; t < generation->config->n_taps; t++)
		if (generation->plan->taps[t].port == port)
			return t;
	return UINT16_MAX;
}

static int make_station(struct making *m, uint16_t index, struct fc_station *old)
{
	const struct fc_plan_port *plan = &m->next->plan->ports[index];
	struct rte_mempool *pool = m->next->host_pools[index];
	struct fc_station **station = &m->next->stations[index];

	if (old != NULL && old->n_heard == plan->n_rx_queues && (old->said != NULL) == plan->sends)
		*station = fc_station_new_after(old, plan, pool);
	else
		*station = fc_station_new(
			m->next->ports[index], plan, m->engine->n_made++, pool, m->findings);
	return *station != NULL ? 0 : -ENOMEM;
}

static int make_port(struct making *m, uint16_t index)
{
	struct fc_generation *next = m->next;
	struct fc_plan_port *plan = &next->plan->ports[index];
	int old = find_port(m->now, plan->facts.name);
	uint16_t tap = first_tap(next, index);
	char place[FC_PORT_NAME_SIZE + 8];
	bool may_share;
	int ret;

	next->ports[index] =
		old >= 0 ? m->now->ports[old]
			 : rte_zmalloc("fluxcap_port", sizeof(struct fc_port), RTE_CACHE_LINE_SIZE);
	if (next->ports[index] == NULL)
		return -ENOMEM;
	if (tap != UINT16_MAX)
		snprintf(place, sizeof(place), "taps.%s", next->config->taps[tap].name);
	else
		snprintf(place, sizeof(place), "port %s", plan->facts.name);
	/* A driver that keeps buffers of its pool would do so again each time that it is started.
	 */
	may_share = old >= 0 && (plan->is_kept || plan->facts.is_absent || plan->pool.n_kept == 0);
	ret = have_pool(m, "port", may_share ? m->now->rx_pools[old] : NULL, &plan->pool, place,
		&next->rx_pools[index]);
	if (ret == 0)
		ret = have_pool(m, "host", old >= 0 ? m->now->host_pools[old] : NULL, &plan->host,
			place, &next->host_pools[index]);
	if (old < 0)
		next->ports[index]->rx_pool = next->rx_pools[index];
	if (ret != 0 || !plan->is_host)
		return ret;
	return make_station(m, index, old >= 0 ? m->now->stations[old] : NULL);
}

/* Make the intakes that a tap lacks. */
static int add_intakes(struct fc_tap *tap, const struct fc_plan_port *plan)
{
	uint16_t n = atomic_load_explicit(&tap->n_intakes, memory_order_relaxed);

	for (; n < plan->n_rx_queues; n++) {
		struct fc_intake *intake = rte_zmalloc_socket(
			"fluxcap_intake", sizeof(*intake), RTE_CACHE_LINE_SIZE, plan->pool.socket);

		if (intake == NULL)
			return -ENOMEM;
		intake->reached = &tap->reached;
		tap->intakes[n] = intake;
		atomic_store_explicit(&tap->n_intakes, (uint16_t)(n + 1), memory_order_release);
	}
	return 0;
}

static int make_chains(struct making *m, uint16_t tap, int old)
{
	const struct fc_edits *edits = &m->next->config->taps[tap].edits;
	uint16_t n_queues = fc_generation_n_queues(m->next, tap);
	bool is_same = old >= 0 && m->next->taps[tap] == m->now->taps[old] &&
		       n_queues == fc_generation_n_queues(m->now, (uint16_t)old) &&
		       fc_edits_is_equal(edits, &m->now->config->taps[old].edits);
	char place[PLACE_SIZE];

	snprintf(place, sizeof(place), "taps.%s", m->next->config->taps[tap].name);
	for (uint16_t q = 0; q < n_queues; q++) {
		struct fc_chain *chain = &m->next->outlets[tap][q].chain;

		m->next->outlets[tap][q].is_borrowed = is_same;
		if (is_same)
			*chain = m->now->outlets[old][q].chain;
		else if (fc_chain_begin(chain, edits, m->findings, place) != 0)
			return -EINVAL;
	}
	return 0;
}

static int make_tap(struct making *m, uint16_t index)
{
	struct fc_generation *next = m->next;
	const struct fc_tap_config *config = &next->config->taps[index];
	uint16_t port = next->plan->taps[index].port;
	const struct fc_plan_port *plan = &next->plan->ports[port];
	int old = fc_generation_find_tap(m->now, config->name);

	if (old >= 0 && m->now->ports[m->now->plan->taps[old].port] == next->ports[port])
		next->taps[index] = m->now->taps[old];
	else
		next->taps[index] = rte_zmalloc_socket("fluxcap_tap", sizeof(struct fc_tap),
			RTE_CACHE_LINE_SIZE, plan->pool.socket);
	next->outlets[index] = calloc(plan->n_rx_queues, sizeof(*next->outlets[index]));
	if (next->taps[index] == NULL || next->outlets[index] == NULL ||
		add_intakes(next->taps[index], plan) != 0)
		return -ENOMEM;
	if (config->decap.type != FC_TUNNEL_NONE &&
		fc_station_add_end(next->stations[port], &config->decap) != 0)
		return -ENOMEM;
	return make_chains(m, index, old);
}

static int make_tunnel(struct making *m, uint16_t index, const struct fc_output *old)
{
	const struct fc_plan_output *plan = &m->next->plan->outputs[index];
	const struct fc_encap *encap = &m->next->config->outputs[index].encap;
	struct fc_output *output = m->next->outputs[index];
	uint16_t tx_lane = m->next->plan->ports[plan->port].tx_lane;
	struct fc_tunnel_params params = {
		.type = encap->type,
		.local = encap->local,
		.remote = encap->remote,
		.has_key = encap->has_key,
		.key = encap->key,
		.udp_port = encap->udp_port,
		.vlan = encap->vlan,
		.dscp = encap->dscp,
		.ttl = encap->ttl,
		.mtu = plan->mtu,
		.oversize = encap->oversize,
	};

	output->tunnel = rte_zmalloc_socket("fluxcap_tunnel", sizeof(*output->tunnel),
		RTE_CACHE_LINE_SIZE, m->next->plan->ports[plan->port].facts.socket);
	if (output->tunnel == NULL)
		return -ENOMEM;
	memcpy(params.mac, m->next->stations[plan->port]->mac, FC_MAC_SIZE);
	output->tunnel->n_fragments = plan->n_fragments;
	output->tunnel->how =
		(struct fc_fragment){ output->how.pool, output->how.pool, plan->is_linear };
	/* Edits may change what the ports depend on. */
	if ((encap->type == FC_TUNNEL_VXLAN || encap->type == FC_TUNNEL_GENEVE) &&
		output->chain.n_write == 0)
		output->ports = &m->engine->lanes[m->next->lane_of[tx_lane]].ports;
	if (old != NULL)
		output->heir_of = old->tunnel;
	if (fc_tunnel_prepare(&output->tunnel->header, &params) == 0)
		return 0;
	fc_findings_add(m->findings, FC_ERROR, m->next->config->outputs[index].name,
		"its tunnel cannot be made");
	return -EINVAL;
}

/* Whether an output of the generation that runs is all that is wanted. */
static bool is_same_output(const struct making *m, uint16_t index, uint16_t old)
{
	const struct fc_output_config *a = &m->next->config->outputs[index];
	const struct fc_output_config *b = &m->now->config->outputs[old];
	const struct fc_plan_output *p = &m->next->plan->outputs[index];
	const struct fc_plan_output *q = &m->now->plan->outputs[old];

	return m->next->plan->ports[p->port].is_kept && fc_edits_is_equal(&a->edits, &b->edits) &&
	       fc_encap_is_equal(&a->encap, &b->encap) && p->needs_copies == q->needs_copies &&
	       p->is_linear == q->is_linear && p->mtu == q->mtu &&
	       p->n_fragments == q->n_fragments && p->mends == q->mends &&
	       (p->copies.n_mbufs == 0 || is_enough(m->now->outputs[old]->how.pool, &p->copies));
}

static int make_output(struct making *m, uint16_t index, const struct fc_output *old)
{
	struct fc_plan_output *plan = &m->next->plan->outputs[index];
	const struct fc_output_config *config = &m->next->config->outputs[index];
	bool has_tunnel = config->encap.type != FC_TUNNEL_NONE;
	struct fc_output *output = rte_zmalloc_socket("fluxcap_output", sizeof(*output),
		RTE_CACHE_LINE_SIZE, m->next->plan->ports[plan->port].facts.socket);
	char place[PLACE_SIZE];

	m->next->outputs[index] = output;
	if (output == NULL)
		return -ENOMEM;
	snprintf(place, sizeof(place), "outputs.%s", config->name);
	output->port = m->next->ports[plan->port];
	output->prepares = plan->needs_copies;
	output->mends = plan->mends;
	output->passes_by = m->next->plan->ports[plan->port].facts.refuses_long;
	output->min_frame = m->next->plan->ports[plan->port].facts.min_tx_frame;
	if (have_pool(m, "output", old != NULL ? old->how.pool : NULL, &plan->copies, place,
		    &output->how.pool) != 0)
		return -ENOMEM;
	if (fc_chain_begin(&output->chain, &config->edits, m->findings, place) != 0)
		return -EINVAL;
	output->writes = has_tunnel || output->chain.n_write != 0;
	/* What a tunnel cuts need not be copied, but for what tells that it was cut. */
	output->how.reach = has_tunnel && config->encap.oversize == FC_OVERSIZE_TRUNCATE
				    ? fc_chain_reach(&output->chain, plan->mtu + FC_TUNNEL_MAX_SIZE)
				    : output->chain.reach;
	output->how.headroom =
		(uint16_t)(output->chain.growth + (has_tunnel ? FC_TUNNEL_MAX_SIZE : 0));
	output->how.linear = plan->is_linear;
	output->borrows = has_tunnel && config->encap.type != FC_TUNNEL_GRE &&
			  output->chain.n_read + output->chain.n_write == 0 &&
			  m->next->plan->ports[plan->port].facts.lets_go;
	return has_tunnel ? make_tunnel(m, index, old) : 0;
}

/* The output of this name on the same port in the generation that runs, or -1. */
static int find_old_output(const struct making *m, uint16_t index)
{
	const struct fc_generation *now = m->now;
	int old = fc_generation_find_output(now, m->next->config->outputs[index].name);

	if (old < 0 || now->ports[now->plan->outputs[old].port] !=
			       m->next->ports[m->next->plan->outputs[index].port])
		return -1;
	return old;
}

static int have_output(struct making *m, uint16_t index)
{
	struct fc_generation *next = m->next;
	const struct fc_encap *encap = &next->config->outputs[index].encap;
	int old = find_old_output(m, index), ret = 0;

	if (old >= 0 && is_same_output(m, index, (uint16_t)old)) {
		next->outputs[index] = m->now->outputs[old];
		if (next->plan->outputs[index].copies.n_mbufs != 0)
			next->plan->outputs[index].copies.n_mbufs =
				next->outputs[index]->how.pool->size;
	} else {
		ret = make_output(m, index, old >= 0 ? m->now->outputs[old] : NULL);
	}
	if (ret != 0 || encap->type == FC_TUNNEL_NONE)
		return ret;
	return fc_station_add_hop(next->stations[next->plan->outputs[index].port], encap,
		next->outputs[index]->tunnel);
}

static struct fc_feed *new_feed(struct making *m, uint16_t output, uint16_t tap)
{
	const struct fc_plan_tap *plan = &m->next->plan->taps[tap];
	int socket = m->next->plan->ports[plan->port].facts.socket;
	int old = find_old_output(m, output);
	struct fc_feed *feed = rte_zmalloc("fluxcap_feed", sizeof(*feed), RTE_CACHE_LINE_SIZE);

	if (feed == NULL)
		return NULL;
	/* It changes to the new output when the others do: its tunnel's numbers go on then. */
	feed->output = old >= 0 ? m->now->outputs[old] : m->next->outputs[output];
	feed->reached = &m->next->taps[tap]->reached;
	feed->window = plan->wanted;
	if (fc_feed_begin(feed, socket) != 0) {
		rte_free(feed);
		return NULL;
	}
	feed->window = plan->window;
	return feed;
}

/* The feed that goes on: of the same tap, by the same port; NULL: there is none. */
static struct fc_feed *find_old_feed(const struct making *m, uint16_t output, uint16_t tap)
{
	int old = find_old_output(m, output);
	int old_tap = fc_generation_find_tap(m->now, m->next->config->taps[tap].name);

	if (old < 0 || old_tap < 0 || m->now->taps[old_tap] != m->next->taps[tap])
		return NULL;
	return fc_generation_feed(m->now, (uint16_t)old_tap, (uint16_t)old);
}

static int make_feeds(struct making *m)
{
	struct fc_generation *next = m->next;
	uint32_t at = 0;

	for (uint16_t o = 0; o < next->config->n_outputs; o++) {
		const struct fc_output_config *output = &next->config->outputs[o];

		next->first_feed[o] = at;
		for (uint16_t i = 0; i < output->n_from; i++) {
			struct fc_feed *feed = find_old_feed(m, o, output->from[i]);

			if (feed == NULL)
				feed = new_feed(m, o, output->from[i]);
			if (feed == NULL) {
				fc_findings_add(m->findings, FC_ERROR, "",
					"too little memory for the backlogs: they need %.1f MiB",
					(double)next->plan->backlog_size / (1024 * 1024));
				return -ENOMEM;
			}
			next->feeds[at++] = feed;
		}
	}
	return 0;
}

static int allocate(const struct fc_engine *engine, struct fc_generation *next)
{
	size_t n_ports = next->plan->n_ports, n_taps = next->config->n_taps;
	size_t n_outputs = next->config->n_outputs;
	size_t n_pairs = (size_t)engine->n_lanes * engine->n_lanes;

	for (uint16_t o = 0; o < n_outputs; o++)
		next->n_feeds += next->config->outputs[o].n_from;
	next->ports = calloc(n_ports, sizeof(struct fc_port *));
	next->rx_pools = calloc(n_ports, sizeof(struct rte_mempool *));
	next->host_pools = calloc(n_ports, sizeof(struct rte_mempool *));
	next->stations = calloc(n_ports, sizeof(struct fc_station *));
	next->queues = calloc(n_ports, sizeof(struct fc_queue *));
	next->taps = calloc(n_taps, sizeof(struct fc_tap *));
	next->outlets = calloc(n_taps, sizeof(struct fc_outlets *));
	next->outputs = calloc(n_outputs, sizeof(struct fc_output *));
	next->ended = calloc(n_outputs, sizeof(*next->ended));
	next->first_feed = calloc(n_outputs, sizeof(*next->first_feed));
	next->feeds = calloc(next->n_feeds, sizeof(struct fc_feed *));
	next->tables = calloc(n_pairs, sizeof(struct fc_route **));
	next->n_in_table = calloc(n_pairs, sizeof(*next->n_in_table));
	next->lane_of = calloc(next->plan->n_lanes, sizeof(*next->lane_of));
	next->works = calloc(engine->n_lanes, sizeof(*next->works));
	return next->ports != NULL && next->rx_pools != NULL && next->host_pools != NULL &&
			       next->stations != NULL && next->queues != NULL &&
			       next->taps != NULL && next->outlets != NULL &&
			       next->outputs != NULL && next->ended != NULL &&
			       next->first_feed != NULL && next->feeds != NULL &&
			       next->tables != NULL && next->n_in_table != NULL &&
			       next->lane_of != NULL && next->works != NULL
		       ? 0
		       : -ENOMEM;
}

/* Find the engine's lane of each lane of the plan. */
static void number_lanes(const struct fc_engine *engine, struct fc_generation *next)
{
	for (uint16_t l = 0; l < next->plan->n_lanes; l++)
		while (engine->lcores[next->lane_of[l]].id != next->plan->lanes[l].lcore.id)
			next->lane_of[l]++;
}

static int build(struct making *m)
{
	int ret = allocate(m->engine, m->next);

	if (ret == 0)
		number_lanes(m->engine, m->next);
	for (uint16_t i = 0; ret == 0 && i < m->next->plan->n_ports; i++)
		ret = make_port(m, i);
	for (uint16_t t = 0; ret == 0 && t < m->next->config->n_taps; t++)
		ret = make_tap(m, t);
	for (uint16_t o = 0; ret == 0 && o < m->next->config->n_outputs; o++)
		ret = have_output(m, o);
	if (ret == 0)
		ret = make_feeds(m);
	if (ret == 0)
		ret = fc_wiring_make(m->engine, m->next);
	return ret;
}

int fc_generation_make(struct fc_engine *engine, struct fc_config *config, struct fc_plan *plan,
	struct fc_findings *findings, struct fc_generation **generation)
{
	struct making m = { engine, engine->now, calloc(1, sizeof(*m.next)), findings };
	size_t n_errors = fc_findings_n_errors(findings);
	int ret;

	if (m.next == NULL) {
		fc_findings_add(findings, FC_ERROR, "", "out of memory");
		fc_plan_free(plan);
		return -ENOMEM;
	}
	m.next->config = config;
	m.next->plan = plan;
	m.next->parity = m.now != NULL ? !m.now->parity : 0;
	ret = build(&m);
	if (ret == 0) {
		*generation = m.next;
		return 0;
	}
	if (fc_findings_n_errors(findings) == n_errors)
		fc_findings_add(findings, FC_ERROR, "", "out of memory");
	fc_generation_free(engine, m.next, m.now);
	return ret;
}
