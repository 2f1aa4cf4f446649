/* SPDX-License-Identifier: MIT */
#ifndef FC_STATE_H
#define FC_STATE_H

#include <fc_engine.h>

#include <rte_ethdev.h>

#include "lane.h"

/** A tap at run time. */
struct fc_tap {
	struct fc_intake *intakes; /* one for each rx queue of its port */
	/* How many segments it has forwarded; its rx lcores: rw, tx lcores: ro. On a line of its
	 * own. */
	alignas(RTE_CACHE_LINE_SIZE) _Atomic uint64_t reached;
};

/** Everything that the engine has; the control thread's. */
struct fc_engine {
	const struct fc_config *config;
	struct fc_plan *plan;
	struct fc_port *ports;	   /* as in the plan */
	struct fc_tap *taps;	   /* as in the configuration */
	struct fc_output *outputs; /* as in the configuration */
	struct fc_feed *feeds;	   /* output by output, in the order of their `from` */
	uint32_t *first_feed;	   /* of each output: index of its first feed */
	uint32_t n_feeds;
	struct fc_route *routes; /* see wiring.c */
	uint32_t n_routes;
	struct fc_handoff *handoffs; /* [rx lane * n_lanes + tx lane], ring NULL: none */
	struct fc_lane *lanes;	     /* as in the plan */
	uint32_t epoch;		     /* the last one that the lanes were told of */
	bool is_running;
};

/** Make routes, handoffs and the lanes' lists of work. @return 0 or -errno. */
int fc_wiring_make(struct fc_engine *engine, struct fc_findings *findings);
void fc_wiring_free(struct fc_engine *engine);

/** The feed of a tap and an output, or NULL. */
struct fc_feed *fc_engine_feed(const struct fc_engine *engine, uint16_t tap, uint16_t output);

#endif
