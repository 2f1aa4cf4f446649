/* SPDX-License-Identifier: MIT */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_eal.h>
#include <rte_mbuf.h>

#include <fc_flow.h>
#include <fc_neighbour.h>
#include <fc_reassembly.h>
#include <fc_tunnel_pop.h>

#include "fuzz.h"

/*
 * The input is what a port receives: frames one behind the other, each after five bytes: how many
 * bytes one segment holds (0: as many as fit), how many TSC cycles have passed, how many bytes of
 * headroom the segments have (with 0x80: buffers of their own that end where the segment does, so
 * that the sanitizer sees whoever reads on), and the frame's length (big endian).
 *
 * Tunnels of all types end on the port, over IPv4 at 192.0.2.9 and over IPv6 at 2001:db8::9, each
 * with the key 5 from anybody and with any key from 192.0.2.1 or 2001:db8::1; and at host 10 of
 * each, VXLAN at UDP port 6081, Geneve at 8472, and NVGRE's subnet 7.
 */

#define HEAD_SIZE  5
#define FRAME_MAX  2048
#define MBUF_ROOM  512
#define N_MBUFS	   8191
#define MAX_MBUFS  600
#define TIMEOUT	   2000
#define OWN_BUFFER 0x80

static void fail(const char *what)
{
	fprintf(stderr, "%s\n", what);
	abort();
}

static struct fc_address address(uint8_t family, uint8_t host)
{
	struct fc_address it = { .family = family };

	if (family == 4)
		memcpy(it.bytes, (const uint8_t[]){ 192, 0, 2, host }, 4);
	else
		memcpy(it.bytes, (const uint8_t[16]){ 0x20, 1, 0x0d, 0xb8, [15] = host }, 16);
	return it;
}

static void add_ends(struct fc_tunnel_ends *ends, uint8_t family)
{
	for (unsigned type = FC_TUNNEL_GRE; type <= FC_TUNNEL_GENEVE; type++) {
		struct fc_tunnel_end end = {
			.type = (enum fc_tunnel_type)type,
			.local = address(family, 9),
			.has_key = true,
			.key = 5,
		};

		if (fc_tunnel_add_end(ends, &end) != 0)
			fail("no end with a key");
		end.has_key = false;
		end.remote = address(family, 1);
		if (fc_tunnel_add_end(ends, &end) != 0)
			fail("no end");
	}
}

static void add_special_ends(struct fc_tunnel_ends *ends, uint8_t family)
{
	const struct fc_tunnel_end all[] = {
		{ .type = FC_TUNNEL_VXLAN, .local = address(family, 10), .udp_port = 6081 },
		{ .type = FC_TUNNEL_GENEVE, .local = address(family, 10), .udp_port = 8472 },
		{ .type = FC_TUNNEL_GRETAP,
			.local = address(family, 10),
			.has_key = true,
			.key = 7 << 8 | 1 },
		{ .type = FC_TUNNEL_GRETAP,
			.local = address(family, 10),
			.has_key = true,
			.is_vsid = true,
			.key = 7 },
		{ .type = FC_TUNNEL_GRETAP,
			.local = address(family, 10),
			.has_key = true,
			.is_vsid = true,
			.key = 8 },
	};

	for (size_t i = 0; i < RTE_DIM(all); i++)
		if (fc_tunnel_add_end(ends, &all[i]) != 0)
			fail("no special end");
}

/* What lives as long as the program. */
struct rig {
	struct rte_mempool *pool;
	struct fc_tunnel_ends ends;
};

static struct rig *rig_get(void)
{
	static char *arguments[] = { "fuzz", "--no-huge", "--no-pci", "--no-shconf",
		"--no-telemetry", "--file-prefix=fluxcap-fuzz", "--log-level=*:error", "--lcores=0",
		"-m", "64", NULL };
	static struct rig rig;

	if (rig.pool != NULL)
		return &rig;
	if (rte_eal_init((int)RTE_DIM(arguments) - 1, arguments) < 0)
		fail("EAL does not start");
	rig.pool = rte_pktmbuf_pool_create(
		"fuzz", N_MBUFS, 0, 0, MBUF_ROOM + RTE_PKTMBUF_HEADROOM, SOCKET_ID_ANY);
	if (rig.pool == NULL)
		fail("no pool");
	add_ends(&rig.ends, 4);
	add_ends(&rig.ends, 6);
	add_special_ends(&rig.ends, 4);
	add_special_ends(&rig.ends, 6);
	return &rig;
}

/* A buffer of its own size that a segment refers to. */
struct buffer {
	struct rte_mbuf_ext_shared_info info;
	uint8_t *bytes;
};

static void free_buffer(void *bytes, void *opaque)
{
	struct buffer *buffer = opaque;

	(void)bytes;
	free(buffer->bytes);
	free(buffer);
}

static void attach_buffer(struct rte_mbuf *segment, uint16_t size)
{
	struct buffer *buffer = calloc(1, sizeof(*buffer));

	if (buffer == NULL)
		fail("no memory");
	buffer->bytes = malloc(size);
	if (buffer->bytes == NULL)
		fail("no memory");
	buffer->info.free_cb = free_buffer;
	buffer->info.fcb_opaque = buffer;
	rte_mbuf_ext_refcnt_set(&buffer->info, 1);
	rte_pktmbuf_attach_extbuf(
		segment, buffer->bytes, (rte_iova_t)(uintptr_t)buffer->bytes, size, &buffer->info);
}

static struct rte_mbuf *new_segment(
	struct rte_mempool *pool, const uint8_t *bytes, uint32_t n, uint8_t room)
{
	struct rte_mbuf *segment = rte_pktmbuf_alloc(pool);
	uint16_t headroom = room & (OWN_BUFFER - 1);

	if (segment == NULL)
		fail("no mbuf");
	if ((room & OWN_BUFFER) != 0)
		attach_buffer(segment, (uint16_t)(headroom + n));
	memset(segment->buf_addr, 0xa5, segment->buf_len);
	segment->data_off = headroom;
	memcpy(rte_pktmbuf_append(segment, (uint16_t)n), bytes, n);
	return segment;
}

static struct rte_mbuf *receive(
	struct rte_mempool *pool, const uint8_t *frame, uint32_t length, uint8_t part, uint8_t room)
{
	struct rte_mbuf *head = NULL, *last = NULL;

	do {
		uint32_t n = RTE_MIN(length, part != 0 ? (uint32_t)part : MBUF_ROOM);
		struct rte_mbuf *segment = new_segment(pool, frame, n, room);

		frame += n;
		length -= n;
		if (head == NULL) {
			head = segment;
		} else {
			last->next = segment;
			head->nb_segs++;
			head->pkt_len += n;
		}
		last = segment;
	} while (length > 0);
	return head;
}

static void check_sound(const struct rte_mbuf *packet)
{
	const char *reason;

	if (rte_mbuf_check(packet, 1, &reason) != 0)
		fail(reason);
}

/* Byte by byte, so that nothing is shared with the code under test. */
static void flatten(const struct rte_mbuf *packet, uint8_t *bytes)
{
	for (; packet != NULL; packet = packet->next) {
		memcpy(bytes, rte_pktmbuf_mtod(packet, const void *), packet->data_len);
		bytes += packet->data_len;
	}
}

/* Bytes that a stripped packet gets, and that stand in front of them. */
static const uint32_t added[] = {
	[FC_TUNNEL_FRAME] = 0, [FC_TUNNEL_PACKET] = 14, [FC_TUNNEL_TAGGED] = 4
};
static const uint32_t moved[] = {
	[FC_TUNNEL_FRAME] = 0, [FC_TUNNEL_PACKET] = 0, [FC_TUNNEL_TAGGED] = 12
};

/* The frame must be what was behind the outer headers. */
static void strip(
	const struct rig *rig, struct rte_mbuf *packet, const struct fc_tunnel_match *match)
{
	uint32_t size = packet->pkt_len, skip = match->skip;
	uint8_t *before = malloc(size);
	uint8_t *after;
	uint32_t at = added[match->front], front = moved[match->front];

	if (before == NULL || match->end >= rig->ends.n || skip > size ||
		match->length > size - skip || match->length + at < 14)
		fail("a match that lies");
	flatten(packet, before);
	fc_tunnel_strip(packet, match);
	check_sound(packet);
	if (packet->pkt_len != match->length + at)
		fail("another length");
	after = malloc(packet->pkt_len);
	if (after == NULL)
		fail("no memory");
	flatten(packet, after);
	if (memcmp(after, before + skip, front) != 0 ||
		memcmp(after + front + at, before + skip + front, match->length - front) != 0)
		fail("other bytes");
	if (match->front != FC_TUNNEL_FRAME &&
		memcmp(after + 14 - (match->front == FC_TUNNEL_PACKET ? 2 : 0), &match->type, 2) !=
			0)
		fail("another type or tag");
	free(before);
	free(after);
	fc_flow_hash(packet);
}

static void meet_host(struct rte_mbuf *packet)
{
	struct fc_neighbour_message message;

	if (fc_neighbour_parse(packet, &message) == 0 && message.kind == FC_NEIGHBOUR_PING) {
		const struct fc_neighbour_host host = { .local = message.target,
			.mac = { 2, 0, 0, 0, 0, 9 } };

		fc_neighbour_pong(&host, packet);
		check_sound(packet);
	}
}

/* What is like a packet for one of the ends must be one, the same way. */
static void compare_with_memory(
	const struct rig *rig, const struct rte_mbuf *packet, struct fc_tunnel_memory *memory)
{
	struct fc_tunnel_match like, match;

	if (fc_tunnel_is_like(memory, packet, &like) &&
		(fc_tunnel_look(&rig->ends, packet, &match) != FC_TUNNEL_OURS ||
			match.end != like.end || match.skip != like.skip ||
			match.length != like.length || match.l2 != like.l2 ||
			match.hint != like.hint || match.front != like.front))
		fail("it only looks like the last one");
	if (fc_tunnel_look(&rig->ends, packet, &match) == FC_TUNNEL_OURS)
		fc_tunnel_remember(&rig->ends, packet, &match, memory);
}

static void take(const struct rig *rig, struct fc_reassembly *reassembly, struct rte_mbuf *packet,
	struct fc_tunnel_memory *memory, uint64_t now)
{
	struct fc_tunnel_match match;

	fc_flow_hash(packet);
	compare_with_memory(rig, packet, memory);
	if (fc_tunnel_look(&rig->ends, packet, &match) == FC_TUNNEL_PIECE) {
		packet = fc_reassembly_add(reassembly, packet, &match, now);
		if (packet == NULL)
			return;
		check_sound(packet);
		if (fc_tunnel_look(&rig->ends, packet, &match) == FC_TUNNEL_PIECE)
			fail("a whole packet is a fragment");
	}
	check_sound(packet);
	if (match.verdict == FC_TUNNEL_OURS)
		strip(rig, packet, &match);
	else if (match.verdict == FC_TUNNEL_HOST)
		meet_host(packet);
	rte_pktmbuf_free(packet);
}

static void check_counts(const struct fc_reassembly *reassembly, const struct rig *rig)
{
	const struct fc_reassembly_counts *counts = fc_reassembly_counts(reassembly);

	if (counts->held_mbufs > MAX_MBUFS)
		fail("more mbufs than allowed");
	if (rte_mempool_in_use_count(rig->pool) != counts->held_mbufs)
		fail("mbufs are lost");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct fc_reassembly_limits limits = {
		.max_datagrams = 4, .max_mbufs = MAX_MBUFS, .timeout_cycles = TIMEOUT
	};
	const struct rig *rig = rig_get();
	struct fc_tunnel_memory memory = { .skip = 0 };
	struct fc_reassembly *reassembly = fc_reassembly_new(&limits, SOCKET_ID_ANY);
	uint64_t now = 0;

	if (reassembly == NULL)
		fail("no table");
	while (size > HEAD_SIZE) {
		uint32_t length = (uint32_t)data[3] << 8 | data[4];

		length = RTE_MIN(length, (uint32_t)RTE_MIN(size - HEAD_SIZE, (size_t)FRAME_MAX));
		now += data[1];
		take(rig, reassembly,
			receive(rig->pool, data + HEAD_SIZE, length, data[0], data[2]), &memory,
			now);
		check_counts(reassembly, rig);
		data += HEAD_SIZE + length;
		size -= HEAD_SIZE + length;
	}
	fc_reassembly_expire(reassembly, now + TIMEOUT + 1);
	check_counts(reassembly, rig);
	fc_reassembly_free(reassembly);
	if (rte_mempool_in_use_count(rig->pool) != 0)
		fail("mbufs are held for ever");
	return 0;
}
