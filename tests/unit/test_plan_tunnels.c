/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include <rte_common.h>
#include <rte_ether.h>

#include <fc_tunnel_pop.h>

#include "plan_pools.h"
#include "plan_rig.h"

/* The plan for ports where tunnels begin and end: MTUs, and which lane does what. */

/* There is one finding, at the tunnel, that says all of @text .. */
static void expect_finding(struct plan_rig *s, const char *text, const char *number)
{
	assert_int_equal(fc_findings_count(s->findings), 1);
	assert_string_equal(fc_findings_get(s->findings, 0).place, "outputs.b.encap");
	assert_non_null(strstr(fc_findings_get(s->findings, 0).text, text));
	assert_non_null(strstr(fc_findings_get(s->findings, 0).text, number));
}

static void expect_error(struct plan_rig *s, const char *text, const char *number)
{
	assert_null(fc_plan_make(s->config, s->facts, s->lcores, s->n_lcores, s->findings));
	assert_int_equal(fc_findings_n_errors(s->findings), 1);
	expect_finding(s, text, number);
	rig_plan_end(s);
}

/* The MTU of a tunnel is the smallest of those that are on its way, and its own where told. */
static void test_mtu(void **state)
{
	static const struct {
		const char *json;
		uint16_t interface; /* MTU of the kernel's, 0: there is none */
		uint16_t max_mtu;
		uint32_t max_tx_frame;
		bool is_virtual;
		uint16_t mtu;
	} cases[] = {
#define CASE(encap, port) JSON(TAP, OUT(encap), port)
		{ CASE(ENCAP(""), ""), 0, 9700, UINT32_MAX, false, 9000 },
		{ CASE(ENCAP(""), ""), 0, 1500, UINT32_MAX, false, 1500 },
		{ CASE(ENCAP(""), PORT_MTU("1400")), 0, 9700, UINT32_MAX, false, 1400 },
		{ CASE(ENCAP(",\"mtu\":1300"), PORT_MTU("1400")), 0, 9700, UINT32_MAX, false,
			1300 },
		{ CASE(ENCAP(",\"mtu\":1300"), ""), 0, 9700, UINT32_MAX, false, 1300 },
		/* A kernel interface keeps its MTU unless told. */
		{ CASE(ENCAP(""), ""), 1500, 65535, UINT32_MAX, false, 1500 },
		{ CASE(ENCAP(""), PORT_MTU("1400")), 1500, 65535, UINT32_MAX, false, 1400 },
		{ CASE(ENCAP(",\"mtu\":1500"), ""), 1500, 65535, UINT32_MAX, false, 1500 },
		{ CASE(ENCAP(",\"vlan\":7"), ""), 1500, 65535, UINT32_MAX, false, 1500 },
		/* A driver's own limit is one of frames. */
		{ CASE(ENCAP(""), ""), 9000, 65535, 2000, false, 2000 - 14 },
		{ CASE(ENCAP(",\"vlan\":7"), ""), 9000, 65535, 2000, false, 2000 - 18 },
		{ CASE(ENCAP(",\"vlan\":7"), ""), 1982, 65535, 2000, false, 1982 },
		{ CASE(ENCAP(",\"vlan\":7"), ""), 1983, 65535, 2000, false, 2000 - 18 },
		{ CASE(ENCAP(",\"vlan\":7"), ""), 1986, 65535, 2000, false, 2000 - 18 },
		{ CASE(ENCAP(""), ""), 1986, 65535, 2000, false, 1986 },
		{ CASE(ENCAP(""), ""), 0, 65535, 600, false, 600 - 14 },
		/* NICs have room for tags beyond their MTU. */
		{ CASE(ENCAP(",\"vlan\":7"), ""), 0, 1500, UINT32_MAX, false, 1500 },
		/* One of no limit carries what it is told, or the usual. */
		{ CASE(ENCAP(",\"mtu\":65535"), ""), 0, 65535, UINT32_MAX, true, 65535 },
		{ CASE(ENCAP(""), ""), 0, 65535, UINT32_MAX, true, 9000 },
		{ CASE(ENCAP6(""), PORT_MTU("1280")), 0, 65535, UINT32_MAX, true, 1280 },
#undef CASE
	};

	(void)state;
	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		struct plan_rig s;

		rig_plan_begin(&s, cases[i].json, 1);
		s.facts[1].max_mtu = cases[i].max_mtu;
		s.facts[1].max_tx_frame = cases[i].max_tx_frame;
		s.facts[1].is_virtual = cases[i].is_virtual;
		rig_interface(&s, 1, cases[i].interface);
		assert_int_equal(rig_make(&s)->outputs[0].mtu, cases[i].mtu);
		assert_int_equal(fc_findings_count(s.findings), 0);
		rig_plan_end(&s);
	}
}

/* No outer packet is longer than what the port sends: not with its tag either. */
static void test_frame_fits(void **state)
{
	static const char *const json[] = {
		JSON(TAP, OUT(ENCAP("")), ""),
		JSON(TAP, OUT(ENCAP(",\"vlan\":7")), ""),
		JSON(TAP, OUT(ENCAP6(",\"vlan\":4094")), ""),
	};

	(void)state;
	for (size_t i = 0; i < RTE_DIM(json); i++) {
		for (unsigned mtu = 1400; mtu < 1600; mtu++) {
			for (unsigned kernel = 0; kernel <= 1; kernel++) {
				const struct fc_plan_port *port;
				uint32_t length;
				struct plan_rig s;

				rig_plan_begin(&s, json[i], 1);
				s.facts[1].max_tx_frame = 1522;
				s.facts[1].max_mtu = (uint16_t)mtu;
				rig_interface(&s, 1, kernel ? (uint16_t)mtu : 0);
				port = &rig_make(&s)->ports[1];
				length = s.plan->outputs[0].mtu + RTE_ETHER_HDR_LEN;
				if (i == 0)
					assert_true(length <= port->max_frame);
				else
					assert_true(length + FC_TAG_SIZE <= port->max_tagged_frame);
				/* And nothing is given away. */
				assert_true(s.plan->outputs[0].mtu ==
						    RTE_MIN(mtu, 1522u - (i == 0 ? 14 : 18)) ||
					    !kernel);
				rig_plan_end(&s);
			}
		}
	}
}

static void test_no_tunnel(void **state)
{
	struct plan_rig s;

	(void)state;
	rig_plan_begin(&s, JSON(TAP, OUT(""), ""), 1);
	rig_make(&s);
	assert_int_equal(s.plan->outputs[0].mtu, 0);
	assert_int_equal(s.plan->outputs[0].n_fragments, 1);
	assert_int_equal(s.plan->ports[1].host.n_mbufs, 0);
	assert_false(s.plan->ports[0].is_host || s.plan->ports[1].is_host);
	assert_false(s.plan->ports[0].sends || s.plan->ports[1].receives);
	assert_true(s.plan->ports[0].receives && s.plan->ports[1].sends);
	rig_plan_end(&s);
}

static void test_mtu_errors(void **state)
{
	struct plan_rig s;

	(void)state;
	rig_plan_begin(&s, JSON(TAP, OUT(ENCAP(",\"mtu\":1501")), ""), 1);
	rig_interface(&s, 1, 1500);
	expect_error(&s, "more than port p2", "1501");
	rig_plan_begin(&s, JSON(TAP, OUT(ENCAP(",\"mtu\":1987")), ""), 1);
	s.facts[1].max_tx_frame = 2000;
	expect_error(&s, "more than port p2", "1987");
	rig_plan_begin(&s, JSON(TAP, OUT(ENCAP(",\"mtu\":1986,\"vlan\":7")), ""), 1);
	s.facts[1].max_tx_frame = 2000;
	expect_error(&s, "more than port p2", "1986");
	/* As a kernel interface whose driver has room for half a tag. */
	rig_plan_begin(&s, JSON(TAP, OUT(ENCAP(",\"mtu\":1984,\"vlan\":7")), ""), 1);
	rig_interface(&s, 1, 1984);
	s.facts[1].max_tx_frame = 2000;
	expect_error(&s, "more than port p2", "1984");
	rig_plan_begin(&s, JSON(TAP, OUT(ENCAP6("")), ""), 1);
	rig_interface(&s, 1, 1279);
	expect_error(&s, "IPv6 needs 1280", "1279");
	rig_plan_begin(&s, JSON(TAP, OUT(ENCAP("")), ""), 1);
	s.facts[1].max_tx_frame = 81;
	expect_error(&s, "IPv4 needs 68", "67");
	rig_plan_begin(&s, JSON(TAP, OUT(ENCAP("")), ""), 1);
	s.facts[1].max_tx_frame = 82;
	assert_int_equal(rig_make(&s)->outputs[0].mtu, 68);
	rig_plan_end(&s);
}

/* One more tunnel than can end on a port, and one more address than can live there. */
static void test_too_many(void **state)
{
	struct fc_finding last;
	char json[16384];
	struct plan_rig s;

	(void)state;
	for (unsigned n = FC_TUNNEL_MAX_ENDS; n <= FC_TUNNEL_MAX_ENDS + 1; n++) {
		for (int one_address = 0; one_address <= 1; one_address++) {
			int used = snprintf(json, sizeof(json), "{\"taps\":{");

			for (unsigned i = 0; i < n; i++)
				used += snprintf(json + used, sizeof(json) - (size_t)used,
					"%s\"t%u\":{\"port\":\"p1\",\"ring\":\"1m\",\"decap\":{"
					"\"type\":"
					"\"vxlan\",\"local\":\"192.0.2.%u\",\"key\":%u}}",
					i == 0 ? "" : ",", i, one_address ? 1 : i + 1, i);
			snprintf(json + used, sizeof(json) - (size_t)used,
				"},\"outputs\":{\"b\":{\"port\":\"p2\",\"from\":[\"t0\"]}}}");
			rig_plan_begin(&s, json, 1);
			if (n == FC_TUNNEL_MAX_ENDS) {
				rig_make(&s);
				rig_plan_end(&s);
				continue;
			}
			assert_null(
				fc_plan_make(s.config, s.facts, s.lcores, s.n_lcores, s.findings));
			assert_int_equal(fc_findings_n_errors(s.findings), one_address ? 1 : 2);
			last = fc_findings_get(s.findings, fc_findings_count(s.findings) - 1);
			assert_string_equal(last.place, "port p1");
			assert_non_null(strstr(last.text, "65"));
			assert_non_null(strstr(last.text, "64 are possible on one port"));
			rig_plan_end(&s);
		}
	}
}

/* A port that cannot receive never hears of the next hop. */
static void test_deaf_warning(void **state)
{
	struct plan_rig s;

	(void)state;
	rig_plan_begin(&s, JSON(TAP, OUT(ENCAP("")), ""), 1);
	s.facts[1].max_rx_queues = s.facts[1].idle_buffers = 0;
	rig_make(&s);
	expect_finding(&s, "cannot receive", "'mac'");
	assert_int_equal(fc_findings_n_errors(s.findings), 0);
	assert_false(s.plan->ports[1].receives);
	assert_true(s.plan->ports[1].is_host && s.plan->ports[1].sends);
	rig_plan_end(&s);

	rig_plan_begin(&s, JSON(TAP, OUT(ENCAP(MAC)), ""), 1);
	s.facts[1].max_rx_queues = s.facts[1].idle_buffers = 0;
	rig_make(&s);
	assert_int_equal(fc_findings_count(s.findings), 0);
	rig_plan_end(&s);
}

/* What is only assumed of a port is no reason to warn. */
static void test_assumed_port(void **state)
{
	static const char *const names[] = { "0000:02:00.0", "net_af_packet0" };

	(void)state;
	for (size_t i = 0; i < RTE_DIM(names); i++) {
		struct plan_rig s;

		rig_plan_begin(&s, JSON(TAP, OUT(ENCAP("")), ""), 1);
		fc_plan_assume_port(names[i], &s.facts[1]);
		snprintf(s.facts[1].name, sizeof(s.facts[1].name), "p2");
		rig_make(&s);
		assert_int_equal(fc_findings_count(s.findings), 0);
		assert_true(s.plan->ports[1].receives);
		rig_plan_end(&s);
	}
}

/* A port that only begins tunnels listens on one queue, on the lane that sends on it. */
static void test_output_port(void **state)
{
	const struct fc_plan_port *port;
	struct plan_rig s;

	(void)state;
	for (uint16_t n_lcores = 1; n_lcores <= 3; n_lcores++) {
		rig_plan_begin(&s,
			JSON(TAP, OUT(ENCAP("")) ",\"c\":{\"port\":\"p3\",\"from\":[\"a\"]}", ""),
			n_lcores);
		port = &rig_make(&s)->ports[1];
		assert_true(port->is_output && port->is_host);
		assert_true(port->receives && port->sends);
		assert_false(port->is_tap || port->ends);
		assert_int_equal(port->n_rx_queues, 1);
		assert_int_equal(port->rx_lanes[0], port->tx_lane);
		assert_true(port->tx_lane < s.plan->n_lanes);
		assert_true(s.plan->lanes[port->tx_lane].sends);
		/* Its neighbour without a tunnel does not listen. */
		assert_false(s.plan->ports[2].receives || s.plan->ports[2].is_host);
		assert_true(s.plan->ports[2].sends);
		rig_plan_end(&s);
	}
}

/* A port where tunnels only end answers from the lane that polls its first queue. */
static void test_end_port(void **state)
{
	const struct fc_plan_port *port;
	struct plan_rig s;

	(void)state;
	for (uint16_t n_lcores = 1; n_lcores <= 3; n_lcores++) {
		rig_plan_begin(&s,
			JSON(END("a", "p1", "1"), OUT(""), ",\"ports\":{\"p1\":{\"rx_queues\":2}}"),
			n_lcores);
		s.facts[0].splits_rx = false;
		port = &rig_make(&s)->ports[0];
		assert_true(port->is_tap && port->is_host && port->ends);
		assert_true(port->receives && port->sends);
		assert_false(port->is_output);
		assert_int_equal(port->n_rx_queues, 2);
		assert_int_equal(port->tx_lane, port->rx_lanes[0]);
		assert_true(s.plan->lanes[port->tx_lane].receives);
		assert_true(s.plan->taps[0].gives_segments);
		rig_plan_end(&s);
	}
	/* One that cannot send hears all the same. */
	rig_plan_begin(&s, JSON(END("a", "p1", "1"), OUT(""), ""), 1);
	s.facts[0].max_tx_queues = 0;
	port = &rig_make(&s)->ports[0];
	assert_true(port->receives && port->is_host);
	assert_false(port->sends);
	assert_int_equal(port->host.n_mbufs, 0);
	rig_plan_end(&s);
}

/* With lists of lcores, each does what the lists say; the answers come from where the port is. */
static void test_told_lcores(void **state)
{
	static const struct {
		const char *json;
		unsigned rx, tx;
	} cases[] = {
#define CASE(lists) JSON(END("a", "p1", "1"), OUT(ENCAP("")), ",\"lcores\":{" lists "}")
		{ CASE("\"rx\":[1],\"tx\":[2]"), 1, 2 },
		{ CASE("\"rx\":[2],\"tx\":[1]"), 2, 1 },
#undef CASE
	};

	(void)state;
	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		const struct fc_plan *plan;
		struct plan_rig s;

		rig_plan_begin(&s, cases[i].json, 2);
		plan = rig_make(&s);
		assert_int_equal(plan->n_lanes, 2);
		assert_int_equal(plan->lanes[plan->ports[0].rx_lanes[0]].lcore.id, cases[i].rx);
		assert_int_equal(plan->lanes[plan->ports[0].tx_lane].lcore.id, cases[i].rx);
		assert_int_equal(plan->lanes[plan->ports[1].tx_lane].lcore.id, cases[i].tx);
		assert_int_equal(plan->lanes[plan->ports[1].rx_lanes[0]].lcore.id, cases[i].tx);
		rig_plan_end(&s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mtu),
		cmocka_unit_test(test_frame_fits),
		cmocka_unit_test(test_no_tunnel),
		cmocka_unit_test(test_mtu_errors),
		cmocka_unit_test(test_too_many),
		cmocka_unit_test(test_deaf_warning),
		cmocka_unit_test(test_assumed_port),
		cmocka_unit_test(test_output_port),
		cmocka_unit_test(test_end_port),
		cmocka_unit_test(test_told_lcores),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
