/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include <rte_byteorder.h>
#include <rte_ether.h>
#include <rte_ip.h>

#include "dpdk_fixture.h"
#include "tunnel_feed_rig.h"

#define N_FRAMES 1023
#define N_COPIES 2047
#define N_OUT	 1023

struct fc_tunnel_params rig_mtu_1500(enum fc_tunnel_type type, uint8_t family)
{
	struct fc_tunnel_params params = rig_params(type, family);

	params.mtu = 1500;
	return params;
}

void rig_begin(struct tunnel_feed *f, const struct fc_tunnel_params *params,
	const struct tunnel_feed_options *options)
{
	static const struct tunnel_feed_options usual;
	const struct fc_reassembly_limits limits = {
		.max_datagrams = 1024, .max_mbufs = 512, .timeout_cycles = UINT64_MAX / 2
	};
	struct fc_edits none = rig_no_edits();

	if (options == NULL)
		options = &usual;
	memset(f, 0, sizeof(*f));
	f->params = *params;
	f->frames = fixture_pool_new("frames", N_FRAMES, 2048);
	f->copies =
		fixture_pool_new("copies", options->n_copies != 0 ? options->n_copies : N_COPIES,
			options->room != 0 ? options->room : 2048);
	rig_port_start(&f->port, "tunnel", options->n_out != 0 ? options->n_out : N_OUT, f->frames);
	rig_output_begin(&f->output, &f->port, options->edits != NULL ? options->edits : &none,
		f->copies, options->linear);
	rig_prepare(&f->tunnel.header, params);
	rig_output_tunnel(&f->output, &f->tunnel,
		options->n_fragments != 0 ? options->n_fragments : RIG_FRAGMENTS);
	rig_feed_begin(&f->feed, &f->output, &f->reached, RIG_WINDOW);
	rig_all_ends(&f->ends);
	f->reassembly = fc_reassembly_new(&limits, SOCKET_ID_ANY);
	assert_non_null(f->reassembly);
}

void rig_end(struct tunnel_feed *f)
{
	struct fc_count tx = fc_tally_read(&f->feed.tx);

	assert_int_equal(rig_feed_sum(&f->feed), f->n_offered);
	assert_null(rig_read(f));
	assert_int_equal(tx.packets + fc_tally_read(&f->feed.parts).packets, f->n_frames);
	assert_int_equal(tx.bytes, f->size);
	rig_feed_end(&f->feed);
	assert_int_equal(fc_tally_read(&f->feed.queued).packets, 0);
	assert_int_equal(fc_tally_read(&f->feed.queued).bytes, 0);
	assert_int_equal(rig_feed_sum(&f->feed), f->n_offered);
	rig_output_end(&f->output);
	rig_port_stop(&f->port);
	fc_reassembly_free(f->reassembly);
	fixture_assert_full(f->copies);
	fixture_assert_full(f->frames);
	rte_mempool_free(f->copies);
	rte_mempool_free(f->frames);
}

void rig_offer(struct tunnel_feed *f, struct rte_mbuf *const *packets, uint16_t n, bool owned)
{
	struct rte_mbuf *copy[FC_BURST];

	memcpy(copy, packets, n * sizeof(copy[0]));
	f->n_offered += n;
	f->reached += n;
	fc_feed_offer(&f->feed, copy, n, fc_packets_size(copy, n), f->reached - n, owned);
	assert_int_equal(rig_feed_sum(&f->feed), f->n_offered);
}

void rig_offer_frames(
	struct tunnel_feed *f, uint64_t first, uint16_t n, uint32_t length, bool owned)
{
	struct rte_mbuf *packets[FC_BURST];

	for (uint16_t i = 0; i < n; i++)
		packets[i] = rig_frame(f->frames, first + i, length, 0, 0);
	rig_offer(f, packets, n, owned);
	if (!owned)
		rte_pktmbuf_free_bulk(packets, n);
}

void rig_drain(struct tunnel_feed *f)
{
	while (fc_feed_is_waiting(&f->feed)) {
		rig_feed_drain(&f->feed);
		assert_int_equal(rig_feed_sum(&f->feed), f->n_offered);
	}
}

/* On the wire nothing is left of how the frame lay in memory. */
static struct rte_mbuf *receive(struct tunnel_feed *f, struct rte_mbuf *frame)
{
	uint8_t scratch[RIG_LONGEST + FC_TUNNEL_MAX_SIZE];
	const void *bytes = rte_pktmbuf_read(frame, 0, frame->pkt_len, scratch);
	uint32_t ethernet = RTE_ETHER_HDR_LEN + (f->params.vlan != 0 ? 4 : 0);
	const char *reason = NULL;
	struct rte_mbuf *received;

	if (rte_mbuf_check(frame, 1, &reason) != 0)
		fail_msg("not a good packet: %s", reason);
	assert_non_null(bytes);
	assert_true(frame->pkt_len <= ethernet + f->params.mtu);
	if (f->output.how.linear)
		assert_int_equal(frame->nb_segs, 1);
	f->n_frames++;
	f->size += frame->pkt_len;
	received = fixture_packet(f->frames, bytes, frame->pkt_len, 0);
	rte_pktmbuf_free(frame);
	return received;
}

struct rte_mbuf *rig_read(struct tunnel_feed *f)
{
	struct rte_mbuf *frame;

	while ((frame = rig_port_read(&f->port)) != NULL) {
		struct fc_tunnel_match match;

		frame = receive(f, frame);
		if (fc_tunnel_look(&f->ends, frame, &match) == FC_TUNNEL_PIECE) {
			frame = fc_reassembly_add(f->reassembly, frame, &match, 0);
			if (frame == NULL)
				continue;
			fc_tunnel_look(&f->ends, frame, &match);
		}
		assert_int_equal(match.verdict, FC_TUNNEL_OURS);
		assert_int_equal(f->ends.end[match.end].type, f->params.type);
		fc_tunnel_strip(frame, &match);
		return frame;
	}
	return NULL;
}

void rig_expect_packet(struct tunnel_feed *f, uint64_t number, uint32_t length)
{
	struct rte_mbuf *packet = rig_read(f);
	uint8_t bytes[RIG_LONGEST];

	assert_non_null(packet);
	rig_frame_bytes(bytes, number, length, 0);
	rig_expect(bytes, f->params.type);
	fixture_assert_bytes(packet, bytes, length);
	rte_pktmbuf_free(packet);
}

void rig_expect_nothing(struct tunnel_feed *f)
{
	assert_null(rig_read(f));
}

void rig_expect_drops(const struct tunnel_feed *f, enum fc_drop drop, uint64_t n, uint64_t size)
{
	assert_int_equal(fc_tally_read(&f->feed.drops[drop]).packets, n);
	assert_int_equal(fc_tally_read(&f->feed.drops[drop]).bytes, size);
	for (unsigned i = 0; i < FC_N_DROPS; i++)
		if (i != drop)
			assert_int_equal(fc_tally_read(&f->feed.drops[i]).packets, 0);
}

uint64_t rig_drops(const struct tunnel_feed *f, enum fc_drop drop)
{
	return fc_tally_read(&f->feed.drops[drop]).packets;
}

uint32_t rig_growth(const struct fc_tunnel_params *params)
{
	uint32_t overhead = fc_tunnel_overhead(
		params->type, params->local.family, params->has_key, params->vlan != 0);

	return overhead - (params->type == FC_TUNNEL_GRE ? RTE_ETHER_HDR_LEN : 0);
}

/* Offset of a fragment of an untagged IPv4 packet, bytes. */
static uint32_t offset_of(const struct rte_mbuf *frame)
{
	const struct rte_ipv4_hdr *ip =
		rte_pktmbuf_mtod_offset(frame, const struct rte_ipv4_hdr *, RTE_ETHER_HDR_LEN);

	return 8u * (rte_be_to_cpu_16(ip->fragment_offset) & RTE_IPV4_HDR_OFFSET_MASK);
}

static bool has_more(const struct rte_mbuf *frame)
{
	const struct rte_ipv4_hdr *ip =
		rte_pktmbuf_mtod_offset(frame, const struct rte_ipv4_hdr *, RTE_ETHER_HDR_LEN);

	return (ip->fragment_offset & RTE_BE16(RTE_IPV4_HDR_MF_FLAG)) != 0;
}

bool rig_is_first(const struct rte_mbuf *frame)
{
	return offset_of(frame) == 0 && has_more(frame);
}

bool rig_is_middle(const struct rte_mbuf *frame)
{
	return offset_of(frame) != 0 && has_more(frame);
}

bool rig_is_last(const struct rte_mbuf *frame)
{
	return offset_of(frame) != 0 && !has_more(frame);
}
