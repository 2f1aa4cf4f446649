/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "dpdk_fixture.h"
#include "station_rig.h"
#include "tunnel_rig.h"

static const uint8_t our_mac[FC_MAC_SIZE] = { 2, 0, 0, 0, 0, 9 };

void rig_begin_station(struct station_rig *b, bool sends, uint16_t n_rx_queues)
{
	struct fc_findings *findings = fc_findings_new("station");

	b->port.plan.sends = sends;
	b->port.plan.n_rx_queues = n_rx_queues;
	b->station =
		fc_station_new(&b->port.port, &b->port.plan, 0, sends ? b->host : NULL, findings);
	assert_non_null(b->station);
	assert_int_equal(fc_findings_count(findings), 0);
	fc_findings_free(findings);
	/* The ports of net_ring have no address of their own. */
	memcpy(b->station->mac, our_mac, sizeof(our_mac));
}

void rig_begin(struct station_rig *b, struct rte_mempool *pool)
{
	*b = (struct station_rig){ .pool = pool,
		.host = fixture_pool_new("host", RIG_HOST_MBUFS, 2048) };
	rig_port_start(&b->port, "station", 255, pool);
	rig_begin_station(b, true, 1);
}

void rig_end(struct station_rig *b)
{
	fc_station_free(b->station);
	rig_port_stop(&b->port);
	fixture_assert_full(b->pool);
	fixture_assert_full(b->host);
	rte_mempool_free(b->host);
}

void rig_add_end(struct station_rig *b, uint8_t family, uint8_t host)
{
	struct fc_decap decap = { .type = FC_TUNNEL_VXLAN, .local = rig_address(family, host) };

	assert_int_equal(fc_station_add_end(b->station, &decap), 0);
}

struct fc_encap rig_encap(uint8_t family, uint16_t vlan)
{
	return (struct fc_encap){
		.type = FC_TUNNEL_GRETAP,
		.local = rig_address(family, 9),
		.remote = rig_address(family, 1),
		.prefix_length = family == 4 ? 24 : 64,
		.vlan = vlan,
		.ttl = 64,
	};
}

/* As the engine does: prepare the header, then look for its next hop. */
void rig_add_hop(struct station_rig *b, unsigned tunnel, const struct fc_encap *config)
{
	struct fc_tunnel_params params = rig_params(config->type, config->local.family);

	params.vlan = config->vlan;
	assert_int_equal(fc_tunnel_prepare(&b->tunnels[tunnel].header, &params), 0);
	assert_int_equal(fc_station_add_hop(b->station, config, &b->tunnels[tunnel]), 0);
}

void rig_hear(struct station_rig *b, uint16_t queue, const char *bytes, uint32_t length)
{
	struct rte_mbuf *packet = fixture_packet(b->pool, bytes, length, 0);

	assert_int_equal(rte_ring_enqueue(b->station->heard[queue], packet), 0);
}

/* The next frame that the station sends is this one, padded to what Ethernet wants. */
void rig_expect_said(struct station_rig *b, const char *bytes, uint32_t length)
{
	uint8_t expected[128] = { 0 };
	struct rte_mbuf *packet;

	fc_station_speak(b->station);
	packet = rig_port_read(&b->port);
	assert_non_null(packet);
	memcpy(expected, bytes, length);
	fixture_assert_bytes(packet, expected, RTE_MAX(length, 60u));
	assert_ptr_equal(packet->pool, b->host);
	rte_pktmbuf_free(packet);
}

void rig_expect_silence(struct station_rig *b)
{
	assert_int_equal(fc_station_speak(b->station), 0);
	assert_null(rig_port_read(&b->port));
}

/* Nothing waits to be heard, and what was heard has been freed. */
void rig_expect_heard(const struct station_rig *b)
{
	for (uint16_t q = 0; q < b->station->n_heard; q++)
		assert_true(rte_ring_empty(b->station->heard[q]));
	fixture_assert_full(b->pool);
}

/* Put 802.1Q's tag with this VID behind the addresses. */
uint32_t rig_tag(char *tagged, const char *bytes, uint32_t length, uint16_t vid)
{
	memcpy(tagged, bytes, 12);
	memcpy(tagged + 12, (const uint8_t[]){ 0x81, 0, (uint8_t)(vid >> 8), (uint8_t)vid }, 4);
	memcpy(tagged + 16, bytes + 12, length - 12);
	return length + 4;
}
