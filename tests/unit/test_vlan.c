/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <fc_vlan.h>

#include "dpdk_fixture.h"

/*
 * Frames are put together from their parts (addresses, tags, the rest), and so is what is expected,
 * so that nothing here looks for a tag in bytes as the code under test does.
 */

#define ADDRESSES_SIZE 12
#define MAX_TAGS       3
#define MAX_BURST      64

struct tag {
	uint8_t bytes[4];
};

struct layout {
	unsigned n_tags;
	struct tag tags[MAX_TAGS];
	uint32_t length; /* the frame is cut off here */
};

static uint8_t addresses[ADDRESSES_SIZE];
static uint8_t rest[FIXTURE_MAX_FRAME];

static uint32_t put_frame(uint8_t *bytes, unsigned n_tags, const struct tag *tags, uint32_t n_rest)
{
	memcpy(bytes, addresses, ADDRESSES_SIZE);
	for (unsigned i = 0; i < n_tags; i++)
		memcpy(bytes + ADDRESSES_SIZE + 4 * i, tags[i].bytes, 4);
	memcpy(bytes + ADDRESSES_SIZE + 4 * n_tags, rest, n_rest);
	return ADDRESSES_SIZE + 4 * n_tags + n_rest;
}

static struct rte_mbuf *build(struct rte_mempool *pool, const struct layout *layout)
{
	uint8_t bytes[FIXTURE_MAX_FRAME + 16];

	put_frame(bytes, layout->n_tags, layout->tags,
		FIXTURE_MAX_FRAME - ADDRESSES_SIZE - 4 * layout->n_tags);
	return fixture_packet(pool, bytes, layout->length, 0);
}

/* The frame that @layout becomes when @pop tags are taken off and @push put on. */
static uint32_t build_expected(uint8_t *bytes, const struct layout *layout, unsigned pop,
	unsigned n_push, const struct tag *push)
{
	uint8_t whole[FIXTURE_MAX_FRAME + 16];
	uint32_t at, n;
	unsigned off = 0;

	/* A tag is one only when the EtherType behind it is there too. */
	while (off < pop && off < layout->n_tags &&
		layout->length >= ADDRESSES_SIZE + 4 * (off + 1) + 2)
		off++;
	put_frame(whole, layout->n_tags, layout->tags,
		FIXTURE_MAX_FRAME - ADDRESSES_SIZE - 4 * layout->n_tags);
	at = ADDRESSES_SIZE + 4 * off;
	n = put_frame(bytes, n_push, push, 0);
	memcpy(bytes + n, whole + at, layout->length - at);
	return n + layout->length - at;
}

static void make_tag(struct tag *tag, unsigned tpid, unsigned tci)
{
	tag->bytes[0] = (uint8_t)(tpid >> 8);
	tag->bytes[1] = (uint8_t)tpid;
	tag->bytes[2] = (uint8_t)(tci >> 8);
	tag->bytes[3] = (uint8_t)tci;
}

static void check_change(struct rte_mempool *pool, const struct layout *layout, unsigned pop,
	unsigned n_push, const struct tag *push)
{
	struct fc_vlan_change change = { .pop = (uint8_t)pop, .n_push = (uint8_t)n_push };
	uint8_t expected[FIXTURE_MAX_FRAME + 16];
	uint32_t length = build_expected(expected, layout, pop, n_push, push);
	struct rte_mbuf *packet = build(pool, layout);

	for (unsigned i = 0; i < n_push; i++) {
		memcpy(&change.push[i].tpid, push[i].bytes, 2);
		memcpy(&change.push[i].tci, push[i].bytes + 2, 2);
	}
	fc_vlan_change(&packet, 1, &change);
	fixture_assert_bytes(packet, expected, length);
	rte_pktmbuf_free(packet);
}

static void check_layout(struct rte_mempool *pool, const struct layout *layout)
{
	struct tag push[2];

	make_tag(&push[0], 0x88a8, 0xe064);
	make_tag(&push[1], 0x8100, 0x0fff);
	for (unsigned pop = 0; pop <= 2; pop++)
		for (unsigned n_push = 0; n_push <= 2; n_push++)
			check_change(pool, layout, pop, n_push, push);
}

static const uint16_t tpids[] = { 0x8100, 0x88a8, 0x9100, 0x9200, 0x9300 };

/* Every frame of 0 to 3 tags of every mixture of TPIDs, at lengths up to jumbo. */
static void test_pop_and_push(void **state)
{
	static const uint32_t lengths[] = { 60, 64, 1514, 1518, 2048 };

	for (unsigned mixture = 0; mixture < 5 * 5 * 5; mixture++) {
		struct layout layout;

		make_tag(&layout.tags[0], tpids[mixture % 5], 0x2001);
		make_tag(&layout.tags[1], tpids[mixture / 5 % 5], 0x0ffe);
		make_tag(&layout.tags[2], tpids[mixture / 25], 0x7000);
		for (layout.n_tags = 0; layout.n_tags <= MAX_TAGS; layout.n_tags++) {
			for (unsigned l = 0; l < RTE_DIM(lengths); l++) {
				layout.length = lengths[l];
				check_layout(*state, &layout);
			}
		}
	}
}

static void test_jumbo(void **state)
{
	struct rte_mempool *pool = fixture_pool_new("jumbo", 7, FIXTURE_MAX_FRAME);
	struct layout layout = { .length = FIXTURE_MAX_FRAME };

	(void)state;
	make_tag(&layout.tags[0], 0x88a8, 1);
	make_tag(&layout.tags[1], 0x8100, 2);
	for (layout.n_tags = 0; layout.n_tags <= 2; layout.n_tags++)
		check_layout(pool, &layout);
	fixture_assert_full(pool);
	rte_mempool_free(pool);
}

/* From the bare Ethernet header on, so that the frame ends inside of each tag once. */
static void test_cut_off(void **state)
{
	struct layout layout;

	make_tag(&layout.tags[0], 0x8100, 0x8100);
	make_tag(&layout.tags[1], 0x9100, 0x8100);
	make_tag(&layout.tags[2], 0x8100, 0x8100);
	for (layout.n_tags = 0; layout.n_tags <= MAX_TAGS; layout.n_tags++)
		for (layout.length = 14; layout.length < 40; layout.length++)
			check_layout(*state, &layout);
}

/* What is no TPID stays, also between tags. */
static void test_other_types(void **state)
{
	static const uint16_t others[] = { 0x0800, 0x86dd, 0x8101, 0x0081, 0xa888, 0x9400, 0x9000,
		0x88a9, 0x8847, 0x0000, 0xffff };

	for (unsigned i = 0; i < RTE_DIM(others); i++) {
		struct tag tags[3];
		uint8_t bytes[128], expected[128];
		const struct fc_vlan_change change = { .pop = 2 };
		struct rte_mbuf *packet;
		uint32_t length;

		make_tag(&tags[0], 0x8100, 5);
		make_tag(&tags[1], others[i], 6);
		make_tag(&tags[2], 0x8100, 7);
		length = put_frame(bytes, 3, tags, 50);
		packet = fixture_packet(*state, bytes, length, 0);
		fc_vlan_change(&packet, 1, &change);
		length = put_frame(expected, 2, tags + 1, 50);
		fixture_assert_bytes(packet, expected, length);
		fc_vlan_change(&packet, 1, &change);
		fixture_assert_bytes(packet, expected, length);
		rte_pktmbuf_free(packet);
	}
}

/* Only the first segment changes. */
static void test_segments(void **state)
{
	struct fc_vlan_change change = { .pop = 1, .n_push = 2 };
	struct layout layout = { .n_tags = 1, .length = 300 };
	uint8_t bytes[400], expected[400];
	struct tag push[2];

	make_tag(&layout.tags[0], 0x8100, 5);
	make_tag(&push[0], 0x9100, 6);
	make_tag(&push[1], 0x8100, 7);
	memcpy(&change.push[0].tpid, push[0].bytes, 4);
	memcpy(&change.push[1].tpid, push[1].bytes, 4);
	for (uint16_t part = 18; part <= 300; part++) {
		struct rte_mbuf *packet;
		uint32_t length;

		put_frame(bytes, 1, layout.tags, 284);
		packet = fixture_packet(*state, bytes, 300, part);
		fc_vlan_change(&packet, 1, &change);
		length = build_expected(expected, &layout, 1, 2, push);
		fixture_assert_bytes(packet, expected, length);
		rte_pktmbuf_free(packet);
	}
}

/* With just the headroom that the pushed tags need. */
static void test_headroom(void **state)
{
	static const struct tag push[2] = { { { 0x81, 0x00, 0x00, 1 } },
		{ { 0x81, 0x00, 0x00, 2 } } };
	struct layout layout = { .n_tags = 1, .length = 100 };

	make_tag(&layout.tags[0], 0x8100, 5);
	for (uint8_t pop = 0; pop <= 2; pop++) {
		for (uint8_t n_push = 0; n_push <= 2; n_push++) {
			struct fc_vlan_change change = { .pop = pop, .n_push = n_push };
			struct rte_mbuf *packet = build(*state, &layout);
			uint8_t expected[108];
			uint32_t length;

			memcpy(change.push, push, sizeof(push));
			length = build_expected(expected, &layout, pop, n_push, push);
			memmove((uint8_t *)packet->buf_addr + 4 * n_push,
				rte_pktmbuf_mtod(packet, void *), 100);
			packet->data_off = (uint16_t)(4 * n_push);
			fc_vlan_change(&packet, 1, &change);
			fixture_assert_bytes(packet, expected, length);
			rte_pktmbuf_free(packet);
		}
	}
}

/* Each frame of a burst is judged by itself. */
static void test_bursts(void **state)
{
	static const struct tag push[1] = { { { 0x88, 0xa8, 0x20, 0x64 } } };

	for (uint8_t pop = 0; pop <= 2; pop++) {
		struct fc_vlan_change change = { .pop = pop, .n_push = 1 };
		struct layout layouts[MAX_BURST];
		struct rte_mbuf *packets[MAX_BURST];

		memcpy(change.push, push, sizeof(push));
		for (unsigned i = 0; i < MAX_BURST; i++) {
			layouts[i] = (struct layout){ .n_tags = i % 4, .length = 14 + i };
			for (unsigned j = 0; j < MAX_TAGS; j++)
				make_tag(&layouts[i].tags[j], tpids[(i + j) % 5], i);
			packets[i] = build(*state, &layouts[i]);
		}
		fc_vlan_change(packets, MAX_BURST - 1, &change);
		for (unsigned i = 0; i < MAX_BURST; i++) {
			bool is_changed = i < MAX_BURST - 1;
			uint8_t expected[14 + MAX_BURST + 4];
			uint32_t length = build_expected(
				expected, &layouts[i], is_changed ? pop : 0, is_changed, push);

			fixture_assert_bytes(packets[i], expected, length);
		}
		rte_pktmbuf_free_bulk(packets, MAX_BURST);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_pop_and_push, fixture_check),
		cmocka_unit_test_teardown(test_jumbo, fixture_check),
		cmocka_unit_test_teardown(test_cut_off, fixture_check),
		cmocka_unit_test_teardown(test_other_types, fixture_check),
		cmocka_unit_test_teardown(test_segments, fixture_check),
		cmocka_unit_test_teardown(test_headroom, fixture_check),
		cmocka_unit_test_teardown(test_bursts, fixture_check),
	};

	fixture_fill(addresses, sizeof(addresses), 3);
	fixture_fill(rest, sizeof(rest), 4);
	return cmocka_run_group_tests(tests, fixture_start, fixture_stop);
}
