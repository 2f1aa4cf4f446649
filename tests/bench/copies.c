/* SPDX-License-Identifier: MIT */
/*
 * What a private packet costs, by the way it is made and by the length of the packet: where a copy
 * becomes dearer than an indirect mbuf is the threshold that fluxcap needs.
 *
 *   copies [EAL options] -- --mode MODE [--bytes B] [--outputs N] [--hold H] [--seconds S]
 *
 * One lcore takes bursts from net_null0 (give it size=B), lets them wait in a queue of H packets,
 * so that with a large H they have left the cache, and sends them out of N ports: the first gets
 * the packet itself, every other one a private packet whose first 18 bytes are written:
 *
 *   share         no private packet, the reference count only (the floor)
 *   copy          one mbuf, B bytes copied
 *   header        an mbuf with a header, chained to the shared packet (an encapsulation)
 *   header+clone  an mbuf with the changed header, chained to an indirect mbuf of the rest (a tag)
 *   clone         an indirect mbuf alone, nothing written (cutting)
 *
 * It prints one line of JSON.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_debug.h>
#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_memcpy.h>
#include <rte_ring.h>

#include "ports.h"

#define BURST		 32
#define BURSTS_PER_CLOCK 256
#define WARM_UP_MS	 300
#define POOL_SPARE	 2047
#define DATA_ROOM	 2048
#define MACS_SIZE	 12
#define HEADER_SIZE	 18

enum copies_mode { MODE_SHARE, MODE_COPY, MODE_HEADER, MODE_HEADER_CLONE, MODE_CLONE, N_MODES };

static const char *const mode_names[N_MODES] = { "share", "copy", "header", "header+clone",
	"clone" };

struct copies_path {
	enum copies_mode mode;
	uint32_t bytes, n_outputs, hold, seconds;
	uint16_t input;
	uint16_t outputs[BENCH_MAX_OUTPUTS];
	struct rte_ring *waiting;
	struct rte_mempool *pool; /**< of received packets and of private ones */
};

static enum copies_mode parse_mode(const char *text)
{
	unsigned int i;

	for (i = 0; i < N_MODES; i++) {
		if (strcmp(text, mode_names[i]) == 0)
			return (enum copies_mode)i;
	}
	rte_exit(
		EXIT_FAILURE, "--mode %s: want share, copy, header, header+clone or clone\n", text);
}

static void parse_options(int argc, char **argv, struct copies_path *path)
{
	static const struct option longs[] = { { "mode", required_argument, NULL, 'm' },
		{ "bytes", required_argument, NULL, 'b' },
		{ "outputs", required_argument, NULL, 'o' },
		{ "hold", required_argument, NULL, 'h' },
		{ "seconds", required_argument, NULL, 's' }, { NULL, 0, NULL, 0 } };
	int letter;

	while ((letter = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		switch (letter) {
		case 'm':
			path->mode = parse_mode(optarg);
			break;
		case 'b':
			path->bytes = bench_number("bytes", optarg, HEADER_SIZE, DATA_ROOM);
			break;
		case 'o':
			path->n_outputs = bench_number("outputs", optarg, 1, BENCH_MAX_OUTPUTS);
			break;
		case 'h':
			path->hold = bench_number("hold", optarg, 0, 1 << 20);
			break;
		case 's':
			path->seconds = bench_number("seconds", optarg, 1, 3600);
			break;
		default:
			rte_exit(EXIT_FAILURE, "options: --mode M --bytes B --outputs N --hold H "
					       "--seconds S\n");
		}
	}
}

static __rte_always_inline void write_header(struct rte_mbuf *m)
{
	memset(rte_pktmbuf_mtod(m, void *), 0x81, HEADER_SIZE);
}

static __rte_always_inline void fill_copy(
	struct rte_mbuf *private, const struct rte_mbuf *shared, uint16_t bytes)
{
	rte_memcpy(
		rte_pktmbuf_mtod(private, void *), rte_pktmbuf_mtod(shared, const void *), bytes);
	write_header(private);
	private->data_len = bytes;
	private->pkt_len = bytes;
	private->port = shared->port;
	private->packet_type = shared->packet_type;
}

static __rte_always_inline void chain_header(struct rte_mbuf *header, struct rte_mbuf *rest)
{
	write_header(header);
	header->data_len = HEADER_SIZE;
	header->pkt_len = HEADER_SIZE + rest->pkt_len;
	header->nb_segs = (uint16_t)(1 + rest->nb_segs);
	header->next = rest;
	header->port = rest->port;
}

static __rte_always_inline void attach_rest(
	struct rte_mbuf *indirect, struct rte_mbuf *shared, uint16_t skip)
{
	rte_pktmbuf_attach(indirect, shared);
	indirect->data_off = (uint16_t)(indirect->data_off + skip);
	indirect->data_len = (uint16_t)(indirect->data_len - skip);
	indirect->pkt_len -= skip;
}

/* Private packets for all of a burst, from one bulk allocation; 0 when there are no mbufs. */
static __rte_always_inline uint16_t make_private(const struct copies_path *path,
	enum copies_mode mode, struct rte_mbuf **shared, uint16_t n, struct rte_mbuf **private)
{
	struct rte_mbuf *indirect[BURST];
	uint16_t i;

	if (rte_pktmbuf_alloc_bulk(path->pool, private, n) != 0)
		return 0;
	if (mode == MODE_HEADER_CLONE && rte_pktmbuf_alloc_bulk(path->pool, indirect, n) != 0) {
		rte_pktmbuf_free_bulk(private, n);
		return 0;
	}
	for (i = 0; i < n; i++) {
		switch (mode) {
		case MODE_COPY:
			fill_copy(private[i], shared[i], (uint16_t)path -> bytes);
			break;
		case MODE_HEADER:
			rte_mbuf_refcnt_update(shared[i], 1);
			chain_header(private[i], shared[i]);
			break;
		case MODE_HEADER_CLONE:
			attach_rest(indirect[i], shared[i], MACS_SIZE);
			chain_header(private[i], indirect[i]);
			break;
		default:
			attach_rest(private[i], shared[i], 0);
			break;
		}
	}
	return n;
}

static __rte_always_inline void transmit(uint16_t port, struct rte_mbuf **packets, uint16_t n)
{
	const uint16_t sent = rte_eth_tx_burst(port, 0, packets, n);

	if (unlikely(sent < n))
		rte_pktmbuf_free_bulk(packets + sent, n - sent);
}

static __rte_always_inline uint16_t pass_burst(
	const struct copies_path *path, enum copies_mode mode)
{
	struct rte_mbuf *packets[BURST], *private[BURST];
	uint16_t n;
	uint32_t i;

	n = rte_eth_rx_burst(path->input, 0, packets, BURST);
	if (rte_ring_sp_enqueue_bulk(path->waiting, (void **)packets, n, NULL) != n)
		rte_pktmbuf_free_bulk(packets, n);
	if (rte_ring_count(path->waiting) < path->hold)
		return 0;
	n = (uint16_t)rte_ring_sc_dequeue_burst(path->waiting, (void **)packets, BURST, NULL);

	if (mode == MODE_SHARE) {
		for (i = 0; i < n; i++)
			rte_mbuf_refcnt_update(packets[i], (int16_t)(path->n_outputs - 1));
	}
	for (i = 1; i < path->n_outputs; i++) {
		if (mode == MODE_SHARE)
			transmit(path->outputs[i], packets, n);
		else if (make_private(path, mode, packets, n, private) == n)
			transmit(path->outputs[i], private, n);
	}
	transmit(path->outputs[0], packets, n);
	return n;
}

static __rte_always_inline double run_mode(
	const struct copies_path *path, enum copies_mode mode, uint64_t cycles)
{
	const uint64_t start = rte_rdtsc();
	uint64_t n = 0, passed;
	unsigned int i;

	do {
		for (i = 0; i < BURSTS_PER_CLOCK; i++)
			n += pass_burst(path, mode);
		passed = rte_rdtsc() - start;
	} while (passed < cycles);
	return (double)passed / (double)RTE_MAX(n, UINT64_C(1));
}

static __rte_noinline double run_for(const struct copies_path *path, uint64_t cycles)
{
	switch (path->mode) {
	case MODE_COPY:
		return run_mode(path, MODE_COPY, cycles);
	case MODE_HEADER:
		return run_mode(path, MODE_HEADER, cycles);
	case MODE_HEADER_CLONE:
		return run_mode(path, MODE_HEADER_CLONE, cycles);
	case MODE_CLONE:
		return run_mode(path, MODE_CLONE, cycles);
	default:
		return run_mode(path, MODE_SHARE, cycles);
	}
}

int main(int argc, char **argv)
{
	struct copies_path path = { .bytes = 64, .n_outputs = 2, .seconds = 1 };
	const int n_eal = rte_eal_init(argc, argv);
	uint64_t waited_ns;
	double cycles;

	if (n_eal < 0)
		rte_exit(EXIT_FAILURE, "EAL does not start\n");
	parse_options(argc - n_eal, argv + n_eal, &path);

	path.pool = bench_pool_create("copies", path.hold + POOL_SPARE, DATA_ROOM);
	path.waiting = rte_ring_create("waiting", rte_align32pow2(path.hold + 4 * BURST),
		(int)rte_socket_id(), RING_F_SP_ENQ | RING_F_SC_DEQ);
	if (path.waiting == NULL)
		rte_exit(EXIT_FAILURE, "no memory for the queue\n");
	path.input = bench_ports_start(path.n_outputs, path.pool, path.outputs);

	(void)run_for(&path, rte_get_tsc_hz() * WARM_UP_MS / 1000);
	waited_ns = bench_waited_ns();
	cycles = run_for(&path, rte_get_tsc_hz() * path.seconds);
	waited_ns = bench_waited_ns() - waited_ns;
	printf("{\"mode\": \"%s\", \"bytes\": %u, \"outputs\": %u, \"hold\": %u, "
	       "\"cycles_per_packet\": %.2f, \"mpps\": %.4f, \"waited\": %.4f}\n",
		mode_names[path.mode], path.bytes, path.n_outputs, path.hold, cycles,
		(double)rte_get_tsc_hz() / cycles / 1e6, (double)waited_ns / 1e9 / path.seconds);
	rte_eal_cleanup();
	return 0;
}
