/* SPDX-License-Identifier: MIT */
#ifndef FC_FACTS_H
#define FC_FACTS_H

#include <fc_plan.h>

/**
 * What can be known of a port without EAL: what a plan assumes, and for a PCI port that is there
 * the NUMA node that the kernel says.
 *
 * @param name   A PCI address or the name of a virtual device.
 * @param facts  Filled.
 */
void fc_facts_assume(const char *name, struct fc_port_facts *facts);

#endif
