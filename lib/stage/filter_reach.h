/* SPDX-License-Identifier: MIT */
#ifndef FC_FILTER_REACH_H
#define FC_FILTER_REACH_H

#include <fc_config.h>

/**
 * Warn of filters that sort out all that a tap gives them: behind tags that the tap puts on, which
 * an expression such as `tcp` does not look behind, or behind the end where the tap has cut.
 *
 * @param config  Without errors.
 */
void fc_filter_check_reach(const struct fc_config *config, struct fc_findings *findings);

/** Whether an expression can be true of any packet that a tap with these edits gives. True also
 * when that is not known. */
bool fc_filter_can_match(const char *expression, const struct fc_edits *tap);

#endif
