/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <rte_common.h>

#include "backlog.h"
#include "dpdk_fixture.h"

#define POSITIONS (UINT64_C(1) << 40)

/* The backlog never looks into packets, so any address that differs from the others will do. */
static struct rte_mbuf *packet(uint64_t number)
{
	return (struct rte_mbuf *)(uintptr_t)((number + 1) * 64);
}

static int begin(struct fc_backlog *backlog, uint32_t n_packets)
{
	return fc_backlog_begin(backlog, n_packets, SOCKET_ID_ANY);
}

static void push(struct fc_backlog *backlog, uint64_t start, uint64_t first, uint16_t n)
{
	struct rte_mbuf *packets[FC_BACKLOG_MAX_BURST];

	for (uint16_t i = 0; i < n; i++)
		packets[i] = packet(first + i);
	fc_backlog_push(backlog, start, packets, n);
}

/* The front is @n packets from number @first on; take @take of them out. */
static void expect(struct fc_backlog *backlog, uint64_t first, uint16_t n, uint16_t take)
{
	struct rte_mbuf *packets[FC_BACKLOG_MAX_BURST];

	assert_int_equal(fc_backlog_front(backlog, packets, FC_BACKLOG_MAX_BURST), n);
	for (uint16_t i = 0; i < n; i++)
		assert_ptr_equal(packets[i], packet(first + i));
	fc_backlog_pop(backlog, take);
}

static void test_empty(void **state)
{
	struct fc_backlog backlog;
	struct rte_mbuf *packets[1];

	(void)state;
	assert_int_equal(begin(&backlog, 1), 0);
	assert_true(fc_backlog_is_empty(&backlog));
	assert_int_equal(fc_backlog_front(&backlog, packets, 1), 0);
	assert_false(fc_backlog_is_late(&backlog, 1000, 0));
	assert_true(fc_backlog_has_room(&backlog, FC_BACKLOG_MAX_BURST));
	fc_backlog_end(&backlog);
	assert_null(backlog.words);
}

static void test_partial_pops(void **state)
{
	struct fc_backlog backlog;
	struct rte_mbuf *packets[4];

	(void)state;
	assert_int_equal(begin(&backlog, 200), 0);
	push(&backlog, 100, 0, 10);
	push(&backlog, 110, 10, 64);
	assert_int_equal(fc_backlog_front(&backlog, packets, 4), 4);
	assert_ptr_equal(packets[3], packet(3));
	fc_backlog_pop(&backlog, 3);
	expect(&backlog, 3, 7, 0);
	expect(&backlog, 3, 7, 6);
	/* The position stays that of the burst, so what is left of it is as late as its first. */
	assert_int_equal(backlog.start, 100);
	assert_true(fc_backlog_is_late(&backlog, 201, 100));
	expect(&backlog, 9, 1, 1);
	expect(&backlog, 10, 64, 64);
	assert_int_equal(backlog.start, 110);
	assert_true(fc_backlog_is_empty(&backlog));
	fc_backlog_end(&backlog);
}

/* However the packets come, as many as the backlog was made for and one more burst fit in. */
static void test_capacity(void **state)
{
	static const uint32_t sizes[] = { 1, 2, 63, 64, 65, 127, 128, 192, 448, 960, 4032 };

	(void)state;
	for (size_t s = 0; s < RTE_DIM(sizes); s++) {
		struct fc_backlog backlog;

		assert_int_equal(begin(&backlog, sizes[s]), 0);
		assert_int_equal((backlog.mask + 1) * sizeof(uint64_t), fc_backlog_size(sizes[s]));
		for (uint32_t i = 0; i < sizes[s]; i++) {
			assert_true(fc_backlog_has_room(&backlog, 1));
			push(&backlog, i, i, 1);
		}
		assert_true(fc_backlog_has_room(&backlog, FC_BACKLOG_MAX_BURST));
		push(&backlog, sizes[s], sizes[s], FC_BACKLOG_MAX_BURST);
		assert_int_equal(backlog.n_packets, sizes[s] + FC_BACKLOG_MAX_BURST);
		for (uint32_t i = 0; i < sizes[s]; i++)
			expect(&backlog, i, 1, 1);
		expect(&backlog, sizes[s], FC_BACKLOG_MAX_BURST, FC_BACKLOG_MAX_BURST);
		fc_backlog_end(&backlog);
	}
}

static void test_room_ends(void **state)
{
	struct fc_backlog backlog;
	uint64_t n_words, n = 0;

	(void)state;
	assert_int_equal(begin(&backlog, 100), 0);
	n_words = backlog.mask + 1;
	while (fc_backlog_has_room(&backlog, 1))
		push(&backlog, n, n, 1), n++;
	assert_int_equal(n, n_words / 2);
	expect(&backlog, 0, 1, 1);
	assert_true(fc_backlog_has_room(&backlog, 1));
	assert_false(fc_backlog_has_room(&backlog, 2));
	fc_backlog_end(&backlog);
}

static void test_late(void **state)
{
	/* start, reached, window, late; positions may be given with more than 40 bits */
	static const struct {
		uint64_t start, reached, window;
		bool is_late;
	} cases[] = {
		{ 0, 0, 0, false },
		{ 0, 1, 0, true },
		{ 0, 128, 128, false },
		{ 0, 129, 128, true },
		{ 1000, 900, 10,
			false }, /* ahead: another queue of the tap has not been read yet */
		{ POSITIONS - 10, POSITIONS + 90, 100, false },
		{ POSITIONS - 10, POSITIONS + 91, 100, true },
		{ POSITIONS - 10, 91, 100, true },
		{ POSITIONS * 7 + 5, POSITIONS * 7 + 106, 100, true },
		{ 5, POSITIONS * 7 + 105, 100, false },
		{ 10, POSITIONS - 10, 100, false },
		{ 0, POSITIONS / 2 - 1, 100, true },
	};

	(void)state;
	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		struct fc_backlog backlog;

		assert_int_equal(begin(&backlog, 1), 0);
		push(&backlog, cases[i].start, 0, 1);
		assert_int_equal(fc_backlog_is_late(&backlog, cases[i].reached, cases[i].window),
			cases[i].is_late);
		expect(&backlog, 0, 1, 1);
		fc_backlog_end(&backlog);
	}
}

#define MODEL_SIZE 1024

struct burst {
	uint64_t start, first;
	uint16_t n;
};

/* A plain queue of bursts. */
struct model {
	struct burst bursts[MODEL_SIZE];
	unsigned head, tail;
	uint32_t n_packets;
};

static void push_random(struct fc_backlog *backlog, struct model *model, uint64_t *position)
{
	uint16_t n = rand() % 3 != 0 ? 1 : (uint16_t)(rand() % FC_BACKLOG_MAX_BURST + 1);

	if (!fc_backlog_has_room(backlog, n))
		return;
	push(backlog, *position, *position, n);
	model->bursts[model->head++ % MODEL_SIZE] = (struct burst){ *position, *position, n };
	model->n_packets += n;
	*position += n + (uint64_t)(rand() % 3);
}

static void take_random(struct fc_backlog *backlog, struct model *model)
{
	struct burst *front = &model->bursts[model->tail % MODEL_SIZE];
	struct rte_mbuf *packets[FC_BACKLOG_MAX_BURST];
	uint16_t max = (uint16_t)(rand() % FC_BACKLOG_MAX_BURST + 1), n, taken;

	n = fc_backlog_front(backlog, packets, max);
	if (model->head == model->tail) {
		assert_int_equal(n, 0);
		return;
	}
	assert_int_equal(n, RTE_MIN(max, front->n));
	assert_int_equal(backlog->start, front->start % POSITIONS);
	for (uint16_t i = 0; i < n; i++)
		assert_ptr_equal(packets[i], packet(front->first + i));
	taken = (uint16_t)(rand() % (n + 1));
	fc_backlog_pop(backlog, taken);
	front->first += taken;
	front->n = (uint16_t)(front->n - taken);
	model->n_packets -= taken;
	if (front->n == 0)
		model->tail++;
}

/* Positions run over 2^40 on the way, words around the end of the memory many times. */
static void test_random(void **state)
{
	static struct model model;
	struct fc_backlog backlog;
	uint64_t position = POSITIONS - 100000;

	(void)state;
	srand(1);
	assert_int_equal(begin(&backlog, 300), 0);
	for (unsigned i = 0; i < 200000; i++) {
		if (rand() % 100 < (i / 5000 % 2 == 0 ? 45 : 30))
			push_random(&backlog, &model, &position);
		else
			take_random(&backlog, &model);
		assert_int_equal(backlog.n_packets, model.n_packets);
		assert_int_equal(fc_backlog_is_empty(&backlog), model.n_packets == 0);
		if (model.n_packets != 0) {
			uint64_t start = model.bursts[model.tail % MODEL_SIZE].start;
			uint64_t window = (uint64_t)(rand() % 2000);

			assert_int_equal(fc_backlog_is_late(&backlog, position, window),
				position - start > window);
		}
	}
	assert_true(position > POSITIONS);
	fc_backlog_end(&backlog);
}

static void test_no_memory(void **state)
{
	struct fc_backlog backlog;

	(void)state;
	assert_int_equal(begin(&backlog, UINT32_MAX / 4), -ENOMEM);
	fc_backlog_end(&backlog);
}

/* What waits stays in its order when the memory becomes larger, wherever that happens. */
static void test_grow(void **state)
{
	(void)state;
	for (unsigned n_before = 0; n_before <= 120; n_before++) {
		struct fc_backlog backlog, larger, largest;
		uint64_t pushed = 0, popped = 0;

		assert_int_equal(begin(&backlog, 60), 0);
		assert_int_equal(begin(&larger, 1000), 0);
		assert_int_equal(begin(&largest, 5000), 0);
		/* To any place of the ring, with a burst of which a part has left. */
		for (; pushed < n_before; pushed += 3, popped += 3) {
			push(&backlog, pushed, pushed, 3);
			expect(&backlog, popped, 3, 3);
		}
		push(&backlog, pushed, pushed, 40);
		push(&backlog, pushed + 40, pushed + 40, 20);
		expect(&backlog, popped, 40, n_before % 40);
		fc_backlog_grow(&backlog, &larger);
		assert_true(fc_backlog_holds(&backlog, 1000));
		assert_null(larger.words);
		fc_backlog_end(&larger);
		/* Not while the first waits still. */
		fc_backlog_grow(&backlog, &largest);
		assert_false(fc_backlog_holds(&backlog, 5000));
		for (unsigned i = 0; i < 15; i++)
			push(&backlog, pushed + 60 + i * 60, pushed + 60 + i * 60, 60);
		fc_backlog_prefetch(&backlog);
		popped += n_before % 40;
		expect(&backlog, popped, (uint16_t)(40 - n_before % 40),
			(uint16_t)(40 - n_before % 40));
		expect(&backlog, pushed + 40, 20, 20);
		fc_backlog_grow(&backlog, &largest);
		assert_true(fc_backlog_holds(&backlog, 5000));
		assert_non_null(largest.words); /* the smallest memory */
		fc_backlog_end(&largest);
		for (unsigned i = 0; i < 15; i++)
			expect(&backlog, pushed + 60 + i * 60, 60, 60);
		assert_true(fc_backlog_is_empty(&backlog));
		fc_backlog_end(&backlog);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_partial_pops),
		cmocka_unit_test(test_capacity),
		cmocka_unit_test(test_room_ends),
		cmocka_unit_test(test_late),
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_grow),
		cmocka_unit_test(test_no_memory),
	};

	return cmocka_run_group_tests(tests, fixture_start, fixture_stop);
}
