/* SPDX-License-Identifier: MIT */
#ifndef FC_FACTS_H
#define FC_FACTS_H

#include <fc_plan.h>

/**
 * What a plan without EAL goes by: as much as the kernel says of ports and lcores, and assumptions.
 */

/** Room for the lcores that a configuration names, each in `rx` and in `tx`, or a list of all. */
#define FC_FACTS_MAX_LCORES (2 * FC_MAX_LCORES)

/**
 * The facts of a port.
 *
 * @param name   A PCI address or the name of a virtual device.
 * @param args   The arguments of a virtual device, NULL: not known.
 * @param facts  Filled: as its driver will say, or as assumed, and for a PCI port that is there its
 *               NUMA node.
 * @return       Whether it will be so; else it is assumed.
 */
bool fc_facts_of_port(const char *name, const char *args, struct fc_port_facts *facts);

/** The NUMA node of a CPU, -1 when the kernel does not say. */
int fc_facts_node_of_cpu(unsigned id);

/**
 * The lcores that would work: those that the configuration names, else those of a list, else one.
 *
 * @param told    What the configuration says.
 * @param list    Numbers and ranges such as `1-3,8`, or NULL. An lcore is taken to run on the CPU
 * of its number, whose NUMA node it gets.
 * @param lcores  Filled.
 * @return        How many, or 0 when @p list is none or has a number beyond 0..127.
 */
uint16_t fc_facts_of_lcores(const struct fc_lcores_config *told, const char *list,
	struct fc_lcore_facts lcores[FC_FACTS_MAX_LCORES]);

#endif
