/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>

#include "filter_reach.h"
#include "stages.h"

/* The order in which the edits are applied; those that read come first. */
const struct fc_stage_ops *const fc_all_stages[] = {
	&fc_filter_stage,
	&fc_sample_stage,
	&fc_vlan_stage,
	&fc_slice_stage,
	NULL,
};

#define N_STAGES (sizeof(fc_all_stages) / sizeof(fc_all_stages[0]) - 1)
_Static_assert(N_STAGES <= FC_MAX_STAGES, "a chain has room for every stage");

uint32_t fc_chain_reach(const struct fc_chain *chain, uint32_t wanted)
{
	for (int i = chain->n_read + chain->n_write - 1; i >= chain->n_read; i--) {
		const struct fc_stage *stage = &chain->stages[i];

		if (stage->ops->reach != NULL)
			wanted = stage->ops->reach(stage->state, wanted);
	}
	return wanted;
}

static void set_limits(struct fc_chain *chain)
{
	chain->reach = fc_chain_reach(chain, UINT32_MAX);
	chain->growth = 0;
	for (int i = chain->n_read; i < chain->n_read + chain->n_write; i++)
		chain->growth = (uint16_t)(chain->growth + chain->stages[i].ops->growth);
}

int fc_chain_begin(struct fc_chain *chain, const struct fc_edits *edits,
	struct fc_findings *findings, const char *place)
{
	memset(chain, 0, sizeof(*chain));
	for (size_t i = 0; i < N_STAGES; i++) {
		const struct fc_stage_ops *ops = fc_all_stages[i];
		struct fc_stage *stage = &chain->stages[chain->n_read + chain->n_write];

		if (!ops->is_wanted(edits))
			continue;
		stage->state = ops->create(edits, findings, place);
		if (stage->state == NULL) {
			fc_chain_end(chain);
			return -EINVAL;
		}
		stage->ops = ops;
		if (ops->writes)
			chain->n_write++;
		else
			chain->n_read++;
	}
	set_limits(chain);
	return 0;
}

void fc_chain_end(struct fc_chain *chain)
{
	for (int i = 0; i < chain->n_read + chain->n_write; i++)
		chain->stages[i].ops->destroy(chain->stages[i].state);
	memset(chain, 0, sizeof(*chain));
}

bool fc_edits_write(const struct fc_edits *edits)
{
	for (size_t i = 0; i < N_STAGES; i++)
		if (fc_all_stages[i]->writes && fc_all_stages[i]->is_wanted(edits))
			return true;
	return false;
}

const struct fc_config_checks fc_stage_checks = {
	.filter = fc_filter_check,
	.whole = fc_filter_check_reach,
};
