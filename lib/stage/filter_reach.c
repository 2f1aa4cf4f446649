/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pcap/pcap.h>

#include "filter_reach.h"

/* Bytes of an expression that takes too long to be compiled once more. */
#define LONG	   4096
#define SNAPLEN	   65535
#define PLACE_SIZE (FC_NAME_SIZE + 24)
#define TAGS_AT	   12 /* offset of the first tag in a frame */
#define TAG_SIZE   4
#define INNER_TPID 0x8100

/* A number of a program as far as it is the same for all packets. */
struct value {
	bool is_known;
	uint32_t number;
};

/* What is known in front of an instruction, however it was reached. */
struct state {
	bool is_reached;
	struct value a, x, memory[BPF_MEMWORDS];
};

/* What is known of every packet. */
struct packets {
	uint8_t tags[FC_MAX_VLAN_PUSH * TAG_SIZE];
	uint32_t n_known; /* bytes of them */
	uint32_t length;  /* that no packet exceeds */
};

static struct packets know_packets(const struct fc_edits *tap)
{
	struct packets packets = { .length = tap->truncate != 0 ? tap->truncate : UINT32_MAX };

	for (unsigned i = 0; i < tap->vlan.n_push; i++) {
		uint16_t tpid = i == 0 ? tap->vlan.tpid : INNER_TPID;
		uint16_t tci = (uint16_t)(tap->vlan.pcp << 13 | tap->vlan.vid[i]);
		uint8_t *tag = &packets.tags[i * TAG_SIZE];

		tag[0] = (uint8_t)(tpid >> 8);
		tag[1] = (uint8_t)tpid;
		tag[2] = (uint8_t)(tci >> 8);
		tag[3] = (uint8_t)tci;
		packets.n_known += TAG_SIZE;
	}
	return packets;
}

static struct value known_value(uint32_t number)
{
	return (struct value){ true, number };
}

static void merge_value(struct value *value, const struct value *other)
{
	if (!other->is_known || value->number != other->number)
		value->is_known = false;
}

static void merge_states(struct state *to, const struct state *from)
{
	if (!to->is_reached) {
		*to = *from;
		return;
	}
	merge_value(&to->a, &from->a);
	merge_value(&to->x, &from->x);
	for (unsigned i = 0; i < BPF_MEMWORDS; i++)
		merge_value(&to->memory[i], &from->memory[i]);
}

static unsigned load_size(const struct bpf_insn *in)
{
	return BPF_SIZE(in->code) == BPF_W ? 4 : BPF_SIZE(in->code) == BPF_H ? 2 : 1;
}

/* What a load from a place of the packet gives; false: no packet is so long, and it ends there. */
static bool load_value(
	const struct packets *packets, uint64_t at, unsigned size, struct value *value)
{
	value->is_known = false;
	if (at + size > packets->length)
		return false;
	if (at < TAGS_AT || at + size > TAGS_AT + packets->n_known)
		return true;
	*value = known_value(0);
	for (unsigned i = 0; i < size; i++)
		value->number = value->number << 8 | packets->tags[at - TAGS_AT + i];
	return true;
}

static struct value calculate_value(uint16_t code, struct value a, struct value b)
{
	if (!a.is_known || !b.is_known)
		return (struct value){ false, 0 };
	switch (BPF_OP(code)) {
	case BPF_ADD:
		return known_value(a.number + b.number);
	case BPF_SUB:
		return known_value(a.number - b.number);
	case BPF_AND:
		return known_value(a.number & b.number);
	case BPF_OR:
		return known_value(a.number | b.number);
	case BPF_RSH:
		return known_value(b.number < 32 ? a.number >> b.number : 0);
	case BPF_LSH:
		return known_value(b.number < 32 ? a.number << b.number : 0);
	default: /* not in what is known of tags */
		return (struct value){ false, 0 };
	}
}

/* A load, a store or a calculation; false: no packet comes behind it. */
static bool run_step(const struct packets *packets, const struct bpf_insn *in, struct state *state)
{
	struct value unknown = { false, 0 };

	switch (BPF_CLASS(in->code)) {
	case BPF_LD:
		if (BPF_MODE(in->code) == BPF_IMM)
			state->a = known_value(in->k);
		else if (BPF_MODE(in->code) == BPF_MEM)
			state->a = state->memory[in->k % BPF_MEMWORDS];
		else if (BPF_MODE(in->code) == BPF_ABS)
			return load_value(packets, in->k, load_size(in), &state->a);
		else if (BPF_MODE(in->code) == BPF_IND && state->x.is_known)
			return load_value(packets, (uint64_t)state->x.number + in->k, load_size(in),
				&state->a);
		else
			state->a = unknown;
		return true;
	case BPF_LDX:
		if (BPF_MODE(in->code) == BPF_IMM)
			state->x = known_value(in->k);
		else if (BPF_MODE(in->code) == BPF_MEM)
			state->x = state->memory[in->k % BPF_MEMWORDS];
		else
			state->x = unknown;
		return true;
	case BPF_ST:
		state->memory[in->k % BPF_MEMWORDS] = state->a;
		return true;
	case BPF_STX:
		state->memory[in->k % BPF_MEMWORDS] = state->x;
		return true;
	case BPF_ALU:
		state->a = calculate_value(in->code, state->a,
			BPF_SRC(in->code) == BPF_X ? state->x : known_value(in->k));
		return true;
	default:
		if (BPF_MISCOP(in->code) == BPF_TAX)
			state->x = state->a;
		else
			state->a = state->x;
		return true;
	}
}

/* Whether a comparison comes out so for any packet. */
static bool can_be(const struct bpf_insn *in, const struct state *state, bool result)
{
	struct value b = BPF_SRC(in->code) == BPF_X ? state->x : known_value(in->k);
	uint32_t a = state->a.number;

	if (!state->a.is_known || !b.is_known)
		return true;
	switch (BPF_OP(in->code)) {
	case BPF_JEQ:
		return (a == b.number) == result;
	case BPF_JGT:
		return (a > b.number) == result;
	case BPF_JGE:
		return (a >= b.number) == result;
	default:
		return ((a & b.number) != 0) == result;
	}
}

/* Go through a program, which only jumps forward, along all ways that a packet can take. */
static bool reaches_yes(
	const struct bpf_program *program, const struct packets *packets, struct state *states)
{
	states[0].is_reached = true;
	states[0].a = states[0].x = known_value(0);
	for (uint32_t i = 0; i < program->bf_len; i++) {
		const struct bpf_insn *in = &program->bf_insns[i];
		struct state state = states[i];

		if (!state.is_reached)
			continue;
		if (BPF_CLASS(in->code) == BPF_RET) {
			if (BPF_RVAL(in->code) != BPF_K || in->k != 0)
				return true;
		} else if (BPF_CLASS(in->code) != BPF_JMP) {
			if (run_step(packets, in, &state) && i + 1 < program->bf_len)
				merge_states(&states[i + 1], &state);
		} else if (BPF_OP(in->code) == BPF_JA) {
			if (in->k >= program->bf_len - i - 1)
				return true; /* backwards: a loop */
			merge_states(&states[i + 1 + in->k], &state);
		} else {
			if (can_be(in, &state, true))
				merge_states(&states[i + 1 + in->jt], &state);
			if (can_be(in, &state, false))
				merge_states(&states[i + 1 + in->jf], &state);
		}
	}
	return false;
}

bool fc_filter_can_match(const char *expression, const struct fc_edits *tap)
{
	struct packets packets = know_packets(tap);
	struct bpf_program program;
	struct state *states;
	bool can_match = true;
	pcap_t *pcap;

	if ((packets.n_known == 0 && packets.length == UINT32_MAX) || strlen(expression) > LONG)
		return true;
	pcap = pcap_open_dead(DLT_EN10MB, SNAPLEN);
	if (pcap == NULL)
		return true;
	/* Without the optimiser, which takes long for long expressions. */
	if (pcap_compile(pcap, &program, expression, 0, PCAP_NETMASK_UNKNOWN) == 0) {
		states = calloc(program.bf_len, sizeof(*states));
		if (states != NULL)
			can_match = reaches_yes(&program, &packets, states);
		free(states);
		pcap_freecode(&program);
	}
	pcap_close(pcap);
	return can_match;
}

static void add_warning(const struct fc_output_config *output, const struct fc_tap_config *tap,
	struct fc_findings *findings)
{
	struct fc_edits uncut = tap->edits;
	char place[PLACE_SIZE];

	uncut.truncate = 0;
	snprintf(place, sizeof(place), "outputs.%s.filter", output->name);
	if (!fc_filter_can_match(output->edits.filter, &uncut))
		fc_findings_add(findings, FC_WARNING, place,
			"matches nothing of tap '%s', which puts a VLAN tag on every frame: "
			"'%.60s' does "
			"not look behind that tag; write 'vlan and (%.60s)', or filter on the tap",
			tap->name, output->edits.filter, output->edits.filter);
	else
		fc_findings_add(findings, FC_WARNING, place,
			"matches nothing of tap '%s', which cuts frames to %u bytes: '%.60s' looks "
			"at "
			"what is behind; filter on the tap, and cut on the outputs",
			tap->name, tap->edits.truncate, output->edits.filter);
}

void fc_filter_check_reach(const struct fc_config *config, struct fc_findings *findings)
{
	for (uint16_t o = 0; o < config->n_outputs; o++) {
		const struct fc_output_config *output = &config->outputs[o];

		for (uint16_t i = 0; output->edits.filter != NULL && i < output->n_from; i++) {
			const struct fc_tap_config *tap = &config->taps[output->from[i]];

			if (!fc_filter_can_match(output->edits.filter, &tap->edits))
				add_warning(output, tap, findings);
		}
	}
}
