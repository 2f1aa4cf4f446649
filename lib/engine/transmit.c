/* SPDX-License-Identifier: MIT */
#include <string.h>

#include <rte_ethdev.h>

#include <fc_vlan.h>

#include "transmit.h"

static uint32_t load(const _Atomic uint32_t *value)
{
	return atomic_load_explicit(value, memory_order_relaxed);
}

static bool is_oversize(const struct fc_port *port, const struct rte_mbuf *packet)
{
	const uint8_t *frame;
	rte_be16_t type;

	if (likely(packet->pkt_len <= load(&port->max_frame)))
		return false;
	if (packet->pkt_len > load(&port->max_tagged_frame) || packet->data_len < RTE_ETHER_HDR_LEN)
		return true;
	frame = rte_pktmbuf_mtod(packet, const uint8_t *);
	memcpy(&type, frame + 2 * RTE_ETHER_ADDR_LEN, sizeof(type));
	if (atomic_load_explicit(&port->only_8021q, memory_order_relaxed))
		return type != RTE_BE16(RTE_ETHER_TYPE_VLAN);
	return !fc_vlan_is_tpid(type);
}

uint16_t fc_feed_drop_oversize(
	struct fc_feed *feed, struct rte_mbuf **packets, uint16_t n, bool owned)
{
	const struct fc_port *port = feed->output->port;
	uint16_t n_kept = 0;

	if (likely(load(&port->max_frame) == UINT32_MAX))
		return n;
	for (uint16_t i = 0; i < n; i++) {
		if (unlikely(is_oversize(port, packets[i])))
			fc_drop_packets(feed->drops, FC_DROP_OVERSIZE, &packets[i], 1, owned);
		else
			packets[n_kept++] = packets[i];
	}
	return n_kept;
}

uint64_t fc_count_ends(const uint8_t *is_last, uint16_t n)
{
	uint64_t n_packets = 0;

	if (is_last == NULL)
		return n;
	for (uint16_t i = 0; i < n; i++)
		n_packets += is_last[i];
	return n_packets;
}

enum mended { MENDED_SENT, MENDED_WAITS, MENDED_REFUSED };

/*
 * Send a copy in place of a packet that the driver refuses: one that is too short is padded, one of
 * segments made linear. The packet itself stays as it is, also when it has been sent.
 */
static enum mended send_mended(const struct fc_output *output, struct rte_mbuf *packet)
{
	const struct fc_private how = {
		.pool = output->how.pool, .reach = UINT32_MAX, .linear = true
	};
	uint16_t id = output->port->id;
	enum mended result = MENDED_REFUSED;
	struct rte_mbuf *copy = packet;

	if ((packet->pkt_len >= output->min_frame && packet->nb_segs == 1) ||
		fc_private_copy(&how, &copy, 1) != 1)
		return MENDED_REFUSED;
	if (copy->pkt_len < output->min_frame) {
		uint16_t n = (uint16_t)(output->min_frame - copy->pkt_len);
		char *padding = rte_pktmbuf_append(copy, n);

		if (padding != NULL)
			memset(padding, 0, n);
	}
	if (rte_eth_tx_prepare(id, 0, &copy, 1) == 1) {
		if (rte_eth_tx_burst(id, 0, &copy, 1) == 1)
			return MENDED_SENT;
		result = MENDED_WAITS;
	}
	rte_pktmbuf_free(copy);
	return result;
}

/* The first of these frames is refused. Returns whether it has been sent all the same, or lost. */
static bool settle_refused(
	struct fc_feed *feed, struct rte_mbuf **frames, uint16_t n_frames, uint64_t *size)
{
	uint64_t refused_size = fc_packets_size(frames, n_frames);

	if (feed->output->mends && n_frames == 1) {
		enum mended result = send_mended(feed->output, frames[0]);

		if (result == MENDED_WAITS)
			return false;
		if (result == MENDED_SENT) {
			rte_pktmbuf_free(frames[0]);
			fc_tally_add(&feed->tx, 1, refused_size);
			*size -= refused_size;
			return true;
		}
	}
	*size -= refused_size;
	fc_drop_frames(feed->drops, FC_DROP_TX_REFUSED, 1, frames, n_frames, true);
	return true;
}

/* Whether the port has refused this frame for a second now; it has done so just now. */
static bool is_refused_long(struct fc_feed *feed, const struct rte_mbuf *frame)
{
	if (!feed->is_stalled || feed->stuck != frame) {
		feed->stuck = frame;
		feed->stuck_at = load(&feed->output->port->n_looks);
	}
	feed->is_stalled = true;
	return fc_feed_is_stuck(feed);
}

static bool send_one(struct fc_feed *feed, struct rte_mbuf *frame, uint64_t *size)
{
	uint16_t id = feed->output->port->id;
	uint32_t length = frame->pkt_len;

	if (rte_eth_tx_prepare(id, 0, &frame, 1) != 1 || rte_eth_tx_burst(id, 0, &frame, 1) != 1)
		return false;
	fc_tally_add(&feed->tx, 1, length);
	*size -= length;
	return true;
}

/*
 * The port has refused the first of these frames for a second. If it takes a shorter one that is
 * behind, it is not busy but will never take the first: a guest, say, whose buffers are too short.
 * Then that is lost, and so are those between, which are not shorter; each of them is tried once
 * more, because a port that was busy may have become free just now. Returns how many are done with.
 */
static uint16_t pass_by(struct fc_feed *feed, struct rte_mbuf **frames, const uint8_t *is_last,
	uint16_t n, uint64_t *size)
{
	uint16_t at = 1;

	while (at < n && frames[at]->pkt_len >= frames[0]->pkt_len)
		at++;
	if (at >= n || fc_count_ends(is_last, (uint16_t)(at + 1)) != at + 1u ||
		!send_one(feed, frames[at], size))
		return 0;
	for (uint16_t i = 0; i < at; i++) {
		if (send_one(feed, frames[i], size))
			continue;
		*size -= frames[i]->pkt_len;
		fc_drop_packets(feed->drops, FC_DROP_TX_REFUSED, &frames[i], 1, true);
	}
	return (uint16_t)(at + 1);
}

uint16_t fc_feed_transmit(struct fc_feed *feed, struct rte_mbuf **frames, const uint8_t *is_last,
	uint16_t n, uint64_t *size)
{
	const struct fc_port *port = feed->output->port;
	uint16_t done = 0;

	if (unlikely(fc_port_is_away(port)))
		return 0;
	while (done < n) {
		uint16_t n_left = (uint16_t)(n - done), n_refused;
		uint16_t n_good = rte_eth_tx_prepare(port->id, 0, frames + done, n_left);
		uint16_t n_sent = rte_eth_tx_burst(port->id, 0, frames + done, n_good);
		const uint8_t *sent = is_last != NULL ? is_last + done : NULL;
		uint64_t left = 0, n_packets = fc_count_ends(sent, n_sent);

		done = (uint16_t)(done + n_sent);
		if (unlikely(done < n))
			left = fc_packets_size(frames + done, (uint16_t)(n - done));
		fc_tally_add(&feed->tx, n_packets, *size - left);
		if (unlikely(n_packets != n_sent))
			fc_tally_add(&feed->parts, n_sent - n_packets, 0);
		*size = left;
		if (likely(n_good == n_left) || n_sent < n_good)
			break;
		n_refused = 1;
		while (is_last != NULL && !is_last[done + n_refused - 1])
			n_refused++;
		if (!settle_refused(feed, frames + done, n_refused, size))
			break;
		done = (uint16_t)(done + n_refused);
	}
	if (unlikely(done == 0) && n != 0 && feed->output->passes_by &&
		is_refused_long(feed, frames[0]))
		done = pass_by(feed, frames, is_last, n, size);
	feed->is_stalled = done == 0;
	return done;
}
