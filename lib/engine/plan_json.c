/* SPDX-License-Identifier: MIT */
#include <jansson.h>

#include <rte_common.h>

#include <fc_plan.h>

/* Objects that are NULL when memory has run out: jansson then refuses, and the root is noticed. */

static void add_pool(
	json_t *pools, const char *purpose, const char *name, const struct fc_plan_pool *pool)
{
	if (pool->n_mbufs == 0)
		return;
	json_array_append_new(
		pools, json_pack("{s:s, s:s, s:i, s:I, s:i, s:I}", "for", purpose, "name", name,
			       "node", pool->socket, "buffers", (json_int_t)pool->n_mbufs,
			       "buffer_bytes", (int)pool->mbuf_size, "bytes",
			       (json_int_t)fc_plan_pool_memory(pool, FC_HUGE_PAGE_SIZE)));
}

static json_t *pools_of(const struct fc_plan *plan)
{
	json_t *pools = json_array();

	for (uint16_t i = 0; i < plan->n_ports; i++)
		add_pool(pools, "receive", plan->ports[i].facts.name, &plan->ports[i].pool);
	for (uint16_t o = 0; o < plan->config->n_outputs; o++)
		add_pool(pools, "copies", plan->config->outputs[o].name, &plan->outputs[o].copies);
	for (uint16_t i = 0; i < plan->n_ports; i++)
		add_pool(pools, "answers", plan->ports[i].facts.name, &plan->ports[i].host);
	return pools;
}

static json_t *ports_of(const struct fc_plan *plan)
{
	json_t *ports = json_array();

	for (uint16_t i = 0; i < plan->n_ports; i++) {
		const struct fc_plan_port *port = &plan->ports[i];

		json_array_append_new(
			ports, json_pack("{s:s, s:i, s:i, s:i}", "name", port->facts.name, "node",
				       port->facts.socket, "rx_queues", (int)port->n_rx_queues,
				       "tx_queues", port->sends ? 1 : 0));
	}
	return ports;
}

/* Where there is memory on nodes that no pool names, nothing has to be counted. */
static int last_node(const json_t *pools)
{
	int last = -1;
	size_t i;
	json_t *pool;

	json_array_foreach (pools, i, pool) {
		int node = (int)json_integer_value(json_object_get(pool, "node"));

		last = RTE_MAX(last, node);
	}
	return last;
}

static json_t *nodes_of(const struct fc_plan *plan, int last)
{
	json_t *nodes = json_array();

	for (int node = -1; node <= last; node++) {
		uint64_t size = fc_plan_memory(plan, node, FC_HUGE_PAGE_SIZE);

		if (size != 0)
			json_array_append_new(nodes,
				json_pack("{s:i, s:I}", "node", node, "bytes", (json_int_t)size));
	}
	return nodes;
}

static bool has_integer(const json_t *array, unsigned value)
{
	size_t i;
	json_t *element;

	json_array_foreach (array, i, element)
		if (json_integer_value(element) == value)
			return true;
	return false;
}

/* The lcores that the configuration names, and how many let control have one of its own. */
static json_t *lcores_of(const struct fc_lcores_config *told)
{
	json_t *named = json_array();
	size_t n_workers;

	for (unsigned i = 0; i < (unsigned)told->n_rx + told->n_tx; i++) {
		unsigned id = i < told->n_rx ? told->rx[i] : told->tx[i - told->n_rx];

		if (!has_integer(named, id))
			json_array_append_new(named, json_integer(id));
	}
	n_workers = RTE_MAX(json_array_size(named), 1U);
	return json_pack("{s:o, s:I}", "named", named, "wanted", (json_int_t)n_workers + 1);
}

char *fc_plan_json(const struct fc_plan *plan)
{
	json_t *pools = pools_of(plan);
	int last = last_node(pools);
	json_t *root = json_pack("{s:o, s:o, s:I, s:o, s:I, s:o}", "ports", ports_of(plan), "pools",
		pools, "backlog_bytes", (json_int_t)plan->backlog_size, "nodes",
		nodes_of(plan, last), "page_bytes", (json_int_t)FC_HUGE_PAGE_SIZE, "lcores",
		lcores_of(&plan->config->lcores));
	char *text = root != NULL ? json_dumps(root, JSON_INDENT(2)) : NULL;

	json_decref(root);
	return text;
}
