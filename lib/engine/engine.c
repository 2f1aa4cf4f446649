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
		if (fc_port_facts(names[i], &facts[i]) != 0) {
			report_missing_port(config, names[i], findings);
			ret = -EINVAL;
		}
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
	engine->idle_pools = calloc(engine->plan->n_ports, sizeof(struct rte_mempool *));
	engine->taps = rte_zmalloc("fluxcap_taps", config->n_taps * sizeof(*engine->taps), 0);
	engine->outputs =
		rte_zmalloc("fluxcap_outputs", config->n_outputs * sizeof(*engine->outputs), 0);
	engine->copy_pools = calloc(config->n_outputs, sizeof(struct rte_mempool *));
	engine->feeds = rte_zmalloc(
		"fluxcap_feeds", engine->n_feeds * sizeof(*engine->feeds), RTE_CACHE_LINE_SIZE);
	engine->first_feed = calloc(config->n_outputs, sizeof(*engine->first_feed));
	return engine->ports != NULL && engine->idle_pools != NULL && engine->taps != NULL &&
			       engine->outputs != NULL && engine->copy_pools != NULL &&
			       engine->feeds != NULL && engine->first_feed != NULL
		       ? 0
		       : -ENOMEM;
}

static int make_pools(struct fc_engine *engine, struct fc_findings *findings)
{
	const struct fc_plan *plan = engine->plan;
	char place[PLACE_SIZE];

	for (uint16_t t = 0; t < engine->config->n_taps; t++) {
		snprintf(place, sizeof(place), "taps.%s", engine->config->taps[t].name);
		engine->taps[t].pool =
			fc_pool_new("tap", t, &plan->taps[t].pool, plan, place, findings);
		if (engine->taps[t].pool == NULL)
			return -ENOMEM;
	}
	for (uint16_t o = 0; o < engine->config->n_outputs; o++) {
		if (!plan->outputs[o].needs_copies)
			continue;
		snprintf(place, sizeof(place), "outputs.%s", engine->config->outputs[o].name);
		engine->copy_pools[o] =
			fc_pool_new("output", o, &plan->outputs[o].copies, plan, place, findings);
		if (engine->copy_pools[o] == NULL)
			return -ENOMEM;
	}
	for (uint16_t i = 0; i < plan->n_ports; i++) {
		if (plan->ports[i].idle.n_mbufs == 0)
			continue;
		engine->idle_pools[i] = fc_pool_new(
			"port", i, &plan->ports[i].idle, plan, plan->ports[i].facts.name, findings);
		if (engine->idle_pools[i] == NULL)
			return -ENOMEM;
	}
	return 0;
}

static int make_tap(struct fc_engine *engine, uint16_t index, struct fc_findings *findings)
{
	const struct fc_plan_tap *plan = &engine->plan->taps[index];
	const struct fc_tap_config *config = &engine->config->taps[index];
	struct fc_tap *tap = &engine->taps[index];
	char place[PLACE_SIZE];

	snprintf(place, sizeof(place), "taps.%s", config->name);
	tap->intakes = rte_zmalloc_socket("fluxcap_intakes", plan->n_queues * sizeof(*tap->intakes),
		RTE_CACHE_LINE_SIZE, plan->pool.socket);
	if (tap->intakes == NULL) {
		fc_findings_add(findings, FC_ERROR, place, "out of memory");
		return -ENOMEM;
	}
	for (uint16_t q = 0; q < plan->n_queues; q++) {
		struct fc_intake *intake = &tap->intakes[q];

		intake->port = &engine->ports[plan->port];
		intake->queue = q;
		intake->is_alone = plan->n_queues == 1;
		intake->reached = &tap->reached;
		if (fc_chain_begin(&intake->chain, &config->edits, findings, place) != 0)
			return -EINVAL;
		intake->how = (struct fc_private){
			.pool = tap->pool,
			.reach = intake->chain.reach,
			.headroom = intake->chain.growth,
		};
	}
	return 0;
}

static int make_output(struct fc_engine *engine, uint16_t index, struct fc_findings *findings)
{
	const struct fc_plan_output *plan = &engine->plan->outputs[index];
	const struct fc_output_config *config = &engine->config->outputs[index];
	struct fc_output *output = &engine->outputs[index];
	char place[PLACE_SIZE];

	snprintf(place, sizeof(place), "outputs.%s", config->name);
	output->port = &engine->ports[plan->port];
	output->prepares = plan->needs_copies;
	if (fc_chain_begin(&output->chain, &config->edits, findings, place) != 0)
		return -EINVAL;
	output->how = (struct fc_private){
		.pool = engine->copy_pools[index],
		.reach = output->chain.reach,
		.headroom = output->chain.growth,
		.linear = plan->is_linear,
	};
	return 0;
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
			if (fc_backlog_begin(&feed->backlog, tap->window, tap->pool.socket) != 0) {
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
	for (uint16_t i = 0; i < engine->plan->n_ports; i++) {
		struct rte_mempool *pool = engine->idle_pools[i];

		for (uint16_t t = 0; t < engine->config->n_taps; t++)
			if (engine->plan->taps[t].port == i)
				pool = engine->taps[t].pool;
		if (fc_port_start(&engine->ports[i], &engine->plan->ports[i], pool, findings) != 0)
			return -EIO;
	}
	return 0;
}

static int build(struct fc_engine *engine, struct fc_findings *findings)
{
	int ret = make_pools(engine, findings);

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

static void free_pools(struct fc_engine *engine)
{
	for (uint16_t t = 0; engine->taps != NULL && t < engine->config->n_taps; t++)
		rte_mempool_free(engine->taps[t].pool);
	for (uint16_t o = 0; engine->copy_pools != NULL && o < engine->config->n_outputs; o++)
		rte_mempool_free(engine->copy_pools[o]);
	for (uint16_t i = 0; engine->idle_pools != NULL && i < engine->plan->n_ports; i++)
		rte_mempool_free(engine->idle_pools[i]);
}

void fc_engine_free(struct fc_engine *engine)
{
	if (engine == NULL)
		return;
	for (uint16_t i = 0; engine->ports != NULL && i < engine->plan->n_ports; i++)
		fc_port_stop(&engine->ports[i]);
	fc_wiring_free(engine);
	for (uint32_t f = 0; engine->feeds != NULL && f < engine->n_feeds; f++)
		fc_backlog_end(&engine->feeds[f].backlog);
	for (uint16_t o = 0; engine->outputs != NULL && o < engine->config->n_outputs; o++)
		fc_chain_end(&engine->outputs[o].chain);
	for (uint16_t t = 0; engine->taps != NULL && t < engine->config->n_taps; t++) {
		struct fc_tap *tap = &engine->taps[t];

		for (uint16_t q = 0; tap->intakes != NULL && q < engine->plan->taps[t].n_queues;
			q++)
			fc_chain_end(&tap->intakes[q].chain);
		rte_free(tap->intakes);
	}
	free_pools(engine);
	rte_free(engine->ports);
	free(engine->idle_pools);
	rte_free(engine->taps);
	rte_free(engine->outputs);
	free(engine->copy_pools);
	rte_free(engine->feeds);
	free(engine->first_feed);
	fc_plan_free(engine->plan);
	free(engine);
}

const struct fc_plan *fc_engine_plan(const struct fc_engine *engine)
{
	return engine->plan;
}
