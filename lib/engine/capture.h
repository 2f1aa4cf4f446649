/* SPDX-License-Identifier: MIT */
#ifndef FC_CAPTURE_PRIVATE_H
#define FC_CAPTURE_PRIVATE_H

#include <stdbool.h>
#include <stdint.h>

#include <fc_capture.h>

/** Whether a device of this name is one of net_pcap. */
bool fc_capture_is_device(const char *name);

/**
 * Frames that a net_pcap device took to write and that are not in its files, since the last call.
 *
 * @param args  The device's arguments. Any thread, one at a time for a device.
 */
uint64_t fc_capture_take_lost(const char *args);

/** The same for one file, under the name with which it was opened. */
uint64_t fc_capture_take_lost_of(const char *path);

#endif
