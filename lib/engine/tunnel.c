/* SPDX-License-Identifier: MIT */
#include <time.h>

#include <rte_bitops.h>

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

uint16_t fc_tunnel_wrap(struct fc_tunnel *tunnel, struct fc_tally drops[FC_N_DROPS],
	struct rte_mbuf **packets, uint16_t n, uint64_t *long_ones)
{
	const struct fc_tunnel_header *header = &tunnel->header;
	uint64_t cut = 0;
	uint16_t n_kept = 0;

	*long_ones = 0;
	for (uint16_t i = 0; i < n; i++) {
		enum fc_tunnel_fit fit = fc_tunnel_fit(header, packets[i]);

		if (unlikely(fit == FC_TUNNEL_DROP)) {
			fc_drop_packets(drops, FC_DROP_OVERSIZE, &packets[i], 1, true);
			continue;
		}
		if (unlikely(fit == FC_TUNNEL_TRUNCATE)) {
			fc_tunnel_truncate(header, packets[i]);
			cut |= UINT64_C(1) << n_kept;
		} else if (unlikely(fit == FC_TUNNEL_FRAGMENT)) {
			*long_ones |= UINT64_C(1) << n_kept;
		}
		packets[n_kept++] = packets[i];
	}
	if (unlikely(!fc_tunnel_push(
		    header, &tunnel->state, packets, n_kept, timestamp_ns(header)))) {
		fc_drop_packets(drops, FC_DROP_UNRESOLVED, packets, n_kept, true);
		return 0;
	}
	for (; cut != 0; cut &= cut - 1)
		fc_tunnel_mark_truncated(header, packets[rte_bsf64(cut)]);
	return n_kept;
}
