/* SPDX-License-Identifier: MIT */
#include <netinet/in.h>

#include <rte_ip.h>

#include <fc_flow.h>

#include "ethernet.h"

#define IPPROTO_DCCP_  33
#define MAX_EXTENSIONS 4

/* Odd numbers without a pattern. */
#define FACTOR1 0x9e3779b97f4a7c15ull
#define FACTOR2 0xc2b2ae3d27d4eb4full
#define FACTOR3 0xd6e8feb86659fd93ull

/* One end of a flow; of an address the lower 48 bits count. */
static inline uint64_t end_of(uint64_t address, uint16_t port)
{
	uint64_t end = (address << 16 | port) * FACTOR1;

	return end ^ end >> 32;
}

/* The ends go in as a sum: it does not tell which one is the source. */
static inline uint32_t combine(uint64_t end1, uint64_t end2, uint32_t protocol)
{
	uint64_t hash = (end1 + end2 + protocol) * FACTOR2;

	hash ^= hash >> 32;
	return (uint32_t)(hash * FACTOR3 >> 32);
}

static inline bool has_ports(uint8_t protocol)
{
	return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_SCTP ||
	       protocol == IPPROTO_UDPLITE || protocol == IPPROTO_DCCP_;
}

struct ports {
	uint16_t source, destination;
};

/* The ports at @at, or zeros where there are none. */
static inline struct ports read_ports(const struct rte_mbuf *packet, uint32_t at, uint8_t protocol)
{
	struct ports scratch, ports = { 0 };
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
	return combine(end_of(end1, 0), end_of(end2, 0), type);
}

static bool hash_ipv4(const struct rte_mbuf *packet, uint32_t at, uint32_t *hash)
{
	struct rte_ipv4_hdr scratch;
	const struct rte_ipv4_hdr *ip = rte_pktmbuf_read(packet, at, sizeof(scratch), &scratch);
	struct ports ports = { 0 };

	if (ip == NULL || ip->version_ihl >> 4 != 4)
		return false;
	if ((ip->fragment_offset & RTE_BE16(RTE_IPV4_HDR_MF_FLAG | RTE_IPV4_HDR_OFFSET_MASK)) == 0)
		ports = read_ports(packet, at + rte_ipv4_hdr_len(ip), ip->next_proto_id);
	*hash = combine(end_of(ip->src_addr, ports.source), end_of(ip->dst_addr, ports.destination),
		ip->next_proto_id);
	return true;
}

/* Not the same for two addresses that have their halves swapped. */
static inline uint64_t fold_ipv6(const uint8_t *address)
{
	uint64_t high, low;

	memcpy(&high, address, sizeof(high));
	memcpy(&low, address + sizeof(high), sizeof(low));
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
	struct ports ports = { 0 };
	uint8_t protocol;

	if (ip == NULL || (*(const uint8_t *)ip) >> 4 != 6)
		return false;
	protocol = ip->proto;
	at += sizeof(*ip);
	if (skip_extensions(packet, &at, &protocol))
		ports = read_ports(packet, at, protocol);
	*hash = combine(end_of(fold_ipv6(ip->src_addr), ports.source),
		end_of(fold_ipv6(ip->dst_addr), ports.destination), protocol);
	return true;
}

/* Untagged IPv4 without options, not a fragment, TCP or UDP, the headers in one segment. */
static inline bool hash_plain(const struct rte_mbuf *packet, uint32_t *hash)
{
	const uint8_t *frame = rte_pktmbuf_mtod(packet, const uint8_t *);
	const struct rte_ipv4_hdr *ip = (const struct rte_ipv4_hdr *)(frame + RTE_ETHER_HDR_LEN);
	struct ports ports;
	rte_be16_t type;

	if (packet->data_len < RTE_ETHER_HDR_LEN + sizeof(*ip) + sizeof(ports))
		return false;
	memcpy(&type, frame + 2 * RTE_ETHER_ADDR_LEN, sizeof(type));
	if (type != RTE_BE16(RTE_ETHER_TYPE_IPV4) || ip->version_ihl != RTE_IPV4_VHL_DEF ||
		(ip->fragment_offset & RTE_BE16(RTE_IPV4_HDR_MF_FLAG | RTE_IPV4_HDR_OFFSET_MASK)) !=
			0 ||
		(ip->next_proto_id != IPPROTO_TCP && ip->next_proto_id != IPPROTO_UDP))
		return false;
	memcpy(&ports, ip + 1, sizeof(ports));
	*hash = combine(end_of(ip->src_addr, ports.source), end_of(ip->dst_addr, ports.destination),
		ip->next_proto_id);
	return true;
}

uint32_t fc_flow_hash(const struct rte_mbuf *packet)
{
	struct ethernet ethernet;
	uint32_t hash;

	if (likely(hash_plain(packet, &hash)))
		return hash;
	if (!ethernet_parse(packet, MAX_INNER_TAGS, &ethernet))
		return 0;
	if (ethernet.type == RTE_BE16(RTE_ETHER_TYPE_IPV4) && hash_ipv4(packet, ethernet.at, &hash))
		return hash;
	if (ethernet.type == RTE_BE16(RTE_ETHER_TYPE_IPV6) && hash_ipv6(packet, ethernet.at, &hash))
		return hash;
	return hash_macs(packet, ethernet.type);
}
