/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <sys/socket.h>

#include <rte_ethdev.h>

#include <fc_plan.h>

#include "af_packet.h"

#define MOST_QUEUED   65536 /* frames that are given up at the start; rings are smaller */
#define LEAST_FRAMESZ 2048
#define MOST_FRAMESZ  32768 /* a buffer of DPDK, headroom included, has less than 64 KiB */

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

/* What is in the ring of a queue. */
static void empty_queue(uint16_t id, uint16_t queue)
{
	struct rte_mbuf *packets[FC_BURST];
	uint32_t n_given_up = 0;
	uint16_t n;

	do {
		n = rte_eth_rx_burst(id, queue, packets, FC_BURST);
		rte_pktmbuf_free_bulk(packets, n);
		n_given_up += n;
	} while (n != 0 && n_given_up < MOST_QUEUED);
}

/*
 * Only what comes in. PACKET_IGNORE_OUTGOING does not do: the driver has made its sockets a fanout
 * group, for which that can be said only when it is made.
 */
static int filter_outgoing(int fd)
{
	static struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_PKTTYPE)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PACKET_OUTGOING, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 0),
		BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
	};
	const struct sock_fprog program = { .len = RTE_DIM(code), .filter = code };

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) == 0
		       ? 0
		       : -errno;
}

int fc_af_packet_begin(uint16_t id, uint16_t n_queues, unsigned interface)
{
	int ret = 0;

	for (uint16_t q = 0; q < n_queues; q++) {
		int fd = find_socket(id, q, interface), error;

		if (fd < 0)
			continue;
		error = filter_outgoing(fd);
		if (error != 0)
			ret = error;
		empty_queue(id, q);
	}
	return ret;
}

/* packet_mmap.rst of the kernel: the headers, and at least 16 bytes that end with the frame's own
 * header, aligned to 16 bytes. */
uint32_t fc_af_packet_room(uint32_t framesz)
{
	uint32_t head = TPACKET_ALIGN(TPACKET2_HDRLEN + 16) - ETH_HLEN;

	return framesz > head ? framesz - head : 0;
}

static bool is_size(const char *argument)
{
	return strncmp(argument, "framesz=", 8) == 0 || strncmp(argument, "blocksz=", 8) == 0;
}

bool fc_af_packet_widen(const char *args, uint32_t frame, char *text, size_t size)
{
	uint32_t framesz = LEAST_FRAMESZ;
	size_t used = 0;

	while (fc_af_packet_room(framesz) <= frame && framesz <= MOST_FRAMESZ)
		framesz *= 2;
	if (framesz > MOST_FRAMESZ)
		return false;
	for (const char *at = args; *at != '\0' && used < size;) {
		size_t n = strcspn(at, ",");

		if (!is_size(at))
			used += (size_t)snprintf(text + used, size - used, "%.*s,", (int)n, at);
		at += at[n] == ',' ? n + 1 : n;
	}
	if (used < size)
		snprintf(text + used, size - used, "framesz=%u,blocksz=%u", framesz,
			RTE_MAX(framesz, (uint32_t)getpagesize()));
	return true;
}
