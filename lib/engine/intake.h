/* SPDX-License-Identifier: MIT */
#ifndef FC_INTAKE_H
#define FC_INTAKE_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
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

/** What one rx queue gives to one tap, on the lcore that polls it. */
struct fc_intake {
	uint16_t n_routes;
	bool is_alone;		 /* on the tap's only queue: nobody else moves its position */
	struct fc_route *routes; /* belongs to the engine */
	_Atomic uint64_t
		*reached; /* the tap's position: segments forwarded; shared by its queues */
	struct fc_chain chain;
	struct fc_private how; /* for packets that come in shared, as from net_ring */

	/* this lcore: rw, any thread: ro */
	struct fc_tally rx;
	struct fc_tally held; /* outer fragments that did not become a packet of their own */
	struct fc_tally forwarded;
	struct fc_tally drops[FC_N_DROPS];
	struct fc_tally hints[FC_N_HINTS]; /* about packets that are counted above, too */
};

/** Whether a burst can be taken: one of the lcores behind has room, or there is none. The rx lcore.
 */
bool fc_intake_has_room(struct fc_intake *intake);

/**
 * Count received frames, edit them and pass them on.
 *
 * @param packets  1..FC_BURST packets, whose references are given up. The rx lcore.
 * @param longest  Frames of more bytes have arrived cut: fc_intake_drop_cut(). At most
 *                 FC_LONGEST_FRAME.
 */
void fc_intake_take(
	struct fc_intake *intake, struct rte_mbuf **packets, uint16_t n, uint32_t longest);

/**
 * Lose frames of which the end is missing: malformed, with the hint that says so.
 *
 * Of such a frame only pkt_len is looked at, which need not be what its segments hold.
 *
 * @param packets  Packets that have been counted as received, whose references are given up. The
 *                 rx lcore.
 */
void fc_intake_drop_cut(struct fc_intake *intake, struct rte_mbuf **packets, uint16_t n);

/** Edit frames that have been counted and that are at least 14 bytes long, and pass them on. As
 * fc_intake_take(). */
void fc_intake_pass(struct fc_intake *intake, struct rte_mbuf **packets, uint16_t n);

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
