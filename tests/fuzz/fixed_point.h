/* SPDX-License-Identifier: MIT */
#ifndef FIXED_POINT_H
#define FIXED_POINT_H

#include <fc_config.h>

/*
 * What holds for every input, else the program ends: there is a configuration or there is an
 * error, each finding is one line that can be printed anywhere, and the dump of a configuration
 * parses without errors and dumps to the same text. Frees both arguments.
 */
void fixed_point_check(struct fc_config *config, struct fc_findings *findings);

#endif
