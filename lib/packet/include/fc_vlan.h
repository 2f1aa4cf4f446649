/* SPDX-License-Identifier: MIT */
#ifndef FC_VLAN_H
#define FC_VLAN_H

#include <stdint.h>

#include <rte_byteorder.h>
#include <rte_mbuf.h>

/**
 * VLAN tags of an Ethernet frame, IEEE 802.1Q-2018 clause 9: behind the two addresses, four bytes
 * each (TPID, then PCP, DEI and VID).
 */

#define FC_VLAN_TAG_SIZE 4 /**< bytes */
#define FC_VLAN_MAX_TAGS 2 /**< that can be taken off or put on at once */

/** A tag as it stands in the frame. */
struct fc_vlan_tag {
	rte_be16_t tpid;
	rte_be16_t tci;
};

/** What is done to each frame; made once, in the control path. */
struct fc_vlan_change {
	uint8_t pop;				   /**< take off at most so many, outermost first */
	uint8_t n_push;				   /**< then put on so many */
	struct fc_vlan_tag push[FC_VLAN_MAX_TAGS]; /**< outermost first */
};

/** Whether @p tpid (network order) begins a tag: 0x8100, 0x88a8, 0x9100, 0x9200 or 0x9300. */
static inline int fc_vlan_is_tpid(rte_be16_t tpid)
{
	return tpid == RTE_BE16(0x8100) || tpid == RTE_BE16(0x88a8) || tpid == RTE_BE16(0x9100) ||
	       tpid == RTE_BE16(0x9200) || tpid == RTE_BE16(0x9300);
}

/**
 * Take tags off the frames of a burst and put tags on.
 *
 * A frame with fewer tags than `pop` loses those that it has; a tag that is cut off by the frame's
 * end is not a tag.
 *
 * @param packets  Private to the caller (fc_private.h), with headroom for n_push tags. The first
 *                 segment of each holds at least the frame's first 14 + 4 * pop bytes, or the
 *                 whole frame when that is shorter.
 * Any thread.
 */
void fc_vlan_change(
	struct rte_mbuf *const *packets, uint16_t n, const struct fc_vlan_change *change);

#endif
