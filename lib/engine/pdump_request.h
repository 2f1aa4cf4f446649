/* SPDX-License-Identifier: MIT */
#ifndef FC_PDUMP_REQUEST_H
#define FC_PDUMP_REQUEST_H

#include <pthread.h>
#include <stdatomic.h>

#include <rte_eal.h>
#include <rte_pdump.h>

#include "pdump_loan.h"
#include "pdump_peer.h"
#include "pdump_point.h"

/** How captures are asked for, and what is asked for; see pdump.h for who does what. */

/** What EAL calls these messages. */
#define FC_PDUMP_ACTION "mp_pdump"

/* The messages of lib/pdump/rte_pdump.c, the same from DPDK 22.11 to 26.07. */
enum { FC_PDUMP_PLAIN = 1, FC_PDUMP_PCAPNG = 2 }; /* versions */

struct fc_pdump_request {
	uint16_t version;
	uint16_t operation;
	uint32_t flags;
	char device[RTE_DEV_NAME_MAX_LEN];
	uint16_t queue;
	struct rte_ring *ring;
	struct rte_mempool *pool;
	const struct rte_bpf_prm *filter;
	uint32_t snaplen;
};

/* What one process captures of one port. */
struct fc_pdump {
	struct fc_pdump *next;
	char peer[FC_PEER_SIZE];
	struct fc_pdump_request request;
	/* RTE_PDUMP_FLAG_RX, _TX: what goes on. Control: rw, IPC thread: rw under the lock. */
	_Atomic uint32_t directions;
	bool is_stuck; /* an lcore did not come out of it in time; under the lock */
	uint64_t asked_ms;
	struct fc_pdump_target target;
	struct fc_pdump_loan loan;
	char ring_name[RTE_RING_NAMESIZE], pool_name[RTE_MEMPOOL_NAMESIZE];
	struct fc_pdump_point *points;
};

/** The captures that there are. */
struct fc_pdumps {
	/*
	 * Held by the IPC thread while it ends a capture, and by the control thread while it
	 * changes what that thread reads. Not while memory is taken or freed, see pdump.h.
	 */
	pthread_mutex_t lock;
	bool is_open;
	struct fc_pdump *asked;	  /* waiting for the control thread */
	_Atomic bool has_asked;	  /* whether there is one */
	struct fc_pdump *running; /* the control thread adds and removes */
};

extern struct fc_pdumps fc_pdumps;

/** The directions that go on: RTE_PDUMP_FLAG_RX, _TX. */
static inline uint32_t fc_pdump_directions(const struct fc_pdump *capture)
{
	return atomic_load_explicit(&capture->directions, memory_order_relaxed);
}

static inline uint32_t fc_pdump_direction(bool is_tx)
{
	return is_tx ? RTE_PDUMP_FLAG_TX : RTE_PDUMP_FLAG_RX;
}

/** Carry a request out, or leave it to the control thread to begin and to answer. EAL's IPC
 * thread. */
int fc_pdump_serve(const struct rte_mp_msg *message, const void *peer);

/** Answer a request. @return 0, or -errno: nobody has got it. Any thread. */
int fc_pdump_answer(const char *peer, const struct fc_pdump_request *request, int error);

/** Whether who asked for a capture may not wait for the answer any more. Any thread. */
bool fc_pdump_is_late(const struct fc_pdump *capture);

/**
 * End some directions of a capture. Its memory goes back with the last capture that uses it.
 *
 * @return  0; -ETIMEDOUT when an lcore stays in it: its memory is kept. Any thread, which holds
 *          the lock.
 */
int fc_pdump_end(struct fc_pdump *capture, uint32_t directions);

/** Take what waits for the control thread. */
struct fc_pdump *fc_pdumps_take_asked(void);

#endif
