/* SPDX-License-Identifier: MIT */
#ifndef FC_TRANSMIT_H
#define FC_TRANSMIT_H

#include "feed.h"

/** What a feed does with its port. All calls: the lcore that sends on it. */

/**
 * Sort out what the port cannot send at all, and count it; the rest stays in its order.
 *
 * @param owned  A reference of each that is sorted out is given up.
 * @return       How many are left.
 */
uint16_t fc_feed_drop_oversize(
	struct fc_feed *feed, struct rte_mbuf **packets, uint16_t n, bool owned);

#define FC_STUCK_LOOKS 20 /* of FC_PORT_LOOK_MS: a second */

/** Whether the port has refused the feed's oldest frame for a second and took none since. */
static inline bool fc_feed_is_stuck(const struct fc_feed *feed)
{
	return feed->is_stalled && feed->stuck != NULL &&
	       atomic_load_explicit(&feed->output->port->n_looks, memory_order_relaxed) -
			       feed->stuck_at >
		       FC_STUCK_LOOKS;
}

/** How many packets end in @p n frames; @p is_last as below. */
uint64_t fc_count_ends(const uint8_t *is_last, uint16_t n);

/**
 * Offer frames to the port.
 *
 * @param frames   The array may be changed.
 * @param is_last  Says of each whether a packet ends with it; NULL: of all.
 * @param size     The bytes of all frames: the port may free what it takes at once, so they are
 *                 counted before. Becomes the size of those that are left.
 * A frame that the port has refused for a second is given up when the port takes a shorter one that
 * is behind it.
 *
 * @return         How many are done with: taken by the port, or refused for good.
 */
uint16_t fc_feed_transmit(struct fc_feed *feed, struct rte_mbuf **frames, const uint8_t *is_last,
	uint16_t n, uint64_t *size);

#endif
