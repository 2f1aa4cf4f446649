/* SPDX-License-Identifier: MIT */
#ifndef FC_ORIGINAL_H
#define FC_ORIGINAL_H

#include <stdint.h>

#include <rte_mbuf.h>
#include <rte_mbuf_dyn.h>

/**
 * How long a packet was before it was cut.
 *
 * A dynamic field of the mbuf says it, and a dynamic flag that the field is set: drivers and
 * rte_pktmbuf_reset() clear the flags of what they receive.
 */

extern int fc_original_at;	  /**< offset of the field, uint32_t, in bytes; -1: none */
extern uint64_t fc_original_flag; /**< of ol_flags; 0: none */

/**
 * Register both. Until then nothing is noted.
 *
 * @return  0, or -errno: mbufs have no room any more. Control thread.
 */
int fc_original_register(void);

/** Note the length of a packet that is going to be cut, unless it has been cut before. */
static inline void fc_original_note(struct rte_mbuf *packet, uint32_t length)
{
	if (fc_original_flag == 0 || (packet->ol_flags & fc_original_flag) != 0)
		return;
	packet->ol_flags |= fc_original_flag;
	*RTE_MBUF_DYNFIELD(packet, fc_original_at, uint32_t *) = length;
}

/** Bytes that the packet had before it was cut; as many as now if it was not. */
static inline uint32_t fc_original_length(const struct rte_mbuf *packet)
{
	if (likely((packet->ol_flags & fc_original_flag) == 0))
		return packet->pkt_len;
	return *RTE_MBUF_DYNFIELD(packet, fc_original_at, const uint32_t *);
}

#endif
