/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "dpdk_fixture.h"
#include "engine_rig.h"
#include "tunnel_rig.h"

/*
 * Outputs that borrow packets from those behind them. What comes out of each port is compared with
 * what encapsulation makes of a packet of its own.
 */

#define MAX_OUTPUTS 3
#define WINDOW	    256 /* segments */
#define SLOTS	    256
#define LENGTH	    100 /* bytes */

struct lend {
	struct rte_mempool *pool, *copies, *wire;
	unsigned n_outputs, n_tunnels;
	struct rig_port ports[MAX_OUTPUTS];
	struct fc_output outputs[MAX_OUTPUTS];
	struct fc_tunnel tunnels[MAX_OUTPUTS];
	struct fc_feed feeds[MAX_OUTPUTS];
	struct fc_feed *list[MAX_OUTPUTS];
	struct fc_route route;
	_Atomic uint64_t reached;

	/* What the next packet gets. */
	struct fc_tunnel_state states[MAX_OUTPUTS];
};

/* The first @p n_tunnels outputs are tunnels whose ports let go, and the others share. */
static void begin(struct lend *l, unsigned n_outputs, unsigned n_tunnels, unsigned n_copies,
	enum fc_tunnel_type type, uint8_t family)
{
	const struct fc_edits none = rig_no_edits();
	struct fc_tunnel_params params = rig_params(type, family);

	*l = (struct lend){ .n_outputs = n_outputs, .n_tunnels = n_tunnels };
	l->pool = fixture_pool_new("frames", 1023, 2048);
	l->copies = fixture_pool_new("copies", n_copies, 2048);
	l->wire = fixture_pool_new("wire", 1023, 4096);
	for (unsigned o = 0; o < n_outputs; o++) {
		char name[16];

		snprintf(name, sizeof(name), "out%u", o);
		rig_port_start(&l->ports[o], name, SLOTS, l->pool);
		rig_output_begin(&l->outputs[o], &l->ports[o], &none, l->copies, false);
		if (o < n_tunnels) {
			params.key = o;
			rig_port_let_go(&l->ports[o], l->wire);
			rig_prepare(&l->tunnels[o].header, &params);
			rig_output_tunnel(&l->outputs[o], &l->tunnels[o], 1);
			l->outputs[o].borrows = true;
		}
		rig_feed_begin(&l->feeds[o], &l->outputs[o], &l->reached, WINDOW);
		l->list[o] = &l->feeds[o];
	}
	l->route = (struct fc_route){ .n_feeds = (uint16_t)n_outputs,
		.n_sharing = (uint16_t)(n_outputs - n_tunnels),
		.feeds = l->list };
}

static void end(struct lend *l)
{
	for (unsigned o = 0; o < l->n_outputs; o++) {
		assert_null(rig_port_read(&l->ports[o]));
		rig_feed_end(&l->feeds[o]);
		rig_output_end(&l->outputs[o]);
		rig_port_stop(&l->ports[o]);
	}
	fixture_assert_full(l->pool);
	fixture_assert_full(l->copies);
	fixture_assert_full(l->wire);
	rte_mempool_free(l->pool);
	rte_mempool_free(l->copies);
	rte_mempool_free(l->wire);
}

/* Give frames of rig_frame() to all outputs; bit i of @p held: somebody else has frame i, too. */
static void offer(struct lend *l, uint64_t first, uint16_t n, uint32_t length, uint32_t held)
{
	struct rte_mbuf *packets[FC_BURST], *others[FC_BURST];
	static struct rig_snapshot snapshots[FC_BURST];
	uint64_t start = l->reached;

	for (uint16_t i = 0; i < n; i++) {
		packets[i] = others[i] = rig_frame(l->pool, first + i, length, 0, 0);
		if ((held >> i & 1) == 0)
			continue;
		rte_pktmbuf_refcnt_update(packets[i], 1);
		rig_snapshot_take(&snapshots[i], packets[i]);
	}
	l->reached += n;
	fc_route_fan_out(&l->route, packets, n, (uint64_t)n * length, start);
	for (uint16_t i = 0; i < n; i++) {
		if ((held >> i & 1) == 0)
			continue;
		rig_snapshot_compare(&snapshots[i]);
		rte_pktmbuf_free(others[i]);
	}
}

/* Fail unless the next frames that the port sent are those of offer(), in the output's tunnel. */
static void expect(struct lend *l, unsigned o, uint64_t first, uint16_t n, uint32_t length)
{
	uint8_t bytes[RIG_MAX_FRAME];

	for (uint16_t i = 0; i < n; i++) {
		struct rte_mbuf *sent = rig_port_read(&l->ports[o]), *packet;

		assert_non_null(sent);
		/* Those that share come last, and are looked at in their order. */
		assert_int_equal(
			rte_mbuf_refcnt_read(sent), o < l->n_tunnels ? 1 : l->n_outputs - o);
		rig_frame_bytes(bytes, first + i, length, 0);
		packet = fixture_packet(l->wire, bytes, length, 0);
		if (o < l->n_tunnels)
			rig_push(&l->tunnels[o].header, &l->states[o], &packet, 1, 0);
		fixture_assert_bytes(sent, rte_pktmbuf_mtod(packet, void *), packet->pkt_len);
		rte_pktmbuf_free(packet);
		rte_pktmbuf_free(sent);
	}
}

static void expect_drops(const struct lend *l, unsigned o, enum fc_drop drop, uint64_t n)
{
	for (unsigned i = 0; i < FC_N_DROPS; i++)
		assert_int_equal(fc_tally_read(&l->feeds[o].drops[i]).packets, i == drop ? n : 0);
	assert_int_equal(fc_tally_read(&l->feeds[o].drops[drop]).bytes, n * LENGTH);
}

static uint64_t sent(const struct lend *l, unsigned o)
{
	return fc_tally_read(&l->feeds[o].tx).packets;
}

/* No copies are made: there is no buffer for any. */
static void test_no_copies(void **state)
{
	static const enum fc_tunnel_type types[] = { FC_TUNNEL_GRETAP, FC_TUNNEL_ERSPAN1,
		FC_TUNNEL_ERSPAN2, FC_TUNNEL_VXLAN, FC_TUNNEL_GENEVE };
	struct lend l;

	(void)state;
	for (unsigned t = 0; t < RTE_DIM(types); t++) {
		for (uint8_t family = 4; family <= 6; family += 2) {
			begin(&l, 2, 2, 1, types[t], family);
			for (unsigned round = 0; round < 20; round++) {
				uint16_t n = (uint16_t)(1 + (7 * round) % FC_BURST);

				offer(&l, round * 100, n, LENGTH, 0);
				expect(&l, 0, round * 100, n, LENGTH);
				expect(&l, 1, round * 100, n, LENGTH);
				assert_int_equal(sent(&l, 0), sent(&l, 1));
			}
			end(&l);
		}
	}
}

/* What is sent as it is comes behind, and was not changed. */
static void test_others(void **state)
{
	struct lend l;

	(void)state;
	for (unsigned n_tunnels = 1; n_tunnels <= 2; n_tunnels++) {
		begin(&l, 3, n_tunnels, 1, FC_TUNNEL_VXLAN, 4);
		for (unsigned round = 0; round < 3; round++) {
			offer(&l, round * 100, FC_BURST, LENGTH, 0);
			for (unsigned o = 0; o < 3; o++)
				expect(&l, o, round * 100, FC_BURST, LENGTH);
		}
		end(&l);
	}
}

/* What the port does not take waits as a copy, and no number is left out. */
static void test_full(void **state)
{
	struct lend l;

	(void)state;
	begin(&l, 2, 2, 255, FC_TUNNEL_ERSPAN2, 4);
	rig_port_limit(&l.ports[0], 5);
	offer(&l, 100, FC_BURST, LENGTH, 0);
	assert_true(fc_feed_is_waiting(&l.feeds[0]));
	offer(&l, 200, FC_BURST, LENGTH, 0);
	expect(&l, 1, 100, FC_BURST, LENGTH);
	expect(&l, 1, 200, FC_BURST, LENGTH);
	rig_port_limit(&l.ports[0], RIG_ALL);
	while (fc_feed_is_waiting(&l.feeds[0]))
		rig_feed_drain(&l.feeds[0]);
	expect(&l, 0, 100, FC_BURST, LENGTH);
	expect(&l, 0, 200, FC_BURST, LENGTH);
	offer(&l, 300, FC_BURST, LENGTH, 0);
	expect(&l, 0, 300, FC_BURST, LENGTH);
	expect(&l, 1, 300, FC_BURST, LENGTH);
	end(&l);
}

/* What somebody else has is not touched; what is in front of it and behind it goes its way. */
static void test_held(void **state)
{
	static const uint32_t held[] = { 1, 0x80000000, 0x00010000, 0xffffffff, 0x0f0f0f0f };
	struct lend l;

	(void)state;
	begin(&l, 3, 2, 255, FC_TUNNEL_GRETAP, 4);
	for (unsigned i = 0; i < RTE_DIM(held); i++) {
		offer(&l, i * 100, FC_BURST, LENGTH, held[i]);
		for (unsigned o = 0; o < 3; o++)
			expect(&l, o, i * 100, FC_BURST, LENGTH);
	}
	end(&l);
}

/* A port that keeps what it should let go of: its own frames are good, others' loss is counted. */
static void test_kept(void **state)
{
	struct lend l;

	(void)state;
	begin(&l, 3, 2, 255, FC_TUNNEL_GRETAP, 4);
	rig_port_let_go(&l.ports[0], NULL);
	offer(&l, 100, FC_BURST, LENGTH, 0);
	assert_false(l.outputs[0].borrows);
	assert_true(l.outputs[1].borrows);
	expect(&l, 0, 100, FC_BURST, LENGTH);
	expect_drops(&l, 0, FC_DROP_NOMBUF, 0);
	expect_drops(&l, 1, FC_DROP_NOMBUF, FC_BURST);
	expect_drops(&l, 2, FC_DROP_NOMBUF, FC_BURST);
	offer(&l, 200, FC_BURST, LENGTH, 0);
	for (unsigned o = 0; o < 3; o++)
		expect(&l, o, 200, FC_BURST, LENGTH);
	end(&l);
}

static void test_longest(void **state)
{
	struct lend l;
	uint32_t size;

	(void)state;
	begin(&l, 2, 2, 255, FC_TUNNEL_GRETAP, 4);
	size = l.tunnels[0].header.size;
	l.ports[0].port.max_frame = l.ports[0].port.max_tagged_frame = size + LENGTH;
	offer(&l, 0, 9, LENGTH, 0);
	expect(&l, 0, 0, 9, LENGTH);
	expect(&l, 1, 0, 9, LENGTH);
	offer(&l, 100, 9, LENGTH + 1, 0);
	expect(&l, 1, 100, 9, LENGTH + 1);
	assert_int_equal(fc_tally_read(&l.feeds[0].drops[FC_DROP_OVERSIZE]).packets, 9);
	l.ports[0].port.max_frame = l.ports[0].port.max_tagged_frame = size - 1;
	offer(&l, 200, 9, LENGTH, 0);
	expect(&l, 1, 200, 9, LENGTH);
	assert_int_equal(fc_tally_read(&l.feeds[0].drops[FC_DROP_OVERSIZE]).packets, 18);
	end(&l);
}

/* Without a next hop nothing is lent. */
static void test_unresolved(void **state)
{
	struct lend l;

	(void)state;
	begin(&l, 2, 2, 255, FC_TUNNEL_GRETAP, 4);
	fc_tunnel_set_destination(&l.tunnels[0].header, NULL);
	offer(&l, 100, FC_BURST, LENGTH, 0);
	expect_drops(&l, 0, FC_DROP_UNRESOLVED, FC_BURST);
	expect(&l, 1, 100, FC_BURST, LENGTH);
	end(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_copies),
		cmocka_unit_test(test_others),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_held),
		cmocka_unit_test(test_kept),
		cmocka_unit_test(test_longest),
		cmocka_unit_test(test_unresolved),
	};

	return cmocka_run_group_tests(tests, fixture_start, fixture_stop);
}
