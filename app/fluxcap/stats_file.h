/* SPDX-License-Identifier: MIT */
#ifndef FC_STATS_FILE_H
#define FC_STATS_FILE_H

#include <fc_engine.h>

/**
 * Write every counter as JSON: { "taps": { NAME: {...} }, "outputs": { NAME: {...} },
 * "feeds": { TAP: { OUTPUT: {...} } } }, with the names of the fields that telemetry uses.
 *
 * @param path  The file, written anew; "-" is standard output.
 * @return      0, or -errno after a message on standard error.
 */
int fc_stats_file_write(const struct fc_engine *engine, const char *path);

/** Look at the start whether the file can be written at the end. @return 0, or -errno after a
 * message. */
int fc_stats_file_check(const char *path);

#endif
