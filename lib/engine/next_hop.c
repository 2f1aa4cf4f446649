/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "next_hop.h"

void fc_next_hop_forget(struct fc_next_hop *hop)
{
	hop->is_known = false;
	hop->has_asked = false;
}

enum fc_next_hop_ask fc_next_hop_tick(struct fc_next_hop *hop, uint64_t now_ms)
{
	uint64_t silence = now_ms - hop->heard_ms;

	if (hop->is_known && silence >= FC_NEXT_HOP_STALE_MS)
		hop->is_known = false;
	if (hop->is_known && silence < FC_NEXT_HOP_FRESH_MS)
		return FC_NEXT_HOP_QUIET;
	if (hop->has_asked && now_ms - hop->asked_ms < FC_NEXT_HOP_ASK_MS)
		return FC_NEXT_HOP_QUIET;
	hop->has_asked = true;
	hop->asked_ms = now_ms;
	return hop->is_known && silence < FC_NEXT_HOP_ALL_MS ? FC_NEXT_HOP_ASK_ONE
							     : FC_NEXT_HOP_ASK_ALL;
}

void fc_next_hop_hear(
	struct fc_next_hop *hop, const struct fc_neighbour_message *message, uint64_t now_ms)
{
	if (message->kind == FC_NEIGHBOUR_PING ||
		!fc_address_is_equal(&message->sender, &hop->address))
		return;
	if (!message->has_mac) {
		/* Asked alone it may leave that out (RFC 4861 section 7.2.4), as Linux does. */
		if (hop->is_known && message->kind == FC_NEIGHBOUR_REPLY &&
			memcmp(hop->mac, message->frame_source, FC_MAC_SIZE) == 0)
			hop->heard_ms = now_ms;
		return;
	}
	if (hop->is_known && !message->overrides &&
		memcmp(hop->mac, message->mac, FC_MAC_SIZE) != 0) {
		/* Somebody else claims it, without insisting (RFC 4861 section 7.2.5): make sure.
		 */
		if (now_ms - hop->heard_ms < FC_NEXT_HOP_FRESH_MS)
			hop->heard_ms = now_ms - FC_NEXT_HOP_FRESH_MS;
		return;
	}
	memcpy(hop->mac, message->mac, FC_MAC_SIZE);
	hop->is_known = true;
	hop->heard_ms = now_ms;
}
