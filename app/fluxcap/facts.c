/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "facts.h"

#define MAX_NODES 32 /* as many as DPDK has */

static int node_of_device(const char *name)
{
	char path[FC_PORT_NAME_SIZE + 64];
	int node = -1;
	FILE *file;

	/* A name has no slash, so this leads nowhere else. */
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/numa_node", name);
	file = fopen(path, "re");
	if (file == NULL)
		return -1;
	if (fscanf(file, "%d", &node) != 1)
		node = -1;
	fclose(file);
	return node;
}

bool fc_facts_of_port(const char *name, const char *args, struct fc_port_facts *facts)
{
	if (args != NULL && fc_port_assume_vdev(name, args, facts))
		return true;
	fc_plan_assume_port(name, facts);
	facts->socket = node_of_device(name);
	return false;
}

int fc_facts_node_of_cpu(unsigned id)
{
	char path[64];

	for (int node = 0; node < MAX_NODES; node++) {
		snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%u/node%d", id, node);
		if (access(path, F_OK) == 0)
			return node;
	}
	return -1;
}

static uint16_t add_lcore(
	unsigned id, struct fc_lcore_facts lcores[FC_FACTS_MAX_LCORES], uint16_t n)
{
	for (uint16_t i = 0; i < n; i++)
		if (lcores[i].id == id)
			return n;
	lcores[n] = (struct fc_lcore_facts){ id, fc_facts_node_of_cpu(id) };
	return (uint16_t)(n + 1);
}

/* A number 0..127 at @text, and what is behind it; -1: none. */
static int read_id(const char **text)
{
	char *end;
	unsigned long id;

	if (**text < '0' || **text > '9')
		return -1;
	id = strtoul(*text, &end, 10);
	*text = end;
	return id < FC_MAX_LCORES ? (int)id : -1;
}

static uint16_t read_list(const char *text, struct fc_lcore_facts lcores[FC_FACTS_MAX_LCORES])
{
	uint16_t n = 0;

	for (;; text++) {
		int first = read_id(&text);
		int last = first;

		if (*text == '-') {
			text++;
			last = read_id(&text);
		}
		if (first < 0 || last < first)
			return 0;
		for (int id = first; id <= last; id++)
			n = add_lcore((unsigned)id, lcores, n);
		if (*text == '\0')
			return n;
		if (*text != ',')
			return 0;
	}
}

uint16_t fc_facts_of_lcores(const struct fc_lcores_config *told, const char *list,
	struct fc_lcore_facts lcores[FC_FACTS_MAX_LCORES])
{
	uint16_t n = 0;

	if (list != NULL && read_list(list, lcores) == 0)
		return 0;
	for (uint16_t i = 0; i < told->n_rx; i++)
		n = add_lcore(told->rx[i], lcores, n);
	for (uint16_t i = 0; i < told->n_tx; i++)
		n = add_lcore(told->tx[i], lcores, n);
	if (n == 0 && list != NULL)
		n = read_list(list, lcores);
	return n != 0 ? n : add_lcore(1, lcores, 0);
}
