/* SPDX-License-Identifier: MIT */
#ifndef FC_TUNNEL_H
#define FC_TUNNEL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <rte_mbuf.h>

#include <fc_address.h>
#include <fc_private.h>
#include <fc_tunnel_type.h>

/**
 * What a tunnel puts in front of each packet.
 *
 * The control path prepares the header once; the data path copies it and patches what differs from
 * packet to packet. From the outside in:
 *
 *	Ethernet (+ 802.1Q tag) | IPv4 or IPv6 | one of
 *		GRE (+ key)                     | packet from its network header on     gre
 *		GRE 0x6558 (+ key)              | frame                                 gretap
 *		GRE 0x88be                      | frame                                 erspan1
 *		GRE 0x88be + sequence, 8 bytes  | frame                                 erspan2
 *		GRE 0x22eb + sequence, 12 bytes | frame                                 erspan3
 *		UDP (4789), VXLAN               | frame                                 vxlan
 *		UDP (6081), Geneve              | frame                                 geneve
 *
 * IPv4 (RFC 791): identification counts for each tunnel; DF is clear where the outer packet may be
 * fragmented and set elsewhere. IPv6 (RFC 8200): the flow label is 0. UDP: the source port is
 * fc_flow_port() of the inner frame. The checksum is 0 over IPv4, as RFC 7348 advises.
 * Over IPv6 it is computed: RFC 6935 allows a tunnel to leave it out, but a receiver has to be told
 * so (RFC 6936; Linux drops such packets unless it has udp6zerocsumrx). It costs a pass over the
 * packet.
 *
 * gre: all VLAN tags and the MAC addresses are left behind; the EtherType behind the tags is the
 * GRE protocol. An IEEE 802.3 frame (spanning tree, other LLC) has a length there and no EtherType:
 * it cannot be carried.
 *
 * ERSPAN: the frame is carried whole, its tags included, so that it comes out as it went in. VLAN
 * and COS repeat VID and PCP of its outermost tag, 0 without one. Type II says so in En: 3 (tag
 * preserved in the frame) with a tag, 0 without. Type III has no En; BSO is 0 (unknown: the frame
 * check sequence is not seen), P 1 and FT 0 (an Ethernet frame), SGT, Hw ID and D 0, no sub-header;
 * the timestamp counts units of 100 ns (Gra 1) since 1970, modulo 2^32. Index is 0. T is set by
 * fc_tunnel_mark_truncated().
 */

/** A header is at most so long; pushing it needs so much headroom, however short it is. Bytes. */
#define FC_TUNNEL_MAX_SIZE 80

/** The longest outer IPv4 packet, and the longest payload of an outer IPv6 packet. Bytes. */
#define FC_TUNNEL_MAX_LENGTH UINT16_MAX

#define FC_TUNNEL_MTU_MIN_IPV4 68   /**< bytes, RFC 791 */
#define FC_TUNNEL_MTU_MIN_IPV6 1280 /**< bytes, RFC 8200 section 5 */

#define FC_TUNNEL_SESSION_MAX 1023     /**< the largest ERSPAN session id */
#define FC_TUNNEL_VNI_MAX     0xffffff /**< the largest VNI of VXLAN and Geneve */

/** What a header is made of. */
struct fc_tunnel_params {
	enum fc_tunnel_type type;
	struct fc_address local, remote; /**< of one family */
	uint8_t mac[FC_MAC_SIZE];	 /**< of the port: the source of outer frames */
	bool has_key;
	uint32_t
		key; /**< GRE key, ERSPAN session id or VNI; without one, no GRE key, 0 elsewhere */
	uint16_t udp_port; /**< to which VXLAN and Geneve go; 0: the usual one */
	uint16_t vlan;	   /**< VID of the outer tag (TPID 0x8100, PCP 0); 0: no tag */
	uint8_t dscp;	   /**< 0..63 */
	uint8_t ttl;	   /**< TTL or hop limit, at least 1 */
	uint16_t mtu;	   /**< outer IP packets are at most so long; bytes */
	enum fc_oversize oversize;
};

/** A prepared header. Only its destination changes afterwards. */
struct fc_tunnel_header {
	uint8_t bytes[FC_TUNNEL_MAX_SIZE]; /* the header, at the end of this array */
	_Atomic uint64_t destination;	   /* control: wo, data path: ro; 0: unresolved */
	uint64_t source;		   /* first two bytes of the source MAC, where they go */
	/* Sums of 16-bit words in host order. */
	uint32_t ip_sum;  /* of the IPv4 header, without what is patched */
	uint32_t udp_sum; /* of the IPv6 pseudo header, without the length */
	uint16_t mtu;
	uint8_t size;	       /* of the header */
	uint8_t ethernet_size; /* of its Ethernet part, with the tag */
	uint8_t gre_size;      /* for gre: bytes of the GRE header */
	uint8_t family;	       /* 4 or 6 */
	enum fc_tunnel_type type;
	enum fc_oversize oversize;
};

/** What a tunnel's lcore reads and writes. All zero at the start. */
struct fc_tunnel_state {
	uint32_t sequence;    /**< of the next ERSPAN packet */
	uint32_t fragment_id; /**< identification of the next fragmented IPv6 packet */
	uint16_t packet_id;   /**< identification of the next IPv4 packet */
	/* The header as packets got it last: of @ref header, with this destination. */
	uint64_t destination;
	const struct fc_tunnel_header *header;
	_Alignas(16) uint8_t bytes[FC_TUNNEL_MAX_SIZE];
};

/**
 * How many bytes a tunnel puts in front of what it carries, the outer Ethernet header included.
 *
 * What a tunnel carries is the frame; for FC_TUNNEL_GRE what is behind the frame's Ethernet header
 * and tags.
 *
 * @param family  Of the outer addresses: 4 or 6.
 * @param keyed   There is a key; this matters for GRE and GRETAP only.
 * @param tagged  The outer frame has a tag.
 * Any thread.
 */
uint16_t fc_tunnel_overhead(enum fc_tunnel_type type, uint8_t family, bool keyed, bool tagged);

/**
 * Prepare a header; its destination is unresolved then.
 *
 * @return  0; -EINVAL: the type is none, the addresses are not of one family, ERSPAN I has a key,
 *          or the MTU is below the family's minimum; -ERANGE: key, vlan, dscp or ttl is out of its
 *          range.
 * Control path.
 */
int fc_tunnel_prepare(struct fc_tunnel_header *header, const struct fc_tunnel_params *params);

/**
 * Set the MAC address of the next hop, also while packets are pushed.
 *
 * @param mac  A unicast address; NULL: it is not known any more.
 * Control path.
 */
void fc_tunnel_set_destination(struct fc_tunnel_header *header, const uint8_t *mac);

/** Whether the next hop's MAC address is known. Any thread. */
static inline bool fc_tunnel_is_resolved(const struct fc_tunnel_header *header)
{
	return atomic_load_explicit(&header->destination, memory_order_relaxed) != 0;
}

/**
 * The MAC address of the next hop.
 *
 * @param mac  Gets it when it is known.
 * @return     Whether it is known. Any thread.
 */
bool fc_tunnel_destination(const struct fc_tunnel_header *header, uint8_t mac[FC_MAC_SIZE]);

/** How many bytes a packet may carry at most without exceeding the MTU. Any thread. */
uint16_t fc_tunnel_max_inner(const struct fc_tunnel_header *header);

/** What is to be done with a packet that was not simply pushed. */
enum fc_tunnel_fit {
	FC_TUNNEL_FITS,	    /**< push it */
	FC_TUNNEL_FRAGMENT, /**< push it, then fc_fragment() */
	FC_TUNNEL_TRUNCATE, /**< fc_tunnel_truncate(), push it, fc_tunnel_mark_truncated() */
	FC_TUNNEL_DROP,	    /**< count it as FC_DROP_OVERSIZE */
	FC_TUNNEL_REFUSE    /**< gre cannot carry it: count it as FC_DROP_TX_REFUSED */
};

/**
 * Tell by the length of a packet and the tunnel's MTU what is to be done with it, and by its
 * EtherType whether gre can carry it.
 *
 * @param packet  A frame of at least 14 bytes, only read.
 * Any thread.
 */
enum fc_tunnel_fit fc_tunnel_fit(
	const struct fc_tunnel_header *header, const struct rte_mbuf *packet);

/**
 * Cut a frame so that it fits.
 *
 * @param packet  A frame of at least 14 bytes, private to the caller.
 */
void fc_tunnel_truncate(const struct fc_tunnel_header *header, struct rte_mbuf *packet);

/** Frames that go into a tunnel together. */
struct fc_tunnel_burst {
	/**
	 * At least 14 bytes each. The first segment of each holds at least its first 64 bytes or
	 * all of it.
	 */
	struct rte_mbuf **packets;
	uint16_t n; /**< 1..64 */
	/** How to make private what is not; NULL: all are, with FC_TUNNEL_MAX_SIZE of headroom. */
	const struct fc_private *how;
	bool owned; /**< with @ref how: the caller gives up one reference of each */
	bool lent;  /**< with @ref how, instead: only those that are private, of one segment */
	/** Bytes: fc_tunnel_max_inner() for frames that fit as they are, UINT32_MAX for one that is
	 * fragmented afterwards. */
	uint32_t longest;
	uint64_t timestamp_ns; /**< since 1970-01-01 00:00 UTC; for ERSPAN III */
	/** For VXLAN and Geneve: fc_flow_ports() of each; NULL: not known, they are found out. */
	const uint16_t *ports;
};

/**
 * Encapsulate frames, up to the first that takes more care.
 *
 * A frame that is private gets its header in place. Of one that somebody else holds a copy is made;
 * where that is long, and the port takes several segments, the frame itself is chained behind an
 * mbuf with the header: it stays as it is, but one more holds it.
 *
 * @param state  Counts on with each packet.
 * @param burst  Its packets are replaced by what is to be sent.
 * @param size   The bytes of those, with their headers, are added to it.
 * @return       How many were encapsulated, at the front. The next one is longer than `longest`;
 *               or it has no EtherType, and the tunnel is FC_TUNNEL_GRE; or it is not private and
 * there is no buffer, the port takes one segment and it has several or does not fit, or the tunnel
 * is FC_TUNNEL_GRE; or it is private and has several segments. It and those behind it are
 * untouched. 0 also when the next hop's MAC address is not known. One lcore for one state.
 */
uint16_t fc_tunnel_push(const struct fc_tunnel_header *header, struct fc_tunnel_state *state,
	const struct fc_tunnel_burst *burst, uint64_t *size);

/**
 * Take off again the header that packets got in place; not for FC_TUNNEL_GRE.
 *
 * @param packets   Just pushed with `lent`; as they were before.
 * @param n_unsent  So many at the end have not left: the next packets get their numbers.
 */
void fc_tunnel_take_off(const struct fc_tunnel_header *header, struct fc_tunnel_state *state,
	struct rte_mbuf *const *packets, uint16_t n, uint16_t n_unsent);

/** Note in a packet just pushed that its frame was cut, where the format says so (ERSPAN II, III).
 */
void fc_tunnel_mark_truncated(const struct fc_tunnel_header *header, struct rte_mbuf *packet);

#endif
