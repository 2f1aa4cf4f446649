/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>

#include <rte_ethdev.h>

#include <fc_compat.h>

#include "driver.h"
#include "interface.h"
#include "local_socket.h"
#include "port_interface.h"
#include "port_setup.h"

#define WANTED_RSS	 (RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP | RTE_ETH_RSS_UDP)
#define DEFAULT_KEY_SIZE 40 /* of drivers that do not say how long their hash key is */

/*
 * With a key that repeats every two bytes, exchanging addresses and ports of source and
 * destination does not change a Toeplitz hash: both directions of a flow come in one queue.
 */
static const uint8_t symmetric_key[] = { 0x6d, 0x5a };

static void write_place(const struct fc_port *port, char place[FC_PORT_NAME_SIZE + 8])
{
	snprintf(place, FC_PORT_NAME_SIZE + 8, "port %s", port->plan->facts.name);
}

int fc_port_report(
	const struct fc_port *port, const char *what, int error, struct fc_findings *findings)
{
	char place[FC_PORT_NAME_SIZE + 8];

	write_place(port, place);
	fc_findings_add(findings, FC_ERROR, place, "%s failed in driver %s: %s", what,
		port->plan->facts.driver, rte_strerror(-error));
	return error;
}

/*
 * The MTU that the rx queues are made for. Drivers of NICs that the kernel keeps (mlx5) go by the
 * one of configuring, not by the interface's.
 */
static uint32_t find_mtu(const struct fc_plan_port *plan, const struct rte_eth_dev_info *info)
{
	uint32_t mtu = plan->mtu != 0 ? plan->mtu : plan->facts.mtu;

	mtu = RTE_MIN(mtu, (uint32_t)plan->facts.max_mtu);
	/* Drivers that are known to take longer frames than they say. */
	if (plan->facts.is_virtual && info->max_rx_pktlen != UINT32_MAX)
		mtu = RTE_MIN(mtu, info->max_rx_pktlen - RTE_ETHER_HDR_LEN - RTE_ETHER_CRC_LEN);
	return mtu != 0 ? RTE_MAX(mtu, (uint32_t)info->min_mtu) : 0;
}

static uint16_t count_tx_queues(
	const struct fc_plan_port *plan, const struct rte_eth_dev_info *info)
{
	if (!plan->sends && info->max_tx_queues == 0)
		return 0;
	return plan->facts.pairs_queues ? RTE_MAX(plan->n_rx_queues, (uint16_t)1) : 1;
}

static void spread_flows(
	const struct fc_port_facts *facts, struct rte_eth_conf *conf, uint8_t key[UINT8_MAX])
{
	struct rte_eth_rss_conf *rss = &conf->rx_adv_conf.rss_conf;

	rss->rss_hf = WANTED_RSS & facts->rss_types;
	if (rss->rss_hf == 0)
		return;
	conf->rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
	rss->rss_key_len = facts->rss_key_size != 0 ? facts->rss_key_size : DEFAULT_KEY_SIZE;
	rss->rss_key = key;
	for (uint8_t i = 0; i < rss->rss_key_len; i++)
		key[i] = symmetric_key[i % sizeof(symmetric_key)];
}

static uint64_t find_rx_offloads(
	const struct fc_plan_port *plan, const struct rte_eth_dev_info *info)
{
	return plan->splits ? info->rx_offload_capa & RTE_ETH_RX_OFFLOAD_SCATTER : 0;
}

/* Without it the drivers of some NICs send by simpler and faster code. */
static uint64_t find_tx_offloads(
	const struct fc_plan_port *plan, const struct rte_eth_dev_info *info)
{
	return plan->chains ? info->tx_offload_capa & RTE_ETH_TX_OFFLOAD_MULTI_SEGS : 0;
}

int fc_port_configure(
	struct fc_port *port, const struct rte_eth_dev_info *info, struct fc_findings *findings)
{
	const struct fc_plan_port *plan = port->plan;
	uint16_t n_tx = count_tx_queues(plan, info);
	struct rte_eth_conf conf = {
		.rxmode = {
			.mtu = find_mtu(plan, info),
			.offloads = find_rx_offloads(plan, info),
		},
		.txmode.offloads = find_tx_offloads(plan, info),
	};
	uint8_t key[UINT8_MAX];
	int ret;

	if (plan->n_rx_queues > 1 && !plan->facts.is_virtual)
		spread_flows(&plan->facts, &conf, key);
	ret = rte_eth_dev_configure(port->id, plan->n_rx_queues, n_tx, &conf);
	return ret == 0 ? n_tx : fc_port_report(port, "configuring queues and MTU", ret, findings);
}

static int set_up_queues(struct fc_port *port, const struct rte_eth_dev_info *info, int n_tx,
	struct fc_findings *findings)
{
	const struct fc_plan_port *plan = port->plan;
	unsigned socket = (unsigned)plan->facts.socket;
	struct rte_eth_rxconf rx = info->default_rxconf;
	struct rte_eth_txconf tx = info->default_txconf;
	int ret;

	rx.offloads = find_rx_offloads(plan, info);
	/* A queue that is full must not stop the others. */
	if (plan->n_rx_queues > 1)
		rx.rx_drop_en = 1;
	for (uint16_t q = 0; q < plan->n_rx_queues; q++) {
		ret = rte_eth_rx_queue_setup(
			port->id, q, plan->rx_descriptors, socket, &rx, port->rx_pool);
		if (ret != 0)
			return fc_port_report(port, "setting up an rx queue", ret, findings);
#if FC_HAS_QUEUE_COUNTERS
		if (plan->n_rx_queues > 1 && fc_driver_counts_by_queue(&plan->facts))
			rte_eth_dev_set_rx_queue_stats_mapping(
				port->id, q, (uint8_t)RTE_MIN(q, RTE_ETHDEV_QUEUE_STAT_CNTRS - 1));
#endif
	}
	/* FAST_FREE stays off: it holds only for packets that nobody else has. */
	tx.offloads = find_tx_offloads(plan, info);
	for (int q = 0; q < n_tx; q++) {
		ret = rte_eth_tx_queue_setup(
			port->id, (uint16_t)q, plan->tx_descriptors, socket, &tx);
		if (ret != 0)
			return fc_port_report(port, "setting up the tx queue", ret, findings);
	}
	return 0;
}

/*
 * A tap must not ask the link that it listens to for a pause, and no tool may ask an output for
 * one. Starting sets some drivers back to their default, so this comes after it.
 */
static void stop_flow_control(struct fc_port *port, struct fc_findings *findings)
{
	char place[FC_PORT_NAME_SIZE + 8];
	struct rte_eth_fc_conf conf;
	int ret = rte_eth_dev_flow_ctrl_get(port->id, &conf);

	if (ret == 0) {
		if (!port->has_flow_control)
			port->flow_control = conf;
		port->has_flow_control = true;
		conf.mode = RTE_ETH_FC_NONE;
		ret = rte_eth_dev_flow_ctrl_set(port->id, &conf);
	}
	if (ret == 0)
		return;
	write_place(port, place);
	if (port->interface_index != 0 && fc_interface_pauses(port->interface_index))
		fc_findings_add(findings, FC_NOTE, place,
			"its interface sends or obeys PAUSE frames, and driver %s cannot change "
			"that: ethtool -A %s autoneg off rx off tx off",
			port->plan->facts.driver, port->interface_name);
	else if (ret != -ENOTSUP)
		fc_findings_add(findings, FC_WARNING, place,
			"flow control cannot be switched off (%s): the port may send PAUSE frames, "
			"and obey them",
			rte_strerror(-ret));
}

void fc_port_restore(struct fc_port *port)
{
	if (port->has_flow_control && port->interface_index != 0 &&
		!atomic_load_explicit(&port->is_gone, memory_order_relaxed))
		rte_eth_dev_flow_ctrl_set(port->id, &port->flow_control);
	port->has_flow_control = false;
}

static void report_deaf(const struct fc_port *port, int error, struct fc_findings *findings)
{
	const struct fc_plan_port *plan = port->plan;
	char place[FC_PORT_NAME_SIZE + 8];

	write_place(port, place);
	if (error != -ENOTSUP)
		fc_findings_add(findings, FC_WARNING, place,
			"is not promiscuous (%s): it takes in what is addressed to it only",
			rte_strerror(-error));
	else if (plan->facts.is_nic && plan->is_tap && !plan->ends)
		fc_findings_add(findings, FC_WARNING, place,
			"is not promiscuous, which driver %s cannot: it takes in what is addressed "
			"to it only",
			plan->facts.driver);
}

/* Has it receive everything, or all multicast; what another plan wanted and this does not ends. */
static int set_hearing(struct fc_port *port, enum fc_hearing hearing)
{
	int ret = 0;

	if (hearing == FC_HEARS_MULTICAST)
		ret = rte_eth_allmulticast_enable(port->id);
	else if (rte_eth_allmulticast_get(port->id) == 1)
		rte_eth_allmulticast_disable(port->id);
	port->is_promiscuous = false;
	if (hearing == FC_HEARS_ALL || ret == -ENOTSUP) {
		ret = rte_eth_promiscuous_enable(port->id);
		port->is_promiscuous = ret == 0;
		return ret;
	}
	if (rte_eth_promiscuous_get(port->id) == 1)
		rte_eth_promiscuous_disable(port->id);
	return ret;
}

void fc_port_hear(struct fc_port *port, struct fc_findings *findings)
{
	const struct fc_plan_port *plan = port->plan;
	enum fc_hearing hearing = plan->is_tap	  ? FC_HEARS_ALL
				  : plan->is_host ? FC_HEARS_MULTICAST
						  : FC_HEARS_ITSELF;
	int ret;

	if (!port->is_started || atomic_load_explicit(&port->is_removed, memory_order_relaxed) ||
		port->hearing == hearing)
		return;
	ret = set_hearing(port, hearing);
	port->hearing = hearing;
	if (ret != 0)
		report_deaf(port, ret, findings);
}

/* A memif that connects can be started only when its other end listens. */
static bool waits_for_peer(struct fc_port *port, struct fc_findings *findings)
{
	char place[FC_PORT_NAME_SIZE + 8];

	port->is_waiting = fc_local_socket_is_client(port->plan->facts.driver, port->device_args) &&
			   fc_port_try_start(port) != 0;
	if (!port->is_waiting)
		return false;
	write_place(port, place);
	fc_findings_add(findings, FC_WARNING, place,
		"its other end is not there yet; it is looked for every second");
	return true;
}

int fc_port_try_start(struct fc_port *port)
{
	int type = rte_log_register("pmd.net.memif"), level = 0, ret;

	if (type >= 0) {
		level = rte_log_get_level((uint32_t)type);
		rte_log_set_level((uint32_t)type, RTE_LOG_EMERG);
	}
	ret = rte_eth_dev_start(port->id);
	if (type >= 0 && level > 0)
		rte_log_set_level((uint32_t)type, (uint32_t)level);
	return ret;
}

int fc_port_set_up(struct fc_port *port, const struct rte_eth_dev_info *info, int n_tx,
	struct fc_findings *findings)
{
	const struct fc_plan_port *plan = port->plan;
	int ret = set_up_queues(port, info, n_tx, findings);

	if (ret != 0)
		return ret;
	if (waits_for_peer(port, findings))
		return 0;
	/* One that did not wait is started already. */
	ret = rte_eth_dev_start(port->id);
	if (ret != 0)
		return fc_port_report(port, "starting", ret, findings);
	stop_flow_control(port, findings);
	port->hearing = FC_HEARS_UNKNOWN;
	fc_port_hear(port, findings);
	if (plan->facts.mtu != 0 && plan->mtu != 0) {
		ret = rte_eth_dev_set_mtu(port->id, plan->mtu);
		if (ret != 0)
			return fc_port_report(port, "setting the MTU", ret, findings);
	}
	fc_port_begin_interface(port, findings);
	return 0;
}
