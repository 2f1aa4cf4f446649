/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "native.h"

/*
 * For x86-64, Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2.
 *
 *	eax  A				rdi  the bytes
 *	ecx  X				rsi  how many there are
 *	edx, r9, r10 are spoiled	r8d  the packet's length
 *
 * The words of memory lie in the 128 bytes below the stack pointer that nobody else uses (System V
 * ABI, "red zone"). Whatever writes a 32-bit register clears the upper half, so that rcx and rsi
 * can be used as they are to compute addresses that do not wrap.
 */

#define MEMORY_AT  (-4 * BPF_MEMWORDS)
#define MAX_OFFSET INT32_MAX

/* What the code ends in besides the program's own ends. */
enum { END_NO_MATCH, END_BEYOND, N_ENDS };

struct writer {
	const struct bpf_insn *program;
	uint32_t n;
	uint8_t *code; /* NULL while only lengths are counted */
	uint32_t size;
	uint32_t *start; /* where the code of each instruction begins, and the ends behind them */
	bool fails;
};

static void put(struct writer *writer, const uint8_t *bytes, uint32_t n)
{
	if (writer->code != NULL)
		memcpy(writer->code + writer->size, bytes, n);
	writer->size += n;
}

#define PUT(writer, ...)                                                                           \
	put(writer, (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }))

static void put_constant(struct writer *writer, uint32_t constant)
{
	PUT(writer, (uint8_t)constant, (uint8_t)(constant >> 8), (uint8_t)(constant >> 16),
		(uint8_t)(constant >> 24));
}

/* The distance to the program's instruction @target, or to an end, from behind these four bytes. */
static void put_distance(struct writer *writer, uint32_t target)
{
	if (target >= writer->n + N_ENDS) {
		writer->fails = true;
		return;
	}
	put_constant(writer, writer->start[target] - (writer->size + 4));
}

static void put_jump(struct writer *writer, uint32_t target)
{
	PUT(writer, 0xe9); /* jmp */
	put_distance(writer, target);
}

static void put_jump_if(struct writer *writer, uint8_t condition, uint32_t target)
{
	PUT(writer, 0x0f, condition); /* jcc */
	put_distance(writer, target);
}

#define IF_BELOW	  0x82
#define IF_NOT_BELOW	  0x83
#define IF_EQUAL	  0x84
#define IF_NOT_EQUAL	  0x85
#define IF_NOT_ABOVE	  0x86
#define IF_ABOVE	  0x87
#define IF_NOT(condition) ((uint8_t)((condition) ^ 1))

static uint32_t load_size(const struct bpf_insn *in)
{
	return BPF_SIZE(in->code) == BPF_W ? 4 : BPF_SIZE(in->code) == BPF_H ? 2 : 1;
}

/* eax holds bytes in network order. */
static void put_swap(struct writer *writer, uint32_t size)
{
	if (size == 4)
		PUT(writer, 0x0f, 0xc8); /* bswap eax */
	else if (size == 2)
		PUT(writer, 0x66, 0xc1, 0xc0, 8); /* rol ax, 8 */
}

static void put_bounds(struct writer *writer, uint32_t offset, uint32_t size)
{
	writer->fails |= offset > MAX_OFFSET - size;
	PUT(writer, 0x81, 0xfe); /* cmp esi, offset + size */
	put_constant(writer, offset + size);
	put_jump_if(writer, IF_BELOW, writer->n + END_BEYOND);
}

static void put_absolute_load(struct writer *writer, const struct bpf_insn *in)
{
	uint32_t size = load_size(in);

	put_bounds(writer, in->k, size);
	if (size == 4)
		PUT(writer, 0x8b, 0x87); /* mov eax, [rdi + k] */
	else if (size == 2)
		PUT(writer, 0x0f, 0xb7, 0x87); /* movzx eax, word [rdi + k] */
	else
		PUT(writer, 0x0f, 0xb6, 0x87); /* movzx eax, byte [rdi + k] */
	put_constant(writer, in->k);
	put_swap(writer, size);
}

static void put_indirect_load(struct writer *writer, const struct bpf_insn *in)
{
	uint32_t size = load_size(in);

	writer->fails |= in->k > MAX_OFFSET;
	PUT(writer, 0x4c, 0x8d, 0x89); /* lea r9, [rcx + k] */
	put_constant(writer, in->k);
	PUT(writer, 0x4d, 0x8d, 0x51, (uint8_t)size); /* lea r10, [r9 + size] */
	PUT(writer, 0x49, 0x39, 0xf2);		      /* cmp r10, rsi */
	put_jump_if(writer, IF_ABOVE, writer->n + END_BEYOND);
	if (size == 4)
		PUT(writer, 0x42, 0x8b, 0x04, 0x0f); /* mov eax, [rdi + r9] */
	else if (size == 2)
		PUT(writer, 0x42, 0x0f, 0xb7, 0x04, 0x0f); /* movzx eax, word [rdi + r9] */
	else
		PUT(writer, 0x42, 0x0f, 0xb6, 0x04, 0x0f); /* movzx eax, byte [rdi + r9] */
	put_swap(writer, size);
}

static void put_header_length(struct writer *writer, const struct bpf_insn *in)
{
	put_bounds(writer, in->k, 1);
	PUT(writer, 0x0f, 0xb6, 0x8f); /* movzx ecx, byte [rdi + k] */
	put_constant(writer, in->k);
	PUT(writer, 0x83, 0xe1, 0x0f); /* and ecx, 15 */
	PUT(writer, 0xc1, 0xe1, 2);    /* shl ecx, 2 */
}

static uint8_t memory_at(struct writer *writer, const struct bpf_insn *in)
{
	writer->fails |= in->k >= BPF_MEMWORDS;
	return (uint8_t)(MEMORY_AT + 4 * (int)(in->k % BPF_MEMWORDS));
}

static void put_load(struct writer *writer, const struct bpf_insn *in)
{
	switch (BPF_MODE(in->code)) {
	case BPF_ABS:
		put_absolute_load(writer, in);
		break;
	case BPF_IND:
		put_indirect_load(writer, in);
		break;
	case BPF_IMM:
		PUT(writer, 0xb8); /* mov eax, k */
		put_constant(writer, in->k);
		break;
	case BPF_LEN:
		PUT(writer, 0x44, 0x89, 0xc0); /* mov eax, r8d */
		break;
	case BPF_MEM:
		PUT(writer, 0x8b, 0x44, 0x24, memory_at(writer, in)); /* mov eax, [rsp + at] */
		break;
	default:
		writer->fails = true;
		break;
	}
}

static void put_load_x(struct writer *writer, const struct bpf_insn *in)
{
	switch (BPF_MODE(in->code)) {
	case BPF_MSH:
		put_header_length(writer, in);
		break;
	case BPF_IMM:
		PUT(writer, 0xb9); /* mov ecx, k */
		put_constant(writer, in->k);
		break;
	case BPF_LEN:
		PUT(writer, 0x44, 0x89, 0xc1); /* mov ecx, r8d */
		break;
	case BPF_MEM:
		PUT(writer, 0x8b, 0x4c, 0x24, memory_at(writer, in)); /* mov ecx, [rsp + at] */
		break;
	default:
		writer->fails = true;
		break;
	}
}

/* One-byte opcodes of "op eax, constant" and of "op eax, ecx". */
static bool put_simple_operation(struct writer *writer, const struct bpf_insn *in)
{
	static const struct {
		uint16_t operation;
		uint8_t by_constant, by_x;
	} operations[] = {
		{ BPF_ADD, 0x05, 0x01 },
		{ BPF_SUB, 0x2d, 0x29 },
		{ BPF_AND, 0x25, 0x21 },
		{ BPF_OR, 0x0d, 0x09 },
		{ BPF_XOR, 0x35, 0x31 },
	};

	for (unsigned i = 0; i < sizeof(operations) / sizeof(operations[0]); i++) {
		if (operations[i].operation != BPF_OP(in->code))
			continue;
		if (BPF_SRC(in->code) == BPF_X) {
			PUT(writer, operations[i].by_x, 0xc8);
		} else {
			PUT(writer, operations[i].by_constant);
			put_constant(writer, in->k);
		}
		return true;
	}
	return false;
}

static void put_multiplication(struct writer *writer, const struct bpf_insn *in)
{
	if (BPF_SRC(in->code) == BPF_X) {
		PUT(writer, 0x0f, 0xaf, 0xc1); /* imul eax, ecx */
		return;
	}
	PUT(writer, 0x69, 0xc0); /* imul eax, eax, k */
	put_constant(writer, in->k);
}

static void put_division(struct writer *writer, const struct bpf_insn *in)
{
	if (BPF_SRC(in->code) == BPF_X) {
		PUT(writer, 0x85, 0xc9); /* test ecx, ecx */
		put_jump_if(writer, IF_EQUAL, writer->n + END_NO_MATCH);
		PUT(writer, 0x31, 0xd2); /* xor edx, edx */
		PUT(writer, 0xf7, 0xf1); /* div ecx */
	} else {
		writer->fails |= in->k == 0;
		PUT(writer, 0x41, 0xb9); /* mov r9d, k */
		put_constant(writer, in->k);
		PUT(writer, 0x31, 0xd2);       /* xor edx, edx */
		PUT(writer, 0x41, 0xf7, 0xf1); /* div r9d */
	}
	if (BPF_OP(in->code) == BPF_MOD)
		PUT(writer, 0x89, 0xd0); /* mov eax, edx */
}

/* A shift by 32 or more gives 0, but the CPU looks at the low five bits only. */
static void put_shift(struct writer *writer, const struct bpf_insn *in)
{
	uint8_t shift = BPF_OP(in->code) == BPF_LSH ? 0xe0 : 0xe8; /* shl eax or shr eax */

	if (BPF_SRC(in->code) == BPF_K) {
		writer->fails |= in->k > 31;
		PUT(writer, 0xc1, shift, (uint8_t)in->k);
		return;
	}
	PUT(writer, 0x83, 0xf9, 32); /* cmp ecx, 32 */
	PUT(writer, 0x19, 0xd2);     /* sbb edx, edx: all ones when below */
	PUT(writer, 0xd3, shift);    /* by cl */
	PUT(writer, 0x21, 0xd0);     /* and eax, edx */
}

static void put_arithmetic(struct writer *writer, const struct bpf_insn *in)
{
	switch (BPF_OP(in->code)) {
	case BPF_MUL:
		put_multiplication(writer, in);
		break;
	case BPF_DIV:
	case BPF_MOD:
		put_division(writer, in);
		break;
	case BPF_LSH:
	case BPF_RSH:
		put_shift(writer, in);
		break;
	case BPF_NEG:
		PUT(writer, 0xf7, 0xd8); /* neg eax */
		break;
	default:
		writer->fails |= !put_simple_operation(writer, in);
		break;
	}
}

static void put_condition(struct writer *writer, const struct bpf_insn *in, uint32_t next)
{
	bool by_x = BPF_SRC(in->code) == BPF_X;
	uint8_t condition = IF_EQUAL;

	if (BPF_OP(in->code) == BPF_JGT)
		condition = IF_ABOVE;
	else if (BPF_OP(in->code) == BPF_JGE)
		condition = IF_NOT_BELOW;
	else if (BPF_OP(in->code) == BPF_JSET)
		condition = IF_NOT_EQUAL;
	else if (BPF_OP(in->code) != BPF_JEQ)
		writer->fails = true;

	if (BPF_OP(in->code) == BPF_JSET)
		PUT(writer, by_x ? 0x85 : 0xa9); /* test eax */
	else
		PUT(writer, by_x ? 0x39 : 0x3d); /* cmp eax */
	if (by_x)
		PUT(writer, 0xc8); /* with ecx */
	else
		put_constant(writer, in->k);

	if (in->jt == 0) {
		put_jump_if(writer, IF_NOT(condition), next + in->jf);
		return;
	}
	put_jump_if(writer, condition, next + in->jt);
	if (in->jf != 0)
		put_jump(writer, next + in->jf);
}

static void put_return(struct writer *writer, const struct bpf_insn *in)
{
	if (BPF_RVAL(in->code) == BPF_K) {
		PUT(writer, 0xb8); /* mov eax, result */
		put_constant(writer, in->k != 0 ? FC_NATIVE_YES : FC_NATIVE_NO);
	} else {
		PUT(writer, 0x85, 0xc0);       /* test eax, eax */
		PUT(writer, 0x0f, 0x95, 0xc0); /* setne al */
		PUT(writer, 0x0f, 0xb6, 0xc0); /* movzx eax, al */
	}
	PUT(writer, 0xc3); /* ret */
}

static void put_instruction(struct writer *writer, const struct bpf_insn *in, uint32_t next)
{
	switch (BPF_CLASS(in->code)) {
	case BPF_LD:
		put_load(writer, in);
		break;
	case BPF_LDX:
		put_load_x(writer, in);
		break;
	case BPF_ST:
		PUT(writer, 0x89, 0x44, 0x24, memory_at(writer, in)); /* mov [rsp + at], eax */
		break;
	case BPF_STX:
		PUT(writer, 0x89, 0x4c, 0x24, memory_at(writer, in)); /* mov [rsp + at], ecx */
		break;
	case BPF_ALU:
		put_arithmetic(writer, in);
		break;
	case BPF_JMP:
		if (BPF_OP(in->code) != BPF_JA)
			put_condition(writer, in, next);
		else if (in->k < writer->n)
			put_jump(writer, next + in->k);
		else
			writer->fails = true;
		break;
	case BPF_RET:
		put_return(writer, in);
		break;
	default: /* BPF_MISC */
		if (BPF_MISCOP(in->code) == BPF_TAX)
			PUT(writer, 0x89, 0xc1); /* mov ecx, eax */
		else
			PUT(writer, 0x89, 0xc8); /* mov eax, ecx */
		break;
	}
}

static void put_end(struct writer *writer, unsigned end, enum fc_native_result result)
{
	writer->start[writer->n + end] = writer->size;
	PUT(writer, 0xb8); /* mov eax, result */
	put_constant(writer, result);
	PUT(writer, 0xc3); /* ret */
}

static void put_program(struct writer *writer)
{
	writer->size = 0;
	PUT(writer, 0x89, 0xf6);       /* mov esi, esi */
	PUT(writer, 0x41, 0x89, 0xd0); /* mov r8d, edx */
	PUT(writer, 0x31, 0xc0);       /* xor eax, eax */
	PUT(writer, 0x31, 0xc9);       /* xor ecx, ecx */
	for (uint32_t i = 0; i < writer->n; i++) {
		writer->start[i] = writer->size;
		put_instruction(writer, &writer->program[i], i + 1);
	}
	put_end(writer, END_NO_MATCH, FC_NATIVE_NO);
	put_end(writer, END_BEYOND, FC_NATIVE_BEYOND);
}

static int write_code(struct writer *writer)
{
	writer->code = mmap(
		NULL, writer->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (writer->code == MAP_FAILED)
		return -ENOMEM;
	put_program(writer);
	if (mprotect(writer->code, writer->size, PROT_READ | PROT_EXEC) == 0)
		return 0;
	munmap(writer->code, writer->size);
	return -ENOTSUP;
}

int fc_native_begin(struct fc_native *native, const struct bpf_program *program)
{
	struct writer writer = { .program = program->bf_insns, .n = program->bf_len };
	int ret;

	memset(native, 0, sizeof(*native));
#ifndef __x86_64__
	return -ENOTSUP;
#endif
	writer.start = calloc((size_t)writer.n + N_ENDS, sizeof(*writer.start));
	if (writer.start == NULL)
		return -ENOMEM;
	put_program(&writer);
	ret = writer.fails ? -ENOTSUP : write_code(&writer);
	free(writer.start);
	if (ret != 0)
		return ret;
	memcpy(&native->run, &writer.code, sizeof(native->run));
	native->size = writer.size;
	return 0;
}

void fc_native_end(struct fc_native *native)
{
	void *code;

	memcpy(&code, &native->run, sizeof(code));
	if (code != NULL)
		munmap(code, native->size);
	memset(native, 0, sizeof(*native));
}
