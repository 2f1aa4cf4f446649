/* SPDX-License-Identifier: MIT */
#ifndef FC_INSPECT_H
#define FC_INSPECT_H

#include <stdbool.h>
#include <stdint.h>

#include <fc_config.h>

#include "args.h"

/**
 * Read the configuration that the command line names or is: everything that can be said of it
 * without EAL. As fc_loading_run() otherwise.
 */
int fc_inspect_load(const struct fc_args *args, struct fc_findings *findings,
	bool (*meanwhile)(void *context, const char *place, uint64_t ms), void *context,
	struct fc_config **config);

/**
 * Do --check, --plan or --dump: print the result on standard output, what is wrong on standard
 * error.
 *
 * @return  0; -EINVAL: the configuration or the command line is wrong; -ENOMEM; -EIO: standard
 *          output cannot be written.
 */
int fc_inspect(const struct fc_args *args);

#endif
