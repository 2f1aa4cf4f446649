/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <unistd.h>

#include <numa.h>
#include <numaif.h>
#include <sys/mman.h>

#include <rte_common.h>

#include "memory.h"

/*
 * Bytes that become ready at once. Mappings are locked meanwhile, for as long as a huge page takes
 * to be cleared: who waits for that may be of higher priority than who fills.
 */
#define CHUNK_SIZE FC_MEMORY_ALIGNMENT

static uint64_t page_size(void)
{
	return (uint64_t)sysconf(_SC_PAGESIZE);
}

/* All the memory that the machine has. */
static uint64_t physical_size(void)
{
	long n_pages = sysconf(_SC_PHYS_PAGES);

	return n_pages > 0 ? (uint64_t)n_pages * page_size() : 0;
}

/* Get @size bytes of address space, aligned; NULL: too much. */
static uint8_t *reserve_space(uint64_t size)
{
	uint64_t before, behind;
	uint8_t *space = mmap(NULL, size + FC_MEMORY_ALIGNMENT, PROT_NONE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (space == MAP_FAILED)
		return NULL;
	before = RTE_ALIGN_CEIL((uintptr_t)space, FC_MEMORY_ALIGNMENT) - (uintptr_t)space;
	behind = FC_MEMORY_ALIGNMENT - before;
	if (before != 0)
		munmap(space, before);
	if (behind != 0)
		munmap(space + before + size, behind);
	return space + before;
}

/* Where a container forbids mbind(), memory of any node is better than none. */
static void prefer_node(const struct fc_memory *memory)
{
	int node = memory->node;
	struct bitmask *nodes;

	if (node < 0 || numa_available() < 0 || node > numa_max_node())
		return;
	nodes = numa_allocate_nodemask();
	numa_bitmask_setbit(nodes, (unsigned)node);
	/* The kernel takes one bit less than it is told. */
	mbind(memory->base, memory->reserved, MPOL_PREFERRED, nodes->maskp, nodes->size + 1, 0);
	numa_bitmask_free(nodes);
}

static int make_usable(struct fc_memory *memory, uint64_t size)
{
	if (size <= memory->usable)
		return 0;
	if (mprotect(memory->base + memory->usable, size - memory->usable,
		    PROT_READ | PROT_WRITE) != 0)
		return -errno;
	memory->usable = size;
	/* A small one would take more memory than it has bytes; without huge pages it is as good.
	 */
	if (size >= FC_MEMORY_ALIGNMENT)
		madvise(memory->base, memory->reserved, MADV_HUGEPAGE);
	return 0;
}

int fc_memory_begin_within(struct fc_memory *memory, uint64_t size, uint64_t largest, int node)
{
	int err;

	*memory = (struct fc_memory){ .node = node };
	if (size == 0)
		return -EINVAL;
	if (size > SIZE_MAX / 2)
		return -ENOMEM;
	size = RTE_ALIGN_CEIL(size, page_size());
	memory->reserved = RTE_ALIGN_CEIL(RTE_MAX(size, largest), FC_MEMORY_ALIGNMENT);
	memory->base = reserve_space(memory->reserved);
	if (memory->base == NULL) { /* then it cannot grow */
		memory->reserved = RTE_ALIGN_CEIL(size, FC_MEMORY_ALIGNMENT);
		memory->base = reserve_space(memory->reserved);
	}
	if (memory->base == NULL)
		return -ENOMEM;
	prefer_node(memory);
	madvise(memory->base, memory->reserved, MADV_DONTDUMP);
	err = make_usable(memory, size);
	if (err != 0)
		fc_memory_end(memory);
	else
		memory->size = size;
	return err;
}

int fc_memory_begin(struct fc_memory *memory, uint64_t size, int node)
{
	return fc_memory_begin_within(memory, size, physical_size(), node);
}

/* Touch pages that nobody uses yet, for kernels before 5.14. */
static void touch_pages(uint8_t *start, uint64_t size)
{
	uint64_t step = page_size();

	for (uint64_t i = 0; i < size; i += step)
		__atomic_fetch_or(start + i, 0, __ATOMIC_RELAXED);
}

static int populate_pages(uint8_t *start, uint64_t size)
{
	while (madvise(start, size, MADV_POPULATE_WRITE) != 0) {
		if (errno == EINVAL) {
			touch_pages(start, size);
			return 0;
		}
		if (errno != EINTR)
			return -errno;
	}
	return 0;
}

int fc_memory_fill(struct fc_memory *memory, uint64_t upto)
{
	uint64_t ready = atomic_load_explicit(&memory->ready, memory_order_relaxed);
	uint64_t end =
		RTE_MIN(RTE_ALIGN_CEIL(RTE_MIN(upto, memory->size), page_size()), memory->size);

	while (ready < end) {
		/* Pieces end where huge pages do: what is locked and what is not share none. */
		uint64_t next =
			RTE_MIN(RTE_ALIGN_FLOOR(ready + CHUNK_SIZE, FC_MEMORY_ALIGNMENT), end);
		int err = populate_pages(memory->base + ready, next - ready);

		if (err != 0)
			return err;
		/* The pages are there, so nothing but a limit makes this fail. */
		if (!memory->is_unlocked && mlock(memory->base + ready, next - ready) != 0)
			memory->is_unlocked = true;
		ready = next;
		atomic_store_explicit(&memory->ready, ready, memory_order_release);
	}
	return 0;
}

int fc_memory_resize(struct fc_memory *memory, uint64_t size)
{
	int err;

	if (size == 0)
		return -EINVAL;
	if (size > memory->reserved)
		return -ENOSPC;
	size = RTE_ALIGN_CEIL(size, page_size());
	err = make_usable(memory, size);
	if (err == 0)
		memory->size = size;
	return err;
}

void fc_memory_trim(struct fc_memory *memory)
{
	uint64_t size = memory->size, n_behind = memory->usable - size;
	uint64_t ready = atomic_load_explicit(&memory->ready, memory_order_relaxed);

	if (n_behind == 0)
		return;
	if (ready > size)
		atomic_store_explicit(&memory->ready, size, memory_order_release);
	munlock(memory->base + size, n_behind);
	madvise(memory->base + size, n_behind, MADV_DONTNEED);
	/* When the kernel refuses to split the mapping, it stays usable. */
	if (mprotect(memory->base + size, n_behind, PROT_NONE) == 0)
		memory->usable = size;
}

void fc_memory_end(struct fc_memory *memory)
{
	if (memory->base != NULL)
		munmap(memory->base, memory->reserved);
	*memory = (struct fc_memory){ .base = NULL };
}
