/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "program.h"
#include "stages.h"

#define PLACE_SIZE 128

/*
 * Compiled once to libpcap's code, and from there to machine code. Where that does not go, and for
 * a packet whose headers lie in several segments, libpcap interprets its code.
 */
struct filter {
	const struct fc_program *program; /* others may have the same */
	uint8_t *linear;		  /* FC_PROGRAM_SNAPLEN bytes for a packet in segments */
};

void fc_filter_check(const char *expression, struct fc_findings *findings, const char *place)
{
	fc_program_put(fc_program_get(expression, findings, place));
}

static bool is_wanted(const struct fc_edits *edits)
{
	return edits->filter != NULL;
}

static void destroy(void *state)
{
	struct filter *filter = state;

	fc_program_put(filter->program);
	free(filter->linear);
	free(filter);
}

static void *create(const struct fc_edits *edits, struct fc_findings *findings, const char *owner)
{
	struct filter *filter = calloc(1, sizeof(*filter));
	char place[PLACE_SIZE];

	snprintf(place, sizeof(place), "%s.filter", owner);
	if (filter == NULL || (filter->linear = malloc(FC_PROGRAM_SNAPLEN)) == NULL) {
		fc_findings_add(findings, FC_ERROR, place, "out of memory");
		free(filter);
		return NULL;
	}
	filter->program = fc_program_get(edits->filter, findings, place);
	if (filter->program != NULL)
		return filter;
	destroy(filter);
	return NULL;
}

static bool interpret(const struct filter *filter, const struct rte_mbuf *packet)
{
	uint32_t size = RTE_MIN(packet->pkt_len, (uint32_t)FC_PROGRAM_SNAPLEN);
	const uint8_t *bytes = rte_pktmbuf_read(packet, 0, size, filter->linear);

	return bpf_filter(filter->program->code.bf_insns, bytes, packet->pkt_len, size) != 0;
}

static bool run_native(const struct filter *filter, const struct rte_mbuf *packet)
{
	enum fc_native_result result = filter->program->native.run(
		rte_pktmbuf_mtod(packet, const uint8_t *), packet->data_len, packet->pkt_len);

	if (unlikely(result == FC_NATIVE_BEYOND && packet->nb_segs > 1))
		return interpret(filter, packet);
	return result == FC_NATIVE_YES;
}

static uint16_t run(void *state, struct rte_mbuf **packets, uint16_t n)
{
	const struct filter *filter = state;
	uint8_t keep[FC_MAX_BURST];

	if (likely(filter->program->native.run != NULL)) {
		for (uint16_t i = 0; i < n; i++)
			keep[i] = run_native(filter, packets[i]);
	} else {
		for (uint16_t i = 0; i < n; i++)
			keep[i] = interpret(filter, packets[i]);
	}
	return fc_stage_sort(packets, n, keep);
}

const struct fc_stage_ops fc_filter_stage = {
	.name = "filter",
	.drop = FC_DROP_FILTERED,
	.is_wanted = is_wanted,
	.create = create,
	.destroy = destroy,
	.run = run,
};
