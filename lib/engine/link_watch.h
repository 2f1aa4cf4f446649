/* SPDX-License-Identifier: MIT */
#ifndef FC_LINK_WATCH_H
#define FC_LINK_WATCH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <fc_stats.h>

#define FC_LINK_NEWS_SIZE 160 /* bytes of a message about a port */

/**
 * What has become of a port and its link, from being looked at again and again: its state, how
 * often the link went down, since when it is as it is, and what the user is told of that.
 *
 * A link that flaps is told of at once, and then less and less often, down to once a minute; how
 * often it went down meanwhile is in the message. After a quiet minute it is told at once again.
 */
struct fc_link_watch {
	/* control: wo, any thread: ro */
	_Atomic int state; /* enum fc_port_state */
	_Atomic uint64_t n_flaps;
	_Atomic uint64_t changed_ms;

	/* control: rw */
	int told_state;
	uint64_t told_flaps;
	uint64_t told_ms;
	uint32_t pause_ms; /* before the next message, 0: none */
};

/** Begin with a state that is not told. @param now_ms  Of the same clock in all calls. */
void fc_link_watch_begin(struct fc_link_watch *watch, enum fc_port_state state, uint64_t now_ms);

/** Note what was seen now. A port that is gone or absent stays so. Control thread. */
void fc_link_watch_note(struct fc_link_watch *watch, enum fc_port_state state, uint64_t now_ms);

/** Note that a port that was gone or absent is there again. Control thread. */
void fc_link_watch_return(struct fc_link_watch *watch, enum fc_port_state state, uint64_t now_ms);

/**
 * Write what the user is to be told now.
 *
 * @return  False when that is nothing. Control thread.
 */
bool fc_link_watch_tell(struct fc_link_watch *watch, uint64_t now_ms, char text[FC_LINK_NEWS_SIZE]);

/** The state. Any thread. */
static inline enum fc_port_state fc_link_watch_state(const struct fc_link_watch *watch)
{
	return (enum fc_port_state)atomic_load_explicit(&watch->state, memory_order_relaxed);
}

#endif
