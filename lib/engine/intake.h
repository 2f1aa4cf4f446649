/* SPDX-License-Identifier: MIT */
#ifndef FC_INTAKE_H
#define FC_INTAKE_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdint.h>

#include "counters.h"
#include "feed.h"
#include "handoff.h"

/** From one rx queue to the feeds of its tap on one lcore. */
struct fc_route {
	/* rx lcore: rw, any thread: ro */
	struct fc_handoff *handoff; /* NULL: the feeds are on the rx lcore itself */
	uint16_t index;		    /* among the routes that come over the handoff */
	struct fc_tally forwarded;
	struct fc_tally handoff_full;

	/* tx lcore: ro */
	alignas(RTE_CACHE_LINE_SIZE) uint16_t n_feeds;
	uint16_t n_sharing;	/* the last so many of the feeds take every packet as it is */
	struct fc_feed **feeds; /* belongs to the engine */
};

/** One rx queue of a tap, on the lcore that polls it. */
struct fc_intake {
	struct fc_port *port;
	uint16_t queue;
	uint16_t n_routes;
	bool is_alone;		 /* the tap's only queue: nobody else moves its position */
	struct fc_route *routes; /* belongs to the engine */
	_Atomic uint64_t
		*reached; /* the tap's position: segments forwarded; shared by its queues */
	struct fc_chain chain;
	struct fc_private how; /* for packets that come in shared, as from net_ring */

	/* this lcore: rw, any thread: ro */
	struct fc_tally rx;
	struct fc_tally forwarded;
	struct fc_tally drops[FC_N_DROPS];
};

/**
 * Receive one burst, edit it and pass it on.
 *
 * When every lcore behind the queue is too busy to take a burst, nothing is received: what is lost
 * then is lost in the NIC, where it costs least, and is counted there.
 *
 * @return  How many packets were received. The rx lcore.
 */
unsigned fc_intake_poll(struct fc_intake *intake);

/**
 * Give a burst to each feed of a route.
 *
 * @param packets  1..FC_BURST packets; one reference of each is given up.
 * @param size     Their bytes.
 * @param start    Position of the first in the tap's stream. The tx lcore.
 */
void fc_route_fan_out(const struct fc_route *route, struct rte_mbuf **packets, uint16_t n,
	uint64_t size, uint64_t start);

#endif
