/* SPDX-License-Identifier: MIT */
#ifndef FC_CTL_PLACE_H
#define FC_CTL_PLACE_H

#include <stdbool.h>
#include <stddef.h>

#include <sys/un.h>

/** Of a file prefix, more than anybody runs. */
#define FC_PLACE_SOCKETS_MAX 16

/** What decides where EAL puts its runtime directory; NULL is a variable that is not set. */
struct fc_place_rules {
	const char *runtime_directory; /**< $RUNTIME_DIRECTORY, which systemd sets */
	const char *xdg_runtime_dir;   /**< $XDG_RUNTIME_DIR */
	bool is_root;
};

#define FC_PLACES_MAX 3

/** The directories below which a process of this name may have its socket. */
struct fc_places {
	size_t n_places;		   /**< >= 1 */
	const char *places[FC_PLACES_MAX]; /**< in the order in which to look; from the rules */
};

/**
 * Where to look for a process's telemetry socket.
 *
 * The first place is the one that EAL's own rule gives for this user (eal_create_runtime_dir() of
 * DPDK): $RUNTIME_DIRECTORY; else /var/run for root; else $XDG_RUNTIME_DIR; else /tmp. Then comes
 * /run/fluxcap, where systemd has fluxcap, and for a user who is not root /var/run, where root's
 * processes are. Both are left out when $RUNTIME_DIRECTORY already says where.
 */
struct fc_places fc_place_list(const struct fc_place_rules *rules);

/**
 * The address of a socket below one of the places.
 *
 * @param address  Gets PLACE/dpdk/PREFIX/dpdk_telemetry.v2, with :NUMBER behind it unless that is
 *                 0: so DPDK names the sockets of those that start while another has the name.
 * @return         0, or -ENAMETOOLONG when a socket cannot have such a long name.
 */
int fc_place_address(
	struct sockaddr_un *address, const char *place, const char *prefix, unsigned number);

/**
 * The sockets of a file prefix that are below one of the places.
 *
 * @param numbers  Gets their numbers in rising order. A directory that cannot be read is taken to
 *                 have number 0: connecting to it says what is wrong.
 * @return         How many.
 */
size_t fc_place_sockets(
	unsigned numbers[FC_PLACE_SOCKETS_MAX], const char *place, const char *prefix);

/**
 * Split PREFIX:NUMBER.
 *
 * @param size    Bytes of @p prefix.
 * @param prefix  Gets what is before the last colon.
 * @param number  Gets 0..32767, the numbers that DPDK gives.
 * @return        Whether the text has that form.
 */
bool fc_place_split(const char *text, size_t size, char *prefix, unsigned *number);

/** Whether a text can be an EAL --file-prefix: not empty, no '/', not "." or "..", printable. */
bool fc_place_prefix_ok(const char *prefix);

#endif
