/* SPDX-License-Identifier: MIT */
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

/* Two addresses are 8 + 4 bytes; loads before stores allow any overlap. */
static inline void move_addresses(uint8_t *to, const uint8_t *from)
{
	uint64_t first;
	uint32_t rest;

	memcpy(&first, from, sizeof(first));
	memcpy(&rest, from + sizeof(first), sizeof(rest));
	memcpy(to, &first, sizeof(first));
	memcpy(to + sizeof(first), &rest, sizeof(rest));
}

static inline void change_one(
	struct rte_mbuf *packet, const struct fc_vlan_tag *tags, unsigned pop, unsigned n_push)
{
	unsigned off = pop != 0 ? count_tags(packet, pop) : 0;
	int shift = ((int)n_push - (int)off) * FC_VLAN_TAG_SIZE;
	uint8_t *frame = rte_pktmbuf_mtod(packet, uint8_t *);

	move_addresses(frame - shift, frame);
	packet->data_off = (uint16_t)(packet->data_off - shift);
	packet->data_len = (uint16_t)(packet->data_len + shift);
	packet->pkt_len = (uint32_t)((int64_t)packet->pkt_len + shift);
	for (unsigned i = 0; i < n_push; i++)
		memcpy(frame - shift + ADDRESSES_SIZE + i * FC_VLAN_TAG_SIZE, &tags[i],
			FC_VLAN_TAG_SIZE);
}

void fc_vlan_change(
	struct rte_mbuf *const *packets, uint16_t n, const struct fc_vlan_change *change)
{
	/* A tag put on is what most outputs ask for, and has a loop without decisions. */
	if (change->pop == 0 && change->n_push == 1)
		for (uint16_t i = 0; i < n; i++)
			change_one(packets[i], change->push, 0, 1);
	else
		for (uint16_t i = 0; i < n; i++)
			change_one(packets[i], change->push, change->pop, change->n_push);
}
