/* SPDX-License-Identifier: MIT */
#ifndef FC_FLOW_H
#define FC_FLOW_H

#include <stdint.h>

#include <rte_mbuf.h>

/**
 * A hash of the flow that a frame belongs to, equal for both directions.
 *
 * It covers the IPv4 or IPv6 addresses behind any VLAN tags, the protocol and, of a packet that is
 * not a fragment, the ports of TCP, UDP, UDP-Lite, SCTP and DCCP. All fragments of a datagram so
 * have one hash, which is not that of the flow's whole packets. Of any other frame it covers the
 * MAC addresses and the EtherType. It is meant to spread flows, not to resist who chooses them.
 *
 * @param packet  An Ethernet frame, only read; headers may be split over segments. A frame of less
 *                than 14 bytes has hash 0.
 * Any thread.
 */
uint32_t fc_flow_hash(const struct rte_mbuf *packet);

/** The UDP source port of a flow, host order: 49152..65535, as RFC 7348 and RFC 8926 advise. */
static inline uint16_t fc_flow_port(uint32_t hash)
{
	return (uint16_t)(0xc000 | hash >> 18);
}

/** The UDP source ports of @p n packets, each from its fc_flow_hash(). Any thread. */
void fc_flow_ports(struct rte_mbuf *const *packets, uint16_t n, uint16_t *ports);

#endif
