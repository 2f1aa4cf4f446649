/* SPDX-License-Identifier: MIT */
#ifndef FC_MEMORY_H
#define FC_MEMORY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/**
 * Ordinary memory on a NUMA node, which grows and shrinks in place.
 *
 * Its address space is reserved once, for all the memory that the machine has, so what lies in it
 * never moves. Pages are there once fc_memory_fill() has touched them: locked, so that they are
 * never swapped out, and huge where the kernel has some. No device can reach them, so they are none
 * of EAL's. Core dumps leave them out.
 *
 * The node is a preference: when it is full, pages come from another one. So who wants no such
 * pages looks at the node's free memory first.
 *
 * All zero: none, which fc_memory_end() and fc_memory_trim() allow. One thread at a time calls
 * these functions; lcores use the bytes that are `ready` meanwhile.
 */
struct fc_memory {
	uint8_t *base;	   /* aligned to FC_MEMORY_ALIGNMENT; NULL: none */
	uint64_t size;	   /* bytes that are wanted */
	uint64_t usable;   /* bytes from the start that may be touched, at least `size` */
	uint64_t reserved; /* bytes of address space */
	int node;	   /* -1: any */
	bool is_unlocked;  /* a limit forbids locking, so some pages are not */
	/* Bytes from the start whose pages are there; who fills: wo, any thread: ro */
	_Atomic uint64_t ready;
};

#define FC_MEMORY_ALIGNMENT (UINT64_C(2) << 20) /* of `base`, a huge page */

/**
 * Reserve address space, as much as the machine has memory, and make the first @p size bytes usable
 * and none ready.
 *
 * @param size  Bytes, at least 1; rounded up to pages.
 * @param node  NUMA node; -1, or a kernel that knows none: any.
 * @return      0; -EINVAL when @p size is 0; -ENOMEM when a limit (RLIMIT_AS, the kernel's
 *              overcommitment) forbids so much: nothing is held then.
 */
int fc_memory_begin(struct fc_memory *memory, uint64_t size, int node);

/**
 * The same for memory that never needs so much.
 *
 * A process has 128 TiB of address space, so what there are thousands of, on a machine of some TiB,
 * must not reserve all of it each.
 *
 * @param largest  Bytes that fc_memory_resize() may ask for later.
 */
int fc_memory_begin_within(struct fc_memory *memory, uint64_t size, uint64_t largest, int node);

/**
 * Get the pages of the first min(@p upto, size) bytes, zero unless they have been there before, and
 * raise `ready` (release order) piece by piece.
 *
 * It takes about a second for 3 GiB. Where a memory cgroup's limit is met the kernel ends a process
 * instead of refusing: look at that limit first.
 *
 * @return  0; -errno (-ENOMEM, -EFAULT) when no more can be had: `ready` says what is there, and
 *          another call tries again.
 */
int fc_memory_fill(struct fc_memory *memory, uint64_t upto);

/**
 * Change the size.
 *
 * @param size  Bytes, at least 1; rounded up to pages. Larger: what is more becomes usable, and is
 *              ready when it has been filled. Smaller: nothing else changes before
 *              fc_memory_trim().
 * @return      0; -EINVAL when it is 0; -ENOSPC when so much was not reserved; -ENOMEM. Nothing has
 *              changed on failure.
 */
int fc_memory_resize(struct fc_memory *memory, uint64_t size);

/** Give back what lies behind the size, which nobody may use any more. */
void fc_memory_trim(struct fc_memory *memory);

/** Give everything back. */
void fc_memory_end(struct fc_memory *memory);

#endif
