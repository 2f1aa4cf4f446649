/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include <rte_malloc.h>

#include "generation.h"
#include "old_pools.h"
#include "pool.h"

static bool has_pointer(const void *list, size_t n, const void *item)
{
	for (size_t i = 0; list != NULL && i < n; i++)
		if (((const void *const *)list)[i] == item)
			return true;
	return false;
}

static bool has_pool(const struct fc_generation *generation, const struct rte_mempool *pool)
{
	if (generation == NULL)
		return false;
	if (has_pointer(generation->rx_pools, generation->plan->n_ports, pool) ||
		has_pointer(generation->host_pools, generation->plan->n_ports, pool))
		return true;
	for (uint16_t o = 0; generation->outputs != NULL && o < generation->config->n_outputs; o++)
		if (generation->outputs[o] != NULL && generation->outputs[o]->how.pool == pool)
			return true;
	return false;
}

void fc_generation_flush_pools(const struct fc_generation *generation)
{
	for (uint16_t i = 0; i < generation->plan->n_ports; i++) {
		fc_pool_flush(generation->rx_pools[i]);
		fc_pool_flush(generation->host_pools[i]);
	}
	for (uint16_t o = 0; o < generation->config->n_outputs; o++)
		fc_pool_flush(generation->outputs[o]->how.pool);
}

/* Whether the other generation goes on with the stages of a tap of this one. */
static bool goes_on(
	const struct fc_generation *generation, uint16_t tap, const struct fc_generation *other)
{
	int index = fc_generation_find_tap(other, generation->config->taps[tap].name);

	return index >= 0 && other->taps[index] == generation->taps[tap] &&
	       other->outlets[index] != NULL && other->outlets[index][0].is_borrowed;
}

static void free_taps(struct fc_generation *generation, const struct fc_generation *other)
{
	uint16_t n_others = other != NULL ? other->config->n_taps : 0;

	for (uint16_t t = 0; generation->taps != NULL && t < generation->config->n_taps; t++) {
		struct fc_tap *tap = generation->taps[t];
		struct fc_outlets *outlets =
			generation->outlets != NULL ? generation->outlets[t] : NULL;

		for (uint16_t q = 0;
			tap != NULL && outlets != NULL && q < fc_generation_n_queues(generation, t);
			q++)
			if (!outlets[q].is_borrowed && !goes_on(generation, t, other))
				fc_chain_end(&outlets[q].chain);
		free(outlets);
		if (tap == NULL || (n_others != 0 && has_pointer(other->taps, n_others, tap)))
			continue;
		for (uint16_t q = 0; q < tap->n_intakes; q++)
			rte_free(tap->intakes[q]);
		rte_free(tap);
	}
}

static void free_outputs(struct fc_engine *engine, struct fc_generation *generation,
	const struct fc_generation *other)
{
	uint16_t n_others = other != NULL ? other->config->n_outputs : 0;

	for (uint32_t f = 0; generation->feeds != NULL && f < generation->n_feeds; f++) {
		struct fc_feed *feed = generation->feeds[f];

		if (feed == NULL ||
			(other != NULL && has_pointer(other->feeds, other->n_feeds, feed)))
			continue;
		fc_feed_end(feed);
		rte_free(feed);
	}
	for (uint16_t o = 0; generation->outputs != NULL && o < generation->config->n_outputs;
		o++) {
		struct fc_output *output = generation->outputs[o];

		if (output == NULL ||
			(n_others != 0 && has_pointer(other->outputs, n_others, output)))
			continue;
		fc_chain_end(&output->chain);
		rte_free(output->tunnel);
		if (!has_pool(other, output->how.pool))
			fc_old_pools_add(engine, output->how.pool, 0);
		rte_free(output);
	}
}

static void free_ports(struct fc_engine *engine, struct fc_generation *generation,
	const struct fc_generation *other)
{
	uint16_t n_others = other != NULL ? other->plan->n_ports : 0;

	for (uint16_t i = 0; generation->stations != NULL && i < generation->plan->n_ports; i++)
		fc_station_free(generation->stations[i]);
	for (uint16_t i = 0; generation->ports != NULL && i < generation->plan->n_ports; i++) {
		struct fc_port *port = generation->ports[i];

		if (port == NULL || (n_others != 0 && has_pointer(other->ports, n_others, port)))
			continue;
		fc_port_stop(port);
		rte_free(port);
	}
	/* Pools last: what has been freed above went back to them. */
	for (uint16_t i = 0; generation->host_pools != NULL && i < generation->plan->n_ports; i++) {
		if (!has_pool(other, generation->rx_pools[i]))
			fc_old_pools_add(engine, generation->rx_pools[i],
				generation->plan->ports[i].pool.n_kept);
		if (!has_pool(other, generation->host_pools[i]))
			fc_old_pools_add(engine, generation->host_pools[i], 0);
	}
}

void fc_generation_free(struct fc_engine *engine, struct fc_generation *generation,
	const struct fc_generation *other)
{
	if (generation == NULL)
		return;
	fc_wiring_free(engine, generation);
	free_outputs(engine, generation, other);
	free_taps(generation, other);
	free_ports(engine, generation, other);
	free(generation->ports);
	free(generation->rx_pools);
	free(generation->host_pools);
	free(generation->stations);
	free(generation->queues);
	free(generation->taps);
	free(generation->outlets);
	free(generation->outputs);
	free(generation->ended);
	free(generation->first_feed);
	free(generation->feeds);
	free(generation->tables);
	free(generation->n_in_table);
	free(generation->lane_of);
	free(generation->works);
	fc_plan_free(generation->plan);
	free(generation);
}
