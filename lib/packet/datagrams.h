/* SPDX-License-Identifier: MIT */
#ifndef DATAGRAMS_H
#define DATAGRAMS_H

#include <stdbool.h>
#include <stdint.h>

#include <sys/queue.h>

#include <fc_reassembly.h>

/*
 * What is known of the datagrams that fragments have arrived of. rte_ip_frag holds the fragments;
 * it neither tells what it holds nor looks for overlaps, and it drops a whole datagram for one
 * duplicate. So what reaches it is decided here.
 */

struct datagram_key {
	uint8_t source[16], destination[16]; /* IPv4 in the first 4, the others 0 */
	uint32_t id;
	uint8_t family, protocol;
	uint8_t pad[2]; /* 0: keys are compared and hashed as bytes */
};

/* The bytes [from, to) of the datagram's payload. */
struct piece {
	uint32_t from, to;
	bool is_last;
};

struct datagram {
	TAILQ_ENTRY(datagram) age; /* in use: the oldest first; else: free ones */
	struct datagram *next;	   /* with the same hash */
	struct datagram_key key;
	uint64_t start; /* TSC cycles */
	uint32_t end;	/* of the payload; 0: the last fragment is not there yet */
	uint16_t n_mbufs;
	uint8_t n;
	bool is_spoilt;
	struct piece pieces[FC_REASSEMBLY_MAX_FRAGMENTS];
};

TAILQ_HEAD(datagram_list, datagram);

struct datagrams {
	uint32_t mask; /* of buckets */
	uint32_t seed; /* so that nobody outside knows which datagrams share a bucket */
	struct datagram_list used, unused;
	struct datagram **buckets;
	struct datagram *all;
};

/* What to do with a fragment. */
enum piece_verdict {
	PIECE_NEW,
	PIECE_DUPLICATE,
	PIECE_SPOILS /* overlaps another, contradicts the end, or is one too many */
};

/* 0, or -1: no memory. */
int datagrams_init(struct datagrams *datagrams, uint16_t max, int socket);
void datagrams_fini(struct datagrams *datagrams);

/* NULL: none with this key. */
struct datagram *datagrams_find(const struct datagrams *datagrams, const struct datagram_key *key);

/* A number below `max` that no other datagram in use has. */
uint32_t datagrams_index(const struct datagrams *datagrams, const struct datagram *datagram);

/* A new one without fragments; NULL: the table is full. */
struct datagram *datagrams_add(
	struct datagrams *datagrams, const struct datagram_key *key, uint64_t now);

void datagrams_remove(struct datagrams *datagrams, struct datagram *datagram);

/* The one that was added first, or NULL. */
struct datagram *datagrams_oldest(const struct datagrams *datagrams);

enum piece_verdict datagram_judge(const struct datagram *datagram, const struct piece *piece);

/* Note a fragment that was judged new. */
void datagram_note(struct datagram *datagram, const struct piece *piece, uint16_t n_mbufs);

#endif
