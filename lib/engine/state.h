/* SPDX-License-Identifier: MIT */
#ifndef FC_STATE_H
#define FC_STATE_H

#include <fc_engine.h>

#include <rte_ethdev.h>

#include "lane.h"

/** A tap at run time. */
struct fc_tap {
	/*
	 * One for each rx queue that its port has had: with fewer queues, the others keep what they
	 * have counted. Control: wo, any thread: ro; what is not there is not counted.
	 */
	_Atomic uint16_t n_intakes;
	struct fc_intake *intakes[FC_MAX_QUEUES];
	/* How many segments it has forwarded; its rx lcores: rw, tx lcores: ro. On a line of its
	 * own. */
	alignas(RTE_CACHE_LINE_SIZE) _Atomic uint64_t reached;
};

/** What a tap's intake of one rx queue has in one generation. */
struct fc_outlets {
	struct fc_chain chain;
	bool is_borrowed; /* its states are still those of the generation before */
	uint16_t n_routes;
	struct fc_route *routes; /* of fc_generation.routes */
};

/**
 * What one configuration has come to. It never changes; a reload makes another one beside it, which
 * then takes its place. Ports, taps, feeds and what else has a state go on in the next one, where
 * they are the same there; all else is made anew.
 *
 * Arrays by port or lane are as in the plan, by tap or output as in the configuration.
 */
struct fc_generation {
	struct fc_config *config;
	struct fc_plan *plan;
	uint16_t parity; /* of its routes, see lane.h */
	struct fc_port **ports;
	struct rte_mempool **rx_pools, **host_pools; /* of each port; NULL: none */
	struct fc_station **stations;		     /* of each port; NULL: no tunnel there */
	struct fc_queue **queues;		     /* of each port; NULL: not polled */
	struct fc_tap **taps;
	struct fc_outlets **outlets; /* of each tap: of each rx queue */
	struct fc_output **outputs;
	struct fc_feed_stats *ended; /* of each output: what it had of feeds that are no more */
	struct fc_feed **feeds;	     /* output by output, in the order of their `from` */
	uint32_t *first_feed;	     /* of each output: index of its first feed */
	uint32_t n_feeds;
	struct fc_route *routes; /* see wiring.c */
	uint32_t n_routes;
	struct fc_route ***tables; /* [rx lane * n_lanes + tx lane] of the engine: its routes */
	uint16_t *n_in_table;	   /* how many */
	uint16_t *lane_of;	   /* of each lane of the plan: that of the engine */
	struct fc_work *works;	   /* of each lane of the engine */
};

/** A device that was plugged out, and can be plugged in again. */
struct fc_device {
	char name[FC_PORT_NAME_SIZE];
	char args[FC_DEVICE_ARGS_SIZE];
};

/** A pool that is not used any more, but of which a driver or an lcore still has buffers. */
struct fc_old_pool {
	struct rte_mempool *pool;
	uint32_t n_kept;
	bool was_full; /* when last looked; it is freed when every lcore has begun a round since */
	uint32_t epoch;
};

/** Everything that the engine has; the control thread's. */
struct fc_engine {
	struct fc_generation *now;
	uint16_t n_lanes; /* one for each lcore that may work */
	struct fc_lcore_facts lcores[FC_MAX_LCORES];
	struct fc_lane *lanes;
	struct fc_handoff *handoffs;  /* [rx lane * n_lanes + tx lane], ring NULL: none yet */
	struct fc_inbound **inbounds; /* the same; the other end */
	uint32_t epoch;		      /* the last one that the lanes were told of */
	uint16_t n_made;	      /* pools and stations; numbers their names */
	bool is_running;
	bool has_told_tags; /* that net_af_packet changes some */
	uint16_t n_devices, n_plugged, n_old_pools;
	struct fc_device *devices;	    /* that can be plugged in again */
	char (*plugged)[FC_PORT_NAME_SIZE]; /* in for the change that is being prepared */
	struct fc_old_pool *old_pools;
	uint64_t next_return_ms; /* when to look for ports that have returned */
	uint64_t return_pause_ms;
};

/**
 * Make the plan of a configuration.
 *
 * @param dry  Plug nothing in; what could be is assumed.
 * @return     0; -EINVAL or -ENOMEM with the reasons in @p findings.
 */
int fc_engine_plan_for(struct fc_engine *engine, const struct fc_config *config, bool dry,
	struct fc_findings *findings, struct fc_plan **plan);

/** The port of this name in the generation that runs, or NULL. */
struct fc_port *fc_engine_find_port(const struct fc_engine *engine, const char *name);

/** Read a feed's counters. */
void fc_feed_read(const struct fc_generation *generation, uint16_t tap, const struct fc_feed *feed,
	struct fc_feed_stats *stats);

/** Add the counters of one feed to a sum. */
void fc_feed_stats_add(struct fc_feed_stats *sum, const struct fc_feed_stats *stats);

#endif
