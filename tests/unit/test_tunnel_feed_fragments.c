/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include <rte_ether.h>

#include "dpdk_fixture.h"
#include "plan_rig.h"
#include "tunnel_feed_rig.h"

/*
 * Packets that leave in several frames are counted once, whatever becomes of their fragments;
 * rig_end() and rig_offer() check the sums in every test.
 */

#define LONG 4000 /* bytes of a frame that leaves in three fragments */

static uint64_t frames_sent(const struct tunnel_feed *f)
{
	return fc_tally_read(&f->feed.tx).packets + fc_tally_read(&f->feed.parts).packets;
}

/* How many frames a packet becomes: RFC 791, and RFC 8200 section 4.5. */
static unsigned count_frames(const struct fc_tunnel_params *params, uint32_t length)
{
	uint32_t outer = length + rig_growth(params) - RTE_ETHER_HDR_LEN;
	uint32_t payload = params->local.family == 4 ? 1480 : 1448;

	if (outer <= params->mtu)
		return 1;
	return (outer - (params->local.family == 4 ? 20 : 40) + payload - 1) / payload;
}

/* Long and short ones keep their order; each is one packet, its frames are counted as such. */
static void test_types(void **state)
{
	static const uint32_t lengths[] = { 100, 1500, 60, 2900, 2048, 9018, 61, 4000 };

	(void)state;
	for (unsigned i = 0; i < 2 * RTE_DIM(rig_types); i++) {
		struct fc_tunnel_params params = rig_mtu_1500(rig_types[i / 2], i & 1 ? 6 : 4);

		for (int owned = 0; owned <= 1; owned++) {
			struct rte_mbuf *packets[RTE_DIM(lengths)];
			struct tunnel_feed f;
			unsigned n = 0;

			rig_begin(&f, &params, NULL);
			for (unsigned k = 0; k < RTE_DIM(lengths); k++) {
				packets[k] = rig_frame(f.frames, k, lengths[k], 0, 0);
				n += count_frames(&params, lengths[k]);
			}
			rig_offer(&f, packets, RTE_DIM(lengths), owned);
			if (!owned)
				rte_pktmbuf_free_bulk(packets, RTE_DIM(lengths));
			assert_false(fc_feed_is_waiting(&f.feed));
			assert_int_equal(fc_tally_read(&f.feed.tx).packets, RTE_DIM(lengths));
			assert_int_equal(frames_sent(&f), n);
			for (unsigned k = 0; k < RTE_DIM(lengths); k++)
				rig_expect_packet(&f, k, lengths[k]);
			rig_end(&f);
		}
	}
}

/* A port that takes a few frames at a time cuts bursts and packets anywhere. */
static void test_takes_few(void **state)
{
	const unsigned n = 8;

	(void)state;
	for (uint16_t limit = 0; limit <= 26; limit++) {
		struct fc_tunnel_params params = rig_mtu_1500(FC_TUNNEL_VXLAN, 4);
		struct tunnel_feed f;

		rig_begin(&f, &params, NULL);
		rig_port_limit(&f.port, limit);
		rig_offer_frames(&f, 0, (uint16_t)n, LONG, limit & 1);
		/* Of 24 frames so many have left; a packet of which some have is still queued. */
		assert_int_equal(frames_sent(&f), RTE_MIN(limit, 3 * n));
		assert_int_equal(fc_tally_read(&f.feed.tx).packets, RTE_MIN(limit, 3 * n) / 3);
		assert_int_equal(
			fc_tally_read(&f.feed.queued).packets, n - RTE_MIN(limit, 3 * n) / 3);
		rig_offer_frames(&f, n, (uint16_t)n, LONG, true);
		if (limit == 0)
			rig_port_limit(&f.port, 1);
		rig_drain(&f);
		assert_int_equal(fc_tally_read(&f.feed.tx).packets, 2 * n);
		assert_int_equal(fc_tally_read(&f.feed.parts).packets, 2 * 2 * n);
		for (unsigned i = 0; i < 2 * n; i++)
			rig_expect_packet(&f, i, LONG);
		rig_end(&f);
	}
}

/* What waits is counted with the bytes that are to be sent: none twice, none left. */
static void test_queued_bytes(void **state)
{
	struct fc_tunnel_params params = rig_mtu_1500(FC_TUNNEL_GRETAP, 6);
	struct tunnel_feed f;

	(void)state;
	rig_begin(&f, &params, NULL);
	rig_port_limit(&f.port, 0);
	rig_offer_frames(&f, 0, 2, LONG, true);
	while (fc_feed_is_waiting(&f.feed)) {
		uint64_t size = 0;

		for (uint16_t i = f.feed.stash_at; i < f.feed.stash_n; i++)
			size += f.feed.stash[i]->pkt_len;
		assert_int_equal(fc_tally_read(&f.feed.queued).bytes, size);
		rig_port_limit(&f.port, 1);
		rig_feed_drain(&f.feed);
	}
	assert_int_equal(fc_tally_read(&f.feed.queued).bytes, 0);
	rig_expect_packet(&f, 0, LONG);
	rig_expect_packet(&f, 1, LONG);
	rig_end(&f);
}

/*
 * A driver that refuses one fragment has refused its packet: the rest of it does not leave, and
 * what is behind it does. What left before was sent.
 */
static void test_refused(void **state)
{
	bool (*const which[])(
		const struct rte_mbuf *) = { rig_is_first, rig_is_middle, rig_is_last };

	(void)state;
	for (unsigned i = 0; i < RTE_DIM(which); i++) {
		for (uint16_t limit = 1; limit <= 12; limit++) {
			struct fc_tunnel_params params = rig_mtu_1500(FC_TUNNEL_GENEVE, 4);
			struct rte_mbuf *packets[5];
			uint64_t size = 0;
			struct tunnel_feed f;

			params.has_key = true;
			rig_begin(&f, &params, NULL);
			rig_port_refuse_if(&f.port, which[i]);
			rig_port_limit(&f.port, limit);
			for (unsigned k = 0; k < RTE_DIM(packets); k++)
				packets[k] = rig_frame(f.frames, k, k & 1 ? LONG : 100, 0, 0);
			rig_offer(&f, packets, RTE_DIM(packets), true);
			rig_drain(&f);
			/* The headers of the fragments that were lost, and what was in them. */
			for (unsigned k = i; k < 3; k++)
				size += k < 2 ? 14 + 1500 : 14 + 20 + 8 + 8 + LONG - 2 * 1480;
			assert_int_equal(rig_drops(&f, FC_DROP_TX_REFUSED), 2);
			assert_int_equal(
				fc_tally_read(&f.feed.drops[FC_DROP_TX_REFUSED]).bytes, 2 * size);
			assert_int_equal(fc_tally_read(&f.feed.tx).packets, 3);
			assert_int_equal(fc_tally_read(&f.feed.parts).packets, 2 * i);
			for (unsigned k = 0; k < RTE_DIM(packets); k += 2)
				rig_expect_packet(&f, k, 100);
			rig_end(&f);
		}
	}
}

/*
 * When the time of waiting packets is up, one of which some frames have left already is completed.
 * At the end of all, when nothing can be sent any more, it is one lost packet.
 */
static void test_overrun(void **state)
{
	(void)state;
	for (uint16_t sent = 0; sent <= 6; sent++) {
		for (int discard = 0; discard <= 1; discard++) {
			struct fc_tunnel_params params = rig_mtu_1500(FC_TUNNEL_VXLAN, 6);
			uint64_t n_sent = sent / 3u, n_kept = !discard && sent % 3 != 0;
			struct tunnel_feed f;

			rig_begin(&f, &params, NULL);
			rig_port_limit(&f.port, sent);
			rig_offer_frames(&f, 0, 2, LONG, true);
			rig_port_limit(&f.port, 0);
			rig_offer_frames(&f, 2, 2, LONG, true); /* in the backlog */
			assert_int_equal(frames_sent(&f), sent);
			if (discard) {
				fc_feed_discard(&f.feed);
			} else {
				f.reached += RIG_WINDOW;
				rig_feed_drain(&f.feed);
			}
			assert_int_equal(fc_feed_is_waiting(&f.feed), n_kept);
			assert_int_equal(fc_tally_read(&f.feed.queued).packets, n_kept);
			assert_int_equal(rig_drops(&f, FC_DROP_OVERRUN), 4 - n_sent - n_kept);
			assert_int_equal(fc_tally_read(&f.feed.tx).packets, n_sent);
			rig_port_limit(&f.port, RIG_ALL);
			rig_drain(&f);
			assert_false(fc_feed_is_waiting(&f.feed));
			for (unsigned i = 0; i < n_sent + n_kept; i++)
				rig_expect_packet(&f, i, LONG);
			rig_expect_nothing(&f);
			/* The next ones are not mistaken for the rest of it. */
			rig_offer_frames(&f, 10, 2, LONG, true);
			rig_drain(&f);
			rig_expect_packet(&f, 10, LONG);
			rig_expect_packet(&f, 11, LONG);
			rig_end(&f);
		}
	}
}

/* With few buffers some packets are lost, wherever it was that the pool ran out. */
static void test_nombuf(void **state)
{
	const unsigned n = 6;

	(void)state;
	for (unsigned n_copies = 1; n_copies <= 80; n_copies++) {
		const struct tunnel_feed_options options = { .n_copies = n_copies };
		struct fc_tunnel_params params =
			rig_mtu_1500(FC_TUNNEL_VXLAN, n_copies & 1 ? 6 : 4);
		struct tunnel_feed f;
		unsigned n_read = 0;
		struct rte_mbuf *packet;

		rig_begin(&f, &params, &options);
		rig_offer_frames(&f, 0, (uint16_t)n, LONG, n_copies & 2);
		assert_false(fc_feed_is_waiting(&f.feed));
		assert_int_equal(
			fc_tally_read(&f.feed.tx).packets + rig_drops(&f, FC_DROP_NOMBUF), n);
		if (n_copies < 6) /* a header and a clone for each of three fragments */
			assert_int_equal(rig_drops(&f, FC_DROP_NOMBUF), n);
		if (n_copies > 75)
			assert_int_equal(rig_drops(&f, FC_DROP_NOMBUF), 0);
		while ((packet = rig_read(&f)) != NULL) {
			uint8_t bytes[LONG];

			rig_frame_bytes(bytes, rig_frame_number(packet), LONG, 0);
			fixture_assert_bytes(packet, bytes, LONG);
			rte_pktmbuf_free(packet);
			n_read++;
		}
		assert_int_equal(n_read, fc_tally_read(&f.feed.tx).packets);
		fixture_assert_full(f.copies);
		/* What was used comes back, and serves the next. */
		rig_offer_frames(&f, n, 1, LONG, n_copies & 2);
		if (n_copies > 20)
			rig_expect_packet(&f, n, LONG);
		while ((packet = rig_read(&f)) != NULL)
			rte_pktmbuf_free(packet);
		rig_end(&f);
	}
}

/* More fragments than there is room for: the packet is too long, and others go on. */
static void test_too_many(void **state)
{
	(void)state;
	for (uint8_t family = 4; family <= 6; family += 2) {
		const struct tunnel_feed_options options = { .n_fragments = 2 };
		struct fc_tunnel_params params = rig_mtu_1500(FC_TUNNEL_GRETAP, family);
		struct rte_mbuf *packets[4];
		struct tunnel_feed f;

		rig_begin(&f, &params, &options);
		for (unsigned i = 0; i < RTE_DIM(packets); i++)
			packets[i] = rig_frame(f.frames, i, i & 1 ? 2500 : LONG, 0, 0);
		rig_offer(&f, packets, RTE_DIM(packets), true);
		rig_expect_drops(&f, FC_DROP_OVERSIZE, 2, 2 * (LONG + rig_growth(&params)));
		rig_expect_packet(&f, 1, 2500);
		rig_expect_packet(&f, 3, 2500);
		rig_end(&f);
	}
}

/* What no IP packet can carry is lost alone: those behind it are still told from each other. */
static void test_longer_than_ip(void **state)
{
	static uint8_t bytes[66000];

	(void)state;
	for (uint8_t family = 4; family <= 6; family += 2) {
		struct fc_tunnel_params params = rig_mtu_1500(FC_TUNNEL_VXLAN, family);
		struct rte_mbuf *packets[4];
		struct tunnel_feed f;

		rig_begin(&f, &params, NULL);
		fixture_fill(bytes, sizeof(bytes), 1);
		packets[0] = fixture_packet(f.frames, bytes, sizeof(bytes), 0);
		packets[1] = rig_frame(f.frames, 1, 100, 0, 0);
		packets[2] = rig_frame(f.frames, 2, LONG, 0, 0);
		packets[3] = rig_frame(f.frames, 3, 100, 0, 0);
		rig_offer(&f, packets, RTE_DIM(packets), true);
		rig_expect_drops(&f, FC_DROP_OVERSIZE, 1, sizeof(bytes));
		rig_expect_packet(&f, 1, 100);
		rig_expect_packet(&f, 2, LONG);
		rig_expect_packet(&f, 3, 100);
		rig_end(&f);
	}
}

/* All of a burst is too long: nothing is left to be stashed. */
static void test_all_lost(void **state)
{
	const struct tunnel_feed_options options = { .n_fragments = 2 };
	struct fc_tunnel_params params = rig_mtu_1500(FC_TUNNEL_VXLAN, 4);
	struct tunnel_feed f;

	(void)state;
	rig_begin(&f, &params, &options);
	rig_offer_frames(&f, 0, 4, LONG, true);
	rig_expect_drops(&f, FC_DROP_OVERSIZE, 4, 4 * (LONG + rig_growth(&params)));
	assert_false(fc_feed_is_waiting(&f.feed));
	rig_offer_frames(&f, 4, 1, 2000, true);
	rig_expect_packet(&f, 4, 2000);
	rig_end(&f);
}

/* A port for single segments gets fragments of one; longer than a buffer it takes nothing. */
static void test_linear(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2 * RTE_DIM(rig_types); i++) {
		const struct tunnel_feed_options options = { .linear = true, .room = 5000 };
		struct fc_tunnel_params params = rig_mtu_1500(rig_types[i / 2], i & 1 ? 6 : 4);

		for (int owned = 0; owned <= 1; owned++) {
			struct rte_mbuf *packets[6];
			struct tunnel_feed f;

			rig_begin(&f, &params, &options);
			for (unsigned k = 0; k < RTE_DIM(packets); k++)
				packets[k] = rig_frame(f.frames, k,
					k == 5	? RIG_LONGEST
					: k & 1 ? LONG
						: 100,
					0, k & 2 ? 90 : 0);
			rig_offer(&f, packets, RTE_DIM(packets), owned);
			if (!owned)
				rte_pktmbuf_free_bulk(packets, RTE_DIM(packets));
			rig_expect_drops(&f, FC_DROP_OVERSIZE, 1, RIG_LONGEST);
			for (unsigned k = 0; k < 5; k++)
				rig_expect_packet(&f, k, k & 1 ? LONG : 100);
			rig_end(&f);
		}
	}
}

/* The stash holds a burst of the longest packets, as many frames as they become. */
static void test_full_stash(void **state)
{
	const struct tunnel_feed_options options = { .n_fragments = 7 };
	struct fc_tunnel_params params = rig_mtu_1500(FC_TUNNEL_VXLAN, 4);
	struct rte_mbuf *packets[FC_BURST];
	struct tunnel_feed f;

	(void)state;
	rig_begin(&f, &params, &options);
	rig_port_limit(&f.port, 0);
	for (unsigned i = 0; i < FC_BURST; i++)
		packets[i] = rig_frame(f.frames, i, RIG_LONGEST, 0, 0);
	rig_offer(&f, packets, FC_BURST, true);
	assert_int_equal(f.feed.stash_n, 7 * FC_BURST);
	assert_int_equal(fc_tally_read(&f.feed.queued).packets, FC_BURST);
	rig_port_limit(&f.port, RIG_ALL);
	rig_drain(&f);
	for (unsigned i = 0; i < FC_BURST; i++)
		rig_expect_packet(&f, i, RIG_LONGEST);
	rig_end(&f);
}

/*
 * The buffers that the plan gives an output are enough: for a full port, a stash full of the
 * longest packets' fragments, and their copies. The caches of lcores are no part of it here.
 */
static void test_planned_buffers(void **state)
{
	static const char *const oversizes[] = { "fragment", "truncate" };

	(void)state;
	for (unsigned i = 0; i < RTE_DIM(oversizes); i++) {
		struct fc_tunnel_params params = rig_mtu_1500(FC_TUNNEL_VXLAN, 4);
		struct tunnel_feed_options options = { .n_out = 64 };
		const struct fc_plan_output *output;
		struct plan_rig plan;
		struct tunnel_feed f;
		uint64_t n = 0;
		char json[512];

		snprintf(json, sizeof(json), JSON(TAP, OUT(ENCAP(",\"oversize\":\"%s\"")), ""),
			oversizes[i]);
		rig_plan_begin(&plan, json, 1);
		rig_interface(&plan, 1, 1500);
		plan.facts[1].tx_descriptors = 64;
		output = &rig_make(&plan)->outputs[0];
		assert_int_equal(output->mtu, params.mtu);
		options.n_copies = output->copies.n_mbufs - FC_POOL_CACHE_SIZE * 3 / 2;
		options.n_fragments = output->n_fragments;
		params.oversize = plan.config->outputs[0].encap.oversize;
		rig_begin(&f, &params, &options);
		/* Until the port is full, and then a burst behind it. */
		while (f.feed.stash_n == 0)
			rig_offer_frames(&f, n++, 1, RIG_LONGEST, false);
		rig_offer_frames(&f, n, FC_BURST, RIG_LONGEST, true);
		fc_feed_discard(&f.feed);
		f.feed.is_stalled = false;
		rig_offer_frames(&f, n, FC_BURST, RIG_LONGEST, false);
		assert_int_equal(fc_tally_read(&f.feed.queued).packets, FC_BURST);
		assert_int_equal(rig_drops(&f, FC_DROP_NOMBUF), 0);
		assert_int_equal(rig_drops(&f, FC_DROP_OVERSIZE), 0);
		fc_feed_discard(&f.feed);
		for (struct rte_mbuf *packet; (packet = rig_read(&f)) != NULL;)
			rte_pktmbuf_free(packet);
		rig_end(&f);
		rig_plan_end(&plan);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_types),
		cmocka_unit_test(test_takes_few),
		cmocka_unit_test(test_queued_bytes),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_overrun),
		cmocka_unit_test(test_nombuf),
		cmocka_unit_test(test_too_many),
		cmocka_unit_test(test_longer_than_ip),
		cmocka_unit_test(test_all_lost),
		cmocka_unit_test(test_linear),
		cmocka_unit_test(test_full_stash),
		cmocka_unit_test(test_planned_buffers),
	};

	return cmocka_run_group_tests(tests, fixture_start, fixture_stop);
}
