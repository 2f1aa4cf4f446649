/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "generation.h"

static int64_t missing(const struct fc_count *source, const struct fc_count *drops,
	const struct fc_count *sinks, unsigned n_sinks)
{
	uint64_t accounted = 0;

	for (unsigned i = 0; i < FC_N_DROPS; i++)
		accounted += drops[i].packets;
	for (unsigned i = 0; i < n_sinks; i++)
		accounted += sinks[i].packets;
	return (int64_t)(source->packets - accounted);
}

/* What a port with several taps lost is told of its first one. */
static bool is_first_tap(const struct fc_plan *plan, uint16_t index)
{
	for (uint16_t t = 0; t < index; t++)
		if (plan->taps[t].port == plan->taps[index].port)
			return false;
	return true;
}

static void read_nic(struct fc_port *port, struct fc_tap_stats *stats)
{
	struct fc_port_counts now;

	fc_port_stats(port, &now);
	stats->rx_missed = now.rx_missed;
	stats->rx_nombuf = now.rx_nombuf;
	stats->rx_errors = now.rx_errors;
}

static void read_reassembly(const struct fc_queue *queue, struct fc_tap_stats *stats)
{
	const struct fc_reassembly_counts *counts;

	if (queue->reassembly == NULL)
		return;
	counts = fc_reassembly_counts(queue->reassembly);
	stats->fragments_waiting += atomic_load_explicit(&counts->held, memory_order_relaxed);
	stats->fragments_timed_out +=
		atomic_load_explicit(&counts->timed_out, memory_order_relaxed);
	stats->fragments_refused += atomic_load_explicit(&counts->refused, memory_order_relaxed);
	stats->fragments_table_full +=
		atomic_load_explicit(&counts->table_full, memory_order_relaxed);
}

void fc_engine_tap_stats(const struct fc_engine *engine, uint16_t index, struct fc_tap_stats *stats)
{
	const struct fc_generation *now = engine->now;
	const struct fc_tap_config *config = &now->config->taps[index];
	const struct fc_tap *tap = now->taps[index];
	uint16_t port_index = now->plan->taps[index].port;
	struct fc_port *port = now->ports[port_index];
	bool is_first = is_first_tap(now->plan, index);
	struct fc_count sinks[2];

	*stats = (struct fc_tap_stats){
		.name = config->name,
		.port = config->port,
		.health = fc_port_health(port),
		.ring_bytes = config->ring,
		.ring_buffers = now->plan->taps[index].window,
		.pool_size = port->rx_pool->size,
		.pool_free = rte_mempool_avail_count(port->rx_pool),
	};
	for (uint16_t q = 0; q < tap->n_intakes; q++) {
		const struct fc_intake *intake = tap->intakes[q];

		for (unsigned i = 0; i < FC_N_DROPS; i++)
			fc_count_add(&stats->drops[i], fc_tally_read(&intake->drops[i]));
		for (unsigned i = 0; i < FC_N_HINTS; i++)
			fc_count_add(&stats->hints[i], fc_tally_read(&intake->hints[i]));
		fc_count_add(&stats->fragments_held, fc_tally_read(&intake->held));
		fc_count_add(&stats->forwarded, fc_tally_read(&intake->forwarded));
		atomic_thread_fence(memory_order_acquire);
		fc_count_add(&stats->rx, fc_tally_read(&intake->rx));
		if (is_first && q < fc_generation_n_queues(now, index))
			read_reassembly(&now->queues[port_index][q], stats);
	}
	sinks[0] = stats->forwarded;
	sinks[1] = stats->fragments_held;
	stats->unaccounted = missing(&stats->rx, stats->drops, sinks, 2);
	if (is_first)
		read_nic(port, stats);
}

void fc_feed_read(const struct fc_generation *generation, uint16_t tap, const struct fc_feed *feed,
	struct fc_feed_stats *stats)
{
	struct fc_count sinks[2];

	memset(stats, 0, sizeof(*stats));
	stats->tx = fc_tally_read(&feed->tx);
	stats->tx_frames = stats->tx.packets + fc_tally_read(&feed->parts).packets;
	for (unsigned i = 0; i < FC_N_DROPS; i++)
		stats->drops[i] = fc_tally_read(&feed->drops[i]);
	stats->queued = fc_tally_read(&feed->queued);
	fc_count_add(&stats->drops[FC_DROP_HANDOFF_FULL], feed->past_handoff_full);
	for (uint16_t q = 0; q < fc_generation_n_queues(generation, tap); q++) {
		const struct fc_route *route = fc_generation_route(generation, tap, q, feed);

		fc_count_add(
			&stats->drops[FC_DROP_HANDOFF_FULL], fc_tally_read(&route->handoff_full));
		atomic_thread_fence(memory_order_acquire);
		fc_count_add(&stats->forwarded, fc_tally_read(&route->forwarded));
	}
	fc_count_add(&stats->forwarded, feed->past_forwarded);
	sinks[0] = stats->tx;
	sinks[1] = stats->queued;
	stats->unaccounted = missing(&stats->forwarded, stats->drops, sinks, 2);
}

void fc_feed_stats_add(struct fc_feed_stats *sum, const struct fc_feed_stats *stats)
{
	fc_count_add(&sum->forwarded, stats->forwarded);
	for (unsigned d = 0; d < FC_N_DROPS; d++)
		fc_count_add(&sum->drops[d], stats->drops[d]);
	fc_count_add(&sum->tx, stats->tx);
	sum->tx_frames += stats->tx_frames;
	fc_count_add(&sum->queued, stats->queued);
	sum->unaccounted += stats->unaccounted;
}

bool fc_engine_feed_stats(
	const struct fc_engine *engine, uint16_t tap, uint16_t output, struct fc_feed_stats *stats)
{
	const struct fc_feed *feed = fc_generation_feed(engine->now, tap, output);

	if (feed == NULL)
		return false;
	fc_feed_read(engine->now, tap, feed, stats);
	return true;
}

static void read_tunnel(
	const struct fc_output *output, const struct fc_encap *encap, struct fc_output_stats *stats)
{
	const struct fc_address *next_hop =
		encap->gateway.family != 0 ? &encap->gateway : &encap->remote;
	uint8_t mac[FC_MAC_SIZE];

	if (!encap->has_mac)
		fc_address_format(next_hop, stats->next_hop);
	if (fc_tunnel_destination(&output->tunnel->header, mac))
		fc_mac_format(mac, stats->next_hop_mac);
}

void fc_engine_output_stats(
	const struct fc_engine *engine, uint16_t index, struct fc_output_stats *stats)
{
	const struct fc_generation *now = engine->now;
	const struct fc_output_config *config = &now->config->outputs[index];
	const struct fc_output *output = now->outputs[index];
	struct fc_port_counts nic;

	*stats = (struct fc_output_stats){
		.name = config->name,
		.port = config->port,
		.health = fc_port_health(output->port),
	};
	fc_port_stats(output->port, &nic);
	stats->tx_errors = nic.tx_errors;
	if (output->tunnel != NULL)
		read_tunnel(output, &config->encap, stats);
	stats->sum = now->ended[index];
	for (uint16_t i = 0; i < config->n_from; i++) {
		struct fc_feed_stats feed;

		fc_feed_read(now, config->from[i], now->feeds[now->first_feed[index] + i], &feed);
		fc_feed_stats_add(&stats->sum, &feed);
	}
}

bool fc_engine_is_empty(const struct fc_engine *engine)
{
	const struct fc_generation *now = engine->now;

	for (uint16_t o = 0; o < now->config->n_outputs; o++) {
		const struct fc_output_config *config = &now->config->outputs[o];

		for (uint16_t i = 0; i < config->n_from; i++) {
			struct fc_feed_stats stats;

			fc_feed_read(
				now, config->from[i], now->feeds[now->first_feed[o] + i], &stats);
			if (stats.unaccounted != 0 || stats.queued.packets != 0)
				return false;
		}
	}
	return true;
}

uint64_t fc_engine_received(const struct fc_engine *engine)
{
	uint64_t n = 0;

	for (uint16_t t = 0; t < engine->now->config->n_taps; t++)
		for (uint16_t q = 0; q < engine->now->taps[t]->n_intakes; q++)
			n += fc_tally_read(&engine->now->taps[t]->intakes[q]->rx).packets;
	return n;
}

uint16_t fc_engine_n_lanes(const struct fc_engine *engine)
{
	return engine->now->plan->n_lanes;
}

void fc_engine_lane_stats(
	const struct fc_engine *engine, uint16_t index, struct fc_lane_stats *stats)
{
	const struct fc_plan_lane *plan = &engine->now->plan->lanes[index];
	const struct fc_lane *lane = &engine->lanes[engine->now->lane_of[index]];

	*stats = (struct fc_lane_stats){
		.lcore = plan->lcore.id,
		.role = plan->receives && plan->sends ? "rx+tx"
			: plan->receives	      ? "rx"
						      : "tx",
		.busy_cycles = atomic_load_explicit(&lane->busy_cycles, memory_order_relaxed),
		.idle_cycles = atomic_load_explicit(&lane->idle_cycles, memory_order_relaxed),
	};
	fc_plan_lane_ports(engine->now->plan, index, stats->ports, sizeof(stats->ports));
}
