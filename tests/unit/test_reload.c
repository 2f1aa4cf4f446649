/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include <errno.h>
#include <sched.h>

#include <rte_bus_vdev.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include <fc_engine.h>

#include "dpdk_fixture.h"
#include "engine_rig.h"
#include "run_rig.h"

/* One configuration in the place of another; run with the lcores to use as the argument. */

#define LENGTH	  60
#define PATIENT	  10000 /* ms */
#define N_RELOADS 100
#define N_FRAMES  200 /* between two reloads */
#define SLOTS	  4096

#define TAP	 "\"a\":{\"port\":\"net_ring_a\",\"ring\":\"1m\"}"
#define PLAIN	 "\"b\":{\"port\":\"net_ring_b\",\"from\":[\"a\"]}"
#define NULL_TAP "\"n\":{\"port\":\"net_null0\",\"ring\":\"1m\"}"
#define NULL_OUT "\"m\":{\"port\":\"net_null1\",\"from\":[\"n\"]}"
#define TAGGED(vid, length)                                                                        \
	"\"c\":{\"port\":\"net_ring_c\",\"from\":[\"a\"],\"vlan\":{\"push\":" vid                  \
	"},\"truncate\":" length "}"
#define JSON(taps, outputs) "{\"taps\":{" taps "},\"outputs\":{" outputs "}}"

/* Try to run another configuration. */
static int reload(struct run *run, const char *json)
{
	struct fc_config *config = fc_config_parse(json, strlen(json), NULL, run->findings);
	struct fc_change *change;
	int ret;

	assert_non_null(config);
	ret = fc_engine_prepare(run->engine, config, run->findings, &change);
	if (ret != 0) {
		fc_config_free(config);
		return ret;
	}
	fc_engine_apply(run->engine, change, run->findings);
	run->config = config;
	return 0;
}

static void must_reload(struct run *run, const char *json)
{
	if (reload(run, json) == 0)
		return;
	fc_findings_print(run->findings, stderr);
	fail();
}

static void put_frames(struct rte_mempool *pool, struct far_port *port, uint64_t first, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct rte_mbuf *packet = rig_frame(pool, first + i, LENGTH, 0, 0);

		while (rte_ring_enqueue(port->in, packet) != 0)
			sched_yield();
	}
}

/* Read what was sent: frames with the numbers from *@next on, of one of two lengths and tags. */
static void read_frames(
	struct far_port *port, uint64_t *next, const unsigned lengths[2], const unsigned vids[2])
{
	void *item;

	while (rte_ring_dequeue(port->out, &item) == 0) {
		struct rte_mbuf *packet = item;
		const uint8_t *bytes = rte_pktmbuf_mtod(packet, const uint8_t *);
		unsigned which = packet->pkt_len == lengths[0] ? 0 : 1;

		assert_int_equal(rig_frame_number(packet), *next);
		assert_int_equal(packet->pkt_len, lengths[which]);
		if (vids != NULL)
			assert_int_equal((bytes[14] & 15) << 8 | bytes[15], vids[which]);
		(*next)++;
		rte_pktmbuf_free(packet);
	}
}

/* An output that stays gets every packet in its order, and one that changes does so between two. */
static void test_change_one(void **state)
{
	static const unsigned plain[2] = { LENGTH, LENGTH }, cut[2] = { 40, 50 };
	static const unsigned vids[2] = { 100, 200 };
	struct rte_mempool *pool = fixture_pool_new("input", 8191, 2048);
	struct far_port a, b, c;
	uint64_t n_put = 0, next_b = 0, next_c = 0;
	struct fc_feed_stats feed;
	struct run run;

	(void)state;
	far_port_make(&a, "a", 64);
	far_port_make(&b, "b", SLOTS);
	far_port_make(&c, "c", SLOTS);
	run_start(&run, JSON(TAP, PLAIN "," TAGGED("100", "40")));
	for (unsigned i = 0; i < N_RELOADS; i++) {
		put_frames(pool, &a, n_put, N_FRAMES);
		n_put += N_FRAMES;
		must_reload(&run, i % 2 == 0 ? JSON(TAP, TAGGED("200", "50") "," PLAIN)
					     : JSON(TAP, PLAIN "," TAGGED("100", "40")));
		read_frames(&b, &next_b, plain, NULL);
		read_frames(&c, &next_c, cut, vids);
	}
	while (next_b < n_put || next_c < n_put) {
		read_frames(&b, &next_b, plain, NULL);
		read_frames(&c, &next_c, cut, vids);
	}
	assert_true(fc_engine_feed_stats(run.engine, 0, 0, &feed));
	assert_int_equal(feed.tx.packets, n_put);
	run_stop(&run, PATIENT);
	run_check(&run);
	run_destroy(&run);
	far_port_drop(&a);
	far_port_drop(&b);
	far_port_drop(&c);
	fixture_assert_full(pool);
	rte_mempool_free(pool);
}

/* Outputs and taps come and go, under full load of another tap. Nothing of what stays is lost. */
static void test_come_and_go(void **state)
{
	static const unsigned plain[2] = { LENGTH, LENGTH };
	static const char *const steps[] = {
		JSON(TAP "," NULL_TAP, PLAIN "," NULL_OUT),
		JSON(TAP "," NULL_TAP,
			PLAIN "," NULL_OUT
			      ",\"d\":{\"port\":\"net_null1\",\"from\":[\"n\",\"a\"],\"trim\":4}"),
		JSON(TAP, PLAIN),
		JSON(TAP "," NULL_TAP, PLAIN ",\"e\":{\"port\":\"net_null0\",\"from\":[\"n\"]}"),
		JSON(TAP ",\"n\":{\"port\":\"net_null0\",\"ring\":\"1m\",\"truncate\":40}",
			NULL_OUT "," PLAIN),
	};
	struct rte_mempool *pool = fixture_pool_new("input", 8191, 2048);
	uint64_t n_put = 0, next_b = 0;
	size_t used = 0;
	struct far_port a, b;
	struct run run;

	(void)state;
	far_port_make(&a, "a", 64);
	far_port_make(&b, "b", SLOTS);
	run_make_port("net_null0", "");
	run_make_port("net_null1", "");
	run_start(&run, JSON(TAP, PLAIN));
	for (unsigned i = 0; i < N_RELOADS; i++) {
		if (i % RTE_DIM(steps) == 3) { /* net_null1 is not needed, net_null0 not either */
			if (used == 0)
				used = run_heap_used();
			assert_true(run_heap_used() <= used + used / 20);
		}
		put_frames(pool, &a, n_put, N_FRAMES);
		n_put += N_FRAMES;
		must_reload(&run, steps[i % RTE_DIM(steps)]);
		read_frames(&b, &next_b, plain, NULL);
		fc_engine_watch(run.engine, i * 100, run.findings);
	}
	while (next_b < n_put)
		read_frames(&b, &next_b, plain, NULL);
	run_stop(&run, PATIENT);
	fc_engine_check_pools(run.engine, run.findings);
	assert_int_equal(fc_findings_n_errors(run.findings), 0);
	run_destroy(&run);
	far_port_drop(&a);
	far_port_drop(&b);
	rte_vdev_uninit("net_null0");
	rte_vdev_uninit("net_null1");
	fixture_assert_full(pool);
	rte_mempool_free(pool);
}

/* What cannot be run changes nothing. */
static void test_bad(void **state)
{
	static const struct {
		const char *json, *place, *text;
	} cases[] = {
		{ JSON(TAP ",\"x\":{\"port\":\"net_gone0\"}", PLAIN), "taps.x.port", "net_gone0" },
		{ JSON(TAP, PLAIN ",\"x\":{\"port\":\"0000:ff:00.0\",\"from\":[\"a\"]}"),
			"outputs.x.port", "0000:ff:00.0" },
		{ JSON("\"a\":{\"port\":\"net_ring_a\",\"ring\":\"64g\"}", PLAIN), "taps.a",
			"too little memory" },
		{ "{\"taps\":{" TAP "},\"outputs\":{" PLAIN "},\"lcores\":{\"rx\":[0]}}",
			"lcores.rx", "restart" },
	};
	static const unsigned plain[2] = { LENGTH, LENGTH };
	struct rte_mempool *pool = fixture_pool_new("input", 1023, 2048);
	uint64_t n_put = 0, next_b = 0;
	struct far_port a, b;
	struct run run;

	(void)state;
	far_port_make(&a, "a", 64);
	far_port_make(&b, "b", SLOTS);
	run_start(&run, JSON(TAP, PLAIN));
	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		const struct fc_config *before = fc_engine_config(run.engine);
		size_t used = run_heap_used();

		put_frames(pool, &a, n_put, N_FRAMES);
		n_put += N_FRAMES;
		assert_int_not_equal(reload(&run, cases[i].json), 0);
		assert_true(run_has_finding(run.findings, cases[i].place, cases[i].text));
		assert_ptr_equal(fc_engine_config(run.engine), before);
		assert_int_equal(run_heap_used(), used);
		while (next_b < n_put)
			read_frames(&b, &next_b, plain, NULL);
	}
	run_stop(&run, PATIENT);
	run_destroy(&run);
	far_port_drop(&a);
	far_port_drop(&b);
	fixture_assert_full(pool);
	rte_mempool_free(pool);
}

/*
 * A ring gets larger and smaller, and a port other descriptors, while an output is stalled: what
 * waits goes on waiting as far as it has room, and everything is counted.
 */
static void test_rings(void **state)
{
	static const struct {
		const char *ring, *more;
		uint64_t bytes;
	} steps[] = {
		{ "4m", "", 4 << 20 },
		{ "512k", "", 512 << 10 },
		{ "2m", ",\"ports\":{\"net_null0\":{\"rx_descriptors\":512}}", 2 << 20 },
		{ "8m", "", 8 << 20 },
		{ "8m", ",\"ports\":{\"net_null0\":{\"mtu\":1500}}", 8 << 20 },
		{ "1m", "", 1 << 20 },
	};
	uint64_t n_sent = 0;
	struct far_port b;
	struct run run;

	(void)state;
	far_port_make(&b, "b", 64);
	run_make_port("net_null0", "");
	run_start(&run, JSON("\"n\":{\"port\":\"net_null0\",\"ring\":\"1m\"}",
				"\"b\":{\"port\":\"net_ring_b\",\"from\":[\"n\"]}"));
	for (size_t i = 0; i < RTE_DIM(steps); i++) {
		uint64_t n_overrun;
		struct fc_feed_stats feed;
		struct fc_tap_stats tap;
		char json[512];

		snprintf(json, sizeof(json),
			"{\"taps\":{\"n\":{\"port\":\"net_null0\",\"ring\":\"%s\"}},"
			"\"outputs\":{\"b\":{\"port\":\"net_ring_b\",\"from\":[\"n\"]}}%s}",
			steps[i].ring, steps[i].more);
		must_reload(&run, json);
		assert_true(fc_engine_feed_stats(run.engine, 0, 0, &feed));
		n_overrun = feed.drops[FC_DROP_OVERRUN].packets;
		while (feed.drops[FC_DROP_OVERRUN].packets < n_overrun + 100) {
			assert_true(fc_engine_feed_stats(run.engine, 0, 0, &feed));
			sched_yield();
		}
		fc_engine_tap_stats(run.engine, 0, &tap);
		assert_int_equal(tap.ring_bytes, steps[i].bytes);
		/* Its backlog is as long as the ring allows; what another lcore was too slow for
		 * is not in it. */
		assert_true(feed.queued.packets <= tap.ring_buffers + 2 * FC_BURST);
		if (!run_has_workers())
			assert_true(feed.queued.packets >= tap.ring_buffers - 2 * FC_BURST);
		n_sent += far_port_free(&b);
		/* The lcore counts what it has sent a moment after others can see it. */
		do
			assert_true(fc_engine_feed_stats(run.engine, 0, 0, &feed));
		while (feed.tx.packets < n_sent);
	}
	fc_engine_stop(run.engine, 0);
	far_port_free(&b);
	run_stop(&run, 0);
	run_check(&run);
	run_destroy(&run);
	far_port_drop(&b);
	assert_int_equal(rte_vdev_uninit("net_null0"), 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_change_one),
		cmocka_unit_test(test_come_and_go),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_rings),
	};

	run_use_lcores(argc > 1 ? argv[1] : "0");
	return cmocka_run_group_tests(tests, run_start_eal, run_stop_eal);
}
