/* SPDX-License-Identifier: MIT */
#include <string.h>

#include <rte_ip.h>

#include "segments.h"

uint16_t segments_sum(const struct rte_mbuf *packet, uint32_t at, uint32_t length)
{
	uint32_t sum = 0, done = 0;

	while (at > packet->data_len) {
		at -= packet->data_len;
		packet = packet->next;
	}
	for (; length > 0; packet = packet->next, at = 0) {
		uint32_t part = RTE_MIN(length, packet->data_len - at);
		uint16_t words =
			rte_raw_cksum(rte_pktmbuf_mtod_offset(packet, const void *, at), part);

		sum += (done & 1) != 0 ? rte_bswap16(words) : words;
		done += part;
		length -= part;
	}
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)(sum + (sum >> 16));
}

void segments_write(struct rte_mbuf *packet, const uint8_t *bytes, uint16_t n)
{
	for (; n > 0; packet = packet->next) {
		uint16_t part = RTE_MIN(n, packet->data_len);

		memcpy(rte_pktmbuf_mtod(packet, void *), bytes, part);
		bytes += part;
		n = (uint16_t)(n - part);
	}
}

/* Take the empty segments behind the first out of the chain. */
static void drop_empty(struct rte_mbuf *packet)
{
	struct rte_mbuf *last = packet;

	while (last->next != NULL && last->next->data_len == 0) {
		struct rte_mbuf *empty = last->next;

		last->next = empty->next;
		packet->nb_segs--;
		empty->next = NULL;
		rte_pktmbuf_free_seg(empty);
	}
}

int segments_pull(struct rte_mbuf *packet, uint16_t n)
{
	uint16_t missing = (uint16_t)(n - RTE_MIN(n, packet->data_len));
	uint8_t *end;
	int room;

	if (missing == 0)
		return 0;
	if (packet->pkt_len < n)
		return -1;
	room = rte_pktmbuf_tailroom(packet) + packet->data_off;
	if (room < missing)
		return -1;
	if (rte_pktmbuf_tailroom(packet) < missing) {
		const uint8_t *from = rte_pktmbuf_mtod(packet, const uint8_t *);

		packet->data_off = (uint16_t)RTE_MIN(room - missing, RTE_PKTMBUF_HEADROOM);
		memmove(rte_pktmbuf_mtod(packet, void *), from, packet->data_len);
	}
	end = rte_pktmbuf_mtod_offset(packet, uint8_t *, packet->data_len);
	packet->data_len = n;
	drop_empty(packet);
	for (; missing > 0; drop_empty(packet)) {
		struct rte_mbuf *next = packet->next;
		uint16_t part = RTE_MIN(missing, next->data_len);

		memcpy(end, rte_pktmbuf_mtod(next, const void *), part);
		end += part;
		next->data_off = (uint16_t)(next->data_off + part);
		next->data_len = (uint16_t)(next->data_len - part);
		missing = (uint16_t)(missing - part);
	}
	return 0;
}
