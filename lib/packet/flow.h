/* SPDX-License-Identifier: MIT */
#ifndef FLOW_H
#define FLOW_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <rte_ether.h>
#include <rte_ip.h>

#include <fc_flow.h>

/* Odd numbers without a pattern. */
#define FACTOR1 0x9e3779b97f4a7c15ull
#define FACTOR2 0xc2b2ae3d27d4eb4full
#define FACTOR3 0xd6e8feb86659fd93ull

/* One end of a flow; of an address the lower 48 bits count. */
static inline uint64_t flow_end(uint64_t address, uint16_t port)
{
	return address << 16 | port;
}

__extension__ typedef unsigned __int128 flow_product_t;

/* A product does not tell which of the ends is the source. */
static inline uint32_t flow_combine(uint64_t end1, uint64_t end2, uint32_t protocol)
{
	uint64_t seed = FACTOR1 + protocol;
	flow_product_t product = (flow_product_t)(end1 ^ seed) * (end2 ^ seed);
	uint64_t hash = (uint64_t)product ^ (uint64_t)(product >> 64);

	return (uint32_t)(hash * FACTOR3 >> 32);
}

struct flow_ports {
	uint16_t source, destination;
};

/* The protocol that an IPv4 header names, or, of a fragment, a number that is no protocol's. */
static inline uint32_t flow_protocol(const struct rte_ipv4_hdr *ip)
{
	uint32_t word;

	memcpy(&word, &ip->fragment_offset, sizeof(word));
	return rte_be_to_cpu_32(word) & 0x3fff00ff;
}

/* Untagged IPv4 without options, not a fragment, TCP or UDP, the headers in one segment. */
static inline bool flow_hash_plain(const struct rte_mbuf *packet, uint32_t *hash)
{
	const uint64_t plain = UINT64_C(1) << IPPROTO_TCP | UINT64_C(1) << IPPROTO_UDP;
	const uint8_t *frame = rte_pktmbuf_mtod(packet, const uint8_t *);
	const struct rte_ipv4_hdr *ip = (const struct rte_ipv4_hdr *)(frame + RTE_ETHER_HDR_LEN);
	struct flow_ports ports;
	uint32_t protocol;
	rte_be16_t type;

	if (unlikely(packet->data_len < RTE_ETHER_HDR_LEN + sizeof(*ip) + sizeof(ports)))
		return false;
	memcpy(&type, frame + 2 * RTE_ETHER_ADDR_LEN, sizeof(type));
	if (unlikely(type != RTE_BE16(RTE_ETHER_TYPE_IPV4) || ip->version_ihl != RTE_IPV4_VHL_DEF))
		return false;
	protocol = flow_protocol(ip);
	/* One question: which of the two it is cannot be foretold. */
	if (unlikely(protocol >= 64 || (plain >> protocol & 1) == 0))
		return false;
	/* Not both at once, to be taken apart again. */
	memcpy(&ports.source, ip + 1, sizeof(ports.source));
	memcpy(&ports.destination, (const uint8_t *)(ip + 1) + 2, sizeof(ports.destination));
	*hash = flow_combine(flow_end(ip->src_addr, ports.source),
		flow_end(ip->dst_addr, ports.destination), protocol);
	return true;
}

/* fc_flow_hash(), which is called for unusual packets only. */
static inline uint32_t flow_hash(const struct rte_mbuf *packet)
{
	uint32_t hash;

	return likely(flow_hash_plain(packet, &hash)) ? hash : fc_flow_hash(packet);
}

#endif
