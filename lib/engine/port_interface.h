/* SPDX-License-Identifier: MIT */
#ifndef FC_PORT_INTERFACE_H
#define FC_PORT_INTERFACE_H

#include "port.h"

/**
 * The kernel interface of a port of net_af_packet, which can change while the port is in use: what
 * is longer than its MTU the kernel does not send, and what is longer than the port's buffers
 * arrives cut, and the driver says neither. Ports of other drivers are passed over. Control thread.
 */

/** See how the interface is now, and have the port send no longer frames than it does. */
void fc_port_look_at_interface(struct fc_port *port);

/** Have the port go by its plan, or by the interface where that has been seen. */
void fc_port_set_limits(struct fc_port *port);

/**
 * Have a port that was just started take in only what comes in.
 *
 * @param findings  Gets a warning where it cannot.
 */
void fc_port_begin_interface(struct fc_port *port, struct fc_findings *findings);

/** Whether frames that a tap takes by the port may have another tag than on the wire. */
bool fc_port_changes_tags(const struct fc_port *port);

/** Tell of that. */
void fc_port_tell_tags(const struct fc_port *port, struct fc_findings *findings);

/** Tell of frames that may be too long for the port's buffers, once for each change. */
void fc_port_tell_interface(struct fc_port *port, struct fc_findings *findings);

#endif
