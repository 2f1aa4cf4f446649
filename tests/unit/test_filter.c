/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <pcap/pcap.h>

#include <fc_stage.h>

#include "dpdk_fixture.h"
#include "frames.h"
#include "native.h"

/*
 * Filters are judged by bpf_filter(), libpcap's own interpreter, which runs the program that
 * pcap_compile() makes of the same expression.
 */

#define SNAPLEN	      65535
#define TEXT_SIZE     1024
#define N_RANDOM      2000
#define PART	      9 /* bytes of a segment: splits every header */
#define N_FILTERS_MAX 256

/* Is never true, and has an absolute load that there is no machine code for. */
#define INTERPRETED " or ether[0 - 1] = 1"

static const char *const expressions[] = {
	"ether host 02:00:00:00:00:01",
	"ether src 02:00:00:00:00:01",
	"ether dst 02:00:00:00:00:09 or ether dst 02:00:00:00:00:02",
	"ether broadcast",
	"ether multicast",
	"ether proto 0x88cc",
	"ether proto \\arp",
	"ip",
	"ip6",
	"arp",
	"stp",
	"llc",
	"tcp",
	"udp",
	"icmp",
	"icmp6",
	"sctp",
	"not ip",
	"not (tcp or udp)",
	"ip proto 17",
	"ip6 proto 58",
	"host 10.0.0.1",
	"src host 10.0.0.1",
	"dst host 10.0.0.1",
	"host 10.0.0.1 and not host 10.0.0.2",
	"ip6 host 2001:db8::1",
	"src net 10.0.0.0/8",
	"dst net 192.168.0.0/16 or src net 192.168.0.0 mask 255.255.0.0",
	"net 172.16.0.0/12",
	"ip6 net 2001:db8::/32",
	"net 224.0.0.0/4",
	"ip multicast",
	"ip6 multicast or ip6",
	"port 80",
	"tcp port 80",
	"udp port 53",
	"src port 443",
	"dst port 80 or dst port 53",
	"portrange 50-100",
	"tcp portrange 400-500",
	"not port 80",
	"tcp[tcpflags] & tcp-syn != 0",
	"tcp[tcpflags] & (tcp-syn|tcp-ack) == tcp-syn",
	"tcp[tcpflags] == tcp-push|tcp-ack",
	"tcp[13] & 0x12 = 0x02",
	"tcp[tcpflags] & tcp-ack != 0 and src port 443",
	"tcp[((tcp[12:1] & 0xf0) >> 2):4] = 0x47455420",
	"tcp port 80 and (((ip[2:2] - ((ip[0]&0xf)<<2)) - ((tcp[12]&0xf0)>>2)) != 0)",
	"tcp[4:4] > 0x80000000",
	"tcp[8:4] = 0xffffffff",
	"tcp[8:4] & 0x80000000 != 0",
	"icmp[icmptype] = icmp-echo",
	"icmp6[icmp6type] = 8",
	"ip[8] < 65",
	"ip[6:2] & 0x1fff != 0",
	"ip[6] & 0x40 != 0",
	"ip[6:2] & 0x3fff != 0",
	"ip[0] & 0xf > 5",
	"ip[1] & 0xfc = 0x10",
	"ip[2:2] > 60",
	"ip6[6] = 0",
	"greater 80",
	"less 80",
	"len > 90 and len <= 100",
	"len - 14 = ip[2:2]",
	"len & 1 = 0",
	"vlan",
	"vlan 7",
	"vlan 8 or vlan 7",
	"vlan and ip",
	"vlan 7 and tcp port 80",
	"vlan and vlan 7",
	"vlan 7 and vlan 7 and udp port 53",
	"not vlan",
	"mpls",
	"mpls 5",
	"mpls 5 and mpls 6",
	"mpls 5 and mpls 6 and host 10.0.0.1",
	"pppoes",
	"pppoes 5 and tcp port 80",
	"pppoes and ip6",
	"pppoes and tcp[tcpflags] & tcp-syn != 0",
	"geneve",
	"geneve 42",
	"geneve 42 and tcp port 80",
	"geneve and host 10.1.1.1",
	"geneve and tcp[tcpflags] & tcp-syn != 0",
	"ether[12:2] = 0x0800",
	"ether[0] & 1 != 0",
	"ether[5] + ether[11] = 3",
	"ether[5] * ether[11] = 2",
	"ether[12:2] / ether[5] = 1024",
	"ether[12:2] % 256 = 0",
	"ether[12:2] % ether[14] = 10",
	"ether[12:2] / ether[1] = 7 or arp",
	"ether[0:4] * 3 = 0x06000000",
	"ether[6:4] / 0x1000 = 0x2000",
	"ether[12] << 8 | ether[13] = 0x86dd",
	"ether[14] << ether[5] = 276",
	"ether[14] >> ether[5] = 17",
	"1 << ether[20] > 0 or arp",
	"ether[12:2] ^ 0xffff = 0xf7ff",
	"-ether[5] = 0xfffffffe",
	"ether[5] - 3 > 0x7fffffff",
	"ether[5] - 1 = 1",
	"ether[ether[5]:2] = 0",
	"ether[ether[14] & 0xf:1] = 2",
	"ether[len - 4:4] = 0x05b4 or ether[len - 4:4] = 0x020405b4",
	"ether[ether[14] - 16:1] = 2 or ip",
	"ip6 or ether[ether[0:4]:1] = 5",
	"arp or ether[ether[0:4] * 64:1] = 2",
	"ether[ip[8] - 65:1] = 0 or arp",
	"(ip and (tcp port 80 or udp port 53)) or (ip6 and (tcp port 443 or icmp6)) or arp",
	"tcp port 1 or tcp port 2 or tcp port 3 or tcp port 4 or udp port 5 or port 6 or port 53",
	"(src net 10.0.0.0/24 or src net 192.168.1.0/24) and (dst port 80 or dst port 443 or "
	"icmp) and not (ip[6:2] & 0x2000 != 0) and less 100",
	"ip6 host 2001:db8::1 or ip6 host 2001:db8::3 or ip6 host 2001:db8::4 or "
	"ip6 host 2001:db8::5 or ip6 host 2001:db8::6 or ip6 host 2001:db8::7 or "
	"ip6 host 2001:db8::8 or ip6 host 2001:db8::9",
};

#define N_EXPRESSIONS RTE_DIM(expressions)

/* One expression, compiled for the judge and for each of those that are judged. */
struct candidate {
	char text[TEXT_SIZE];
	struct bpf_program program;
	struct fc_native native;
	struct fc_chain chain;
	unsigned n_matches, n_others;
};

struct context {
	struct rte_mempool *pool;
	unsigned n_candidates;
	struct candidate candidates[N_FILTERS_MAX];
};

static struct context context;

static void begin_chain(struct candidate *candidate)
{
	struct fc_findings *findings = fc_findings_new("test");
	struct fc_edits edits = { .filter = candidate->text, .sample = FC_SAMPLE_ALL };

	fc_stage_checks.filter(candidate->text, findings, "taps.a.filter");
	assert_int_equal(fc_findings_count(findings), 0);
	assert_int_equal(fc_chain_begin(&candidate->chain, &edits, findings, "taps.a"), 0);
	assert_int_equal(candidate->chain.n_read, 1);
	assert_int_equal(candidate->chain.n_write, 0);
	fc_findings_free(findings);
}

/* libpcap may read words of memory that it has not written; let them be 0 for everybody. */
static void clear_memory(struct bpf_program *program)
{
	struct bpf_insn *code = calloc(program->bf_len + BPF_MEMWORDS, sizeof(*code));

	assert_non_null(code);
	for (unsigned i = 0; i < BPF_MEMWORDS; i++)
		code[i] = (struct bpf_insn){ .code = BPF_ST, .k = i };
	memcpy(code + BPF_MEMWORDS, program->bf_insns, program->bf_len * sizeof(*code));
	free(program->bf_insns);
	program->bf_insns = code;
	program->bf_len += BPF_MEMWORDS;
}

static void begin_candidate(const char *expression, const char *rest)
{
	struct candidate *candidate = &context.candidates[context.n_candidates++];
	pcap_t *pcap = pcap_open_dead(DLT_EN10MB, SNAPLEN);

	assert_true(context.n_candidates <= N_FILTERS_MAX);
	snprintf(candidate->text, TEXT_SIZE, "%s%s", expression, rest);
	if (pcap_compile(pcap, &candidate->program, candidate->text, 1, PCAP_NETMASK_UNKNOWN) != 0)
		fail_msg("%s: %s", candidate->text, pcap_geterr(pcap));
	pcap_close(pcap);
	clear_memory(&candidate->program);
	fc_native_begin(&candidate->native, &candidate->program);
	begin_chain(candidate);
}

static int start(void **state)
{
	if (fixture_start(state) != 0)
		return -1;
	context.pool = *state;
	for (unsigned i = 0; i < N_EXPRESSIONS; i++)
		begin_candidate(expressions[i], "");
	for (unsigned i = 0; i < N_EXPRESSIONS; i++)
		begin_candidate(expressions[i], INTERPRETED);
	return 0;
}

static int stop(void **state)
{
	for (unsigned i = 0; i < context.n_candidates; i++) {
		struct candidate *candidate = &context.candidates[i];

		fc_chain_end(&candidate->chain);
		fc_native_end(&candidate->native);
		free(candidate->program.bf_insns);
	}
	return fixture_stop(state);
}

static void describe(const struct frame *frame, char text[2 * FRAME_SIZE + 1])
{
	for (uint32_t i = 0; i < frame->length; i++)
		snprintf(text + 2 * i, 3, "%02x", frame->bytes[i]);
}

static void check_answer(const struct candidate *candidate, const struct frame *frame,
	const char *who, bool expected, bool answer)
{
	char text[2 * FRAME_SIZE + 1] = "";

	if (answer == expected)
		return;
	describe(frame, text);
	fail_msg("%s: %s says %d, libpcap %d of %s", candidate->text, who, answer, expected, text);
}

static void check_candidate(
	struct candidate *candidate, const struct frame *frame, struct rte_mbuf *packet)
{
	const struct fc_stage *stage = &candidate->chain.stages[0];
	bool expected = bpf_filter(candidate->program.bf_insns, frame->bytes, frame->length,
				frame->length) != 0;
	struct rte_mbuf *burst[1] = { packet };

	candidate->n_matches += expected;
	candidate->n_others += !expected;
	check_answer(
		candidate, frame, "the stage", expected, stage->ops->run(stage->state, burst, 1));
	assert_ptr_equal(burst[0], packet);
}

/* The machine code by itself, also with fewer bytes than the packet has. */
static void check_native(const struct candidate *candidate, const struct frame *frame)
{
	enum fc_native_result expected = FC_NATIVE_NO;

	if (bpf_filter(candidate->program.bf_insns, frame->bytes, frame->length, frame->length))
		expected = FC_NATIVE_YES;
	for (uint32_t size = 14; size <= frame->length; size += 5) {
		uint8_t *bytes = malloc(size); /* lets the address sanitizer see the end */
		enum fc_native_result result;

		memcpy(bytes, frame->bytes, size);
		result = candidate->native.run(bytes, size, frame->length);
		if (result != FC_NATIVE_BEYOND)
			check_answer(candidate, frame, "the machine code",
				expected == FC_NATIVE_YES, result == FC_NATIVE_YES);
		else if (bpf_filter(candidate->program.bf_insns, bytes, frame->length, size) != 0)
			fail_msg("%s: sees an end where there is none", candidate->text);
		free(bytes);
	}
}

static void check_frame(const struct frame *frame)
{
	static const uint16_t parts[] = { 0, PART };

	for (unsigned i = 0; i < RTE_DIM(parts); i++) {
		struct rte_mbuf *packet =
			fixture_packet(context.pool, frame->bytes, frame->length, parts[i]);

		for (unsigned c = 0; c < context.n_candidates; c++) {
			check_candidate(&context.candidates[c], frame, packet);
			if (context.candidates[c].native.run != NULL && i == 0)
				check_native(&context.candidates[c], frame);
		}
		fixture_assert_bytes(packet, frame->bytes, frame->length);
		rte_pktmbuf_free(packet);
	}
}

/* Whole, and cut off everywhere behind the addresses. */
static void test_every_frame_and_length(void **state)
{
	(void)state;
	for (unsigned kind = 0; kind < frames_n(); kind++) {
		struct frame frame;

		frames_build(&frame, kind);
		for (; frame.length >= 14; frame.length -= frame.length > 64 ? 3 : 1)
			check_frame(&frame);
	}
}

static void test_damaged_frames(void **state)
{
	uint8_t noise[16];

	(void)state;
	for (unsigned i = 0; i < N_RANDOM; i++) {
		struct frame frame;

		frames_build(&frame, i % frames_n());
		fixture_fill(noise, sizeof(noise), i);
		for (unsigned j = 0; j + 1 < sizeof(noise) / 2; j += 2)
			frame.bytes[noise[j] % frame.length] = noise[j + 1];
		check_frame(&frame);
	}
}

static void test_random_frames(void **state)
{
	(void)state;
	for (unsigned i = 0; i < N_RANDOM; i++) {
		struct frame frame;

		fixture_fill(frame.bytes, FRAME_SIZE, i);
		frame.length = 14 + i % (FRAME_SIZE - 14);
		/* The likely types first, or nothing would look behind them. */
		if (i % 4 == 0)
			memcpy(frame.bytes + 12, "\x08\x00\x45", 3);
		if (i % 4 == 1)
			memcpy(frame.bytes + 12, "\x86\xdd\x60", 3);
		check_frame(&frame);
	}
}

/* What is never true or never false would have been compared in vain. */
static void test_every_expression_decided(void **state)
{
	unsigned n_interpreted = 0;

	(void)state;
	for (unsigned i = 0; i < context.n_candidates; i++) {
		const struct candidate *candidate = &context.candidates[i];

		if (candidate->n_matches == 0 || candidate->n_others == 0)
			fail_msg("%s: true %u times, false %u times", candidate->text,
				candidate->n_matches, candidate->n_others);
#ifdef RTE_ARCH_X86_64
		if (i < N_EXPRESSIONS)
			assert_true(candidate->native.run != NULL);
#endif
		n_interpreted += candidate->native.run == NULL;
	}
	assert_true(n_interpreted >= N_EXPRESSIONS * 9 / 10);
}

static void test_order_of_a_burst(void **state)
{
	struct fc_edits edits = { .filter = (char *)(uintptr_t) "ip", .sample = FC_SAMPLE_ALL };
	struct fc_findings *findings = fc_findings_new("test");
	struct rte_mbuf *packets[FC_MAX_BURST], *before[FC_MAX_BURST];
	struct fc_chain chain;
	uint16_t n_ip = 0, n_others = 0, n_kept;

	assert_int_equal(fc_chain_begin(&chain, &edits, findings, "taps.a"), 0);
	for (unsigned i = 0; i < FC_MAX_BURST; i++) {
		uint8_t bytes[64] = { 0 };

		bytes[12] = i % 3 == 0 ? 0x08 : 0x86;
		before[i] = packets[i] = fixture_packet(*state, bytes, sizeof(bytes), 0);
		n_ip = (uint16_t)(n_ip + (i % 3 == 0));
	}
	n_kept = chain.stages[0].ops->run(chain.stages[0].state, packets, FC_MAX_BURST);
	assert_int_equal(n_kept, n_ip);
	n_kept = 0;
	for (unsigned i = 0; i < FC_MAX_BURST; i++) {
		if (i % 3 == 0)
			assert_ptr_equal(packets[n_kept++], before[i]);
		else
			assert_ptr_equal(packets[n_ip + n_others++], before[i]);
	}
	rte_pktmbuf_free_bulk(packets, FC_MAX_BURST);
	fc_chain_end(&chain);
	fc_findings_free(findings);
}

/* A frame longer than libpcap's snapshot is judged by its first 65535 bytes. */
static void test_huge_packet(void **state)
{
	static uint8_t bytes[70000];
	static const struct {
		const char *text;
		uint16_t answer;
	} cases[] = {
		{ "len = 70000" INTERPRETED, 1 },
		{ "ether[65534] = 7" INTERPRETED, 1 },
		{ "ether[65535] = 7" INTERPRETED, 0 },
		{ "len = 70000", 1 },
		{ "ether[65534] = 7", 1 },
	};
	struct rte_mbuf *packet;

	memset(bytes, 7, sizeof(bytes));
	packet = fixture_packet(*state, bytes, sizeof(bytes), 2000);
	for (unsigned i = 0; i < RTE_DIM(cases); i++) {
		struct fc_edits edits = { .filter = (char *)(uintptr_t)cases[i].text,
			.sample = FC_SAMPLE_ALL };
		struct fc_chain chain;

		assert_int_equal(fc_chain_begin(&chain, &edits, NULL, "taps.a"), 0);
		assert_int_equal(chain.stages[0].ops->run(chain.stages[0].state, &packet, 1),
			cases[i].answer);
		fc_chain_end(&chain);
	}
	rte_pktmbuf_free(packet);
}

/* The same is said without EAL (--check) and at the start. */
static void test_findings(void **state)
{
	static const struct {
		const char *expression, *text;
	} cases[] = {
		{ "tcp prot 80", "'tcp prot 80' is not a pcap-filter(7) expression: can't parse "
				 "filter expression: syntax error" },
		{ "port 99999", "'port 99999' is not a pcap-filter(7) expression: illegal port" },
		{ "(ip", "'(ip' is not a pcap-filter(7) expression: can't parse filter expression: "
			 "syntax error" },
		{ "ether[0] / 0 = 1", "is not a pcap-filter(7) expression: division by zero" },
		{ "ether[0:3] = 1", "is not a pcap-filter(7) expression: data size" },
		{ "ip host 2001:db8::1", "is not a pcap-filter(7) expression" },
		{ "ip broadcast", "cannot be used here: netmask not known" },
		{ "inbound",
			"'inbound' cannot be used here: it asks for what only the kernel knows" },
		{ "ip and ifindex 3", "cannot be used here: it asks for what only the kernel" },
		{ "wlan type mgt", "cannot be used here: 802.11" },
		{ "ip and tcp and udp and vlan 5 and ((ip6 or ip) and arp", "syntax error" },
		{ "ip6 protochain 6", "'ip6 protochain 6' cannot be used here: it needs a loop" },
		{ "ip protochain 6", "'ip protochain 6' cannot be used here: it needs a loop" },
	};

	(void)state;
	for (unsigned i = 0; i < RTE_DIM(cases); i++) {
		struct fc_edits edits = { .filter = (char *)(uintptr_t)cases[i].expression,
			.sample = FC_SAMPLE_ALL };
		struct fc_findings *findings = fc_findings_new("test");
		struct fc_chain chain;

		fc_stage_checks.filter(cases[i].expression, findings, "outputs.ids.filter");
		assert_int_equal(fc_chain_begin(&chain, &edits, findings, "outputs.ids"), -EINVAL);
		assert_int_equal(chain.n_read + chain.n_write, 0);
		assert_int_equal(fc_findings_n_errors(findings), 2);
		for (unsigned j = 0; j < 2; j++) {
			struct fc_finding finding = fc_findings_get(findings, j);

			assert_string_equal(finding.place, "outputs.ids.filter");
			if (strstr(finding.text, cases[i].text) == NULL)
				fail_msg("'%s' is not in '%s'", cases[i].text, finding.text);
		}
		fc_findings_free(findings);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_every_frame_and_length, fixture_check),
		cmocka_unit_test_teardown(test_damaged_frames, fixture_check),
		cmocka_unit_test_teardown(test_random_frames, fixture_check),
		cmocka_unit_test_teardown(test_every_expression_decided, fixture_check),
		cmocka_unit_test_teardown(test_order_of_a_burst, fixture_check),
		cmocka_unit_test_teardown(test_huge_packet, fixture_check),
		cmocka_unit_test_teardown(test_findings, fixture_check),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
