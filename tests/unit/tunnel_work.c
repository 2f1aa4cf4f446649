/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "dpdk_fixture.h"
#include "tunnel_work.h"

struct rte_mempool *work_pool;

struct rte_mbuf *work_look(const struct fc_tunnel_ends *ends, const struct work *work,
	uint16_t part, enum fc_tunnel_verdict verdict, struct fc_tunnel_match *match)
{
	struct rte_mbuf *packet = fixture_packet(work_pool, work->bytes, work->length, part);

	memset(match, 0xa5, sizeof(*match));
	assert_int_equal(fc_tunnel_look(ends, packet, match), verdict);
	assert_int_equal(match->verdict, verdict);
	/* Looking does not change. */
	fixture_assert_bytes(packet, work->bytes, work->length);
	return packet;
}

void work_check(
	const struct fc_tunnel_ends *ends, const struct work *work, enum fc_tunnel_verdict verdict)
{
	struct fc_tunnel_match match;

	for (uint16_t part = 0; part < 40; part++)
		rte_pktmbuf_free(work_look(ends, work, part, verdict, &match));
}

const struct golden *work_find(enum fc_tunnel_type type, uint8_t family, bool has_key)
{
	for (unsigned i = 0; i < RTE_DIM(golden_tunnels); i++)
		if (golden_tunnels[i].type == type && golden_tunnels[i].family == family &&
			golden_tunnels[i].has_key == has_key)
			return &golden_tunnels[i];
	fail_msg("no such frame");
	return NULL;
}

void work_load(struct work *work, const struct golden *golden)
{
	assert_true(golden->length <= sizeof(work->bytes));
	memcpy(work->bytes, golden->bytes, golden->length);
	work->length = golden->length;
}

void work_set16(struct work *work, uint32_t at, unsigned value)
{
	work->bytes[at] = (uint8_t)(value >> 8);
	work->bytes[at + 1] = (uint8_t)value;
}

unsigned work_get16(const struct work *work, uint32_t at)
{
	return (unsigned)work->bytes[at] << 8 | work->bytes[at + 1];
}

unsigned work_sum(const struct work *work, uint32_t at, uint32_t end)
{
	uint32_t sum = 0;

	for (; at < end; at += 2)
		sum += (unsigned)work->bytes[at] << 8 | (at + 1 < end ? work->bytes[at + 1] : 0);
	while (sum > 0xffff)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

void work_fix_ip(struct work *work)
{
	work_set16(work, ETHERNET + 10, 0);
	work_set16(work, ETHERNET + 10,
		~work_sum(work, ETHERNET, ETHERNET + 4 * (work->bytes[ETHERNET] & 15)));
}

void work_insert(struct work *work, uint32_t at, const void *bytes, uint32_t n)
{
	uint32_t length_at = work->bytes[12] == 0x08 ? ETHERNET + 2 : ETHERNET + 4;

	memmove(work->bytes + at + n, work->bytes + at, work->length - at);
	memcpy(work->bytes + at, bytes, n);
	work->length += n;
	work_set16(work, length_at, work_get16(work, length_at) + n);
	if (work->bytes[12] == 0x08)
		work_fix_ip(work);
}

int work_start(void **state)
{
	fixture_start(state);
	work_pool = fixture_pool_new("pop", 1023, 2048);
	return 0;
}

int work_stop(void **state)
{
	rte_mempool_free(work_pool);
	return fixture_stop(state);
}

int work_check_pool(void **state)
{
	(void)state;
	fixture_assert_full(work_pool);
	return 0;
}
