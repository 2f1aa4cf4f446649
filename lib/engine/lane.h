/* SPDX-License-Identifier: MIT */
#ifndef FC_LANE_H
#define FC_LANE_H

#include <stdatomic.h>
#include <stdint.h>

#include "queue.h"
#include "station.h"

/** What the lanes are to do; the control thread leads them from one to the next. */
enum fc_phase {
	FC_PHASE_RUN,	/**< receive and send */
	FC_PHASE_DRAIN, /**< send what is there, receive nothing */
	FC_PHASE_STOP,	/**< return */
};

/*
 * The routes of two generations can be told apart by the highest bit of their indexes, so that
 * packets that are still on their way when a generation ends find the feeds that they are for.
 */
#define FC_ROUTE_PARITY_SHIFT 15
#define FC_ROUTE_INDEX(route) ((route) & ((1U << FC_ROUTE_PARITY_SHIFT) - 1))

/** The receiving end of a handoff. */
struct fc_inbound {
	struct fc_handoff_reader reader;
	struct fc_route **routes[2]; /* by parity and index in the burst's header */
};

/** The route of a burst that came over a handoff. */
static inline struct fc_route *fc_inbound_route(const struct fc_inbound *inbound, uint16_t route)
{
	return inbound->routes[route >> FC_ROUTE_PARITY_SHIFT][FC_ROUTE_INDEX(route)];
}

/** What an lcore has to look after. The arrays belong to the engine. */
struct fc_work {
	uint32_t idle_us; /* longest sleep */
	uint16_t n_queues, n_ears, n_inbound, n_feeds, n_stations;
	struct fc_queue **queues; /* of taps */
	struct fc_queue **ears;	  /* of ports that receive only for their own address */
	struct fc_inbound **inbound;
	struct fc_feed **feeds;
	struct fc_station **stations; /* that it speaks for */
};

/** Where the bursts of an rx queue are to go from now on, and how they are edited before. */
struct fc_intake_order {
	struct fc_intake *intake;
	bool is_alone; /* changes only while the port is paused */
	uint16_t n_routes;
	struct fc_route *routes;
	const struct fc_chain *chain; /* is copied, its stages' states are not */
	struct fc_private how;
};

/** What a feed sends by from now on. */
struct fc_feed_order {
	struct fc_feed *feed;
	struct fc_output *output; /* of the same port */
	uint64_t window;
	struct fc_backlog *larger; /* memory for its backlog, NULL: it has enough */
};

/** The routes that come over a handoff. */
struct fc_table_order {
	struct fc_inbound *inbound;
	uint16_t parity;
	struct fc_route **routes;
};

/** What an lcore is to change between two of its rounds. All belongs to the engine. */
struct fc_orders {
	struct fc_work work;
	uint16_t n_intakes, n_feeds, n_tables;
	struct fc_intake_order *intakes;
	struct fc_feed_order *feeds;
	struct fc_table_order *tables;
};

/** One lcore. The control thread sets it up; then only the lcore changes it, and by orders. */
struct fc_lane {
	unsigned lcore_id;
	struct fc_work work;
	uint16_t first_feed;	     /* whose turn it is to drain first */
	bool is_pressed;	     /* a source had more to give in the last round */
	uint16_t n_pressed_rounds;   /* in a row */
	uint16_t n_deaf_rounds;	     /* since it looked after ears and stations */
	struct fc_burst_ports ports; /* for its outputs */

	_Atomic int phase;	/* control: wo, lcore: ro */
	_Atomic int phase_seen; /* lcore: wo, control: ro */

	uint64_t n_rounds_seen; /* control: rw; see fc_engine_has_advanced() */
	/*
	 * Whatever the control thread writes before it raises `epoch`, the lcore has seen when it
	 * says the same number: every round that began without knowing has ended.
	 */
	_Atomic uint32_t epoch;	     /* control: wo, lcore: ro */
	_Atomic uint32_t epoch_seen; /* lcore: wo, control: ro */
	/* To be followed once, before a round of a new epoch, by who takes them out; NULL: none.
	 * control: wo, lcore: rw */
	_Atomic(const struct fc_orders *) orders;

	/* lcore: rw, any thread: ro */
	_Atomic uint64_t busy_cycles;
	_Atomic uint64_t idle_cycles;
	_Atomic uint64_t n_rounds;
};

/** Change what the orders say. The lane's lcore; any thread while that does not run. */
void fc_lane_follow(struct fc_lane *lane, const struct fc_orders *orders);

/**
 * Work until told to stop.
 *
 * @param lane  A struct fc_lane.
 * @return      0. Runs on the lane's lcore.
 */
int fc_lane_run(void *lane);

#endif
