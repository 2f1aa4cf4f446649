/* SPDX-License-Identifier: MIT */
#ifndef FC_PORT_COUNTS_H
#define FC_PORT_COUNTS_H

#include "port.h"

/**
 * Read what the port's driver counts into `counts`. The port is started, or being set up; its lock
 * is held.
 *
 * Many drivers begin anew when a port is started; that a counter of the driver has become smaller
 * says so. A port is read right before and right after it is set up, so that nothing is overlooked.
 */
void fc_port_read_counts(struct fc_port *port);

#endif
