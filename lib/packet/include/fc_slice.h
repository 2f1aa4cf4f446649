/* SPDX-License-Identifier: MIT */
#ifndef FC_SLICE_H
#define FC_SLICE_H

#include <stdint.h>

#include <rte_mbuf.h>

/**
 * Cut a packet to its first @p length bytes; one that is not longer stays as it is.
 *
 * Segments that are no longer needed go back to their pools.
 *
 * @param packet  Private to the caller, all segments.
 * @param length  Bytes, at least 1.
 * Any thread.
 */
void fc_slice(struct rte_mbuf *packet, uint32_t length);

#endif
