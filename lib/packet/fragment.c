/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>

#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_ip_frag.h>

#include <fc_fragment.h>
#include <fc_vlan.h>

/* Give a fragment that begins with its IP header what is missing. */
static int complete(const struct fc_fragment *how, const struct fc_tunnel_header *header,
	const uint8_t *ethernet, rte_be32_t id, struct rte_mbuf *fragment)
{
	char *front;

	if (header->family == 4) {
		struct rte_ipv4_hdr *ip = rte_pktmbuf_mtod(fragment, struct rte_ipv4_hdr *);

		ip->hdr_checksum = 0;
		ip->hdr_checksum = rte_ipv4_cksum(ip);
	} else {
		struct rte_ipv6_fragment_ext *extension = rte_pktmbuf_mtod_offset(
			fragment, struct rte_ipv6_fragment_ext *, sizeof(struct rte_ipv6_hdr));

		extension->id = id;
	}
	front = rte_pktmbuf_prepend(fragment, header->ethernet_size);
	if (front == NULL)
		return -1;
	memcpy(front, ethernet, header->ethernet_size);
	fragment->l3_len = 0;
	return how->linear ? rte_pktmbuf_linearize(fragment) : 0;
}

static int split(const struct fc_fragment *how, const struct fc_tunnel_header *header,
	struct rte_mbuf *packet, struct rte_mbuf **fragments, uint16_t max)
{
	int n;

	if (header->family == 4)
		n = rte_ipv4_fragment_packet(
			packet, fragments, max, header->mtu, how->headers, how->clones);
	else
		n = rte_ipv6_fragment_packet(
			packet, fragments, max, header->mtu, how->headers, how->clones);
	if (n >= 0)
		return n;
	return n == -ENOMEM ? -ENOBUFS : -EMSGSIZE;
}

int fc_fragment(const struct fc_fragment *how, const struct fc_tunnel_header *header,
	struct fc_tunnel_state *state, struct rte_mbuf *packet, struct rte_mbuf **fragments,
	uint16_t max)
{
	uint8_t ethernet[RTE_ETHER_HDR_LEN + FC_VLAN_TAG_SIZE];
	rte_be32_t id = rte_cpu_to_be_32(state->fragment_id);
	int n, rc = 0;

	memcpy(ethernet, rte_pktmbuf_mtod(packet, const void *), header->ethernet_size);
	rte_pktmbuf_adj(packet, header->ethernet_size);
	n = split(how, header, packet, fragments, max);
	for (int i = 0; i < n && rc == 0; i++)
		rc = complete(how, header, ethernet, id, fragments[i]);
	if (n < 0 || rc != 0) {
		if (n > 0)
			rte_pktmbuf_free_bulk(fragments, (unsigned)n);
		/* The header is still there, as nothing has been written. */
		rte_pktmbuf_prepend(packet, header->ethernet_size);
		return n < 0 ? n : -EMSGSIZE;
	}
	if (header->family == 6)
		state->fragment_id++;
	rte_pktmbuf_free(packet);
	return n;
}
