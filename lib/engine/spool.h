/* SPDX-License-Identifier: MIT */
#ifndef FC_SPOOL_H
#define FC_SPOOL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <rte_mbuf.h>

#include <fc_config.h>
#include <fc_plan.h>

#include "counters.h"
#include "memory.h"

/**
 * Where the packets of a tap wait densely: a ring of bytes for all feeds of the tap on one lcore.
 *
 * It consists of records of up to FC_SPOOL_BURST packets, which may have come in several bursts.
 * Each packet is written once, however many feeds wait for it. Each record has a slot, a number out
 * of a ring of numbers, and each feed is a reader with a mask for each slot: which packets of the
 * record it still wants.
 *
 * The spool overwrites its oldest record when it needs the room. Before it does so, each reader
 * that still wants packets of that record loses them, exactly counted; so nothing ever refers to
 * what has been overwritten.
 *
 * Its memory is used as far as it is there (fc_memory.ready), and can grow and shrink in place: a
 * larger limit means that the writer goes on behind the old end, once it has come there, a smaller
 * one that it begins sooner from the front, and that the oldest records are lost little by little.
 *
 * All calls, unless they say otherwise: the lcore that owns the spool.
 */

#define FC_SPOOL_BURST	   32	 /**< packets of a record */
#define FC_SPOOL_RECORD	   65536 /**< bytes of packets in a record, unless one alone has more */
#define FC_SPOOL_UNIT	   64	 /**< records begin at multiples of it */
#define FC_SPOOL_SLOT_SIZE 2048	 /**< bytes of a spool for which it has one slot */
#define FC_SPOOL_MIN_SIZE  (UINT64_C(1) << 20)
#define FC_SPOOL_READERS   FC_MAX_OUTPUTS

struct fc_spool;

/** What one feed wants of a spool. Set up by the control thread, then the lcore's. */
struct fc_spool_reader {
	struct fc_spool *spool;
	struct fc_memory memory; /* of the masks; control: rw, but for `ready` */
	uint32_t *masks;	 /* of each slot: the packets of its record that are still wanted */
	struct fc_tally *queued; /* of the feed: gets less when packets are overwritten */
	struct fc_tally *lost;	 /* and this gets more */
	uint32_t front;		 /* slot of the oldest record of which some may be wanted */
	uint32_t n_packets;	 /* wanted in all; 0: it is not among the spool's readers */
	uint64_t n_bytes;
	uint16_t index; /* among the spool's readers */
	bool is_listed;
};

struct fc_spool_record;

struct fc_spool {
	/* Control: rw, but for `ready` */
	struct fc_memory memory;
	struct fc_memory table_memory;
	int stamp_at;	     /* where mbufs have the port's time stamp, -1: they have none */
	uint64_t stamp_flag; /* of ol_flags: it is set */

	/* Changed by orders; the lcore: ro */
	struct rte_mempool *pool; /* of what is read */
	uint64_t limit;		  /* bytes that records may take */
	uint32_t slot_limit;	  /* slots that may be used */

	/* The lcore: rw */
	uint32_t *table;	      /* of each slot: where its record is, in units */
	struct fc_spool_record *open; /* the newest, while there may come more; NULL: none */
	uint64_t head;		      /* the first byte behind the newest record */
	uint64_t lap_end;	      /* bytes from `head` to here are of the lap before */
	uint64_t size;		      /* bytes of all records */
	uint32_t oldest, newest;      /* slots */
	uint32_t slot_end;	      /* of the lap of the oldest */
	uint32_t n_records;
	uint16_t n_readers; /* that want something */
	struct fc_spool_reader *readers[FC_SPOOL_READERS];

	/* The lcore: wo, any thread: ro */
	_Atomic uint64_t used; /* bytes from the oldest record that a reader wants on */
	_Atomic uint64_t end;  /* no record is behind this byte */
	/* The lcore: rw; any thread that may read statistics sets it back */
	_Atomic uint64_t peak; /* of `used` */
};

/** A part of a burst that came to lie in one record. */
struct fc_spool_part {
	uint32_t slot;
	uint16_t first; /**< of the packets in the record */
	uint16_t n;
	uint64_t size; /**< bytes of all of them */
};

/** Slots that a spool of @p size bytes has. */
uint32_t fc_spool_slots(uint64_t size);

/** Bytes of memory for a word for each slot: a spool takes so much besides its size, and so does
 * each of its readers. */
uint64_t fc_spool_index_size(uint64_t size);

/**
 * Make a spool.
 *
 * Its memory is not there yet: fc_memory_fill() of `memory` gets it, before or while it is used.
 *
 * @param size  Bytes, at least FC_SPOOL_MIN_SIZE.
 * @param pool  What is read comes out of it.
 * @param node  NUMA node, -1: any.
 * @return      0 or -errno. Control thread.
 */
int fc_spool_begin(struct fc_spool *spool, uint64_t size, struct rte_mempool *pool, int node);

/** Give its memory back; nobody reads it any more. Control thread. */
void fc_spool_end(struct fc_spool *spool);

/**
 * Have memory ready for a larger size, beside the lcore that uses it. fc_spool_set() makes it used.
 *
 * @return  0 or -errno, and nothing has changed for the lcore. Control thread.
 */
int fc_spool_prepare(struct fc_spool *spool, uint64_t size);
int fc_spool_reader_prepare(struct fc_spool_reader *reader, uint64_t size);

/** Use so many bytes from now on, and another pool. Memory has been prepared for them. */
void fc_spool_set(struct fc_spool *spool, uint64_t size, struct rte_mempool *pool);

/** Give back memory behind @p size bytes if the lcore needs it no more. Control thread. */
void fc_spool_trim(struct fc_spool *spool, uint64_t size);

/** Bytes that it can hold now. Any thread. */
uint64_t fc_spool_ready(const struct fc_spool *spool);

/** Make a reader, which wants nothing yet. @return 0 or -errno. Control thread. */
int fc_spool_reader_begin(struct fc_spool_reader *reader, struct fc_spool *spool,
	struct fc_tally *queued, struct fc_tally *lost);

/** Give its memory back; it wants nothing. Control thread. */
void fc_spool_reader_end(struct fc_spool_reader *reader);

/**
 * Write packets behind all others. They are copied; the caller keeps their references.
 *
 * All that are written must be wanted by some reader at once (fc_spool_want()), before the rest is
 * written.
 *
 * @param packets   1..FC_SPOOL_BURST packets.
 * @param position  Of the first in the tap's stream.
 * @param now       When they came: TSC.
 * @return          How many were written, at least one; the others want another call.
 */
uint16_t fc_spool_write(struct fc_spool *spool, struct rte_mbuf *const *packets, uint16_t n,
	uint64_t position, uint64_t now, struct fc_spool_part *part);

/**
 * Have a reader want packets that have just been written.
 *
 * @param mask  Which of the part's packets: bit 0 is the first. Not 0.
 * @return      How many they are and their bytes.
 */
struct fc_count fc_spool_want(
	struct fc_spool_reader *reader, const struct fc_spool_part *part, uint32_t mask);

/**
 * Copy the oldest packets that a reader wants into mbufs of their own, which are the caller's; the
 * reader wants them no more.
 *
 * Packets that are longer than a buffer get several segments. They have no flags but what says when
 * they arrived and how long they were.
 *
 * @param max    1..FC_SPOOL_BURST.
 * @param since  Gets the TSC of the arrival of the first.
 * @return       How many, all of one record; 0: the pool is empty, or many records without any have
 *               been passed over and the next call goes on behind them.
 */
uint16_t fc_spool_read(
	struct fc_spool_reader *reader, struct rte_mbuf **packets, uint16_t max, uint64_t *since);

/** When the oldest packet that a reader wants arrived, to the record: TSC. It wants some. */
uint64_t fc_spool_oldest(const struct fc_spool_reader *reader);

/** Want nothing any more. Returns what was wanted; the caller counts it. */
struct fc_count fc_spool_forget(struct fc_spool_reader *reader);

/**
 * Not be among the spool's readers any more, and leave `n_packets` as it is: the feed has ended,
 * and the control thread will count what it wanted with fc_spool_forget().
 */
void fc_spool_leave(struct fc_spool_reader *reader);

/** Lose some of what is more than the limit allows, after that got smaller. */
void fc_spool_shrink(struct fc_spool *spool);

#endif
