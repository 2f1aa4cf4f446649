/* SPDX-License-Identifier: MIT */
#ifndef FC_CAPTURE_H
#define FC_CAPTURE_H

#include <stddef.h>

#include <fc_findings.h>

/**
 * Capture files of net_pcap ports. The driver overwrites whatever it is told to write, takes
 * records of any link type for Ethernet frames, reads on behind a record that it could not read,
 * and does not notice that a disk is full.
 */

/** A virtual device, as --vdev or `ports.NAME.devargs` describe it. */
struct fc_vdev {
	const char *name;
	const char *args; /**< what stands behind the name and its comma, may be "" */
};

/**
 * Check the files of net_pcap devices before any of them is opened: those to be read must be
 * captures of Ethernet, and no file may be written that another device or the same one reads or
 * writes. What is not a regular file is not read here.
 *
 * @param vdevs     Devices of any driver; those of others are passed over.
 * @param n_known   So many of the first ones are in use already; they are not found fault with.
 * @param findings  Gets an error for each mistake.
 * @return          0, or -EINVAL.
 */
int fc_capture_check(
	const struct fc_vdev *vdevs, size_t n, size_t n_known, struct fc_findings *findings);

/**
 * Tell of captures that have turned out to be broken, and of outputs that could not be written,
 * each once. While the lcores work. Control thread.
 */
void fc_capture_tell(struct fc_findings *findings);

/** Report all of them as errors, when the ports are closed. Control thread. */
void fc_capture_report(struct fc_findings *findings);

#endif
