/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <rte_random.h>

#include <fc_stage.h>

#include "dpdk_fixture.h"

#define SEED	  4711
#define N_DRAWS	  100000
#define N_PACKETS FC_MAX_BURST

static struct rte_mbuf *packets[N_PACKETS];

static void begin(struct fc_chain *chain, double percent)
{
	struct fc_edits edits = { .sample = percent };
	struct fc_findings *findings = fc_findings_new("test");

	assert_int_equal(fc_chain_begin(chain, &edits, findings, "taps.a"), 0);
	assert_int_equal(fc_findings_count(findings), 0);
	assert_int_equal(chain->n_read, 1);
	assert_int_equal(chain->n_write, 0);
	assert_int_equal(chain->stages[0].ops->drop, FC_DROP_SAMPLED_OUT);
	fc_findings_free(findings);
	rte_srand(SEED);
}

static uint16_t run(struct fc_chain *chain, struct rte_mbuf **burst, uint16_t n)
{
	return chain->stages[0].ops->run(chain->stages[0].state, burst, n);
}

static unsigned index_of(const struct rte_mbuf *packet)
{
	unsigned i = 0;

	while (i < N_PACKETS && packets[i] != packet)
		i++;
	assert_true(i < N_PACKETS);
	return i;
}

/* All of a burst are still there, those that stay and the others each in their order. */
static void assert_sorted(struct rte_mbuf **burst, uint16_t n, uint16_t n_kept)
{
	uint64_t seen = 0;

	assert_true(n_kept <= n);
	for (uint16_t i = 0; i < n; i++) {
		unsigned index = index_of(burst[i]);

		assert_true(index < n);
		seen |= UINT64_C(1) << index;
		if (i != 0 && i != n_kept)
			assert_true(index > index_of(burst[i - 1]));
	}
	assert_int_equal(__builtin_popcountll(seen), n);
}

/* sum of n draws with probability p lies within six standard deviations of what is expected. */
static void assert_near(uint64_t sum, uint64_t n, double p)
{
	double off = (double)sum - (double)n * p;

	if (off * off > 36 * (double)n * p * (1 - p))
		fail_msg("%lu of %lu at %g", (unsigned long)sum, (unsigned long)n, p);
}

static void check_share(double percent, uint16_t burst_size)
{
	uint64_t kept_at[N_PACKETS] = { 0 }, kept = 0, pairs = 0;
	unsigned n_bursts = N_DRAWS / burst_size;
	struct fc_chain chain;

	begin(&chain, percent);
	for (unsigned i = 0; i < n_bursts; i++) {
		struct rte_mbuf *burst[N_PACKETS];
		uint16_t n_kept;

		memcpy(burst, packets, sizeof(burst));
		n_kept = run(&chain, burst, burst_size);
		assert_sorted(burst, burst_size, n_kept);
		kept += n_kept;
		for (uint16_t j = 0; j < n_kept; j++) {
			unsigned index = index_of(burst[j]);

			kept_at[index]++;
			/* Two packets share a draw; that must not tie them together. */
			pairs += index % 2 == 1 && j > 0 && index_of(burst[j - 1]) == index - 1;
		}
	}
	assert_near(kept, (uint64_t)n_bursts * burst_size, percent / 100);
	for (uint16_t i = 0; i < burst_size; i++)
		assert_near(kept_at[i], n_bursts, percent / 100);
	assert_near(pairs, (uint64_t)n_bursts * (burst_size / 2u), percent / 100 * percent / 100);
	fc_chain_end(&chain);
}

static void test_shares(void **state)
{
	static const double percents[] = { 0.5, 1, 12.5, 33.3, 50, 75, 99.5 };
	static const uint16_t sizes[] = { 1, 2, 3, 7, 32, 63, 64 };

	(void)state;
	for (unsigned i = 0; i < RTE_DIM(percents); i++)
		for (unsigned j = 0; j < RTE_DIM(sizes); j++)
			check_share(percents[i], sizes[j]);
}

static void test_all_is_no_stage(void **state)
{
	struct fc_edits edits = { .sample = FC_SAMPLE_ALL };
	struct fc_chain chain;

	(void)state;
	assert_int_equal(fc_chain_begin(&chain, &edits, NULL, "taps.a"), 0);
	assert_int_equal(chain.n_read + chain.n_write, 0);
}

/*
 * The smallest share that can be written down still keeps a packet now and then: once in 2^32. The
 * state is looked at, as that takes too long to wait for.
 */
static void test_tiny_share_is_not_none(void **state)
{
	static const double percents[] = { 1e-7, 1e-9, 1e-12, 4.9e-324 };

	(void)state;
	for (unsigned i = 0; i < RTE_DIM(percents); i++) {
		struct fc_chain chain;
		uint64_t below;

		begin(&chain, percents[i]);
		memcpy(&below, chain.stages[0].state, sizeof(below));
		assert_in_range(below, 1, 4);
		fc_chain_end(&chain);
	}
}

static void test_nearly_all_is_not_all(void **state)
{
	struct fc_chain chain;
	uint64_t below;

	(void)state;
	begin(&chain, 99.99999999999999);
	memcpy(&below, chain.stages[0].state, sizeof(below));
	assert_int_equal(below, UINT32_MAX);
	fc_chain_end(&chain);
}

static int start(void **state)
{
	static const uint8_t bytes[60];

	if (fixture_start(state) != 0)
		return -1;
	for (unsigned i = 0; i < N_PACKETS; i++)
		packets[i] = fixture_packet(*state, bytes, sizeof(bytes), 0);
	return 0;
}

static int stop(void **state)
{
	rte_pktmbuf_free_bulk(packets, N_PACKETS);
	fixture_assert_full(*state);
	return fixture_stop(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shares),
		cmocka_unit_test(test_all_is_no_stage),
		cmocka_unit_test(test_tiny_share_is_not_none),
		cmocka_unit_test(test_nearly_all_is_not_all),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
