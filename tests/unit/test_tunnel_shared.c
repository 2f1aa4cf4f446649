/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <fc_tunnel.h>

#include "dpdk_fixture.h"
#include "tunnel_rig.h"

#define TIMESTAMP (UINT64_C(0x5589abcdef) * 100 + 99) /* ns */

/* Bytes of frames in the order in which they are offered. */
static const uint32_t shared_lengths[] = { 14, 60, 63, 64, 65, 128, FC_CHAIN_MIN_SIZE - 1,
	FC_CHAIN_MIN_SIZE, 1472, 1920, 1921 };

#define N_SHARED RTE_DIM(shared_lengths)

/* The frames of shared_lengths, whole or in segments from the fourth on. */
static void make_frames(struct rte_mempool *pool, struct rte_mbuf *frames[N_SHARED], bool segmented)
{
	uint8_t frame[1921];

	for (unsigned i = 0; i < N_SHARED; i++) {
		rig_inner(frame, shared_lengths[i], i);
		frames[i] = fixture_packet(
			pool, frame, shared_lengths[i], segmented && i >= 3 ? 32 : 0);
	}
}

static void expect_same(struct rte_mbuf *const *packets, struct rte_mbuf *const *others, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++)
		fixture_assert_bytes(
			packets[i], rte_pktmbuf_mtod(others[i], void *), others[i]->pkt_len);
}

static bool is_chained(const struct rte_mbuf *made, const struct rte_mbuf *frame)
{
	return made->next == frame;
}

struct shared_case {
	bool linear, segmented;
	uint32_t longest;
	uint16_t expected; /* so many can be done */
};

/*
 * What becomes of packets that somebody else holds is what encapsulation makes of private ones;
 * they are as they were.
 */
static void check_shared(struct rte_mempool *pool, struct rte_mempool *narrow,
	enum fc_tunnel_type type, uint8_t family, const struct shared_case *this, bool owned)
{
	const struct fc_tunnel_params params = rig_params(type, family);
	struct fc_tunnel_state state = { .packet_id = 9, .sequence = 8 }, other = state;
	struct rte_mbuf *frames[N_SHARED], *made[N_SHARED], *pushed[N_SHARED];
	const struct fc_private how = { .pool = this->linear ? narrow : pool,
		.reach = UINT32_MAX,
		.headroom = FC_TUNNEL_MAX_SIZE,
		.linear = this->linear };
	const struct fc_tunnel_burst burst = { .packets = made,
		.n = N_SHARED,
		.how = &how,
		.owned = owned,
		.longest = this->longest,
		.timestamp_ns = TIMESTAMP };
	uint16_t expected = type == FC_TUNNEL_GRE ? 0 : this->expected;
	struct fc_tunnel_header header;
	uint64_t size = 0, expected_size = 0;
	uint8_t frame[1921];

	rig_prepare(&header, &params);
	make_frames(pool, frames, this->segmented);
	make_frames(pool, pushed, false);
	memcpy(made, frames, sizeof(made));
	for (uint16_t i = 0; owned && i < N_SHARED; i++)
		rte_pktmbuf_refcnt_update(frames[i], 1);
	assert_int_equal(fc_tunnel_push(&header, &state, &burst, &size), expected);
	rig_push(&header, &other, pushed, expected, TIMESTAMP);
	expect_same(made, pushed, expected);
	assert_memory_equal(&state, &other, sizeof(state));
	for (uint16_t i = 0; i < N_SHARED; i++) {
		bool chained = i < expected && is_chained(made[i], frames[i]);
		bool kept = owned && i >= expected;

		rig_inner(frame, shared_lengths[i], i);
		fixture_assert_bytes(frames[i], frame, shared_lengths[i]);
		assert_int_equal(rte_mbuf_refcnt_read(frames[i]), 1 + chained + kept);
		assert_int_equal(made[i] == frames[i], i >= expected);
		if (i < expected)
			assert_int_equal(chained,
				!this->linear && (frames[i]->nb_segs > 1 ||
							 shared_lengths[i] >= FC_CHAIN_MIN_SIZE));
		expected_size += i < expected ? pushed[i]->pkt_len : 0;
	}
	assert_int_equal(size, expected_size);
	rte_pktmbuf_free_bulk(made, owned ? N_SHARED : expected);
	rte_pktmbuf_free_bulk(frames, N_SHARED);
	rte_pktmbuf_free_bulk(pushed, N_SHARED);
	fixture_assert_full(narrow);
}

static void test_shared(void **state)
{
	/* Room for 1920 bytes in whole blocks of 64. */
	struct rte_mempool *narrow = fixture_pool_new("narrow", 2 * N_SHARED, 1983);
	static const struct shared_case cases[] = {
		{ false, false, UINT32_MAX, N_SHARED },
		{ false, true, UINT32_MAX, N_SHARED },
		{ false, false, 128, 6 },
		{ false, false, 127, 5 },
		{ true, false, UINT32_MAX, 10 },
		{ true, true, UINT32_MAX, 3 },
		{ true, false, 1472, 9 },
		{ true, false, 1471, 8 },
	};

	for (unsigned t = 0; t < RTE_DIM(rig_types); t++) {
		for (unsigned i = 0; i < RTE_DIM(cases); i++) {
			for (uint8_t family = 4; family <= 6; family += 2) {
				check_shared(
					*state, narrow, rig_types[t], family, &cases[i], false);
				check_shared(*state, narrow, rig_types[t], family, &cases[i], true);
			}
		}
	}
	rte_mempool_free(narrow);
}

/* Of packets of which some are held elsewhere, the others get their header in place. */
static void check_mixed(struct rte_mempool *pool, enum fc_tunnel_type type, unsigned held)
{
	const struct fc_tunnel_params params = rig_params(type, 4);
	const struct fc_private how = {
		.pool = pool, .reach = UINT32_MAX, .headroom = FC_TUNNEL_MAX_SIZE
	};
	struct fc_tunnel_state state = { .packet_id = 65530 }, other = state;
	struct rte_mbuf *frames[N_SHARED], *made[N_SHARED], *pushed[N_SHARED];
	const struct fc_tunnel_burst burst = { .packets = made,
		.n = N_SHARED,
		.how = &how,
		.owned = true,
		.longest = UINT32_MAX,
		.timestamp_ns = TIMESTAMP };
	struct fc_tunnel_header header;
	uint64_t size = 0;

	rig_prepare(&header, &params);
	make_frames(pool, frames, false);
	make_frames(pool, pushed, false);
	memcpy(made, frames, sizeof(made));
	for (unsigned i = 0; i < N_SHARED; i++)
		if (held >> i & 1)
			rte_pktmbuf_refcnt_update(frames[i], 1);
	assert_int_equal(fc_tunnel_push(&header, &state, &burst, &size), N_SHARED);
	rig_push(&header, &other, pushed, N_SHARED, TIMESTAMP);
	expect_same(made, pushed, N_SHARED);
	assert_memory_equal(&state, &other, sizeof(state));
	for (unsigned i = 0; i < N_SHARED; i++)
		assert_int_equal(made[i] != frames[i], held >> i & 1);
	rte_pktmbuf_free_bulk(made, N_SHARED);
	for (unsigned i = 0; i < N_SHARED; i++)
		if (held >> i & 1)
			rte_pktmbuf_free(frames[i]);
	rte_pktmbuf_free_bulk(pushed, N_SHARED);
}

static void test_mixed(void **state)
{
	static const unsigned held[] = { 0, 1, 0x400, 0x7fe, 0x555, 0x2aa, 0x1f0 };

	for (unsigned i = 0; i < RTE_DIM(held); i++) {
		check_mixed(*state, FC_TUNNEL_GRETAP, held[i]);
		check_mixed(*state, FC_TUNNEL_VXLAN, held[i]);
		check_mixed(*state, FC_TUNNEL_ERSPAN3, held[i]);
	}
}

/* Without a next hop or a buffer nothing is done, and nothing is kept. */
static void test_nothing(void **state)
{
	const struct fc_tunnel_params params = rig_params(FC_TUNNEL_GRETAP, 4);
	struct rte_mempool *small = fixture_pool_new("small", 3, 2048);
	struct rte_mbuf *frames[N_SHARED], *made[N_SHARED];
	const struct fc_private how = {
		.pool = small, .reach = UINT32_MAX, .headroom = FC_TUNNEL_MAX_SIZE
	};
	const struct fc_tunnel_burst burst = {
		.packets = made, .n = N_SHARED, .how = &how, .longest = UINT32_MAX
	};
	struct fc_tunnel_state counts = { .packet_id = 0 };
	struct fc_tunnel_header header;
	uint64_t size = 0;

	make_frames(*state, frames, false);
	memcpy(made, frames, sizeof(made));
	assert_int_equal(fc_tunnel_prepare(&header, &params), 0);
	assert_int_equal(fc_tunnel_push(&header, &counts, &burst, &size), 0);
	fixture_assert_full(small);
	rig_prepare(&header, &params);
	assert_int_equal(fc_tunnel_push(&header, &counts, &burst, &size), 3);
	assert_int_equal(counts.packet_id, 3);
	rte_pktmbuf_free_bulk(made, 3);
	rte_pktmbuf_free_bulk(frames, N_SHARED);
	fixture_assert_full(small);
	rte_mempool_free(small);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_shared, fixture_check),
		cmocka_unit_test_teardown(test_mixed, fixture_check),
		cmocka_unit_test_teardown(test_nothing, fixture_check),
	};

	return cmocka_run_group_tests(tests, fixture_start, fixture_stop);
}
