/* SPDX-License-Identifier: MIT */
#include <netinet/in.h>
#include <string.h>

#include "ethernet.h"
#include "outer.h"

/* Extension headers in front of the payload; nobody has reason to send more. */
#define MAX_EXTENSIONS 8

/* What is not the last piece of a datagram has a multiple of this. Bytes. */
#define PIECE_UNIT 8

/* Whether a fragment is one that can be: RFC 791 and RFC 8200 section 4.5. */
static bool is_piece_sound(uint32_t offset, uint32_t size, bool has_more, uint32_t header_size)
{
	if (size == 0 || (has_more && size % PIECE_UNIT != 0))
		return false;
	return header_size + offset + size <= UINT16_MAX;
}

static enum fc_tunnel_verdict refuse_outer(struct outer *outer, enum fc_hint hint)
{
	outer->hint = hint;
	return FC_TUNNEL_MALFORMED;
}

static enum fc_tunnel_verdict parse_ipv4(
	const struct rte_mbuf *packet, struct outer *outer, uint8_t *scratch)
{
	const struct rte_ipv4_hdr *ip = rte_pktmbuf_read(packet, outer->l2, sizeof(*ip), scratch);
	uint32_t header_size, length;
	uint16_t fragment;

	if (ip == NULL)
		return refuse_outer(outer, FC_HINT_CUT);
	header_size = rte_ipv4_hdr_len(ip);
	length = rte_be_to_cpu_16(ip->total_length);
	if (ip->version_ihl >> 4 != 4 || header_size < sizeof(*ip))
		return FC_TUNNEL_MALFORMED;
	/* Who left the length to a NIC has not computed the checksum either. */
	if (length == 0)
		return refuse_outer(outer, FC_HINT_NO_LENGTH);
	if (length < header_size)
		return FC_TUNNEL_MALFORMED;
	if (header_size > packet->pkt_len - outer->l2)
		return refuse_outer(outer, FC_HINT_CUT);
	if (header_size > sizeof(*ip))
		ip = rte_pktmbuf_read(packet, outer->l2, header_size, scratch);
	if (rte_raw_cksum(ip, header_size) != 0xffff)
		return FC_TUNNEL_MALFORMED;
	if (length > packet->pkt_len - outer->l2)
		return refuse_outer(outer, FC_HINT_CUT);
	fragment = rte_be_to_cpu_16(ip->fragment_offset);
	outer->family = 4;
	outer->protocol = ip->next_proto_id;
	outer->hop_limit = ip->time_to_live;
	outer->at = outer->l2 + header_size;
	outer->end = outer->l2 + length;
	outer->source = (const uint8_t *)&ip->src_addr;
	outer->destination = (const uint8_t *)&ip->dst_addr;
	outer->is_piece = (fragment & (RTE_IPV4_HDR_MF_FLAG | RTE_IPV4_HDR_OFFSET_MASK)) != 0;
	if (outer->is_piece &&
		!is_piece_sound((fragment & RTE_IPV4_HDR_OFFSET_MASK) * PIECE_UNIT,
			length - header_size, (fragment & RTE_IPV4_HDR_MF_FLAG) != 0, header_size))
		return FC_TUNNEL_MALFORMED;
	return FC_TUNNEL_OURS;
}

/* The fragment header at outer->at. */
static enum fc_tunnel_verdict parse_fragment(const struct rte_mbuf *packet, struct outer *outer)
{
	struct rte_ipv6_fragment_ext scratch;
	const struct rte_ipv6_fragment_ext *header =
		rte_pktmbuf_read(packet, outer->at, sizeof(scratch), &scratch);
	bool is_first_extension = outer->at == outer->l2 + sizeof(struct rte_ipv6_hdr);
	uint16_t offset = rte_be_to_cpu_16(header->frag_data);
	bool has_more = (offset & RTE_IPV6_EHDR_MF_MASK) != 0;

	outer->protocol = header->next_header;
	outer->at += sizeof(scratch);
	offset &= (uint16_t) ~(PIECE_UNIT - 1);
	outer->is_piece = has_more || offset != 0;
	/* RFC 6946: a header that says "all of it" is no more than an extension. */
	if (!outer->is_piece)
		return FC_TUNNEL_OURS;
	if (!is_first_extension || !is_piece_sound(offset, outer->end - outer->at, has_more, 0))
		return FC_TUNNEL_MALFORMED;
	return FC_TUNNEL_OURS;
}

/* Step over the extension headers of a packet to its destination. */
static enum fc_tunnel_verdict parse_extensions(const struct rte_mbuf *packet, struct outer *outer)
{
	for (unsigned n = 0; n <= MAX_EXTENSIONS; n++) {
		uint8_t scratch[8];
		const uint8_t *header;
		uint8_t protocol = outer->protocol;
		enum fc_tunnel_verdict verdict;
		uint32_t size;

		if (protocol != IPPROTO_HOPOPTS && protocol != IPPROTO_ROUTING &&
			protocol != IPPROTO_DSTOPTS && protocol != IPPROTO_FRAGMENT)
			return FC_TUNNEL_OURS;
		/* RFC 8200 section 4.1: hop-by-hop options only directly behind the IPv6 header. */
		if (n > 0 && protocol == IPPROTO_HOPOPTS)
			return FC_TUNNEL_MALFORMED;
		if (outer->end - outer->at < sizeof(scratch))
			return FC_TUNNEL_MALFORMED;
		if (protocol == IPPROTO_FRAGMENT) {
			verdict = parse_fragment(packet, outer);
			if (verdict != FC_TUNNEL_OURS || outer->is_piece)
				return verdict;
			continue;
		}
		header = rte_pktmbuf_read(packet, outer->at, sizeof(scratch), scratch);
		size = 8 * (header[1] + 1u);
		if (size > outer->end - outer->at)
			return FC_TUNNEL_MALFORMED;
		/* Segments left: the destination is only a stop on the way. */
		if (protocol == IPPROTO_ROUTING && header[3] != 0)
			return FC_TUNNEL_NOT_OURS;
		outer->protocol = header[0];
		outer->at += size;
	}
	return FC_TUNNEL_MALFORMED;
}

static enum fc_tunnel_verdict parse_ipv6(
	const struct rte_mbuf *packet, struct outer *outer, uint8_t *scratch)
{
	const struct rte_ipv6_hdr *ip = rte_pktmbuf_read(packet, outer->l2, sizeof(*ip), scratch);
	uint32_t length;

	if (ip == NULL)
		return refuse_outer(outer, FC_HINT_CUT);
	if (*(const uint8_t *)ip >> 4 != 6)
		return FC_TUNNEL_MALFORMED;
	length = rte_be_to_cpu_16(ip->payload_len);
	if (length > packet->pkt_len - outer->l2 - sizeof(*ip))
		return refuse_outer(outer, FC_HINT_CUT);
	/* A jumbogram (RFC 2675), or what offloading has not filled in. */
	if (length == 0 && ip->proto != IPPROTO_NONE)
		return refuse_outer(outer, FC_HINT_NO_LENGTH);
	outer->family = 6;
	outer->protocol = ip->proto;
	outer->hop_limit = ip->hop_limits;
	outer->at = outer->l2 + (uint32_t)sizeof(*ip);
	outer->end = outer->at + length;
	outer->source = (const uint8_t *)&ip->src_addr;
	outer->destination = (const uint8_t *)&ip->dst_addr;
	outer->is_piece = false;
	return parse_extensions(packet, outer);
}

enum fc_tunnel_verdict outer_parse(
	const struct rte_mbuf *packet, struct outer *outer, uint8_t scratch[OUTER_SCRATCH_SIZE])
{
	struct ethernet ethernet;

	outer->hint = FC_N_HINTS;
	if (!ethernet_parse(packet, MAX_OUTER_TAGS, &ethernet))
		return FC_TUNNEL_MALFORMED;
	outer->type = ethernet.type;
	outer->l2 = (uint16_t)ethernet.at;
	if (ethernet.type == RTE_BE16(RTE_ETHER_TYPE_IPV4))
		return parse_ipv4(packet, outer, scratch);
	if (ethernet.type == RTE_BE16(RTE_ETHER_TYPE_IPV6))
		return parse_ipv6(packet, outer, scratch);
	return FC_TUNNEL_NOT_OURS;
}

uint32_t outer_pseudo_sum(const struct outer *outer, uint32_t length)
{
	uint32_t size = outer->family == 6 ? 16 : 4;

	return rte_raw_cksum(outer->source, size) +
	       (uint32_t)rte_raw_cksum(outer->destination, size) +
	       rte_cpu_to_be_16(outer->protocol) + rte_cpu_to_be_16((uint16_t)length);
}
