/* SPDX-License-Identifier: MIT */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_ring.h>

/* What dpdk-dumpcap asks for, see lib/pdump/rte_pdump.c of DPDK. */
struct request {
	uint16_t version, operation;
	uint32_t flags;
	char device[RTE_DEV_NAME_MAX_LEN];
	uint16_t queue;
	struct rte_ring *ring;
	struct rte_mempool *pool;
	const void *filter;
	uint32_t snaplen;
};

/* A secondary process that is killed right after it has asked for a capture of port 0. */
int main(int argc, char **argv)
{
	struct rte_mp_msg message = { .name = "mp_pdump", .len_param = sizeof(struct request) };
	struct request request = { .version = 2, .operation = 2, .flags = 3, .queue = UINT16_MAX };
	char name[RTE_MEMPOOL_NAMESIZE];

	if (rte_eal_init(argc, argv) < 0)
		return 1;
	snprintf(name, sizeof(name), "dumpcap-%d", getpid());
	request.ring = rte_ring_create(name, 2048, SOCKET_ID_ANY, 0);
	snprintf(name, sizeof(name), "capture_%d", getpid());
	request.pool = rte_pktmbuf_pool_create_by_ops(
		name, 4096, 32, 0, 2048, SOCKET_ID_ANY, "ring_mp_mc");
	if (request.ring == NULL || request.pool == NULL ||
		rte_eth_dev_get_name_by_port(0, request.device) != 0)
		return 1;
	usleep(300000); /* EAL's other thread has something locked for a moment after that */
	memcpy(message.param, &request, sizeof(request));
	if (rte_mp_sendmsg(&message) != 0)
		return 1;
	return raise(SIGKILL);
}
