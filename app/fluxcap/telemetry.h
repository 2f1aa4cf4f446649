/* SPDX-License-Identifier: MIT */
#ifndef FC_TELEMETRY_H
#define FC_TELEMETRY_H

#include <fc_engine.h>

/**
 * Answer the commands /fluxcap/... on EAL's telemetry socket from now on.
 *
 * @param engine       NULL: answer nothing any more; to be called before the engine is freed.
 * @param config_path  For /fluxcap/info; must stay.
 * @return             0, or -errno when a command cannot be registered. Control thread.
 */
int fc_telemetry_serve(
	const struct fc_engine *engine, const struct fc_config *config, const char *config_path);

#endif
