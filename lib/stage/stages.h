/* SPDX-License-Identifier: MIT */
#ifndef FC_STAGES_H
#define FC_STAGES_H

#include <fc_stage.h>

/** All of them, in the order in which they are applied; NULL ends it. */
extern const struct fc_stage_ops *const fc_all_stages[];

extern const struct fc_stage_ops fc_filter_stage;
extern const struct fc_stage_ops fc_sample_stage;
extern const struct fc_stage_ops fc_vlan_stage;
extern const struct fc_stage_ops fc_slice_stage;

/** Find out whether an expression compiles and is within what DPDK's BPF library can take. */
void fc_filter_check(const char *expression, struct fc_findings *findings, const char *place);

#endif
