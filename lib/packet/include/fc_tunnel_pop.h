/* SPDX-License-Identifier: MIT */
#ifndef FC_TUNNEL_POP_H
#define FC_TUNNEL_POP_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <rte_byteorder.h>
#include <rte_mbuf.h>

#include <fc_address.h>
#include <fc_drop.h>
#include <fc_tunnel_type.h>

/**
 * Taking tunnelled frames out of their tunnels.
 *
 * The tunnels that end on a port are its ends. A received frame is looked at first, without being
 * changed, and then stripped. Nothing that it says is believed: no length is followed beyond the
 * frame, and no loop is longer than a constant. Headers may be split over segments.
 */

#define FC_TUNNEL_MAX_ENDS  64 /**< tunnels that can end on one port */
#define FC_TUNNEL_MAX_HOSTS 64 /**< addresses that can live on one port */

/** One end of a tunnel; what it matches. */
struct fc_tunnel_end {
	enum fc_tunnel_type type;
	struct fc_address local;
	struct fc_address remote; /**< family 0: any */
	bool has_key;		  /**< otherwise any key, and a packet without one */
	bool is_vsid;		  /**< for GRETAP: the key's upper 24 bits only (NVGRE, RFC 7637) */
	uint32_t key;		  /**< GRE key or these bits, ERSPAN session id, VNI */
	uint16_t udp_port;	  /**< of VXLAN and Geneve; 0: the usual one */
};

/** The ends on a port; set up in the control path, read-only in the data path. */
struct fc_tunnel_ends {
	uint16_t n;
	uint16_t n_hosts;
	struct fc_tunnel_end end[FC_TUNNEL_MAX_ENDS];
	uint64_t of_type[FC_TUNNEL_GENEVE + 1]; /* bit i: end[i] is of this type */
	uint64_t of_gre, of_udp;		/* or of one over GRE, over UDP */
	struct fc_address host[FC_TUNNEL_MAX_HOSTS];
};

/** What a frame is. */
enum fc_tunnel_verdict {
	/** It comes out of a tunnel that ends here: fc_tunnel_strip(). */
	FC_TUNNEL_OURS,
	/**
	 * For none of the ends, or for one of them but not carrying a frame or packet: GRE with a
	 * version or with routing (RFC 2784 tells to discard it), with nothing behind it (a
	 * keepalive) or a protocol that is no EtherType, an ERSPAN III frame type other than
	 * Ethernet, VXLAN-GPE with a next protocol other than Ethernet, a Geneve version, control
	 * message, critical option or protocol other than Ethernet and IP.
	 */
	FC_TUNNEL_NOT_OURS,
	/**
	 * Its IP header, or the headers of a tunnel that ends here, are cut off, contradict the
	 * frame or each other, or the checksum of IPv4 or GRE is wrong. That of UDP is not
	 * verified: offloading leaves wrong ones, and what the tunnel carries has checksums of its
	 * own.
	 */
	FC_TUNNEL_MALFORMED,
	/** A fragment of a packet for one of the ends: fc_reassembly_add(). */
	FC_TUNNEL_PIECE,
	/**
	 * For the host of one of the addresses: ARP; neighbour solicitation for one of them or
	 * neighbour advertisement; a ping for one of them. fc_neighbour_parse() looks closer.
	 */
	FC_TUNNEL_HOST
};

/** What is to be put in front of what a tunnel carried. */
enum fc_tunnel_front {
	FC_TUNNEL_FRAME,  /**< nothing: it is a frame */
	FC_TUNNEL_PACKET, /**< it is a packet: an Ethernet header with zero addresses */
	FC_TUNNEL_TAGGED  /**< it is a frame, of which ERSPAN II holds the tag in its own header */
};

/** What fc_tunnel_look() found out. */
struct fc_tunnel_match {
	enum fc_tunnel_verdict verdict;
	enum fc_hint hint;	    /**< OURS, MALFORMED: about it; FC_N_HINTS: none */
	enum fc_tunnel_front front; /**< OURS */
	rte_be16_t type; /**< OURS: EtherType of a FC_TUNNEL_PACKET, TCI of FC_TUNNEL_TAGGED */
	uint16_t end;	 /**< OURS: which end */
	uint16_t l2;	 /**< OURS, PIECE: bytes of the outer Ethernet header and tags */
	uint16_t l3;	 /**< PIECE: bytes of the IP header, with the IPv6 fragment header */
	uint8_t family;	 /**< PIECE: 4 or 6 */
	uint32_t skip;	 /**< OURS: bytes in front of the inner frame (packet) */
	uint32_t length; /**< OURS: bytes of it; PIECE: bytes of the fragment with l2 and l3 */
};

/**
 * Set up the ends of a port: call this on zeroed memory, then fc_tunnel_add_end() and
 * fc_tunnel_add_host().
 *
 * The local address of an end is a host too. On one local address and UDP port are ends of VXLAN
 * or of Geneve, not of both.
 *
 * @return  0; -EINVAL: no type, no local address or a remote one of another family, or the other
 *          type ends at this address and UDP port; -ENOSPC: too many.
 * Control path.
 */
int fc_tunnel_add_end(struct fc_tunnel_ends *ends, const struct fc_tunnel_end *end);

/** Add an address that is not the end of a tunnel, such as an output's. As above. */
int fc_tunnel_add_host(struct fc_tunnel_ends *ends, const struct fc_address *host);

/**
 * Find out what a received frame is.
 *
 * Where several ends match, it is the one that was added first. An outer IPv6 fragment header is
 * found only directly behind the IPv6 header; elsewhere it is malformed.
 *
 * @param packet  Only read.
 * @param match   Gets the answer; its other members are valid for the verdicts that they name.
 * @return        The verdict.
 * Any thread.
 */
enum fc_tunnel_verdict fc_tunnel_look(const struct fc_tunnel_ends *ends,
	const struct rte_mbuf *packet, struct fc_tunnel_match *match);

#define FC_TUNNEL_MEMORY_WORDS 5

/** Two words of it at once, wherever they lie. */
typedef uint64_t fc_tunnel_block __attribute__((vector_size(16), aligned(1), may_alias));

/** The header of a packet out of a tunnel, from its EtherType on: what all like it have. */
struct fc_tunnel_memory {
	uint64_t value[FC_TUNNEL_MEMORY_WORDS]; /* where the mask has bits */
	uint64_t mask[FC_TUNNEL_MEMORY_WORDS];
	uint32_t ip_sum;  /* of the IPv4 header, without what differs */
	uint32_t udp_sum; /* of UDP's pseudo header, without the length */
	uint16_t skip;	  /* bytes in front of the inner frame; 0: nothing is remembered */
	uint16_t end;
	bool is_udp;
	bool is_erspan2;
};

/**
 * Remember a packet, so that fc_tunnel_is_like() knows the next one.
 *
 * Only what nearly all are can be remembered: frames in IPv4, untagged and without options, in GRE
 * without a checksum, or in VXLAN or Geneve, headers in the first segment. Of anything else,
 * nothing is remembered.
 *
 * @param packet  fc_tunnel_look() said FC_TUNNEL_OURS of it.
 * @param match   What else it said.
 * @param memory  Gets it. The lcore that looks.
 */
void fc_tunnel_remember(const struct fc_tunnel_ends *ends, const struct rte_mbuf *packet,
	const struct fc_tunnel_match *match, struct fc_tunnel_memory *memory);

/**
 * Whether a packet has the header that is remembered, and with right lengths and checksum.
 *
 * @param match  Gets what fc_tunnel_look() would say: FC_TUNNEL_OURS and the rest. When the answer
 *               is false it is not known what the packet is.
 */
static inline bool fc_tunnel_is_like(const struct fc_tunnel_memory *memory,
	const struct rte_mbuf *packet, struct fc_tunnel_match *match)
{
	const uint8_t *bytes = rte_pktmbuf_mtod_offset(packet, const uint8_t *, 12);
	const fc_tunnel_block *value = (const fc_tunnel_block *)memory->value;
	const fc_tunnel_block *mask = (const fc_tunnel_block *)memory->mask;
	const fc_tunnel_block *blocks = (const fc_tunnel_block *)bytes;
	fc_tunnel_block both;
	uint64_t word, different;
	uint32_t length, sum;
	uint16_t fields[3]; /* total length, identification, checksum, as they stand */

	/* All words lie within the first segment. */
	if (packet->data_len < 12 + sizeof(memory->value) || memory->skip == 0)
		return false;
	both = ((blocks[0] ^ value[0]) & mask[0]) | ((blocks[1] ^ value[1]) & mask[1]);
	memcpy(&word, &blocks[2], sizeof(word));
	different = both[0] | both[1] | ((word ^ memory->value[4]) & memory->mask[4]);
	memcpy(&fields[0], bytes + 4, sizeof(fields[0]));
	memcpy(&fields[1], bytes + 6, sizeof(fields[1]));
	memcpy(&fields[2], bytes + 12, sizeof(fields[2]));
	sum = memory->ip_sum + fields[0] + fields[1] + fields[2];
	sum = (sum & 0xffff) + (sum >> 16);
	length = rte_be_to_cpu_16(fields[0]);
	if (memory->is_udp) {
		uint16_t datagram[2]; /* length, checksum, as they stand */
		uint32_t udp_sum;

		memcpy(datagram, bytes + 26, sizeof(datagram));
		udp_sum = memory->udp_sum + datagram[0];
		udp_sum = (udp_sum & 0xffff) + (udp_sum >> 16);
		different |= length - 20 != rte_be_to_cpu_16(datagram[0]);
		/* A checksum that was left to a NIC wants a closer look. */
		different |= udp_sum == datagram[1];
	} else if (memory->is_erspan2) {
		different |= (bytes[32] & 0x18) == 0x10; /* a tag is in this header only */
	}
	if (different != 0 || sum != 0xffff || 14 + length > packet->pkt_len ||
		length < memory->skip)
		return false;
	match->verdict = FC_TUNNEL_OURS;
	match->hint = FC_N_HINTS;
	match->front = FC_TUNNEL_FRAME;
	match->end = memory->end;
	match->l2 = 14;
	match->skip = memory->skip;
	match->length = 14 + length - memory->skip;
	return true;
}

/** fc_tunnel_strip() for what is seldom: several segments, and what is not a FC_TUNNEL_FRAME. */
void fc_tunnel_strip_any(struct rte_mbuf *packet, const struct fc_tunnel_match *match);

/** fc_tunnel_strip() for a packet of one segment, and a FC_TUNNEL_FRAME. */
static inline void fc_tunnel_cut(struct rte_mbuf *packet, const struct fc_tunnel_match *match)
{
	packet->data_off = (uint16_t)(packet->data_off + match->skip);
	packet->data_len = (uint16_t)match->length;
	packet->pkt_len = match->length;
}

/**
 * Make of a tunnelled frame what it carried.
 *
 * A packet gets an Ethernet header with zero addresses, a frame the tag that only ERSPAN's header
 * has. The first segment has the frame's first 64 bytes or all of it afterwards, where its buffer
 * has room.
 *
 * @param packet  As it was given to fc_tunnel_look(), private to the caller.
 * @param match   The verdict was FC_TUNNEL_OURS.
 * Any thread.
 */
static inline void fc_tunnel_strip(struct rte_mbuf *packet, const struct fc_tunnel_match *match)
{
	if (unlikely(packet->nb_segs != 1 || match->front != FC_TUNNEL_FRAME)) {
		fc_tunnel_strip_any(packet, match);
		return;
	}
	fc_tunnel_cut(packet, match);
}

#endif
