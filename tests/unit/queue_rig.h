/* SPDX-License-Identifier: MIT */
#ifndef QUEUE_RIG_H
#define QUEUE_RIG_H

#include "engine_rig.h"
#include "tunnel_rig.h"

/**
 * An rx queue of a port where tunnels end at 192.0.2.9 and 2001:db8::9, and the taps behind it,
 * each with an output that shows what it got.
 */

#define RIG_TAPS      3
#define RIG_STRAY     RIG_TAPS /**< the tunnel that ends nowhere */
#define RIG_N_FRAMES  1023
#define RIG_N_COPIES  63
#define RIG_INNER     100 /**< bytes of a frame in a tunnel */
#define RIG_HEARD     (FC_HOST_WORDS - 1)
#define RIG_FRAGMENTS 16 /**< that a packet may become */

struct queue_tap {
	struct fc_intake intake;
	struct fc_route routes[2];
	struct rig_port port;
	struct fc_output output;
	struct fc_feed feed;
	struct fc_feed *feeds[1];
	_Atomic uint64_t reached;
};

struct queue_rig {
	struct rte_mempool *frames; /* what is received */
	struct rte_mempool *copies; /* for those that come in shared */
	struct rig_port port;
	struct fc_queue queue;
	struct fc_tunnel_ends ends;
	struct fc_intake *intakes[RIG_TAPS];
	struct queue_tap taps[RIG_TAPS];
	struct fc_tunnel_header headers[RIG_TAPS + 1]; /* of the other ends */
	struct fc_tunnel_state states[RIG_TAPS + 1];
	uint64_t n_received, size_received;
};

/** What a queue is. */
enum queue_kind {
	QUEUE_ENDS,  /**< a tunnel ends at each of its taps */
	QUEUE_PLAIN, /**< one tap, without a tunnel; tunnels begin on its port */
	QUEUE_DEAF   /**< no tap at all; tunnels begin on its port */
};

/** @param n_taps  1..RIG_TAPS for QUEUE_ENDS, 1 and 0 for the others. */
void rig_begin(struct queue_rig *q, enum queue_kind kind, uint16_t n_taps);

/**
 * Fail unless each frame was counted by one tap, with its bytes, and as one thing; and unless all
 * buffers come back.
 */
void rig_end(struct queue_rig *q);

/** Let the port have received a packet. */
void rig_receive(struct queue_rig *q, struct rte_mbuf *packet);

/** As rig_receive(), from bytes. */
void rig_receive_bytes(struct queue_rig *q, const void *bytes, uint32_t length);

/** Poll until the port has nothing more. */
void rig_poll(struct queue_rig *q);

/** A packet of a tunnel, with frame @p number of @p length bytes in it. */
struct rte_mbuf *rig_wrap(struct queue_rig *q, unsigned tunnel, uint64_t number, uint32_t length);

/** The fragments that the same becomes on its way; @return how many. */
unsigned rig_wrap_fragments(struct queue_rig *q, unsigned tunnel, uint64_t number, uint32_t length,
	struct rte_mbuf *fragments[RIG_FRAGMENTS]);

/** Fail unless the next frame that a tap forwarded is this one. */
void rig_expect_frame(struct queue_rig *q, unsigned tap, uint64_t number, uint32_t length);

/** Fail unless it forwarded no more. */
void rig_expect_no_frame(struct queue_rig *q, unsigned tap);

/** Fail unless a tap's only drops are these. */
void rig_expect_drops(
	const struct queue_rig *q, unsigned tap, enum fc_drop drop, uint64_t n, uint64_t size);
void rig_expect_count(const struct fc_tally *tally, uint64_t packets, uint64_t bytes);

/** Take out what waits to be heard; NULL: nothing. */
struct rte_mbuf *rig_heard(struct queue_rig *q);

#endif
