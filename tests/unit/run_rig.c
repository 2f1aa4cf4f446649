/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include <sched.h>

#include <rte_bus_vdev.h>
#include <rte_dev.h>
#include <rte_eth_ring.h>
#include <rte_lcore.h>
#include <rte_malloc.h>
#include <rte_mbuf.h>

#include "dpdk_fixture.h"
#include "run_rig.h"

static const char *lcores;

void run_use_lcores(const char *list)
{
	lcores = list;
}

int run_start_eal(void **state)
{
	char argument[64];

	(void)state;
	snprintf(argument, sizeof(argument), "--lcores=%s", lcores);
	fixture_start_eal((const char *const[]){ argument, "-m", "512", NULL });
	return 0;
}

int run_stop_eal(void **state)
{
	(void)state;
	return rte_eal_cleanup();
}

bool run_has_workers(void)
{
	return rte_lcore_count() > 1;
}

bool run_has_finding(const struct fc_findings *findings, const char *place, const char *text)
{
	for (size_t i = 0; i < fc_findings_count(findings); i++) {
		struct fc_finding finding = fc_findings_get(findings, i);

		if (strcmp(finding.place, place) == 0 && strstr(finding.text, text) != NULL)
			return true;
	}
	return false;
}

int run_create(struct run *run, const char *json)
{
	*run = (struct run){ .findings = fc_findings_new("test") };
	run->config = fc_config_parse(json, strlen(json), NULL, run->findings);
	if (run->config == NULL)
		fc_findings_print(run->findings, stderr);
	assert_non_null(run->config);
	return fc_engine_new(run->config, run->findings, &run->engine);
}

void run_destroy(struct run *run)
{
	if (run->engine == NULL) /* else the engine has it */
		fc_config_free(run->config);
	fc_engine_free(run->engine);
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

void run_start(struct run *run, const char *json)
{
	if (run_create(run, json) != 0) {
		fc_findings_print(run->findings, stderr);
		fail();
	}
	assert_int_equal(fc_engine_start(run->engine), 0);
	assert_int_equal(fc_engine_needs_main(run->engine), !run_has_workers());
	if (!run_has_workers())
		assert_int_equal(pthread_create(&run->worker, NULL, work, run->engine), 0);
}

static void run_expect_balance(const struct fc_engine *engine, const struct fc_config *config)
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

void run_stop(struct run *run, unsigned patience_ms)
{
	fc_engine_stop(run->engine, patience_ms);
	if (!run_has_workers())
		pthread_join(run->worker, NULL);
	assert_true(fc_engine_is_empty(run->engine));
}

void run_check(struct run *run)
{
	fc_engine_check_pools(run->engine, run->findings);
	fc_findings_print(run->findings, stderr);
	assert_int_equal(fc_findings_n_errors(run->findings), 0);
	run_expect_balance(run->engine, run->config);
}

void run_make_port(const char *name, const char *arguments)
{
	/* rte_vdev_init() of newer DPDK refuses the name of a device that was taken out before. */
	assert_int_equal(rte_eal_hotplug_add("vdev", name, arguments), 0);
}

void far_port_make(struct far_port *port, const char *name, unsigned n_out)
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

unsigned run_free_ring(struct rte_ring *ring)
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
unsigned far_port_free(struct far_port *port)
{
	return run_free_ring(port->out);
}

void far_port_drop(struct far_port *port)
{
	assert_int_equal(rte_vdev_uninit(port->name), 0);
	assert_int_equal(far_port_free(port), 0);
	assert_true(rte_ring_empty(port->in));
	rte_ring_free(port->in);
	rte_ring_free(port->out);
}

size_t run_heap_used(void)
{
	struct rte_malloc_socket_stats stats;

	assert_int_equal(rte_malloc_get_socket_stats(0, &stats), 0);
	return stats.heap_allocsz_bytes;
}

void run_wait_received(const struct fc_engine *engine, uint64_t n)
{
	while (fc_engine_received(engine) < n)
		sched_yield();
}
