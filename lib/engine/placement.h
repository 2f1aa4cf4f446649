/* SPDX-License-Identifier: MIT */
#ifndef FC_PLACEMENT_H
#define FC_PLACEMENT_H

#include <fc_plan.h>

/**
 * Say which lcore polls each rx queue and which sends on each port.
 *
 * The lists of the configuration decide where they are given. Otherwise what belongs together (taps
 * and the outputs that they feed) stays on one lcore as long as there are enough such groups to
 * keep every lcore busy, because a path on one lcore is faster than one over two; a group that gets
 * several lcores has its queues polled by some and its ports served by the others. Lcores on the
 * port's NUMA node come first.
 *
 * Ports that run stay where they are; what is new goes to the lcores that have least to do.
 *
 * @param plan  Ports with their queues, taps and outputs are filled in; lanes and their places are
 * set.
 * @param before  The plan that the ports run by; NULL: none runs.
 * @return      0, or -EINVAL with the reasons in @p findings, or -ENOMEM.
 */
int fc_placement_make(struct fc_plan *plan, const struct fc_lcore_facts *lcores, uint16_t n_lcores,
	const struct fc_plan *before, struct fc_findings *findings);

#endif
