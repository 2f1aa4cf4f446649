/* SPDX-License-Identifier: MIT */
#ifndef FC_STATE_H
#define FC_STATE_H

#include <fc_engine.h>

#include <rte_ethdev.h>

#include "lane.h"

/** A tap at run time. */
struct fc_tap {
	uint16_t n_queues;
	struct fc_intake *intakes; /* one for each rx queue of its port */
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
	uint16_t n_devices, n_plugged, n_old_pools;
	struct fc_device *devices;	    /* that can be plugged in again */
	char (*plugged)[FC_PORT_NAME_SIZE]; /* in for the change that is being prepared */
	struct fc_old_pool *old_pools;
	uint64_t next_return_ms; /* when to look for ports that have returned */
	uint64_t return_pause_ms;
};

/**
 * Make a generation beside the one that runs.
 *
 * @param plan  The generation's; freed when this fails.
 * @return      0; -EINVAL or -ENOMEM with the reason in @p findings.
 */
int fc_generation_make(struct fc_engine *engine, struct fc_config *config, struct fc_plan *plan,
	struct fc_findings *findings, struct fc_generation **generation);

/**
 * Free what @p generation has and @p other (NULL: none) has not, but not its configuration.
 * Its feeds are empty, and no lcore works on it any more, or yet.
 */
void fc_generation_free(struct fc_engine *engine, struct fc_generation *generation,
	const struct fc_generation *other);

/** Make routes, handoffs and lists of work. @return 0 or -errno. */
int fc_wiring_make(struct fc_engine *engine, struct fc_generation *next);
void fc_wiring_free(const struct fc_engine *engine, struct fc_generation *generation);

/** The feed of a tap and an output, or NULL. */
struct fc_feed *fc_generation_feed(
	const struct fc_generation *generation, uint16_t tap, uint16_t output);

/** Whether it has this feed; NULL has none. */
bool fc_generation_has_feed(const struct fc_generation *generation, const struct fc_feed *feed);

/** Index of the tap or output of this name, or -1. */
int fc_generation_find_tap(const struct fc_generation *generation, const char *name);
int fc_generation_find_output(const struct fc_generation *generation, const char *name);

/** The routes of a tap and rx queue that reach a feed; NULL: none. */
const struct fc_route *fc_generation_route(const struct fc_generation *generation, uint16_t tap,
	uint16_t queue, const struct fc_feed *feed);

/** Read a feed's counters. */
void fc_feed_read(const struct fc_generation *generation, uint16_t tap, const struct fc_feed *feed,
	struct fc_feed_stats *stats);

/** Add the counters of one feed to a sum. */
void fc_feed_stats_add(struct fc_feed_stats *sum, const struct fc_feed_stats *stats);

/** Have every lane say when it has seen all that was written until now. @return The epoch. */
uint32_t fc_engine_begin_epoch(struct fc_engine *engine);
bool fc_engine_has_seen(const struct fc_engine *engine, uint32_t epoch);

/** Do both: wait until every lane has. */
void fc_engine_settle(struct fc_engine *engine);

/** Whether the lane's lcore works on it. */
static inline bool fc_engine_is_working(const struct fc_lane *lane)
{
	return atomic_load_explicit(&lane->phase_seen, memory_order_acquire) != FC_PHASE_STOP;
}

/** Have an lcore work on its lane. @return 0 or -EBUSY. */
int fc_engine_launch(struct fc_lane *lane);

/** Let a lane end, and wait for that. */
void fc_engine_halt(struct fc_lane *lane);

/**
 * Make the plan of a configuration.
 *
 * @param dry  Plug nothing in; what could be is assumed.
 * @return     0; -EINVAL or -ENOMEM with the reasons in @p findings.
 */
int fc_engine_plan_for(struct fc_engine *engine, const struct fc_config *config, bool dry,
	struct fc_findings *findings, struct fc_plan **plan);

/** Free a pool some time after all its buffers are back. NULL is allowed. */
void fc_old_pools_add(struct fc_engine *engine, struct rte_mempool *pool, uint32_t n_kept);
void fc_old_pools_reap(struct fc_engine *engine);

/** Free them all, whatever they lack. */
void fc_old_pools_free(struct fc_engine *engine);

/** Plug in what a configuration needs and EAL lacks. @return 0, or -ENODEV. */
int fc_plug_in(struct fc_engine *engine, const struct fc_config *config, const char *name);

/**
 * Whether a port that does not run can be taken: EAL has it, its PCI device is with a driver that
 * gives it to programs, or the kernel interface that it is made of exists.
 */
bool fc_plug_is_there(
	const struct fc_engine *engine, const struct fc_config *config, const char *name);

/** The port of this name in the generation that runs, or NULL. */
struct fc_port *fc_engine_find_port(const struct fc_engine *engine, const char *name);

/** Whether fc_plug_in() would try. */
bool fc_plug_can(const struct fc_engine *engine, const struct fc_config *config, const char *name);

/** Close a port that is not needed any more, unplug its device and remember how it was plugged in.
 */
void fc_plug_out(struct fc_engine *engine, struct fc_port *port);

/** Close a port that has gone, and unplug its device, so that it can return. */
void fc_plug_let_go(struct fc_port *port);

/** Free what fc_plug_out() remembers. */
void fc_plug_end(struct fc_engine *engine);

/** Unplug what was plugged in for a change that comes to nothing. */
void fc_plug_undo(struct fc_engine *engine);

/**
 * Start the ports of a new generation that are not there yet, and pause and set up those that are
 * not kept.
 *
 * @return  0, or -EIO with the reason in @p findings: then all are as they were.
 */
int fc_change_ports(
	struct fc_engine *engine, struct fc_generation *next, struct fc_findings *findings);

#endif
