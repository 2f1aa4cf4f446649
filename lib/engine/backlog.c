/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include <rte_malloc.h>
#include <rte_prefetch.h>

#include "backlog.h"

#define POSITION_BITS  40
#define PREFETCH_WORDS 33 /* a burst with its header */
#define POSITION_MASK  ((UINT64_C(1) << POSITION_BITS) - 1)

/* A packet that comes alone takes two words; one more burst may come before the oldest goes. */
static uint64_t count_words(uint32_t n_packets)
{
	return rte_align64pow2(2 * (uint64_t)n_packets + 2 * FC_BACKLOG_MAX_BURST);
}

uint64_t fc_backlog_size(uint32_t n_packets)
{
	return count_words(n_packets) * sizeof(uint64_t);
}

int fc_backlog_begin(struct fc_backlog *backlog, uint32_t n_packets, int socket)
{
	uint64_t n_words = count_words(n_packets);

	*backlog = (struct fc_backlog){ .mask = n_words - 1 };
	backlog->words = rte_malloc_socket(
		"fluxcap_backlog", n_words * sizeof(uint64_t), RTE_CACHE_LINE_SIZE, socket);
	return backlog->words != NULL ? 0 : -ENOMEM;
}

bool fc_backlog_holds(const struct fc_backlog *backlog, uint32_t n_packets)
{
	return count_words(n_packets) <= backlog->mask + 1;
}

void fc_backlog_grow(struct fc_backlog *backlog, struct fc_backlog *larger)
{
	uint64_t *unused = backlog->smaller;

	if (backlog->tail < backlog->border)
		return;
	backlog->smaller = backlog->words;
	backlog->smaller_mask = backlog->mask;
	backlog->border = backlog->head;
	backlog->words = larger->words;
	backlog->mask = larger->mask;
	*larger = (struct fc_backlog){ .words = unused };
}

void fc_backlog_end(struct fc_backlog *backlog)
{
	rte_free(backlog->words);
	rte_free(backlog->smaller);
	*backlog = (struct fc_backlog){ 0 };
}

/* Where a word is. All words of a burst are in the same memory. */
static inline const uint64_t *find_word(const struct fc_backlog *backlog, uint64_t at)
{
	if (unlikely(at < backlog->border))
		return &backlog->smaller[at & backlog->smaller_mask];
	return &backlog->words[at & backlog->mask];
}

bool fc_backlog_has_room(const struct fc_backlog *backlog, uint16_t n)
{
	return backlog->head - backlog->tail + n + 1 <= backlog->mask + 1;
}

void fc_backlog_push(
	struct fc_backlog *backlog, uint64_t start, struct rte_mbuf *const *packets, uint16_t n)
{
	backlog->words[backlog->head++ & backlog->mask] =
		(uint64_t)n << POSITION_BITS | (start & POSITION_MASK);
	for (uint16_t i = 0; i < n; i++)
		backlog->words[backlog->head++ & backlog->mask] = (uintptr_t)packets[i];
	backlog->n_packets += n;
}

/* Read the header of the next burst when the one before is used up. */
static void open_front(struct fc_backlog *backlog)
{
	if (backlog->left == 0 && backlog->n_packets != 0) {
		uint64_t header = *find_word(backlog, backlog->tail++);

		backlog->left = (uint16_t)(header >> POSITION_BITS);
		backlog->start = header & POSITION_MASK;
	}
}

uint16_t fc_backlog_front(struct fc_backlog *backlog, struct rte_mbuf **packets, uint16_t max)
{
	uint16_t n;

	open_front(backlog);
	n = RTE_MIN(backlog->left, max);
	for (uint16_t i = 0; i < n; i++)
		packets[i] = (struct rte_mbuf *)(uintptr_t)*find_word(backlog, backlog->tail + i);
	return n;
}

void fc_backlog_pop(struct fc_backlog *backlog, uint16_t n)
{
	backlog->tail += n;
	backlog->left = (uint16_t)(backlog->left - n);
	backlog->n_packets -= n;
}

void fc_backlog_prefetch(const struct fc_backlog *backlog)
{
	uint64_t from = backlog->tail + backlog->left;

	/*
	 * Freeing an mbuf and using it again touches both its lines. A header among the words is
	 * prefetched as an address too, which does nothing.
	 */
	for (uint64_t at = from; at < from + PREFETCH_WORDS && at < backlog->head; at++) {
		const char *mbuf = (void *)(uintptr_t)*find_word(backlog, at);

		rte_prefetch0(mbuf);
		rte_prefetch0(mbuf + RTE_CACHE_LINE_MIN_SIZE);
	}
}

bool fc_backlog_is_late(struct fc_backlog *backlog, uint64_t reached, uint64_t window)
{
	open_front(backlog);
	return backlog->left != 0 && fc_backlog_distance(backlog->start, reached) > window;
}
