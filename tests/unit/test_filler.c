/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include <sys/mman.h>

#include "dpdk_fixture.h"
#include "filler.h"

/* How much there is, is the test's to say: a machine that runs full cannot be had for one. */

#define MIB (UINT64_C(1) << 20)

static _Atomic uint64_t room_left;
static _Atomic unsigned n_looks;
static struct fc_memory *taker;	   /* takes of that; NULL: nobody */
static struct fc_filler *stopping; /* that is to be stopped before a second look */

void __wrap_fc_memory_room_look(struct fc_memory_room *room, const char *root, int node);

void __wrap_fc_memory_room_look(struct fc_memory_room *room, const char *root, int node)
{
	(void)node;
	assert_string_equal(root, "");
	n_looks++;
	while (stopping != NULL && n_looks == 2 &&
		!atomic_load_explicit(&stopping->is_stopping, memory_order_relaxed))
		usleep(1000);
	*room = (struct fc_memory_room){ .total = UINT64_MAX, .left = room_left };
	if (taker != NULL)
		room->left -= atomic_load(&taker->ready);
	snprintf(room->left_limit, sizeof(room->left_limit), "NUMA node 7");
}

static struct fc_filler_job *make_jobs(struct fc_memory *memories, unsigned n)
{
	struct fc_filler_job *jobs = calloc(n, sizeof(*jobs));

	assert_non_null(jobs);
	for (unsigned i = 0; i < n; i++) {
		jobs[i].memory = &memories[i];
		snprintf(jobs[i].tap, sizeof(jobs[i].tap), "t%u", i);
	}
	return jobs;
}

static void end_memories(struct fc_memory *memories, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		fc_memory_end(&memories[i]);
}

/* Watch it until it has come to its end. */
static void await(struct fc_filler *filler, struct fc_findings *findings)
{
	while (filler->is_started) {
		fc_filler_watch(filler, findings);
		usleep(1000);
	}
	assert_null(filler->jobs);
}

static int begin(void **state)
{
	(void)state;
	room_left = UINT64_MAX;
	n_looks = 0;
	stopping = NULL;
	taker = NULL;
	return 0;
}

static void test_first(void **state)
{
	static const uint64_t sizes[] = { 100 * MIB, MIB, 64 * MIB + 4096 };
	static const uint64_t firsts[] = { 64 * MIB, MIB, 64 * MIB };
	struct fc_memory memories[3];
	struct fc_filler_job *jobs = make_jobs(memories, 3);

	(void)state;
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(fc_memory_begin(&memories[i], sizes[i], -1), 0);
	assert_int_equal(fc_filler_begin(jobs, 3), 0);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(memories[i].ready, firsts[i]);
	/* There is nothing more to do the second time. */
	room_left = 0;
	assert_int_equal(fc_filler_begin(jobs, 3), 0);
	free(jobs);
	end_memories(memories, 3);
}

static void test_too_little_first(void **state)
{
	struct fc_memory memories[2];
	struct fc_filler_job *jobs = make_jobs(memories, 2);

	(void)state;
	room_left = MIB;
	assert_int_equal(fc_memory_begin(&memories[0], MIB, -1), 0);
	assert_int_equal(fc_memory_begin(&memories[1], 32 * MIB, -1), 0);
	assert_int_equal(fc_filler_begin(jobs, 2), -ENOMEM);
	assert_int_equal(jobs[0].err, 0);
	assert_int_equal(memories[0].ready, MIB);
	assert_int_equal(jobs[1].err, -ENOMEM);
	assert_int_equal(memories[1].ready, 0);
	assert_string_equal(jobs[1].limit, "NUMA node 7");
	free(jobs);
	end_memories(memories, 2);
}

/* What is ready can be used at once, and stays as it was left. */
static void test_beside_a_user(void **state)
{
	struct fc_filler filler = { .is_started = false };
	struct fc_findings *findings = fc_findings_new("test");
	struct fc_memory memories[2];
	uint64_t used[2] = { 0, 0 };

	(void)state;
	assert_int_equal(fc_memory_begin(&memories[0], 300 * MIB, -1), 0);
	assert_int_equal(fc_memory_begin(&memories[1], 20 * MIB, -1), 0);
	assert_int_equal(fc_filler_start(&filler, make_jobs(memories, 2), 2), 0);
	while (used[0] < 300 * MIB || used[1] < 20 * MIB) {
		for (unsigned i = 0; i < 2; i++) {
			uint64_t ready =
				atomic_load_explicit(&memories[i].ready, memory_order_acquire);

			for (; used[i] < ready; used[i] += 4096) {
				assert_int_equal(memories[i].base[used[i]], 0);
				memories[i].base[used[i]] = 0x77;
			}
		}
	}
	await(&filler, findings);
	for (unsigned i = 0; i < 2; i++)
		for (uint64_t at = 0; at < memories[i].size; at += 4096)
			assert_int_equal(memories[i].base[at], 0x77);
	assert_int_equal(fc_findings_count(findings), 0);
	fc_findings_free(findings);
	end_memories(memories, 2);
}

static void test_stop(void **state)
{
	struct fc_filler filler = { .is_started = false };
	struct fc_findings *findings = fc_findings_new("test");
	struct fc_memory memories[2];
	uint64_t ready;

	(void)state;
	fc_filler_stop(&filler); /* it does not run */
	assert_int_equal(fc_memory_begin(&memories[0], 400 * MIB, -1), 0);
	assert_int_equal(fc_memory_begin(&memories[1], 400 * MIB, -1), 0);
	stopping = &filler;
	assert_int_equal(fc_filler_start(&filler, make_jobs(memories, 2), 2), 0);
	while (n_looks < 2)
		usleep(1000);
	fc_filler_watch(&filler, findings);
	assert_true(filler.is_started);
	fc_filler_stop(&filler);
	assert_false(filler.is_started);
	/* They have taken turns, and what came after is not done. */
	ready = memories[0].ready;
	assert_true(ready >= 100 * MIB && ready < 200 * MIB);
	assert_true(memories[1].ready >= 100 * MIB && memories[1].ready < 200 * MIB);
	fc_filler_stop(&filler);

	/* Sizes may be changed now, and another start does the rest. */
	stopping = NULL;
	assert_int_equal(fc_memory_resize(&memories[0], 210 * MIB), 0);
	assert_int_equal(fc_memory_resize(&memories[1], 10 * MIB), 0);
	fc_memory_trim(&memories[1]);
	assert_int_equal(fc_filler_start(&filler, make_jobs(memories, 2), 2), 0);
	await(&filler, findings);
	assert_int_equal(memories[0].ready, 210 * MIB);
	assert_int_equal(memories[1].ready, 10 * MIB);
	assert_int_equal(fc_findings_count(findings), 0);
	fc_findings_free(findings);
	end_memories(memories, 2);
}

/* Each memory that cannot be filled is told of once, and the others are filled. */
static void test_too_little(void **state)
{
	struct fc_filler filler = { .is_started = false };
	struct fc_findings *findings = fc_findings_new("test");
	struct fc_finding finding;
	struct fc_memory memories[3];

	(void)state;
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(fc_memory_begin(&memories[i], (1 + 49 * i) * MIB, -1), 0);
	/* Of the third one the kernel refuses pages, here because the test took them away. */
	assert_int_equal(munmap(memories[2].base + 10 * MIB, MIB), 0);
	room_left = 21 * MIB;
	taker = &memories[1];
	assert_int_equal(fc_filler_start(&filler, make_jobs(memories, 3), 3), 0);
	await(&filler, findings);
	assert_int_equal(memories[0].ready, MIB);
	assert_int_equal(memories[1].ready, 20 * MIB);
	assert_int_equal(fc_findings_count(findings), 2);
	finding = fc_findings_get(findings, 0);
	assert_int_equal(finding.severity, FC_WARNING);
	assert_string_equal(finding.place, "taps.t1.ring");
	assert_non_null(strstr(finding.text, "only 20 MiB of 50 MiB could be had"));
	assert_non_null(strstr(finding.text, "NUMA node 7 has no more"));
	finding = fc_findings_get(findings, 1);
	assert_string_equal(finding.place, "taps.t2.ring");
	assert_non_null(strstr(finding.text, "only 10 MiB of 99 MiB could be had"));
	assert_non_null(strstr(finding.text, "the kernel has no more"));
	fc_filler_watch(&filler, findings);
	assert_int_equal(fc_findings_count(findings), 2);
	fc_findings_free(findings);
	end_memories(memories, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_first, begin),
		cmocka_unit_test_setup(test_too_little_first, begin),
		cmocka_unit_test_setup(test_beside_a_user, begin),
		cmocka_unit_test_setup(test_stop, begin),
		cmocka_unit_test_setup(test_too_little, begin),
	};

	return cmocka_run_group_tests(tests, fixture_start, fixture_stop);
}
