/* SPDX-License-Identifier: MIT */
#include <unistd.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_mbuf.h>

#include "pool.h"

#define MIB(bytes) ((double)(bytes) / (1024 * 1024))

static void report(const struct fc_plan_pool *pool, const struct fc_plan *plan, const char *place,
	struct fc_findings *findings)
{
	uint64_t page_size =
		rte_eal_has_hugepages() ? FC_HUGE_PAGE_SIZE : (uint64_t)sysconf(_SC_PAGESIZE);
	uint64_t size = fc_plan_pool_memory(pool, page_size);
	uint64_t sum = fc_plan_memory(plan, pool->socket, page_size) +
		       (pool->socket != -1 ? fc_plan_memory(plan, -1, page_size) : 0);
	char node[32] = "any NUMA node";

	if (pool->socket >= 0)
		snprintf(node, sizeof(node), "NUMA node %d", pool->socket);
	fc_findings_add(findings, FC_ERROR, place,
		"too little memory: its pool needs %.1f MiB (%u buffers of %u bytes) on %s, the "
		"whole configuration %.1f MiB there (%s): give %s, or make the taps' 'ring' "
		"smaller",
		MIB(size), pool->n_mbufs, pool->mbuf_size, node, MIB(sum), rte_strerror(rte_errno),
		rte_eal_has_hugepages() ? "the node more hugepages (dpdk-hugepages.py)"
					: "EAL more memory (-m MEGABYTES)");
}

struct rte_mempool *fc_pool_new(const char *kind, uint16_t index, const struct fc_plan_pool *pool,
	const struct fc_plan *plan, const char *place, struct fc_findings *findings)
{
	char name[RTE_MEMPOOL_NAMESIZE];
	/* A cache as large as a small pool would keep it from those who need its buffers. */
	bool is_large = pool->n_mbufs >= 2 * FC_POOL_CACHE_SIZE;
	unsigned cache_size = pool->has_caches && is_large ? FC_POOL_CACHE_SIZE : 0;
	struct rte_mempool *made;

	snprintf(name, sizeof(name), "fc_%s_%u", kind, index);
	made = rte_pktmbuf_pool_create(
		name, pool->n_mbufs, cache_size, 0, pool->data_room, pool->socket);
	if (made == NULL)
		report(pool, plan, place, findings);
	return made;
}

void fc_pool_flush(struct rte_mempool *pool)
{
	struct rte_mempool_cache *cache =
		pool != NULL ? rte_mempool_default_cache(pool, rte_lcore_id()) : NULL;

	if (cache != NULL)
		rte_mempool_cache_flush(cache, pool);
}

void fc_pool_check(const struct rte_mempool *pool, uint32_t n_kept, struct fc_findings *findings)
{
	unsigned n_missing = pool != NULL ? pool->size - rte_mempool_avail_count(pool) : 0;

	if (n_missing > n_kept)
		fc_findings_add(findings, FC_ERROR, pool->name, "%u of %u buffers are missing",
			n_missing, pool->size);
}
