/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include <pthread.h>
#include <sched.h>

#include <rte_ethdev.h>

#include "dpdk_fixture.h"
#include "engine_rig.h"
#include "lane.h"

/* How much an lcore does for backlogs in a round, beside a source that is full or is not. */

#define LENGTH	  60
#define ALL	  (UINT64_MAX / 2) /* rounds */
#define N_FEEDS	  3
#define N_BURSTS  600 /* in each backlog */
#define N_PACKETS (N_BURSTS * FC_BURST)

static struct {
	struct rte_mempool *pool;
	struct rig_tap tap; /* the source; no output takes what it gives */
	struct rig_port port;
	struct fc_output output;
	struct fc_feed feeds[N_FEEDS], *list[N_FEEDS];
	struct fc_queue *queues[1];
	struct fc_lane lane;
	_Atomic uint64_t reached;

	uint64_t last_round; /* after which the lcore is stopped */
	uint16_t n_given;    /* by the source, each time */
	bool is_stalled;     /* the port takes nothing */
	eth_tx_burst_t send;
	uint64_t round;		 /* the last one in which something was offered to the port */
	unsigned n_in_round;	 /* how often */
	unsigned n_seen[20];	 /* rounds with so many */
	uint64_t first_seen[20]; /* the first of them */
} s;

static uint16_t give_packets(void *queue, struct rte_mbuf **packets, uint16_t n)
{
	(void)queue;
	if (atomic_load(&s.lane.n_rounds) >= s.last_round)
		atomic_store(&s.lane.phase, FC_PHASE_STOP);
	n = RTE_MIN(n, s.n_given);
	if (n == 0 || rte_pktmbuf_alloc_bulk(s.pool, packets, n) != 0)
		return 0;
	for (uint16_t i = 0; i < n; i++)
		packets[i]->pkt_len = packets[i]->data_len = LENGTH;
	return n;
}

static void end_round(void)
{
	unsigned n = RTE_MIN(s.n_in_round, RTE_DIM(s.n_seen) - 1);

	if (n != 0 && s.n_seen[n]++ == 0)
		s.first_seen[n] = s.round;
	s.n_in_round = 0;
}

static uint16_t take_frames(void *queue, struct rte_mbuf **frames, uint16_t n)
{
	uint64_t round = atomic_load(&s.lane.n_rounds);

	if (round != s.round)
		end_round();
	s.round = round;
	s.n_in_round++;
	return s.is_stalled ? 0 : s.send(queue, frames, n);
}

static void fill_backlog(struct fc_feed *feed)
{
	struct rte_mbuf *packets[FC_BURST];

	for (unsigned i = 0; i < N_BURSTS; i++) {
		for (unsigned k = 0; k < FC_BURST; k++)
			packets[k] = rig_frame(s.pool, i * FC_BURST + k, LENGTH, 0, 0);
		fc_backlog_push(&feed->backlog, 0, packets, FC_BURST);
		fc_tally_add(&feed->queued, FC_BURST, FC_BURST * LENGTH);
	}
}

static void begin(struct rte_mempool *idle, uint16_t n_given)
{
	struct fc_edits none = rig_no_edits();

	memset(&s, 0, sizeof(s));
	s.n_given = n_given;
	s.pool = fixture_pool_new("waiting", 65535, 64);
	rig_tap_begin(&s.tap, "source", &none, idle);
	rig_port_start(&s.port, "port", 65536, idle);
	rig_output_begin(&s.output, &s.port, &none, NULL, false);
	for (unsigned i = 0; i < N_FEEDS; i++) {
		rig_feed_begin(&s.feeds[i], &s.output, &s.reached, N_PACKETS);
		fill_backlog(&s.feeds[i]);
		s.list[i] = &s.feeds[i];
	}
	s.queues[0] = &s.tap.queue;
	s.lane.work = (struct fc_work){
		.n_feeds = N_FEEDS, .feeds = s.list, .n_queues = 1, .queues = s.queues
	};
	s.send = rte_eth_fp_ops[s.port.port.id].tx_pkt_burst;
	rte_eth_fp_ops[s.port.port.id].tx_pkt_burst = take_frames;
	rte_eth_fp_ops[s.tap.port.port.id].rx_pkt_burst = give_packets;
}

static void end(void)
{
	s.n_given = 0;
	for (unsigned i = 0; i < N_FEEDS; i++)
		rig_feed_end(&s.feeds[i]);
	rig_output_end(&s.output);
	rig_port_stop(&s.port);
	rig_tap_end(&s.tap);
	fixture_assert_full(s.pool);
	rte_mempool_free(s.pool);
}

static void *run(void *lane)
{
	return (void *)(intptr_t)fc_lane_run(lane);
}

/* Let the lcore work for so many rounds, or for as many as it takes until all is sent. */
static void work(uint64_t n_rounds)
{
	pthread_t thread;

	s.last_round = atomic_load(&s.lane.n_rounds) + n_rounds;
	atomic_store(&s.lane.phase, FC_PHASE_RUN);
	assert_int_equal(pthread_create(&thread, NULL, run, &s.lane), 0);
	for (unsigned i = 0; n_rounds == ALL && i < N_FEEDS; i++)
		while (fc_tally_read(&s.feeds[i].tx).packets < N_PACKETS)
			sched_yield();
	if (n_rounds == ALL)
		atomic_store(&s.lane.phase, FC_PHASE_STOP);
	pthread_join(thread, NULL);
	end_round();
}

static unsigned most_in_round(void)
{
	unsigned most = 0;

	for (unsigned i = 0; i < RTE_DIM(s.n_seen); i++)
		if (s.n_seen[i] != 0)
			most = i;
	return most;
}

/* A source that leaves time: all of it goes to the backlogs, but the source is looked at again. */
static void test_idle_source(void **state)
{
	for (uint16_t n_given = 0; n_given < FC_BURST; n_given = (uint16_t)(n_given + 31)) {
		begin(*state, n_given);
		work(ALL);
		assert_int_equal(most_in_round(), 8);
		assert_true(s.n_seen[8] >= N_FEEDS * N_BURSTS / 8);
		end();
	}
}

/*
 * A source that is always full: one burst leaves in each round, of each backlog in turn; after so
 * many rounds that a queue would have emptied, each backlog gets on faster than packets come.
 */
static void test_full_source(void **state)
{
	begin(*state, FC_BURST);
	s.lane.is_pressed = true;
	work(600);
	assert_int_equal(most_in_round(), 1);
	for (unsigned i = 0; i < N_FEEDS; i++)
		assert_in_range(fc_tally_read(&s.feeds[i].tx).packets / FC_BURST, 150, 250);
	work(ALL);
	assert_int_equal(most_in_round(), 2 * N_FEEDS);
	assert_in_range(s.first_seen[2 * N_FEEDS], 1000, 1200);
	end();
}

/* Ports that take nothing are asked no more often than others are sent to. */
static void test_stalled_port(void **state)
{
	begin(*state, FC_BURST);
	s.lane.is_pressed = true;
	s.is_stalled = true;
	work(600);
	assert_int_equal(most_in_round(), 1);
	assert_in_range(s.n_seen[1], 500, 700);
	s.is_stalled = false;
	work(ALL);
	end();
}

/* Whatever becomes too late at once, only some of it is lost in each round. */
static void test_shorter_window(void **state)
{
	struct fc_feed *feed;
	uint64_t n_lost = 0;

	begin(*state, 0);
	feed = &s.feeds[0];
	feed->window = 0;
	atomic_store(&s.reached, 1);
	for (unsigned i = 0; i < N_BURSTS / 4; i++) {
		uint64_t n = fc_feed_expire(feed);

		assert_int_equal(n, 4 * FC_BURST);
		n_lost += n;
		assert_int_equal(fc_tally_read(&feed->drops[FC_DROP_OVERRUN]).packets, n_lost);
	}
	assert_false(fc_feed_is_waiting(feed));
	end();
}

/* And one that comes makes two too late ones go, so that a backlog gets shorter while it grows. */
static void test_shorter_window_while_waiting(void **state)
{
	struct fc_feed *feed;

	begin(*state, 0);
	feed = &s.feeds[0];
	s.is_stalled = true;
	feed->window = 10 * FC_BURST;
	atomic_store(&s.reached, 20 * FC_BURST);
	for (unsigned i = 1; i <= N_BURSTS; i++) {
		struct rte_mbuf *packets[FC_BURST];

		for (unsigned k = 0; k < FC_BURST; k++)
			packets[k] = rig_frame(s.pool, k, LENGTH, 0, 0);
		fc_feed_offer(feed, packets, FC_BURST, FC_BURST * LENGTH,
			atomic_fetch_add(&s.reached, FC_BURST), true);
		assert_int_equal(fc_tally_read(&feed->drops[FC_DROP_OVERRUN]).packets,
			i < N_BURSTS - 10 ? 2 * i * FC_BURST : (N_BURSTS + i - 10) * FC_BURST);
		if (i == N_BURSTS - 20)
			break;
	}
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_idle_source),
		cmocka_unit_test(test_full_source),
		cmocka_unit_test(test_stalled_port),
		cmocka_unit_test(test_shorter_window),
		cmocka_unit_test(test_shorter_window_while_waiting),
	};

	return cmocka_run_group_tests(tests, fixture_start, fixture_stop);
}
