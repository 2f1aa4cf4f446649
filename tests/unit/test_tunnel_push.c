/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <fc_flow.h>
#include <fc_tunnel.h>

#include "dpdk_fixture.h"
#include "golden_tunnels.h"
#include "tunnel_rig.h"

#define GOLDEN_ID	 0x1234
#define GOLDEN_SEQUENCE	 0x01020304
#define GOLDEN_TIMESTAMP (UINT64_C(0x5589abcdef) * 100 + 99)

static struct fc_tunnel_params golden_params(const struct golden *golden)
{
	struct fc_tunnel_params params = rig_params(golden->type, golden->family);

	params.has_key = golden->has_key;
	params.key = golden->key;
	params.vlan = golden->vlan;
	params.dscp = golden->dscp;
	params.ttl = golden->ttl;
	params.mtu = 1500;
	if (golden->unfragmentable)
		params.oversize = FC_OVERSIZE_DROP;
	return params;
}

static struct rte_mbuf *golden_frame(
	struct rte_mempool *pool, const struct golden *golden, uint16_t part)
{
	return fixture_packet(pool, golden->tagged ? golden_tagged : golden_plain,
		golden->tagged ? GOLDEN_TAGGED_LENGTH : GOLDEN_PLAIN_LENGTH, part);
}

static void check_golden(struct rte_mempool *pool, const struct golden *golden, uint16_t part)
{
	struct fc_tunnel_state state = { .packet_id = GOLDEN_ID, .sequence = GOLDEN_SEQUENCE };
	struct fc_tunnel_params params = golden_params(golden);
	struct rte_mbuf *packet = golden_frame(pool, golden, part);
	struct fc_tunnel_header header;

	rig_prepare(&header, &params);
	assert_int_equal(fc_tunnel_fit(&header, packet), FC_TUNNEL_FITS);
	rig_push(&header, &state, &packet, 1, GOLDEN_TIMESTAMP);
	if (golden->truncated)
		fc_tunnel_mark_truncated(&header, packet);
	fixture_assert_bytes(packet, golden->bytes, golden->length);
	rte_pktmbuf_free(packet);
}

static void test_golden(void **state)
{
	for (unsigned i = 0; i < RTE_DIM(golden_tunnels); i++)
		for (unsigned part = 64; part <= 90; part++)
			check_golden(*state, &golden_tunnels[i], (uint16_t)(part == 90 ? 0 : part));
}

/* What the overhead is by the formats' own documents, without Ethernet and IP. */
static uint32_t known_overhead(enum fc_tunnel_type type, bool keyed)
{
	switch (type) {
	case FC_TUNNEL_GRE:
	case FC_TUNNEL_GRETAP:
		return keyed ? 8 : 4;
	case FC_TUNNEL_ERSPAN1:
		return 4;
	case FC_TUNNEL_ERSPAN2:
		return 16;
	case FC_TUNNEL_ERSPAN3:
		return 20;
	default:
		return 16;
	}
}

static void check_overhead(struct rte_mempool *pool, const struct fc_tunnel_params *params)
{
	struct fc_tunnel_state state = { 0 };
	struct fc_tunnel_header header;
	struct rte_mbuf *packet;
	uint32_t ip = params->local.family == 4 ? 20 : 40;
	uint32_t inner = known_overhead(params->type, params->has_key);
	uint8_t frame[100];

	rig_inner(frame, sizeof(frame), 1);
	packet = fixture_packet(pool, frame, sizeof(frame), 0);
	rig_prepare(&header, params);
	assert_int_equal(fc_tunnel_overhead(params->type, params->local.family, params->has_key,
				 params->vlan != 0),
		(params->vlan != 0 ? 18 : 14) + ip + inner);
	assert_int_equal(fc_tunnel_max_inner(&header), params->mtu - ip - inner);
	rig_push(&header, &state, &packet, 1, 0);
	assert_int_equal(packet->pkt_len, (params->vlan != 0 ? 18 : 14) + ip + inner +
						  sizeof(frame) -
						  (params->type == FC_TUNNEL_GRE ? 14 : 0));
	rte_pktmbuf_free(packet);
}

static void test_overhead(void **state)
{
	for (unsigned i = 0; i < RTE_DIM(rig_types); i++) {
		for (unsigned variant = 0; variant < 8; variant++) {
			struct fc_tunnel_params params =
				rig_params(rig_types[i], variant & 1 ? 6 : 4);

			params.vlan = variant & 2 ? 4094 : 0;
			params.has_key = variant & 4 && rig_types[i] != FC_TUNNEL_ERSPAN1;
			check_overhead(*state, &params);
		}
	}
}

static void test_params(void **state)
{
	struct fc_tunnel_header header;
	const struct fc_tunnel_params good = rig_params(FC_TUNNEL_GRETAP, 4);
	const struct fc_tunnel_params good6 = rig_params(FC_TUNNEL_VXLAN, 6);
	struct fc_tunnel_params bad;

	(void)state;
#define CHECK_BAD(from, member, value, rc)                                                         \
	do {                                                                                       \
		bad = from;                                                                        \
		bad.member = value;                                                                \
		assert_int_equal(fc_tunnel_prepare(&header, &bad), rc);                            \
	} while (0)
	CHECK_BAD(good, type, FC_TUNNEL_GENEVE, 0);
	CHECK_BAD(good, type, FC_TUNNEL_NONE, -EINVAL);
	CHECK_BAD(good, local.family, 6, -EINVAL);
	CHECK_BAD(good, remote.family, 0, -EINVAL);
	CHECK_BAD(good, type, FC_TUNNEL_ERSPAN1, -EINVAL);
	CHECK_BAD(good, mtu, 68, 0);
	CHECK_BAD(good, mtu, 67, -EINVAL);
	CHECK_BAD(good6, mtu, 1280, 0);
	CHECK_BAD(good6, mtu, 1279, -EINVAL);
	CHECK_BAD(good, ttl, 0, -ERANGE);
	CHECK_BAD(good, dscp, 63, 0);
	CHECK_BAD(good, dscp, 64, -ERANGE);
	CHECK_BAD(good, vlan, 4094, 0);
	CHECK_BAD(good, vlan, 4095, -ERANGE);
	CHECK_BAD(good, key, UINT32_MAX, 0);
	CHECK_BAD(good6, key, 0xffffff, 0);
	CHECK_BAD(good6, key, 0x1000000, -ERANGE);
	bad = rig_params(FC_TUNNEL_ERSPAN2, 4);
	CHECK_BAD(bad, key, 1023, 0);
	CHECK_BAD(bad, key, 1024, -ERANGE);
	bad = rig_params(FC_TUNNEL_ERSPAN3, 4);
	CHECK_BAD(bad, key, 1024, -ERANGE);
#undef CHECK_BAD
}

static void test_destination(void **state)
{
	const struct fc_tunnel_params params = rig_params(FC_TUNNEL_GRETAP, 4);
	struct fc_tunnel_state counts = { 0 };
	struct fc_tunnel_header header;
	struct rte_mbuf *packet;
	uint8_t frame[60];

	assert_int_equal(fc_tunnel_prepare(&header, &params), 0);
	assert_false(fc_tunnel_is_resolved(&header));
	fc_tunnel_set_destination(&header, (const uint8_t[]){ 2, 3, 4, 5, 6, 7 });
	assert_true(fc_tunnel_is_resolved(&header));
	rig_inner(frame, sizeof(frame), 1);
	packet = fixture_packet(*state, frame, sizeof(frame), 0);
	rig_push(&header, &counts, &packet, 1, 0);
	assert_memory_equal(rte_pktmbuf_mtod(packet, void *),
		((const uint8_t[]){ 2, 3, 4, 5, 6, 7, 2, 0, 0, 0, 0, 1, 8, 0 }), 14);
	rte_pktmbuf_free(packet);
	fc_tunnel_set_destination(&header, NULL);
	assert_false(fc_tunnel_is_resolved(&header));
}

/* Identification and sequence number count each packet of a burst, and wrap. */
static void test_counts(void **state)
{
	const struct fc_tunnel_params params = rig_params(FC_TUNNEL_ERSPAN2, 4);
	struct fc_tunnel_state counts = { .packet_id = 0xffff, .sequence = UINT32_MAX };
	struct fc_tunnel_header header;
	struct rte_mbuf *packets[3];
	uint8_t frame[60];

	rig_prepare(&header, &params);
	rig_inner(frame, sizeof(frame), 1);
	for (unsigned i = 0; i < RTE_DIM(packets); i++)
		packets[i] = fixture_packet(*state, frame, sizeof(frame), 0);
	rig_push(&header, &counts, packets, RTE_DIM(packets), 0);
	for (unsigned i = 0; i < RTE_DIM(packets); i++) {
		const uint8_t *bytes = rte_pktmbuf_mtod(packets[i], const uint8_t *);
		uint32_t sequence = UINT32_MAX + i;

		assert_int_equal(bytes[18] << 8 | bytes[19], (uint16_t)(0xffff + i));
		assert_memory_equal(bytes + 38, &(rte_be32_t){ rte_cpu_to_be_32(sequence) }, 4);
	}
	assert_int_equal(counts.packet_id, 2);
	assert_int_equal(counts.sequence, 2);
	rte_pktmbuf_free_bulk(packets, RTE_DIM(packets));
}

/* gre leaves all tags behind, also when nothing follows them. */
static void test_gre_tags(void **state)
{
	const struct fc_tunnel_params params = rig_params(FC_TUNNEL_GRE, 6);
	struct fc_tunnel_header header;

	rig_prepare(&header, &params);
	for (unsigned n_tags = 0; n_tags <= 8; n_tags++) {
		struct fc_tunnel_state counts = { 0 };
		uint8_t frame[200];
		uint32_t at = 12 + 4 * n_tags + 2;
		struct rte_mbuf *packet;

		fixture_fill(frame, sizeof(frame), n_tags);
		for (unsigned i = 0; i < n_tags; i++)
			memcpy(frame + 12 + 4 * i, i % 2 ? "\x88\xa8" : "\x81\x00", 2);
		memcpy(frame + at - 2, "\x12\x34", 2);
		for (uint32_t n = 0; n <= sizeof(frame) - at; n += n < 50 ? 1 : 19) {
			packet = fixture_packet(*state, frame, at + n, n % 2 ? 0 : 64);
			rig_push(&header, &counts, &packet, 1, 0);
			assert_int_equal(packet->pkt_len, 14 + 40 + 8 + n);
			assert_memory_equal(rte_pktmbuf_mtod_offset(packet, void *, 54),
				"\x20\x00\x12\x34\x00\x00\x00\x05", 8);
			rte_pktmbuf_adj(packet, 62);
			fixture_assert_bytes(packet, frame + at, n);
			rte_pktmbuf_free(packet);
		}
	}
}

static void test_fit(void **state)
{
	struct fc_tunnel_params params = rig_params(FC_TUNNEL_VXLAN, 4);
	struct fc_tunnel_header fragments, truncates, drops;
	uint8_t frame[2000];

	params.mtu = 1500;
	rig_prepare(&fragments, &params);
	params.oversize = FC_OVERSIZE_TRUNCATE;
	rig_prepare(&truncates, &params);
	params.oversize = FC_OVERSIZE_DROP;
	rig_prepare(&drops, &params);
	rig_inner(frame, sizeof(frame), 1);
	for (uint32_t length = 1460; length < 1470; length++) {
		struct rte_mbuf *packet = fixture_packet(*state, frame, length, 700);
		bool fits = length + 20 + 8 + 8 <= 1500;

		assert_int_equal(fc_tunnel_fit(&fragments, packet),
			fits ? FC_TUNNEL_FITS : FC_TUNNEL_FRAGMENT);
		assert_int_equal(
			fc_tunnel_fit(&drops, packet), fits ? FC_TUNNEL_FITS : FC_TUNNEL_DROP);
		assert_int_equal(fc_tunnel_fit(&truncates, packet),
			fits ? FC_TUNNEL_FITS : FC_TUNNEL_TRUNCATE);
		fc_tunnel_truncate(&truncates, packet);
		assert_int_equal(fc_tunnel_fit(&drops, packet), FC_TUNNEL_FITS);
		fixture_assert_bytes(packet, frame, RTE_MIN(length, 1464u));
		rte_pktmbuf_free(packet);
	}
}

/* For gre the Ethernet header and tags do not count. */
static void test_fit_gre(void **state)
{
	struct fc_tunnel_params params = rig_params(FC_TUNNEL_GRE, 4);
	struct fc_tunnel_state counts = { 0 };
	struct fc_tunnel_header header;
	struct rte_mbuf *packet;
	uint8_t frame[2000];

	params.mtu = 576;
	params.oversize = FC_OVERSIZE_TRUNCATE;
	rig_prepare(&header, &params);
	fixture_fill(frame, sizeof(frame), 1);
	memcpy(frame + 12, "\x81\x00\x00\x01\x08\x00", 6);
	packet = fixture_packet(*state, frame, 18 + 576 - 28, 0);
	assert_int_equal(fc_tunnel_fit(&header, packet), FC_TUNNEL_FITS);
	rte_pktmbuf_free(packet);
	packet = fixture_packet(*state, frame, 18 + 576 - 28 + 1, 0);
	assert_int_equal(fc_tunnel_fit(&header, packet), FC_TUNNEL_TRUNCATE);
	fc_tunnel_truncate(&header, packet);
	rig_push(&header, &counts, &packet, 1, 0);
	assert_int_equal(packet->pkt_len, 14 + 576);
	rte_pktmbuf_free(packet);
}

/* No outer packet can say that it is longer than 65,535 bytes. */
static void test_too_long(void **state)
{
	struct fc_tunnel_params params = rig_params(FC_TUNNEL_GRETAP, 4);
	struct fc_tunnel_header header;
	static uint8_t frame[UINT16_MAX];

	params.mtu = 1500;
	rig_prepare(&header, &params);
	rig_inner(frame, sizeof(frame), 1);
	for (uint32_t length = 65535 - 28 - 2; length < 65535 - 28 + 3; length++) {
		struct rte_mbuf *packet = fixture_packet(*state, frame, length, 0);

		assert_int_equal(fc_tunnel_fit(&header, packet),
			length + 28 <= 65535 ? FC_TUNNEL_FRAGMENT : FC_TUNNEL_DROP);
		rte_pktmbuf_free(packet);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_golden, fixture_check),
		cmocka_unit_test_teardown(test_overhead, fixture_check),
		cmocka_unit_test(test_params),
		cmocka_unit_test_teardown(test_destination, fixture_check),
		cmocka_unit_test_teardown(test_counts, fixture_check),
		cmocka_unit_test_teardown(test_gre_tags, fixture_check),
		cmocka_unit_test_teardown(test_fit, fixture_check),
		cmocka_unit_test_teardown(test_fit_gre, fixture_check),
		cmocka_unit_test_teardown(test_too_long, fixture_check),
	};

	return cmocka_run_group_tests(tests, fixture_start, fixture_stop);
}
