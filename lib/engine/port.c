/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>
#include <time.h>

#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <rte_ethdev.h>
#include <rte_malloc.h>

#include "driver.h"
#include "interface.h"
#include "local_socket.h"
#include "pdump.h"
#include "port_counts.h"
#include "port_interface.h"
#include "port_setup.h"

#define PEER_REST_MS 1000
#define LOOK_REST    10 /* times as long as looking at the link took */

/* EAL's interrupt thread: the kernel wants a device back, or it has gone. */
static void notice_removal(const char *name, enum rte_dev_event_type event, void *port)
{
	RTE_SET_USED(name);
	if (event == RTE_DEV_EVENT_REMOVE)
		atomic_store_explicit(
			&((struct fc_port *)port)->is_removed, true, memory_order_relaxed);
}

/* The same, from drivers that find out themselves. */
static int notice_driver(uint16_t id, enum rte_eth_event_type event, void *port, void *result)
{
	RTE_SET_USED(id);
	RTE_SET_USED(event);
	RTE_SET_USED(result);
	atomic_store_explicit(&((struct fc_port *)port)->is_removed, true, memory_order_relaxed);
	return 0;
}

static int expect_removal(struct fc_port *port)
{
	int ret = rte_dev_event_callback_register(rte_dev_name(port->device), notice_removal, port);

	return ret != 0 ? ret
			: rte_eth_dev_callback_register(
				  port->id, RTE_ETH_EVENT_INTR_RMV, notice_driver, port);
}

static void forget_removal(struct fc_port *port)
{
	const char *name = rte_dev_name(port->device);

	while (rte_eth_dev_callback_unregister(
		       port->id, RTE_ETH_EVENT_INTR_RMV, notice_driver, port) == -EAGAIN)
		rte_delay_us_sleep(1000);
	while (rte_dev_event_callback_unregister(name, notice_removal, port) == -EAGAIN)
		rte_delay_us_sleep(1000);
}

static uint64_t clock_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* What the kernel says of an interface; drivers such as net_af_packet say that it is always up. */
static enum fc_port_state look_at_interface(const struct fc_port *port)
{
	struct ifreq request;

	switch (fc_interface_ask(port->interface_index, SIOCGIFFLAGS, &request)) {
	case 0:
		return (request.ifr_flags & IFF_RUNNING) != 0 ? FC_PORT_RUNNING : FC_PORT_DOWN;
	case -ENODEV:
	case -ENXIO:
		return FC_PORT_GONE;
	default: /* out of descriptors: that says nothing about the interface */
		return fc_link_watch_state(&port->watch);
	}
}

static enum fc_port_state look_at(const struct fc_port *port)
{
	struct rte_eth_link link;

	if (port->interface_index != 0)
		return look_at_interface(port);
	if (!fc_driver_has_link(&port->plan->facts))
		return FC_PORT_RUNNING;
	if (rte_eth_link_get_nowait(port->id, &link) != 0)
		return FC_PORT_DOWN;
	return link.link_status == RTE_ETH_LINK_UP ? FC_PORT_RUNNING : FC_PORT_DOWN;
}

/* dpdk-dumpcap takes it away when it ends. */
static void reopen_ears(const struct fc_port *port)
{
	if (port->is_promiscuous && rte_eth_promiscuous_get(port->id) == 0)
		rte_eth_promiscuous_enable(port->id);
}

void fc_port_look(struct fc_port *port, uint64_t now_ms)
{
	bool is_removed = atomic_load_explicit(&port->is_removed, memory_order_relaxed);
	enum fc_port_state state = FC_PORT_GONE;
	uint64_t before_ms;

	if (!port->is_started || atomic_load_explicit(&port->is_gone, memory_order_relaxed) ||
		(now_ms < port->next_look_ms && !is_removed))
		return;
	atomic_fetch_add_explicit(&port->n_looks, 1, memory_order_relaxed);
	before_ms = clock_ms();
	if (!is_removed) {
		state = look_at(port);
		fc_port_look_at_interface(port);
	}
	if (state != FC_PORT_GONE)
		reopen_ears(port);
	port->next_look_ms =
		now_ms + RTE_MAX((uint64_t)FC_PORT_LOOK_MS, (clock_ms() - before_ms) * LOOK_REST);
	fc_link_watch_note(&port->watch, state, now_ms);
	if (state == FC_PORT_GONE)
		atomic_store_explicit(&port->is_gone, true, memory_order_relaxed);
}

/* What it takes to find the device again when it has gone. */
static void remember_device(struct fc_port *port, const struct rte_eth_dev_info *info)
{
	const struct rte_devargs *args = rte_dev_devargs(info->device);

	port->device = info->device;
	port->has_device_args = true;
	port->interface_index = info->if_index;
	if (info->if_index == 0 || if_indextoname(info->if_index, port->interface_name) == NULL)
		port->interface_name[0] = '\0';
	snprintf(port->device_args, sizeof(port->device_args), "%s",
		args != NULL && args->args != NULL ? args->args : "");
}

static int start_device(struct fc_port *port, struct fc_findings *findings)
{
	struct rte_eth_dev_info info;
	int ret, n_tx;

	ret = rte_eth_dev_get_port_by_name(port->plan->facts.name, &port->id);
	if (ret == 0)
		ret = rte_eth_dev_info_get(port->id, &info);
	if (ret != 0)
		return fc_port_report(port, "looking it up", ret, findings);
	remember_device(port, &info);
	n_tx = fc_port_configure(port, &info, findings);
	if (n_tx < 0)
		return n_tx;
	port->is_started = true; /* from here on there is something to close */
	ret = expect_removal(port);
	if (ret != 0)
		return fc_port_report(port, "watching for its removal", ret, findings);
	return fc_port_set_up(port, &info, n_tx, findings);
}

void fc_port_follow(struct fc_port *port, const struct fc_plan_port *plan)
{
	pthread_mutex_lock(&port->lock);
	port->plan = plan;
	fc_port_set_limits(port);
	pthread_mutex_unlock(&port->lock);
}

int fc_port_start(
	struct fc_port *port, const struct fc_plan_port *plan, struct fc_findings *findings)
{
	bool is_new = port->plan == NULL;
	uint64_t now_ms = clock_ms();
	int ret;

	if (is_new)
		pthread_mutex_init(&port->lock, NULL);
	fc_port_follow(port, plan);
	if (plan->facts.is_absent) {
		fc_link_watch_begin(&port->watch, FC_PORT_ABSENT, now_ms);
		atomic_store_explicit(&port->is_gone, true, memory_order_relaxed);
		return 0;
	}
	atomic_store_explicit(&port->is_removed, false, memory_order_relaxed);
	ret = start_device(port, findings);
	if (ret != 0)
		return ret;
	if (is_new)
		fc_link_watch_begin(&port->watch, look_at(port), now_ms);
	else
		fc_link_watch_return(&port->watch, look_at(port), now_ms);
	port->is_leaving = false;
	port->next_look_ms = 0;
	if (port->is_waiting)
		atomic_store_explicit(&port->is_paused, true, memory_order_relaxed);
	atomic_store_explicit(&port->is_gone, false, memory_order_release);
	return 0;
}

int fc_port_probe(const char *name, const char *device_args)
{
	char text[FC_PORT_NAME_SIZE + FC_DEVICE_ARGS_SIZE];

	snprintf(
		text, sizeof(text), "%s%s%s", name, device_args[0] != '\0' ? "," : "", device_args);
	return rte_dev_probe(text);
}

int fc_port_replug(struct fc_port *port, struct fc_findings *findings)
{
	struct rte_device *device = port->device;
	int ret = 0;
	uint16_t id;

	if (port->is_started) {
		fc_port_stop(port);
		ret = rte_dev_remove(device);
	}
	if (ret == 0 && rte_eth_dev_get_port_by_name(port->plan->facts.name, &id) != 0)
		ret = fc_port_probe(port->plan->facts.name, port->device_args);
	if (ret != 0)
		return fc_port_report(port, "plugging it in again", ret, findings);
	return start_device(port, findings);
}

/* Stop, configure and start the device. */
static int reconfigure(struct fc_port *port, struct fc_findings *findings)
{
	struct rte_eth_dev_info info;
	int ret, n_tx;

	fc_pdump_leave_port(port->id);
	pthread_mutex_lock(&port->lock);
	/* Between these two lies whatever the driver forgets when it is started. */
	fc_port_read_counts(port);
	rte_eth_dev_stop(port->id);
	ret = rte_eth_dev_info_get(port->id, &info);
	if (ret != 0)
		fc_port_report(port, "looking it up", ret, findings);
	n_tx = ret == 0 ? fc_port_configure(port, &info, findings) : ret;
	ret = n_tx >= 0 ? fc_port_set_up(port, &info, n_tx, findings) : n_tx;
	fc_port_read_counts(port);
	pthread_mutex_unlock(&port->lock);
	return ret;
}

int fc_port_restart(
	struct fc_port *port, const struct fc_plan_port *plan, struct fc_findings *findings)
{
	fc_port_follow(port, plan);
	if (port->is_started && fc_driver_restarts(&plan->facts))
		return reconfigure(port, findings);
	return fc_port_replug(port, findings);
}

void fc_port_resume(struct fc_port *port)
{
	atomic_store_explicit(
		&port->is_paused, port->is_waiting || port->is_meeting, memory_order_release);
}

bool fc_port_needs_peer(const struct fc_port *port, uint64_t now_ms)
{
	/* An end that has just gone must not be asked while it is still about to go. */
	return port->is_started && !atomic_load_explicit(&port->is_gone, memory_order_relaxed) &&
	       fc_link_watch_state(&port->watch) != FC_PORT_RUNNING &&
	       now_ms - atomic_load_explicit(&port->watch.changed_ms, memory_order_relaxed) >=
		       PEER_REST_MS &&
	       fc_local_socket_is_client(port->plan->facts.driver, port->device_args);
}

void fc_port_meet(struct fc_port *port)
{
	pthread_mutex_lock(&port->lock);
	if (!port->is_waiting) {
		fc_port_read_counts(port);
		rte_eth_dev_stop(port->id);
	}
	port->is_waiting = fc_port_try_start(port) != 0;
	port->is_meeting = false;
	fc_port_read_counts(port);
	pthread_mutex_unlock(&port->lock);
	fc_port_resume(port);
}

void fc_port_give_up(struct fc_port *port)
{
	fc_port_stop(port);
	atomic_store_explicit(&port->is_gone, true, memory_order_relaxed);
	fc_link_watch_note(&port->watch, FC_PORT_GONE, clock_ms());
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
	forget_removal(port);
	fc_pdump_leave_port(port->id);
	pthread_mutex_lock(&port->lock);
	fc_port_read_counts(port);
	port->seen = (struct fc_port_counts){ 0 }; /* it is another device that begins to count */
	if (fc_driver_loops(&port->plan->facts))
		empty_loop(port);
	if (!atomic_load_explicit(&port->is_gone, memory_order_relaxed))
		rte_eth_promiscuous_disable(port->id); /* a kernel interface would stay so */
	fc_port_restore(port);
	rte_eth_dev_stop(port->id);
	rte_eth_dev_close(port->id);
	port->is_started = port->is_waiting = port->is_meeting = false;
	pthread_mutex_unlock(&port->lock);
	port->device = NULL;
}

enum fc_link fc_port_link(const struct fc_port *port)
{
	switch (fc_link_watch_state(&port->watch)) {
	case FC_PORT_RUNNING:
		return FC_LINK_UP;
	case FC_PORT_DOWN:
		return FC_LINK_DOWN;
	default:
		return FC_LINK_GONE;
	}
}

struct fc_port_health fc_port_health(const struct fc_port *port)
{
	uint64_t changed_ms = atomic_load_explicit(&port->watch.changed_ms, memory_order_relaxed);

	return (struct fc_port_health){
		.link = fc_port_link(port),
		.state = fc_link_watch_state(&port->watch),
		.flaps = atomic_load_explicit(&port->watch.n_flaps, memory_order_relaxed),
		.last_change = (clock_ms() - changed_ms) / 1000,
	};
}
