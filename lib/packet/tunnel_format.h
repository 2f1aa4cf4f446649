/* SPDX-License-Identifier: MIT */
#ifndef TUNNEL_FORMAT_H
#define TUNNEL_FORMAT_H

#include <stdint.h>
#include <string.h>

#include <rte_byteorder.h>

/* Numbers of the formats, for both directions. */

#define IPPROTO_GRE_ 47

#define GRE_PROTOCOL_WCCP    0x883e /* Cisco's WCCP: a redirect header, then an IP packet */
#define GRE_PROTOCOL_TEB     0x6558 /* transparent Ethernet bridging */
#define GRE_PROTOCOL_ERSPAN  0x88be
#define GRE_PROTOCOL_ERSPAN3 0x22eb

/* RFC 2784 and RFC 2890: the first 16 bits. */
#define GRE_CHECKSUM 0x8000
#define GRE_KEY	     0x2000
#define GRE_SEQUENCE 0x1000
/* RFC 1701: routing, strict source route and the first bit of the recursion control. */
#define GRE_REFUSED  0x4c00
#define GRE_VERSION  0x0007

#define WCCP_SIZE 4 /* the redirect header */

#define ETHERTYPE_MIN 0x600 /* below, the field is the length of an IEEE 802.3 frame */

#define NVGRE_FLOW_BITS 8 /* RFC 7637: of the key, behind the virtual subnet's id */

#define GRE_SIZE	4
#define GRE_OPTION_SIZE 4 /* of each of checksum, key, sequence number */
#define UDP_SIZE	8
#define VXLAN_SIZE	8
#define GENEVE_SIZE	8
#define ERSPAN2_SIZE	8
#define ERSPAN3_SIZE	12
#define ERSPAN_SUB_SIZE 8 /* platform specific sub-header of type III */

/* Of the first 16 bits of an ERSPAN header. */
#define ERSPAN_VERSION_SHIFT 12
#define ERSPAN_VERSION2	     1 /* of type II */
#define ERSPAN_VERSION3	     2 /* of type III */
/* Of the second. */
#define ERSPAN_COS_SHIFT     13
#define ERSPAN_EN	     0x1800 /* of type II: what became of the frame's tag */
#define ERSPAN_EN_8021Q	     0x1000 /* it was taken off: VLAN and COS of this header hold it */
#define ERSPAN_EN_PRESERVED  0x1800
#define ERSPAN_TRUNCATED     0x0400
#define ERSPAN_SESSION	     0x03ff
/* Of the last of type III. */
#define ERSPAN_PDU	     0x8000
#define ERSPAN_TYPE	     0x7c00
#define ERSPAN_GRA_100NS     0x0002
#define ERSPAN_SUB	     0x0001

#define VXLAN_HAS_VNI	     0x08
#define VXLAN_HAS_NEXT	     0x04 /* VXLAN-GPE: the fourth byte says what follows */
#define VXLAN_NEXT_ETHERNET  3
#define GENEVE_OPTIONS_SIZE  0x3f /* in units of 4 bytes */
#define GENEVE_VERSION	     0xc0
#define GENEVE_CONTROL	     0x80
#define GENEVE_TYPE_CRITICAL 0x80
#define GENEVE_OPTION_SIZE   0x1f /* in units of 4 bytes, without the option's header */

/* Numbers in network order, at any address. */

static inline uint16_t load16(const uint8_t *at)
{
	rte_be16_t value;

	memcpy(&value, at, sizeof(value));
	return rte_be_to_cpu_16(value);
}

static inline uint32_t load32(const uint8_t *at)
{
	rte_be32_t value;

	memcpy(&value, at, sizeof(value));
	return rte_be_to_cpu_32(value);
}

#endif
