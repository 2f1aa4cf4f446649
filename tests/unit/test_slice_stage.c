/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fc_private.h>
#include <fc_stage.h>

#include "dpdk_fixture.h"

static uint8_t bytes[FIXTURE_MAX_FRAME];

static void begin(struct fc_chain *chain, uint32_t trim, uint32_t truncate)
{
	const struct fc_edits edits = {
		.sample = FC_SAMPLE_ALL, .trim = trim, .truncate = truncate
	};

	assert_int_equal(fc_chain_begin(chain, &edits, NULL, "outputs.a"), 0);
}

/* Of each packet its length, and what is left of it. */
static void test_lengths(void **state)
{
	static const struct {
		uint32_t trim, truncate, length, left;
	} cases[] = {
		{ 4, 0, 64, 60 },
		{ 4, 0, 18, 14 },
		{ 4, 0, 17, 14 },
		{ 4, 0, 14, 14 },
		{ 1, 0, 9018, 9017 },
		{ 65535, 0, 9018, 14 },
		{ 9004, 0, 9018, 14 },
		{ 9003, 0, 9018, 15 },
		{ 0, 128, 128, 128 },
		{ 0, 128, 129, 128 },
		{ 0, 128, 127, 127 },
		{ 0, 14, 9018, 14 },
		{ 0, 14, 14, 14 },
		{ 0, 65535, 9018, 9018 },
		{ 0, 9017, 9018, 9017 },
		{ 4, 128, 140, 128 },
		{ 4, 128, 131, 127 },
		{ 65535, 65535, 100, 14 },
		{ 20, 14, 20, 14 },
	};
	static const uint16_t parts[] = { 0, 100, 1500 };

	for (unsigned i = 0; i < RTE_DIM(cases); i++) {
		struct fc_chain chain;

		begin(&chain, cases[i].trim, cases[i].truncate);
		assert_int_equal(chain.n_write, 1);
		assert_int_equal(chain.growth, 0);
		for (unsigned p = 0; p < RTE_DIM(parts); p++) {
			struct rte_mbuf *packet =
				fixture_packet(*state, bytes, cases[i].length, parts[p]);
			const struct fc_stage *stage = &chain.stages[0];

			assert_int_equal(stage->ops->run(stage->state, &packet, 1), 1);
			fixture_assert_bytes(packet, bytes, cases[i].left);
			rte_pktmbuf_free(packet);
		}
		fc_chain_end(&chain);
	}
}

/*
 * A private copy holds only what the stages reach. Whatever the settings, cutting the copy gives
 * the same bytes as cutting the packet.
 */
static void check_copy(struct rte_mempool *pool, uint32_t trim, uint32_t truncate, uint32_t length)
{
	struct rte_mbuf *packet = fixture_packet(pool, bytes, length, 0), *copy = packet;
	uint32_t left = length > trim + 14 ? length - trim : RTE_MIN(length, 14u);
	struct fc_chain chain;
	struct fc_private how;

	if (truncate != 0)
		left = RTE_MIN(left, truncate);
	begin(&chain, trim, truncate);
	how = (struct fc_private){ .pool = pool, .reach = chain.reach };
	assert_int_equal(fc_private_copy(&how, &copy, 1), 1);
	if (chain.n_write != 0)
		chain.stages[0].ops->run(chain.stages[0].state, &copy, 1);
	fixture_assert_bytes(copy, bytes, left);
	fixture_assert_bytes(packet, bytes, length);
	rte_pktmbuf_free(copy);
	rte_pktmbuf_free(packet);
	fc_chain_end(&chain);
}

static void test_copies(void **state)
{
	static const uint32_t trims[] = { 0, 1, 4, 13, 14, 100, 1000, 1986, 1987, 65535 };
	static const uint32_t truncates[] = { 0, 14, 15, 64, 128, 1023, 1024, 1025, 1500, 65535 };
	static const uint32_t lengths[] = { 14, 15, 27, 28, 64, 128, 129, 1024, 1025, 2000 };

	for (unsigned i = 0; i < RTE_DIM(trims); i++)
		for (unsigned j = 0; j < RTE_DIM(truncates); j++)
			for (unsigned k = 0; k < RTE_DIM(lengths); k++)
				check_copy(*state, trims[i], truncates[j], lengths[k]);
}

static void test_reach(void **state)
{
	static const struct {
		uint32_t trim, truncate, reach;
	} cases[] = {
		{ 0, 128, 128 },
		{ 4, 128, 132 },
		{ 4, 0, UINT32_MAX },
		{ 0, 0, UINT32_MAX },
		{ 65535, 65535, 131070 },
	};

	(void)state;
	for (unsigned i = 0; i < RTE_DIM(cases); i++) {
		struct fc_chain chain;

		begin(&chain, cases[i].trim, cases[i].truncate);
		assert_int_equal(chain.reach, cases[i].reach);
		fc_chain_end(&chain);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_lengths, fixture_check),
		cmocka_unit_test_teardown(test_copies, fixture_check),
		cmocka_unit_test_teardown(test_reach, fixture_check),
	};

	fixture_fill(bytes, sizeof(bytes), 6);
	return cmocka_run_group_tests(tests, fixture_start, fixture_stop);
}
