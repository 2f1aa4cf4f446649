/* SPDX-License-Identifier: MIT */
#include "ethernet.h"
#include "flow.h"

#define IPPROTO_DCCP_  33
#define MAX_EXTENSIONS 4

static inline bool has_ports(uint8_t protocol)
{
	return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_SCTP ||
	       protocol == IPPROTO_UDPLITE || protocol == IPPROTO_DCCP_;
}

/* The ports at @at, or zeros where there are none. */
static inline struct flow_ports read_ports(
	const struct rte_mbuf *packet, uint32_t at, uint8_t protocol)
{
	struct flow_ports scratch, ports = { 0 };
	const void *bytes = NULL;

	if (has_ports(protocol))
		bytes = rte_pktmbuf_read(packet, at, sizeof(scratch), &scratch);
	if (bytes != NULL)
		memcpy(&ports, bytes, sizeof(ports));
	return ports;
}

static uint32_t hash_macs(const struct rte_mbuf *packet, rte_be16_t type)
{
	uint8_t scratch[2 * RTE_ETHER_ADDR_LEN];
	const uint8_t *frame = rte_pktmbuf_read(packet, 0, sizeof(scratch), scratch);
	uint64_t end1 = 0, end2 = 0;

	memcpy(&end1, frame, RTE_ETHER_ADDR_LEN);
	memcpy(&end2, frame + RTE_ETHER_ADDR_LEN, RTE_ETHER_ADDR_LEN);
	return flow_combine(flow_end(end1, 0), flow_end(end2, 0), type);
}

static bool hash_ipv4(const struct rte_mbuf *packet, uint32_t at, uint32_t *hash)
{
	struct rte_ipv4_hdr scratch;
	const struct rte_ipv4_hdr *ip = rte_pktmbuf_read(packet, at, sizeof(scratch), &scratch);
	struct flow_ports ports = { 0 };

	if (ip == NULL || ip->version_ihl >> 4 != 4)
		return false;
	if ((ip->fragment_offset & RTE_BE16(RTE_IPV4_HDR_MF_FLAG | RTE_IPV4_HDR_OFFSET_MASK)) == 0)
		ports = read_ports(packet, at + rte_ipv4_hdr_len(ip), ip->next_proto_id);
	*hash = flow_combine(flow_end(ip->src_addr, ports.source),
		flow_end(ip->dst_addr, ports.destination), ip->next_proto_id);
	return true;
}

/* Not the same for two addresses that have their halves swapped. */
static inline uint64_t fold_ipv6(const void *address)
{
	uint64_t high, low;

	memcpy(&high, address, sizeof(high));
	memcpy(&low, (const uint8_t *)address + sizeof(high), sizeof(low));
	high *= FACTOR2;
	return ((high ^ high >> 32) + low) * FACTOR3 >> 16;
}

/*
 * Find the transport header behind the extension headers that hosts put in front of it.
 * False: a fragment, or it cannot be found; @protocol is the same for all fragments.
 */
static bool skip_extensions(const struct rte_mbuf *packet, uint32_t *at, uint8_t *protocol)
{
	for (unsigned n = 0; n < MAX_EXTENSIONS; n++) {
		uint8_t scratch[2];
		const uint8_t *header;

		if (*protocol != IPPROTO_HOPOPTS && *protocol != IPPROTO_ROUTING &&
			*protocol != IPPROTO_DSTOPTS && *protocol != IPPROTO_FRAGMENT)
			return true;
		header = rte_pktmbuf_read(packet, *at, sizeof(scratch), scratch);
		if (header == NULL)
			return false;
		if (*protocol == IPPROTO_FRAGMENT) {
			*protocol = header[0];
			return false;
		}
		*protocol = header[0];
		*at += 8 * (header[1] + 1u);
	}
	return false;
}

static bool hash_ipv6(const struct rte_mbuf *packet, uint32_t at, uint32_t *hash)
{
	struct rte_ipv6_hdr scratch;
	const struct rte_ipv6_hdr *ip = rte_pktmbuf_read(packet, at, sizeof(scratch), &scratch);
	struct flow_ports ports = { 0 };
	uint8_t protocol;

	if (ip == NULL || (*(const uint8_t *)ip) >> 4 != 6)
		return false;
	protocol = ip->proto;
	at += sizeof(*ip);
	if (skip_extensions(packet, &at, &protocol))
		ports = read_ports(packet, at, protocol);
	*hash = flow_combine(flow_end(fold_ipv6(&ip->src_addr), ports.source),
		flow_end(fold_ipv6(&ip->dst_addr), ports.destination), protocol);
	return true;
}

uint32_t fc_flow_hash(const struct rte_mbuf *packet)
{
	struct ethernet ethernet;
	uint32_t hash;

	if (likely(flow_hash_plain(packet, &hash)))
		return hash;
	if (!ethernet_parse(packet, MAX_INNER_TAGS, &ethernet))
		return 0;
	if (ethernet.type == RTE_BE16(RTE_ETHER_TYPE_IPV4) && hash_ipv4(packet, ethernet.at, &hash))
		return hash;
	if (ethernet.type == RTE_BE16(RTE_ETHER_TYPE_IPV6) && hash_ipv6(packet, ethernet.at, &hash))
		return hash;
	return hash_macs(packet, ethernet.type);
}

void fc_flow_ports(struct rte_mbuf *const *packets, uint16_t n, uint16_t *ports)
{
#pragma GCC unroll 4
	for (uint16_t i = 0; i < n; i++)
		ports[i] = fc_flow_port(flow_hash(packets[i]));
}
