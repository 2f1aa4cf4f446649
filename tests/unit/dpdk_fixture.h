/* SPDX-License-Identifier: MIT */
#ifndef DPDK_FIXTURE_H
#define DPDK_FIXTURE_H

#include <stdint.h>

#include <rte_mbuf.h>

/**
 * EAL, pools and packets for unit tests: no huge pages, no PCI, no files, so that it runs for
 * anybody and beside other tests.
 */

#define FIXTURE_MAX_FRAME 9018 /**< bytes of the longest frame of the tests */

/** Start EAL with @p extra arguments ("--vdev=net_null0", "--lcores=0-1@0"; NULL ends the list). */
void fixture_start_eal(const char *const extra[]);

/** Group setup: start EAL on one lcore; *state becomes a pool of 255 ordinary mbufs. */
int fixture_start(void **state);

/** Group teardown: end EAL. */
int fixture_stop(void **state);

/** Test teardown: fails when the pool of fixture_start() is not full again. */
int fixture_check(void **state);

/** Make a pool of @p n mbufs that hold @p room bytes each behind the usual headroom. */
struct rte_mempool *fixture_pool_new(const char *name, unsigned n, uint16_t room);

/** Fail unless every mbuf of @p pool is in it. */
void fixture_assert_full(const struct rte_mempool *pool);

/**
 * Make a packet.
 *
 * @param bytes   Its content.
 * @param length  Bytes of it.
 * @param part    Bytes that one segment holds at most; 0: as many as fit.
 */
struct rte_mbuf *fixture_packet(
	struct rte_mempool *pool, const void *bytes, uint32_t length, uint16_t part);

/** Fill @p bytes with what only @p seed decides. */
void fixture_fill(uint8_t *bytes, uint32_t length, uint32_t seed);

/** Fail unless @p packet is well formed and its content is exactly @p bytes. */
void fixture_assert_bytes(const struct rte_mbuf *packet, const void *bytes, uint32_t length);

#endif
