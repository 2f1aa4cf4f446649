/* SPDX-License-Identifier: MIT */
#ifndef FC_MEMORY_ROOM_H
#define FC_MEMORY_ROOM_H

#include <stdint.h>

#define FC_MEMORY_LIMIT_SIZE 160 /* bytes of a limit's name, its end included */

/**
 * How much ordinary memory this process can have: what the machine or a NUMA node has besides its
 * hugepages, and what the memory cgroups of the process allow. A part of each, a 64th and at most a
 * GiB, counts as needed for everything else.
 *
 * The limits of setrlimit(2) are not in it: what they forbid fails at once, where the rest would
 * end a process.
 */
struct fc_memory_room {
	uint64_t total; /* bytes that it could ever have: the smallest limit */
	uint64_t left;	/* bytes that it can get now, besides what it has */
	/* Who sets these: "NUMA node 0", "the machine", "memory cgroup /a/b" */
	char total_limit[FC_MEMORY_LIMIT_SIZE], left_limit[FC_MEMORY_LIMIT_SIZE];
};

/**
 * Find that out. What cannot be read is no limit. Any thread.
 *
 * @param root  Where /proc and /sys are: "", but for tests.
 * @param node  NUMA node; -1: any.
 */
void fc_memory_room_look(struct fc_memory_room *room, const char *root, int node);

#endif
