/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <fc_fragment.h>
#include <fc_tunnel.h>

#include "dpdk_fixture.h"
#include "tunnel_rig.h"

#define DATAGRAM_SIZE (FIXTURE_MAX_FRAME + FC_TUNNEL_MAX_SIZE)

static struct rte_mempool *frames, *headers, *clones, *whole_frames;

static unsigned get16(const uint8_t *at)
{
	return (unsigned)at[0] << 8 | at[1];
}

static uint32_t get32(const uint8_t *at)
{
	return (uint32_t)get16(at) << 16 | get16(at + 2);
}

/* RFC 1071, as it is written there. */
static bool is_sum_good(const uint8_t *bytes, uint32_t n)
{
	uint32_t sum = 0;

	for (uint32_t i = 0; i < n; i += 2)
		sum += get16(bytes + i);
	while (sum > 0xffff)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum == 0xffff;
}

static uint32_t copy(const struct rte_mbuf *packet, uint8_t *bytes)
{
	const uint8_t *from = rte_pktmbuf_read(packet, 0, packet->pkt_len, bytes);

	if (from != bytes)
		memcpy(bytes, from, packet->pkt_len);
	return packet->pkt_len;
}

/* An encapsulated packet, and what is expected of its fragments. */
struct sent {
	struct fc_tunnel_header header;
	struct fc_tunnel_state state;
	uint8_t bytes[DATAGRAM_SIZE]; /* whole, before it is split */
	uint32_t length;
	uint32_t l2;
	uint16_t mtu;
	uint8_t family;
};

/* Put the payload of one fragment where it belongs; true: it is the last. */
static bool check_fragment(const struct sent *sent, const struct rte_mbuf *fragment,
	uint8_t *payload, uint32_t *done, uint32_t id)
{
	uint8_t bytes[DATAGRAM_SIZE];
	uint32_t length = copy(fragment, bytes);
	const uint8_t *ip = bytes + sent->l2;
	uint32_t head = sent->l2 + (sent->family == 4 ? 20 : 48);
	const char *reason;
	unsigned offset;
	bool has_more;

	assert_int_equal(rte_mbuf_check(fragment, 1, &reason), 0);
	assert_true(length <= sent->l2 + sent->mtu);
	assert_memory_equal(bytes, sent->bytes, sent->l2);
	if (sent->family == 4) {
		assert_true(is_sum_good(ip, 20));
		assert_int_equal(get16(ip + 2), length - sent->l2);
		/* All but length, fragment and checksum is as it was. */
		assert_memory_equal(ip, sent->bytes + sent->l2, 2);
		assert_memory_equal(ip + 4, sent->bytes + sent->l2 + 4, 2);
		assert_memory_equal(ip + 8, sent->bytes + sent->l2 + 8, 2);
		assert_memory_equal(ip + 12, sent->bytes + sent->l2 + 12, 8);
		offset = (get16(ip + 6) & 0x1fff) * 8;
		has_more = (get16(ip + 6) & 0x2000) != 0;
		assert_int_equal(get16(ip + 6) & 0xc000, 0);
	} else {
		assert_int_equal(get16(ip + 4), length - sent->l2 - 40);
		assert_memory_equal(ip, sent->bytes + sent->l2, 4);
		assert_int_equal(ip[6], 44);
		assert_memory_equal(ip + 7, sent->bytes + sent->l2 + 7, 33);
		assert_int_equal(ip[40], sent->bytes[sent->l2 + 6]);
		assert_int_equal(ip[41], 0);
		offset = get16(ip + 42) & 0xfff8;
		has_more = (get16(ip + 42) & 7) == 1;
		assert_int_equal(get32(ip + 44), id);
	}
	/* In order, without gaps. */
	assert_int_equal(offset, *done);
	memcpy(payload + offset, bytes + head, length - head);
	*done += length - head;
	return !has_more;
}

static void check_split(const struct fc_fragment *how, const struct fc_tunnel_params *params,
	uint32_t length, uint16_t part)
{
	struct sent sent = { .state = { .fragment_id = UINT32_MAX, .packet_id = 7 },
		.mtu = params->mtu,
		.family = params->local.family,
		.l2 = params->vlan != 0 ? 18 : 14 };
	uint32_t skip = sent.l2 + (sent.family == 4 ? 20 : 40), done = 0;
	uint8_t frame[FIXTURE_MAX_FRAME], payload[DATAGRAM_SIZE];
	struct rte_mbuf *fragments[FC_FRAGMENT_MAX], *packet;
	int n;

	rig_inner(frame, length, length);
	packet = fixture_packet(frames, frame, length, part);
	rig_prepare(&sent.header, params);
	assert_int_equal(fc_tunnel_fit(&sent.header, packet), FC_TUNNEL_FRAGMENT);
	rig_push(&sent.header, &sent.state, &packet, 1, 0);
	sent.length = copy(packet, sent.bytes);
	n = fc_fragment(how, &sent.header, &sent.state, packet, fragments, RTE_DIM(fragments));
	assert_true(n >= 2);
	for (int i = 0; i < n; i++) {
		assert_int_equal(check_fragment(&sent, fragments[i], payload, &done, UINT32_MAX),
			i == n - 1);
		if (how->linear)
			assert_int_equal(fragments[i]->nb_segs, 1);
	}
	assert_int_equal(done, sent.length - skip);
	assert_memory_equal(payload, sent.bytes + skip, done);
	assert_int_equal(sent.state.fragment_id, sent.family == 6 ? 0 : UINT32_MAX);
	rte_pktmbuf_free_bulk(fragments, (unsigned)n);
}

static void check_lengths(const struct fc_fragment *how, const struct fc_tunnel_params *params)
{
	static const uint16_t parts[] = { 0, 64, 999 };
	uint32_t first = params->mtu; /* with the header it is longer than that */

	for (unsigned p = 0; p < RTE_DIM(parts); p++) {
		for (uint32_t length = first; length < first + 20; length++)
			check_split(how, params, length, parts[p]);
		for (uint32_t length = first; length < FIXTURE_MAX_FRAME; length += 509)
			check_split(how, params, length, parts[p]);
		check_split(how, params, FIXTURE_MAX_FRAME, parts[p]);
	}
}

static void test_split(void **state)
{
	static const uint16_t mtus[] = { 576, 1280, 1499, 1500 };
	const struct fc_fragment chained = { .headers = headers, .clones = clones };
	const struct fc_fragment linear = {
		.headers = whole_frames, .clones = clones, .linear = true
	};

	(void)state;
	for (unsigned i = 0; i < RTE_DIM(rig_types); i++) {
		for (unsigned variant = 0; variant < 4; variant++) {
			struct fc_tunnel_params params =
				rig_params(rig_types[i], variant & 1 ? 6 : 4);

			params.vlan = variant & 2 ? 7 : 0;
			for (unsigned m = variant & 1; m < RTE_DIM(mtus); m++) {
				params.mtu = mtus[m];
				check_lengths(&chained, &params);
				check_lengths(&linear, &params);
			}
		}
	}
}

/* A failure leaves the packet as it was, and gives back all that was taken. */
static void check_failure(const struct fc_fragment *how, uint8_t family, uint16_t max, int expected)
{
	struct fc_tunnel_params params = rig_params(FC_TUNNEL_VXLAN, family);
	struct rte_mbuf *fragments[FC_FRAGMENT_MAX], *packet;
	struct fc_tunnel_state state = { 0 };
	struct fc_tunnel_header header;
	uint8_t frame[5000], bytes[DATAGRAM_SIZE];
	uint32_t length;

	params.mtu = 1500;
	rig_prepare(&header, &params);
	rig_inner(frame, sizeof(frame), 1);
	packet = fixture_packet(frames, frame, sizeof(frame), 0);
	rig_push(&header, &state, &packet, 1, 0);
	length = copy(packet, bytes);
	assert_int_equal(fc_fragment(how, &header, &state, packet, fragments, max), expected);
	fixture_assert_bytes(packet, bytes, length);
	assert_int_equal(state.fragment_id, 0);
	rte_pktmbuf_free(packet);
	fixture_assert_full(how->headers);
	fixture_assert_full(how->clones);
}

static void test_failures(void **state)
{
	struct rte_mempool *few = fixture_pool_new("few", 3, 2048);
	const struct fc_fragment good = { .headers = headers, .clones = clones };
	const struct fc_fragment no_headers = { .headers = few, .clones = clones };
	const struct fc_fragment no_clones = { .headers = headers, .clones = few };
	const struct fc_fragment no_room = { .headers = headers, .clones = clones, .linear = true };

	(void)state;
	for (uint8_t family = 4; family <= 6; family += 2) {
		check_failure(&good, family, 3, -EMSGSIZE);
		check_failure(&no_headers, family, FC_FRAGMENT_MAX, -ENOBUFS);
		check_failure(&no_clones, family, FC_FRAGMENT_MAX, -ENOBUFS);
		check_failure(&no_room, family, FC_FRAGMENT_MAX, -EMSGSIZE);
	}
	rte_mempool_free(few);
}

static int start(void **state)
{
	fixture_start(state);
	frames = fixture_pool_new("frames", 255, 2048);
	headers = fixture_pool_new("headers", 63, FC_TUNNEL_MAX_SIZE);
	whole_frames = fixture_pool_new("whole", 63, 2048);
	clones = fixture_pool_new("clones", 511, 0);
	return 0;
}

static int stop(void **state)
{
	rte_mempool_free(frames);
	rte_mempool_free(headers);
	rte_mempool_free(whole_frames);
	rte_mempool_free(clones);
	return fixture_stop(state);
}

static int check_pools(void **state)
{
	(void)state;
	fixture_assert_full(frames);
	fixture_assert_full(headers);
	fixture_assert_full(whole_frames);
	fixture_assert_full(clones);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_split, check_pools),
		cmocka_unit_test_teardown(test_failures, check_pools),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
