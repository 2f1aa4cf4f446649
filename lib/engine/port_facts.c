/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>

#include <rte_bus.h>
#include <rte_ethdev.h>

#include "driver.h"
#include "interface.h"
#include "port.h"

#define DEFAULT_DESCRIPTORS 1024
#define IDLE_DESCRIPTORS    64

static struct fc_limits read_limits(const struct rte_eth_desc_lim *limits)
{
	return (struct fc_limits){ limits->nb_min, limits->nb_max, limits->nb_align };
}

/* The largest MTU whose frames, tags included, the port receives. */
static uint16_t largest_mtu(const struct rte_eth_dev_info *info)
{
	uint32_t overhead = RTE_ETHER_HDR_LEN + RTE_ETHER_CRC_LEN;

	/* Of drivers that say both, some count no CRC (gve), others several tags (i40e). */
	if (info->max_mtu != UINT16_MAX &&
		info->max_rx_pktlen >= (uint32_t)info->max_mtu + RTE_ETHER_HDR_LEN)
		return info->max_mtu;
	if (info->max_rx_pktlen <= overhead || info->max_rx_pktlen - overhead > info->max_mtu)
		return info->max_mtu;
	return (uint16_t)(info->max_rx_pktlen - overhead);
}

static void fill_facts(
	struct fc_port_facts *facts, uint16_t id, const struct rte_eth_dev_info *info)
{
	uint16_t n_rx = info->default_rxportconf.ring_size;
	uint16_t n_tx = info->default_txportconf.ring_size;

	snprintf(facts->driver, sizeof(facts->driver), "%s", info->driver_name);
	facts->socket = rte_eth_dev_socket_id(id);
	facts->max_rx_queues = info->max_rx_queues;
	facts->max_tx_queues = info->max_tx_queues;
	facts->rx_queues = 1;
	facts->rx_descriptors = n_rx != 0 ? n_rx : DEFAULT_DESCRIPTORS;
	facts->tx_descriptors = n_tx != 0 ? n_tx : DEFAULT_DESCRIPTORS;
	facts->rx_limits = read_limits(&info->rx_desc_lim);
	facts->tx_limits = read_limits(&info->tx_desc_lim);
	facts->mtu = fc_interface_mtu(info->if_index);
	facts->max_mtu = largest_mtu(info);
	facts->max_tx_frame = UINT32_MAX;
	facts->is_nic = strcmp(rte_bus_name(rte_dev_bus(info->device)), "vdev") != 0;
	facts->rss_types = info->flow_type_rss_offloads;
	facts->rss_key_size = info->hash_key_size;
	facts->is_virtual = info->if_index == 0 && info->max_rx_pktlen == UINT32_MAX;
	facts->splits_rx = (info->rx_offload_capa & RTE_ETH_RX_OFFLOAD_SCATTER) != 0;
	facts->takes_segments = (info->tx_offload_capa & RTE_ETH_TX_OFFLOAD_MULTI_SEGS) != 0;
	/*
	 * Some drivers refuse to have none, and without one dpdk-dumpcap cannot look at what is
	 * sent.
	 */
	if (info->max_rx_queues != 0)
		facts->idle_buffers = IDLE_DESCRIPTORS;
	fc_driver_correct(facts, info);
}

int fc_port_facts(const char *name, struct fc_port_facts *facts)
{
	struct rte_eth_dev_info info;
	uint16_t id;

	memset(facts, 0, sizeof(*facts));
	snprintf(facts->name, sizeof(facts->name), "%s", name);
	if (rte_eth_dev_get_port_by_name(name, &id) != 0 || rte_eth_dev_info_get(id, &info) != 0)
		return -ENODEV;
	fill_facts(facts, id, &info);
	return 0;
}

void fc_port_mac(const char *name, uint8_t mac[FC_MAC_SIZE])
{
	struct rte_ether_addr address = { 0 };
	uint16_t id;

	if (rte_eth_dev_get_port_by_name(name, &id) == 0)
		rte_eth_macaddr_get(id, &address);
	memcpy(mac, address.addr_bytes, FC_MAC_SIZE);
}
