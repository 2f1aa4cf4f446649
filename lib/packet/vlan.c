/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>

#include <rte_ether.h>

#include <fc_vlan.h>

#define ADDRESSES_SIZE (2 * RTE_ETHER_ADDR_LEN)

static unsigned count_tags(const struct rte_mbuf *packet, unsigned max)
{
	const uint8_t *frame = rte_pktmbuf_mtod(packet, const uint8_t *);
	unsigned n = 0;

	while (n < max) {
		size_t at = ADDRESSES_SIZE + n * FC_VLAN_TAG_SIZE;
		rte_be16_t tpid;

		/* Behind a tag there is at least the next EtherType. */
		if (packet->data_len < at + FC_VLAN_TAG_SIZE + RTE_ETHER_TYPE_LEN)
			break;
		memcpy(&tpid, frame + at, sizeof(tpid));
		if (!fc_vlan_is_tpid(tpid))
			break;
		n++;
	}
	return n;
}

int fc_vlan_change(struct rte_mbuf *packet, const struct fc_vlan_change *change)
{
	unsigned off = change->pop != 0 ? count_tags(packet, change->pop) : 0;
	int shift = ((int)change->n_push - (int)off) * FC_VLAN_TAG_SIZE;
	uint8_t *frame = rte_pktmbuf_mtod(packet, uint8_t *);

	if (shift > rte_pktmbuf_headroom(packet))
		return -ENOSPC;
	if (shift != 0) {
		memmove(frame - shift, frame, ADDRESSES_SIZE);
		packet->data_off = (uint16_t)(packet->data_off - shift);
		packet->data_len = (uint16_t)(packet->data_len + shift);
		packet->pkt_len = (uint32_t)((int64_t)packet->pkt_len + shift);
	}
	memcpy(frame - shift + ADDRESSES_SIZE, change->push,
		change->n_push * sizeof(change->push[0]));
	return 0;
}
