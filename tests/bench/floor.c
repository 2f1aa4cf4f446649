/* SPDX-License-Identifier: MIT */
/*
 * The floor that scripts/bench compares fluxcap with: the least that a program can do that receives
 * on one port and sends every packet out of N others.
 *
 *   floor [EAL options] -- [--outputs N] [--seconds S] [--burst B] [--ring]
 *
 * One lcore takes bursts from net_null0, passes them through a single-producer, single-consumer
 * ring when --ring is given, raises the reference count by N - 1 and transmits on net_null1 to
 * net_nullN. It prints one line of JSON.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include <rte_cycles.h>
#include <rte_debug.h>
#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_ring.h>

#include "ports.h"

#define RING_SIZE	 1024
#define BURSTS_PER_CLOCK 256
#define WARM_UP_MS	 200
/* What one lcore has in hand: its pool's cache (at most 1.5 times 256) and bursts. */
#define POOL_SIZE	 1023
#define DATA_ROOM	 2048

struct floor_options {
	uint32_t n_outputs, seconds, burst;
	bool ring;
};

struct floor_run {
	uint64_t n_in, cycles, waited_ns;
	uint64_t n_out[BENCH_MAX_OUTPUTS];
};

struct floor_path {
	uint16_t input;
	uint16_t outputs[BENCH_MAX_OUTPUTS];
	uint16_t n_outputs, burst;
	struct rte_ring *ring; /**< NULL: straight on */
};

static struct floor_options parse_options(int argc, char **argv)
{
	static const struct option longs[] = { { "outputs", required_argument, NULL, 'o' },
		{ "seconds", required_argument, NULL, 's' },
		{ "burst", required_argument, NULL, 'b' }, { "ring", no_argument, NULL, 'r' },
		{ NULL, 0, NULL, 0 } };
	struct floor_options options = { .n_outputs = 2, .seconds = 1, .burst = 32 };
	int letter;

	while ((letter = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		switch (letter) {
		case 'o':
			options.n_outputs = bench_number("outputs", optarg, 1, BENCH_MAX_OUTPUTS);
			break;
		case 's':
			options.seconds = bench_number("seconds", optarg, 1, 3600);
			break;
		case 'b':
			options.burst = bench_number("burst", optarg, 1, BENCH_MAX_BURST);
			break;
		case 'r':
			options.ring = true;
			break;
		default:
			rte_exit(EXIT_FAILURE,
				"options: --outputs N --seconds S --burst B --ring\n");
		}
	}
	return options;
}

static __rte_always_inline void transmit(
	uint16_t port, struct rte_mbuf **packets, uint16_t n, uint64_t *n_out)
{
	const uint16_t sent = rte_eth_tx_burst(port, 0, packets, n);

	if (unlikely(sent < n))
		rte_pktmbuf_free_bulk(packets + sent, n - sent);
	*n_out += sent;
}

static __rte_always_inline void pass_burst(
	const struct floor_path *path, struct floor_run *run, bool ring)
{
	struct rte_mbuf *packets[BENCH_MAX_BURST];
	uint16_t n, i;

	n = rte_eth_rx_burst(path->input, 0, packets, path->burst);
	if (ring) {
		if (rte_ring_sp_enqueue_bulk(path->ring, (void **)packets, n, NULL) != n)
			rte_pktmbuf_free_bulk(packets, n);
		n = (uint16_t)rte_ring_sc_dequeue_burst(
			path->ring, (void **)packets, path->burst, NULL);
	}
	if (path->n_outputs > 1) {
		for (i = 0; i < n; i++)
			rte_mbuf_refcnt_update(packets[i], (int16_t)(path->n_outputs - 1));
	}
	for (i = 0; i < path->n_outputs; i++)
		transmit(path->outputs[i], packets, n, &run->n_out[i]);
	run->n_in += n;
}

static __rte_noinline struct floor_run run_for(const struct floor_path *path, uint64_t cycles)
{
	struct floor_run run = { .n_in = 0 };
	const uint64_t waited_ns = bench_waited_ns();
	const uint64_t start = rte_rdtsc();
	unsigned int i;

	do {
		for (i = 0; i < BURSTS_PER_CLOCK; i++) {
			if (path->ring != NULL)
				pass_burst(path, &run, true);
			else
				pass_burst(path, &run, false);
		}
		run.cycles = rte_rdtsc() - start;
	} while (run.cycles < cycles);
	run.waited_ns = bench_waited_ns() - waited_ns;
	return run;
}

static void print_run(
	const struct floor_options *options, const struct floor_run *run, uint64_t n_warm_up)
{
	const double seconds = (double)run->cycles / (double)rte_get_tsc_hz();
	uint32_t i;

	printf("{\"outputs\": %u, \"burst\": %u, \"ring\": %s, \"seconds\": %.6f, "
	       "\"packets_warm_up\": %" PRIu64 ", \"packets_in\": %" PRIu64 ", \"packets_out\": [",
		options->n_outputs, options->burst, options->ring ? "true" : "false", seconds,
		n_warm_up, run->n_in);
	for (i = 0; i < options->n_outputs; i++)
		printf("%s%" PRIu64, i == 0 ? "" : ", ", run->n_out[i]);
	printf("], \"cycles_per_packet\": %.2f, \"mpps\": %.4f, \"waited\": %.4f}\n",
		(double)run->cycles / (double)RTE_MAX(run->n_in, UINT64_C(1)),
		(double)run->n_in / seconds / 1e6, (double)run->waited_ns / 1e9 / seconds);
}

int main(int argc, char **argv)
{
	struct floor_path path = { .input = 0 };
	struct floor_options options;
	struct floor_run warm_up, run;
	struct rte_mempool *pool;
	int n_eal;

	n_eal = rte_eal_init(argc, argv);
	if (n_eal < 0)
		rte_exit(EXIT_FAILURE, "EAL does not start\n");
	options = parse_options(argc - n_eal, argv + n_eal);

	pool = bench_pool_create("floor", POOL_SIZE, DATA_ROOM);
	path.input = bench_ports_start(options.n_outputs, pool, path.outputs);
	path.n_outputs = (uint16_t)options.n_outputs;
	path.burst = (uint16_t)options.burst;
	if (options.ring) {
		path.ring = rte_ring_create(
			"floor", RING_SIZE, (int)rte_socket_id(), RING_F_SP_ENQ | RING_F_SC_DEQ);
		if (path.ring == NULL)
			rte_exit(EXIT_FAILURE, "no memory for the ring\n");
	}

	warm_up = run_for(&path, rte_get_tsc_hz() * WARM_UP_MS / 1000);
	run = run_for(&path, rte_get_tsc_hz() * options.seconds);
	print_run(&options, &run, warm_up.n_in);
	rte_eal_cleanup();
	return 0;
}
