/* SPDX-License-Identifier: MIT */
#ifndef FC_PORT_H
#define FC_PORT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <rte_mempool.h>

#include <fc_address.h>
#include <fc_findings.h>
#include <fc_plan.h>
#include <fc_stats.h>

struct fc_queue;
struct fc_station;

/**
 * A running ethdev port.
 *
 * Control thread unless said otherwise.
 */
struct fc_port {
	const struct fc_plan_port *plan;
	uint16_t id;		       /* ethdev port id */
	unsigned interface_index;      /* of the kernel interface behind it, 0: none */
	uint32_t max_frame;	       /* longest frame that it sends, UINT32_MAX: no limit */
	uint32_t max_tagged_frame;     /* the same for a frame that begins with a VLAN tag */
	struct rte_mempool *rx_pool;   /* of its rx queues, NULL: none */
	struct rte_mempool *host_pool; /* for what it says itself, NULL: nothing */
	struct fc_station *station;    /* NULL: no tunnel ends or begins here */
	struct fc_queue *queues;       /* one for each rx queue, NULL: they are not polled */
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

/** The MAC address of a port; all zero when it has none. */
void fc_port_mac(const char *name, uint8_t mac[FC_MAC_SIZE]);

/** Configure queues, MTU and promiscuous mode as planned, and start. Errors go to @p findings. */
int fc_port_start(
	struct fc_port *port, const struct fc_plan_port *plan, struct fc_findings *findings);

/** Stop and close; what the driver held goes back to the pools. Allowed for a port not started. */
void fc_port_stop(struct fc_port *port);

/** The state of the link. Any thread. */
enum fc_link fc_port_link(const struct fc_port *port);

/** Find out whether the kernel interface behind the port is still there; true when just lost. */
bool fc_port_notice_loss(struct fc_port *port);

#endif
