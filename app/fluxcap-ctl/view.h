/* SPDX-License-Identifier: MIT */
#ifndef FC_CTL_VIEW_H
#define FC_CTL_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "counters.h"
#include "table.h"

/** The least and the greatest time between two refreshes, in seconds. */
#define FC_INTERVAL_MIN 0.1
#define FC_INTERVAL_MAX 3600

/** What is to be seen of the live view; whoever owns it fills it in. */
struct fc_view {
	struct fc_table_style style;
	double interval_s;		/**< that is asked for */
	const struct fc_sample *sample; /**< NULL: none yet */
	const char *notice;		/**< of the moment; may be empty */
	bool is_terminal;
	bool is_paused;
	bool is_help; /**< the help is shown instead */
	size_t top;   /**< lines that are scrolled off */
	size_t step;  /**< lines that scroll with Page Down; from fc_view_print() */
};

/** What is to be done after a key. */
enum fc_view_action {
	FC_VIEW_NOTHING,
	FC_VIEW_DRAW,	  /**< draw again */
	FC_VIEW_CLEAR,	  /**< draw again on a screen that is cleared */
	FC_VIEW_PAUSE,	  /**< is_paused has changed */
	FC_VIEW_INTERVAL, /**< interval_s has changed */
	FC_VIEW_END,
};

/**
 * Do what a key asks for, as far as the view alone can.
 *
 * @param key  From fc_keys_take().
 */
enum fc_view_action fc_view_key(struct fc_view *view, int key);

/**
 * Print what is to be seen now.
 *
 * @param out     Gets lines, each ended by a newline; on a terminal not more than @p height.
 * @param height  Lines of the terminal, >= 1; its columns are in the style. Elsewhere not used.
 * @return        0, or -ENOMEM.
 */
int fc_view_print(struct fc_view *view, FILE *out, unsigned height);

#endif
