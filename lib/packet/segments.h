/* SPDX-License-Identifier: MIT */
#ifndef SEGMENTS_H
#define SEGMENTS_H

#include <stdint.h>

#include <rte_mbuf.h>

/*
 * The Internet checksum's sum (RFC 1071, not complemented, folded to 16 bits) of @length bytes from
 * offset @at, which must be in the packet. rte_raw_cksum_mbuf() of DPDK 22.11 loses the carries of
 * a segment that begins at an odd offset.
 */
uint16_t segments_sum(const struct rte_mbuf *packet, uint32_t at, uint32_t length);

/* Cut @n bytes off the front, which the packet has; segments may become empty. */
static inline void segments_cut_front(struct rte_mbuf *packet, uint32_t n)
{
	packet->pkt_len -= n;
	for (; n > 0; packet = packet->next) {
		uint16_t part = (uint16_t)RTE_MIN(n, (uint32_t)packet->data_len);

		packet->data_off = (uint16_t)(packet->data_off + part);
		packet->data_len = (uint16_t)(packet->data_len - part);
		n -= part;
	}
}

/* Write over the first @n bytes, which the packet has. */
void segments_write(struct rte_mbuf *packet, const uint8_t *bytes, uint16_t n);

/*
 * Make the first @n bytes one piece of memory in the first segment; segments that are empty then go
 * back to their pools.
 *
 * -1: the packet is not so long or the first segment has no room; nothing is changed then.
 */
int segments_pull(struct rte_mbuf *packet, uint16_t n);

#endif
