/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include <rte_ether.h>

#include <fc_original.h>
#include <fc_slice.h>

#include "stages.h"

/* trim, then truncate: one stage, because both come to a new length. */
struct slice {
	uint32_t trim;	 /* bytes off the tail */
	uint32_t length; /* bytes kept at most, UINT32_MAX: all */
};

static bool is_wanted(const struct fc_edits *edits)
{
	return edits->trim != 0 || edits->truncate != 0;
}

static void *create(const struct fc_edits *edits, struct fc_findings *findings, const char *place)
{
	struct slice *slice = malloc(sizeof(*slice));

	if (slice == NULL) {
		fc_findings_add(findings, FC_ERROR, place, "truncate: out of memory");
		return NULL;
	}
	slice->trim = edits->trim;
	slice->length = edits->truncate != 0 ? edits->truncate : UINT32_MAX;
	return slice;
}

static uint16_t run(void *state, struct rte_mbuf **packets, uint16_t n)
{
	const struct slice *slice = state;

	for (uint16_t i = 0; i < n; i++) {
		uint32_t length = packets[i]->pkt_len;
		uint32_t trimmed = length > slice->trim ? length - slice->trim : 0;

		trimmed = RTE_MAX(trimmed, (uint32_t)RTE_ETHER_HDR_LEN);
		trimmed = RTE_MIN(trimmed, slice->length);
		if (trimmed < length)
			fc_original_note(packets[i], length);
		fc_slice(packets[i], trimmed);
	}
	return n;
}

static uint32_t reach(const void *state, uint32_t wanted)
{
	const struct slice *slice = state;

	wanted = RTE_MIN(wanted, slice->length);
	return wanted == UINT32_MAX ? wanted : wanted + slice->trim;
}

const struct fc_stage_ops fc_slice_stage = {
	.name = "slice",
	.writes = true,
	.drop = FC_DROP_NOMBUF,
	.is_wanted = is_wanted,
	.create = create,
	.destroy = free,
	.run = run,
	.reach = reach,
};
