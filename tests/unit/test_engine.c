/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>

#include <rte_bus_vdev.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_malloc.h>

#include <fc_engine.h>

#include "dpdk_fixture.h"
#include "engine_rig.h"
#include "run_rig.h"

/* The whole engine; run with the lcores to use as the argument, "0" or "0@0,1@0,2@1". */

#define LENGTH	 60
#define SLOTS	 64
#define PATIENT	 10000 /* ms, more than any of the waiting here takes */
#define N_CYCLES 50

static void test_missing_ports(void **state)
{
	size_t used = run_heap_used();
	struct run run;

	(void)state;
	assert_int_equal(
		run_create(&run,
			"{\"taps\":{\"a\":{\"port\":\"net_gone0\"}},"
			"\"outputs\":{\"b\":{\"port\":\"0000:ff:00.0\",\"from\":[\"a\"]}}}"),
		-EINVAL);
	assert_null(run.engine);
	assert_true(run_has_finding(run.findings, "taps.a.port", "--vdev"));
	assert_true(run_has_finding(run.findings, "outputs.b.port", "no such PCI device"));
	run_destroy(&run);
	assert_int_equal(run_heap_used(), used);
}

static void test_bad_lcores(void **state)
{
	size_t used;
	struct run run;

	(void)state;
	run_make_port("net_null0", "");
	used = run_heap_used();
	assert_int_equal(
		run_create(&run, "{\"taps\":{\"a\":{\"port\":\"net_null0\"}},"
				 "\"outputs\":{\"b\":{\"port\":\"net_null0\",\"from\":[\"a\"]}},"
				 "\"lcores\":{\"rx\":[99],\"tx\":[98]}}"),
		-EINVAL);
	assert_true(run_has_finding(run.findings, "lcores.rx[0]", "99"));
	assert_true(run_has_finding(run.findings, "lcores.tx[0]", "98"));
	run_destroy(&run);
	assert_int_equal(run_heap_used(), used);
	assert_int_equal(rte_vdev_uninit("net_null0"), 0);
}

static void test_too_little_memory(void **state)
{
	size_t used;
	struct run run;

	(void)state;
	run_make_port("net_null0", "");
	used = run_heap_used();
	assert_int_equal(
		run_create(&run, "{\"taps\":{\"a\":{\"port\":\"net_null0\",\"ring\":\"4g\"}},"
				 "\"outputs\":{\"b\":{\"port\":\"net_null0\",\"from\":[\"a\"]}}}"),
		-ENOMEM);
	assert_true(run_has_finding(run.findings, "taps.a", "MiB"));
	run_destroy(&run);
	assert_int_equal(run_heap_used(), used);
	assert_int_equal(rte_vdev_uninit("net_null0"), 0);
}

/* Another port of the configuration cannot be started: what was made before is given back. */
static void test_port_in_use(void **state)
{
	struct rte_mempool *pool = fixture_pool_new("other", 1023, 2048);
	struct rte_eth_conf conf = { 0 };
	struct run run;
	uint16_t id;

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		run_make_port("net_null0", "");
		run_make_port("net_null1", "");
		assert_int_equal(rte_eth_dev_get_port_by_name("net_null1", &id), 0);
		assert_int_equal(rte_eth_dev_configure(id, 1, 1, &conf), 0);
		assert_int_equal(rte_eth_rx_queue_setup(id, 0, 64, 0, NULL, pool), 0);
		assert_int_equal(rte_eth_tx_queue_setup(id, 0, 64, 0, NULL), 0);
		assert_int_equal(rte_eth_dev_start(id), 0);
		assert_int_equal(
			run_create(&run,
				"{\"taps\":{\"a\":{\"port\":\"net_null0\",\"ring\":\"1m\"}},"
				"\"outputs\":{\"b\":{\"port\":\"net_null1\",\"from\":[\"a\"],"
				"\"vlan\":{\"push\":5}}}}"),
			-EIO);
		assert_true(run_has_finding(run.findings, "port net_null1", "net_null"));
		run_destroy(&run);
		assert_int_equal(rte_eth_dev_stop(id), 0);
		assert_int_equal(rte_eth_dev_close(id), 0);
		assert_int_equal(rte_vdev_uninit("net_null0"), 0);
		assert_int_equal(rte_vdev_uninit("net_null1"), 0);
	}
	rte_mempool_free(pool);
}

static void test_never_started(void **state)
{
	struct run run;

	(void)state;
	run_make_port("net_ring0", "");
	assert_int_equal(
		run_create(&run, "{\"taps\":{\"a\":{\"port\":\"net_ring0\",\"ring\":\"1m\"}},"
				 "\"outputs\":{\"b\":{\"port\":\"net_ring0\",\"from\":[\"a\"]}}}"),
		0);
	fc_engine_stop(run.engine, 0);
	run_destroy(&run);
	assert_int_equal(rte_vdev_uninit("net_ring0"), 0);
}

static atomic_bool keep_busy;

static int be_busy(void *arg)
{
	while (atomic_load(&keep_busy))
		sched_yield();
	return arg != NULL;
}

/* An lcore does something else: starting fails, and stopping comes to an end all the same. */
static void test_lcore_in_use(void **state)
{
	unsigned first = rte_get_next_lcore((unsigned)-1, 1, 0);
	struct run run;

	(void)state;
	if (!run_has_workers())
		return;
	run_make_port("net_null0", "");
	run_make_port("net_null1", "");
	assert_int_equal(
		run_create(&run, "{\"taps\":{\"a\":{\"port\":\"net_null0\",\"ring\":\"1m\"}},"
				 "\"outputs\":{\"b\":{\"port\":\"net_null1\",\"from\":[\"a\"]}},"
				 "\"lcores\":{\"rx\":[1],\"tx\":[2]}}"),
		0);
	assert_int_equal(fc_engine_n_lanes(run.engine), 2);
	atomic_store(&keep_busy, true);
	assert_int_equal(rte_eal_remote_launch(be_busy, NULL, first), 0);
	assert_int_equal(fc_engine_start(run.engine), -EBUSY);
	atomic_store(&keep_busy, false);
	run_stop(&run, PATIENT);
	run_check(&run);
	run_destroy(&run);
	assert_int_equal(rte_vdev_uninit("net_null0"), 0);
	assert_int_equal(rte_vdev_uninit("net_null1"), 0);
}

/* Again and again, on one lcore or over two: nothing is lost unaccounted and no memory stays. */
static void test_start_and_stop(void **state)
{
	struct rte_mempool *pool = fixture_pool_new("input", 511, 2048);
	size_t used = 0;

	(void)state;
	for (unsigned i = 0; i < N_CYCLES; i++) {
		struct far_port in, b, c;
		struct run run;

		far_port_make(&in, "in", 1);
		far_port_make(&b, "b", SLOTS);
		far_port_make(&c, "c", SLOTS);
		for (unsigned k = 0; k < 400; k++)
			assert_int_equal(
				rte_ring_enqueue(in.in, rig_frame(pool, k, LENGTH, 0, 0)), 0);
		run_start(&run,
			"{\"taps\":{\"a\":{\"port\":\"net_ring_in\",\"ring\":\"1m\"}},\"outputs\":{"
			"\"b\":{\"port\":\"net_ring_b\",\"from\":[\"a\"]},"
			"\"c\":{\"port\":\"net_ring_b\",\"from\":[\"a\"],\"vlan\":{\"push\":7}},"
			"\"d\":{\"port\":\"net_ring_c\",\"from\":[\"a\"],\"sample\":50}}}");
		run_wait_received(run.engine, i % 2 == 0 ? 400 : 1);
		run_stop(&run, i % 3);
		far_port_free(&b);
		far_port_free(&c);
		run_check(&run);
		run_destroy(&run);
		run_free_ring(in.in);
		far_port_drop(&in);
		far_port_drop(&b);
		far_port_drop(&c);
		fixture_assert_full(pool);
		/* The first time ethdev takes memory that it keeps. */
		if (i == 0)
			used = run_heap_used();
		assert_int_equal(run_heap_used(), used);
	}
	rte_mempool_free(pool);
}

static _Atomic int n_standing;
static _Atomic bool may_go_on;

/* A driver that does not come back. */
static uint16_t stand_still(uint16_t port, uint16_t queue, struct rte_mbuf *packets[], uint16_t n,
	uint16_t n_max, void *unused)
{
	(void)port, (void)queue, (void)packets, (void)n_max, (void)unused;
	n_standing++;
	while (!may_go_on)
		sched_yield();
	return n;
}

/* A single lcore that stands still is enough, and those that go on do not make up for it. */
static void test_has_advanced(void **state)
{
	const struct rte_eth_rxtx_callback *callback;
	struct fc_tap_stats tap;
	unsigned n_times = 0;
	struct run run;
	uint16_t port;
	uint64_t n;

	(void)state;
	run_make_port("net_null0", "");
	run_make_port("net_null1", "");
	run_make_port("net_null2", "");
	run_make_port("net_null3", "");
	run_start(&run, "{\"taps\":{\"a\":{\"port\":\"net_null0\",\"ring\":\"1m\"},"
			"\"b\":{\"port\":\"net_null1\",\"ring\":\"1m\"}},"
			"\"outputs\":{\"c\":{\"port\":\"net_null2\",\"from\":[\"a\"]},"
			"\"d\":{\"port\":\"net_null3\",\"from\":[\"b\"]}}}");
	for (unsigned i = 0; i < 10; i++)
		while (!fc_engine_has_advanced(run.engine))
			sched_yield();
	assert_int_equal(rte_eth_dev_get_port_by_name("net_null0", &port), 0);
	callback = rte_eth_add_rx_callback(port, 0, stand_still, NULL);
	assert_non_null(callback);
	while (n_standing == 0)
		sched_yield();
	/* The rounds before it stood still count once more, when the other lcore has gone on, too.
	 */
	for (unsigned i = 0; i < 10; i++)
		n_times += fc_engine_has_advanced(run.engine);
	if (fc_engine_n_lanes(run.engine) > 1) {
		fc_engine_tap_stats(run.engine, 1, &tap);
		for (n = tap.rx.packets; tap.rx.packets < n + 10000;) {
			n_times += fc_engine_has_advanced(run.engine);
			fc_engine_tap_stats(run.engine, 1, &tap);
			sched_yield();
		}
	}
	assert_in_range(n_times, 0, 1);
	assert_int_equal(rte_eth_remove_rx_callback(port, 0, callback), 0);
	may_go_on = true;
	while (!fc_engine_has_advanced(run.engine))
		sched_yield();
	run_stop(&run, 0);
	assert_false(fc_engine_has_advanced(run.engine) && fc_engine_has_advanced(run.engine));
	run_check(&run);
	run_destroy(&run);
	rte_free((void *)(uintptr_t)callback);
	for (unsigned i = 0; i < 4; i++) {
		char name[16];

		snprintf(name, sizeof(name), "net_null%u", i);
		assert_int_equal(rte_vdev_uninit(name), 0);
	}
}

/* What was sent into a loop that nobody reads goes back to its pool when the port is closed. */
static void test_loop(void **state)
{
	struct fc_feed_stats feed;
	struct run run;

	(void)state;
	run_make_port("net_null0", "");
	run_make_port("net_ring1", "");
	run_start(&run, "{\"taps\":{\"a\":{\"port\":\"net_null0\",\"ring\":\"1m\"}},"
			"\"outputs\":{\"b\":{\"port\":\"net_ring1\",\"from\":[\"a\"]}}}");
	run_wait_received(run.engine, 20000);
	run_stop(&run, 0);
	run_check(&run);
	assert_true(fc_engine_feed_stats(run.engine, 0, 0, &feed));
	assert_int_equal(feed.tx.packets, 1023);
	run_destroy(&run);
	assert_int_equal(rte_vdev_uninit("net_null0"), 0);
	assert_int_equal(rte_vdev_uninit("net_ring1"), 0);
}

/* A port that takes nothing: stopping waits as told and then counts what is left as overrun. */
static void test_stop_when_stalled(void **state)
{
	(void)state;
	for (unsigned patience_ms = 0; patience_ms <= 30; patience_ms += 30) {
		struct fc_feed_stats slow, fast;
		struct far_port far;
		struct run run;

		run_make_port("net_null0", "");
		run_make_port("net_null1", "");
		far_port_make(&far, "far", SLOTS);
		run_start(&run,
			"{\"taps\":{\"a\":{\"port\":\"net_null0\",\"ring\":\"1m\"}},\"outputs\":{"
			"\"slow\":{\"port\":\"net_ring_far\",\"from\":[\"a\"]},"
			"\"fast\":{\"port\":\"net_null1\",\"from\":[\"a\"]}}}");
		run_wait_received(run.engine, 50000);
		run_stop(&run, patience_ms);
		assert_int_equal(far_port_free(&far), SLOTS);
		run_check(&run);
		assert_true(fc_engine_feed_stats(run.engine, 0, 0, &slow));
		assert_true(fc_engine_feed_stats(run.engine, 0, 1, &fast));
		assert_int_equal(slow.tx.packets, SLOTS);
		assert_int_equal(slow.tx.packets + slow.drops[FC_DROP_OVERRUN].packets +
					 slow.drops[FC_DROP_HANDOFF_FULL].packets,
			slow.forwarded.packets);
		assert_int_equal(fast.drops[FC_DROP_OVERRUN].packets, 0);
		run_destroy(&run);
		far_port_drop(&far);
		assert_int_equal(rte_vdev_uninit("net_null0"), 0);
		assert_int_equal(rte_vdev_uninit("net_null1"), 0);
	}
}

/* While an output stalls the tap still gets buffers, as many as the plan says: nothing is lost. */
static void test_pool_when_stalled(void **state)
{
	struct fc_tap_stats tap;
	struct far_port far;
	struct run run;

	(void)state;
	run_make_port("net_null0", "");
	far_port_make(&far, "far", SLOTS);
	run_start(&run, "{\"taps\":{\"a\":{\"port\":\"net_null0\",\"ring\":\"1m\"}},"
			"\"outputs\":{\"slow\":{\"port\":\"net_ring_far\",\"from\":[\"a\"]}}}");
	for (unsigned i = 1; i <= 100; i++) {
		run_wait_received(run.engine, i * 1000);
		fc_engine_tap_stats(run.engine, 0, &tap);
		assert_true(
			tap.pool_free >= fc_engine_plan(run.engine)->ports[0].n_for_ports - SLOTS);
	}
	run_stop(&run, 0);
	fc_engine_tap_stats(run.engine, 0, &tap);
	assert_int_equal(tap.rx_nombuf, 0);
	assert_int_equal(far_port_free(&far), SLOTS);
	run_check(&run);
	run_destroy(&run);
	far_port_drop(&far);
	assert_int_equal(rte_vdev_uninit("net_null0"), 0);
}

/* What waits when the engine is told to stop is sent as soon as the port takes it. */
static void *read_slowly(void *arg)
{
	struct far_port *far = arg;
	uint64_t n = 0, n_wrong = 0;

	while (n < 400) {
		void *packet;

		if (rte_ring_dequeue(far->out, &packet) != 0) {
			sched_yield();
			continue;
		}
		n_wrong += rig_frame_number(packet) != n++;
		rte_pktmbuf_free(packet);
	}
	return (void *)(uintptr_t)n_wrong;
}

static void test_drain(void **state)
{
	struct rte_mempool *pool = fixture_pool_new("input", 511, 2048);
	struct far_port in, out;
	struct fc_feed_stats feed;
	pthread_t reader;
	void *n_wrong;
	struct run run;

	(void)state;
	far_port_make(&in, "in", 1);
	far_port_make(&out, "out", SLOTS);
	run_start(&run, "{\"taps\":{\"a\":{\"port\":\"net_ring_in\",\"ring\":\"1m\"}},"
			"\"outputs\":{\"b\":{\"port\":\"net_ring_out\",\"from\":[\"a\"]}}}");
	for (unsigned i = 0; i < 400; i++)
		assert_int_equal(rte_ring_enqueue(in.in, rig_frame(pool, i, LENGTH, 0, 0)), 0);
	run_wait_received(run.engine, 400);
	assert_false(fc_engine_is_empty(run.engine));
	assert_int_equal(pthread_create(&reader, NULL, read_slowly, &out), 0);
	run_stop(&run, PATIENT);
	pthread_join(reader, &n_wrong);
	assert_null(n_wrong);
	run_check(&run);
	assert_true(fc_engine_feed_stats(run.engine, 0, 0, &feed));
	assert_int_equal(feed.tx.packets, 400);
	assert_int_equal(feed.tx.bytes, 400 * LENGTH);
	run_destroy(&run);
	far_port_drop(&in);
	far_port_drop(&out);
	fixture_assert_full(pool);
	rte_mempool_free(pool);
}

/* Feeds that share a slow port all get on, whatever other feeds the lcore has. */
static void test_shared_slow_port(void **state)
{
	struct fc_feed_stats feed;
	struct far_port far;
	struct run run;
	unsigned n = 0;

	(void)state;
	run_make_port("net_null0", "");
	run_make_port("net_null1", "");
	run_make_port("net_null2", "");
	far_port_make(&far, "far", SLOTS);
	run_start(&run, "{\"taps\":{\"a\":{\"port\":\"net_null0\",\"ring\":\"1m\"},"
			"\"b\":{\"port\":\"net_null1\",\"ring\":\"1m\"}},"
			"\"outputs\":{\"slow\":{\"port\":\"net_ring_far\",\"from\":[\"a\",\"b\"]},"
			"\"fast\":{\"port\":\"net_null2\",\"from\":[\"a\",\"b\"]}}}");
	while (n < 20000) {
		n += far_port_free(&far);
		sched_yield();
	}
	for (uint16_t t = 0; t < 2; t++) {
		assert_true(fc_engine_feed_stats(run.engine, t, 0, &feed));
		assert_true(feed.tx.packets > n / 10);
	}
	run_stop(&run, 0);
	far_port_free(&far);
	run_check(&run);
	run_destroy(&run);
	far_port_drop(&far);
	assert_int_equal(rte_vdev_uninit("net_null0"), 0);
	assert_int_equal(rte_vdev_uninit("net_null1"), 0);
	assert_int_equal(rte_vdev_uninit("net_null2"), 0);
}

static bool exists(const char *name)
{
	uint16_t id;

	return rte_eth_dev_get_port_by_name(name, &id) == 0;
}

/* As the control thread does it, until a port has been closed. */
static void watch_until_closed(struct run *run, const char *name)
{
	for (uint64_t now_ms = 1; exists(name); now_ms++) {
		fc_engine_watch(run->engine, now_ms, run->findings);
		sched_yield();
	}
}

static uint64_t sent(const struct run *run, uint16_t output)
{
	struct fc_output_stats stats;

	fc_engine_output_stats(run->engine, output, &stats);
	return stats.sum.tx.packets;
}

static enum fc_port_state output_state(const struct run *run, uint16_t output)
{
	struct fc_output_stats stats;

	fc_engine_output_stats(run->engine, output, &stats);
	return stats.health.state;
}

/* Devices are taken away under load: an output's, then the tap's. The rest goes on. */
static void test_removed(void **state)
{
	struct fc_output_stats output;
	struct fc_tap_stats tap;
	struct run run;
	uint64_t n;

	(void)state;
	run_make_port("net_null0", "");
	run_make_port("net_null1", "");
	run_make_port("net_null2", "");
	run_start(&run, "{\"taps\":{\"a\":{\"port\":\"net_null0\",\"ring\":\"1m\"}},\"outputs\":{"
			"\"b\":{\"port\":\"net_null1\",\"from\":[\"a\"]},"
			"\"c\":{\"port\":\"net_null1\",\"from\":[\"a\"],\"truncate\":50},"
			"\"d\":{\"port\":\"net_null2\",\"from\":[\"a\"]}},"
			"\"lcores\":{\"idle_us\":100}}");
	run_wait_received(run.engine, 20000);
	fc_engine_watch(run.engine, 1, run.findings);
	assert_int_equal(fc_findings_count(run.findings), 0);
	rte_dev_event_callback_process("net_null1", RTE_DEV_EVENT_REMOVE);
	watch_until_closed(&run, "net_null1");
	assert_int_equal(fc_findings_count(run.findings), 1);
	assert_true(run_has_finding(
		run.findings, "port net_null1 (output b, output c)", "disappeared"));
	assert_int_equal(output_state(&run, 0), FC_PORT_GONE);
	assert_int_equal(output_state(&run, 1), FC_PORT_GONE);
	assert_int_equal(output_state(&run, 2), FC_PORT_RUNNING);
	n = sent(&run, 0);
	run_wait_received(run.engine, fc_engine_received(run.engine) + 20000);
	assert_int_equal(sent(&run, 0), n);

	rte_dev_event_callback_process("net_null0", RTE_DEV_EVENT_REMOVE);
	watch_until_closed(&run, "net_null0");
	fc_engine_tap_stats(run.engine, 0, &tap);
	assert_int_equal(tap.health.state, FC_PORT_GONE);
	assert_int_equal(tap.health.link, FC_LINK_GONE);
	n = fc_engine_received(run.engine);
	for (unsigned i = 0; i < 1000; i++)
		sched_yield();
	assert_int_equal(fc_engine_received(run.engine), n);
	assert_int_equal(fc_findings_count(run.findings), 2);
	run_stop(&run, PATIENT);
	run_check(&run);
	fc_engine_output_stats(run.engine, 0, &output);
	assert_int_not_equal(output.sum.drops[FC_DROP_OVERRUN].packets, 0);
	fc_engine_output_stats(run.engine, 2, &output);
	assert_int_equal(output.sum.drops[FC_DROP_OVERRUN].packets, 0);
	run_destroy(&run);
	assert_false(exists("net_null0"));
	assert_false(exists("net_null1"));
	assert_int_equal(rte_vdev_uninit("net_null2"), 0);
}

/* Optional ports that are not there: the rest works, their outputs lose everything. */
static void test_optional(void **state)
{
	struct fc_output_stats output;
	struct fc_tap_stats tap;
	struct run run;

	(void)state;
	run_make_port("net_null0", "");
	run_make_port("net_null1", "");
	run_start(&run, "{\"taps\":{\"a\":{\"port\":\"net_null0\",\"ring\":\"1m\"},"
			"\"away\":{\"port\":\"0000:ff:00.0\",\"ring\":\"1m\"}},\"outputs\":{"
			"\"b\":{\"port\":\"net_null1\",\"from\":[\"a\",\"away\"]},"
			"\"c\":{\"port\":\"net_ring7\",\"from\":[\"a\"],\"truncate\":50},"
			"\"d\":{\"port\":\"0000:ff:00.0\",\"from\":[\"a\"]}},"
			"\"ports\":{\"0000:ff:00.0\":{\"optional\":true},"
			"\"net_ring7\":{\"optional\":true},\"net_null1\":{\"optional\":true}}}");
	assert_true(run_has_finding(run.findings, "ports.0000:ff:00.0", "runs without it"));
	assert_true(run_has_finding(run.findings, "ports.net_ring7", "runs without it"));
	assert_int_equal(fc_findings_count(run.findings), 2);
	run_wait_received(run.engine, 20000);
	fc_engine_watch(run.engine, 1, run.findings);
	assert_int_equal(fc_findings_count(run.findings), 2);
	assert_int_equal(output_state(&run, 0), FC_PORT_RUNNING);
	assert_int_equal(output_state(&run, 1), FC_PORT_ABSENT);
	assert_int_equal(output_state(&run, 2), FC_PORT_ABSENT);
	run_stop(&run, PATIENT);
	run_check(&run);
	fc_engine_tap_stats(run.engine, 1, &tap);
	assert_int_equal(tap.health.state, FC_PORT_ABSENT);
	assert_int_equal(tap.rx.packets, 0);
	for (uint16_t o = 0; o < 3; o++) {
		fc_engine_output_stats(run.engine, o, &output);
		assert_int_equal(output.sum.drops[FC_DROP_OVERRUN].packets +
					 output.sum.drops[FC_DROP_HANDOFF_FULL].packets,
			o == 0 ? output.sum.drops[FC_DROP_HANDOFF_FULL].packets
			       : output.sum.forwarded.packets);
	}
	run_destroy(&run);
	assert_int_equal(rte_vdev_uninit("net_null0"), 0);
	assert_int_equal(rte_vdev_uninit("net_null1"), 0);
}

/* The control thread frees what is heard and what closed ports held; it keeps none of it. */
static void test_control_keeps_no_buffers(void **state)
{
	struct rte_mbuf *packets[FC_BURST];
	struct rte_mempool *pool;
	struct run run;

	(void)state;
	run_make_port("net_null0", "no-rx=1");
	run_start(&run, "{\"taps\":{\"a\":{\"port\":\"net_null0\",\"ring\":\"4m\"}},"
			"\"outputs\":{\"b\":{\"port\":\"net_null0\",\"from\":[\"a\"]}}}");
	pool = rte_mempool_lookup("fc_port_0");
	assert_non_null(pool);
	assert_int_equal(rte_pktmbuf_alloc_bulk(pool, packets, FC_BURST), 0);
	rte_pktmbuf_free_bulk(packets, FC_BURST);
	assert_true(rte_mempool_default_cache(pool, rte_lcore_id())->len != 0);
	fc_engine_watch(run.engine, 0, run.findings);
	assert_int_equal(rte_mempool_default_cache(pool, rte_lcore_id())->len, 0);
	run_stop(&run, PATIENT);
	run_check(&run);
	run_destroy(&run);
	assert_int_equal(rte_vdev_uninit("net_null0"), 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_missing_ports),
		cmocka_unit_test(test_bad_lcores),
		cmocka_unit_test(test_too_little_memory),
		cmocka_unit_test(test_port_in_use),
		cmocka_unit_test(test_never_started),
		cmocka_unit_test(test_lcore_in_use),
		cmocka_unit_test(test_start_and_stop),
		cmocka_unit_test(test_has_advanced),
		cmocka_unit_test(test_loop),
		cmocka_unit_test(test_stop_when_stalled),
		cmocka_unit_test(test_pool_when_stalled),
		cmocka_unit_test(test_drain),
		cmocka_unit_test(test_shared_slow_port),
		cmocka_unit_test(test_removed),
		cmocka_unit_test(test_optional),
		cmocka_unit_test(test_control_keeps_no_buffers),
	};

	run_use_lcores(argc > 1 ? argv[1] : "0");
	return cmocka_run_group_tests(tests, run_start_eal, run_stop_eal);
}
