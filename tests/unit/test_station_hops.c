/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include <rte_ethdev.h>

#include "dpdk_fixture.h"
#include "golden_neighbours.h"
#include "station_rig.h"

/* How a station finds next hops, and what their tunnels know of it. */

static const uint8_t peer_mac[FC_MAC_SIZE] = { 2, 0, 0, 0, 0, 1 };
static const uint8_t new_mac[FC_MAC_SIZE] = { 2, 0, 0, 0, 0, 2 };

static void expect_resolved(const struct station_rig *b, unsigned tunnel, const uint8_t *mac)
{
	uint8_t found[FC_MAC_SIZE];

	assert_true(fc_tunnel_destination(&b->tunnels[tunnel].header, found));
	assert_memory_equal(found, mac, FC_MAC_SIZE);
}

static void expect_unresolved(const struct station_rig *b, unsigned tunnel)
{
	uint8_t found[FC_MAC_SIZE];

	assert_false(fc_tunnel_destination(&b->tunnels[tunnel].header, found));
}

static const struct {
	uint8_t family;
	const char *question, *answer;
	uint32_t question_length, answer_length;
} families[] = {
	{ 4, golden_our_arp_request, golden_arp_reply, sizeof(golden_our_arp_request) - 1,
		sizeof(golden_arp_reply) - 1 },
	{ 6, golden_our_solicitation, golden_advertisement, sizeof(golden_our_solicitation) - 1,
		sizeof(golden_advertisement) - 1 },
};

/* The life of a next hop, at the tunnel's header: unknown, found, lost and found again. */
static void test_next_hop(void **state)
{
	for (size_t i = 0; i < RTE_DIM(families); i++) {
		struct fc_encap config = rig_encap(families[i].family, 0);
		uint64_t now = 5000;
		struct station_rig b;

		rig_begin(&b, *state);
		rig_add_hop(&b, 0, &config);
		for (unsigned s = 0; s < 3; s++) {
			fc_station_tend(b.station, now);
			expect_unresolved(&b, 0);
			rig_expect_said(&b, families[i].question, families[i].question_length);
			fc_station_tend(b.station, now + 999);
			rig_expect_silence(&b);
			now += 1000;
		}
		rig_hear(&b, 0, families[i].answer, families[i].answer_length);
		fc_station_tend(b.station, now - 1);
		expect_resolved(&b, 0, peer_mac);
		rig_expect_silence(&b);
		now += FC_NEXT_HOP_STALE_MS - 2;
		fc_station_tend(b.station, now);
		expect_resolved(&b, 0, peer_mac);
		rig_expect_said(&b, families[i].question, families[i].question_length);
		fc_station_tend(b.station, now + 1);
		expect_unresolved(&b, 0);
		rig_hear(&b, 0, families[i].answer, families[i].answer_length);
		fc_station_tend(b.station, now + 2);
		expect_resolved(&b, 0, peer_mac);
		rig_expect_silence(&b);
		rig_end(&b);
	}
}

/* Another MAC address than before, as after a failover, is followed at once. */
static void test_changed(void **state)
{
	struct fc_encap config = rig_encap(4, 0);
	char moved[sizeof(golden_gratuitous)];
	struct station_rig b;

	rig_begin(&b, *state);
	rig_add_hop(&b, 0, &config);
	rig_hear(&b, 0, BYTES(golden_gratuitous));
	fc_station_tend(b.station, 1000);
	expect_resolved(&b, 0, peer_mac);
	memcpy(moved, golden_gratuitous, sizeof(moved));
	moved[6 + 5] = moved[14 + 8 + 5] = 2;
	rig_hear(&b, 0, BYTES(moved));
	fc_station_tend(b.station, 1010);
	expect_resolved(&b, 0, new_mac);
	/* Who asks for us has told us where he is, and is answered at once. */
	rig_hear(&b, 0, BYTES(golden_arp_request));
	fc_station_tend(b.station, 1020);
	expect_resolved(&b, 0, peer_mac);
	rig_expect_said(&b, BYTES(golden_our_arp_reply));
	rig_expect_silence(&b);
	rig_end(&b);
}

/* The next hop is asked for, and believed, in its own VLAN only. */
static void test_hop_in_vlan(void **state)
{
	struct fc_encap config = rig_encap(4, 77);
	char tagged[128];
	uint32_t length = rig_tag(tagged, BYTES(golden_our_arp_request), 77);
	struct station_rig b;

	rig_begin(&b, *state);
	rig_add_hop(&b, 0, &config);
	fc_station_tend(b.station, 1000);
	rig_expect_said(&b, tagged, length);
	rig_hear(&b, 0, BYTES(golden_arp_reply));
	length = rig_tag(tagged, BYTES(golden_arp_reply), 78);
	rig_hear(&b, 0, tagged, length);
	fc_station_tend(b.station, 1100);
	expect_unresolved(&b, 0);
	length = rig_tag(tagged, BYTES(golden_arp_reply), 77);
	rig_hear(&b, 0, tagged, length);
	fc_station_tend(b.station, 1200);
	expect_resolved(&b, 0, peer_mac);
	/* Later the owner alone is asked: golden, too. */
	fc_station_tend(b.station, 1200 + FC_NEXT_HOP_FRESH_MS);
	rig_expect_said(&b, BYTES(golden_our_arp_probe));
	rig_end(&b);
}

/* Behind a gateway it is the gateway that is asked for. */
static void test_gateway(void **state)
{
	struct fc_encap config = rig_encap(4, 0);
	struct station_rig b;

	config.remote = (struct fc_address){ 4, { 198, 51, 100, 7 } };
	config.gateway = rig_address(4, 1);
	rig_begin(&b, *state);
	rig_add_hop(&b, 0, &config);
	fc_station_tend(b.station, 1000);
	rig_expect_said(&b, BYTES(golden_our_arp_request));
	rig_hear(&b, 0, BYTES(golden_arp_reply));
	fc_station_tend(b.station, 1010);
	expect_resolved(&b, 0, peer_mac);
	rig_end(&b);
}

static void test_fixed_mac(void **state)
{
	struct fc_encap config = rig_encap(4, 0);
	struct station_rig b;

	config.has_mac = true;
	memcpy(config.mac, new_mac, sizeof(new_mac));
	rig_begin(&b, *state);
	rig_add_hop(&b, 0, &config);
	expect_resolved(&b, 0, new_mac);
	rig_hear(&b, 0, BYTES(golden_arp_reply));
	for (uint64_t now = 0; now < 100000; now += 700)
		fc_station_tend(b.station, now);
	rig_expect_silence(&b);
	expect_resolved(&b, 0, new_mac);
	rig_end(&b);
}

/* All tunnels to one next hop get what is heard of it, the others do not. */
static void test_two_tunnels(void **state)
{
	struct fc_encap config = rig_encap(4, 0);
	struct station_rig b;

	rig_begin(&b, *state);
	rig_add_hop(&b, 0, &config);
	rig_add_hop(&b, 1, &config);
	rig_hear(&b, 0, BYTES(golden_arp_reply));
	fc_station_tend(b.station, 1000);
	expect_resolved(&b, 0, peer_mac);
	expect_resolved(&b, 1, peer_mac);
	rig_expect_silence(&b);
	rig_end(&b);

	rig_begin(&b, *state);
	rig_add_hop(&b, 0, &config);
	config.remote = rig_address(4, 3);
	rig_add_hop(&b, 1, &config);
	rig_hear(&b, 0, BYTES(golden_arp_reply));
	fc_station_tend(b.station, 1000);
	expect_resolved(&b, 0, peer_mac);
	expect_unresolved(&b, 1);
	rig_end(&b);
}

/* Two tunnels to one next hop ask for it once a second, not twice, and both learn of it. */
static void test_shared_hop(void **state)
{
	struct fc_encap config = rig_encap(4, 0), other = config;
	struct station_rig b;

	other.key = 6;
	rig_begin(&b, *state);
	rig_add_hop(&b, 0, &config);
	rig_add_hop(&b, 1, &other);
	for (uint64_t now = 1000; now <= 3000; now += 1000) {
		fc_station_tend(b.station, now);
		rig_expect_said(&b, BYTES(golden_our_arp_request));
		rig_expect_silence(&b);
	}
	rig_hear(&b, 0, BYTES(golden_arp_reply));
	fc_station_tend(b.station, 3500);
	expect_resolved(&b, 0, peer_mac);
	expect_resolved(&b, 1, peer_mac);
	rig_end(&b);
}

/* As the engine looks at each port; the station goes by what was seen then. */
static void look_at_port(struct station_rig *b)
{
	fc_port_look(&b->port.port, b->port.port.next_look_ms);
}

/* A link that goes down takes what was known with it; one that comes up starts it again. */
static void test_link(void **state)
{
	struct fc_encap config = rig_encap(4, 0);
	uint64_t now = 1000;
	struct station_rig b;

	rig_begin(&b, *state);
	rig_add_hop(&b, 0, &config);
	fc_station_tend(b.station, now);
	rig_expect_said(&b, BYTES(golden_our_arp_request));
	rig_hear(&b, 0, BYTES(golden_arp_reply));
	fc_station_tend(b.station, now + 10);
	expect_resolved(&b, 0, peer_mac);
	assert_int_equal(rte_eth_dev_set_link_down(b.port.port.id), 0);
	fc_station_tend(b.station, now + 99); /* not looked at yet */
	expect_resolved(&b, 0, peer_mac);
	now += 100;
	look_at_port(&b);
	fc_station_tend(b.station, now);
	expect_unresolved(&b, 0);
	for (unsigned i = 0; i < 50; i++)
		fc_station_tend(b.station, now + i * 100);
	rig_expect_silence(&b);
	now += 5000;
	assert_int_equal(rte_eth_dev_set_link_up(b.port.port.id), 0);
	look_at_port(&b);
	fc_station_tend(b.station, now);
	rig_expect_said(&b, BYTES(golden_our_arp_request));
	rig_hear(&b, 0, BYTES(golden_arp_reply));
	fc_station_tend(b.station, now + 1);
	expect_resolved(&b, 0, peer_mac);
	/* Down and up again between two looks: nobody knows. */
	assert_int_equal(rte_eth_dev_set_link_down(b.port.port.id), 0);
	assert_int_equal(rte_eth_dev_set_link_up(b.port.port.id), 0);
	look_at_port(&b);
	fc_station_tend(b.station, now + 100);
	expect_resolved(&b, 0, peer_mac);
	rig_expect_silence(&b);
	rig_end(&b);
}

/* A port that has gone is as one whose link is down. */
static void test_gone(void **state)
{
	struct fc_encap config = rig_encap(4, 0);
	struct station_rig b;

	rig_begin(&b, *state);
	rig_add_hop(&b, 0, &config);
	rig_hear(&b, 0, BYTES(golden_arp_reply));
	fc_station_tend(b.station, 1000);
	expect_resolved(&b, 0, peer_mac);
	atomic_store(&b.port.port.is_removed, true);
	look_at_port(&b);
	fc_station_tend(b.station, 1100);
	expect_unresolved(&b, 0);
	atomic_store(&b.port.port.is_removed, false);
	rig_end(&b);
}

/* A clock that begins at 0 is a clock as any other. */
static void test_clock_from_zero(void **state)
{
	struct fc_encap config = rig_encap(4, 0);
	struct station_rig b;

	rig_begin(&b, *state);
	rig_add_hop(&b, 0, &config);
	fc_station_tend(b.station, 0);
	rig_expect_said(&b, BYTES(golden_our_arp_request));
	for (uint64_t now = 1; now < 1000; now++)
		fc_station_tend(b.station, now);
	rig_expect_silence(&b);
	fc_station_tend(b.station, 1000);
	rig_expect_said(&b, BYTES(golden_our_arp_request));
	rig_end(&b);
}

/* A port that only hears learns what others say, and says nothing. */
static void test_mute(void **state)
{
	struct fc_encap config = rig_encap(4, 0);
	struct station_rig b;

	rig_begin(&b, *state);
	fc_station_free(b.station);
	rig_begin_station(&b, false, 1);
	assert_null(b.station->said);
	rig_add_end(&b, 4, 9);
	rig_add_hop(&b, 0, &config);
	fc_station_tend(b.station, 1000);
	rig_hear(&b, 0, BYTES(golden_arp_request));
	rig_hear(&b, 0, BYTES(golden_ping));
	fc_station_tend(b.station, 2000);
	rig_expect_heard(&b);
	expect_resolved(&b, 0, peer_mac);
	fc_station_empty(b.station);
	rig_end(&b);
}

/* A port without rx queues asks, though nobody will answer. */
static void test_deaf(void **state)
{
	struct fc_encap config = rig_encap(4, 0);
	struct station_rig b;

	rig_begin(&b, *state);
	fc_station_free(b.station);
	rig_begin_station(&b, true, 0);
	rig_add_hop(&b, 0, &config);
	fc_station_tend(b.station, 1000);
	rig_expect_said(&b, BYTES(golden_our_arp_request));
	rig_end(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_next_hop),
		cmocka_unit_test(test_changed),
		cmocka_unit_test(test_hop_in_vlan),
		cmocka_unit_test(test_gateway),
		cmocka_unit_test(test_fixed_mac),
		cmocka_unit_test(test_two_tunnels),
		cmocka_unit_test(test_shared_hop),
		cmocka_unit_test(test_link),
		cmocka_unit_test(test_gone),
		cmocka_unit_test(test_clock_from_zero),
		cmocka_unit_test(test_mute),
		cmocka_unit_test(test_deaf),
	};

	return cmocka_run_group_tests(tests, fixture_start, fixture_stop);
}
