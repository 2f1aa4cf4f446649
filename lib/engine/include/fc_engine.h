/* SPDX-License-Identifier: MIT */
#ifndef FC_ENGINE_H
#define FC_ENGINE_H

#include <stdbool.h>
#include <stdint.h>

#include <fc_config.h>
#include <fc_findings.h>
#include <fc_plan.h>
#include <fc_stats.h>

/**
 * The running broker: ports, pools and lcores that do what one configuration says.
 *
 * One thread, the control thread, starts, watches and stops it. The getters of statistics may be
 * called from any thread between fc_engine_new() and fc_engine_free().
 */
struct fc_engine;

/** A configuration that is ready to take the place of the running one. */
struct fc_change;

/**
 * Take ports, memory and filters: everything that can fail.
 *
 * @param config    The engine's from now on; when this fails it stays the caller's.
 * @param findings  Gets what is wrong, and warnings.
 * @param engine    Gets the engine, its ports started; free it with fc_engine_free().
 * @return          0; -EINVAL when the configuration asks for ports, queues or lcores that EAL does
 *                  not have, or for a filter that cannot be loaded; -ENOMEM when memory does not
 *                  suffice (the finding says how much is needed where); -EIO when a driver fails.
 *                  Nothing is held then.
 */
int fc_engine_new(
	struct fc_config *config, struct fc_findings *findings, struct fc_engine **engine);

/** The configuration that runs: the engine's, until fc_engine_apply() replaces it. */
const struct fc_config *fc_engine_config(const struct fc_engine *engine);

/**
 * Find out whether a configuration can take the place of the running one, and what it would change.
 * Nothing is taken, so too little memory is not found out.
 *
 * @param findings  Gets errors, warnings, and a note for each difference.
 * @return          0; -EINVAL or -ENOMEM. Control thread.
 */
int fc_engine_check(
	struct fc_engine *engine, const struct fc_config *config, struct fc_findings *findings);

/**
 * Prepare a configuration beside the running one: everything that can fail or take time. Ports that
 * it needs are plugged in and started; those whose settings change are set up anew, and what is to
 * be sent by them waits until fc_engine_apply(), which must follow soon.
 *
 * @param config    The change's on success; when this fails it stays the caller's. NULL: the
 *                  running one again, for the sake of ports that have returned.
 * @param findings  Gets errors, warnings, and a note for each difference.
 * @param change    Gets what fc_engine_apply() is to be given.
 * @return          0; -EINVAL, -ENOMEM or -EIO as fc_engine_new(): nothing has changed then.
 *                  Control thread.
 */
int fc_engine_prepare(struct fc_engine *engine, struct fc_config *config,
	struct fc_findings *findings, struct fc_change **change);

/**
 * Let the change take place. What is the same in both configurations goes on: its packets, counters
 * and what its tunnels count. Outputs that change do so between two packets.
 *
 * It waits for some rounds of the lcores. Nobody may read statistics meanwhile. Frees the change
 * and the configuration that ran before.
 *
 * @param findings  Gets a note for each feed that is no more: what it has sent and lost. Control
 *                  thread.
 */
void fc_engine_apply(
	struct fc_engine *engine, struct fc_change *change, struct fc_findings *findings);

/**
 * Whether a port that had gone, or was absent, is there again: then fc_engine_prepare() without a
 * configuration takes it.
 *
 * @param now_ms  Of CLOCK_MONOTONIC. It looks once a second at most, and less often while it says
 *                yes in vain. Control thread.
 */
bool fc_engine_has_returned(struct fc_engine *engine, uint64_t now_ms);

/** Make the worker lcores work. @return 0, or -errno when one is busy with something else. */
int fc_engine_start(struct fc_engine *engine);

/**
 * Let other DPDK processes such as dpdk-dumpcap capture what the ports receive and send, until
 * fc_engine_stop(). fc_engine_watch() looks after them.
 *
 * @return  0; -errno when memory does not suffice. Control thread.
 */
int fc_engine_offer_captures(void);

/**
 * Whether another process has died with EAL's shared memory locked. Then fc_engine_prepare() fails
 * with -EBUSY; after fc_engine_stop(), which leaves the ports open, only the counters can be read,
 * and neither fc_engine_free() nor rte_eal_cleanup() would return. Control thread.
 */
bool fc_engine_is_stuck(void);

/**
 * Whether the main lcore works too, as it does when EAL has no other. Then the control thread must
 * be another one, and the main thread calls fc_engine_work().
 */
bool fc_engine_needs_main(const struct fc_engine *engine);

/** Work on the main lcore until fc_engine_stop() is called in the control thread. */
void fc_engine_work(struct fc_engine *engine);

/** Whether nothing is on its way: every packet received was sent or lost, none waits. */
bool fc_engine_is_empty(const struct fc_engine *engine);

/**
 * Whether every lcore has finished a round since the last time that this was true, or since
 * fc_engine_start(). One that stands still, in a driver or by a bug, keeps it false. Control
 * thread.
 */
bool fc_engine_has_advanced(struct fc_engine *engine);

/** Packets that all taps have received. */
uint64_t fc_engine_received(const struct fc_engine *engine);

/** Whether some port has to be tended: tunnels end or begin there. */
bool fc_engine_needs_tending(const struct fc_engine *engine);

/**
 * Answer requests for the addresses of tunnels and look for next hops; to be called every few
 * milliseconds while the lcores work.
 *
 * @param now_ms  Milliseconds of a clock that never goes back.
 */
void fc_engine_tend(struct fc_engine *engine, uint64_t now_ms);

/** How often fc_engine_watch() is to be called, at least. */
#define FC_ENGINE_WATCH_MS 50

/**
 * Look after the ports while the lcores work: a link that goes down or up, a device that disappears
 * and is let go.
 *
 * @param now_ms    Milliseconds of CLOCK_MONOTONIC.
 * @param findings  Gets what the user is to be told of the ports; seldom, however often their links
 *                  change.
 */
void fc_engine_watch(struct fc_engine *engine, uint64_t now_ms, struct fc_findings *findings);

/**
 * Stop receiving, send what is waiting, stop the lcores, and close the ports.
 *
 * What could not be sent in time is lost and counted (overrun, handoff_full). Counters can be read
 * until fc_engine_free().
 *
 * @param patience_ms  How long to wait for the ports to take what is waiting.
 */
void fc_engine_stop(struct fc_engine *engine, unsigned patience_ms);

/**
 * Check, after fc_engine_stop(), that every buffer is back in its pool.
 *
 * @param findings  Gets an error for each pool that lacks some.
 */
void fc_engine_check_pools(const struct fc_engine *engine, struct fc_findings *findings);

/** Free everything. NULL is allowed. */
void fc_engine_free(struct fc_engine *engine);

/** The plan that the engine carries out. */
const struct fc_plan *fc_engine_plan(const struct fc_engine *engine);

/** Statistics of the tap or output with this index in the configuration. Any thread. */
void fc_engine_tap_stats(const struct fc_engine *engine, uint16_t tap, struct fc_tap_stats *stats);
void fc_engine_output_stats(
	const struct fc_engine *engine, uint16_t output, struct fc_output_stats *stats);

/** Statistics of a feed. @return false when the output does not take from this tap. Any thread. */
bool fc_engine_feed_stats(
	const struct fc_engine *engine, uint16_t tap, uint16_t output, struct fc_feed_stats *stats);

/** Lcores that work, and what each does. Any thread. */
uint16_t fc_engine_n_lanes(const struct fc_engine *engine);
void fc_engine_lane_stats(
	const struct fc_engine *engine, uint16_t lane, struct fc_lane_stats *stats);

#endif
