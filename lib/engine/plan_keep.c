/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include <rte_common.h>

#include "plan_pools.h"

/* Bytes that the taps of a port ask for. */
static uint64_t sum_rings(const struct fc_plan *plan, const struct fc_plan_port *port)
{
	uint64_t sum = 0;

	for (uint16_t t = 0; t < plan->config->n_taps; t++)
		if (&plan->ports[plan->taps[t].port] == port)
			sum += plan->config->taps[t].ring;
	return sum;
}

/* Whether port @b is set up as @a wants: the same queues, and buffers of the same size. */
static bool is_alike(const struct fc_plan_port *a, const struct fc_plan_port *b)
{
	return a->is_tap == b->is_tap && a->n_rx_queues == b->n_rx_queues &&
	       a->rx_descriptors == b->rx_descriptors && a->tx_descriptors == b->tx_descriptors &&
	       a->mtu == b->mtu && (a->facts.mtu != 0 || a->max_frame == b->max_frame) &&
	       a->splits == b->splits && (b->chains || !a->chains) &&
	       a->pool.data_room == b->pool.data_room;
}

static void warn(const struct fc_plan *plan, const struct fc_plan_tap *tap, bool is_short,
	struct fc_findings *findings)
{
	char place[FC_NAME_SIZE + 16];

	snprintf(place, sizeof(place), "taps.%s.ring", plan->config->taps[tap - plan->taps].name);
	fc_findings_add(findings, FC_WARNING, place,
		"has room for %u packets, not for %u, until fluxcap is started again or it is made "
		"larger: its outputs need more of the buffers than before%s",
		tap->window, tap->wanted,
		is_short ? ", more than there are; when all are slow, frames are lost as rx_nombuf"
			 : "");
}

/* Give the taps of a port what its pool has for them. */
static void share_pool(struct fc_plan *plan, struct fc_plan_port *port,
	const struct fc_plan_pool *pool, struct fc_findings *findings)
{
	uint32_t needed = port->pool.n_mbufs - port->n_for_taps;
	uint32_t left = pool->n_mbufs > needed ? pool->n_mbufs - needed : 0;
	uint32_t wanted = port->n_for_taps;

	for (uint16_t t = 0; left < wanted && t < plan->config->n_taps; t++) {
		struct fc_plan_tap *tap = &plan->taps[t];
		uint32_t share = (uint32_t)((uint64_t)tap->wanted * left / wanted);

		if (&plan->ports[tap->port] != port)
			continue;
		tap->window = RTE_MAX(share, (uint32_t)FC_PLAN_MIN_WINDOW);
		port->n_for_taps -= tap->wanted - tap->window;
		warn(plan, tap, share < tap->window, findings);
	}
	port->pool = *pool;
}

static void report_restart(const struct fc_plan_port *port, struct fc_findings *findings)
{
	char place[FC_PORT_NAME_SIZE + 8];

	snprintf(place, sizeof(place), "port %s", port->facts.name);
	if (port->facts.is_fixed) {
		fc_findings_add(findings, FC_ERROR, place,
			"its settings, or a larger ring of its taps, need a restart of fluxcap: "
			"the "
			"driver %s cannot set it up again",
			port->facts.driver);
		return;
	}
	fc_findings_add(findings, FC_WARNING, place,
		"is stopped and started for its new settings; what arrives there meanwhile is "
		"lost, and what is to be sent waits");
}

void fc_plan_keep(struct fc_plan *plan, const struct fc_plan *before, struct fc_findings *findings)
{
	for (uint16_t i = 0; i < plan->n_ports; i++) {
		struct fc_plan_port *port = &plan->ports[i];
		const struct fc_plan_port *old = fc_plan_find_port(before, port->facts.name);

		if (!port->facts.is_running || old == NULL)
			continue;
		/* A larger ring is worth a new pool, and more outputs are not. */
		port->is_kept = is_alike(port, old) &&
				(port->pool.n_mbufs <= old->pool.n_mbufs ||
					sum_rings(plan, port) <= sum_rings(before, old));
		port->chains |= port->is_kept && old->chains;
		if (port->is_kept)
			share_pool(plan, port, &old->pool, findings);
		else
			report_restart(port, findings);
	}
}
