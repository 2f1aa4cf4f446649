/* SPDX-License-Identifier: MIT */
#include <endian.h>
#include <string.h>

#include <rte_ip.h>
#include <rte_udp.h>

#include <fc_slice.h>
#include <fc_tunnel.h>

#include "ethernet.h"
#include "flow.h"
#include "private.h"
#include "segments.h"
#include "tunnel_format.h"

#define NS_PER_ERSPAN_TICK 100
#define MAX_BURST	   64
#define SHORT_HEADER	   64 /* bytes; those over IPv4 are not longer */

/* Bytes of the frame that the tunnel leaves behind. */
static inline uint32_t left_behind(
	const struct fc_tunnel_header *header, const struct rte_mbuf *packet)
{
	struct ethernet ethernet;

	if (header->type != FC_TUNNEL_GRE || !ethernet_parse(packet, MAX_INNER_TAGS, &ethernet))
		return 0;
	return ethernet.at;
}

enum fc_tunnel_fit fc_tunnel_fit(
	const struct fc_tunnel_header *header, const struct rte_mbuf *packet)
{
	uint32_t length = packet->pkt_len - left_behind(header, packet) + header->size -
			  header->ethernet_size;

	if (likely(length <= header->mtu))
		return FC_TUNNEL_FITS;
	if (header->oversize == FC_OVERSIZE_TRUNCATE)
		return FC_TUNNEL_TRUNCATE;
	if (header->oversize == FC_OVERSIZE_FRAGMENT && length <= FC_TUNNEL_MAX_LENGTH)
		return FC_TUNNEL_FRAGMENT;
	return FC_TUNNEL_DROP;
}

void fc_tunnel_truncate(const struct fc_tunnel_header *header, struct rte_mbuf *packet)
{
	fc_slice(packet, left_behind(header, packet) + fc_tunnel_max_inner(header));
}

static inline void store16(uint8_t *at, rte_be16_t value)
{
	memcpy(at, &value, sizeof(value));
}

static inline void store32(uint8_t *at, rte_be32_t value)
{
	memcpy(at, &value, sizeof(value));
}

static inline uint16_t fold(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)(sum + (sum >> 16));
}

/* Sixteen bytes that stay in a register. */
typedef uint64_t block_t __attribute__((vector_size(16), aligned(1), may_alias));

/* What the packets of a burst have in common, and what counts from one to the next. */
struct burst {
	/* The header with its destination, at the end of these blocks. */
	block_t first, second, third, fourth, fifth;
	uint64_t total; /* bytes of the packets, with their headers */
	uint32_t ticks;
	uint32_t ip_sum;
	uint16_t size, ethernet_size; /* of the header */
	uint16_t packet_id;
	uint32_t sequence;
};

static __rte_always_inline void patch_ip(
	struct burst *burst, uint8_t family, uint8_t *ip, uint32_t length)
{
	rte_be16_t total, id;

	if (family == 6) {
		store16(ip + offsetof(struct rte_ipv6_hdr, payload_len),
			rte_cpu_to_be_16((uint16_t)(length - sizeof(struct rte_ipv6_hdr))));
		return;
	}
	/* Not rte_cpu_to_be_16(), whose instruction for it is a slow one. */
	total = htobe16((uint16_t)length);
	id = htobe16(burst->packet_id++);
	store16(ip + offsetof(struct rte_ipv4_hdr, total_length), total);
	store16(ip + offsetof(struct rte_ipv4_hdr, packet_id), id);
	store16(ip + offsetof(struct rte_ipv4_hdr, hdr_checksum),
		(uint16_t)~fold(burst->ip_sum + total + id));
}

/* The UDP header at offset @at of a packet of @length bytes, which begins @udp. */
static __rte_always_inline void patch_udp(const struct fc_tunnel_header *header, uint8_t family,
	struct rte_mbuf *packet, uint8_t *udp, uint32_t at, uint32_t length, uint16_t port)
{
	uint16_t sum;

	length -= at;
	store16(udp + offsetof(struct rte_udp_hdr, src_port), htobe16(port));
	store16(udp + offsetof(struct rte_udp_hdr, dgram_len), htobe16((uint16_t)length));
	if (family == 4)
		return;
	sum = segments_sum(packet, at, length);
	sum = (uint16_t)~fold(header->udp_sum + htobe16((uint16_t)length) + sum);
	/* 0 would say that there is none: RFC 768. */
	store16(udp + offsetof(struct rte_udp_hdr, dgram_cksum), sum == 0 ? 0xffff : sum);
}

/* The tag's VID and PCP; @erspan has 0 there. */
static inline void patch_erspan(
	const struct fc_tunnel_header *header, uint8_t *erspan, rte_be16_t tag)
{
	uint16_t tci = rte_be_to_cpu_16(tag), word;

	memcpy(&word, erspan, sizeof(word));
	store16(erspan, word | rte_cpu_to_be_16(tci & 0x0fff));
	memcpy(&word, erspan + 2, sizeof(word));
	word |= rte_cpu_to_be_16((uint16_t)((tci & 0xe000) >> 13 << ERSPAN_COS_SHIFT) |
				 (header->type == FC_TUNNEL_ERSPAN2 ? ERSPAN_EN_PRESERVED : 0));
	store16(erspan + 2, word);
}

/*
 * The header's bytes, and what is in front of them, which is free: of a constant size, and up to 64
 * bytes in the one cache line in front of a fresh packet.
 */
static __rte_always_inline void copy_header(
	const struct burst *burst, uint8_t *payload, bool is_short)
{
	block_t *blocks = (block_t *)(payload - FC_TUNNEL_MAX_SIZE);

	if (!is_short)
		blocks[0] = burst->first;
	blocks[1] = burst->second;
	blocks[2] = burst->third;
	blocks[3] = burst->fourth;
	blocks[4] = burst->fifth;
}

static void load_header(
	struct burst *burst, const struct fc_tunnel_header *header, uint64_t destination)
{
	uint8_t bytes[FC_TUNNEL_MAX_SIZE];

	memcpy(bytes, header->bytes, sizeof(bytes));
	memcpy(bytes + FC_TUNNEL_MAX_SIZE - header->size, &destination, sizeof(destination));
	memcpy(&burst->first, bytes, sizeof(burst->first));
	memcpy(&burst->second, bytes + 16, sizeof(burst->second));
	memcpy(&burst->third, bytes + 32, sizeof(burst->third));
	memcpy(&burst->fourth, bytes + 48, sizeof(burst->fourth));
	memcpy(&burst->fifth, bytes + 64, sizeof(burst->fifth));
}

/* Let a packet begin @size bytes earlier; it is @length bytes long then. */
static __rte_always_inline void grow_front(struct rte_mbuf *packet, uint16_t size, uint32_t length)
{
	packet->data_off = (uint16_t)(packet->data_off - size);
	packet->data_len = (uint16_t)(packet->data_len + size);
	packet->pkt_len = length;
}

/*
 * Encapsulate a packet in place, or a copy of it in the fresh mbuf @to (@copies). What is a
 * constant for all packets of a burst is one where it matters, too. False: it takes more than this
 * to copy it.
 */
static __rte_always_inline bool push(const struct fc_tunnel_header *header, struct burst *burst,
	struct rte_mbuf *packet, struct rte_mbuf *to, bool copies, uint16_t port,
	enum fc_tunnel_type type, uint8_t family, bool is_short)
{
	struct ethernet ethernet = { .at = 0 };
	uint32_t length = packet->pkt_len + burst->size;
	uint8_t *payload, *frame;

	switch (type) {
	case FC_TUNNEL_GRE:
		ethernet_parse(packet, MAX_INNER_TAGS, &ethernet);
		segments_cut_front(packet, ethernet.at);
		length -= ethernet.at;
		break;
	case FC_TUNNEL_ERSPAN2:
	case FC_TUNNEL_ERSPAN3:
		ethernet_parse(packet, 1, &ethernet);
		break;
	default:
		break;
	}
	if (copies) {
		if (unlikely(!private_fill(to, packet, length - burst->size, burst->size)))
			return false;
		payload = private_start(to);
	} else {
		grow_front(packet, burst->size, length);
		payload = rte_pktmbuf_mtod(packet, uint8_t *) + burst->size;
	}
	copy_header(burst, payload, is_short);
	frame = payload - burst->size;
	burst->total += length;
	patch_ip(burst, family, frame + burst->ethernet_size, length - burst->ethernet_size);
	switch (type) {
	case FC_TUNNEL_GRE:
		store16(payload - header->gre_size + 2, ethernet.type);
		break;
	case FC_TUNNEL_ERSPAN2:
		store32(payload - ERSPAN2_SIZE - GRE_OPTION_SIZE,
			rte_cpu_to_be_32(burst->sequence++));
		if (ethernet.at > RTE_ETHER_HDR_LEN)
			patch_erspan(header, payload - ERSPAN2_SIZE, ethernet.tci);
		break;
	case FC_TUNNEL_ERSPAN3:
		store32(payload - ERSPAN3_SIZE - GRE_OPTION_SIZE,
			rte_cpu_to_be_32(burst->sequence++));
		store32(payload - ERSPAN3_SIZE + 4, rte_cpu_to_be_32(burst->ticks));
		if (ethernet.at > RTE_ETHER_HDR_LEN)
			patch_erspan(header, payload - ERSPAN3_SIZE, ethernet.tci);
		break;
	case FC_TUNNEL_VXLAN:
	case FC_TUNNEL_GENEVE:
		patch_udp(header, family, to, payload - UDP_SIZE - VXLAN_SIZE,
			(uint32_t)(burst->size - UDP_SIZE - VXLAN_SIZE), length, port);
		break;
	default:
		break;
	}
	return true;
}

/* Encapsulate packets, or copies of them in the mbufs of @fresh; returns how many. */
static __rte_always_inline uint16_t push_all(const struct fc_tunnel_header *header,
	struct burst *burst, struct rte_mbuf **packets, struct rte_mbuf *const *fresh, uint16_t n,
	uint32_t longest, const uint16_t *ports, enum fc_tunnel_type type, uint8_t family,
	bool is_short)
{
	uint16_t found[MAX_BURST];
	bool has_ports = type == FC_TUNNEL_VXLAN || type == FC_TUNNEL_GENEVE;
	bool copies = fresh != NULL;
	/* Nobody else knows its address, so that no store into a packet can be one into it. */
	struct burst own = *burst;
	uint16_t i;

	/* Before the loop below, so that it calls nothing and keeps the header in registers. */
	if (has_ports && ports == NULL) {
		fc_flow_ports(packets, n, found);
		ports = found;
	}
#pragma GCC unroll 4
	for (i = 0; i < n; i++) {
		struct rte_mbuf *to = copies ? fresh[i] : packets[i];

		if (unlikely(packets[i]->pkt_len > longest ||
			     !push(header, &own, packets[i], to, copies, has_ports ? ports[i] : 0,
				     type, family, is_short)))
			break;
		if (copies)
			packets[i] = to;
	}
	*burst = own;
	return i;
}

/* As push_all(), for any header: the two most usual kinds have loops of their own. */
static __rte_always_inline uint16_t push_any(const struct fc_tunnel_header *header,
	struct fc_tunnel_state *state, struct rte_mbuf **packets, struct rte_mbuf *const *fresh,
	uint16_t n, uint32_t longest, uint64_t timestamp_ns, const uint16_t *ports, uint64_t *size)
{
	uint64_t destination = atomic_load_explicit(&header->destination, memory_order_relaxed);
	bool is_short = header->size <= SHORT_HEADER;
	struct burst burst;

	if (destination == 0)
		return 0;
	load_header(&burst, header, destination);
	burst.total = 0;
	burst.ticks = (uint32_t)(timestamp_ns / NS_PER_ERSPAN_TICK);
	burst.ip_sum = header->ip_sum;
	burst.size = header->size;
	burst.ethernet_size = header->ethernet_size;
	burst.packet_id = state->packet_id;
	burst.sequence = state->sequence;
	if (is_short && header->family == 4 && header->type == FC_TUNNEL_GRETAP)
		n = push_all(header, &burst, packets, fresh, n, longest, NULL, FC_TUNNEL_GRETAP, 4,
			true);
	else if (is_short && header->family == 4 && header->type == FC_TUNNEL_VXLAN)
		n = push_all(header, &burst, packets, fresh, n, longest, ports, FC_TUNNEL_VXLAN, 4,
			true);
	else
		n = push_all(header, &burst, packets, fresh, n, longest, ports, header->type,
			header->family, is_short);
	state->packet_id = burst.packet_id;
	state->sequence = burst.sequence;
	*size += burst.total;
	return n;
}

uint16_t fc_tunnel_push(const struct fc_tunnel_header *header, struct fc_tunnel_state *state,
	struct rte_mbuf **packets, uint16_t n, uint32_t longest, uint64_t timestamp_ns,
	const uint16_t *ports, uint64_t *size)
{
	return push_any(header, state, packets, NULL, RTE_MIN(n, (uint16_t)MAX_BURST), longest,
		timestamp_ns, ports, size);
}

uint16_t fc_tunnel_push_copies(const struct fc_tunnel_header *header, struct fc_tunnel_state *state,
	struct rte_mempool *pool, struct rte_mbuf **packets, uint16_t n, uint32_t longest,
	uint64_t timestamp_ns, const uint16_t *ports, uint64_t *size)
{
	struct rte_mbuf *fresh[MAX_BURST];
	uint16_t got, done;

	/* It cuts the packet that it is given. */
	if (header->type == FC_TUNNEL_GRE)
		return 0;
	got = private_allocate(pool, fresh, RTE_MIN(n, (uint16_t)MAX_BURST));
	done = push_any(header, state, packets, fresh, got,
		RTE_MIN(longest, (uint32_t)FC_COPY_MAX_SIZE), timestamp_ns, ports, size);
	if (unlikely(done < got))
		rte_pktmbuf_free_bulk(fresh + done, (unsigned)(got - done));
	return done;
}

void fc_tunnel_mark_truncated(const struct fc_tunnel_header *header, struct rte_mbuf *packet)
{
	uint8_t *flags = rte_pktmbuf_mtod_offset(packet, uint8_t *, header->size);

	if (header->type == FC_TUNNEL_ERSPAN2)
		flags -= ERSPAN2_SIZE - 2;
	else if (header->type == FC_TUNNEL_ERSPAN3)
		flags -= ERSPAN3_SIZE - 2;
	else
		return;
	*flags |= ERSPAN_TRUNCATED >> 8;
}
