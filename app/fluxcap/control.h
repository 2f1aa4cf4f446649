/* SPDX-License-Identifier: MIT */
#ifndef FC_CONTROL_H
#define FC_CONTROL_H

#include <fc_engine.h>

/**
 * Keep the signals that stop the program for fc_control_run().
 *
 * To be called before any thread is made, so that all of them inherit it.
 */
void fc_control_block_signals(void);

/**
 * Watch over a started engine until it shall stop: a signal came, or, when @p exit_idle_ms is not
 * 0, nothing has been received for so long and nothing waits. What has started it is told when the
 * lcores work, and then, where it wants that, again and again while each of them gets on.
 *
 * @param status  What the program does, in a line for the one who started it.
 * @return  0, or -errno when the waiting itself failed, after a message on standard error.
 */
int fc_control_run(struct fc_engine *engine, unsigned exit_idle_ms, const char *status);

#endif
