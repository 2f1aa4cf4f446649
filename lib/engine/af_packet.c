/* SPDX-License-Identifier: MIT */
#include <string.h>

#include <linux/if_packet.h>
#include <sys/socket.h>

#include <rte_ethdev.h>

#include "af_packet.h"

/*
 * The socket of an rx queue, or -1. It is the first member of the driver's queue; that is not
 * promised, so what is found there must turn out to be a packet socket of the interface.
 */
static int find_socket(uint16_t id, uint16_t queue, unsigned interface)
{
	const void *data = rte_eth_fp_ops[id].rxq.data[queue];
	struct sockaddr_ll address;
	socklen_t size = sizeof(address);
	int fd;

	if (data == NULL)
		return -1;
	memcpy(&fd, data, sizeof(fd));
	if (getsockname(fd, (struct sockaddr *)&address, &size) != 0 ||
		size < offsetof(struct sockaddr_ll, sll_addr) || address.sll_family != AF_PACKET ||
		address.sll_ifindex != (int)interface)
		return -1;
	return fd;
}

uint64_t fc_af_packet_drops(uint16_t id, uint16_t n_queues, unsigned interface)
{
	uint64_t n_drops = 0;

	for (uint16_t q = 0; q < n_queues; q++) {
		int fd = find_socket(id, q, interface);
		struct tpacket_stats stats;
		socklen_t size = sizeof(stats);

		/* Reading sets the kernel's counters to zero. */
		if (fd >= 0 && getsockopt(fd, SOL_PACKET, PACKET_STATISTICS, &stats, &size) == 0)
			n_drops += stats.tp_drops;
	}
	return n_drops;
}
