/* SPDX-License-Identifier: MIT */
#ifndef FC_FEED_H
#define FC_FEED_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <fc_private.h>
#include <fc_stage.h>

#include "backlog.h"
#include "counters.h"
#include "port.h"
#include "tunnel.h"

/** What an output has for all its feeds; they are all on one lcore. Set up by the control thread.
 */
struct fc_output {
	struct fc_port *port;
	struct fc_chain chain;
	struct fc_tunnel *tunnel; /* NULL: it sends packets as they are; belongs to the engine */
	const struct fc_tunnel *heir_of; /* whose numbers go on in `tunnel`; NULL: none's */
	struct fc_burst_ports *ports;	 /* of its lcore; NULL: it need not know any */
	struct fc_private how;		 /* private copies of its packets */
	bool writes;			 /* packets are changed before they are sent */
	bool prepares;			 /* they may have to be changed, or at least copied */
	bool mends;	    /* what the port refuses may be sent as a copy: see transmit.c */
	uint16_t min_frame; /* it refuses shorter ones */
	bool passes_by;	    /* the port may refuse one for good, and take those behind it */
	bool borrows;	    /* its tunnel can use others' packets until they are sent; lcore: rw */
};

/**
 * One tap going to one output.
 *
 * Packets wait as they came from the tap, shared and unedited, in the backlog. Just before they are
 * sent, one burst is edited; what the port does not take of it waits in the stash. So waiting
 * costs no copies.
 *
 * All calls: the lcore that sends on the output's port.
 */
struct fc_feed {
	struct fc_output *output;
	const _Atomic uint64_t *reached; /* the position of the tap's stream; its rx lcores: wo */
	uint64_t window;		 /* segments that may wait */
	bool is_stalled;		 /* the port took nothing when last asked */
	const struct rte_mbuf *stuck;	 /* the frame that it refused first, only to be compared */
	uint32_t stuck_at;		 /* and the port's n_looks then */
	uint16_t stash_at, stash_n;	 /* stash[stash_at .. stash_n - 1] are to be sent */
	uint64_t stash_start;		 /* position of the burst that they come from */
	struct rte_mbuf **stash;	 /* frames: edited packets, or their fragments */
	uint8_t *is_last;		 /* of each in the stash: its packet ends there */
	struct fc_backlog backlog;

	/* this lcore: rw, any thread: ro */
	struct fc_tally tx;
	struct fc_tally parts;	/* frames sent with which no packet ended; without bytes */
	struct fc_tally queued; /* as of now, in the backlog and the stash */
	struct fc_tally drops[FC_N_DROPS];

	/* What came over routes that are no more. Control: rw; who reads statistics: ro */
	struct fc_count past_forwarded;
	struct fc_count past_handoff_full;
};

/**
 * Take memory for a feed of which the members above the stash have been set.
 *
 * @return  0, or -ENOMEM: nothing is held then. Control thread.
 */
int fc_feed_begin(struct fc_feed *feed, int socket);

/** Give the memory back; fc_feed_discard() came before. Control thread. */
void fc_feed_end(struct fc_feed *feed);

static inline bool fc_feed_is_waiting(const struct fc_feed *feed)
{
	return feed->stash_n != 0 || !fc_backlog_is_empty(&feed->backlog);
}

/** Whether the output sends every packet as it is, or at most a copy in one segment. */
static inline bool fc_output_shares(const struct fc_output *output)
{
	return output->chain.n_read == 0 && !output->writes;
}

/**
 * Give a burst of the tap to the feed.
 *
 * @param packets  1..FC_BURST packets; the array may be changed.
 * @param size     Their bytes, fc_packets_size(), which the caller has counted once for all feeds.
 * @param start    Position of the first in the tap's stream.
 * @param owned    One reference of each packet passes to the feed; otherwise the caller keeps his
 *                 and the feed raises the count of what it keeps.
 */
void fc_feed_offer(struct fc_feed *feed, struct rte_mbuf **packets, uint16_t n, uint64_t size,
	uint64_t start, bool owned);

/** What became of lent packets. */
struct fc_lent {
	uint16_t n_sent; /**< so many at the front are done with; the others are to be offered */
	uint16_t n_left; /**< that the caller has still */
	struct fc_count lost; /**< that it has no more; for the feeds behind, too */
};

/**
 * Let an output that borrows send packets which the caller keeps, without copies: each gets its
 * header in place and loses it again when the port has let go of it. Packets that somebody else
 * holds, too, are left.
 *
 * A packet that the port does not let go of, in spite of what its driver is known for, is lost for
 * the caller, and the output borrows no more.
 *
 * @param packets  1..FC_BURST packets; those that are left afterwards, as they were.
 */
struct fc_lent fc_feed_lend(
	struct fc_feed *feed, struct rte_mbuf **packets, uint16_t n, uint64_t start);

/**
 * Lose what has waited too long, oldest first, and what waits for a port that is gone: some bursts
 * of it at once.
 *
 * @return  How many packets were lost.
 */
unsigned fc_feed_expire(struct fc_feed *feed);

/**
 * Send of what waits a burst, or what the port takes of it.
 *
 * @return  How many packets left the feed.
 */
unsigned fc_feed_drain(struct fc_feed *feed);

/**
 * Send by another output of the same port from now on.
 *
 * Frames that have been edited already and that the port takes no more, since it was set up anew,
 * are lost as overrun; all else waits on.
 */
void fc_feed_take_output(struct fc_feed *feed, struct fc_output *output);

/** Give up everything that waits; counted as overrun. Control thread, the lcore has stopped. */
void fc_feed_discard(struct fc_feed *feed);

#endif
