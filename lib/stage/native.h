/* SPDX-License-Identifier: MIT */
#ifndef FC_NATIVE_H
#define FC_NATIVE_H

#include <stddef.h>
#include <stdint.h>

#include <pcap/pcap.h>

/** What a program says of a packet. */
enum fc_native_result {
	FC_NATIVE_NO,	 /**< no match */
	FC_NATIVE_YES,	 /**< match */
	FC_NATIVE_BEYOND /**< it asks for bytes behind the given ones; no match when there are none
			  */
};

/**
 * Machine code for the programs of libpcap.
 *
 * DPDK has a translation of these programs and a JIT, but neither can be used (22.11.11, x86):
 *
 * - rte_bpf_convert() takes the register A for the index X of an indirect load of one or four
 *   bytes, so that `tcp[13] = 0x12` looks at the wrong one (two bytes, as ports, come out right);
 * - an index that wraps around 2^32 passes the bounds check of rte_pktmbuf_read(), so that a
 *   packet's content leads `ether[ether[0] - 16] = 1` out of its memory;
 * - the JIT encodes a test against a constant below 128 with three bytes too few, and ends
 *   `tcp[tcpflags] & tcp-syn != 0` with a segmentation fault;
 * - it takes its jumps for settled once the length of the code is, also when one of them has grown
 *   by what another has shrunk, and then jumps into the middle of instructions.
 *
 * This one gives every jump four bytes, loads from memory that is contiguous, and calls nothing.
 * It computes exactly what bpf_filter() does.
 */
struct fc_native {
	/**
	 * Run the program.
	 *
	 * @param bytes   The packet's first bytes.
	 * @param size    How many there are.
	 * @param length  The packet's length.
	 */
	enum fc_native_result (*run)(const uint8_t *bytes, uint32_t size, uint32_t length);
	size_t size; /**< bytes of code */
};

/**
 * Compile a program; control path.
 *
 * @param native   Filled; ended with fc_native_end().
 * @param program  From pcap_compile(); need not outlive the call.
 * @return         0; -ENOTSUP when there is no machine code for this CPU, or the program has
 *                 something that is not translated (a backward jump, an offset of 2^31 or more);
 *                 -ENOMEM. On failure `run` is NULL.
 */
int fc_native_begin(struct fc_native *native, const struct bpf_program *program);

/** Free the code. A zeroed one is allowed. */
void fc_native_end(struct fc_native *native);

#endif
