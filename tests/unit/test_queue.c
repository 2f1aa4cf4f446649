/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include <rte_ip.h>

#include "dpdk_fixture.h"
#include "golden_neighbours.h"
#include "queue_rig.h"

/* Which tap gets and counts what a queue receives; rig_end() checks the sums in every test. */

#define BYTES(name) name, sizeof(name) - 1

#define ETHERNET 14 /* bytes in front of the outer IP header */

/* The outer headers of the rig's tunnels, Ethernet included. */
#define VXLAN_OUTER  50
#define GRETAP_OUTER 42
#define GENEVE_OUTER 70

static void begin_ends(struct queue_rig *q, uint16_t n_taps)
{
	rig_begin(q, QUEUE_ENDS, n_taps);
}

static void test_one_end(void **state)
{
	struct queue_rig q;

	(void)state;
	begin_ends(&q, 1);
	assert_int_equal(fc_queue_poll(&q.queue), 0);
	for (unsigned i = 0; i < FC_BURST + 8; i++)
		rig_receive(&q, rig_wrap(&q, 0, i, RIG_INNER + i));
	assert_int_equal(fc_queue_poll(&q.queue), FC_BURST);
	assert_int_equal(fc_queue_poll(&q.queue), 8);
	assert_int_equal(fc_queue_poll(&q.queue), 0);
	for (unsigned i = 0; i < FC_BURST + 8; i++)
		rig_expect_frame(&q, 0, i, RIG_INNER + i);
	rig_expect_no_frame(&q, 0);
	rig_expect_drops(&q, 0, FC_DROP_NOT_OURS, 0, 0);
	/* Counted as it was received, forwarded as it came out. */
	assert_int_equal(fc_tally_read(&q.intakes[0]->rx).bytes,
		fc_tally_read(&q.intakes[0]->forwarded).bytes + VXLAN_OUTER * (FC_BURST + 8));
	assert_int_equal(q.taps[0].reached, FC_BURST + 8);
	rig_end(&q);
}

/* Each tap gets what came through its tunnel, in its order, whatever came between. */
static void test_several_ends(void **state)
{
	static const uint32_t outer[RIG_TAPS] = { VXLAN_OUTER, GRETAP_OUTER, GENEVE_OUTER };
	uint64_t n[RIG_TAPS] = { 0 };
	struct queue_rig q;

	(void)state;
	begin_ends(&q, RIG_TAPS);
	for (unsigned i = 0; i < 100; i++) {
		unsigned tap = i * i % 7 % RIG_TAPS;

		rig_receive(&q, rig_wrap(&q, tap, tap << 8 | n[tap]++, RIG_INNER));
	}
	rig_poll(&q);
	for (unsigned tap = 0; tap < RIG_TAPS; tap++) {
		assert_true(n[tap] > 10);
		for (unsigned i = 0; i < n[tap]; i++)
			rig_expect_frame(&q, tap, tap << 8 | i, RIG_INNER);
		rig_expect_no_frame(&q, tap);
		rig_expect_drops(&q, tap, FC_DROP_NOT_OURS, 0, 0);
		rig_expect_count(&q.intakes[tap]->rx, n[tap], n[tap] * (RIG_INNER + outer[tap]));
		rig_expect_count(&q.intakes[tap]->forwarded, n[tap], n[tap] * RIG_INNER);
	}
	rig_end(&q);
}

/* What is for none of the taps is the first one's loss. */
static void test_strays(void **state)
{
	struct queue_rig q;
	uint8_t frame[60];

	(void)state;
	begin_ends(&q, 2);
	rig_inner(frame, sizeof(frame), 1);
	rig_receive(&q, rig_wrap(&q, RIG_STRAY, 1, RIG_INNER));
	rig_receive(&q, rig_wrap(&q, 0, 2, RIG_INNER));
	rig_receive(&q, rig_wrap(&q, 2, 3, RIG_INNER)); /* of a tap that is not there */
	rig_receive_bytes(&q, frame, sizeof(frame));
	rig_receive_bytes(&q, BYTES(golden_tcp));
	rig_receive(&q, rig_wrap(&q, 1, 4, RIG_INNER));
	rig_poll(&q);
	rig_expect_drops(&q, 0, FC_DROP_NOT_OURS, 4,
		RIG_INNER + VXLAN_OUTER + RIG_INNER + GENEVE_OUTER + sizeof(frame) +
			sizeof(golden_tcp) - 1);
	rig_expect_drops(&q, 1, FC_DROP_NOT_OURS, 0, 0);
	rig_expect_frame(&q, 0, 2, RIG_INNER);
	rig_expect_frame(&q, 1, 4, RIG_INNER);
	rig_expect_no_frame(&q, 0);
	rig_expect_no_frame(&q, 1);
	assert_null(rig_heard(&q));
	rig_end(&q);
}

/* A tunnelled packet of which one byte is wrong. */
static void receive_spoiled(struct queue_rig *q, unsigned tunnel, uint32_t at)
{
	struct rte_mbuf *packet = rig_wrap(q, tunnel, 1, RIG_INNER);

	*rte_pktmbuf_mtod_offset(packet, uint8_t *, at) ^= 0x08;
	rig_receive(q, packet);
}

static void test_malformed(void **state)
{
	struct queue_rig q;

	(void)state;
	begin_ends(&q, 2);
	receive_spoiled(&q, 0, ETHERNET + 10);	 /* the checksum of the IP header */
	receive_spoiled(&q, 1, ETHERNET);	 /* its length */
	receive_spoiled(&q, 0, VXLAN_OUTER - 8); /* the flag of VXLAN */
	rig_receive(&q, rig_wrap(&q, 1, 2, 13)); /* less than an Ethernet header in it */
	rig_receive_bytes(&q, "runt", 4);
	rig_receive_bytes(&q, golden_tcp, 13);
	rig_receive_bytes(&q, golden_tcp, 20);
	rig_receive(&q, rig_wrap(&q, 1, 3, 14));
	rig_poll(&q);
	rig_expect_drops(&q, 0, FC_DROP_MALFORMED, 7,
		3 * RIG_INNER + 2 * VXLAN_OUTER + 2 * GRETAP_OUTER + 13 + 4 + 13 + 20);
	rig_expect_drops(&q, 1, FC_DROP_MALFORMED, 0, 0);
	rig_expect_frame(&q, 1, 3, 14);
	rig_end(&q);
}

/* A packet that says it is longer than its only segment, as net_pcap makes them. */
static void receive_lying(struct queue_rig *q, struct rte_mbuf *packet)
{
	packet->pkt_len += 65536;
	rig_receive(q, packet);
}

/* Frames that arrived cut are looked into by nobody, whatever the queue is for. */
static void test_cut(void **state)
{
	static const struct {
		enum queue_kind kind;
		uint16_t n_taps;
	} cases[] = { { QUEUE_ENDS, 2 }, { QUEUE_PLAIN, 1 }, { QUEUE_DEAF, 0 } };

	(void)state;
	for (unsigned i = 0; i < RTE_DIM(cases); i++) {
		const uint64_t size =
			3 * 65536 + 2 * (RIG_INNER + VXLAN_OUTER) + sizeof(golden_arp_request) - 1;
		struct rte_mbuf *shared, *packet;
		struct queue_rig q;

		rig_begin(&q, cases[i].kind, cases[i].n_taps);
		receive_lying(&q, rig_wrap(&q, 0, 1, RIG_INNER));
		rig_receive_bytes(&q, BYTES(golden_arp_request));
		receive_lying(&q, fixture_packet(q.frames, BYTES(golden_arp_request), 0));
		shared = rig_wrap(&q, 0, 2, RIG_INNER);
		rte_mbuf_refcnt_update(shared, 1);
		receive_lying(&q, shared);
		rig_poll(&q);
		rte_pktmbuf_free(shared);
		packet = rig_heard(&q);
		fixture_assert_bytes(packet, BYTES(golden_arp_request));
		rte_pktmbuf_free(packet);
		assert_null(rig_heard(&q));
		if (cases[i].n_taps != 0) {
			rig_expect_count(&q.intakes[0]->drops[FC_DROP_MALFORMED], 3, size);
			rig_expect_count(&q.intakes[0]->hints[FC_HINT_CUT], 3, size);
		}
		/* A burst of such only. */
		receive_lying(&q, rig_wrap(&q, 0, 1, RIG_INNER));
		rig_poll(&q);
		rig_end(&q);
	}
}

/* A frame that fills the driver's buffer to its end was cut, though its tunnel says otherwise. */
static void test_cut_at(void **state)
{
	struct queue_rig q;

	(void)state;
	begin_ends(&q, 2);
	q.queue.longest = RIG_INNER + GRETAP_OUTER;
	rig_receive(&q, rig_wrap(&q, 1, 1, RIG_INNER));
	rig_receive(&q, rig_wrap(&q, 1, 2, RIG_INNER + 1));
	rig_receive(&q, rig_wrap(&q, 1, 3, RIG_INNER));
	rig_poll(&q);
	rig_expect_drops(&q, 0, FC_DROP_MALFORMED, 1, RIG_INNER + 1 + GRETAP_OUTER);
	rig_expect_count(&q.intakes[0]->hints[FC_HINT_CUT], 1, RIG_INNER + 1 + GRETAP_OUTER);
	rig_expect_frame(&q, 1, 1, RIG_INNER);
	rig_expect_frame(&q, 1, 3, RIG_INNER);
	rig_expect_no_frame(&q, 1);
	rig_end(&q);
}

/* What became of packets: who forwarded or held how many, and why the first tap lost how many. */
static uint32_t outcome(const struct queue_rig *q)
{
	uint32_t bits = 0;

	for (uint16_t i = 0; i < q->queue.n_intakes; i++)
		bits += (uint32_t)fc_tally_read(&q->intakes[i]->forwarded).packets << 4 * i;
	bits += (uint32_t)fc_tally_read(&q->intakes[0]->held).packets << 12;
	for (unsigned i = 0; i < FC_N_DROPS; i++)
		bits += (uint32_t)fc_tally_read(&q->intakes[0]->drops[i]).packets * (i + 1) << 16;
	return bits;
}

/* Receive a packet after many that were alike, or as the first one; with one bit wrong. */
static uint32_t receive_flipped(unsigned tunnel, unsigned bit, unsigned n_alike)
{
	struct rte_ipv4_hdr *ip;
	struct rte_mbuf *packet;
	struct queue_rig q;
	uint32_t before;

	begin_ends(&q, 2);
	for (unsigned i = 0; i < n_alike; i++)
		rig_receive(&q, rig_wrap(&q, tunnel, i, RIG_INNER));
	rig_poll(&q);
	before = outcome(&q);
	packet = rig_wrap(&q, tunnel, 1, RIG_INNER);
	rte_pktmbuf_mtod(packet, uint8_t *)[bit / 8] ^= (uint8_t)(1 << bit % 8);
	/* Only where the checksum itself is wrong does it say so. */
	ip = rte_pktmbuf_mtod_offset(packet, struct rte_ipv4_hdr *, ETHERNET);
	if (bit / 8 != ETHERNET + 10 && bit / 8 != ETHERNET + 11) {
		ip->hdr_checksum = 0;
		ip->hdr_checksum = rte_ipv4_cksum(ip);
	}
	rig_receive(&q, packet);
	rig_poll(&q);
	before = outcome(&q) - before;
	rig_end(&q);
	return before;
}

/* What a packet is does not depend on those before it. */
static void test_alike(void **state)
{
	(void)state;
	for (unsigned tunnel = 0; tunnel < 2; tunnel++) {
		unsigned n_good = 0;

		for (unsigned bit = 0; bit < 8 * VXLAN_OUTER; bit++) {
			uint32_t first = receive_flipped(tunnel, bit, 0);

			assert_int_not_equal(first, 0);
			assert_int_equal(receive_flipped(tunnel, bit, 20), first);
			n_good += first == 1U << 4 * tunnel;
		}
		/* MAC addresses, TTL, TOS, ID and what is said of the sender do not matter. */
		assert_in_range(n_good, 96 + 8 + 8 + 16 + 32, 8 * VXLAN_OUTER * 3 / 4);
	}
}

/* What is for the port itself is heard, and counted as none of the taps'. */
static void test_host(void **state)
{
	struct rte_mbuf *packet;
	struct queue_rig q;

	(void)state;
	begin_ends(&q, RIG_TAPS);
	rig_receive_bytes(&q, BYTES(golden_arp_request));
	rig_receive(&q, rig_wrap(&q, 1, 1, RIG_INNER));
	rig_receive_bytes(&q, BYTES(golden_ping6));
	rig_poll(&q);
	packet = rig_heard(&q);
	fixture_assert_bytes(packet, BYTES(golden_arp_request));
	rte_pktmbuf_free(packet);
	packet = rig_heard(&q);
	fixture_assert_bytes(packet, BYTES(golden_ping6));
	rte_pktmbuf_free(packet);
	assert_null(rig_heard(&q));
	rig_expect_drops(&q, 0, FC_DROP_NOT_OURS, 2,
		sizeof(golden_arp_request) - 1 + sizeof(golden_ping6) - 1);
	rig_expect_drops(&q, 1, FC_DROP_NOT_OURS, 0, 0);
	rig_expect_frame(&q, 1, 1, RIG_INNER);
	rig_end(&q);
}

/* Who floods the port with requests fills the ring, and no more: each is counted all the same. */
static void test_host_flood(void **state)
{
	const unsigned n = 3 * FC_HOST_WORDS;
	struct queue_rig q;

	(void)state;
	begin_ends(&q, 1);
	for (unsigned i = 0; i < n; i++)
		rig_receive_bytes(&q, BYTES(golden_arp_request));
	rig_receive(&q, rig_wrap(&q, 0, 1, RIG_INNER));
	rig_poll(&q);
	assert_int_equal(rte_ring_count(q.queue.heard), RIG_HEARD);
	assert_int_equal(rte_mempool_in_use_count(q.frames), RIG_HEARD + 1);
	rig_expect_drops(
		&q, 0, FC_DROP_NOT_OURS, n, (uint64_t)n * (sizeof(golden_arp_request) - 1));
	rig_expect_frame(&q, 0, 1, RIG_INNER);
	rig_end(&q);
}

/* Frames that somebody else holds, as from net_ring, are looked at and taken apart in copies. */
static void test_shared(void **state)
{
	static struct rig_snapshot snapshots[6];
	struct rte_mbuf *packets[6];
	struct queue_rig q;

	(void)state;
	begin_ends(&q, RIG_TAPS);
	for (unsigned i = 0; i < RIG_TAPS; i++)
		packets[i] = rig_wrap(&q, i, i, RIG_INNER);
	packets[3] = rig_wrap(&q, 0, 3, 1900); /* longer than what is copied whole */
	packets[4] = fixture_packet(q.frames, BYTES(golden_arp_request), 0);
	packets[5] = fixture_packet(q.frames, BYTES(golden_tcp), 20);
	for (unsigned i = 0; i < RTE_DIM(packets); i++) {
		rig_snapshot_take(&snapshots[i], packets[i]);
		rte_pktmbuf_refcnt_update(packets[i], 1);
		rig_receive(&q, packets[i]);
		rig_receive(&q, rig_wrap(&q, 0, 10 + i, RIG_INNER));
	}
	rig_poll(&q);
	rig_expect_frame(&q, 0, 0, RIG_INNER);
	for (unsigned i = 0; i < 3; i++)
		rig_expect_frame(&q, 0, 10 + i, RIG_INNER);
	rig_expect_frame(&q, 0, 3, 1900);
	for (unsigned i = 3; i < RTE_DIM(packets); i++)
		rig_expect_frame(&q, 0, 10 + i, RIG_INNER);
	rig_expect_frame(&q, 1, 1, RIG_INNER);
	rig_expect_frame(&q, 2, 2, RIG_INNER);
	rte_pktmbuf_free(rig_heard(&q));
	for (unsigned i = 0; i < RTE_DIM(packets); i++) {
		rig_snapshot_compare(&snapshots[i]);
		assert_int_equal(rte_mbuf_refcnt_read(packets[i]), 1);
		rte_pktmbuf_free(packets[i]);
	}
	rig_end(&q);
}

/* A frame for which there is no copy is the first tap's loss, whosever it would have been. */
static void test_nombuf(void **state)
{
	struct rte_mbuf *held[RIG_N_COPIES], *packets[3];
	struct queue_rig q;

	(void)state;
	begin_ends(&q, 2);
	assert_int_equal(rte_pktmbuf_alloc_bulk(q.copies, held, RIG_N_COPIES), 0);
	rig_receive(&q, rig_wrap(&q, 1, 0, RIG_INNER));
	for (unsigned i = 0; i < RTE_DIM(packets); i++) {
		packets[i] = rig_wrap(&q, 1, 1 + i, RIG_INNER);
		rte_pktmbuf_refcnt_update(packets[i], 1);
		rig_receive(&q, packets[i]);
	}
	rte_pktmbuf_free(held[0]);
	rig_poll(&q);
	rig_expect_frame(&q, 1, 0, RIG_INNER);
	rig_expect_frame(&q, 1, 1, RIG_INNER);
	rig_expect_no_frame(&q, 1);
	rig_expect_drops(&q, 0, FC_DROP_NOMBUF, 2, 2 * (RIG_INNER + GRETAP_OUTER));
	rig_expect_drops(&q, 1, FC_DROP_NOMBUF, 0, 0);
	rte_pktmbuf_free_bulk(held + 1, RIG_N_COPIES - 1);
	rte_pktmbuf_free_bulk(packets, RTE_DIM(packets));
	rig_receive(&q, rig_wrap(&q, 1, 9, RIG_INNER));
	rig_poll(&q);
	rig_expect_frame(&q, 1, 9, RIG_INNER);
	rig_end(&q);
}

/* A port that only sends has nobody for what it receives, but its own address. */
static void test_no_taps(void **state)
{
	struct rte_mbuf *packet;
	struct queue_rig q;

	(void)state;
	rig_begin(&q, QUEUE_DEAF, 0);
	for (unsigned i = 0; i < 2 * FC_BURST; i++)
		rig_receive(&q, rig_wrap(&q, i % RIG_TAPS, i, RIG_INNER));
	rig_receive_bytes(&q, "runt", 4);
	receive_spoiled(&q, 0, ETHERNET + 10);
	rig_receive_bytes(&q, BYTES(golden_arp_reply));
	assert_int_equal(fc_queue_poll(&q.queue), FC_BURST);
	rig_poll(&q);
	assert_int_equal(rte_mempool_in_use_count(q.frames), 1);
	packet = rig_heard(&q);
	fixture_assert_bytes(packet, BYTES(golden_arp_reply));
	rte_pktmbuf_free(packet);
	for (unsigned i = 0; i < 2 * FC_HOST_WORDS; i++)
		rig_receive_bytes(&q, BYTES(golden_arp_reply));
	rig_poll(&q);
	assert_int_equal(rte_mempool_in_use_count(q.frames), RIG_HEARD);
	rig_end(&q);
}

/* A port that only sends, without tunnels: what arrives is thrown away, so that its ring is empty.
 */
static void test_drained(void **state)
{
	struct queue_rig q;

	(void)state;
	rig_begin(&q, QUEUE_DEAF, 0);
	q.queue.ends = NULL;
	for (unsigned i = 0; i < 2 * FC_BURST; i++)
		rig_receive(&q, rig_wrap(&q, i % RIG_TAPS, i, RIG_INNER));
	rig_receive_bytes(&q, "runt", 4);
	rig_receive_bytes(&q, BYTES(golden_arp_reply));
	assert_int_equal(fc_queue_poll(&q.queue), FC_BURST);
	rig_poll(&q);
	assert_int_equal(rte_mempool_in_use_count(q.frames), 0);
	assert_null(rig_heard(&q));
	rig_end(&q);
}

/* A plain tap gets everything that its port receives, also what the port itself hears. */
static void test_overhears(void **state)
{
	const unsigned n = 2 * FC_HOST_WORDS;
	struct rte_mbuf *packet;
	struct queue_rig q;

	(void)state;
	rig_begin(&q, QUEUE_PLAIN, 1);
	rig_receive(&q, rig_frame(q.frames, 1, RIG_INNER, 0, 0));
	rig_receive(&q, rig_wrap(&q, 0, 2, RIG_INNER));
	for (unsigned i = 0; i < n; i++)
		rig_receive(&q, fixture_packet(q.frames, BYTES(golden_arp_request), i % 2 * 20));
	rig_poll(&q);
	rig_expect_frame(&q, 0, 1, RIG_INNER);
	packet = rig_port_read(&q.taps[0].port);
	assert_int_equal(packet->pkt_len, RIG_INNER + VXLAN_OUTER);
	rte_pktmbuf_free(packet);
	for (unsigned i = 0; i < n; i++) {
		packet = rig_port_read(&q.taps[0].port);
		fixture_assert_bytes(packet, BYTES(golden_arp_request));
		rte_pktmbuf_free(packet);
	}
	rig_expect_no_frame(&q, 0);
	rig_expect_drops(&q, 0, FC_DROP_NOT_OURS, 0, 0);
	rig_expect_count(&q.intakes[0]->forwarded, n + 2, q.size_received);
	for (unsigned i = 0; i < RIG_HEARD; i++) {
		packet = rig_heard(&q);
		fixture_assert_bytes(packet, BYTES(golden_arp_request));
		rte_pktmbuf_free(packet);
	}
	assert_null(rig_heard(&q));
	rig_end(&q);
}

static void add_handoff(struct queue_rig *q, unsigned tap, struct fc_handoff *handoff)
{
	char name[16];

	snprintf(name, sizeof(name), "handoff%u", tap);
	*handoff = (struct fc_handoff){ .ring = rte_ring_create(name, FC_HANDOFF_WORDS,
						SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ) };
	assert_non_null(handoff->ring);
	q->taps[tap].routes[0] = (struct fc_route){ .handoff = handoff, .index = (uint16_t)tap };
}

/* Take everything out as the other lcore does; @return how many packets. */
static unsigned drain(struct fc_handoff *handoff)
{
	struct fc_handoff_reader reader = { .handoff = handoff };
	struct fc_handoff_burst burst;
	unsigned n = 0;

	do {
		uint16_t at = 0, next;

		fc_handoff_fill(&reader);
		while ((next = fc_handoff_read(&reader, at, &burst)) != 0) {
			rte_pktmbuf_free_bulk(burst.packets, burst.n);
			n += burst.n;
			at = next;
		}
		fc_handoff_keep(&reader, at);
	} while (!rte_ring_empty(handoff->ring));
	assert_int_equal(reader.n_words, 0);
	return n;
}

/* The queue rests only when no tap has an lcore that takes something. */
static void test_room(void **state)
{
	struct fc_handoff handoffs[2];
	unsigned n_put[2] = { 0 };
	struct queue_rig q;

	(void)state;
	begin_ends(&q, 2);
	for (unsigned i = 0; i < 2; i++)
		add_handoff(&q, i, &handoffs[i]);
	/* Fill the first. */
	while (n_put[0] < 4 * FC_HANDOFF_WORDS) {
		for (unsigned i = 0; i < FC_BURST; i++)
			rig_receive(&q, rig_wrap(&q, 0, n_put[0] + i, RIG_INNER));
		assert_int_equal(fc_queue_poll(&q.queue), FC_BURST);
		n_put[0] += FC_BURST;
		if (fc_tally_read(&q.taps[0].routes[0].handoff_full).packets != 0)
			break;
	}
	rig_expect_count(&q.taps[0].routes[0].handoff_full, FC_BURST, FC_BURST * RIG_INNER);
	/* The second tap goes on, and so what comes for the first is lost and counted. */
	for (unsigned i = 0; i < FC_BURST; i++)
		rig_receive(&q, rig_wrap(&q, i % 2, i, RIG_INNER));
	assert_int_equal(fc_queue_poll(&q.queue), FC_BURST);
	n_put[1] = FC_BURST / 2;
	rig_expect_count(
		&q.taps[0].routes[0].handoff_full, FC_BURST * 3 / 2, FC_BURST * 3 / 2 * RIG_INNER);
	/* When it is full, too, everything stays in the port. */
	while (rte_ring_free_count(handoffs[1].ring) > 0)
		assert_int_equal(rte_ring_enqueue(handoffs[1].ring, NULL), 0);
	rig_receive(&q, rig_wrap(&q, 0, 1, RIG_INNER));
	for (unsigned i = 0; i < 4 * FC_HANDOFF_SKIPS; i++)
		assert_int_equal(fc_queue_poll(&q.queue), 0);
	assert_int_equal(rte_ring_count(q.port.in), 1);
	assert_int_equal(drain(&handoffs[0]), n_put[0] - FC_BURST);
	for (unsigned i = 0; !rte_ring_empty(q.port.in); i++) {
		assert_true(i <= FC_HANDOFF_SKIPS);
		fc_queue_poll(&q.queue);
	}
	assert_int_equal(drain(&handoffs[0]), 1);
	rte_ring_free(handoffs[0].ring);
	/* Of the second ring only what is in front of the filling is packets. */
	for (unsigned i = 0; i < n_put[1] + 1; i++) {
		void *word = NULL;

		assert_int_equal(rte_ring_dequeue(handoffs[1].ring, &word), 0);
		if (i != 0)
			rte_pktmbuf_free(word);
	}
	rte_ring_free(handoffs[1].ring);
	rig_end(&q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_end),
		cmocka_unit_test(test_several_ends),
		cmocka_unit_test(test_strays),
		cmocka_unit_test(test_malformed),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_cut_at),
		cmocka_unit_test(test_alike),
		cmocka_unit_test(test_host),
		cmocka_unit_test(test_host_flood),
		cmocka_unit_test(test_shared),
		cmocka_unit_test(test_nombuf),
		cmocka_unit_test(test_no_taps),
		cmocka_unit_test(test_drained),
		cmocka_unit_test(test_overhears),
		cmocka_unit_test(test_room),
	};

	return cmocka_run_group_tests(tests, fixture_start, fixture_stop);
}
