/* SPDX-License-Identifier: MIT */
#include <string.h>

#include <rte_common.h>

#include <fc_plan.h>

uint64_t fc_plan_pool_memory(const struct fc_plan_pool *pool, uint64_t page_size)
{
	uint64_t n_per_page = page_size / pool->mbuf_size;
	uint64_t size = n_per_page != 0
				? pool->n_mbufs * page_size / n_per_page
				: pool->n_mbufs * RTE_ALIGN_CEIL(pool->mbuf_size, page_size);

	/* The ring of free mbufs has a pointer for each, rounded up to a power of 2. */
	return size + rte_align64pow2((uint64_t)pool->n_mbufs + 1) * sizeof(void *);
}

uint64_t fc_plan_memory(const struct fc_plan *plan, int socket, uint64_t page_size)
{
	uint64_t size = socket == -1 ? plan->backlog_size : 0;

	for (uint16_t t = 0; t < plan->config->n_taps; t++)
		if (plan->taps[t].pool.socket == socket)
			size += fc_plan_pool_memory(&plan->taps[t].pool, page_size);
	for (uint16_t o = 0; o < plan->config->n_outputs; o++)
		if (plan->outputs[o].needs_copies && plan->outputs[o].copies.socket == socket)
			size += fc_plan_pool_memory(&plan->outputs[o].copies, page_size);
	for (uint16_t i = 0; i < plan->n_ports; i++)
		if (plan->ports[i].idle.n_mbufs != 0 && plan->ports[i].idle.socket == socket)
			size += fc_plan_pool_memory(&plan->ports[i].idle, page_size);
	return size;
}

static bool uses_port(const struct fc_plan *plan, uint16_t lane, uint16_t port)
{
	if (plan->ports[port].is_output && plan->ports[port].tx_lane == lane)
		return true;
	for (uint16_t t = 0; t < plan->config->n_taps; t++)
		for (uint16_t q = 0; q < plan->taps[t].n_queues; q++)
			if (plan->taps[t].port == port && plan->taps[t].lanes[q] == lane)
				return true;
	return false;
}

void fc_plan_lane_ports(const struct fc_plan *plan, uint16_t lane, char *text, size_t size)
{
	size_t used = 0;

	text[0] = '\0';
	for (uint16_t i = 0; i < plan->n_ports; i++) {
		const char *name = plan->ports[i].facts.name;

		if (!uses_port(plan, lane, i) || used + strlen(name) + 2 > size)
			continue;
		used += (size_t)snprintf(
			text + used, size - used, "%s%s", used == 0 ? "" : " ", name);
	}
}

#define MIB(bytes) ((double)(bytes) / (1024 * 1024))

static const char *node_name(int socket, char text[16])
{
	if (socket < 0)
		return "any";
	snprintf(text, 16, "%d", socket);
	return text;
}

static void print_lanes(const struct fc_plan *plan, FILE *stream)
{
	for (uint16_t l = 0; l < plan->n_lanes; l++) {
		fprintf(stream, "lcore %u:", plan->lanes[l].lcore.id);
		for (uint16_t t = 0; t < plan->config->n_taps; t++)
			for (uint16_t q = 0; q < plan->taps[t].n_queues; q++)
				if (plan->taps[t].lanes[q] == l)
					fprintf(stream, " rx %s.%u",
						plan->ports[plan->taps[t].port].facts.name, q);
		for (uint16_t i = 0; i < plan->n_ports; i++)
			if (plan->ports[i].is_output && plan->ports[i].tx_lane == l)
				fprintf(stream, " tx %s", plan->ports[i].facts.name);
		fprintf(stream, "\n");
	}
}

void fc_plan_print(const struct fc_plan *plan, FILE *stream)
{
	uint64_t total = plan->backlog_size;
	char node[16];

	for (uint16_t t = 0; t < plan->config->n_taps; t++) {
		const struct fc_plan_tap *tap = &plan->taps[t];

		total += fc_plan_pool_memory(&tap->pool, FC_HUGE_PAGE_SIZE);
		fprintf(stream,
			"tap %s: pool of %u buffers (%u ring + %u ports + %u lcores) of %u bytes = "
			"%.1f MiB, "
			"NUMA node %s\n",
			plan->config->taps[t].name, tap->pool.n_mbufs, tap->window,
			tap->n_for_ports, tap->n_for_lcores, tap->pool.mbuf_size,
			MIB(fc_plan_pool_memory(&tap->pool, FC_HUGE_PAGE_SIZE)),
			node_name(tap->pool.socket, node));
	}
	for (uint16_t o = 0; o < plan->config->n_outputs; o++) {
		const struct fc_plan_pool *pool = &plan->outputs[o].copies;

		if (!plan->outputs[o].needs_copies)
			continue;
		total += fc_plan_pool_memory(pool, FC_HUGE_PAGE_SIZE);
		fprintf(stream,
			"output %s: copies of %u buffers of %u bytes = %.1f MiB, NUMA node %s\n",
			plan->config->outputs[o].name, pool->n_mbufs, pool->mbuf_size,
			MIB(fc_plan_pool_memory(pool, FC_HUGE_PAGE_SIZE)),
			node_name(pool->socket, node));
	}
	for (uint16_t i = 0; i < plan->n_ports; i++) {
		const struct fc_plan_pool *pool = &plan->ports[i].idle;

		if (pool->n_mbufs == 0)
			continue;
		total += fc_plan_pool_memory(pool, FC_HUGE_PAGE_SIZE);
		fprintf(stream,
			"port %s: its driver's %u buffers of %u bytes = %.1f MiB, NUMA node %s\n",
			plan->ports[i].facts.name, pool->n_mbufs, pool->mbuf_size,
			MIB(fc_plan_pool_memory(pool, FC_HUGE_PAGE_SIZE)),
			node_name(pool->socket, node));
	}
	fprintf(stream, "backlogs: %.1f MiB\nsum: %.1f MiB\n", MIB(plan->backlog_size), MIB(total));
	print_lanes(plan, stream);
}
