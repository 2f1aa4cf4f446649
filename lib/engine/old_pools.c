/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "lanes.h"
#include "old_pools.h"

/*
 * Pools that a reload has made superfluous. Their last buffers may be in the descriptors of a port,
 * where they stay until the port sends again; a pool can only be freed when it is full.
 */

static bool is_full(const struct fc_old_pool *old)
{
	return old->pool->size - rte_mempool_avail_count(old->pool) <= old->n_kept;
}

void fc_old_pools_add(struct fc_engine *engine, struct rte_mempool *pool, uint32_t n_kept)
{
	struct fc_old_pool *list;

	if (pool == NULL)
		return;
	list = realloc(engine->old_pools, (engine->n_old_pools + 1U) * sizeof(*list));
	if (list == NULL) /* it is lost, and what is in it can still be used */
		return;
	engine->old_pools = list;
	list[engine->n_old_pools++] = (struct fc_old_pool){ .pool = pool, .n_kept = n_kept };
}

/* A cache counts a buffer a moment before it has it: the lcore that gives it may be at it still. */
static bool is_done_with(struct fc_engine *engine, struct fc_old_pool *old)
{
	if (!is_full(old))
		return false;
	if (!old->was_full)
		old->epoch = fc_engine_begin_epoch(engine);
	else if (fc_engine_has_seen(engine, old->epoch))
		return true;
	old->was_full = true;
	return false;
}

void fc_old_pools_reap(struct fc_engine *engine)
{
	uint16_t n = 0;

	for (uint16_t i = 0; i < engine->n_old_pools; i++) {
		if (is_done_with(engine, &engine->old_pools[i]))
			rte_mempool_free(engine->old_pools[i].pool);
		else
			engine->old_pools[n++] = engine->old_pools[i];
	}
	engine->n_old_pools = n;
}

void fc_old_pools_free(struct fc_engine *engine)
{
	for (uint16_t i = 0; i < engine->n_old_pools; i++)
		rte_mempool_free(engine->old_pools[i].pool);
	free(engine->old_pools);
	engine->old_pools = NULL;
	engine->n_old_pools = 0;
}
