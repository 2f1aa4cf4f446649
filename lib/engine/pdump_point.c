/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>
#include <time.h>

#include <rte_cycles.h>
#include <rte_errno.h>
#include <rte_mbuf.h>

#include <fc_compat.h>

#include "pdump_point.h"

#define MAX_SEGMENTS 64 /* of a copy */

/* https://www.ietf.org/archive/id/draft-ietf-opsawg-pcapng-03.html, 4.3 */
#define BLOCK_TYPE_PACKET 6
#define OPTION_FLAGS	  2
#define OPTION_QUEUE	  6
#define FLAG_INBOUND	  1
#define FLAG_OUTBOUND	  2

struct block_header {
	uint32_t type, length, interface, time_high, time_low, captured, original;
};

struct block_option {
	uint16_t code, length;
	uint32_t value;
};

struct block_trailer {
	struct block_option flags, queue;
	uint32_t length;
};

/* Where the next byte of a copy goes. */
struct writer {
	struct rte_mbuf **segments;
	uint16_t at;
	uint32_t room; /* in each segment */
};

static void write_bytes(struct writer *writer, const void *bytes, uint32_t n)
{
	const uint8_t *from = bytes;

	while (n > 0) {
		struct rte_mbuf *segment = writer->segments[writer->at];
		uint32_t part = RTE_MIN(n, writer->room - segment->data_len);

		memcpy(rte_pktmbuf_mtod_offset(segment, uint8_t *, segment->data_len), from, part);
		segment->data_len = (uint16_t)(segment->data_len + part);
		from += part;
		n -= part;
		if (segment->data_len == writer->room)
			writer->at++;
	}
}

static void write_packet(struct writer *writer, const struct rte_mbuf *packet, uint32_t n)
{
	for (; n > 0; packet = packet->next) {
		uint32_t part = RTE_MIN(n, (uint32_t)packet->data_len);

		write_bytes(writer, rte_pktmbuf_mtod(packet, const uint8_t *), part);
		n -= part;
	}
}

/* The bytes that are there: a driver's pkt_len may say more. */
static uint32_t real_size(const struct rte_mbuf *packet)
{
	uint32_t size = 0;

	for (; packet != NULL; packet = packet->next)
		size += packet->data_len;
	return size;
}

/* Buffers for a copy of so many bytes, chained, as one packet; 0: there are none. */
static uint16_t take_segments(
	struct rte_mempool *pool, uint32_t size, uint32_t room, struct rte_mbuf **segments)
{
	uint32_t n = RTE_MAX((size + room - 1) / room, 1U);

	if (n > MAX_SEGMENTS || rte_mempool_generic_get(pool, (void **)segments, n, NULL) != 0)
		return 0;
	for (uint32_t i = 0; i < n; i++)
		rte_pktmbuf_reset(segments[i]);
	for (uint32_t i = 0; i + 1 < n; i++)
		segments[i]->next = segments[i + 1];
	segments[0]->nb_segs = (uint16_t)n;
	segments[0]->pkt_len = size;
	return (uint16_t)n;
}

static uint64_t time_of(const struct fc_pdump_target *target, uint64_t cycles)
{
	uint64_t hz = rte_get_tsc_hz(), delta = cycles - target->base_cycles;

	if (FC_PCAPNG_TIME_IS_CYCLES)
		return cycles;
	return target->base_ns + delta / hz * NS_PER_S + delta % hz * NS_PER_S / hz;
}

static struct rte_mbuf *copy_packet(const struct fc_pdump_point *point,
	const struct fc_pdump_target *target, const struct rte_mbuf *packet, uint64_t cycles)
{
	static const uint32_t padding;
	struct rte_mbuf *segments[MAX_SEGMENTS];
	uint32_t n = RTE_MIN(real_size(packet), target->snaplen), padded = RTE_ALIGN(n, 4U);
	uint32_t size = target->is_pcapng ? padded + (uint32_t)(sizeof(struct block_header) +
								sizeof(struct block_trailer))
					  : n;
	uint64_t time = time_of(target, cycles);
	struct block_header header = { BLOCK_TYPE_PACKET, size, 0, (uint32_t)(time >> 32),
		(uint32_t)time, n, packet->pkt_len };
	struct block_trailer trailer = {
		.flags = { OPTION_FLAGS, 4, point->is_tx ? FLAG_OUTBOUND : FLAG_INBOUND },
		.queue = { OPTION_QUEUE, 4, point->queue },
		.length = size,
	};
	struct writer writer = { .segments = segments,
		.room = rte_pktmbuf_data_room_size(target->pool) - RTE_PKTMBUF_HEADROOM };

	if (target->is_pcapng && FC_PCAPNG_IS_LINEAR && size > writer.room)
		return NULL;
	if (take_segments(target->pool, size, writer.room, segments) == 0)
		return NULL;
	segments[0]->port = point->port; /* whoever writes the file finds the interface by it */
	if (target->is_pcapng)
		write_bytes(&writer, &header, sizeof(header));
	write_packet(&writer, packet, n);
	if (target->is_pcapng) {
		write_bytes(&writer, &padding, padded - n);
		write_bytes(&writer, &trailer, sizeof(trailer));
	}
	return segments[0];
}

static void count_up(uint64_t *counter, uint64_t n)
{
	__atomic_store_n(counter, *counter + n, __ATOMIC_RELAXED);
}

/* Whether all that was left is in the ring now. */
static bool put_left(struct fc_pdump_point *point, const struct fc_pdump_target *target)
{
	unsigned n =
		rte_ring_mp_enqueue_burst(target->ring, (void **)point->left, point->n_left, NULL);

	point->n_left = (uint16_t)(point->n_left - n);
	memmove(point->left, point->left + n, point->n_left * sizeof(*point->left));
	return point->n_left == 0;
}

static void copy_some(struct fc_pdump_point *point, const struct fc_pdump_target *target,
	struct rte_mbuf **packets, uint16_t n, uint64_t cycles)
{
	if (point->n_left != 0 && !put_left(point, target)) {
		count_up(&point->stats->ringfull, n);
		return;
	}
	for (uint16_t i = 0; i < n; i++) {
		struct rte_mbuf *copy = copy_packet(point, target, packets[i], cycles);

		if (copy == NULL)
			count_up(&point->stats->nombuf, 1);
		else
			point->left[point->n_left++] = copy;
	}
	count_up(&point->stats->accepted, point->n_left);
	put_left(point, target);
}

void fc_pdump_point_copy(struct fc_pdump_point *point, struct rte_mbuf **packets, uint16_t n)
{
	const struct fc_pdump_target *target;

	atomic_store_explicit(&point->is_busy, true, memory_order_seq_cst);
	target = atomic_load_explicit(&point->target, memory_order_seq_cst);
	if (target != NULL) {
		uint64_t cycles = rte_rdtsc();

		for (uint16_t i = 0; i < n; i = (uint16_t)(i + FC_PDUMP_BURST))
			copy_some(point, target, packets + i,
				(uint16_t)RTE_MIN(n - i, FC_PDUMP_BURST), cycles);
	}
	atomic_store_explicit(&point->is_busy, false, memory_order_release);
}

static uint16_t see_received(uint16_t port, uint16_t queue, struct rte_mbuf **packets, uint16_t n,
	uint16_t max, void *point)
{
	RTE_SET_USED(port);
	RTE_SET_USED(queue);
	RTE_SET_USED(max);
	if (n != 0)
		fc_pdump_point_copy(point, packets, n);
	return n;
}

static uint16_t see_sent(
	uint16_t port, uint16_t queue, struct rte_mbuf **packets, uint16_t n, void *point)
{
	return see_received(port, queue, packets, n, n, point);
}

int fc_pdump_point_install(struct fc_pdump_point *point)
{
	if (point->is_tx)
		point->callback =
			rte_eth_add_tx_callback(point->port, point->queue, see_sent, point);
	else
		point->callback = rte_eth_add_first_rx_callback(
			point->port, point->queue, see_received, point);
	return point->callback != NULL ? 0 : -rte_errno;
}

void fc_pdump_point_remove(struct fc_pdump_point *point)
{
	if (point->is_tx)
		rte_eth_remove_tx_callback(point->port, point->queue, point->callback);
	else
		rte_eth_remove_rx_callback(point->port, point->queue, point->callback);
}

bool fc_pdump_point_end(struct fc_pdump_point *point, unsigned patience_ms)
{
	static const struct timespec a_moment = { .tv_nsec = 20000 };

	atomic_store_explicit(&point->target, NULL, memory_order_seq_cst);
	for (unsigned i = 0; i < patience_ms * 50; i++) {
		if (!atomic_load_explicit(&point->is_busy, memory_order_seq_cst))
			return true;
		nanosleep(&a_moment, NULL);
	}
	return false;
}
