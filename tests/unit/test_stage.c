/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <fc_stage.h>

#include "dpdk_fixture.h"

#define FRAME_SIZE 300

static uint8_t frame[FRAME_SIZE];

/* Every pattern of what stays and what goes, in bursts up to ten, and some of the largest. */
static void check_sort(uint16_t n, uint64_t pattern)
{
	struct rte_mbuf mbufs[FC_MAX_BURST], *packets[FC_MAX_BURST];
	uint8_t keep[FC_MAX_BURST];
	uint16_t n_kept, stays = 0, goes = 0;

	for (uint16_t i = 0; i < n; i++) {
		packets[i] = &mbufs[i];
		keep[i] = pattern >> i & 1;
	}
	n_kept = fc_stage_sort(packets, n, keep);
	for (uint16_t i = 0; i < n; i++) {
		if ((pattern >> i & 1) != 0)
			assert_ptr_equal(packets[stays++], &mbufs[i]);
		else
			assert_ptr_equal(packets[n_kept + goes++], &mbufs[i]);
	}
	assert_int_equal(n_kept, stays);
}

static void test_sort(void **state)
{
	uint64_t pattern = 1;

	(void)state;
	for (uint16_t n = 1; n <= 10; n++)
		for (uint64_t i = 0; i < UINT64_C(1) << n; i++)
			check_sort(n, i);
	for (unsigned i = 0; i < 1000; i++) {
		pattern = pattern * UINT64_C(6364136223846793005) + 1442695040888963407;
		check_sort(FC_MAX_BURST, pattern);
	}
	check_sort(FC_MAX_BURST, 0);
	check_sort(FC_MAX_BURST, UINT64_MAX);
}

static void test_order_of_stages(void **state)
{
	static const char *const names[] = { "filter", "sample", "vlan", "slice" };
	const struct fc_edits edits = {
		.filter = (char *)(uintptr_t) "ip",
		.sample = 50,
		.vlan = { .pop = 1, .n_push = 1, .tpid = 0x8100, .vid = { 7, 0 } },
		.trim = 4,
		.truncate = 100,
	};
	struct fc_chain chain;

	(void)state;
	assert_int_equal(fc_chain_begin(&chain, &edits, NULL, "taps.a"), 0);
	assert_int_equal(chain.n_read, 2);
	assert_int_equal(chain.n_write, 2);
	for (unsigned i = 0; i < RTE_DIM(names); i++) {
		assert_string_equal(chain.stages[i].ops->name, names[i]);
		assert_int_equal(chain.stages[i].ops->writes, i >= chain.n_read);
	}
	/* 100 bytes at the end, 4 cut off before, 4 taken off in front before that. */
	assert_int_equal(chain.reach, 108);
	assert_in_range(chain.growth, 4, RTE_PKTMBUF_HEADROOM);
	fc_chain_end(&chain);
	assert_int_equal(chain.n_read + chain.n_write, 0);
}

static void test_no_edits(void **state)
{
	const struct fc_edits edits = { .sample = FC_SAMPLE_ALL, .vlan = { .tpid = 0x8100 } };
	struct fc_findings *findings = fc_findings_new("test");
	struct fc_chain chain;

	(void)state;
	assert_int_equal(fc_chain_begin(&chain, &edits, findings, "taps.a"), 0);
	assert_int_equal(fc_findings_count(findings), 0);
	assert_int_equal(chain.n_read, 0);
	assert_int_equal(chain.n_write, 0);
	assert_int_equal(chain.growth, 0);
	assert_int_equal(chain.reach, UINT32_MAX);
	fc_chain_end(&chain);
	fc_findings_free(findings);
}

static void test_failure_leaves_nothing(void **state)
{
	const struct fc_edits edits = {
		.filter = (char *)(uintptr_t) "no such thing",
		.sample = 50,
		.truncate = 100,
	};
	struct fc_findings *findings = fc_findings_new("test");
	const struct fc_chain empty = { 0 };
	struct fc_chain chain;

	(void)state;
	assert_int_equal(fc_chain_begin(&chain, &edits, findings, "taps.a"), -EINVAL);
	assert_int_equal(fc_findings_n_errors(findings), 1);
	assert_int_equal(chain.n_read, empty.n_read);
	assert_int_equal(chain.n_write, empty.n_write);
	fc_chain_end(&chain);
	fc_findings_free(findings);
}

/* First the tag goes, then what is over the length: the payload reaches further than in a frame
 * that is cut first.
 */
static void test_vlan_before_slice(void **state)
{
	const struct fc_edits edits = {
		.sample = FC_SAMPLE_ALL,
		.vlan = { .pop = 1 },
		.trim = 10,
		.truncate = 200,
	};
	uint8_t expected[FRAME_SIZE];
	struct rte_mbuf *packet;
	struct fc_chain chain;

	memcpy(frame + 12, "\x81\x00\x00\x07", 4);
	memcpy(expected, frame, 12);
	memcpy(expected + 12, frame + 16, 188);
	packet = fixture_packet(*state, frame, FRAME_SIZE, 0);
	assert_int_equal(fc_chain_begin(&chain, &edits, NULL, "outputs.a"), 0);
	for (unsigned i = 0; i < chain.n_write; i++)
		assert_int_equal(chain.stages[i].ops->run(chain.stages[i].state, &packet, 1), 1);
	fixture_assert_bytes(packet, expected, 200);
	rte_pktmbuf_free(packet);
	fc_chain_end(&chain);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sort),
		cmocka_unit_test(test_order_of_stages),
		cmocka_unit_test(test_no_edits),
		cmocka_unit_test(test_failure_leaves_nothing),
		cmocka_unit_test_teardown(test_vlan_before_slice, fixture_check),
	};

	fixture_fill(frame, sizeof(frame), 7);
	return cmocka_run_group_tests(tests, fixture_start, fixture_stop);
}
