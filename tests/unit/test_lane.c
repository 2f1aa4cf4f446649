/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <sys/prctl.h>

#include <rte_ethdev.h>

#include "dpdk_fixture.h"
#include "engine_rig.h"
#include "lane.h"

#define LENGTH 60
#define SLOTS  32
#define WINDOW 2048
#define N_SLOW 30

static void *run(void *lane)
{
	return (void *)(intptr_t)fc_lane_run(lane);
}

static pthread_t start(struct fc_lane *lane)
{
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, run, lane), 0);
	return thread;
}

static void set_phase(struct fc_lane *lane, enum fc_phase phase)
{
	atomic_store(&lane->phase, phase);
	while (atomic_load(&lane->phase_seen) != (int)phase)
		sched_yield();
}

static void stop(struct fc_lane *lane, pthread_t thread)
{
	void *ret;

	set_phase(lane, FC_PHASE_STOP);
	pthread_join(thread, &ret);
	assert_null(ret);
}

static void *run_and_ask(void *lane)
{
	assert_int_equal(fc_lane_run(lane), 0);
	return (void *)(uintptr_t)prctl(PR_GET_TIMERSLACK, 0UL, 0UL, 0UL, 0UL);
}

/* Its sleeps are as long as it says: on the thread that it runs on, and on no other. */
static void test_timer_slack(void **state)
{
	int ours = prctl(PR_GET_TIMERSLACK, 0UL, 0UL, 0UL, 0UL);
	struct fc_lane lane = { .phase = FC_PHASE_STOP };
	pthread_t thread;
	void *slack;

	(void)state;
	assert_int_not_equal(ours, 1);
	assert_int_equal(pthread_create(&thread, NULL, run_and_ask, &lane), 0);
	assert_int_equal(pthread_join(thread, &slack), 0);
	assert_int_equal((uintptr_t)slack, 1);
	assert_int_equal(prctl(PR_GET_TIMERSLACK, 0UL, 0UL, 0UL, 0UL), ours);
}

/* It receives when it runs, does not when it drains, and comes back when it is stopped. */
static void test_phases(void **state)
{
	struct fc_edits none = rig_no_edits();
	struct fc_queue *queues[1];
	struct fc_lane lane = { .work = { .n_queues = 1, .queues = queues, .idle_us = 10 } };
	pthread_t thread;
	struct rig_tap tap;

	rig_tap_begin(&tap, "tap", &none, *state);
	queues[0] = &tap.queue;
	thread = start(&lane);
	for (unsigned i = 0; i < 50; i++)
		rig_tap_put(&tap, rig_frame(*state, i, LENGTH, 0, 0));
	while (fc_tally_read(&tap.intake.rx).packets < 50)
		sched_yield();
	set_phase(&lane, FC_PHASE_DRAIN);
	for (unsigned i = 0; i < 10; i++)
		rig_tap_put(&tap, rig_frame(*state, i, LENGTH, 0, 0));
	for (uint64_t n = lane.n_rounds; lane.n_rounds < n + 100;)
		sched_yield();
	assert_int_equal(fc_tally_read(&tap.intake.rx).packets, 50);
	stop(&lane, thread);
	assert_int_equal(rte_ring_count(tap.port.in), 10);
	assert_true(lane.busy_cycles > 0);
	assert_true(lane.idle_cycles > 0);
	rig_tap_end(&tap);
	fixture_assert_full(*state);
}

/* Bursts that come over a handoff go to the route that their header names. */
static void test_inbound(void **state)
{
	struct fc_edits none = rig_no_edits();
	struct rig_port ports[2];
	struct fc_output outputs[2];
	struct fc_feed feeds[2], *of_route[2][1] = { { &feeds[0] }, { &feeds[1] } };
	/* One of either generation. */
	struct fc_route routes[2], *even[1] = { &routes[0] }, *odd[1] = { &routes[1] };
	struct fc_handoff handoff = { .ring = rte_ring_create("handoff", FC_HANDOFF_WORDS,
					      SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ) };
	struct fc_inbound inbound = { .reader.handoff = &handoff, .routes = { even, odd } };
	struct fc_inbound *list[1] = { &inbound };
	struct fc_lane lane = { .work = { .n_inbound = 1, .inbound = list } };
	_Atomic uint64_t reached = 40;
	pthread_t thread;

	for (unsigned i = 0; i < 2; i++) {
		rig_port_start(&ports[i], i == 0 ? "out0" : "out1", 64, *state);
		rig_output_begin(&outputs[i], &ports[i], &none, NULL, false);
		rig_feed_begin(&feeds[i], &outputs[i], &reached, WINDOW);
		routes[i] = (struct fc_route){ .feeds = of_route[i], .n_feeds = 1, .n_sharing = 1 };
	}
	thread = start(&lane);
	for (unsigned i = 0; i < 40; i++) {
		struct rte_mbuf *packet = rig_frame(*state, i, LENGTH, 0, 0);

		fc_handoff_push(
			&handoff, (uint16_t)((i % 4 == 3) << FC_ROUTE_PARITY_SHIFT), i, &packet, 1);
	}
	while (fc_tally_read(&feeds[0].tx).packets < 30 || fc_tally_read(&feeds[1].tx).packets < 10)
		sched_yield();
	stop(&lane, thread);
	assert_int_equal(fc_tally_read(&feeds[0].tx).bytes, 30 * LENGTH);
	for (unsigned i = 0; i < 40; i++) {
		struct rte_mbuf *packet = rig_port_read(&ports[i % 4 == 3]);

		assert_int_equal(rig_frame_number(packet), i);
		rte_pktmbuf_free(packet);
	}
	for (unsigned i = 0; i < 2; i++) {
		rig_feed_end(&feeds[i]);
		rig_output_end(&outputs[i]);
		rig_port_stop(&ports[i]);
	}
	rte_ring_free(handoff.ring);
	fixture_assert_full(*state);
}

/* A port that takes SLOTS frames in each of the lane's first N_SLOW rounds, and then none. */
static struct {
	const struct fc_lane *lane;
	eth_tx_burst_t send;
	uint64_t round;
	uint16_t left;
} slow;

static uint16_t send_slowly(void *queue, struct rte_mbuf **frames, uint16_t n)
{
	uint64_t round = atomic_load(&slow.lane->n_rounds);
	uint16_t n_sent;

	if (round != slow.round) {
		slow.round = round;
		slow.left = round < N_SLOW ? SLOTS : 0;
	}
	n_sent = slow.send(queue, frames, RTE_MIN(n, slow.left));
	slow.left = (uint16_t)(slow.left - n_sent);
	return n_sent;
}

/* Feeds that wait for one slow port take turns, though the first could fill it each time. */
static void test_turns(void **state)
{
	struct rte_mempool *pool = fixture_pool_new("turns", 4095, 2048);
	struct fc_edits none = rig_no_edits();
	struct fc_feed feeds[3], *list[3] = { &feeds[0], &feeds[1], &feeds[2] };
	struct fc_lane lane = { .work = { .n_feeds = 3, .feeds = list } };
	struct rte_eth_fp_ops *ops;
	_Atomic uint64_t reached = 0;
	struct fc_output output;
	struct rig_port port;
	pthread_t thread;

	rig_port_start(&port, "slow", 4000, *state);
	ops = &rte_eth_fp_ops[port.port.id];
	slow.lane = &lane;
	slow.left = SLOTS;
	slow.send = ops->tx_pkt_burst;
	ops->tx_pkt_burst = send_slowly;
	rig_output_begin(&output, &port, &none, NULL, false);
	for (unsigned f = 0; f < 3; f++) {
		rig_feed_begin(&feeds[f], &output, &reached, WINDOW);
		for (unsigned i = 0; i < 32; i++) {
			struct rte_mbuf *packets[FC_BURST];

			for (unsigned k = 0; k < FC_BURST; k++)
				packets[k] = rig_frame(pool, i * FC_BURST + k, LENGTH, 0, 0);
			fc_backlog_push(&feeds[f].backlog, 0, packets, FC_BURST);
			fc_tally_add(&feeds[f].queued, FC_BURST, FC_BURST * LENGTH);
		}
	}
	thread = start(&lane);
	while (atomic_load(&lane.n_rounds) < 2 * N_SLOW)
		sched_yield();
	stop(&lane, thread);
	assert_int_equal(rte_ring_count(port.out), N_SLOW * SLOTS);
	for (unsigned f = 0; f < 3; f++)
		/* But for the single packets by which each finds out that the port takes some
		 * again. */
		assert_in_range(fc_tally_read(&feeds[f].tx).packets, N_SLOW * SLOTS / 3 - 3,
			N_SLOW * SLOTS / 3 + 3);
	for (unsigned f = 0; f < 3; f++)
		rig_feed_end(&feeds[f]);
	rig_output_end(&output);
	rig_port_stop(&port);
	fixture_assert_full(pool);
	rte_mempool_free(pool);
}

/* Orders that an lcore sees in an epoch of somebody else's are not followed again in their own. */
static void test_orders_once(void **state)
{
	struct fc_edits none = rig_no_edits();
	_Atomic uint64_t reached = 0;
	struct fc_backlog larger;
	struct fc_output output;
	struct fc_feed feed;
	struct rig_port port;
	struct fc_feed_order order = { &feed, &output, 4 * WINDOW, &larger };
	struct fc_orders orders = { .n_feeds = 1, .feeds = &order };
	struct fc_lane lane = { .phase = FC_PHASE_RUN };
	pthread_t thread;

	rig_port_start(&port, "orders", 64, *state);
	rig_output_begin(&output, &port, &none, NULL, false);
	rig_feed_begin(&feed, &output, &reached, WINDOW);
	assert_int_equal(fc_backlog_begin(&larger, 4 * WINDOW, SOCKET_ID_ANY), 0);
	thread = start(&lane);
	atomic_store(&lane.orders, &orders);
	for (uint32_t epoch = 1; epoch <= 3; epoch++) {
		atomic_store(&lane.epoch, epoch);
		while (atomic_load(&lane.epoch_seen) != epoch)
			sched_yield();
		assert_null(atomic_load(&lane.orders));
	}
	stop(&lane, thread);
	assert_true(fc_backlog_holds(&feed.backlog, 4 * WINDOW));
	assert_false(fc_backlog_holds(&larger, 4 * WINDOW));
	fc_backlog_end(&larger);
	rig_feed_end(&feed);
	rig_output_end(&output);
	rig_port_stop(&port);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_timer_slack, fixture_check),
		cmocka_unit_test(test_phases),
		cmocka_unit_test(test_inbound),
		cmocka_unit_test(test_turns),
		cmocka_unit_test(test_orders_once),
	};

	return cmocka_run_group_tests(tests, fixture_start, fixture_stop);
}
