/* SPDX-License-Identifier: MIT */
#include <string.h>

#include <rte_common.h>
#include <rte_cycles.h>
#include <rte_jhash.h>
#include <rte_malloc.h>

#include "datagrams.h"

/* The library keeps one place for the first fragment and one for the last. */
#define MAX_MIDDLE (FC_REASSEMBLY_MAX_FRAGMENTS - 2)

int datagrams_init(struct datagrams *datagrams, uint16_t max, int socket)
{
	uint32_t n_buckets = rte_align32pow2(max);

	*datagrams = (struct datagrams){
		.mask = n_buckets - 1,
		.seed = (uint32_t)rte_rdtsc(),
		.buckets = rte_zmalloc_socket(
			NULL, n_buckets * sizeof(*datagrams->buckets), 0, socket),
		.all = rte_zmalloc_socket(NULL, max * sizeof(*datagrams->all), 0, socket),
	};
	TAILQ_INIT(&datagrams->used);
	TAILQ_INIT(&datagrams->unused);
	if (datagrams->buckets == NULL || datagrams->all == NULL) {
		datagrams_fini(datagrams);
		return -1;
	}
	for (uint16_t i = 0; i < max; i++)
		TAILQ_INSERT_TAIL(&datagrams->unused, &datagrams->all[i], age);
	return 0;
}

void datagrams_fini(struct datagrams *datagrams)
{
	rte_free(datagrams->buckets);
	rte_free(datagrams->all);
}

static struct datagram **bucket_of(
	const struct datagrams *datagrams, const struct datagram_key *key)
{
	uint32_t hash = rte_jhash_32b((const uint32_t *)(const void *)key,
		sizeof(*key) / sizeof(uint32_t), datagrams->seed);

	return &datagrams->buckets[hash & datagrams->mask];
}

struct datagram *datagrams_find(const struct datagrams *datagrams, const struct datagram_key *key)
{
	struct datagram *datagram = *bucket_of(datagrams, key);

	while (datagram != NULL && memcmp(&datagram->key, key, sizeof(*key)) != 0)
		datagram = datagram->next;
	return datagram;
}

uint32_t datagrams_index(const struct datagrams *datagrams, const struct datagram *datagram)
{
	return (uint32_t)(datagram - datagrams->all);
}

struct datagram *datagrams_add(
	struct datagrams *datagrams, const struct datagram_key *key, uint64_t now)
{
	struct datagram **bucket = bucket_of(datagrams, key);
	struct datagram *datagram = TAILQ_FIRST(&datagrams->unused);

	if (datagram == NULL)
		return NULL;
	TAILQ_REMOVE(&datagrams->unused, datagram, age);
	datagram->key = *key;
	datagram->start = now;
	datagram->end = 0;
	datagram->n = 0;
	datagram->n_mbufs = 0;
	datagram->is_spoilt = false;
	datagram->next = *bucket;
	*bucket = datagram;
	TAILQ_INSERT_TAIL(&datagrams->used, datagram, age);
	return datagram;
}

void datagrams_remove(struct datagrams *datagrams, struct datagram *datagram)
{
	struct datagram **link = bucket_of(datagrams, &datagram->key);

	while (*link != datagram)
		link = &(*link)->next;
	*link = datagram->next;
	TAILQ_REMOVE(&datagrams->used, datagram, age);
	TAILQ_INSERT_TAIL(&datagrams->unused, datagram, age);
}

struct datagram *datagrams_oldest(const struct datagrams *datagrams)
{
	return TAILQ_FIRST(&datagrams->used);
}

enum piece_verdict datagram_judge(const struct datagram *datagram, const struct piece *piece)
{
	unsigned n_middle = 0;

	for (uint8_t i = 0; i < datagram->n; i++) {
		const struct piece *other = &datagram->pieces[i];

		if (other->from == piece->from && other->to == piece->to &&
			other->is_last == piece->is_last)
			return PIECE_DUPLICATE;
		if (piece->from < other->to && other->from < piece->to)
			return PIECE_SPOILS;
		if (piece->is_last && other->to > piece->to)
			return PIECE_SPOILS;
		if (other->from != 0 && !other->is_last)
			n_middle++;
	}
	if (datagram->end != 0 && (piece->is_last || piece->to > datagram->end))
		return PIECE_SPOILS;
	if (piece->from != 0 && !piece->is_last && n_middle == MAX_MIDDLE)
		return PIECE_SPOILS;
	return PIECE_NEW;
}

void datagram_note(struct datagram *datagram, const struct piece *piece, uint16_t n_mbufs)
{
	datagram->pieces[datagram->n++] = *piece;
	datagram->n_mbufs = (uint16_t)(datagram->n_mbufs + n_mbufs);
	if (piece->is_last)
		datagram->end = piece->to;
}
