/* SPDX-License-Identifier: MIT */
#include <time.h>

#include <fc_flow.h>

#include "tunnel.h"

/* Wall clock; read once for a burst, and only for the type that has timestamps. */
static uint64_t timestamp_ns(const struct fc_tunnel_header *header)
{
	struct timespec now;

	if (header->type != FC_TUNNEL_ERSPAN3)
		return 0;
	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* Wrap one packet of a burst, whatever its length. False: it was lost. */
static bool wrap_one(struct fc_tunnel *tunnel, struct fc_tally drops[FC_N_DROPS],
	struct rte_mbuf **packet, uint64_t burst_ns, bool *is_long)
{
	const struct fc_tunnel_header *header = &tunnel->header;
	const struct fc_tunnel_burst burst = {
		.packets = packet, .n = 1, .longest = UINT32_MAX, .timestamp_ns = burst_ns
	};
	enum fc_tunnel_fit fit = fc_tunnel_fit(header, *packet);
	uint64_t size = 0;

	*is_long = fit == FC_TUNNEL_FRAGMENT;
	if (fit == FC_TUNNEL_DROP || fit == FC_TUNNEL_REFUSE) {
		fc_drop_packets(drops,
			fit == FC_TUNNEL_DROP ? FC_DROP_OVERSIZE : FC_DROP_TX_REFUSED, packet, 1,
			true);
		return false;
	}
	if (fit == FC_TUNNEL_TRUNCATE)
		fc_tunnel_truncate(header, *packet);
	if (fc_tunnel_push(header, &tunnel->state, &burst, &size) == 0) {
		fc_drop_packets(drops, FC_DROP_UNRESOLVED, packet, 1, true);
		return false;
	}
	if (fit == FC_TUNNEL_TRUNCATE)
		fc_tunnel_mark_truncated(header, *packet);
	return true;
}

uint16_t fc_tunnel_wrap(struct fc_tunnel *tunnel, struct fc_tally drops[FC_N_DROPS],
	struct rte_mbuf **packets, uint16_t n, const uint16_t *ports, uint64_t *long_ones,
	uint64_t *size)
{
	const struct fc_tunnel_header *header = &tunnel->header;
	const struct fc_tunnel_burst burst = { .packets = packets,
		.n = n,
		.longest = fc_tunnel_max_inner(header),
		.timestamp_ns = timestamp_ns(header),
		.ports = ports };
	uint16_t n_made;

	*long_ones = 0;
	*size = 0;
	n_made = fc_tunnel_push(header, &tunnel->state, &burst, size);
	if (likely(n_made == n))
		return n;
	for (uint16_t i = n_made; i < n; i++) {
		bool is_long;

		if (!wrap_one(tunnel, drops, &packets[i], burst.timestamp_ns, &is_long))
			continue;
		*long_ones |= (uint64_t)is_long << n_made;
		packets[n_made++] = packets[i];
	}
	*size = fc_packets_size(packets, n_made);
	return n_made;
}

uint16_t fc_tunnel_wrap_easy(struct fc_tunnel *tunnel, const struct fc_private *how,
	struct rte_mbuf **packets, uint16_t n, bool owned, const uint16_t *ports, uint64_t *size)
{
	const struct fc_tunnel_header *header = &tunnel->header;
	const struct fc_tunnel_burst burst = { .packets = packets,
		.n = n,
		.how = how,
		.owned = owned,
		.longest = fc_tunnel_max_inner(header),
		.timestamp_ns = timestamp_ns(header),
		.ports = ports };

	*size = 0;
	return fc_tunnel_push(header, &tunnel->state, &burst, size);
}

uint16_t fc_tunnel_wrap_lent(struct fc_tunnel *tunnel, const struct fc_private *how,
	uint32_t max_frame, struct rte_mbuf **packets, uint16_t n, const uint16_t *ports,
	uint64_t *size)
{
	const struct fc_tunnel_header *header = &tunnel->header;
	uint32_t longest = fc_tunnel_max_inner(header);
	struct fc_tunnel_burst burst = { .packets = packets,
		.n = n,
		.how = how,
		.lent = true,
		.timestamp_ns = timestamp_ns(header),
		.ports = ports };

	if (max_frame < header->size)
		return 0;
	burst.longest = RTE_MIN(longest, max_frame - header->size);
	*size = 0;
	return fc_tunnel_push(header, &tunnel->state, &burst, size);
}

const uint16_t *fc_burst_ports_find(struct fc_burst_ports *known, const void *stream,
	uint64_t start, struct rte_mbuf *const *packets, uint16_t n)
{
	if (known->start != start || known->n != n || known->stream != stream) {
		known->stream = stream;
		known->start = start;
		known->n = n;
		fc_flow_ports(packets, n, known->ports);
	}
	return known->ports;
}
