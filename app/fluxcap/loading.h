/* SPDX-License-Identifier: MIT */
#ifndef FC_LOADING_H
#define FC_LOADING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <fc_config.h>

/**
 * To read a configuration takes seconds where it has filters of hundreds of terms. This reads one
 * in a thread of its own, while the caller goes on with what it has to do.
 */

/** What to read, and what to do meanwhile. */
struct fc_loading {
	const char *path;		       /**< NULL: the short form; else until the end */
	const struct fc_short_option *options; /**< the short form; likewise */
	size_t n_options;
	/**
	 * Called every 10 ms; NULL: there is nothing to do, and no thread is made.
	 *
	 * @param place  The filter that is being compiled ("outputs.ids.filter"), "": none is.
	 * @param ms     Milliseconds since the beginning.
	 * @return       false: give up.
	 */
	bool (*meanwhile)(void *context, const char *place, uint64_t ms);
	void *context;
};

/**
 * Read and check a configuration.
 *
 * @param findings  Gets every mistake. After -ECANCELED it is left to the thread that goes on
 *                  reading, and is the caller's no more.
 * @param config    The configuration, or NULL when there was an error.
 * @return          0; -ECANCELED: given up, which is for a program that is about to end; -ENOMEM.
 */
int fc_loading_run(
	const struct fc_loading *loading, struct fc_findings *findings, struct fc_config **config);

#endif
