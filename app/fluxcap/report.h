/* SPDX-License-Identifier: MIT */
#ifndef FC_REPORT_H
#define FC_REPORT_H

#include <stdint.h>

#include <fc_engine.h>

/**
 * Where named values go: a reply of telemetry, or the statistics file. The names are the same for
 * both, and are part of the contract with users.
 */
struct fc_sink {
	void *to;
	void (*number)(void *to, const char *name, uint64_t value);
	void (*difference)(void *to, const char *name, int64_t value);
	void (*text)(void *to, const char *name, const char *value);
};

/** All fields of a tap, output, feed or lane, by index. Any thread. */
void fc_report_tap(const struct fc_engine *engine, uint16_t tap, const struct fc_sink *sink);
void fc_report_output(const struct fc_engine *engine, uint16_t output, const struct fc_sink *sink);
void fc_report_lane(const struct fc_engine *engine, uint16_t lane, const struct fc_sink *sink);

/** @return false when there is no such feed; nothing is written then. */
bool fc_report_feed(
	const struct fc_engine *engine, uint16_t tap, uint16_t output, const struct fc_sink *sink);

#endif
