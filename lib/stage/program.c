/* SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "program.h"
#include "program_parts.h"

#define MAX_UNUSED 256 /* programs that are kept: as many as a configuration can have filters */
#define MAX_PARTS  4096

/*
 * Instructions of a program above which libpcap's optimiser is left out. What it takes grows with
 * the third power: 0.1 s for these, 1 s for twice, 4 s for three times as many.
 */
#define MAX_OPTIMIZED 3000

/* Linux takes loads from here for what it knows about a packet (SKF_AD_OFF in linux/filter.h). */
#define ANCILLARY     ((uint32_t)-0x1000)
#define ANCILLARY_END (ANCILLARY + 64)

/* Newest first. */
static struct fc_program *programs;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of that list and its n_users */

static void report_filter(struct fc_findings *findings, const char *place, const char *format,
	const char *expression, const char *reason)
{
	fc_findings_add(findings, FC_ERROR, place, format, expression, reason);
}

static int compile_with(const char *expression, int optimize, struct bpf_program *program,
	char error[PCAP_ERRBUF_SIZE])
{
	pcap_t *pcap = pcap_open_dead(DLT_EN10MB, FC_PROGRAM_SNAPLEN);
	int ret;

	if (pcap == NULL) {
		snprintf(error, PCAP_ERRBUF_SIZE, "out of memory");
		return -1;
	}
	ret = pcap_compile(pcap, program, expression, optimize, PCAP_NETMASK_UNKNOWN);
	if (ret != 0)
		snprintf(error, PCAP_ERRBUF_SIZE, "%s", pcap_geterr(pcap));
	pcap_close(pcap);
	return ret;
}

/* Compile in one piece, optimised if that does not take too long. */
static int compile_whole(
	const char *expression, struct bpf_program *program, char error[PCAP_ERRBUF_SIZE])
{
	int ret = compile_with(expression, 0, program, error);

	if (ret != 0 || program->bf_len > MAX_OPTIMIZED)
		return ret;
	pcap_freecode(program);
	return compile_with(expression, 1, program, error);
}

/* Append a part; what did not match in the parts before goes on with it. */
static int append_part(struct bpf_program *program, const struct bpf_program *part)
{
	struct bpf_insn *all = realloc(
		program->bf_insns, (program->bf_len + part->bf_len) * sizeof(*program->bf_insns));

	if (all == NULL)
		return -1;
	for (unsigned i = 0; i < program->bf_len; i++)
		if (all[i].code == (BPF_RET | BPF_K) && all[i].k == 0)
			all[i] = (struct bpf_insn){ .code = BPF_JMP | BPF_JA,
				.k = program->bf_len - i - 1 };
	memcpy(all + program->bf_len, part->bf_insns, part->bf_len * sizeof(*all));
	program->bf_insns = all;
	program->bf_len += part->bf_len;
	return 0;
}

/* Compile one part of a text and append it. */
static int add_part(struct bpf_program *program, const char *text, size_t size)
{
	char *expression = strndup(text, size), error[PCAP_ERRBUF_SIZE];
	struct bpf_program part;
	int ret = expression != NULL ? compile_with(expression, 1, &part, error) : -1;

	free(expression);
	if (ret != 0)
		return ret;
	ret = append_part(program, &part);
	pcap_freecode(&part);
	return ret;
}

/* Compile an expression in parts, if it can be cut; -1: it is to be compiled whole. */
static int compile_parts(const char *expression, struct bpf_program *program)
{
	size_t *at = calloc(MAX_PARTS, sizeof(*at)), start = 0;
	size_t n = at != NULL ? fc_program_find_parts(expression, at, MAX_PARTS) : 0;
	int ret = n != 0 ? 0 : -1;

	*program = (struct bpf_program){ 0 };
	for (size_t i = 0; ret == 0 && i < n; i++) {
		ret = add_part(program, expression + start, at[i] - start);
		start = at[i] + strlen("or");
	}
	if (ret == 0)
		ret = add_part(program, expression + start, strlen(expression + start));
	if (ret != 0)
		free(program->bf_insns); /* as pcap_freecode() does */
	free(at);
	return ret;
}

static int compile_program(const char *expression, struct bpf_program *program,
	struct fc_findings *findings, const char *place)
{
	char error[PCAP_ERRBUF_SIZE];

	if (compile_parts(expression, program) == 0 ||
		compile_whole(expression, program, error) == 0)
		return 0;
	/* "supported only on ...", "netmask not known, so ... not supported" */
	report_filter(findings, place,
		strstr(error, "support") != NULL
			? "'%.60s' cannot be used here: %.120s"
			: "'%.60s' is not a pcap-filter(7) expression: %.120s",
		expression, error);
	return -1;
}

/* Why a program cannot be run on every packet, or NULL. */
static const char *find_unsupported(const struct bpf_program *program)
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

	if (compile_program(expression, program, findings, place) != 0)
		return -1;
	reason = find_unsupported(program);
	if (reason == NULL)
		return 0;
	report_filter(findings, place, "'%.60s' cannot be used here: %s", expression, reason);
	pcap_freecode(program);
	return -1;
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

static void free_program(struct fc_program *program)
{
	fc_native_end(&program->native);
	free(program->code.bf_insns);
	free(program->expression);
	free(program);
}

static struct fc_program *make_program(
	const char *expression, struct fc_findings *findings, const char *place)
{
	struct fc_program *program = calloc(1, sizeof(*program));
	struct bpf_program code;

	if (program == NULL) {
		report_filter(findings, place, "'%.60s': %s", expression, "out of memory");
		return NULL;
	}
	if (compile_checked(expression, &code, findings, place) != 0) {
		free(program);
		return NULL;
	}
	program->n_users = 1;
	program->expression = strdup(expression);
	if (program->expression == NULL || copy_program(&program->code, &code) != 0) {
		report_filter(findings, place, "'%.60s': %s", expression, "out of memory");
		free_program(program);
		program = NULL;
	} else {
		/* When this fails, the filter is interpreted. */
		fc_native_begin(&program->native, &program->code);
	}
	pcap_freecode(&code);
	return program;
}

/* The lock is held, here and in the following. */
static struct fc_program *find_program(const char *expression)
{
	struct fc_program *program = programs;

	while (program != NULL && strcmp(program->expression, expression) != 0)
		program = program->next;
	return program;
}

/* Take the oldest that nobody uses out of the list when there are too many. */
static struct fc_program *take_superfluous(void)
{
	struct fc_program **oldest = NULL, *program;
	unsigned n = 0;

	for (struct fc_program **link = &programs; *link != NULL; link = &(*link)->next) {
		if ((*link)->n_users != 0)
			continue;
		oldest = link;
		n++;
	}
	if (n <= MAX_UNUSED)
		return NULL;
	program = *oldest;
	*oldest = program->next;
	return program;
}

const struct fc_program *fc_program_get(
	const char *expression, struct fc_findings *findings, const char *place)
{
	struct fc_program *program;

	pthread_mutex_lock(&lock);
	program = find_program(expression);
	if (program != NULL)
		program->n_users++;
	pthread_mutex_unlock(&lock);
	if (program != NULL)
		return program;
	program = make_program(expression, findings, place);
	if (program == NULL)
		return NULL;
	/* Another thread may have made the same meanwhile: then there are two. */
	pthread_mutex_lock(&lock);
	program->next = programs;
	programs = program;
	pthread_mutex_unlock(&lock);
	return program;
}

void fc_program_put(const struct fc_program *used)
{
	struct fc_program *program = (struct fc_program *)(uintptr_t)used, *superfluous = NULL;

	if (program == NULL)
		return;
	pthread_mutex_lock(&lock);
	if (--program->n_users == 0)
		superfluous = take_superfluous();
	pthread_mutex_unlock(&lock);
	if (superfluous != NULL)
		free_program(superfluous);
}
