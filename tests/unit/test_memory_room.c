/* SPDX-License-Identifier: MIT */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include <ftw.h>
#include <sys/stat.h>

#include "memory_room.h"

/* Machines of files, and at last the one that the test runs on. */

#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)

static char root[PATH_MAX / 2];

static void write_file(const char *name, const char *text)
{
	char path[PATH_MAX];
	FILE *stream;

	snprintf(path, sizeof(path), "%s%s", root, name);
	for (char *slash = path + strlen(root) + 1; (slash = strchr(slash, '/')) != NULL; slash++) {
		*slash = '\0';
		mkdir(path, 0700);
		*slash = '/';
	}
	stream = fopen(path, "we");
	assert_non_null(stream);
	assert_true(fputs(text, stream) >= 0);
	assert_int_equal(fclose(stream), 0);
}

/* 64 GiB, of which 16 GiB are hugepages of two sizes, and 40 GiB can be had. */
static void make_machine(void)
{
	write_file("/proc/meminfo", "MemTotal:       67108864 kB\nMemFree:        10485760 kB\n"
				    "MemAvailable:   41943040 kB\nHugePages_Total:    4096\n");
	write_file("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "4096\n");
	write_file("/sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages", "8\n");
}

static int make_root(void **state)
{
	(void)state;
	snprintf(root, sizeof(root), "/tmp/fluxcap-room-XXXXXX");
	return mkdtemp(root) != NULL ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

static int remove_root(void **state)
{
	(void)state;
	return nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void assert_room(
	int node, uint64_t total, const char *total_limit, uint64_t left, const char *left_limit)
{
	struct fc_memory_room room;

	fc_memory_room_look(&room, root, node);
	assert_int_equal(room.total, total);
	assert_int_equal(room.left, left);
	assert_string_equal(room.total_limit, total_limit);
	assert_string_equal(room.left_limit, left_limit);
}

static void test_machine(void **state)
{
	(void)state;
	make_machine();
	assert_room(-1, 48 * GIB - 768 * MIB, "the machine", 40 * GIB - 768 * MIB, "the machine");
	assert_room(0, 48 * GIB - 768 * MIB, "the machine", 40 * GIB - 768 * MIB, "the machine");
}

static void test_nothing_known(void **state)
{
	(void)state;
	assert_room(-1, UINT64_MAX, "", UINT64_MAX, "");
}

/* Others need at least 64 MiB of a machine and at most a GiB, and what is less than that is 0. */
static void test_others(void **state)
{
	(void)state;
	write_file("/proc/meminfo", "MemTotal: 1048576 kB\nMemAvailable: 524288 kB\n");
	assert_room(-1, 960 * MIB, "the machine", 448 * MIB, "the machine");
	write_file("/proc/meminfo", "MemTotal: 1048576 kB\nMemAvailable: 65535 kB\n");
	assert_room(-1, 960 * MIB, "the machine", 0, "the machine");
	write_file("/proc/meminfo", "MemTotal: 1073741824 kB\nMemAvailable: 536870912 kB\n");
	assert_room(-1, 1023 * GIB, "the machine", 511 * GIB, "the machine");
}

/* Of two nodes one has hugepages, and little free memory but files. */
static void test_nodes(void **state)
{
	(void)state;
	make_machine();
	write_file("/sys/devices/system/node/node0/meminfo",
		"Node 0 MemTotal:       33554432 kB\nNode 0 MemFree:        1048576 kB\n"
		"Node 0 Active(file):    2097152 kB\nNode 0 Inactive(file):  2097152 kB\n"
		"Node 0 SReclaimable:    1048576 kB\n");
	write_file(
		"/sys/devices/system/node/node0/hugepages/hugepages-2048kB/nr_hugepages", "4096\n");
	write_file(
		"/sys/devices/system/node/node0/hugepages/hugepages-1048576kB/nr_hugepages", "8\n");
	write_file("/sys/devices/system/node/node1/meminfo",
		"Node 1 MemTotal:       33554432 kB\nNode 1 MemFree:       31457280 kB\n");
	assert_room(0, 16 * GIB - 256 * MIB, "NUMA node 0", GIB + 3 * GIB + GIB / 2 - 256 * MIB,
		"NUMA node 0");
	assert_room(1, 32 * GIB - 512 * MIB, "NUMA node 1", 30 * GIB - 512 * MIB, "NUMA node 1");
	assert_room(-1, 48 * GIB - 768 * MIB, "the machine", 40 * GIB - 768 * MIB, "the machine");
}

/* Of the groups above this process one is limited; files are given back when memory is needed. */
static void test_cgroup_2(void **state)
{
	(void)state;
	make_machine();
	write_file("/proc/self/mountinfo",
		"24 30 0:22 / /proc rw,nosuid - proc proc rw\n"
		"31 23 0:26 / /sys/fs/cgroup rw,nosuid,nodev shared:9 - cgroup2 cgroup2 rw\n");
	write_file("/proc/self/cgroup", "0::/system.slice/fluxcap.service\n");
	write_file("/sys/fs/cgroup/memory.stat", "anon 1\n"); /* the root has no limit */
	write_file("/sys/fs/cgroup/system.slice/memory.max", "8589934592\n");
	write_file("/sys/fs/cgroup/system.slice/memory.high", "max\n");
	write_file("/sys/fs/cgroup/system.slice/memory.current", "3221225472\n");
	write_file("/sys/fs/cgroup/system.slice/memory.stat",
		"anon 1073741824\nfile 2147483648\ninactive_file 1073741824\n"
		"active_file 536870912\n");
	write_file("/sys/fs/cgroup/system.slice/fluxcap.service/memory.max", "max\n");
	write_file("/sys/fs/cgroup/system.slice/fluxcap.service/memory.current", "1024\n");
	assert_room(-1, 8 * GIB - 128 * MIB, "memory cgroup /system.slice",
		5 * GIB + GIB + GIB / 2 - 128 * MIB, "memory cgroup /system.slice");

	/* A limit that throttles is one, too; the smallest counts. */
	write_file("/sys/fs/cgroup/system.slice/fluxcap.service/memory.high", "1073741824\n");
	assert_room(-1, GIB - 16 * MIB, "memory cgroup /system.slice/fluxcap.service",
		GIB - 16 * MIB - 1024, "memory cgroup /system.slice/fluxcap.service");
}

static void test_cgroup_1(void **state)
{
	(void)state;
	make_machine();
	write_file("/proc/self/mountinfo",
		"31 23 0:29 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n"
		"32 31 0:30 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n"
		"35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
		"41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n");
	write_file("/proc/self/cgroup", "4:memory:/a/b\n1:cpu:/\n0::/\n");
	write_file("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
	write_file("/sys/fs/cgroup/memory/a/memory.limit_in_bytes", "9223372036854771712\n");
	write_file("/sys/fs/cgroup/memory/a/b/memory.limit_in_bytes", "2147483648\n");
	write_file("/sys/fs/cgroup/memory/a/b/memory.usage_in_bytes", "1073741824\n");
	write_file("/sys/fs/cgroup/memory/a/b/memory.stat",
		"inactive_file 999\ntotal_inactive_file 104857600\ntotal_active_file 0\n");
	assert_room(-1, 2 * GIB - 32 * MIB, "memory cgroup /a/b", GIB + 100 * MIB - 32 * MIB,
		"memory cgroup /a/b");
}

/* In a container the tree begins with the container's group, or the group is said to be outside. */
static void test_container(void **state)
{
	(void)state;
	make_machine();
	write_file("/sys/fs/cgroup/memory.max", "1073741824\n");
	write_file("/sys/fs/cgroup/memory.current", "0\n");
	write_file("/sys/fs/cgroup/inner/memory.max", "536870912\n");
	write_file("/sys/fs/cgroup/inner/memory.current", "536870912\n");
	write_file("/proc/self/mountinfo",
		"31 23 0:26 /docker/12ab /sys/fs/cgroup ro - cgroup2 cgroup rw\n");
	write_file("/proc/self/cgroup", "0::/docker/12ab\n");
	assert_room(-1, GIB - 16 * MIB, "memory cgroup /", GIB - 16 * MIB, "memory cgroup /");
	write_file("/proc/self/cgroup", "0::/docker/12ab/inner\n");
	assert_room(-1, 512 * MIB - 16 * MIB, "memory cgroup /inner", 0, "memory cgroup /inner");
	write_file("/proc/self/mountinfo", "31 23 0:26 / /sys/fs/cgroup ro - cgroup2 cgroup rw\n");
	write_file("/proc/self/cgroup", "0::/../../other\n");
	assert_room(-1, GIB - 16 * MIB, "memory cgroup /", GIB - 16 * MIB, "memory cgroup /");
}

/* The kernel's own numbers are the judge, as far as they stand still. */
static void test_here(void **state)
{
	struct fc_memory_room room;
	uint64_t physical = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);

	(void)state;
	fc_memory_room_look(&room, "", -1);
	assert_true(room.total > 0 && room.total < physical);
	assert_true(room.left <= room.total);
	assert_true(room.total_limit[0] != '\0');
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_machine, make_root, remove_root),
		cmocka_unit_test_setup_teardown(test_nothing_known, make_root, remove_root),
		cmocka_unit_test_setup_teardown(test_others, make_root, remove_root),
		cmocka_unit_test_setup_teardown(test_nodes, make_root, remove_root),
		cmocka_unit_test_setup_teardown(test_cgroup_2, make_root, remove_root),
		cmocka_unit_test_setup_teardown(test_cgroup_1, make_root, remove_root),
		cmocka_unit_test_setup_teardown(test_container, make_root, remove_root),
		cmocka_unit_test(test_here),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
