/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_common.h>
#include <rte_ether.h>

#include <fc_address.h>
#include <fc_tunnel.h>
#include <fc_tunnel_pop.h>

#include "placement.h"
#include "plan_pools.h"

#define ASSUMED_IDLE 64 /* buffers for the rx queue of a port that nobody polls */

uint16_t fc_plan_port_names(
	const struct fc_config *config, const char *names[FC_MAX_TAPS + FC_MAX_OUTPUTS])
{
	uint16_t n = 0;

	for (unsigned i = 0; i < (unsigned)config->n_taps + config->n_outputs; i++) {
		const char *name = i < config->n_taps ? config->taps[i].port
						      : config->outputs[i - config->n_taps].port;
		uint16_t at = 0;

		while (at < n && strcmp(names[at], name) != 0)
			at++;
		if (at == n)
			names[n++] = name;
	}
	return n;
}

void fc_plan_assume_port(const char *name, struct fc_port_facts *facts)
{
	bool is_pci = strchr(name, ':') != NULL;

	*facts = (struct fc_port_facts){
		.socket = -1,
		.max_rx_queues = FC_MAX_QUEUES,
		.max_tx_queues = FC_MAX_QUEUES,
		.rx_queues = 1,
		.rx_descriptors = 1024,
		.tx_descriptors = 1024,
		.max_mtu = UINT16_MAX,
		.max_tx_frame = UINT32_MAX,
		.is_virtual = !is_pci,
		.is_nic = is_pci,
		.splits_rx = true,
		.takes_segments = is_pci,
		.rss_types = UINT64_MAX,
		.idle_buffers = ASSUMED_IDLE,
	};
	snprintf(facts->name, sizeof(facts->name), "%s", name);
	snprintf(facts->driver, sizeof(facts->driver), "assumed");
}

const struct fc_plan_port *fc_plan_find_port(const struct fc_plan *plan, const char *name)
{
	for (uint16_t i = 0; i < plan->n_ports; i++)
		if (strcmp(plan->ports[i].facts.name, name) == 0)
			return &plan->ports[i];
	return NULL;
}

static uint16_t find_port(const struct fc_plan *plan, const char *name)
{
	return (uint16_t)(fc_plan_find_port(plan, name) - plan->ports);
}

static uint16_t chosen(uint16_t configured, uint16_t otherwise)
{
	return configured != 0 ? configured : otherwise;
}

static void check_limit(const struct fc_plan_port *port, const char *key, unsigned value,
	unsigned limit, struct fc_findings *findings)
{
	char place[FC_PORT_NAME_SIZE + 32];

	if (value <= limit)
		return;
	snprintf(place, sizeof(place), "ports.%s.%s", port->facts.name, key);
	fc_findings_add(findings, FC_ERROR, place, "%u is more than the port's driver %s can: %u",
		value, port->facts.driver, limit);
}

static void report_direction(const struct fc_plan_port *port, const char *verb,
	const char *direction, struct fc_findings *findings)
{
	char place[FC_PORT_NAME_SIZE + 8];

	snprintf(place, sizeof(place), "port %s", port->facts.name);
	fc_findings_add(findings, FC_ERROR, place,
		"cannot %s: it has no %s queue (a net_pcap port has one for each %s_pcap= or "
		"%s_iface= of its "
		"--vdev)",
		verb, direction, direction, direction);
}

/*
 * The longest frames that may leave by a port: a kernel interface allows one tag beyond its MTU,
 * and a virtual port has a limit only when it is told (@is_told).
 */
static void set_max_frame(struct fc_plan_port *port, bool is_told)
{
	const struct fc_port_facts *facts = &port->facts;
	uint32_t untagged = UINT32_MAX, tagged = UINT32_MAX;

	if (!facts->is_virtual || is_told) {
		uint32_t mtu = port->mtu != 0 ? port->mtu : facts->mtu;

		untagged =
			mtu + RTE_ETHER_HDR_LEN + (facts->mtu != 0 ? 0 : FC_MAX_TAGS * FC_TAG_SIZE);
		tagged =
			mtu + RTE_ETHER_HDR_LEN + (facts->mtu != 0 ? 1 : FC_MAX_TAGS) * FC_TAG_SIZE;
	}
	port->max_frame = RTE_MIN(untagged, facts->max_tx_frame);
	port->max_tagged_frame = RTE_MIN(tagged, facts->max_tx_frame);
}

/* The configured number of descriptors, else what the driver likes, within what it can. */
static uint16_t plan_descriptors(const struct fc_plan_port *port, const char *key,
	uint16_t configured, uint16_t otherwise, const struct fc_limits *limits,
	struct fc_findings *findings)
{
	uint32_t n = chosen(configured, otherwise);

	if (limits->max != 0 && configured != 0)
		check_limit(port, key, n, limits->max, findings);
	n = RTE_MAX(n, limits->min);
	if (limits->step > 1)
		n = RTE_ALIGN_MUL_CEIL(n, limits->step);
	return (uint16_t)RTE_MIN(n, limits->max != 0 ? limits->max : UINT16_MAX);
}

/* Packets are spread over the rx queues by RSS, or by somebody whom fluxcap cannot tell how. */
static void report_spreading(const struct fc_plan_port *port, struct fc_findings *findings)
{
	const struct fc_port_facts *facts = &port->facts;
	char place[FC_PORT_NAME_SIZE + 32];

	snprintf(place, sizeof(place), "ports.%s.rx_queues", facts->name);
	if (port->is_tap && port->n_rx_queues < facts->rx_queues)
		fc_findings_add(findings, FC_WARNING, place,
			"what comes in the other %u of the port's %u queues is lost and in no "
			"counter",
			facts->rx_queues - port->n_rx_queues, facts->rx_queues);
	if (port->n_rx_queues < 2 || facts->is_virtual || facts->rss_types != 0)
		return;
	if (facts->spreader != NULL)
		fc_findings_add(findings, FC_NOTE, place,
			"driver %s has no RSS: %s which of the %u queues a packet comes in",
			facts->driver, facts->spreader, port->n_rx_queues);
	else
		fc_findings_add(findings, FC_WARNING, place,
			"driver %s has no RSS: all packets will come in the first of the %u queues",
			facts->driver, port->n_rx_queues);
}

static void plan_port(struct fc_plan_port *port, const struct fc_port_config *config,
	struct fc_findings *findings)
{
	static const struct fc_port_config none;
	const struct fc_port_facts *facts = &port->facts;

	if (config == NULL)
		config = &none;
	port->n_rx_queues = port->is_tap ? RTE_MIN(chosen(config->rx_queues, facts->rx_queues),
						   (uint16_t)FC_MAX_QUEUES)
					 : (facts->idle_buffers != 0);
	port->rx_descriptors =
		plan_descriptors(port, "rx_descriptors", port->is_tap ? config->rx_descriptors : 0,
			port->is_tap ? facts->rx_descriptors : facts->idle_buffers,
			&facts->rx_limits, findings);
	port->tx_descriptors = plan_descriptors(port, "tx_descriptors", config->tx_descriptors,
		facts->tx_descriptors, &facts->tx_limits, findings);
	/* A NIC of which the rx ring is full may ask the other end to pause. */
	port->drains = facts->is_nic && !port->is_tap && !port->is_host && port->n_rx_queues != 0;
	port->receives = port->is_tap || port->drains || (port->is_host && port->n_rx_queues != 0);
	port->sends = port->is_output || (port->is_host && facts->max_tx_queues != 0);
	port->mtu = config->mtu;
	if (config->mtu == 0 && facts->mtu == 0)
		port->mtu = RTE_MIN((uint16_t)FC_DEFAULT_MTU, facts->max_mtu);
	check_limit(port, "mtu", port->mtu, facts->max_mtu, findings);
	if (port->is_tap && facts->max_rx_queues == 0)
		report_direction(port, "receive", "rx", findings);
	else if (port->is_tap)
		check_limit(port, "rx_queues", port->n_rx_queues, facts->max_rx_queues, findings);
	if (config->rx_queues != 0)
		report_spreading(port, findings);
	if (port->is_output && facts->max_tx_queues == 0)
		report_direction(port, "send", "tx", findings);
	set_max_frame(port, config->mtu != 0);
}

static void connect_ports(struct fc_plan *plan, const struct fc_port_facts *facts)
{
	for (uint16_t i = 0; i < plan->n_ports; i++)
		plan->ports[i].facts = facts[i];
	for (uint16_t t = 0; t < plan->config->n_taps; t++) {
		const struct fc_tap_config *tap = &plan->config->taps[t];
		struct fc_plan_port *port;

		plan->taps[t].port = find_port(plan, tap->port);
		port = &plan->ports[plan->taps[t].port];
		port->is_tap = true;
		port->ends |= tap->decap.type != FC_TUNNEL_NONE;
		port->is_host |= port->ends;
	}
	for (uint16_t o = 0; o < plan->config->n_outputs; o++) {
		const struct fc_output_config *output = &plan->config->outputs[o];
		struct fc_plan_port *port;

		plan->outputs[o].port = find_port(plan, output->port);
		port = &plan->ports[plan->outputs[o].port];
		port->is_output = true;
		port->is_host |= output->encap.type != FC_TUNNEL_NONE;
	}
}

/* Addresses that live on a port, each once, and tunnels that end there. */
static void check_addresses(
	const struct fc_plan *plan, uint16_t index, struct fc_findings *findings)
{
	const struct fc_config *config = plan->config;
	const struct fc_address *addresses[FC_MAX_TAPS + FC_MAX_OUTPUTS];
	char place[FC_PORT_NAME_SIZE + 8];
	uint16_t n_ends = 0, n = 0;

	for (unsigned i = 0; i < (unsigned)config->n_taps + config->n_outputs; i++) {
		bool is_tap = i < config->n_taps;
		uint16_t o = (uint16_t)(i - (is_tap ? 0 : config->n_taps)), at = 0;
		const struct fc_address *address =
			is_tap ? &config->taps[o].decap.local : &config->outputs[o].encap.local;

		if (address->family == 0 ||
			(is_tap ? plan->taps[o].port : plan->outputs[o].port) != index)
			continue;
		n_ends = (uint16_t)(n_ends + is_tap);
		while (at < n && !fc_address_is_equal(addresses[at], address))
			at++;
		if (at == n)
			addresses[n++] = address;
	}
	snprintf(place, sizeof(place), "port %s", plan->ports[index].facts.name);
	if (n_ends > FC_TUNNEL_MAX_ENDS)
		fc_findings_add(findings, FC_ERROR, place,
			"%u tunnels end here; %u are possible on one port", n_ends,
			FC_TUNNEL_MAX_ENDS);
	if (n > FC_TUNNEL_MAX_HOSTS)
		fc_findings_add(findings, FC_ERROR, place,
			"it has %u addresses of tunnels; %u are possible on one port", n,
			FC_TUNNEL_MAX_HOSTS);
}

static struct fc_plan *allocate(const struct fc_config *config)
{
	const char *names[FC_MAX_TAPS + FC_MAX_OUTPUTS];
	struct fc_plan *plan = calloc(1, sizeof(*plan));

	if (plan == NULL)
		return NULL;
	plan->config = config;
	plan->n_ports = fc_plan_port_names(config, names);
	plan->ports = calloc(plan->n_ports, sizeof(*plan->ports));
	plan->taps = calloc(config->n_taps, sizeof(*plan->taps));
	plan->outputs = calloc(config->n_outputs, sizeof(*plan->outputs));
	if (plan->ports == NULL || plan->taps == NULL || plan->outputs == NULL) {
		fc_plan_free(plan);
		return NULL;
	}
	return plan;
}

/*
 * The longest outer packet that an output's tunnel may make. A port that is only told nothing has
 * no limit of its own.
 */
static void plan_tunnel(struct fc_plan *plan, uint16_t index, struct fc_findings *findings)
{
	const struct fc_output_config *config = &plan->config->outputs[index];
	const struct fc_plan_port *port = &plan->ports[plan->outputs[index].port];
	const struct fc_encap *encap = &config->encap;
	uint32_t longest =
		(encap->vlan != 0 ? port->max_tagged_frame - FC_TAG_SIZE : port->max_frame) -
		RTE_ETHER_HDR_LEN;
	uint32_t limit = port->mtu != 0 ? port->mtu : port->facts.mtu;
	unsigned least = encap->local.family == 4 ? FC_TUNNEL_MTU_MIN_IPV4 : FC_TUNNEL_MTU_MIN_IPV6;
	char place[FC_NAME_SIZE + 32];

	if (encap->type == FC_TUNNEL_NONE)
		return;
	snprintf(place, sizeof(place), "outputs.%s.encap", config->name);
	limit = RTE_MIN(limit, longest);
	if (encap->mtu > longest)
		fc_findings_add(findings, FC_ERROR, place,
			"an MTU of %u is more than port %s (%s) can carry: %u", encap->mtu,
			port->facts.name, port->facts.driver, limit);
	else if (encap->mtu == 0 && limit < least)
		fc_findings_add(findings, FC_ERROR, place,
			"port %s carries packets of %u bytes at most; IPv%u needs %u",
			port->facts.name, limit, encap->local.family, least);
	if (!encap->has_mac && port->n_rx_queues == 0)
		fc_findings_add(findings, FC_WARNING, place,
			"port %s cannot receive, so the next hop's MAC address is never found and "
			"every packet is lost as unresolved; give the address ('mac')",
			port->facts.name);
	plan->outputs[index].mtu = encap->mtu != 0 ? encap->mtu : (uint16_t)limit;
}

struct fc_plan *fc_plan_make_beside(const struct fc_config *config,
	const struct fc_port_facts *facts, const struct fc_lcore_facts *lcores, uint16_t n_lcores,
	const struct fc_plan *before, struct fc_findings *findings)
{
	struct fc_plan *plan = allocate(config);
	size_t n_errors = fc_findings_n_errors(findings);

	if (plan == NULL) {
		fc_findings_add(findings, FC_ERROR, "", "out of memory");
		return NULL;
	}
	connect_ports(plan, facts);
	if (plan->n_ports > RTE_MAX_ETHPORTS)
		fc_findings_add(findings, FC_ERROR, "ports",
			"%u ports are used, and this DPDK is built for %d (RTE_MAX_ETHPORTS); have "
			"outputs share a port, or build DPDK with -Dmax_ethports=%u",
			plan->n_ports, RTE_MAX_ETHPORTS, plan->n_ports);
	for (uint16_t i = 0; i < plan->n_ports; i++)
		plan_port(&plan->ports[i], fc_config_port(config, plan->ports[i].facts.name),
			findings);
	for (uint16_t o = 0; o < config->n_outputs; o++)
		plan_tunnel(plan, o, findings);
	for (uint16_t i = 0; i < plan->n_ports; i++)
		check_addresses(plan, i, findings);
	if (fc_placement_make(plan, lcores, n_lcores, before, findings) == -ENOMEM)
		fc_findings_add(findings, FC_ERROR, "", "out of memory");
	if (fc_findings_n_errors(findings) != n_errors) {
		fc_plan_free(plan);
		return NULL;
	}
	fc_plan_pools(plan);
	if (before != NULL)
		fc_plan_keep(plan, before, findings);
	if (fc_findings_n_errors(findings) != n_errors) {
		fc_plan_free(plan);
		return NULL;
	}
	return plan;
}

struct fc_plan *fc_plan_make(const struct fc_config *config, const struct fc_port_facts *facts,
	const struct fc_lcore_facts *lcores, uint16_t n_lcores, struct fc_findings *findings)
{
	return fc_plan_make_beside(config, facts, lcores, n_lcores, NULL, findings);
}

void fc_plan_free(struct fc_plan *plan)
{
	if (plan == NULL)
		return;
	free(plan->ports);
	free(plan->taps);
	free(plan->outputs);
	free(plan->lanes);
	free(plan);
}
