/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <rte_malloc.h>

#include "dpdk_fixture.h"
#include "pool.h"

static const char json[] = "{\"taps\":{\"a\":{\"port\":\"p1\",\"ring\":\"1m\"}},"
			   "\"outputs\":{\"b\":{\"port\":\"p2\",\"from\":[\"a\"]}}}";

struct setup {
	struct fc_findings *findings;
	struct fc_config *config;
	struct fc_plan *plan;
};

static void begin(struct setup *s)
{
	struct fc_port_facts facts[2];
	struct fc_lcore_facts lcore = { 0, 0 };

	s->findings = fc_findings_new("test");
	s->config = fc_config_parse(json, strlen(json), NULL, s->findings);
	assert_non_null(s->config);
	fc_plan_assume_port("p1", &facts[0]);
	fc_plan_assume_port("p2", &facts[1]);
	facts[1].takes_segments = true;
	s->plan = fc_plan_make(s->config, facts, &lcore, 1, s->findings);
	assert_non_null(s->plan);
}

static void end(struct setup *s)
{
	fc_plan_free(s->plan);
	fc_config_free(s->config);
	fc_findings_free(s->findings);
}

/* A pool takes the memory that was planned for it; without huge pages up to a page for each mbuf.
 */
static void test_as_planned(void **state)
{
	struct rte_malloc_socket_stats before, after;
	const struct fc_plan_pool *planned;
	struct rte_mempool *pool;
	struct setup s;

	(void)state;
	begin(&s);
	planned = &s.plan->ports[0].pool;
	rte_malloc_get_socket_stats(0, &before);
	pool = fc_pool_new("tap", 3, planned, s.plan, "taps.a", s.findings);
	rte_malloc_get_socket_stats(0, &after);
	assert_non_null(pool);
	assert_string_equal(pool->name, "fc_tap_3");
	assert_int_equal(pool->size, planned->n_mbufs);
	assert_int_equal(rte_pktmbuf_data_room_size(pool), planned->data_room);
	assert_in_range(after.heap_allocsz_bytes - before.heap_allocsz_bytes,
		fc_plan_memory(s.plan, -1, FC_HUGE_PAGE_SIZE) - s.plan->backlog_size,
		(uint64_t)planned->n_mbufs * 4096 + (2 << 20));
	rte_mempool_free(pool);
	end(&s);
}

static void test_check(void **state)
{
	struct rte_mempool *pool;
	struct rte_mbuf *packet;
	struct setup s;

	(void)state;
	begin(&s);
	pool = fc_pool_new("tap", 0, &s.plan->ports[0].pool, s.plan, "taps.a", s.findings);
	fc_pool_check(pool, s.plan->ports[0].pool.n_kept, s.findings);
	fc_pool_check(NULL, s.plan->ports[0].pool.n_kept, s.findings);
	assert_int_equal(fc_findings_count(s.findings), 0);
	packet = rte_pktmbuf_alloc(pool);
	fc_pool_check(pool, s.plan->ports[0].pool.n_kept, s.findings);
	assert_int_equal(fc_findings_n_errors(s.findings), 1);
	assert_string_equal(fc_findings_get(s.findings, 0).place, "fc_tap_0");
	assert_memory_equal(fc_findings_get(s.findings, 0).text, "1 of ", 5);
	rte_pktmbuf_free(packet);
	rte_mempool_free(pool);
	end(&s);
}

/* The message says how much is needed, where, and what to do. */
static void test_too_large(void **state)
{
	struct fc_plan_pool planned;
	struct fc_finding finding;
	struct setup s;

	(void)state;
	begin(&s);
	planned = s.plan->ports[0].pool;
	planned.n_mbufs = 1000000;
	assert_null(fc_pool_new("tap", 0, &planned, s.plan, "taps.a", s.findings));
	assert_int_equal(fc_findings_n_errors(s.findings), 1);
	finding = fc_findings_get(s.findings, 0);
	assert_string_equal(finding.place, "taps.a");
	assert_non_null(strstr(finding.text, "1000000 buffers"));
	assert_non_null(strstr(finding.text, "any NUMA node"));
	assert_non_null(strstr(finding.text, "-m MEGABYTES"));
	planned.socket = 0;
	assert_null(fc_pool_new("tap", 0, &planned, s.plan, "taps.a", s.findings));
	assert_non_null(strstr(fc_findings_get(s.findings, 1).text, "NUMA node 0"));
	end(&s);
}

/* What this lcore keeps of a pool for itself. */
static unsigned count_kept(struct rte_mempool *pool)
{
	const struct rte_mempool_cache *cache = rte_mempool_default_cache(pool, rte_lcore_id());

	return cache != NULL ? cache->len : 0;
}

/* Lcores keep buffers of large pools for themselves, not of one that says so, and give them back.
 */
static void test_caches(void **state)
{
	(void)state;
	for (int has_caches = 0; has_caches <= 1; has_caches++) {
		struct fc_plan_pool planned;
		struct rte_mempool *pool;
		struct rte_mbuf *packet;
		struct setup s;

		begin(&s);
		planned = s.plan->ports[0].pool;
		assert_true(planned.has_caches);
		planned.has_caches = has_caches;
		pool = fc_pool_new("tap", 5, &planned, s.plan, "taps.a", s.findings);
		assert_non_null(pool);
		packet = rte_pktmbuf_alloc(pool);
		assert_non_null(packet);
		rte_pktmbuf_free(packet);
		assert_int_equal(count_kept(pool) != 0, has_caches);
		fc_pool_flush(pool);
		assert_int_equal(count_kept(pool), 0);
		assert_int_equal(rte_mempool_avail_count(pool), pool->size);
		rte_mempool_free(pool);
		end(&s);
	}
	fc_pool_flush(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_as_planned),
		cmocka_unit_test(test_check),
		cmocka_unit_test(test_too_large),
		cmocka_unit_test(test_caches),
	};

	return cmocka_run_group_tests(tests, fixture_start, fixture_stop);
}
