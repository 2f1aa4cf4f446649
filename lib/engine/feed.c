/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>

#include <rte_malloc.h>

#include "feed.h"
#include "transmit.h"

/*
 * Bursts that a feed loses at once at most, out of a backlog that has too many: more of them for
 * each that comes than one, so that it gets shorter, and some in each round.
 */
#define LOST_PER_BURST 2
#define LOST_PER_ROUND 4

int fc_feed_begin(struct fc_feed *feed, int socket)
{
	/* Enough for any tunnel that its output may get. */
	size_t n = FC_FRAGMENT_MAX * FC_BURST;

	feed->stash = rte_zmalloc_socket("fluxcap_stash", n * sizeof(struct rte_mbuf *), 0, socket);
	feed->is_last = rte_zmalloc_socket("fluxcap_stash", n, 0, socket);
	if (feed->stash != NULL && feed->is_last != NULL &&
		fc_backlog_begin(&feed->backlog, feed->window, socket) == 0)
		return 0;
	fc_feed_end(feed);
	return -ENOMEM;
}

void fc_feed_end(struct fc_feed *feed)
{
	fc_backlog_end(&feed->backlog);
	rte_free(feed->stash);
	rte_free(feed->is_last);
	feed->stash = NULL;
	feed->is_last = NULL;
}

static void tally_sub(struct fc_tally *tally, uint64_t packets, uint64_t bytes)
{
	fc_tally_add(tally, -packets, -bytes);
}

static unsigned drop_front(struct fc_feed *feed)
{
	struct rte_mbuf *lost[FC_MAX_BURST];
	uint16_t n = fc_backlog_front(&feed->backlog, lost, FC_MAX_BURST);

	tally_sub(&feed->queued, n, fc_packets_size(lost, n));
	fc_backlog_pop(&feed->backlog, n);
	fc_drop_packets(feed->drops, FC_DROP_OVERRUN, lost, n, true);
	return n;
}

/*
 * Lose the stash, but for the rest of a packet of which some fragments have left already: without
 * it they would be of no use to anybody. With @all that, too. Returns how many packets were lost.
 */
static unsigned drop_stash(struct fc_feed *feed, bool all)
{
	uint16_t from = feed->stash_at, n;
	struct rte_mbuf **frames;
	uint64_t n_packets;

	if (!all && from != 0)
		while (from < feed->stash_n && !feed->is_last[from - 1])
			from++;
	frames = feed->stash + from;
	n = (uint16_t)(feed->stash_n - from);
	n_packets = fc_count_ends(feed->is_last + from, n);
	tally_sub(&feed->queued, n_packets, fc_packets_size(frames, n));
	fc_drop_frames(feed->drops, FC_DROP_OVERRUN, n_packets, frames, n, true);
	feed->stash_n = from;
	if (feed->stash_at == feed->stash_n)
		feed->stash_at = feed->stash_n = 0;
	return (unsigned)n_packets;
}

/* Lose what is further behind than the tap's ring, oldest first, but not too much at once. */
static unsigned drop_late(struct fc_feed *feed, unsigned max)
{
	uint64_t reached = atomic_load_explicit(feed->reached, memory_order_acquire);
	unsigned n = 0;

	if (feed->stash_n != 0 && fc_backlog_distance(feed->stash_start, reached) > feed->window)
		n += drop_stash(feed, false);
	for (unsigned i = 0; i < max && fc_backlog_is_late(&feed->backlog, reached, feed->window);
		i++) {
		fc_backlog_prefetch(&feed->backlog);
		n += drop_front(feed);
	}
	return n;
}

static void put_back(
	struct fc_feed *feed, uint64_t start, struct rte_mbuf **packets, uint16_t n, uint64_t size)
{
	while (unlikely(!fc_backlog_has_room(&feed->backlog, n)))
		drop_front(feed);
	fc_backlog_push(&feed->backlog, start, packets, n);
	fc_tally_add(&feed->queued, n, size);
	drop_late(feed, LOST_PER_BURST);
}

/* Make one frame fit for a port that takes single segments only. */
static uint16_t join_segments(const struct fc_private *how, struct rte_mbuf **packet, bool owned)
{
	if (likely((*packet)->nb_segs == 1)) {
		if (!owned)
			rte_mbuf_refcnt_update(*packet, 1);
		return 1;
	}
	return owned ? fc_private_take(how, packet, 1) : fc_private_copy(how, packet, 1);
}

static bool has_segments(struct rte_mbuf *const *packets, uint16_t n)
{
	uint16_t n_segments = 0;

	for (uint16_t i = 0; i < n; i++)
		n_segments = (uint16_t)(n_segments + packets[i]->nb_segs);
	return n_segments != n;
}

/*
 * Turn packets into frames that are the feed's own to change, or at least to send. Those for which
 * it fails are lost; the others move up. Returns how many there are.
 */
static uint16_t privatise(struct fc_feed *feed, struct rte_mbuf **packets, uint16_t n, bool owned)
{
	const struct fc_private *how = &feed->output->how;
	bool writes = feed->output->writes;
	uint16_t at = 0, n_made = 0;

	if (!writes && likely(!has_segments(packets, n))) {
		if (!owned)
			fc_packets_hold(packets, n, 1);
		return n;
	}
	while (at < n) {
		struct rte_mbuf **rest = packets + at;
		uint16_t got;

		if (!writes)
			got = join_segments(how, rest, owned);
		else if (owned)
			got = fc_private_take(how, rest, (uint16_t)(n - at));
		else
			got = fc_private_copy(how, rest, (uint16_t)(n - at));
		if (at != n_made)
			memmove(packets + n_made, rest, got * sizeof(packets[0]));
		n_made = (uint16_t)(n_made + got);
		at = (uint16_t)(at + got);
		if (at < n && (writes || got == 0)) {
			bool fits = fc_private_fits(how, packets[at]);

			fc_drop_packets(feed->drops, fits ? FC_DROP_NOMBUF : FC_DROP_OVERSIZE,
				&packets[at], 1, owned);
			at++;
		}
	}
	return n_made;
}

/* Returns whether the stash is empty now. */
static bool send_stash(struct fc_feed *feed)
{
	struct rte_mbuf **frames = feed->stash + feed->stash_at;
	const uint8_t *is_last = feed->is_last + feed->stash_at;
	uint16_t left = (uint16_t)(feed->stash_n - feed->stash_at);
	uint64_t size, size_left;
	uint16_t done;

	if (left == 0)
		return true;
	size = size_left = fc_packets_size(frames, left);
	done = fc_feed_transmit(feed, frames, is_last, left, &size_left);
	tally_sub(&feed->queued, fc_count_ends(is_last, done), size - size_left);
	feed->stash_at = (uint16_t)(feed->stash_at + done);
	if (done < left)
		return false;
	feed->stash_at = feed->stash_n = 0;
	return true;
}

/* Put one packet as fragments into the stash. */
static void stash_fragments(struct fc_feed *feed, struct rte_mbuf *packet)
{
	struct fc_tunnel *tunnel = feed->output->tunnel;
	int n = fc_fragment(&tunnel->how, &tunnel->header, &tunnel->state, packet,
		feed->stash + feed->stash_n, tunnel->n_fragments);

	if (unlikely(n < 0)) {
		fc_drop_packets(feed->drops, n == -ENOBUFS ? FC_DROP_NOMBUF : FC_DROP_OVERSIZE,
			&packet, 1, true);
		return;
	}
	memset(feed->is_last + feed->stash_n, 0, (size_t)n);
	feed->stash_n = (uint16_t)(feed->stash_n + n);
	feed->is_last[feed->stash_n - 1] = 1;
}

/* Put packets into the empty stash, those of @long_ones as fragments. */
static void fill_stash(struct fc_feed *feed, struct rte_mbuf **packets, uint16_t n,
	uint64_t long_ones, uint64_t start)
{
	feed->stash_start = start;
	feed->stash_at = feed->stash_n = 0;
	for (uint16_t i = 0; i < n; i++) {
		if (unlikely(long_ones >> i & 1)) {
			stash_fragments(feed, packets[i]);
			continue;
		}
		feed->is_last[feed->stash_n] = 1;
		feed->stash[feed->stash_n++] = packets[i];
	}
	fc_tally_add(&feed->queued, fc_count_ends(feed->is_last, feed->stash_n),
		fc_packets_size(feed->stash, feed->stash_n));
}

/*
 * Turn packets into frames to send: private, edited, with their tunnel's header. Those for which it
 * fails are lost. @ports are the packets' UDP source ports, NULL: not known. Returns how many there
 * are; @size gets their bytes, @long_ones which are to be fragmented.
 */
static uint16_t edit(struct fc_feed *feed, struct rte_mbuf **packets, uint16_t n, bool owned,
	const uint16_t *ports, uint64_t *size, uint64_t *long_ones)
{
	const struct fc_output *output = feed->output;
	const struct fc_chain *chain = &output->chain;
	uint64_t easy_size = 0;
	uint16_t n_easy = 0, n_given = n;

	*long_ones = 0;
	/* Nearly all packets that are only to be wrapped. */
	if (output->tunnel != NULL && chain->n_write == 0)
		n_easy = fc_tunnel_wrap_easy(
			output->tunnel, &output->how, packets, n, owned, ports, &easy_size);
	*size = easy_size;
	if (n_easy == n)
		return n;
	packets += n_easy;
	n = privatise(feed, packets, (uint16_t)(n - n_easy), owned);
	n = fc_stages_run(chain, chain->n_read, (unsigned)chain->n_read + chain->n_write,
		feed->drops, packets, n, true);
	if (output->tunnel == NULL) {
		*size = fc_packets_size(packets, n);
		return n;
	}
	if (n != n_given) /* they are not those of these packets any more */
		ports = NULL;
	n = fc_tunnel_wrap(output->tunnel, feed->drops, packets, n, ports, long_ones, size);
	*long_ones <<= n_easy;
	*size += easy_size;
	return (uint16_t)(n_easy + n);
}

/* Edit packets, send the result, and stash what the port does not take; the stash is empty. */
static void send_edited(struct fc_feed *feed, struct rte_mbuf **packets, uint16_t n, uint64_t start,
	bool owned, const uint16_t *ports)
{
	uint64_t size, long_ones;
	uint16_t n_edited = edit(feed, packets, n, owned, ports, &size, &long_ones), done;

	if (unlikely(long_ones != 0)) {
		fill_stash(feed, packets, n_edited, long_ones, start);
		send_stash(feed);
		return;
	}
	n = fc_feed_drop_oversize(feed, packets, n_edited, true);
	if (n == 0)
		return;
	if (unlikely(n != n_edited))
		size = fc_packets_size(packets, n);
	done = fc_feed_transmit(feed, packets, NULL, n, &size);
	if (unlikely(done < n))
		fill_stash(feed, packets + done, (uint16_t)(n - done), 0, start);
}

static bool is_gone(const struct fc_feed *feed)
{
	return unlikely(atomic_load_explicit(&feed->output->port->is_gone, memory_order_relaxed));
}

static bool is_away(const struct fc_feed *feed)
{
	return unlikely(fc_port_is_away(feed->output->port));
}

/* Without the next hop's MAC address nothing leaves, and nothing is worth waiting. */
static bool is_unresolved(const struct fc_feed *feed)
{
	const struct fc_tunnel *tunnel = feed->output->tunnel;

	return tunnel != NULL && unlikely(!fc_tunnel_is_resolved(&tunnel->header));
}

/* UDP source ports of a whole burst of the tap; NULL: the output needs none. */
static const uint16_t *find_ports(
	struct fc_feed *feed, struct rte_mbuf *const *packets, uint16_t n, uint64_t start)
{
	struct fc_burst_ports *known = feed->output->ports;

	return known != NULL ? fc_burst_ports_find(known, feed->reached, start, packets, n) : NULL;
}

void fc_feed_offer(struct fc_feed *feed, struct rte_mbuf **packets, uint16_t n, uint64_t size,
	uint64_t start, bool owned)
{
	const struct fc_output *output = feed->output;
	const struct fc_chain *chain = &output->chain;
	bool waits = fc_feed_is_waiting(feed), prepares;
	uint16_t n_offered = n, done = 0;

	n = fc_stages_run(chain, 0, chain->n_read, feed->drops, packets, n, owned);
	prepares = output->writes || (output->prepares && unlikely(has_segments(packets, n)));
	if (!prepares)
		n = fc_feed_drop_oversize(feed, packets, n, owned);
	if (n == 0)
		return;
	if (is_gone(feed)) { /* waiting would only fill the caches */
		fc_drop_packets(feed->drops, FC_DROP_OVERRUN, packets, n, owned);
		return;
	}
	if (is_unresolved(feed)) {
		fc_drop_packets(feed->drops, FC_DROP_UNRESOLVED, packets, n, owned);
		return;
	}
	/* A port that is away may be set up for other frames than this output makes. */
	if (prepares && !waits && !feed->is_stalled && !is_away(feed)) {
		send_edited(feed, packets, n, start, owned,
			n == n_offered ? find_ports(feed, packets, n, start) : NULL);
		return;
	}
	if (!owned)
		fc_packets_hold(packets, n, 1);
	if (n != n_offered)
		size = fc_packets_size(packets, n);
	if (!prepares && !waits)
		done = fc_feed_transmit(feed, packets, NULL, n, &size);
	if (done < n)
		put_back(feed, start, packets + done, (uint16_t)(n - done), size);
}

/* Give up the packets that the port has not let go of: they are its own now. */
static void give_up_kept(struct fc_lent *lent, struct rte_mbuf **packets, uint16_t header_size)
{
	uint16_t n_left = 0, n_sent = 0;

	for (uint16_t i = 0; i < lent->n_left; i++) {
		if (i < lent->n_sent && rte_mbuf_refcnt_read(packets[i]) != 1) {
			lent->lost.packets++;
			lent->lost.bytes += packets[i]->pkt_len - header_size;
			rte_pktmbuf_free(packets[i]);
			continue;
		}
		n_sent += i < lent->n_sent;
		packets[n_left++] = packets[i];
	}
	lent->n_left = n_left;
	lent->n_sent = n_sent;
}

struct fc_lent fc_feed_lend(
	struct fc_feed *feed, struct rte_mbuf **packets, uint16_t n, uint64_t start)
{
	struct fc_output *output = feed->output;
	struct fc_tunnel *tunnel = output->tunnel;
	struct fc_lent lent = { .n_left = n };
	struct rte_mbuf *frames[FC_BURST];
	uint32_t references = 0;
	uint16_t n_made, n_unsent;
	uint64_t size = 0;

	if (fc_feed_is_waiting(feed) || feed->is_stalled || is_away(feed) || is_unresolved(feed))
		return lent;
	n_made = fc_tunnel_wrap_lent(tunnel, &output->how,
		atomic_load_explicit(&output->port->max_frame, memory_order_relaxed), packets, n,
		find_ports(feed, packets, n, start), &size);
	if (n_made == 0)
		return lent;
	fc_packets_hold(packets, n_made, 1);
	memcpy(frames, packets, n_made * sizeof(frames[0]));
	lent.n_sent = fc_feed_transmit(feed, frames, NULL, n_made, &size);
	n_unsent = (uint16_t)(n_made - lent.n_sent);
	for (uint16_t i = lent.n_sent; i < n_made; i++)
		rte_mbuf_refcnt_update(packets[i], -1);
	for (uint16_t i = 0; i < n_made; i++)
		references |= rte_mbuf_refcnt_read(packets[i]);
	if (unlikely(references != 1)) {
		output->borrows = false;
		give_up_kept(&lent, packets, tunnel->header.size);
	}
	fc_tunnel_take_off(&tunnel->header, &tunnel->state, packets,
		(uint16_t)(lent.n_sent + n_unsent), n_unsent);
	return lent;
}

/* Lose what waits for a port that is gone, some of it each time. */
static unsigned drop_some(struct fc_feed *feed)
{
	unsigned n = drop_stash(feed, true);

	for (unsigned i = 0; i < LOST_PER_ROUND && !fc_backlog_is_empty(&feed->backlog); i++)
		n += drop_front(feed);
	return n;
}

/*
 * The oldest packets of the backlog: one only, as a probe, when the port is stalled; but more where
 * the port might take those behind it.
 */
static uint16_t look_at_front(struct fc_feed *feed, struct rte_mbuf *packets[FC_BURST])
{
	bool probes = feed->is_stalled && !fc_feed_is_stuck(feed);

	return fc_backlog_front(&feed->backlog, packets, probes ? 1 : FC_BURST);
}

/* One packet more for the stash, all of which the port refuses: it might take this one. */
static void lengthen_stash(struct fc_feed *feed)
{
	struct rte_mbuf *packet;
	uint64_t size, long_ones;

	if (feed->output->tunnel != NULL || feed->stash_n - feed->stash_at >= FC_BURST ||
		feed->stash_n >= FC_FRAGMENT_MAX * FC_BURST ||
		fc_backlog_front(&feed->backlog, &packet, 1) != 1)
		return;
	tally_sub(&feed->queued, 1, packet->pkt_len);
	fc_backlog_pop(&feed->backlog, 1);
	if (edit(feed, &packet, 1, true, NULL, &size, &long_ones) == 0 ||
		fc_feed_drop_oversize(feed, &packet, 1, true) == 0)
		return;
	feed->is_last[feed->stash_n] = 1;
	feed->stash[feed->stash_n++] = packet;
	fc_tally_add(&feed->queued, 1, packet->pkt_len);
}

/* Send packets of the backlog as they are; returns how many are done with. */
static uint16_t send_front(struct fc_feed *feed)
{
	struct rte_mbuf *packets[FC_BURST];
	uint16_t n = look_at_front(feed, packets);
	uint64_t size = fc_packets_size(packets, n), size_left = size;
	uint16_t done = fc_feed_transmit(feed, packets, NULL, n, &size_left);

	tally_sub(&feed->queued, done, size - size_left);
	fc_backlog_pop(&feed->backlog, done);
	return done;
}

/* Edit packets of the backlog and send them; returns how many are done with or stashed. */
static uint16_t edit_front(struct fc_feed *feed)
{
	struct rte_mbuf *packets[FC_BURST];
	uint16_t n = look_at_front(feed, packets);

	tally_sub(&feed->queued, n, fc_packets_size(packets, n));
	fc_backlog_pop(&feed->backlog, n);
	if (is_unresolved(feed))
		fc_drop_packets(feed->drops, FC_DROP_UNRESOLVED, packets, n, true);
	else
		send_edited(feed, packets, n, feed->backlog.start, true, NULL);
	return n;
}

unsigned fc_feed_expire(struct fc_feed *feed)
{
	return is_gone(feed) ? drop_some(feed) : drop_late(feed, LOST_PER_ROUND);
}

unsigned fc_feed_drain(struct fc_feed *feed)
{
	if (is_away(feed))
		return 0;
	if (!send_stash(feed)) {
		if (unlikely(fc_feed_is_stuck(feed)))
			lengthen_stash(feed);
		return 0;
	}
	if (fc_backlog_is_empty(&feed->backlog))
		return 0;
	return feed->output->prepares ? edit_front(feed) : send_front(feed);
}

/* Whether another output of the same port can send what has been edited for this one. */
static bool can_send_stash(const struct fc_feed *feed, const struct fc_output *output)
{
	uint32_t longest =
		atomic_load_explicit(&output->port->max_tagged_frame, memory_order_relaxed);

	for (uint16_t i = feed->stash_at; i < feed->stash_n; i++)
		if (feed->stash[i]->pkt_len > longest ||
			(output->how.linear && feed->stash[i]->nb_segs != 1))
			return false;
	return true;
}

void fc_feed_take_output(struct fc_feed *feed, struct fc_output *output)
{
	if (!can_send_stash(feed, output))
		drop_stash(feed, true);
	feed->output = output;
}

void fc_feed_discard(struct fc_feed *feed)
{
	drop_stash(feed, true);
	while (!fc_backlog_is_empty(&feed->backlog))
		drop_front(feed);
}
