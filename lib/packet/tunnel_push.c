/* SPDX-License-Identifier: MIT */
#include <endian.h>
#include <string.h>

#include <rte_ip.h>
#include <rte_udp.h>

#include <fc_tunnel.h>

#include "ethernet.h"
#include "flow.h"
#include "private.h"
#include "segments.h"
#include "tunnel_format.h"

#define NS_PER_ERSPAN_TICK 100
#define MAX_BURST	   64
#define SHORT_HEADER	   64 /* bytes; those over IPv4 are not longer */

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

/* Numbers of four packets. */
typedef uint32_t four_t __attribute__((vector_size(16)));

/* What the packets of a burst have in common, and what counts from one to the next. */
struct burst {
	/* The header with its destination, at the end of these blocks. */
	block_t first, second, third, fourth, fifth;
	uint32_t ticks;
	uint32_t sequence;
	uint16_t size, ethernet_size; /* of the header */
};

/* What becomes of the packets. */
struct way {
	const struct fc_private *how;  /* NULL: they are private */
	struct rte_mbuf *const *fresh; /* an mbuf for each; NULL: they are changed in place */
	uint32_t copy_max;	       /* bytes of the longest that is copied into it */
	bool owned;		       /* the caller holds a reference of each, and gives it up */
};

/*
 * What differs from packet to packet in the fields that their outer headers have in common. It is
 * found for all packets of a burst before the first is written: in loops that do nothing else, of
 * which the compiler does some packets at once.
 */
struct outer {
	union {
		uint32_t lengths[MAX_BURST]; /* bytes that the tunnel carries of each */
		four_t four_lengths[MAX_BURST / 4];
	};
	uint32_t ip_words[MAX_BURST]; /* IPv4: total length and identification as they are sent */
	uint32_t ip_sums[MAX_BURST];  /* the first 16 bits in memory: IPv4's checksum */
	uint16_t udp_lengths[MAX_BURST];  /* as they are sent */
	struct ethernet inner[MAX_BURST]; /* for GRE and ERSPAN */
};

/*
 * Returns how many of the packets there are up to the first of more than @longest bytes. The
 * lengths are written four at once, as they are read afterwards: to read at once what was written
 * in pieces just now takes long.
 */
static __rte_always_inline uint16_t measure(
	struct outer *outer, struct rte_mbuf *const *packets, uint16_t n, uint32_t longest)
{
	uint32_t limit = RTE_MIN(longest, (uint32_t)INT32_MAX);
	four_t excess = { 0 };
	uint16_t n_fit = 0;

	for (uint16_t i = 0; i < n; i += 4) {
		/* Behind the last one, that one again. */
		uint16_t last = (uint16_t)(n - 1 - i);
		four_t lengths = { packets[i]->pkt_len, packets[i + RTE_MIN(1, last)]->pkt_len,
			packets[i + RTE_MIN(2, last)]->pkt_len,
			packets[i + RTE_MIN(3, last)]->pkt_len };

		outer->four_lengths[i / 4] = lengths;
		excess |= limit - lengths; /* negative for one that is too long */
	}
	if (likely(((excess[0] | excess[1] | excess[2] | excess[3]) >> 31) == 0))
		return n;
	while (outer->lengths[n_fit] <= longest)
		n_fit++;
	return n_fit;
}

/*
 * What GRE leaves behind, and ERSPAN repeats. Returns how many of the packets there are up to the
 * first that GRE cannot carry.
 */
static __rte_always_inline uint16_t look_inside(
	struct outer *outer, struct rte_mbuf *const *packets, uint16_t n, enum fc_tunnel_type type)
{
	for (uint16_t i = 0; i < n; i++) {
		outer->inner[i].at = 0;
		ethernet_parse(
			packets[i], type == FC_TUNNEL_GRE ? MAX_INNER_TAGS : 1, &outer->inner[i]);
		if (type != FC_TUNNEL_GRE)
			continue;
		if (unlikely(rte_be_to_cpu_16(outer->inner[i].type) < ETHERTYPE_MIN))
			return i;
		outer->lengths[i] -= outer->inner[i].at;
	}
	return n;
}

/*
 * The IPv4 headers, from the sum of what is the same in all of them. A sum of numbers in host order
 * is that of the bytes as they are sent, swapped: RFC 1071, 2 (B).
 */
static __rte_always_inline void find_ipv4(
	struct outer *outer, uint16_t n, uint32_t added, uint32_t ip_sum, uint32_t id)
{
	for (uint16_t i = 0; i < n; i++) {
		uint32_t length = outer->lengths[i] + added;
		uint32_t this_id = (id + i) & 0xffff;
		uint32_t sum = ip_sum + length + this_id;

		outer->ip_words[i] = htobe32(length << 16 | this_id);
		/* The upper half becomes the sum of both, with the carry of the lower one. */
		sum += sum << 16 | sum >> 16;
		outer->ip_sums[i] = htobe32(~sum);
	}
}

static __rte_always_inline void find_udp(struct outer *outer, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++)
		outer->udp_lengths[i] =
			htobe16((uint16_t)(outer->lengths[i] + UDP_SIZE + VXLAN_SIZE));
}

static __rte_always_inline void patch_ip(
	uint8_t family, const struct outer *outer, uint16_t i, uint8_t *ip, uint32_t length)
{
	if (family == 6) {
		store16(ip + offsetof(struct rte_ipv6_hdr, payload_len),
			htobe16((uint16_t)(length - sizeof(struct rte_ipv6_hdr))));
		return;
	}
	memcpy(ip + offsetof(struct rte_ipv4_hdr, total_length), &outer->ip_words[i], 4);
	memcpy(ip + offsetof(struct rte_ipv4_hdr, hdr_checksum), &outer->ip_sums[i], 2);
}

/* The UDP header at offset @at of a packet, which begins @udp. */
static __rte_always_inline void patch_udp(const struct fc_tunnel_header *header, uint8_t family,
	const struct outer *outer, uint16_t i, uint16_t port, struct rte_mbuf *packet, uint8_t *udp,
	uint32_t at)
{
	uint32_t length = outer->lengths[i] + UDP_SIZE + VXLAN_SIZE;
	uint16_t sum;

	store16(udp + offsetof(struct rte_udp_hdr, src_port), htobe16(port));
	store16(udp + offsetof(struct rte_udp_hdr, dgram_len), outer->udp_lengths[i]);
	if (family == 4)
		return;
	sum = be16toh(segments_sum(packet, at, length));
	sum = htobe16((uint16_t)~fold(header->udp_sum + length + sum));
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

/*
 * Put the destination into the header that packets get, when it is another one than before. Not for
 * every burst: to read at once what was written in pieces just now takes long.
 */
static void make_header(
	const struct fc_tunnel_header *header, struct fc_tunnel_state *state, uint64_t destination)
{
	memcpy(state->bytes, header->bytes, sizeof(state->bytes));
	memcpy(state->bytes + FC_TUNNEL_MAX_SIZE - header->size, &destination, sizeof(destination));
	state->header = header;
	state->destination = destination;
}

static __rte_always_inline void load_header(struct burst *burst, const uint8_t *bytes)
{
	const block_t *blocks = (const block_t *)bytes;

	burst->first = blocks[0];
	burst->second = blocks[1];
	burst->third = blocks[2];
	burst->fourth = blocks[3];
	burst->fifth = blocks[4];
}

/* Let a packet begin @size bytes earlier. */
static __rte_always_inline void grow_front(struct rte_mbuf *packet, uint16_t size)
{
	packet->data_off = (uint16_t)(packet->data_off - size);
	packet->data_len = (uint16_t)(packet->data_len + size);
	packet->pkt_len += size;
}

/*
 * Behind a header in a fresh mbuf, chain a packet that others may hold, too: nothing of it changes
 * but the count.
 */
static __rte_always_inline uint8_t *chain(
	struct rte_mbuf *to, struct rte_mbuf *packet, uint16_t size, bool owned)
{
	to->data_off = (uint16_t)(RTE_PKTMBUF_HEADROOM - size);
	to->ol_flags = 0;
	to->data_len = size;
	to->pkt_len = size + packet->pkt_len;
	to->nb_segs = (uint16_t)(1 + packet->nb_segs);
	to->next = packet;
	if (!owned)
		rte_pktmbuf_refcnt_update(packet, 1);
	return private_start(to);
}

/* Make room for the header; returns where it ends. NULL: it takes more than this. */
static __rte_always_inline uint8_t *make_room(const struct way *way, bool in_place,
	struct rte_mbuf *packet, struct rte_mbuf *to, uint32_t length, uint16_t size, uint32_t cut)
{
	uint8_t *payload = NULL;

	if (in_place) {
		if (way->how != NULL && unlikely(!private_is_sole(way->how, packet)))
			return NULL;
		if (cut != 0)
			segments_cut_front(packet, cut);
		payload = rte_pktmbuf_mtod(packet, uint8_t *);
		grow_front(packet, size);
		return payload;
	}
	if (likely(length <= way->copy_max))
		payload = private_fill(to, packet, length, size);
	if (unlikely(payload == NULL) && !way->how->linear)
		payload = chain(to, packet, size, way->owned);
	return payload;
}

/*
 * Encapsulate packet @i: in place, or in the mbuf @to. What is a constant for all packets of a
 * burst is one where it matters, too. False: it takes more than this.
 */
static __rte_always_inline bool push(const struct fc_tunnel_header *header, struct burst *burst,
	const struct outer *outer, uint16_t i, const struct way *way, bool in_place,
	struct rte_mbuf *packet, struct rte_mbuf *to, uint16_t port, enum fc_tunnel_type type,
	uint8_t family, bool is_short)
{
	uint32_t length = outer->lengths[i];
	uint8_t *payload = make_room(way, in_place, packet, to, length, burst->size,
		type == FC_TUNNEL_GRE ? outer->inner[i].at : 0);
	uint8_t *ip;

	if (unlikely(payload == NULL))
		return false;
	copy_header(burst, payload, is_short);
	ip = payload - burst->size + burst->ethernet_size;
	patch_ip(family, outer, i, ip, (uint32_t)(payload - ip) + length);
	switch (type) {
	case FC_TUNNEL_GRE:
		store16(payload - header->gre_size + 2, outer->inner[i].type);
		break;
	case FC_TUNNEL_ERSPAN2:
		store32(payload - ERSPAN2_SIZE - GRE_OPTION_SIZE,
			rte_cpu_to_be_32(burst->sequence++));
		if (outer->inner[i].at > RTE_ETHER_HDR_LEN)
			patch_erspan(header, payload - ERSPAN2_SIZE, outer->inner[i].tci);
		break;
	case FC_TUNNEL_ERSPAN3:
		store32(payload - ERSPAN3_SIZE - GRE_OPTION_SIZE,
			rte_cpu_to_be_32(burst->sequence++));
		store32(payload - ERSPAN3_SIZE + 4, rte_cpu_to_be_32(burst->ticks));
		if (outer->inner[i].at > RTE_ETHER_HDR_LEN)
			patch_erspan(header, payload - ERSPAN3_SIZE, outer->inner[i].tci);
		break;
	case FC_TUNNEL_VXLAN:
	case FC_TUNNEL_GENEVE:
		patch_udp(header, family, outer, i, port, to, payload - UDP_SIZE - VXLAN_SIZE,
			(uint32_t)(burst->size - UDP_SIZE - VXLAN_SIZE));
		break;
	default:
		break;
	}
	return true;
}

/* Encapsulate packets of one kind of tunnel; returns how many. */
static __rte_always_inline uint16_t push_kind(const struct fc_tunnel_header *header,
	struct fc_tunnel_state *state, const struct fc_tunnel_burst *burst, uint16_t at, uint16_t n,
	const struct way *given_way, bool in_place, uint64_t *size, enum fc_tunnel_type type,
	uint8_t family, bool is_short)
{
	struct rte_mbuf **packets = burst->packets + at;
	/* Nobody else knows their address, so that no store into a packet can be one into them. */
	const struct way way = *given_way;
	struct burst own = { .ticks = (uint32_t)(burst->timestamp_ns / NS_PER_ERSPAN_TICK),
		.sequence = state->sequence,
		.size = header->size,
		.ethernet_size = header->ethernet_size };
	bool has_ports = type == FC_TUNNEL_VXLAN || type == FC_TUNNEL_GENEVE;
	uint16_t found[MAX_BURST];
	const uint16_t *ports = burst->ports != NULL ? burst->ports + at : found;
	uint32_t carried = 0;
	struct outer outer;
	uint16_t done;

	load_header(&own, state->bytes);
	n = measure(&outer, packets, n, burst->longest);
	if (type == FC_TUNNEL_GRE || type == FC_TUNNEL_ERSPAN2 || type == FC_TUNNEL_ERSPAN3)
		n = look_inside(&outer, packets, n, type);
	if (family == 4)
		find_ipv4(&outer, n, (uint32_t)(own.size - own.ethernet_size), header->ip_sum,
			state->packet_id);
	if (has_ports) {
		if (burst->ports == NULL)
			fc_flow_ports(packets, n, found);
		find_udp(&outer, n);
	}
#pragma GCC unroll 4
	for (done = 0; done < n; done++)
		if (unlikely(!push(header, &own, &outer, done, &way, in_place, packets[done],
			    in_place ? packets[done] : way.fresh[done], has_ports ? ports[done] : 0,
			    type, family, is_short)))
			break;
	for (uint16_t i = 0; i < done; i++)
		carried += outer.lengths[i];
	*size += carried + (uint32_t)(done * own.size);
	if (family == 4)
		state->packet_id = (uint16_t)(state->packet_id + done);
	state->sequence = own.sequence;
	return done;
}

/* As push_kind(), for any header: the most usual kinds have loops of their own. */
static __rte_always_inline uint16_t push_any(const struct fc_tunnel_header *header,
	struct fc_tunnel_state *state, const struct fc_tunnel_burst *burst, uint16_t at, uint16_t n,
	const struct way *way, bool in_place, uint64_t *size)
{
	bool is_short = header->size <= SHORT_HEADER;

	if (is_short && header->family == 4 && header->type == FC_TUNNEL_GRETAP)
		return push_kind(header, state, burst, at, n, way, in_place, size, FC_TUNNEL_GRETAP,
			4, true);
	if (is_short && header->family == 4 && header->type == FC_TUNNEL_VXLAN)
		return push_kind(
			header, state, burst, at, n, way, in_place, size, FC_TUNNEL_VXLAN, 4, true);
	return push_kind(header, state, burst, at, n, way, in_place, size, header->type,
		header->family, is_short);
}

/* Not one function, so that each has the registers for itself. */
static __rte_noinline uint16_t push_in_place(const struct fc_tunnel_header *header,
	struct fc_tunnel_state *state, const struct fc_tunnel_burst *burst, uint16_t at,
	uint64_t *size)
{
	const struct way way = { .how = burst->how };

	return push_any(header, state, burst, at, (uint16_t)(burst->n - at), &way, true, size);
}

/* The longest that a pool's mbufs take, in whole blocks. */
static uint32_t copy_max(const struct fc_private *how)
{
	uint32_t room = rte_pktmbuf_data_room_size(how->pool) - RTE_PKTMBUF_HEADROOM;

	return how->linear ? RTE_ALIGN_FLOOR(room, COPY_BLOCK_SIZE) : FC_CHAIN_MIN_SIZE - 1;
}

/* Give up what was copied; what was chained is still in use. */
static void free_copied(struct rte_mbuf *const *packets, struct rte_mbuf *const *fresh, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++)
		if (fresh[i]->nb_segs == 1)
			rte_pktmbuf_free(packets[i]);
}

static __rte_noinline uint16_t push_fresh(const struct fc_tunnel_header *header,
	struct fc_tunnel_state *state, const struct fc_tunnel_burst *burst, uint16_t at, uint16_t n,
	uint64_t *size)
{
	struct rte_mbuf **packets = burst->packets + at;
	struct rte_mbuf *fresh[MAX_BURST];
	const struct way way = { .how = burst->how,
		.fresh = fresh,
		.copy_max = copy_max(burst->how),
		.owned = burst->owned };
	uint16_t got, done;

	/* It cuts the packet that it is given. */
	if (header->type == FC_TUNNEL_GRE)
		return 0;
	got = private_allocate(burst->how->pool, fresh, n);
	done = push_any(header, state, burst, at, got, &way, false, size);
	if (burst->owned)
		free_copied(packets, fresh, done);
	memcpy(packets, fresh, done * sizeof(packets[0]));
	if (unlikely(done < got))
		rte_pktmbuf_free_bulk(fresh + done, (unsigned)(got - done));
	return done;
}

/* How many packets from @at on are not private. */
static uint16_t count_held(const struct fc_tunnel_burst *burst, uint16_t at)
{
	uint16_t end = at;

	while (end < burst->n && !fc_private_is(burst->how, burst->packets[end]))
		end++;
	return (uint16_t)(end - at);
}

uint16_t fc_tunnel_push(const struct fc_tunnel_header *header, struct fc_tunnel_state *state,
	const struct fc_tunnel_burst *burst, uint64_t *size)
{
	uint64_t destination = atomic_load_explicit(&header->destination, memory_order_relaxed);
	bool in_place = burst->how == NULL || burst->owned || burst->lent;
	uint16_t done = 0, n_held, n_made;

	if (destination == 0)
		return 0;
	if (unlikely(state->destination != destination || state->header != header))
		make_header(header, state, destination);
	do {
		if (in_place)
			done += push_in_place(header, state, burst, done, size);
		if (done == burst->n || burst->how == NULL || burst->lent)
			break;
		n_held = in_place ? count_held(burst, done) : burst->n;
		n_made = n_held != 0 ? push_fresh(header, state, burst, done, n_held, size) : 0;
		done += n_made;
	} while (n_made == n_held && n_made != 0 && done < burst->n);
	return done;
}

void fc_tunnel_take_off(const struct fc_tunnel_header *header, struct fc_tunnel_state *state,
	struct rte_mbuf *const *packets, uint16_t n, uint16_t n_unsent)
{
	uint16_t size = header->size;

	for (uint16_t i = 0; i < n; i++) {
		packets[i]->data_off = (uint16_t)(packets[i]->data_off + size);
		packets[i]->data_len = (uint16_t)(packets[i]->data_len - size);
		packets[i]->pkt_len -= size;
	}
	if (header->family == 4)
		state->packet_id = (uint16_t)(state->packet_id - n_unsent);
	if (header->type == FC_TUNNEL_ERSPAN2 || header->type == FC_TUNNEL_ERSPAN3)
		state->sequence -= n_unsent;
}
