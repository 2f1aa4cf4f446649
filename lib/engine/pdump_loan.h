/* SPDX-License-Identifier: MIT */
#ifndef FC_PDUMP_LOAN_H
#define FC_PDUMP_LOAN_H

#include <stdbool.h>

#include <rte_mempool.h>
#include <rte_ring.h>

/**
 * A ring and a pool of another process, which lcores use.
 *
 * While they do, that process cannot free them: it gives up waiting for an answer after five
 * seconds, and frees them whatever the answer is. So what says where their memory is is taken out
 * of them, and rte_ring_free() and rte_mempool_free() find nothing to free.
 */
struct fc_pdump_loan {
	struct rte_ring *ring;
	struct rte_mempool *pool;
	bool is_held;
	const struct rte_memzone *ring_zone, *pool_ring_zone, *pool_zone;
	struct rte_mempool_memhdr_list chunks;
};

/** Whether lcores can use this ring and pool at all. @return 0, or -EINVAL. Control thread. */
int fc_pdump_loan_check(const struct rte_ring *ring, const struct rte_mempool *pool);

/**
 * Take the memory, and the pool's caches: lcores and the other process's threads may have the same
 * numbers, and would use the same caches.
 *
 * The other process must be waiting meanwhile, as it does for an answer. Control thread.
 */
void fc_pdump_loan_hold(
	struct fc_pdump_loan *loan, struct rte_ring *ring, struct rte_mempool *pool);

/** Give the memory back. No lcore uses it. Once only; any thread. */
void fc_pdump_loan_give_back(struct fc_pdump_loan *loan);

/**
 * Free a ring, and then a pool, by its name, whose process is no more; nothing where there is none.
 *
 * What that process was doing with it when it died may have been interrupted anywhere. Control
 * thread.
 */
void fc_pdump_free_ring(const char *name);
void fc_pdump_free_pool(const char *name);

#endif
