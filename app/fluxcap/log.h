/* SPDX-License-Identifier: MIT */
#ifndef FC_LOG_H
#define FC_LOG_H

#include <fc_findings.h>

/**
 * What the program says: lines on standard error. Where that is the journal of systemd, each line
 * has its priority in front (sd-daemon(3)), so that `journalctl -p warning` finds what matters. Any
 * thread; one message is one write.
 */

/** Say "fluxcap: TEXT". */
void fc_log(enum fc_severity severity, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/** Say every finding, as fc_findings_print() does. */
void fc_log_findings(const struct fc_findings *findings);

/** Have EAL and the drivers say their lines here, and not to syslog as well. Before EAL's start. */
void fc_log_take_eal(void);

#endif
