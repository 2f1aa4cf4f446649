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

/* Some packets do not fit as they are; those that stay are noted in @cut or @long_ones. */
static uint16_t sort_long_ones(const struct fc_tunnel_header *header,
	struct fc_tally drops[FC_N_DROPS], struct rte_mbuf **packets, uint16_t n, uint64_t *cut,
	uint64_t *long_ones)
{
	uint16_t n_kept = 0;

	for (uint16_t i = 0; i < n; i++) {
		switch (fc_tunnel_fit(header, packets[i])) {
		case FC_TUNNEL_DROP:
			fc_drop_packets(drops, FC_DROP_OVERSIZE, &packets[i], 1, true);
			continue;
		case FC_TUNNEL_TRUNCATE:
			fc_tunnel_truncate(header, packets[i]);
			*cut |= UINT64_C(1) << n_kept;
			break;
		case FC_TUNNEL_FRAGMENT:
			*long_ones |= UINT64_C(1) << n_kept;
			break;
		case FC_TUNNEL_FITS:
			break;
		}
		packets[n_kept++] = packets[i];
	}
	return n_kept;
}

uint16_t fc_tunnel_wrap(struct fc_tunnel *tunnel, struct fc_tally drops[FC_N_DROPS],
	struct rte_mbuf **packets, uint16_t n, uint64_t *long_ones, uint64_t *size)
{
	const struct fc_tunnel_header *header = &tunnel->header;
	uint32_t longest = 0;
	uint64_t cut = 0, sum = 0;
	bool is_plain;

	*long_ones = 0;
	for (uint16_t i = 0; i < n; i++) {
		longest = RTE_MAX(longest, packets[i]->pkt_len);
		sum += packets[i]->pkt_len;
	}
	/* What is left behind of a frame makes it only shorter. */
	is_plain = longest <= fc_tunnel_max_inner(header) && header->type != FC_TUNNEL_GRE;
	if (unlikely(!is_plain))
		n = sort_long_ones(header, drops, packets, n, &cut, long_ones);
	if (unlikely(!fc_tunnel_push(header, &tunnel->state, packets, n, timestamp_ns(header)))) {
		fc_drop_packets(drops, FC_DROP_UNRESOLVED, packets, n, true);
		*long_ones = 0;
		return 0;
	}
	for (; cut != 0; cut &= cut - 1)
		fc_tunnel_mark_truncated(header, packets[rte_bsf64(cut)]);
	*size = is_plain ? sum + (uint64_t)n * header->size : fc_packets_size(packets, n);
	return n;
}
