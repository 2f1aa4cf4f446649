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

/** How many packets end in @p n frames; @p is_last as below. */
uint64_t fc_count_ends(const uint8_t *is_last, uint16_t n);

/**
 * Offer frames to the port.
 *
 * @param frames   The array may be changed.
 * @param is_last  Says of each whether a packet ends with it; NULL: of all.
 * @param size     The bytes of all frames: the port may free what it takes at once, so they are
 *                 counted before. Becomes the size of those that are left.
 * @return         How many are done with: taken by the port, or refused by its driver for good.
 */
uint16_t fc_feed_transmit(struct fc_feed *feed, struct rte_mbuf **frames, const uint8_t *is_last,
	uint16_t n, uint64_t *size);

#endif
