/* SPDX-License-Identifier: MIT */
#include <string.h>

#include <rte_bitops.h>
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

static uint64_t memory_on(const struct fc_plan_pool *pool, int socket, uint64_t page_size)
{
	bool counts = pool->n_mbufs != 0 && pool->socket == socket;

	return counts ? fc_plan_pool_memory(pool, page_size) : 0;
}

uint64_t fc_plan_memory(const struct fc_plan *plan, int socket, uint64_t page_size)
{
	uint64_t size = socket == -1 ? plan->backlog_size : 0;

	for (uint16_t o = 0; o < plan->config->n_outputs; o++)
		size += memory_on(&plan->outputs[o].copies, socket, page_size);
	for (uint16_t i = 0; i < plan->n_ports; i++)
		size += memory_on(&plan->ports[i].pool, socket, page_size) +
			memory_on(&plan->ports[i].host, socket, page_size);
	return size;
}

static bool polls(const struct fc_plan_port *port, uint16_t queue, uint16_t lane)
{
	return port->receives && !port->drains && port->rx_lanes[queue] == lane;
}

static bool uses_port(const struct fc_plan_port *port, uint16_t lane)
{
	if (port->sends && port->tx_lane == lane)
		return true;
	for (uint16_t q = 0; q < port->n_rx_queues; q++)
		if (polls(port, q, lane))
			return true;
	return false;
}

void fc_plan_lane_ports(const struct fc_plan *plan, uint16_t lane, char *text, size_t size)
{
	size_t used = 0;

	text[0] = '\0';
	for (uint16_t i = 0; i < plan->n_ports; i++) {
		const char *name = plan->ports[i].facts.name;

		if (!uses_port(&plan->ports[i], lane) || used + strlen(name) + 2 > size)
			continue;
		used += (size_t)snprintf(
			text + used, size - used, "%s%s", used == 0 ? "" : " ", name);
	}
}

/* Append a name, or "..." where it does not fit; false: nothing does any more. */
static bool append_user(char *text, size_t size, const char *kind, const char *name)
{
	static const char more[] = ", ...";
	size_t used = strlen(text);
	const char *separator = used != 0 ? ", " : "";

	if (used + strlen(separator) + strlen(kind) + strlen(name) + sizeof(more) > size) {
		snprintf(text + used, size - used, "%s", more);
		return false;
	}
	snprintf(text + used, size - used, "%s%s%s", separator, kind, name);
	return true;
}

void fc_plan_port_users(const struct fc_plan *plan, uint16_t port, char *text, size_t size)
{
	const struct fc_config *config = plan->config;
	bool fits = true;

	text[0] = '\0';
	for (uint16_t t = 0; fits && t < config->n_taps; t++)
		if (plan->taps[t].port == port)
			fits = append_user(text, size, "tap ", config->taps[t].name);
	for (uint16_t o = 0; fits && o < config->n_outputs; o++)
		if (plan->outputs[o].port == port)
			fits = append_user(text, size, "output ", config->outputs[o].name);
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
		for (uint16_t i = 0; i < plan->n_ports; i++)
			for (uint16_t q = 0; q < plan->ports[i].n_rx_queues; q++)
				if (polls(&plan->ports[i], q, l))
					fprintf(stream, " rx %s.%u", plan->ports[i].facts.name, q);
		for (uint16_t i = 0; i < plan->n_ports; i++)
			if (plan->ports[i].sends && plan->ports[i].tx_lane == l)
				fprintf(stream, " tx %s", plan->ports[i].facts.name);
		fprintf(stream, "\n");
	}
}

static uint64_t print_size(const struct fc_plan_pool *pool, FILE *stream)
{
	uint64_t size = fc_plan_pool_memory(pool, FC_HUGE_PAGE_SIZE);
	char node[16];

	fprintf(stream, " of %u bytes = %.1f MiB, NUMA node %s\n", pool->mbuf_size, MIB(size),
		node_name(pool->socket, node));
	return size;
}

/* The pool of a port's taps and its parts. */
static void print_tap_pool(const struct fc_plan *plan, uint16_t index, FILE *stream)
{
	const struct fc_plan_port *port = &plan->ports[index];
	const char *word = "tap ";

	for (uint16_t t = 0; t < plan->config->n_taps; t++) {
		if (plan->taps[t].port != index)
			continue;
		fprintf(stream, "%s%s", word, plan->config->taps[t].name);
		word = ", ";
	}
	fprintf(stream, ": pool of %u buffers (%u ring + %u ports + %u lcores", port->pool.n_mbufs,
		port->n_for_taps, port->n_for_ports, port->n_for_lcores);
	if (port->n_for_fragments != 0)
		fprintf(stream, " + %u fragments", port->n_for_fragments);
	fprintf(stream, ")");
}

void fc_plan_print(const struct fc_plan *plan, FILE *stream)
{
	uint64_t total = plan->backlog_size;

	for (uint16_t i = 0; i < plan->n_ports; i++) {
		const struct fc_plan_port *port = &plan->ports[i];

		if (!port->is_tap)
			continue;
		print_tap_pool(plan, i, stream);
		total += print_size(&port->pool, stream);
	}
	for (uint16_t o = 0; o < plan->config->n_outputs; o++) {
		const struct fc_plan_pool *pool = &plan->outputs[o].copies;

		if (pool->n_mbufs == 0)
			continue;
		fprintf(stream, "output %s: copies of %u buffers", plan->config->outputs[o].name,
			pool->n_mbufs);
		total += print_size(pool, stream);
	}
	for (uint16_t i = 0; i < plan->n_ports; i++) {
		const struct fc_plan_port *port = &plan->ports[i];

		if (!port->is_tap && port->pool.n_mbufs != 0) {
			fprintf(stream, "port %s: its driver's %u buffers", port->facts.name,
				port->pool.n_mbufs);
			total += print_size(&port->pool, stream);
		}
		if (port->host.n_mbufs != 0) {
			fprintf(stream, "port %s: %u buffers for its own answers", port->facts.name,
				port->host.n_mbufs);
			total += print_size(&port->host, stream);
		}
	}
	fprintf(stream, "backlogs: %.1f MiB\nsum: %.1f MiB\n", MIB(plan->backlog_size), MIB(total));
	print_lanes(plan, stream);
}
