/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "next_hop.h"

/* A next hop that is asked alone may answer without its MAC address: the frame's source is it. */

static const uint8_t mac_a[FC_MAC_SIZE] = { 2, 0, 0, 0, 0, 0xa };
static const uint8_t mac_b[FC_MAC_SIZE] = { 2, 0, 0, 0, 0, 0xb };
static const struct fc_address address = { .family = 6, .bytes = { 0x20, 0x01, [15] = 9 } };

static struct fc_neighbour_message reply_from(const uint8_t source[FC_MAC_SIZE])
{
	struct fc_neighbour_message message = {
		.kind = FC_NEIGHBOUR_REPLY,
		.sender = address,
	};

	memcpy(message.frame_source, source, FC_MAC_SIZE);
	return message;
}

/* Known at time 0, and asked alone when it is no longer fresh. */
static struct fc_next_hop asked_hop(void)
{
	struct fc_next_hop hop = { .address = address };
	struct fc_neighbour_message message = reply_from(mac_a);

	message.has_mac = true;
	message.overrides = true;
	memcpy(message.mac, mac_a, FC_MAC_SIZE);
	fc_next_hop_hear(&hop, &message, 0);
	assert_int_equal(fc_next_hop_tick(&hop, FC_NEXT_HOP_FRESH_MS), FC_NEXT_HOP_ASK_ONE);
	return hop;
}

static void test_confirms(void **state)
{
	const uint64_t now = FC_NEXT_HOP_FRESH_MS + 1;
	struct fc_neighbour_message message = reply_from(mac_a);
	struct fc_next_hop hop = asked_hop();

	(void)state;
	fc_next_hop_hear(&hop, &message, now);
	assert_true(hop.is_known);
	assert_memory_equal(hop.mac, mac_a, FC_MAC_SIZE);
	assert_int_equal(fc_next_hop_tick(&hop, now + FC_NEXT_HOP_FRESH_MS - 1), FC_NEXT_HOP_QUIET);
	assert_int_equal(fc_next_hop_tick(&hop, now + FC_NEXT_HOP_FRESH_MS), FC_NEXT_HOP_ASK_ONE);
}

/* It says nothing about another's frames, and a request is no answer. */
static void test_does_not_confirm(void **state)
{
	struct fc_neighbour_message messages[3];

	(void)state;
	messages[0] = reply_from(mac_b);
	messages[1] = reply_from(mac_a);
	messages[1].kind = FC_NEIGHBOUR_REQUEST;
	messages[2] = reply_from(mac_a);
	messages[2].sender.bytes[15] = 8;
	for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++) {
		struct fc_next_hop hop = asked_hop();

		fc_next_hop_hear(&hop, &messages[i], FC_NEXT_HOP_FRESH_MS + 1);
		assert_true(hop.is_known);
		assert_memory_equal(hop.mac, mac_a, FC_MAC_SIZE);
		assert_int_equal(fc_next_hop_tick(&hop, FC_NEXT_HOP_ALL_MS), FC_NEXT_HOP_ASK_ALL);
		fc_next_hop_tick(&hop, FC_NEXT_HOP_STALE_MS);
		assert_false(hop.is_known);
	}
}

static void test_does_not_resolve(void **state)
{
	struct fc_neighbour_message message = reply_from(mac_a);
	struct fc_next_hop hop = { .address = address };

	(void)state;
	fc_next_hop_hear(&hop, &message, 0);
	assert_false(hop.is_known);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_confirms),
		cmocka_unit_test(test_does_not_confirm),
		cmocka_unit_test(test_does_not_resolve),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
