/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include <rte_cycles.h>

#include "dpdk_fixture.h"
#include "queue_rig.h"
#include "tunnel_rig.h"

#define WINDOW 1024

/* The other ends send frames of this, so that their long packets come in fragments. */
#define MTU 1280

static const struct {
	enum fc_tunnel_type type;
	uint8_t family;
	uint32_t key;
} tunnels[RIG_TAPS + 1] = {
	{ FC_TUNNEL_VXLAN, 4, 5 },
	{ FC_TUNNEL_GRETAP, 4, 6 },
	{ FC_TUNNEL_GENEVE, 6, 7 },
	{ FC_TUNNEL_VXLAN, 4, 8 },
};

static void begin_tap(struct queue_rig *q, unsigned index)
{
	struct queue_tap *tap = &q->taps[index];
	struct fc_edits none = rig_no_edits();
	char name[16];

	snprintf(name, sizeof(name), "tap%u", index);
	rig_port_start(&tap->port, name, WINDOW, q->frames);
	rig_output_begin(&tap->output, &tap->port, &none, NULL, false);
	rig_feed_begin(&tap->feed, &tap->output, &tap->reached, WINDOW);
	tap->feeds[0] = &tap->feed;
	tap->routes[0] = (struct fc_route){ .feeds = tap->feeds, .n_feeds = 1, .n_sharing = 1 };
	tap->intake.routes = tap->routes;
	tap->intake.n_routes = 1;
	tap->intake.is_alone = true;
	tap->intake.reached = &tap->reached;
	q->intakes[index] = &tap->intake;
}

static void begin_tunnels(struct queue_rig *q, bool are_ends, uint16_t n_taps)
{
	for (unsigned i = 0; i < RTE_DIM(tunnels); i++) {
		struct fc_tunnel_params params = rig_params(tunnels[i].type, tunnels[i].family);
		struct fc_tunnel_end end = {
			.type = tunnels[i].type,
			.local = rig_address(tunnels[i].family, 9),
			.has_key = true,
			.key = tunnels[i].key,
		};

		params.key = tunnels[i].key;
		params.mtu = MTU;
		rig_prepare(&q->headers[i], &params);
		if (are_ends && i < n_taps)
			assert_int_equal(fc_tunnel_add_end(&q->ends, &end), 0);
		else if (i < RIG_TAPS)
			assert_int_equal(fc_tunnel_add_host(&q->ends, &end.local), 0);
	}
}

void rig_begin(struct queue_rig *q, enum queue_kind kind, uint16_t n_taps)
{
	const struct fc_reassembly_limits limits = {
		.max_datagrams = 64,
		.max_mbufs = 512,
		.timeout_cycles = 3600 * rte_get_tsc_hz(),
	};

	memset(q, 0, sizeof(*q));
	q->frames = fixture_pool_new("frames", RIG_N_FRAMES, 2048);
	q->copies = fixture_pool_new("copies", RIG_N_COPIES, 2048);
	rig_port_start(&q->port, "queue", 1, q->frames);
	for (unsigned i = 0; i < n_taps; i++)
		begin_tap(q, i);
	begin_tunnels(q, kind == QUEUE_ENDS, n_taps);
	q->queue = (struct fc_queue){
		.port = &q->port.port,
		.longest = FC_LONGEST_FRAME,
		.n_intakes = n_taps,
		.intakes = n_taps != 0 ? q->intakes : NULL,
		.ends = &q->ends,
		.how = { .pool = q->copies, .reach = UINT32_MAX },
		.heard = rte_ring_create(
			"heard", FC_HOST_WORDS, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ),
	};
	assert_non_null(q->queue.heard);
	if (kind != QUEUE_ENDS)
		return;
	q->queue.reassembly = fc_reassembly_new(&limits, SOCKET_ID_ANY);
	assert_non_null(q->queue.reassembly);
}

/* Each frame is counted by one tap, as one thing. */
static void check_counts(const struct queue_rig *q)
{
	uint64_t n_rx = 0, size_rx = 0;

	for (uint16_t i = 0; i < q->queue.n_intakes; i++) {
		const struct fc_intake *intake = q->intakes[i];
		uint64_t n = fc_tally_read(&intake->forwarded).packets +
			     fc_tally_read(&intake->held).packets;

		for (unsigned d = 0; d < FC_N_DROPS; d++)
			n += fc_tally_read(&intake->drops[d]).packets;
		assert_int_equal(fc_tally_read(&intake->rx).packets, n);
		n_rx += fc_tally_read(&intake->rx).packets;
		size_rx += fc_tally_read(&intake->rx).bytes;
	}
	if (q->queue.n_intakes == 0)
		return;
	assert_int_equal(n_rx, q->n_received);
	assert_int_equal(size_rx, q->size_received);
}

void rig_end(struct queue_rig *q)
{
	struct rte_mbuf *packet;

	check_counts(q);
	fc_reassembly_free(q->queue.reassembly);
	while ((packet = rig_heard(q)) != NULL)
		rte_pktmbuf_free(packet);
	rte_ring_free(q->queue.heard);
	for (uint16_t i = 0; i < q->queue.n_intakes; i++) {
		rig_feed_end(&q->taps[i].feed);
		rig_output_end(&q->taps[i].output);
		rig_port_stop(&q->taps[i].port);
	}
	rig_port_stop(&q->port);
	fixture_assert_full(q->frames);
	fixture_assert_full(q->copies);
	rte_mempool_free(q->frames);
	rte_mempool_free(q->copies);
}

void rig_receive(struct queue_rig *q, struct rte_mbuf *packet)
{
	q->n_received++;
	q->size_received += packet->pkt_len;
	assert_int_equal(rte_ring_enqueue(q->port.in, packet), 0);
}

void rig_receive_bytes(struct queue_rig *q, const void *bytes, uint32_t length)
{
	rig_receive(q, fixture_packet(q->frames, bytes, length, 0));
}

void rig_poll(struct queue_rig *q)
{
	while (fc_queue_poll(&q->queue) != 0)
		;
	assert_true(rte_ring_empty(q->port.in));
}

struct rte_mbuf *rig_wrap(struct queue_rig *q, unsigned tunnel, uint64_t number, uint32_t length)
{
	struct rte_mbuf *packet = rig_frame(q->frames, number, length, 0, 0);

	rig_push(&q->headers[tunnel], &q->states[tunnel], &packet, 1, 0);
	return packet;
}

unsigned rig_wrap_fragments(struct queue_rig *q, unsigned tunnel, uint64_t number, uint32_t length,
	struct rte_mbuf *fragments[RIG_FRAGMENTS])
{
	const struct fc_fragment how = { .headers = q->frames, .clones = q->frames };
	int n = fc_fragment(&how, &q->headers[tunnel], &q->states[tunnel],
		rig_wrap(q, tunnel, number, length), fragments, RIG_FRAGMENTS);

	assert_true(n > 1);
	/* On the wire nothing is left of how they were made. */
	for (int i = 0; i < n; i++) {
		uint8_t scratch[MTU + 64];
		struct rte_mbuf *fragment = fragments[i];
		const void *bytes = rte_pktmbuf_read(fragment, 0, fragment->pkt_len, scratch);

		fragments[i] = fixture_packet(q->frames, bytes, fragment->pkt_len, 0);
		rte_pktmbuf_free(fragment);
	}
	return (unsigned)n;
}

void rig_expect_frame(struct queue_rig *q, unsigned tap, uint64_t number, uint32_t length)
{
	struct rte_mbuf *packet = rig_port_read(&q->taps[tap].port);
	uint8_t bytes[RIG_MAX_FRAME];

	assert_non_null(packet);
	rig_frame_bytes(bytes, number, length, 0);
	fixture_assert_bytes(packet, bytes, length);
	rte_pktmbuf_free(packet);
}

void rig_expect_no_frame(struct queue_rig *q, unsigned tap)
{
	assert_null(rig_port_read(&q->taps[tap].port));
}

void rig_expect_count(const struct fc_tally *tally, uint64_t packets, uint64_t bytes)
{
	assert_int_equal(fc_tally_read(tally).packets, packets);
	assert_int_equal(fc_tally_read(tally).bytes, bytes);
}

void rig_expect_drops(
	const struct queue_rig *q, unsigned tap, enum fc_drop drop, uint64_t n, uint64_t size)
{
	rig_expect_count(&q->intakes[tap]->drops[drop], n, size);
	for (unsigned i = 0; i < FC_N_DROPS; i++)
		if (i != drop)
			rig_expect_count(&q->intakes[tap]->drops[i], 0, 0);
}

struct rte_mbuf *rig_heard(struct queue_rig *q)
{
	void *packet;

	return rte_ring_dequeue(q->queue.heard, &packet) == 0 ? packet : NULL;
}
