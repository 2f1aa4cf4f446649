/* SPDX-License-Identifier: MIT */
#ifndef FC_AF_PACKET_H
#define FC_AF_PACKET_H

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

#endif
