/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include "change.h"
#include "lanes.h"
#include "plug.h"

/* The ports of a generation that is being prepared: started, or set up anew. */

/* A port that is not there now, and shall be. */
static int start(struct fc_generation *next, uint16_t index, struct fc_findings *findings)
{
	struct fc_port *port = next->ports[index];
	const struct fc_plan_port *plan = &next->plan->ports[index];
	bool was_known = port->plan != NULL;

	if (plan->facts.is_absent && was_known)
		return 0;
	/* The lcores go by the plan that it had; they may use it when they go by the new one. */
	atomic_store_explicit(&port->is_paused, was_known, memory_order_relaxed);
	port->rx_pool = next->rx_pools[index];
	return fc_port_start(port, plan, findings);
}

static bool is_to_change(const struct fc_generation *next, uint16_t index)
{
	return next->ports[index]->is_started && next->plan->ports[index].facts.is_running &&
	       !next->plan->ports[index].is_kept;
}

static int restart_all(
	struct fc_engine *engine, struct fc_generation *next, struct fc_findings *findings)
{
	bool waits = false;
	int ret = 0;

	for (uint16_t i = 0; i < next->plan->n_ports; i++) {
		if (!is_to_change(next, i))
			continue;
		atomic_store_explicit(&next->ports[i]->is_paused, true, memory_order_relaxed);
		waits = true;
	}
	if (waits)
		fc_engine_settle(engine);
	for (uint16_t i = 0; ret == 0 && i < next->plan->n_ports; i++) {
		if (!is_to_change(next, i))
			continue;
		next->ports[i]->rx_pool = next->rx_pools[i];
		ret = fc_port_restart(next->ports[i], &next->plan->ports[i], findings);
	}
	return ret;
}

/* A port of the generation that runs as it was. */
static void put_back(struct fc_engine *engine, const struct fc_generation *next, uint16_t old)
{
	const struct fc_plan_port *plan = &engine->now->plan->ports[old];
	struct fc_port *port = engine->now->ports[old];
	struct fc_findings *findings = fc_findings_new("fluxcap");

	if (port->plan == fc_plan_find_port(next->plan, plan->facts.name)) {
		port->rx_pool = engine->now->rx_pools[old];
		if (!port->plan->facts.is_running) { /* it had gone */
			atomic_store_explicit(&port->is_gone, true, memory_order_relaxed);
			fc_engine_settle(engine);
			fc_plug_let_go(engine, port);
		} else if (fc_port_restart(port, plan, findings) != 0 &&
			   (fc_plug_is_shared(engine, port) ||
				   fc_port_replug(port, findings) != 0)) {
			fc_port_give_up(port);
		}
		fc_port_follow(port, plan);
	}
	fc_port_resume(port);
	fc_findings_free(findings);
}

static void undo(struct fc_engine *engine, struct fc_generation *next)
{
	const struct fc_generation *now = engine->now;

	for (uint16_t i = 0; now != NULL && i < now->plan->n_ports; i++)
		put_back(engine, next, i);
	for (uint16_t i = 0; i < next->plan->n_ports; i++) {
		const char *name = next->plan->ports[i].facts.name;

		if (now != NULL && fc_plan_find_port(now->plan, name) == NULL &&
			next->ports[i]->plan != NULL)
			fc_plug_out(engine, next->ports[i]);
	}
}

int fc_change_ports(
	struct fc_engine *engine, struct fc_generation *next, struct fc_findings *findings)
{
	int ret = 0;

	for (uint16_t i = 0; ret == 0 && i < next->plan->n_ports; i++)
		if (!next->ports[i]->is_started)
			ret = start(next, i, findings);
	if (ret == 0)
		ret = restart_all(engine, next, findings);
	if (ret == 0)
		return 0;
	undo(engine, next);
	return -EIO;
}
