/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include <rte_byteorder.h>
#include <rte_ether.h>

#include <fc_flow.h>

#include "dpdk_fixture.h"
#include "tunnel_feed_rig.h"

/* Packets through a feed into a tunnel, each in one frame; for those in more see
 * test_tunnel_feed_fragments.c. */

#define N      16
#define LENGTH 100

static const uint8_t new_mac[FC_MAC_SIZE] = { 2, 0, 0, 0, 0, 2 };

/* Every type over both families: what comes out at the other end is what went in. */
static void test_types(void **state)
{
	static const uint32_t lengths[] = { 60, 100, 1000, 1024, 1025, 1400 };

	(void)state;
	for (unsigned i = 0; i < 2 * RTE_DIM(rig_types) * 2; i++) {
		struct fc_tunnel_params params = rig_mtu_1500(rig_types[i / 4], i & 1 ? 6 : 4);
		struct tunnel_feed f;
		uint64_t size = 0;

		params.vlan = i & 2 ? 77 : 0;
		rig_begin(&f, &params, NULL);
		for (unsigned k = 0; k < RTE_DIM(lengths); k++) {
			rig_offer_frames(&f, 10 * k, 2, lengths[k], k & 1);
			size += 2 * (lengths[k] + rig_growth(&params));
		}
		assert_false(fc_feed_is_waiting(&f.feed));
		for (unsigned k = 0; k < RTE_DIM(lengths); k++)
			for (unsigned m = 0; m < 2; m++)
				rig_expect_packet(&f, 10 * k + m, lengths[k]);
		assert_int_equal(fc_tally_read(&f.feed.tx).packets, 2 * RTE_DIM(lengths));
		assert_int_equal(fc_tally_read(&f.feed.tx).bytes, size);
		assert_int_equal(fc_tally_read(&f.feed.parts).packets, 0);
		rig_end(&f);
	}
}

/* Somebody else's packet stays as it is, in all bytes and lengths, whatever is done to the copy. */
static void test_shared(void **state)
{
	static struct rig_snapshot snapshots[N];
	static const struct {
		uint32_t length;
		uint16_t part;
	} shapes[] = { { 60, 0 }, { 1400, 0 }, { 1400, 300 }, { 2000, 0 }, { 4000, 1000 },
		{ 60, 20 }, { 1000, 150 } };

	(void)state;
	for (unsigned i = 0; i < RTE_DIM(rig_types); i++) {
		for (int oversize = FC_OVERSIZE_FRAGMENT; oversize <= FC_OVERSIZE_DROP;
			oversize++) {
			struct fc_tunnel_params params = rig_mtu_1500(rig_types[i], i & 1 ? 6 : 4);
			struct rte_mbuf *packets[RTE_DIM(shapes)], *packet;
			struct tunnel_feed f;

			params.oversize = (enum fc_oversize)oversize;
			rig_begin(&f, &params, NULL);
			for (unsigned k = 0; k < RTE_DIM(shapes); k++) {
				packets[k] =
					rig_frame(f.frames, k, shapes[k].length, 0, shapes[k].part);
				rig_snapshot_take(&snapshots[k], packets[k]);
			}
			/* Kept by the caller, and once more owned, as another feed's reference. */
			rig_offer(&f, packets, RTE_DIM(shapes), false);
			for (unsigned k = 0; k < RTE_DIM(shapes); k++)
				rte_pktmbuf_refcnt_update(packets[k], 1);
			rig_offer(&f, packets, RTE_DIM(shapes), true);
			while ((packet = rig_read(&f)) != NULL)
				rte_pktmbuf_free(packet);
			for (unsigned k = 0; k < RTE_DIM(shapes); k++) {
				rig_snapshot_compare(&snapshots[k]);
				assert_int_equal(rte_mbuf_refcnt_read(packets[k]), 1);
				rte_pktmbuf_free(packets[k]);
			}
			rig_end(&f);
		}
	}
}

/* A packet that nobody else holds needs no copy. */
static void test_in_place(void **state)
{
	struct fc_tunnel_params params = rig_mtu_1500(FC_TUNNEL_VXLAN, 4);
	const struct tunnel_feed_options options = { .n_copies = 1 };
	struct tunnel_feed f;

	(void)state;
	rig_begin(&f, &params, &options);
	rig_offer_frames(&f, 0, N, LENGTH, true);
	rig_expect_drops(&f, FC_DROP_NOMBUF, 0, 0);
	for (unsigned i = 0; i < N; i++)
		rig_expect_packet(&f, i, LENGTH);
	rig_end(&f);
}

/* Before the next hop is known everything is lost at once, and nothing is copied for that. */
static void test_unresolved(void **state)
{
	struct fc_tunnel_params params = rig_mtu_1500(FC_TUNNEL_ERSPAN2, 4);
	const struct tunnel_feed_options options = { .n_copies = N };

	(void)state;
	for (int owned = 0; owned <= 1; owned++) {
		struct tunnel_feed f;
		uint32_t sequence;

		rig_begin(&f, &params, &options);
		fc_tunnel_set_destination(&f.tunnel.header, NULL);
		sequence = f.tunnel.state.sequence;
		rig_offer_frames(&f, 0, N, LENGTH, owned);
		rig_expect_drops(&f, FC_DROP_UNRESOLVED, N, N * LENGTH);
		assert_false(fc_feed_is_waiting(&f.feed));
		rig_expect_nothing(&f);
		fixture_assert_full(f.frames);
		fixture_assert_full(f.copies);
		assert_int_equal(f.tunnel.state.sequence, sequence);
		fc_tunnel_set_destination(&f.tunnel.header, new_mac);
		rig_offer_frames(&f, N, N, LENGTH, owned);
		rig_expect_drops(&f, FC_DROP_UNRESOLVED, N, N * LENGTH);
		for (unsigned i = 0; i < N; i++)
			rig_expect_packet(&f, N + i, LENGTH);
		rig_end(&f);
	}
}

/* A filter comes before it: what it sorts out would not have been sent in any case. */
static void test_unresolved_behind_filter(void **state)
{
	struct fc_tunnel_params params = rig_mtu_1500(FC_TUNNEL_VXLAN, 4);
	struct fc_edits edits = rig_no_edits();
	const struct tunnel_feed_options options = { .edits = &edits };
	struct tunnel_feed f;

	(void)state;
	edits.filter = (char *)(uintptr_t) "ether[5] & 3 = 1";
	rig_begin(&f, &params, &options);
	fc_tunnel_set_destination(&f.tunnel.header, NULL);
	rig_offer_frames(&f, 0, N, LENGTH, false);
	assert_int_equal(rig_drops(&f, FC_DROP_FILTERED), N - N / 4);
	assert_int_equal(rig_drops(&f, FC_DROP_UNRESOLVED), N / 4);
	rig_end(&f);
}

/* What waits when the next hop is lost: the frames that are made go, the packets behind do not. */
static void test_lost_while_waiting(void **state)
{
	struct fc_tunnel_params params = rig_mtu_1500(FC_TUNNEL_GRETAP, 6);
	/* As many as the frames that are made: nothing is copied for what is lost. */
	const struct tunnel_feed_options options = { .n_copies = N };
	struct rte_mbuf *packets[3 * N];
	struct tunnel_feed f;

	(void)state;
	rig_begin(&f, &params, &options);
	rig_port_limit(&f.port, 0);
	for (unsigned i = 0; i < RTE_DIM(packets); i++)
		packets[i] = rig_frame(f.frames, i, LENGTH, 0, 0);
	rig_offer(&f, packets, N, false);
	rig_offer(&f, packets + N, N, false);
	assert_int_equal(f.feed.stash_n, N);
	assert_int_equal(fc_tally_read(&f.feed.queued).packets, 2 * N);
	fc_tunnel_set_destination(&f.tunnel.header, NULL);
	rig_offer(&f, packets + 2 * N, N, false);
	rig_expect_drops(&f, FC_DROP_UNRESOLVED, N, N * LENGTH);
	rig_port_limit(&f.port, RIG_ALL);
	rig_drain(&f);
	rig_expect_drops(&f, FC_DROP_UNRESOLVED, 2 * N, 2 * N * LENGTH);
	for (unsigned i = 0; i < N; i++)
		rig_expect_packet(&f, i, LENGTH);
	rig_expect_nothing(&f);
	rte_pktmbuf_free_bulk(packets, RTE_DIM(packets));
	/* And it goes on when it is found again. */
	fc_tunnel_set_destination(&f.tunnel.header, new_mac);
	rig_offer_frames(&f, 3 * N, N, LENGTH, true);
	for (unsigned i = 0; i < N; i++)
		rig_expect_packet(&f, 3 * N + i, LENGTH);
	rig_end(&f);
}

/* Lost between the feed's look and the push: counted there. */
static void test_lost_in_between(void **state)
{
	struct fc_tunnel_params params = rig_mtu_1500(FC_TUNNEL_VXLAN, 4);
	struct rte_mbuf *packets[3];
	struct tunnel_feed f;
	uint64_t long_ones, size;

	(void)state;
	rig_begin(&f, &params, NULL);
	for (unsigned i = 0; i < RTE_DIM(packets); i++)
		packets[i] = rig_frame(f.frames, i, i == 1 ? 1500 : LENGTH, 0, 0);
	fc_tunnel_set_destination(&f.tunnel.header, NULL);
	assert_int_equal(
		fc_tunnel_wrap(&f.tunnel, f.feed.drops, packets, 3, NULL, &long_ones, &size), 0);
	f.n_offered = 3;
	rig_expect_drops(&f, FC_DROP_UNRESOLVED, 3, 1500 + 2 * LENGTH);
	rig_end(&f);
}

/* What waits is sent to where the next hop is then. */
static void test_moved_while_waiting(void **state)
{
	struct fc_tunnel_params params = rig_mtu_1500(FC_TUNNEL_GENEVE, 4);
	struct rte_mbuf *frame;
	struct tunnel_feed f;

	(void)state;
	rig_begin(&f, &params, NULL);
	rig_port_limit(&f.port, 0);
	rig_offer_frames(&f, 0, 1, LENGTH, true);
	rig_offer_frames(&f, 1, 1, LENGTH, true);
	fc_tunnel_set_destination(&f.tunnel.header, new_mac);
	rig_port_limit(&f.port, RIG_ALL);
	rig_drain(&f);
	for (unsigned i = 0; i < 2; i++) {
		frame = rig_port_read(&f.port);
		assert_int_equal(rte_pktmbuf_mtod(frame, const uint8_t *)[5], i == 0 ? 9 : 2);
		assert_int_equal(rte_ring_enqueue(f.port.out, frame), 0);
	}
	rig_expect_packet(&f, 0, LENGTH);
	rig_expect_packet(&f, 1, LENGTH);
	rig_end(&f);
}

/* Too long by a byte: lost, or cut to what just fits. */
static void test_oversize(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2 * RTE_DIM(rig_types); i++) {
		struct fc_tunnel_params params = rig_mtu_1500(rig_types[i / 2], i & 1 ? 6 : 4);
		struct tunnel_feed f;
		uint32_t fits;

		params.oversize = FC_OVERSIZE_DROP;
		rig_begin(&f, &params, NULL);
		fits = params.mtu + RTE_ETHER_HDR_LEN - rig_growth(&params);
		rig_offer_frames(&f, 0, 1, fits, true);
		rig_offer_frames(&f, 1, 2, fits + 1, false);
		rig_offer_frames(&f, 3, 1, fits, false);
		/* Lost as it was, before anything was put in front. */
		rig_expect_drops(&f, FC_DROP_OVERSIZE, 2, 2 * (fits + 1));
		rig_expect_packet(&f, 0, fits);
		rig_expect_packet(&f, 3, fits);
		rig_end(&f);

		params.oversize = FC_OVERSIZE_TRUNCATE;
		rig_begin(&f, &params, NULL);
		rig_offer_frames(&f, 0, 1, fits, true);
		rig_offer_frames(&f, 1, 2, 2000, false);
		rig_offer_frames(&f, 3, 1, fits + 1, true);
		rig_offer_frames(&f, 4, 1, LENGTH, true);
		rig_expect_drops(&f, FC_DROP_OVERSIZE, 0, 0);
		for (unsigned k = 0; k < 5; k++) {
			struct rte_mbuf *packet = rig_read(&f);
			uint32_t length = k < 4 ? fits : LENGTH;
			uint8_t bytes[2000];

			rig_frame_bytes(bytes, k, sizeof(bytes), 0);
			rig_expect(bytes, params.type);
			fixture_assert_bytes(packet, bytes, length);
			rte_pktmbuf_free(packet);
		}
		assert_int_equal(fc_tally_read(&f.feed.tx).packets, 5);
		rig_end(&f);
	}
}

/* The edits come first: what a tunnel carries is the edited frame. */
static void test_edited(void **state)
{
	struct fc_tunnel_params params = rig_mtu_1500(FC_TUNNEL_VXLAN, 4);
	struct fc_edits edits = rig_no_edits();
	const struct tunnel_feed_options options = { .edits = &edits };

	(void)state;
	edits.vlan.n_push = 2;
	edits.vlan.vid[0] = 7;
	edits.vlan.vid[1] = 8;
	edits.truncate = 500;
	params.oversize = FC_OVERSIZE_DROP;
	for (int owned = 0; owned <= 1; owned++) {
		static const uint32_t lengths[] = { 60, 500, 2000 };
		struct tunnel_feed f;

		rig_begin(&f, &params, &options);
		for (unsigned i = 0; i < RTE_DIM(lengths); i++) {
			struct rte_mbuf *packet;
			uint8_t bytes[2100];
			uint32_t length;

			rig_offer_frames(&f, i, 1, lengths[i], owned);
			packet = rig_read(&f);
			rig_frame_bytes(bytes, i, lengths[i], 0);
			length = rig_edit_bytes(bytes, lengths[i], &edits);
			fixture_assert_bytes(packet, bytes, length);
			rte_pktmbuf_free(packet);
		}
		rig_expect_drops(&f, FC_DROP_OVERSIZE, 0, 0);
		rig_end(&f);
	}
}

/* Sequence numbers count what was sent, through backlog and stash, without a gap. */
static void test_sequence(void **state)
{
	struct fc_tunnel_params params = rig_mtu_1500(FC_TUNNEL_ERSPAN2, 4);
	struct rte_mbuf *frame;
	struct tunnel_feed f;

	(void)state;
	rig_begin(&f, &params, NULL);
	for (unsigned i = 0; i < 8; i++) {
		rig_port_limit(&f.port, (uint16_t)(i * 5 % 7));
		rig_offer_frames(&f, i * N, N, LENGTH, i & 1);
		rig_feed_drain(&f.feed);
	}
	rig_port_limit(&f.port, RIG_ALL);
	rig_drain(&f);
	for (unsigned i = 0; i < 8 * N; i++) {
		uint32_t sequence;

		frame = rig_port_read(&f.port);
		assert_non_null(frame);
		/* Behind Ethernet, IP and four bytes of GRE. */
		memcpy(&sequence, rte_pktmbuf_mtod_offset(frame, const void *, 14 + 20 + 4), 4);
		assert_int_equal(rte_be_to_cpu_32(sequence), i);
		assert_int_equal(rte_ring_enqueue(f.port.out, frame), 0);
	}
	for (unsigned i = 0; i < 8 * N; i++)
		rig_expect_packet(&f, i, LENGTH);
	rig_end(&f);
}

static void test_nombuf(void **state)
{
	struct fc_tunnel_params params = rig_mtu_1500(FC_TUNNEL_GENEVE, 6);
	const struct tunnel_feed_options options = { .n_copies = 5 };
	struct tunnel_feed f;

	(void)state;
	rig_begin(&f, &params, &options);
	rig_offer_frames(&f, 0, N, LENGTH, false);
	rig_expect_drops(&f, FC_DROP_NOMBUF, N - 5, (N - 5) * LENGTH);
	for (unsigned i = 0; i < 5; i++)
		rig_expect_packet(&f, i, LENGTH);
	rig_offer_frames(&f, 100, 1, LENGTH, false);
	rig_expect_packet(&f, 100, LENGTH);
	rig_end(&f);
}

/* Offer the burst to the feed as to one of several outputs of the same burst. */
static void offer_again(struct tunnel_feed *f, struct rte_mbuf *const *packets, uint16_t n)
{
	f->reached -= n;
	rig_offer(f, packets, n, false);
}

/*
 * Several outputs find the UDP source ports of a burst once. Each packet gets that of its own flow,
 * from whichever burst; nothing is remembered of a burst that a filter has thinned out.
 */
static void test_ports(void **state)
{
	struct fc_edits half = rig_no_edits();
	struct fc_tunnel_params params = rig_mtu_1500(FC_TUNNEL_VXLAN, 4);

	(void)state;
	half.sample = 50;
	for (int thin = 0; thin <= 1; thin++) {
		const struct tunnel_feed_options options = { .edits = thin ? &half : NULL };
		struct fc_burst_ports memory = { 0 };
		struct rte_mbuf *packet;
		struct tunnel_feed f;
		unsigned n_read = 0;

		rig_begin(&f, &params, &options);
		f.output.ports = &memory;
		for (unsigned i = 0; i < 8; i++) {
			struct rte_mbuf *packets[FC_BURST];
			uint16_t n = i < 4 ? N : FC_BURST;

			for (uint16_t k = 0; k < n; k++)
				packets[k] = rig_frame(f.frames, 100 * i + k, LENGTH, 0, 0);
			rig_offer(&f, packets, n, false);
			offer_again(&f, packets, n);
			rte_pktmbuf_free_bulk(packets, n);
		}
		while ((packet = rig_port_read(&f.port)) != NULL) {
			const uint8_t *bytes = rte_pktmbuf_mtod(packet, const uint8_t *);
			unsigned port = (unsigned)bytes[34] << 8 | bytes[35];

			f.n_frames++;
			f.size += packet->pkt_len;
			rte_pktmbuf_adj(packet, (uint16_t)rig_growth(&params));
			assert_int_equal(port, fc_flow_port(fc_flow_hash(packet)));
			rte_pktmbuf_free(packet);
			n_read++;
		}
		assert_in_range(n_read, 1, f.n_offered);
		assert_true(thin || n_read == f.n_offered);
		rig_end(&f);
	}
}

/* A burst has one time stamp, also where packets are too long and each needs care of its own. */
static void test_one_timestamp(void **state)
{
	static const enum fc_oversize oversizes[] = { FC_OVERSIZE_FRAGMENT, FC_OVERSIZE_TRUNCATE };

	(void)state;
	for (unsigned o = 0; o < RTE_DIM(oversizes); o++) {
		struct fc_tunnel_params params = rig_mtu_1500(FC_TUNNEL_ERSPAN3, 4);
		uint32_t first = 0, stamp, copy;
		struct tunnel_feed f;

		params.oversize = oversizes[o];
		rig_begin(&f, &params, NULL);
		rig_offer_frames(&f, 0, FC_BURST, 1800, true);
		for (unsigned i = 0; i < FC_BURST;) {
			struct rte_mbuf *frame = rig_port_read(&f.port);

			assert_non_null(frame);
			if (rig_is_first(frame) || oversizes[o] == FC_OVERSIZE_TRUNCATE) {
				/* Behind Ethernet, IP, eight bytes of GRE and four of ERSPAN. */
				memcpy(&stamp,
					rte_pktmbuf_read(
						frame, 14 + 20 + 8 + 4, sizeof(stamp), &copy),
					sizeof(stamp));
				if (i++ == 0)
					first = stamp;
				assert_int_equal(stamp, first);
			}
			f.n_frames++;
			f.size += frame->pkt_len;
			rte_pktmbuf_free(frame);
		}
		while (rte_ring_count(f.port.out) != 0) {
			struct rte_mbuf *frame = rig_port_read(&f.port);

			f.n_frames++;
			f.size += frame->pkt_len;
			rte_pktmbuf_free(frame);
		}
		assert_int_not_equal(first, 0);
		rig_end(&f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_types),
		cmocka_unit_test(test_shared),
		cmocka_unit_test(test_in_place),
		cmocka_unit_test(test_unresolved),
		cmocka_unit_test(test_unresolved_behind_filter),
		cmocka_unit_test(test_lost_while_waiting),
		cmocka_unit_test(test_lost_in_between),
		cmocka_unit_test(test_moved_while_waiting),
		cmocka_unit_test(test_oversize),
		cmocka_unit_test(test_edited),
		cmocka_unit_test(test_sequence),
		cmocka_unit_test(test_nombuf),
		cmocka_unit_test(test_ports),
		cmocka_unit_test(test_one_timestamp),
	};

	return cmocka_run_group_tests(tests, fixture_start, fixture_stop);
}
