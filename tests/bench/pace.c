/* SPDX-License-Identifier: MIT */
/*
 * A preloaded object (LD_PRELOAD) that gives the ports of a DPDK program a rate, and received
 * packets their contents, without a change to the program. Each variable is a comma-separated list:
 *
 *   FC_PACE=net_null0=5000000  the port offers so many packets per second, as a NIC on a wire
 *                              would. What is not fetched in time is lost once DEPTH of them wait.
 *   FC_SLOW=net_null2=100000   the port takes so many packets per second; 0: none at all.
 *   FC_GATE=net_null2=1500     the port takes nothing for FC_GATE_MS milliseconds (500), from so
 * many milliseconds after its start on. FC_REPORT=FILE             at the end, for each 100 ms
 * since the start of the last paced port a line: the packets that paced ports have given, and have
 * lost. FC_KEEP=net_null1          the port still holds the first burst when it is given the
 * second, so that a program which goes by that does as with a NIC. FC_MARK=net_null0          the
 * pool of the port's received packets holds two kinds of frames, half TCP to port 443, half UDP to
 * port 53. FC_FRAME=net_null0=FILE    the pool of the port's received packets holds the bytes of
 * the file.
 *
 * net_null does not write into the mbufs that it hands out, so contents cost nothing per packet.
 *
 * Time is that which the polling thread has had: while another thread has its CPU, no packets come,
 * and none are lost for that reason.
 *
 * A paced port is asked for its packets only when it has some to offer: the receive function behind
 * rte_eth_rx_burst() is replaced after the start of the port. A receive callback would come too
 * late, after net_null has allocated a full burst for every poll. The rate of a slow port is a
 * transmit callback: rte_eth_tx_burst() hands the driver as many packets as the callback returns,
 * and returns what the driver took, so to the program the port's queue is full.
 */
#include <assert.h>
#include <dlfcn.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <rte_byteorder.h>
#include <rte_cycles.h>
#include <rte_debug.h>
#include <rte_ethdev.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>
#include <rte_tcp.h>
#include <rte_udp.h>

#define DEPTH	   1024 /* packets that wait on a port: the descriptors of a queue */
#define MAX_PACED  16
#define FRAME_SIZE 64
#define MAX_FRAME  2048
#define MAX_KEPT   256
#define MAX_GATED  16
#define SLOT_MS	   100
#define N_SLOTS	   600
#define GATE_MS	   500
#define GAP_US	   20 /* between two polls: longer ones may be another thread's */

/* Credit in units of 1/rate cycles: a packet costs tsc_hz of them, a cycle earns rate. */
struct bucket {
	uint64_t credit, last_tsc, rate, tsc_hz;
	uint64_t n_lost; /**< since somebody asked; only of ports that receive */
};

struct paced_queue {
	void *queue; /**< what the driver's function gets */
	eth_rx_burst_t receive;
	struct bucket bucket; /**< the lcore that polls the queue */
} __rte_cache_aligned;

struct frame {
	struct rte_ether_hdr ether;
	struct rte_ipv4_hdr ip;
	union {
		struct rte_tcp_hdr tcp;
		struct rte_udp_hdr udp;
	};
	uint8_t payload[FRAME_SIZE - sizeof(struct rte_ether_hdr) - sizeof(struct rte_ipv4_hdr) -
			sizeof(struct rte_tcp_hdr)];
};

static_assert(sizeof(struct frame) == FRAME_SIZE, "a frame has no padding");

static struct paced_queue paced_queues[MAX_PACED];
static bool is_slow[RTE_MAX_ETHPORTS];
static struct bucket slow_buckets[RTE_MAX_ETHPORTS][MAX_PACED];

static struct gate {
	uint64_t from_tsc, to_tsc;
} gates[MAX_GATED];
static unsigned n_gates;

static struct {
	uint64_t start_tsc;
	uint64_t received[N_SLOTS], lost[N_SLOTS]; /* the lcore that polls; one port */
} report;

static struct keeper {
	bool is_set, is_done;
	uint16_t n;
	struct rte_mbuf *packets[MAX_KEPT];
} keepers[RTE_MAX_ETHPORTS];

/* Finds NAME or NAME=NUMBER in the list that the variable holds. */
static bool find_port(const char *variable, const char *name, uint64_t *number)
{
	const char *item = getenv(variable);
	const size_t size = strlen(name);
	char *end;

	for (; item != NULL && *item != '\0'; item = strchr(item, ',')) {
		item += *item == ',';
		if (strncmp(item, name, size) != 0)
			continue;
		if (number == NULL && (item[size] == ',' || item[size] == '\0'))
			return true;
		if (number == NULL || item[size] != '=')
			continue;
		*number = strtoull(item + size + 1, &end, 10);
		if (end == item + size + 1 || (*end != ',' && *end != '\0'))
			rte_exit(EXIT_FAILURE, "%s: %s has no rate\n", variable, name);
		return true;
	}
	return false;
}

/* The bytes of the file that FC_FRAME names for a port; their number, 0: it names none. */
static size_t read_frame(const char *name, uint8_t bytes[MAX_FRAME])
{
	const char *item = getenv("FC_FRAME");
	const size_t size = strlen(name);
	size_t n;
	FILE *file;

	if (item == NULL || strncmp(item, name, size) != 0 || item[size] != '=')
		return 0;
	file = fopen(item + size + 1, "rb");
	n = file != NULL ? fread(bytes, 1, MAX_FRAME, file) : 0;
	if (n == 0)
		rte_exit(EXIT_FAILURE, "FC_FRAME: %s cannot be read\n", item + size + 1);
	fclose(file);
	return n;
}

static uint64_t to_cycles(uint64_t time, uint64_t per_second)
{
	return time / per_second * rte_get_tsc_hz() +
	       time % per_second * rte_get_tsc_hz() / per_second;
}

/*
 * The TSC without the time that other threads have had this one's CPU, which is looked up only
 * where it may have been some.
 */
static uint64_t own_tsc(void)
{
	static __thread uint64_t last, base, stolen;
	const uint64_t now = rte_rdtsc();

	if (now - last > to_cycles(GAP_US, 1000000)) {
		struct timespec time;
		uint64_t apart;

		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
		apart = now - to_cycles((uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec,
				      1000000000);
		if (base == 0)
			base = apart;
		stolen = RTE_MAX(stolen, apart - base);
	}
	last = now;
	return now - stolen;
}

static void fill_bucket(struct bucket *bucket, uint64_t rate)
{
	*bucket = (struct bucket){ .rate = rate, .tsc_hz = rte_get_tsc_hz() };
}

static uint16_t take_packets(struct bucket *bucket, uint16_t n_wanted)
{
	const uint64_t now = own_tsc(), depth = DEPTH * bucket->tsc_hz;
	uint64_t n_earned = n_wanted;

	if (bucket->last_tsc != 0)
		bucket->credit += RTE_MIN(now - bucket->last_tsc, bucket->tsc_hz) * bucket->rate;
	if (bucket->credit > depth) {
		bucket->n_lost += (bucket->credit - depth) / bucket->tsc_hz;
		bucket->credit = depth;
	}
	bucket->last_tsc = now;
	if (bucket->credit < n_wanted * bucket->tsc_hz)
		n_earned = bucket->credit / bucket->tsc_hz;
	return (uint16_t)n_earned;
}

static void spend_packets(struct bucket *bucket, uint16_t n)
{
	bucket->credit -= n * bucket->tsc_hz;
}

static uint16_t receive_paced(void *queue, struct rte_mbuf **packets, uint16_t n_wanted)
{
	struct paced_queue *paced = paced_queues;
	uint64_t slot;
	uint16_t n;

	while (paced->queue != queue)
		paced++;
	n = take_packets(&paced->bucket, n_wanted);
	if (n > 0) {
		n = paced->receive(queue, packets, n);
		spend_packets(&paced->bucket, n);
	}
	slot = (rte_rdtsc() - report.start_tsc) / to_cycles(SLOT_MS, 1000);
	if (slot < N_SLOTS) {
		report.received[slot] += n;
		report.lost[slot] += paced->bucket.n_lost;
	}
	paced->bucket.n_lost = 0;
	return n;
}

static void write_report(void)
{
	FILE *file = fopen(getenv("FC_REPORT"), "w");

	for (unsigned i = 0; file != NULL && i < N_SLOTS; i++)
		fprintf(file, "%" PRIu64 " %" PRIu64 "\n", report.received[i], report.lost[i]);
	if (file == NULL || fclose(file) != 0)
		fprintf(stderr, "FC_REPORT: it cannot be written\n");
}

static uint16_t stand_still(
	uint16_t port, uint16_t queue, struct rte_mbuf **packets, uint16_t n, void *user)
{
	const struct gate *gate = user;
	const uint64_t now = rte_rdtsc();

	RTE_SET_USED(port);
	RTE_SET_USED(queue);
	RTE_SET_USED(packets);
	return now >= gate->from_tsc && now < gate->to_tsc ? 0 : n;
}

static void gate_port(uint16_t port, uint64_t from_ms)
{
	const char *length = getenv("FC_GATE_MS");
	uint64_t ms = length != NULL ? strtoull(length, NULL, 10) : GATE_MS;
	struct gate *gate = &gates[n_gates];

	if (n_gates++ == MAX_GATED)
		rte_exit(EXIT_FAILURE, "FC_GATE: more than %u ports\n", MAX_GATED);
	gate->from_tsc = rte_rdtsc() + to_cycles(from_ms, 1000);
	gate->to_tsc = gate->from_tsc + to_cycles(ms, 1000);
	if (rte_eth_add_tx_callback(port, 0, stand_still, gate) == NULL)
		rte_exit(EXIT_FAILURE, "FC_GATE: no transmit callbacks\n");
}

static uint16_t hold_back(
	uint16_t port, uint16_t queue, struct rte_mbuf **packets, uint16_t n, void *user)
{
	struct bucket *bucket = user;

	RTE_SET_USED(port);
	RTE_SET_USED(queue);
	RTE_SET_USED(packets);
	n = take_packets(bucket, n);
	spend_packets(bucket, n);
	return n;
}

static void pace_port(uint16_t port, uint16_t n_queues, uint64_t rate)
{
	struct rte_eth_fp_ops *ops = &rte_eth_fp_ops[port];
	struct paced_queue *paced;
	uint16_t i;

	for (i = 0; i < n_queues; i++) {
		for (paced = paced_queues; paced < paced_queues + MAX_PACED; paced++) {
			if (paced->queue == NULL || paced->queue == ops->rxq.data[i])
				break;
		}
		if (paced == paced_queues + MAX_PACED)
			rte_exit(EXIT_FAILURE, "FC_PACE: more than %u queues\n", MAX_PACED);
		paced->queue = ops->rxq.data[i];
		paced->receive = ops->rx_pkt_burst;
		fill_bucket(&paced->bucket, rate / n_queues);
	}
	ops->rx_pkt_burst = receive_paced;
	if (report.start_tsc == 0 && getenv("FC_REPORT") != NULL)
		atexit(write_report);
	report.start_tsc = rte_rdtsc();
}

static void slow_port(uint16_t port, uint16_t n_queues, uint64_t rate)
{
	struct bucket *buckets = slow_buckets[port];
	uint16_t i;

	/* Callbacks outlive a stop of the port. */
	if (is_slow[port])
		return;
	is_slow[port] = true;
	if (n_queues > MAX_PACED)
		rte_exit(EXIT_FAILURE, "FC_SLOW: more than %u queues\n", MAX_PACED);
	for (i = 0; i < n_queues; i++) {
		fill_bucket(&buckets[i], rate / n_queues);
		if (rte_eth_add_tx_callback(port, i, hold_back, &buckets[i]) == NULL)
			rte_exit(EXIT_FAILURE, "FC_SLOW: no transmit callbacks\n");
	}
}

static uint16_t keep_first(
	uint16_t port, uint16_t queue, struct rte_mbuf **packets, uint16_t n, void *user)
{
	struct keeper *keeper = user;
	uint16_t i;

	RTE_SET_USED(port);
	RTE_SET_USED(queue);
	if (keeper->is_done || n == 0)
		return n;
	if (keeper->n > 0) {
		rte_pktmbuf_free_bulk(keeper->packets, keeper->n);
		keeper->is_done = true;
		return n;
	}
	for (i = 0; i < RTE_MIN(n, MAX_KEPT); i++) {
		rte_pktmbuf_refcnt_update(packets[i], 1);
		keeper->packets[keeper->n++] = packets[i];
	}
	return n;
}

static void keep_on_port(uint16_t port)
{
	/* Callbacks outlive a stop of the port. */
	if (keepers[port].is_set)
		return;
	keepers[port].is_set = true;
	if (rte_eth_add_tx_callback(port, 0, keep_first, &keepers[port]) == NULL)
		rte_exit(EXIT_FAILURE, "FC_KEEP: no transmit callbacks\n");
}

static void write_frame(struct rte_mempool *pool, void *user, void *object, unsigned int index)
{
	struct rte_mbuf *m = object;
	/* Of each two mbufs one is of either kind; a hash says which, so that nothing learns it. */
	const bool is_tcp = (((index >> 1) * UINT32_C(2654435761) >> 16) ^ index) & 1;
	struct frame frame = { .ether = { .dst_addr = { { 2, 0, 0, 0, 0, 1 } },
				       .src_addr = { { 2, 0, 0, 0, 0, 2 } },
				       .ether_type = RTE_BE16(RTE_ETHER_TYPE_IPV4) } };

	RTE_SET_USED(pool);
	RTE_SET_USED(user);
	frame.ip = (struct rte_ipv4_hdr){ .version_ihl = RTE_IPV4_VHL_DEF,
		.total_length = RTE_BE16(FRAME_SIZE - sizeof(struct rte_ether_hdr)),
		.time_to_live = 64,
		.next_proto_id = is_tcp ? IPPROTO_TCP : IPPROTO_UDP,
		.src_addr = RTE_BE32(RTE_IPV4(192, 0, 2, 1)),
		.dst_addr = RTE_BE32(RTE_IPV4(192, 0, 2, 2)) };
	if (is_tcp) {
		frame.tcp.src_port = RTE_BE16(40000);
		frame.tcp.dst_port = RTE_BE16(443);
		frame.tcp.data_off = 5 << 4;
	} else {
		frame.udp.src_port = RTE_BE16(40000);
		frame.udp.dst_port = RTE_BE16(53);
		frame.udp.dgram_len = RTE_BE16(FRAME_SIZE - offsetof(struct frame, udp));
	}
	if (m->buf_len >= RTE_PKTMBUF_HEADROOM + sizeof(frame))
		memcpy((uint8_t *)m->buf_addr + RTE_PKTMBUF_HEADROOM, &frame, sizeof(frame));
}

/* What FC_FRAME writes into each mbuf. */
struct bytes {
	uint8_t bytes[MAX_FRAME];
	size_t n;
};

static void write_bytes(struct rte_mempool *pool, void *user, void *object, unsigned int index)
{
	struct rte_mbuf *m = object;
	const struct bytes *frame = user;

	RTE_SET_USED(pool);
	RTE_SET_USED(index);
	if (m->buf_len >= RTE_PKTMBUF_HEADROOM + frame->n)
		memcpy((uint8_t *)m->buf_addr + RTE_PKTMBUF_HEADROOM, frame->bytes, frame->n);
}

/* POSIX lets an object pointer of dlsym() hold a function; ISO C has no conversion for it. */
static void find_real(const char *name, void *function)
{
	void *symbol = dlsym(RTLD_NEXT, name);

	if (symbol == NULL)
		rte_exit(EXIT_FAILURE, "%s: the program has none\n", name);
	memcpy(function, &symbol, sizeof(symbol));
}

int rte_eth_rx_queue_setup(uint16_t port_id, uint16_t rx_queue_id, uint16_t nb_rx_desc,
	unsigned int socket_id, const struct rte_eth_rxconf *rx_conf, struct rte_mempool *mb_pool)
{
	int (*real)(uint16_t, uint16_t, uint16_t, unsigned int, const struct rte_eth_rxconf *,
		struct rte_mempool *);
	char name[RTE_ETH_NAME_MAX_LEN];
	struct bytes frame;
	int error;

	find_real("rte_eth_rx_queue_setup", &real);
	error = real(port_id, rx_queue_id, nb_rx_desc, socket_id, rx_conf, mb_pool);
	if (error != 0 || mb_pool == NULL || rte_eth_dev_get_name_by_port(port_id, name) != 0)
		return error;
	if (find_port("FC_MARK", name, NULL))
		rte_mempool_obj_iter(mb_pool, write_frame, NULL);
	frame.n = read_frame(name, frame.bytes);
	if (frame.n != 0)
		rte_mempool_obj_iter(mb_pool, write_bytes, &frame);
	return 0;
}

int rte_eth_dev_start(uint16_t port_id)
{
	int (*real)(uint16_t);
	struct rte_eth_dev_info info;
	char name[RTE_ETH_NAME_MAX_LEN];
	uint64_t rate;
	int error;

	find_real("rte_eth_dev_start", &real);
	error = real(port_id);
	if (error != 0 || rte_eth_dev_get_name_by_port(port_id, name) != 0 ||
		rte_eth_dev_info_get(port_id, &info) != 0)
		return error;
	if (find_port("FC_PACE", name, &rate))
		pace_port(port_id, info.nb_rx_queues, rate);
	if (find_port("FC_SLOW", name, &rate))
		slow_port(port_id, info.nb_tx_queues, rate);
	if (find_port("FC_GATE", name, &rate))
		gate_port(port_id, rate);
	if (find_port("FC_KEEP", name, NULL))
		keep_on_port(port_id);
	return 0;
}
