/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <rte_memory.h>
#include <rte_memzone.h>

#include "pdump_loan.h"

#define MAX_CHUNKS 256 /* of a pool whose making was interrupted */

int fc_pdump_loan_check(const struct rte_ring *ring, const struct rte_mempool *pool)
{
	if (ring == NULL || pool == NULL || rte_mem_virt2memseg_list(ring) == NULL ||
		rte_mem_virt2memseg_list(pool) == NULL)
		return -EINVAL;
	if (rte_ring_is_prod_single(ring) ||
		(pool->flags & (RTE_MEMPOOL_F_SP_PUT | RTE_MEMPOOL_F_SC_GET)) != 0)
		return -EINVAL;
	/* Each process numbers the ways to manage a pool as its drivers were loaded. */
	if (strcmp(rte_mempool_get_ops(pool->ops_index)->name, "ring_mp_mc") != 0)
		return -EINVAL;
	return 0;
}

void fc_pdump_loan_hold(struct fc_pdump_loan *loan, struct rte_ring *ring, struct rte_mempool *pool)
{
	struct rte_ring *pool_ring = pool->pool_data;

	*loan = (struct fc_pdump_loan){
		.ring = ring,
		.pool = pool,
		.is_held = true,
		.ring_zone = ring->memzone,
		.pool_ring_zone = pool_ring->memzone,
		.pool_zone = pool->mz,
		.chunks = pool->mem_list,
	};
	pool->cache_size = 0;
	ring->memzone = NULL;
	pool_ring->memzone = NULL;
	pool->mz = NULL;
	STAILQ_INIT(&pool->mem_list);
}

void fc_pdump_loan_give_back(struct fc_pdump_loan *loan)
{
	struct rte_ring *pool_ring = loan->pool->pool_data;

	loan->is_held = false;
	loan->ring->memzone = loan->ring_zone;
	pool_ring->memzone = loan->pool_ring_zone;
	loan->pool->mz = loan->pool_zone;
	if (!STAILQ_EMPTY(&loan->chunks))
		loan->pool->mem_list = loan->chunks;
}

static const struct rte_memzone *find_zone(const char *prefix, const char *name)
{
	char text[RTE_MEMZONE_NAMESIZE];

	if (snprintf(text, sizeof(text), "%s%s", prefix, name) >= (int)sizeof(text))
		return NULL;
	return rte_memzone_lookup(text);
}

void fc_pdump_free_ring(const char *name)
{
	const struct rte_memzone *zone = find_zone(RTE_RING_MZ_PREFIX, name);
	struct rte_ring *ring;

	if (zone == NULL)
		return;
	ring = rte_ring_lookup(name);
	if (ring != NULL)
		rte_ring_free(ring);
	else /* nobody can find it, not yet or not any more */
		rte_memzone_free(zone);
}

/* In place of the function of a process that is no more, which is not at that address here. */
static void free_chunk(struct rte_mempool_memhdr *chunk, void *zone)
{
	RTE_SET_USED(chunk);
	rte_memzone_free(zone);
}

void fc_pdump_free_pool(const char *name)
{
	const struct rte_memzone *zone = find_zone(RTE_MEMPOOL_MZ_PREFIX, name);
	char part[RTE_MEMZONE_NAMESIZE];
	struct rte_mempool_memhdr *chunk;

	struct rte_mempool *pool;

	if (zone == NULL)
		return;
	pool = zone->addr;
	STAILQ_FOREACH(chunk, &pool->mem_list, next)
	if (chunk->free_cb != NULL)
		chunk->free_cb = free_chunk;
	/* The zone goes last: what says where the rest is is in it. */
	pool->mz = NULL;
	rte_mempool_free(pool);
	/* What it had taken and not yet noted in the pool. */
	snprintf(part, sizeof(part), RTE_MEMPOOL_MZ_PREFIX "%s", name);
	fc_pdump_free_ring(part);
	for (unsigned i = 0; i < MAX_CHUNKS; i++) {
		const struct rte_memzone *rest;

		snprintf(part, sizeof(part), "%s_%u", name, i);
		rest = find_zone(RTE_MEMPOOL_MZ_PREFIX, part);
		if (rest != NULL)
			rte_memzone_free(rest);
	}
	rte_memzone_free(zone);
}
