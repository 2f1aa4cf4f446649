/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_RIG_H
#define ENGINE_RIG_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_mbuf.h>
#include <rte_ring.h>

#include "queue.h"

/**
 * Ports, taps and feeds for tests of the engine's parts, put together by hand.
 *
 * A frame of the rig carries its number in its first six bytes, where no edit changes it; all its
 * other bytes follow from number, length and tags.
 */

#define RIG_MAX_FEEDS 8
#define RIG_MAX_FRAME 9018
#define RIG_ALL	      UINT16_MAX

/** Full bursts that an empty handoff takes before it counts as full. */
#define RIG_HANDOFF_BURSTS                                                                         \
	((FC_HANDOFF_WORDS - 1 - FC_HANDOFF_ROUND_WORDS) / FC_HANDOFF_BURST_WORDS + 1)

/** A net_ring port: it receives what the test puts into `in`, and what it sends is in `out`. */
struct rig_port {
	struct rte_ring *in, *out;
	char name[64];
	struct fc_plan_port plan;
	struct fc_port port;
};

/** @param n_out  Frames that it takes before somebody reads them. */
void rig_port_start(
	struct rig_port *port, const char *name, unsigned n_out, struct rte_mempool *pool);

/** Close it and free what is still in its rings. */
void rig_port_stop(struct rig_port *port);

/** From now on each call of tx_burst takes @p n frames at most; RIG_ALL ends that. */
void rig_port_limit(struct rig_port *port, uint16_t n);

/** From now on its driver sends copies out of @p wire, and holds nothing when tx_burst returns. */
void rig_port_let_go(struct rig_port *port, struct rte_mempool *wire);

/** From now on its driver says of frames of which the number divides by @p n that it can never send
 * them; 0 ends that. */
void rig_port_refuse(struct rig_port *port, unsigned n);

/** The same of the frames of which @p is_refused says so; NULL ends that. */
void rig_port_refuse_if(struct rig_port *port, bool (*is_refused)(const struct rte_mbuf *frame));

/** Read one frame that was sent; NULL: there is none. */
struct rte_mbuf *rig_port_read(struct rig_port *port);

/** No edit at all. */
struct fc_edits rig_no_edits(void);

/** @param linear  As if the port took single segments only. */
void rig_output_begin(struct fc_output *output, struct rig_port *port, const struct fc_edits *edits,
	struct rte_mempool *copies, bool linear);

/** Have an output send through a tunnel, of which the header has been prepared. */
void rig_output_tunnel(struct fc_output *output, struct fc_tunnel *tunnel, uint16_t n_fragments);
void rig_output_end(struct fc_output *output);

void rig_feed_begin(struct fc_feed *feed, struct fc_output *output, const _Atomic uint64_t *reached,
	uint32_t window);

/** Give up what waits, and the memory. */
void rig_feed_end(struct fc_feed *feed);

/** A tap with one queue and feeds on the same lcore. */
struct rig_tap {
	struct rig_port port;
	struct fc_queue queue;
	struct fc_intake intake;
	struct fc_intake *intakes[1];
	struct fc_route route;
	struct fc_feed *feeds[RIG_MAX_FEEDS];
	_Atomic uint64_t reached;
	uint16_t first; /* whose turn it is to drain first */
};

/** Start the tap's port, with an intake that edits as @p edits say. */
void rig_tap_begin(struct rig_tap *tap, const char *name, const struct fc_edits *edits,
	struct rte_mempool *pool);

/** Connect the feeds: as the engine does, those that share come last. */
void rig_tap_connect(struct rig_tap *tap, struct fc_feed *const *feeds, uint16_t n);
void rig_tap_end(struct rig_tap *tap);

/** Let the port have a packet. */
void rig_tap_put(struct rig_tap *tap, struct rte_mbuf *packet);

/** One round of an lcore: drain the feeds that wait, then receive. */
void rig_tap_round(struct rig_tap *tap);

/** What an lcore does for a feed in a round, when it has nothing else to do. @return As there. */
#define RIG_DRAIN_BURSTS 4
unsigned rig_feed_drain(struct fc_feed *feed);

/** Packets that a feed has accounted for. */
uint64_t rig_feed_sum(const struct fc_feed *feed);

/** Write frame @p number into @p bytes. */
void rig_frame_bytes(uint8_t *bytes, uint64_t number, uint32_t length, unsigned n_tags);

/** Make frame @p number; @p part as in fixture_packet(). */
struct rte_mbuf *rig_frame(
	struct rte_mempool *pool, uint64_t number, uint32_t length, unsigned n_tags, uint16_t part);
uint64_t rig_frame_number(const struct rte_mbuf *packet);

/** A packet as it is, for the question whether somebody has written to it. */
#define RIG_MAX_SEGMENTS 8

struct rig_snapshot {
	const struct rte_mbuf *packet;
	uint32_t length;
	unsigned n_segments;
	struct {
		const struct rte_mbuf *next;
		uint16_t at, length;
		uint8_t buffer[RTE_MBUF_DEFAULT_BUF_SIZE]; /* all of it, headroom included */
	} segments[RIG_MAX_SEGMENTS];
};

void rig_snapshot_take(struct rig_snapshot *snapshot, const struct rte_mbuf *packet);

/** Fail unless all bytes and lengths of the packet are as they were. */
void rig_snapshot_compare(const struct rig_snapshot *snapshot);

/** What the edits that write make of a frame, done in the plainest way. @return The new length. */
uint32_t rig_edit_bytes(uint8_t *bytes, uint32_t length, const struct fc_edits *edits);

#endif
