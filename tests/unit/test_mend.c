/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "dpdk_fixture.h"
#include "engine_rig.h"

/*
 * Ports of which the driver refuses frames under 17 bytes and of more than 8 segments, as those of
 * i40e, ice and iavf do: they send copies that are padded and linear.
 */

#define MIN_FRAME    17
#define MAX_SEGMENTS 8
#define WINDOW	     4096
#define ROOM	     9216

struct bench {
	struct rte_mempool *pool, *copies;
	struct rig_port port;
	struct fc_output output;
	struct fc_feed feed;
	_Atomic uint64_t reached;
};

static bool is_refused(const struct rte_mbuf *frame)
{
	return frame->pkt_len < MIN_FRAME || frame->nb_segs > MAX_SEGMENTS;
}

static void begin(struct bench *bench, struct rte_mempool *pool, unsigned n_out, unsigned n_copies)
{
	struct fc_edits none = rig_no_edits();

	*bench = (struct bench){ .pool = pool };
	bench->copies = fixture_pool_new("copies", n_copies, ROOM);
	rig_port_start(&bench->port, "mend", n_out, pool);
	rig_port_refuse_if(&bench->port, is_refused);
	rig_output_begin(&bench->output, &bench->port, &none, bench->copies, false);
	bench->output.mends = true;
	bench->output.min_frame = MIN_FRAME;
	rig_feed_begin(&bench->feed, &bench->output, &bench->reached, WINDOW);
}

static void end(struct bench *bench)
{
	rig_feed_end(&bench->feed);
	rig_output_end(&bench->output);
	rig_port_stop(&bench->port);
	fixture_assert_full(bench->copies);
	rte_mempool_free(bench->copies);
	fixture_assert_full(bench->pool);
}

static void offer(struct bench *bench, struct rte_mbuf *packet)
{
	uint16_t n_segments = packet->nb_segs;

	bench->reached += n_segments;
	fc_feed_offer(&bench->feed, &packet, 1, packet->pkt_len, bench->reached - n_segments, true);
}

/* One frame comes out: that of the number, padded with zeros. */
static void expect_frame(struct bench *bench, uint64_t number, uint32_t length)
{
	struct rte_mbuf *frame = rig_port_read(&bench->port);
	uint8_t bytes[RIG_MAX_FRAME] = { 0 };

	assert_non_null(frame);
	rig_frame_bytes(bytes, number, length, 0);
	memset(bytes + length, 0, MIN_FRAME);
	assert_false(is_refused(frame));
	fixture_assert_bytes(frame, bytes, RTE_MAX(length, (uint32_t)MIN_FRAME));
	rte_pktmbuf_free(frame);
}

static void expect_count(const struct fc_tally *tally, uint64_t packets, uint64_t bytes)
{
	assert_int_equal(fc_tally_read(tally).packets, packets);
	assert_int_equal(fc_tally_read(tally).bytes, bytes);
}

/* Frames of each kind, while another output holds them, too: its packet stays as it is. */
static void test_sent(void **state)
{
	static const struct {
		uint32_t length;
		uint16_t part;
	} frames[] = { { 14, 0 }, { 15, 7 }, { 16, 0 }, { 17, 0 }, { 60, 0 }, { 64, 8 }, { 81, 9 },
		{ 200, 20 }, { 1500, 150 }, { 3000, 200 } };
	uint64_t size = 0;
	struct bench bench;

	begin(&bench, *state, 63, 63);
	for (uint64_t i = 0; i < RTE_DIM(frames); i++) {
		struct rte_mbuf *packet =
			rig_frame(bench.pool, i, frames[i].length, 0, frames[i].part);
		uint8_t bytes[RIG_MAX_FRAME];

		rig_frame_bytes(bytes, i, frames[i].length, 0);
		rte_pktmbuf_refcnt_update(packet, 1);
		offer(&bench, packet);
		fixture_assert_bytes(packet, bytes, frames[i].length);
		expect_frame(&bench, i, frames[i].length);
		rte_pktmbuf_free(packet);
		size += frames[i].length;
		expect_count(&bench.feed.tx, i + 1, size);
		assert_false(fc_feed_is_waiting(&bench.feed));
	}
	assert_int_equal(rig_feed_sum(&bench.feed), RTE_DIM(frames));
	end(&bench);
}

/* The port is full: such a frame waits as others do, and is sent in its order. */
static void test_waits(void **state)
{
	enum { N = 12 };
	struct bench bench;

	begin(&bench, *state, 4, 63);
	for (uint64_t i = 0; i < N; i++)
		offer(&bench, rig_frame(bench.pool, i, i % 3 == 0 ? 14 : 60, 0, 0));
	assert_int_equal(fc_tally_read(&bench.feed.tx).packets, 4);
	assert_int_equal(fc_tally_read(&bench.feed.queued).packets, N - 4);
	for (uint64_t i = 0; i < N; i++) {
		expect_frame(&bench, i, i % 3 == 0 ? 14 : 60);
		rig_feed_drain(&bench.feed);
	}
	expect_count(&bench.feed.tx, N, 4 * 14 + 8 * 60);
	assert_int_equal(fc_tally_read(&bench.feed.queued).packets, 0);
	end(&bench);
}

/* What cannot be mended is counted, and holds nobody up: there is no copy, or no room in one. */
static void test_refused(void **state)
{
	struct rte_mbuf *held[63];
	struct bench bench;

	begin(&bench, *state, 63, 63);
	assert_int_equal(rte_pktmbuf_alloc_bulk(bench.copies, held, 63), 0);
	offer(&bench, rig_frame(bench.pool, 0, 14, 0, 0));
	offer(&bench, rig_frame(bench.pool, 1, 60, 0, 0));
	expect_count(&bench.feed.drops[FC_DROP_TX_REFUSED], 1, 14);
	rte_pktmbuf_free_bulk(held, 63);
	rig_port_refuse(&bench.port, 2);
	offer(&bench, rig_frame(bench.pool, 2, 14, 0, 0)); /* its copy, too */
	offer(&bench, rig_frame(bench.pool, 4, 60, 0, 0)); /* nothing is wrong with it */
	offer(&bench, rig_frame(bench.pool, 3, 14, 0, 0));
	expect_count(&bench.feed.drops[FC_DROP_TX_REFUSED], 3, 14 + 14 + 60);
	expect_frame(&bench, 1, 60);
	expect_frame(&bench, 3, 14);
	assert_null(rig_port_read(&bench.port));
	end(&bench);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_sent, fixture_check),
		cmocka_unit_test_teardown(test_waits, fixture_check),
		cmocka_unit_test_teardown(test_refused, fixture_check),
	};

	return cmocka_run_group_tests_name("mend", tests, fixture_start, fixture_stop);
}
