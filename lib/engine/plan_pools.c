/* SPDX-License-Identifier: MIT */
#include <rte_common.h>
#include <rte_ether.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>

#include <fc_fragment.h>
#include <fc_private.h>
#include <fc_stage.h>
#include <fc_tunnel.h>

#include "backlog.h"
#include "plan_pools.h"

#define DEFAULT_BUFFER 2048 /* bytes of a frame in one mbuf, the usual */
#define MAX_ROUNDS     4    /* bursts of a tap that an lcore may have in hand from one source */
#define FRAGMENT_MBUFS 3    /* of a fragment: its header, and clones of what it overlaps */

#define IPV4_HEADER_SIZE  20
#define IPV6_HEADERS_SIZE 48 /* with the fragment header */

static uint32_t frame_size(uint32_t mtu)
{
	return mtu + RTE_ETHER_HDR_LEN + RTE_ETHER_CRC_LEN + FC_MAX_TAGS * FC_TAG_SIZE;
}

/* The longest frame that a port may give, tags included. */
static uint32_t longest_rx(const struct fc_plan_port *port)
{
	if (port->facts.max_rx_frame != 0)
		return port->facts.max_rx_frame;
	return frame_size(port->mtu != 0 ? port->mtu : port->facts.mtu);
}

/*
 * The longest frame that copies must hold for the port's sake. A file or another virtual port that
 * is told no MTU takes more than one of NICs does.
 */
static uint32_t longest_copied(const struct fc_plan_port *port)
{
	uint32_t usual = FC_VIRTUAL_FRAME + (uint32_t)(FC_MAX_TAGS * FC_TAG_SIZE);

	return RTE_MAX(
		longest_rx(port), port->facts.is_virtual ? RTE_MIN(port->max_frame, usual) : 0);
}

/* The longest that its taps may forward: what came in outer fragments is no frame of the port's. */
static uint32_t longest_forwarded(const struct fc_plan_port *port)
{
	uint32_t longest = longest_copied(port);

	return port->ends ? RTE_MAX(longest, frame_size(FC_DEFAULT_MTU)) : longest;
}

static void size_pool(struct fc_plan_pool *pool, uint32_t buffer)
{
	struct rte_mempool_objsz size;

	pool->has_caches = true;
	buffer = RTE_MIN(RTE_MAX(buffer, (uint32_t)DEFAULT_BUFFER),
		(uint32_t)UINT16_MAX - RTE_PKTMBUF_HEADROOM);
	pool->data_room = (uint16_t)(buffer + RTE_PKTMBUF_HEADROOM);
	pool->mbuf_size =
		rte_mempool_calc_obj_size(sizeof(struct rte_mbuf) + pool->data_room, 0, &size);
}

static bool feeds(const struct fc_plan *plan, uint16_t output, uint16_t rx_port)
{
	const struct fc_output_config *config = &plan->config->outputs[output];

	for (uint16_t i = 0; i < config->n_from; i++)
		if (plan->taps[config->from[i]].port == rx_port)
			return true;
	return false;
}

/* Buffers that the longest packet of a port takes; rings of packets may be full of such. */
static uint32_t count_segments(const struct fc_plan_port *port)
{
	return port->facts.splits_rx ? (longest_rx(port) + DEFAULT_BUFFER - 1) / DEFAULT_BUFFER : 1;
}

/* Buffers that ports hold: received ahead, and being sent; each sending port counts once. */
static uint32_t count_for_ports(const struct fc_plan *plan, uint16_t index)
{
	const struct fc_plan_port *rx = &plan->ports[index];
	uint32_t n =
		(uint32_t)rx->n_rx_queues * rx->rx_descriptors * (1U + rx->facts.spare_rx_rings);
	uint32_t n_segments = count_segments(rx);

	for (uint16_t i = 0; i < plan->n_ports; i++) {
		const struct fc_plan_port *port = &plan->ports[i];
		bool sends = false;

		for (uint16_t o = 0; o < plan->config->n_outputs; o++)
			sends |= plan->outputs[o].port == i && feeds(plan, o, index);
		if (sends)
			n += port->tx_descriptors + port->facts.tx_held * n_segments;
	}
	return n;
}

/* Buffers in the caches of the pool, in the hands of each lcore, and in the rings between them. */
static uint32_t count_for_lcores(const struct fc_plan *plan, uint16_t index)
{
	const struct fc_plan_port *port = &plan->ports[index];
	uint16_t n_queues[FC_MAX_LCORES] = { 0 };
	bool sends[FC_MAX_LCORES] = { false };
	uint32_t n = 0, n_segments = count_segments(port);

	for (uint16_t q = 0; q < port->n_rx_queues; q++)
		n_queues[port->rx_lanes[q]]++;
	for (uint16_t o = 0; o < plan->config->n_outputs; o++)
		if (feeds(plan, o, index))
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
	struct fc_plan_port *port = &plan->ports[tap->port];
	uint64_t ring = plan->config->taps[index].ring;

	/* What was an outer fragment comes as the segments that it was put together of. */
	tap->gives_segments = port->splits || port->facts.may_split || port->ends;
	tap->window = (uint32_t)RTE_MIN(
		RTE_MAX(ring / port->pool.mbuf_size, (uint64_t)FC_PLAN_MIN_WINDOW),
		(uint64_t)UINT32_MAX / 4);
	tap->wanted = tap->window;
	port->n_for_taps += tap->window;
}

/*
 * The pool of a port's rx queues. A driver that takes its own buffers from it gets one even when
 * nobody receives.
 */
static void size_rx_pool(struct fc_plan_port *port)
{
	/* A NIC that keeps to its MTU splits nothing where that fits into one buffer. */
	port->splits =
		port->facts.splits_rx && (!port->facts.keeps_mtu || count_segments(port) > 1);
	if (port->n_rx_queues == 0)
		return;
	size_pool(&port->pool, port->facts.splits_rx ? DEFAULT_BUFFER : longest_rx(port));
	port->pool.socket = port->facts.socket;
	port->pool.n_kept = (uint32_t)port->n_rx_queues * port->facts.kept_buffers;
}

static void count_rx_pool(struct fc_plan *plan, uint16_t index)
{
	struct fc_plan_port *port = &plan->ports[index];

	if (port->n_rx_queues == 0)
		return;
	if (port->is_tap) {
		port->n_for_ports = count_for_ports(plan, index);
		port->n_for_lcores = count_for_lcores(plan, index);
	} else {
		/* As many again for drivers that take a few more, or use them to send. */
		port->n_for_ports = (2U + port->facts.spare_rx_rings) * port->rx_descriptors;
		/* For what is heard, too, so that a tunnel can begin there while it runs. */
		port->n_for_lcores = 2 * FC_BURST;
	}
	if (port->ends)
		port->n_for_fragments = (uint32_t)port->n_rx_queues * FC_REASSEMBLY_MBUFS;
	if (port->is_host || !port->is_tap)
		port->n_for_lcores += (uint32_t)port->n_rx_queues * 2 * FC_HOST_WORDS;
	port->pool.n_mbufs =
		port->n_for_taps + port->n_for_ports + port->n_for_lcores + port->n_for_fragments;
}

/*
 * What the box itself says waits for the port, and in its descriptors until others come. It is so
 * little that lcores which keep buffers for themselves would leave none for the control thread.
 */
static void plan_host_pool(struct fc_plan_port *port)
{
	if (!port->is_host || !port->sends)
		return;
	size_pool(&port->host, port->facts.takes_segments ? DEFAULT_BUFFER : longest_rx(port));
	port->host.has_caches = false;
	port->host.socket = port->facts.socket;
	port->host.n_mbufs = port->tx_descriptors + port->facts.tx_held + 2 * FC_HOST_WORDS;
}

/* Frames that a frame of @longest bytes becomes at most. */
static uint16_t count_fragments(
	const struct fc_encap *encap, uint16_t mtu, uint32_t longest, uint32_t growth)
{
	uint32_t headers = encap->local.family == 4 ? IPV4_HEADER_SIZE : IPV6_HEADERS_SIZE;
	uint32_t payload = RTE_ALIGN_FLOOR(mtu - headers, 8U);
	uint32_t length = longest + growth + FC_TUNNEL_MAX_SIZE;

	if (encap->type == FC_TUNNEL_NONE || encap->oversize != FC_OVERSIZE_FRAGMENT)
		return 1;
	/* At least two: a frame that is longer than its port says may come all the same. */
	return (uint16_t)RTE_MIN(
		RTE_MAX((length + payload - 1) / payload, 2U), (uint32_t)FC_FRAGMENT_MAX);
}

/* Whether a driver refuses packets because they have so many segments. */
static bool is_too_much(const struct fc_port_facts *facts, uint32_t n_segments)
{
	return facts->max_tx_segments != 0 && n_segments > facts->max_tx_segments;
}

static void plan_output(struct fc_plan *plan, uint16_t index)
{
	const struct fc_output_config *config = &plan->config->outputs[index];
	struct fc_plan_output *output = &plan->outputs[index];
	struct fc_plan_port *port = &plan->ports[output->port];
	bool has_tunnel = config->encap.type != FC_TUNNEL_NONE, gets_segments = false;
	bool changes = has_tunnel || fc_edits_write(&config->edits);
	bool is_reassembled = false, has_too_many;
	uint32_t longest = longest_copied(port), n_buffers = 1, n_segments = 1;
	uint32_t n_sent = 0, n_held = 0;

	for (uint16_t i = 0; i < config->n_from; i++) {
		const struct fc_plan_tap *tap = &plan->taps[config->from[i]];
		const struct fc_plan_port *rx = &plan->ports[tap->port];

		gets_segments |= tap->gives_segments;
		longest = RTE_MAX(longest, longest_forwarded(rx));
		n_segments = RTE_MAX(n_segments, count_segments(rx));
		is_reassembled |= rx->ends;
	}
	output->n_fragments =
		count_fragments(&config->encap, output->mtu, longest, FC_MAX_TAGS * FC_TAG_SIZE);
	output->is_linear = !port->facts.takes_segments;
	has_too_many =
		is_too_much(&port->facts, is_reassembled ? UINT16_MAX : n_segments + has_tunnel);
	output->mends = port->facts.min_tx_frame != 0 || has_too_many;
	/*
	 * A port for single segments may get others all the same: from a driver that does not say
	 * that it splits, or from before a reload took a tunnel's end away.
	 */
	output->needs_copies = changes || output->is_linear;
	port->chains |= port->facts.takes_segments && (changes || gets_segments);
	if (!output->needs_copies && !output->mends)
		return;
	size_pool(&output->copies, output->is_linear || has_too_many ? longest : DEFAULT_BUFFER);
	output->copies.socket = port->facts.socket;
	/* A header and, of long packets, clones of what follows. */
	if (!output->is_linear)
		n_buffers = 1 + n_segments;
	/*
	 * A port that sends copies of what it is given holds nothing of it, and where packets are
	 * copied only in a case that nobody expects, few buffers do.
	 */
	if (!port->facts.lets_go && (changes || gets_segments || output->mends)) {
		n_sent = port->tx_descriptors;
		n_held = port->facts.tx_held;
	}
	output->copies.n_mbufs = RTE_MIN(n_buffers, 2U) * n_sent + n_buffers * n_held +
				 FC_POOL_CACHE_SIZE * 3 / 2 +
				 n_buffers * 2 * FC_BURST * config->n_from;
	if (output->n_fragments > 1)
		output->copies.n_mbufs +=
			FRAGMENT_MBUFS *
			(n_sent + n_held +
				(uint32_t)output->n_fragments * FC_BURST * config->n_from);
	/* Fewer, and the lcore could keep none of them for itself. */
	output->copies.n_mbufs = RTE_MAX(output->copies.n_mbufs, 2U * (uint32_t)FC_POOL_CACHE_SIZE);
}

void fc_plan_pools(struct fc_plan *plan)
{
	for (uint16_t i = 0; i < plan->n_ports; i++)
		size_rx_pool(&plan->ports[i]);
	for (uint16_t t = 0; t < plan->config->n_taps; t++)
		plan_tap(plan, t);
	for (uint16_t i = 0; i < plan->n_ports; i++) {
		count_rx_pool(plan, i);
		plan_host_pool(&plan->ports[i]);
	}
	for (uint16_t o = 0; o < plan->config->n_outputs; o++) {
		const struct fc_output_config *output = &plan->config->outputs[o];

		plan_output(plan, o);
		for (uint16_t i = 0; i < output->n_from; i++)
			plan->backlog_size += fc_backlog_size(plan->taps[output->from[i]].window);
	}
}
