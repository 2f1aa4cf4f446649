/* SPDX-License-Identifier: MIT */
#ifndef FC_PORT_H
#define FC_PORT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <fc_findings.h>
#include <fc_plan.h>
#include <fc_stats.h>

/**
 * A running ethdev port.
 *
 * Control thread unless said otherwise.
 */
struct fc_port {
	const struct fc_plan_port *plan;
	uint16_t id;		   /* ethdev port id */
	unsigned interface_index;  /* of the kernel interface behind it, 0: none */
	uint32_t max_frame;	   /* longest frame that it sends, UINT32_MAX: no limit */
	uint32_t max_tagged_frame; /* the same for a frame that begins with a VLAN tag */
	bool is_started;
	enum fc_link last_link; /* when it was stopped */
	_Atomic bool is_gone;	/* control: wo, lcores: ro */
};

/**
 * Look a port up among EAL's and find out what it can.
 *
 * @param name   The ethdev's name.
 * @param facts  Filled.
 * @return       0, or -ENODEV when there is no such port.
 */
int fc_port_facts(const char *name, struct fc_port_facts *facts);

/** Configure queues, MTU and promiscuous mode as planned, and start. Errors go to @p findings. */
int fc_port_start(struct fc_port *port, const struct fc_plan_port *plan,
	struct rte_mempool *rx_pool, struct fc_findings *findings);

/** Stop and close; what the driver held goes back to the pools. Allowed for a port not started. */
void fc_port_stop(struct fc_port *port);

/** The state of the link. Any thread. */
enum fc_link fc_port_link(const struct fc_port *port);

/** Find out whether the kernel interface behind the port is still there; true when just lost. */
bool fc_port_notice_loss(struct fc_port *port);

#endif
