/* SPDX-License-Identifier: MIT */
#ifndef ETHERNET_H
#define ETHERNET_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <rte_ether.h>
#include <rte_mbuf.h>

#include <fc_vlan.h>

/* Of more tags than this in a row the further ones are taken for a payload. */
#define MAX_INNER_TAGS 8

/* Where the tags of a frame end. */
struct ethernet {
	uint32_t at;	 /* offset of what the EtherType says */
	rte_be16_t type; /* EtherType behind the last tag */
	rte_be16_t tci;	 /* of the outermost tag; when at > 14 */
};

/* Look behind at most @max tags; false for a frame that is shorter than its Ethernet header. */
static inline bool ethernet_parse(
	const struct rte_mbuf *packet, unsigned max, struct ethernet *ethernet)
{
	uint8_t scratch[RTE_ETHER_HDR_LEN];
	const uint8_t *frame = rte_pktmbuf_read(packet, 0, sizeof(scratch), scratch);

	if (unlikely(frame == NULL))
		return false;
	ethernet->at = RTE_ETHER_HDR_LEN;
	memcpy(&ethernet->type, frame + 2 * RTE_ETHER_ADDR_LEN, sizeof(ethernet->type));
	for (unsigned n = 0; n < max && fc_vlan_is_tpid(ethernet->type); n++) {
		const uint8_t *tag =
			rte_pktmbuf_read(packet, ethernet->at, FC_VLAN_TAG_SIZE, scratch);

		/* A tag that is cut off by the frame's end is not a tag. */
		if (tag == NULL)
			break;
		if (n == 0)
			memcpy(&ethernet->tci, tag, sizeof(ethernet->tci));
		memcpy(&ethernet->type, tag + 2, sizeof(ethernet->type));
		ethernet->at += FC_VLAN_TAG_SIZE;
	}
	return true;
}

#endif
