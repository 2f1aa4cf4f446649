/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_errno.h>
#include <rte_lcore.h>
#include <rte_malloc.h>

#include "generation.h"
#include "missing_port.h"
#include "old_pools.h"
#include "plug.h"

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
	fc_missing_port_list(known, sizeof(known));
	snprintf(place, sizeof(place), "ports.%s", name);
	fc_findings_add(findings, FC_WARNING, place,
		"EAL has no such port (it has: %s); it is optional, so fluxcap runs without it",
		known);
}

struct fc_port *fc_engine_find_port(const struct fc_engine *engine, const char *name)
{
	const struct fc_plan_port *port =
		engine->now != NULL ? fc_plan_find_port(engine->now->plan, name) : NULL;

	return port != NULL ? engine->now->ports[port - engine->now->plan->ports] : NULL;
}

/*
 * What is known of a port: of one that runs as much as was found out when it was started. One that
 * EAL does not have is plugged in, or, when that shall not be (@dry), assumed.
 */
static int learn_port(struct fc_engine *engine, const struct fc_config *config, const char *name,
	bool dry, struct fc_port_facts *facts, struct fc_findings *findings)
{
	const struct fc_port *port = fc_engine_find_port(engine, name);

	if (port != NULL && port->is_started &&
		!atomic_load_explicit(&port->is_gone, memory_order_relaxed)) {
		*facts = port->plan->facts;
		if (port->interface.mtu != 0)
			facts->mtu = port->interface.mtu;
		facts->is_running = true;
		return 0;
	}
	if (fc_port_facts(name, facts) == 0)
		return 0;
	if (dry && fc_plug_can(engine, config, name)) {
		fc_plan_assume_port(name, facts);
		return 0;
	}
	/* Trying what cannot be would only make EAL complain. */
	if (!dry && (port == NULL || fc_plug_is_there(engine, config, name)) &&
		fc_plug_in(engine, config, name) == 0 && fc_port_facts(name, facts) == 0)
		return 0;
	if (port != NULL) { /* it has gone, and what else there is goes on without it */
		*facts = port->plan->facts;
		facts->is_absent = true;
		facts->is_running = false;
		return 0;
	}
	if (is_optional(config, name)) {
		do_without(name, facts, findings);
		return 0;
	}
	fc_missing_port_report(config, name, findings);
	return -EINVAL;
}

int fc_engine_plan_for(struct fc_engine *engine, const struct fc_config *config, bool dry,
	struct fc_findings *findings, struct fc_plan **plan)
{
	const char *names[FC_MAX_TAPS + FC_MAX_OUTPUTS];
	uint16_t n_ports = fc_plan_port_names(config, names);
	struct fc_port_facts *facts = calloc(n_ports, sizeof(*facts));
	bool has_good_files;
	int ret;

	if (facts == NULL) {
		fc_findings_add(findings, FC_ERROR, "", "out of memory");
		return -ENOMEM;
	}
	ret = fc_plug_check_files(engine, config, names, n_ports, findings);
	has_good_files = ret == 0;
	for (uint16_t i = 0; has_good_files && i < n_ports; i++)
		if (learn_port(engine, config, names[i], dry, &facts[i], findings) != 0)
			ret = -EINVAL;
	if (ret == 0) {
		*plan = fc_plan_make_beside(config, facts, engine->lcores, engine->n_lanes,
			engine->now != NULL ? engine->now->plan : NULL, findings);
		ret = *plan != NULL ? 0 : -EINVAL;
	}
	free(facts);
	return ret;
}

static int allocate(struct fc_engine *engine)
{
	size_t n_pairs;

	engine->n_lanes = find_lcores(engine->lcores);
	n_pairs = (size_t)engine->n_lanes * engine->n_lanes;
	engine->lanes = rte_zmalloc(
		"fluxcap_lanes", engine->n_lanes * sizeof(*engine->lanes), RTE_CACHE_LINE_SIZE);
	engine->handoffs = calloc(n_pairs, sizeof(*engine->handoffs));
	engine->inbounds = calloc(n_pairs, sizeof(struct fc_inbound *));
	if (engine->lanes == NULL || engine->handoffs == NULL || engine->inbounds == NULL)
		return -ENOMEM;
	for (uint16_t l = 0; l < engine->n_lanes; l++) {
		engine->lanes[l].lcore_id = engine->lcores[l].id;
		atomic_store_explicit(
			&engine->lanes[l].phase_seen, FC_PHASE_STOP, memory_order_relaxed);
	}
	return 0;
}

int fc_engine_new(struct fc_config *config, struct fc_findings *findings, struct fc_engine **out)
{
	struct fc_engine *engine = calloc(1, sizeof(*engine));
	struct fc_change *change;
	int ret = -ENOMEM;

	if (engine == NULL || allocate(engine) != 0)
		fc_findings_add(findings, FC_ERROR, "", "out of memory");
	else
		ret = fc_engine_prepare(engine, config, findings, &change);
	if (ret != 0) {
		fc_engine_free(engine);
		return ret;
	}
	fc_engine_apply(engine, change, findings);
	*out = engine;
	return 0;
}

static void free_handoffs(struct fc_engine *engine)
{
	for (uint32_t i = 0; i < (uint32_t)engine->n_lanes * engine->n_lanes; i++) {
		if (engine->handoffs != NULL)
			rte_ring_free(engine->handoffs[i].ring);
		if (engine->inbounds != NULL)
			rte_free(engine->inbounds[i]);
	}
	free(engine->handoffs);
	free(engine->inbounds);
}

void fc_engine_free(struct fc_engine *engine)
{
	struct fc_config *config;

	if (engine == NULL)
		return;
	config = engine->now != NULL ? engine->now->config : NULL;
	fc_generation_free(engine, engine->now, NULL);
	fc_old_pools_free(engine);
	free_handoffs(engine);
	rte_free(engine->lanes);
	fc_plug_end(engine);
	fc_config_free(config);
	free(engine);
}

const struct fc_plan *fc_engine_plan(const struct fc_engine *engine)
{
	return engine->now->plan;
}

const struct fc_config *fc_engine_config(const struct fc_engine *engine)
{
	return engine->now->config;
}
