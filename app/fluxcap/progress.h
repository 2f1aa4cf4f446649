/* SPDX-License-Identifier: MIT */
#ifndef FC_PROGRESS_H
#define FC_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

/**
 * A line on the terminal that is standard error, about what takes long. It is written over itself,
 * and erased at the end.
 */
struct fc_progress {
	uint64_t second; /* that is shown */
	int width;	 /* of the line that is there; 0: none is */
};

/** Whether there is a terminal to write to. */
bool fc_progress_is_possible(void);

/**
 * Show which filter is being compiled and for how long; as `meanwhile` of struct fc_loading.
 *
 * @param context  A struct fc_progress, zeroed at first.
 * @return         true
 */
bool fc_progress_show(void *context, const char *place, uint64_t ms);

/** Erase the line, if there is one. */
void fc_progress_end(struct fc_progress *progress);

#endif
