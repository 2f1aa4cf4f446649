/* SPDX-License-Identifier: MIT */
#ifndef FC_AF_PACKET_H
#define FC_AF_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * What the kernel lost because the ring of a net_af_packet port was full (packet(7),
 * PACKET_STATISTICS). DPDK 22.11 does not ask for it; newer versions do, and then what one has read
 * the other has not: the two together are all.
 *
 * @param id         Of the ethdev port, started.
 * @param n_queues   Its rx queues.
 * @param interface  Index of its kernel interface.
 * @return           Frames lost since the last call. Any thread, one at a time for a port.
 */
uint64_t fc_af_packet_drops(uint16_t id, uint16_t n_queues, unsigned interface);

/**
 * Have a port take in only what comes in, not what the host itself sends by the interface as well,
 * and give up what it took before it was asked for that: of the host, and, from before its sockets
 * were bound, of other interfaces.
 *
 * @return  0, or -errno. Control thread; no lcore polls the port.
 */
int fc_af_packet_begin(uint16_t id, uint16_t n_queues, unsigned interface);

/**
 * Write device arguments like @p args whose buffers hold frames of @p frame bytes.
 *
 * @return  False when no buffers do.
 */
bool fc_af_packet_widen(const char *args, uint32_t frame, char *text, size_t size);

/** Bytes of the longest frame that a buffer of @p framesz bytes holds, without a tag that the
 * kernel has taken off. */
uint32_t fc_af_packet_room(uint32_t framesz);

#endif
