/* SPDX-License-Identifier: MIT */
#ifndef FC_LANES_H
#define FC_LANES_H

#include "state.h"

/** What the control thread does with the lanes. */

/** Have every lane say when it has seen all that was written until now. @return The epoch. */
uint32_t fc_engine_begin_epoch(struct fc_engine *engine);
bool fc_engine_has_seen(const struct fc_engine *engine, uint32_t epoch);

/** Do both: wait until every lane has. */
void fc_engine_settle(struct fc_engine *engine);

/** Let the lcores go on for a moment, before looking again whether they have come to something. */
void fc_engine_pause(void);

/** Whether the lane's lcore works on it. */
static inline bool fc_engine_is_working(const struct fc_lane *lane)
{
	return atomic_load_explicit(&lane->phase_seen, memory_order_acquire) != FC_PHASE_STOP;
}

/** Have an lcore work on its lane. @return 0 or -EBUSY. */
int fc_engine_launch(struct fc_lane *lane);

/** Let a lane end, and wait for that. */
void fc_engine_halt(struct fc_lane *lane);

#endif
