/* SPDX-License-Identifier: MIT */
#ifndef FC_TELEMETRY_H
#define FC_TELEMETRY_H

#include <fc_engine.h>

#include "reload_queue.h"

/**
 * Answer the commands /fluxcap/... on EAL's telemetry socket from now on.
 *
 * @param engine       What they ask about, until fc_telemetry_end().
 * @param config_path  For /fluxcap/info; must stay to the program's end.
 * @param queue        Where requests for a reload go; likewise.
 * @return             0, or -errno when a command cannot be registered. Control thread.
 */
int fc_telemetry_serve(
	const struct fc_engine *engine, const char *config_path, struct fc_reload_queue *queue);

/** Answer nothing about the engine any more; to be called before it is freed. Control thread. */
void fc_telemetry_end(void);

/**
 * Keep everybody from the engine until fc_telemetry_resume(): who asks meanwhile waits. Control
 * thread.
 */
void fc_telemetry_pause(void);
void fc_telemetry_resume(void);

/** Have /fluxcap/info tell of a reload that has just ended. Control thread. */
void fc_telemetry_reloaded(const struct fc_reload_answer *answer);

#endif
