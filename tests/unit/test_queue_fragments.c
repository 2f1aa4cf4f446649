/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include <rte_cycles.h>

#include "dpdk_fixture.h"
#include "golden_neighbours.h"
#include "queue_rig.h"

/*
 * Who counts outer fragments, and gets what they become; rig_end() checks in every test that each
 * frame was counted once.
 */

#define LONG 2000 /* bytes of a frame that comes in two fragments */

/* Receive fragments; @return the bytes of all but the last. */
static uint64_t receive_all(struct queue_rig *q, struct rte_mbuf **fragments, unsigned n)
{
	uint64_t size = 0;

	for (unsigned i = 0; i < n; i++) {
		size += i < n - 1 ? fragments[i]->pkt_len : 0;
		rig_receive(q, fragments[i]);
	}
	return size;
}

/* The pieces are held by the first tap; the last one is what its packet came with. */
static void test_whole(void **state)
{
	(void)state;
	for (unsigned tap = 0; tap < RIG_TAPS; tap++) {
		struct rte_mbuf *fragments[RIG_FRAGMENTS];
		uint64_t held, last;
		struct queue_rig q;
		unsigned n;

		rig_begin(&q, QUEUE_ENDS, RIG_TAPS);
		n = rig_wrap_fragments(&q, tap, 7, LONG, fragments);
		last = fragments[n - 1]->pkt_len;
		held = receive_all(&q, fragments, n - 1) + fragments[n - 2]->pkt_len;
		rig_poll(&q);
		rig_expect_no_frame(&q, tap);
		rig_expect_count(&q.intakes[0]->held, n - 1, held);
		rig_expect_count(&q.intakes[0]->rx, n - 1, held);
		rig_receive(&q, fragments[n - 1]);
		rig_poll(&q);
		rig_expect_frame(&q, tap, 7, LONG);
		rig_expect_no_frame(&q, tap);
		rig_expect_count(&q.intakes[0]->held, n - 1, held);
		if (tap != 0)
			rig_expect_count(&q.intakes[tap]->rx, 1, last);
		else
			rig_expect_count(&q.intakes[0]->rx, n, held + last);
		rig_expect_count(&q.intakes[tap]->forwarded, 1, LONG);
		rig_expect_drops(&q, 0, FC_DROP_NOT_OURS, 0, 0);
		rig_end(&q);
	}
}

/* In whatever order they come, and whatever comes between. */
static void test_out_of_order(void **state)
{
	struct rte_mbuf *a[RIG_FRAGMENTS], *b[RIG_FRAGMENTS];
	struct queue_rig q;
	unsigned n, m;

	(void)state;
	rig_begin(&q, QUEUE_ENDS, RIG_TAPS);
	n = rig_wrap_fragments(&q, 0, 1, LONG, a);
	m = rig_wrap_fragments(&q, 2, 2, LONG, b);
	assert_int_equal(n, 2);
	assert_int_equal(m, 2);
	rig_receive(&q, a[1]);
	rig_receive(&q, rig_wrap(&q, 0, 3, RIG_INNER));
	rig_receive(&q, b[1]);
	rig_receive(&q, b[0]);
	rig_receive(&q, rig_wrap(&q, 0, 4, RIG_INNER));
	rig_receive(&q, a[0]);
	rig_receive(&q, rig_wrap(&q, 0, 5, RIG_INNER));
	rig_poll(&q);
	/* A packet is there when its last fragment is. */
	rig_expect_frame(&q, 0, 3, RIG_INNER);
	rig_expect_frame(&q, 0, 4, RIG_INNER);
	rig_expect_frame(&q, 0, 1, LONG);
	rig_expect_frame(&q, 0, 5, RIG_INNER);
	rig_expect_frame(&q, 2, 2, LONG);
	rig_expect_no_frame(&q, 0);
	rig_end(&q);
}

/* Fragments that others hold are put together from copies. */
static void test_shared(void **state)
{
	static struct rig_snapshot snapshots[RIG_FRAGMENTS];
	struct rte_mbuf *fragments[RIG_FRAGMENTS];
	struct queue_rig q;
	unsigned n;

	(void)state;
	rig_begin(&q, QUEUE_ENDS, 1);
	n = rig_wrap_fragments(&q, 0, 7, LONG, fragments);
	for (unsigned i = 0; i < n; i++) {
		rig_snapshot_take(&snapshots[i], fragments[i]);
		rte_pktmbuf_refcnt_update(fragments[i], 1);
	}
	receive_all(&q, fragments, n);
	rig_poll(&q);
	rig_expect_frame(&q, 0, 7, LONG);
	for (unsigned i = 0; i < n; i++) {
		rig_snapshot_compare(&snapshots[i]);
		assert_int_equal(rte_mbuf_refcnt_read(fragments[i]), 1);
		rte_pktmbuf_free(fragments[i]);
	}
	rig_end(&q);
}

/* A fragment that came twice is counted twice, and does no harm. */
static void test_twice(void **state)
{
	struct rte_mbuf *fragments[RIG_FRAGMENTS];
	struct queue_rig q;
	unsigned n;

	(void)state;
	rig_begin(&q, QUEUE_ENDS, 2);
	n = rig_wrap_fragments(&q, 1, 7, LONG, fragments);
	rig_receive(&q, rte_pktmbuf_copy(fragments[0], q.frames, 0, UINT32_MAX));
	receive_all(&q, fragments, n);
	rig_poll(&q);
	rig_expect_frame(&q, 1, 7, LONG);
	assert_int_equal(fc_tally_read(&q.intakes[0]->held).packets, n);
	assert_int_equal(fc_tally_read(&q.intakes[1]->rx).packets, 1);
	rig_end(&q);
}

/*
 * What is put together and is for no end after all, or is broken, is the first tap's loss: with the
 * bytes of what was lost, the whole packet.
 */
static void test_lost_whole(void **state)
{
	(void)state;
	for (unsigned broken = 0; broken <= 1; broken++) {
		enum fc_drop drop = broken ? FC_DROP_MALFORMED : FC_DROP_NOT_OURS;
		struct rte_mbuf *fragments[RIG_FRAGMENTS];
		struct queue_rig q;
		unsigned n;

		rig_begin(&q, QUEUE_ENDS, 2);
		n = rig_wrap_fragments(&q, broken ? 0 : RIG_STRAY, 7, LONG, fragments);
		if (broken) /* the flags of VXLAN, behind Ethernet, IP and UDP */
			*rte_pktmbuf_mtod_offset(fragments[0], uint8_t *, 14 + 20 + 8) = 0;
		receive_all(&q, fragments, n);
		rig_poll(&q);
		rig_expect_drops(&q, 0, drop, 1, LONG + 14 + 20 + 8 + 8);
		rig_expect_drops(&q, 1, drop, 0, 0);
		assert_int_equal(fc_tally_read(&q.intakes[0]->held).packets, n - 1);
		assert_int_equal(rte_mempool_in_use_count(q.frames), 0);
		rig_end(&q);
	}
}

/* Have a table of which what is in it is too old at the next look. */
static void forget_fast(struct queue_rig *q)
{
	const struct fc_reassembly_limits limits = {
		.max_datagrams = 64, .max_mbufs = 512, .timeout_cycles = 1
	};

	fc_reassembly_free(q->queue.reassembly);
	q->queue.reassembly = fc_reassembly_new(&limits, SOCKET_ID_ANY);
	assert_non_null(q->queue.reassembly);
}

/* Fragments that wait in vain are given up when nothing more arrives, too. */
static void test_expiry(void **state)
{
	const struct fc_reassembly_counts *counts;
	struct rte_mbuf *fragments[RIG_FRAGMENTS];
	struct queue_rig q;
	unsigned n;

	(void)state;
	rig_begin(&q, QUEUE_ENDS, 2);
	forget_fast(&q);
	counts = fc_reassembly_counts(q.queue.reassembly);
	n = rig_wrap_fragments(&q, 1, 7, LONG, fragments);
	rig_receive(&q, fragments[0]);
	assert_int_equal(fc_queue_poll(&q.queue), 1);
	assert_int_equal(counts->held, 1);
	assert_int_equal(fc_queue_poll(&q.queue), 0);
	assert_int_equal(counts->held, 0);
	assert_int_equal(counts->timed_out, 1);
	/* They have been counted when they came. */
	assert_int_equal(fc_tally_read(&q.intakes[0]->held).packets, 1);
	/* The others come too late. */
	receive_all(&q, fragments + 1, n - 1);
	rig_poll(&q);
	rig_expect_no_frame(&q, 1);
	assert_int_equal(fc_tally_read(&q.intakes[0]->held).packets, n);
	rig_end(&q);
}

/* An lcore that takes nothing does not keep fragments from growing old. */
static void test_expiry_without_room(void **state)
{
	struct fc_handoff handoff = { .ring = rte_ring_create("handoff", FC_HANDOFF_WORDS,
					      SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ) };
	const struct fc_reassembly_counts *counts;
	struct rte_mbuf *fragments[RIG_FRAGMENTS];
	struct queue_rig q;
	uint64_t size;
	unsigned n;

	(void)state;
	rig_begin(&q, QUEUE_ENDS, 1);
	forget_fast(&q);
	counts = fc_reassembly_counts(q.queue.reassembly);
	n = rig_wrap_fragments(&q, 0, 7, LONG, fragments);
	rig_receive(&q, fragments[0]);
	size = q.size_received;
	assert_int_equal(fc_queue_poll(&q.queue), 1);
	while (rte_ring_free_count(handoff.ring) > 0)
		assert_int_equal(rte_ring_enqueue(handoff.ring, NULL), 0);
	q.taps[0].routes[0] = (struct fc_route){ .handoff = &handoff };
	rig_receive(&q, rig_wrap(&q, 0, 1, RIG_INNER));
	assert_int_equal(fc_queue_poll(&q.queue), 0);
	assert_int_equal(counts->held, 0);
	assert_int_equal(counts->timed_out, 1);
	assert_int_equal(rte_ring_count(q.port.in), 1);
	q.n_received--; /* the port has it */
	q.size_received = size;
	rte_ring_free(handoff.ring);
	rte_pktmbuf_free_bulk(fragments + 1, n - 1);
	rig_end(&q);
}

/* Numbers without a pattern, the same in each run. */
static uint32_t draw(uint64_t *seed, uint32_t n)
{
	*seed = *seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
	return (uint32_t)(*seed >> 33) % n;
}

/* What a mixture must have come to. */
struct expected {
	uint64_t n_wholes[RIG_TAPS]; /* numbers 1, 2, .. */
	uint64_t n_not_ours, n_malformed, n_held;
};

static void receive_any(struct queue_rig *q, struct expected *expected, uint64_t *seed)
{
	struct rte_mbuf *fragments[RIG_FRAGMENTS], *packet;
	unsigned tap = draw(seed, q->queue.n_intakes), n;

	switch (draw(seed, 6)) {
	case 0:
		rig_receive_bytes(q, golden_arp_request, sizeof(golden_arp_request) - 1);
		expected->n_not_ours++;
		return;
	case 1:
		packet = rig_wrap(q, tap, 0, RIG_INNER);
		rte_pktmbuf_trim(packet, 1 + (uint16_t)draw(seed, RIG_INNER));
		rig_receive(q, packet);
		expected->n_malformed++;
		return;
	case 2:
		rig_receive(q, rig_wrap(q, RIG_STRAY, 0, RIG_INNER));
		expected->n_not_ours++;
		return;
	case 3:
		n = rig_wrap_fragments(q, tap, ++expected->n_wholes[tap], LONG, fragments);
		receive_all(q, fragments, n);
		expected->n_held += n - 1;
		return;
	case 4:
		n = rig_wrap_fragments(q, tap, 0, LONG, fragments);
		rig_receive(q, fragments[0]);
		rte_pktmbuf_free_bulk(fragments + 1, n - 1);
		expected->n_held++;
		return;
	default:
		rig_receive(q, rig_wrap(q, tap, ++expected->n_wholes[tap], RIG_INNER));
	}
}

static void check_frames(struct queue_rig *q, const struct expected *expected)
{
	for (unsigned tap = 0; tap < q->queue.n_intakes; tap++) {
		for (uint64_t i = 1; i <= expected->n_wholes[tap]; i++) {
			struct rte_mbuf *packet = rig_port_read(&q->taps[tap].port);
			uint8_t bytes[LONG];

			assert_non_null(packet);
			assert_true(packet->pkt_len == LONG || packet->pkt_len == RIG_INNER);
			rig_frame_bytes(bytes, i, packet->pkt_len, 0);
			fixture_assert_bytes(packet, bytes, packet->pkt_len);
			rte_pktmbuf_free(packet);
		}
		rig_expect_no_frame(q, tap);
		assert_int_equal(fc_tally_read(&q->intakes[tap]->forwarded).packets,
			expected->n_wholes[tap]);
	}
}

/* Everything at once: what each tap gets and what the first one loses. */
static void test_any_mixture(void **state)
{
	(void)state;
	for (uint64_t run = 0; run < 30; run++) {
		struct expected expected = { .n_held = 0 };
		uint64_t seed = run + 1;
		const struct fc_intake *first;
		struct queue_rig q;

		rig_begin(&q, QUEUE_ENDS, (uint16_t)(1 + run % RIG_TAPS));
		for (unsigned i = 0; i < 200; i++) {
			receive_any(&q, &expected, &seed);
			if (draw(&seed, 30) == 0)
				fc_queue_poll(&q.queue);
		}
		rig_poll(&q);
		check_frames(&q, &expected);
		first = q.intakes[0];
		assert_int_equal(fc_tally_read(&first->drops[FC_DROP_NOT_OURS]).packets,
			expected.n_not_ours);
		assert_int_equal(fc_tally_read(&first->drops[FC_DROP_MALFORMED]).packets,
			expected.n_malformed);
		assert_int_equal(fc_tally_read(&first->held).packets, expected.n_held);
		rig_end(&q);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole),
		cmocka_unit_test(test_out_of_order),
		cmocka_unit_test(test_shared),
		cmocka_unit_test(test_twice),
		cmocka_unit_test(test_lost_whole),
		cmocka_unit_test(test_expiry),
		cmocka_unit_test(test_expiry_without_room),
		cmocka_unit_test(test_any_mixture),
	};

	return cmocka_run_group_tests(tests, fixture_start, fixture_stop);
}
