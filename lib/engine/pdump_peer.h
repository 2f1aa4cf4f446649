/* SPDX-License-Identifier: MIT */
#ifndef FC_PDUMP_PEER_H
#define FC_PDUMP_PEER_H

#include <stdbool.h>
#include <stddef.h>

#include <sys/un.h>

#define FC_PEER_SIZE sizeof(((struct sockaddr_un *)0)->sun_path)

/** Another DPDK process, known by the path of its socket, which has its process ID in it. */
struct fc_peer {
	char path[FC_PEER_SIZE];
	bool has_ended; /* and was taken; the socket is still there */
};

/** Those of this prefix. Control thread. */
struct fc_peers {
	size_t n;
	struct fc_peer *list;
};

/** Whether the process that a socket belongs to is there; it may be stopped. */
bool fc_peer_lives(const char *path);

/** The process ID in a socket's path; 0: there is none. */
int fc_peer_process(const char *path);

/** Note one, unless it is known. */
void fc_peers_add(struct fc_peers *peers, const char *path);

/** Note those that have come since, by EAL's folder of sockets. */
void fc_peers_find(struct fc_peers *peers);

/**
 * Take one of those that have ended since; each once.
 *
 * @param path  Gets the one.
 * @return      False when there is none.
 */
bool fc_peers_take_ended(struct fc_peers *peers, char path[FC_PEER_SIZE]);

/** Whether a process of this ID is among those that live. */
bool fc_peers_has_process(const struct fc_peers *peers, int process);

/** Forget all. */
void fc_peers_end(struct fc_peers *peers);

#endif
