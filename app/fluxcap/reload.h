/* SPDX-License-Identifier: MIT */
#ifndef FC_RELOAD_H
#define FC_RELOAD_H

#include <fc_engine.h>

#include "reload_queue.h"

/** What a reload needs to know. Control thread. */
struct fc_reload {
	struct fc_engine *engine;
	const char *source; /**< put before the place of each finding */
	const char *path; /**< the configuration file; NULL: what ran first cannot be read again */
	struct fc_findings *refused; /**< why a port could not return; NULL: it could */
	/**
	 * What the control thread has to do besides, while a configuration is read and its filters
	 * are compiled: see struct fc_loading.
	 */
	bool (*meanwhile)(void *context, const char *place, uint64_t ms);
	void *context;
};

/** Begin with @p refused NULL; free what it holds. */
void fc_reload_end(struct fc_reload *reload);

/**
 * Read the configuration again and have the engine do what it says. A configuration with mistakes
 * changes nothing.
 *
 * What is found and what comes of it is told on standard error and to telemetry, unless it is a dry
 * run, which only finds out what would change.
 *
 * @return  The answer for whoever has asked; its findings are the caller's.
 */
struct fc_reload_answer fc_reload_do(struct fc_reload *reload, bool is_dry_run);

/**
 * Take ports again that have been gone, if there are such. What stands in the way of that is told
 * on standard error once, however often it is tried.
 *
 * @param now_ms  Milliseconds of CLOCK_MONOTONIC.
 * @return        Whether the engine has been changed.
 */
bool fc_reload_take_back(struct fc_reload *reload, uint64_t now_ms);

#endif
