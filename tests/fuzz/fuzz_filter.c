/* SPDX-License-Identifier: MIT */
#include <dlfcn.h>
#include <netdb.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pcap/pcap.h>

#include <rte_eal.h>
#include <rte_mbuf.h>

#include <fc_stage.h>

#include "frames.h"
#include "fuzz.h"

/*
 * The input is a filter expression. Whatever it is, the check says whether it can be used, the
 * stage agrees with the check, and on frames of all kinds it agrees with libpcap's bpf_filter().
 */

#define SNAPLEN	     65535
#define TEXT_SIZE    600 /* libpcap takes very long over long expressions */
#define N_MBUFS	     127
#define PART	     9 /* bytes of a segment: splits every header */
#define FRAME_STRIDE 7 /* every so many of the kinds of frames are tried */

/* Has a load that there is no machine code for, so that libpcap's interpreter is run. */
#define INTERPRETED " or ether[0 - 1] = 1"

/* In front of libc's, for libpcap: names are not looked up in the network. */
int getaddrinfo(const char *restrict node, const char *restrict service,
	const struct addrinfo *restrict hints, struct addrinfo **restrict result)
{
	static int (*next)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
	struct addrinfo numeric = { 0 };

	if (next == NULL)
		*(void **)&next = dlsym(RTLD_NEXT, "getaddrinfo");
	if (hints != NULL)
		numeric = *hints;
	if (node != NULL)
		numeric.ai_flags |= AI_NUMERICHOST;
	return next(node, service, &numeric, result);
}

static void fail(const char *text, const char *reason)
{
	fprintf(stderr, "'%s': %s\n", text, reason);
	abort();
}

static struct rte_mempool *start(void)
{
	char *arguments[] = { "fuzz", "--no-huge", "--no-pci", "--no-shconf", "--no-telemetry",
		"--file-prefix=fluxcap-fuzz", "--log-level=*:critical", "-m", "64", "--lcores=0" };
	struct rte_mempool *pool = NULL;

	if (rte_eal_init(sizeof(arguments) / sizeof(arguments[0]), arguments) >= 0)
		pool = rte_pktmbuf_pool_create(
			"fuzz", N_MBUFS, 0, 0, RTE_PKTMBUF_HEADROOM + FRAME_SIZE, SOCKET_ID_ANY);
	if (pool == NULL)
		fail("", "EAL does not start");
	return pool;
}

static struct rte_mbuf *build(struct rte_mempool *pool, const struct frame *frame, uint32_t part)
{
	struct rte_mbuf *packet = NULL;

	for (uint32_t at = 0; at < frame->length; at += part) {
		uint32_t n = RTE_MIN(part, frame->length - at);
		struct rte_mbuf *segment = rte_pktmbuf_alloc(pool);

		if (segment == NULL)
			fail("", "an mbuf was lost");
		memcpy(rte_pktmbuf_append(segment, (uint16_t)n), frame->bytes + at, n);
		if (packet == NULL)
			packet = segment;
		else
			rte_pktmbuf_chain(packet, segment);
	}
	return packet;
}

/* libpcap may read words of memory that it has not written; let them be 0. */
static void clear_memory(struct bpf_program *program)
{
	struct bpf_insn *code = calloc(program->bf_len + BPF_MEMWORDS, sizeof(*code));

	if (code == NULL)
		fail("", "out of memory");
	for (unsigned i = 0; i < BPF_MEMWORDS; i++)
		code[i] = (struct bpf_insn){ .code = BPF_ST, .k = i };
	memcpy(code + BPF_MEMWORDS, program->bf_insns, program->bf_len * sizeof(*code));
	free(program->bf_insns);
	program->bf_insns = code;
	program->bf_len += BPF_MEMWORDS;
}

static void compare(struct rte_mempool *pool, const char *text, const struct bpf_program *program,
	const struct fc_stage *stage, const struct frame *frame)
{
	static const uint32_t parts[] = { FRAME_SIZE, PART };
	bool expected =
		bpf_filter(program->bf_insns, frame->bytes, frame->length, frame->length) != 0;

	for (unsigned i = 0; i < RTE_DIM(parts); i++) {
		struct rte_mbuf *packet = build(pool, frame, parts[i]);

		if (stage->ops->run(stage->state, &packet, 1) != expected)
			fail(text, "not what libpcap says");
		rte_pktmbuf_free(packet);
	}
}

static void run(struct rte_mempool *pool, const char *text, const struct fc_stage *stage)
{
	pcap_t *pcap = pcap_open_dead(DLT_EN10MB, SNAPLEN);
	struct bpf_program program;

	if (pcap_compile(pcap, &program, text, 1, PCAP_NETMASK_UNKNOWN) != 0)
		fail(text, "the check accepts what libpcap does not");
	clear_memory(&program);
	for (unsigned kind = 0; kind < frames_n(); kind += FRAME_STRIDE) {
		struct frame frame;

		frames_build(&frame, kind);
		compare(pool, text, &program, stage, &frame);
		frame.length = 14 + kind % (frame.length - 14);
		compare(pool, text, &program, stage, &frame);
	}
	free(program.bf_insns);
	pcap_close(pcap);
}

static bool try_text(struct rte_mempool *pool, char *text)
{
	struct fc_findings *findings = fc_findings_new("fuzz");
	const struct fc_edits edits = { .filter = text, .sample = FC_SAMPLE_ALL };
	struct fc_chain chain;
	bool is_good;

	fc_stage_checks.filter(text, findings, "taps.a.filter");
	is_good = fc_findings_count(findings) == 0;
	if ((fc_chain_begin(&chain, &edits, findings, "taps.a") == 0) != is_good)
		fail(text, "the check and the stage disagree");
	if (is_good)
		run(pool, text, &chain.stages[0]);
	fc_chain_end(&chain);
	fc_findings_free(findings);
	return is_good;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct rte_mempool *pool;
	char text[TEXT_SIZE + sizeof(INTERPRETED)] = "";

	if (pool == NULL)
		pool = start();
	if (size >= TEXT_SIZE)
		return 0;
	memcpy(text, data, size);
	if (!try_text(pool, text))
		return 0;
	memcpy(text + strlen(text), INTERPRETED, sizeof(INTERPRETED));
	try_text(pool, text);
	if (rte_mempool_avail_count(pool) != N_MBUFS)
		fail(text, "an mbuf was lost");
	return 0;
}
