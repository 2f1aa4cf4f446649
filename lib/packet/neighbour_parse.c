/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include <rte_arp.h>
#include <rte_icmp.h>

#include <fc_neighbour.h>

#include "ethernet.h"
#include "neighbour_format.h"
#include "outer.h"
#include "segments.h"

static void set_address(struct fc_address *address, uint8_t family, const void *bytes)
{
	*address = (struct fc_address){ .family = family };
	memcpy(address->bytes, bytes, family == 6 ? 16 : 4);
}

/* As set_address(), but no address for the one that means none. */
static void set_sender(struct fc_address *address, uint8_t family, const void *bytes)
{
	static const uint8_t none[16];

	if (memcmp(bytes, none, family == 6 ? 16 : 4) != 0)
		set_address(address, family, bytes);
}

static int set_mac(struct fc_neighbour_message *message, const uint8_t *mac)
{
	if (!fc_mac_is_unicast(mac))
		return -EBADMSG;
	memcpy(message->mac, mac, FC_MAC_SIZE);
	message->has_mac = true;
	return 0;
}

static int parse_arp(
	const struct rte_mbuf *packet, uint32_t at, struct fc_neighbour_message *message)
{
	struct rte_arp_hdr arp;
	const void *bytes = rte_pktmbuf_read(packet, at, sizeof(arp), &arp);

	if (bytes == NULL)
		return -EBADMSG;
	/* Unlike DPDK's other headers this one may not be anywhere. */
	memmove(&arp, bytes, sizeof(arp));
	if (arp.arp_hardware != RTE_BE16(RTE_ARP_HRD_ETHER) ||
		arp.arp_protocol != RTE_BE16(RTE_ETHER_TYPE_IPV4) ||
		arp.arp_hlen != RTE_ETHER_ADDR_LEN || arp.arp_plen != sizeof(uint32_t))
		return -ENOENT;
	if (arp.arp_opcode == RTE_BE16(RTE_ARP_OP_REQUEST))
		message->kind = FC_NEIGHBOUR_REQUEST;
	else if (arp.arp_opcode == RTE_BE16(RTE_ARP_OP_REPLY))
		message->kind = FC_NEIGHBOUR_REPLY;
	else
		return -ENOENT;
	set_sender(&message->sender, 4, &arp.arp_data.arp_sip);
	set_address(&message->target, 4, &arp.arp_data.arp_tip);
	if (arp.arp_data.arp_sip == arp.arp_data.arp_tip)
		message->kind = FC_NEIGHBOUR_REPLY;
	message->overrides = true;
	return set_mac(message, arp.arp_data.arp_sha.addr_bytes);
}

/* The MAC address in the option of this type, if there is one. */
static int parse_options(const struct rte_mbuf *packet, uint32_t at, uint32_t end, uint8_t type,
	struct fc_neighbour_message *message)
{
	while (at < end) {
		uint8_t scratch[NEIGHBOUR_LINK_SIZE];
		const uint8_t *option;

		/* RFC 4861 section 4.6: lengths are in units of 8 bytes, and none is 0. */
		if (end - at < sizeof(scratch))
			return -EBADMSG;
		option = rte_pktmbuf_read(packet, at, sizeof(scratch), scratch);
		if (option[1] == 0 || 8u * option[1] > end - at)
			return -EBADMSG;
		if (option[0] == type && option[1] == 1) {
			int rc = set_mac(message, option + 2);

			if (rc != 0)
				return rc;
		}
		at += 8u * option[1];
	}
	return 0;
}

static int parse_solicitation(const struct rte_mbuf *packet, const struct outer *outer,
	const uint8_t *nd, struct fc_neighbour_message *message)
{
	int rc;

	message->kind = FC_NEIGHBOUR_REQUEST;
	set_sender(&message->sender, 6, outer->source);
	set_address(&message->target, 6, nd + NEIGHBOUR_TARGET_AT);
	rc = parse_options(
		packet, outer->at + NEIGHBOUR_ND_SIZE, outer->end, NEIGHBOUR_SOURCE_LINK, message);
	/* RFC 4861 section 7.1.1. */
	if (rc == 0 && message->sender.family == 0 && message->has_mac)
		return -EBADMSG;
	message->overrides = true;
	return rc;
}

static int parse_advertisement(const struct rte_mbuf *packet, const struct outer *outer,
	const uint8_t *nd, struct fc_neighbour_message *message)
{
	message->kind = FC_NEIGHBOUR_REPLY;
	set_address(&message->sender, 6, nd + NEIGHBOUR_TARGET_AT);
	message->overrides = (nd[NEIGHBOUR_FLAGS_AT] & NEIGHBOUR_OVERRIDE) != 0;
	return parse_options(
		packet, outer->at + NEIGHBOUR_ND_SIZE, outer->end, NEIGHBOUR_TARGET_LINK, message);
}

static int parse_icmp6(const struct rte_mbuf *packet, const struct outer *outer,
	struct fc_neighbour_message *message)
{
	uint8_t scratch[NEIGHBOUR_ND_SIZE];
	uint32_t length = outer->end - outer->at;
	const uint8_t *icmp;
	uint32_t sum;

	if (length < ICMP_ECHO_SIZE)
		return -EBADMSG;
	sum = outer_pseudo_sum(outer, length) + segments_sum(packet, outer->at, length);
	sum = (sum & 0xffff) + (sum >> 16);
	if ((uint16_t)(sum + (sum >> 16)) != 0xffff)
		return -EBADMSG;
	icmp = rte_pktmbuf_read(
		packet, outer->at, RTE_MIN(length, (uint32_t)sizeof(scratch)), scratch);
	if (icmp[0] == ICMP6_ECHO_REQUEST_) {
		message->kind = FC_NEIGHBOUR_PING;
		set_address(&message->sender, 6, outer->source);
		set_address(&message->target, 6, outer->destination);
		return icmp[1] == 0 ? 0 : -EBADMSG;
	}
	if (icmp[0] != ICMP6_SOLICITATION && icmp[0] != ICMP6_ADVERTISEMENT)
		return -ENOENT;
	if (icmp[1] != 0 || length < NEIGHBOUR_ND_SIZE || outer->hop_limit != NEIGHBOUR_HOP_LIMIT)
		return -EBADMSG;
	return icmp[0] == ICMP6_SOLICITATION ? parse_solicitation(packet, outer, icmp, message)
					     : parse_advertisement(packet, outer, icmp, message);
}

static int parse_icmp(const struct rte_mbuf *packet, const struct outer *outer,
	struct fc_neighbour_message *message)
{
	uint8_t scratch[ICMP_ECHO_SIZE];
	uint32_t length = outer->end - outer->at;
	const uint8_t *icmp;

	if (length < sizeof(scratch) || segments_sum(packet, outer->at, length) != 0xffff)
		return -EBADMSG;
	icmp = rte_pktmbuf_read(packet, outer->at, sizeof(scratch), scratch);
	if (icmp[0] != ICMP_ECHO_REQUEST_)
		return -ENOENT;
	message->kind = FC_NEIGHBOUR_PING;
	set_address(&message->sender, 4, outer->source);
	set_address(&message->target, 4, outer->destination);
	return icmp[1] == 0 ? 0 : -EBADMSG;
}

int fc_neighbour_parse(const struct rte_mbuf *packet, struct fc_neighbour_message *message)
{
	enum fc_tunnel_verdict verdict;
	struct ethernet ethernet;
	struct outer outer;
	uint8_t outer_scratch[OUTER_SCRATCH_SIZE];
	uint8_t scratch[RTE_ETHER_ADDR_LEN];

	*message = (struct fc_neighbour_message){ .kind = FC_NEIGHBOUR_PING };
	if (!ethernet_parse(packet, MAX_OUTER_TAGS, &ethernet))
		return -EBADMSG;
	memcpy(message->frame_source,
		rte_pktmbuf_read(packet, RTE_ETHER_ADDR_LEN, sizeof(scratch), scratch),
		sizeof(message->frame_source));
	if (ethernet.at > RTE_ETHER_HDR_LEN)
		message->vlan = rte_be_to_cpu_16(ethernet.tci) & 0x0fff;
	if (ethernet.type == RTE_BE16(RTE_ETHER_TYPE_ARP))
		return parse_arp(packet, ethernet.at, message);
	verdict = outer_parse(packet, &outer, outer_scratch);
	if (verdict == FC_TUNNEL_MALFORMED)
		return -EBADMSG;
	if (verdict != FC_TUNNEL_OURS || outer.is_piece)
		return -ENOENT;
	if (outer.family == 4 && outer.protocol == IPPROTO_ICMP)
		return parse_icmp(packet, &outer, message);
	if (outer.family == 6 && outer.protocol == IPPROTO_ICMPV6)
		return parse_icmp6(packet, &outer, message);
	return -ENOENT;
}
