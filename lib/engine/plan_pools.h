/* SPDX-License-Identifier: MIT */
#ifndef FC_PLAN_POOLS_H
#define FC_PLAN_POOLS_H

#include <fc_plan.h>

#define FC_MAX_TAGS 2 /* VLAN tags that a frame may have beyond a port's MTU */
#define FC_TAG_SIZE 4

/** Outer fragments that wait for the others, in each rx queue that tunnels end at. */
#define FC_REASSEMBLY_DATAGRAMS 1024
#define FC_REASSEMBLY_MBUFS	4096
#define FC_REASSEMBLY_MS	1000 /* that they wait */

/**
 * Say how many buffers of what size each pool has.
 *
 * @param plan  Complete but for what this sets: pools, windows, what copies are needed for.
 */
void fc_plan_pools(struct fc_plan *plan);

#define FC_PLAN_MIN_WINDOW (4 * FC_BURST) /* of a tap */

/**
 * Say which ports that run are kept with their pools, and what their taps' windows are then.
 *
 * @param before  The plan that they run by.
 */
void fc_plan_keep(struct fc_plan *plan, const struct fc_plan *before, struct fc_findings *findings);

#endif
