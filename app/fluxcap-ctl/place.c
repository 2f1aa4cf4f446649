/* SPDX-License-Identifier: MIT */
#include "place.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static const char socket_name[] = "dpdk_telemetry.v2";
static const char root_place[] = "/var/run";
static const char service_place[] = "/run/fluxcap"; /* RuntimeDirectory of fluxcap.service */

struct fc_places fc_place_list(const struct fc_place_rules *rules)
{
	struct fc_places list = { .n_places = 1 };

	if (rules->runtime_directory != NULL) {
		list.places[0] = rules->runtime_directory;
	} else if (rules->is_root) {
		list.places[0] = root_place;
		list.places[list.n_places++] = service_place;
	} else {
		list.places[0] = rules->xdg_runtime_dir != NULL ? rules->xdg_runtime_dir : "/tmp";
		list.places[list.n_places++] = service_place;
		list.places[list.n_places++] = root_place;
	}
	return list;
}

int fc_place_address(
	struct sockaddr_un *address, const char *place, const char *prefix, unsigned number)
{
	char suffix[16] = "";
	int size;

	memset(address, 0, sizeof(*address));
	address->sun_family = AF_UNIX;
	if (number != 0)
		snprintf(suffix, sizeof(suffix), ":%u", number);
	size = snprintf(address->sun_path, sizeof(address->sun_path), "%s/dpdk/%s/%s%s", place,
		prefix, socket_name, suffix);
	return size < 0 || (size_t)size >= sizeof(address->sun_path) ? -ENAMETOOLONG : 0;
}

/* Read a whole text as DPDK writes such a number. */
static bool read_number(const char *text, unsigned *number)
{
	char *end;
	unsigned long value;

	if (*text < '0' || *text > '9')
		return false;
	value = strtoul(text, &end, 10);
	if (*end != '\0' || value > SHRT_MAX)
		return false;
	*number = (unsigned)value;
	return true;
}

static int compare_numbers(const void *a, const void *b)
{
	unsigned left = *(const unsigned *)a, right = *(const unsigned *)b;

	return (left > right) - (left < right);
}

size_t fc_place_sockets(
	unsigned numbers[FC_PLACE_SOCKETS_MAX], const char *place, const char *prefix)
{
	char path[PATH_MAX];
	struct dirent *entry;
	size_t n = 0;
	DIR *directory;

	snprintf(path, sizeof(path), "%s/dpdk/%s", place, prefix);
	directory = opendir(path);
	if (directory == NULL) {
		numbers[0] = 0;
		return errno == EACCES ? 1 : 0;
	}
	while (n < FC_PLACE_SOCKETS_MAX && (entry = readdir(directory)) != NULL) {
		const char *suffix = entry->d_name + strlen(socket_name);

		if (strncmp(entry->d_name, socket_name, strlen(socket_name)) != 0)
			continue;
		numbers[n] = 0;
		if (*suffix == '\0' || (*suffix == ':' && read_number(suffix + 1, &numbers[n])))
			n++;
	}
	closedir(directory);
	qsort(numbers, n, sizeof(numbers[0]), compare_numbers);
	return n;
}

bool fc_place_split(const char *text, size_t size, char *prefix, unsigned *number)
{
	const char *colon = strrchr(text, ':');

	if (colon == NULL || (size_t)(colon - text) >= size || !read_number(colon + 1, number))
		return false;
	memcpy(prefix, text, (size_t)(colon - text));
	prefix[colon - text] = '\0';
	return fc_place_prefix_ok(prefix);
}

bool fc_place_prefix_ok(const char *prefix)
{
	if (*prefix == '\0' || strcmp(prefix, ".") == 0 || strcmp(prefix, "..") == 0)
		return false;
	for (; *prefix != '\0'; prefix++)
		if (*prefix == '/' || *prefix <= 0x20 || *prefix == 0x7f)
			return false;
	return true;
}
