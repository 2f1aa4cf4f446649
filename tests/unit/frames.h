/* SPDX-License-Identifier: MIT */
#ifndef FRAMES_H
#define FRAMES_H

#include <stdint.h>

/**
 * Frames built byte by byte: every link layer (untagged, tagged once and twice, MPLS, PPPoE) with
 * every network layer (IPv4, fragments, options, IPv6) and transport layer, and a few others.
 */

#define FRAME_SIZE 256

struct frame {
	uint8_t bytes[FRAME_SIZE];
	uint32_t length;
};

/** How many kinds there are. */
unsigned frames_n(void);

/** Build kind number @p kind, 0 .. frames_n() - 1. */
void frames_build(struct frame *frame, unsigned kind);

#endif
