/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include <rte_common.h>
#include <rte_ether.h>
#include <rte_mbuf.h>

#include <fc_fragment.h>

#include "plan_pools.h"
#include "plan_rig.h"

/* The plan for ports where tunnels begin and end: fragments, and the buffers for everything. */

/* Bytes of the longest packet that may come in: an MTU's with two tags and the checksum. */
static uint32_t longest_frame(uint32_t mtu)
{
	return mtu + RTE_ETHER_HDR_LEN + RTE_ETHER_CRC_LEN + 8;
}

/* Every packet that can come fits into the fragments that are planned for it, and not many more. */
static void test_n_fragments(void **state)
{
	static const struct {
		const char *json;
		uint16_t rx_mtu, tx_mtu;
		uint32_t payload; /* of a fragment */
		bool fragments;
	} cases[] = {
#define CASE(encap) JSON(TAP, OUT(encap), "")
		{ CASE(ENCAP("")), 1500, 1500, 1480, true },
		{ CASE(ENCAP("")), 9000, 1500, 1480, true },
		{ CASE(ENCAP6("")), 9000, 1500, 1448, true },
		{ CASE(ENCAP6("")), 9000, 1280, 1232, true },
		{ CASE(ENCAP(",\"mtu\":576")), 9000, 1500, 552, true },
		{ CASE(ENCAP(",\"mtu\":577")), 9000, 9000, 552, true },
		{ CASE(ENCAP("")), 1500, 9000, 8976, true },
		{ CASE(ENCAP(",\"oversize\":\"drop\"")), 9000, 1500, 1480, false },
		{ CASE(ENCAP(",\"oversize\":\"truncate\"")), 9000, 1500, 1480, false },
#undef CASE
	};

	(void)state;
	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		const struct fc_plan_output *output;
		uint32_t longest;
		struct plan_rig s;

		rig_plan_begin(&s, cases[i].json, 1);
		rig_interface(&s, 0, cases[i].rx_mtu);
		rig_interface(&s, 1, cases[i].tx_mtu);
		output = &rig_make(&s)->outputs[0];
		if (!cases[i].fragments) {
			assert_int_equal(output->n_fragments, 1);
			rig_plan_end(&s);
			continue;
		}
		longest = longest_frame(cases[i].rx_mtu) + 8 + FC_TUNNEL_MAX_SIZE;
		assert_true(output->n_fragments >= 2);
		assert_true(output->n_fragments * cases[i].payload >= longest);
		/* The port may itself receive frames as long as its MTU says. */
		longest = RTE_MAX(longest, longest_frame(cases[i].tx_mtu) + 8 + FC_TUNNEL_MAX_SIZE);
		assert_true(output->n_fragments <= 2 ||
			    (output->n_fragments - 1u) * cases[i].payload < longest);
		rig_plan_end(&s);
	}
}

/* No more fragments are made of a packet than the function that makes them can. */
static void test_most_fragments(void **state)
{
	struct plan_rig s;

	(void)state;
	rig_plan_begin(&s, JSON(TAP, OUT(ENCAP("")), ""), 1);
	s.facts[0].max_rx_frame = 65535;
	rig_interface(&s, 1, 68);
	assert_int_equal(rig_make(&s)->outputs[0].n_fragments, FC_FRAGMENT_MAX);
	rig_plan_end(&s);
}

/* What comes out of outer fragments is longer than the port's MTU says. */
static void test_fragments_of_reassembled(void **state)
{
	const struct fc_plan_output *output;
	struct plan_rig s;

	(void)state;
	rig_plan_begin(&s, JSON(END("a", "p1", "1"), OUT(ENCAP("")), ""), 1);
	rig_interface(&s, 0, 1500);
	rig_interface(&s, 1, 1500);
	output = &rig_make(&s)->outputs[0];
	assert_true(output->n_fragments * 1480u >= longest_frame(9000));
	rig_plan_end(&s);
	/* A port that takes one segment only needs them in one buffer, too. */
	rig_plan_begin(&s, JSON(END("a", "p1", "1"), OUT(""), ""), 1);
	rig_interface(&s, 0, 1500);
	rig_interface(&s, 1, 1500);
	s.facts[1].takes_segments = false;
	output = &rig_make(&s)->outputs[0];
	assert_true(output->needs_copies && output->is_linear);
	assert_true(output->copies.data_room >= longest_frame(9000) + RTE_PKTMBUF_HEADROOM);
	rig_plan_end(&s);
}

/*
 * Copies: what the port holds, and of each feed a burst in hand and one in the stash, whole or as
 * fragments of at least a header and a clone.
 */
static void test_copies(void **state)
{
	static const struct {
		const char *json;
		bool fragments;
		uint16_t n_from;
	} cases[] = {
		{ JSON(TAP, OUT(ENCAP("")), ""), true, 1 },
		{ JSON(TAP, OUT(ENCAP(",\"oversize\":\"drop\"")), ""), false, 1 },
		{ JSON(TAP ",\"c\":{\"port\":\"p3\"}",
			  "\"b\":{\"port\":\"p2\",\"from\":[\"a\",\"c\"]" ENCAP("") "}", ""),
			true, 2 },
	};

	(void)state;
	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		const struct fc_plan_output *output;
		uint32_t n_in_feeds, n_in_port;
		struct plan_rig s;

		rig_plan_begin(&s, cases[i].json, 1);
		s.facts[cases[i].n_from].tx_descriptors = 256;
		s.facts[cases[i].n_from].tx_held = 100;
		for (unsigned p = 0; p < 3; p++)
			rig_interface(&s, p, p == cases[i].n_from ? 1500 : 9000);
		output = &rig_make(&s)->outputs[0];
		assert_int_equal(output->port, cases[i].n_from);
		assert_true(output->needs_copies);
		assert_false(output->is_linear);
		n_in_feeds = 2u * FC_BURST * cases[i].n_from;
		n_in_port = 256 + 100;
		if (cases[i].fragments) {
			assert_true(output->n_fragments > 6);
			n_in_feeds += 2u * FC_BURST * cases[i].n_from * output->n_fragments;
			n_in_port *= 2;
		} else {
			assert_int_equal(output->n_fragments, 1);
		}
		assert_true(output->copies.n_mbufs >=
			    n_in_feeds + n_in_port + FC_POOL_CACHE_SIZE * 3 / 2);
		rig_plan_end(&s);
	}
}

/* Files take long frames, also when their driver says how long at most; a shorter limit holds. */
static void test_files(void **state)
{
	static const uint32_t limits[][2] = { { UINT32_MAX, 16128 + 8 }, { 65535, 16128 + 8 },
		{ 12000, 12000 } };

	(void)state;
	for (size_t i = 0; i < RTE_DIM(limits); i++) {
		struct plan_rig s;

		rig_plan_begin(&s, JSON(TAP, OUT(""), ""), 1);
		s.facts[1].is_virtual = true;
		s.facts[1].takes_segments = false;
		s.facts[1].max_tx_frame = limits[i][0];
		assert_int_equal(rig_make(&s)->outputs[0].copies.data_room,
			limits[i][1] + RTE_PKTMBUF_HEADROOM);
		rig_plan_end(&s);
	}
}

/* A port of a plain tap and of a tunnel: tunnels begin there, the tap sees everything. */
static void test_shared_with_tap(void **state)
{
	const struct fc_plan_port *port;
	struct plan_rig s;

	(void)state;
	rig_plan_begin(
		&s, JSON(TAP, "\"b\":{\"port\":\"p1\",\"from\":[\"a\"]" ENCAP("") "}", ""), 1);
	port = &rig_make(&s)->ports[0];
	assert_true(port->is_tap && port->is_output && port->is_host);
	assert_false(port->ends);
	assert_int_equal(port->n_for_fragments, 0);
	assert_true(port->host.n_mbufs != 0);
	rig_plan_end(&s);
}

static void expect_sum(const struct fc_plan_port *port)
{
	assert_int_equal(port->pool.n_mbufs,
		port->n_for_taps + port->n_for_ports + port->n_for_lcores + port->n_for_fragments);
}

/* Taps of one port have one pool, with what each of them may keep. */
static void test_taps_share_pool(void **state)
{
	uint32_t alone, window;
	struct plan_rig s;

	(void)state;
	rig_plan_begin(&s, JSON(END("a", "p1", "4"), OUT(""), ""), 1);
	alone = rig_make(&s)->ports[0].pool.n_mbufs;
	window = s.plan->taps[0].window;
	assert_int_equal(s.plan->ports[0].n_for_taps, window);
	assert_int_equal(window, (4 << 20) / s.plan->ports[0].pool.mbuf_size);
	rig_plan_end(&s);

	rig_plan_begin(&s,
		JSON(END("a", "p1", "4") "," END("c", "p1", "8") "," END("d", "p1", "2"), OUT(""),
			""),
		1);
	rig_make(&s);
	assert_int_equal(s.plan->n_ports, 2);
	for (unsigned t = 0; t < 3; t++) {
		assert_int_equal(s.plan->taps[t].port, 0);
		assert_true(s.plan->taps[t].gives_segments);
	}
	assert_int_equal(s.plan->taps[0].window, window);
	assert_int_equal(s.plan->ports[0].n_for_taps,
		s.plan->taps[0].window + s.plan->taps[1].window + s.plan->taps[2].window);
	expect_sum(&s.plan->ports[0]);
	/* All else is the port's, however many take from it. */
	assert_int_equal(s.plan->ports[0].pool.n_mbufs,
		alone + s.plan->taps[1].window + s.plan->taps[2].window);
	rig_plan_end(&s);
}

/* Outer fragments wait in buffers of their own, for each queue. */
static void test_pool_for_fragments(void **state)
{
	static const struct {
		const char *json;
		uint32_t n_queues;
	} cases[] = {
		{ JSON(END("a", "p1", "1"), OUT(""), ""), 1 },
		{ JSON(END("a", "p1", "1"), OUT(""), ",\"ports\":{\"p1\":{\"rx_queues\":3}}"), 3 },
	};
	const struct fc_plan_port *port;
	struct plan_rig s;

	(void)state;
	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		rig_plan_begin(&s, cases[i].json, 1);
		port = &rig_make(&s)->ports[0];
		assert_int_equal(port->n_rx_queues, cases[i].n_queues);
		assert_int_equal(port->n_for_fragments, cases[i].n_queues * FC_REASSEMBLY_MBUFS);
		expect_sum(port);
		rig_plan_end(&s);
	}
}

/* What waits to be heard does not take from what the taps may keep. */
static void test_pool_for_heard(void **state)
{
	uint32_t plain, hearing;
	struct plan_rig s;

	(void)state;
	rig_plan_begin(&s, JSON(TAP, OUT(""), ""), 1);
	plain = rig_make(&s)->ports[0].n_for_lcores;
	rig_plan_end(&s);
	rig_plan_begin(&s, JSON(END("a", "p1", "1"), OUT(""), ""), 1);
	hearing = rig_make(&s)->ports[0].n_for_lcores;
	assert_true(hearing >= plain + FC_HOST_WORDS);
	rig_plan_end(&s);
	/* A port that only listens for its own address: a burst and what waits to be heard. */
	rig_plan_begin(&s, JSON(TAP, OUT(ENCAP("")), ""), 1);
	assert_true(rig_make(&s)->ports[1].pool.n_mbufs >=
		    s.plan->ports[1].rx_descriptors + FC_BURST + (uint32_t)FC_HOST_WORDS);
	expect_sum(&s.plan->ports[1]);
	rig_plan_end(&s);
}

/* What the box says: as much as waits, is in the port, and is being made. */
static void test_host_pool(void **state)
{
	const struct fc_plan_port *port;
	struct plan_rig s;

	(void)state;
	rig_plan_begin(&s, JSON(TAP, OUT(ENCAP("")), ""), 1);
	s.facts[1].tx_descriptors = 512;
	s.facts[1].tx_held = 100;
	s.facts[1].socket = 1;
	port = &rig_make(&s)->ports[1];
	assert_true(port->host.n_mbufs > 512 + 100 + FC_HOST_WORDS);
	assert_int_equal(port->host.socket, 1);
	assert_int_equal(port->host.data_room, 2048 + RTE_PKTMBUF_HEADROOM);
	assert_int_equal(s.plan->ports[0].host.n_mbufs, 0);
	rig_plan_end(&s);
	/* The answer to a long ping must be in one buffer where the port wants that. */
	rig_plan_begin(&s, JSON(TAP, OUT(ENCAP("")), ""), 1);
	s.facts[1].takes_segments = false;
	port = &rig_make(&s)->ports[1];
	assert_true(port->host.data_room >= longest_frame(9000) + RTE_PKTMBUF_HEADROOM);
	rig_plan_end(&s);
}

/* It is part of the memory that is asked for, on the port's node. */
static void test_memory(void **state)
{
	uint64_t host, without;
	struct plan_rig s;

	(void)state;
	rig_plan_begin(&s, JSON(END("a", "p1", "1"), OUT(""), ""), 1);
	s.facts[0].socket = 0;
	s.facts[1].socket = 1;
	rig_make(&s);
	host = (uint64_t)s.plan->ports[0].host.n_mbufs * s.plan->ports[0].host.mbuf_size;
	assert_true(host != 0);
	without = (uint64_t)s.plan->ports[0].pool.n_mbufs * s.plan->ports[0].pool.mbuf_size;
	assert_true(fc_plan_memory(s.plan, 0, FC_HUGE_PAGE_SIZE) >= without + host);
	rig_plan_end(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_n_fragments),
		cmocka_unit_test(test_most_fragments),
		cmocka_unit_test(test_fragments_of_reassembled),
		cmocka_unit_test(test_copies),
		cmocka_unit_test(test_shared_with_tap),
		cmocka_unit_test(test_taps_share_pool),
		cmocka_unit_test(test_pool_for_fragments),
		cmocka_unit_test(test_pool_for_heard),
		cmocka_unit_test(test_host_pool),
		cmocka_unit_test(test_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
