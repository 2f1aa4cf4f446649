/* SPDX-License-Identifier: MIT */
#ifndef FC_MISSING_PORT_H
#define FC_MISSING_PORT_H

#include <fc_config.h>
#include <fc_findings.h>

/** The names of the ports that EAL has, "none" without any. */
void fc_missing_port_list(char *text, size_t size);

/** Say for each tap and output of a port that EAL does not have why that may be, and what helps.
 * Control thread, after EAL's start. */
void fc_missing_port_report(
	const struct fc_config *config, const char *name, struct fc_findings *findings);

#endif
