/* SPDX-License-Identifier: MIT */
#ifndef FC_POOL_H
#define FC_POOL_H

#include <rte_mempool.h>

#include <fc_plan.h>

/**
 * Make a pool of mbufs.
 *
 * @param kind      "tap", "output" or "port"; with @p index it makes the pool's name.
 * @param plan      The whole plan: when memory does not suffice the message gives its sum.
 * @param place     For messages.
 * @return          The pool, or NULL with the reason in @p findings. Control thread.
 */
struct rte_mempool *fc_pool_new(const char *kind, uint16_t index, const struct fc_plan_pool *pool,
	const struct fc_plan *plan, const char *place, struct fc_findings *findings);

/**
 * Give back to a pool what the calling thread keeps of it for itself; nothing for NULL or a thread
 * without an lcore. The control thread, which frees what is heard and what closed ports held, must
 * not withhold buffers from the lcores that need them.
 */
void fc_pool_flush(struct rte_mempool *pool);

/** Say how many buffers are missing from a pool that should be full. A NULL pool is. */
void fc_pool_check(const struct rte_mempool *pool, uint32_t n_kept, struct fc_findings *findings);

#endif
