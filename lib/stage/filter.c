/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pcap/pcap.h>

#include <rte_bpf.h>
#include <rte_errno.h>
#include <rte_malloc.h>

#include "stages.h"

#define SNAPLEN	   65535
#define PLACE_SIZE 128

/* Compiled once to eBPF and, where DPDK has a JIT for the CPU, to machine code. */
struct filter {
	struct rte_bpf *bpf;
	struct rte_bpf_jit jit;
};

static void report(struct fc_findings *findings, const char *place, const char *format,
	const char *expression, const char *reason)
{
	fc_findings_add(findings, FC_ERROR, place, format, expression, reason);
}

static int compile(const char *expression, struct bpf_program *program,
	struct fc_findings *findings, const char *place)
{
	pcap_t *pcap = pcap_open_dead(DLT_EN10MB, SNAPLEN);
	int ret;

	if (pcap == NULL) {
		report(findings, place, "'%.60s': %s", expression, "out of memory");
		return -1;
	}
	ret = pcap_compile(pcap, program, expression, 1, PCAP_NETMASK_UNKNOWN);
	if (ret != 0)
		report(findings, place, "'%.60s' is not a pcap-filter(7) expression: %.120s",
			expression, pcap_geterr(pcap));
	pcap_close(pcap);
	return ret;
}

/* What rte_bpf_convert() of DPDK 22.11 and rte_bpf_load() behind it cannot take, or NULL. */
static const char *unsupported(const struct bpf_program *program)
{
	for (unsigned i = 0; i < program->bf_len; i++) {
		const struct bpf_insn *in = &program->bf_insns[i];

		switch (BPF_CLASS(in->code)) {
		case BPF_LD:
			if (BPF_MODE(in->code) == BPF_ABS && (int32_t)in->k < 0)
				return "it asks for what is known of live captures only";
			break;
		case BPF_JMP:
			if (BPF_OP(in->code) == BPF_JA && (int32_t)in->k < 0)
				return "it needs a loop (protochain)";
			break;
		default:
			break;
		}
	}
	return NULL;
}

/* Compile and look at the result; 0 when the caller has a program to free. */
static int compile_checked(const char *expression, struct bpf_program *program,
	struct fc_findings *findings, const char *place)
{
	const char *reason;

	if (compile(expression, program, findings, place) != 0)
		return -1;
	reason = unsupported(program);
	if (reason == NULL)
		return 0;
	report(findings, place, "'%.60s' is beyond DPDK's BPF library: %s", expression, reason);
	pcap_freecode(program);
	return -1;
}

void fc_filter_check(const char *expression, struct fc_findings *findings, const char *place)
{
	struct bpf_program program;

	if (compile_checked(expression, &program, findings, place) == 0)
		pcap_freecode(&program);
}

static bool is_wanted(const struct fc_edits *edits)
{
	return edits->filter != NULL;
}

static struct rte_bpf *load(const struct bpf_program *program)
{
	struct rte_bpf_prm *parameters = rte_bpf_convert(program);
	struct rte_bpf *bpf;

	if (parameters == NULL)
		return NULL;
	bpf = rte_bpf_load(parameters);
	rte_free(parameters);
	return bpf;
}

static void *create(const struct fc_edits *edits, struct fc_findings *findings, const char *owner)
{
	struct bpf_program program;
	struct filter *filter;
	char place[PLACE_SIZE];

	snprintf(place, sizeof(place), "%s.filter", owner);
	if (compile_checked(edits->filter, &program, findings, place) != 0)
		return NULL;
	filter = calloc(1, sizeof(*filter));
	if (filter != NULL)
		filter->bpf = load(&program);
	pcap_freecode(&program);
	if (filter == NULL || filter->bpf == NULL) {
		report(findings, place, "'%.60s' cannot be loaded by DPDK's BPF library: %s",
			edits->filter, rte_strerror(filter == NULL ? ENOMEM : rte_errno));
		free(filter);
		return NULL;
	}
	rte_bpf_get_jit(filter->bpf, &filter->jit);
	return filter;
}

static void destroy(void *state)
{
	struct filter *filter = state;

	rte_bpf_destroy(filter->bpf);
	free(filter);
}

static uint16_t run(void *state, struct rte_mbuf **packets, uint16_t n)
{
	const struct filter *filter = state;
	uint8_t keep[FC_MAX_BURST];

	if (likely(filter->jit.func != NULL)) {
		for (uint16_t i = 0; i < n; i++)
			keep[i] = filter->jit.func(packets[i]) != 0;
	} else {
		uint64_t results[FC_MAX_BURST];

		rte_bpf_exec_burst(filter->bpf, (void **)packets, results, n);
		for (uint16_t i = 0; i < n; i++)
			keep[i] = results[i] != 0;
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
