/* SPDX-License-Identifier: MIT */
#include <fc_slice.h>
#include <fc_tunnel.h>

#include "ethernet.h"
#include "tunnel_format.h"

/* Bytes of the frame that the tunnel leaves behind; @type gets its EtherType. */
static inline uint32_t left_behind(
	const struct fc_tunnel_header *header, const struct rte_mbuf *packet, rte_be16_t *type)
{
	struct ethernet ethernet;

	*type = RTE_BE16(ETHERTYPE_MIN);
	if (header->type != FC_TUNNEL_GRE || !ethernet_parse(packet, MAX_INNER_TAGS, &ethernet))
		return 0;
	*type = ethernet.type;
	return ethernet.at;
}

enum fc_tunnel_fit fc_tunnel_fit(
	const struct fc_tunnel_header *header, const struct rte_mbuf *packet)
{
	rte_be16_t type;
	uint32_t length = packet->pkt_len - left_behind(header, packet, &type) + header->size -
			  header->ethernet_size;

	if (unlikely(rte_be_to_cpu_16(type) < ETHERTYPE_MIN))
		return FC_TUNNEL_REFUSE;
	if (likely(length <= header->mtu))
		return FC_TUNNEL_FITS;
	if (header->oversize == FC_OVERSIZE_TRUNCATE)
		return FC_TUNNEL_TRUNCATE;
	if (header->oversize == FC_OVERSIZE_FRAGMENT && length <= FC_TUNNEL_MAX_LENGTH)
		return FC_TUNNEL_FRAGMENT;
	return FC_TUNNEL_DROP;
}

void fc_tunnel_truncate(const struct fc_tunnel_header *header, struct rte_mbuf *packet)
{
	rte_be16_t type;

	fc_slice(packet, left_behind(header, packet, &type) + fc_tunnel_max_inner(header));
}

void fc_tunnel_mark_truncated(const struct fc_tunnel_header *header, struct rte_mbuf *packet)
{
	uint8_t *flags = rte_pktmbuf_mtod_offset(packet, uint8_t *, header->size);

	if (header->type == FC_TUNNEL_ERSPAN2)
		flags -= ERSPAN2_SIZE - 2;
	else if (header->type == FC_TUNNEL_ERSPAN3)
		flags -= ERSPAN3_SIZE - 2;
	else
		return;
	*flags |= ERSPAN_TRUNCATED >> 8;
}
