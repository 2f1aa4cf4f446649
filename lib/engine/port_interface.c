/* SPDX-License-Identifier: MIT */
#include <string.h>

#include <rte_ether.h>

#include "af_packet.h"
#include "driver.h"
#include "interface.h"
#include "plan_pools.h"
#include "port_interface.h"

#define LONGEST_JOINED (UINT16_MAX + RTE_ETHER_HDR_LEN)

static bool has_interface(const struct fc_port *port)
{
	return port->interface_index != 0 && fc_driver_is_af_packet(&port->plan->facts);
}

void fc_port_set_limits(struct fc_port *port)
{
	const struct fc_plan_port *plan = port->plan;
	uint32_t frame = plan->max_frame, tagged = plan->max_tagged_frame;

	if (port->interface.mtu != 0) {
		frame = (uint32_t)port->interface.mtu + RTE_ETHER_HDR_LEN;
		tagged = RTE_MIN(frame + FC_TAG_SIZE, plan->facts.max_tx_frame);
		frame = RTE_MIN(frame, plan->facts.max_tx_frame);
	}
	atomic_store_explicit(
		&port->only_8021q, fc_driver_is_af_packet(&plan->facts), memory_order_relaxed);
	atomic_store_explicit(&port->max_frame, frame, memory_order_relaxed);
	atomic_store_explicit(&port->max_tagged_frame, tagged, memory_order_relaxed);
}

void fc_port_look_at_interface(struct fc_port *port)
{
	uint16_t mtu;

	if (!has_interface(port))
		return;
	mtu = fc_interface_mtu(port->interface_index);
	if (mtu == 0) /* it is gone, or cannot be asked now */
		return;
	port->interface.mtu = mtu;
	port->interface.joins = port->plan->is_tap && fc_interface_joins(port->interface_index);
	fc_port_set_limits(port);
}

static void write_place(const struct fc_port *port, char place[FC_PORT_NAME_SIZE + 8])
{
	snprintf(place, FC_PORT_NAME_SIZE + 8, "port %s", port->plan->facts.name);
}

void fc_port_begin_interface(struct fc_port *port, struct fc_findings *findings)
{
	char place[FC_PORT_NAME_SIZE + 8];
	int ret;

	port->interface = (struct fc_interface){ 0 };
	if (!has_interface(port))
		return;
	ret = fc_af_packet_begin(port->id, port->plan->n_rx_queues, port->interface_index);
	write_place(port, place);
	if (ret != 0 && port->plan->is_tap)
		fc_findings_add(findings, FC_WARNING, place,
			"also takes in what this host itself sends by %s (%s)",
			port->interface_name, strerror(-ret));
	fc_port_look_at_interface(port);
}

/* Frames that the MTU allows, with one tag that the kernel takes off and one more. */
static uint32_t longest_allowed(const struct fc_port *port)
{
	return (uint32_t)port->interface.mtu + RTE_ETHER_HDR_LEN + 2 * FC_TAG_SIZE;
}

static void tell_mtu(struct fc_port *port, const char *place, struct fc_findings *findings)
{
	uint32_t longest = longest_allowed(port), held = port->plan->facts.cut_at - 1;
	char args[FC_DEVICE_ARGS_SIZE + 64];

	if (fc_af_packet_widen(port->device_args, longest, args, sizeof(args)))
		fc_findings_add(findings, FC_WARNING, place,
			"%s may bring frames of up to %u bytes (its MTU is %u), and the port's "
			"buffers hold %u: longer ones arrive cut and are dropped as malformed. "
			"What helps: --vdev %s,%s",
			port->interface_name, longest, port->interface.mtu, held,
			port->plan->facts.name, args);
	else
		fc_findings_add(findings, FC_WARNING, place,
			"%s may bring frames of up to %u bytes (its MTU is %u), and no buffers "
			"hold them; the port's hold %u: longer ones arrive cut and are dropped as "
			"malformed. What helps: ip link set %s mtu 9000",
			port->interface_name, longest, port->interface.mtu, held,
			port->interface_name);
}

void fc_port_tell_tags(const struct fc_port *port, struct fc_findings *findings)
{
	char place[FC_PORT_NAME_SIZE + 8];

	write_place(port, place);
	fc_findings_add(findings, FC_WARNING, place,
		"an outer VLAN tag of TPID 0x88a8 arrives as one of 0x8100: driver net_af_packet "
		"puts every tag that the kernel took off back as that");
}

bool fc_port_changes_tags(const struct fc_port *port)
{
	return port->is_started && port->plan->is_tap && has_interface(port);
}

void fc_port_tell_interface(struct fc_port *port, struct fc_findings *findings)
{
	struct fc_interface *interface = &port->interface;
	uint32_t cut_at = port->plan->facts.cut_at;
	char place[FC_PORT_NAME_SIZE + 8];

	if (!port->is_started || !port->plan->is_tap || interface->mtu == 0)
		return;
	write_place(port, place);
	if (interface->mtu != interface->told_mtu && longest_allowed(port) >= cut_at)
		tell_mtu(port, place, findings);
	if (interface->joins && !interface->told_joins && cut_at <= LONGEST_JOINED)
		fc_findings_add(findings, FC_WARNING, place,
			"%s joins packets that arrive (GRO or LRO) into frames of up to %u bytes, "
			"and the port's buffers hold %u: longer ones arrive cut and are dropped as "
			"malformed. What helps: ethtool -K %s gro off lro off",
			port->interface_name, (unsigned)LONGEST_JOINED, cut_at - 1,
			port->interface_name);
	interface->told_mtu = interface->mtu;
	interface->told_joins = interface->joins;
}
