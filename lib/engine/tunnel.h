/* SPDX-License-Identifier: MIT */
#ifndef FC_ENGINE_TUNNEL_H
#define FC_ENGINE_TUNNEL_H

#include <stdint.h>

#include <fc_fragment.h>
#include <fc_plan.h>
#include <fc_tunnel.h>

#include "counters.h"

/**
 * The UDP source ports of a burst. Outputs through several tunnels need the same ones of the same
 * burst, and to find them is much of the work.
 */
struct fc_burst_ports {
	const void *stream; /* the tap's */
	uint64_t start;	    /* position of the burst in it */
	uint16_t n;
	uint16_t ports[FC_BURST];
};

/**
 * The UDP source ports of a whole burst of a tap, as another output of this lcore has found them or
 * as they are found now.
 *
 * @param known   Of the lcore.
 * @param stream  The tap's.
 * @param start   Position of the burst in it.
 * @return        One for each of the 1..FC_BURST packets, until the next call. The lcore that
 *                sends.
 */
const uint16_t *fc_burst_ports_find(struct fc_burst_ports *known, const void *stream,
	uint64_t start, struct rte_mbuf *const *packets, uint16_t n);

/** The tunnel that an output sends through. */
struct fc_tunnel {
	struct fc_tunnel_header header; /* its destination: control: wo */
	struct fc_tunnel_state state;	/* the lcore: rw */
	struct fc_fragment how;
	uint16_t n_fragments; /* frames that one packet becomes at most */
};

/**
 * Put a tunnel's header in front of packets.
 *
 * Those that are too long are cut, dropped, or left to be fragmented, as the tunnel is told.
 *
 * @param packets  Up to 64 frames of at least 14 bytes, private, with FC_TUNNEL_MAX_SIZE bytes of
 *                 headroom; those that are lost are freed, the rest moves up.
 * @param drops    Gets them, as oversize, refused or unresolved.
 * @param ports    UDP source ports of the packets; NULL: not known.
 * @param long_ones  Gets bit i set for each packets[i] that is longer than the MTU now and must go
 *                 through fc_fragment().
 * @param size     Gets the bytes of those that stay, with their headers.
 * @return         How many there are. The lcore that sends.
 */
uint16_t fc_tunnel_wrap(struct fc_tunnel *tunnel, struct fc_tally drops[FC_N_DROPS],
	struct rte_mbuf **packets, uint16_t n, const uint16_t *ports, uint64_t *long_ones,
	uint64_t *size);

/**
 * Wrap packets that may be shared, up to the first that takes more care than fc_tunnel_push() has:
 * what needs no private packets costs none.
 *
 * @param how      How to make private what is not.
 * @param packets  Up to 64; those that were wrapped are replaced by what is to be sent.
 * @param owned    The caller gives up one reference of each of those.
 * @param ports    UDP source ports of the packets; NULL: not known.
 * @param size     Gets the bytes of those that were wrapped, with their headers.
 * @return         How many were, at the front. The lcore that sends.
 */
uint16_t fc_tunnel_wrap_easy(struct fc_tunnel *tunnel, const struct fc_private *how,
	struct rte_mbuf **packets, uint16_t n, bool owned, const uint16_t *ports, uint64_t *size);

/**
 * Wrap packets in place, up to the first that is not private or too long, so that
 * fc_tunnel_take_off() can undo it.
 *
 * @param max_frame  Bytes of the longest frame that the port sends, UINT32_MAX: no limit.
 * The rest as for fc_tunnel_wrap_easy(). Not for FC_TUNNEL_GRE.
 */
uint16_t fc_tunnel_wrap_lent(struct fc_tunnel *tunnel, const struct fc_private *how,
	uint32_t max_frame, struct rte_mbuf **packets, uint16_t n, const uint16_t *ports,
	uint64_t *size);

#endif
