/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "report.h"

#define FIELD_SIZE 32

static const enum fc_drop tap_drops[] = {
	FC_DROP_NOT_OURS,
	FC_DROP_MALFORMED,
	FC_DROP_FILTERED,
	FC_DROP_SAMPLED_OUT,
	FC_DROP_NOMBUF,
};

static const enum fc_drop feed_drops[] = {
	FC_DROP_HANDOFF_FULL,
	FC_DROP_OVERRUN,
	FC_DROP_FILTERED,
	FC_DROP_SAMPLED_OUT,
	FC_DROP_UNRESOLVED,
	FC_DROP_OVERSIZE,
	FC_DROP_NOMBUF,
	FC_DROP_TX_REFUSED,
};

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static void put(const struct fc_sink *sink, const char *name, uint64_t value)
{
	sink->number(sink->to, name, value);
}

static void put_count(const struct fc_sink *sink, const char *name, struct fc_count count)
{
	char bytes[FIELD_SIZE];

	snprintf(bytes, sizeof(bytes), "%s_bytes", name);
	put(sink, name, count.packets);
	put(sink, bytes, count.bytes);
}

static void put_drops(const struct fc_sink *sink, const struct fc_count counts[FC_N_DROPS],
	const enum fc_drop *drops, size_t n)
{
	for (size_t i = 0; i < n; i++)
		put_count(sink, fc_drop_name(drops[i]), counts[drops[i]]);
}

static const char *link_name(enum fc_link link)
{
	return link == FC_LINK_UP ? "up" : link == FC_LINK_DOWN ? "down" : "gone";
}

static const char *state_name(enum fc_port_state state)
{
	switch (state) {
	case FC_PORT_RUNNING:
		return "running";
	case FC_PORT_DOWN:
		return "down";
	case FC_PORT_ABSENT:
		return "absent";
	default:
		return "gone";
	}
}

static void put_health(const struct fc_sink *sink, const struct fc_port_health *health)
{
	sink->text(sink->to, "link", link_name(health->link));
	sink->text(sink->to, "state", state_name(health->state));
	put(sink, "flaps", health->flaps);
	put(sink, "last_change", health->last_change);
}

void fc_report_tap(const struct fc_engine *engine, uint16_t tap, const struct fc_sink *sink)
{
	struct fc_tap_stats stats;

	fc_engine_tap_stats(engine, tap, &stats);
	sink->text(sink->to, "port", stats.port);
	put_health(sink, &stats.health);
	put(sink, "rx_packets", stats.rx.packets);
	put(sink, "rx_bytes", stats.rx.bytes);
	put(sink, "rx_missed", stats.rx_missed);
	put(sink, "rx_nombuf", stats.rx_nombuf);
	put(sink, "rx_errors", stats.rx_errors);
	put_drops(sink, stats.drops, tap_drops, COUNT_OF(tap_drops));
	for (enum fc_hint hint = 0; hint < FC_N_HINTS; hint++)
		put_count(sink, fc_hint_name(hint), stats.hints[hint]);
	put_count(sink, "fragments_held", stats.fragments_held);
	put(sink, "fragments_waiting", stats.fragments_waiting);
	put(sink, "fragments_timed_out", stats.fragments_timed_out);
	put(sink, "fragments_refused", stats.fragments_refused);
	put(sink, "fragments_table_full", stats.fragments_table_full);
	put_count(sink, "forwarded", stats.forwarded);
	put(sink, "ring_bytes", stats.ring_bytes);
	put(sink, "ring_buffers", stats.ring_buffers);
	put(sink, "pool_size", stats.pool_size);
	put(sink, "pool_free", stats.pool_free);
	sink->difference(sink->to, "unaccounted", stats.unaccounted);
}

static void put_feed(const struct fc_sink *sink, const struct fc_feed_stats *stats)
{
	put_count(sink, "forwarded", stats->forwarded);
	put_drops(sink, stats->drops, feed_drops, COUNT_OF(feed_drops));
	put(sink, "tx_packets", stats->tx.packets);
	put(sink, "tx_bytes", stats->tx.bytes);
	put(sink, "tx_frames", stats->tx_frames);
	put_count(sink, "queued", stats->queued);
	sink->difference(sink->to, "unaccounted", stats->unaccounted);
}

void fc_report_output(const struct fc_engine *engine, uint16_t output, const struct fc_sink *sink)
{
	struct fc_output_stats stats;

	fc_engine_output_stats(engine, output, &stats);
	sink->text(sink->to, "port", stats.port);
	put_health(sink, &stats.health);
	put(sink, "tx_errors", stats.tx_errors);
	sink->text(sink->to, "next_hop", stats.next_hop);
	sink->text(sink->to, "next_hop_mac", stats.next_hop_mac);
	put_feed(sink, &stats.sum);
}

bool fc_report_feed(
	const struct fc_engine *engine, uint16_t tap, uint16_t output, const struct fc_sink *sink)
{
	struct fc_feed_stats stats;

	if (!fc_engine_feed_stats(engine, tap, output, &stats))
		return false;
	put_feed(sink, &stats);
	return true;
}

void fc_report_lane(const struct fc_engine *engine, uint16_t lane, const struct fc_sink *sink)
{
	struct fc_lane_stats stats;

	fc_engine_lane_stats(engine, lane, &stats);
	sink->text(sink->to, "role", stats.role);
	sink->text(sink->to, "ports", stats.ports);
	put(sink, "busy_cycles", stats.busy_cycles);
	put(sink, "idle_cycles", stats.idle_cycles);
}
