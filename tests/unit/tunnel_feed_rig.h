/* SPDX-License-Identifier: MIT */
#ifndef TUNNEL_FEED_RIG_H
#define TUNNEL_FEED_RIG_H

#include <fc_reassembly.h>

#include "engine_rig.h"
#include "tunnel_rig.h"

/** A feed whose output sends through a tunnel, and the tunnel's other end. */

#define RIG_WINDOW    256
#define RIG_LONGEST   9018
#define RIG_FRAGMENTS 16 /**< that a packet may become, unless a test says otherwise */

struct tunnel_feed {
	struct rte_mempool *frames, *copies;
	struct rig_port port;
	struct fc_output output;
	struct fc_tunnel tunnel;
	struct fc_feed feed;
	struct fc_tunnel_params params;
	_Atomic uint64_t reached;
	uint64_t n_offered;

	/* What has been read from the port. */
	struct fc_tunnel_ends ends;
	struct fc_reassembly *reassembly;
	uint64_t n_frames, size;
};

struct tunnel_feed_options {
	unsigned n_copies;	      /**< buffers for copies and fragments; 0: plenty */
	unsigned n_out;		      /**< frames that the port takes; 0: plenty */
	uint16_t n_fragments;	      /**< 0: RIG_FRAGMENTS */
	bool linear;		      /**< the port takes one segment only */
	uint16_t room;		      /**< bytes that a copy holds; 0: the usual */
	const struct fc_edits *edits; /**< NULL: none */
};

/** Those of rig_params(), with an MTU of 1,500. */
struct fc_tunnel_params rig_mtu_1500(enum fc_tunnel_type type, uint8_t family);

/** @param options  NULL: none. */
void rig_begin(struct tunnel_feed *f, const struct fc_tunnel_params *params,
	const struct tunnel_feed_options *options);

/**
 * Fail unless every packet was counted once, all that the port got has been read, and all buffers
 * come back.
 */
void rig_end(struct tunnel_feed *f);

/** Offer packets; without @p owned they stay the caller's, too. */
void rig_offer(struct tunnel_feed *f, struct rte_mbuf *const *packets, uint16_t n, bool owned);

/** Offer @p n frames of @p length bytes, the first with number @p first. */
void rig_offer_frames(
	struct tunnel_feed *f, uint64_t first, uint16_t n, uint32_t length, bool owned);

/** Drain until nothing waits. */
void rig_drain(struct tunnel_feed *f);

/**
 * Read what was sent up to the end of a packet, check its outer headers and take the inner one out.
 *
 * @return  The frame, the caller's; NULL: no further packet is whole.
 */
struct rte_mbuf *rig_read(struct tunnel_feed *f);

/** Fail unless the next packet carries this frame. */
void rig_expect_packet(struct tunnel_feed *f, uint64_t number, uint32_t length);
void rig_expect_nothing(struct tunnel_feed *f);

/** Fail unless the feed's only drops are these. */
void rig_expect_drops(const struct tunnel_feed *f, enum fc_drop drop, uint64_t n, uint64_t size);
uint64_t rig_drops(const struct tunnel_feed *f, enum fc_drop drop);

/** Bytes that the tunnel puts in front, Ethernet included, and what it leaves behind. */
uint32_t rig_growth(const struct fc_tunnel_params *params);

/** Which fragment a frame is, of an untagged IPv4 packet; none of them: it is all of it. */
bool rig_is_first(const struct rte_mbuf *frame);
bool rig_is_middle(const struct rte_mbuf *frame);
bool rig_is_last(const struct rte_mbuf *frame);

#endif
