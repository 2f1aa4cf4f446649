/* SPDX-License-Identifier: MIT */
#ifndef OUTER_H
#define OUTER_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_mbuf.h>

#include <fc_tunnel_pop.h>

/* Tags of a received frame in front of the outer IP header. */
#define MAX_OUTER_TAGS 2

/* An IP header may have to be put together from segments. Bytes. */
#define OUTER_SCRATCH_SIZE 60

/* The outer packet from Ethernet to the end of the IP headers, checked against the frame. */
struct outer {
	rte_be16_t type;  /* EtherType; if not IP, the members below are not set */
	uint8_t family;	  /* 4 or 6 */
	uint8_t protocol; /* of the payload */
	uint8_t hop_limit;
	bool is_piece;	   /* a fragment, which is not all of its datagram */
	enum fc_hint hint; /* why it is malformed, FC_N_HINTS: for another reason */
	uint16_t l2;	   /* bytes of Ethernet header and tags */
	uint32_t at;	   /* offset of the payload */
	uint32_t end;	   /* offset behind the IP packet; the frame may have padding there */
	const uint8_t *source, *destination; /* in the packet or the scratch */
};

/*
 * FC_TUNNEL_OURS stands for well formed here, FC_TUNNEL_NOT_OURS for a packet that is for another
 * host or has no payload, FC_TUNNEL_MALFORMED for what it says.
 */
enum fc_tunnel_verdict outer_parse(
	const struct rte_mbuf *packet, struct outer *outer, uint8_t scratch[OUTER_SCRATCH_SIZE]);

/* Of 20 bytes; RFC 1071, not complemented. */
static inline uint16_t outer_sum_ipv4(const struct rte_ipv4_hdr *ip)
{
	const uint8_t *bytes = (const uint8_t *)ip;
	uint64_t part1, part2, sum;
	uint32_t part3;

	memcpy(&part1, bytes, sizeof(part1));
	memcpy(&part2, bytes + sizeof(part1), sizeof(part2));
	memcpy(&part3, bytes + sizeof(part1) + sizeof(part2), sizeof(part3));
	sum = (part1 & UINT32_MAX) + (part1 >> 32) + (part2 & UINT32_MAX) + (part2 >> 32) + part3;
	sum = (sum & UINT16_MAX) + (sum >> 16 & UINT16_MAX) + (sum >> 32);
	return (uint16_t)((sum & UINT16_MAX) + (sum >> 16));
}

/*
 * Parse what nearly all packets are: IPv4, untagged, without options, not a fragment, nothing
 * wrong. False: anything else, for outer_parse().
 */
static __rte_always_inline bool outer_parse_plain(
	const struct rte_mbuf *packet, struct outer *outer)
{
	const uint8_t *frame = rte_pktmbuf_mtod(packet, const uint8_t *);
	const struct rte_ipv4_hdr *ip = (const struct rte_ipv4_hdr *)(frame + RTE_ETHER_HDR_LEN);
	rte_be16_t type;
	uint32_t length;

	if (packet->data_len < RTE_ETHER_HDR_LEN + sizeof(*ip))
		return false;
	memcpy(&type, frame + 2 * RTE_ETHER_ADDR_LEN, sizeof(type));
	length = rte_be_to_cpu_16(ip->total_length);
	if (type != RTE_BE16(RTE_ETHER_TYPE_IPV4) || ip->version_ihl != RTE_IPV4_VHL_DEF ||
		length < sizeof(*ip) || length > packet->pkt_len - RTE_ETHER_HDR_LEN ||
		(ip->fragment_offset & RTE_BE16(RTE_IPV4_HDR_MF_FLAG | RTE_IPV4_HDR_OFFSET_MASK)) !=
			0 ||
		outer_sum_ipv4(ip) != 0xffff)
		return false;
	outer->type = RTE_BE16(RTE_ETHER_TYPE_IPV4);
	outer->family = 4;
	outer->protocol = ip->next_proto_id;
	outer->hop_limit = ip->time_to_live;
	outer->is_piece = false;
	outer->hint = FC_N_HINTS;
	outer->l2 = RTE_ETHER_HDR_LEN;
	outer->at = RTE_ETHER_HDR_LEN + sizeof(*ip);
	outer->end = RTE_ETHER_HDR_LEN + length;
	outer->source = (const uint8_t *)&ip->src_addr;
	outer->destination = (const uint8_t *)&ip->dst_addr;
	return true;
}

/* The sum of the pseudo header that UDP and ICMPv6 add to their checksum. */
uint32_t outer_pseudo_sum(const struct outer *outer, uint32_t length);

#endif
