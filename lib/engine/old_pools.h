/* SPDX-License-Identifier: MIT */
#ifndef FC_OLD_POOLS_H
#define FC_OLD_POOLS_H

#include "state.h"

/** Pools that a reload has left over. Control thread. */

/** Free a pool some time after all its buffers are back. NULL is allowed. */
void fc_old_pools_add(struct fc_engine *engine, struct rte_mempool *pool, uint32_t n_kept);
void fc_old_pools_reap(struct fc_engine *engine);

/** Free them all, whatever they lack. */
void fc_old_pools_free(struct fc_engine *engine);

#endif
