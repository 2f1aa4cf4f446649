/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "program.h"
#include "program_parts.h"

/*
 * Programs of many terms. The judge is libpcap: bpf_filter() with what pcap_compile() makes of the
 * whole expression, optimised, as tcpdump has it.
 */

#define N_TERMS	   130
#define TERM_SIZE  64
#define N_FRAMES   20000
#define FRAME_SIZE 96

static uint32_t random_state = 1;

static uint32_t next_random(void)
{
	random_state = random_state * 1664525 + 1013904223;
	return random_state >> 8;
}

/* The terms of one list; %u is the term's number. */
static const char *const patterns[] = {
	"host 10.0.%2$u.%3$u",
	"src host 10.0.%2$u.%3$u",
	"tcp port %1$u",
	"udp dst port %1$u",
	"net 10.%2$u.%3$u.0/24",
	"ether host 02:00:00:00:%4$02x:%5$02x",
	"ip6 host fd00::%4$x:%5$x",
	"(tcp port %1$u and not src host 10.0.%2$u.%3$u)",
	"not ip host 10.0.%2$u.%3$u",
	"ip proto %3$u",
	"port %1$u or 7",
	"portrange %1$u-%1$u",
	"(ip[8] = %2$u)",
};

#define N_PATTERNS (sizeof(patterns) / sizeof(patterns[0]))

/* Pattern N_PATTERNS: a mixture of all but those that match nearly everything. */
static void write_list(char *text, size_t pattern)
{
	size_t used = 0;

	for (unsigned i = 0; i < N_TERMS; i++) {
		size_t kind = pattern < N_PATTERNS ? pattern : i % 8;

		used += (size_t)sprintf(text + used, "%s",
			i == 0	     ? ""
			: i % 2 == 0 ? " or "
				     : "\nor  ");
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-extra-args"
		used += (size_t)sprintf(text + used, patterns[kind], i + 1, (i + 1) / 256,
			(i + 1) % 256, (i + 1) / 256, (i + 1) % 256);
#pragma GCC diagnostic pop
	}
}

/* A frame with addresses and ports some of which the lists have. */
static uint32_t make_frame(uint8_t frame[FRAME_SIZE])
{
	static const uint16_t types[] = { 0x0800, 0x0800, 0x86dd, 0x0806, 0x8100 };
	static const uint8_t protocols[] = { 6, 17, 1, 132 };
	uint16_t type = types[next_random() % 5];
	uint32_t number = next_random() % (2 * N_TERMS);

	for (unsigned i = 0; i < FRAME_SIZE; i++)
		frame[i] = (uint8_t)next_random();
	memcpy(frame, (uint8_t[]){ 2, 0, 0, 0, (uint8_t)(number >> 8), (uint8_t)number }, 6);
	frame[12] = (uint8_t)(type >> 8);
	frame[13] = (uint8_t)type;
	if (type == 0x0800) {
		frame[14] = 0x45;
		frame[20] = next_random() % 8 == 0 ? 1 : 0; /* a fragment */
		frame[21] = 0;
		frame[23] = protocols[next_random() % 4];
		number = next_random() % (2 * N_TERMS);
		memcpy(frame + 26, (uint8_t[]){ 10, 0, (uint8_t)(number >> 8), (uint8_t)number },
			4);
		number = next_random() % (2 * N_TERMS);
		frame[36] = (uint8_t)(number >> 8);
		frame[37] = (uint8_t)number;
	} else if (type == 0x86dd) {
		memset(frame + 22, 0, 16);
		frame[22] = 0xfd;
		frame[35] = (uint8_t)(number >> 8);
		frame[37] = (uint8_t)number;
		frame[20] = protocols[next_random() % 4];
	}
	/* Frames that end within a header are left out: which load comes first is the optimiser's.
	 */
	return FRAME_SIZE;
}

static void compare(const struct fc_program *program, const struct bpf_program *judge,
	unsigned *n_matches, unsigned n_frames)
{
	uint8_t frame[FRAME_SIZE];

	for (unsigned i = 0; i < n_frames; i++) {
		uint32_t size = make_frame(frame);
		bool expected, got;

		expected = bpf_filter(judge->bf_insns, frame, size, size) != 0;
		got = bpf_filter(program->code.bf_insns, frame, size, size) != 0;
		assert_int_equal(got, expected);
		if (program->native.run != NULL)
			assert_int_equal(
				program->native.run(frame, size, size) == FC_NATIVE_YES, expected);
		*n_matches += expected;
	}
}

static void test_long_lists(void **state)
{
	struct fc_findings *findings = fc_findings_new("test");
	char *text = malloc(N_TERMS * TERM_SIZE);

	(void)state;
	for (size_t pattern = 0; pattern <= N_PATTERNS; pattern++) {
		pcap_t *pcap = pcap_open_dead(DLT_EN10MB, FC_PROGRAM_SNAPLEN);
		const struct fc_program *program;
		struct bpf_program judge;
		unsigned n_matches = 0;
		size_t at[64];

		write_list(text, pattern);
		assert_int_not_equal(fc_program_find_parts(text, at, 64), 0);
		program = fc_program_get(text, findings, "here");
		assert_non_null(program);
		assert_int_equal(pcap_compile(pcap, &judge, text, 1, PCAP_NETMASK_UNKNOWN), 0);
		compare(program, &judge, &n_matches, N_FRAMES);
		assert_int_not_equal(n_matches, 0);
		pcap_freecode(&judge);
		pcap_close(pcap);
		fc_program_put(program);
	}
	free(text);
	fc_findings_free(findings);
}

/* What cannot be cut is compiled without the optimiser, into thousands of instructions. */
static void test_long_expressions_in_one_piece(void **state)
{
	static const char *const frames[] = { "not (%s)", "tcp and (%s)", "vlan or (%s)" };
	struct fc_findings *findings = fc_findings_new("test");
	char *list = malloc(N_TERMS * TERM_SIZE), *text = malloc(N_TERMS * TERM_SIZE + 32);

	(void)state;
	for (size_t i = 0; i < sizeof(frames) / sizeof(frames[0]); i++) {
		pcap_t *pcap = pcap_open_dead(DLT_EN10MB, FC_PROGRAM_SNAPLEN);
		const struct fc_program *program;
		struct bpf_program judge;
		unsigned n_matches = 0;

		write_list(list, 0);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		sprintf(text, frames[i], list);
#pragma GCC diagnostic pop
		program = fc_program_get(text, findings, "here");
		assert_non_null(program);
		assert_true(program->code.bf_len > 3000);
#ifdef __x86_64__
		assert_non_null(program->native.run);
#endif
		assert_int_equal(pcap_compile(pcap, &judge, text, 1, PCAP_NETMASK_UNKNOWN), 0);
		compare(program, &judge, &n_matches, N_FRAMES);
		assert_int_not_equal(n_matches, 0);
		pcap_freecode(&judge);
		pcap_close(pcap);
		fc_program_put(program);
	}
	free(list);
	free(text);
	fc_findings_free(findings);
}

static size_t n_parts(const char *first, const char *between)
{
	char *text = calloc(4 * FC_PROGRAM_MANY_TERMS, TERM_SIZE);
	size_t at[64], n, used = (size_t)sprintf(text, "%s", first);

	for (unsigned i = 0; i < 2 * FC_PROGRAM_MANY_TERMS; i++)
		used += (size_t)sprintf(text + used, " %s", between);
	n = fc_program_find_parts(text, at, 64);
	for (size_t i = 0; i < n; i++)
		assert_memory_equal(text + at[i], "or", 2);
	free(text);
	return n;
}

static void test_what_is_cut(void **state)
{
	(void)state;
	assert_int_not_equal(n_parts("host 10.0.0.1", "or host 10.0.0.2"), 0);
	assert_int_not_equal(n_parts("(tcp[0] = 1)", "or (vlan1 and ip)"), 0);
	/* A value alone means what the term before says it is. */
	assert_int_equal(n_parts("host 10.0.0.1", "or 10.0.0.2"), 0);
	assert_int_not_equal(n_parts("host 10.0.0.1", "or (port 3)"), 0);
	/* Here "or" belongs to one term. */
	assert_int_not_equal(n_parts("src or dst port 1", "or src or dst port 2"), 0);
	assert_int_equal(n_parts("tcp", "or tcp"), 0);
	/* "and" and "or" bind alike, from the left. */
	assert_int_equal(n_parts("host 10.0.0.1", "or host 10.0.0.2 and port 3"), 0);
	assert_int_equal(n_parts("host 10.0.0.1", "or host 10.0.0.2 && port 3"), 0);
	assert_int_equal(n_parts("tcp[0] = 1", "or host 10.0.0.2"), 0);
	/* These move what stands behind them. */
	assert_int_equal(n_parts("vlan 1", "or host 10.0.0.2"), 0);
	assert_int_equal(n_parts("(mpls 1)", "or host 10.0.0.2"), 0);
	assert_int_equal(n_parts("host 10.0.0.1", "or (geneve 1 and port 2)"), 0);
	assert_int_equal(n_parts("host 10.0.0.1)", "or host 10.0.0.2"), 0);
	assert_int_equal(n_parts("(host 10.0.0.1", "or host 10.0.0.2"), 0);
	assert_int_equal(n_parts("", ""), 0);
}

static void test_mistakes_are_told(void **state)
{
	struct fc_findings *findings = fc_findings_new("test");
	char *text = malloc(N_TERMS * TERM_SIZE);

	(void)state;
	write_list(text, 0);
	strcat(text, " or port 99999");
	assert_null(fc_program_get(text, findings, "here"));
	assert_int_equal(fc_findings_n_errors(findings), 1);
	assert_non_null(strstr(fc_findings_get(findings, 0).text, "is not a pcap-filter(7)"));
	free(text);
	fc_findings_free(findings);
}

static void test_compiled_once(void **state)
{
	struct fc_findings *findings = fc_findings_new("test");
	const struct fc_program *first = fc_program_get("tcp port 1", findings, "here"), *again;

	(void)state;
	again = fc_program_get("tcp port 1", findings, "there");
	assert_ptr_equal(first, again);
	assert_ptr_not_equal(first, fc_program_get("tcp port 2", findings, "there"));
	fc_program_put(first);
	fc_program_put(again);
	again = fc_program_get("tcp port 1", findings, "here");
	assert_ptr_equal(first, again); /* kept, though nobody used it */
	fc_program_put(again);
	for (unsigned i = 0; i < 300; i++) { /* but not for ever */
		char text[32];

		snprintf(text, sizeof(text), "udp port %u", i + 1);
		fc_program_put(fc_program_get(text, findings, "here"));
	}
	again = fc_program_get("tcp port 1", findings, "here");
	assert_ptr_not_equal(again, NULL);
	assert_string_equal(again->expression, "tcp port 1");
	fc_program_put(again);
	fc_findings_free(findings);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_long_lists),
		cmocka_unit_test(test_long_expressions_in_one_piece),
		cmocka_unit_test(test_what_is_cut),
		cmocka_unit_test(test_mistakes_are_told),
		cmocka_unit_test(test_compiled_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
