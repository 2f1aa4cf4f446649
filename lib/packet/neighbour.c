/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include <rte_arp.h>
#include <rte_icmp.h>
#include <rte_ip.h>

#include <fc_neighbour.h>
#include <fc_slice.h>

#include "ethernet.h"
#include "neighbour_format.h"
#include "outer.h"
#include "segments.h"

#define PING_TTL 64

static const uint8_t broadcast_mac[RTE_ETHER_ADDR_LEN] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

/* RFC 4291 section 2.7.1. */
static const uint8_t all_nodes[16] = { 0xff, 0x02, [15] = 1 };

/* A frame while it is written; what is behind its end is zero. */
struct builder {
	uint8_t bytes[FC_NEIGHBOUR_MAX_SIZE];
	uint32_t size;
};

static void put(struct builder *builder, const void *bytes, size_t n)
{
	memcpy(builder->bytes + builder->size, bytes, n);
	builder->size += (uint32_t)n;
}

static void put16(struct builder *builder, unsigned value)
{
	rte_be16_t word = rte_cpu_to_be_16((uint16_t)value);

	put(builder, &word, sizeof(word));
}

static void put_ethernet(struct builder *builder, const struct fc_neighbour_host *host,
	const uint8_t *destination, unsigned type)
{
	put(builder, destination, RTE_ETHER_ADDR_LEN);
	put(builder, host->mac, sizeof(host->mac));
	if (host->vlan != 0) {
		put16(builder, RTE_ETHER_TYPE_VLAN);
		put16(builder, host->vlan);
	}
	put16(builder, type);
}

/* Not every driver pads frames to what Ethernet wants. */
static int finish(const struct builder *builder, struct rte_mbuf *packet)
{
	uint16_t size =
		(uint16_t)RTE_MAX(builder->size, (uint32_t)(RTE_ETHER_MIN_LEN - RTE_ETHER_CRC_LEN));
	char *room;

	if (rte_pktmbuf_tailroom(packet) < FC_NEIGHBOUR_MAX_SIZE)
		return -ENOSPC;
	room = rte_pktmbuf_append(packet, size);
	memcpy(room, builder->bytes, size);
	return 0;
}

static int build_arp(const struct fc_neighbour_host *host, unsigned operation,
	const uint8_t *destination, const uint8_t *target_mac, const uint8_t *target,
	struct rte_mbuf *packet)
{
	struct builder builder = { .size = 0 };

	put_ethernet(&builder, host, destination, RTE_ETHER_TYPE_ARP);
	put16(&builder, RTE_ARP_HRD_ETHER);
	put16(&builder, RTE_ETHER_TYPE_IPV4);
	put16(&builder, RTE_ETHER_ADDR_LEN << 8 | sizeof(uint32_t));
	put16(&builder, operation);
	put(&builder, host->mac, sizeof(host->mac));
	put(&builder, host->local.bytes, 4);
	put(&builder, target_mac, RTE_ETHER_ADDR_LEN);
	put(&builder, target, 4);
	return finish(&builder, packet);
}

/* A solicitation or advertisement with our MAC address in its one option. */
struct nd {
	uint8_t type, flags, option;
	const uint8_t *mac;	    /* destination of the frame */
	const uint8_t *destination; /* of the packet */
	const uint8_t *target;
};

static int build_nd(
	const struct fc_neighbour_host *host, const struct nd *nd, struct rte_mbuf *packet)
{
	const uint8_t head[] = { nd->type, 0, 0, 0, nd->flags, 0, 0, 0 };
	const uint8_t option[] = { nd->option, 1 };
	struct builder builder = { .size = 0 };
	struct rte_ipv6_hdr ip = {
		.vtc_flow = RTE_BE32(0x60000000),
		.payload_len = RTE_BE16(NEIGHBOUR_ND_SIZE + NEIGHBOUR_LINK_SIZE),
		.proto = IPPROTO_ICMPV6,
		.hop_limits = NEIGHBOUR_HOP_LIMIT,
	};
	uint32_t at;
	rte_be16_t sum;

	memcpy(&ip.src_addr, host->local.bytes, sizeof(ip.src_addr));
	memcpy(&ip.dst_addr, nd->destination, sizeof(ip.dst_addr));
	put_ethernet(&builder, host, nd->mac, RTE_ETHER_TYPE_IPV6);
	put(&builder, &ip, sizeof(ip));
	at = builder.size;
	put(&builder, head, sizeof(head));
	put(&builder, nd->target, 16);
	put(&builder, option, sizeof(option));
	put(&builder, host->mac, sizeof(host->mac));
	sum = rte_ipv6_udptcp_cksum(&ip, builder.bytes + at);
	memcpy(builder.bytes + at + 2, &sum, sizeof(sum));
	return finish(&builder, packet);
}

/* RFC 2464 section 7. */
static void map_multicast(const uint8_t *address, uint8_t *mac)
{
	mac[0] = 0x33;
	mac[1] = 0x33;
	memcpy(mac + 2, address + 12, 4);
}

int fc_neighbour_ask(const struct fc_neighbour_host *host, const struct fc_address *target,
	const uint8_t *mac, struct rte_mbuf *packet)
{
	static const uint8_t unknown[RTE_ETHER_ADDR_LEN];
	uint8_t group[16] = { 0xff, 0x02, [11] = 1, [12] = 0xff };
	uint8_t group_mac[RTE_ETHER_ADDR_LEN];
	struct nd nd = {
		.type = ICMP6_SOLICITATION,
		.option = NEIGHBOUR_SOURCE_LINK,
		.target = target->bytes,
		.mac = mac,
		.destination = target->bytes,
	};

	if (target->family != host->local.family)
		return -EINVAL;
	if (host->local.family == 4)
		return build_arp(host, RTE_ARP_OP_REQUEST, mac != NULL ? mac : broadcast_mac,
			unknown, target->bytes, packet);
	if (mac == NULL) {
		memcpy(group + 13, target->bytes + 13, 3);
		map_multicast(group, group_mac);
		nd.mac = group_mac;
		nd.destination = group;
	}
	return build_nd(host, &nd, packet);
}

int fc_neighbour_answer(const struct fc_neighbour_host *host,
	const struct fc_neighbour_message *request, struct rte_mbuf *packet)
{
	uint8_t group_mac[RTE_ETHER_ADDR_LEN];
	struct nd nd = {
		.type = ICMP6_ADVERTISEMENT,
		.flags = NEIGHBOUR_SOLICITED | NEIGHBOUR_OVERRIDE,
		.option = NEIGHBOUR_TARGET_LINK,
		.mac = request->has_mac ? request->mac : request->frame_source,
		.destination = request->sender.bytes,
		.target = host->local.bytes,
	};

	if (request->target.family != host->local.family)
		return -EINVAL;
	if (host->local.family == 4)
		return build_arp(host, RTE_ARP_OP_REPLY, request->mac, request->mac,
			request->sender.bytes, packet);
	/* RFC 4861 section 7.2.4: one who has no address yet is answered through all. */
	if (request->sender.family == 0) {
		map_multicast(all_nodes, group_mac);
		nd.mac = group_mac;
		nd.destination = all_nodes;
		nd.flags = NEIGHBOUR_OVERRIDE;
	}
	return build_nd(host, &nd, packet);
}

int fc_neighbour_announce(const struct fc_neighbour_host *host, struct rte_mbuf *packet)
{
	static const uint8_t unknown[RTE_ETHER_ADDR_LEN];
	uint8_t group_mac[RTE_ETHER_ADDR_LEN];
	struct nd nd = {
		.type = ICMP6_ADVERTISEMENT,
		.flags = NEIGHBOUR_OVERRIDE,
		.option = NEIGHBOUR_TARGET_LINK,
		.mac = group_mac,
		.destination = all_nodes,
		.target = host->local.bytes,
	};

	if (host->local.family == 4)
		return build_arp(host, RTE_ARP_OP_REQUEST, broadcast_mac, unknown,
			host->local.bytes, packet);
	map_multicast(all_nodes, group_mac);
	return build_nd(host, &nd, packet);
}

/* The checksum (RFC 1624) when a 16-bit word that it covers changes. */
static rte_be16_t update_sum(rte_be16_t sum, rte_be16_t from, rte_be16_t to)
{
	uint32_t new_sum = (uint16_t)~sum + (uint32_t)(uint16_t)~from + to;

	new_sum = (new_sum & 0xffff) + (new_sum >> 16);
	return (rte_be16_t) ~(new_sum + (new_sum >> 16));
}

int fc_neighbour_pong(const struct fc_neighbour_host *host, struct rte_mbuf *packet)
{
	struct outer outer;
	uint8_t outer_scratch[OUTER_SCRATCH_SIZE];
	uint8_t *frame, *icmp;
	rte_be16_t sum, from, to;
	size_t ip_size;

	if (outer_parse(packet, &outer, outer_scratch) != FC_TUNNEL_OURS || outer.is_piece)
		return -ENOTSUP;
	ip_size = outer.family == 6 ? sizeof(struct rte_ipv6_hdr) : sizeof(struct rte_ipv4_hdr);
	if (outer.at != outer.l2 + ip_size || outer.family != host->local.family ||
		segments_pull(packet, (uint16_t)(outer.at + ICMP_ECHO_SIZE)) != 0)
		return -ENOTSUP;
	fc_slice(packet, outer.end);
	frame = rte_pktmbuf_mtod(packet, uint8_t *);
	memcpy(frame, frame + RTE_ETHER_ADDR_LEN, RTE_ETHER_ADDR_LEN);
	memcpy(frame + RTE_ETHER_ADDR_LEN, host->mac, RTE_ETHER_ADDR_LEN);
	if (outer.family == 4) {
		struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)(frame + outer.l2);

		ip->dst_addr = ip->src_addr;
		memcpy(&ip->src_addr, host->local.bytes, sizeof(ip->src_addr));
		ip->time_to_live = PING_TTL;
		ip->hdr_checksum = 0;
		ip->hdr_checksum = rte_ipv4_cksum(ip);
	} else {
		struct rte_ipv6_hdr *ip = (struct rte_ipv6_hdr *)(frame + outer.l2);

		/* The two change places, or stay: the sum of the pseudo header is the same. */
		memcpy(&ip->dst_addr, &ip->src_addr, sizeof(ip->dst_addr));
		memcpy(&ip->src_addr, host->local.bytes, sizeof(ip->src_addr));
		ip->hop_limits = PING_TTL;
	}
	icmp = frame + outer.at;
	memcpy(&from, icmp, sizeof(from));
	icmp[0] = outer.family == 4 ? ICMP_ECHO_REPLY_ : ICMP6_ECHO_REPLY_;
	memcpy(&to, icmp, sizeof(to));
	memcpy(&sum, icmp + 2, sizeof(sum));
	sum = update_sum(sum, from, to);
	memcpy(icmp + 2, &sum, sizeof(sum));
	return 0;
}
