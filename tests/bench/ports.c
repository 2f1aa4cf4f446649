/* SPDX-License-Identifier: MIT */
#include "ports.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <rte_debug.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#define N_DESCRIPTORS 512
#define POOL_CACHE    256

struct rte_mempool *bench_pool_create(const char *name, uint32_t n_mbufs, uint16_t data_room)
{
	struct rte_mempool *pool = rte_pktmbuf_pool_create(name, n_mbufs, POOL_CACHE, 0,
		RTE_PKTMBUF_HEADROOM + data_room, (int)rte_socket_id());

	if (pool == NULL)
		rte_exit(EXIT_FAILURE, "pool %s: %s\n", name, rte_strerror(rte_errno));
	return pool;
}

uint16_t bench_port_start(const char *name, struct rte_mempool *pool)
{
	const struct rte_eth_conf conf = { .rxmode = { .mq_mode = RTE_ETH_MQ_RX_NONE } };
	const unsigned int socket = rte_socket_id();
	uint16_t port;

	if (rte_eth_dev_get_port_by_name(name, &port) != 0)
		rte_exit(EXIT_FAILURE, "no port %s: give --vdev %s\n", name, name);
	if (rte_eth_dev_configure(port, 1, 1, &conf) != 0 ||
		rte_eth_rx_queue_setup(port, 0, N_DESCRIPTORS, socket, NULL, pool) != 0 ||
		rte_eth_tx_queue_setup(port, 0, N_DESCRIPTORS, socket, NULL) != 0 ||
		rte_eth_dev_start(port) != 0)
		rte_exit(EXIT_FAILURE, "port %s does not start\n", name);
	(void)rte_eth_promiscuous_enable(port);
	return port;
}

uint16_t bench_ports_start(unsigned int n_outputs, struct rte_mempool *pool, uint16_t *outputs)
{
	char name[RTE_ETH_NAME_MAX_LEN];
	unsigned int i;

	for (i = 0; i < n_outputs; i++) {
		snprintf(name, sizeof(name), "net_null%u", i + 1);
		outputs[i] = bench_port_start(name, pool);
	}
	return bench_port_start("net_null0", pool);
}

uint32_t bench_number(const char *option, const char *text, uint32_t low, uint32_t high)
{
	unsigned long value;
	char *end;

	errno = 0;
	value = strtoul(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0' || value < low || value > high)
		rte_exit(EXIT_FAILURE, "--%s %s: want a number in %u..%u\n", option, text, low,
			high);
	return (uint32_t)value;
}

uint64_t bench_waited_ns(void)
{
	FILE *file = fopen("/proc/thread-self/schedstat", "r");
	uint64_t ran_ns, waited_ns = 0;

	if (file == NULL)
		return 0;
	if (fscanf(file, "%" SCNu64 " %" SCNu64, &ran_ns, &waited_ns) != 2)
		waited_ns = 0;
	fclose(file);
	return waited_ns;
}
