/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/socket.h>

#include <rte_eal.h>

#include "pdump_peer.h"

/* What EAL calls them: the primary's own is without a number. */
#define SOCKET_PREFIX "mp_socket_"

bool fc_peer_lives(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool lives = true;

	if (fd < 0) /* nobody can tell */
		return true;
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) != 0) {
		if (errno == ECONNREFUSED || errno == ENOENT)
			lives = false;
		else /* another user's */
			lives = kill(fc_peer_process(path), 0) == 0 || errno != ESRCH;
	}
	close(fd);
	return lives;
}

int fc_peer_process(const char *path)
{
	const char *name = strrchr(path, '/');
	int process;

	name = name != NULL ? name + 1 : path;
	return sscanf(name, SOCKET_PREFIX "%d_", &process) == 1 ? process : 0;
}

static bool is_known(const struct fc_peers *peers, const char *path)
{
	for (size_t i = 0; i < peers->n; i++)
		if (strcmp(peers->list[i].path, path) == 0)
			return true;
	return false;
}

void fc_peers_add(struct fc_peers *peers, const char *path)
{
	struct fc_peer *list;

	if (is_known(peers, path))
		return;
	list = realloc(peers->list, (peers->n + 1) * sizeof(*list));
	if (list == NULL) /* next time */
		return;
	peers->list = list;
	list[peers->n].has_ended = false;
	snprintf(list[peers->n].path, sizeof(list->path), "%s", path);
	peers->n++;
}

void fc_peers_find(struct fc_peers *peers)
{
	const char *folder = rte_eal_get_runtime_dir();
	DIR *list = opendir(folder);
	const struct dirent *entry;
	char path[FC_PEER_SIZE];

	if (list == NULL)
		return;
	while ((entry = readdir(list)) != NULL) {
		if (strncmp(entry->d_name, SOCKET_PREFIX, strlen(SOCKET_PREFIX)) == 0 &&
			snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name) <
				(int)sizeof(path))
			fc_peers_add(peers, path);
	}
	closedir(list);
}

/* Those whose sockets are no more cannot be found again. EAL removes them when it notices. */
static void forget_removed(struct fc_peers *peers)
{
	size_t n = 0;

	for (size_t i = 0; i < peers->n; i++)
		if (!peers->list[i].has_ended || access(peers->list[i].path, F_OK) == 0)
			peers->list[n++] = peers->list[i];
	peers->n = n;
}

bool fc_peers_take_ended(struct fc_peers *peers, char path[FC_PEER_SIZE])
{
	for (size_t i = 0; i < peers->n; i++) {
		struct fc_peer *peer = &peers->list[i];

		if (peer->has_ended || fc_peer_lives(peer->path))
			continue;
		peer->has_ended = true;
		snprintf(path, FC_PEER_SIZE, "%s", peer->path);
		return true;
	}
	forget_removed(peers);
	return false;
}

bool fc_peers_has_process(const struct fc_peers *peers, int process)
{
	for (size_t i = 0; i < peers->n; i++)
		if (!peers->list[i].has_ended && fc_peer_process(peers->list[i].path) == process)
			return true;
	return false;
}

void fc_peers_end(struct fc_peers *peers)
{
	free(peers->list);
	*peers = (struct fc_peers){ 0 };
}
