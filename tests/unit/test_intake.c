/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "dpdk_fixture.h"
#include "engine_rig.h"

#define LENGTH	60
#define N_LANES 2

/* A tap with routes to other lcores, one handoff each, and to feeds of its own. */
struct bench {
	struct rte_mempool *pool;
	struct rig_tap tap;
	struct fc_handoff handoffs[N_LANES];
	struct fc_handoff_reader readers[N_LANES];
	struct fc_route routes[N_LANES + 1];
	struct rig_port port;
	struct fc_output output;
	struct fc_feed feed;
};

static void begin(struct bench *b, const struct fc_edits *edits, unsigned n_mbufs)
{
	struct fc_edits none = rig_no_edits();

	*b = (struct bench){ .pool = fixture_pool_new("intake", n_mbufs, 2048) };
	rig_tap_begin(&b->tap, "tap", edits != NULL ? edits : &none, b->pool);
	b->tap.intake.routes = b->routes;
	rig_port_start(&b->port, "out", 255, b->pool);
	rig_output_begin(&b->output, &b->port, &none, NULL, false);
	rig_feed_begin(&b->feed, &b->output, &b->tap.reached, 256);
}

static void add_handoff(struct bench *b, unsigned lane)
{
	char name[32];

	snprintf(name, sizeof(name), "lane%u", lane);
	b->handoffs[lane].ring = rte_ring_create(
		name, FC_HANDOFF_WORDS, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
	assert_non_null(b->handoffs[lane].ring);
	b->readers[lane].handoff = &b->handoffs[lane];
	b->routes[b->tap.intake.n_routes++] =
		(struct fc_route){ .handoff = &b->handoffs[lane], .index = (uint16_t)(100 + lane) };
}

static void add_feed(struct bench *b)
{
	b->tap.feeds[0] = &b->feed;
	b->routes[b->tap.intake.n_routes++] =
		(struct fc_route){ .feeds = b->tap.feeds, .n_feeds = 1, .n_sharing = 1 };
}

static void end(struct bench *b)
{
	rig_feed_end(&b->feed);
	rig_output_end(&b->output);
	rig_port_stop(&b->port);
	rig_tap_end(&b->tap);
	for (unsigned i = 0; i < N_LANES; i++)
		rte_ring_free(b->handoffs[i].ring);
	fixture_assert_full(b->pool);
	rte_mempool_free(b->pool);
}

static void put(struct bench *b, uint64_t first, unsigned n, uint32_t length, uint16_t part)
{
	for (unsigned i = 0; i < n; i++)
		rig_tap_put(&b->tap, rig_frame(b->pool, first + i, length, 0, part));
}

/* The next burst that the lcore on the other side takes out; 0: there is none. */
static uint16_t pop(
	struct bench *b, unsigned lane, uint64_t *start, struct rte_mbuf *packets[FC_BURST])
{
	struct fc_handoff_reader *reader = &b->readers[lane];
	struct fc_handoff_burst burst;
	uint16_t next;

	fc_handoff_fill(reader);
	next = fc_handoff_read(reader, 0, &burst);
	if (next == 0)
		return 0;
	assert_int_equal(burst.route, 100 + lane);
	*start = burst.start;
	memcpy(packets, burst.packets, burst.n * sizeof(packets[0]));
	fc_handoff_keep(reader, next);
	return burst.n;
}

static uint16_t take(struct bench *b, unsigned lane, uint64_t *start, uint64_t *first)
{
	struct rte_mbuf *packets[FC_BURST];
	uint16_t n = pop(b, lane, start, packets);

	if (n == 0)
		return 0;
	*first = rig_frame_number(packets[0]);
	rte_pktmbuf_free_bulk(packets, n);
	return n;
}

static void take_all(struct bench *b, unsigned lane)
{
	uint64_t start, first;

	while (take(b, lane, &start, &first) != 0)
		;
}

static void expect_count(const struct fc_tally *tally, uint64_t packets, uint64_t bytes)
{
	assert_int_equal(fc_tally_read(tally).packets, packets);
	assert_int_equal(fc_tally_read(tally).bytes, bytes);
}

static void expect_drops(const struct bench *b, enum fc_drop drop, uint64_t n, uint64_t bytes)
{
	const struct fc_intake *intake = &b->tap.intake;
	struct fc_count rx = fc_tally_read(&intake->rx);
	struct fc_count forwarded = fc_tally_read(&intake->forwarded);

	expect_count(&intake->drops[drop], n, bytes);
	for (unsigned i = 0; i < FC_N_DROPS; i++)
		if (i != drop)
			expect_count(&intake->drops[i], 0, 0);
	assert_int_equal(rx.packets, forwarded.packets + n);
}

static void test_runts(void **state)
{
	static const uint32_t lengths[] = { 13, 14, 1, 60, 12, 15 };
	uint8_t bytes[60] = { 0 };
	struct bench b;

	(void)state;
	begin(&b, NULL, 63);
	add_feed(&b);
	for (size_t i = 0; i < RTE_DIM(lengths); i++) {
		bytes[5] = (uint8_t)i;
		rig_tap_put(&b.tap, fixture_packet(b.pool, bytes, lengths[i], 0));
	}
	assert_int_equal(fc_queue_poll(&b.tap.queue), RTE_DIM(lengths));
	expect_drops(&b, FC_DROP_MALFORMED, 3, 13 + 1 + 12);
	expect_count(&b.tap.intake.rx, 6, 13 + 14 + 1 + 60 + 12 + 15);
	expect_count(&b.tap.intake.forwarded, 3, 14 + 60 + 15);
	for (unsigned i = 1; i < RTE_DIM(lengths); i += 2) {
		struct rte_mbuf *packet = rig_port_read(&b.port);

		assert_int_equal(rig_frame_number(packet), i);
		rte_pktmbuf_free(packet);
	}
	/* A burst of runts only. */
	rig_tap_put(&b.tap, fixture_packet(b.pool, bytes, 5, 0));
	assert_int_equal(fc_queue_poll(&b.tap.queue), 1);
	expect_drops(&b, FC_DROP_MALFORMED, 4, 13 + 1 + 12 + 5);
	end(&b);
}

/* Frames that arrived cut are lost before an edit looks behind the end of their segments. */
static void test_cut(void **state)
{
	static const uint32_t lengths[] = { 60, 65536, 14, 70000, 13, 131132, 65535, 262144 };
	struct fc_edits edits = rig_no_edits();
	struct rte_mbuf *packet;
	struct bench b;

	(void)state;
	edits.vlan.n_push = 2;
	edits.trim = 1;
	begin(&b, &edits, 63);
	add_feed(&b);
	for (size_t i = 0; i < RTE_DIM(lengths); i++) {
		packet = rig_frame(b.pool, i, 60, 0, 0);
		/* What net_pcap makes of a long record; what is whole here stays so. */
		if (lengths[i] > FC_LONGEST_FRAME)
			packet->pkt_len = lengths[i];
		else
			rte_pktmbuf_trim(packet, (uint16_t)(60 - RTE_MIN(lengths[i], 60U)));
		rig_tap_put(&b.tap, packet);
	}
	assert_int_equal(fc_queue_poll(&b.tap.queue), RTE_DIM(lengths));
	expect_drops(&b, FC_DROP_MALFORMED, 5, 65536 + 70000 + 13 + 131132 + 262144);
	expect_count(&b.tap.intake.hints[FC_HINT_CUT], 4, 65536 + 70000 + 131132 + 262144);
	expect_count(&b.tap.intake.hints[FC_HINT_NO_LENGTH], 0, 0);
	for (unsigned i = 0; i < 3; i++) {
		packet = rig_port_read(&b.port);
		assert_int_equal(rig_frame_number(packet), 3 * i - i % 2);
		rte_pktmbuf_free(packet);
	}
	assert_null(rig_port_read(&b.port));
	end(&b);
}

/* Frames that fill the driver's buffer are cut, too. */
static void test_cut_at(void **state)
{
	struct bench b;

	(void)state;
	begin(&b, NULL, 63);
	add_feed(&b);
	b.tap.queue.longest = 99;
	for (uint32_t length = 98; length <= 101; length++)
		put(&b, length, 1, length, 0);
	assert_int_equal(fc_queue_poll(&b.tap.queue), 4);
	expect_drops(&b, FC_DROP_MALFORMED, 2, 100 + 101);
	expect_count(&b.tap.intake.hints[FC_HINT_CUT], 2, 100 + 101);
	end(&b);
}

static void test_filtered(void **state)
{
	struct fc_edits edits = rig_no_edits();
	struct bench b;

	(void)state;
	edits.filter = (char *)(uintptr_t) "ether[5] & 3 = 1";
	begin(&b, &edits, 63);
	add_feed(&b);
	put(&b, 0, 16, LENGTH, 0);
	fc_queue_poll(&b.tap.queue);
	expect_drops(&b, FC_DROP_FILTERED, 12, 12 * LENGTH);
	expect_count(&b.routes[0].forwarded, 4, 4 * LENGTH);
	/* Positions count what was forwarded. */
	assert_int_equal(b.tap.reached, 4);
	end(&b);
}

static void test_sampled_out(void **state)
{
	struct fc_edits edits = rig_no_edits();
	struct bench b;
	uint64_t n;

	(void)state;
	edits.sample = 50;
	begin(&b, &edits, 127);
	put(&b, 0, 64, LENGTH, 0);
	fc_queue_poll(&b.tap.queue);
	fc_queue_poll(&b.tap.queue);
	n = fc_tally_read(&b.tap.intake.drops[FC_DROP_SAMPLED_OUT]).packets;
	assert_in_range(n, 1, 63);
	expect_drops(&b, FC_DROP_SAMPLED_OUT, n, n * LENGTH);
	end(&b);
}

/* A tap edits in place what is its own, and a copy of what somebody else holds too. */
static void test_edits(void **state)
{
	struct fc_edits edits = rig_no_edits();
	uint8_t bytes[LENGTH + 8], original[LENGTH];
	struct rte_mbuf *own, *shared, *out[2];
	struct bench b;

	(void)state;
	edits.vlan.n_push = 2;
	edits.vlan.vid[0] = 10;
	edits.vlan.vid[1] = 20;
	begin(&b, &edits, 63);
	add_feed(&b);
	own = rig_frame(b.pool, 1, LENGTH, 0, 0);
	shared = rig_frame(b.pool, 2, LENGTH, 0, 0);
	rte_mbuf_refcnt_update(shared, 1);
	rig_tap_put(&b.tap, own);
	rig_tap_put(&b.tap, shared);
	fc_queue_poll(&b.tap.queue);
	expect_count(&b.tap.intake.rx, 2, 2 * LENGTH);
	expect_count(&b.tap.intake.forwarded, 2, 2 * (LENGTH + 8));
	for (unsigned i = 0; i < 2; i++) {
		out[i] = rig_port_read(&b.port);
		rig_frame_bytes(bytes, i + 1, LENGTH, 0);
		fixture_assert_bytes(out[i], bytes, rig_edit_bytes(bytes, LENGTH, &edits));
	}
	assert_ptr_equal(out[0], own);
	assert_ptr_not_equal(out[1], shared);
	rig_frame_bytes(original, 2, LENGTH, 0);
	fixture_assert_bytes(shared, original, LENGTH);
	assert_int_equal(rte_mbuf_refcnt_read(shared), 1);
	rte_pktmbuf_free_bulk(out, 2);
	rte_pktmbuf_free(shared);
	end(&b);
}

static void test_nombuf(void **state)
{
	struct fc_edits edits = rig_no_edits();
	struct rte_mbuf *shared[15];
	struct bench b;

	(void)state;
	edits.truncate = 20;
	begin(&b, &edits, 15);
	add_feed(&b);
	for (unsigned i = 0; i < 12; i++) {
		shared[i] = rig_frame(b.pool, i, LENGTH, 0, 0);
		rte_mbuf_refcnt_update(shared[i], 1);
		rig_tap_put(&b.tap, shared[i]);
	}
	fc_queue_poll(&b.tap.queue);
	expect_drops(&b, FC_DROP_NOMBUF, 9, 9 * LENGTH);
	expect_count(&b.tap.intake.forwarded, 3, 3 * 20);
	rte_pktmbuf_free_bulk(shared, 12);
	end(&b);
}

static void test_no_outputs(void **state)
{
	struct bench b;

	(void)state;
	begin(&b, NULL, 127);
	put(&b, 0, 40, LENGTH, 0);
	assert_int_equal(fc_queue_poll(&b.tap.queue), 32);
	assert_int_equal(fc_queue_poll(&b.tap.queue), 8);
	assert_int_equal(fc_queue_poll(&b.tap.queue), 0);
	expect_count(&b.tap.intake.forwarded, 40, 40 * LENGTH);
	fixture_assert_full(b.pool);
	end(&b);
}

/* When its only lcore is too busy, packets stay in the NIC. */
static void test_one_lane_full(void **state)
{
	uint64_t start, first, n = 0, n_taken = 0;
	struct bench b;

	(void)state;
	begin(&b, NULL, 2047);
	add_handoff(&b, 0);
	for (;;) {
		put(&b, n, FC_BURST, LENGTH, 0);
		if (fc_queue_poll(&b.tap.queue) == 0)
			break;
		n += FC_BURST;
	}
	assert_int_equal(n, RIG_HANDOFF_BURSTS * FC_BURST);
	assert_int_equal(rte_ring_count(b.tap.port.in), FC_BURST);
	expect_count(&b.tap.intake.rx, n, n * LENGTH);
	expect_count(&b.routes[0].handoff_full, 0, 0);
	while (fc_queue_poll(&b.tap.queue) == 0) {
		assert_int_equal(take(&b, 0, &start, &first), FC_BURST);
		assert_int_equal(start, n_taken);
		assert_int_equal(first, n_taken);
		n_taken += FC_BURST;
	}
	/* A quarter of it had to be empty first. */
	assert_true(rte_ring_free_count(b.handoffs[0].ring) >=
		    FC_HANDOFF_WORDS / 4 - FC_HANDOFF_BURST_WORDS);
	assert_true(n_taken < n);
	expect_count(&b.routes[0].forwarded, n + FC_BURST, (n + FC_BURST) * LENGTH);
	take_all(&b, 0);
	end(&b);
}

/* One of two lcores is too busy: it is passed by and counts that, the other has everything. */
static void test_one_of_two_lanes_full(void **state)
{
	uint64_t start, first, n = 0, n_lost;
	struct bench b;

	(void)state;
	begin(&b, NULL, 4095);
	add_handoff(&b, 0);
	add_handoff(&b, 1);
	for (; n < 100 * FC_BURST; n += FC_BURST) {
		put(&b, n, FC_BURST, LENGTH, 0);
		assert_int_equal(fc_queue_poll(&b.tap.queue), FC_BURST);
		assert_int_equal(take(&b, 1, &start, &first), FC_BURST);
		assert_int_equal(start, n);
		assert_int_equal(first, n);
	}
	n_lost = n - RIG_HANDOFF_BURSTS * FC_BURST;
	expect_count(&b.routes[0].forwarded, n, n * LENGTH);
	expect_count(&b.routes[0].handoff_full, n_lost, n_lost * LENGTH);
	expect_count(&b.routes[1].forwarded, n, n * LENGTH);
	expect_count(&b.routes[1].handoff_full, 0, 0);
	expect_count(&b.tap.intake.forwarded, n, n * LENGTH);
	/* Both full: nothing is received any more, and nothing more is lost. */
	for (;;) {
		put(&b, n, FC_BURST, LENGTH, 0);
		if (fc_queue_poll(&b.tap.queue) == 0)
			break;
		n += FC_BURST;
	}
	assert_int_equal(rte_ring_count(b.tap.port.in), FC_BURST);
	expect_count(&b.tap.intake.rx, n, n * LENGTH);
	expect_count(&b.routes[1].handoff_full, 0, 0);
	take_all(&b, 0);
	take_all(&b, 1);
	end(&b);
}

/* Each lcore has one reference, also of a packet's every segment. */
static void test_references(void **state)
{
	struct rte_mbuf *packets[FC_BURST], *packet;
	struct bench b;
	uint64_t start;

	(void)state;
	for (uint16_t part = 0; part <= 20; part += 20) {
		uint16_t n_segments = part == 0 ? 1 : LENGTH / part;

		begin(&b, NULL, 63);
		add_handoff(&b, 0);
		add_feed(&b);
		add_handoff(&b, 1);
		for (unsigned i = 1; i <= 3; i++) {
			put(&b, i, 1, LENGTH, part);
			fc_queue_poll(&b.tap.queue);
			packet = rig_port_read(&b.port);
			for (struct rte_mbuf *s = packet; s != NULL; s = s->next)
				assert_int_equal(rte_mbuf_refcnt_read(s), 3);
			rte_pktmbuf_free(packet);
			for (unsigned lane = 0; lane < N_LANES; lane++) {
				assert_int_equal(pop(&b, lane, &start, packets), 1);
				assert_ptr_equal(packets[0], packet);
				assert_int_equal(start, (i - 1) * n_segments);
				rte_pktmbuf_free(packets[0]);
			}
			fixture_assert_full(b.pool);
		}
		end(&b);
	}
}

/* Two queues of a tap share its stream of positions. */
static void test_two_queues(void **state)
{
	struct bench b;
	struct fc_intake second, *seconds = &second;
	struct fc_queue other;
	struct fc_route routes[1];
	uint64_t start, first;

	(void)state;
	begin(&b, NULL, 255);
	add_handoff(&b, 0);
	b.tap.intake.is_alone = false;
	second = b.tap.intake;
	routes[0] = b.routes[0];
	second.routes = routes;
	other = b.tap.queue;
	other.intakes = &seconds;
	for (unsigned i = 0; i < 4; i++) {
		put(&b, i * 10, 10, LENGTH, 0);
		fc_queue_poll(i % 2 == 0 ? &b.tap.queue : &other);
	}
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(take(&b, 0, &start, &first), 10);
		assert_int_equal(start, i * 10);
		assert_int_equal(first, i * 10);
	}
	assert_int_equal(b.tap.reached, 40);
	expect_count(&second.rx, 20, 20 * LENGTH);
	expect_count(&b.tap.intake.rx, 20, 20 * LENGTH);
	end(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_runts),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_cut_at),
		cmocka_unit_test(test_filtered),
		cmocka_unit_test(test_sampled_out),
		cmocka_unit_test(test_edits),
		cmocka_unit_test(test_nombuf),
		cmocka_unit_test(test_no_outputs),
		cmocka_unit_test(test_one_lane_full),
		cmocka_unit_test(test_one_of_two_lanes_full),
		cmocka_unit_test(test_references),
		cmocka_unit_test(test_two_queues),
	};

	return cmocka_run_group_tests(tests, fixture_start, fixture_stop);
}
