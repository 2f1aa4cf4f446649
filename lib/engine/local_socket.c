/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <rte_common.h>
#include <rte_kvargs.h>

#include <fc_text.h>

#include "local_socket.h"

/* drivers/net/memif, DPDK 22.11: its defaults */
#define MEMIF_PATH "/run/memif.sock"

/* A socket of a device. */
struct place {
	char path[sizeof(((struct sockaddr_un *)NULL)->sun_path)]; /* "": none */
	bool is_abstract;
	bool listens; /* the device does */
};

static int read_path(const char *key, const char *value, void *opaque)
{
	struct place *place = opaque;

	RTE_SET_USED(key);
	snprintf(place->path, sizeof(place->path), "%s", value != NULL ? value : "");
	return 0;
}

static int read_flag(const char *key, const char *value, void *opaque)
{
	RTE_SET_USED(key);
	*(bool *)opaque = value != NULL && (strcmp(value, "yes") == 0 || strcmp(value, "1") == 0 ||
						   strcmp(value, "server") == 0);
	return 0;
}

static void read_place(const char *device, const char *args, struct place *place)
{
	struct rte_kvargs *list = rte_kvargs_parse(args, NULL);
	bool is_client = false;

	*place = (struct place){ 0 };
	if (list == NULL)
		return;
	if (fc_text_begins(device, "net_memif")) {
		*place = (struct place){ .path = MEMIF_PATH, .is_abstract = true };
		rte_kvargs_process(list, "socket", read_path, place);
		rte_kvargs_process(list, "socket-abstract", read_flag, &place->is_abstract);
		rte_kvargs_process(list, "role", read_flag, &place->listens);
	} else if (fc_text_begins(device, "net_vhost") || fc_text_begins(device, "eth_vhost")) {
		rte_kvargs_process(list, "iface", read_path, place);
		rte_kvargs_process(list, "client", read_flag, &is_client);
		place->listens = !is_client;
	} else if (fc_text_begins(device, "net_virtio_user") ||
		   fc_text_begins(device, "virtio_user")) {
		rte_kvargs_process(list, "path", read_path, place);
		rte_kvargs_process(list, "server", read_flag, &place->listens);
	}
	rte_kvargs_free(list);
}

/*
 * Whether a socket file is left of a process that is no more. It is asked for with another type
 * than those listen with: so the kernel tells whether somebody has it, and they notice nothing
 * (net_memif cannot bear a client that goes at once).
 */
static bool is_left_over(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct stat about;
	bool is;
	int fd;

	if (lstat(path, &about) != 0 || !S_ISSOCK(about.st_mode) ||
		strlen(path) >= sizeof(address.sun_path))
		return false;
	memcpy(address.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return false;
	is = connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0 &&
	     errno == ECONNREFUSED;
	close(fd);
	return is;
}

bool fc_local_socket_is_client(const char *driver, const char *args)
{
	struct place place;

	if (strcmp(driver, "net_memif") != 0)
		return false;
	read_place(driver, args, &place);
	return !place.listens;
}

void fc_local_socket_clean(const struct fc_vdev *vdevs, size_t n, struct fc_findings *findings)
{
	for (size_t i = 0; i < n; i++) {
		struct place place;

		read_place(vdevs[i].name, vdevs[i].args, &place);
		if (place.listens && !place.is_abstract && is_left_over(place.path) &&
			unlink(place.path) == 0)
			fc_findings_add(findings, FC_NOTE, place.path,
				"removed: nobody listened at this socket any more");
	}
}
