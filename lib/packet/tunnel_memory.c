/* SPDX-License-Identifier: MIT */
#include <netinet/in.h>
#include <string.h>

#include <rte_ether.h>
#include <rte_ip.h>

#include <fc_tunnel_pop.h>

#include "tunnel_format.h"

/* Places of what differs from packet to packet, in bytes behind the MAC addresses. */
#define MEMORY_AT	(2 * RTE_ETHER_ADDR_LEN)
#define TOTAL_LENGTH_AT 4
#define IP_SUM_AT	12
#define IP_ADDRESSES_AT 14
#define IP_PAYLOAD_AT	22
#define UDP_LENGTH_AT	(IP_PAYLOAD_AT + 4)
#define UDP_SUM_AT	(IP_PAYLOAD_AT + 6)
#define GRE_FLAGS_AT	IP_PAYLOAD_AT
#define GRE_KEY_AT	(IP_PAYLOAD_AT + GRE_SIZE)
#define ERSPAN2_AT	(IP_PAYLOAD_AT + GRE_SIZE + GRE_OPTION_SIZE)

/* Take the bits of a field that differ out of the mask. */
static void ignore(uint8_t *mask, unsigned at, uint16_t bits)
{
	mask[at] &= (uint8_t) ~(bits >> 8);
	mask[at + 1] &= (uint8_t)~bits;
}

/* Whether the flow that NVGRE has in the key makes no difference to which end a packet is for. */
static bool is_flow_free(const struct fc_tunnel_ends *ends, uint16_t index)
{
	const struct fc_tunnel_end *end = &ends->end[index];

	for (uint16_t i = 0; i < index; i++)
		if (ends->end[i].type == FC_TUNNEL_GRETAP && ends->end[i].has_key &&
			!ends->end[i].is_vsid && ends->end[i].key >> NVGRE_FLOW_BITS == end->key)
			return false;
	return end->is_vsid;
}

static void ignore_payload(enum fc_tunnel_type type, uint16_t gre_flags, uint8_t *mask)
{
	if (fc_tunnel_is_udp(type)) {
		ignore(mask, IP_PAYLOAD_AT, 0xffff); /* source port */
		ignore(mask, UDP_LENGTH_AT, 0xffff);
		ignore(mask, UDP_SUM_AT, 0xffff);
	} else if ((gre_flags & GRE_SEQUENCE) != 0) {
		unsigned at =
			IP_PAYLOAD_AT + GRE_SIZE + ((gre_flags & GRE_KEY) != 0) * GRE_OPTION_SIZE;

		ignore(mask, at, 0xffff);
		ignore(mask, at + 2, 0xffff);
	}
	if (type == FC_TUNNEL_ERSPAN2) {
		ignore(mask, ERSPAN2_AT, 0x0fff); /* VLAN */
		ignore(mask, ERSPAN2_AT + 2, (uint16_t)~ERSPAN_SESSION);
		ignore(mask, ERSPAN2_AT + 4, 0xffff);
		ignore(mask, ERSPAN2_AT + 6, 0xffff);
	}
}

void fc_tunnel_remember(const struct fc_tunnel_ends *ends, const struct rte_mbuf *packet,
	const struct fc_tunnel_match *match, struct fc_tunnel_memory *memory)
{
	const uint8_t *bytes = rte_pktmbuf_mtod_offset(packet, const uint8_t *, MEMORY_AT);
	enum fc_tunnel_type type = ends->end[match->end].type;
	bool is_udp = fc_tunnel_is_udp(type);
	uint8_t mask[sizeof(memory->mask)] = { 0 };
	uint16_t flags;
	uint32_t sum;

	memory->skip = 0;
	if (packet->data_len < MEMORY_AT + sizeof(mask) || match->l2 != RTE_ETHER_HDR_LEN ||
		match->skip > MEMORY_AT + sizeof(mask) || load16(bytes) != RTE_ETHER_TYPE_IPV4 ||
		bytes[2] != RTE_IPV4_VHL_DEF || type == FC_TUNNEL_ERSPAN3 ||
		match->front != FC_TUNNEL_FRAME)
		return;
	flags = load16(bytes + GRE_FLAGS_AT);
	if (!is_udp && (flags & GRE_CHECKSUM) != 0)
		return;
	memset(mask, UINT8_MAX, match->skip - MEMORY_AT);
	for (unsigned at = TOTAL_LENGTH_AT; at < TOTAL_LENGTH_AT + 4; at += 2)
		ignore(mask, at, 0xffff);
	ignore(mask, IP_SUM_AT, 0xffff);
	ignore_payload(type, flags, mask);
	if (type == FC_TUNNEL_GRETAP && is_flow_free(ends, match->end))
		mask[GRE_KEY_AT + sizeof(uint32_t) - 1] = 0;
	memcpy(memory->mask, mask, sizeof(mask));
	memcpy(memory->value, bytes, sizeof(memory->value));
	sum = rte_raw_cksum(bytes + 2, 2) + rte_raw_cksum(bytes + 8, 4) +
	      (uint32_t)rte_raw_cksum(bytes + 14, 8);
	memory->ip_sum = (sum & 0xffff) + (sum >> 16);
	sum = rte_raw_cksum(bytes + IP_ADDRESSES_AT, 8) + (uint32_t)RTE_BE16(IPPROTO_UDP);
	memory->udp_sum = (sum & 0xffff) + (sum >> 16);
	memory->end = match->end;
	memory->is_udp = is_udp;
	memory->is_erspan2 = type == FC_TUNNEL_ERSPAN2;
	memory->skip = (uint16_t)match->skip;
}
