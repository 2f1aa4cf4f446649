/* SPDX-License-Identifier: MIT */
#ifndef FC_FRAGMENT_H
#define FC_FRAGMENT_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_mbuf.h>

#include <fc_tunnel.h>

/** Fragments that a packet may need; enough for 9,216 bytes over an MTU of 250. */
#define FC_FRAGMENT_MAX 48

/** How fragments are made; set up in the control path, read-only in the data path. */
struct fc_fragment {
	/** Gives the fragments' headers: FC_TUNNEL_MAX_SIZE bytes, or with linear the whole frame,
	 * behind the usual headroom. */
	struct rte_mempool *headers;
	/** Gives clones of the packet's segments, one for each piece of one; no data room needed.
	 */
	struct rte_mempool *clones;
	bool linear; /**< the port takes one segment only */
};

/**
 * Split an encapsulated packet into fragments that are not longer than the tunnel's MTU.
 *
 * Each has the Ethernet header and tag of the packet and a checksum of its own (IPv4, RFC 791), or
 * a fragment header with the tunnel's next identification (IPv6, RFC 8200 section 4.5).
 *
 * @param packet     Just pushed with @p header, for which fc_tunnel_fit() said FC_TUNNEL_FRAGMENT.
 *                   It is freed on success; the fragments refer to its buffers.
 * @param fragments  Get the fragments, in order.
 * @param max        Room in @p fragments.
 * @return           How many; -ENOBUFS: a pool is empty; -EMSGSIZE: more than @p max, or with
 *                   `linear` a fragment that does not fit into one buffer of `headers`. The packet
 *                   is as before on an error.
 * The lcore that the state belongs to.
 */
int fc_fragment(const struct fc_fragment *how, const struct fc_tunnel_header *header,
	struct fc_tunnel_state *state, struct rte_mbuf *packet, struct rte_mbuf **fragments,
	uint16_t max);

#endif
