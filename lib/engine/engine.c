/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_errno.h>
#include <rte_lcore.h>
#include <rte_malloc.h>

#include "pool.h"
#include "state.h"

#define PLACE_SIZE (FC_NAME_SIZE + 16)

static uint16_t find_lcores(struct fc_lcore_facts lcores[FC_MAX_LCORES])
{
	uint16_t n = 0;
	unsigned id;

	RTE_LCORE_FOREACH_WORKER (id) {
		if (n < FC_MAX_LCORES)
			lcores[n++] =
				(struct fc_lcore_facts){ id, (int)rte_lcore_to_socket_id(id) };
	}
	if (n == 0) /* the main lcore works, and control moves to a thread beside it */
		lcores[n++] = (struct fc_lcore_facts){ rte_get_main_lcore(), (int)rte_socket_id() };
	return n;
}

static void list_ports(char *text, size_t size)
{
	char name[RTE_ETH_NAME_MAX_LEN];
	size_t used = 0;
	uint16_t id;

	snprintf(text, size, "none");
	RTE_ETH_FOREACH_DEV (id) {
		if (used < size && rte_eth_dev_get_name_by_port(id, name) == 0)
			used += (size_t)snprintf(
				text + used, size - used, "%s%s", used == 0 ? "" : ", ", name);
	}
}

static void report_missing_port(
	const struct fc_config *config, const char *name, struct fc_findings *findings)
{
	const char *mend = strchr(name, ':') != NULL ? "bind it to vfio-pci (dpdk-devbind.py "
						       "--bind=vfio-pci) and allow it with -a"
						     : "create it with --vdev";
	char place[PLACE_SIZE + 16], known[256];

	list_ports(known, sizeof(known));
	for (unsigned i = 0; i < (unsigned)config->n_taps + config->n_outputs; i++) {
		bool is_tap = i < config->n_taps;
		const char *owner =
			is_tap ? config->taps[i].name : config->outputs[i - config->n_taps].name;
		const char *port =
			is_tap ? config->taps[i].port : config->outputs[i - config->n_taps].port;

		if (strcmp(port, name) != 0)
			continue;
		snprintf(place, sizeof(place), "%s.%s.port", is_tap ? "taps" : "outputs", owner);
		fc_findings_add(findings, FC_ERROR, place, "EAL has no port '%s' (it has: %s); %s",
			name, known, mend);
	}
}

static bool is_optional(const struct fc_config *config, const char *name)
{
	const struct fc_port_config *port = fc_config_port(config, name);

	return port != NULL && port->optional;
}

static void do_without(const char *name, struct fc_port_facts *facts, struct fc_findings *findings)
{
	char place[FC_PORT_NAME_SIZE + 8], known[256];

	fc_plan_assume_port(name, facts);
	facts->is_absent = true;
	list_ports(known, sizeof(known));
	snprintf(place, sizeof(place), "ports.%s", name);
	fc_findings_add(findings, FC_WARNING, place,
		"EAL has no such port (it has: %s); it is optional, so fluxcap runs without it",
		known);
}

static int make_plan(
	const struct fc_config *config, struct fc_findings *findings, struct fc_plan **plan)
{
	const char *names[FC_MAX_TAPS + FC_MAX_OUTPUTS];
	struct fc_lcore_facts lcores[FC_MAX_LCORES];
	uint16_t n_ports = fc_plan_port_names(config, names);
	uint16_t n_lcores = find_lcores(lcores);
	struct fc_port_facts *facts = calloc(n_ports, sizeof(*facts));
	int ret = 0;

	if (facts == NULL) {
		fc_findings_add(findings, FC_ERROR, "", "out of memory");
		return -ENOMEM;
	}
	for (uint16_t i = 0; i < n_ports; i++) {
		if (fc_port_facts(names[i], &facts[i]) == 0)
			continue;
		if (is_optional(config, names[i])) {
			do_without(names[i], &facts[i], findings);
			continue;
		}
		report_missing_port(config, names[i], findings);
		ret = -EINVAL;
	}
	if (ret == 0) {
		*plan = fc_plan_make(config, facts, lcores, n_lcores, findings);
		ret = *plan != NULL ? 0 : -EINVAL;
	}
	free(facts);
	return ret;
}

static int allocate(struct fc_engine *engine)
{
	const struct fc_config *config = engine->config;

	for (uint16_t o = 0; o < config->n_outputs; o++)
		engine->n_feeds += config->outputs[o].n_from;
	engine->ports =
		rte_zmalloc("fluxcap_ports", engine->plan->n_ports * sizeof(*engine->ports), 0);
	engine->taps = rte_zmalloc("fluxcap_taps", config->n_taps * sizeof(*engine->taps), 0);
	engine->outputs =
		rte_zmalloc("fluxcap_outputs", config->n_outputs * sizeof(*engine->outputs), 0);
	engine->feeds = rte_zmalloc(
		"fluxcap_feeds", engine->n_feeds * sizeof(*engine->feeds), RTE_CACHE_LINE_SIZE);
	engine->first_feed = calloc(config->n_outputs, sizeof(*engine->first_feed));
	return engine->ports != NULL && engine->taps != NULL && engine->outputs != NULL &&
			       engine->feeds != NULL && engine->first_feed != NULL
		       ? 0
		       : -ENOMEM;
}

static int make_pool(struct rte_mempool **pool, const char *kind, uint16_t index,
	const struct fc_plan_pool *planned, const struct fc_engine *engine, const char *place,
	struct fc_findings *findings)
{
	if (planned->n_mbufs == 0)
		return 0;
	*pool = fc_pool_new(kind, index, planned, engine->plan, place, findings);
	return *pool != NULL ? 0 : -ENOMEM;
}

/* The first tap of a port, or UINT16_MAX. */
static uint16_t first_tap(const struct fc_engine *engine, uint16_t port)
{
	for (uint16_t t = 0; t < engine->config->n_taps; t++)
		if (engine->plan->taps[t].port == port)
			return t;
	return UINT16_MAX;
}

static int make_port(struct fc_engine *engine, uint16_t index, struct fc_findings *findings)
{
	const struct fc_plan_port *plan = &engine->plan->ports[index];
	struct fc_port *port = &engine->ports[index];
	uint16_t tap = first_tap(engine, index);
	char place[FC_PORT_NAME_SIZE + 8];

	if (tap != UINT16_MAX)
		snprintf(place, sizeof(place), "taps.%s", engine->config->taps[tap].name);
	else
		snprintf(place, sizeof(place), "port %s", plan->facts.name);
	if (make_pool(&port->rx_pool, "port", index, &plan->pool, engine, place, findings) != 0 ||
		make_pool(&port->host_pool, "host", index, &plan->host, engine, place, findings) !=
			0)
		return -ENOMEM;
	if (!plan->is_host)
		return 0;
	port->station = fc_station_new(port, plan, index, port->host_pool, findings);
	return port->station != NULL ? 0 : -ENOMEM;
}

static int make_tap(struct fc_engine *engine, uint16_t index, struct fc_findings *findings)
{
	const struct fc_tap_config *config = &engine->config->taps[index];
	const struct fc_plan_port *plan = &engine->plan->ports[engine->plan->taps[index].port];
	struct fc_port *port = &engine->ports[engine->plan->taps[index].port];
	struct fc_tap *tap = &engine->taps[index];
	char place[PLACE_SIZE];

	snprintf(place, sizeof(place), "taps.%s", config->name);
	tap->intakes = rte_zmalloc_socket("fluxcap_intakes",
		plan->n_rx_queues * sizeof(*tap->intakes), RTE_CACHE_LINE_SIZE, plan->pool.socket);
	if (tap->intakes == NULL ||
		(config->decap.type != FC_TUNNEL_NONE &&
			fc_station_add_end(port->station, &config->decap) != 0)) {
		fc_findings_add(findings, FC_ERROR, place, "out of memory");
		return -ENOMEM;
	}
	for (uint16_t q = 0; q < plan->n_rx_queues; q++) {
		struct fc_intake *intake = &tap->intakes[q];

		intake->is_alone = plan->n_rx_queues == 1;
		intake->reached = &tap->reached;
		if (fc_chain_begin(&intake->chain, &config->edits, findings, place) != 0)
			return -EINVAL;
		intake->how = (struct fc_private){
			.pool = port->rx_pool,
			.reach = intake->chain.reach,
			.headroom = intake->chain.growth,
		};
	}
	return 0;
}

static int make_tunnel(struct fc_engine *engine, uint16_t index, struct fc_findings *findings)
{
	const struct fc_plan_output *plan = &engine->plan->outputs[index];
	const struct fc_encap *encap = &engine->config->outputs[index].encap;
	struct fc_output *output = &engine->outputs[index];
	struct fc_tunnel_params params = {
		.type = encap->type,
		.local = encap->local,
		.remote = encap->remote,
		.has_key = encap->has_key,
		.key = encap->key,
		.vlan = encap->vlan,
		.dscp = encap->dscp,
		.ttl = encap->ttl,
		.mtu = plan->mtu,
		.oversize = encap->oversize,
	};

	output->tunnel = rte_zmalloc_socket("fluxcap_tunnel", sizeof(*output->tunnel),
		RTE_CACHE_LINE_SIZE, engine->plan->ports[plan->port].facts.socket);
	if (output->tunnel == NULL)
		return -ENOMEM;
	memcpy(params.mac, output->port->station->mac, FC_MAC_SIZE);
	output->tunnel->n_fragments = plan->n_fragments;
	output->tunnel->how =
		(struct fc_fragment){ output->how.pool, output->how.pool, plan->is_linear };
	if (fc_tunnel_prepare(&output->tunnel->header, &params) != 0) {
		fc_findings_add(findings, FC_ERROR, engine->config->outputs[index].name,
			"its tunnel cannot be made");
		return -EINVAL;
	}
	return fc_station_add_hop(output->port->station, encap, output->tunnel);
}

static int make_output(struct fc_engine *engine, uint16_t index, struct fc_findings *findings)
{
	const struct fc_plan_output *plan = &engine->plan->outputs[index];
	const struct fc_output_config *config = &engine->config->outputs[index];
	bool has_tunnel = config->encap.type != FC_TUNNEL_NONE;
	struct fc_output *output = &engine->outputs[index];
	char place[PLACE_SIZE];

	snprintf(place, sizeof(place), "outputs.%s", config->name);
	output->port = &engine->ports[plan->port];
	output->prepares = plan->needs_copies;
	if (make_pool(&output->how.pool, "output", index, &plan->copies, engine, place, findings) !=
		0)
		return -ENOMEM;
	if (fc_chain_begin(&output->chain, &config->edits, findings, place) != 0)
		return -EINVAL;
	output->writes = has_tunnel || output->chain.n_write != 0;
	output->how.reach = output->chain.reach;
	output->how.headroom =
		(uint16_t)(output->chain.growth + (has_tunnel ? FC_TUNNEL_MAX_SIZE : 0));
	output->how.linear = plan->is_linear;
	return has_tunnel ? make_tunnel(engine, index, findings) : 0;
}

static int make_feeds(struct fc_engine *engine, struct fc_findings *findings)
{
	uint32_t next = 0;

	for (uint16_t o = 0; o < engine->config->n_outputs; o++) {
		const struct fc_output_config *output = &engine->config->outputs[o];

		engine->first_feed[o] = next;
		for (uint16_t i = 0; i < output->n_from; i++) {
			const struct fc_plan_tap *tap = &engine->plan->taps[output->from[i]];
			struct fc_feed *feed = &engine->feeds[next++];

			feed->output = &engine->outputs[o];
			feed->reached = &engine->taps[output->from[i]].reached;
			feed->window = tap->window;
			if (fc_feed_begin(feed, engine->plan->ports[tap->port].facts.socket) != 0) {
				fc_findings_add(findings, FC_ERROR, "",
					"too little memory for the backlogs: they need %.1f MiB",
					(double)engine->plan->backlog_size / (1024 * 1024));
				return -ENOMEM;
			}
		}
	}
	return 0;
}

static int start_ports(struct fc_engine *engine, struct fc_findings *findings)
{
	for (uint16_t i = 0; i < engine->plan->n_ports; i++)
		if (fc_port_start(&engine->ports[i], &engine->plan->ports[i], findings) != 0)
			return -EIO;
	return 0;
}

static int build(struct fc_engine *engine, struct fc_findings *findings)
{
	int ret = 0;

	for (uint16_t i = 0; ret == 0 && i < engine->plan->n_ports; i++)
		ret = make_port(engine, i, findings);
	for (uint16_t t = 0; ret == 0 && t < engine->config->n_taps; t++)
		ret = make_tap(engine, t, findings);
	for (uint16_t o = 0; ret == 0 && o < engine->config->n_outputs; o++)
		ret = make_output(engine, o, findings);
	if (ret == 0)
		ret = make_feeds(engine, findings);
	if (ret == 0)
		ret = fc_wiring_make(engine, findings);
	if (ret == 0)
		ret = start_ports(engine, findings);
	return ret;
}

int fc_engine_new(
	const struct fc_config *config, struct fc_findings *findings, struct fc_engine **out)
{
	struct fc_engine *engine = calloc(1, sizeof(*engine));
	int ret = -ENOMEM;

	if (engine == NULL)
		goto report_memory;
	engine->config = config;
	ret = make_plan(config, findings, &engine->plan);
	if (ret != 0)
		goto free_engine;
	ret = allocate(engine);
	if (ret != 0)
		goto report_memory;
	ret = build(engine, findings);
	if (ret != 0)
		goto free_engine;
	*out = engine;
	return 0;

report_memory:
	fc_findings_add(findings, FC_ERROR, "", "out of memory");
free_engine:
	fc_engine_free(engine);
	return ret;
}

static void free_tap(struct fc_engine *engine, uint16_t index)
{
	const struct fc_plan_port *plan = &engine->plan->ports[engine->plan->taps[index].port];
	struct fc_tap *tap = &engine->taps[index];

	for (uint16_t q = 0; tap->intakes != NULL && q < plan->n_rx_queues; q++)
		fc_chain_end(&tap->intakes[q].chain);
	rte_free(tap->intakes);
}

static void free_output(struct fc_output *output)
{
	fc_chain_end(&output->chain);
	rte_free(output->tunnel);
}

void fc_engine_free(struct fc_engine *engine)
{
	uint16_t n_ports, n_taps, n_outputs;

	if (engine == NULL)
		return;
	n_ports = engine->ports != NULL ? engine->plan->n_ports : 0;
	n_taps = engine->taps != NULL ? engine->config->n_taps : 0;
	n_outputs = engine->outputs != NULL ? engine->config->n_outputs : 0;
	for (uint16_t i = 0; i < n_ports; i++)
		fc_port_stop(&engine->ports[i]);
	fc_wiring_free(engine);
	for (uint32_t f = 0; engine->feeds != NULL && f < engine->n_feeds; f++)
		fc_feed_end(&engine->feeds[f]);
	for (uint16_t o = 0; o < n_outputs; o++)
		free_output(&engine->outputs[o]);
	for (uint16_t t = 0; t < n_taps; t++)
		free_tap(engine, t);
	for (uint16_t i = 0; i < n_ports; i++)
		fc_station_free(engine->ports[i].station);
	/* Pools last: what has been freed above went back to them. */
	for (uint16_t o = 0; o < n_outputs; o++)
		rte_mempool_free(engine->outputs[o].how.pool);
	for (uint16_t i = 0; i < n_ports; i++) {
		rte_mempool_free(engine->ports[i].rx_pool);
		rte_mempool_free(engine->ports[i].host_pool);
	}
	rte_free(engine->ports);
	rte_free(engine->taps);
	rte_free(engine->outputs);
	rte_free(engine->feeds);
	free(engine->first_feed);
	fc_plan_free(engine->plan);
	free(engine);
}

const struct fc_plan *fc_engine_plan(const struct fc_engine *engine)
{
	return engine->plan;
}
