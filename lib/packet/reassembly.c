/* SPDX-License-Identifier: MIT */
#include <string.h>

#include <rte_ip.h>
#include <rte_ip_frag.h>
#include <rte_malloc.h>

#include <fc_reassembly.h>
#include <fc_slice.h>

#include "datagrams.h"
#include "segments.h"

#define MAX_DATAGRAMS 32768

_Static_assert(sizeof(struct rte_ipv6_hdr) == 40 && sizeof(struct rte_ipv6_fragment_ext) == 8,
	"the headers lie as in a packet");

/* Of the library's table, which has twice as many entries as are asked for. */
#define BUCKET_SIZE 16

struct fc_reassembly {
	struct rte_ip_frag_tbl *table;
	struct datagrams datagrams;
	uint64_t timeout_cycles;
	uint32_t max_mbufs;
	struct fc_reassembly_counts counts;
	struct rte_ip_frag_death_row row; /* empty between calls */
};

static void count(_Atomic uint64_t *counter, uint64_t more)
{
	uint64_t value = atomic_load_explicit(counter, memory_order_relaxed);

	atomic_store_explicit(counter, value + more, memory_order_relaxed);
}

struct fc_reassembly *fc_reassembly_new(const struct fc_reassembly_limits *limits, int socket)
{
	uint16_t max = limits->max_datagrams;
	uint32_t n_buckets;
	struct fc_reassembly *reassembly;

	if (max == 0 || max > MAX_DATAGRAMS)
		return NULL;
	reassembly = rte_zmalloc_socket(NULL, sizeof(*reassembly), 0, socket);
	if (reassembly == NULL)
		return NULL;
	reassembly->timeout_cycles = limits->timeout_cycles;
	reassembly->max_mbufs = limits->max_mbufs;
	n_buckets = (max + BUCKET_SIZE - 1u) / BUCKET_SIZE;
	reassembly->table = rte_ip_frag_table_create(
		n_buckets, BUCKET_SIZE, max, limits->timeout_cycles, socket);
	if (reassembly->table == NULL)
		goto free_reassembly;
	if (datagrams_init(&reassembly->datagrams, max, socket) != 0)
		goto free_table;
	return reassembly;

free_table:
	rte_ip_frag_table_destroy(reassembly->table);
free_reassembly:
	rte_free(reassembly);
	return NULL;
}

void fc_reassembly_free(struct fc_reassembly *reassembly)
{
	if (reassembly == NULL)
		return;
	rte_ip_frag_table_destroy(reassembly->table);
	datagrams_fini(&reassembly->datagrams);
	rte_free(reassembly);
}

/* Forget a datagram of which nothing is in the library any more; its fragments went @where. */
static void forget(
	struct fc_reassembly *reassembly, struct datagram *datagram, _Atomic uint64_t *where)
{
	count(where, datagram->n);
	count(&reassembly->counts.held, -(uint64_t)datagram->n);
	count(&reassembly->counts.held_mbufs, -(uint64_t)datagram->n_mbufs);
	datagrams_remove(&reassembly->datagrams, datagram);
}

static bool is_old(const struct fc_reassembly *reassembly, uint64_t start, uint64_t now)
{
	/* As the library decides it: both must forget at the same time. */
	return reassembly->timeout_cycles + start < now;
}

void fc_reassembly_expire(struct fc_reassembly *reassembly, uint64_t now)
{
	struct datagram *oldest = datagrams_oldest(&reassembly->datagrams);

	if (likely(oldest == NULL || !is_old(reassembly, oldest->start, now)))
		return;
	for (; oldest != NULL && is_old(reassembly, oldest->start, now);
		oldest = datagrams_oldest(&reassembly->datagrams))
		forget(reassembly, oldest,
			oldest->is_spoilt ? &reassembly->counts.refused
					  : &reassembly->counts.timed_out);
	do {
		rte_ip_frag_free_death_row(&reassembly->row, 0);
		rte_ip_frag_table_del_expired_entries(reassembly->table, &reassembly->row, now);
	} while (reassembly->row.cnt != 0);
}

/* What the headers say; they are in the first segment. */
static void read_piece(const struct rte_mbuf *packet, const struct fc_tunnel_match *match,
	struct datagram_key *key, struct piece *piece)
{
	uint32_t size = match->length - match->l2 - match->l3;
	uint16_t offset;

	memset(key, 0, sizeof(*key));
	key->family = match->family;
	if (match->family == 4) {
		const struct rte_ipv4_hdr *ip =
			rte_pktmbuf_mtod_offset(packet, const struct rte_ipv4_hdr *, match->l2);

		memcpy(key->source, &ip->src_addr, sizeof(ip->src_addr));
		memcpy(key->destination, &ip->dst_addr, sizeof(ip->dst_addr));
		key->id = ip->packet_id;
		key->protocol = ip->next_proto_id;
		offset = rte_be_to_cpu_16(ip->fragment_offset);
		piece->is_last = (offset & RTE_IPV4_HDR_MF_FLAG) == 0;
		piece->from = (offset & RTE_IPV4_HDR_OFFSET_MASK) * RTE_IPV4_HDR_OFFSET_UNITS;
	} else {
		const struct rte_ipv6_hdr *ip =
			rte_pktmbuf_mtod_offset(packet, const struct rte_ipv6_hdr *, match->l2);
		const struct rte_ipv6_fragment_ext *extension =
			(const struct rte_ipv6_fragment_ext *)(ip + 1);

		memcpy(key->source, &ip->src_addr, sizeof(ip->src_addr));
		memcpy(key->destination, &ip->dst_addr, sizeof(ip->dst_addr));
		key->id = extension->id;
		/* RFC 8200: not part of what tells a datagram from others. */
		key->protocol = 0;
		offset = rte_be_to_cpu_16(extension->frag_data);
		piece->is_last = (offset & RTE_IPV6_EHDR_MF_MASK) == 0;
		piece->from = offset & RTE_IPV6_EHDR_FO_MASK;
	}
	piece->to = piece->from + size;
}

/*
 * The library takes from the headers that it is shown only the length, the offset and what tells
 * the datagram from others. It is shown copies, with the datagram's index instead of the addresses:
 * it knows no protocol, and what it hashes is so not what somebody sent.
 */
static struct rte_mbuf *give_to_library(struct fc_reassembly *reassembly, struct rte_mbuf *packet,
	const struct fc_tunnel_match *match, uint32_t index, uint64_t now)
{
	packet->l2_len = match->l2;
	packet->l3_len = match->l3;
	if (match->family == 4) {
		struct rte_ipv4_hdr ip =
			*rte_pktmbuf_mtod_offset(packet, struct rte_ipv4_hdr *, match->l2);

		ip.src_addr = index;
		ip.dst_addr = 0;
		ip.packet_id = 0;
		return rte_ipv4_frag_reassemble_packet(
			reassembly->table, &reassembly->row, packet, now, &ip);
	}
	/* Since DPDK 26.07 the one must be right behind the other. */
	struct {
		struct rte_ipv6_hdr ip;
		struct rte_ipv6_fragment_ext extension;
	} headers;

	memcpy(&headers, rte_pktmbuf_mtod_offset(packet, void *, match->l2), sizeof(headers));
	memset(&headers.ip.src_addr, 0, sizeof(headers.ip.src_addr));
	memset(&headers.ip.dst_addr, 0, sizeof(headers.ip.dst_addr));
	headers.extension.id = index;
	return rte_ipv6_frag_reassemble_packet(
		reassembly->table, &reassembly->row, packet, now, &headers.ip, &headers.extension);
}

/* The headers of a packet just put together; false: it is longer than it can say. */
static bool complete(struct rte_mbuf *whole, uint8_t family)
{
	uint32_t length = whole->pkt_len - whole->l2_len;

	if (family == 4) {
		struct rte_ipv4_hdr *ip =
			rte_pktmbuf_mtod_offset(whole, struct rte_ipv4_hdr *, whole->l2_len);

		ip->hdr_checksum = 0;
		ip->hdr_checksum = rte_ipv4_cksum(ip);
	} else {
		length -= (uint32_t)sizeof(struct rte_ipv6_hdr);
	}
	whole->tx_offload = 0;
	return length <= UINT16_MAX;
}

static struct rte_mbuf *refuse(struct rte_mbuf *packet, _Atomic uint64_t *counter)
{
	count(counter, 1);
	rte_pktmbuf_free(packet);
	return NULL;
}

/* The library has taken a fragment that was noted before. */
static struct rte_mbuf *settle(
	struct fc_reassembly *reassembly, struct datagram *datagram, struct rte_mbuf *whole)
{
	struct fc_reassembly_counts *counts = &reassembly->counts;
	uint8_t family = datagram->key.family;

	if (whole == NULL) {
		/* On the death row are all that it had of the datagram, or there was no place. */
		if (unlikely(reassembly->row.cnt != 0)) {
			forget(reassembly, datagram,
				datagram->n == 1 ? &counts->table_full : &counts->refused);
			rte_ip_frag_free_death_row(&reassembly->row, 0);
		}
		return NULL;
	}
	if (unlikely(!complete(whole, family))) {
		forget(reassembly, datagram, &counts->refused);
		rte_pktmbuf_free(whole);
		return NULL;
	}
	forget(reassembly, datagram, &counts->joined);
	count(&counts->whole, 1);
	return whole;
}

struct rte_mbuf *fc_reassembly_add(struct fc_reassembly *reassembly, struct rte_mbuf *packet,
	const struct fc_tunnel_match *match, uint64_t now)
{
	struct fc_reassembly_counts *counts = &reassembly->counts;
	struct datagram *datagram;
	struct datagram_key key;
	struct rte_mbuf *whole;
	struct piece piece;

	fc_reassembly_expire(reassembly, now);
	/* The library would look for padding in the last segment only. */
	fc_slice(packet, match->length);
	if (segments_pull(packet, (uint16_t)(match->l2 + match->l3)) != 0)
		return refuse(packet, &counts->refused);
	read_piece(packet, match, &key, &piece);
	if (atomic_load_explicit(&counts->held_mbufs, memory_order_relaxed) + packet->nb_segs >
		reassembly->max_mbufs)
		return refuse(packet, &counts->table_full);
	datagram = datagrams_find(&reassembly->datagrams, &key);
	if (datagram == NULL)
		datagram = datagrams_add(&reassembly->datagrams, &key, now);
	if (datagram == NULL)
		return refuse(packet, &counts->table_full);
	switch (datagram->is_spoilt ? PIECE_SPOILS : datagram_judge(datagram, &piece)) {
	case PIECE_DUPLICATE:
		return refuse(packet, &counts->refused);
	case PIECE_SPOILS:
		datagram->is_spoilt = true;
		return refuse(packet, &counts->refused);
	case PIECE_NEW:
		break;
	}
	datagram_note(datagram, &piece, packet->nb_segs);
	count(&counts->held, 1);
	count(&counts->held_mbufs, packet->nb_segs);
	whole = give_to_library(
		reassembly, packet, match, datagrams_index(&reassembly->datagrams, datagram), now);
	return settle(reassembly, datagram, whole);
}

const struct fc_reassembly_counts *fc_reassembly_counts(const struct fc_reassembly *reassembly)
{
	return &reassembly->counts;
}
