/* SPDX-License-Identifier: MIT */
#ifndef FC_CHANGE_H
#define FC_CHANGE_H

#include "state.h"

/**
 * From one generation to the next.
 *
 * All that an lcore has to know of it reaches the lcore as orders, which it follows between two
 * rounds; three of them make the change:
 *
 *	1. new routes are known to those who receive over handoffs,
 *	2. rx queues give to the new routes,
 *	   (then what was given to the old ones is waited for)
 *	3. the old routes are forgotten; feeds change to their new outputs.
 *
 * So no packet meets a route that does not exist, and each feed sees all packets in their order.
 */

enum { FC_LEARN, FC_SWITCH, FC_FORGET, FC_N_STEPS };

struct fc_change {
	struct fc_generation *next;
	struct fc_orders *orders[FC_N_STEPS]; /* of each lane of the engine */
	struct fc_intake_order *intakes;
	struct fc_feed_order *feeds;
	struct fc_table_order *tables;
	struct fc_backlog *backlogs; /* for feeds of which the rings become larger */
	uint32_t n_backlogs;
};

/** Write the orders for the change to its `next`. @return 0 or -ENOMEM. */
int fc_change_make_orders(const struct fc_engine *engine, struct fc_change *change);

/**
 * Start the ports of a new generation that are not there yet, and pause and set up those that are
 * not kept.
 *
 * @return  0, or -EIO with the reason in @p findings: then all are as they were.
 */
int fc_change_ports(
	struct fc_engine *engine, struct fc_generation *next, struct fc_findings *findings);

/** Free the change, but not its generation. */
void fc_change_free(struct fc_change *change);

#endif
