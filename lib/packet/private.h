/* SPDX-License-Identifier: MIT */
#ifndef PRIVATE_H
#define PRIVATE_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_memcpy.h>

#include <fc_private.h>

#define COPY_BLOCK_SIZE 64

/*
 * Take fresh mbufs as they lie in the pool: of one segment, with one reference. Whoever fills one
 * sets what a sender looks at; a reset would write to a second cache line of each. Returns how many
 * there are.
 */
uint16_t private_allocate(struct rte_mempool *pool, struct rte_mbuf **fresh, uint16_t n);

/* Where the packet begins in a fresh mbuf. */
static inline uint8_t *private_start(const struct rte_mbuf *fresh)
{
	return (uint8_t *)fresh->buf_addr + RTE_PKTMBUF_HEADROOM;
}

/*
 * Fill the fresh mbuf @to with the first @length bytes of a packet, at most FC_COPY_MAX_SIZE, and
 * @headroom bytes in front of them, which the caller writes. The bytes are copied in whole blocks,
 * which needs no decisions about their number's last bits: what is copied behind the end is within
 * both buffers, and nobody's. False: the bytes do not lie in one segment of which whole blocks can
 * be read; nothing is done then.
 */
static __rte_always_inline bool private_fill(
	struct rte_mbuf *to, const struct rte_mbuf *from, uint32_t length, uint16_t headroom)
{
	const uint8_t *in = rte_pktmbuf_mtod(from, const uint8_t *), *end = in + length;
	uint8_t *out = private_start(to);

	if (unlikely(length > from->data_len ||
		     from->data_off + RTE_ALIGN_CEIL(length, COPY_BLOCK_SIZE) > from->buf_len))
		return false;
	length += headroom;
	to->data_off = (uint16_t)(RTE_PKTMBUF_HEADROOM - headroom);
	to->ol_flags = 0;
	to->data_len = (uint16_t)length;
	to->pkt_len = length;
	for (;;) {
		rte_mov64(out, in);
		in += COPY_BLOCK_SIZE;
		if (likely(in >= end))
			return true;
		out += COPY_BLOCK_SIZE;
	}
}

#endif
