/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "dpdk_fixture.h"
#include "engine_rig.h"

/*
 * One tap to two outputs: a port that nobody reads for a while, and one that is read all the time.
 * The slow one sends what its port held when it stalled and then the newest window, and its counter
 * says exactly what is missing; the fast one loses nothing.
 */

#define SLOTS	  64  /* frames that the slow port holds */
#define WINDOW	  256 /* packets */
#define N_PACKETS 4096
#define FIRST	  1000000 /* number of the first packet, so that a zeroed one shows */

enum kind { SHARED, TAGGED, CUT, JOINED, N_KINDS };

struct stall {
	struct rte_mempool *pool, *copies, *idle;
	struct rig_tap tap;
	struct rig_port slow_port, fast_port;
	struct fc_edits slow_edits;
	struct fc_output slow_output, fast_output;
	struct fc_feed slow, fast;
	uint32_t length;
	uint16_t part, n_segments;
	unsigned n_rounds;
	uint64_t n_put, n_fast;
};

static struct fc_edits edits_of(enum kind kind)
{
	struct fc_edits edits = rig_no_edits();

	if (kind == TAGGED) {
		edits.vlan.n_push = 2;
		edits.vlan.vid[0] = 100;
		edits.vlan.vid[1] = 4094;
	}
	if (kind == CUT)
		edits.truncate = 50;
	return edits;
}

static void begin(struct stall *s, enum kind kind, uint32_t length, uint16_t part)
{
	struct fc_edits none = rig_no_edits();
	struct fc_feed *feeds[2] = { &s->slow, &s->fast };

	*s = (struct stall){ .length = length, .part = part };
	s->n_segments = (uint16_t)(part == 0 ? 1 : (length + part - 1) / part);
	s->slow_edits = edits_of(kind);
	/* What waits, what the slow port holds, a burst in hand, one in the fast port. */
	s->pool = fixture_pool_new("tap", (WINDOW + SLOTS + 2 * FC_BURST) * s->n_segments, 2048);
	s->copies = fixture_pool_new("copies", (SLOTS + FC_BURST) * (1U + s->n_segments), 10000);
	s->idle = fixture_pool_new("idle", 64, 2048);
	rig_tap_begin(&s->tap, "tap", &none, s->pool);
	rig_port_start(&s->slow_port, "slow", SLOTS, s->idle);
	rig_port_start(&s->fast_port, "fast", FC_BURST, s->idle);
	rig_output_begin(&s->slow_output, &s->slow_port, &s->slow_edits, s->copies, kind == JOINED);
	rig_output_begin(&s->fast_output, &s->fast_port, &none, NULL, false);
	rig_feed_begin(
		&s->slow, &s->slow_output, &s->tap.reached, WINDOW * (uint32_t)s->n_segments);
	rig_feed_begin(
		&s->fast, &s->fast_output, &s->tap.reached, WINDOW * (uint32_t)s->n_segments);
	rig_tap_connect(&s->tap, feeds, 2);
}

static void end(struct stall *s)
{
	rig_feed_end(&s->slow);
	rig_feed_end(&s->fast);
	rig_output_end(&s->slow_output);
	rig_output_end(&s->fast_output);
	rig_tap_end(&s->tap);
	rig_port_stop(&s->slow_port);
	rig_port_stop(&s->fast_port);
	fixture_assert_full(s->pool);
	fixture_assert_full(s->copies);
	fixture_assert_full(s->idle);
	rte_mempool_free(s->pool);
	rte_mempool_free(s->copies);
	rte_mempool_free(s->idle);
}

static void expect_frame(const struct stall *s, struct rte_mbuf *packet, uint64_t number,
	const struct fc_edits *edits)
{
	uint8_t bytes[RIG_MAX_FRAME + 8];
	uint32_t length = s->length;

	assert_non_null(packet);
	rig_frame_bytes(bytes, number, length, 0);
	if (edits != NULL)
		length = rig_edit_bytes(bytes, length, edits);
	fixture_assert_bytes(packet, bytes, length);
	rte_pktmbuf_free(packet);
}

static void read_fast(struct stall *s)
{
	struct rte_mbuf *packet;

	while ((packet = rig_port_read(&s->fast_port)) != NULL)
		expect_frame(s, packet, FIRST + s->n_fast++, NULL);
}

/* One round with a burst of @n packets. */
static void advance(struct stall *s, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++)
		rig_tap_put(&s->tap, rig_frame(s->pool, FIRST + s->n_put++, s->length, 0, s->part));
	rig_tap_round(&s->tap);
	read_fast(s);
	assert_int_equal(rig_feed_sum(&s->slow), s->n_put);
	assert_int_equal(s->n_fast, s->n_put);
}

/* Read the slow port until nothing comes; the frames' numbers go up by one but for one gap. */
static void expect_window(struct stall *s, uint64_t first_kept)
{
	uint64_t number = 0;

	for (;;) {
		struct rte_mbuf *packet = rig_port_read(&s->slow_port);

		if (packet == NULL && !fc_feed_is_waiting(&s->slow))
			break;
		if (packet == NULL) {
			rig_feed_drain(&s->slow);
			continue;
		}
		if (number == SLOTS)
			number = first_kept;
		expect_frame(s, packet, FIRST + number, &s->slow_edits);
		number++;
	}
	assert_int_equal(number, s->n_put);
	assert_int_equal(
		fc_tally_read(&s->slow.drops[FC_DROP_OVERRUN]).packets, first_kept - SLOTS);
	assert_int_equal(fc_tally_read(&s->slow.tx).packets, s->n_put - (first_kept - SLOTS));
	assert_int_equal(fc_tally_read(&s->slow.queued).packets, 0);
	assert_int_equal(fc_tally_read(&s->slow.queued).bytes, 0);
}

static void run_whole_bursts(enum kind kind, uint32_t length, uint16_t part)
{
	struct stall *s = malloc(sizeof(*s));

	begin(s, kind, length, part);
	for (unsigned i = 0; i < N_PACKETS / FC_BURST; i++)
		advance(s, FC_BURST);
	rig_feed_drain(&s->slow);
	assert_int_equal(fc_tally_read(&s->slow.queued).packets, WINDOW);
	expect_window(s, N_PACKETS - WINDOW);
	/* It has recovered: nothing more is lost. */
	advance(s, FC_BURST);
	for (unsigned i = 0; i < FC_BURST; i++)
		expect_frame(
			s, rig_port_read(&s->slow_port), FIRST + N_PACKETS + i, &s->slow_edits);
	assert_int_equal(fc_tally_read(&s->fast.tx).packets, N_PACKETS + FC_BURST);
	end(s);
	free(s);
}

/* Bursts of any size: a burst is lost as a whole, so up to one burst less than the window stays. */
static void run_any_bursts(enum kind kind, uint32_t length, uint16_t part)
{
	struct stall *s = malloc(sizeof(*s));
	uint64_t n_queued;

	srand(3);
	begin(s, kind, length, part);
	for (unsigned i = 0; i < N_PACKETS / 8; i++)
		advance(s, (uint16_t)(rand() % (rand() % 2 ? FC_BURST : 2) + 1));
	rig_feed_drain(&s->slow);
	n_queued = fc_tally_read(&s->slow.queued).packets;
	assert_in_range(n_queued, WINDOW - FC_BURST + 1, WINDOW);
	expect_window(s, s->n_put - n_queued);
	end(s);
	free(s);
}

static void run_all(uint32_t length, uint16_t part)
{
	for (int kind = 0; kind < N_KINDS; kind++) {
		run_whole_bursts((enum kind)kind, length, part);
		run_any_bursts((enum kind)kind, length, part);
	}
}

static void test_short_packets(void **state)
{
	(void)state;
	run_all(60, 0);
}

static void test_segments(void **state)
{
	(void)state;
	run_all(240, 60);
}

/* Long enough that a private copy shares what is behind its header. */
static void test_chained_copies(void **state)
{
	(void)state;
	run_all(1500, 0);
	run_all(6000, 2000);
}

/* Every packet comes alone: the backlog still has room for the whole window. */
static void test_single_packets(void **state)
{
	struct stall *s = malloc(sizeof(*s));

	(void)state;
	for (int kind = 0; kind < N_KINDS; kind++) {
		begin(s, (enum kind)kind, 60, 0);
		for (unsigned i = 0; i < 1000; i++)
			advance(s, 1);
		rig_feed_drain(&s->slow);
		expect_window(s, 1000 - WINDOW);
		end(s);
	}
	free(s);
}

/* The port stalls again and again; what is sent and what is counted lost is all that came. */
static void test_again_and_again(void **state)
{
	struct stall *s = malloc(sizeof(*s));

	(void)state;
	srand(4);
	for (int kind = 0; kind < N_KINDS; kind++) {
		uint64_t last = 0, n_read = 0;

		begin(s, (enum kind)kind, 60, 0);
		for (unsigned i = 0; i < 2000; i++) {
			unsigned n = i / 50 % 2 != 0 ? (unsigned)rand() % 100 : 0;
			struct rte_mbuf *packet;

			advance(s, (uint16_t)(rand() % FC_BURST + 1));
			for (; n > 0 && (packet = rig_port_read(&s->slow_port)) != NULL; n--) {
				uint64_t number = rig_frame_number(packet);

				assert_true(number > last);
				last = number;
				n_read++;
				expect_frame(s, packet, number, &s->slow_edits);
			}
		}
		n_read += rte_ring_count(s->slow_port.out);
		assert_int_equal(n_read, fc_tally_read(&s->slow.tx).packets);
		assert_true(fc_tally_read(&s->slow.drops[FC_DROP_OVERRUN]).packets > 0);
		assert_int_equal(fc_tally_read(&s->slow.drops[FC_DROP_NOMBUF]).packets, 0);
		end(s);
	}
	free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_short_packets),
		cmocka_unit_test(test_segments),
		cmocka_unit_test(test_chained_copies),
		cmocka_unit_test(test_single_packets),
		cmocka_unit_test(test_again_and_again),
	};

	return cmocka_run_group_tests(tests, fixture_start, fixture_stop);
}
