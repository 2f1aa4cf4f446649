/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <fc_compat.h>

#include "pdump_loan.h"
#include "pdump_point.h"
#include "dpdk_fixture.h"

#define RING_SIZE 64
#define N_COPIES  127
#define ROOM	  512 /* bytes of a copy's segment */

static uint8_t bytes[FIXTURE_MAX_FRAME];
static struct rte_mempool *sources, *copies;
static struct rte_ring *ring;
static struct rte_pdump_stats stats;
static struct fc_pdump_target target;
static struct fc_pdump_point point;

static int start(void **state)
{
	int ret = fixture_start(state);

	sources = *state;
	copies = fixture_pool_new("captured", N_COPIES, ROOM);
	ring = rte_ring_create("captured", RING_SIZE, SOCKET_ID_ANY, 0);
	assert_non_null(ring);
	fixture_fill(bytes, sizeof(bytes), 1);
	return ret;
}

static int stop(void **state)
{
	rte_ring_free(ring);
	rte_mempool_free(copies);
	return fixture_stop(state);
}

static int begin(void **state)
{
	(void)state;
	stats = (struct rte_pdump_stats){ 0 };
	target = (struct fc_pdump_target){ .ring = ring, .pool = copies, .snaplen = UINT32_MAX };
	point = (struct fc_pdump_point){ .port = 3, .queue = 1, .stats = &stats };
	atomic_store(&point.target, &target);
	return 0;
}

/* What the point has kept is the other process's memory and lost with its pool; not here. */
static int check(void **state)
{
	struct rte_mbuf *packet;

	while (rte_ring_dequeue(ring, (void **)&packet) == 0)
		rte_pktmbuf_free(packet);
	rte_pktmbuf_free_bulk(point.left, point.n_left);
	fixture_assert_full(copies);
	return fixture_check(state);
}

static void capture(uint32_t length, uint16_t part)
{
	struct rte_mbuf *packet = fixture_packet(sources, bytes, length, part);

	fc_pdump_point_copy(&point, &packet, 1);
	fixture_assert_bytes(packet, bytes, length);
	rte_pktmbuf_free(packet);
}

static struct rte_mbuf *take(void)
{
	struct rte_mbuf *copy = NULL;

	assert_int_equal(rte_ring_dequeue(ring, (void **)&copy), 0);
	return copy;
}

static void test_copies_have_the_packets_bytes(void **state)
{
	static const uint32_t lengths[] = { 0, 1, 14, 60, ROOM - 1, ROOM, ROOM + 1, 2 * ROOM, 1518,
		9018 };

	(void)state;
	for (size_t i = 0; i < RTE_DIM(lengths); i++) {
		for (uint16_t part = 0; part <= 700; part += 350) {
			struct rte_mbuf *copy;

			capture(lengths[i], part);
			copy = take();
			fixture_assert_bytes(copy, bytes, lengths[i]);
			assert_int_equal(copy->port, 3);
			rte_pktmbuf_free(copy);
		}
	}
	assert_int_equal(stats.accepted, 3 * RTE_DIM(lengths));
	assert_int_equal(stats.nombuf + stats.ringfull, 0);
}

static void test_no_more_than_was_asked_for(void **state)
{
	struct rte_mbuf *copy;

	(void)state;
	target.snaplen = 600;
	capture(1000, 0);
	copy = take();
	fixture_assert_bytes(copy, bytes, 600);
	rte_pktmbuf_free(copy);
}

/* net_pcap's length of a frame above 65,535 bytes is more than its segments hold. */
static void test_no_more_than_there_is(void **state)
{
	struct rte_mbuf *packet = fixture_packet(sources, bytes, 100, 0), *copy;

	(void)state;
	packet->pkt_len += 65536;
	fc_pdump_point_copy(&point, &packet, 1);
	packet->pkt_len -= 65536;
	copy = take();
	fixture_assert_bytes(copy, bytes, 100);
	rte_pktmbuf_free(copy);
	rte_pktmbuf_free(packet);
}

static uint32_t word(const struct rte_mbuf *block, uint32_t at)
{
	uint32_t value, room;
	const void *found = rte_pktmbuf_read(block, at, sizeof(value), &room);

	assert_non_null(found);
	memcpy(&value, found, sizeof(value));
	return value;
}

static void test_pcapng_blocks(void **state)
{
	(void)state;
	target.is_pcapng = true;
	for (uint32_t length = 60; length < 70; length++) {
		uint32_t size = 28 + RTE_ALIGN(length, 4U) + 8 + 8 + 4, n_words = size / 4;
		uint8_t data[80];
		struct rte_mbuf *block;

		capture(length, 0);
		block = take();
		assert_int_equal(block->pkt_len, size);
		assert_int_equal(word(block, 0), 6);
		assert_int_equal(word(block, 4), size);
		assert_int_equal(word(block, 20), length);
		assert_int_equal(word(block, 24), length);
		assert_memory_equal(rte_pktmbuf_read(block, 28, length, data), bytes, length);
		assert_int_equal(word(block, 4 * n_words - 20), 4U << 16 | 2);
		assert_int_equal(word(block, 4 * n_words - 16), 1); /* received */
		assert_int_equal(word(block, 4 * n_words - 12), 4U << 16 | 6);
		assert_int_equal(word(block, 4 * n_words - 8), 1); /* queue */
		assert_int_equal(word(block, 4 * n_words - 4), size);
		rte_pktmbuf_free(block);
	}
}

static void test_a_full_ring(void **state)
{
	struct rte_mbuf *packets[FC_PDUMP_BURST];

	(void)state;
	for (unsigned i = 0; i < FC_PDUMP_BURST; i++)
		packets[i] = fixture_packet(sources, bytes, 60, 0);
	fc_pdump_point_copy(&point, packets, FC_PDUMP_BURST); /* one more than it holds */
	assert_int_equal(stats.accepted, FC_PDUMP_BURST);
	assert_int_equal(point.n_left, FC_PDUMP_BURST - RING_SIZE + 1);
	fc_pdump_point_copy(&point, packets, 10);
	assert_int_equal(stats.ringfull, 10);
	rte_pktmbuf_free(take());
	fc_pdump_point_copy(&point, packets, 0);
	fc_pdump_point_copy(&point, packets, 1); /* there is room for what was left, and no more */
	assert_int_equal(point.n_left, 1);
	assert_int_equal(stats.accepted, FC_PDUMP_BURST + 1);
	rte_pktmbuf_free_bulk(packets, FC_PDUMP_BURST);
}

static void test_an_empty_pool(void **state)
{
	void *held[N_COPIES];

	(void)state;
	assert_int_equal(rte_mempool_generic_get(copies, held, N_COPIES - 1, NULL), 0);
	capture(2 * ROOM, 0); /* needs two */
	capture(ROOM, 0);
	capture(1, 0);
	rte_mempool_generic_put(copies, held, N_COPIES - 1, NULL);
	assert_int_equal(stats.nombuf, 2);
	assert_int_equal(stats.accepted, 1);
}

static void test_nothing_is_copied_after_the_end(void **state)
{
	(void)state;
	assert_true(fc_pdump_point_end(&point, 0) || fc_pdump_point_end(&point, 1));
	capture(60, 0);
	assert_true(rte_ring_empty(ring));
	/* An lcore that stays in it is not waited for without end. */
	atomic_store(&point.is_busy, true);
	assert_false(fc_pdump_point_end(&point, 2));
}

/* What rte_ring_free() and rte_mempool_free() of the other process do meanwhile. */
static void test_memory_on_loan_cannot_be_freed(void **state)
{
	struct rte_mempool *pool = rte_pktmbuf_pool_create_by_ops(
		"capture_77", 63, 16, 0, ROOM, SOCKET_ID_ANY, "ring_mp_mc");
	struct rte_ring *lent = rte_ring_create("dumpcap-77", 64, SOCKET_ID_ANY, 0);
	struct fc_pdump_loan loan;

	(void)state;
	assert_non_null(pool);
	assert_non_null(lent);
	assert_int_equal(fc_pdump_loan_check(lent, pool), 0);
	fc_pdump_loan_hold(&loan, lent, pool);
	assert_int_equal(pool->cache_size, 0);
	rte_ring_free(lent);
	rte_mempool_free(pool);
	assert_non_null(rte_memzone_lookup("RG_dumpcap-77"));
	assert_non_null(rte_memzone_lookup("MP_capture_77"));
	assert_non_null(rte_memzone_lookup("MP_capture_77_0"));
	fc_pdump_loan_give_back(&loan);
	fc_pdump_free_ring("dumpcap-77");
	fc_pdump_free_pool("capture_77");
	assert_null(rte_memzone_lookup("RG_dumpcap-77"));
	assert_null(rte_memzone_lookup("RG_MP_capture_77"));
	assert_null(rte_memzone_lookup("MP_capture_77"));
	assert_null(rte_memzone_lookup("MP_capture_77_0"));
	fc_pdump_free_ring("dumpcap-77");
	fc_pdump_free_pool("capture_77");
}

static void test_memory_that_cannot_be_used(void **state)
{
	struct rte_ring *single =
		rte_ring_create("single", 64, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
	static struct rte_ring elsewhere;

	(void)state;
	assert_non_null(single);
	assert_int_equal(fc_pdump_loan_check(single, copies), -EINVAL);
	assert_int_equal(fc_pdump_loan_check(NULL, copies), -EINVAL);
	assert_int_equal(fc_pdump_loan_check(ring, NULL), -EINVAL);
	assert_int_equal(fc_pdump_loan_check(&elsewhere, copies), -EINVAL);
	rte_ring_free(single);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_copies_have_the_packets_bytes, begin, check),
		cmocka_unit_test_setup_teardown(test_no_more_than_was_asked_for, begin, check),
		cmocka_unit_test_setup_teardown(test_no_more_than_there_is, begin, check),
		cmocka_unit_test_setup_teardown(test_pcapng_blocks, begin, check),
		cmocka_unit_test_setup_teardown(test_a_full_ring, begin, check),
		cmocka_unit_test_setup_teardown(test_an_empty_pool, begin, check),
		cmocka_unit_test_setup_teardown(test_nothing_is_copied_after_the_end, begin, check),
		cmocka_unit_test_setup_teardown(test_memory_on_loan_cannot_be_freed, begin, check),
		cmocka_unit_test_setup_teardown(test_memory_that_cannot_be_used, begin, check),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
