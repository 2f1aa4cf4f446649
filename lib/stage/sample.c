/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include <rte_random.h>

#include "stages.h"

/* A packet stays when a draw from 0 .. 2^32 - 1 is below this. */
struct sample {
	uint64_t below;
};

static bool is_wanted(const struct fc_edits *edits)
{
	return edits->sample < FC_SAMPLE_ALL;
}

static void *create(const struct fc_edits *edits, struct fc_findings *findings, const char *place)
{
	struct sample *sample = malloc(sizeof(*sample));

	if (sample == NULL) {
		fc_findings_add(findings, FC_ERROR, place, "sample: out of memory");
		return NULL;
	}
	sample->below = (uint64_t)(edits->sample / FC_SAMPLE_ALL * (double)(UINT64_C(1) << 32));
	sample->below = RTE_MAX(sample->below, UINT64_C(1));
	return sample;
}

static uint16_t run(void *state, struct rte_mbuf **packets, uint16_t n)
{
	const struct sample *sample = state;
	uint8_t keep[FC_MAX_BURST];

	/* One draw of 64 bits serves two packets. */
	for (uint16_t i = 0; i < n; i += 2) {
		uint64_t draw = rte_rand();

		keep[i] = (uint32_t)draw < sample->below;
		if (i + 1 < n)
			keep[i + 1] = draw >> 32 < sample->below;
	}
	return fc_stage_sort(packets, n, keep);
}

const struct fc_stage_ops fc_sample_stage = {
	.name = "sample",
	.drop = FC_DROP_SAMPLED_OUT,
	.is_wanted = is_wanted,
	.create = create,
	.destroy = free,
	.run = run,
};
