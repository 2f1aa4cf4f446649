/* SPDX-License-Identifier: MIT */
#ifndef FC_DROP_H
#define FC_DROP_H

/**
 * Every way in which a packet can be lost.
 *
 * A packet is only ever freed unsent together with one of these, and each of them is a counter of
 * a tap or of a feed with this name in telemetry and in the statistics file. Names never change
 * once released.
 */
enum fc_drop {
	FC_DROP_NOT_OURS,     /**< tap: matches no tunnel that ends here */
	FC_DROP_MALFORMED,    /**< tap: too short or lying about its own length */
	FC_DROP_FILTERED,     /**< tap, feed: the filter expression does not match */
	FC_DROP_SAMPLED_OUT,  /**< tap, feed: not drawn */
	FC_DROP_NOMBUF,	      /**< tap, feed: no buffer for a private copy */
	FC_DROP_HANDOFF_FULL, /**< feed: the output's lcore is too slow */
	FC_DROP_OVERRUN,      /**< feed: the output's port is too slow */
	FC_DROP_UNRESOLVED,   /**< feed: the tunnel's next hop has no MAC address yet */
	FC_DROP_OVERSIZE,     /**< feed: longer than the port can send */
	FC_DROP_TX_REFUSED, /**< feed: refused by the driver, or not to be carried by this tunnel */
	FC_N_DROPS
};

/** The counter's name, for example "handoff_full". */
const char *fc_drop_name(enum fc_drop drop);

/**
 * What is noticed about a tap's packets besides what becomes of them.
 *
 * A hint is a counter of the tap, too, but no part of its equation: its packets are counted by one
 * of the others already, and the hint only says why, or that they are odd.
 */
enum fc_hint {
	FC_HINT_CUT,	      /**< malformed, because the end is missing */
	FC_HINT_NO_LENGTH,    /**< malformed, because an outer header says a length of 0 */
	FC_HINT_BAD_CHECKSUM, /**< the outer UDP checksum was left to a NIC; not lost for that */
	FC_N_HINTS
};

/** The counter's name, for example "malformed_cut". */
const char *fc_hint_name(enum fc_hint hint);

#endif
