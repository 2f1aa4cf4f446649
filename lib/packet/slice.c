/* SPDX-License-Identifier: MIT */
#include <fc_slice.h>

void fc_slice(struct rte_mbuf *packet, uint32_t length)
{
	struct rte_mbuf *segment = packet;
	uint32_t left = length;
	uint16_t n_segments = 1;

	if (packet->pkt_len <= length)
		return;
	while (segment->data_len < left) {
		left -= segment->data_len;
		segment = segment->next;
		n_segments++;
	}
	segment->data_len = (uint16_t)left;
	if (segment->next != NULL) {
		rte_pktmbuf_free(segment->next);
		segment->next = NULL;
	}
	packet->nb_segs = n_segments;
	packet->pkt_len = length;
}
