/* SPDX-License-Identifier: MIT */
#ifndef FC_REASSEMBLY_H
#define FC_REASSEMBLY_H

#include <stdatomic.h>
#include <stdint.h>

#include <rte_mbuf.h>

#include <fc_tunnel_pop.h>

/**
 * Putting fragments of outer packets together.
 *
 * A table holds the fragments of datagrams until they are complete or too old. Its size is fixed:
 * neither the number of datagrams nor that of mbufs grows beyond what it was made for, whatever
 * arrives. A datagram is told by both addresses, the protocol and the identification (RFC 791;
 * RFC 8200 section 4.5).
 *
 * A fragment that is in the table already, byte for byte by offset and length, is refused and does
 * no harm. One that overlaps another or contradicts the datagram's end spoils the datagram: what
 * comes of it is refused until it is too old (RFC 5722). A datagram may have at most
 * FC_REASSEMBLY_MAX_FRAGMENTS fragments (of DPDK's library, which does the putting together).
 */

#define FC_REASSEMBLY_MAX_FRAGMENTS RTE_LIBRTE_IP_FRAG_MAX_FRAG

/** How large the table is. */
struct fc_reassembly_limits {
	uint16_t max_datagrams;	 /**< 1..32768 */
	uint32_t max_mbufs;	 /**< that it holds at any time; the pools must have so many more */
	uint64_t timeout_cycles; /**< a datagram is given up so long after its first fragment */
};

/**
 * What became of fragments. The owner's lcore writes, any thread reads (relaxed).
 *
 * fragments given = held + joined + timed_out + refused + table_full.
 */
struct fc_reassembly_counts {
	_Atomic uint64_t held;	     /**< in the table as of now */
	_Atomic uint64_t held_mbufs; /**< the mbufs of those */
	_Atomic uint64_t joined;     /**< became part of a whole packet */
	_Atomic uint64_t whole;	     /**< packets that were put together */
	_Atomic uint64_t timed_out;  /**< their datagram did not become complete in time */
	_Atomic uint64_t refused; /**< duplicates; of datagrams with overlaps or too many pieces */
	_Atomic uint64_t table_full; /**< no place for one more datagram or mbuf */
};

struct fc_reassembly;

/**
 * Make an empty table.
 *
 * @param socket  NUMA node for its memory, or SOCKET_ID_ANY.
 * @return        NULL: no memory, or a limit is out of its range.
 * Control path.
 */
struct fc_reassembly *fc_reassembly_new(const struct fc_reassembly_limits *limits, int socket);

/** Free a table and all fragments in it; NULL is allowed. Control path, nobody uses it any more. */
void fc_reassembly_free(struct fc_reassembly *reassembly);

/**
 * Give a fragment to the table.
 *
 * @param packet  The fragment; it passes to the table. Private to the caller.
 * @param match   What fc_tunnel_look() said of it: FC_TUNNEL_PIECE.
 * @param now     TSC cycles, never less than in an earlier call.
 * @return        The whole packet, the caller's, to be looked at again; NULL: not yet, or the
 *                fragment was refused.
 * The owner's lcore.
 */
struct rte_mbuf *fc_reassembly_add(struct fc_reassembly *reassembly, struct rte_mbuf *packet,
	const struct fc_tunnel_match *match, uint64_t now);

/**
 * Give up what is too old. fc_reassembly_add() does so too; call it now and then when nothing
 * arrives, it costs little.
 *
 * The owner's lcore.
 */
void fc_reassembly_expire(struct fc_reassembly *reassembly, uint64_t now);

/** The counts, valid as long as the table. Any thread. */
const struct fc_reassembly_counts *fc_reassembly_counts(const struct fc_reassembly *reassembly);

#endif
