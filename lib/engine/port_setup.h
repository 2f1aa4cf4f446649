/* SPDX-License-Identifier: MIT */
#ifndef FC_PORT_SETUP_H
#define FC_PORT_SETUP_H

#include "port.h"

/**
 * What fluxcap asks of a port's driver when it sets the port up; docs/ports.md says what becomes of
 * it with which driver. Control thread.
 */

/** Say that something failed in the port's driver. @return @p error. */
int fc_port_report(
	const struct fc_port *port, const char *what, int error, struct fc_findings *findings);

/**
 * Say how many queues the stopped port is to have, how long frames are, and how packets are spread.
 *
 * @return  How many tx queues it has now, or -errno with the reason in @p findings.
 */
int fc_port_configure(
	struct fc_port *port, const struct rte_eth_dev_info *info, struct fc_findings *findings);

/**
 * Set the queues of a configured port up, start it, switch its flow control off, and have it
 * receive what its plan wants.
 *
 * @param n_tx  As fc_port_configure() said.
 * @return      0, or -errno with the reason in @p findings.
 */
int fc_port_set_up(struct fc_port *port, const struct rte_eth_dev_info *info, int n_tx,
	struct fc_findings *findings);

/** Give flow control back to a kernel interface as it had it; a port without one has nothing to
 * give back. The port is still started. */
void fc_port_restore(struct fc_port *port);

/** Start a memif that connects, without a word of its driver's where its other end is not there.
 * @return 0, or what the driver says. */
int fc_port_try_start(struct fc_port *port);

#endif
