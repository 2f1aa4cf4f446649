/* SPDX-License-Identifier: MIT */
#ifndef FC_NOTIFY_H
#define FC_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>

/**
 * What systemd is told about this process: that it is ready, alive, reloading, stopping
 * (sd_notify(3)).
 *
 * Where nobody wants to know, or fluxcap was built without libsystemd, nothing is sent. The fields
 * belong to the functions below, but for period_ms, which may be read. One thread.
 */
struct fc_notify {
	const char *status;
	uint64_t period_ms; /**< between two signs of life, >= 2; 0: none is wanted */
	uint64_t last_ms;   /**< of the last one */
	bool is_ready;
};

/**
 * Say that the start takes longer: it gets a minute from now on, however long it may take in all.
 * To be called again within that minute; before fc_notify_begin().
 *
 * @param what  What takes so long.
 */
void fc_notify_starting(const char *what);

/**
 * Read from the environment what systemd wants to be told.
 *
 * @param status  What it shows about this process when it is ready; one line of at most 200 bytes.
 *                Must outlive notify, and may change before fc_notify_reloaded().
 */
void fc_notify_begin(struct fc_notify *notify, const char *status);

/**
 * Whether it is time to say that all is well: that the program is ready, or, half of WATCHDOG_USEC
 * after that or the last sign of life, that it is alive.
 *
 * @param now_ms  Milliseconds of a clock that never goes back.
 */
bool fc_notify_is_due(const struct fc_notify *notify, uint64_t now_ms);

/** Say so: READY=1 and the status the first time, WATCHDOG=1 from then on. */
void fc_notify_well(struct fc_notify *notify, uint64_t now_ms);

/**
 * Say that a reload begins; to be followed by fc_notify_reloaded(). Neither says anything before
 * the program is ready.
 */
void fc_notify_reloading(const struct fc_notify *notify);

/** Say that the reload has ended: READY=1 and the status, whatever came of it. */
void fc_notify_reloaded(const struct fc_notify *notify);

/** Say that it is stopping. */
void fc_notify_stopping(void);

#endif
