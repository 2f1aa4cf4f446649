/* SPDX-License-Identifier: MIT */
#ifndef TUNNEL_RIG_H
#define TUNNEL_RIG_H

#include <fc_tunnel.h>
#include <fc_tunnel_pop.h>

/** Tunnels from 192.0.2.1 or 2001:db8::1 to 192.0.2.9 or 2001:db8::9, and their other ends. */

extern const enum fc_tunnel_type rig_types[7];

/** The address number @p host of the tests' network. */
struct fc_address rig_address(uint8_t family, uint8_t host);

/** Parameters with key 5 (none for ERSPAN I), MTU 65535, TTL 64, fragmenting. */
struct fc_tunnel_params rig_params(enum fc_tunnel_type type, uint8_t family);

/** Prepare a header, resolved to 02:00:00:00:00:09; fails the test if it cannot be. */
void rig_prepare(struct fc_tunnel_header *header, const struct fc_tunnel_params *params);

/** Encapsulate frames, whatever their length. */
void rig_push(const struct fc_tunnel_header *header, struct fc_tunnel_state *state,
	struct rte_mbuf **packets, uint16_t n, uint64_t timestamp_ns);

/** One end of each type in both families, in the order of rig_types, IPv4 first. */
void rig_all_ends(struct fc_tunnel_ends *ends);

/** An untagged frame of no protocol that anybody knows, with a payload that @p seed decides. */
void rig_inner(uint8_t *bytes, uint32_t length, uint32_t seed);

/**
 * What comes out of a tunnel for a frame of rig_inner() that goes in: for gre its addresses become
 * zero.
 */
void rig_expect(uint8_t *bytes, enum fc_tunnel_type type);

#endif
