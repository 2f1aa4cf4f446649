/* SPDX-License-Identifier: MIT */
#include <string.h>

#include <rte_bitops.h>
#include <rte_common.h>
#include <rte_mbuf_dyn.h>

#include "spool.h"

/* What the control thread does with spools: their memory. */

uint32_t fc_spool_slots(uint64_t size)
{
	return (uint32_t)(size / FC_SPOOL_SLOT_SIZE);
}

uint64_t fc_spool_index_size(uint64_t size)
{
	return fc_spool_slots(size) * sizeof(uint32_t);
}

/* Have small memory, which is wanted at once. */
static int begin_filled(struct fc_memory *memory, uint64_t size, int node)
{
	int ret = fc_memory_begin(memory, size, node);

	if (ret == 0)
		ret = fc_memory_fill(memory, size);
	if (ret != 0)
		fc_memory_end(memory);
	return ret;
}

static int grow_filled(struct fc_memory *memory, uint64_t size)
{
	int ret = size > memory->usable ? fc_memory_resize(memory, size) : 0;

	return ret == 0 ? fc_memory_fill(memory, size) : ret;
}

int fc_spool_begin(struct fc_spool *spool, uint64_t size, struct rte_mempool *pool, int node)
{
	int flag, ret;

	memset(spool, 0, sizeof(*spool));
	ret = fc_memory_begin(&spool->memory, size, node);
	if (ret == 0)
		ret = begin_filled(&spool->table_memory, fc_spool_index_size(size), node);
	if (ret != 0) {
		fc_spool_end(spool);
		return ret;
	}
	spool->table = (void *)spool->table_memory.base;
	/* Drivers that stamp what they receive have registered this when they were probed. */
	spool->stamp_at = rte_mbuf_dynfield_lookup(RTE_MBUF_DYNFIELD_TIMESTAMP_NAME, NULL);
	flag = rte_mbuf_dynflag_lookup(RTE_MBUF_DYNFLAG_RX_TIMESTAMP_NAME, NULL);
	spool->stamp_flag = spool->stamp_at >= 0 && flag >= 0 ? RTE_BIT64(flag) : 0;
	fc_spool_set(spool, size, pool);
	return 0;
}

void fc_spool_end(struct fc_spool *spool)
{
	fc_memory_end(&spool->table_memory);
	fc_memory_end(&spool->memory);
}

int fc_spool_prepare(struct fc_spool *spool, uint64_t size)
{
	int ret = size > spool->memory.size ? fc_memory_resize(&spool->memory, size) : 0;

	return ret == 0 ? grow_filled(&spool->table_memory, fc_spool_index_size(size)) : ret;
}

int fc_spool_reader_prepare(struct fc_spool_reader *reader, uint64_t size)
{
	return grow_filled(&reader->memory, fc_spool_index_size(size));
}

void fc_spool_trim(struct fc_spool *spool, uint64_t size)
{
	if (spool->memory.usable <= size ||
		atomic_load_explicit(&spool->end, memory_order_acquire) > size)
		return;
	if (fc_memory_resize(&spool->memory, size) == 0)
		fc_memory_trim(&spool->memory);
}

uint64_t fc_spool_ready(const struct fc_spool *spool)
{
	return RTE_MIN(
		atomic_load_explicit(&spool->memory.ready, memory_order_relaxed), spool->limit);
}

int fc_spool_reader_begin(struct fc_spool_reader *reader, struct fc_spool *spool,
	struct fc_tally *queued, struct fc_tally *lost)
{
	int ret;

	*reader = (struct fc_spool_reader){ .spool = spool, .queued = queued, .lost = lost };
	ret = begin_filled(
		&reader->memory, fc_spool_index_size(spool->memory.size), spool->memory.node);
	reader->masks = (void *)reader->memory.base;
	return ret;
}

void fc_spool_reader_end(struct fc_spool_reader *reader)
{
	fc_memory_end(&reader->memory);
}
