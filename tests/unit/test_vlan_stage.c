/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <fc_stage.h>

#include "dpdk_fixture.h"

#define FRAME_SIZE 64

static uint8_t frame[FRAME_SIZE];

static void begin(struct fc_chain *chain, const struct fc_vlan_edit *vlan)
{
	const struct fc_edits edits = { .sample = FC_SAMPLE_ALL, .vlan = *vlan };

	assert_int_equal(fc_chain_begin(chain, &edits, NULL, "outputs.a"), 0);
	assert_int_equal(chain->n_read, 0);
	assert_int_equal(chain->n_write, 1);
}

static uint16_t run(struct fc_chain *chain, struct rte_mbuf **packets, uint16_t n)
{
	return chain->stages[0].ops->run(chain->stages[0].state, packets, n);
}

/* The bytes of the tags that each setting puts on, as IEEE 802.1Q has them. */
static void test_tags(void **state)
{
	static const struct {
		struct fc_vlan_edit vlan;
		unsigned n;
		uint8_t tags[8];
	} cases[] = {
		{ { 0, 1, 0, 0x8100, { 100, 0 } }, 4, { 0x81, 0x00, 0x00, 0x64 } },
		{ { 0, 1, 7, 0x8100, { 4094, 0 } }, 4, { 0x81, 0x00, 0xef, 0xfe } },
		{ { 0, 1, 5, 0x88a8, { 1, 0 } }, 4, { 0x88, 0xa8, 0xa0, 0x01 } },
		{ { 0, 1, 0, 0x9200, { 256, 0 } }, 4, { 0x92, 0x00, 0x01, 0x00 } },
		{ { 0, 2, 3, 0x88a8, { 10, 20 } }, 8,
			{ 0x88, 0xa8, 0x60, 0x0a, 0x81, 0x00, 0x60, 0x14 } },
		{ { 2, 2, 0, 0x8100, { 4094, 1 } }, 8,
			{ 0x81, 0x00, 0x0f, 0xfe, 0x81, 0x00, 0x00, 0x01 } },
		{ { 1, 0, 7, 0x8100, { 0, 0 } }, 0, { 0 } },
	};

	for (unsigned i = 0; i < RTE_DIM(cases); i++) {
		struct rte_mbuf *packet = fixture_packet(*state, frame, FRAME_SIZE, 0);
		uint8_t expected[FRAME_SIZE + 8];
		struct fc_chain chain;

		memcpy(expected, frame, 12);
		memcpy(expected + 12, cases[i].tags, cases[i].n);
		memcpy(expected + 12 + cases[i].n, frame + 12, FRAME_SIZE - 12);
		begin(&chain, &cases[i].vlan);
		assert_int_equal(run(&chain, &packet, 1), 1);
		fixture_assert_bytes(packet, expected, FRAME_SIZE + cases[i].n);
		fc_chain_end(&chain);
		rte_pktmbuf_free(packet);
	}
}

static void test_limits(void **state)
{
	const struct fc_vlan_edit pop = { .pop = 2, .tpid = 0x8100 };
	const struct fc_vlan_edit push = { .n_push = 2, .tpid = 0x8100, .vid = { 1, 2 } };
	const struct fc_vlan_edit nothing = { .tpid = 0x8100, .pcp = 7 };
	const struct fc_edits edits = { .sample = FC_SAMPLE_ALL, .vlan = nothing };
	struct fc_chain chain;

	(void)state;
	begin(&chain, &pop);
	assert_int_equal(chain.reach, UINT32_MAX);
	fc_chain_end(&chain);
	begin(&chain, &push);
	assert_true(chain.growth >= 8);
	fc_chain_end(&chain);
	assert_int_equal(fc_chain_begin(&chain, &edits, NULL, "outputs.a"), 0);
	assert_int_equal(chain.n_write, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_tags, fixture_check),
		cmocka_unit_test(test_limits),
	};

	fixture_fill(frame, sizeof(frame), 5);
	return cmocka_run_group_tests(tests, fixture_start, fixture_stop);
}
