/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_common.h>
#include <rte_ether.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>

#include <fc_private.h>

#include "backlog.h"
#include "placement.h"

#define TAG_SIZE       4
#define MAX_TAGS       2
#define DEFAULT_BUFFER 2048 /* bytes of a frame in one mbuf, the usual */
#define MIN_WINDOW     (4 * FC_BURST)
#define MAX_ROUNDS     4 /* bursts of a tap that an lcore may have in hand from one source */
#define MIN_MTU	       68

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
		.splits_rx = true,
		.takes_segments = is_pci,
	};
	snprintf(facts->name, sizeof(facts->name), "%s", name);
	snprintf(facts->driver, sizeof(facts->driver), "assumed");
}

static uint16_t find_port(const struct fc_plan *plan, const char *name)
{
	uint16_t i = 0;

	while (strcmp(plan->ports[i].facts.name, name) != 0)
		i++;
	return i;
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

		untagged = mtu + RTE_ETHER_HDR_LEN + (facts->mtu != 0 ? 0 : MAX_TAGS * TAG_SIZE);
		tagged = mtu + RTE_ETHER_HDR_LEN + (facts->mtu != 0 ? 1 : MAX_TAGS) * TAG_SIZE;
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

static void plan_port(struct fc_plan_port *port, const struct fc_port_config *config,
	struct fc_findings *findings)
{
	static const struct fc_port_config none;
	const struct fc_port_facts *facts = &port->facts;

	if (config == NULL)
		config = &none;
	port->n_rx_queues = port->is_tap ? chosen(config->rx_queues, facts->rx_queues)
					 : (facts->idle_buffers != 0);
	port->rx_descriptors =
		plan_descriptors(port, "rx_descriptors", port->is_tap ? config->rx_descriptors : 0,
			port->is_tap ? facts->rx_descriptors : facts->idle_buffers,
			&facts->rx_limits, findings);
	port->tx_descriptors = plan_descriptors(port, "tx_descriptors", config->tx_descriptors,
		facts->tx_descriptors, &facts->tx_limits, findings);
	port->mtu = config->mtu;
	if (config->mtu == 0 && facts->mtu == 0)
		port->mtu = RTE_MIN((uint16_t)FC_DEFAULT_MTU, facts->max_mtu);
	check_limit(port, "mtu", port->mtu, facts->max_mtu, findings);
	if (port->is_tap && facts->max_rx_queues == 0)
		report_direction(port, "receive", "rx", findings);
	else if (port->is_tap)
		check_limit(port, "rx_queues", port->n_rx_queues, facts->max_rx_queues, findings);
	if (port->is_output && facts->max_tx_queues == 0)
		report_direction(port, "send", "tx", findings);
	set_max_frame(port, config->mtu != 0);
}

/* The longest frame that a port may give, tags included. */
static uint32_t longest_rx(const struct fc_plan_port *port)
{
	uint32_t mtu = port->mtu != 0 ? port->mtu : port->facts.mtu;

	if (port->facts.max_rx_frame != 0)
		return port->facts.max_rx_frame;
	return mtu + RTE_ETHER_HDR_LEN + RTE_ETHER_CRC_LEN + MAX_TAGS * TAG_SIZE;
}

static void size_pool(struct fc_plan_pool *pool, uint32_t buffer)
{
	struct rte_mempool_objsz size;

	buffer = RTE_MIN(RTE_MAX(buffer, (uint32_t)DEFAULT_BUFFER),
		(uint32_t)UINT16_MAX - RTE_PKTMBUF_HEADROOM);
	pool->data_room = (uint16_t)(buffer + RTE_PKTMBUF_HEADROOM);
	pool->mbuf_size =
		rte_mempool_calc_obj_size(sizeof(struct rte_mbuf) + pool->data_room, 0, &size);
}

/* A driver that takes its own buffers from the rx queue's pool gets one even when nobody receives.
 */
static void plan_idle_pool(struct fc_plan_port *port)
{
	if (port->is_tap || port->n_rx_queues == 0)
		return;
	size_pool(&port->idle, port->facts.splits_rx ? DEFAULT_BUFFER : longest_rx(port));
	port->idle.socket = port->facts.socket;
	/* As many again for drivers that take a few more, or use them to send. */
	port->idle.n_mbufs = 2U * port->rx_descriptors;
	port->idle.n_kept = port->facts.kept_buffers;
}

static bool feeds(const struct fc_output_config *output, uint16_t tap)
{
	for (uint16_t i = 0; i < output->n_from; i++)
		if (output->from[i] == tap)
			return true;
	return false;
}

/* Buffers that the longest packet of a port takes; rings of packets may be full of such. */
static uint32_t count_segments(const struct fc_plan_port *port)
{
	return port->facts.splits_rx ? (longest_rx(port) + DEFAULT_BUFFER - 1) / DEFAULT_BUFFER : 1;
}

/* Buffers that ports hold: received ahead, and being sent; each sending port counts once. */
static uint32_t count_for_ports(const struct fc_plan *plan, uint16_t tap)
{
	const struct fc_plan_port *rx = &plan->ports[plan->taps[tap].port];
	uint32_t n = (uint32_t)rx->n_rx_queues * rx->rx_descriptors;
	uint32_t n_segments = count_segments(rx);

	for (uint16_t i = 0; i < plan->n_ports; i++) {
		const struct fc_plan_port *port = &plan->ports[i];
		bool sends = false;

		for (uint16_t o = 0; o < plan->config->n_outputs; o++)
			sends |=
				plan->outputs[o].port == i && feeds(&plan->config->outputs[o], tap);
		if (sends)
			n += port->tx_descriptors + port->facts.tx_held * n_segments;
	}
	return n;
}

/* Buffers in the caches of the pool, in the hands of each lcore, and in the rings between them. */
static uint32_t count_for_lcores(const struct fc_plan *plan, uint16_t tap)
{
	const struct fc_plan_tap *t = &plan->taps[tap];
	uint16_t n_queues[FC_MAX_LCORES] = { 0 };
	bool sends[FC_MAX_LCORES] = { false };
	uint32_t n = 0, n_segments = count_segments(&plan->ports[t->port]);

	for (uint16_t q = 0; q < t->n_queues; q++)
		n_queues[t->lanes[q]]++;
	for (uint16_t o = 0; o < plan->config->n_outputs; o++)
		if (feeds(&plan->config->outputs[o], tap))
			sends[plan->ports[plan->outputs[o].port].tx_lane] = true;
	for (uint16_t i = 0; i < plan->n_lanes; i++) {
		uint32_t n_bursts = RTE_MAX((uint32_t)n_queues[i], (uint32_t)MAX_ROUNDS);

		if (n_queues[i] == 0 && !sends[i])
			continue;
		for (uint16_t j = 0; sends[i] && j < plan->n_lanes; j++) {
			if (n_queues[j] == 0 || i == j)
				continue;
			n += FC_HANDOFF_WORDS * n_segments;
			n_bursts += MAX_ROUNDS;
		}
		n += FC_POOL_CACHE_SIZE * 3 / 2 + n_bursts * FC_BURST * n_segments;
	}
	return n;
}

static void plan_tap(struct fc_plan *plan, uint16_t index)
{
	struct fc_plan_tap *tap = &plan->taps[index];
	const struct fc_plan_port *port = &plan->ports[tap->port];
	uint64_t ring = plan->config->taps[index].ring;

	size_pool(&tap->pool, port->facts.splits_rx ? DEFAULT_BUFFER : longest_rx(port));
	tap->pool.socket = port->facts.socket;
	tap->pool.n_kept = port->facts.kept_buffers;
	tap->gives_segments = port->facts.splits_rx;
	tap->window = (uint32_t)RTE_MIN(RTE_MAX(ring / tap->pool.mbuf_size, (uint64_t)MIN_WINDOW),
		(uint64_t)UINT32_MAX / 4);
	tap->n_for_ports = count_for_ports(plan, index);
	tap->n_for_lcores = count_for_lcores(plan, index);
	tap->pool.n_mbufs = tap->window + tap->n_for_ports + tap->n_for_lcores;
}

static bool writes(const struct fc_edits *edits)
{
	return edits->vlan.pop != 0 || edits->vlan.n_push != 0 || edits->trim != 0 ||
	       edits->truncate != 0;
}

static void plan_output(struct fc_plan *plan, uint16_t index)
{
	const struct fc_output_config *config = &plan->config->outputs[index];
	struct fc_plan_output *output = &plan->outputs[index];
	const struct fc_plan_port *port = &plan->ports[output->port];
	bool gets_segments = false;
	uint32_t longest = longest_rx(port), n_buffers = 1, n_segments = 1;

	for (uint16_t i = 0; i < config->n_from; i++) {
		const struct fc_plan_tap *tap = &plan->taps[config->from[i]];
		const struct fc_plan_port *rx = &plan->ports[tap->port];

		gets_segments |= tap->gives_segments;
		longest = RTE_MAX(longest, longest_rx(rx));
		n_segments = RTE_MAX(n_segments, count_segments(rx));
	}
	output->is_linear = !port->facts.takes_segments;
	output->needs_copies = writes(&config->edits) || (output->is_linear && gets_segments);
	if (!output->needs_copies)
		return;
	size_pool(&output->copies, output->is_linear ? longest : DEFAULT_BUFFER);
	output->copies.socket = port->facts.socket;
	/* A header and, of long packets, clones of what follows. */
	if (!output->is_linear)
		n_buffers = 1 + n_segments;
	output->copies.n_mbufs = RTE_MIN(n_buffers, 2U) * port->tx_descriptors +
				 n_buffers * port->facts.tx_held + FC_POOL_CACHE_SIZE * 3 / 2 +
				 n_buffers * 2 * FC_BURST * config->n_from;
}

static void connect_ports(struct fc_plan *plan, const struct fc_port_facts *facts)
{
	for (uint16_t i = 0; i < plan->n_ports; i++)
		plan->ports[i].facts = facts[i];
	for (uint16_t t = 0; t < plan->config->n_taps; t++) {
		plan->taps[t].port = find_port(plan, plan->config->taps[t].port);
		plan->ports[plan->taps[t].port].is_tap = true;
	}
	for (uint16_t o = 0; o < plan->config->n_outputs; o++) {
		plan->outputs[o].port = find_port(plan, plan->config->outputs[o].port);
		plan->ports[plan->outputs[o].port].is_output = true;
	}
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

/* The language of configurations is ahead of what lcores do. */
static void refuse_tunnels(const struct fc_config *config, struct fc_findings *findings)
{
	char place[FC_NAME_SIZE + 16];

	for (uint16_t t = 0; t < config->n_taps; t++) {
		if (config->taps[t].decap.type == FC_TUNNEL_NONE)
			continue;
		snprintf(place, sizeof(place), "taps.%s.decap", config->taps[t].name);
		fc_findings_add(findings, FC_ERROR, place, "this version carries no tunnels");
	}
	for (uint16_t o = 0; o < config->n_outputs; o++) {
		if (config->outputs[o].encap.type == FC_TUNNEL_NONE)
			continue;
		snprintf(place, sizeof(place), "outputs.%s.encap", config->outputs[o].name);
		fc_findings_add(findings, FC_ERROR, place, "this version carries no tunnels");
	}
}

struct fc_plan *fc_plan_make(const struct fc_config *config, const struct fc_port_facts *facts,
	const struct fc_lcore_facts *lcores, uint16_t n_lcores, struct fc_findings *findings)
{
	struct fc_plan *plan = allocate(config);
	size_t n_errors = fc_findings_n_errors(findings);

	if (plan == NULL) {
		fc_findings_add(findings, FC_ERROR, "", "out of memory");
		return NULL;
	}
	refuse_tunnels(config, findings);
	connect_ports(plan, facts);
	for (uint16_t i = 0; i < plan->n_ports; i++)
		plan_port(&plan->ports[i], fc_config_port(config, plan->ports[i].facts.name),
			findings);
	for (uint16_t t = 0; t < config->n_taps; t++)
		plan->taps[t].n_queues = RTE_MIN(
			plan->ports[plan->taps[t].port].n_rx_queues, (uint16_t)FC_MAX_QUEUES);
	if (fc_placement_make(plan, lcores, n_lcores, findings) == -ENOMEM)
		fc_findings_add(findings, FC_ERROR, "", "out of memory");
	if (fc_findings_n_errors(findings) != n_errors) {
		fc_plan_free(plan);
		return NULL;
	}
	for (uint16_t i = 0; i < plan->n_ports; i++)
		plan_idle_pool(&plan->ports[i]);
	for (uint16_t t = 0; t < config->n_taps; t++)
		plan_tap(plan, t);
	for (uint16_t o = 0; o < config->n_outputs; o++) {
		const struct fc_output_config *output = &config->outputs[o];

		plan_output(plan, o);
		for (uint16_t i = 0; i < output->n_from; i++)
			plan->backlog_size += fc_backlog_size(plan->taps[output->from[i]].window);
	}
	return plan;
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
