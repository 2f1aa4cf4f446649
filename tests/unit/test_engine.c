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

/* The whole engine; run with the lcores to use as the argument, "0" or "0@0,1@0,2@1". */

#define LENGTH	 60
#define SLOTS	 64
#define PATIENT	 10000 /* ms, more than any of the waiting here takes */
#define N_CYCLES 50

static const char *lcores;

struct run {
	struct fc_findings *findings;
	struct fc_config *config;
	struct fc_engine *engine;
	pthread_t worker;
};

static bool has_workers(void)
{
	return rte_lcore_count() > 1;
}

static bool has_finding(const struct fc_findings *findings, const char *place, const char *text)
{
	for (size_t i = 0; i < fc_findings_count(findings); i++) {
		struct fc_finding finding = fc_findings_get(findings, i);

		if (strcmp(finding.place, place) == 0 && strstr(finding.text, text) != NULL)
			return true;
	}
	return false;
}

static int create(struct run *run, const char *json)
{
	*run = (struct run){ .findings = fc_findings_new("test") };
	run->config = fc_config_parse(json, strlen(json), NULL, run->findings);
	if (run->config == NULL)
		fc_findings_print(run->findings, stderr);
	assert_non_null(run->config);
	return fc_engine_new(run->config, run->findings, &run->engine);
}

static void destroy(struct run *run)
{
	fc_engine_free(run->engine);
	fc_config_free(run->config);
	fc_findings_free(run->findings);
}

/* The part of the main lcore, while the test is the control thread. */
static void *work(void *engine)
{
	bool registered = rte_thread_register() == 0;

	fc_engine_work(engine);
	if (registered)
		rte_thread_unregister();
	return NULL;
}

static void start(struct run *run, const char *json)
{
	if (create(run, json) != 0) {
		fc_findings_print(run->findings, stderr);
		fail();
	}
	assert_int_equal(fc_engine_start(run->engine), 0);
	assert_int_equal(fc_engine_needs_main(run->engine), !has_workers());
	if (!has_workers())
		assert_int_equal(pthread_create(&run->worker, NULL, work, run->engine), 0);
}

static void expect_balance(const struct fc_engine *engine, const struct fc_config *config)
{
	for (uint16_t t = 0; t < config->n_taps; t++) {
		struct fc_tap_stats tap;

		fc_engine_tap_stats(engine, t, &tap);
		assert_int_equal(tap.unaccounted, 0);
		assert_int_equal(tap.pool_free, tap.pool_size);
		for (uint16_t o = 0; o < config->n_outputs; o++) {
			struct fc_feed_stats feed;

			if (!fc_engine_feed_stats(engine, t, o, &feed))
				continue;
			assert_int_equal(feed.unaccounted, 0);
			assert_int_equal(feed.queued.packets, 0);
			assert_int_equal(feed.queued.bytes, 0);
			assert_int_equal(feed.forwarded.packets, tap.forwarded.packets);
		}
	}
}

static void stop(struct run *run, unsigned patience_ms)
{
	fc_engine_stop(run->engine, patience_ms);
	if (!has_workers())
		pthread_join(run->worker, NULL);
	assert_true(fc_engine_is_empty(run->engine));
}

static void check(struct run *run)
{
	fc_engine_check_pools(run->engine, run->findings);
	fc_findings_print(run->findings, stderr);
	assert_int_equal(fc_findings_n_errors(run->findings), 0);
	expect_balance(run->engine, run->config);
}

static void make_port(const char *name, const char *arguments)
{
	assert_int_equal(rte_vdev_init(name, arguments), 0);
}

/* A port of which the test has the far ends; to the configuration it is net_ring_NAME. */
struct far_port {
	struct rte_ring *in, *out;
	char name[64];
};

static void make_far_port(struct far_port *port, const char *name, unsigned n_out)
{
	char ring_name[32];

	snprintf(ring_name, sizeof(ring_name), "%s_in", name);
	port->in = rte_ring_create(ring_name, 4096, SOCKET_ID_ANY, 0);
	snprintf(ring_name, sizeof(ring_name), "%s_out", name);
	port->out = rte_ring_create(ring_name, n_out, SOCKET_ID_ANY, RING_F_EXACT_SZ);
	assert_non_null(port->in);
	assert_non_null(port->out);
	assert_true(rte_eth_from_rings(name, &port->in, 1, &port->out, 1, 0) >= 0);
	snprintf(port->name, sizeof(port->name), "net_ring_%s", name);
}

static unsigned free_ring(struct rte_ring *ring)
{
	unsigned n = 0;
	void *packet;

	while (rte_ring_dequeue(ring, &packet) == 0) {
		rte_pktmbuf_free(packet);
		n++;
	}
	return n;
}

/* Read and free what the port has sent. */
static unsigned free_far(struct far_port *port)
{
	return free_ring(port->out);
}

static void drop_far_port(struct far_port *port)
{
	assert_int_equal(rte_vdev_uninit(port->name), 0);
	assert_int_equal(free_far(port), 0);
	assert_true(rte_ring_empty(port->in));
	rte_ring_free(port->in);
	rte_ring_free(port->out);
}

static size_t heap_used(void)
{
	struct rte_malloc_socket_stats stats;

	assert_int_equal(rte_malloc_get_socket_stats(0, &stats), 0);
	return stats.heap_allocsz_bytes;
}

static void wait_until_received(const struct fc_engine *engine, uint64_t n)
{
	while (fc_engine_received(engine) < n)
		sched_yield();
}

static void test_missing_ports(void **state)
{
	size_t used = heap_used();
	struct run run;

	(void)state;
	assert_int_equal(
		create(&run, "{\"taps\":{\"a\":{\"port\":\"net_gone0\"}},"
			     "\"outputs\":{\"b\":{\"port\":\"0000:ff:00.0\",\"from\":[\"a\"]}}}"),
		-EINVAL);
	assert_null(run.engine);
	assert_true(has_finding(run.findings, "taps.a.port", "--vdev"));
	assert_true(has_finding(run.findings, "outputs.b.port", "vfio-pci"));
	destroy(&run);
	assert_int_equal(heap_used(), used);
}

static void test_bad_lcores(void **state)
{
	size_t used;
	struct run run;

	(void)state;
	make_port("net_null0", "");
	used = heap_used();
	assert_int_equal(
		create(&run, "{\"taps\":{\"a\":{\"port\":\"net_null0\"}},"
			     "\"outputs\":{\"b\":{\"port\":\"net_null0\",\"from\":[\"a\"]}},"
			     "\"lcores\":{\"rx\":[99],\"tx\":[98]}}"),
		-EINVAL);
	assert_true(has_finding(run.findings, "lcores.rx[0]", "99"));
	assert_true(has_finding(run.findings, "lcores.tx[0]", "98"));
	destroy(&run);
	assert_int_equal(heap_used(), used);
	assert_int_equal(rte_vdev_uninit("net_null0"), 0);
}

static void test_too_little_memory(void **state)
{
	size_t used;
	struct run run;

	(void)state;
	make_port("net_null0", "");
	used = heap_used();
	assert_int_equal(
		create(&run, "{\"taps\":{\"a\":{\"port\":\"net_null0\",\"ring\":\"4g\"}},"
			     "\"outputs\":{\"b\":{\"port\":\"net_null0\",\"from\":[\"a\"]}}}"),
		-ENOMEM);
	assert_true(has_finding(run.findings, "taps.a", "MiB"));
	destroy(&run);
	assert_int_equal(heap_used(), used);
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
		make_port("net_null0", "");
		make_port("net_null1", "");
		assert_int_equal(rte_eth_dev_get_port_by_name("net_null1", &id), 0);
		assert_int_equal(rte_eth_dev_configure(id, 1, 1, &conf), 0);
		assert_int_equal(rte_eth_rx_queue_setup(id, 0, 64, 0, NULL, pool), 0);
		assert_int_equal(rte_eth_tx_queue_setup(id, 0, 64, 0, NULL), 0);
		assert_int_equal(rte_eth_dev_start(id), 0);
		assert_int_equal(
			create(&run, "{\"taps\":{\"a\":{\"port\":\"net_null0\",\"ring\":\"1m\"}},"
				     "\"outputs\":{\"b\":{\"port\":\"net_null1\",\"from\":[\"a\"],"
				     "\"vlan\":{\"push\":5}}}}"),
			-EIO);
		assert_true(has_finding(run.findings, "port net_null1", "net_null"));
		destroy(&run);
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
	make_port("net_ring0", "");
	assert_int_equal(
		create(&run, "{\"taps\":{\"a\":{\"port\":\"net_ring0\",\"ring\":\"1m\"}},"
			     "\"outputs\":{\"b\":{\"port\":\"net_ring0\",\"from\":[\"a\"]}}}"),
		0);
	fc_engine_stop(run.engine, 0);
	destroy(&run);
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
	if (!has_workers())
		return;
	make_port("net_null0", "");
	make_port("net_null1", "");
	assert_int_equal(
		create(&run, "{\"taps\":{\"a\":{\"port\":\"net_null0\",\"ring\":\"1m\"}},"
			     "\"outputs\":{\"b\":{\"port\":\"net_null1\",\"from\":[\"a\"]}},"
			     "\"lcores\":{\"rx\":[1],\"tx\":[2]}}"),
		0);
	assert_int_equal(fc_engine_n_lanes(run.engine), 2);
	atomic_store(&keep_busy, true);
	assert_int_equal(rte_eal_remote_launch(be_busy, NULL, first), 0);
	assert_int_equal(fc_engine_start(run.engine), -EBUSY);
	atomic_store(&keep_busy, false);
	stop(&run, PATIENT);
	check(&run);
	destroy(&run);
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

		make_far_port(&in, "in", 1);
		make_far_port(&b, "b", SLOTS);
		make_far_port(&c, "c", SLOTS);
		for (unsigned k = 0; k < 400; k++)
			assert_int_equal(
				rte_ring_enqueue(in.in, rig_frame(pool, k, LENGTH, 0, 0)), 0);
		start(&run,
			"{\"taps\":{\"a\":{\"port\":\"net_ring_in\",\"ring\":\"1m\"}},\"outputs\":{"
			"\"b\":{\"port\":\"net_ring_b\",\"from\":[\"a\"]},"
			"\"c\":{\"port\":\"net_ring_b\",\"from\":[\"a\"],\"vlan\":{\"push\":7}},"
			"\"d\":{\"port\":\"net_ring_c\",\"from\":[\"a\"],\"sample\":50}}}");
		wait_until_received(run.engine, i % 2 == 0 ? 400 : 1);
		stop(&run, i % 3);
		free_far(&b);
		free_far(&c);
		check(&run);
		destroy(&run);
		free_ring(in.in);
		drop_far_port(&in);
		drop_far_port(&b);
		drop_far_port(&c);
		fixture_assert_full(pool);
		/* The first time ethdev takes memory that it keeps. */
		if (i == 0)
			used = heap_used();
		assert_int_equal(heap_used(), used);
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
	make_port("net_null0", "");
	make_port("net_null1", "");
	make_port("net_null2", "");
	make_port("net_null3", "");
	start(&run, "{\"taps\":{\"a\":{\"port\":\"net_null0\",\"ring\":\"1m\"},"
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
	stop(&run, 0);
	assert_false(fc_engine_has_advanced(run.engine) && fc_engine_has_advanced(run.engine));
	check(&run);
	destroy(&run);
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
	make_port("net_null0", "");
	make_port("net_ring1", "");
	start(&run, "{\"taps\":{\"a\":{\"port\":\"net_null0\",\"ring\":\"1m\"}},"
		    "\"outputs\":{\"b\":{\"port\":\"net_ring1\",\"from\":[\"a\"]}}}");
	wait_until_received(run.engine, 20000);
	stop(&run, 0);
	check(&run);
	assert_true(fc_engine_feed_stats(run.engine, 0, 0, &feed));
	assert_int_equal(feed.tx.packets, 1023);
	destroy(&run);
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

		make_port("net_null0", "");
		make_port("net_null1", "");
		make_far_port(&far, "far", SLOTS);
		start(&run,
			"{\"taps\":{\"a\":{\"port\":\"net_null0\",\"ring\":\"1m\"}},\"outputs\":{"
			"\"slow\":{\"port\":\"net_ring_far\",\"from\":[\"a\"]},"
			"\"fast\":{\"port\":\"net_null1\",\"from\":[\"a\"]}}}");
		wait_until_received(run.engine, 50000);
		stop(&run, patience_ms);
		assert_int_equal(free_far(&far), SLOTS);
		check(&run);
		assert_true(fc_engine_feed_stats(run.engine, 0, 0, &slow));
		assert_true(fc_engine_feed_stats(run.engine, 0, 1, &fast));
		assert_int_equal(slow.tx.packets, SLOTS);
		assert_int_equal(slow.tx.packets + slow.drops[FC_DROP_OVERRUN].packets +
					 slow.drops[FC_DROP_HANDOFF_FULL].packets,
			slow.forwarded.packets);
		assert_int_equal(fast.drops[FC_DROP_OVERRUN].packets, 0);
		destroy(&run);
		drop_far_port(&far);
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
	make_port("net_null0", "");
	make_far_port(&far, "far", SLOTS);
	start(&run, "{\"taps\":{\"a\":{\"port\":\"net_null0\",\"ring\":\"1m\"}},"
		    "\"outputs\":{\"slow\":{\"port\":\"net_ring_far\",\"from\":[\"a\"]}}}");
	for (unsigned i = 1; i <= 100; i++) {
		wait_until_received(run.engine, i * 1000);
		fc_engine_tap_stats(run.engine, 0, &tap);
		assert_true(
			tap.pool_free >= fc_engine_plan(run.engine)->ports[0].n_for_ports - SLOTS);
	}
	stop(&run, 0);
	fc_engine_tap_stats(run.engine, 0, &tap);
	assert_int_equal(tap.rx_nombuf, 0);
	assert_int_equal(free_far(&far), SLOTS);
	check(&run);
	destroy(&run);
	drop_far_port(&far);
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
	make_far_port(&in, "in", 1);
	make_far_port(&out, "out", SLOTS);
	start(&run, "{\"taps\":{\"a\":{\"port\":\"net_ring_in\",\"ring\":\"1m\"}},"
		    "\"outputs\":{\"b\":{\"port\":\"net_ring_out\",\"from\":[\"a\"]}}}");
	for (unsigned i = 0; i < 400; i++)
		assert_int_equal(rte_ring_enqueue(in.in, rig_frame(pool, i, LENGTH, 0, 0)), 0);
	wait_until_received(run.engine, 400);
	assert_false(fc_engine_is_empty(run.engine));
	assert_int_equal(pthread_create(&reader, NULL, read_slowly, &out), 0);
	stop(&run, PATIENT);
	pthread_join(reader, &n_wrong);
	assert_null(n_wrong);
	check(&run);
	assert_true(fc_engine_feed_stats(run.engine, 0, 0, &feed));
	assert_int_equal(feed.tx.packets, 400);
	assert_int_equal(feed.tx.bytes, 400 * LENGTH);
	destroy(&run);
	drop_far_port(&in);
	drop_far_port(&out);
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
	make_port("net_null0", "");
	make_port("net_null1", "");
	make_port("net_null2", "");
	make_far_port(&far, "far", SLOTS);
	start(&run, "{\"taps\":{\"a\":{\"port\":\"net_null0\",\"ring\":\"1m\"},"
		    "\"b\":{\"port\":\"net_null1\",\"ring\":\"1m\"}},"
		    "\"outputs\":{\"slow\":{\"port\":\"net_ring_far\",\"from\":[\"a\",\"b\"]},"
		    "\"fast\":{\"port\":\"net_null2\",\"from\":[\"a\",\"b\"]}}}");
	while (n < 20000) {
		n += free_far(&far);
		sched_yield();
	}
	for (uint16_t t = 0; t < 2; t++) {
		assert_true(fc_engine_feed_stats(run.engine, t, 0, &feed));
		assert_true(feed.tx.packets > n / 10);
	}
	stop(&run, 0);
	free_far(&far);
	check(&run);
	destroy(&run);
	drop_far_port(&far);
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
	make_port("net_null0", "");
	make_port("net_null1", "");
	make_port("net_null2", "copy=1");
	start(&run, "{\"taps\":{\"a\":{\"port\":\"net_null0\",\"ring\":\"1m\"}},\"outputs\":{"
		    "\"b\":{\"port\":\"net_null1\",\"from\":[\"a\"]},"
		    "\"c\":{\"port\":\"net_null1\",\"from\":[\"a\"],\"truncate\":50},"
		    "\"d\":{\"port\":\"net_null2\",\"from\":[\"a\"]}},"
		    "\"lcores\":{\"idle_us\":100}}");
	wait_until_received(run.engine, 20000);
	fc_engine_watch(run.engine, 1, run.findings);
	assert_int_equal(fc_findings_count(run.findings), 0);
	rte_dev_event_callback_process("net_null1", RTE_DEV_EVENT_REMOVE);
	watch_until_closed(&run, "net_null1");
	assert_int_equal(fc_findings_count(run.findings), 1);
	assert_true(has_finding(run.findings, "port net_null1", "disappeared"));
	assert_int_equal(output_state(&run, 0), FC_PORT_GONE);
	assert_int_equal(output_state(&run, 1), FC_PORT_GONE);
	assert_int_equal(output_state(&run, 2), FC_PORT_RUNNING);
	n = sent(&run, 0);
	wait_until_received(run.engine, fc_engine_received(run.engine) + 20000);
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
	stop(&run, PATIENT);
	check(&run);
	fc_engine_output_stats(run.engine, 0, &output);
	assert_int_not_equal(output.sum.drops[FC_DROP_OVERRUN].packets, 0);
	fc_engine_output_stats(run.engine, 2, &output);
	assert_int_equal(output.sum.drops[FC_DROP_OVERRUN].packets, 0);
	destroy(&run);
	assert_int_equal(rte_vdev_uninit("net_null0"), -ENOENT);
	assert_int_equal(rte_vdev_uninit("net_null1"), -ENOENT);
	assert_int_equal(rte_vdev_uninit("net_null2"), 0);
}

/* Optional ports that are not there: the rest works, their outputs lose everything. */
static void test_optional(void **state)
{
	struct fc_output_stats output;
	struct fc_tap_stats tap;
	struct run run;

	(void)state;
	make_port("net_null0", "");
	make_port("net_null1", "");
	start(&run, "{\"taps\":{\"a\":{\"port\":\"net_null0\",\"ring\":\"1m\"},"
		    "\"away\":{\"port\":\"0000:ff:00.0\",\"ring\":\"1m\"}},\"outputs\":{"
		    "\"b\":{\"port\":\"net_null1\",\"from\":[\"a\",\"away\"]},"
		    "\"c\":{\"port\":\"net_ring7\",\"from\":[\"a\"],\"truncate\":50},"
		    "\"d\":{\"port\":\"0000:ff:00.0\",\"from\":[\"a\"]}},"
		    "\"ports\":{\"0000:ff:00.0\":{\"optional\":true},"
		    "\"net_ring7\":{\"optional\":true},\"net_null1\":{\"optional\":true}}}");
	assert_true(has_finding(run.findings, "ports.0000:ff:00.0", "runs without it"));
	assert_true(has_finding(run.findings, "ports.net_ring7", "runs without it"));
	assert_int_equal(fc_findings_count(run.findings), 2);
	wait_until_received(run.engine, 20000);
	fc_engine_watch(run.engine, 1, run.findings);
	assert_int_equal(fc_findings_count(run.findings), 2);
	assert_int_equal(output_state(&run, 0), FC_PORT_RUNNING);
	assert_int_equal(output_state(&run, 1), FC_PORT_ABSENT);
	assert_int_equal(output_state(&run, 2), FC_PORT_ABSENT);
	stop(&run, PATIENT);
	check(&run);
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
	destroy(&run);
	assert_int_equal(rte_vdev_uninit("net_null0"), 0);
	assert_int_equal(rte_vdev_uninit("net_null1"), 0);
}

static int start_eal(void **state)
{
	char argument[64];

	(void)state;
	snprintf(argument, sizeof(argument), "--lcores=%s", lcores);
	fixture_start_eal((const char *const[]){ argument, "-m", "512", NULL });
	return 0;
}

static int stop_eal(void **state)
{
	(void)state;
	return rte_eal_cleanup();
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
	};

	lcores = argc > 1 ? argv[1] : "0";
	return cmocka_run_group_tests(tests, start_eal, stop_eal);
}
