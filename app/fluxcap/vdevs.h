/* SPDX-License-Identifier: MIT */
#ifndef FC_VDEVS_H
#define FC_VDEVS_H

#include <fc_config.h>
#include <fc_findings.h>

#include "args.h"

/**
 * Check the files of the virtual devices that EAL's arguments and the configuration ask for, before
 * EAL opens any: see fc_capture_check().
 *
 * @return  0, or -1 with errors in @p findings.
 */
int fc_vdevs_check(
	const struct fc_args *args, const struct fc_config *config, struct fc_findings *findings);

#endif
