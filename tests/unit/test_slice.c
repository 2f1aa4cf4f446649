/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fc_slice.h>

#include "dpdk_fixture.h"

static uint8_t bytes[FIXTURE_MAX_FRAME];

static void check_cut(struct rte_mempool *pool, uint32_t length, uint16_t part, uint32_t to)
{
	struct rte_mbuf *packet = fixture_packet(pool, bytes, length, part);
	uint32_t left = RTE_MIN(length, to);
	unsigned n_segments = part == 0 ? 1 : (left + part - 1) / part;

	fc_slice(packet, to);
	fixture_assert_bytes(packet, bytes, left);
	assert_int_equal(packet->nb_segs, n_segments);
	assert_int_equal(rte_mempool_in_use_count(pool), n_segments);
	rte_pktmbuf_free(packet);
}

static void test_one_segment(void **state)
{
	static const uint32_t lengths[] = { 1, 13, 14, 15, 64, 1500, 2048 };

	for (unsigned i = 0; i < RTE_DIM(lengths); i++)
		for (unsigned j = 0; j < RTE_DIM(lengths); j++)
			check_cut(*state, lengths[i], 0, lengths[j]);
	check_cut(*state, 2048, 0, UINT32_MAX);
}

static void test_every_length_of_a_chain(void **state)
{
	for (uint32_t to = 1; to <= 210; to++)
		check_cut(*state, 200, 30, to);
	for (uint32_t to = 14; to <= FIXTURE_MAX_FRAME; to += 499)
		check_cut(*state, FIXTURE_MAX_FRAME, 2000, to);
}

/* Drivers may leave a segment without data in a chain. */
static void test_empty_segments(void **state)
{
	struct rte_mbuf *packet = fixture_packet(*state, bytes, 20, 0);
	struct rte_mbuf *tail = fixture_packet(*state, bytes + 20, 20, 0);

	assert_int_equal(rte_pktmbuf_chain(packet, rte_pktmbuf_alloc(*state)), 0);
	assert_int_equal(rte_pktmbuf_chain(packet, tail), 0);
	fc_slice(packet, 21);
	fixture_assert_bytes(packet, bytes, 21);
	fc_slice(packet, 20);
	fixture_assert_bytes(packet, bytes, 20);
	assert_int_equal(packet->nb_segs, 1);
	rte_pktmbuf_free(packet);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_one_segment, fixture_check),
		cmocka_unit_test_teardown(test_every_length_of_a_chain, fixture_check),
		cmocka_unit_test_teardown(test_empty_segments, fixture_check),
	};

	fixture_fill(bytes, sizeof(bytes), 1);
	return cmocka_run_group_tests(tests, fixture_start, fixture_stop);
}
