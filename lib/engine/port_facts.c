/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <linux/if_packet.h>
#include <net/if.h>

#include <rte_bus.h>
#include <rte_devargs.h>
#include <rte_ethdev.h>
#include <rte_kvargs.h>

#include <fc_compat.h>
#include <fc_text.h>

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

static void fill_facts(struct fc_port_facts *facts, const struct rte_eth_dev_info *info)
{
	uint16_t n_rx = info->default_rxportconf.ring_size;
	uint16_t n_tx = info->default_txportconf.ring_size;

	snprintf(facts->driver, sizeof(facts->driver), "%s", info->driver_name);
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
}

int fc_port_facts(const char *name, struct fc_port_facts *facts)
{
	const struct rte_devargs *devargs;
	struct rte_eth_dev_info info;
	uint16_t id;

	memset(facts, 0, sizeof(*facts));
	snprintf(facts->name, sizeof(facts->name), "%s", name);
	if (rte_eth_dev_get_port_by_name(name, &id) != 0 || rte_eth_dev_info_get(id, &info) != 0)
		return -ENODEV;
	fill_facts(facts, &info);
	facts->socket = rte_eth_dev_socket_id(id);
	facts->is_nic = strcmp(rte_bus_name(rte_dev_bus(info.device)), "vdev") != 0;
	devargs = rte_dev_devargs(info.device);
	fc_driver_correct(facts, devargs != NULL && devargs->args != NULL ? devargs->args : "");
	return 0;
}

/* What a driver says of the lengths of frames, by an argument. */
struct said_lengths {
	const char *key;    /* of the argument; NULL: it says nothing of them */
	uint32_t otherwise; /* without the argument */
	uint32_t head;	    /* less so much: the longest frame */
	uint32_t mtu_head;  /* and less so much of that: the largest MTU */
	const char *whole;  /* the argument with which it does not split frames */
};

/* What drivers of virtual devices say of themselves (dev_infos_get of DPDK 22.11 to 26.07), as far
 * as facts go by it. A test compares it with what they say. */
static const struct vdev_driver {
	const char *driver;
	uint32_t max_rx_pktlen;
	uint64_t rx_offload_capa, tx_offload_capa;
	const char *queues; /* the argument that has their number; NULL: as many as one likes */
	bool has_interface; /* the argument `iface` names one that its limits come from */
	struct said_lengths lengths;
} vdev_drivers[] = {
	{
		"net_null",
		.max_rx_pktlen = UINT32_MAX,
#if FC_NULL_SAYS_SEGMENTS
		.tx_offload_capa = RTE_ETH_TX_OFFLOAD_MULTI_SEGS,
#endif
	},
	{ "net_ring", .max_rx_pktlen = UINT32_MAX, .rx_offload_capa = RTE_ETH_RX_OFFLOAD_SCATTER,
		.tx_offload_capa = RTE_ETH_TX_OFFLOAD_MULTI_SEGS },
	{
		"net_pcap",
		.max_rx_pktlen = UINT32_MAX,
		.has_interface = true,
#if FC_PCAP_SAYS_LENGTHS
		.rx_offload_capa = RTE_ETH_RX_OFFLOAD_SCATTER,
		.tx_offload_capa = RTE_ETH_TX_OFFLOAD_MULTI_SEGS,
		.lengths = { "snaplen", 65535, 0, RTE_ETHER_HDR_LEN, "infinite_rx" },
#endif
	},
	{
		"net_af_packet",
		.max_rx_pktlen = RTE_ETHER_MAX_LEN,
		.tx_offload_capa = RTE_ETH_TX_OFFLOAD_MULTI_SEGS,
		.queues = "qpairs",
		.has_interface = true,
#if FC_AF_PACKET_SAYS_LENGTHS
		.rx_offload_capa = RTE_ETH_RX_OFFLOAD_SCATTER,
		.lengths = { "framesz", 2048, TPACKET2_HDRLEN - sizeof(struct sockaddr_ll),
			RTE_ETHER_HDR_LEN + RTE_ETHER_CRC_LEN, NULL },
#endif
	},
};

/* The driver of a device's name; eth_pcap0 is another name of net_pcap0. */
static const struct vdev_driver *find_vdev_driver(const char *name)
{
	for (size_t i = 0; i < RTE_DIM(vdev_drivers); i++) {
		const char *driver = vdev_drivers[i].driver;

		if (fc_text_begins(name, driver) ||
			(strncmp(name, "eth_", 4) == 0 &&
				strncmp(name + 4, driver + 4, strlen(driver) - 4) == 0))
			return &vdev_drivers[i];
	}
	return NULL;
}

static char *find_argument(const char *args, const char *key)
{
	struct rte_kvargs *arguments = key != NULL ? rte_kvargs_parse(args, NULL) : NULL;
	const char *value = arguments != NULL ? rte_kvargs_get(arguments, key) : NULL;
	char *copy = value != NULL ? strdup(value) : NULL;

	rte_kvargs_free(arguments);
	return copy;
}

static void say_lengths(
	const struct said_lengths *lengths, const char *args, struct rte_eth_dev_info *info)
{
	char *length = find_argument(args, lengths->key),
	     *whole = find_argument(args, lengths->whole);

	if (lengths->key != NULL) {
		info->max_rx_pktlen =
			length != NULL ? (uint32_t)strtoul(length, NULL, 0) : lengths->otherwise;
		info->max_rx_pktlen -= lengths->head;
		info->max_mtu = (uint16_t)(info->max_rx_pktlen - lengths->mtu_head);
	}
	if (whole != NULL && strcmp(whole, "0") != 0)
		info->rx_offload_capa &= ~RTE_ETH_RX_OFFLOAD_SCATTER;
	free(length);
	free(whole);
}

bool fc_port_assume_vdev(const char *name, const char *args, struct fc_port_facts *facts)
{
	const struct vdev_driver *driver = find_vdev_driver(name);
	struct rte_eth_dev_info info = { .max_mtu = UINT16_MAX,
		.rx_desc_lim = { .nb_max = UINT16_MAX, .nb_align = 1 },
		.tx_desc_lim = { .nb_max = UINT16_MAX, .nb_align = 1 } };
	char *queues, *interface;

	if (driver == NULL)
		return false;
	queues = find_argument(args, driver->queues);
	interface = find_argument(args, driver->has_interface ? "iface" : NULL);
	info.driver_name = driver->driver;
	info.max_rx_pktlen = driver->max_rx_pktlen;
	info.rx_offload_capa = driver->rx_offload_capa;
	info.tx_offload_capa = driver->tx_offload_capa;
	say_lengths(&driver->lengths, args, &info);
	info.if_index = interface != NULL ? if_nametoindex(interface) : 0;
	info.max_rx_queues = FC_MAX_QUEUES;
	if (driver->queues != NULL)
		info.max_rx_queues = queues != NULL ? (uint16_t)strtoul(queues, NULL, 0) : 1;
	info.max_tx_queues = info.max_rx_queues;
	free(queues);
	free(interface);
	memset(facts, 0, sizeof(*facts));
	snprintf(facts->name, sizeof(facts->name), "%s", name);
	fill_facts(facts, &info);
	facts->socket = -1;
	fc_driver_correct(facts, args);
	return true;
}

void fc_port_mac(const char *name, uint8_t mac[FC_MAC_SIZE])
{
	struct rte_ether_addr address = { 0 };
	uint16_t id;

	if (rte_eth_dev_get_port_by_name(name, &id) == 0)
		rte_eth_macaddr_get(id, &address);
	memcpy(mac, address.addr_bytes, FC_MAC_SIZE);
}
