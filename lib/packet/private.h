/* SPDX-License-Identifier: MIT */
#ifndef PRIVATE_H
#define PRIVATE_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <rte_memcpy.h>

#include <fc_private.h>

#define COPY_BLOCK_SIZE 64

/*
 * Take fresh mbufs as they lie in the pool: of one segment, with one reference. Whoever fills one
 * sets what a sender looks at; a reset would write to a second cache line of each. Returns how many
 * there are.
 */
uint16_t private_allocate(struct rte_mempool *pool, struct rte_mbuf **fresh, uint16_t n);

_Static_assert(offsetof(struct rte_mbuf, nb_segs) == offsetof(struct rte_mbuf, refcnt) + 2,
	"number of references and of segments are read at once");

/* Whether a packet of one segment is private: fc_private_is() without those of several. */
static __rte_always_inline bool private_is_sole(
	const struct fc_private *how, const struct rte_mbuf *packet)
{
	const uint32_t one_of_each = UINT32_C(0x00010001);
	uint32_t references_and_segments;

	memcpy(&references_and_segments,
		(const uint8_t *)packet + offsetof(struct rte_mbuf, refcnt),
		sizeof(references_and_segments));
	return references_and_segments == one_of_each && RTE_MBUF_DIRECT(packet) &&
	       packet->data_off >= how->headroom;
}

/* Where the packet begins in a fresh mbuf. */
static inline uint8_t *private_start(const struct rte_mbuf *fresh)
{
	return (uint8_t *)fresh->buf_addr + RTE_PKTMBUF_HEADROOM;
}

/*
 * Whether whole blocks can be read from @in, where a packet's bytes begin, of which @length are in
 * its first segment: within its buffer, or at least within the cache lines where the bytes are.
 */
static __rte_always_inline bool private_is_readable(
	const struct rte_mbuf *packet, const uint8_t *in, uint32_t length)
{
	return likely((uintptr_t)in % COPY_BLOCK_SIZE == 0) ||
	       packet->data_off + RTE_ALIGN_CEIL(length, COPY_BLOCK_SIZE) <= packet->buf_len;
}

/*
 * Fill the fresh mbuf @to with the first @length bytes of a packet and @headroom bytes in front of
 * them, which the caller writes; its buffer has room for so many whole blocks behind the usual
 * headroom. The bytes are copied in whole blocks, which needs no decisions about their number's
 * last bits: what is copied behind the end is nobody's.
 *
 * Returns where the copied bytes begin. NULL: they do not lie in one segment of which whole blocks
 * can be read; nothing is done then.
 */
static __rte_always_inline uint8_t *private_fill(
	struct rte_mbuf *to, const struct rte_mbuf *from, uint32_t length, uint16_t headroom)
{
	const uint8_t *in = rte_pktmbuf_mtod(from, const uint8_t *);
	uint8_t *out = private_start(to);
	uint32_t grown = length + headroom;

	if (unlikely(length > from->data_len || !private_is_readable(from, in, length)))
		return NULL;
	to->data_off = (uint16_t)(RTE_PKTMBUF_HEADROOM - headroom);
	to->ol_flags = 0;
	to->data_len = (uint16_t)grown;
	to->pkt_len = grown;
	rte_mov64(out, in);
	for (uint32_t at = COPY_BLOCK_SIZE; unlikely(at < length); at += COPY_BLOCK_SIZE)
		rte_mov64(out + at, in + at);
	return out;
}

#endif
