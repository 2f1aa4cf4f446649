/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <fc_neighbour.h>

#include "dpdk_fixture.h"
#include "golden_neighbours.h"
#include "tunnel_rig.h"

static const struct fc_neighbour_host *host(uint8_t family, uint16_t vlan)
{
	static struct fc_neighbour_host us;

	us = (struct fc_neighbour_host){
		.local = rig_address(family, 9),
		.mac = { 2, 0, 0, 0, 0, 9 },
		.vlan = vlan,
	};
	return &us;
}

static const uint8_t peer_mac[] = { 2, 0, 0, 0, 0, 1 };

static struct rte_mbuf *fresh(struct rte_mempool *pool)
{
	struct rte_mbuf *packet = rte_pktmbuf_alloc(pool);

	assert_non_null(packet);
	return packet;
}

/* Frames shorter than Ethernet wants are padded with zeros. */
static void check_built(struct rte_mbuf *packet, const char *bytes, uint32_t length)
{
	uint8_t expected[128] = { 0 };

	memcpy(expected, bytes, length);
	fixture_assert_bytes(packet, expected, RTE_MAX(length, 60u));
	rte_pktmbuf_free(packet);
}

#define CHECK_BUILT(packet, name) check_built(packet, name, sizeof(name) - 1)

static struct fc_neighbour_message parse_good(
	struct rte_mempool *pool, const char *bytes, uint32_t length)
{
	struct fc_neighbour_message message, again;

	memset(&message, 0xa5, sizeof(message));
	for (uint16_t part = 0; part < 50; part++) {
		struct rte_mbuf *packet = fixture_packet(pool, bytes, length, part);

		assert_int_equal(fc_neighbour_parse(packet, &again), 0);
		if (part == 0)
			message = again;
		assert_memory_equal(&message, &again, sizeof(message));
		rte_pktmbuf_free(packet);
	}
	return message;
}

#define PARSE_GOOD(pool, name) parse_good(pool, name, sizeof(name) - 1)

static void test_ask(void **state)
{
	struct fc_address peer4 = rig_address(4, 1), peer6 = rig_address(6, 1);
	struct rte_mbuf *packet = fresh(*state);

	assert_int_equal(fc_neighbour_ask(host(4, 0), &peer4, NULL, packet), 0);
	CHECK_BUILT(packet, golden_our_arp_request);
	packet = fresh(*state);
	assert_int_equal(fc_neighbour_ask(host(4, 77), &peer4, peer_mac, packet), 0);
	CHECK_BUILT(packet, golden_our_arp_probe);
	packet = fresh(*state);
	assert_int_equal(fc_neighbour_ask(host(6, 0), &peer6, NULL, packet), 0);
	CHECK_BUILT(packet, golden_our_solicitation);
	packet = fresh(*state);
	assert_int_equal(fc_neighbour_ask(host(6, 77), &peer6, peer_mac, packet), 0);
	CHECK_BUILT(packet, golden_our_solicitation_probe);
	packet = fresh(*state);
	assert_int_equal(fc_neighbour_ask(host(6, 0), &peer4, NULL, packet), -EINVAL);
	assert_int_equal(packet->pkt_len, 0);
	rte_pktmbuf_free(packet);
}

static void test_answer(void **state)
{
	struct fc_neighbour_message request = PARSE_GOOD(*state, golden_arp_request);
	struct rte_mbuf *packet = fresh(*state);

	assert_int_equal(request.kind, FC_NEIGHBOUR_REQUEST);
	assert_true(
		fc_address_is_equal(&request.sender, &(struct fc_address){ 4, { 192, 0, 2, 1 } }));
	assert_true(
		fc_address_is_equal(&request.target, &(struct fc_address){ 4, { 192, 0, 2, 9 } }));
	assert_true(request.has_mac);
	assert_memory_equal(request.mac, peer_mac, 6);
	assert_memory_equal(request.frame_source, peer_mac, 6);
	assert_int_equal(request.vlan, 0);
	assert_int_equal(fc_neighbour_answer(host(4, 0), &request, packet), 0);
	CHECK_BUILT(packet, golden_our_arp_reply);
	request = PARSE_GOOD(*state, golden_solicitation);
	assert_int_equal(request.kind, FC_NEIGHBOUR_REQUEST);
	assert_int_equal(request.sender.bytes[15], 1);
	assert_int_equal(request.target.bytes[15], 9);
	assert_true(request.has_mac);
	packet = fresh(*state);
	assert_int_equal(fc_neighbour_answer(host(6, 0), &request, packet), 0);
	CHECK_BUILT(packet, golden_our_advertisement);
	/* Without the option: to where the frame came from. */
	request = PARSE_GOOD(*state, golden_solicitation_bare);
	assert_false(request.has_mac);
	packet = fresh(*state);
	assert_int_equal(fc_neighbour_answer(host(6, 0), &request, packet), 0);
	CHECK_BUILT(packet, golden_our_advertisement);
	packet = fresh(*state);
	assert_int_equal(fc_neighbour_answer(host(4, 0), &request, packet), -EINVAL);
	rte_pktmbuf_free(packet);
}

/* Somebody wants to know whether an address is free. */
static void test_probes(void **state)
{
	struct fc_neighbour_message request = PARSE_GOOD(*state, golden_arp_probe);
	struct rte_mbuf *packet = fresh(*state);

	assert_int_equal(request.kind, FC_NEIGHBOUR_REQUEST);
	assert_int_equal(request.sender.family, 0);
	assert_int_equal(fc_neighbour_answer(host(4, 0), &request, packet), 0);
	CHECK_BUILT(packet, golden_our_arp_probe_reply);
	request = PARSE_GOOD(*state, golden_dad);
	assert_int_equal(request.kind, FC_NEIGHBOUR_REQUEST);
	assert_int_equal(request.sender.family, 0);
	assert_int_equal(request.vlan, 77);
	packet = fresh(*state);
	assert_int_equal(fc_neighbour_answer(host(6, 77), &request, packet), 0);
	CHECK_BUILT(packet, golden_our_dad_reply);
}

static void test_announce(void **state)
{
	struct rte_mbuf *packet = fresh(*state);

	assert_int_equal(fc_neighbour_announce(host(4, 0), packet), 0);
	CHECK_BUILT(packet, golden_our_arp_announcement);
	packet = fresh(*state);
	assert_int_equal(fc_neighbour_announce(host(6, 77), packet), 0);
	CHECK_BUILT(packet, golden_our_unsolicited);
}

static void test_replies(void **state)
{
	struct fc_neighbour_message reply = PARSE_GOOD(*state, golden_arp_reply);

	assert_int_equal(reply.kind, FC_NEIGHBOUR_REPLY);
	assert_int_equal(reply.sender.bytes[3], 1);
	assert_memory_equal(reply.mac, peer_mac, 6);
	reply = PARSE_GOOD(*state, golden_gratuitous);
	assert_int_equal(reply.kind, FC_NEIGHBOUR_REPLY);
	assert_int_equal(reply.sender.bytes[3], 1);
	assert_true(reply.overrides);
	reply = PARSE_GOOD(*state, golden_advertisement);
	assert_int_equal(reply.kind, FC_NEIGHBOUR_REPLY);
	assert_int_equal(reply.sender.bytes[15], 1);
	assert_true(reply.has_mac);
	assert_memory_equal(reply.mac, peer_mac, 6);
	assert_true(reply.overrides);
	reply = PARSE_GOOD(*state, golden_advertisement_bare);
	assert_false(reply.has_mac);
	assert_false(reply.overrides);
}

static void check_ping(struct rte_mempool *pool, const char *ping, uint32_t ping_length,
	const char *pong, uint32_t pong_length, uint8_t family)
{
	struct fc_neighbour_message message = parse_good(pool, ping, ping_length);

	assert_int_equal(message.kind, FC_NEIGHBOUR_PING);
	assert_int_equal(message.target.family, family);
	assert_int_equal(message.target.bytes[family == 4 ? 3 : 15], 9);
	assert_int_equal(message.sender.bytes[family == 4 ? 3 : 15], 1);
	for (uint16_t part = 0; part < 100; part += 7) {
		struct rte_mbuf *packet = fixture_packet(pool, ping, ping_length, part);

		assert_int_equal(fc_neighbour_pong(host(family, 0), packet), 0);
		fixture_assert_bytes(packet, pong, pong_length);
		rte_pktmbuf_free(packet);
	}
}

static void test_ping(void **state)
{
	check_ping(*state, golden_ping, sizeof(golden_ping) - 1, golden_our_pong,
		sizeof(golden_our_pong) - 1, 4);
	/* With padding, which the answer has not. */
	check_ping(*state, golden_short_ping, sizeof(golden_short_ping) - 1, golden_our_short_pong,
		sizeof(golden_our_short_pong) - 1, 4);
	check_ping(*state, golden_ping6, sizeof(golden_ping6) - 1, golden_our_pong6,
		sizeof(golden_our_pong6) - 1, 6);
}

struct good {
	const char *bytes;
	uint32_t length;
};

#define GOOD(name)                                                                                 \
	{                                                                                          \
		name, sizeof(name) - 1                                                             \
	}

/* A bit that is wrong is noticed by the checksum, where there is one. */
static void test_checksums(void **state)
{
	static const struct good goods[] = { GOOD(golden_solicitation), GOOD(golden_advertisement),
		GOOD(golden_ping), GOOD(golden_ping6) };

	for (unsigned i = 0; i < RTE_DIM(goods); i++) {
		uint32_t at = (uint8_t)goods[i].bytes[12] == 8 ? 34 : 54;
		uint8_t bytes[128];

		memcpy(bytes, goods[i].bytes, goods[i].length);
		for (uint32_t bit = 8 * at; bit < 8 * goods[i].length; bit++) {
			struct fc_neighbour_message message;
			struct rte_mbuf *packet;

			bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
			packet = fixture_packet(*state, bytes, goods[i].length, 11);
			assert_int_equal(fc_neighbour_parse(packet, &message), -EBADMSG);
			rte_pktmbuf_free(packet);
			bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
		}
	}
}

static void test_cut_off(void **state)
{
	static const struct good goods[] = { GOOD(golden_arp_request), GOOD(golden_solicitation),
		GOOD(golden_advertisement), GOOD(golden_ping), GOOD(golden_ping6) };

	for (unsigned i = 0; i < RTE_DIM(goods); i++) {
		for (uint32_t length = 1; length < goods[i].length; length++) {
			struct rte_mbuf *packet = fixture_packet(*state, goods[i].bytes, length, 5);
			struct fc_neighbour_message message;

			if (goods[i].bytes[13] != 6 || length < 42)
				assert_int_equal(fc_neighbour_parse(packet, &message), -EBADMSG);
			rte_pktmbuf_free(packet);
		}
	}
}

/* A byte of ARP that is not what it must be; offsets from the frame's begin. */
static void test_other_arp(void **state)
{
	static const struct {
		uint8_t at, value;
		int rc;
	} cases[] = {
		{ 15, 6, -ENOENT },					     /* hardware */
		{ 16, 0x86, -ENOENT },					     /* protocol */
		{ 18, 8, -ENOENT }, { 19, 16, -ENOENT }, { 21, 3, -ENOENT }, /* reverse ARP */
		{ 22, 3, -EBADMSG }, /* a group's MAC address */
		{ 13, 7, -ENOENT },  /* EtherType */
	};

	for (unsigned i = 0; i < RTE_DIM(cases); i++) {
		uint8_t bytes[sizeof(golden_arp_request) - 1];
		struct fc_neighbour_message message;
		struct rte_mbuf *packet;

		memcpy(bytes, golden_arp_request, sizeof(bytes));
		bytes[cases[i].at] = cases[i].value;
		packet = fixture_packet(*state, bytes, sizeof(bytes), 0);
		assert_int_equal(fc_neighbour_parse(packet, &message), cases[i].rc);
		rte_pktmbuf_free(packet);
	}
}

static void check_bad(struct rte_mempool *pool, const char *bytes, uint32_t length, int rc)
{
	struct rte_mbuf *packet = fixture_packet(pool, bytes, length, 0);
	struct fc_neighbour_message message;

	assert_int_equal(fc_neighbour_parse(packet, &message), rc);
	rte_pktmbuf_free(packet);
}

/* Checksums are right here, something else is not. */
static void test_bad(void **state)
{
#define CHECK_BAD(name, rc) check_bad(*state, name, sizeof(name) - 1, rc)
	CHECK_BAD(golden_bad_hop_limit, -EBADMSG);
	CHECK_BAD(golden_bad_code, -EBADMSG);
	CHECK_BAD(golden_bad_option_zero, -EBADMSG);
	CHECK_BAD(golden_bad_option_long, -EBADMSG);
	CHECK_BAD(golden_bad_dad_with_mac, -EBADMSG);
	CHECK_BAD(golden_bad_mac, -EBADMSG);
	CHECK_BAD(golden_router, -ENOENT);
	CHECK_BAD(golden_tcp, -ENOENT);
#undef CHECK_BAD
}

static void test_no_room(void **state)
{
	struct rte_mempool *tight = fixture_pool_new("tight", 1, FC_NEIGHBOUR_MAX_SIZE - 1);
	struct fc_address peer = rig_address(4, 1);
	struct rte_mbuf *packet = fresh(tight);

	(void)state;
	assert_int_equal(fc_neighbour_ask(host(4, 0), &peer, NULL, packet), -ENOSPC);
	assert_int_equal(packet->pkt_len, 0);
	rte_pktmbuf_free(packet);
	rte_mempool_free(tight);
}

/* What cannot be answered in place stays as it is. */
static void test_no_pong(void **state)
{
	struct rte_mbuf *packet;

	packet = fixture_packet(*state, golden_ping_options, sizeof(golden_ping_options) - 1, 0);
	assert_int_equal(fc_neighbour_pong(host(4, 0), packet), -ENOTSUP);
	fixture_assert_bytes(packet, golden_ping_options, sizeof(golden_ping_options) - 1);
	rte_pktmbuf_free(packet);
	packet = fixture_packet(*state, golden_ping, sizeof(golden_ping) - 1, 0);
	assert_int_equal(fc_neighbour_pong(host(6, 0), packet), -ENOTSUP);
	fixture_assert_bytes(packet, golden_ping, sizeof(golden_ping) - 1);
	rte_pktmbuf_free(packet);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_ask, fixture_check),
		cmocka_unit_test_teardown(test_answer, fixture_check),
		cmocka_unit_test_teardown(test_probes, fixture_check),
		cmocka_unit_test_teardown(test_announce, fixture_check),
		cmocka_unit_test_teardown(test_replies, fixture_check),
		cmocka_unit_test_teardown(test_ping, fixture_check),
		cmocka_unit_test_teardown(test_checksums, fixture_check),
		cmocka_unit_test_teardown(test_cut_off, fixture_check),
		cmocka_unit_test_teardown(test_other_arp, fixture_check),
		cmocka_unit_test_teardown(test_bad, fixture_check),
		cmocka_unit_test_teardown(test_no_room, fixture_check),
		cmocka_unit_test_teardown(test_no_pong, fixture_check),
	};

	return cmocka_run_group_tests(tests, fixture_start, fixture_stop);
}
