/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <pthread.h>
#include <sched.h>

#include "dpdk_fixture.h"
#include "engine_rig.h"
#include "handoff.h"

#define POSITION_MASK ((UINT64_C(1) << FC_HANDOFF_POSITION_BITS) - 1)
#define N_PACKETS     200000

/* The handoff never looks into packets, so any address that differs from the others will do. */
static struct rte_mbuf *packet(uint64_t number)
{
	return (struct rte_mbuf *)(uintptr_t)((number + 1) * 64);
}

static void begin(struct fc_handoff *handoff)
{
	*handoff = (struct fc_handoff){ .ring = rte_ring_create("handoff", FC_HANDOFF_WORDS,
						SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ) };
	assert_non_null(handoff->ring);
}

static void push(struct fc_handoff *handoff, uint16_t route, uint64_t first, uint16_t n)
{
	struct rte_mbuf *packets[FC_BURST];

	for (uint16_t i = 0; i < n; i++)
		packets[i] = packet(first + i);
	fc_handoff_push(handoff, route, first, packets, n);
}

/* Take out one burst; 0: there is none. */
static uint16_t pop(struct fc_handoff_reader *reader, uint16_t *route, uint64_t *start,
	struct rte_mbuf *packets[FC_BURST])
{
	struct fc_handoff_burst burst;
	uint16_t next;

	fc_handoff_fill(reader);
	next = fc_handoff_read(reader, 0, &burst);
	if (next == 0)
		return 0;
	*route = burst.route;
	*start = burst.start;
	memcpy(packets, burst.packets, burst.n * sizeof(packets[0]));
	fc_handoff_keep(reader, next);
	return burst.n;
}

static void test_framing(void **state)
{
	static const struct {
		uint16_t route, n;
		uint64_t start;
	} cases[] = {
		{ 0, 1, 0 },
		{ UINT16_MAX, FC_BURST, POSITION_MASK },
		{ 0x8001, 31, UINT64_C(0x123456789a) },
		{ 1, 2, (POSITION_MASK + 1) * 5 + 3 },
	};
	struct rte_mbuf *packets[FC_BURST];
	struct fc_handoff handoff;
	struct fc_handoff_reader reader = { .handoff = &handoff };
	uint16_t route;
	uint64_t start;

	(void)state;
	begin(&handoff);
	for (size_t i = 0; i < RTE_DIM(cases); i++)
		push(&handoff, cases[i].route, cases[i].start, cases[i].n);
	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		assert_int_equal(pop(&reader, &route, &start, packets), cases[i].n);
		assert_int_equal(route, cases[i].route);
		assert_int_equal(start, cases[i].start & POSITION_MASK);
		for (uint16_t k = 0; k < cases[i].n; k++)
			assert_ptr_equal(packets[k], packet(cases[i].start + k));
	}
	assert_int_equal(pop(&reader, &route, &start, packets), 0);
	rte_ring_free(handoff.ring);
}

/* Once full, it takes nothing until a quarter of it is free. */
static void test_hysteresis(void **state)
{
	struct rte_mbuf *packets[FC_BURST];
	struct fc_handoff handoff;
	struct fc_handoff_reader reader = { .handoff = &handoff };
	uint64_t n_pushed = 0, n_popped = 0, start;
	unsigned n_looks = 0;
	uint16_t route;

	(void)state;
	begin(&handoff);
	while (fc_handoff_has_room(&handoff)) {
		push(&handoff, 0, n_pushed * FC_BURST, FC_BURST);
		n_pushed++;
	}
	assert_int_equal(n_pushed, RIG_HANDOFF_BURSTS);
	assert_true(handoff.was_full);
	while (rte_ring_free_count(handoff.ring) < FC_HANDOFF_WORDS / 4) {
		assert_false(fc_handoff_has_room(&handoff));
		assert_int_equal(pop(&reader, &route, &start, packets), FC_BURST);
		assert_int_equal(start, n_popped * FC_BURST);
		n_popped++;
	}
	/* It is not looked at each time. */
	while (!fc_handoff_has_room(&handoff))
		assert_true(++n_looks <= FC_HANDOFF_SKIPS);
	assert_false(handoff.was_full);
	/* Not having been full, it now takes all until it is. */
	while (rte_ring_free_count(handoff.ring) >= FC_HANDOFF_ROUND_WORDS) {
		assert_true(fc_handoff_has_room(&handoff));
		push(&handoff, 0, n_pushed++ * FC_BURST, FC_BURST);
	}
	assert_false(fc_handoff_has_room(&handoff));
	rte_ring_free(handoff.ring);
}

static void *produce(void *arg)
{
	struct fc_handoff *handoff = arg;
	uint64_t next = 0;
	uint32_t random = 7;

	while (next < N_PACKETS) {
		uint16_t n;

		random = random * 1664525 + 1013904223;
		n = (uint16_t)RTE_MIN((uint64_t)(random >> 27) + 1, N_PACKETS - next);
		if (!fc_handoff_has_room(handoff)) {
			sched_yield();
			continue;
		}
		push(handoff, (uint16_t)(next % 1000), next, n);
		next += n;
	}
	return NULL;
}

/* As a lane does it: all that has been taken out at once, the rest of a burst is kept. */
static unsigned consume(struct fc_handoff_reader *reader, uint64_t *next_number)
{
	struct fc_handoff_burst burst;
	uint16_t at = 0, next;
	unsigned n_wrong = 0;

	fc_handoff_fill(reader);
	fc_handoff_prefetch(reader, 0);
	while ((next = fc_handoff_read(reader, at, &burst)) != 0) {
		fc_handoff_prefetch(reader, next);
		n_wrong += burst.start != *next_number || burst.route != *next_number % 1000;
		for (uint16_t i = 0; i < burst.n; i++)
			n_wrong += burst.packets[i] != packet(*next_number + i);
		*next_number += burst.n;
		at = next;
	}
	fc_handoff_keep(reader, at);
	return n_wrong;
}

static void test_two_threads(void **state)
{
	struct fc_handoff handoff;
	struct fc_handoff_reader reader = { .handoff = &handoff };
	uint64_t next = 0, n_wrong = 0;
	pthread_t producer;

	(void)state;
	begin(&handoff);
	assert_int_equal(pthread_create(&producer, NULL, produce, &handoff), 0);
	while (next < N_PACKETS) {
		uint64_t before = next;

		n_wrong += consume(&reader, &next);
		if (next == before)
			sched_yield();
	}
	pthread_join(producer, NULL);
	assert_int_equal(n_wrong, 0);
	assert_int_equal(next, N_PACKETS);
	assert_int_equal(reader.n_words, 0);
	assert_true(rte_ring_empty(handoff.ring));
	rte_ring_free(handoff.ring);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_framing),
		cmocka_unit_test(test_hysteresis),
		cmocka_unit_test(test_two_threads),
	};

	return cmocka_run_group_tests(tests, fixture_start, fixture_stop);
}
