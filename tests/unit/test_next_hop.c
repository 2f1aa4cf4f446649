/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <rte_common.h>

#include "next_hop.h"
#include "tunnel_rig.h"

/* What is asked when, and what is believed; the clock is the tests'. */

/* Each test runs with clocks that begin here: nothing may depend on what the time is. */
static const uint64_t starts[] = { 0, 1, 19999, UINT64_C(1) << 40, UINT64_MAX - 25000,
	UINT64_MAX - 20, UINT64_MAX };

static const uint8_t mac_a[FC_MAC_SIZE] = { 2, 0, 0, 0, 0, 0xa };
static const uint8_t mac_b[FC_MAC_SIZE] = { 2, 0, 0, 0, 0, 0xb };

static struct fc_next_hop new_hop(void)
{
	return (struct fc_next_hop){ .address = rig_address(4, 9) };
}

static struct fc_neighbour_message claim(const uint8_t mac[FC_MAC_SIZE], bool overrides)
{
	struct fc_neighbour_message message = {
		.kind = FC_NEIGHBOUR_REPLY,
		.sender = rig_address(4, 9),
		.target = rig_address(4, 1),
		.has_mac = true,
		.overrides = overrides,
	};

	memcpy(message.mac, mac, FC_MAC_SIZE);
	return message;
}

static void hear(struct fc_next_hop *hop, const uint8_t *mac, bool overrides, uint64_t now)
{
	struct fc_neighbour_message message = claim(mac, overrides);

	fc_next_hop_hear(hop, &message, now);
}

static void expect_mac(const struct fc_next_hop *hop, const uint8_t *mac)
{
	assert_true(hop->is_known);
	assert_memory_equal(hop->mac, mac, FC_MAC_SIZE);
}

static void expect_quiet(struct fc_next_hop *hop, uint64_t from, uint64_t to)
{
	for (uint64_t now = from; now != to; now++)
		assert_int_equal(fc_next_hop_tick(hop, now), FC_NEXT_HOP_QUIET);
}

/* Unknown: all are asked at once, and then once a second, for ever. */
static void test_unknown(void **state)
{
	(void)state;
	for (size_t i = 0; i < RTE_DIM(starts); i++) {
		struct fc_next_hop hop = new_hop();

		for (uint64_t s = 0; s < 60; s++) {
			uint64_t now = starts[i] + s * FC_NEXT_HOP_ASK_MS;

			assert_int_equal(fc_next_hop_tick(&hop, now), FC_NEXT_HOP_ASK_ALL);
			expect_quiet(&hop, now, now + FC_NEXT_HOP_ASK_MS);
			assert_false(hop.is_known);
		}
	}
}

/* Known: nothing, then its owner is asked, then all, and then it is unknown again. */
static void test_ages(void **state)
{
	(void)state;
	for (size_t i = 0; i < RTE_DIM(starts); i++) {
		struct fc_next_hop hop = new_hop();
		uint64_t heard = starts[i] + 17;

		assert_int_equal(fc_next_hop_tick(&hop, starts[i]), FC_NEXT_HOP_ASK_ALL);
		hear(&hop, mac_a, true, heard);
		expect_mac(&hop, mac_a);
		expect_quiet(&hop, heard, heard + FC_NEXT_HOP_FRESH_MS);
		for (uint64_t age = FC_NEXT_HOP_FRESH_MS; age < FC_NEXT_HOP_STALE_MS;
			age += FC_NEXT_HOP_ASK_MS) {
			assert_int_equal(fc_next_hop_tick(&hop, heard + age),
				age < FC_NEXT_HOP_ALL_MS ? FC_NEXT_HOP_ASK_ONE
							 : FC_NEXT_HOP_ASK_ALL);
			expect_mac(&hop, mac_a);
			expect_quiet(&hop, heard + age, heard + age + FC_NEXT_HOP_ASK_MS - 1);
		}
		expect_mac(&hop, mac_a);
		assert_int_equal(
			fc_next_hop_tick(&hop, heard + FC_NEXT_HOP_STALE_MS), FC_NEXT_HOP_ASK_ALL);
		assert_false(hop.is_known);
	}
}

/* Nobody need have ticked for it to be too old: a long silence is as good as many short ones. */
static void test_late_tick(void **state)
{
	(void)state;
	for (size_t i = 0; i < RTE_DIM(starts); i++) {
		struct fc_next_hop hop = new_hop();

		hear(&hop, mac_a, true, starts[i]);
		assert_int_equal(fc_next_hop_tick(&hop, starts[i] + FC_NEXT_HOP_STALE_MS - 1),
			FC_NEXT_HOP_ASK_ALL);
		expect_mac(&hop, mac_a);
		hear(&hop, mac_a, true, starts[i] + FC_NEXT_HOP_STALE_MS);
		assert_int_equal(fc_next_hop_tick(&hop, starts[i] + 10 * FC_NEXT_HOP_STALE_MS),
			FC_NEXT_HOP_ASK_ALL);
		assert_false(hop.is_known);
	}
}

/* Who answers, or asks somebody else, is there: it is fresh again. */
static void test_refreshed(void **state)
{
	(void)state;
	for (size_t i = 0; i < RTE_DIM(starts); i++) {
		for (int kind = FC_NEIGHBOUR_REQUEST; kind <= FC_NEIGHBOUR_REPLY; kind++) {
			struct fc_neighbour_message message = claim(mac_a, kind == 0);
			struct fc_next_hop hop = new_hop();
			uint64_t now = starts[i];

			message.kind = (enum fc_neighbour_kind)kind;
			fc_next_hop_hear(&hop, &message, now);
			for (unsigned round = 0; round < 3; round++) {
				now += FC_NEXT_HOP_FRESH_MS;
				assert_int_equal(
					fc_next_hop_tick(&hop, now - 1), FC_NEXT_HOP_QUIET);
				assert_int_equal(fc_next_hop_tick(&hop, now), FC_NEXT_HOP_ASK_ONE);
				fc_next_hop_hear(&hop, &message, now);
				expect_mac(&hop, mac_a);
				expect_quiet(&hop, now, now + FC_NEXT_HOP_ASK_MS + 1);
			}
		}
	}
}

/* What says nothing about the next hop's MAC address changes nothing. */
static void test_irrelevant(void **state)
{
	struct fc_neighbour_message messages[6];

	(void)state;
	for (size_t i = 0; i < RTE_DIM(messages); i++)
		messages[i] = claim(mac_b, true);
	messages[0].kind = FC_NEIGHBOUR_PING;
	messages[1].has_mac = false;
	messages[2].sender = rig_address(4, 8);
	messages[3].sender = rig_address(6, 9);
	messages[4].sender = (struct fc_address){ .family = 0 };
	messages[5].sender = rig_address(4, 1);
	for (size_t i = 0; i < RTE_DIM(messages); i++) {
		struct fc_next_hop hop = new_hop(), before;

		memcpy(&before, &hop, sizeof(before));
		fc_next_hop_hear(&hop, &messages[i], 1000);
		assert_memory_equal(&hop, &before, sizeof(hop));
		hear(&hop, mac_a, true, 2000);
		memcpy(&before, &hop, sizeof(before));
		fc_next_hop_hear(&hop, &messages[i], 3000);
		assert_memory_equal(&hop, &before, sizeof(hop));
	}
}

/* A family's addresses of the other length do not match, however their first bytes are. */
static void test_ipv6(void **state)
{
	struct fc_next_hop hop = { .address = rig_address(6, 9) };
	struct fc_neighbour_message message = claim(mac_a, true);

	(void)state;
	message.sender = (struct fc_address){ .family = 4, .bytes = { 0x20, 1, 0x0d, 0xb8 } };
	fc_next_hop_hear(&hop, &message, 0);
	assert_false(hop.is_known);
	message.sender = rig_address(6, 9);
	fc_next_hop_hear(&hop, &message, 0);
	expect_mac(&hop, mac_a);
}

/* Another MAC address that insists is taken over at once. */
static void test_overrides(void **state)
{
	(void)state;
	for (size_t i = 0; i < RTE_DIM(starts); i++) {
		struct fc_next_hop hop = new_hop();
		uint64_t now = starts[i];

		hear(&hop, mac_a, false, now); /* who is unknown need not insist */
		expect_mac(&hop, mac_a);
		hear(&hop, mac_b, true, now + 5000);
		expect_mac(&hop, mac_b);
		expect_quiet(&hop, now + 5000, now + 5000 + FC_NEXT_HOP_FRESH_MS);
		assert_int_equal(fc_next_hop_tick(&hop, now + 5000 + FC_NEXT_HOP_FRESH_MS),
			FC_NEXT_HOP_ASK_ONE);
	}
}

/* One that does not insist makes us ask the owner; who answers is believed. */
static void test_doubt(void **state)
{
	(void)state;
	for (size_t i = 0; i < RTE_DIM(starts); i++) {
		struct fc_next_hop hop = new_hop();
		uint64_t now = starts[i];

		hear(&hop, mac_a, true, now);
		hear(&hop, mac_b, false, now + 3000);
		expect_mac(&hop, mac_a);
		assert_int_equal(fc_next_hop_tick(&hop, now + 3000), FC_NEXT_HOP_ASK_ONE);
		hear(&hop, mac_a, false, now + 3100);
		expect_mac(&hop, mac_a);
		expect_quiet(&hop, now + 3100, now + 3100 + FC_NEXT_HOP_FRESH_MS);
	}
}

/* Claims that do not insist, however many, neither keep an owner that is silent nor hasten its end
 * beyond the time to ask it. */
static void test_many_doubts(void **state)
{
	(void)state;
	for (size_t i = 0; i < RTE_DIM(starts); i++) {
		struct fc_next_hop hop = new_hop();
		uint64_t first = starts[i] + 2500, patience;
		unsigned n_asked = 0;

		patience = FC_NEXT_HOP_STALE_MS - FC_NEXT_HOP_FRESH_MS;
		hear(&hop, mac_a, true, starts[i]);
		for (uint64_t age = 0; age < patience; age += 100) {
			hear(&hop, mac_b, false, first + age);
			n_asked += fc_next_hop_tick(&hop, first + age) != FC_NEXT_HOP_QUIET;
			expect_mac(&hop, mac_a);
		}
		assert_int_equal(n_asked, patience / FC_NEXT_HOP_ASK_MS);
		assert_int_equal(fc_next_hop_tick(&hop, first + patience), FC_NEXT_HOP_ASK_ALL);
		assert_false(hop.is_known);
		hear(&hop, mac_b, false, first + patience);
		expect_mac(&hop, mac_b);
	}
}

/* What was forgotten is asked for at once, even if that was done a moment ago. */
static void test_forget(void **state)
{
	(void)state;
	for (size_t i = 0; i < RTE_DIM(starts); i++) {
		struct fc_next_hop hop = new_hop();

		assert_int_equal(fc_next_hop_tick(&hop, starts[i]), FC_NEXT_HOP_ASK_ALL);
		hear(&hop, mac_a, true, starts[i] + 1);
		fc_next_hop_forget(&hop);
		assert_false(hop.is_known);
		assert_int_equal(fc_next_hop_tick(&hop, starts[i] + 2), FC_NEXT_HOP_ASK_ALL);
		expect_quiet(&hop, starts[i] + 2, starts[i] + 2 + FC_NEXT_HOP_ASK_MS);
		hear(&hop, mac_b, false, starts[i] + 3);
		expect_mac(&hop, mac_b);
	}
}

/* Numbers without a pattern, the same in each run. */
static uint32_t draw(uint64_t *seed, uint32_t n)
{
	*seed = *seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
	return (uint32_t)(*seed >> 33) % n;
}

/* What a sequence of messages has said so far. */
struct history {
	uint64_t now, asked, said[3]; /* of each MAC address: when it was last claimed */
	bool has_asked, has_said[3];
};

static void say_anything(struct fc_next_hop *hop, struct history *history, uint64_t *seed)
{
	uint8_t mac[FC_MAC_SIZE] = { 2, 0, 0, 0, 0, 0 };
	struct fc_neighbour_message message;
	uint32_t who = draw(seed, 3);

	mac[5] = (uint8_t)who;
	message = claim(mac, draw(seed, 3) == 0);
	message.kind = (enum fc_neighbour_kind)draw(seed, 3);
	message.has_mac = draw(seed, 5) != 0;
	if (draw(seed, 3) == 0)
		message.sender = rig_address(draw(seed, 2) ? 4 : 6, (uint8_t)(8 + draw(seed, 2)));
	fc_next_hop_hear(hop, &message, history->now);
	if (message.kind == FC_NEIGHBOUR_PING || !message.has_mac ||
		!fc_address_is_equal(&message.sender, &hop->address))
		return;
	history->has_said[who] = true;
	history->said[who] = history->now;
	/* Whoever speaks for the address, somebody is known to have it now. */
	assert_true(hop->is_known);
	if (message.overrides)
		expect_mac(hop, mac);
}

static void check_tick(struct fc_next_hop *hop, struct history *history)
{
	enum fc_next_hop_ask what = fc_next_hop_tick(hop, history->now);
	bool may_ask = !history->has_asked || history->now - history->asked >= FC_NEXT_HOP_ASK_MS;

	if (hop->is_known) {
		/* It is one that was claimed, and not too long ago. */
		assert_in_range(hop->mac[5], 0, 2);
		assert_true(history->has_said[hop->mac[5]]);
		assert_true(history->now - history->said[hop->mac[5]] < FC_NEXT_HOP_STALE_MS);
	} else {
		assert_int_equal(what, may_ask ? FC_NEXT_HOP_ASK_ALL : FC_NEXT_HOP_QUIET);
	}
	if (what == FC_NEXT_HOP_ASK_ONE)
		assert_true(hop->is_known);
	if (what == FC_NEXT_HOP_QUIET)
		return;
	assert_true(may_ask);
	history->has_asked = true;
	history->asked = history->now;
}

/* Whatever is said in whatever order: never more than one request a second. */
static void test_any_sequence(void **state)
{
	static const uint32_t steps[] = { 1, 10, 100, 999, 1001, 3000, 21000, 31000 };

	(void)state;
	for (uint64_t run = 0; run < 40; run++) {
		struct history history = { .now = starts[run % RTE_DIM(starts)] };
		uint32_t n_kinds = 1 + (uint32_t)run % RTE_DIM(steps);
		struct fc_next_hop hop = new_hop();
		uint64_t seed = run + 1;

		for (unsigned i = 0; i < 5000; i++) {
			history.now += draw(&seed, steps[draw(&seed, n_kinds)] + 1);
			if (draw(&seed, 2) == 0)
				say_anything(&hop, &history, &seed);
			else
				check_tick(&hop, &history);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_unknown),
		cmocka_unit_test(test_ages),
		cmocka_unit_test(test_late_tick),
		cmocka_unit_test(test_refreshed),
		cmocka_unit_test(test_irrelevant),
		cmocka_unit_test(test_ipv6),
		cmocka_unit_test(test_overrides),
		cmocka_unit_test(test_doubt),
		cmocka_unit_test(test_many_doubts),
		cmocka_unit_test(test_forget),
		cmocka_unit_test(test_any_sequence),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
