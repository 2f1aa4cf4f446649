/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include "facts.h"

/* A name with a slash would lead elsewhere; the configuration allows none in a port's name. */
static int read_node(const char *name)
{
	char path[FC_PORT_NAME_SIZE + 64];
	int node = -1;
	FILE *file;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/numa_node", name);
	file = fopen(path, "re");
	if (file == NULL)
		return -1;
	if (fscanf(file, "%d", &node) != 1)
		node = -1;
	fclose(file);
	return node;
}

void fc_facts_assume(const char *name, struct fc_port_facts *facts)
{
	fc_plan_assume_port(name, facts);
	facts->socket = read_node(name);
}
