/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <fc_tunnel.h>

#include "dpdk_fixture.h"
#include "tunnel_rig.h"
#include "tunnel_work.h"

static void check_golden(const struct fc_tunnel_ends *ends, const struct golden *golden,
	uint16_t part, unsigned padding)
{
	uint8_t expected[256];
	struct fc_tunnel_match match;
	struct work work;
	struct rte_mbuf *packet;
	uint32_t length = golden->tagged ? GOLDEN_TAGGED_LENGTH : GOLDEN_PLAIN_LENGTH;

	work_load(&work, golden);
	memset(work.bytes + work.length, 0x5a, padding);
	work.length += padding;
	memcpy(expected, golden->tagged ? golden_tagged : golden_plain, length);
	if (golden->type == FC_TUNNEL_GRE) {
		uint32_t tags = golden->tagged ? 4 : 0;

		memmove(expected + 12, expected + 12 + tags, length - 12 - tags);
		memset(expected, 0, 12);
		length -= tags;
	}
	packet = work_look(ends, &work, part, FC_TUNNEL_OURS, &match);
	assert_int_equal(ends->end[match.end].type, golden->type);
	assert_int_equal(ends->end[match.end].local.family, golden->family);
	fc_tunnel_strip(packet, &match);
	fixture_assert_bytes(packet, expected, length);
	assert_true(packet->data_len >= RTE_MIN(length, 64u));
	rte_pktmbuf_free(packet);
}

static void test_golden(void **state)
{
	struct fc_tunnel_ends ends;

	(void)state;
	rig_all_ends(&ends);
	for (unsigned i = 0; i < RTE_DIM(golden_tunnels); i++) {
		check_golden(&ends, &golden_tunnels[i], 0, 46);
		for (uint16_t part = 0; part < 120; part++)
			check_golden(&ends, &golden_tunnels[i], part, part % 3);
	}
}

static bool can_be_remembered(const struct golden *golden)
{
	return golden->family == 4 && golden->vlan == 0 && golden->type != FC_TUNNEL_GRE &&
	       golden->type != FC_TUNNEL_ERSPAN3;
}

/* What is like a remembered packet is told to be just what a look says, whatever is changed. */
static void test_memory(void **state)
{
	struct fc_tunnel_match match, like;
	struct fc_tunnel_memory memory;
	struct fc_tunnel_ends ends;

	(void)state;
	rig_all_ends(&ends);
	for (unsigned i = 0; i < RTE_DIM(golden_tunnels); i++) {
		const struct golden *golden = &golden_tunnels[i];
		struct rte_mbuf *packet = fixture_packet(
			work_pool, (const uint8_t *)golden->bytes, golden->length, 0);
		uint8_t *bytes = rte_pktmbuf_mtod(packet, uint8_t *);

		assert_int_equal(fc_tunnel_look(&ends, packet, &match), FC_TUNNEL_OURS);
		fc_tunnel_remember(&ends, packet, &match, &memory);
		assert_int_equal(memory.skip != 0, can_be_remembered(golden));
		assert_int_equal(
			fc_tunnel_is_like(&memory, packet, &like), can_be_remembered(golden));
		for (unsigned bit = 0; bit < 8U * RTE_MIN(golden->length, 64U); bit++) {
			bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
			if (fc_tunnel_is_like(&memory, packet, &like)) {
				assert_int_equal(
					fc_tunnel_look(&ends, packet, &match), FC_TUNNEL_OURS);
				assert_int_equal(like.verdict, match.verdict);
				assert_int_equal(like.end, match.end);
				assert_int_equal(like.l2, match.l2);
				assert_int_equal(like.skip, match.skip);
				assert_int_equal(like.length, match.length);
				assert_int_equal(like.hint, match.hint);
				assert_int_equal(like.front, match.front);
			}
			bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
		rte_pktmbuf_free(packet);
	}
}

/* Whatever is cut off, nothing is read behind the end, and it is never ours. */
static void test_cut_off(void **state)
{
	struct fc_tunnel_ends ends;

	(void)state;
	rig_all_ends(&ends);
	for (unsigned i = 0; i < RTE_DIM(golden_tunnels); i++) {
		struct work work;

		work_load(&work, &golden_tunnels[i]);
		while (--work.length > 0) {
			/* A tag that is cut off is none, so this is a frame of another kind. */
			bool is_cut_tag = golden_tunnels[i].vlan != 0 && work.length >= ETHERNET &&
					  work.length < ETHERNET + 4;
			struct fc_tunnel_match match;

			rte_pktmbuf_free(work_look(&ends, &work, work.length % 2 ? 0 : 7,
				is_cut_tag ? FC_TUNNEL_NOT_OURS : FC_TUNNEL_MALFORMED, &match));
		}
	}
}

static void check_round_trip(const struct fc_tunnel_params *params, uint32_t length, uint16_t part)
{
	struct fc_tunnel_header header;
	struct fc_tunnel_state counts = { 0 };
	struct fc_tunnel_match match;
	struct fc_tunnel_ends ends;
	struct rte_mbuf *packet;
	uint8_t frame[FIXTURE_MAX_FRAME];

	rig_all_ends(&ends);
	rig_prepare(&header, params);
	rig_inner(frame, length, length);
	packet = fixture_packet(work_pool, frame, length, part);
	rig_push(&header, &counts, &packet, 1, length);
	assert_int_equal(fc_tunnel_look(&ends, packet, &match), FC_TUNNEL_OURS);
	assert_int_equal(ends.end[match.end].type, params->type);
	fc_tunnel_strip(packet, &match);
	rig_expect(frame, params->type);
	fixture_assert_bytes(packet, frame, length);
	rte_pktmbuf_free(packet);
}

static void test_round_trip(void **state)
{
	static const uint16_t parts[] = { 0, 64, 65, 1001 };

	(void)state;
	for (unsigned i = 0; i < RTE_DIM(rig_types); i++) {
		for (unsigned variant = 0; variant < 4; variant++) {
			struct fc_tunnel_params params =
				rig_params(rig_types[i], variant & 1 ? 6 : 4);

			params.vlan = variant & 2 ? 7 : 0;
			for (uint32_t length = 60; length <= FIXTURE_MAX_FRAME;
				length += length < 130 ? 1 : 127)
				for (unsigned p = 0; p < RTE_DIM(parts); p++)
					check_round_trip(&params, length, parts[p]);
			check_round_trip(&params, FIXTURE_MAX_FRAME, 64);
			/* Without a payload nothing is left for gre. */
			check_round_trip(&params, ETHERNET + (rig_types[i] == FC_TUNNEL_GRE), 0);
		}
	}
}

/* Ends, and whether the frame of VXLAN over IPv6 with key 0xabcdef is for them. */
static const struct {
	enum fc_tunnel_type type;
	uint8_t family, local, remote; /* hosts; 0: any */
	uint32_t key;		       /* 0: any */
	bool matches;
} candidates[] = {
	{ FC_TUNNEL_VXLAN, 6, 9, 1, 0xabcdef, true },
	{ FC_TUNNEL_VXLAN, 6, 9, 1, 0, true },
	{ FC_TUNNEL_VXLAN, 6, 9, 0, 0xabcdef, true },
	{ FC_TUNNEL_VXLAN, 6, 9, 0, 0, true },
	{ FC_TUNNEL_VXLAN, 6, 9, 1, 0xabcdee, false },
	{ FC_TUNNEL_VXLAN, 6, 9, 1, 0x01abcdef, false },
	{ FC_TUNNEL_VXLAN, 6, 9, 2, 0xabcdef, false },
	{ FC_TUNNEL_VXLAN, 6, 8, 0, 0, false },
	{ FC_TUNNEL_VXLAN, 4, 9, 0, 0, false },
	{ FC_TUNNEL_GENEVE, 6, 9, 1, 0xabcdef, false },
	{ FC_TUNNEL_GRETAP, 6, 9, 0, 0, false },
};

static void add_candidate(struct fc_tunnel_ends *ends, unsigned i)
{
	struct fc_tunnel_end end = {
		.type = candidates[i].type,
		.local = rig_address(candidates[i].family, candidates[i].local),
		.has_key = candidates[i].key != 0,
		.key = candidates[i].key,
	};

	if (candidates[i].remote != 0)
		end.remote = rig_address(candidates[i].family, candidates[i].remote);
	assert_int_equal(fc_tunnel_add_end(ends, &end), 0);
}

/* Which of several ends a packet belongs to: the first that matches. */
static void test_matching(void **state)
{
	struct work work;

	(void)state;
	work_load(&work, work_find(FC_TUNNEL_VXLAN, 6, true));
	for (unsigned first = 0; first < RTE_DIM(candidates); first++) {
		struct fc_tunnel_ends alone = { .n = 0 };

		add_candidate(&alone, first);
		work_check(&alone, &work,
			candidates[first].matches ? FC_TUNNEL_OURS : FC_TUNNEL_NOT_OURS);
		for (unsigned second = 0; second < RTE_DIM(candidates); second++) {
			bool matches = candidates[first].matches || candidates[second].matches;
			struct fc_tunnel_ends ends = { .n = 0 };
			struct fc_tunnel_match match;

			add_candidate(&ends, first);
			add_candidate(&ends, second);
			rte_pktmbuf_free(work_look(&ends, &work, 0,
				matches ? FC_TUNNEL_OURS : FC_TUNNEL_NOT_OURS, &match));
			if (matches)
				assert_int_equal(match.end, candidates[first].matches ? 0 : 1);
		}
	}
}

static void test_key_of_each_type(void **state)
{
	(void)state;
	for (unsigned i = 0; i < RTE_DIM(golden_tunnels); i++) {
		const struct golden *golden = &golden_tunnels[i];
		bool has_key = golden->has_key || golden->type > FC_TUNNEL_ERSPAN1;
		struct fc_tunnel_end end = { .type = golden->type,
			.local = rig_address(golden->family, 9),
			.has_key = true };
		struct work work;

		work_load(&work, golden);
		for (unsigned k = 0; k < 3; k++) {
			struct fc_tunnel_ends ends = { .n = 0 };

			end.key = k == 0 ? golden->key : k == 1 ? golden->key ^ 1 : 999;
			fc_tunnel_add_end(&ends, &end);
			work_check(&ends, &work,
				k == 0 && has_key ? FC_TUNNEL_OURS : FC_TUNNEL_NOT_OURS);
		}
	}
}

static void test_ends(void **state)
{
	struct fc_tunnel_ends ends = { .n = 0 };
	struct fc_tunnel_end end = { .type = FC_TUNNEL_GRE, .local = rig_address(4, 9) };
	struct fc_address host = rig_address(6, 1);

	(void)state;
	end.remote.family = 6;
	assert_int_equal(fc_tunnel_add_end(&ends, &end), -EINVAL);
	end.remote.family = 0;
	end.type = FC_TUNNEL_NONE;
	assert_int_equal(fc_tunnel_add_end(&ends, &end), -EINVAL);
	end.type = FC_TUNNEL_GRE;
	end.local.family = 0;
	assert_int_equal(fc_tunnel_add_end(&ends, &end), -EINVAL);
	end.local.family = 4;
	for (unsigned i = 0; i < FC_TUNNEL_MAX_ENDS; i++)
		assert_int_equal(fc_tunnel_add_end(&ends, &end), 0);
	assert_int_equal(fc_tunnel_add_end(&ends, &end), -ENOSPC);
	assert_int_equal(ends.n, FC_TUNNEL_MAX_ENDS);
	assert_int_equal(ends.n_hosts, 1);
	for (unsigned i = 1; i < FC_TUNNEL_MAX_HOSTS; i++) {
		host.bytes[0] = (uint8_t)i;
		assert_int_equal(fc_tunnel_add_host(&ends, &host), 0);
		assert_int_equal(fc_tunnel_add_host(&ends, &host), 0);
	}
	host.bytes[0]++;
	assert_int_equal(fc_tunnel_add_host(&ends, &host), -ENOSPC);
}

static void check_hex(const struct fc_tunnel_ends *ends, const char *bytes, uint32_t n,
	enum fc_tunnel_verdict verdict)
{
	struct work work = { .length = n };

	memcpy(work.bytes, bytes, n);
	if (work.bytes[12] == 8 && work.bytes[13] == 0)
		work_fix_ip(&work);
	work_check(ends, &work, verdict);
}

#define CHECK_HEX(bytes, verdict) check_hex(&ends, bytes, sizeof(bytes) - 1, verdict)

#define MACS   "\2\0\0\0\0\2\2\0\0\0\0\1"
#define ARP    MACS "\x08\x06\0\1\x08\0\6\4\0\1\2\0\0\0\0\1\xc0\0\2\1\0\0\0\0\0\0\xc0\0\2\x09"
#define IPV4   MACS "\x08\0\x45\0\0\x1c\0\1\0\0\x40\1\0\0\xc0\0\2\1"
#define IPV6   MACS "\x86\xdd\x60\0\0\0"
#define FROM_1 "\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1"
#define TO_9   "\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x09"
#define TO_8   "\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x08"

static void test_host(void **state)
{
	struct fc_tunnel_ends ends;
	struct fc_tunnel_ends nobody = { .n = 0 };

	(void)state;
	rig_all_ends(&ends);
	CHECK_HEX(ARP, FC_TUNNEL_HOST);
	check_hex(&nobody, ARP, sizeof(ARP) - 1, FC_TUNNEL_NOT_OURS);
	/* Ping: request to us, to another; reply; cut off. */
	CHECK_HEX(IPV4 "\xc0\0\2\x09\x08\0\0\0\0\1\0\1", FC_TUNNEL_HOST);
	CHECK_HEX(IPV4 "\xc0\0\2\x08\x08\0\0\0\0\1\0\1", FC_TUNNEL_NOT_OURS);
	CHECK_HEX(IPV4 "\xc0\0\2\x09\0\0\0\0\0\1\0\1", FC_TUNNEL_NOT_OURS);
	CHECK_HEX(IPV6 "\0\x08\x3a\x40" FROM_1 TO_9 "\x80\0\0\0\0\1\0\1", FC_TUNNEL_HOST);
	CHECK_HEX(IPV6 "\0\x08\x3a\x40" FROM_1 TO_8 "\x80\0\0\0\0\1\0\1", FC_TUNNEL_NOT_OURS);
	CHECK_HEX(IPV6 "\0\x08\x3a\x40" FROM_1 TO_9 "\x81\0\0\0\0\1\0\1", FC_TUNNEL_NOT_OURS);
	CHECK_HEX(IPV6 "\0\x07\x3a\x40" FROM_1 TO_9 "\x80\0\0\0\0\1\0", FC_TUNNEL_NOT_OURS);
	/* Solicitation for us, for another, with a hop limit that a router has lowered. */
	CHECK_HEX(IPV6 "\0\x18\x3a\xff" FROM_1 TO_8 "\x87\0\0\0\0\0\0\0" TO_9, FC_TUNNEL_HOST);
	CHECK_HEX(IPV6 "\0\x18\x3a\xff" FROM_1 TO_9 "\x87\0\0\0\0\0\0\0" TO_8, FC_TUNNEL_NOT_OURS);
	CHECK_HEX(IPV6 "\0\x18\x3a\xfe" FROM_1 TO_9 "\x87\0\0\0\0\0\0\0" TO_9, FC_TUNNEL_NOT_OURS);
	CHECK_HEX(IPV6 "\0\x08\x3a\xff" FROM_1 TO_9 "\x87\0\0\0\0\0\0\0", FC_TUNNEL_NOT_OURS);
	/* Advertisement by anybody; router advertisement. */
	CHECK_HEX(IPV6 "\0\x18\x3a\xff" FROM_1 TO_9 "\x88\0\0\0\0\0\0\0" TO_8, FC_TUNNEL_HOST);
	CHECK_HEX(IPV6 "\0\x18\x3a\xff" FROM_1 TO_9 "\x86\0\0\0\0\0\0\0" TO_8, FC_TUNNEL_NOT_OURS);
}

/* Frames of other kinds, tagged frames, and tags without end. */
static void test_other_frames(void **state)
{
	struct fc_tunnel_ends ends;

	(void)state;
	rig_all_ends(&ends);
	for (unsigned n_tags = 0; n_tags <= 4; n_tags++) {
		struct work work;

		work_load(&work, work_find(FC_TUNNEL_VXLAN, 4, true));
		for (unsigned i = 0; i < n_tags; i++) {
			memmove(work.bytes + 16, work.bytes + 12, work.length - 12);
			memcpy(work.bytes + 12, i == 0 ? "\x81\0\0\1" : "\x88\xa8\0\2", 4);
			work.length += 4;
		}
		work_check(&ends, &work, n_tags <= 2 ? FC_TUNNEL_OURS : FC_TUNNEL_NOT_OURS);
	}
	CHECK_HEX(MACS "\x88\xb5", FC_TUNNEL_NOT_OURS);
	CHECK_HEX(MACS "\x08\0", FC_TUNNEL_MALFORMED);
	CHECK_HEX(MACS "\x86\xdd", FC_TUNNEL_MALFORMED);
	CHECK_HEX(MACS "\x08", FC_TUNNEL_MALFORMED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_golden, work_check_pool),
		cmocka_unit_test_teardown(test_memory, work_check_pool),
		cmocka_unit_test_teardown(test_cut_off, work_check_pool),
		cmocka_unit_test_teardown(test_round_trip, work_check_pool),
		cmocka_unit_test_teardown(test_matching, work_check_pool),
		cmocka_unit_test_teardown(test_key_of_each_type, work_check_pool),
		cmocka_unit_test(test_ends),
		cmocka_unit_test_teardown(test_host, work_check_pool),
		cmocka_unit_test_teardown(test_other_frames, work_check_pool),
	};

	return cmocka_run_group_tests(tests, work_start, work_stop);
}
