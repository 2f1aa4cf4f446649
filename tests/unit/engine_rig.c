/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include <rte_bus_vdev.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_malloc.h>

#include "dpdk_fixture.h"
#include "engine_rig.h"

#define N_IN	     1024
#define NUMBER_SIZE  6
#define ADDRESS_SIZE 12
#define TAG_SIZE     4

#define RIG_MAX_BURST 64

/* What a test makes a port's driver do beside what it does; found by its queue. */
static struct fault {
	void *queue;
	eth_tx_burst_t send;
	uint16_t limit;
	unsigned refused;
	bool (*is_refused)(const struct rte_mbuf *frame);
	struct rte_mempool *wire;
} faults[RTE_MAX_ETHPORTS];

static struct fault *find_fault(const void *queue)
{
	size_t i = 0;

	while (faults[i].queue != queue)
		i++;
	return &faults[i];
}

static uint16_t send_few(void *queue, struct rte_mbuf **frames, uint16_t n)
{
	const struct fault *fault = find_fault(queue);
	struct rte_mbuf *sent[RIG_MAX_BURST];
	uint16_t done;

	n = RTE_MIN(n, fault->limit);
	if (fault->wire == NULL)
		return fault->send(queue, frames, n);
	for (uint16_t i = 0; i < n; i++) {
		sent[i] = rte_pktmbuf_copy(frames[i], fault->wire, 0, UINT32_MAX);
		assert_non_null(sent[i]);
	}
	done = fault->send(queue, sent, n);
	rte_pktmbuf_free_bulk(sent + done, (unsigned)(n - done));
	rte_pktmbuf_free_bulk(frames, done);
	return done;
}

static uint16_t refuse_some(void *queue, struct rte_mbuf **frames, uint16_t n)
{
	const struct fault *fault = find_fault(queue);

	for (uint16_t i = 0; i < n; i++) {
		if (fault->refused != 0 && rig_frame_number(frames[i]) % fault->refused == 0)
			return i;
		if (fault->is_refused != NULL && fault->is_refused(frames[i]))
			return i;
	}
	return n;
}

static struct fault *inject(struct rig_port *port)
{
	struct rte_eth_fp_ops *ops = &rte_eth_fp_ops[port->port.id];
	struct fault *fault = &faults[port->port.id];

	if (fault->queue == NULL) {
		*fault = (struct fault){
			.queue = ops->txq.data[0], .send = ops->tx_pkt_burst, .limit = RIG_ALL
		};
		ops->tx_pkt_burst = send_few;
		ops->tx_pkt_prepare = refuse_some;
	}
	return fault;
}

void rig_port_limit(struct rig_port *port, uint16_t n)
{
	inject(port)->limit = n;
}

void rig_port_let_go(struct rig_port *port, struct rte_mempool *wire)
{
	inject(port)->wire = wire;
}

void rig_port_refuse(struct rig_port *port, unsigned n)
{
	inject(port)->refused = n;
}

void rig_port_refuse_if(struct rig_port *port, bool (*is_refused)(const struct rte_mbuf *frame))
{
	inject(port)->is_refused = is_refused;
}

static struct rte_ring *make_ring(const char *name, const char *direction, unsigned n)
{
	char full[RTE_RING_NAMESIZE];
	struct rte_ring *ring;

	snprintf(full, sizeof(full), "%s_%s", name, direction);
	ring = rte_ring_create(full, n, SOCKET_ID_ANY, RING_F_EXACT_SZ);
	assert_non_null(ring);
	return ring;
}

void rig_port_start(
	struct rig_port *port, const char *name, unsigned n_out, struct rte_mempool *pool)
{
	struct fc_findings *findings = fc_findings_new(name);

	memset(port, 0, sizeof(*port));
	port->in = make_ring(name, "in", N_IN);
	port->out = make_ring(name, "out", n_out);
	assert_true(rte_eth_from_rings(name, &port->in, 1, &port->out, 1, 0) >= 0);
	snprintf(port->name, sizeof(port->name), "net_ring_%s", name);
	assert_int_equal(fc_port_facts(port->name, &port->plan.facts), 0);
	port->plan.is_tap = port->plan.is_output = true;
	port->plan.receives = port->plan.sends = true;
	port->plan.n_rx_queues = 1;
	port->plan.rx_descriptors = port->plan.tx_descriptors = 64;
	port->plan.mtu = FC_DEFAULT_MTU;
	port->port.rx_pool = pool;
	port->plan.max_frame = port->plan.max_tagged_frame = UINT32_MAX;
	assert_int_equal(fc_port_start(&port->port, &port->plan, findings), 0);
	assert_int_equal(fc_findings_count(findings), 0);
	fc_findings_free(findings);
}

static void free_ring(struct rte_ring *ring)
{
	void *packet;

	while (rte_ring_dequeue(ring, &packet) == 0)
		rte_pktmbuf_free(packet);
	rte_ring_free(ring);
}

void rig_port_stop(struct rig_port *port)
{
	memset(&faults[port->port.id], 0, sizeof(faults[0]));
	fc_port_stop(&port->port);
	assert_int_equal(rte_vdev_uninit(port->name), 0);
	free_ring(port->in);
	free_ring(port->out);
}

struct rte_mbuf *rig_port_read(struct rig_port *port)
{
	void *packet;

	return rte_ring_dequeue(port->out, &packet) == 0 ? packet : NULL;
}

struct fc_edits rig_no_edits(void)
{
	return (struct fc_edits){ .sample = FC_SAMPLE_ALL, .vlan.tpid = RTE_ETHER_TYPE_VLAN };
}

static void begin_chain(struct fc_chain *chain, const struct fc_edits *edits)
{
	struct fc_findings *findings = fc_findings_new("rig");

	assert_int_equal(fc_chain_begin(chain, edits, findings, "rig"), 0);
	fc_findings_free(findings);
}

void rig_output_begin(struct fc_output *output, struct rig_port *port, const struct fc_edits *edits,
	struct rte_mempool *copies, bool linear)
{
	memset(output, 0, sizeof(*output));
	output->port = &port->port;
	begin_chain(&output->chain, edits);
	output->writes = output->chain.n_write != 0;
	output->prepares = linear || output->writes;
	output->how =
		(struct fc_private){ copies, output->chain.reach, output->chain.growth, linear };
}

void rig_output_tunnel(struct fc_output *output, struct fc_tunnel *tunnel, uint16_t n_fragments)
{
	output->tunnel = tunnel;
	output->writes = output->prepares = true;
	output->how.headroom = (uint16_t)(output->chain.growth + FC_TUNNEL_MAX_SIZE);
	tunnel->n_fragments = n_fragments;
	tunnel->how =
		(struct fc_fragment){ output->how.pool, output->how.pool, output->how.linear };
}

void rig_output_end(struct fc_output *output)
{
	fc_chain_end(&output->chain);
}

void rig_feed_begin(struct fc_feed *feed, struct fc_output *output, const _Atomic uint64_t *reached,
	uint32_t window)
{
	memset(feed, 0, sizeof(*feed));
	feed->output = output;
	feed->reached = reached;
	feed->window = window;
	assert_int_equal(fc_feed_begin(feed, SOCKET_ID_ANY), 0);
}

void rig_feed_end(struct fc_feed *feed)
{
	fc_feed_discard(feed);
	fc_feed_end(feed);
}

void rig_tap_begin(struct rig_tap *tap, const char *name, const struct fc_edits *edits,
	struct rte_mempool *pool)
{
	memset(tap, 0, sizeof(*tap));
	rig_port_start(&tap->port, name, 1, pool);
	begin_chain(&tap->intake.chain, edits);
	tap->intakes[0] = &tap->intake;
	tap->queue = (struct fc_queue){
		.port = &tap->port.port,
		.longest = FC_LONGEST_FRAME,
		.n_intakes = 1,
		.intakes = tap->intakes,
	};
	tap->intake.is_alone = true;
	tap->intake.reached = &tap->reached;
	tap->intake.how = (struct fc_private){ pool, tap->intake.chain.reach,
		tap->intake.chain.growth, false };
}

void rig_tap_connect(struct rig_tap *tap, struct fc_feed *const *feeds, uint16_t n)
{
	for (int sharing = 0; sharing <= 1; sharing++) {
		for (uint16_t i = 0; i < n; i++) {
			if (fc_output_shares(feeds[i]->output) != sharing)
				continue;
			tap->feeds[tap->route.n_feeds++] = feeds[i];
			tap->route.n_sharing = (uint16_t)(tap->route.n_sharing + sharing);
		}
	}
	tap->route.feeds = tap->feeds;
	tap->intake.routes = &tap->route;
	tap->intake.n_routes = 1;
}

void rig_tap_end(struct rig_tap *tap)
{
	fc_chain_end(&tap->intake.chain);
	rig_port_stop(&tap->port);
}

void rig_tap_put(struct rig_tap *tap, struct rte_mbuf *packet)
{
	assert_int_equal(rte_ring_enqueue(tap->port.in, packet), 0);
}

unsigned rig_feed_drain(struct fc_feed *feed)
{
	unsigned n_done = fc_feed_expire(feed), n = 1;

	for (unsigned i = 0; i < RIG_DRAIN_BURSTS && n != 0; i++) {
		n = fc_feed_drain(feed);
		n_done += n;
	}
	return n_done;
}

void rig_tap_round(struct rig_tap *tap)
{
	for (uint16_t i = 0; i < tap->route.n_feeds; i++) {
		struct fc_feed *feed = tap->feeds[(tap->first + i) % tap->route.n_feeds];

		if (fc_feed_is_waiting(feed))
			rig_feed_drain(feed);
	}
	tap->first++;
	fc_queue_poll(&tap->queue);
}

uint64_t rig_feed_sum(const struct fc_feed *feed)
{
	uint64_t n = fc_tally_read(&feed->tx).packets + fc_tally_read(&feed->queued).packets;

	for (unsigned i = 0; i < FC_N_DROPS; i++)
		n += fc_tally_read(&feed->drops[i]).packets;
	return n;
}

void rig_frame_bytes(uint8_t *bytes, uint64_t number, uint32_t length, unsigned n_tags)
{
	uint32_t at = ADDRESS_SIZE;

	fixture_fill(bytes, length, (uint32_t)number);
	for (unsigned i = 0; i < NUMBER_SIZE; i++)
		bytes[i] = (uint8_t)(number >> 8 * (NUMBER_SIZE - 1 - i));
	for (; n_tags > 0; n_tags--, at += TAG_SIZE) {
		bytes[at] = n_tags == 2 ? 0x88 : 0x81;
		bytes[at + 1] = n_tags == 2 ? 0xa8 : 0x00;
	}
	bytes[at] = 0x88;
	bytes[at + 1] = 0xb5;
}

struct rte_mbuf *rig_frame(
	struct rte_mempool *pool, uint64_t number, uint32_t length, unsigned n_tags, uint16_t part)
{
	uint8_t bytes[RIG_MAX_FRAME];

	rig_frame_bytes(bytes, number, length, n_tags);
	return fixture_packet(pool, bytes, length, part);
}

uint64_t rig_frame_number(const struct rte_mbuf *packet)
{
	const uint8_t *bytes = rte_pktmbuf_mtod(packet, const uint8_t *);
	uint64_t number = 0;

	for (unsigned i = 0; i < NUMBER_SIZE; i++)
		number = number << 8 | bytes[i];
	return number;
}

void rig_snapshot_take(struct rig_snapshot *snapshot, const struct rte_mbuf *packet)
{
	snapshot->packet = packet;
	snapshot->length = packet->pkt_len;
	snapshot->n_segments = 0;
	for (; packet != NULL; packet = packet->next) {
		unsigned i = snapshot->n_segments++;

		assert_true(i < RIG_MAX_SEGMENTS && packet->buf_len <= RTE_MBUF_DEFAULT_BUF_SIZE);
		snapshot->segments[i].next = packet->next;
		snapshot->segments[i].at = packet->data_off;
		snapshot->segments[i].length = packet->data_len;
		memcpy(snapshot->segments[i].buffer, packet->buf_addr, packet->buf_len);
	}
}

void rig_snapshot_compare(const struct rig_snapshot *snapshot)
{
	const struct rte_mbuf *segment = snapshot->packet;

	assert_int_equal(segment->pkt_len, snapshot->length);
	assert_int_equal(segment->nb_segs, snapshot->n_segments);
	for (unsigned i = 0; i < snapshot->n_segments; i++, segment = segment->next) {
		assert_ptr_equal(segment->next, snapshot->segments[i].next);
		assert_int_equal(segment->data_off, snapshot->segments[i].at);
		assert_int_equal(segment->data_len, snapshot->segments[i].length);
		assert_memory_equal(
			segment->buf_addr, snapshot->segments[i].buffer, segment->buf_len);
	}
}

static uint32_t push_tag(uint8_t *bytes, uint32_t length, uint16_t tpid, unsigned pcp, uint16_t vid)
{
	memmove(bytes + ADDRESS_SIZE + TAG_SIZE, bytes + ADDRESS_SIZE, length - ADDRESS_SIZE);
	bytes[ADDRESS_SIZE] = (uint8_t)(tpid >> 8);
	bytes[ADDRESS_SIZE + 1] = (uint8_t)tpid;
	bytes[ADDRESS_SIZE + 2] = (uint8_t)(pcp << 5 | vid >> 8);
	bytes[ADDRESS_SIZE + 3] = (uint8_t)vid;
	return length + TAG_SIZE;
}

uint32_t rig_edit_bytes(uint8_t *bytes, uint32_t length, const struct fc_edits *edits)
{
	const struct fc_vlan_edit *vlan = &edits->vlan;

	for (unsigned i = 0; i < vlan->pop; i++) {
		unsigned type = (unsigned)bytes[ADDRESS_SIZE] << 8 | bytes[ADDRESS_SIZE + 1];

		if ((type != 0x8100 && type != 0x88a8) || length < ADDRESS_SIZE + TAG_SIZE + 2)
			break;
		memmove(bytes + ADDRESS_SIZE, bytes + ADDRESS_SIZE + TAG_SIZE,
			length - ADDRESS_SIZE - TAG_SIZE);
		length -= TAG_SIZE;
	}
	for (unsigned i = vlan->n_push; i > 0; i--)
		length = push_tag(bytes, length, i == 1 ? vlan->tpid : RTE_ETHER_TYPE_VLAN,
			vlan->pcp, vlan->vid[i - 1]);
	if (edits->trim != 0)
		length = RTE_MAX(14, (int)length - (int)edits->trim);
	if (edits->truncate != 0)
		length = RTE_MIN(length, edits->truncate);
	return length;
}
