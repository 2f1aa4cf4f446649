/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include <rte_common.h>

#include "plan_rig.h"

/* Plans beside the one that is carried out: what stays as it is, and what that costs. */

#define RING(ring) "\"a\":{\"port\":\"p1\",\"ring\":\"" ring "\"}"
#define THIRD	   ",\"c\":{\"port\":\"p3\",\"from\":[\"a\"]}"
#define FOURTH	   ",\"d\":{\"port\":\"p4\",\"from\":[\"a\"]}"

static bool warns(const struct fc_findings *findings, const char *place)
{
	for (size_t i = 0; i < fc_findings_count(findings); i++) {
		struct fc_finding finding = fc_findings_get(findings, i);

		if (finding.severity == FC_WARNING && strcmp(finding.place, place) == 0)
			return true;
	}
	return false;
}

static const struct fc_plan_port *port_of(const struct plan_rig *s, const char *name)
{
	const struct fc_plan_port *port = fc_plan_find_port(s->plan, name);

	assert_non_null(port);
	return port;
}

/* Which ports are kept when something is changed. */
static void test_kept(void **state)
{
	static const struct {
		const char *before, *after;
		bool tap, output; /* is kept */
	} cases[] = {
#define CASE(taps, outputs, more) JSON(taps, outputs, more)
		{ CASE(TAP, OUT(""), ""), CASE(TAP, OUT(""), ""), true, true },
		{ CASE(TAP, OUT(""), ""), CASE(TAP, OUT(",\"truncate\":64"), ""), true, true },
		{ CASE(TAP, OUT(""), ""), CASE(TAP, OUT("") THIRD, ""), true, true },
		{ CASE(TAP, OUT(""), ""), CASE(TAP, OUT(ENCAP("")), ""), true, true },
		{ CASE(TAP, OUT(ENCAP("")), ""), CASE(TAP, OUT(""), ""), true, true },
		{ CASE(RING("8m"), OUT(""), ""), CASE(RING("4m"), OUT(""), ""), true, true },
		{ CASE(RING("4m"), OUT(""), ""), CASE(RING("8m"), OUT(""), ""), false, true },
		{ CASE(TAP, OUT(""), ""), CASE(TAP, OUT(""), PORT_MTU("1500")), true, false },
		{ CASE(TAP, OUT(""), ""),
			CASE(TAP, OUT(""), ",\"ports\":{\"p1\":{\"rx_queues\":2}}"), false, true },
		{ CASE(TAP, OUT(""), ""),
			CASE(TAP, OUT(""), ",\"ports\":{\"p1\":{\"rx_descriptors\":64}}"), false,
			true },
		{ CASE(TAP, OUT(""), ""),
			CASE(TAP, OUT(""), ",\"ports\":{\"p2\":{\"tx_descriptors\":64}}"), true,
			false },
		{ CASE(TAP, OUT(""), ""), CASE(TAP ",\"z\":{\"port\":\"p2\"}", OUT(""), ""), true,
			false },
#undef CASE
	};

	(void)state;
	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		struct plan_rig before, after;

		rig_plan_begin(&before, cases[i].before, 2);
		rig_make(&before);
		rig_plan_begin(&after, cases[i].after, 2);
		rig_make_beside(&after, before.plan);
		assert_int_equal(port_of(&after, "p1")->is_kept, cases[i].tap);
		assert_int_equal(port_of(&after, "p2")->is_kept, cases[i].output);
		/* Whoever loses packets by it is told. */
		assert_int_equal(warns(after.findings, "port p1"), !cases[i].tap);
		assert_int_equal(warns(after.findings, "port p2"), !cases[i].output);
		rig_plan_end(&after);
		rig_plan_end(&before);
	}
}

/* A pool that is kept stays as large as it is: more outputs cost the tap some of its window. */
static void test_window(void **state)
{
	struct plan_rig before, after;
	uint32_t window;

	(void)state;
	rig_plan_begin(&before, JSON(RING("64m"), OUT(""), ""), 1);
	window = rig_make(&before)->taps[0].window;
	rig_plan_begin(&after, JSON(RING("64m"), OUT("") THIRD, ""), 1);
	rig_make_beside(&after, before.plan);
	assert_int_equal(port_of(&after, "p1")->pool.n_mbufs, before.plan->ports[0].pool.n_mbufs);
	assert_int_equal(after.plan->taps[0].wanted, window);
	assert_int_equal(
		after.plan->taps[0].window, window - port_of(&after, "p3")->tx_descriptors);
	assert_true(warns(after.findings, "taps.a.ring"));
	rig_plan_end(&after);
	/* And when the output goes again it has all back. */
	rig_plan_begin(&after, JSON(RING("64m"), OUT(""), ""), 1);
	assert_int_equal(rig_make_beside(&after, before.plan)->taps[0].window, window);
	assert_int_equal(fc_findings_count(after.findings), 0);
	rig_plan_end(&after);
	rig_plan_end(&before);
	/* However small it was, something is left, and its port is not stopped for others' sake. */
	rig_plan_begin(&before, JSON(RING("512k"), OUT(""), ""), 1);
	rig_make(&before);
	rig_plan_begin(&after, JSON(RING("512k"), OUT("") THIRD FOURTH, ""), 1);
	rig_make_beside(&after, before.plan);
	assert_true(port_of(&after, "p1")->is_kept);
	assert_int_equal(after.plan->taps[0].window, 4 * FC_BURST);
	assert_true(warns(after.findings, "taps.a.ring"));
	rig_plan_end(&after);
	rig_plan_end(&before);
}

/* Ports stay with their lcores, and new ones go where there is least to do. */
static void test_lcores(void **state)
{
	struct plan_rig before, after;
	const struct fc_plan_port *old, *now;

	(void)state;
	rig_plan_begin(&before, JSON(TAP, OUT(""), ""), 3);
	rig_make(&before);
	rig_plan_begin(&after, JSON(TAP, OUT("") THIRD FOURTH, ""), 3);
	rig_make_beside(&after, before.plan);
	for (unsigned i = 0; i < 2; i++) {
		old = &before.plan->ports[i];
		now = port_of(&after, old->facts.name);
		if (old->is_tap)
			assert_int_equal(after.plan->lanes[now->rx_lanes[0]].lcore.id,
				before.plan->lanes[old->rx_lanes[0]].lcore.id);
		else
			assert_int_equal(after.plan->lanes[now->tx_lane].lcore.id,
				before.plan->lanes[old->tx_lane].lcore.id);
	}
	/* One of three lcores had nothing to do. */
	assert_int_equal(before.plan->n_lanes, 2);
	assert_int_equal(after.plan->n_lanes, 3);
	rig_plan_end(&after);
	/* An lcore whose ports have gone has no work any more. */
	rig_plan_begin(&after, JSON(TAP, "\"e\":{\"port\":\"p1\",\"from\":[\"a\"]}", ""), 3);
	rig_make_beside(&after, before.plan);
	now = port_of(&after, "p1");
	assert_int_equal(after.plan->lanes[now->rx_lanes[0]].lcore.id,
		before.plan->lanes[before.plan->ports[0].rx_lanes[0]].lcore.id);
	rig_plan_end(&after);
	rig_plan_end(&before);
}

/* A port that comes to speak for itself does so on the lcore that sends on it already. */
static void test_host_lcore(void **state)
{
	struct plan_rig before, after;

	(void)state;
	rig_plan_begin(&before, JSON(TAP, OUT(""), ",\"lcores\":{\"rx\":[1],\"tx\":[2]}"), 2);
	rig_make(&before);
	rig_plan_begin(&after, JSON(TAP, OUT(ENCAP("")), ",\"lcores\":{\"rx\":[1],\"tx\":[2]}"), 2);
	rig_make_beside(&after, before.plan);
	assert_int_equal(after.plan->lanes[port_of(&after, "p2")->tx_lane].lcore.id, 2);
	assert_int_equal(after.plan->lanes[port_of(&after, "p2")->rx_lanes[0]].lcore.id, 2);
	rig_plan_end(&before);
	/* And goes on there, when nothing else is sent. */
	rig_plan_begin(&before,
		JSON(END("a", "p1", "1"), OUT(""), ",\"lcores\":{\"rx\":[1],\"tx\":[2]}"), 2);
	rig_make(&before);
	rig_plan_end(&after);
	rig_plan_begin(&after,
		JSON(END("a", "p1", "1"), OUT("") ",\"e\":{\"port\":\"p1\",\"from\":[\"a\"]}",
			",\"lcores\":{\"rx\":[1],\"tx\":[2]}"),
		2);
	rig_make_beside(&after, before.plan);
	assert_int_equal(after.plan->lanes[port_of(&after, "p1")->tx_lane].lcore.id, 1);
	rig_plan_end(&after);
	rig_plan_end(&before);
}

static unsigned lcore_of(const struct fc_plan *plan, const struct fc_plan_port *port)
{
	return plan->lanes[port->is_tap ? port->rx_lanes[0] : port->tx_lane].lcore.id;
}

/*
 * A port keeps its lcores while it is gone and when it returns, wherever there is less to do: their
 * lists of work still have its queues and feeds.
 */
static void test_lcores_of_gone(void **state)
{
	static const char *const names[] = { "p1", "p2", "p3", "p4" };

	(void)state;
	for (unsigned gone = 0; gone < RTE_DIM(names); gone++) {
		struct plan_rig plans[3];

		for (unsigned i = 0; i < RTE_DIM(plans); i++) {
			rig_plan_begin(&plans[i], JSON(TAP, OUT("") THIRD FOURTH, ""), 3);
			plans[i].gone = names[gone];
			plans[i].facts[gone].is_absent = i == 1;
			if (i == 0)
				rig_make(&plans[0]);
			else
				rig_make_beside(&plans[i], plans[i - 1].plan);
			for (unsigned p = 0; p < RTE_DIM(names); p++)
				assert_int_equal(
					lcore_of(plans[i].plan, port_of(&plans[i], names[p])),
					lcore_of(plans[0].plan, port_of(&plans[0], names[p])));
		}
		for (unsigned i = 0; i < RTE_DIM(plans); i++)
			rig_plan_end(&plans[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kept),
		cmocka_unit_test(test_window),
		cmocka_unit_test(test_lcores),
		cmocka_unit_test(test_host_lcore),
		cmocka_unit_test(test_lcores_of_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
