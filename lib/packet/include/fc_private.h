/* SPDX-License-Identifier: MIT */
#ifndef FC_PRIVATE_H
#define FC_PRIVATE_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_mbuf.h>

/**
 * Private packets.
 *
 * An mbuf that several outputs share is read-only, its metadata and length included. Whoever wants
 * to change a packet makes it private first: one that nobody else holds already is; of any other a
 * copy is made. A short packet is copied whole, as that is cheaper than anything clever. Of a long
 * one only the header is copied, into an mbuf that is chained to clones of the shared rest.
 */

/** Up to so many bytes are copied; of a longer packet the rest is shared. See docs/performance.md.
 */
#define FC_COPY_MAX_SIZE 1024

/** From so many bytes on a packet is not copied behind a tunnel's header, but chained to it. */
#define FC_CHAIN_MIN_SIZE 256

/** So many bytes at a packet's front may be rewritten in a packet that was made private. */
#define FC_PRIVATE_HEADER_SIZE 64

/** How copies are made; set up in the control path, read-only in the data path. */
struct fc_private {
	struct rte_mempool *pool; /**< gives the copies */
	uint32_t reach;		  /**< no later stage needs more than so many bytes of the packet */
	uint16_t headroom;	  /**< bytes that later stages put in front at most */
	bool linear;		  /**< the port takes one segment only */
};

/**
 * Whether the holder of one reference may change @p packet in place: nobody else holds any part of
 * it, and its first segment has the header and room in front of it.
 */
bool fc_private_is(const struct fc_private *how, const struct rte_mbuf *packet);

/** Whether a copy of @p packet fits; only a port that takes one segment sets a limit. */
bool fc_private_fits(const struct fc_private *how, const struct rte_mbuf *packet);

/**
 * Make packets private that the caller holds one reference of each of, which it gives up.
 *
 * @param packets  The packets; replaced by the private ones. Order is kept.
 * @param n        How many, at most 64.
 * @return         So many at the front are private now. The first of the others has no buffer
 *                 or does not fit (fc_private_fits()); they are all still the caller's.
 * Any thread that may use the pool.
 */
uint16_t fc_private_take(const struct fc_private *how, struct rte_mbuf **packets, uint16_t n);

/**
 * Make private copies of packets that somebody else holds, and goes on holding.
 *
 * As fc_private_take(), but never in place: the packets behind the returned count are untouched
 * and not the caller's.
 */
uint16_t fc_private_copy(const struct fc_private *how, struct rte_mbuf **packets, uint16_t n);

#endif
