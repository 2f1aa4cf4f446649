/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "dpdk_fixture.h"
#include "tunnel_feed_rig.h"

/* A feed into a tunnel while everything happens that can: no packet may be lost from the books. */

/* Numbers without a pattern, the same in each run. */
static uint32_t draw(uint64_t *seed, uint32_t n)
{
	*seed = *seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
	return (uint32_t)(*seed >> 33) % n;
}

#define MAX_OFFERED 1024

static uint32_t lengths_offered[MAX_OFFERED];

static void offer_any(struct tunnel_feed *f, uint64_t *seed)
{
	struct rte_mbuf *packets[4];
	uint16_t n = (uint16_t)(1 + draw(seed, RTE_DIM(packets)));
	bool owned = draw(seed, 2) == 0;

	for (uint16_t i = 0; i < n; i++) {
		uint32_t length = 60 + draw(seed, draw(seed, 3) == 0 ? RIG_LONGEST - 60 : 1600);
		uint64_t number = f->n_offered + i;

		lengths_offered[number] = length;
		packets[i] = rig_frame(f->frames, number, length, 0, 0);
	}
	rig_offer(f, packets, n, owned);
	if (!owned)
		rte_pktmbuf_free_bulk(packets, n);
}

/* Whatever whole packet arrives is one that was offered, in order. @return How many. */
static uint64_t read_all(struct tunnel_feed *f, uint64_t *next)
{
	struct rte_mbuf *packet;
	uint64_t n = 0;

	for (; (packet = rig_read(f)) != NULL; n++) {
		uint64_t number = rig_frame_number(packet);
		uint8_t bytes[RIG_LONGEST];

		assert_true(number >= *next && number < f->n_offered);
		*next = number + 1;
		rig_frame_bytes(bytes, number, lengths_offered[number], 0);
		fixture_assert_bytes(packet, bytes, lengths_offered[number]);
		rte_pktmbuf_free(packet);
	}
	return n;
}

static void do_anything(struct tunnel_feed *f, uint64_t *seed)
{
	switch (draw(seed, 12)) {
	case 0:
		rig_port_limit(&f->port, (uint16_t)draw(seed, 12));
		break;
	case 1:
		rig_port_limit(&f->port, RIG_ALL);
		break;
	case 2:
		rig_port_refuse_if(&f->port, draw(seed, 3) == 0 ? rig_is_middle : NULL);
		break;
	case 3:
		fc_tunnel_set_destination(&f->tunnel.header,
			draw(seed, 3) == 0 ? NULL : (const uint8_t[]){ 2, 0, 0, 0, 0, 9 });
		break;
	case 4:
		f->reached += draw(seed, 8) == 0 ? RIG_WINDOW : 1;
		break;
	case 5:
	case 6:
	case 7:
		rig_feed_drain(&f->feed);
		break;
	default:
		offer_any(f, seed);
	}
	assert_int_equal(rig_feed_sum(&f->feed), f->n_offered);
}

/* Everything at once, with plenty of buffers and with few. */
static void test_any_sequence(void **state)
{
	(void)state;
	for (uint64_t run = 0; run < 60; run++) {
		const struct tunnel_feed_options options = { .n_copies = run % 3 == 0 ? 40 : 0 };
		struct fc_tunnel_params params =
			rig_mtu_1500(run & 1 ? FC_TUNNEL_VXLAN : FC_TUNNEL_GRETAP, 4);
		uint64_t seed = run + 1, n_read = 0, next = 0;
		struct tunnel_feed f;

		rig_begin(&f, &params, &options);
		for (unsigned i = 0; i < 300; i++) {
			do_anything(&f, &seed);
			if (draw(&seed, 4) == 0)
				n_read += read_all(&f, &next);
			assert_true(f.n_offered < MAX_OFFERED - 4);
		}
		rig_port_limit(&f.port, RIG_ALL);
		rig_drain(&f);
		n_read += read_all(&f, &next);
		assert_int_equal(n_read, fc_tally_read(&f.feed.tx).packets);
		assert_int_equal(fc_tally_read(&f.feed.queued).packets, 0);
		rig_end(&f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_any_sequence),
	};

	return cmocka_run_group_tests(tests, fixture_start, fixture_stop);
}
