/* SPDX-License-Identifier: MIT */
#ifndef FC_NEXT_HOP_H
#define FC_NEXT_HOP_H

#include <stdbool.h>
#include <stdint.h>

#include <fc_neighbour.h>

/**
 * Finding out a next hop's MAC address and keeping it: what to ask when, and what to believe.
 *
 * It is unknown until an answer comes; meanwhile all are asked once a second. Once known it is
 * good for FC_NEXT_HOP_FRESH_MS after it was last heard; then its owner alone is asked, once a
 * second, later all again; after FC_NEXT_HOP_STALE_MS without a word it is unknown.
 *
 * Times are milliseconds of one clock that never goes back. The control thread.
 */

#define FC_NEXT_HOP_ASK_MS   1000
#define FC_NEXT_HOP_FRESH_MS 20000
#define FC_NEXT_HOP_ALL_MS   23000 /* from then on its owner alone has been asked often enough */
#define FC_NEXT_HOP_STALE_MS 30000

struct fc_next_hop {
	struct fc_address address;
	bool is_known;
	bool has_asked;
	uint8_t mac[FC_MAC_SIZE]; /* when it is known */
	uint64_t heard_ms;	  /* when it was last confirmed */
	uint64_t asked_ms;
};

/** What is to be sent now. */
enum fc_next_hop_ask {
	FC_NEXT_HOP_QUIET,   /**< nothing */
	FC_NEXT_HOP_ASK_ALL, /**< ask who has the address */
	FC_NEXT_HOP_ASK_ONE  /**< ask the one that has it so far */
};

/** Forget what was known, as when the link was down. */
void fc_next_hop_forget(struct fc_next_hop *hop);

/** Let time pass; what is returned counts as asked. */
enum fc_next_hop_ask fc_next_hop_tick(struct fc_next_hop *hop, uint64_t now_ms);

/**
 * Hear a message of the link that the next hop is on. It may change what is known; a reply that
 * names no MAC address confirms the one that it came from.
 */
void fc_next_hop_hear(
	struct fc_next_hop *hop, const struct fc_neighbour_message *message, uint64_t now_ms);

#endif
