/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include <rte_ether.h>

#include <fc_vlan.h>

#include "stages.h"

#define PCP_SHIFT 13

static bool is_wanted(const struct fc_edits *edits)
{
	return edits->vlan.pop != 0 || edits->vlan.n_push != 0;
}

static void *create(const struct fc_edits *edits, struct fc_findings *findings, const char *place)
{
	const struct fc_vlan_edit *vlan = &edits->vlan;
	struct fc_vlan_change *change = calloc(1, sizeof(*change));

	if (change == NULL) {
		fc_findings_add(findings, FC_ERROR, place, "vlan: out of memory");
		return NULL;
	}
	change->pop = vlan->pop;
	change->n_push = vlan->n_push;
	for (unsigned i = 0; i < vlan->n_push; i++) {
		uint16_t tpid = i == 0 ? vlan->tpid : RTE_ETHER_TYPE_VLAN;

		change->push[i].tpid = rte_cpu_to_be_16(tpid);
		change->push[i].tci =
			rte_cpu_to_be_16((uint16_t)(vlan->pcp << PCP_SHIFT | vlan->vid[i]));
	}
	return change;
}

static uint16_t run(void *state, struct rte_mbuf **packets, uint16_t n)
{
	fc_vlan_change(packets, n, state);
	return n;
}

static uint32_t reach(const void *state, uint32_t wanted)
{
	const struct fc_vlan_change *change = state;

	return wanted == UINT32_MAX ? wanted : wanted + change->pop * FC_VLAN_TAG_SIZE;
}

const struct fc_stage_ops fc_vlan_stage = {
	.name = "vlan",
	.writes = true,
	.drop = FC_DROP_NOMBUF,
	.is_wanted = is_wanted,
	.create = create,
	.destroy = free,
	.run = run,
	.reach = reach,
	.growth = FC_MAX_VLAN_PUSH * FC_VLAN_TAG_SIZE,
};
