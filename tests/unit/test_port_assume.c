/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "dpdk_fixture.h"
#include "port.h"

/* What is said of a virtual device without making it is what the device says, once it is made. */

static void assert_same(const struct fc_port_facts *a, const struct fc_port_facts *b)
{
	assert_string_equal(a->name, b->name);
	assert_string_equal(a->driver, b->driver);
	assert_int_equal(a->rx_queues, b->rx_queues);
	assert_int_equal(a->rx_descriptors, b->rx_descriptors);
	assert_int_equal(a->tx_descriptors, b->tx_descriptors);
	assert_memory_equal(&a->rx_limits, &b->rx_limits, sizeof(a->rx_limits));
	assert_memory_equal(&a->tx_limits, &b->tx_limits, sizeof(a->tx_limits));
	assert_int_equal(a->tx_held, b->tx_held);
	assert_int_equal(a->mtu, b->mtu);
	assert_int_equal(a->max_mtu, b->max_mtu);
	assert_int_equal(a->max_rx_frame, b->max_rx_frame);
	assert_int_equal(a->max_tx_frame, b->max_tx_frame);
	assert_int_equal(a->cut_at, b->cut_at);
	assert_int_equal(a->is_virtual, b->is_virtual);
	assert_int_equal(a->splits_rx, b->splits_rx);
	assert_int_equal(a->takes_segments, b->takes_segments);
	assert_int_equal(a->lets_go, b->lets_go);
	assert_int_equal(a->is_fixed, b->is_fixed);
	assert_int_equal(a->idle_buffers, b->idle_buffers);
	assert_int_equal(a->kept_buffers, b->kept_buffers);
	assert_int_equal(a->is_nic, b->is_nic);
}

static void test_vdevs(void **state)
{
	static const char *const devices[][2] = {
		{ "net_null0", "" },
		{ "net_null1", "size=1500" },
		{ "net_null2", "copy=1" },
		{ "eth_null3", "" },
		{ "net_ring0", "" },
		{ "net_pcap0", "rx_pcap=" SOURCE_ROOT "/tests/data/traffic.pcap" },
		{ "net_pcap1", "tx_pcap=/dev/null" },
		{ "net_pcap2",
			"rx_pcap=" SOURCE_ROOT "/tests/data/traffic.pcap,rx_pcap=" SOURCE_ROOT
			"/tests/data/traffic.pcap,tx_pcap=/dev/null" },
		{ "net_pcap3", "iface=lo" },
		{ "net_pcap4", "rx_pcap=" SOURCE_ROOT "/tests/data/traffic.pcap,infinite_rx=1" },
		{ "net_af_packet0", "iface=lo" },
		{ "net_af_packet1", "iface=lo,framesz=16384,blocksz=65536,framecnt=64" },
		{ "net_af_packet2", "iface=lo,qpairs=2" },
	};

	(void)state;
	for (size_t i = 0; i < RTE_DIM(devices); i++) {
		const char *name = devices[i][0], *args = devices[i][1];
		struct fc_port_facts assumed, found;

		assert_true(fc_port_assume_vdev(name, args, &assumed));
		if (fc_port_probe(name, args) != 0) {
			/* Packet sockets are for who has the right to them. */
			assert_non_null(strstr(args, "iface="));
			continue;
		}
		assert_int_equal(fc_port_facts(name, &found), 0);
		assert_same(&assumed, &found);
	}
}

static void test_others(void **state)
{
	static const char *const names[] = { "net_memif0", "virtio_user0", "0000:03:00.0", "eth1" };
	struct fc_port_facts facts;

	(void)state;
	for (size_t i = 0; i < RTE_DIM(names); i++)
		assert_false(fc_port_assume_vdev(names[i], "", &facts));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vdevs),
		cmocka_unit_test(test_others),
	};

	return cmocka_run_group_tests(tests, fixture_start, fixture_stop);
}
