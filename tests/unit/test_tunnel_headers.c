/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "dpdk_fixture.h"
#include "tunnel_rig.h"
#include "tunnel_work.h"

/* Good frames, changed: what is said of them then. */

/* A change of one byte in a good frame, and what becomes of it. */
struct change {
	enum fc_tunnel_type type;
	uint8_t family;
	bool has_key;
	uint16_t at; /* offset behind Ethernet */
	uint8_t value;
	enum fc_tunnel_verdict verdict;
};

static void check_change(const struct fc_tunnel_ends *ends, const struct change *change)
{
	struct work work;

	work_load(&work, work_find(change->type, change->family, change->has_key));
	work.bytes[ETHERNET + change->at] = change->value;
	if (change->family == 4)
		work_fix_ip(&work);
	work_check(ends, &work, change->verdict);
}

#define OURS	  FC_TUNNEL_OURS
#define NOT_OURS  FC_TUNNEL_NOT_OURS
#define MALFORMED FC_TUNNEL_MALFORMED

static const struct change changes[] = {
	/* IPv4: version, IHL, total length, time to live, protocol. */
	{ FC_TUNNEL_GRETAP, 4, true, 0, 0x55, MALFORMED },
	{ FC_TUNNEL_GRETAP, 4, true, 2, 1, MALFORMED },
	{ FC_TUNNEL_GRETAP, 4, true, 3, 19, MALFORMED },
	{ FC_TUNNEL_GRETAP, 4, true, 3, 20, MALFORMED },
	{ FC_TUNNEL_GRETAP, 4, true, 3, 41, MALFORMED },
	{ FC_TUNNEL_GRETAP, 4, true, 3, 42, OURS },
	{ FC_TUNNEL_GRETAP, 4, true, 8, 1, OURS },
	{ FC_TUNNEL_GRETAP, 4, true, 9, 4, NOT_OURS },
	{ FC_TUNNEL_GRETAP, 4, true, 9, 17, NOT_OURS },
	/* The first byte of GRE: routing, strict source route, recursion, other reserved bits. */
	{ FC_TUNNEL_GRETAP, 4, true, 20, 0x60, NOT_OURS },
	{ FC_TUNNEL_GRETAP, 4, true, 20, 0x28, NOT_OURS },
	{ FC_TUNNEL_GRETAP, 4, true, 20, 0x24, NOT_OURS },
	{ FC_TUNNEL_GRETAP, 4, true, 20, 0x23, OURS },
	{ FC_TUNNEL_GRETAP, 4, true, 21, 0x01, NOT_OURS },
	{ FC_TUNNEL_GRETAP, 4, true, 21, 0x04, NOT_OURS },
	{ FC_TUNNEL_GRETAP, 4, true, 21, 0xf8, OURS },
	/* A checksum that is not there is wrong. */
	{ FC_TUNNEL_GRETAP, 4, true, 20, 0xa0, MALFORMED },
	/* ERSPAN: version, frame type, sub-header. */
	{ FC_TUNNEL_ERSPAN2, 4, true, 28, 0x20, MALFORMED },
	{ FC_TUNNEL_ERSPAN2, 6, true, 48, 0x00, MALFORMED },
	{ FC_TUNNEL_ERSPAN3, 4, true, 28, 0x10, MALFORMED },
	{ FC_TUNNEL_ERSPAN3, 4, true, 38, 0x88, NOT_OURS },
	{ FC_TUNNEL_ERSPAN3, 6, true, 58, 0x84, NOT_OURS },
	{ FC_TUNNEL_ERSPAN3, 4, true, 39, 0x03, OURS },
	/* VXLAN: flags. */
	{ FC_TUNNEL_VXLAN, 4, true, 28, 0x00, MALFORMED },
	{ FC_TUNNEL_VXLAN, 4, true, 28, 0xf7, MALFORMED },
	{ FC_TUNNEL_VXLAN, 4, true, 28, 0xfb, OURS },
	{ FC_TUNNEL_VXLAN, 4, true, 28, 0xff, NOT_OURS },
	{ FC_TUNNEL_VXLAN, 6, true, 48, 0x00, MALFORMED },
	/* Geneve: version, options longer than the packet, control, protocol. */
	{ FC_TUNNEL_GENEVE, 4, true, 28, 0x40, NOT_OURS },
	{ FC_TUNNEL_GENEVE, 4, true, 28, 0x3f, MALFORMED },
	{ FC_TUNNEL_GENEVE, 4, true, 29, 0x80, NOT_OURS },
	{ FC_TUNNEL_GENEVE, 4, true, 29, 0x3f, OURS },
	{ FC_TUNNEL_GENEVE, 6, true, 51, 0x59, NOT_OURS },
	/* UDP: port, length. */
	{ FC_TUNNEL_VXLAN, 4, true, 23, 0xb6, NOT_OURS },
	{ FC_TUNNEL_VXLAN, 4, true, 24, 1, MALFORMED },
	{ FC_TUNNEL_VXLAN, 4, true, 25, 7, MALFORMED },
	{ FC_TUNNEL_VXLAN, 4, true, 25, 8, MALFORMED },
	{ FC_TUNNEL_VXLAN, 4, true, 25, 29, MALFORMED },
	{ FC_TUNNEL_VXLAN, 4, true, 25, 30, OURS },
	/* IPv6: version, payload length, next header. */
	{ FC_TUNNEL_GRETAP, 6, true, 0, 0x40, MALFORMED },
	{ FC_TUNNEL_GRETAP, 6, true, 4, 1, MALFORMED },
	{ FC_TUNNEL_GRETAP, 6, true, 5, 0, MALFORMED },
	{ FC_TUNNEL_GRETAP, 6, true, 5, 21, MALFORMED },
	{ FC_TUNNEL_GRETAP, 6, true, 5, 22, OURS },
	{ FC_TUNNEL_GRETAP, 6, true, 6, 59, NOT_OURS },
	{ FC_TUNNEL_GRETAP, 6, true, 6, 6, NOT_OURS },
};

static void test_changes(void **state)
{
	struct fc_tunnel_ends ends;

	(void)state;
	rig_all_ends(&ends);
	for (unsigned i = 0; i < RTE_DIM(changes); i++)
		check_change(&ends, &changes[i]);
}

/* IP header: a wrong checksum, and options; in the header's own bytes and beyond the packet. */
static void test_ipv4_header(void **state)
{
	struct fc_tunnel_ends ends;
	struct work work;

	(void)state;
	rig_all_ends(&ends);
	for (unsigned bit = 0; bit < 20 * 8; bit++) {
		struct fc_tunnel_match match;

		work_load(&work, work_find(FC_TUNNEL_GENEVE, 4, true));
		work.bytes[ETHERNET + bit / 8] ^= (uint8_t)(1u << bit % 8);
		rte_pktmbuf_free(work_look(&ends, &work, 0, FC_TUNNEL_MALFORMED, &match));
	}
	for (unsigned n = 1; n <= 10; n++) {
		work_load(&work, work_find(FC_TUNNEL_GENEVE, 4, true));
		work.bytes[ETHERNET] = (uint8_t)(0x45 + n);
		work_insert(&work, ETHERNET + 20,
			"\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1"
			"\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\0",
			4 * n);
		work_check(&ends, &work, FC_TUNNEL_OURS);
		work.length = ETHERNET + 20 + 4 * n - 1;
		work_set16(&work, ETHERNET + 2, 20 + 4 * n - 1);
		work_fix_ip(&work);
		work_check(&ends, &work, FC_TUNNEL_MALFORMED);
	}
}

/* A UDP checksum is never a reason to lose a packet, whatever is changed. */
static void test_udp_checksum(void **state)
{
	struct fc_tunnel_ends ends;
	struct work work;

	(void)state;
	rig_all_ends(&ends);
	for (uint8_t family = 4; family <= 6; family += 2) {
		uint32_t udp = ETHERNET + (family == 4 ? 20 : 40);

		work_load(&work, work_find(FC_TUNNEL_VXLAN, family, true));
		for (unsigned sum = 0; sum <= 0xffff; sum += 0x0fff) {
			work_set16(&work, udp + 6, sum);
			work_check(&ends, &work, FC_TUNNEL_OURS);
		}
	}
}

/* Each GRE option, alone and with the others, with a right and a wrong checksum. */
static void test_gre_options(void **state)
{
	struct fc_tunnel_ends ends;

	(void)state;
	rig_all_ends(&ends);
	for (unsigned options = 0; options < 8; options++) {
		uint32_t at = ETHERNET + 24;
		struct work work;

		work_load(&work, work_find(FC_TUNNEL_GRETAP, 4, false));
		work.bytes[ETHERNET + 20] =
			(uint8_t)((options & 1 ? 0x80 : 0) | (options & 2 ? 0x20 : 0) |
				  (options & 4 ? 0x10 : 0));
		/* Each is put in front of the others: the checksum comes first. */
		for (unsigned i = 3; i-- > 0;)
			if (options & 1u << i)
				work_insert(&work, at, i == 0 ? "\0\0\0\0" : "\1\2\3\4", 4);
		if (options & 1) {
			work_set16(&work, at, ~work_sum(&work, ETHERNET + 20, work.length));
			work_check(&ends, &work, FC_TUNNEL_OURS);
			work.bytes[work.length - 1] ^= 0x80;
			work_check(&ends, &work, FC_TUNNEL_MALFORMED);
			continue;
		}
		work_check(&ends, &work, FC_TUNNEL_OURS);
		work.length = at + 4 * ((options >> 1 & 1) + (options >> 2)) - 1;
		work_set16(&work, ETHERNET + 2, work.length - ETHERNET);
		work_fix_ip(&work);
		work_check(&ends, &work, FC_TUNNEL_MALFORMED);
	}
}

/* The key comes behind the checksum and in front of the sequence number. */
static void test_gre_key_place(void **state)
{
	struct fc_tunnel_ends ends = { .n = 0 };
	struct fc_tunnel_end end = { .type = FC_TUNNEL_GRETAP,
		.local = rig_address(4, 9),
		.has_key = true,
		.key = 0x01020304 };
	struct work work;

	(void)state;
	fc_tunnel_add_end(&ends, &end);
	work_load(&work, work_find(FC_TUNNEL_GRETAP, 4, false));
	work.bytes[ETHERNET + 20] = 0xb0;
	work_insert(&work, ETHERNET + 24, "\0\0\0\0\1\2\3\4\5\6\7\x08", 12);
	work_set16(&work, ETHERNET + 24, ~work_sum(&work, ETHERNET + 20, work.length));
	work_check(&ends, &work, FC_TUNNEL_OURS);
	work_load(&work, work_find(FC_TUNNEL_GRETAP, 4, false));
	work.bytes[ETHERNET + 20] = 0x30;
	work_insert(&work, ETHERNET + 24, "\1\2\3\4\5\6\7\x08", 8);
	work_check(&ends, &work, FC_TUNNEL_OURS);
	work.bytes[ETHERNET + 20] = 0x10;
	work_check(&ends, &work, FC_TUNNEL_NOT_OURS);
}

static void test_erspan3_sub_header(void **state)
{
	struct fc_tunnel_ends ends;
	struct fc_tunnel_match match;
	struct rte_mbuf *packet;
	struct work work;

	(void)state;
	rig_all_ends(&ends);
	work_load(&work, work_find(FC_TUNNEL_ERSPAN3, 4, true));
	work.bytes[ETHERNET + 39] |= 1;
	work_insert(&work, ETHERNET + 40, "\x0c\1\2\3\4\5\6\7", 8);
	packet = work_look(&ends, &work, 33, FC_TUNNEL_OURS, &match);
	fc_tunnel_strip(packet, &match);
	fixture_assert_bytes(packet, golden_tagged, GOLDEN_TAGGED_LENGTH);
	rte_pktmbuf_free(packet);
	for (uint32_t n = 0; n < 8 + 14; n++) {
		work.length = ETHERNET + 40 + n;
		work_set16(&work, ETHERNET + 2, 40 + n);
		work_fix_ip(&work);
		work_check(&ends, &work, FC_TUNNEL_MALFORMED);
	}
}

static void check_geneve(const struct fc_tunnel_ends *ends, unsigned words, const char *options,
	enum fc_tunnel_verdict verdict)
{
	struct fc_tunnel_match match;
	struct rte_mbuf *packet;
	struct work work;

	work_load(&work, work_find(FC_TUNNEL_GENEVE, 4, true));
	work.bytes[ETHERNET + 28] = (uint8_t)words;
	work_insert(&work, ETHERNET + 36, options, 4 * words);
	work_set16(&work, ETHERNET + 24, work_get16(&work, ETHERNET + 24) + 4 * words);
	work_check(ends, &work, verdict);
	if (verdict == FC_TUNNEL_OURS) {
		packet = work_look(ends, &work, 0, verdict, &match);
		fc_tunnel_strip(packet, &match);
		fixture_assert_bytes(packet, golden_tagged, GOLDEN_TAGGED_LENGTH);
		rte_pktmbuf_free(packet);
	}
}

static void test_geneve_options(void **state)
{
	static const char empty[252];
	struct fc_tunnel_ends ends;

	(void)state;
	rig_all_ends(&ends);
	check_geneve(&ends, 1, "\1\2\x7f\0", FC_TUNNEL_OURS);
	check_geneve(&ends, 2, "\1\2\x7f\1abcd", FC_TUNNEL_OURS);
	check_geneve(&ends, 3, "\1\2\x7f\1abcd\1\2\3\xe0", FC_TUNNEL_OURS);
	check_geneve(&ends, 63, empty, FC_TUNNEL_OURS);
	/* Critical: nobody here understands any. */
	check_geneve(&ends, 1, "\1\2\x80\0", FC_TUNNEL_NOT_OURS);
	check_geneve(&ends, 3, "\1\2\3\1abcd\1\2\xff\0", FC_TUNNEL_NOT_OURS);
	/* Longer than all options. */
	check_geneve(&ends, 1, "\1\2\3\1", FC_TUNNEL_MALFORMED);
	check_geneve(&ends, 3, "\1\2\3\1abcd\1\2\3\1", FC_TUNNEL_MALFORMED);
	check_geneve(&ends, 2,
		"\1\2\3\x1f"
		"abcd",
		FC_TUNNEL_MALFORMED);
}

/* A chain of IPv6 extension headers in front of GRE. */
static void check_extensions(const struct fc_tunnel_ends *ends, const char *bytes, uint32_t n,
	uint8_t first, enum fc_tunnel_verdict verdict)
{
	struct work work;

	work_load(&work, work_find(FC_TUNNEL_GRETAP, 6, true));
	work.bytes[ETHERNET + 6] = first;
	work_insert(&work, ETHERNET + 40, bytes, n);
	work_check(ends, &work, verdict);
}

#define CHECK_EXTENSIONS(first, bytes, verdict)                                                    \
	check_extensions(&ends, bytes, sizeof(bytes) - 1, first, verdict)

#define PAD4 "\1\4\0\0\0\0"

static void test_extensions(void **state)
{
	struct fc_tunnel_ends ends;

	(void)state;
	rig_all_ends(&ends);
	CHECK_EXTENSIONS(0, "\x2f\0" PAD4, FC_TUNNEL_OURS);
	CHECK_EXTENSIONS(60, "\x2f\0" PAD4, FC_TUNNEL_OURS);
	CHECK_EXTENSIONS(60, "\x2f\1" PAD4 "12345678", FC_TUNNEL_OURS);
	CHECK_EXTENSIONS(0, "\x3c\0" PAD4 "\x2b\0" PAD4 "\x2f\0\3\0\0\0\0\0", FC_TUNNEL_OURS);
	/* Segments left: on its way to somewhere else. */
	CHECK_EXTENSIONS(43, "\x2f\0\3\1\0\0\0\0", FC_TUNNEL_NOT_OURS);
	/* Hop-by-hop options are the first or none. */
	CHECK_EXTENSIONS(60, "\0\0" PAD4 "\x2f\0" PAD4, FC_TUNNEL_MALFORMED);
	/* Longer than the packet. */
	CHECK_EXTENSIONS(60, "\x2f\xff" PAD4, FC_TUNNEL_MALFORMED);
	/* Eight are followed, the ninth is one too many. */
	CHECK_EXTENSIONS(60,
		"\x3c\0" PAD4 "\x3c\0" PAD4 "\x3c\0" PAD4 "\x3c\0" PAD4 "\x3c\0" PAD4 "\x3c\0" PAD4
		"\x3c\0" PAD4 "\x2f\0" PAD4,
		FC_TUNNEL_OURS);
	CHECK_EXTENSIONS(60,
		"\x3c\0" PAD4 "\x3c\0" PAD4 "\x3c\0" PAD4 "\x3c\0" PAD4 "\x3c\0" PAD4 "\x3c\0" PAD4
		"\x3c\0" PAD4 "\x3c\0" PAD4 "\x2f\0" PAD4,
		FC_TUNNEL_MALFORMED);
	/* A fragment header that says that the packet is whole (RFC 6946). */
	CHECK_EXTENSIONS(44, "\x2f\0\0\0\1\2\3\4", FC_TUNNEL_OURS);
	CHECK_EXTENSIONS(60, "\x2c\0" PAD4 "\x2f\0\0\0\1\2\3\4", FC_TUNNEL_OURS);
	/* Pieces: 98 + 8 bytes of GRE are not a multiple of 8, so only the last one is possible. */
	CHECK_EXTENSIONS(44, "\x2f\0\0\x08\1\2\3\4", FC_TUNNEL_PIECE);
	CHECK_EXTENSIONS(44, "\x2f\0\0\x09\1\2\3\4", FC_TUNNEL_MALFORMED);
	CHECK_EXTENSIONS(44, "\x2f\0\xff\xf8\1\2\3\4", FC_TUNNEL_MALFORMED);
	CHECK_EXTENSIONS(44, "\x06\0\0\x08\1\2\3\4", FC_TUNNEL_NOT_OURS);
	CHECK_EXTENSIONS(60, "\x2c\0" PAD4 "\x2f\0\0\x08\1\2\3\4", FC_TUNNEL_MALFORMED);
}

static void test_ipv4_pieces(void **state)
{
	static const struct {
		uint16_t fragment;
		uint8_t protocol, cut;
		enum fc_tunnel_verdict verdict;
	} cases[] = {
		{ 0x2000, 47, 2, FC_TUNNEL_PIECE },
		{ 0x0001, 47, 0, FC_TUNNEL_PIECE },
		{ 0x0001, 17, 0, FC_TUNNEL_PIECE },
		{ 0x2001, 47, 2, FC_TUNNEL_PIECE },
		{ 0x2000, 47, 1, FC_TUNNEL_MALFORMED },
		{ 0x1fff, 47, 0, FC_TUNNEL_MALFORMED },
		{ 0x0001, 6, 0, FC_TUNNEL_NOT_OURS },
		{ 0x4000, 47, 0, FC_TUNNEL_OURS },
		{ 0x8000, 47, 0, FC_TUNNEL_OURS },
	};
	struct fc_tunnel_ends ends;
	struct fc_tunnel_match match;
	struct work work;

	(void)state;
	rig_all_ends(&ends);
	for (unsigned i = 0; i < RTE_DIM(cases); i++) {
		work_load(&work, work_find(FC_TUNNEL_GRETAP, 4, true));
		work.length -= cases[i].cut + (work.length - ETHERNET - 20 - 2) % 8;
		work_set16(&work, ETHERNET + 2, work.length - ETHERNET);
		work_set16(&work, ETHERNET + 6, cases[i].fragment);
		work.bytes[ETHERNET + 9] = cases[i].protocol;
		work_fix_ip(&work);
		work_check(&ends, &work, cases[i].verdict);
		if (cases[i].verdict != FC_TUNNEL_PIECE)
			continue;
		rte_pktmbuf_free(work_look(&ends, &work, 5, FC_TUNNEL_PIECE, &match));
		assert_int_equal(match.l2, ETHERNET);
		assert_int_equal(match.l3, 20);
		assert_int_equal(match.family, 4);
		assert_int_equal(match.length, work.length);
	}
	/* Not for a stranger, though it is the same packet. */
	memset(&ends, 0, sizeof(ends));
	work_set16(&work, ETHERNET + 6, 1);
	work_fix_ip(&work);
	work_check(&ends, &work, FC_TUNNEL_NOT_OURS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_changes, work_check_pool),
		cmocka_unit_test_teardown(test_ipv4_header, work_check_pool),
		cmocka_unit_test_teardown(test_udp_checksum, work_check_pool),
		cmocka_unit_test_teardown(test_gre_options, work_check_pool),
		cmocka_unit_test_teardown(test_gre_key_place, work_check_pool),
		cmocka_unit_test_teardown(test_erspan3_sub_header, work_check_pool),
		cmocka_unit_test_teardown(test_geneve_options, work_check_pool),
		cmocka_unit_test_teardown(test_extensions, work_check_pool),
		cmocka_unit_test_teardown(test_ipv4_pieces, work_check_pool),
	};

	return cmocka_run_group_tests(tests, work_start, work_stop);
}
