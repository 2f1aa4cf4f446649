/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "dpdk_fixture.h"
#include "tunnel_rig.h"
#include "tunnel_work.h"

/* What is in use besides what the standards say first, and what is noticed about packets. */

#define UDP4 (ETHERNET + 20)
#define UDP6 (ETHERNET + 40)

static void expect_hint(const struct fc_tunnel_ends *ends, const struct work *work,
	enum fc_tunnel_verdict verdict, enum fc_hint hint)
{
	for (uint16_t part = 0; part < 40; part++) {
		struct fc_tunnel_match match;

		rte_pktmbuf_free(work_look(ends, work, part, verdict, &match));
		assert_int_equal(match.hint, hint);
	}
}

/* Whatever is missing at the end of the outer packet, it was cut; what lies, was not. */
static void test_cut(void **state)
{
	struct fc_tunnel_ends ends;
	struct work work;

	(void)state;
	rig_all_ends(&ends);
	for (uint8_t family = 4; family <= 6; family += 2) {
		work_load(&work, work_find(FC_TUNNEL_VXLAN, family, true));
		while (--work.length >= ETHERNET)
			expect_hint(&ends, &work, FC_TUNNEL_MALFORMED, FC_HINT_CUT);
		expect_hint(&ends, &work, FC_TUNNEL_MALFORMED, FC_N_HINTS);
		/* Shorter, and it says so: then its own headers are what is wrong. */
		work_load(&work, work_find(FC_TUNNEL_VXLAN, family, true));
		work.length = ETHERNET + 60;
		work_set16(&work, ETHERNET + (family == 4 ? 2 : 4), family == 4 ? 60 : 20);
		if (family == 4)
			work_fix_ip(&work);
		expect_hint(&ends, &work, FC_TUNNEL_MALFORMED, FC_N_HINTS);
	}
	/* Options are a part of the header; a wrong checksum makes all of it doubtful. */
	work_load(&work, work_find(FC_TUNNEL_VXLAN, 4, true));
	work.bytes[ETHERNET] = 0x4f;
	work.length = ETHERNET + 30;
	expect_hint(&ends, &work, FC_TUNNEL_MALFORMED, FC_HINT_CUT);
	work_load(&work, work_find(FC_TUNNEL_VXLAN, 4, true));
	work.length--;
	work.bytes[ETHERNET + 10] ^= 1;
	expect_hint(&ends, &work, FC_TUNNEL_MALFORMED, FC_N_HINTS);
}

static void test_no_length(void **state)
{
	struct fc_tunnel_ends ends;
	struct work work;

	(void)state;
	rig_all_ends(&ends);
	for (unsigned i = 0; i < RTE_DIM(golden_tunnels); i++) {
		uint32_t ip = ETHERNET + (golden_tunnels[i].vlan != 0 ? 4 : 0);

		work_load(&work, &golden_tunnels[i]);
		/* IPv4's checksum is then as wrong as it was left. */
		work_set16(&work, ip + (golden_tunnels[i].family == 4 ? 2 : 4), 0);
		expect_hint(&ends, &work, FC_TUNNEL_MALFORMED, FC_HINT_NO_LENGTH);
	}
	work_load(&work, work_find(FC_TUNNEL_VXLAN, 4, true));
	work_set16(&work, UDP4 + 4, 0);
	expect_hint(&ends, &work, FC_TUNNEL_MALFORMED, FC_HINT_NO_LENGTH);
	work_set16(&work, UDP4 + 4, 7);
	expect_hint(&ends, &work, FC_TUNNEL_MALFORMED, FC_N_HINTS);
	work_load(&work, work_find(FC_TUNNEL_GENEVE, 6, true));
	work_set16(&work, UDP6 + 4, 0);
	expect_hint(&ends, &work, FC_TUNNEL_MALFORMED, FC_HINT_NO_LENGTH);
	/* A jumbogram, RFC 2675. */
	work_load(&work, work_find(FC_TUNNEL_GENEVE, 6, true));
	work.bytes[ETHERNET + 6] = 0;
	work_insert(&work, UDP6, "\x11\0\xc2\4\0\1\0\0", 8);
	work_set16(&work, ETHERNET + 4, 0);
	expect_hint(&ends, &work, FC_TUNNEL_MALFORMED, FC_HINT_NO_LENGTH);
}

/* The sum of UDP's pseudo header, as offloading leaves it in the checksum. */
static unsigned pseudo_sum(const struct work *work, uint8_t family)
{
	uint32_t udp = family == 4 ? UDP4 : UDP6;
	uint32_t sum = work_sum(work, family == 4 ? ETHERNET + 12 : ETHERNET + 8, udp) + 17 +
		       work_get16(work, udp + 4);

	return (sum & 0xffff) + (sum >> 16);
}

static void test_bad_checksum(void **state)
{
	struct fc_tunnel_ends ends;
	struct work work;

	(void)state;
	rig_all_ends(&ends);
	for (uint8_t family = 4; family <= 6; family += 2) {
		for (unsigned type = FC_TUNNEL_VXLAN; type <= FC_TUNNEL_GENEVE; type++) {
			uint32_t at = (family == 4 ? UDP4 : UDP6) + 6;
			unsigned sum;

			work_load(&work, work_find(type, family, true));
			sum = pseudo_sum(&work, family);
			work_set16(&work, at, sum);
			expect_hint(&ends, &work, FC_TUNNEL_OURS, FC_HINT_BAD_CHECKSUM);
			work_set16(&work, at, sum ^ 1);
			expect_hint(&ends, &work, FC_TUNNEL_OURS, FC_N_HINTS);
			work_set16(&work, at, ~sum);
			expect_hint(&ends, &work, FC_TUNNEL_OURS, FC_N_HINTS);
			work_set16(&work, at, 0);
			expect_hint(&ends, &work, FC_TUNNEL_OURS, FC_N_HINTS);
		}
	}
}

/* The end that a packet of these is for, or -1. */
static int find_end(const struct fc_tunnel_ends *ends, const struct work *work)
{
	struct rte_mbuf *packet = fixture_packet(work_pool, work->bytes, work->length, 0);
	struct fc_tunnel_match match;
	enum fc_tunnel_verdict verdict = fc_tunnel_look(ends, packet, &match);

	rte_pktmbuf_free(packet);
	return verdict == FC_TUNNEL_OURS ? match.end : -1;
}

static int add_udp(
	struct fc_tunnel_ends *ends, enum fc_tunnel_type type, uint8_t host, uint16_t port)
{
	const struct fc_tunnel_end end = {
		.type = type, .local = rig_address(4, host), .udp_port = port
	};

	return fc_tunnel_add_end(ends, &end);
}

static void test_udp_ports(void **state)
{
	struct fc_tunnel_ends ends = { .n = 0 };
	struct work work;

	(void)state;
	assert_int_equal(add_udp(&ends, FC_TUNNEL_VXLAN, 9, 8472), 0);
	assert_int_equal(add_udp(&ends, FC_TUNNEL_VXLAN, 9, 0), 0);
	assert_int_equal(add_udp(&ends, FC_TUNNEL_VXLAN, 9, 65535), 0);
	assert_int_equal(add_udp(&ends, FC_TUNNEL_GENEVE, 9, 1), 0);
	/* Of the other type at the same place; at another address it may be. */
	assert_int_equal(add_udp(&ends, FC_TUNNEL_GENEVE, 9, 8472), -EINVAL);
	assert_int_equal(add_udp(&ends, FC_TUNNEL_GENEVE, 9, 4789), -EINVAL);
	assert_int_equal(add_udp(&ends, FC_TUNNEL_VXLAN, 9, 1), -EINVAL);
	assert_int_equal(add_udp(&ends, FC_TUNNEL_GENEVE, 8, 8472), 0);
	work_load(&work, work_find(FC_TUNNEL_VXLAN, 4, true));
	assert_int_equal(find_end(&ends, &work), 1);
	work_set16(&work, UDP4 + 2, 8472);
	assert_int_equal(find_end(&ends, &work), 0);
	work_set16(&work, UDP4 + 2, 65535);
	assert_int_equal(find_end(&ends, &work), 2);
	work_set16(&work, UDP4 + 2, 4790);
	assert_int_equal(find_end(&ends, &work), -1);
	work_load(&work, work_find(FC_TUNNEL_GENEVE, 4, true));
	assert_int_equal(find_end(&ends, &work), -1);
	work_set16(&work, UDP4 + 2, 1);
	assert_int_equal(find_end(&ends, &work), 3);
	work_set16(&work, UDP4 + 2, 8472);
	work.bytes[ETHERNET + 19] = 8;
	work_fix_ip(&work);
	assert_int_equal(find_end(&ends, &work), 4);
}

/* The frame or packet that comes out is made of @p front and the rest of the input. */
static void expect_out(const struct fc_tunnel_ends *ends, const struct work *work,
	const char *front, uint32_t n_front, uint32_t from)
{
	uint8_t expected[sizeof(work->bytes)];
	uint32_t n = work->length - from;

	memcpy(expected, front, n_front);
	memcpy(expected + n_front, work->bytes + from, n);
	for (uint16_t part = 0; part < 120; part++) {
		struct fc_tunnel_match match;
		struct rte_mbuf *packet = work_look(ends, work, part, FC_TUNNEL_OURS, &match);

		fc_tunnel_strip(packet, &match);
		fixture_assert_bytes(packet, expected, n_front + n);
		assert_true(packet->data_len >= RTE_MIN(n_front + n, 64u));
		rte_pktmbuf_free(packet);
	}
}

#define NO_ADDRESSES "\0\0\0\0\0\0\0\0\0\0\0\0"

static void test_geneve_packets(void **state)
{
	struct fc_tunnel_ends ends;
	struct work work;

	(void)state;
	rig_all_ends(&ends);
	/* The tagged frame is IPv4: cut to what is behind its Ethernet header. */
	work_load(&work, work_find(FC_TUNNEL_GENEVE, 4, true));
	memmove(work.bytes + UDP4 + 16, work.bytes + UDP4 + 16 + 18, work.length - UDP4 - 34);
	work.length -= 18;
	work_set16(&work, ETHERNET + 2, work.length - ETHERNET);
	work_set16(&work, UDP4 + 4, work.length - UDP4);
	work_set16(&work, UDP4 + 10, 0x0800);
	work_fix_ip(&work);
	expect_out(&ends, &work, NO_ADDRESSES "\x08\0", 14, UDP4 + 16);
	work_set16(&work, UDP4 + 10, 0x86dd);
	expect_out(&ends, &work, NO_ADDRESSES "\x86\xdd", 14, UDP4 + 16);
	work_set16(&work, UDP4 + 10, 0x0806);
	work_check(&ends, &work, FC_TUNNEL_NOT_OURS);
	/* Nothing at all is no packet. */
	work.length = UDP4 + 16;
	work_set16(&work, ETHERNET + 2, work.length - ETHERNET);
	work_set16(&work, UDP4 + 4, 16);
	work_set16(&work, UDP4 + 10, 0x0800);
	work_fix_ip(&work);
	work_check(&ends, &work, FC_TUNNEL_NOT_OURS);
	work_set16(&work, UDP4 + 10, 0x6558);
	work_check(&ends, &work, FC_TUNNEL_MALFORMED);
}

static void test_gre_keepalives(void **state)
{
	static const uint16_t protocols[] = { 0x0000, 0x0026, 0x00fe, 0x05ff };
	struct fc_tunnel_ends ends;
	struct work work;

	(void)state;
	rig_all_ends(&ends);
	work_load(&work, work_find(FC_TUNNEL_GRE, 4, false));
	for (size_t i = 0; i < RTE_DIM(protocols); i++) {
		work_set16(&work, UDP4 + 2, protocols[i]);
		work_check(&ends, &work, FC_TUNNEL_NOT_OURS);
	}
	work_set16(&work, UDP4 + 2, 0x0600);
	work_check(&ends, &work, FC_TUNNEL_OURS);
	work.length = UDP4 + 4;
	work_set16(&work, ETHERNET + 2, 24);
	work_fix_ip(&work);
	work_check(&ends, &work, FC_TUNNEL_NOT_OURS);
	work_set16(&work, UDP4 + 2, 0x0800);
	work_check(&ends, &work, FC_TUNNEL_NOT_OURS);
	/* Padded to the shortest frame it is still empty. */
	memset(work.bytes + work.length, 0x45, 22);
	work.length += 22;
	work_check(&ends, &work, FC_TUNNEL_NOT_OURS);
}

/* WCCP 1 has no redirect header, and WCCP 2 has flags where an IP header has its version. */
static void test_wccp(void **state)
{
	static const char *const headers[] = { "\0\1\2\3", "\x80\1\2\3", "\xc0\1\2\3",
		"\x40\1\2\3" };
	struct fc_tunnel_ends ends;
	struct work work;

	(void)state;
	rig_all_ends(&ends);
	work_load(&work, work_find(FC_TUNNEL_GRE, 4, false));
	work_set16(&work, UDP4 + 2, 0x883e);
	expect_out(&ends, &work, NO_ADDRESSES "\x08\0", 14, UDP4 + 4);
	for (size_t i = 0; i < RTE_DIM(headers); i++) {
		work_load(&work, work_find(FC_TUNNEL_GRE, 4, false));
		work_set16(&work, UDP4 + 2, 0x883e);
		work_insert(&work, UDP4 + 4, headers[i], 4);
		expect_out(&ends, &work, NO_ADDRESSES "\x08\0", 14, UDP4 + 8);
		work.bytes[UDP4 + 8] = 0x60;
		expect_out(&ends, &work, NO_ADDRESSES "\x86\xdd", 14, UDP4 + 8);
	}
	for (uint32_t n = 0; n <= 5; n++) {
		work.length = UDP4 + 4 + n;
		work_set16(&work, ETHERNET + 2, work.length - ETHERNET);
		work_fix_ip(&work);
		work_check(&ends, &work,
			n == 0	? FC_TUNNEL_NOT_OURS
			: n < 5 ? FC_TUNNEL_MALFORMED
				: FC_TUNNEL_OURS);
	}
}

static void test_vxlan_gpe(void **state)
{
	struct fc_tunnel_ends ends;
	struct work work;

	(void)state;
	rig_all_ends(&ends);
	work_load(&work, work_find(FC_TUNNEL_VXLAN, 4, true));
	for (unsigned next = 0; next <= 255; next++) {
		work.bytes[UDP4 + 11] = (uint8_t)next;
		work.bytes[UDP4 + 8] = 0x0c;
		assert_int_equal(find_end(&ends, &work) >= 0, next == 3);
		/* Without the flag it is reserved, and ignored. */
		work.bytes[UDP4 + 8] = 0x08;
		assert_true(find_end(&ends, &work) >= 0);
	}
}

/* The tag that an ERSPAN II source took off its frame, and says so: En 2. */
static void test_erspan2_tag(void **state)
{
	struct fc_tunnel_ends ends;
	struct work work;

	(void)state;
	rig_all_ends(&ends);
	for (unsigned en = 0; en < 4; en++) {
		uint32_t frame = UDP4 + 16;
		char front[16];

		work_load(&work, work_find(FC_TUNNEL_ERSPAN2, 4, true));
		work_set16(&work, UDP4 + 8, 0x1abc);
		work_set16(&work, UDP4 + 10,
			0xa000 | en << 11 | (work_get16(&work, UDP4 + 10) & 0x3ff));
		memcpy(front, work.bytes + frame, 12);
		memcpy(front + 12, "\x81\0\xaa\xbc", 4);
		if (en == 2)
			expect_out(&ends, &work, front, sizeof(front), frame + 12);
		else
			expect_out(&ends, &work, front, 12, frame + 12);
	}
}

static void add_gretap(struct fc_tunnel_ends *ends, uint32_t key, bool is_vsid)
{
	const struct fc_tunnel_end end = { .type = FC_TUNNEL_GRETAP,
		.local = rig_address(4, 9),
		.has_key = true,
		.is_vsid = is_vsid,
		.key = key };

	assert_int_equal(fc_tunnel_add_end(ends, &end), 0);
}

/* NVGRE: the key is the subnet's number and the flow's, which differs from packet to packet. */
static void test_vsid(void **state)
{
	struct fc_tunnel_ends ends = { .n = 0 };
	struct fc_tunnel_match match, like;
	struct fc_tunnel_memory memory;
	struct rte_mbuf *packet;
	struct work work;

	(void)state;
	add_gretap(&ends, 0xabcdef00, false);
	add_gretap(&ends, 0xabcdef, true);
	add_gretap(&ends, 0x123456, true);
	work_load(&work, work_find(FC_TUNNEL_GRETAP, 4, true));
	for (unsigned vsid = 0; vsid < 3; vsid++) {
		memcpy(work.bytes + UDP4 + 4, &"\xab\xcd\xef\x12\x34\x56\xab\xcd\xee"[3 * vsid], 3);
		for (unsigned flow = 0; flow <= 255; flow++) {
			static const int ends_of[] = { 1, 2, -1 };

			work.bytes[UDP4 + 7] = (uint8_t)flow;
			assert_int_equal(
				find_end(&ends, &work), vsid == 0 && flow == 0 ? 0 : ends_of[vsid]);
		}
	}
	/* All flows are alike, but where one of them is another end's. */
	memcpy(work.bytes + UDP4 + 4, "\x12\x34\x56\x01", 4);
	packet = work_look(&ends, &work, 0, FC_TUNNEL_OURS, &match);
	fc_tunnel_remember(&ends, packet, &match, &memory);
	rte_pktmbuf_mtod(packet, uint8_t *)[UDP4 + 7] = 2;
	assert_true(fc_tunnel_is_like(&memory, packet, &like));
	assert_int_equal(like.end, 2);
	memcpy(rte_pktmbuf_mtod(packet, uint8_t *) + UDP4 + 4, "\xab\xcd\xef\x01", 4);
	assert_int_equal(fc_tunnel_look(&ends, packet, &match), FC_TUNNEL_OURS);
	fc_tunnel_remember(&ends, packet, &match, &memory);
	rte_pktmbuf_mtod(packet, uint8_t *)[UDP4 + 7] = 0;
	assert_false(fc_tunnel_is_like(&memory, packet, &like));
	rte_pktmbuf_free(packet);
}

/* With a checksum, right or left to a NIC, packets are known from others by their memory. */
static void test_checksum_in_memory(void **state)
{
	struct fc_tunnel_match match, like;
	struct fc_tunnel_memory memory;
	struct fc_tunnel_ends ends;
	struct rte_mbuf *packet;
	struct work work;
	uint8_t *checksum;
	unsigned sum;

	(void)state;
	rig_all_ends(&ends);
	work_load(&work, work_find(FC_TUNNEL_VXLAN, 4, true));
	sum = pseudo_sum(&work, 4);
	work_set16(&work, UDP4 + 6, 0x1234);
	packet = work_look(&ends, &work, 0, FC_TUNNEL_OURS, &match);
	fc_tunnel_remember(&ends, packet, &match, &memory);
	checksum = rte_pktmbuf_mtod_offset(packet, uint8_t *, UDP4 + 6);
	for (unsigned value = 0; value <= 0xffff; value++) {
		checksum[0] = (uint8_t)(value >> 8);
		checksum[1] = (uint8_t)value;
		assert_int_equal(fc_tunnel_is_like(&memory, packet, &like), value != sum);
	}
	rte_pktmbuf_free(packet);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_cut, work_check_pool),
		cmocka_unit_test_teardown(test_no_length, work_check_pool),
		cmocka_unit_test_teardown(test_bad_checksum, work_check_pool),
		cmocka_unit_test_teardown(test_udp_ports, work_check_pool),
		cmocka_unit_test_teardown(test_geneve_packets, work_check_pool),
		cmocka_unit_test_teardown(test_gre_keepalives, work_check_pool),
		cmocka_unit_test_teardown(test_wccp, work_check_pool),
		cmocka_unit_test_teardown(test_vxlan_gpe, work_check_pool),
		cmocka_unit_test_teardown(test_erspan2_tag, work_check_pool),
		cmocka_unit_test_teardown(test_vsid, work_check_pool),
		cmocka_unit_test_teardown(test_checksum_in_memory, work_check_pool),
	};

	return cmocka_run_group_tests(tests, work_start, work_stop);
}
