/* SPDX-License-Identifier: MIT */
#ifndef BENCH_PORTS_H
#define BENCH_PORTS_H

#include <stdint.h>

#include <rte_mempool.h>

/** Largest number of output ports of a program of this folder. */
#define BENCH_MAX_OUTPUTS 32
/** Largest burst of a program of this folder. */
#define BENCH_MAX_BURST	  256

/**
 * Make a pool on the calling lcore's socket.
 *
 * @param name       Name of the mempool.
 * @param n_mbufs    Mbufs in it.
 * @param data_room  Bytes of packet that an mbuf holds behind its headroom.
 * @return           The pool; the program ends with a message when there is no memory for it.
 */
struct rte_mempool *bench_pool_create(const char *name, uint32_t n_mbufs, uint16_t data_room);

/**
 * Start a port with one queue each way as fluxcap starts it: promiscuous, 512 descriptors, no
 * offloads, without MBUF_FAST_FREE.
 *
 * @param name  The ethdev's name.
 * @param pool  Gives the mbufs of received packets.
 * @return      The port's id; the program ends with a message when the port does not start.
 */
uint16_t bench_port_start(const char *name, struct rte_mempool *pool);

/**
 * Start net_null0 as the input and net_null1 to net_nullN as outputs.
 *
 * @param n_outputs  1..BENCH_MAX_OUTPUTS.
 * @param pool       Gives the mbufs of received packets.
 * @param outputs    Gets the ids of the output ports.
 * @return           The id of the input port.
 */
uint16_t bench_ports_start(unsigned int n_outputs, struct rte_mempool *pool, uint16_t *outputs);

/**
 * Read a number of the command line.
 *
 * @param option  The option's name for the message.
 * @param text    What stands behind it.
 * @param low     Smallest value allowed.
 * @param high    Largest value allowed.
 * @return        The number; the program ends with a message when it is none or out of range.
 */
uint32_t bench_number(const char *option, const char *text, uint32_t low, uint32_t high);

/**
 * How long the calling thread has waited for its CPU because another one had it.
 *
 * @return  Nanoseconds since the thread began, 0 where the kernel does not count them.
 */
uint64_t bench_waited_ns(void);

#endif
