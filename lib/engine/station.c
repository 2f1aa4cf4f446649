/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_ethdev.h>
#include <rte_malloc.h>

#include "station.h"

static struct rte_ring *make_ring(const char *kind, uint16_t port, uint16_t queue, int socket)
{
	char name[RTE_RING_NAMESIZE];

	snprintf(name, sizeof(name), "fc_%s_%u_%u", kind, port, queue);
	/* A ring of 2^n slots holds 2^n - 1. */
	return rte_ring_create(name, FC_HOST_WORDS, socket, RING_F_SP_ENQ | RING_F_SC_DEQ);
}

static int make_rings(struct fc_station *station, const struct fc_plan_port *plan, uint16_t index)
{
	int socket = plan->facts.socket;

	station->heard = calloc(RTE_MAX(plan->n_rx_queues, 1), sizeof(struct rte_ring *));
	if (station->heard == NULL)
		return -ENOMEM;
	for (uint16_t q = 0; q < plan->n_rx_queues; q++) {
		station->heard[q] = make_ring("heard", index, q, socket);
		if (station->heard[q] == NULL)
			return -ENOMEM;
		station->n_heard++;
	}
	if (!plan->sends)
		return 0;
	station->said = make_ring("said", index, 0, socket);
	return station->said != NULL ? 0 : -ENOMEM;
}

struct fc_station *fc_station_new(struct fc_port *port, const struct fc_plan_port *plan,
	uint16_t index, struct rte_mempool *pool, struct fc_findings *findings)
{
	struct fc_station *station =
		rte_zmalloc("fluxcap_station", sizeof(*station), RTE_CACHE_LINE_SIZE);

	if (station != NULL) {
		station->port = port;
		station->pool = pool;
		fc_port_mac(plan->facts.name, station->mac);
		if (make_rings(station, plan, index) == 0)
			return station;
	}
	fc_findings_add(findings, FC_ERROR, plan->facts.name, "out of memory for its tunnels");
	fc_station_free(station);
	return NULL;
}

struct fc_station *fc_station_new_after(
	struct fc_station *before, const struct fc_plan_port *plan, struct rte_mempool *pool)
{
	struct fc_station *station =
		rte_zmalloc("fluxcap_station", sizeof(*station), RTE_CACHE_LINE_SIZE);

	if (station == NULL)
		return NULL;
	station->port = before->port;
	station->before = before;
	station->pool = pool;
	fc_port_mac(plan->facts.name, station->mac); /* a port that returned may have another */
	station->n_heard = before->n_heard;
	station->heard = before->heard;
	station->said = before->said;
	station->was_up = before->was_up;
	station->shares_rings = true;
	return station;
}

void fc_station_succeed(struct fc_station *before, struct fc_station *station)
{
	before->shares_rings = true;
	station->shares_rings = false;
	station->before = NULL;
}

static void empty_ring(struct rte_ring *ring)
{
	void *packet;

	while (ring != NULL && rte_ring_dequeue(ring, &packet) == 0)
		rte_pktmbuf_free(packet);
}

void fc_station_empty(struct fc_station *station)
{
	for (uint16_t q = 0; q < station->n_heard; q++)
		empty_ring(station->heard[q]);
	empty_ring(station->said);
}

void fc_station_free(struct fc_station *station)
{
	if (station == NULL)
		return;
	if (!station->shares_rings) {
		fc_station_empty(station);
		for (uint16_t q = 0; q < station->n_heard; q++)
			rte_ring_free(station->heard[q]);
		rte_ring_free(station->said);
		free(station->heard);
	}
	free(station->hosts);
	for (uint16_t i = 0; i < station->n_hops; i++)
		free(station->hops[i].tunnels);
	free(station->hops);
	rte_free(station);
}

static int add_host(
	struct fc_station *station, const struct fc_address *address, bool any_vlan, uint16_t vlan)
{
	struct fc_station_host *hosts =
		realloc(station->hosts, (station->n_hosts + 1U) * sizeof(*hosts));

	if (hosts == NULL)
		return -ENOMEM;
	station->hosts = hosts;
	hosts[station->n_hosts++] = (struct fc_station_host){ *address, any_vlan, vlan };
	return 0;
}

int fc_station_add_end(struct fc_station *station, const struct fc_decap *decap)
{
	struct fc_tunnel_end end = {
		.type = decap->type,
		.local = decap->local,
		.remote = decap->remote,
		.has_key = decap->has_key || decap->has_vsid,
		.is_vsid = decap->has_vsid,
		.key = decap->has_vsid ? decap->vsid : decap->key,
		.udp_port = decap->udp_port,
	};
	int ret = fc_tunnel_add_end(&station->ends, &end);

	return ret != 0 ? ret : add_host(station, &decap->local, true, 0);
}

static struct fc_station_hop *find_hop(
	const struct fc_station *station, uint16_t vlan, const struct fc_address *address)
{
	for (uint16_t i = 0; i < station->n_hops; i++)
		if (station->hops[i].self.vlan == vlan &&
			fc_address_is_equal(&station->hops[i].hop.address, address))
			return &station->hops[i];
	return NULL;
}

/* The next hop with this address in this VLAN, made when there is none yet; NULL: no memory. */
static struct fc_station_hop *have_hop(
	struct fc_station *station, const struct fc_encap *encap, const struct fc_address *address)
{
	struct fc_station_hop *hop = find_hop(station, encap->vlan, address);
	const struct fc_station_hop *known;

	if (hop != NULL)
		return hop;
	hop = realloc(station->hops, (station->n_hops + 1U) * sizeof(*hop));
	if (hop == NULL)
		return NULL;
	station->hops = hop;
	hop += station->n_hops++;
	*hop = (struct fc_station_hop){
		.hop.address = *address,
		.self = { .local = encap->local, .vlan = encap->vlan },
	};
	memcpy(hop->self.mac, station->mac, FC_MAC_SIZE);
	known = station->before != NULL ? find_hop(station->before, encap->vlan, address) : NULL;
	if (known != NULL)
		hop->hop = known->hop;
	return hop;
}

int fc_station_add_hop(
	struct fc_station *station, const struct fc_encap *encap, struct fc_tunnel *tunnel)
{
	struct fc_station_hop *hop;
	struct fc_tunnel **tunnels;
	int ret = fc_tunnel_add_host(&station->ends, &encap->local);

	if (ret == 0)
		ret = add_host(station, &encap->local, false, encap->vlan);
	if (ret != 0)
		return ret;
	if (encap->has_mac) {
		fc_tunnel_set_destination(&tunnel->header, encap->mac);
		return 0;
	}
	hop = have_hop(
		station, encap, encap->gateway.family != 0 ? &encap->gateway : &encap->remote);
	if (hop == NULL)
		return -ENOMEM;
	tunnels = realloc(hop->tunnels, (hop->n_tunnels + 1U) * sizeof(struct fc_tunnel *));
	if (tunnels == NULL)
		return -ENOMEM;
	hop->tunnels = tunnels;
	tunnels[hop->n_tunnels++] = tunnel;
	if (hop->hop.is_known)
		fc_tunnel_set_destination(&tunnel->header, hop->hop.mac);
	return 0;
}

static void say(struct fc_station *station, struct rte_mbuf *packet)
{
	if (rte_ring_enqueue(station->said, packet) != 0)
		rte_pktmbuf_free(packet);
}

static void ask(struct fc_station *station, const struct fc_station_hop *hop, bool all)
{
	struct rte_mbuf *packet = station->said != NULL ? rte_pktmbuf_alloc(station->pool) : NULL;

	if (packet == NULL) /* it is asked again in a second */
		return;
	if (fc_neighbour_ask(&hop->self, &hop->hop.address, all ? NULL : hop->hop.mac, packet) == 0)
		say(station, packet);
	else
		rte_pktmbuf_free(packet);
}

/* Let the lcore know what is known. */
static void publish(const struct fc_station_hop *hop)
{
	for (uint16_t i = 0; i < hop->n_tunnels; i++)
		fc_tunnel_set_destination(
			&hop->tunnels[i]->header, hop->hop.is_known ? hop->hop.mac : NULL);
}

static bool find_host(const struct fc_station *station, const struct fc_neighbour_message *message,
	struct fc_neighbour_host *self)
{
	for (uint16_t i = 0; i < station->n_hosts; i++) {
		const struct fc_station_host *host = &station->hosts[i];

		if (!fc_address_is_equal(&host->address, &message->target) ||
			(!host->any_vlan && host->vlan != message->vlan))
			continue;
		*self = (struct fc_neighbour_host){ .local = host->address, .vlan = message->vlan };
		memcpy(self->mac, station->mac, FC_MAC_SIZE);
		return true;
	}
	return false;
}

/* Make the answer to a message for one of the port's addresses; NULL: none. */
static struct rte_mbuf *answer(const struct fc_station *station, const struct rte_mbuf *packet,
	const struct fc_neighbour_message *message)
{
	struct fc_neighbour_host self;
	struct rte_mbuf *reply;
	int ret;

	if (message->kind == FC_NEIGHBOUR_REPLY || !find_host(station, message, &self))
		return NULL;
	if (message->kind == FC_NEIGHBOUR_REQUEST) {
		reply = rte_pktmbuf_alloc(station->pool);
		ret = reply != NULL ? fc_neighbour_answer(&self, message, reply) : -ENOBUFS;
	} else {
		reply = rte_pktmbuf_copy(packet, station->pool, 0, UINT32_MAX);
		ret = reply != NULL ? fc_neighbour_pong(&self, reply) : -ENOBUFS;
	}
	if (ret == 0)
		return reply;
	rte_pktmbuf_free(reply);
	return NULL;
}

static void hear(struct fc_station *station, const struct rte_mbuf *packet, uint64_t now_ms)
{
	struct fc_neighbour_message message;
	struct rte_mbuf *reply;

	if (fc_neighbour_parse(packet, &message) != 0)
		return;
	for (uint16_t i = 0; i < station->n_hops; i++) {
		if (station->hops[i].self.vlan != message.vlan)
			continue;
		fc_next_hop_hear(&station->hops[i].hop, &message, now_ms);
		publish(&station->hops[i]);
	}
	reply = station->said != NULL ? answer(station, packet, &message) : NULL;
	if (reply != NULL)
		say(station, reply);
}

static void heed_link(struct fc_station *station)
{
	bool is_up = fc_port_link(station->port) == FC_LINK_UP;

	/* What was on the other side of a link that was down may be something else now. */
	for (uint16_t i = 0; is_up != station->was_up && i < station->n_hops; i++) {
		fc_next_hop_forget(&station->hops[i].hop);
		publish(&station->hops[i]);
	}
	station->was_up = is_up;
}

void fc_station_tend(struct fc_station *station, uint64_t now_ms)
{
	void *packets[FC_HOST_WORDS];

	heed_link(station);
	for (uint16_t q = 0; q < station->n_heard; q++) {
		unsigned n =
			rte_ring_dequeue_burst(station->heard[q], packets, RTE_DIM(packets), NULL);

		for (unsigned i = 0; i < n; i++) {
			hear(station, packets[i], now_ms);
			rte_pktmbuf_free(packets[i]);
		}
	}
	for (uint16_t i = 0; station->was_up && i < station->n_hops; i++) {
		struct fc_station_hop *hop = &station->hops[i];
		enum fc_next_hop_ask what = fc_next_hop_tick(&hop->hop, now_ms);

		publish(hop);
		if (what != FC_NEXT_HOP_QUIET)
			ask(station, hop, what == FC_NEXT_HOP_ASK_ALL);
	}
}

unsigned fc_station_speak(struct fc_station *station)
{
	struct rte_mbuf *packets[FC_BURST];
	uint16_t n, n_sent = 0;

	if (likely(rte_ring_empty(station->said)))
		return 0;
	n = (uint16_t)rte_ring_dequeue_burst(
		station->said, (void **)packets, RTE_DIM(packets), NULL);
	if (!fc_port_is_away(station->port))
		n_sent = rte_eth_tx_burst(station->port->id, 0, packets, n);
	/* Whoever asked asks again. */
	rte_pktmbuf_free_bulk(packets + n_sent, (unsigned)(n - n_sent));
	return n;
}
