/* SPDX-License-Identifier: MIT */
#ifndef FC_STATION_H
#define FC_STATION_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_mempool.h>
#include <rte_ring.h>

#include <fc_config.h>
#include <fc_findings.h>
#include <fc_tunnel_pop.h>

#include "next_hop.h"
#include "port.h"
#include "tunnel.h"

/**
 * A port where tunnels end or begin, as a host on its link.
 *
 * Its rx lcores hand over what is addressed to the host itself (`heard`). The control thread reads
 * it, answers requests and pings for the port's own addresses, keeps the MAC addresses of the next
 * hops, and has the port's tx lcore send what it says (`said`). Both rings are bounded: who floods
 * the port with requests is answered as far as they go.
 */

/** An address that answers. */
struct fc_station_host {
	struct fc_address address;
	bool any_vlan;
	uint16_t vlan; /* VID of the tag that requests must have, 0: no tag */
};

/** A next hop, of one or of several tunnels. */
struct fc_station_hop {
	struct fc_next_hop hop;
	struct fc_neighbour_host self; /* who asks for it */
	uint16_t n_tunnels;
	struct fc_tunnel **tunnels; /* get its MAC address */
};

struct fc_station {
	struct fc_port *port;
	const struct fc_station *before; /* whose place it will take, until it does */
	uint8_t mac[FC_MAC_SIZE];
	struct fc_tunnel_ends ends; /* control: wo before the lcores run; rx lcores: ro */
	uint16_t n_hosts, n_hops, n_heard;
	struct fc_station_host *hosts;
	struct fc_station_hop *hops;
	struct rte_ring **heard;  /* one for each rx queue */
	struct rte_ring *said;	  /* NULL: the port cannot send */
	struct rte_mempool *pool; /* of what is said */
	bool was_up;
	bool shares_rings; /* they are those of another station, which it succeeds or precedes */
};

/**
 * Make a station without addresses.
 *
 * @param index     Of the port; names its rings.
 * @param pool      For what it says; NULL when the port cannot send.
 * @param findings  Gets the reason of a failure.
 * @return          NULL: no memory. Control thread.
 */
struct fc_station *fc_station_new(struct fc_port *port, const struct fc_plan_port *plan,
	uint16_t index, struct rte_mempool *pool, struct fc_findings *findings);

/**
 * Make a station that will take the place of another one of the same port: with its rings, and with
 * what that knows of next hops when they are added. fc_station_succeed() makes them its own.
 *
 * @return  NULL: no memory. Control thread.
 */
struct fc_station *fc_station_new_after(
	struct fc_station *before, const struct fc_plan_port *plan, struct rte_mempool *pool);

/** Leave the rings to the station that was made after it. Control thread. */
void fc_station_succeed(struct fc_station *before, struct fc_station *station);

/** Free it; NULL is allowed. Control thread, the lcores have stopped. */
void fc_station_free(struct fc_station *station);

/** Have it answer for the end of a tunnel. @return 0, -ENOSPC or -ENOMEM. Control thread. */
int fc_station_add_end(struct fc_station *station, const struct fc_decap *decap);

/**
 * Have it answer for the beginning of a tunnel, and look for its next hop.
 *
 * @param tunnel  Prepared; its destination is set now when the configuration has it, else later.
 * @return        As fc_station_add_end().
 */
int fc_station_add_hop(
	struct fc_station *station, const struct fc_encap *encap, struct fc_tunnel *tunnel);

/** Hear, answer and ask; to be called every few milliseconds. Control thread. */
void fc_station_tend(struct fc_station *station, uint64_t now_ms);

/** Send what was said. @return How many frames there were. The port's tx lcore. */
unsigned fc_station_speak(struct fc_station *station);

/** Free what nobody has heard or sent. Control thread, the lcores have stopped. */
void fc_station_empty(struct fc_station *station);

#endif
