/* SPDX-License-Identifier: MIT */
#ifndef FC_CTL_LIVE_H
#define FC_CTL_LIVE_H

#include <stdbool.h>

#include "client.h"
#include "order.h"

/** What the live view is asked to do. */
struct fc_live_options {
	struct fc_client_options client; /**< how it is woken is set by fc_live_run() */
	double interval_s;		 /**< between two refreshes, > 0 */
	unsigned long count;		 /**< refreshes until it ends, 0: until it is stopped */
	bool wide;			 /**< each drop reason by itself */
	bool feeds;			 /**< the feeds below each output */
	enum fc_order order;
	bool is_reverse;
};

/**
 * Run the live view on standard output until it has shown enough or is stopped (SIGINT, SIGTERM,
 * SIGHUP, SIGQUIT, or the key q on a terminal).
 *
 * A process that ends is waited for: the view says so and connects again.
 *
 * @return  0; or 1 when there was nobody to connect to at first or at the end, or standard output
 *          cannot be written, with the reason on standard error.
 */
int fc_live_run(const struct fc_live_options *options);

#endif
