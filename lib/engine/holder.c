/* SPDX-License-Identifier: MIT */
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "holder.h"

#define PREFIX "--file-prefix"

/* The number of the device's IOMMU group; -1: it has none. */
static int find_group(const char *name)
{
	char path[PATH_MAX], target[PATH_MAX];
	ssize_t n;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/iommu_group", name);
	n = readlink(path, target, sizeof(target) - 1);
	if (n < 0)
		return -1;
	target[n] = '\0';
	return strrchr(target, '/') != NULL ? (int)strtol(strrchr(target, '/') + 1, NULL, 10) : -1;
}

static bool has_open(const char *pid, int group)
{
	char path[PATH_MAX], target[PATH_MAX], files[2][64];
	const struct dirent *entry;
	bool found = false;
	DIR *folder;

	snprintf(files[0], sizeof(files[0]), "/dev/vfio/%d", group);
	snprintf(files[1], sizeof(files[1]), "/dev/vfio/noiommu-%d", group);
	snprintf(path, sizeof(path), "/proc/%s/fd", pid);
	folder = opendir(path);
	while (folder != NULL && !found && (entry = readdir(folder)) != NULL) {
		ssize_t n = readlinkat(dirfd(folder), entry->d_name, target, sizeof(target) - 1);

		target[n < 0 ? 0 : n] = '\0';
		found = strcmp(target, files[0]) == 0 || strcmp(target, files[1]) == 0;
	}
	if (folder != NULL)
		closedir(folder);
	return found;
}

/* Read a file of a process; its zeros end words. Returns how many bytes there are. */
static size_t read_about(const char *pid, const char *file, char *text, size_t size)
{
	char path[PATH_MAX];
	FILE *stream;
	size_t n = 0;

	snprintf(path, sizeof(path), "/proc/%s/%s", pid, file);
	stream = fopen(path, "re");
	if (stream != NULL) {
		n = fread(text, 1, size - 1, stream);
		fclose(stream);
	}
	text[n] = '\0';
	return n;
}

/* The argument of --file-prefix in words that zeros end; NULL: there is none. */
static const char *find_prefix(const char *words, size_t size)
{
	const char *end = words + size;

	for (const char *word = words; word < end; word += strlen(word) + 1) {
		if (strncmp(word, PREFIX "=", sizeof(PREFIX)) == 0)
			return word + sizeof(PREFIX);
		if (strcmp(word, PREFIX) == 0 && word + sizeof(PREFIX) < end)
			return word + sizeof(PREFIX);
	}
	return NULL;
}

static void describe_process(const char *pid, char *text, size_t size)
{
	char comm[64], words[4096];
	const char *prefix;
	size_t n;

	read_about(pid, "comm", comm, sizeof(comm));
	comm[strcspn(comm, "\n")] = '\0';
	n = read_about(pid, "cmdline", words, sizeof(words));
	prefix = find_prefix(words, n);
	snprintf(text, size, "process %s (%s%s%.64s)", pid, comm,
		prefix != NULL ? ", " PREFIX " " : "", prefix != NULL ? prefix : "");
}

bool fc_holder_find(const char *name, char *text, size_t size)
{
	int group = find_group(name);
	const struct dirent *entry;
	bool found = false;
	DIR *folder;

	if (group < 0)
		return false;
	folder = opendir("/proc");
	while (folder != NULL && !found && (entry = readdir(folder)) != NULL) {
		found = isdigit((unsigned char)entry->d_name[0]) != 0 &&
			strtol(entry->d_name, NULL, 10) != getpid() &&
			has_open(entry->d_name, group);
		if (found)
			describe_process(entry->d_name, text, size);
	}
	if (folder != NULL)
		closedir(folder);
	return found;
}
