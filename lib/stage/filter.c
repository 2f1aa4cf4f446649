/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pcap/pcap.h>

#include "native.h"
#include "stages.h"

#define SNAPLEN	   65535
#define PLACE_SIZE 128

/* Linux takes loads from here for what it knows about a packet (SKF_AD_OFF in linux/filter.h). */
#define ANCILLARY     ((uint32_t)-0x1000)
#define ANCILLARY_END (ANCILLARY + 64)

/*
 * Compiled once to libpcap's code, and from there to machine code. Where that does not go, and for
 * a packet whose headers lie in several segments, libpcap interprets its code.
 */
struct filter {
	struct fc_native native; /* `run` is NULL where there is no machine code */
	struct bpf_program program;
	uint8_t *linear; /* SNAPLEN bytes for a packet in several segments */
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
	/* "supported only on ...", "netmask not known, so ... not supported" */
	if (ret != 0)
		report(findings, place,
			strstr(pcap_geterr(pcap), "support") != NULL
				? "'%.60s' cannot be used here: %.120s"
				: "'%.60s' is not a pcap-filter(7) expression: %.120s",
			expression, pcap_geterr(pcap));
	pcap_close(pcap);
	return ret;
}

/* Why a program cannot be run on every packet, or NULL. */
static const char *unsupported(const struct bpf_program *program)
{
	for (unsigned i = 0; i < program->bf_len; i++) {
		const struct bpf_insn *in = &program->bf_insns[i];

		if (in->code == (BPF_JMP | BPF_JA) && (int32_t)in->k < 0)
			return "it needs a loop (protochain), which takes too long on some packets";
		if (BPF_CLASS(in->code) == BPF_LD && BPF_MODE(in->code) == BPF_ABS &&
			in->k >= ANCILLARY && in->k < ANCILLARY_END)
			return "it asks for what only the kernel knows (direction, interface)";
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
	report(findings, place, "'%.60s' cannot be used here: %s", expression, reason);
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

/*
 * Copy a program behind instructions that clear the words of memory that it reads. libpcap's
 * programs for "geneve" read some that they have not always written, and match by chance then.
 */
static int copy_program(struct bpf_program *copy, const struct bpf_program *program)
{
	bool is_read[BPF_MEMWORDS] = { false };
	unsigned n = 0;

	copy->bf_insns = calloc(program->bf_len + BPF_MEMWORDS, sizeof(*copy->bf_insns));
	if (copy->bf_insns == NULL)
		return -1;
	for (unsigned i = 0; i < program->bf_len; i++) {
		const struct bpf_insn *in = &program->bf_insns[i];

		if (in->code == (BPF_LD | BPF_MEM) || in->code == (BPF_LDX | BPF_MEM))
			is_read[in->k % BPF_MEMWORDS] = true;
	}
	for (unsigned word = 0; word < BPF_MEMWORDS; word++)
		if (is_read[word]) /* with A, which is 0 at first */
			copy->bf_insns[n++] = (struct bpf_insn){ .code = BPF_ST, .k = word };
	memcpy(copy->bf_insns + n, program->bf_insns, program->bf_len * sizeof(*copy->bf_insns));
	copy->bf_len = program->bf_len + n;
	return 0;
}

static void destroy(void *state)
{
	struct filter *filter = state;

	fc_native_end(&filter->native);
	free(filter->program.bf_insns);
	free(filter->linear);
	free(filter);
}

static struct filter *make_filter(const struct bpf_program *program)
{
	struct filter *filter = calloc(1, sizeof(*filter));

	if (filter == NULL)
		return NULL;
	filter->linear = malloc(SNAPLEN);
	if (filter->linear == NULL || copy_program(&filter->program, program) != 0) {
		destroy(filter);
		return NULL;
	}
	/* When this fails, the filter is interpreted. */
	fc_native_begin(&filter->native, &filter->program);
	return filter;
}

static void *create(const struct fc_edits *edits, struct fc_findings *findings, const char *owner)
{
	struct bpf_program program;
	struct filter *filter;
	char place[PLACE_SIZE];

	snprintf(place, sizeof(place), "%s.filter", owner);
	if (compile_checked(edits->filter, &program, findings, place) != 0)
		return NULL;
	filter = make_filter(&program);
	pcap_freecode(&program);
	if (filter == NULL)
		report(findings, place, "'%.60s': %s", edits->filter, "out of memory");
	return filter;
}

static bool interpret(const struct filter *filter, const struct rte_mbuf *packet)
{
	uint32_t size = RTE_MIN(packet->pkt_len, (uint32_t)SNAPLEN);
	const uint8_t *bytes = rte_pktmbuf_read(packet, 0, size, filter->linear);

	return bpf_filter(filter->program.bf_insns, bytes, packet->pkt_len, size) != 0;
}

static bool run_native(const struct filter *filter, const struct rte_mbuf *packet)
{
	enum fc_native_result result = filter->native.run(
		rte_pktmbuf_mtod(packet, const uint8_t *), packet->data_len, packet->pkt_len);

	if (unlikely(result == FC_NATIVE_BEYOND && packet->nb_segs > 1))
		return interpret(filter, packet);
	return result == FC_NATIVE_YES;
}

static uint16_t run(void *state, struct rte_mbuf **packets, uint16_t n)
{
	const struct filter *filter = state;
	uint8_t keep[FC_MAX_BURST];

	if (likely(filter->native.run != NULL)) {
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
