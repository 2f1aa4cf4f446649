/* SPDX-License-Identifier: MIT */
#ifndef FC_PLUG_H
#define FC_PLUG_H

#include "state.h"

/** Devices that come and go while EAL runs. Control thread. */

/** Plug in what a configuration needs and EAL lacks. @return 0, or -ENODEV. */
int fc_plug_in(struct fc_engine *engine, const struct fc_config *config, const char *name);

/**
 * Whether a port that does not run can be taken: EAL has it, its PCI device is with a driver that
 * gives it to programs, or the kernel interface that it is made of exists.
 */
bool fc_plug_is_there(
	const struct fc_engine *engine, const struct fc_config *config, const char *name);

/**
 * Check the capture files of ports that EAL lacks and that would be plugged in, also against those
 * of the ports that it has: see fc_capture.h.
 *
 * @param names  Of all ports of the configuration.
 * @return       0, or -EINVAL with the reasons in @p findings.
 */
int fc_plug_check_files(const struct fc_engine *engine, const struct fc_config *config,
	const char *const *names, uint16_t n, struct fc_findings *findings);

/** Whether fc_plug_in() would try. */
bool fc_plug_can(const struct fc_engine *engine, const struct fc_config *config, const char *name);

/** Close a port that is not needed any more, unplug its device and remember how it was plugged in.
 */
void fc_plug_out(struct fc_engine *engine, struct fc_port *port);

/**
 * Close a port that has gone, and unplug its device, so that it can return; the kernel waits for
 * whoever has a device open. A device of several ports is unplugged with the last of them.
 */
void fc_plug_let_go(const struct fc_engine *engine, struct fc_port *port);

/** Whether another port that is started is of the same device. */
bool fc_plug_is_shared(const struct fc_engine *engine, const struct fc_port *port);

/** Free what fc_plug_out() remembers. */
void fc_plug_end(struct fc_engine *engine);

/** Unplug what was plugged in for a change that comes to nothing. */
void fc_plug_undo(struct fc_engine *engine);

#endif
