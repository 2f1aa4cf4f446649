/* SPDX-License-Identifier: MIT */
#ifndef TUNNEL_WORK_H
#define TUNNEL_WORK_H

#include <fc_tunnel_pop.h>

#include "golden_tunnels.h"

/** Frames that tests change before they are looked at. */

#define ETHERNET 14 /**< where the IP header of an untagged frame begins */

struct work {
	uint8_t bytes[512];
	uint32_t length;
};

/** Group setup and teardown: EAL, and work_pool, large enough for segments of one byte. */
int work_start(void **state);
int work_stop(void **state);

/** Test teardown: fails unless the pool is full. */
int work_check_pool(void **state);

extern struct rte_mempool *work_pool;

/** Make a packet with @p part bytes in a segment; it must be said to be @p verdict. */
struct rte_mbuf *work_look(const struct fc_tunnel_ends *ends, const struct work *work,
	uint16_t part, enum fc_tunnel_verdict verdict, struct fc_tunnel_match *match);

/** The same with segments of many sizes, of which nothing is left. */
void work_check(
	const struct fc_tunnel_ends *ends, const struct work *work, enum fc_tunnel_verdict verdict);

/** The first frame of golden_tunnels that is so. */
const struct golden *work_find(enum fc_tunnel_type type, uint8_t family, bool has_key);

void work_load(struct work *work, const struct golden *golden);

void work_set16(struct work *work, uint32_t at, unsigned value);
unsigned work_get16(const struct work *work, uint32_t at);

/** The sum of the bytes [at, end), as RFC 1071 says it. */
unsigned work_sum(const struct work *work, uint32_t at, uint32_t end);

/** Make the checksum of an IPv4 header right that was changed. */
void work_fix_ip(struct work *work);

/** Put @p n bytes in front of offset @p at and adapt the IPv4 or IPv6 length. */
void work_insert(struct work *work, uint32_t at, const void *bytes, uint32_t n);

#endif
