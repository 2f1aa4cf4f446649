/* SPDX-License-Identifier: MIT */
#ifndef FC_STATS_H
#define FC_STATS_H

#include <stdint.h>

#include <fc_address.h>
#include <fc_drop.h>

/**
 * What the engine has counted, read at one moment.
 *
 * Sinks are read before their sources, so while packets flow `unaccounted` is what is on its way
 * between two counters, and 0 when nothing is.
 */

struct fc_count {
	uint64_t packets;
	uint64_t bytes;
};

enum fc_link {
	FC_LINK_DOWN,
	FC_LINK_UP,
	FC_LINK_GONE, /**< the device or the kernel interface behind the port does not exist */
};

enum fc_port_state {
	FC_PORT_RUNNING, /**< its link is up */
	FC_PORT_DOWN,	 /**< its link is down */
	FC_PORT_ABSENT,	 /**< it was not there at the start, and is optional */
	FC_PORT_GONE,	 /**< it was there, and does not exist any more */
};

/** How a port fares. */
struct fc_port_health {
	enum fc_link link;
	enum fc_port_state state;
	uint64_t flaps;	      /**< how often its link went down */
	uint64_t last_change; /**< seconds since its state changed, or since the start */
};

struct fc_tap_stats {
	const char *name; /**< belongs to the configuration, as does port */
	const char *port;
	struct fc_port_health health;
	struct fc_count rx;
	uint64_t rx_missed; /**< packets that the NIC lost because nobody took them in time */
	uint64_t rx_nombuf; /**< packets that the NIC lost because the pool was empty */
	uint64_t rx_errors; /**< frames that the NIC refused */
	struct fc_count drops[FC_N_DROPS];
	struct fc_count hints[FC_N_HINTS]; /**< about packets that other counters have, too */
	struct fc_count fragments_held; /**< outer fragments that became no packet of their own */
	uint64_t fragments_waiting;	/**< of these: as of now, for the others */
	uint64_t fragments_timed_out;	/**< of these: the others did not come */
	uint64_t fragments_refused;	/**< of these: duplicates, overlaps, too many pieces */
	uint64_t fragments_table_full;	/**< of these: no place for one more */
	struct fc_count forwarded;
	uint64_t ring_bytes;   /**< memory that waiting packets may occupy */
	uint64_t ring_buffers; /**< the same in buffers, of which a packet takes at least one */
	uint64_t pool_size;    /**< buffers */
	uint64_t pool_free;    /**< buffers */
	int64_t unaccounted;   /**< packets */
};

/** Of one feed, or the sum over the feeds of an output. */
struct fc_feed_stats {
	struct fc_count forwarded; /**< what the tap forwarded since the feed exists */
	struct fc_count drops[FC_N_DROPS];
	struct fc_count tx;
	uint64_t tx_frames;
	struct fc_count queued;
	int64_t unaccounted; /**< packets */
};

struct fc_output_stats {
	const char *name;
	const char *port;
	struct fc_port_health health;
	char next_hop[FC_ADDRESS_TEXT_SIZE]; /**< of its tunnel; empty: none, or its MAC is fixed */
	char next_hop_mac[FC_MAC_TEXT_SIZE]; /**< empty: no tunnel, or not known */
	uint64_t tx_errors; /**< frames that the port's driver took and then failed to send */
	struct fc_feed_stats sum;
};

struct fc_lane_stats {
	unsigned lcore;
	const char *role; /**< "rx", "tx" or "rx+tx" */
	char ports[512];  /**< names separated by spaces */
	uint64_t busy_cycles;
	uint64_t idle_cycles;
};

#endif
