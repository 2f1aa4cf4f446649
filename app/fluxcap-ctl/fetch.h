/* SPDX-License-Identifier: MIT */
#ifndef FC_CTL_FETCH_H
#define FC_CTL_FETCH_H

#include <jansson.h>

#include "client.h"
#include "counters.h"
#include "problem.h"

/**
 * Ask a process for everything it counts.
 *
 * @param problem  As for fc_client_ask(); FC_PROBLEM_ANSWER also when the process is not fluxcap or
 *                 an answer has another type than it should.
 * @return         {"info": {...}, "taps": {NAME: {...}}, "outputs": {NAME: {...}}, "feeds": {TAP:
 *                 {OUTPUT: {...}}}, "lcores": {ID: {...}}} (the caller's reference), or NULL with
 *                 @p problem set. What disappeared while it was asked for is left out.
 */
json_t *fc_fetch_all(struct fc_client *client, struct fc_problem *problem);

/**
 * Ask a process for the rows of the live view: taps, outputs, feeds and lcores.
 *
 * @param problem  As for fc_fetch_all().
 * @return         The sample, each row with the monotonic time at which its answer came (free with
 *                 fc_sample_free()), or NULL with @p problem set.
 */
struct fc_sample *fc_fetch_sample(struct fc_client *client, struct fc_problem *problem);

#endif
