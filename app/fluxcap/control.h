/* SPDX-License-Identifier: MIT */
#ifndef FC_CONTROL_H
#define FC_CONTROL_H

#include <fc_engine.h>

#include "reload.h"
#include "reload_queue.h"

/**
 * Until fc_control_block_signals(), have SIGTERM and SIGINT end the program at once, with status 0:
 * it does what it was asked to. For the time before anything is opened.
 */
void fc_control_end_by_signals(void);

/**
 * Keep the signals that stop the program or make it reload for fc_control_run().
 *
 * To be called before any thread is made, so that all of them inherit it.
 */
void fc_control_block_signals(void);

/**
 * Watch over a started engine until it shall stop: a signal came, or, when @p exit_idle_ms is not
 * 0, nothing has been received for so long and nothing waits. What has started it is told when the
 * lcores work, and then, where it wants that, again and again while each of them gets on.
 *
 * Meanwhile it reloads when a signal or a client asks for that, and takes back ports that return.
 *
 * @param reload  How to reload. Its engine is the one to watch.
 * @param queue   Requests of clients; closed at the end.
 * @return  0, or -errno when the waiting itself failed, after a message on standard error.
 */
int fc_control_run(struct fc_reload *reload, struct fc_reload_queue *queue, unsigned exit_idle_ms);

#endif
