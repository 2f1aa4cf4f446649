/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <rte_ethdev.h>
#include <rte_malloc.h>

#include "driver.h"
#include "port.h"

#define DEFAULT_DESCRIPTORS 1024
#define IDLE_DESCRIPTORS    64
#define DEFAULT_RSS	    (RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP | RTE_ETH_RSS_UDP)

static uint16_t interface_mtu(unsigned index)
{
	struct ifreq request = { 0 };
	int fd, ret;

	if (index == 0 || if_indextoname(index, request.ifr_name) == NULL)
		return 0;
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return 0;
	ret = ioctl(fd, SIOCGIFMTU, &request);
	close(fd);
	return ret == 0 ? (uint16_t)RTE_MIN(request.ifr_mtu, UINT16_MAX) : 0;
}

static struct fc_limits read_limits(const struct rte_eth_desc_lim *limits)
{
	return (struct fc_limits){ limits->nb_min, limits->nb_max, limits->nb_align };
}

/* The largest MTU whose frames, tags included, the port receives. */
static uint16_t largest_mtu(const struct rte_eth_dev_info *info)
{
	uint32_t overhead = RTE_ETHER_HDR_LEN + RTE_ETHER_CRC_LEN;

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
	facts->mtu = interface_mtu(info->if_index);
	facts->max_mtu = largest_mtu(info);
	facts->max_tx_frame = UINT32_MAX;
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

static int report(
	struct fc_findings *findings, const struct fc_port *port, const char *what, int error)
{
	char place[FC_PORT_NAME_SIZE + 8];

	snprintf(place, sizeof(place), "port %s", port->plan->facts.name);
	fc_findings_add(findings, FC_ERROR, place, "%s failed in driver %s: %s", what,
		port->plan->facts.driver, rte_strerror(-error));
	return error;
}

static int configure(
	struct fc_port *port, const struct rte_eth_dev_info *info, struct fc_findings *findings)
{
	const struct fc_plan_port *plan = port->plan;
	bool sends = plan->sends || info->max_tx_queues != 0;
	struct rte_eth_conf conf = {
		.rxmode = {
			.mtu = plan->facts.mtu == 0 ? plan->mtu : 0,
			.offloads = info->rx_offload_capa & RTE_ETH_RX_OFFLOAD_SCATTER,
		},
		.txmode.offloads = info->tx_offload_capa & RTE_ETH_TX_OFFLOAD_MULTI_SEGS,
	};
	int ret;

	if (plan->n_rx_queues > 1 && !plan->facts.is_virtual) {
		conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
		conf.rx_adv_conf.rss_conf.rss_hf = DEFAULT_RSS & info->flow_type_rss_offloads;
	}
	ret = rte_eth_dev_configure(port->id, plan->n_rx_queues, sends ? 1 : 0, &conf);
	if (ret != 0)
		return report(findings, port, "configuring queues and MTU", ret);
	return sends ? 1 : 0;
}

static int set_up_queues(struct fc_port *port, int n_tx, const struct rte_eth_dev_info *info,
	struct fc_findings *findings)
{
	const struct fc_plan_port *plan = port->plan;
	unsigned socket = (unsigned)plan->facts.socket;
	struct rte_eth_rxconf rx = info->default_rxconf;
	struct rte_eth_txconf tx = info->default_txconf;
	int ret;

	rx.offloads = info->rx_offload_capa & RTE_ETH_RX_OFFLOAD_SCATTER;
	for (uint16_t q = 0; q < plan->n_rx_queues; q++) {
		ret = rte_eth_rx_queue_setup(
			port->id, q, plan->rx_descriptors, socket, &rx, port->rx_pool);
		if (ret != 0)
			return report(findings, port, "setting up an rx queue", ret);
	}
	/* FAST_FREE stays off: it holds only for packets that nobody else has. */
	tx.offloads = info->tx_offload_capa & RTE_ETH_TX_OFFLOAD_MULTI_SEGS;
	if (n_tx != 0) {
		ret = rte_eth_tx_queue_setup(port->id, 0, plan->tx_descriptors, socket, &tx);
		if (ret != 0)
			return report(findings, port, "setting up the tx queue", ret);
	}
	return 0;
}

static void open_ears(struct fc_port *port, struct fc_findings *findings)
{
	char place[FC_PORT_NAME_SIZE + 8];
	int ret = rte_eth_promiscuous_enable(port->id);

	if (ret == 0 || ret == -ENOTSUP)
		return;
	snprintf(place, sizeof(place), "port %s", port->plan->facts.name);
	fc_findings_add(findings, FC_WARNING, place,
		"is not promiscuous (%s): it takes in what is addressed to it only",
		rte_strerror(-ret));
}

int fc_port_start(
	struct fc_port *port, const struct fc_plan_port *plan, struct fc_findings *findings)
{
	struct rte_eth_dev_info info;
	int ret;

	port->plan = plan;
	port->max_frame = plan->max_frame;
	port->max_tagged_frame = plan->max_tagged_frame;
	ret = rte_eth_dev_get_port_by_name(plan->facts.name, &port->id);
	if (ret == 0)
		ret = rte_eth_dev_info_get(port->id, &info);
	if (ret != 0)
		return report(findings, port, "looking it up", ret);
	port->interface_index = info.if_index;
	ret = configure(port, &info, findings);
	if (ret < 0)
		return ret;
	port->is_started = true; /* from here on there is something to close */
	ret = set_up_queues(port, ret, &info, findings);
	if (ret != 0)
		return ret;
	ret = rte_eth_dev_start(port->id);
	if (ret != 0)
		return report(findings, port, "starting", ret);
	if (plan->is_tap || plan->is_host)
		open_ears(port, findings);
	if (plan->facts.mtu != 0 && plan->mtu != 0) {
		ret = rte_eth_dev_set_mtu(port->id, plan->mtu);
		if (ret != 0)
			return report(findings, port, "setting the MTU", ret);
	}
	return 0;
}

/* What was sent into a ring that nobody empties would be lost to its pool. */
static void empty_loop(const struct fc_port *port)
{
	struct rte_mbuf *packets[FC_BURST];
	uint16_t n;

	do {
		n = rte_eth_rx_burst(port->id, 0, packets, FC_BURST);
		rte_pktmbuf_free_bulk(packets, n);
	} while (n > 0);
}

void fc_port_stop(struct fc_port *port)
{
	if (!port->is_started)
		return;
	port->last_link = fc_port_link(port);
	if (fc_driver_loops(&port->plan->facts))
		empty_loop(port);
	rte_eth_dev_stop(port->id);
	rte_eth_dev_close(port->id);
	port->is_started = false;
}

enum fc_link fc_port_link(const struct fc_port *port)
{
	struct rte_eth_link link;

	if (atomic_load_explicit(&port->is_gone, memory_order_relaxed))
		return FC_LINK_GONE;
	if (!port->is_started)
		return port->last_link;
	if (rte_eth_link_get_nowait(port->id, &link) != 0)
		return FC_LINK_DOWN;
	return link.link_status == RTE_ETH_LINK_UP ? FC_LINK_UP : FC_LINK_DOWN;
}

bool fc_port_notice_loss(struct fc_port *port)
{
	char name[IF_NAMESIZE];

	if (port->interface_index == 0 || if_indextoname(port->interface_index, name) != NULL ||
		atomic_load_explicit(&port->is_gone, memory_order_relaxed))
		return false;
	atomic_store_explicit(&port->is_gone, true, memory_order_relaxed);
	return true;
}
