/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "private.h"

#define MAX_BURST 64
_Static_assert(
	FC_COPY_MAX_SIZE % COPY_BLOCK_SIZE == 0 && FC_COPY_MAX_SIZE <= RTE_MBUF_DEFAULT_DATAROOM,
	"every pool's buffers take a copy");

static bool is_private_chain(const struct fc_private *how, const struct rte_mbuf *packet)
{
	const struct rte_mbuf *segment;

	if (how->linear || packet->data_len < FC_PRIVATE_HEADER_SIZE)
		return false;
	/*
	 * Somebody who frees the same chain gives up the first segment before he reads the others'
	 * links, so each segment must be ours before any of them is changed.
	 */
	for (segment = packet; segment != NULL; segment = segment->next)
		if (rte_mbuf_refcnt_read(segment) != 1)
			return false;
	return true;
}

static inline bool is_private(const struct fc_private *how, const struct rte_mbuf *packet)
{
	if (likely(private_is_sole(how, packet)))
		return true;
	return packet->nb_segs != 1 && RTE_MBUF_DIRECT(packet) &&
	       packet->data_off >= how->headroom && is_private_chain(how, packet);
}

bool fc_private_is(const struct fc_private *how, const struct rte_mbuf *packet)
{
	return is_private(how, packet);
}

static void copy_segments(struct rte_mbuf *to, const struct rte_mbuf *from, uint32_t length)
{
	uint8_t *out = rte_pktmbuf_mtod(to, uint8_t *);

	to->data_len = (uint16_t)length;
	to->pkt_len = length;
	while (length > 0) {
		uint32_t part = RTE_MIN(length, (uint32_t)from->data_len);

		rte_memcpy(out, rte_pktmbuf_mtod(from, const uint8_t *), part);
		out += part;
		length -= part;
		from = from->next;
	}
}

/*
 * Chain to the header @p to clones of what is in @p from behind the first @p skip bytes. When it
 * fails, what is chained already ends with the header.
 */
static int chain_rest(
	struct rte_mempool *pool, struct rte_mbuf *to, struct rte_mbuf *from, uint32_t skip)
{
	struct rte_mbuf *last = to;

	for (; from != NULL; from = from->next) {
		struct rte_mbuf *clone;

		if (skip >= from->data_len) {
			skip -= from->data_len;
			continue;
		}
		clone = rte_pktmbuf_alloc(pool);
		if (clone == NULL)
			return -1;
		rte_pktmbuf_attach(clone, from);
		clone->data_off = (uint16_t)(clone->data_off + skip);
		clone->data_len = (uint16_t)(from->data_len - skip);
		skip = 0;
		last->next = clone;
		last = clone;
		to->nb_segs++;
		to->pkt_len += clone->data_len;
	}
	return 0;
}

static uint32_t needed_size(const struct fc_private *how, const struct rte_mbuf *packet)
{
	return RTE_MIN(packet->pkt_len, how->reach);
}

/*
 * Bytes in front of a copy in a buffer of @size. The largest that an mbuf can have gives up those
 * which nobody needs, so that frames of nearly 64 KiB find room.
 */
static uint32_t least_headroom(const struct fc_private *how, uint32_t size)
{
	return size == UINT16_MAX ? how->headroom : RTE_PKTMBUF_HEADROOM;
}

bool fc_private_fits(const struct fc_private *how, const struct rte_mbuf *packet)
{
	uint32_t size = rte_pktmbuf_data_room_size(how->pool);

	return !how->linear || needed_size(how, packet) + least_headroom(how, size) <= size;
}

/* Fill the fresh mbuf @p to; -1 when there is no buffer for the rest or it does not fit. */
static int fill(const struct fc_private *how, struct rte_mbuf *to, struct rte_mbuf *from)
{
	uint32_t length = needed_size(how, from);

	rte_pktmbuf_reset(to);
	if (how->linear || length <= FC_COPY_MAX_SIZE) {
		if (unlikely(length > rte_pktmbuf_tailroom(to))) {
			if (length + least_headroom(how, to->buf_len) > to->buf_len)
				return -1;
			to->data_off = (uint16_t)(to->buf_len - length);
		}
		copy_segments(to, from, length);
		return 0;
	}
	copy_segments(to, from, FC_PRIVATE_HEADER_SIZE);
	return chain_rest(how->pool, to, from, FC_PRIVATE_HEADER_SIZE);
}

uint16_t private_allocate(struct rte_mempool *pool, struct rte_mbuf **fresh, uint16_t n)
{
	uint16_t got;

	if (likely(rte_mempool_get_bulk(pool, (void **)fresh, n) == 0))
		return n;
	for (got = 0; got < n; got++) {
		fresh[got] = rte_mbuf_raw_alloc(pool);
		if (fresh[got] == NULL)
			break;
	}
	return got;
}

uint16_t fc_private_copy(const struct fc_private *how, struct rte_mbuf **packets, uint16_t n)
{
	struct rte_mbuf *fresh[MAX_BURST];
	uint16_t got = private_allocate(how->pool, fresh, n);
	uint32_t reach = how->reach;
	uint16_t done;

	for (done = 0; done < got; done++) {
		uint32_t length = RTE_MIN(packets[done]->pkt_len, reach);

		/* Nearly all packets are short ones in one segment. */
		if (unlikely(length > FC_COPY_MAX_SIZE ||
			     private_fill(fresh[done], packets[done], length, 0) == NULL) &&
			fill(how, fresh[done], packets[done]) != 0)
			break;
		packets[done] = fresh[done];
	}
	if (unlikely(done < got))
		rte_pktmbuf_free_bulk(fresh + done, got - done);
	return done;
}

static uint16_t take_shared(const struct fc_private *how, struct rte_mbuf **packets, uint16_t n)
{
	struct rte_mbuf *shared[MAX_BURST];
	uint16_t done;

	memcpy(shared, packets, n * sizeof(shared[0]));
	done = fc_private_copy(how, packets, n);
	rte_pktmbuf_free_bulk(shared, done);
	return done;
}

uint16_t fc_private_take(const struct fc_private *how, struct rte_mbuf **packets, uint16_t n)
{
	uint16_t done = 0;

	while (done < n) {
		uint16_t run = 0, copied;

#pragma GCC unroll 4
		for (; done < n; done++)
			if (!is_private(how, packets[done]))
				break;
		while (done + run < n && !is_private(how, packets[done + run]))
			run++;
		copied = run != 0 ? take_shared(how, packets + done, run) : 0;
		done += copied;
		if (copied < run)
			break;
	}
	return done;
}
