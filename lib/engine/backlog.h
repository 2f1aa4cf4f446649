/* SPDX-License-Identifier: MIT */
#ifndef FC_BACKLOG_H
#define FC_BACKLOG_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_mbuf.h>

/**
 * The packets that a feed's port did not take yet: a FIFO of bursts in memory of its own.
 *
 * Each burst carries its position in the tap's stream, which counts segments (mbufs). The feed
 * compares it with the position that the tap has reached: a burst that is further behind than the
 * tap's ring allows is the first to be lost. So all backlogs of a tap, whatever their filters, hold
 * only packets out of the same newest window, and one ring's worth of buffers serves them all.
 *
 * Positions are kept in 40 bits and compared modulo 2^40, far above any window.
 *
 * All calls: the lcore that owns the feed. No call allocates but fc_backlog_begin().
 */
struct fc_backlog {
	uint64_t *words; /* a burst is a header (n, position), then n packets */
	uint64_t mask;
	uint64_t head;	   /* next word to write */
	uint64_t tail;	   /* next packet of the front burst, or the next header */
	uint64_t border;   /* words before it are in smaller memory, where they were written */
	uint64_t *smaller; /* NULL: none */
	uint64_t smaller_mask;
	uint64_t start; /* position of the front burst */
	uint16_t left;	/* packets of the front burst that are still here */
	uint32_t n_packets;
};

/** The largest burst that can be pushed. */
#define FC_BACKLOG_MAX_BURST 64

/** Bytes of memory that fc_backlog_begin() takes for @p n_packets packets. */
uint64_t fc_backlog_size(uint32_t n_packets);

/**
 * Take memory for at least @p n_packets packets, even when each comes alone.
 *
 * @return  0, or -ENOMEM.
 */
int fc_backlog_begin(struct fc_backlog *backlog, uint32_t n_packets, int socket);

/** Whether its memory is enough for that. */
bool fc_backlog_holds(const struct fc_backlog *backlog, uint32_t n_packets);

/**
 * Go on in larger memory. What waits stays where it is until it is taken out, so that this takes no
 * longer when much waits.
 *
 * Not again before all is taken out that waited the last time: then nothing changes.
 *
 * @param larger  Begun for more packets than @p backlog, and empty. It gets memory that is not
 * needed any more; nothing but fc_backlog_end() is to be done with it then.
 */
void fc_backlog_grow(struct fc_backlog *backlog, struct fc_backlog *larger);

/** Give the memory back; the packets must be gone. */
void fc_backlog_end(struct fc_backlog *backlog);

static inline bool fc_backlog_is_empty(const struct fc_backlog *backlog)
{
	return backlog->n_packets == 0;
}

/** Whether a burst of @p n packets can be pushed. */
bool fc_backlog_has_room(const struct fc_backlog *backlog, uint16_t n);

/** Append a burst, 1..FC_BACKLOG_MAX_BURST packets, whose references the backlog takes over. */
void fc_backlog_push(
	struct fc_backlog *backlog, uint64_t start, struct rte_mbuf *const *packets, uint16_t n);

/**
 * Look at the oldest packets.
 *
 * @return  How many, at most @p max, were written to @p packets; all are of one burst. The backlog
 *          goes on holding them until fc_backlog_pop(). 0 when it is empty.
 */
uint16_t fc_backlog_front(struct fc_backlog *backlog, struct rte_mbuf **packets, uint16_t max);

/** Take the first @p n packets that fc_backlog_front() showed out; they are the caller's now. */
void fc_backlog_pop(struct fc_backlog *backlog, uint16_t n);

/** Have the CPU fetch the packets behind the front burst, which waited long enough to be forgotten.
 */
void fc_backlog_prefetch(const struct fc_backlog *backlog);

/** Whether the front burst began more than @p window segments before the position @p reached. */
bool fc_backlog_is_late(struct fc_backlog *backlog, uint64_t reached, uint64_t window);

/** How far @p start is behind @p reached, both modulo 2^40; 0 when it is ahead. */
static inline uint64_t fc_backlog_distance(uint64_t start, uint64_t reached)
{
	uint64_t behind = (reached - start) & ((UINT64_C(1) << 40) - 1);

	return behind < UINT64_C(1) << 39 ? behind : 0;
}

#endif
