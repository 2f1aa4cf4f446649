/* SPDX-License-Identifier: MIT */
#ifndef FC_PORT_NAME_H
#define FC_PORT_NAME_H

#include <stdbool.h>
#include <stddef.h>

#include <fc_config.h>
#include <fc_findings.h>

/**
 * What the name of a port says, without EAL. Any thread; reads /sys.
 */
enum fc_port_kind {
	FC_PORT_PCI,	   /**< a PCI address, whether or not there is such a device */
	FC_PORT_VDEV,	   /**< begins with the name of a driver of virtual devices */
	FC_PORT_DEVICE,	   /**< a device of this machine on another bus: VMBus, auxiliary */
	FC_PORT_INTERFACE, /**< an interface of the kernel, which cannot be a port by itself */
	FC_PORT_UNKNOWN,
};

enum fc_port_kind fc_port_kind(const char *name);

/**
 * Say what is wrong with a name that is an interface of the kernel, or nothing here.
 *
 * @param text  Gets a sentence without its full stop; "" for other kinds of names.
 */
void fc_port_explain_name(
	const struct fc_config *config, const char *name, char *text, size_t size);

/** Add one finding for each tap and output that has the port. */
void fc_port_add_finding(const struct fc_config *config, const char *name,
	enum fc_severity severity, const char *text, struct fc_findings *findings);

/**
 * Add an error for each tap and output whose port is an interface of the kernel, with what makes a
 * port of it.
 */
void fc_port_check_interfaces(const struct fc_config *config, struct fc_findings *findings);

/**
 * Add what is wrong with the names of ports: an error for an interface of the kernel, and for a
 * name that is nothing on this machine; a warning where such a port is optional.
 *
 * @param is_elsewhere  The configuration is for another machine: every port is taken for present,
 *                      and a name that could only be an interface of the kernel is warned about.
 */
void fc_port_check_names(
	const struct fc_config *config, bool is_elsewhere, struct fc_findings *findings);

/**
 * Say what is wrong with the arguments of a virtual device as far as this machine shows it: an
 * interface that is not there.
 *
 * @param args  As behind the name in --vdev.
 * @param text  Gets a phrase, "" when nothing is seen.
 */
void fc_port_explain_args(const char *args, char *text, size_t size);

#endif
