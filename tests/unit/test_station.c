/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "dpdk_fixture.h"
#include "golden_neighbours.h"
#include "station_rig.h"

/* What a station answers, what not, and how much. */

#define RING_ROOM (FC_HOST_WORDS - 1) /* of each of its rings */

/* A next hop's MAC address that need not be asked for. */
static const uint8_t known[FC_MAC_SIZE] = { 2, 0, 0, 0, 0, 7 };

static void check_answer(struct station_rig *b, const char *question, uint32_t length,
	const char *answer, uint32_t answer_length)
{
	rig_hear(b, 0, question, length);
	fc_station_tend(b->station, 1000);
	rig_expect_heard(b);
	rig_expect_said(b, answer, answer_length);
	rig_expect_silence(b);
}

#define CHECK_ANSWER(b, question, answer) check_answer(b, BYTES(question), BYTES(answer))

static void check_no_answer(struct station_rig *b, const char *question, uint32_t length)
{
	rig_hear(b, 0, question, length);
	fc_station_tend(b->station, 1000);
	rig_expect_heard(b);
	rig_expect_silence(b);
	fixture_assert_full(b->host);
}

#define CHECK_NO_ANSWER(b, question) check_no_answer(b, BYTES(question))

/* The end of a tunnel answers whatever tag the request has. */
static void test_answers(void **state)
{
	struct rte_mbuf *pong;
	struct station_rig b;

	rig_begin(&b, *state);
	rig_add_end(&b, 4, 9);
	rig_add_end(&b, 6, 9);
	CHECK_ANSWER(&b, golden_arp_request, golden_our_arp_reply);
	CHECK_ANSWER(&b, golden_arp_probe, golden_our_arp_probe_reply);
	CHECK_ANSWER(&b, golden_solicitation, golden_our_advertisement);
	CHECK_ANSWER(&b, golden_solicitation_bare, golden_our_advertisement);
	CHECK_ANSWER(&b, golden_dad, golden_our_dad_reply);
	CHECK_ANSWER(&b, golden_ping, golden_our_pong);
	CHECK_ANSWER(&b, golden_ping6, golden_our_pong6);
	/* What is behind the request is not part of it. */
	rig_hear(&b, 0, BYTES(golden_short_ping));
	fc_station_tend(b.station, 1000);
	fc_station_speak(b.station);
	pong = rig_port_read(&b.port);
	fixture_assert_bytes(pong, BYTES(golden_our_short_pong));
	rte_pktmbuf_free(pong);
	rig_end(&b);
}

/* Nothing else is answered. */
static void test_no_answers(void **state)
{
	struct station_rig b;

	rig_begin(&b, *state);
	rig_add_end(&b, 4, 9);
	rig_add_end(&b, 6, 9);
	CHECK_NO_ANSWER(&b, golden_arp_reply);
	CHECK_NO_ANSWER(&b, golden_gratuitous);
	CHECK_NO_ANSWER(&b, golden_advertisement);
	CHECK_NO_ANSWER(&b, golden_advertisement_bare);
	CHECK_NO_ANSWER(&b, golden_ping_options);
	CHECK_NO_ANSWER(&b, golden_bad_hop_limit);
	CHECK_NO_ANSWER(&b, golden_bad_code);
	CHECK_NO_ANSWER(&b, golden_bad_option_zero);
	CHECK_NO_ANSWER(&b, golden_bad_dad_with_mac);
	CHECK_NO_ANSWER(&b, golden_bad_mac);
	CHECK_NO_ANSWER(&b, golden_router);
	CHECK_NO_ANSWER(&b, golden_tcp);
	CHECK_NO_ANSWER(&b, golden_our_arp_reply);
	CHECK_NO_ANSWER(&b, golden_our_pong);
	/* It has not stopped listening. */
	CHECK_ANSWER(&b, golden_arp_request, golden_our_arp_reply);
	rig_end(&b);
}

static void test_other_addresses(void **state)
{
	struct station_rig b;

	rig_begin(&b, *state);
	rig_add_end(&b, 4, 8);
	rig_add_end(&b, 6, 8);
	CHECK_NO_ANSWER(&b, golden_arp_request);
	CHECK_NO_ANSWER(&b, golden_arp_probe);
	CHECK_NO_ANSWER(&b, golden_solicitation);
	CHECK_NO_ANSWER(&b, golden_dad);
	CHECK_NO_ANSWER(&b, golden_ping);
	CHECK_NO_ANSWER(&b, golden_ping6);
	rig_end(&b);
}

/* The beginning of a tunnel has its address in one VLAN, and answers there only. */
static void test_vlans(void **state)
{
	static const uint16_t vids[] = { 0, 77, 78 };

	for (unsigned ours = 0; ours < RTE_DIM(vids); ours++) {
		struct fc_encap config = rig_encap(4, vids[ours]);
		struct station_rig b;

		config.has_mac = true;
		memcpy(config.mac, known, sizeof(known));
		rig_begin(&b, *state);
		rig_add_hop(&b, 0, &config);
		for (unsigned i = 0; i < RTE_DIM(vids); i++) {
			char question[128], answer[128];
			uint32_t length = sizeof(golden_arp_request) - 1, answer_length = 60;

			memcpy(question, golden_arp_request, length);
			memset(answer, 0, sizeof(answer));
			memcpy(answer, golden_our_arp_reply, sizeof(golden_our_arp_reply) - 1);
			if (vids[i] != 0) {
				length = rig_tag(question, golden_arp_request, length, vids[i]);
				rig_tag(answer, golden_our_arp_reply,
					sizeof(golden_our_arp_reply) - 1, vids[i]);
			}
			if (i == ours)
				check_answer(&b, question, length, answer, answer_length);
			else
				check_no_answer(&b, question, length);
		}
		rig_end(&b);
	}
}

/* One address in two VLANs, once as a tunnel's beginning and once as its end. */
static void test_address_twice(void **state)
{
	struct fc_encap config = rig_encap(4, 78);
	char question[128], answer[128];
	uint32_t length, answer_length;
	struct station_rig b;

	config.has_mac = true;
	memcpy(config.mac, known, sizeof(known));
	rig_begin(&b, *state);
	rig_add_hop(&b, 0, &config);
	CHECK_NO_ANSWER(&b, golden_arp_request);
	config.vlan = 77;
	rig_add_hop(&b, 1, &config);
	CHECK_NO_ANSWER(&b, golden_arp_request);
	length = rig_tag(question, BYTES(golden_arp_request), 77);
	answer_length = rig_tag(answer, BYTES(golden_our_arp_reply), 77);
	check_answer(&b, question, length, answer, answer_length);
	rig_add_end(&b, 4, 9);
	CHECK_ANSWER(&b, golden_arp_request, golden_our_arp_reply);
	rig_end(&b);
}

/* A flood is answered as far as the rings go; no buffer is lost, and it goes on afterwards. */
static void test_flood(void **state)
{
	unsigned n_said = 0, n;
	struct rte_mbuf *packet;
	struct station_rig b;

	rig_begin(&b, *state);
	fc_station_free(b.station);
	rig_begin_station(&b, true, 2);
	rig_add_end(&b, 4, 9);
	for (uint16_t q = 0; q < 2; q++) {
		for (unsigned i = 0; i < RING_ROOM; i++)
			rig_hear(&b, q, BYTES(golden_arp_request));
		packet = fixture_packet(b.pool, BYTES(golden_arp_request), 0);
		assert_int_not_equal(rte_ring_enqueue(b.station->heard[q], packet), 0);
		rte_pktmbuf_free(packet);
	}
	fc_station_tend(b.station, 1000);
	rig_expect_heard(&b);
	assert_int_equal(rte_ring_count(b.station->said), RING_ROOM);
	assert_int_equal(rte_mempool_in_use_count(b.host), RING_ROOM);
	while ((n = fc_station_speak(b.station)) != 0) {
		assert_in_range(n, 1, FC_BURST);
		n_said += n;
	}
	assert_int_equal(n_said, RING_ROOM);
	while ((packet = rig_port_read(&b.port)) != NULL) {
		rte_pktmbuf_free(packet);
		n_said--;
	}
	assert_int_equal(n_said, 0);
	CHECK_ANSWER(&b, golden_ping, golden_our_pong);
	rig_end(&b);
}

/* With no buffer for an answer there is none; the question is freed all the same. */
static void test_no_buffers(void **state)
{
	struct rte_mbuf *held[RIG_HOST_MBUFS];
	struct fc_encap config = rig_encap(4, 0);
	struct station_rig b;

	rig_begin(&b, *state);
	rig_add_end(&b, 4, 9);
	rig_add_end(&b, 6, 9);
	assert_int_equal(rte_pktmbuf_alloc_bulk(b.host, held, RIG_HOST_MBUFS), 0);
	rig_hear(&b, 0, BYTES(golden_arp_request));
	rig_hear(&b, 0, BYTES(golden_solicitation));
	rig_hear(&b, 0, BYTES(golden_ping));
	rig_hear(&b, 0, BYTES(golden_ping6));
	fc_station_tend(b.station, 1000);
	rig_expect_heard(&b);
	rig_expect_silence(&b);
	rte_pktmbuf_free(held[0]);
	rig_hear(&b, 0, BYTES(golden_ping));
	rig_hear(&b, 0, BYTES(golden_arp_request));
	fc_station_tend(b.station, 1000);
	rig_expect_heard(&b);
	rig_expect_said(&b, BYTES(golden_our_pong));
	rig_expect_silence(&b);
	rte_pktmbuf_free_bulk(held + 1, RIG_HOST_MBUFS - 1);
	CHECK_ANSWER(&b, golden_arp_request, golden_our_arp_reply);
	/* A question that could not be asked counts as asked; the next one is in a second. */
	rig_add_hop(&b, 0, &config);
	assert_int_equal(rte_pktmbuf_alloc_bulk(b.host, held, RIG_HOST_MBUFS), 0);
	fc_station_tend(b.station, 2000);
	rig_expect_silence(&b);
	rte_pktmbuf_free_bulk(held, RIG_HOST_MBUFS);
	fc_station_tend(b.station, 2999);
	rig_expect_silence(&b);
	fc_station_tend(b.station, 3000);
	rig_expect_said(&b, BYTES(golden_our_arp_request));
	rig_end(&b);
}

/* What the port does not take is not kept: it would be old by then. */
static void test_port_takes_few(void **state)
{
	struct station_rig b;

	rig_begin(&b, *state);
	rig_add_end(&b, 4, 9);
	for (unsigned i = 0; i < 10; i++)
		rig_hear(&b, 0, BYTES(golden_arp_request));
	fc_station_tend(b.station, 1000);
	rig_port_limit(&b.port, 3);
	assert_int_equal(fc_station_speak(b.station), 10);
	assert_int_equal(rte_ring_count(b.port.out), 3);
	assert_int_equal(rte_mempool_in_use_count(b.host), 3);
	rig_port_limit(&b.port, RIG_ALL);
	for (unsigned i = 0; i < 3; i++)
		rig_expect_said(&b, BYTES(golden_our_arp_reply));
	rig_hear(&b, 0, BYTES(golden_arp_request));
	fc_station_tend(b.station, 1000);
	atomic_store(&b.port.port.is_gone, true);
	assert_int_equal(fc_station_speak(b.station), 1);
	assert_null(rig_port_read(&b.port));
	fixture_assert_full(b.host);
	atomic_store(&b.port.port.is_gone, false);
	rig_end(&b);
}

/* What waits in the rings at the end goes back to the pools. */
static void test_empty(void **state)
{
	struct station_rig b;

	rig_begin(&b, *state);
	rig_add_end(&b, 4, 9);
	for (unsigned i = 0; i < 2; i++) {
		rig_hear(&b, 0, BYTES(golden_arp_request));
		fc_station_tend(b.station, 1000);
		rig_hear(&b, 0, BYTES(golden_ping));
		assert_int_equal(rte_ring_count(b.station->said), 1);
		if (i == 0) {
			fc_station_empty(b.station);
			fixture_assert_full(b.pool);
			fixture_assert_full(b.host);
		}
	}
	rig_end(&b);
	fc_station_free(NULL);
}

static void test_too_many(void **state)
{
	struct fc_decap decap = { .type = FC_TUNNEL_VXLAN, .local = rig_address(4, 9) };
	struct fc_encap config = rig_encap(4, 0);
	struct station_rig b;

	config.has_mac = true;
	memcpy(config.mac, known, sizeof(known));
	rig_begin(&b, *state);
	for (unsigned i = 0; i < FC_TUNNEL_MAX_ENDS; i++) {
		decap.key = i;
		assert_int_equal(fc_station_add_end(b.station, &decap), 0);
	}
	assert_int_equal(fc_station_add_end(b.station, &decap), -ENOSPC);
	/* One address all of them: there is room for others. */
	for (unsigned i = 1; i < FC_TUNNEL_MAX_HOSTS; i++) {
		config.local.bytes[3] = (uint8_t)(100 + i);
		assert_int_equal(fc_station_add_hop(b.station, &config, &b.tunnels[0]), 0);
	}
	config.local.bytes[3] = 8;
	assert_int_equal(fc_station_add_hop(b.station, &config, &b.tunnels[0]), -ENOSPC);
	CHECK_ANSWER(&b, golden_ping, golden_our_pong);
	rig_end(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_no_answers),
		cmocka_unit_test(test_other_addresses),
		cmocka_unit_test(test_vlans),
		cmocka_unit_test(test_address_twice),
		cmocka_unit_test(test_flood),
		cmocka_unit_test(test_no_buffers),
		cmocka_unit_test(test_port_takes_few),
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_too_many),
	};

	return cmocka_run_group_tests(tests, fixture_start, fixture_stop);
}
