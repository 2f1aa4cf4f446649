/* SPDX-License-Identifier: MIT */
#ifndef NIC_RIG_H
#define NIC_RIG_H

#include <rte_ethdev.h>

#include <fc_plan.h>

/**
 * Two ports, p1 and p2, of a driver that no machine of the tests has a NIC for. The functions that
 * ethdev exports are wrapped by the linker (-Wl,--wrap): they answer as the driver's source of DPDK
 * 22.11 does, and record what they are asked for.
 */

#define RIG_KERNEL_MTU 1500
#define RIG_INTERFACE  7

/** What a driver says of itself, and does. */
struct rig_driver {
	const char *name;
	bool is_vdev, has_interface;
	uint32_t max_rx_pktlen;
	uint16_t max_mtu, n_queues;
	uint64_t rx_offloads, tx_offloads, rss_types;
	uint8_t hash_key_size;
	bool has_promiscuous, has_allmulticast;
	int flow_control; /* -1: the driver has no such operation, else its mode when started */
};

/** What a port was asked for. */
struct rig_port {
	uint16_t n_rx, n_tx;
	struct rte_eth_conf conf;
	uint8_t key[64];
	struct rte_eth_rxconf rx;
	struct rte_eth_txconf tx;
	bool is_started, is_promiscuous, is_allmulticast;
	uint16_t set_mtu; /* 0: not called */
	enum rte_eth_fc_mode flow_control;
	uint16_t n_mapped;
	/* What it says of itself. */
	struct rte_eth_stats stats;
	bool pauses; /* its kernel interface */
	uint64_t n_length_errors, n_undersize, n_oversize;
	void (*at_start)(struct rig_port *port);
};

extern const struct rig_driver *rig_driver; /* of both */
extern struct rig_port rig_ports[2];

extern const char *rig_args; /* of the device, as behind its name in --vdev; NULL: none */

extern unsigned rig_n_removed; /* devices that were unplugged; both ports are of one */

/** Forget what was asked, and answer as this driver from now on. */
void rig_be(const struct rig_driver *driver);

#endif
