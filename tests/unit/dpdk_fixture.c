/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include <rte_eal.h>
#include <rte_errno.h>

#include "dpdk_fixture.h"

#define MAX_ARGUMENTS 32
#define POOL_SIZE     255
#define POOL_ROOM     2048

void fixture_start_eal(const char *const extra[])
{
	char *arguments[MAX_ARGUMENTS + 1] = {
		"test",
		"--no-huge",
		"--no-pci",
		"--no-shconf",
		"--no-telemetry",
		"--file-prefix=fluxcap-test",
		"--log-level=*:error",
	};
	bool has_memory = false;
	int n = 0;

	while (arguments[n] != NULL)
		n++;
	for (; *extra != NULL; extra++) {
		assert_true(n + 2 < MAX_ARGUMENTS);
		has_memory |= strcmp(*extra, "-m") == 0;
		arguments[n++] = (char *)(uintptr_t)*extra;
	}
	/* Since DPDK 25.11 it may be given once only. */
	if (!has_memory) {
		arguments[n++] = (char *)(uintptr_t) "-m";
		arguments[n++] = (char *)(uintptr_t) "128";
	}
	if (rte_eal_init(n, arguments) < 0)
		fail_msg("EAL does not start: %s", rte_strerror(rte_errno));
}

int fixture_start(void **state)
{
	fixture_start_eal((const char *const[]){ "--lcores=0", NULL });
	*state = fixture_pool_new("fixture", POOL_SIZE, POOL_ROOM);
	return 0;
}

int fixture_stop(void **state)
{
	rte_mempool_free(*state);
	return rte_eal_cleanup();
}

int fixture_check(void **state)
{
	fixture_assert_full(*state);
	return 0;
}

struct rte_mempool *fixture_pool_new(const char *name, unsigned n, uint16_t room)
{
	struct rte_mempool *pool = rte_pktmbuf_pool_create(
		name, n, 0, 0, (uint16_t)(room + RTE_PKTMBUF_HEADROOM), SOCKET_ID_ANY);

	if (pool == NULL)
		fail_msg("pool %s: %s", name, rte_strerror(rte_errno));
	return pool;
}

void fixture_assert_full(const struct rte_mempool *pool)
{
	assert_int_equal(rte_mempool_avail_count(pool), pool->size);
}

static struct rte_mbuf *new_segment(
	struct rte_mempool *pool, const uint8_t *bytes, uint32_t left, uint16_t part)
{
	struct rte_mbuf *segment = rte_pktmbuf_alloc(pool);
	uint32_t length;

	assert_non_null(segment);
	length = RTE_MIN(left, (uint32_t)rte_pktmbuf_tailroom(segment));
	if (part != 0)
		length = RTE_MIN(length, (uint32_t)part);
	memcpy(rte_pktmbuf_append(segment, (uint16_t)length), bytes, length);
	return segment;
}

struct rte_mbuf *fixture_packet(
	struct rte_mempool *pool, const void *bytes, uint32_t length, uint16_t part)
{
	const uint8_t *from = bytes;
	struct rte_mbuf *packet = new_segment(pool, from, length, part);

	while (packet->pkt_len < length) {
		uint32_t done = packet->pkt_len;
		struct rte_mbuf *segment = new_segment(pool, from + done, length - done, part);

		assert_int_equal(rte_pktmbuf_chain(packet, segment), 0);
	}
	return packet;
}

void fixture_fill(uint8_t *bytes, uint32_t length, uint32_t seed)
{
	uint32_t x = seed * 2654435761u + 1;

	for (uint32_t i = 0; i < length; i++) {
		x = x * 1664525u + 1013904223u;
		bytes[i] = (uint8_t)(x >> 24);
	}
}

void fixture_assert_bytes(const struct rte_mbuf *packet, const void *bytes, uint32_t length)
{
	const uint8_t *expected = bytes;
	const char *reason = NULL;
	uint32_t done = 0;

	if (rte_mbuf_check(packet, 1, &reason) != 0)
		fail_msg("not a good packet: %s", reason);
	assert_int_equal(packet->pkt_len, length);
	for (; packet != NULL; packet = packet->next) {
		assert_memory_equal(
			rte_pktmbuf_mtod(packet, const void *), expected + done, packet->data_len);
		done += packet->data_len;
	}
	assert_int_equal(done, length);
}
