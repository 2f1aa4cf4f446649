/* SPDX-License-Identifier: MIT */
#ifndef FC_INSPECT_H
#define FC_INSPECT_H

#include <fc_config.h>

#include "args.h"

/** The configuration that the command line names or is: everything that can be said of it without
 * EAL. NULL, with findings, when there was an error. */
struct fc_config *fc_inspect_load(const struct fc_args *args, struct fc_findings *findings);

/**
 * Do --check, --plan or --dump: print the result on standard output, what is wrong on standard
 * error.
 *
 * @return  0; -EINVAL: the configuration or the command line is wrong; -ENOMEM; -EIO: standard
 *          output cannot be written.
 */
int fc_inspect(const struct fc_args *args);

#endif
