/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include <numa.h>
#include <numaif.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "memory.h"

/* The kernel is the judge: what it says of the mappings, and which pages are there. */

#define MIB    (UINT64_C(1) << 20)
#define NOBODY 65534

/* What /proc/self/smaps says of one mapping. */
struct mapping {
	uintptr_t start, end;
	char access[8];
	uint64_t rss, locked; /* bytes */
	char flags[128];
};

static bool is_old_kernel; /* one that has no MADV_POPULATE_WRITE */

int __real_madvise(void *start, size_t size, int advice);
int __wrap_madvise(void *start, size_t size, int advice);

int __wrap_madvise(void *start, size_t size, int advice)
{
	if (is_old_kernel && advice == MADV_POPULATE_WRITE) {
		errno = EINVAL;
		return -1;
	}
	return __real_madvise(start, size, advice);
}

/* The mapping that an address is in. @return false: none. */
static bool find_mapping(const void *address, struct mapping *found)
{
	FILE *smaps = fopen("/proc/self/smaps", "re");
	struct mapping one = { .start = 0 };
	bool is_there = false;
	char line[512];

	assert_non_null(smaps);
	while (!is_there && fgets(line, sizeof(line), smaps) != NULL) {
		uint64_t kib, start; /* a name may begin like a number */

		if (sscanf(line, "%lx-%lx %7s", &start, &one.end, one.access) == 3)
			one.start = start;
		else if (sscanf(line, "Rss: %lu", &kib) == 1)
			one.rss = kib * 1024;
		else if (sscanf(line, "Locked: %lu", &kib) == 1)
			one.locked = kib * 1024;
		else if (sscanf(line, "VmFlags: %127[^\n]", one.flags) == 1)
			is_there = (uintptr_t)address >= one.start && (uintptr_t)address < one.end;
	}
	fclose(smaps);
	if (is_there)
		*found = one;
	return is_there;
}

/* Bytes of the reserved space whose pages are there, which must be the first ones. */
static uint64_t count_resident(const struct fc_memory *memory)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), n_pages = memory->reserved / page, n = 0;
	unsigned char *is_there = malloc(n_pages);

	assert_non_null(is_there);
	assert_int_equal(mincore(memory->base, memory->reserved, is_there), 0);
	while (n < n_pages && (is_there[n] & 1) != 0)
		n++;
	for (uint64_t i = n; i < n_pages; i++)
		assert_int_equal(is_there[i] & 1, 0);
	free(is_there);
	return n * page;
}

static bool is_zero(const uint8_t *bytes, uint64_t size)
{
	return bytes[0] == 0 && memcmp(bytes, bytes + 1, size - 1) == 0;
}

/* Run it in a process that ordinary limits hold for. */
static void run_limited(int limit, uint64_t value, void (*run)(void))
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		struct rlimit both = { .rlim_cur = value, .rlim_max = value };

		if (setrlimit((__rlimit_resource_t)limit, &both) != 0)
			_exit(100);
		if (geteuid() == 0 && setuid(NOBODY) != 0)
			_exit(101);
		run();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* Sanitizers make mlock() say yes and do nothing. */
static bool is_sanitized(void)
{
	void *page = mmap(NULL, 1, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct mapping mapping = { .start = 0 };
	bool is_locked = mlock(page, 1) == 0;

	assert_true(find_mapping(page, &mapping));
	munmap(page, 1);
	return is_locked && strstr(mapping.flags, "lo") == NULL;
}

/* Whether this process may lock what the tests do. */
static bool may_lock(void)
{
	uint64_t size = 64 * MIB;
	void *space = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	bool may = mlock2(space, size, MLOCK_ONFAULT) == 0;

	munmap(space, size);
	return may && !is_sanitized();
}

/* In a child, where cmocka cannot go on. */
#define EXPECT(what)                                                                               \
	do {                                                                                       \
		if (!(what)) {                                                                     \
			fprintf(stderr, "line %d: %s\n", __LINE__, #what);                         \
			_exit(1);                                                                  \
		}                                                                                  \
	} while (0)

static void test_begin(void **state)
{
	struct fc_memory memory;
	struct mapping mapping;

	(void)state;
	assert_int_equal(fc_memory_begin(&memory, 5 * MIB + 1, -1), 0);
	assert_int_equal((uintptr_t)memory.base % FC_MEMORY_ALIGNMENT, 0);
	assert_int_equal(memory.size, 5 * MIB + (uint64_t)sysconf(_SC_PAGESIZE));
	assert_true(memory.reserved >=
		    (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE));
	assert_int_equal(memory.ready, 0);
	assert_int_equal(count_resident(&memory), 0);

	assert_true(find_mapping(memory.base, &mapping));
	assert_int_equal(mapping.end, (uintptr_t)memory.base + memory.size);
	assert_string_equal(mapping.access, "rw-p");
	assert_non_null(strstr(mapping.flags, "dd"));
	assert_true(find_mapping(memory.base + memory.size, &mapping));
	assert_string_equal(mapping.access, "---p");
	assert_non_null(strstr(mapping.flags, "dd"));
	fc_memory_end(&memory);
}

static void test_fill(void **state)
{
	static const uint64_t steps[] = { 1, 4096, MIB, 17 * MIB, 40 * MIB, UINT64_MAX };
	struct fc_memory memory;
	struct mapping mapping;
	bool is_locked = may_lock();
	uint64_t before = 0;

	(void)state;
	assert_int_equal(fc_memory_begin(&memory, 50 * MIB, -1), 0);
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		uint64_t ready;

		assert_int_equal(fc_memory_fill(&memory, steps[i]), 0);
		ready = memory.ready;
		assert_true(ready >= before);
		assert_true(ready >= (steps[i] < memory.size ? steps[i] : memory.size));
		assert_true(ready <= memory.size);
		/* The kernel may have given a huge page for the first touch. */
		assert_true(count_resident(&memory) >= ready);
		assert_true(count_resident(&memory) < ready + FC_MEMORY_ALIGNMENT);
		assert_true(find_mapping(memory.base, &mapping));
		if (is_locked)
			assert_non_null(strstr(mapping.flags, "lo"));
		assert_true(!is_locked || mapping.end >= (uintptr_t)memory.base + ready);
		before = ready;
	}
	assert_int_equal(before, memory.size);
	assert_int_equal(memory.is_unlocked, !is_locked && !is_sanitized());
	assert_true(is_zero(memory.base, memory.size));
	assert_true(find_mapping(memory.base, &mapping));
	if (is_locked)
		assert_int_equal(mapping.locked, memory.size);
	assert_non_null(strstr(mapping.flags, "dd"));
	fc_memory_end(&memory);
}

/* Huge pages are asked for where one fits, and not for a small memory, which they would triple. */
static void test_huge_pages(void **state)
{
	struct fc_memory memory;
	struct mapping mapping;
	bool has_huge = access("/sys/kernel/mm/transparent_hugepage", F_OK) == 0;

	(void)state;
	if (!has_huge)
		skip();
	assert_int_equal(fc_memory_begin(&memory, MIB, -1), 0);
	assert_int_equal(fc_memory_fill(&memory, MIB), 0);
	assert_true(find_mapping(memory.base, &mapping));
	assert_null(strstr(mapping.flags, "hg"));
	assert_int_equal(fc_memory_resize(&memory, 2 * MIB), 0);
	assert_true(find_mapping(memory.base, &mapping));
	assert_non_null(strstr(mapping.flags, "hg"));
	fc_memory_end(&memory);
}

static void test_resize(void **state)
{
	struct fc_memory memory;
	struct mapping mapping;
	uint8_t *base;

	(void)state;
	assert_int_equal(fc_memory_begin(&memory, 8 * MIB, -1), 0);
	assert_int_equal(fc_memory_fill(&memory, UINT64_MAX), 0);
	base = memory.base;
	memset(base, 0x5a, 8 * MIB);

	assert_int_equal(fc_memory_resize(&memory, 24 * MIB), 0);
	assert_ptr_equal(memory.base, base);
	assert_int_equal(memory.ready, 8 * MIB);
	assert_int_equal(fc_memory_fill(&memory, UINT64_MAX), 0);
	assert_int_equal(memory.ready, 24 * MIB);
	assert_true(base[0] == 0x5a && memcmp(base, base + 1, 8 * MIB - 1) == 0);
	assert_true(is_zero(base + 8 * MIB, 16 * MIB));
	memset(base + 8 * MIB, 0xa5, 16 * MIB);

	/* Smaller: who uses what is behind may do so until it is trimmed. */
	assert_int_equal(fc_memory_resize(&memory, 3 * MIB), 0);
	assert_int_equal(memory.ready, 24 * MIB);
	assert_true(base[24 * MIB - 1] == 0xa5);
	fc_memory_trim(&memory);
	assert_int_equal(memory.ready, 3 * MIB);
	assert_int_equal(memory.usable, 3 * MIB);
	assert_int_equal(count_resident(&memory), 3 * MIB);
	assert_true(base[0] == 0x5a && memcmp(base, base + 1, 3 * MIB - 1) == 0);
	assert_true(find_mapping(base + 3 * MIB, &mapping));
	assert_string_equal(mapping.access, "---p");
	assert_int_equal(mapping.locked, 0);
	fc_memory_trim(&memory); /* nothing more */
	assert_int_equal(memory.ready, 3 * MIB);

	/* Larger once more, in new pages. */
	assert_int_equal(fc_memory_resize(&memory, 10 * MIB), 0);
	assert_int_equal(fc_memory_fill(&memory, UINT64_MAX), 0);
	assert_int_equal(memory.ready, 10 * MIB);
	assert_true(base[3 * MIB - 1] == 0x5a);
	assert_true(is_zero(base + 3 * MIB, 7 * MIB));

	/* Larger again before it was trimmed: what was there is still. */
	assert_int_equal(fc_memory_resize(&memory, 2 * MIB), 0);
	assert_int_equal(fc_memory_resize(&memory, 10 * MIB), 0);
	fc_memory_trim(&memory);
	assert_int_equal(memory.ready, 10 * MIB);

	assert_int_equal(fc_memory_resize(&memory, memory.reserved + 1), -ENOSPC);
	assert_int_equal(fc_memory_resize(&memory, UINT64_MAX), -ENOSPC);
	assert_int_equal(fc_memory_resize(&memory, 0), -EINVAL);
	assert_int_equal(memory.size, 10 * MIB);
	fc_memory_end(&memory);

	assert_int_equal(fc_memory_begin_within(&memory, MIB, 5 * MIB, -1), 0);
	assert_int_equal(memory.reserved, 6 * MIB);
	assert_int_equal(fc_memory_resize(&memory, 6 * MIB), 0);
	assert_int_equal(fc_memory_resize(&memory, 6 * MIB + 1), -ENOSPC);
	fc_memory_end(&memory);
}

static void test_end(void **state)
{
	struct fc_memory memory;
	struct mapping mapping;
	uint8_t *base;
	uint64_t reserved;

	(void)state;
	assert_int_equal(fc_memory_begin(&memory, 0, -1), -EINVAL);
	assert_int_equal(fc_memory_begin(&memory, UINT64_MAX, -1), -ENOMEM);
	assert_null(memory.base);
	fc_memory_end(&memory);
	assert_int_equal(fc_memory_begin(&memory, 4 * MIB, -1), 0);
	assert_int_equal(fc_memory_fill(&memory, UINT64_MAX), 0);
	base = memory.base;
	reserved = memory.reserved;
	fc_memory_end(&memory);
	assert_false(find_mapping(base, &mapping));
	assert_false(find_mapping(base + reserved - 1, &mapping));
	assert_null(memory.base);
	assert_int_equal(memory.ready, 0);
	fc_memory_end(&memory);
	fc_memory_trim(&memory);
}

/* The kernel says which node it will take pages of; it is asked of both ends. */
static void test_node(void **state)
{
	struct fc_memory memory;
	unsigned long nodes[64] = { 0 };
	int policy, node;

	(void)state;
	if (numa_available() < 0)
		skip();
	node = numa_max_node();
	assert_int_equal(fc_memory_begin(&memory, 4 * MIB, node), 0);
	for (uint64_t at = 0; at < memory.reserved; at += memory.reserved - MIB) {
		assert_int_equal(get_mempolicy(&policy, nodes, sizeof(nodes) * 8, memory.base + at,
					 MPOL_F_ADDR),
			0);
		assert_int_equal(policy, MPOL_PREFERRED);
		assert_true((nodes[node / 64] >> (node % 64) & 1) != 0);
	}
	assert_int_equal(fc_memory_fill(&memory, UINT64_MAX), 0);
	assert_int_equal(
		get_mempolicy(&policy, NULL, 0, memory.base, MPOL_F_NODE | MPOL_F_ADDR), 0);
	assert_int_equal(policy, node);
	fc_memory_end(&memory);

	/* Nodes that are not there, and none: any. */
	for (int other = -1; other <= 1023; other += 1024) {
		assert_int_equal(fc_memory_begin(&memory, 4 * MIB, other), 0);
		assert_int_equal(get_mempolicy(&policy, NULL, 0, memory.base, MPOL_F_ADDR), 0);
		assert_int_equal(policy, MPOL_DEFAULT);
		fc_memory_end(&memory);
	}
}

static void fill_unlocked(void)
{
	struct fc_memory memory;
	struct mapping mapping;

	EXPECT(fc_memory_begin(&memory, 40 * MIB, -1) == 0);
	EXPECT(!memory.is_unlocked);
	EXPECT(fc_memory_fill(&memory, UINT64_MAX) == 0);
	EXPECT(memory.is_unlocked);
	EXPECT(memory.ready == 40 * MIB);
	EXPECT(find_mapping(memory.base + 39 * MIB, &mapping));
	EXPECT(mapping.rss >= 20 * MIB);
	EXPECT(strstr(mapping.flags, "lo") == NULL);
	EXPECT(fc_memory_resize(&memory, MIB) == 0);
	fc_memory_trim(&memory);
	EXPECT(memory.ready == MIB);
	fc_memory_end(&memory);
}

static void test_locking_forbidden(void **state)
{
	(void)state;
	if (is_sanitized())
		skip();
	run_limited(RLIMIT_MEMLOCK, 0, fill_unlocked);
	run_limited(RLIMIT_MEMLOCK, 4 * MIB, fill_unlocked); /* the limit is met on the way */
}

static void fill_in_little_space(void)
{
	struct fc_memory memory;

	EXPECT(fc_memory_begin(&memory, 8 * MIB, -1) == 0);
	EXPECT(memory.reserved == 8 * MIB);
	EXPECT(fc_memory_fill(&memory, UINT64_MAX) == 0);
	EXPECT(memory.ready == 8 * MIB);
	EXPECT(fc_memory_resize(&memory, 8 * MIB + 1) == -ENOSPC);
	EXPECT(fc_memory_resize(&memory, 4 * MIB) == 0);
	fc_memory_end(&memory);
	EXPECT(fc_memory_begin(&memory, 200 * MIB, -1) == -ENOMEM);
	EXPECT(memory.base == NULL);
}

/* Bytes of address space that this process has (proc(5), statm). */
static uint64_t count_space(void)
{
	FILE *statm = fopen("/proc/self/statm", "re");
	uint64_t n_pages = 0;

	assert_non_null(statm);
	assert_int_equal(fscanf(statm, "%lu", &n_pages), 1);
	fclose(statm);
	return n_pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void test_little_space(void **state)
{
	(void)state;
	run_limited(RLIMIT_AS, count_space() + 100 * MIB, fill_in_little_space);
}

/* The kernel refuses pages in the middle, here because the test took them away. */
static void test_no_more(void **state)
{
	struct fc_memory memory;
	uint8_t *hole;

	(void)state;
	assert_int_equal(fc_memory_begin(&memory, 64 * MIB, -1), 0);
	hole = memory.base + 42 * MIB;
	assert_int_equal(munmap(hole, MIB), 0);
	assert_int_equal(fc_memory_fill(&memory, UINT64_MAX), -ENOMEM);
	assert_true(memory.ready > 0 && memory.ready <= 42 * MIB);
	assert_true(is_zero(memory.base, memory.ready));

	assert_ptr_equal(mmap(hole, MIB, PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0),
		hole);
	assert_int_equal(fc_memory_fill(&memory, UINT64_MAX), 0);
	assert_int_equal(memory.ready, 64 * MIB);
	fc_memory_end(&memory);
}

static void test_old_kernel(void **state)
{
	struct fc_memory memory;

	(void)state;
	is_old_kernel = true;
	assert_int_equal(fc_memory_begin(&memory, 20 * MIB, -1), 0);
	assert_int_equal(fc_memory_fill(&memory, 18 * MIB), 0);
	assert_true(memory.ready >= 18 * MIB);
	assert_true(count_resident(&memory) >= memory.ready);
	is_old_kernel = false;
	fc_memory_end(&memory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_begin),
		cmocka_unit_test(test_fill),
		cmocka_unit_test(test_huge_pages),
		cmocka_unit_test(test_resize),
		cmocka_unit_test(test_end),
		cmocka_unit_test(test_node),
		cmocka_unit_test(test_locking_forbidden),
		cmocka_unit_test(test_little_space),
		cmocka_unit_test(test_no_more),
		cmocka_unit_test(test_old_kernel),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
