/* SPDX-License-Identifier: MIT */
#ifndef FC_GENERATION_H
#define FC_GENERATION_H

#include "state.h"

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

/** Give back what the calling thread keeps of the pools for itself. Control thread. */
void fc_generation_flush_pools(const struct fc_generation *generation);

/** Make routes, handoffs and lists of work. @return 0 or -errno. */
int fc_wiring_make(struct fc_engine *engine, struct fc_generation *next);
void fc_wiring_free(const struct fc_engine *engine, struct fc_generation *generation);

/** The feed of a tap and an output, or NULL. */
struct fc_feed *fc_generation_feed(
	const struct fc_generation *generation, uint16_t tap, uint16_t output);

/** Whether it has work for this lane of the engine. */
bool fc_generation_uses(const struct fc_generation *generation, uint16_t lane);

/** Whether it has this feed; NULL has none. */
bool fc_generation_has_feed(const struct fc_generation *generation, const struct fc_feed *feed);

/** Index of the tap or output of this name, or -1. */
int fc_generation_find_tap(const struct fc_generation *generation, const char *name);
int fc_generation_find_output(const struct fc_generation *generation, const char *name);

/** The routes of a tap and rx queue that reach a feed; NULL: none. */
const struct fc_route *fc_generation_route(const struct fc_generation *generation, uint16_t tap,
	uint16_t queue, const struct fc_feed *feed);

/** The rx queues that a tap has in a generation. */
static inline uint16_t fc_generation_n_queues(const struct fc_generation *generation, uint16_t tap)
{
	return generation->plan->ports[generation->plan->taps[tap].port].n_rx_queues;
}

#endif
