/* SPDX-License-Identifier: MIT */
#include <netinet/in.h>
#include <string.h>

#include <rte_icmp.h>
#include <rte_udp.h>

#include <fc_private.h>
#include <fc_slice.h>
#include <fc_tunnel_pop.h>
#include <fc_vlan.h>

#include "neighbour_format.h"
#include "ethernet.h"
#include "outer.h"
#include "segments.h"
#include "tunnel_ends.h"
#include "tunnel_format.h"

static __rte_always_inline bool is_same(
	const struct fc_address *address, const struct outer *outer, const uint8_t *bytes)
{
	uint32_t a, b;

	if (address->family != outer->family)
		return false;
	if (outer->family == 6)
		return memcmp(address->bytes, bytes, 16) == 0;
	memcpy(&a, address->bytes, sizeof(a));
	memcpy(&b, bytes, sizeof(b));
	return a == b;
}

/* Bit i: the addresses are those of end i. */
static __rte_always_inline uint64_t find_ends(
	const struct fc_tunnel_ends *ends, const struct outer *outer)
{
	uint64_t found = 0;

	for (uint16_t i = 0; i < ends->n; i++) {
		const struct fc_tunnel_end *end = &ends->end[i];

		if (is_same(&end->local, outer, outer->destination) &&
			(end->remote.family == 0 || is_same(&end->remote, outer, outer->source)))
			found |= UINT64_C(1) << i;
	}
	return found;
}

/* The first end of @candidates that takes the key. */
static __rte_always_inline enum fc_tunnel_verdict take(const struct fc_tunnel_ends *ends,
	uint64_t candidates, bool has_key, uint32_t key, struct fc_tunnel_match *match)
{
	for (; candidates != 0; candidates &= candidates - 1) {
		uint16_t i = (uint16_t)__builtin_ctzll(candidates);
		const struct fc_tunnel_end *end = &ends->end[i];

		if (!end->has_key ||
			(has_key && end->key == (end->is_vsid ? key >> NVGRE_FLOW_BITS : key))) {
			match->end = i;
			return FC_TUNNEL_OURS;
		}
	}
	return FC_TUNNEL_NOT_OURS;
}

/* What is being taken apart: the payload of the outer packet from @at to @end. */
struct inner {
	const struct rte_mbuf *packet;
	uint32_t at, end;
};

/* The next @n bytes, which end before the packet does, or NULL. */
static __rte_always_inline const void *look(const struct inner *inner, uint32_t n, void *scratch)
{
	if (unlikely(inner->end - inner->at < n))
		return NULL;
	return rte_pktmbuf_read(inner->packet, inner->at, n, scratch);
}

static __rte_always_inline enum fc_tunnel_verdict look_erspan(const struct fc_tunnel_ends *ends,
	uint64_t candidates, struct inner *inner, bool is_type3, struct fc_tunnel_match *match)
{
	uint32_t size = is_type3 ? ERSPAN3_SIZE : ERSPAN2_SIZE;
	unsigned version = is_type3 ? ERSPAN_VERSION3 : ERSPAN_VERSION2;
	uint8_t scratch[ERSPAN3_SIZE];
	const uint8_t *erspan = look(inner, size, scratch);
	uint16_t last;

	if (erspan == NULL || load16(erspan) >> ERSPAN_VERSION_SHIFT != version)
		return FC_TUNNEL_MALFORMED;
	if (is_type3) {
		last = load16(erspan + 10);
		if ((last & ERSPAN_TYPE) != 0)
			return FC_TUNNEL_NOT_OURS;
		if ((last & ERSPAN_SUB) != 0)
			size += ERSPAN_SUB_SIZE;
		if (inner->end - inner->at < size)
			return FC_TUNNEL_MALFORMED;
	}
	last = load16(erspan + 2);
	if (!is_type3 && unlikely((last & ERSPAN_EN) == ERSPAN_EN_8021Q)) {
		match->front = FC_TUNNEL_TAGGED;
		match->type = rte_cpu_to_be_16(
			(uint16_t)(last >> ERSPAN_COS_SHIFT << 13 | (load16(erspan) & 0x0fff)));
	}
	inner->at += size;
	return take(ends, candidates, true, last & ERSPAN_SESSION, match);
}

static enum fc_tunnel_type gre_type(uint16_t flags, uint16_t protocol)
{
	switch (protocol) {
	case GRE_PROTOCOL_TEB:
		return FC_TUNNEL_GRETAP;
	case GRE_PROTOCOL_ERSPAN:
		return (flags & GRE_SEQUENCE) != 0 ? FC_TUNNEL_ERSPAN2 : FC_TUNNEL_ERSPAN1;
	case GRE_PROTOCOL_ERSPAN3:
		return FC_TUNNEL_ERSPAN3;
	default:
		return FC_TUNNEL_GRE;
	}
}

/*
 * Step over WCCP's redirect header, which its first version did not have, as its first byte tells:
 * what could be taken for an IPv4 header of no length is one of its flags. Then comes an IP packet.
 */
static __rte_noinline enum fc_tunnel_verdict skip_wccp(
	struct inner *inner, struct fc_tunnel_match *match)
{
	uint8_t scratch[WCCP_SIZE + 1];
	const uint8_t *first = look(inner, 1, scratch);

	if (first == NULL)
		return FC_TUNNEL_NOT_OURS;
	if (*first >> 4 != 4 || (*first & RTE_IPV4_HDR_IHL_MASK) < RTE_IPV4_MIN_IHL) {
		first = look(inner, sizeof(scratch), scratch);
		if (first == NULL)
			return FC_TUNNEL_MALFORMED;
		first += WCCP_SIZE;
		inner->at += WCCP_SIZE;
	}
	match->type =
		*first >> 4 == 6 ? RTE_BE16(RTE_ETHER_TYPE_IPV6) : RTE_BE16(RTE_ETHER_TYPE_IPV4);
	return FC_TUNNEL_OURS;
}

/* What is behind GRE's header without one of Ethernet. */
static __rte_always_inline enum fc_tunnel_verdict look_packet(
	uint16_t protocol, struct inner *inner, struct fc_tunnel_match *match)
{
	match->front = FC_TUNNEL_PACKET;
	match->type = rte_cpu_to_be_16(protocol);
	/* With nothing behind it, it is a keepalive. */
	if (protocol < ETHERTYPE_MIN || inner->at == inner->end)
		return FC_TUNNEL_NOT_OURS;
	return protocol == GRE_PROTOCOL_WCCP ? skip_wccp(inner, match) : FC_TUNNEL_OURS;
}

/* RFC 2784 with the key and sequence number of RFC 2890. */
static __rte_always_inline enum fc_tunnel_verdict look_gre(const struct fc_tunnel_ends *ends,
	uint64_t candidates, struct inner *inner, struct fc_tunnel_match *match)
{
	uint8_t scratch[GRE_SIZE + 3 * GRE_OPTION_SIZE];
	const uint8_t *gre = look(inner, GRE_SIZE, scratch);
	enum fc_tunnel_verdict verdict;
	enum fc_tunnel_type type;
	uint32_t size = GRE_SIZE, key = 0;
	uint16_t flags, protocol;

	if (gre == NULL)
		return FC_TUNNEL_MALFORMED;
	flags = load16(gre);
	protocol = load16(gre + 2);
	type = gre_type(flags, protocol);
	candidates &= ends->of_type[type];
	if (candidates == 0 || (flags & (GRE_VERSION | GRE_REFUSED)) != 0)
		return FC_TUNNEL_NOT_OURS;
	if ((flags & (GRE_CHECKSUM | GRE_KEY | GRE_SEQUENCE)) != 0) {
		size += ((flags & GRE_CHECKSUM) != 0) * GRE_OPTION_SIZE +
			((flags & GRE_KEY) != 0) * GRE_OPTION_SIZE +
			((flags & GRE_SEQUENCE) != 0) * GRE_OPTION_SIZE;
		gre = look(inner, size, scratch);
		if (gre == NULL)
			return FC_TUNNEL_MALFORMED;
		if ((flags & GRE_CHECKSUM) != 0 &&
			segments_sum(inner->packet, inner->at, inner->end - inner->at) != 0xffff)
			return FC_TUNNEL_MALFORMED;
		if ((flags & GRE_KEY) != 0)
			key = load32(
				gre + GRE_SIZE + ((flags & GRE_CHECKSUM) != 0) * GRE_OPTION_SIZE);
	}
	inner->at += size;
	if (type == FC_TUNNEL_ERSPAN2 || type == FC_TUNNEL_ERSPAN3)
		return look_erspan(ends, candidates, inner, type == FC_TUNNEL_ERSPAN3, match);
	if (type == FC_TUNNEL_GRE) {
		verdict = look_packet(protocol, inner, match);
		if (verdict != FC_TUNNEL_OURS)
			return verdict;
	}
	return take(ends, candidates, (flags & GRE_KEY) != 0, key, match);
}

static __rte_always_inline enum fc_tunnel_verdict look_vxlan(const struct fc_tunnel_ends *ends,
	uint64_t candidates, struct inner *inner, struct fc_tunnel_match *match)
{
	uint8_t scratch[VXLAN_SIZE];
	const uint8_t *vxlan = look(inner, VXLAN_SIZE, scratch);

	/*
	 * RFC 7348 section 5: the flag must be set, all other bits are ignored; but VXLAN-GPE has
	 * given one of them a meaning that cannot be.
	 */
	if (vxlan == NULL || (vxlan[0] & VXLAN_HAS_VNI) == 0)
		return FC_TUNNEL_MALFORMED;
	if (unlikely((vxlan[0] & VXLAN_HAS_NEXT) != 0) && vxlan[3] != VXLAN_NEXT_ETHERNET)
		return FC_TUNNEL_NOT_OURS;
	inner->at += VXLAN_SIZE;
	return take(ends, candidates, true, load32(vxlan + 4) >> 8, match);
}

/* Step over the options up to @end; one that must be understood is not. RFC 8926 section 3.5. */
static enum fc_tunnel_verdict skip_options(struct inner *inner, uint32_t end)
{
	bool is_critical = false;

	while (inner->at < end) {
		uint8_t scratch[4];
		const uint8_t *option = look(inner, sizeof(scratch), scratch);
		uint32_t size = sizeof(scratch) + 4u * (option[3] & GENEVE_OPTION_SIZE);

		if (size > end - inner->at)
			return FC_TUNNEL_MALFORMED;
		is_critical = is_critical || (option[2] & GENEVE_TYPE_CRITICAL) != 0;
		inner->at += size;
	}
	return is_critical ? FC_TUNNEL_NOT_OURS : FC_TUNNEL_OURS;
}

static __rte_always_inline enum fc_tunnel_verdict look_geneve(const struct fc_tunnel_ends *ends,
	uint64_t candidates, struct inner *inner, struct fc_tunnel_match *match)
{
	uint8_t scratch[GENEVE_SIZE];
	const uint8_t *geneve = look(inner, GENEVE_SIZE, scratch);
	enum fc_tunnel_verdict verdict;
	uint32_t options_size, vni;
	uint16_t protocol;

	if (geneve == NULL)
		return FC_TUNNEL_MALFORMED;
	if ((geneve[0] & GENEVE_VERSION) != 0 || (geneve[1] & GENEVE_CONTROL) != 0)
		return FC_TUNNEL_NOT_OURS;
	protocol = load16(geneve + 2);
	if (protocol == RTE_ETHER_TYPE_IPV4 || protocol == RTE_ETHER_TYPE_IPV6) {
		match->front = FC_TUNNEL_PACKET;
		match->type = rte_cpu_to_be_16(protocol);
	} else if (protocol != GRE_PROTOCOL_TEB) {
		return FC_TUNNEL_NOT_OURS;
	}
	options_size = 4u * (geneve[0] & GENEVE_OPTIONS_SIZE);
	if (inner->end - inner->at - GENEVE_SIZE < options_size)
		return FC_TUNNEL_MALFORMED;
	vni = load32(geneve + 4) >> 8;
	inner->at += GENEVE_SIZE;
	verdict = skip_options(inner, inner->at + options_size);
	return verdict == FC_TUNNEL_OURS ? take(ends, candidates, true, vni, match) : verdict;
}

/*
 * Whether the UDP checksum is only the sum of the pseudo header, as it is given to a NIC that is to
 * add the rest (CHECKSUM_PARTIAL of Linux).
 */
static __rte_always_inline bool is_left_to_nic(
	const struct outer *outer, rte_be16_t checksum, uint32_t length)
{
	uint32_t sum;

	if (likely(checksum == 0))
		return false;
	sum = outer_pseudo_sum(outer, length);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)(sum + (sum >> 16)) == checksum;
}

/* Those of the ends that listen on this UDP port: all of one type, as are those of one address. */
static __rte_always_inline uint64_t select_port(
	const struct fc_tunnel_ends *ends, uint64_t candidates, uint16_t port)
{
	uint64_t found = 0;

	for (; candidates != 0; candidates &= candidates - 1) {
		uint16_t i = (uint16_t)__builtin_ctzll(candidates);

		found |= (uint64_t)(ends->end[i].udp_port == port) << i;
	}
	return found;
}

static __rte_always_inline enum fc_tunnel_verdict look_udp(const struct fc_tunnel_ends *ends,
	uint64_t candidates, const struct outer *outer, struct inner *inner,
	struct fc_tunnel_match *match)
{
	struct rte_udp_hdr scratch;
	const struct rte_udp_hdr *udp = look(inner, sizeof(scratch), &scratch);
	uint32_t length;

	if (udp == NULL)
		return FC_TUNNEL_MALFORMED;
	candidates = select_port(ends, candidates, rte_be_to_cpu_16(udp->dst_port));
	if (candidates == 0)
		return FC_TUNNEL_NOT_OURS;
	length = rte_be_to_cpu_16(udp->dgram_len);
	if (unlikely(length < sizeof(*udp) || length > inner->end - inner->at)) {
		if (length == 0)
			match->hint = FC_HINT_NO_LENGTH;
		return FC_TUNNEL_MALFORMED;
	}
	inner->end = inner->at + length;
	if (unlikely(is_left_to_nic(outer, udp->dgram_cksum, length)))
		match->hint = FC_HINT_BAD_CHECKSUM;
	inner->at += UDP_SIZE;
	return (candidates & ends->of_type[FC_TUNNEL_VXLAN]) != 0
		       ? look_vxlan(ends, candidates, inner, match)
		       : look_geneve(ends, candidates, inner, match);
}

/* Whether an ICMP or ICMPv6 packet is one that a host on this port has to see. */
static __rte_noinline bool is_for_host(
	const struct fc_tunnel_ends *ends, struct outer outer, struct inner inner)
{
	uint8_t scratch[NEIGHBOUR_ND_SIZE];
	const uint8_t *icmp = look(&inner, ICMP_ECHO_SIZE, scratch);
	bool is_to_host = tunnel_ends_have_host(ends, outer.family, outer.destination);

	if (icmp == NULL)
		return false;
	if (outer.family == 4)
		return icmp[0] == ICMP_ECHO_REQUEST_ && is_to_host;
	if (icmp[0] == ICMP6_ECHO_REQUEST_)
		return is_to_host;
	if (icmp[0] != ICMP6_SOLICITATION && icmp[0] != ICMP6_ADVERTISEMENT)
		return false;
	icmp = look(&inner, sizeof(scratch), scratch);
	if (icmp == NULL || outer.hop_limit != NEIGHBOUR_HOP_LIMIT)
		return false;
	return icmp[0] == ICMP6_ADVERTISEMENT ||
	       tunnel_ends_have_host(ends, 6, icmp + NEIGHBOUR_TARGET_AT);
}

static __rte_noinline enum fc_tunnel_verdict look_piece(
	const struct fc_tunnel_ends *ends, struct outer outer, struct fc_tunnel_match *match)
{
	uint64_t found = find_ends(ends, &outer);

	if (outer.protocol == IPPROTO_GRE_)
		found &= ends->of_gre;
	else if (outer.protocol == IPPROTO_UDP)
		found &= ends->of_udp;
	else
		found = 0;
	match->l3 = (uint16_t)(outer.at - outer.l2);
	match->family = outer.family;
	match->length = outer.end;
	return found != 0 ? FC_TUNNEL_PIECE : FC_TUNNEL_NOT_OURS;
}

static __rte_always_inline enum fc_tunnel_verdict look_payload(const struct fc_tunnel_ends *ends,
	const struct rte_mbuf *packet, const struct outer *outer, struct fc_tunnel_match *match)
{
	struct inner inner = { .packet = packet, .at = outer->at, .end = outer->end };
	uint64_t found = 0;
	enum fc_tunnel_verdict verdict;

	if (outer->is_piece)
		return look_piece(ends, *outer, match);
	if (outer->protocol == (outer->family == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6))
		return is_for_host(ends, *outer, inner) ? FC_TUNNEL_HOST : FC_TUNNEL_NOT_OURS;
	if (outer->protocol == IPPROTO_GRE_) {
		found = find_ends(ends, outer) & ends->of_gre;
		if (found == 0)
			return FC_TUNNEL_NOT_OURS;
		verdict = look_gre(ends, found, &inner, match);
	} else if (outer->protocol == IPPROTO_UDP) {
		found = find_ends(ends, outer) & ends->of_udp;
		if (found == 0)
			return FC_TUNNEL_NOT_OURS;
		verdict = look_udp(ends, found, outer, &inner, match);
	} else {
		return FC_TUNNEL_NOT_OURS;
	}
	if (verdict != FC_TUNNEL_OURS)
		return verdict;
	match->skip = inner.at;
	match->length = inner.end - inner.at;
	if (unlikely(match->length < RTE_ETHER_HDR_LEN)) {
		if (match->front != FC_TUNNEL_PACKET)
			return FC_TUNNEL_MALFORMED;
		if (match->length == 0)
			return FC_TUNNEL_NOT_OURS;
	}
	return FC_TUNNEL_OURS;
}

static __rte_noinline enum fc_tunnel_verdict look_any(const struct fc_tunnel_ends *ends,
	const struct rte_mbuf *packet, struct fc_tunnel_match *match)
{
	uint8_t scratch[OUTER_SCRATCH_SIZE];
	struct outer outer;
	enum fc_tunnel_verdict verdict = outer_parse(packet, &outer, scratch);

	if (verdict == FC_TUNNEL_OURS) {
		match->l2 = outer.l2;
		return look_payload(ends, packet, &outer, match);
	}
	if (verdict == FC_TUNNEL_NOT_OURS && outer.type == RTE_BE16(RTE_ETHER_TYPE_ARP) &&
		ends->n_hosts > 0)
		return FC_TUNNEL_HOST;
	match->hint = outer.hint;
	return verdict;
}

enum fc_tunnel_verdict fc_tunnel_look(const struct fc_tunnel_ends *ends,
	const struct rte_mbuf *packet, struct fc_tunnel_match *match)
{
	struct outer outer;

	match->hint = FC_N_HINTS;
	match->front = FC_TUNNEL_FRAME;
	if (likely(outer_parse_plain(packet, &outer))) {
		match->l2 = outer.l2;
		match->verdict = look_payload(ends, packet, &outer, match);
	} else {
		match->verdict = look_any(ends, packet, match);
	}
	return match->verdict;
}

/* Zero addresses and the EtherType, over the packet's first bytes. */
static void put_ethernet(struct rte_mbuf *packet, rte_be16_t type)
{
	uint8_t header[RTE_ETHER_HDR_LEN] = { 0 };

	memcpy(header + 2 * RTE_ETHER_ADDR_LEN, &type, sizeof(type));
	segments_write(packet, header, sizeof(header));
}

/* Move the addresses to the front, over the packet's first bytes, and put a tag behind them. */
static void put_tag(struct rte_mbuf *packet, rte_be16_t tci)
{
	uint8_t header[2 * RTE_ETHER_ADDR_LEN + FC_VLAN_TAG_SIZE];
	const rte_be16_t tpid = RTE_BE16(RTE_ETHER_TYPE_VLAN);
	const void *addresses =
		rte_pktmbuf_read(packet, FC_VLAN_TAG_SIZE, 2 * RTE_ETHER_ADDR_LEN, header);

	if (addresses != header)
		memcpy(header, addresses, 2 * RTE_ETHER_ADDR_LEN);
	memcpy(header + 2 * RTE_ETHER_ADDR_LEN, &tpid, sizeof(tpid));
	memcpy(header + 2 * RTE_ETHER_ADDR_LEN + sizeof(tpid), &tci, sizeof(tci));
	segments_write(packet, header, sizeof(header));
}

void fc_tunnel_strip_any(struct rte_mbuf *packet, const struct fc_tunnel_match *match)
{
	/* The outer headers are always longer than what some get in their place. */
	static const uint8_t fronts[] = { [FC_TUNNEL_FRAME] = 0,
		[FC_TUNNEL_PACKET] = RTE_ETHER_HDR_LEN,
		[FC_TUNNEL_TAGGED] = FC_VLAN_TAG_SIZE };
	uint32_t skip = match->skip - fronts[match->front];
	uint32_t length = match->length + fronts[match->front];

	fc_slice(packet, skip + length);
	segments_cut_front(packet, skip);
	if (match->front == FC_TUNNEL_PACKET)
		put_ethernet(packet, match->type);
	else if (match->front == FC_TUNNEL_TAGGED)
		put_tag(packet, match->type);
	if (unlikely(packet->next != NULL))
		segments_pull(packet, (uint16_t)RTE_MIN(length, (uint32_t)FC_PRIVATE_HEADER_SIZE));
}
