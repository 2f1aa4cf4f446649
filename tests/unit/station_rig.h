/* SPDX-License-Identifier: MIT */
#ifndef STATION_RIG_H
#define STATION_RIG_H

#include "engine_rig.h"
#include "station.h"
#include "tunnel_rig.h"

/**
 * A station on a net_ring port. It is 02:00:00:00:00:09, 192.0.2.9 and 2001:db8::9, the peer is
 * 02:00:00:00:00:01, 192.0.2.1 and 2001:db8::1, as in golden_neighbours.h.
 */

#define RIG_HOST_MBUFS 255 /**< of the pool for what it says */

/** A frame and its length; those of golden_neighbours.h are string literals. */
#define BYTES(name) name, sizeof(name) - 1

struct station_rig {
	struct rte_mempool *pool, *host;
	struct rig_port port;
	struct fc_station *station;
	struct fc_tunnel tunnels[2];
};

/** Start the port, and the station without addresses; @p pool is for what it hears. */
void rig_begin(struct station_rig *b, struct rte_mempool *pool);
void rig_end(struct station_rig *b);

/** Make another station, after the first one has been freed. */
void rig_begin_station(struct station_rig *b, bool sends, uint16_t n_rx_queues);

/** Add the end of a tunnel with the address of that number. */
void rig_add_end(struct station_rig *b, uint8_t family, uint8_t host);

/** A tunnel from us to the peer. */
struct fc_encap rig_encap(uint8_t family, uint16_t vlan);

/** Add its beginning, as the engine does: prepare the header, then look for its next hop. */
void rig_add_hop(struct station_rig *b, unsigned tunnel, const struct fc_encap *config);

/** Let it have heard a frame on a queue. */
void rig_hear(struct station_rig *b, uint16_t queue, const char *bytes, uint32_t length);

/** Fail unless the next frame that it sends is this one, of at least 60 bytes. */
void rig_expect_said(struct station_rig *b, const char *bytes, uint32_t length);

/** Fail unless it sends nothing. */
void rig_expect_silence(struct station_rig *b);

/** Fail unless everything was heard, and freed. */
void rig_expect_heard(const struct station_rig *b);

/** Put 802.1Q's tag with this VID behind the addresses. @return The new length. */
uint32_t rig_tag(char *tagged, const char *bytes, uint32_t length, uint16_t vid);

#endif
