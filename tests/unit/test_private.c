/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <fc_private.h>
#include <fc_slice.h>

#include "dpdk_fixture.h"

#define N_COPIES     40 /* mbufs of the pool that gives the copies */
#define COPY_ROOM    2048
#define MAX_BURST    64
#define MAX_SEGMENTS 32
#define GROWTH	     8

static uint8_t bytes[FIXTURE_MAX_FRAME];
static struct rte_mempool *sources, *copies, *jumbo_copies;

/* What the tests make of one packet. */

enum shape {
	SOLE,		   /* one segment, one reference */
	SHARED,		   /* one segment, two references */
	INDIRECT,	   /* a clone of somebody's packet */
	EXTERNAL,	   /* data in a buffer that is no mbuf's */
	NO_HEADROOM,	   /* one segment that begins at its buffer */
	CHAIN,		   /* several segments, one reference each */
	CHAIN_SHARED,	   /* several segments, two references each */
	CHAIN_TAIL_SHARED, /* only the last segment has a second reference */
	CHAIN_SHORT_HEAD,  /* a first segment shorter than the header that may be rewritten */
	CHAIN_NO_HEADROOM,
	N_SHAPES
};

struct source {
	struct rte_mbuf *packet;
	struct rte_mbuf *other; /* whose freeing gives the second reference back, or NULL */
	struct rte_mbuf_ext_shared_info external;
};

static uint8_t external_room[FIXTURE_MAX_FRAME + 128];

static void keep_external(void *address, void *opaque)
{
	(void)address;
	(void)opaque;
}

static void build_external(struct source *source, uint32_t length)
{
	struct rte_mbuf *packet = rte_pktmbuf_alloc(sources);

	source->external.free_cb = keep_external;
	rte_mbuf_ext_refcnt_set(&source->external, 1);
	rte_pktmbuf_attach_extbuf(packet, external_room, (uintptr_t)external_room,
		sizeof(external_room), &source->external);
	packet->data_off = 64;
	memcpy(rte_pktmbuf_append(packet, (uint16_t)length), bytes, length);
	source->packet = packet;
}

/* Returns whether the shape can have that length. */
static bool build(struct source *source, enum shape shape, uint32_t length)
{
	bool is_chain = shape >= CHAIN;
	uint16_t part = shape == CHAIN_SHORT_HEAD ? FC_PRIVATE_HEADER_SIZE - 1 : 700;

	memset(source, 0, sizeof(*source));
	if (is_chain ? length <= part || length > (uint32_t)part * MAX_SEGMENTS : length > 2048)
		return false;
	if (shape == EXTERNAL) {
		build_external(source, length);
		return true;
	}
	source->packet = fixture_packet(sources, bytes, length, is_chain ? part : 0);
	source->packet->port = 3;
	source->packet->hash.rss = 0x12345678;
	switch (shape) {
	case SHARED:
	case CHAIN_SHARED:
		rte_pktmbuf_refcnt_update(source->packet, 1);
		source->other = source->packet;
		break;
	case INDIRECT:
		source->other = source->packet;
		source->packet = rte_pktmbuf_clone(source->other, sources);
		break;
	case CHAIN_TAIL_SHARED:
		source->other = rte_pktmbuf_lastseg(source->packet);
		rte_mbuf_refcnt_update(source->other, 1);
		break;
	case NO_HEADROOM:
	case CHAIN_NO_HEADROOM:
		memmove(source->packet->buf_addr, bytes, source->packet->data_len);
		source->packet->data_off = GROWTH - 1;
		memcpy(rte_pktmbuf_mtod(source->packet, void *), bytes, source->packet->data_len);
		break;
	default:
		break;
	}
	return true;
}

static bool may_change_in_place(enum shape shape, bool linear)
{
	return shape == SOLE || (shape == CHAIN && !linear);
}

/* The segments as they are, but for the reference count. */
struct snapshot {
	unsigned n;
	struct rte_mbuf segments[MAX_SEGMENTS];
};

static void take_snapshot(struct snapshot *snapshot, const struct rte_mbuf *packet)
{
	memset(snapshot, 0, sizeof(*snapshot));
	for (; packet != NULL; packet = packet->next) {
		struct rte_mbuf *segment = &snapshot->segments[snapshot->n++];

		assert_true(snapshot->n <= MAX_SEGMENTS);
		memcpy(segment, packet, sizeof(*segment));
		segment->refcnt = 0;
	}
}

static void assert_unchanged(const struct snapshot *before, const struct rte_mbuf *packet)
{
	struct snapshot now;

	take_snapshot(&now, packet);
	assert_memory_equal(before, &now, sizeof(now));
}

static uint32_t expected_length(const struct fc_private *how, uint32_t length)
{
	uint32_t needed = RTE_MIN(length, how->reach);

	return how->linear || needed <= FC_COPY_MAX_SIZE ? needed : length;
}

/* A private packet may be written to at its front, without anybody else noticing. */
static void assert_private(const struct fc_private *how, struct rte_mbuf *packet, uint32_t length)
{
	uint32_t front = RTE_MIN(packet->pkt_len, (uint32_t)FC_PRIVATE_HEADER_SIZE);

	fixture_assert_bytes(packet, bytes, length);
	assert_true(fc_private_is(how, packet));
	assert_true(RTE_MBUF_DIRECT(packet));
	assert_int_equal(rte_mbuf_refcnt_read(packet), 1);
	assert_true(packet->data_len >= front);
	assert_true(rte_pktmbuf_headroom(packet) >= how->headroom);
	if (how->linear)
		assert_int_equal(packet->nb_segs, 1);
	memset(rte_pktmbuf_prepend(packet, GROWTH), 0xee, GROWTH + front);
}

static void check_copy(const struct fc_private *how, enum shape shape, uint32_t length)
{
	struct source source;
	struct snapshot before;
	struct rte_mbuf *packet;

	if (!build(&source, shape, length))
		return;
	take_snapshot(&before, source.packet);
	packet = source.packet;
	if (!fc_private_fits(how, packet)) {
		assert_int_equal(fc_private_copy(how, &packet, 1), 0);
		assert_ptr_equal(packet, source.packet);
	} else {
		assert_int_equal(fc_private_copy(how, &packet, 1), 1);
		assert_ptr_not_equal(packet, source.packet);
		assert_private(how, packet, expected_length(how, length));
	}
	assert_unchanged(&before, source.packet);
	fixture_assert_bytes(source.packet, bytes, length);
	rte_pktmbuf_free(source.packet);
	rte_pktmbuf_free(source.other);
	/* What is chained keeps the shared rest alive by itself. */
	if (packet != source.packet) {
		fc_slice(packet, RTE_MAX(15u, packet->pkt_len - 1));
		rte_pktmbuf_free(packet);
	}
	fixture_assert_full(how->pool);
	fixture_assert_full(sources);
}

static void check_take(const struct fc_private *how, enum shape shape, uint32_t length)
{
	struct source source;
	struct rte_mbuf *packet;

	if (!build(&source, shape, length))
		return;
	packet = source.packet;
	assert_int_equal(fc_private_is(how, packet), may_change_in_place(shape, how->linear));
	if (may_change_in_place(shape, how->linear)) {
		assert_int_equal(fc_private_take(how, &packet, 1), 1);
		assert_ptr_equal(packet, source.packet);
		assert_private(how, packet, length);
	} else if (!fc_private_fits(how, packet)) {
		assert_int_equal(fc_private_take(how, &packet, 1), 0);
		assert_ptr_equal(packet, source.packet);
	} else {
		assert_int_equal(fc_private_take(how, &packet, 1), 1);
		assert_ptr_not_equal(packet, source.packet);
		assert_private(how, packet, expected_length(how, length));
		if (shape == SHARED || shape == CHAIN_SHARED)
			fixture_assert_bytes(source.other, bytes, length);
	}
	rte_pktmbuf_free(packet);
	rte_pktmbuf_free(source.other);
	fixture_assert_full(how->pool);
	fixture_assert_full(sources);
}

static void check_everything(void (*check)(const struct fc_private *, enum shape, uint32_t))
{
	static const uint32_t lengths[] = { 14, 15, 60, 63, 64, 65, 128, 701, 1023, 1024, 1025,
		1400, 1401, 1518, 1920, 2048, 9018 };
	static const uint32_t reaches[] = { UINT32_MAX, 14, 64, 65, 100, 1024, 1025, 1500, 2048,
		2049 };

	for (unsigned r = 0; r < RTE_DIM(reaches); r++) {
		const struct fc_private hows[] = {
			{ copies, reaches[r], GROWTH, false },
			{ copies, reaches[r], GROWTH, true },
			{ jumbo_copies, reaches[r], GROWTH, true },
		};

		for (unsigned h = 0; h < RTE_DIM(hows); h++)
			for (unsigned l = 0; l < RTE_DIM(lengths); l++)
				for (int shape = 0; shape < N_SHAPES; shape++)
					check(&hows[h], shape, lengths[l]);
	}
}

static void test_copy(void **state)
{
	(void)state;
	check_everything(check_copy);
}

static void test_take(void **state)
{
	(void)state;
	check_everything(check_take);
}

static void test_fits(void **state)
{
	struct fc_private how = { .pool = copies, .reach = UINT32_MAX, .linear = true };
	struct rte_mbuf *packet = fixture_packet(sources, bytes, COPY_ROOM + 1, 1000);

	(void)state;
	assert_false(fc_private_fits(&how, packet));
	how.linear = false;
	assert_true(fc_private_fits(&how, packet));
	how.linear = true;
	how.reach = COPY_ROOM;
	assert_true(fc_private_fits(&how, packet));
	how.reach = UINT32_MAX;
	fc_slice(packet, COPY_ROOM);
	assert_true(fc_private_fits(&how, packet));
	rte_pktmbuf_free(packet);
}

/* Of what is long only the front is copied. */
static void test_long_packets_are_chained(void **state)
{
	const struct fc_private how = { .pool = copies, .reach = UINT32_MAX };
	struct rte_mbuf *packet = fixture_packet(sources, bytes, FC_COPY_MAX_SIZE + 1, 0);
	struct rte_mbuf *copy = packet;

	(void)state;
	assert_int_equal(fc_private_copy(&how, &copy, 1), 1);
	assert_int_equal(copy->nb_segs, 2);
	assert_int_equal(copy->data_len, FC_PRIVATE_HEADER_SIZE);
	assert_ptr_equal(rte_pktmbuf_mtod(copy->next, uint8_t *),
		rte_pktmbuf_mtod_offset(packet, uint8_t *, FC_PRIVATE_HEADER_SIZE));
	assert_int_equal(rte_mbuf_refcnt_read(packet), 2);
	rte_pktmbuf_free(packet);
	fixture_assert_bytes(copy, bytes, FC_COPY_MAX_SIZE + 1);
	rte_pktmbuf_free(copy);
}

/* Bursts, with every number of free buffers. */

struct burst {
	struct source sources[MAX_BURST];
	struct rte_mbuf *packets[MAX_BURST];
	uint32_t lengths[MAX_BURST];
	uint16_t n;
};

static void build_burst(
	struct burst *burst, uint16_t n, const enum shape *shapes, const uint32_t *lengths)
{
	burst->n = n;
	for (uint16_t i = 0; i < n; i++) {
		burst->lengths[i] = lengths[i % 5];
		assert_true(build(&burst->sources[i], shapes[i % 5], burst->lengths[i]));
		burst->packets[i] = burst->sources[i].packet;
	}
}

static void leave_free(unsigned n_free, struct rte_mbuf *taken[N_COPIES])
{
	for (unsigned i = 0; i < N_COPIES - n_free; i++)
		assert_non_null(taken[i] = rte_pktmbuf_alloc(copies));
}

static unsigned count_segments(struct rte_mbuf **packets, uint16_t n)
{
	unsigned sum = 0;

	for (uint16_t i = 0; i < n; i++)
		sum += packets[i]->nb_segs;
	return sum;
}

static void assert_rest_untouched(const struct burst *burst, uint16_t done)
{
	for (uint16_t i = done; i < burst->n; i++) {
		assert_ptr_equal(burst->packets[i], burst->sources[i].packet);
		fixture_assert_bytes(burst->packets[i], bytes, burst->lengths[i]);
	}
}

static void check_copy_burst(
	unsigned n_free, const enum shape *shapes, const uint32_t *lengths, bool exact)
{
	const struct fc_private how = { copies, UINT32_MAX, GROWTH, false };
	struct rte_mbuf *taken[N_COPIES];
	struct burst burst;
	uint16_t done;

	build_burst(&burst, 20, shapes, lengths);
	leave_free(n_free, taken);
	done = fc_private_copy(&how, burst.packets, burst.n);
	if (exact)
		assert_int_equal(done, RTE_MIN(n_free, (unsigned)burst.n));
	assert_int_equal(
		rte_mempool_avail_count(copies) + count_segments(burst.packets, done), n_free);
	assert_rest_untouched(&burst, done);
	for (uint16_t i = 0; i < done; i++)
		assert_private(&how, burst.packets[i], burst.lengths[i]);
	rte_pktmbuf_free_bulk(burst.packets, done);
	rte_pktmbuf_free_bulk(taken, N_COPIES - n_free);
	for (uint16_t i = 0; i < burst.n; i++) {
		fixture_assert_bytes(burst.sources[i].packet, bytes, burst.lengths[i]);
		rte_pktmbuf_free(burst.sources[i].packet);
		rte_pktmbuf_free(burst.sources[i].other);
	}
	fixture_assert_full(copies);
	fixture_assert_full(sources);
}

static void test_copy_until_empty(void **state)
{
	static const enum shape shapes[] = { SOLE, SHARED, INDIRECT, SHARED, SOLE };
	static const enum shape mixed[] = { SOLE, CHAIN, INDIRECT, CHAIN_SHORT_HEAD, CHAIN };
	static const uint32_t shorts[] = { 60, 1024, 64, 14, 600 };
	static const uint32_t mixes[] = { 1500, 2000, 60, 1900, 800 };

	(void)state;
	for (unsigned n_free = 0; n_free <= N_COPIES; n_free++) {
		check_copy_burst(n_free, shapes, shorts, true);
		check_copy_burst(n_free, mixed, mixes, false);
	}
}

/* Taking stops at the first that cannot be made private, and gives up no reference behind it. */
static void check_take_burst(unsigned n_free)
{
	static const enum shape shapes[] = { SOLE, SHARED, SHARED, CHAIN, SHARED };
	static const uint32_t lengths[] = { 60, 61, 62, 1501, 63 };
	const struct fc_private how = { copies, UINT32_MAX, GROWTH, false };
	struct rte_mbuf *taken[N_COPIES];
	struct burst burst;
	uint16_t done, expected = 0, n_copied = 0;

	build_burst(&burst, 20, shapes, lengths);
	for (; expected < burst.n; expected++) {
		if (may_change_in_place(shapes[expected % 5], false))
			continue;
		if (n_copied == n_free)
			break;
		n_copied++;
	}
	leave_free(n_free, taken);
	done = fc_private_take(&how, burst.packets, burst.n);
	assert_int_equal(done, expected);
	assert_int_equal(rte_mempool_avail_count(copies), n_free - n_copied);
	assert_rest_untouched(&burst, done);
	for (uint16_t i = 0; i < burst.n; i++) {
		const struct source *source = &burst.sources[i];

		if (shapes[i % 5] == SHARED)
			assert_int_equal(rte_mbuf_refcnt_read(source->other), i < done ? 1 : 2);
		if (i < done)
			assert_private(&how, burst.packets[i], burst.lengths[i]);
		rte_pktmbuf_free(burst.packets[i]);
		rte_pktmbuf_free(source->other);
	}
	rte_pktmbuf_free_bulk(taken, N_COPIES - n_free);
	fixture_assert_full(copies);
	fixture_assert_full(sources);
}

static void test_take_until_empty(void **state)
{
	(void)state;
	for (unsigned n_free = 0; n_free <= N_COPIES; n_free++)
		check_take_burst(n_free);
}

/* The whole of the largest burst, and none at all. */
static void test_burst_sizes(void **state)
{
	static const enum shape shapes[] = { SOLE, SHARED, SOLE, SHARED, INDIRECT };
	static const uint32_t lengths[] = { 60, 61, 62, 64, 63 };
	const struct fc_private how = { jumbo_copies, UINT32_MAX, GROWTH, false };
	struct burst burst;

	(void)state;
	for (uint16_t n = 0; n <= MAX_BURST; n++) {
		build_burst(&burst, n, shapes, lengths);
		assert_int_equal(fc_private_take(&how, burst.packets, n), n);
		for (uint16_t i = 0; i < n; i++) {
			assert_private(&how, burst.packets[i], burst.lengths[i]);
			rte_pktmbuf_free(burst.packets[i]);
			rte_pktmbuf_free(burst.sources[i].other);
		}
	}
}

/* The first packet that does not fit ends a burst, like one for which there is no buffer. */
static void test_misfit_in_a_burst(void **state)
{
	const struct fc_private how = { copies, UINT32_MAX, GROWTH, true };
	struct rte_mbuf *packets[3], *before[3];

	(void)state;
	for (unsigned i = 0; i < 3; i++)
		before[i] = packets[i] = fixture_packet(sources, bytes, i == 1 ? 2049 : 1400, 700);
	assert_int_equal(fc_private_take(&how, packets, 3), 1);
	fixture_assert_bytes(packets[0], bytes, 1400);
	assert_ptr_not_equal(packets[0], before[0]);
	assert_ptr_equal(packets[1], before[1]);
	assert_ptr_equal(packets[2], before[2]);
	rte_pktmbuf_free_bulk(packets, 3);
}

static int start(void **state)
{
	fixture_fill(bytes, sizeof(bytes), 2);
	if (fixture_start(state) != 0)
		return -1;
	sources = *state;
	copies = fixture_pool_new("copies", N_COPIES, COPY_ROOM);
	jumbo_copies = fixture_pool_new("jumbo", MAX_BURST, FIXTURE_MAX_FRAME);
	return 0;
}

static int check_pools(void **state)
{
	fixture_assert_full(copies);
	fixture_assert_full(jumbo_copies);
	return fixture_check(state);
}

static int stop(void **state)
{
	rte_mempool_free(copies);
	rte_mempool_free(jumbo_copies);
	return fixture_stop(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_copy, check_pools),
		cmocka_unit_test_teardown(test_take, check_pools),
		cmocka_unit_test_teardown(test_fits, check_pools),
		cmocka_unit_test_teardown(test_long_packets_are_chained, check_pools),
		cmocka_unit_test_teardown(test_copy_until_empty, check_pools),
		cmocka_unit_test_teardown(test_take_until_empty, check_pools),
		cmocka_unit_test_teardown(test_burst_sizes, check_pools),
		cmocka_unit_test_teardown(test_misfit_in_a_burst, check_pools),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
