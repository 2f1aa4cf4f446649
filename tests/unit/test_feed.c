/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "dpdk_fixture.h"
#include "engine_rig.h"

#define N      16
#define LENGTH 60
#define WINDOW 256

/* One feed on a port of its own; a test changes what it wants to be different. */
struct bench {
	struct rte_mempool *pool, *copies;
	struct rig_port port;
	struct fc_output output;
	struct fc_feed feed;
	_Atomic uint64_t reached;
};

static void begin(struct bench *bench, struct rte_mempool *pool, const struct fc_edits *edits,
	unsigned n_copies, bool linear)
{
	struct fc_edits none = rig_no_edits();

	*bench = (struct bench){ .pool = pool };
	if (n_copies != 0)
		bench->copies = fixture_pool_new("copies", n_copies, 2048);
	rig_port_start(&bench->port, "feed", 64, pool);
	rig_output_begin(
		&bench->output, &bench->port, edits != NULL ? edits : &none, bench->copies, linear);
	rig_feed_begin(&bench->feed, &bench->output, &bench->reached, WINDOW);
}

static void end(struct bench *bench)
{
	assert_int_equal(fc_tally_read(&bench->feed.queued).packets, 0);
	assert_int_equal(fc_tally_read(&bench->feed.queued).bytes, 0);
	rig_feed_end(&bench->feed);
	rig_output_end(&bench->output);
	rig_port_stop(&bench->port);
	if (bench->copies != NULL) {
		fixture_assert_full(bench->copies);
		rte_mempool_free(bench->copies);
	}
	fixture_assert_full(bench->pool);
}

/* Offer packets that the caller goes on holding until the feed has had them, or does not hold. */
static void offer(struct bench *bench, struct rte_mbuf *const *packets, uint16_t n, bool owned)
{
	struct rte_mbuf *copy[FC_BURST], *kept[FC_BURST];

	for (uint16_t i = 0; i < n; i++)
		copy[i] = kept[i] = packets[i];
	bench->reached += n;
	fc_feed_offer(
		&bench->feed, copy, n, fc_packets_size(packets, n), bench->reached - n, owned);
	if (!owned)
		rte_pktmbuf_free_bulk(kept, n);
}

static void offer_frames(
	struct bench *bench, uint64_t first, uint16_t n, uint32_t length, uint16_t part, bool owned)
{
	struct rte_mbuf *packets[FC_BURST];

	for (uint16_t i = 0; i < n; i++)
		packets[i] = rig_frame(bench->pool, first + i, length, 0, part);
	offer(bench, packets, n, owned);
}

static void expect_count(const struct fc_tally *tally, uint64_t packets, uint64_t bytes)
{
	assert_int_equal(fc_tally_read(tally).packets, packets);
	assert_int_equal(fc_tally_read(tally).bytes, bytes);
}

static void expect_drops(const struct bench *bench, enum fc_drop drop, uint64_t n, uint64_t bytes)
{
	expect_count(&bench->feed.drops[drop], n, bytes);
	for (unsigned i = 0; i < FC_N_DROPS; i++)
		if (i != drop)
			expect_count(&bench->feed.drops[i], 0, 0);
}

/* Read one frame: number @number, edited. */
static void expect_frame(
	struct bench *bench, uint64_t number, uint32_t length, const struct fc_edits *edits)
{
	struct rte_mbuf *packet = rig_port_read(&bench->port);
	uint8_t bytes[RIG_MAX_FRAME + 8];

	assert_non_null(packet);
	rig_frame_bytes(bytes, number, length, 0);
	if (edits != NULL)
		length = rig_edit_bytes(bytes, length, edits);
	fixture_assert_bytes(packet, bytes, length);
	rte_pktmbuf_free(packet);
}

static void test_sends(void **state)
{
	struct bench bench;

	for (int owned = 0; owned <= 1; owned++) {
		begin(&bench, *state, NULL, 0, false);
		offer_frames(&bench, 0, N, LENGTH, 0, owned);
		assert_false(fc_feed_is_waiting(&bench.feed));
		expect_count(&bench.feed.tx, N, N * LENGTH);
		expect_drops(&bench, FC_DROP_OVERRUN, 0, 0);
		for (unsigned i = 0; i < N; i++)
			expect_frame(&bench, i, LENGTH, NULL);
		end(&bench);
	}
}

static void test_filtered(void **state)
{
	struct fc_edits edits = rig_no_edits();
	struct bench bench;

	edits.filter = (char *)(uintptr_t) "ether[5] & 3 = 1";
	for (int owned = 0; owned <= 1; owned++) {
		begin(&bench, *state, &edits, 0, false);
		offer_frames(&bench, 0, N, LENGTH, 0, owned);
		expect_drops(&bench, FC_DROP_FILTERED, N - N / 4, (N - N / 4) * LENGTH);
		expect_count(&bench.feed.tx, N / 4, N / 4 * LENGTH);
		for (unsigned i = 1; i < N; i += 4)
			expect_frame(&bench, i, LENGTH, NULL);
		end(&bench);
	}
}

static void test_sampled_out(void **state)
{
	struct fc_edits edits = rig_no_edits();
	struct bench bench;

	edits.sample = 50;
	for (int owned = 0; owned <= 1; owned++) {
		uint64_t n_sent;

		begin(&bench, *state, &edits, 0, false);
		/* That all or none of 2 * 28 draws are below a half happens once in 2^55. */
		offer_frames(&bench, 0, 28, LENGTH, 0, owned);
		offer_frames(&bench, 28, 28, LENGTH, 0, owned);
		n_sent = fc_tally_read(&bench.feed.tx).packets;
		assert_in_range(n_sent, 1, 55);
		assert_int_equal(rte_ring_count(bench.port.out), n_sent);
		expect_drops(&bench, FC_DROP_SAMPLED_OUT, 56 - n_sent, (56 - n_sent) * LENGTH);
		end(&bench);
	}
}

/* A port of max_frame 100 and max_tagged_frame 104: what is longer never leaves. */
static void test_oversize(void **state)
{
	static const struct {
		uint32_t length;
		unsigned n_tags;
		bool passes;
	} cases[] = {
		{ 14, 0, true },
		{ 100, 0, true },
		{ 101, 0, false },
		{ 104, 0, false },
		{ 104, 1, true },
		{ 104, 2, true },
		{ 105, 1, false },
		{ 2000, 1, false },
	};
	struct bench bench;

	for (int owned = 0; owned <= 1; owned++) {
		struct rte_mbuf *packets[RTE_DIM(cases)];
		uint64_t n_lost = 0, size_lost = 0;

		begin(&bench, *state, NULL, 0, false);
		bench.port.port.max_frame = 100;
		bench.port.port.max_tagged_frame = 104;
		for (size_t i = 0; i < RTE_DIM(cases); i++) {
			packets[i] = rig_frame(*state, i, cases[i].length, cases[i].n_tags, 0);
			n_lost += !cases[i].passes;
			size_lost += cases[i].passes ? 0 : cases[i].length;
		}
		offer(&bench, packets, RTE_DIM(cases), owned);
		expect_drops(&bench, FC_DROP_OVERSIZE, n_lost, size_lost);
		for (size_t i = 0; i < RTE_DIM(cases); i++) {
			struct rte_mbuf *packet;

			if (!cases[i].passes)
				continue;
			packet = rig_port_read(&bench.port);
			assert_int_equal(rig_frame_number(packet), i);
			rte_pktmbuf_free(packet);
		}
		end(&bench);
	}
}

/* What counts is the length with which a frame would leave, not that with which it came. */
static void test_oversize_after_edits(void **state)
{
	struct fc_edits edits = rig_no_edits();
	struct bench bench;

	edits.vlan.n_push = 1;
	edits.vlan.vid[0] = 7;
	begin(&bench, *state, &edits, 64, false);
	bench.port.port.max_frame = 60;
	bench.port.port.max_tagged_frame = 64;
	offer_frames(&bench, 0, 1, 60, 0, true);
	offer_frames(&bench, 1, 1, 61, 0, true);
	expect_drops(&bench, FC_DROP_OVERSIZE, 1, 65);
	expect_frame(&bench, 0, 60, &edits);
	end(&bench);

	edits = rig_no_edits();
	edits.truncate = 60;
	begin(&bench, *state, &edits, 64, false);
	bench.port.port.max_frame = bench.port.port.max_tagged_frame = 60;
	offer_frames(&bench, 0, 2, 1500, 0, false);
	expect_drops(&bench, FC_DROP_OVERSIZE, 0, 0);
	expect_frame(&bench, 0, 1500, &edits);
	expect_frame(&bench, 1, 1500, &edits);
	end(&bench);
}

/* A port for single segments gets frames joined; those longer than a buffer are too long for it. */
static void test_join(void **state)
{
	struct bench bench;

	for (int owned = 0; owned <= 1; owned++) {
		begin(&bench, *state, NULL, 63, true);
		offer_frames(&bench, 0, 4, 2048, 100, owned);
		offer_frames(&bench, 4, 4, 1000, 0, owned);
		offer_frames(&bench, 8, 4, 2049, 1000, owned);
		offer_frames(&bench, 12, 1, 14, 0, owned);
		expect_drops(&bench, FC_DROP_OVERSIZE, 4, 4 * 2049);
		for (unsigned i = 0; i < 13; i++) {
			struct rte_mbuf *packet;

			if (i / 4 == 2)
				continue;
			packet = rig_port_read(&bench.port);
			assert_int_equal(packet->nb_segs, 1);
			assert_int_equal(rig_frame_number(packet), i);
			rte_pktmbuf_free(packet);
		}
		end(&bench);
	}
}

static void test_nombuf(void **state)
{
	struct fc_edits edits = rig_no_edits();
	struct bench bench;

	edits.vlan.n_push = 1;
	edits.vlan.vid[0] = 7;
	for (int linear = 0; linear <= 1; linear++) {
		begin(&bench, *state, linear ? NULL : &edits, 5, linear);
		/* Not owned, so each needs a copy; the port is not read, so copies do not return.
		 */
		offer_frames(&bench, 0, N, LENGTH, linear ? 30 : 0, false);
		expect_drops(&bench, FC_DROP_NOMBUF, N - 5, (N - 5) * LENGTH);
		for (unsigned i = 0; i < 5; i++)
			expect_frame(&bench, i, LENGTH, linear ? NULL : &edits);
		/* With buffers there, it goes on. */
		offer_frames(&bench, 100, 1, LENGTH, linear ? 30 : 0, false);
		expect_frame(&bench, 100, LENGTH, linear ? NULL : &edits);
		end(&bench);
	}
}

static void test_tx_refused(void **state)
{
	struct fc_edits edits = rig_no_edits();
	struct bench bench;

	edits.vlan.n_push = 1;
	edits.vlan.vid[0] = 7;
	for (int edited = 0; edited <= 1; edited++) {
		uint32_t length = edited ? LENGTH + 4 : LENGTH;

		begin(&bench, *state, edited ? &edits : NULL, edited ? 63 : 0, false);
		rig_port_refuse(&bench.port, 3); /* 0, 3, 6, 9, 12 and 15 */
		offer_frames(&bench, 0, N, LENGTH, 0, false);
		expect_drops(&bench, FC_DROP_TX_REFUSED, 6, 6 * length);
		expect_count(&bench.feed.tx, N - 6, (N - 6) * length);
		for (unsigned i = 0; i < N; i++)
			if (i % 3 != 0)
				expect_frame(&bench, i, LENGTH, edited ? &edits : NULL);
		end(&bench);
	}
}

/* A frame that is refused while others wait behind it does not hold them up. */
static void test_refused_in_backlog(void **state)
{
	struct bench bench;

	begin(&bench, *state, NULL, 0, false);
	rig_port_limit(&bench.port, 0);
	rig_port_refuse(&bench.port, 2);
	offer_frames(&bench, 1, N, LENGTH, 0, true);
	assert_int_equal(fc_tally_read(&bench.feed.queued).packets, N);
	rig_port_limit(&bench.port, 1);
	while (fc_feed_is_waiting(&bench.feed))
		assert_int_not_equal(rig_feed_drain(&bench.feed), 0);
	expect_drops(&bench, FC_DROP_TX_REFUSED, N / 2, N / 2 * LENGTH);
	for (unsigned i = 1; i <= N; i += 2)
		expect_frame(&bench, i, LENGTH, NULL);
	end(&bench);
}

/* Whatever share of a burst the port takes, the rest waits, in order, and is counted as queued. */
static void test_takes_few(void **state)
{
	struct fc_edits edits = rig_no_edits();
	struct bench bench;

	edits.vlan.n_push = 1;
	edits.vlan.vid[0] = 7;
	for (int edited = 0; edited <= 1; edited++) {
		for (uint16_t limit = 0; limit <= 7; limit += 7) {
			begin(&bench, *state, edited ? &edits : NULL, edited ? 63 : 0, false);
			rig_port_limit(&bench.port, limit);
			offer_frames(&bench, 0, N, LENGTH, 0, false);
			offer_frames(&bench, N, N, LENGTH, 0, false);
			assert_int_equal(fc_tally_read(&bench.feed.tx).packets, limit);
			assert_int_equal(fc_tally_read(&bench.feed.queued).packets, 2 * N - limit);
			assert_int_equal(rig_feed_sum(&bench.feed), 2 * N);
			rig_port_limit(&bench.port, RIG_ALL);
			while (fc_feed_is_waiting(&bench.feed))
				rig_feed_drain(&bench.feed);
			expect_drops(&bench, FC_DROP_OVERRUN, 0, 0);
			for (unsigned i = 0; i < 2 * N; i++)
				expect_frame(&bench, i, LENGTH, edited ? &edits : NULL);
			end(&bench);
		}
	}
}

static void test_discard(void **state)
{
	struct fc_edits edits = rig_no_edits();
	struct bench bench;

	edits.vlan.n_push = 1;
	edits.vlan.vid[0] = 7;
	for (int edited = 0; edited <= 1; edited++) {
		uint32_t length = edited ? LENGTH + 4 : LENGTH;

		begin(&bench, *state, edited ? &edits : NULL, edited ? 63 : 0, false);
		rig_port_limit(&bench.port, 3);
		offer_frames(&bench, 0, N, LENGTH, 0, true);
		offer_frames(&bench, N, N, LENGTH, 0, true);
		fc_feed_discard(&bench.feed);
		/* Of what was edited already, the edited bytes are lost. */
		expect_drops(&bench, FC_DROP_OVERRUN, 2 * N - 3, (N - 3) * length + N * LENGTH);
		assert_false(fc_feed_is_waiting(&bench.feed));
		end(&bench);
	}
}

/* A port that has gone takes nothing: what waits for it is lost, and what comes is, at once. */
static void test_gone_port(void **state)
{
	struct fc_edits edits = rig_no_edits();
	struct bench bench;

	edits.truncate = LENGTH;
	for (int edited = 0; edited <= 1; edited++) {
		unsigned n = 0;

		begin(&bench, *state, edited ? &edits : NULL, edited ? 8 * N : 0, false);
		rig_port_limit(&bench.port, 0);
		for (unsigned i = 0; i < 6; i++)
			offer_frames(&bench, i * N, N, LENGTH, 0, i % 2 != 0);
		assert_true(fc_feed_is_waiting(&bench.feed));
		atomic_store(&bench.port.port.is_gone, true);
		rig_port_limit(&bench.port, RIG_ALL);
		while (fc_feed_is_waiting(&bench.feed))
			n += rig_feed_drain(&bench.feed);
		assert_int_equal(n, 6 * N);
		for (unsigned i = 6; i < 12; i++) {
			offer_frames(&bench, i * N, N, LENGTH, 0, i % 2 != 0);
			assert_false(fc_feed_is_waiting(&bench.feed));
		}
		expect_drops(&bench, FC_DROP_OVERRUN, 12 * N, 12 * N * LENGTH);
		expect_count(&bench.feed.tx, 0, 0);
		end(&bench);
	}
}

/* While a port is being changed nothing is edited for it; all waits, and is sent afterwards. */
static void test_paused_port(void **state)
{
	struct fc_edits edits = rig_no_edits();
	struct bench bench;

	edits.truncate = 40;
	begin(&bench, *state, &edits, 2 * N, false);
	atomic_store(&bench.port.port.is_paused, true);
	for (unsigned i = 0; i < 3; i++) {
		offer_frames(&bench, i * N, N, LENGTH, 0, i & 1);
		rig_feed_drain(&bench.feed);
	}
	assert_int_equal(bench.feed.stash_n, 0);
	assert_int_equal(rte_mempool_avail_count(bench.copies), 2 * N);
	expect_count(&bench.feed.queued, 3 * N, 3 * N * LENGTH);
	atomic_store(&bench.port.port.is_paused, false);
	while (fc_feed_is_waiting(&bench.feed))
		rig_feed_drain(&bench.feed);
	for (unsigned i = 0; i < 3 * N; i++) {
		struct rte_mbuf *packet = rig_port_read(&bench.port);

		assert_int_equal(rig_frame_number(packet), i);
		assert_int_equal(packet->pkt_len, 40);
		rte_pktmbuf_free(packet);
	}
	end(&bench);
}

/*
 * What has been edited for a port that was set up anew meanwhile is sent if it can be sent still,
 * and lost, counted, where it is too long or has more segments than the port takes now.
 */
static void test_other_output(void **state)
{
	enum { SAME, SHORTER, LINEAR, N_CASES };

	for (unsigned i = 0; i < N_CASES; i++) {
		struct fc_edits edits = rig_no_edits();
		uint32_t length = i == LINEAR ? 2000 : LENGTH;
		struct fc_output other;
		struct bench bench;

		edits.vlan.n_push = 1;
		edits.vlan.vid[0] = 7;
		begin(&bench, *state, &edits, 8 * N, false);
		rig_port_limit(&bench.port, 1);
		offer_frames(&bench, 0, N, length, 1000, false);
		assert_int_equal(bench.feed.stash_n - bench.feed.stash_at, N - 1);
		rig_output_begin(&other, &bench.port, &edits, bench.copies, i == LINEAR);
		if (i == SHORTER)
			atomic_store(&bench.port.port.max_tagged_frame, LENGTH);
		fc_feed_take_output(&bench.feed, &other);
		assert_ptr_equal(bench.feed.output, &other);
		rig_port_limit(&bench.port, RIG_ALL);
		while (fc_feed_is_waiting(&bench.feed))
			rig_feed_drain(&bench.feed);
		expect_count(&bench.feed.tx, i == SAME ? N : 1, (i == SAME ? N : 1) * (length + 4));
		expect_drops(&bench, FC_DROP_OVERRUN, i == SAME ? 0 : N - 1,
			i == SAME ? 0 : (N - 1) * (length + 4));
		for (unsigned k = 0; k < (i == SAME ? N : 1); k++)
			rte_pktmbuf_free(rig_port_read(&bench.port));
		rig_output_end(&other);
		end(&bench);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sends),
		cmocka_unit_test(test_filtered),
		cmocka_unit_test(test_sampled_out),
		cmocka_unit_test(test_oversize),
		cmocka_unit_test(test_oversize_after_edits),
		cmocka_unit_test(test_join),
		cmocka_unit_test(test_nombuf),
		cmocka_unit_test(test_tx_refused),
		cmocka_unit_test(test_refused_in_backlog),
		cmocka_unit_test(test_takes_few),
		cmocka_unit_test(test_discard),
		cmocka_unit_test(test_gone_port),
		cmocka_unit_test(test_paused_port),
		cmocka_unit_test(test_other_output),
	};

	return cmocka_run_group_tests(tests, fixture_start, fixture_stop);
}
