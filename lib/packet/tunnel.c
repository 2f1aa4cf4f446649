/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include <rte_ether.h>
#include <rte_ip.h>

#include <fc_tunnel.h>
#include <fc_vlan.h>

#include "tunnel_format.h"

_Static_assert(FC_TUNNEL_MAX_SIZE >= RTE_ETHER_HDR_LEN + FC_VLAN_TAG_SIZE +
					     sizeof(struct rte_ipv6_hdr) + GRE_SIZE +
					     GRE_OPTION_SIZE + ERSPAN3_SIZE,
	"a header does not fit");

/* A header while it is written, from the outside in. */
struct writer {
	uint8_t bytes[FC_TUNNEL_MAX_SIZE];
	uint8_t size;
};

static void put(struct writer *writer, const void *bytes, size_t n)
{
	memcpy(writer->bytes + writer->size, bytes, n);
	writer->size = (uint8_t)(writer->size + n);
}

static void put8(struct writer *writer, unsigned value)
{
	uint8_t byte = (uint8_t)value;

	put(writer, &byte, sizeof(byte));
}

static void put16(struct writer *writer, unsigned value)
{
	put8(writer, value >> 8);
	put8(writer, value);
}

static void put32(struct writer *writer, uint32_t value)
{
	put16(writer, value >> 16);
	put16(writer, value);
}

/* Bytes behind the outer IP header. */
static uint16_t inner_size(enum fc_tunnel_type type, bool keyed)
{
	switch (type) {
	case FC_TUNNEL_GRE:
	case FC_TUNNEL_GRETAP:
		return keyed ? GRE_SIZE + GRE_OPTION_SIZE : GRE_SIZE;
	case FC_TUNNEL_ERSPAN1:
		return GRE_SIZE;
	case FC_TUNNEL_ERSPAN2:
		return GRE_SIZE + GRE_OPTION_SIZE + ERSPAN2_SIZE;
	case FC_TUNNEL_ERSPAN3:
		return GRE_SIZE + GRE_OPTION_SIZE + ERSPAN3_SIZE;
	case FC_TUNNEL_VXLAN:
		return UDP_SIZE + VXLAN_SIZE;
	case FC_TUNNEL_GENEVE:
		return UDP_SIZE + GENEVE_SIZE;
	case FC_TUNNEL_NONE:
		break;
	}
	return 0;
}

uint16_t fc_tunnel_overhead(enum fc_tunnel_type type, uint8_t family, bool keyed, bool tagged)
{
	size_t ip = family == 6 ? sizeof(struct rte_ipv6_hdr) : sizeof(struct rte_ipv4_hdr);

	return (uint16_t)(RTE_ETHER_HDR_LEN + (tagged ? FC_VLAN_TAG_SIZE : 0) + ip +
			  inner_size(type, keyed));
}

static int check_ranges(const struct fc_tunnel_params *params)
{
	uint32_t max = UINT32_MAX;

	if (params->type == FC_TUNNEL_ERSPAN2 || params->type == FC_TUNNEL_ERSPAN3)
		max = FC_TUNNEL_SESSION_MAX;
	else if (fc_tunnel_is_udp(params->type))
		max = FC_TUNNEL_VNI_MAX;
	if (params->has_key && params->key > max)
		return -ERANGE;
	return params->vlan > 4094 || params->dscp > 63 || params->ttl == 0 ? -ERANGE : 0;
}

static int check(const struct fc_tunnel_params *params)
{
	uint8_t family = params->local.family;

	if (params->type == FC_TUNNEL_NONE || (family != 4 && family != 6) ||
		params->remote.family != family)
		return -EINVAL;
	if (params->has_key && params->type == FC_TUNNEL_ERSPAN1)
		return -EINVAL;
	if (params->mtu < (family == 4 ? FC_TUNNEL_MTU_MIN_IPV4 : FC_TUNNEL_MTU_MIN_IPV6))
		return -EINVAL;
	return check_ranges(params);
}

static void put_ethernet(struct writer *writer, const struct fc_tunnel_params *params)
{
	static const uint8_t unresolved[RTE_ETHER_ADDR_LEN];

	put(writer, unresolved, sizeof(unresolved));
	put(writer, params->mac, sizeof(params->mac));
	if (params->vlan != 0) {
		put16(writer, RTE_ETHER_TYPE_VLAN);
		put16(writer, params->vlan);
	}
	put16(writer, params->local.family == 4 ? RTE_ETHER_TYPE_IPV4 : RTE_ETHER_TYPE_IPV6);
}

static void put_ip(struct writer *writer, const struct fc_tunnel_params *params)
{
	uint8_t protocol = fc_tunnel_is_udp(params->type) ? IPPROTO_UDP : IPPROTO_GRE_;

	if (params->local.family == 4) {
		put8(writer, 0x45);
		put8(writer, params->dscp << 2);
		put16(writer, 0);
		put16(writer, 0);
		put16(writer, params->oversize == FC_OVERSIZE_FRAGMENT ? 0 : RTE_IPV4_HDR_DF_FLAG);
		put8(writer, params->ttl);
		put8(writer, protocol);
		put16(writer, 0);
		put(writer, params->local.bytes, 4);
		put(writer, params->remote.bytes, 4);
		return;
	}
	put32(writer, 6u << 28 | (uint32_t)params->dscp << 22);
	put16(writer, 0);
	put8(writer, protocol);
	put8(writer, params->ttl);
	put(writer, params->local.bytes, 16);
	put(writer, params->remote.bytes, 16);
}

static void put_gre(struct writer *writer, unsigned flags, unsigned protocol)
{
	put16(writer, flags);
	put16(writer, protocol);
	if ((flags & GRE_SEQUENCE) != 0)
		put32(writer, 0);
}

static void put_erspan(struct writer *writer, const struct fc_tunnel_params *params)
{
	bool is_type3 = params->type == FC_TUNNEL_ERSPAN3;
	unsigned version = is_type3 ? ERSPAN_VERSION3 : ERSPAN_VERSION2;

	put_gre(writer, GRE_SEQUENCE, is_type3 ? GRE_PROTOCOL_ERSPAN3 : GRE_PROTOCOL_ERSPAN);
	put16(writer, version << ERSPAN_VERSION_SHIFT);
	put16(writer, params->has_key ? params->key : 0);
	put32(writer, 0);
	if (is_type3) {
		put16(writer, 0);
		put16(writer, ERSPAN_PDU | ERSPAN_GRA_100NS);
	}
}

static void put_inner(struct writer *writer, const struct fc_tunnel_params *params)
{
	uint32_t key = params->has_key ? params->key : 0;

	switch (params->type) {
	case FC_TUNNEL_GRE:
	case FC_TUNNEL_GRETAP:
		put_gre(writer, params->has_key ? GRE_KEY : 0,
			params->type == FC_TUNNEL_GRETAP ? GRE_PROTOCOL_TEB : 0);
		if (params->has_key)
			put32(writer, key);
		break;
	case FC_TUNNEL_ERSPAN1:
		put_gre(writer, 0, GRE_PROTOCOL_ERSPAN);
		break;
	case FC_TUNNEL_ERSPAN2:
	case FC_TUNNEL_ERSPAN3:
		put_erspan(writer, params);
		break;
	case FC_TUNNEL_VXLAN:
	case FC_TUNNEL_GENEVE:
		put16(writer, 0);
		put16(writer, fc_tunnel_udp_port(params->type, params->udp_port));
		put32(writer, 0);
		put32(writer, params->type == FC_TUNNEL_VXLAN ? (uint32_t)VXLAN_HAS_VNI << 24
							      : GRE_PROTOCOL_TEB);
		put32(writer, key << 8);
		break;
	case FC_TUNNEL_NONE:
		break;
	}
}

/* Of an even number of bytes: 16-bit words in host order. */
static uint32_t sum_words(const uint8_t *bytes, size_t n)
{
	uint32_t sum = 0;
	uint16_t word;

	for (size_t i = 0; i < n; i += sizeof(word)) {
		memcpy(&word, bytes + i, sizeof(word));
		sum += be16toh(word);
	}
	return sum;
}

int fc_tunnel_prepare(struct fc_tunnel_header *header, const struct fc_tunnel_params *params)
{
	struct writer writer = { .size = 0 };
	int rc = check(params);
	uint8_t ip_size;

	if (rc != 0)
		return rc;
	*header = (struct fc_tunnel_header){
		.type = params->type,
		.family = params->local.family,
		.mtu = params->mtu,
		.oversize = params->oversize,
		.gre_size = params->has_key ? GRE_SIZE + GRE_OPTION_SIZE : GRE_SIZE,
	};
	put_ethernet(&writer, params);
	header->ethernet_size = writer.size;
	put_ip(&writer, params);
	ip_size = (uint8_t)(writer.size - header->ethernet_size);
	header->ip_sum = sum_words(writer.bytes + header->ethernet_size, ip_size);
	header->udp_sum = sum_words(params->local.bytes, sizeof(params->local.bytes)) +
			  sum_words(params->remote.bytes, sizeof(params->remote.bytes)) +
			  IPPROTO_UDP;
	put_inner(&writer, params);
	header->size = writer.size;
	memcpy(header->bytes + FC_TUNNEL_MAX_SIZE - writer.size, writer.bytes, writer.size);
	memcpy((uint8_t *)&header->source + FC_MAC_SIZE, params->mac, 2);
	return 0;
}

void fc_tunnel_set_destination(struct fc_tunnel_header *header, const uint8_t *mac)
{
	uint64_t destination = 0;

	if (mac != NULL) {
		destination = header->source;
		memcpy(&destination, mac, FC_MAC_SIZE);
	}
	/* The one word is all that a reader needs: nothing has to become visible before it. */
	atomic_store_explicit(&header->destination, destination, memory_order_relaxed);
}

bool fc_tunnel_destination(const struct fc_tunnel_header *header, uint8_t mac[FC_MAC_SIZE])
{
	uint64_t destination = atomic_load_explicit(&header->destination, memory_order_relaxed);

	memcpy(mac, &destination, FC_MAC_SIZE);
	return destination != 0;
}

uint16_t fc_tunnel_max_inner(const struct fc_tunnel_header *header)
{
	return (uint16_t)(header->mtu - (header->size - header->ethernet_size));
}
