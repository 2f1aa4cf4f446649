/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <fc_fragment.h>
#include <fc_reassembly.h>
#include <fc_tunnel.h>
#include <fc_tunnel_pop.h>

#include "dpdk_fixture.h"
#include "tunnel_rig.h"

#define TIMEOUT	  1000
#define MAX_PIECE 2048

static struct rte_mempool *frames, *clones;

/* A received frame. */
struct piece {
	uint8_t bytes[MAX_PIECE];
	uint32_t length;
};

/* The fragments of one packet, and the frame that it carries. */
struct datagram {
	struct piece pieces[FC_FRAGMENT_MAX];
	unsigned n;
	uint8_t frame[FIXTURE_MAX_FRAME];
	uint32_t length;
	enum fc_tunnel_type type;
};

/* A table, and how many fragments were given to it. */
struct table {
	struct fc_reassembly *reassembly;
	struct fc_tunnel_ends ends;
	uint64_t given;
};

static struct table table_new(uint16_t max_datagrams, uint32_t max_mbufs)
{
	const struct fc_reassembly_limits limits = {
		.max_datagrams = max_datagrams, .max_mbufs = max_mbufs, .timeout_cycles = TIMEOUT
	};
	struct table table = { .reassembly = fc_reassembly_new(&limits, SOCKET_ID_ANY) };

	assert_non_null(table.reassembly);
	rig_all_ends(&table.ends);
	return table;
}

/* Fail unless the counts are so; the other two follow from them. */
static void check_counts(const struct table *table, uint64_t held, uint64_t joined, uint64_t whole,
	uint64_t timed_out, uint64_t refused)
{
	const struct fc_reassembly_counts *counts = fc_reassembly_counts(table->reassembly);

	assert_int_equal(counts->held, held);
	assert_int_equal(counts->joined, joined);
	assert_int_equal(counts->whole, whole);
	assert_int_equal(counts->timed_out, timed_out);
	assert_int_equal(counts->refused, refused);
	assert_int_equal(counts->held + counts->joined + counts->timed_out + counts->refused +
				 counts->table_full,
		table->given);
	/* What is not held is back in the pools: the frames' mbufs are in one of the two. */
	assert_int_equal(rte_mempool_in_use_count(frames), counts->held_mbufs);
}

static void table_free(struct table *table)
{
	fc_reassembly_free(table->reassembly);
}

/* Encapsulate a frame and split it as a sender would. */
static void send(
	struct datagram *datagram, struct fc_tunnel_params params, uint32_t length, uint16_t id)
{
	const struct fc_fragment how = { .headers = frames, .clones = clones };
	struct fc_tunnel_state state = { .packet_id = id, .fragment_id = id };
	struct rte_mbuf *fragments[FC_FRAGMENT_MAX], *packet;
	struct fc_tunnel_header header;
	int n;

	datagram->length = length;
	datagram->type = params.type;
	rig_inner(datagram->frame, length, id);
	rig_prepare(&header, &params);
	packet = fixture_packet(frames, datagram->frame, length, 0);
	rig_push(&header, &state, &packet, 1, 0);
	n = fc_fragment(&how, &header, &state, packet, fragments, RTE_DIM(fragments));
	assert_true(n > 1);
	datagram->n = (unsigned)n;
	for (int i = 0; i < n; i++) {
		struct piece *piece = &datagram->pieces[i];
		const void *bytes;

		piece->length = fragments[i]->pkt_len;
		bytes = rte_pktmbuf_read(fragments[i], 0, piece->length, piece->bytes);
		if (bytes != piece->bytes)
			memcpy(piece->bytes, bytes, piece->length);
	}
	rte_pktmbuf_free_bulk(fragments, (unsigned)n);
}

static struct fc_tunnel_params small_mtu(enum fc_tunnel_type type, uint8_t family)
{
	struct fc_tunnel_params params = rig_params(type, family);

	params.mtu = 1280;
	return params;
}

/* Receive a piece in segments of @part bytes, with padding behind it. */
static struct rte_mbuf *give_padded(struct table *table, const struct piece *piece, uint16_t part,
	uint32_t padding, uint64_t now)
{
	uint8_t bytes[MAX_PIECE + 64];
	struct fc_tunnel_match match;
	struct rte_mbuf *packet;

	memcpy(bytes, piece->bytes, piece->length);
	memset(bytes + piece->length, 0x77, padding);
	packet = fixture_packet(frames, bytes, piece->length + padding, part);
	assert_int_equal(fc_tunnel_look(&table->ends, packet, &match), FC_TUNNEL_PIECE);
	table->given++;
	return fc_reassembly_add(table->reassembly, packet, &match, now);
}

static struct rte_mbuf *give(struct table *table, const struct piece *piece, uint64_t now)
{
	return give_padded(table, piece, 0, 0, now);
}

/* The packet is whole: it must carry the frame. */
static void check_whole(
	const struct table *table, struct rte_mbuf *packet, const struct datagram *datagram)
{
	uint8_t expected[FIXTURE_MAX_FRAME];
	struct fc_tunnel_match match;

	assert_non_null(packet);
	memcpy(expected, datagram->frame, datagram->length);
	rig_expect(expected, datagram->type);
	assert_int_equal(fc_tunnel_look(&table->ends, packet, &match), FC_TUNNEL_OURS);
	fc_tunnel_strip(packet, &match);
	fixture_assert_bytes(packet, expected, datagram->length);
	rte_pktmbuf_free(packet);
}

static void check_order(struct table *table, const struct datagram *datagram, const unsigned *order,
	uint16_t part, uint32_t padding)
{
	for (unsigned i = 0; i < datagram->n; i++) {
		struct rte_mbuf *whole =
			give_padded(table, &datagram->pieces[order[i]], part, padding, 1);

		if (i < datagram->n - 1)
			assert_null(whole);
		else
			check_whole(table, whole, datagram);
	}
}

static void test_round_trip(void **state)
{
	static const uint32_t lengths[] = { 1300, 2500, 2600, 5000, 9018 };
	static const uint16_t parts[] = { 0, 1, 13, 50, 64, 700 };
	struct table table = table_new(16, 4000);
	struct datagram datagram;
	uint64_t joined = 0, whole = 0;

	(void)state;
	for (unsigned i = 0; i < RTE_DIM(rig_types); i++) {
		for (unsigned variant = 0; variant < 4; variant++) {
			struct fc_tunnel_params params =
				small_mtu(rig_types[i], variant & 1 ? 6 : 4);

			params.vlan = variant & 2 ? 7 : 0;
			for (unsigned l = 0; l < RTE_DIM(lengths); l++) {
				send(&datagram, params, lengths[l], (uint16_t)l);
				for (unsigned p = 0; p < RTE_DIM(parts); p++) {
					unsigned forth[8], back[8];

					if (parts[p] == 1 && lengths[l] > 1300)
						continue;
					for (unsigned k = 0; k < datagram.n; k++) {
						forth[k] = k;
						back[k] = datagram.n - 1 - k;
					}
					check_order(&table, &datagram, forth, parts[p], 0);
					check_order(&table, &datagram, back, parts[p], 46);
					joined += 2 * datagram.n;
					whole += 2;
				}
			}
		}
	}
	check_counts(&table, 0, joined, whole, 0, 0);
	table_free(&table);
}

/* Every order of four fragments. */
static void test_orders(void **state)
{
	struct table table = table_new(4, 100);
	struct datagram datagram;

	(void)state;
	for (uint8_t family = 4; family <= 6; family += 2) {
		send(&datagram, small_mtu(FC_TUNNEL_VXLAN, family), 4600, 1);
		assert_int_equal(datagram.n, 4);
		for (unsigned code = 0; code < 256; code++) {
			const unsigned order[] = { code & 3, code >> 2 & 3, code >> 4 & 3,
				code >> 6 };
			unsigned seen = 0;

			for (unsigned i = 0; i < 4; i++)
				seen |= 1u << order[i];
			if (seen == 15)
				check_order(&table, &datagram, order, 0, 0);
		}
	}
	check_counts(&table, 0, 2ul * 24 * 4, 2 * 24, 0, 0);
	table_free(&table);
}

/* Each fragment twice: the second time it is refused, and the packet is whole all the same. */
static void test_duplicates(void **state)
{
	struct table table = table_new(4, 100);
	struct datagram datagram;

	(void)state;
	send(&datagram, small_mtu(FC_TUNNEL_GRETAP, 6), 4600, 1);
	for (unsigned i = 0; i < datagram.n - 1; i++) {
		assert_null(give(&table, &datagram.pieces[i], 1));
		assert_null(give(&table, &datagram.pieces[i], 1));
	}
	check_counts(&table, 3, 0, 0, 0, 3);
	check_whole(&table, give(&table, &datagram.pieces[3], 1), &datagram);
	check_counts(&table, 0, 4, 1, 0, 3);
	/* Too late: this begins a datagram of its own, which is never whole. */
	assert_null(give(&table, &datagram.pieces[3], 1));
	check_counts(&table, 1, 4, 1, 0, 3);
	fc_reassembly_expire(table.reassembly, TIMEOUT + 2);
	check_counts(&table, 0, 4, 1, 1, 3);
	table_free(&table);
}

static void test_missing(void **state)
{
	struct table table = table_new(4, 100);
	struct datagram datagram;

	(void)state;
	for (uint8_t family = 4; family <= 6; family += 2) {
		send(&datagram, small_mtu(FC_TUNNEL_GENEVE, family), 4600, 1);
		for (unsigned missing = 0; missing < datagram.n; missing++) {
			uint64_t now = (family * 10 + missing) * 2 * TIMEOUT;

			for (unsigned i = 0; i < datagram.n; i++)
				if (i != missing)
					assert_null(give(&table, &datagram.pieces[i], now + i));
			/* The time since the first counts; it must be over, not just reached. */
			fc_reassembly_expire(table.reassembly, now + (missing == 0) + TIMEOUT);
			assert_int_equal(fc_reassembly_counts(table.reassembly)->held, 3);
			fc_reassembly_expire(table.reassembly, now + (missing == 0) + TIMEOUT + 1);
			assert_int_equal(fc_reassembly_counts(table.reassembly)->held, 0);
		}
	}
	check_counts(&table, 0, 0, 0, 24, 0);
	table_free(&table);
}

/* What arrives too late begins anew; nothing old is in it. */
static void test_late(void **state)
{
	struct table table = table_new(4, 100);
	struct datagram datagram;

	(void)state;
	send(&datagram, small_mtu(FC_TUNNEL_VXLAN, 4), 2400, 1);
	assert_int_equal(datagram.n, 2);
	assert_null(give(&table, &datagram.pieces[0], 1));
	assert_null(give(&table, &datagram.pieces[1], TIMEOUT + 2));
	check_counts(&table, 1, 0, 0, 1, 0);
	check_whole(&table, give(&table, &datagram.pieces[0], TIMEOUT + 3), &datagram);
	check_counts(&table, 0, 2, 1, 1, 0);
	table_free(&table);
}

static void set16(struct piece *piece, uint32_t at, unsigned value)
{
	piece->bytes[at] = (uint8_t)(value >> 8);
	piece->bytes[at + 1] = (uint8_t)value;
}

/* A fragment of GRE between the rig's IPv4 addresses. */
static struct piece make_piece(unsigned id, uint8_t protocol, uint32_t from, uint32_t to, bool more)
{
	static const uint8_t head[] = { 2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 1, 8, 0, 0x45, 0, 0, 0, 0,
		0, 0, 0, 64, 0, 0, 0, 192, 0, 2, 1, 192, 0, 2, 9 };
	struct piece piece = { .length = 34 + to - from };
	uint32_t sum = 0;

	assert_true(piece.length <= sizeof(piece.bytes));
	memcpy(piece.bytes, head, sizeof(head));
	set16(&piece, 16, 20 + to - from);
	set16(&piece, 18, id);
	set16(&piece, 20, (more ? 0x2000 : 0) | from / 8);
	piece.bytes[23] = protocol;
	for (unsigned i = 14; i < 34; i += 2)
		sum += (unsigned)piece.bytes[i] << 8 | piece.bytes[i + 1];
	set16(&piece, 24, ~(sum + (sum >> 16)));
	fixture_fill(piece.bytes + 34, to - from, from);
	return piece;
}

/* Bytes [from, to) of a payload, and whether more follow. */
struct range {
	uint32_t from, to;
	bool more;
};

/* Of a good datagram 0..96; the last one is bad. */
static const struct range overlaps[][3] = {
	{ { 0, 48, true }, { 48, 96, false }, { 0, 0, false } },
	{ { 0, 48, true }, { 40, 96, false }, { 48, 96, false } },
	{ { 0, 48, true }, { 8, 16, true }, { 48, 96, false } },
	{ { 0, 48, true }, { 0, 56, true }, { 48, 96, false } },
	{ { 0, 48, true }, { 0, 40, true }, { 48, 96, false } },
	{ { 48, 96, false }, { 40, 56, true }, { 0, 48, true } },
	{ { 48, 96, false }, { 88, 104, true }, { 0, 48, true } },
	/* Behind the end, two ends, an end in front of what is there. */
	{ { 48, 96, false }, { 96, 104, true }, { 0, 48, true } },
	{ { 48, 96, false }, { 96, 104, false }, { 0, 48, true } },
	{ { 48, 96, false }, { 40, 48, false }, { 0, 48, true } },
	{ { 48, 96, true }, { 40, 48, false }, { 0, 48, true } },
	{ { 48, 96, true }, { 48, 96, false }, { 0, 48, true } },
	/* Enough bytes, but not of each place. */
	{ { 0, 48, true }, { 40, 88, true }, { 88, 96, false } },
};

static struct rte_mbuf *give_range(
	struct table *table, unsigned id, const struct range *range, uint64_t now)
{
	struct piece piece = make_piece(id, 47, range->from, range->to, range->more);

	return give(table, &piece, now);
}

/* An overlap spoils the datagram: also what would have completed it is refused, until it is old. */
static void test_overlaps(void **state)
{
	(void)state;
	for (unsigned i = 1; i < RTE_DIM(overlaps); i++) {
		struct table table = table_new(4, 100);

		assert_null(give_range(&table, 1, &overlaps[i][0], 1));
		assert_null(give_range(&table, 1, &overlaps[i][1], 2));
		check_counts(&table, 1, 0, 0, 0, 1);
		assert_null(give_range(&table, 1, &overlaps[i][2], 3));
		check_counts(&table, 1, 0, 0, 0, 2);
		/* Others are not touched by it. */
		assert_null(give_range(&table, 2, &overlaps[0][0], 4));
		rte_pktmbuf_free(give_range(&table, 2, &overlaps[0][1], 5));
		check_counts(&table, 1, 2, 1, 0, 2);
		fc_reassembly_expire(table.reassembly, TIMEOUT + 2);
		check_counts(&table, 0, 2, 1, 0, 3);
		/* The same number again, much later. */
		assert_null(give_range(&table, 1, &overlaps[0][0], TIMEOUT + 3));
		rte_pktmbuf_free(give_range(&table, 1, &overlaps[0][1], TIMEOUT + 4));
		check_counts(&table, 0, 4, 2, 0, 3);
		table_free(&table);
	}
}

/* Eight fragments are put together, the ninth is one too many. */
static void test_too_many(void **state)
{
	(void)state;
	for (unsigned n = 7; n <= 10; n++) {
		struct table table = table_new(4, 100);
		struct rte_mbuf *whole = NULL;

		for (unsigned i = 0; i < n; i++) {
			const struct range range = { 8 * i, 8 * i + 8, i < n - 1 };

			assert_null(whole);
			whole = give_range(&table, 1, &range, 1);
		}
		if (n <= FC_REASSEMBLY_MAX_FRAGMENTS) {
			assert_non_null(whole);
			assert_int_equal(whole->pkt_len, 34 + 8 * n);
			rte_pktmbuf_free(whole);
			check_counts(&table, 0, n, 1, 0, 0);
		} else {
			assert_null(whole);
			check_counts(&table, 7, 0, 0, 0, n - 7);
		}
		table_free(&table);
		fixture_assert_full(frames);
	}
}

/* A header with options makes of a payload that fits one that does not. */
static void test_too_long(void **state)
{
	struct table table = table_new(4, 100);
	struct rte_mbuf *whole = NULL;
	struct fc_tunnel_match match;

	(void)state;
	for (uint32_t from = 0; from < 65512; from += 8192) {
		uint32_t to = RTE_MIN(from + 8192, 65512u);
		struct piece head = make_piece(1, 47, from, from + 8, to < 65512);
		static uint8_t bytes[34 + 40 + 8192];
		uint32_t options = from == 0 ? 40 : 0;
		uint32_t sum = 0;
		struct rte_mbuf *packet;

		assert_null(whole);
		memset(bytes, 1, sizeof(bytes));
		memcpy(bytes, head.bytes, 34);
		bytes[14] = (uint8_t)(0x45 + options / 4);
		bytes[16] = (uint8_t)((20 + options + to - from) >> 8);
		bytes[17] = (uint8_t)(20 + options + to - from);
		memset(bytes + 24, 0, 2);
		for (unsigned i = 14; i < 34 + options; i += 2)
			sum += (unsigned)bytes[i] << 8 | bytes[i + 1];
		sum = ~(sum + (sum >> 16));
		bytes[24] = (uint8_t)(sum >> 8);
		bytes[25] = (uint8_t)sum;
		packet = fixture_packet(frames, bytes, 34 + options + to - from, 0);
		assert_int_equal(fc_tunnel_look(&table.ends, packet, &match), FC_TUNNEL_PIECE);
		table.given++;
		whole = fc_reassembly_add(table.reassembly, packet, &match, 1);
	}
	assert_null(whole);
	check_counts(&table, 0, 0, 0, 0, 8);
	table_free(&table);
}

/* The same identification between the same hosts, but of two protocols. */
static void test_protocols(void **state)
{
	struct table table = table_new(4, 100);
	struct datagram gre, udp;

	(void)state;
	send(&gre, small_mtu(FC_TUNNEL_GRETAP, 4), 2400, 77);
	send(&udp, small_mtu(FC_TUNNEL_VXLAN, 4), 2400, 77);
	assert_null(give(&table, &gre.pieces[0], 1));
	assert_null(give(&table, &udp.pieces[1], 2));
	check_whole(&table, give(&table, &gre.pieces[1], 3), &gre);
	check_whole(&table, give(&table, &udp.pieces[0], 4), &udp);
	check_counts(&table, 0, 4, 2, 0, 0);
	table_free(&table);
}

/* Neither more datagrams nor more mbufs than allowed, and all of the others go on. */
static void test_full(void **state)
{
	const struct range first = { 0, 48, true }, last = { 48, 96, false };

	(void)state;
	for (uint16_t max = 1; max <= 200; max = (uint16_t)(3 * max)) {
		struct table table = table_new(max, 1000);

		for (unsigned id = 0; id < max; id++)
			assert_null(give_range(&table, id, &first, 1));
		for (unsigned id = max; id < max + 5u; id++)
			assert_null(give_range(&table, id, &first, 1));
		assert_int_equal(fc_reassembly_counts(table.reassembly)->table_full, 5);
		check_counts(&table, max, 0, 0, 0, 0);
		for (unsigned id = 0; id < max; id++)
			rte_pktmbuf_free(give_range(&table, id, &last, 2));
		check_counts(&table, 0, 2ul * max, max, 0, 0);
		assert_null(give_range(&table, max, &first, 3));
		check_counts(&table, 1, 2ul * max, max, 0, 0);
		table_free(&table);
		fixture_assert_full(frames);
	}
}

static void test_full_of_mbufs(void **state)
{
	struct table table = table_new(100, 10);
	const struct range first = { 0, 48, true }, last = { 48, 96, false };
	struct piece piece = make_piece(9, 47, 0, 48, true);

	(void)state;
	for (unsigned id = 0; id < 4; id++)
		assert_null(give_range(&table, id, &first, 1));
	/* In one mbuf are the headers, in the others what was behind: 8 are too many, 5 are not. */
	assert_null(give_padded(&table, &piece, 9, 0, 1));
	assert_int_equal(fc_reassembly_counts(table.reassembly)->held_mbufs, 4);
	assert_null(give_padded(&table, &piece, 14, 0, 1));
	assert_int_equal(fc_reassembly_counts(table.reassembly)->held_mbufs, 4 + 5);
	check_counts(&table, 5, 0, 0, 0, 0);
	while (fc_reassembly_counts(table.reassembly)->held_mbufs < 10)
		assert_null(give_range(&table, (unsigned)table.given + 100, &first, 1));
	assert_null(give_range(&table, 99, &first, 1));
	assert_null(give_range(&table, 0, &last, 1));
	assert_int_equal(fc_reassembly_counts(table.reassembly)->table_full, 3);
	table_free(&table);
}

/* An attacker's flood of first fragments: bounded, and gone when it is old. */
static void test_flood(void **state)
{
	struct table table = table_new(64, 4000);
	struct datagram datagram;
	const struct range first = { 0, 48, true };
	uint64_t now = 1;

	(void)state;
	for (unsigned id = 0; id < 20000; id++) {
		assert_null(give_range(&table, id & 0xffff, &first, now));
		now += id % 16 == 0;
		assert_in_range(fc_reassembly_counts(table.reassembly)->held, 1, 64);
	}
	send(&datagram, small_mtu(FC_TUNNEL_VXLAN, 4), 2400, 1);
	now += TIMEOUT + 1;
	assert_null(give(&table, &datagram.pieces[1], now));
	check_whole(&table, give(&table, &datagram.pieces[0], now), &datagram);
	assert_int_equal(fc_reassembly_counts(table.reassembly)->held, 0);
	assert_true(fc_reassembly_counts(table.reassembly)->table_full > 0);
	assert_true(fc_reassembly_counts(table.reassembly)->timed_out > 64);
	table_free(&table);
}

static void test_limits(void **state)
{
	struct fc_reassembly_limits limits = { .max_mbufs = 1, .timeout_cycles = 1 };

	(void)state;
	assert_null(fc_reassembly_new(&limits, SOCKET_ID_ANY));
	limits.max_datagrams = 32769;
	assert_null(fc_reassembly_new(&limits, SOCKET_ID_ANY));
	fc_reassembly_free(NULL);
}

static int start(void **state)
{
	fixture_start(state);
	frames = fixture_pool_new("frames", 4095, 2048);
	clones = fixture_pool_new("clones", 255, 0);
	return 0;
}

static int stop(void **state)
{
	rte_mempool_free(frames);
	rte_mempool_free(clones);
	return fixture_stop(state);
}

static int check_pools(void **state)
{
	(void)state;
	fixture_assert_full(frames);
	fixture_assert_full(clones);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_round_trip, check_pools),
		cmocka_unit_test_teardown(test_orders, check_pools),
		cmocka_unit_test_teardown(test_duplicates, check_pools),
		cmocka_unit_test_teardown(test_missing, check_pools),
		cmocka_unit_test_teardown(test_late, check_pools),
		cmocka_unit_test_teardown(test_overlaps, check_pools),
		cmocka_unit_test_teardown(test_too_many, check_pools),
		cmocka_unit_test_teardown(test_too_long, check_pools),
		cmocka_unit_test_teardown(test_protocols, check_pools),
		cmocka_unit_test_teardown(test_full, check_pools),
		cmocka_unit_test_teardown(test_full_of_mbufs, check_pools),
		cmocka_unit_test_teardown(test_flood, check_pools),
		cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
