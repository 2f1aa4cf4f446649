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

/** The receiving end of a handoff. */
struct fc_inbound {
	struct fc_handoff_reader reader;
	struct fc_route **routes; /* by the index in the burst's header; belongs to the engine */
	uint16_t n_routes;
};

/** What one lcore works on. The control thread sets it up; then only the lcore changes it. */
struct fc_lane {
	unsigned lcore_id;
	uint32_t idle_us; /* longest sleep */
	uint16_t n_queues, n_ears, n_inbound, n_feeds, n_stations;
	uint16_t first_feed;	  /* whose turn it is to drain first */
	struct fc_queue **queues; /* of taps */
	struct fc_queue **ears;	  /* of ports that receive only for their own address */
	uint16_t n_deaf_rounds;	  /* since it looked after those and its stations */
	struct fc_inbound *inbound;
	struct fc_feed **feeds;
	struct fc_station **stations; /* that it speaks for */

	_Atomic int phase;	/* control: wo, lcore: ro */
	_Atomic int phase_seen; /* lcore: wo, control: ro */

	uint64_t n_rounds_seen; /* control: rw; see fc_engine_has_advanced() */
	/*
	 * Whatever the control thread writes before it raises `epoch`, the lcore has seen when it
	 * says the same number: every round that began without knowing has ended.
	 */
	_Atomic uint32_t epoch;	     /* control: wo, lcore: ro */
	_Atomic uint32_t epoch_seen; /* lcore: wo, control: ro */

	/* lcore: rw, any thread: ro */
	_Atomic uint64_t busy_cycles;
	_Atomic uint64_t idle_cycles;
	_Atomic uint64_t n_rounds;
};

/**
 * Work until told to stop.
 *
 * @param lane  A struct fc_lane.
 * @return      0. Runs on the lane's lcore.
 */
int fc_lane_run(void *lane);

#endif
