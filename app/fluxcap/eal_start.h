/* SPDX-License-Identifier: MIT */
#ifndef FC_EAL_START_H
#define FC_EAL_START_H

#include "eal_options.h"

/**
 * Start EAL, and say in words that help why it does not start.
 *
 * @param n        argv[0 .. n - 1] are EAL's; EAL changes their order.
 * @param options  The same, read.
 * @return         0; -EINVAL: the options are wrong; -EIO: the machine is not as it should be.
 * After a message.
 */
int fc_eal_start(int n, char **argv, const struct fc_eal_options *options);

#endif
