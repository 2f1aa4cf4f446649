/* SPDX-License-Identifier: MIT */
#ifndef FC_TUNNEL_TYPE_H
#define FC_TUNNEL_TYPE_H

#include <stdbool.h>
#include <stdint.h>

#define FC_VXLAN_UDP_PORT  4789 /**< RFC 7348 */
#define FC_GENEVE_UDP_PORT 6081 /**< RFC 8926 */

/** How a packet is wrapped. */
enum fc_tunnel_type {
	FC_TUNNEL_NONE,	   /**< not at all */
	FC_TUNNEL_GRE,	   /**< from its network header on, RFC 2784 and RFC 2890 */
	FC_TUNNEL_GRETAP,  /**< the frame in GRE, protocol type 0x6558 (RFC 7637 section 3.2) */
	FC_TUNNEL_ERSPAN1, /**< draft-foschiano-erspan: no sequence number, no session id */
	FC_TUNNEL_ERSPAN2, /**< draft-foschiano-erspan, with both */
	FC_TUNNEL_ERSPAN3, /**< draft-foschiano-erspan, with both and a timestamp */
	FC_TUNNEL_VXLAN,   /**< RFC 7348 */
	FC_TUNNEL_GENEVE,  /**< RFC 8926 */
};

/** What is done with a frame that makes an outer packet above the MTU. */
enum fc_oversize {
	FC_OVERSIZE_FRAGMENT, /**< the outer packet is fragmented */
	FC_OVERSIZE_TRUNCATE, /**< the inner frame is cut to fit */
	FC_OVERSIZE_DROP,     /**< it is dropped and counted */
};

/** Whether packets of this type are carried over UDP. */
static inline bool fc_tunnel_is_udp(enum fc_tunnel_type type)
{
	return type == FC_TUNNEL_VXLAN || type == FC_TUNNEL_GENEVE;
}

/** The UDP port of a tunnel over UDP: @p chosen, or where that is 0 the usual one of its type. */
static inline uint16_t fc_tunnel_udp_port(enum fc_tunnel_type type, uint16_t chosen)
{
	if (chosen != 0)
		return chosen;
	return type == FC_TUNNEL_VXLAN ? FC_VXLAN_UDP_PORT : FC_GENEVE_UDP_PORT;
}

#endif
