/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "dpdk_fixture.h"
#include "engine_rig.h"

/*
 * Random taps, outputs, edits and ports against the plainest model of what has to come out.
 */

#define MAX_TAPS      3
#define MAX_OUTPUTS   4
#define WINDOW	      512 /* segments */
#define SLOTS	      128
#define N_ROUNDS      1500
#define N_SETUPS      12
#define N_HELD	      16
#define TAP_SHIFT     32 /* the tap's index stands above the packet's number */
#define NO_MORE_BYTES (RIG_MAX_FRAME + 16)

struct feed_model {
	uint64_t last; /* number of the last frame that came out, + 1 */
	uint64_t n_out, size_out;
	uint64_t n_filtered, n_too_long;
};

/* Somebody else's reference of a packet, and what it was like when he took it. */
struct held {
	struct rte_mbuf *packet;
	uint16_t data_off, data_len, nb_segs;
	uint32_t pkt_len;
	uint64_t ol_flags, number;
	struct rte_mbuf *next;
};

struct world {
	unsigned n_taps, n_outputs;
	struct rte_mempool *pool, *copies;
	struct rig_tap taps[MAX_TAPS];
	struct fc_edits tap_edits[MAX_TAPS], output_edits[MAX_OUTPUTS];
	uint64_t n_put[MAX_TAPS], n_passed[MAX_TAPS];
	struct rig_port ports[MAX_OUTPUTS];
	struct fc_output outputs[MAX_OUTPUTS];
	bool connected[MAX_TAPS][MAX_OUTPUTS];
	struct fc_feed feeds[MAX_TAPS][MAX_OUTPUTS];
	struct feed_model models[MAX_TAPS][MAX_OUTPUTS];
	struct held held[N_HELD];
};

static unsigned below(unsigned n)
{
	return (unsigned)rand() % n;
}

static struct fc_edits random_edits(void)
{
	static char filter[] = "ether[5] & 6 = 2";
	struct fc_edits edits = rig_no_edits();

	if (below(3) == 0)
		edits.filter = filter;
	if (below(3) == 0) {
		edits.vlan.pop = (uint8_t)below(3);
		edits.vlan.n_push = (uint8_t)below(3);
		edits.vlan.pcp = (uint8_t)below(8);
		edits.vlan.vid[0] = (uint16_t)(below(4094) + 1);
		edits.vlan.vid[1] = (uint16_t)(below(4094) + 1);
	}
	if (below(4) == 0)
		edits.trim = below(100);
	if (below(4) == 0)
		edits.truncate = 14 + below(below(2) ? 100 : 5000);
	return edits;
}

/* Length and tags follow from the number, so that the model need not remember them. */
static uint32_t length_of(uint64_t number)
{
	uint32_t h = (uint32_t)(number * 2654435761u) >> 7;

	switch (h % 8) {
	case 0:
		return 22 + h / 8 % (RIG_MAX_FRAME - 21);
	case 1:
		return 1000 + h / 8 % 600;
	default:
		return 22 + h / 8 % 100;
	}
}

static unsigned tags_of(uint64_t number)
{
	return (unsigned)(number * 40503u >> 4) % 3;
}

static uint16_t part_of(uint64_t number, uint32_t length)
{
	unsigned h = (unsigned)(number * 69069u >> 3);

	return (uint16_t)(h % 3 == 0 ? 0 : length / (1 + h % 4) + 1);
}

static bool passes(const struct fc_edits *edits, uint64_t number)
{
	return edits->filter == NULL || (number & 6) == 2;
}

static void begin(struct world *w)
{
	memset(w, 0, sizeof(*w));
	w->n_taps = 1 + below(MAX_TAPS);
	w->n_outputs = 1 + below(MAX_OUTPUTS);
	w->pool = fixture_pool_new("taps", 8191, 2048);
	w->copies = fixture_pool_new("copies", 4095, 9300);
	for (unsigned o = 0; o < w->n_outputs; o++) {
		char name[16];

		snprintf(name, sizeof(name), "out%u", o);
		w->output_edits[o] = random_edits();
		rig_port_start(&w->ports[o], name, SLOTS, w->pool);
		if (below(3) == 0) {
			w->ports[o].port.max_frame = 64 + below(4000);
			w->ports[o].port.max_tagged_frame = w->ports[o].port.max_frame;
		}
		rig_output_begin(&w->outputs[o], &w->ports[o], &w->output_edits[o], w->copies,
			below(3) == 0);
	}
	for (unsigned t = 0; t < w->n_taps; t++) {
		struct fc_feed *feeds[MAX_OUTPUTS];
		char name[16];
		uint16_t n = 0;

		snprintf(name, sizeof(name), "tap%u", t);
		w->tap_edits[t] = random_edits();
		rig_tap_begin(&w->taps[t], name, &w->tap_edits[t], w->pool);
		for (unsigned o = 0; o < w->n_outputs; o++) {
			/* A tap whose outputs are none has a test of its own. */
			w->connected[t][o] = o == t % w->n_outputs || below(3) != 0;
			if (!w->connected[t][o])
				continue;
			feeds[n++] = &w->feeds[t][o];
			rig_feed_begin(
				&w->feeds[t][o], &w->outputs[o], &w->taps[t].reached, WINDOW);
		}
		rig_tap_connect(&w->taps[t], feeds, n);
	}
}

static void note_forwarded(struct world *w, unsigned tap, uint64_t number)
{
	uint8_t bytes[NO_MORE_BYTES];

	if (!passes(&w->tap_edits[tap], number))
		return;
	w->n_passed[tap]++;
	for (unsigned o = 0; o < w->n_outputs; o++) {
		uint32_t length = length_of(number);

		if (!w->connected[tap][o])
			continue;
		if (!passes(&w->output_edits[o], number)) {
			w->models[tap][o].n_filtered++;
			continue;
		}
		rig_frame_bytes(bytes, number, length, tags_of(number));
		length = rig_edit_bytes(bytes, length, &w->tap_edits[tap]);
		length = rig_edit_bytes(bytes, length, &w->output_edits[o]);
		w->models[tap][o].n_too_long += length > w->ports[o].port.max_frame;
	}
}

static void expect_unchanged(const struct held *held)
{
	const struct rte_mbuf *packet = held->packet;
	uint8_t bytes[RIG_MAX_FRAME];
	uint32_t length = length_of(held->number);

	assert_int_equal(packet->data_off, held->data_off);
	assert_int_equal(packet->data_len, held->data_len);
	assert_int_equal(packet->nb_segs, held->nb_segs);
	assert_int_equal(packet->pkt_len, held->pkt_len);
	assert_int_equal(packet->ol_flags, held->ol_flags);
	assert_ptr_equal(packet->next, held->next);
	rig_frame_bytes(bytes, held->number, length, tags_of(held->number));
	fixture_assert_bytes(packet, bytes, length);
}

/* Hold a packet in place of another, which must be as it was. */
static void hold(struct held *held, struct rte_mbuf *packet)
{
	if (held->packet != NULL) {
		expect_unchanged(held);
		rte_pktmbuf_free(held->packet);
	}
	*held = (struct held){ .packet = packet };
	if (packet == NULL)
		return;
	rte_pktmbuf_refcnt_update(packet, 1);
	held->data_off = packet->data_off;
	held->data_len = packet->data_len;
	held->nb_segs = packet->nb_segs;
	held->pkt_len = packet->pkt_len;
	held->ol_flags = packet->ol_flags;
	held->next = packet->next;
	held->number = rig_frame_number(packet);
}

static void put(struct world *w, unsigned tap, unsigned n)
{
	for (; n > 0; n--) {
		uint64_t number = (uint64_t)tap << TAP_SHIFT | w->n_put[tap]++;
		uint32_t length = length_of(number);
		struct rte_mbuf *packet = rig_frame(
			w->pool, number, length, tags_of(number), part_of(number, length));

		if (below(64) == 0)
			hold(&w->held[below(N_HELD)], packet);
		note_forwarded(w, tap, number);
		rig_tap_put(&w->taps[tap], packet);
	}
}

static void check_frame(struct world *w, unsigned o, struct rte_mbuf *packet)
{
	uint64_t number = rig_frame_number(packet);
	unsigned tap = (unsigned)(number >> TAP_SHIFT);
	struct feed_model *model = &w->models[tap][o];
	uint8_t bytes[NO_MORE_BYTES];
	uint32_t length = length_of(number);

	assert_true(tap < w->n_taps && w->connected[tap][o]);
	assert_true((uint32_t)number >= model->last);
	model->last = (uint32_t)number + 1;
	assert_true(passes(&w->tap_edits[tap], number) && passes(&w->output_edits[o], number));
	rig_frame_bytes(bytes, number, length, tags_of(number));
	length = rig_edit_bytes(bytes, length, &w->tap_edits[tap]);
	length = rig_edit_bytes(bytes, length, &w->output_edits[o]);
	fixture_assert_bytes(packet, bytes, length);
	assert_true(length <= w->ports[o].port.max_frame);
	if (w->outputs[o].how.linear)
		assert_int_equal(packet->nb_segs, 1);
	model->n_out++;
	model->size_out += length;
	rte_pktmbuf_free(packet);
}

static void read_port(struct world *w, unsigned o, unsigned n)
{
	struct rte_mbuf *packet;

	for (; n > 0 && (packet = rig_port_read(&w->ports[o])) != NULL; n--)
		check_frame(w, o, packet);
}

static void check_feed(const struct world *w, unsigned t, unsigned o)
{
	const struct fc_feed *feed = &w->feeds[t][o];
	const struct feed_model *model = &w->models[t][o];
	uint64_t n_oversize = fc_tally_read(&feed->drops[FC_DROP_OVERSIZE]).packets;

	assert_int_equal(rig_feed_sum(feed), w->n_passed[t]);
	assert_int_equal(fc_tally_read(&feed->drops[FC_DROP_FILTERED]).packets, model->n_filtered);
	assert_int_equal(fc_tally_read(&feed->drops[FC_DROP_NOMBUF]).packets, 0);
	assert_int_equal(fc_tally_read(&feed->drops[FC_DROP_TX_REFUSED]).packets, 0);
	/* Of those that are lost in the backlog it is not known how long they would have been. */
	if (feed->output->prepares)
		assert_true(n_oversize <= model->n_too_long);
	else
		assert_int_equal(n_oversize, model->n_too_long);
}

static void round_of(struct world *w)
{
	for (unsigned o = 0; o < w->n_outputs; o++) {
		if (below(20) == 0)
			rig_port_limit(&w->ports[o],
				(uint16_t)(below(3) == 0 ? RIG_ALL : below(FC_BURST + 1)));
		if (below(4) != 0)
			read_port(w, o, below(SLOTS));
	}
	for (unsigned t = 0; t < w->n_taps; t++) {
		put(w, t, below(4) != 0 ? below(FC_BURST + 1) : 0);
		rig_tap_round(&w->taps[t]);
		assert_int_equal(
			fc_tally_read(&w->taps[t].intake.forwarded).packets, w->n_passed[t]);
		for (unsigned o = 0; o < w->n_outputs; o++)
			if (w->connected[t][o])
				check_feed(w, t, o);
	}
}

static void drain(struct world *w, unsigned o)
{
	rig_port_limit(&w->ports[o], RIG_ALL);
	for (unsigned t = 0; t < w->n_taps; t++) {
		if (!w->connected[t][o])
			continue;
		while (fc_feed_is_waiting(&w->feeds[t][o])) {
			rig_feed_drain(&w->feeds[t][o]);
			read_port(w, o, UINT32_MAX);
		}
	}
	read_port(w, o, UINT32_MAX);
	for (unsigned t = 0; t < w->n_taps; t++) {
		const struct fc_feed *feed = &w->feeds[t][o];

		if (!w->connected[t][o])
			continue;
		check_feed(w, t, o);
		assert_int_equal(fc_tally_read(&feed->tx).packets, w->models[t][o].n_out);
		assert_int_equal(fc_tally_read(&feed->tx).bytes, w->models[t][o].size_out);
		assert_int_equal(fc_tally_read(&feed->queued).packets, 0);
		assert_int_equal(fc_tally_read(&feed->queued).bytes, 0);
	}
}

static void end(struct world *w)
{
	for (unsigned i = 0; i < N_HELD; i++)
		hold(&w->held[i], NULL);
	for (unsigned t = 0; t < w->n_taps; t++) {
		for (unsigned o = 0; o < w->n_outputs; o++)
			if (w->connected[t][o])
				rig_feed_end(&w->feeds[t][o]);
		rig_tap_end(&w->taps[t]);
	}
	for (unsigned o = 0; o < w->n_outputs; o++) {
		rig_output_end(&w->outputs[o]);
		rig_port_stop(&w->ports[o]);
	}
	fixture_assert_full(w->pool);
	fixture_assert_full(w->copies);
	rte_mempool_free(w->pool);
	rte_mempool_free(w->copies);
}

static void test_random(void **state)
{
	struct world *w = malloc(sizeof(*w));

	(void)state;
	for (unsigned seed = 1; seed <= N_SETUPS; seed++) {
		srand(seed);
		begin(w);
		for (unsigned i = 0; i < N_ROUNDS; i++)
			round_of(w);
		for (unsigned o = 0; o < w->n_outputs; o++)
			drain(w, o);
		end(w);
	}
	free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests(tests, fixture_start, fixture_stop);
}
