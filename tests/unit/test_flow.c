/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <fc_flow.h>

#include "dpdk_fixture.h"

/* A frame is built from its parts, so that nothing here looks for them as the hash does. */
struct flow {
	bool is_ipv6;
	uint8_t source[16], destination[16];
	uint8_t source_port[2], destination_port[2];
	uint8_t source_mac[6], destination_mac[6];
	uint8_t protocol;
	uint16_t fragment; /* flags and offset as IPv4 has them */
	unsigned n_tags, n_options, payload;
};

static const struct flow base4 = {
	.source = { 10, 1, 2, 3 },
	.destination = { 192, 0, 2, 77 },
	.source_port = { 0x1f, 0x90 },
	.destination_port = { 0xc3, 0x50 },
	.source_mac = { 2, 0, 0, 0, 0, 1 },
	.destination_mac = { 2, 0, 0, 0, 0, 2 },
	.protocol = 6,
	.payload = 30,
};

static struct flow base6(void)
{
	struct flow flow = base4;

	flow.is_ipv6 = true;
	fixture_fill(flow.source, 16, 1);
	fixture_fill(flow.destination, 16, 2);
	return flow;
}

static struct flow reverse(const struct flow *flow)
{
	struct flow back = *flow;

	memcpy(back.source, flow->destination, 16);
	memcpy(back.destination, flow->source, 16);
	memcpy(back.source_port, flow->destination_port, 2);
	memcpy(back.destination_port, flow->source_port, 2);
	memcpy(back.source_mac, flow->destination_mac, 6);
	memcpy(back.destination_mac, flow->source_mac, 6);
	return back;
}

struct frame {
	uint8_t bytes[300];
	uint32_t length;
};

static void put(struct frame *frame, const void *bytes, uint32_t n)
{
	memcpy(frame->bytes + frame->length, bytes, n);
	frame->length += n;
}

static void put_ipv4(struct frame *frame, const struct flow *flow)
{
	static const uint8_t options[40];
	const uint8_t head[] = { (uint8_t)(0x45 + flow->n_options), 0, 0, 99, 0, 1,
		(uint8_t)(flow->fragment >> 8), (uint8_t)flow->fragment, 64, flow->protocol, 0, 0 };

	put(frame, "\x08\x00", 2);
	put(frame, head, sizeof(head));
	put(frame, flow->source, 4);
	put(frame, flow->destination, 4);
	put(frame, options, 4 * flow->n_options);
}

static void put_ipv6(struct frame *frame, const struct flow *flow)
{
	uint8_t first = flow->fragment != 0 ? 44 : flow->protocol;
	const uint8_t options[] = { first, 0, 1, 4, 0, 0, 0, 0 };
	const uint8_t fragment[] = { flow->protocol, 0, (uint8_t)(flow->fragment >> 5),
		(uint8_t)(flow->fragment << 3 | flow->fragment >> 13), 1, 2, 3, 4 };

	put(frame, "\x86\xdd\x60\0\0\0\0\x50", 8);
	put(frame, flow->n_options != 0 ? &(const uint8_t){ 60 } : &first, 1);
	put(frame, "\x40", 1);
	put(frame, flow->source, 16);
	put(frame, flow->destination, 16);
	if (flow->n_options != 0)
		put(frame, options, sizeof(options));
	if (flow->fragment != 0)
		put(frame, fragment, sizeof(fragment));
}

static void build(struct frame *frame, const struct flow *flow)
{
	frame->length = 0;
	put(frame, flow->destination_mac, 6);
	put(frame, flow->source_mac, 6);
	for (unsigned i = 0; i < flow->n_tags; i++)
		put(frame, i == 0 ? "\x88\xa8\x00\x05" : "\x81\x00\x20\x06", 4);
	if (flow->is_ipv6)
		put_ipv6(frame, flow);
	else
		put_ipv4(frame, flow);
	put(frame, flow->source_port, 2);
	put(frame, flow->destination_port, 2);
	fixture_fill(frame->bytes + frame->length, flow->payload, flow->payload);
	frame->length += flow->payload;
}

static uint32_t hash_bytes(
	struct rte_mempool *pool, const uint8_t *bytes, uint32_t length, uint16_t part)
{
	struct rte_mbuf *packet = fixture_packet(pool, bytes, length, part);
	uint32_t hash = fc_flow_hash(packet);

	fixture_assert_bytes(packet, bytes, length);
	rte_pktmbuf_free(packet);
	return hash;
}

static uint32_t hash(struct rte_mempool *pool, const struct flow *flow)
{
	struct frame frame;

	build(&frame, flow);
	return hash_bytes(pool, frame.bytes, frame.length, 0);
}

static void check_symmetric(struct rte_mempool *pool, struct flow flow)
{
	uint32_t plain = hash(pool, &flow);
	struct flow back = reverse(&flow);

	assert_int_equal(hash(pool, &back), plain);
	/* Nothing else matters. */
	flow.payload = 60;
	assert_int_equal(hash(pool, &flow), plain);
	flow.source_mac[5] ^= 4;
	assert_int_equal(hash(pool, &flow), plain);
	for (flow.n_tags = 0; flow.n_tags <= 8; flow.n_tags++)
		assert_int_equal(hash(pool, &flow), plain);
	flow.n_tags = 0;
	for (flow.n_options = 0; flow.n_options <= 10; flow.n_options++)
		assert_int_equal(hash(pool, &flow), plain);
}

static void test_symmetric(void **state)
{
	static const uint8_t protocols[] = { 6, 17, 132, 136, 33, 1, 58, 47, 50 };

	for (unsigned i = 0; i < RTE_DIM(protocols); i++) {
		struct flow flow = base4;

		flow.protocol = protocols[i];
		check_symmetric(*state, flow);
		flow.fragment = 0x2000;
		check_symmetric(*state, flow);
		flow = base6();
		flow.protocol = protocols[i];
		check_symmetric(*state, flow);
		flow.fragment = 0x2000;
		check_symmetric(*state, flow);
	}
}

/* Every bit of addresses, ports and protocol makes another flow. */
static void check_bits(struct rte_mempool *pool, const struct flow *flow)
{
	uint32_t plain = hash(pool, flow);

	for (unsigned bit = 0; bit < (flow->is_ipv6 ? 128 : 32); bit++) {
		struct flow other = *flow;

		other.source[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_int_not_equal(hash(pool, &other), plain);
		other = *flow;
		other.destination[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_int_not_equal(hash(pool, &other), plain);
	}
	for (unsigned bit = 0; bit < 16; bit++) {
		struct flow other = *flow;

		other.source_port[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_int_not_equal(hash(pool, &other), plain);
		other = *flow;
		other.destination_port[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_int_not_equal(hash(pool, &other), plain);
	}
	for (unsigned protocol = 1; protocol < 256; protocol++) {
		struct flow other = *flow;

		/* Headers of IPv6, behind which the protocol is. */
		if (protocol == flow->protocol || protocol == 43 || protocol == 44 ||
			protocol == 60)
			continue;
		other.protocol = (uint8_t)protocol;
		assert_int_not_equal(hash(pool, &other), plain);
	}
}

static void test_bits(void **state)
{
	const struct flow flow6 = base6();

	check_bits(*state, &base4);
	check_bits(*state, &flow6);
}

/* All fragments of a datagram have one hash, whatever is where ports would be. */
static void check_fragments(struct rte_mempool *pool, struct flow flow)
{
	uint32_t first;

	flow.fragment = 0x2000;
	first = hash(pool, &flow);
	for (unsigned offset = 1; offset < 0x2000; offset += 97) {
		fixture_fill(flow.source_port, 2, offset);
		fixture_fill(flow.destination_port, 2, offset + 1);
		flow.fragment = (uint16_t)(0x2000 | offset);
		assert_int_equal(hash(pool, &flow), first);
		flow.fragment = (uint16_t)offset;
		assert_int_equal(hash(pool, &flow), first);
	}
	flow.source[1] ^= 1;
	assert_int_not_equal(hash(pool, &flow), first);
}

static void test_fragments(void **state)
{
	check_fragments(*state, base4);
	check_fragments(*state, base6());
}

static void check_segments(struct rte_mempool *pool, struct flow flow)
{
	for (flow.n_tags = 0; flow.n_tags < 3; flow.n_tags++) {
		struct frame frame;
		uint32_t whole;

		build(&frame, &flow);
		whole = hash_bytes(pool, frame.bytes, frame.length, 0);
		for (uint16_t part = 1; part < frame.length; part++)
			assert_int_equal(hash_bytes(pool, frame.bytes, frame.length, part), whole);
	}
}

static void test_segments(void **state)
{
	check_segments(*state, base4);
	check_segments(*state, base6());
}

/* Cut anywhere: no byte behind the end counts, and both directions agree. */
static void check_cut(struct rte_mempool *pool, struct flow flow)
{
	const struct flow back = reverse(&flow);
	struct frame there, here;

	build(&there, &flow);
	build(&here, &back);
	for (uint32_t length = 1; length <= there.length; length++) {
		uint32_t value = hash_bytes(pool, there.bytes, length, 3);

		assert_int_equal(hash_bytes(pool, there.bytes, length, 0), value);
		assert_int_equal(hash_bytes(pool, here.bytes, length, 0), value);
		if (length < 14)
			assert_int_equal(value, 0);
		else
			assert_int_not_equal(value, 0);
	}
}

static void test_cut(void **state)
{
	struct flow flow = base6();

	check_cut(*state, base4);
	check_cut(*state, flow);
	flow.n_options = 1;
	flow.fragment = 0x2000;
	check_cut(*state, flow);
}

/* Other EtherTypes: by the MAC addresses and the type. */
static void test_other(void **state)
{
	uint8_t frame[64] = { 2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x88, 0x47 };
	uint8_t back[64] = { 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x88, 0x47 };
	uint32_t plain = hash_bytes(*state, frame, sizeof(frame), 0);

	assert_int_equal(hash_bytes(*state, back, sizeof(back), 5), plain);
	back[20] = 9;
	assert_int_equal(hash_bytes(*state, back, sizeof(back), 0), plain);
	for (unsigned bit = 0; bit < 14 * 8; bit++) {
		frame[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_int_not_equal(hash_bytes(*state, frame, sizeof(frame), 0), plain);
		frame[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
}

/* Flows that differ by little take ports that differ, all in the range of RFC 6335. */
static void test_ports(void **state)
{
	unsigned used[64] = { 0 };
	struct flow flow = base4;

	for (unsigned i = 0; i < 4096; i++) {
		uint16_t port;

		flow.source[3] = (uint8_t)(i >> 6);
		flow.source_port[1] = (uint8_t)(i & 63);
		port = fc_flow_port(hash(*state, &flow));
		assert_in_range(port, 49152, 65535);
		used[(port - 49152) / 256]++;
	}
	for (unsigned i = 0; i < RTE_DIM(used); i++)
		assert_in_range(used[i], 32, 128);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_symmetric, fixture_check),
		cmocka_unit_test_teardown(test_bits, fixture_check),
		cmocka_unit_test_teardown(test_fragments, fixture_check),
		cmocka_unit_test_teardown(test_segments, fixture_check),
		cmocka_unit_test_teardown(test_cut, fixture_check),
		cmocka_unit_test_teardown(test_other, fixture_check),
		cmocka_unit_test_teardown(test_ports, fixture_check),
	};

	return cmocka_run_group_tests(tests, fixture_start, fixture_stop);
}
