/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include <rte_bus.h>
#include <rte_dev.h>

#include "nic_rig.h"

const struct rig_driver *rig_driver;
struct rig_port rig_ports[2];
const char *rig_args;
unsigned rig_n_removed;

static char device; /* nobody looks into it */

void rig_be(const struct rig_driver *driver)
{
	rig_driver = driver;
	memset(rig_ports, 0, sizeof(rig_ports));
	rig_args = NULL;
	rig_n_removed = 0;
}

/* Each is called in place of the function without `__wrap_`. */
#define WRAPPED(type, name, ...)                                                                   \
	type __wrap_##name(__VA_ARGS__);                                                           \
	type __wrap_##name(__VA_ARGS__)

WRAPPED(int, rte_eth_dev_get_port_by_name, const char *name, uint16_t *id)
{
	*id = name[1] == '1' ? 0 : 1;
	return 0;
}

WRAPPED(int, rte_eth_dev_socket_id, uint16_t id)
{
	(void)id;
	return -1;
}

WRAPPED(const struct rte_bus *, rte_dev_bus, const struct rte_device *of)
{
	(void)of;
	return NULL;
}

WRAPPED(const char *, rte_bus_name, const struct rte_bus *bus)
{
	(void)bus;
	return rig_driver->is_vdev ? "vdev" : "pci";
}

WRAPPED(const char *, rte_dev_name, const struct rte_device *of)
{
	(void)of;
	return "device";
}

WRAPPED(const struct rte_devargs *, rte_dev_devargs, const struct rte_device *of)
{
	static struct rte_devargs devargs;

	(void)of;
	devargs.args = (char *)(uintptr_t)rig_args;
	return rig_args != NULL ? &devargs : NULL;
}

WRAPPED(int, rte_dev_remove, struct rte_device *of)
{
	rig_n_removed += (void *)of == (void *)&device;
	return 0;
}

WRAPPED(int, rte_dev_event_callback_register, const char *name, rte_dev_event_cb_fn function,
	void *arg)
{
	(void)name, (void)function, (void)arg;
	return 0;
}

WRAPPED(int, rte_dev_event_callback_unregister, const char *name, rte_dev_event_cb_fn function,
	void *arg)
{
	(void)name, (void)function, (void)arg;
	return 0;
}

WRAPPED(int, rte_eth_dev_callback_register, uint16_t id, enum rte_eth_event_type event,
	rte_eth_dev_cb_fn function, void *arg)
{
	(void)id, (void)event, (void)function, (void)arg;
	return 0;
}

WRAPPED(int, rte_eth_dev_callback_unregister, uint16_t id, enum rte_eth_event_type event,
	rte_eth_dev_cb_fn function, void *arg)
{
	(void)id, (void)event, (void)function, (void)arg;
	return 0;
}

WRAPPED(int, rte_eth_dev_info_get, uint16_t id, struct rte_eth_dev_info *info)
{
	*info = (struct rte_eth_dev_info){
		.device = (struct rte_device *)(void *)&device,
		.driver_name = rig_driver->name,
		.if_index = rig_driver->has_interface ? RIG_INTERFACE : 0,
		.min_mtu = 68,
		.max_mtu = rig_driver->max_mtu,
		.max_rx_pktlen = rig_driver->max_rx_pktlen,
		.max_rx_queues = rig_driver->n_queues,
		.max_tx_queues = rig_driver->n_queues,
		.rx_offload_capa = rig_driver->rx_offloads,
		.tx_offload_capa = rig_driver->tx_offloads,
		.flow_type_rss_offloads = rig_driver->rss_types,
		.hash_key_size = rig_driver->hash_key_size,
	};
	(void)id;
	return 0;
}

WRAPPED(int, rte_eth_dev_configure, uint16_t id, uint16_t n_rx, uint16_t n_tx,
	const struct rte_eth_conf *conf)
{
	struct rig_port *port = &rig_ports[id];
	const struct rte_eth_rss_conf *rss = &conf->rx_adv_conf.rss_conf;

	/* As ethdev, and the drivers that check these. */
	if ((rss->rss_hf & ~rig_driver->rss_types) != 0 ||
		(conf->rxmode.offloads & ~rig_driver->rx_offloads) != 0 ||
		(conf->txmode.offloads & ~rig_driver->tx_offloads) != 0 ||
		conf->rxmode.mtu > rig_driver->max_mtu)
		return -EINVAL;
	if ((conf->rxmode.mq_mode & RTE_ETH_MQ_RX_RSS_FLAG) != 0 && rig_driver->rss_types == 0)
		return -ENOTSUP;
	port->n_rx = n_rx;
	port->n_tx = n_tx;
	port->conf = *conf;
	if (rss->rss_key != NULL)
		memcpy(port->key, rss->rss_key, RTE_MIN(rss->rss_key_len, sizeof(port->key)));
	return 0;
}

WRAPPED(int, rte_eth_rx_queue_setup, uint16_t id, uint16_t queue, uint16_t n, unsigned socket,
	const struct rte_eth_rxconf *conf, struct rte_mempool *pool)
{
	(void)n, (void)socket, (void)pool;
	rig_ports[id].rx = *conf;
	return queue < rig_ports[id].n_rx ? 0 : -EINVAL;
}

WRAPPED(int, rte_eth_tx_queue_setup, uint16_t id, uint16_t queue, uint16_t n, unsigned socket,
	const struct rte_eth_txconf *conf)
{
	(void)n, (void)socket;
	rig_ports[id].tx = *conf;
	return queue < rig_ports[id].n_tx ? 0 : -EINVAL;
}

WRAPPED(int, rte_eth_dev_set_rx_queue_stats_mapping, uint16_t id, uint16_t queue, uint8_t index)
{
	rig_ports[id].n_mapped += queue == index;
	return 0;
}

WRAPPED(int, rte_eth_dev_start, uint16_t id)
{
	rig_ports[id].is_started = true;
	rig_ports[id].flow_control = (enum rte_eth_fc_mode)RTE_MAX(rig_driver->flow_control, 0);
	if (rig_ports[id].at_start != NULL)
		rig_ports[id].at_start(&rig_ports[id]);
	return 0;
}

WRAPPED(int, rte_eth_dev_stop, uint16_t id)
{
	rig_ports[id].is_started = false;
	return 0;
}

WRAPPED(int, rte_eth_dev_close, uint16_t id)
{
	(void)id;
	return 0;
}

WRAPPED(int, rte_eth_promiscuous_enable, uint16_t id)
{
	if (!rig_driver->has_promiscuous)
		return -ENOTSUP;
	rig_ports[id].is_promiscuous = true;
	return 0;
}

WRAPPED(int, rte_eth_promiscuous_disable, uint16_t id)
{
	rig_ports[id].is_promiscuous = false;
	return 0;
}

WRAPPED(int, rte_eth_promiscuous_get, uint16_t id)
{
	return rig_ports[id].is_promiscuous;
}

WRAPPED(int, rte_eth_allmulticast_enable, uint16_t id)
{
	if (!rig_driver->has_allmulticast)
		return -ENOTSUP;
	rig_ports[id].is_allmulticast = true;
	return 0;
}

WRAPPED(int, rte_eth_allmulticast_disable, uint16_t id)
{
	rig_ports[id].is_allmulticast = false;
	return 0;
}

WRAPPED(int, rte_eth_allmulticast_get, uint16_t id)
{
	return rig_ports[id].is_allmulticast;
}

WRAPPED(int, rte_eth_dev_set_mtu, uint16_t id, uint16_t mtu)
{
	rig_ports[id].set_mtu = mtu;
	return 0;
}

WRAPPED(int, rte_eth_dev_flow_ctrl_get, uint16_t id, struct rte_eth_fc_conf *conf)
{
	*conf = (struct rte_eth_fc_conf){
		.high_water = 40, .low_water = 20, .autoneg = 1, .mode = rig_ports[id].flow_control
	};
	return rig_driver->flow_control < 0 ? -ENOTSUP : 0;
}

WRAPPED(int, rte_eth_dev_flow_ctrl_set, uint16_t id, struct rte_eth_fc_conf *conf)
{
	/* em, igb and igc refuse other water marks and another way of negotiation. */
	if (conf->autoneg != 1 || conf->high_water != 40 || conf->low_water != 20)
		return -EINVAL;
	if (!rig_ports[id].is_started)
		return -EIO;
	rig_ports[id].flow_control = conf->mode;
	return 0;
}

WRAPPED(int, rte_eth_link_get_nowait, uint16_t id, struct rte_eth_link *link)
{
	(void)id;
	*link = (struct rte_eth_link){ .link_status = RTE_ETH_LINK_UP };
	return 0;
}

WRAPPED(int, rte_eth_stats_get, uint16_t id, struct rte_eth_stats *stats)
{
	*stats = rig_ports[id].stats;
	return 0;
}

WRAPPED(int, rte_eth_xstats_get_id_by_name, uint16_t id, const char *name, uint64_t *index)
{
	static const char *const names[] = { "rx_length_errors", "rx_undersize_errors",
		"rx_oversize_errors" };

	(void)id;
	for (*index = 0; *index < RTE_DIM(names); ++*index)
		if (strcmp(names[*index], name) == 0)
			return 0;
	return -EINVAL;
}

WRAPPED(int, rte_eth_xstats_get_by_id, uint16_t id, const uint64_t *ids, uint64_t *values,
	unsigned n)
{
	const struct rig_port *port = &rig_ports[id];
	const uint64_t all[] = { port->n_length_errors, port->n_undersize, port->n_oversize };

	for (unsigned i = 0; i < n; i++)
		values[i] = all[ids[i]];
	return (int)n;
}

WRAPPED(uint16_t, fc_interface_mtu, unsigned index)
{
	return index != 0 ? RIG_KERNEL_MTU : 0;
}

WRAPPED(bool, fc_interface_pauses, unsigned index)
{
	return index != 0 && rig_ports[0].pauses;
}

WRAPPED(int, fc_interface_ask, unsigned index, unsigned long what, struct ifreq *request)
{
	(void)index, (void)what;
	*request = (struct ifreq){ .ifr_flags = IFF_RUNNING };
	return 0;
}

WRAPPED(char *, if_indextoname, unsigned index, char *name)
{
	(void)index;
	return strcpy(name, "eth7");
}
