/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <glob.h>

#include <rte_common.h>

#include "memory_room.h"

#define MIB	     (UINT64_C(1) << 20)
#define LINE_SIZE    4096
#define SHARE_OTHERS 64 /* the share of each limit that others need */

/* Between them, what others need of a limit lies; a cgroup holds nobody but this process. */
#define MIN_FOR_SYSTEM (64 * MIB)
#define MIN_FOR_GROUP  (16 * MIB)
#define MAX_FOR_OTHERS (1024 * MIB)

/* A version of cgroups: cgroups(7). */
struct group_version {
	const char *mount_type; /* of its file system */
	bool has_controllers;	/* each may be mounted at a place of its own */
	const char *limits[2], *usage;
	const char *reclaimable[2]; /* in memory.stat: pages of files */
};

static const struct group_version versions[] = {
	{ "cgroup2", false, { "memory.max", "memory.high" }, "memory.current",
		{ "inactive_file ", "active_file " } },
	{ "cgroup", true, { "memory.limit_in_bytes", NULL }, "memory.usage_in_bytes",
		{ "total_inactive_file ", "total_active_file " } },
};

/* The number behind @key at the begin of a line or behind "Node N "; 0: there is none. */
static uint64_t read_value(const char *path, const char *key)
{
	FILE *stream = fopen(path, "re");
	char line[LINE_SIZE];
	uint64_t value = 0;

	if (stream == NULL)
		return 0;
	while (fgets(line, sizeof(line), stream) != NULL) {
		const char *text = line;
		int n = 0;

		if (sscanf(line, "Node %*d %n", &n) == 0 && n > 0)
			text += n;
		if (strncmp(text, key, strlen(key)) != 0)
			continue;
		value = strtoull(text + strlen(key), NULL, 10);
		break;
	}
	fclose(stream);
	return value;
}

/* The only number of a file; @fallback: there is none, or "max". */
static uint64_t read_number(const char *path, uint64_t fallback)
{
	FILE *stream = fopen(path, "re");
	uint64_t value;

	if (stream == NULL)
		return fallback;
	if (fscanf(stream, "%" SCNu64, &value) != 1)
		value = fallback;
	fclose(stream);
	return value;
}

/*
 * A limit allows @total bytes and leaves @left of them now, of which others need at least @min. It
 * counts where it is smaller than those before.
 */
static void add_limit(
	struct fc_memory_room *room, uint64_t total, uint64_t left, uint64_t min, const char *name)
{
	uint64_t others = RTE_MIN(RTE_MAX(total / SHARE_OTHERS, min), MAX_FOR_OTHERS);

	total -= RTE_MIN(others, total);
	left -= RTE_MIN(others, left);
	if (total < room->total) {
		room->total = total;
		snprintf(room->total_limit, FC_MEMORY_LIMIT_SIZE, "%s", name);
	}
	if (left < room->left) {
		room->left = left;
		snprintf(room->left_limit, FC_MEMORY_LIMIT_SIZE, "%s", name);
	}
}

/* Bytes that are reserved as hugepages of all sizes, below a directory. */
static uint64_t count_hugepages(const char *directory)
{
	char pattern[PATH_MAX];
	uint64_t size = 0;
	glob_t found;

	snprintf(pattern, sizeof(pattern), "%s/hugepages/hugepages-*kB/nr_hugepages", directory);
	if (glob(pattern, 0, NULL, &found) != 0)
		return 0;
	for (size_t i = 0; i < found.gl_pathc; i++) {
		const char *number = strrchr(found.gl_pathv[i], '-');

		size += strtoull(number + 1, NULL, 10) * 1024 * read_number(found.gl_pathv[i], 0);
	}
	globfree(&found);
	return size;
}

static void add_machine(struct fc_memory_room *room, const char *root)
{
	char path[PATH_MAX], pages[PATH_MAX];
	uint64_t total, huge;

	snprintf(path, sizeof(path), "%s/proc/meminfo", root);
	snprintf(pages, sizeof(pages), "%s/sys/kernel/mm", root);
	total = read_value(path, "MemTotal:") * 1024;
	huge = count_hugepages(pages);
	if (total != 0)
		add_limit(room, total - RTE_MIN(huge, total),
			read_value(path, "MemAvailable:") * 1024, MIN_FOR_SYSTEM, "the machine");
}

/* A node says what is free, and not what could be had: as the kernel estimates it for all. */
static void add_node(struct fc_memory_room *room, const char *root, int node)
{
	char directory[PATH_MAX - 16], path[PATH_MAX], name[32];
	uint64_t total, huge, files, left;

	snprintf(directory, sizeof(directory), "%s/sys/devices/system/node/node%d", root, node);
	snprintf(path, sizeof(path), "%s/meminfo", directory);
	total = read_value(path, "MemTotal:") * 1024;
	if (total == 0)
		return;
	huge = count_hugepages(directory);
	files = read_value(path, "Active(file):") + read_value(path, "Inactive(file):");
	left = read_value(path, "MemFree:") + files / 4 * 3 + read_value(path, "SReclaimable:") / 2;
	snprintf(name, sizeof(name), "NUMA node %d", node);
	add_limit(room, total - RTE_MIN(huge, total), left * 1024, MIN_FOR_SYSTEM, name);
}

/* Where a version is mounted, and which group is shown there; false: nowhere. */
static bool find_mount(
	const struct group_version *version, const char *root, char *mount, char *top, size_t size)
{
	char path[PATH_MAX], line[LINE_SIZE];
	bool is_found = false;
	FILE *stream;

	snprintf(path, sizeof(path), "%s/proc/self/mountinfo", root);
	stream = fopen(path, "re");
	while (stream != NULL && !is_found && fgets(line, sizeof(line), stream) != NULL) {
		char type[32], options[LINE_SIZE], shown[LINE_SIZE], at[LINE_SIZE];
		const char *rest = strstr(line, " - ");

		if (rest == NULL || sscanf(line, "%*s %*s %*s %s %s", shown, at) != 2 ||
			sscanf(rest, " - %31s %*s %s", type, options) != 2 ||
			strcmp(type, version->mount_type) != 0 ||
			(version->has_controllers && strstr(options, "memory") == NULL))
			continue;
		is_found = (size_t)snprintf(mount, size, "%s%s", root, at) < size &&
			   (size_t)snprintf(top, size, "%s", shown) < size;
	}
	if (stream != NULL)
		fclose(stream);
	return is_found;
}

/* The group of this process, as a path below the version's mount; false: none. */
static bool find_group(const struct group_version *version, const char *root, const char *top,
	char *group, size_t size)
{
	char path[PATH_MAX], line[LINE_SIZE];
	bool is_found = false;
	FILE *stream;

	snprintf(path, sizeof(path), "%s/proc/self/cgroup", root);
	stream = fopen(path, "re");
	while (stream != NULL && !is_found && fgets(line, sizeof(line), stream) != NULL) {
		char *controllers = strchr(line, ':');
		char *name = controllers != NULL ? strchr(controllers + 1, ':') : NULL;
		size_t n = strlen(top);

		if (name == NULL)
			continue;
		*name++ = '\0';
		name[strcspn(name, "\n")] = '\0';
		if (version->has_controllers ? strstr(controllers, "memory") == NULL
					     : controllers[1] != '\0')
			continue;
		/* A container may see a part of the tree only, and its own group as its root. */
		if (n > 1 && strncmp(name, top, n) == 0)
			name += n;
		if (strncmp(name, "/..", 3) == 0 || strcmp(name, "/") == 0)
			name[0] = '\0';
		is_found = (size_t)snprintf(group, size, "%s", name) < size;
	}
	if (stream != NULL)
		fclose(stream);
	return is_found;
}

static void add_group(struct fc_memory_room *room, const struct group_version *version,
	const char *directory, const char *group)
{
	char path[PATH_MAX], name[FC_MEMORY_LIMIT_SIZE];
	uint64_t limit = UINT64_MAX, usage, files = 0;

	for (size_t i = 0; i < RTE_DIM(version->limits); i++) {
		if (version->limits[i] == NULL)
			continue;
		snprintf(path, sizeof(path), "%s/%s", directory, version->limits[i]);
		limit = RTE_MIN(limit, read_number(path, UINT64_MAX));
	}
	if (limit >= INT64_MAX / 2) /* what the first version says for none */
		return;
	snprintf(path, sizeof(path), "%s/memory.stat", directory);
	for (size_t i = 0; i < RTE_DIM(version->reclaimable); i++)
		files += read_value(path, version->reclaimable[i]);
	snprintf(path, sizeof(path), "%s/%s", directory, version->usage);
	usage = read_number(path, 0);
	usage -= RTE_MIN(files, usage);
	snprintf(name, sizeof(name), "memory cgroup %s", group[0] != '\0' ? group : "/");
	add_limit(room, limit, limit - RTE_MIN(usage, limit), MIN_FOR_GROUP, name);
}

/* The group of this process and those above it. */
static void add_groups(
	struct fc_memory_room *room, const struct group_version *version, const char *root)
{
	char mount[PATH_MAX / 4], top[PATH_MAX / 4], group[PATH_MAX / 4], directory[PATH_MAX - 64];

	if (!find_mount(version, root, mount, top, sizeof(mount)) ||
		!find_group(version, root, top, group, sizeof(group)))
		return;
	for (char *end = group + strlen(group); end != NULL; end = strrchr(group, '/')) {
		*end = '\0';
		snprintf(directory, sizeof(directory), "%s%s", mount, group);
		add_group(room, version, directory, group);
	}
}

void fc_memory_room_look(struct fc_memory_room *room, const char *root, int node)
{
	*room = (struct fc_memory_room){ .total = UINT64_MAX, .left = UINT64_MAX };
	if (node >= 0)
		add_node(room, root, node);
	add_machine(room, root);
	for (size_t i = 0; i < RTE_DIM(versions); i++)
		add_groups(room, &versions[i], root);
}
