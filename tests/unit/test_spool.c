/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <rte_bitops.h>
#include <rte_common.h>
#include <rte_mbuf_dyn.h>

#include <fc_original.h>

#include "dpdk_fixture.h"
#include "spool.h"

/*
 * A spool against a model of it: for each reader a list of the numbers of the packets that it still
 * wants. What a packet holds follows from its number, and what the spool says to have lost must be
 * the oldest packets of the list.
 */

#define SIZE	  FC_SPOOL_MIN_SIZE
#define N_READERS 3
#define MAX_LIST  (1U << 17)
#define LONGEST	  65535
#define SECONDS_2                                                                                  \
	(UINT64_C(1) << 33) /* TSC cycles: a difference that does not fit into 32 bits             \
			     */

struct list {
	uint32_t first, end;
	uint32_t numbers[MAX_LIST];
};

struct rig {
	struct rte_mempool *pool; /* of what is written, and of what is read */
	struct fc_spool spool;
	struct fc_spool_reader readers[N_READERS];
	struct fc_tally queued[N_READERS], lost[N_READERS];
	struct fc_count lost_before[N_READERS];
	struct list lists[N_READERS];
	uint32_t n_made;
	uint64_t now;
	uint32_t (*length_of)(uint32_t number);
	uint8_t bytes[LONGEST];
};

static uint32_t any_length(uint32_t number)
{
	uint32_t random = number * 2654435761U >> 7;

	return number % 50 == 0 ? 1 + random % 9018 : 14 + random % 1505;
}

static uint32_t shortest_length(uint32_t number)
{
	return 14 + number % 3;
}

static uint32_t longest_length(uint32_t number)
{
	return LONGEST - number % 2;
}

static struct rig *begin(void **state, uint32_t (*length_of)(uint32_t number))
{
	struct rig *rig = calloc(1, sizeof(*rig));

	assert_non_null(rig);
	rig->pool = *state;
	rig->length_of = length_of;
	rig->now = SECONDS_2;
	assert_int_equal(fc_spool_begin(&rig->spool, SIZE, rig->pool, SOCKET_ID_ANY), 0);
	assert_int_equal(fc_memory_fill(&rig->spool.memory, SIZE), 0);
	for (int i = 0; i < N_READERS; i++)
		assert_int_equal(fc_spool_reader_begin(&rig->readers[i], &rig->spool,
					 &rig->queued[i], &rig->lost[i]),
			0);
	return rig;
}

static void end(struct rig *rig)
{
	for (int i = 0; i < N_READERS; i++) {
		fc_spool_forget(&rig->readers[i]);
		fc_spool_reader_end(&rig->readers[i]);
	}
	assert_int_equal(atomic_load(&rig->spool.used), 0);
	assert_int_equal(atomic_load(&rig->spool.end), 0);
	fc_spool_end(&rig->spool);
	free(rig);
}

static uint64_t size_of(const struct rig *rig, const struct list *list)
{
	uint64_t size = 0;

	for (uint32_t i = list->first; i < list->end; i++)
		size += rig->length_of(list->numbers[i]);
	return size;
}

/* What the spool says to have lost since the last time are the oldest that a reader wanted. */
static void lose(struct rig *rig, int i)
{
	struct fc_count lost = fc_tally_read(&rig->lost[i]);
	struct list *list = &rig->lists[i];
	uint64_t size = 0;

	for (uint64_t n = lost.packets - rig->lost_before[i].packets; n != 0; n--) {
		assert_true(list->first < list->end);
		size += rig->length_of(list->numbers[list->first++]);
	}
	assert_int_equal(lost.bytes - rig->lost_before[i].bytes, size);
	rig->lost_before[i] = lost;
}

static void check(const struct rig *rig, int i)
{
	const struct list *list = &rig->lists[i];
	uint64_t size = size_of(rig, list);

	assert_int_equal(rig->readers[i].n_packets, list->end - list->first);
	assert_int_equal(rig->readers[i].n_bytes, size);
	assert_int_equal(fc_tally_read(&rig->queued[i]).packets, list->end - list->first);
	assert_int_equal(fc_tally_read(&rig->queued[i]).bytes, size);
}

static struct rte_mbuf *make(struct rig *rig, uint32_t number)
{
	uint32_t length = rig->length_of(number);

	fixture_fill(rig->bytes, length, number);
	/* Some come in segments that are shorter than they need be. */
	return fixture_packet(
		rig->pool, rig->bytes, length, number % 7 == 0 && length < 2000 ? 400 : 0);
}

/* Write packets that have been made; @masks says for each reader which of them it wants. */
static void write_made(struct rig *rig, struct rte_mbuf **packets, uint16_t n, uint32_t first,
	const uint32_t masks[N_READERS])
{
	struct fc_spool_part part;

	for (uint16_t done = 0; done < n; done = (uint16_t)(done + part.n)) {
		uint16_t got = fc_spool_write(&rig->spool, packets + done, (uint16_t)(n - done),
			first + done, rig->now, &part);

		assert_true(got >= 1 && got <= n - done && part.n == got);
		for (int i = 0; i < N_READERS; i++)
			lose(rig, i);
		for (int i = 0; i < N_READERS; i++) {
			uint32_t mask = masks[i] >> done & UINT32_MAX >> (32 - got);
			struct fc_count count;

			if (mask == 0)
				continue;
			count = fc_spool_want(&rig->readers[i], &part, mask);
			fc_tally_add(&rig->queued[i], count.packets, count.bytes);
			for (; mask != 0; mask &= mask - 1)
				rig->lists[i].numbers[rig->lists[i].end++] =
					first + done + rte_bsf32(mask);
		}
	}
	rte_pktmbuf_free_bulk(packets, n);
}

static void write_packets(struct rig *rig, uint16_t n, const uint32_t masks[N_READERS])
{
	struct rte_mbuf *packets[FC_SPOOL_BURST];

	for (uint16_t i = 0; i < n; i++)
		packets[i] = make(rig, rig->n_made + i);
	write_made(rig, packets, n, rig->n_made, masks);
	rig->n_made += n;
}

/* Read up to @max packets of a reader. @return How many there were. */
static uint16_t read_packets(struct rig *rig, int i, uint16_t max)
{
	struct rte_mbuf *packets[FC_SPOOL_BURST];
	struct list *list = &rig->lists[i];
	uint64_t since = 0, size = 0;
	uint16_t n = fc_spool_read(&rig->readers[i], packets, max, &since);

	assert_true(n <= max);
	for (uint16_t p = 0; p < n; p++) {
		uint32_t number = list->numbers[list->first++], length = rig->length_of(number);

		fixture_fill(rig->bytes, length, number);
		fixture_assert_bytes(packets[p], rig->bytes, length);
		size += length;
	}
	if (n != 0)
		assert_true(since >= SECONDS_2 && since <= rig->now);
	fc_tally_add(&rig->queued[i], -(uint64_t)n, -size);
	rte_pktmbuf_free_bulk(packets, n);
	return n;
}

static void read_all(struct rig *rig, int i)
{
	while (rig->readers[i].n_packets != 0)
		read_packets(rig, i, FC_SPOOL_BURST);
	assert_int_equal(rig->lists[i].first, rig->lists[i].end);
	assert_int_equal(read_packets(rig, i, FC_SPOOL_BURST), 0);
}

static uint32_t draw(uint32_t *seed, uint32_t n)
{
	*seed = *seed * 1664525 + 1013904223;
	return (uint32_t)((uint64_t)*seed * n >> 32);
}

/* Bursts of any size, wanted by any readers, read in any portions. */
static void walk(struct rig *rig, uint32_t seed, unsigned n_steps)
{
	for (unsigned step = 0; step < n_steps; step++) {
		uint16_t n = (uint16_t)(1 + draw(&seed, FC_SPOOL_BURST));
		uint32_t all = UINT32_MAX >> (32 - n), masks[N_READERS];
		int reader = (int)draw(&seed, N_READERS);

		/* The first reader stalls now and then; the second one filters; the third sips. */
		masks[0] = step / 300 % 2 != 0 ? 0 : all;
		masks[1] = draw(&seed, UINT32_MAX) & draw(&seed, UINT32_MAX) & all;
		masks[2] = draw(&seed, 20) == 0 ? 1 : 0;
		rig->now += draw(&seed, 50) == 0 ? SECONDS_2 : draw(&seed, 1000);
		if ((masks[0] | masks[1] | masks[2]) == all)
			write_packets(rig, n, masks);
		if (draw(&seed, 4) == 0 && step / 300 % 3 != 0)
			read_packets(rig, reader, (uint16_t)(1 + draw(&seed, FC_SPOOL_BURST)));
		if (draw(&seed, 50) == 0)
			read_all(rig, reader);
		for (int i = 0; i < N_READERS; i++)
			check(rig, i);
		assert_true(atomic_load(&rig->spool.used) <= SIZE);
		assert_true(atomic_load(&rig->spool.end) <= SIZE);
	}
	for (int i = 0; i < N_READERS; i++)
		read_all(rig, i);
}

static void test_walk(void **state)
{
	for (uint32_t seed = 1; seed <= 4; seed++) {
		struct rig *rig = begin(state, any_length);

		walk(rig, seed, 1500);
		assert_true(fc_tally_read(&rig->lost[0]).packets != 0);
		end(rig);
	}
}

/* So short that the slots run out before the bytes do. */
static void test_shortest(void **state)
{
	struct rig *rig = begin(state, shortest_length);
	const uint32_t all[N_READERS] = { UINT32_MAX, UINT32_MAX, 1 };

	for (unsigned i = 0; i < 3 * fc_spool_slots(SIZE); i++)
		write_packets(rig, FC_SPOOL_BURST, all);
	assert_int_equal(rig->readers[0].n_packets, fc_spool_slots(SIZE) * FC_SPOOL_BURST);
	assert_int_equal(rig->readers[2].n_packets, fc_spool_slots(SIZE));
	for (int i = 0; i < N_READERS; i++) {
		check(rig, i);
		read_all(rig, i);
	}
	end(rig);
}

/* One packet may be longer than a record usually is, and a burst of them than all of the spool. */
static void test_longest(void **state)
{
	struct rig *rig = begin(state, longest_length);
	const uint32_t masks[N_READERS] = { 7, 5, 0 };

	for (unsigned i = 0; i < 20; i++) {
		write_packets(rig, 3, masks);
		check(rig, 0);
		check(rig, 1);
	}
	assert_true(rig->readers[0].n_packets >= 14 && rig->readers[0].n_packets <= 16);
	read_all(rig, 0);
	read_all(rig, 1);
	end(rig);
}

/* How much of the spool packets of 64 bytes fill, also when they come one at a time. */
static uint32_t length_64(uint32_t number)
{
	(void)number;
	return 64;
}

static void test_density(void **state)
{
	for (uint16_t n = 1; n <= FC_SPOOL_BURST; n = (uint16_t)(n * 32)) {
		struct rig *rig = begin(state, length_64);
		const uint32_t masks[N_READERS] = { UINT32_MAX >> (32 - n), 0, 0 };

		while (fc_tally_read(&rig->lost[0]).packets == 0) {
			rig->now += 1000;
			write_packets(rig, n, masks);
		}
		assert_true(rig->readers[0].n_packets * UINT64_C(75) > SIZE - 2 * 2400);
		assert_true(atomic_load(&rig->spool.peak) > SIZE - 2 * 2400);
		read_all(rig, 0);
		end(rig);
	}
}

/* A pool that is empty in the middle of a burst, and of a packet. */
static void test_empty_pool(void **state)
{
	struct rig *rig = begin(state, any_length);
	const uint32_t masks[N_READERS] = { UINT32_MAX, 0, 0 };
	struct rte_mbuf *held[256];
	unsigned n_held = 0;

	for (unsigned i = 0; i < 10; i++)
		write_packets(rig, FC_SPOOL_BURST, masks);
	while ((held[n_held] = rte_pktmbuf_alloc(rig->pool)) != NULL)
		n_held++;
	for (unsigned n_free = 0; n_free < 5; n_free++) {
		uint16_t n = read_packets(rig, 0, FC_SPOOL_BURST);

		assert_true(n <= n_free);
		check(rig, 0);
		rte_pktmbuf_free(held[--n_held]);
	}
	rte_pktmbuf_free_bulk(held, n_held);
	read_all(rig, 0);
	end(rig);
}

/* Larger and smaller while packets wait: what still fits stays, and the rest goes bit by bit. */
static void test_resize(void **state)
{
	struct rig *rig = begin(state, any_length);
	const uint32_t masks[N_READERS] = { UINT32_MAX, 0x55555555, 0 };
	struct fc_count before;

	for (unsigned i = 0; i < 80; i++)
		write_packets(rig, FC_SPOOL_BURST, masks);
	assert_true(fc_tally_read(&rig->lost[0]).packets != 0);
	assert_int_equal(fc_spool_prepare(&rig->spool, 4 * SIZE), 0);
	for (int i = 0; i < N_READERS; i++)
		assert_int_equal(fc_spool_reader_prepare(&rig->readers[i], 4 * SIZE), 0);
	assert_int_equal(fc_memory_fill(&rig->spool.memory, 4 * SIZE), 0);
	fc_spool_set(&rig->spool, 4 * SIZE, rig->pool);
	assert_int_equal(fc_spool_ready(&rig->spool), 4 * SIZE);
	for (unsigned i = 0; i < 400; i++)
		write_packets(rig, FC_SPOOL_BURST, masks);
	check(rig, 0);
	assert_true(rig->readers[0].n_bytes > 3 * SIZE);

	fc_spool_set(&rig->spool, SIZE, rig->pool);
	fc_spool_trim(&rig->spool, SIZE);
	assert_true(rig->spool.memory.usable >= 4 * SIZE);
	for (unsigned i = 0; rig->spool.size > SIZE; i++) {
		before = fc_tally_read(&rig->lost[0]);
		fc_spool_shrink(&rig->spool);
		lose(rig, 0);
		lose(rig, 1);
		check(rig, 0);
		assert_true(fc_tally_read(&rig->lost[0]).packets - before.packets <=
			    4 * FC_SPOOL_BURST);
		assert_true(i < 1000);
	}
	assert_true(rig->readers[0].n_bytes > SIZE * 3 / 4);
	for (unsigned i = 0; i < 300; i++)
		write_packets(rig, FC_SPOOL_BURST, masks);
	check(rig, 0);
	check(rig, 1);
	assert_true(atomic_load(&rig->spool.end) <= SIZE);
	fc_spool_trim(&rig->spool, SIZE);
	assert_int_equal(rig->spool.memory.usable, SIZE);
	walk(rig, 7, 600);
	end(rig);
}

/* A port's own times, which may also stand still, go back, jump, or be missing. */
static void test_stamps(void **state)
{
	static const uint64_t steps[] = { 10, 0, UINT64_C(5) << 32, -UINT64_C(100), 1, 7 };
	struct rte_mbuf *packets[RTE_DIM(steps)], *out[FC_SPOOL_BURST];
	uint64_t stamp = 1000, stamps[RTE_DIM(steps)], flag, since;
	const uint32_t masks[N_READERS] = { (1U << RTE_DIM(steps)) - 1, 0, 0 };
	struct rig *rig;
	unsigned n = 0;
	int at;

	assert_int_equal(rte_mbuf_dyn_rx_timestamp_register(&at, &flag), 0);
	rig = begin(state, any_length);
	for (unsigned i = 0; i < RTE_DIM(steps); i++) {
		stamps[i] = stamp += steps[i];
		packets[i] = make(rig, i);
		if (i == 4)
			continue;
		packets[i]->ol_flags |= flag;
		*RTE_MBUF_DYNFIELD(packets[i], at, uint64_t *) = stamp;
	}
	write_made(rig, packets, RTE_DIM(steps), 0, masks);
	while (rig->readers[0].n_packets != 0) {
		uint16_t got = fc_spool_read(&rig->readers[0], out, FC_SPOOL_BURST, &since);

		for (uint16_t i = 0; i < got; i++, n++) {
			assert_int_equal((out[i]->ol_flags & flag) != 0, n != 4);
			if (n != 4)
				assert_int_equal(
					*RTE_MBUF_DYNFIELD(out[i], at, uint64_t *), stamps[n]);
		}
		rte_pktmbuf_free_bulk(out, got);
	}
	assert_int_equal(n, RTE_DIM(steps));
	end(rig);
}

/* How long packets were before they were cut, and that others say nothing of it. */
static void test_original(void **state)
{
	struct rig *rig = begin(state, any_length);
	const uint32_t masks[N_READERS] = { 3, 0, 0 };
	struct rte_mbuf *packets[2], *out[2];
	uint64_t since;

	assert_int_equal(fc_original_register(), 0);
	assert_int_equal(fc_original_register(), 0);
	for (uint32_t i = 0; i < 2; i++)
		packets[i] = make(rig, i);
	fc_original_note(packets[1], 9000);
	fc_original_note(packets[1], 5000); /* it has been cut already */
	write_made(rig, packets, 2, 0, masks);
	assert_int_equal(fc_spool_read(&rig->readers[0], out, 2, &since), 2);
	assert_int_equal(fc_original_length(out[0]), any_length(0));
	assert_int_equal(fc_original_length(out[1]), 9000);
	assert_int_equal(out[1]->pkt_len, any_length(1));
	rte_pktmbuf_free_bulk(out, 2);
	end(rig);
}

/* Who has left is not overwritten for any more, and says at last what he wanted. */
static void test_leave(void **state)
{
	struct rig *rig = begin(state, any_length);
	const uint32_t both[N_READERS] = { 0xffff, 0xffff, 0 }, one[N_READERS] = { 0, 0xffff, 0 };
	struct fc_count count;

	write_packets(rig, 16, both);
	fc_spool_leave(&rig->readers[0]);
	for (unsigned i = 0; i < 200; i++)
		write_packets(rig, 16, one);
	assert_int_equal(fc_tally_read(&rig->lost[0]).packets, 0);
	assert_true(fc_tally_read(&rig->lost[1]).packets > 0);
	check(rig, 0);
	count = fc_spool_forget(&rig->readers[0]);
	assert_int_equal(count.packets, 16);
	assert_int_equal(count.bytes, size_of(rig, &rig->lists[0]));
	read_all(rig, 1);
	end(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_walk, fixture_check),
		cmocka_unit_test_teardown(test_shortest, fixture_check),
		cmocka_unit_test_teardown(test_longest, fixture_check),
		cmocka_unit_test_teardown(test_density, fixture_check),
		cmocka_unit_test_teardown(test_empty_pool, fixture_check),
		cmocka_unit_test_teardown(test_resize, fixture_check),
		cmocka_unit_test_teardown(test_stamps, fixture_check),
		cmocka_unit_test_teardown(test_original, fixture_check),
		cmocka_unit_test_teardown(test_leave, fixture_check),
	};

	return cmocka_run_group_tests(tests, fixture_start, fixture_stop);
}
