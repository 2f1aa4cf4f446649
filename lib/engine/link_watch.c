/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdio.h>

#include "link_watch.h"

#define SHORTEST_PAUSE_MS 1000
#define LONGEST_PAUSE_MS  60000

void fc_link_watch_begin(struct fc_link_watch *watch, enum fc_port_state state, uint64_t now_ms)
{
	atomic_store_explicit(&watch->state, state, memory_order_relaxed);
	atomic_store_explicit(&watch->n_flaps, 0, memory_order_relaxed);
	atomic_store_explicit(&watch->changed_ms, now_ms, memory_order_relaxed);
	watch->told_state = state;
	watch->told_flaps = 0;
	watch->told_ms = now_ms;
	watch->pause_ms = 0;
}

void fc_link_watch_note(struct fc_link_watch *watch, enum fc_port_state state, uint64_t now_ms)
{
	enum fc_port_state before = fc_link_watch_state(watch);

	if (state == before || before == FC_PORT_GONE || before == FC_PORT_ABSENT)
		return;
	if (now_ms - atomic_load_explicit(&watch->changed_ms, memory_order_relaxed) >=
		LONGEST_PAUSE_MS)
		watch->pause_ms = 0;
	if (state == FC_PORT_DOWN)
		atomic_fetch_add_explicit(&watch->n_flaps, 1, memory_order_relaxed);
	atomic_store_explicit(&watch->changed_ms, now_ms, memory_order_relaxed);
	atomic_store_explicit(&watch->state, state, memory_order_relaxed);
}

void fc_link_watch_return(struct fc_link_watch *watch, enum fc_port_state state, uint64_t now_ms)
{
	atomic_store_explicit(&watch->changed_ms, now_ms, memory_order_relaxed);
	atomic_store_explicit(&watch->state, state, memory_order_relaxed);
	watch->pause_ms = 0;
}

static void write_text(const struct fc_link_watch *watch, enum fc_port_state state,
	uint64_t n_flaps, uint64_t now_ms, char text[FC_LINK_NEWS_SIZE])
{
	const char *word = state == FC_PORT_RUNNING ? "up" : "down";
	char times[32] = "once";

	if (n_flaps != 1)
		snprintf(times, sizeof(times), "%" PRIu64 " times", n_flaps);

	if (state == FC_PORT_GONE)
		snprintf(text, FC_LINK_NEWS_SIZE,
			"has disappeared; nothing is received from it, and what it should send is "
			"lost as overrun");
	else if (watch->told_state == FC_PORT_GONE || watch->told_state == FC_PORT_ABSENT)
		snprintf(text, FC_LINK_NEWS_SIZE, "is there; the link is %s", word);
	else if (n_flaps <= 1 && state != (enum fc_port_state)watch->told_state)
		snprintf(text, FC_LINK_NEWS_SIZE, "the link is %s", word);
	else
		snprintf(text, FC_LINK_NEWS_SIZE,
			"the link is %s; it went down %s in %" PRIu64 " s", word, times,
			(now_ms - watch->told_ms + 999) / 1000);
}

bool fc_link_watch_tell(struct fc_link_watch *watch, uint64_t now_ms, char text[FC_LINK_NEWS_SIZE])
{
	enum fc_port_state state = fc_link_watch_state(watch);
	uint64_t n_flaps = atomic_load_explicit(&watch->n_flaps, memory_order_relaxed);

	if (state == (enum fc_port_state)watch->told_state && n_flaps == watch->told_flaps)
		return false;
	if (now_ms - watch->told_ms < watch->pause_ms && state != FC_PORT_GONE)
		return false;
	write_text(watch, state, n_flaps - watch->told_flaps, now_ms, text);
	watch->pause_ms = watch->pause_ms == 0 ? SHORTEST_PAUSE_MS : 2 * watch->pause_ms;
	if (watch->pause_ms > LONGEST_PAUSE_MS)
		watch->pause_ms = LONGEST_PAUSE_MS;
	watch->told_state = state;
	watch->told_flaps = n_flaps;
	watch->told_ms = now_ms;
	return true;
}
