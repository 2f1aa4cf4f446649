/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <rte_thash.h>

#include <fc_compat.h>

#include "driver.h"
#include "nic_rig.h"
#include "plan_rig.h"
#include "plug.h"
#include "port.h"

/*
 * What fluxcap asks of the drivers of NICs. The first columns are from the drivers' sources of DPDK
 * 22.11 (what they answer), the last from docs/ports.md (what is right to ask).
 */

#define SCATTER	 RTE_ETH_RX_OFFLOAD_SCATTER
#define SEGMENTS RTE_ETH_TX_OFFLOAD_MULTI_SEGS
#define FLOWS	 (RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP | RTE_ETH_RSS_UDP)

enum spreading { BY_RSS, BY_OTHERS, BY_NOBODY };

static const struct asked {
	struct rig_driver driver;
	uint8_t key_size;
	enum spreading spreading;
	bool keeps_mtu; /* neither SCATTER nor MULTI_SEGS where a frame fits into one buffer */
	uint16_t n_tx;	/* of a port with two rx queues */
	uint16_t min_tx_frame, max_tx_segments;
} drivers[] = {
	{ { "net_ixgbe", false, false, 15872, 15838, 128, SCATTER, SEGMENTS, FLOWS, 40, true, true,
		  RTE_ETH_FC_NONE },
		40, BY_RSS, true, 1, 0, 0 },
	{ { "net_i40e", false, false, 9728, 9702, 64, SCATTER, SEGMENTS, FLOWS, 52, true, true,
		  RTE_ETH_FC_FULL },
		52, BY_RSS, true, 1, 17, 8 },
	{ { "net_ice", false, false, 9728, 9702, 64, SCATTER, SEGMENTS, FLOWS, 52, true, true, -1 },
		52, BY_RSS, true, 1, 17, 8 },
	{ { "net_iavf", false, false, 9728, 9702, 256, SCATTER, SEGMENTS, FLOWS, 52, true, true,
		  -1 },
		52, BY_RSS, true, 1, 17, 8 },
	{ { "net_e1000_igb", false, false, 0x3FFF, 16361, 8, SCATTER, SEGMENTS, FLOWS, 40, true,
		  true, RTE_ETH_FC_FULL },
		40, BY_RSS, false, 1, 0, 0 },
	{ { "net_igc", false, false, 9728, 9702, 4, SCATTER, SEGMENTS, FLOWS, 40, true, true,
		  RTE_ETH_FC_FULL },
		40, BY_RSS, false, 1, 0, 0 },
	{ { "net_e1000_em", false, false, 9234, 9216, 2, SCATTER, SEGMENTS, 0, 0, true, true,
		  RTE_ETH_FC_FULL },
		0, BY_NOBODY, false, 1, 0, 0 },
	{ { "mlx5_pci", false, true, 65536, UINT16_MAX, 1024, SCATTER, SEGMENTS, FLOWS, 40, true,
		  true, RTE_ETH_FC_FULL },
		40, BY_RSS, false, 1, 0, 0 },
	{ { "net_bnxt", false, false, 9600, 9574, 64, SCATTER, SEGMENTS, FLOWS, 40, true, true,
		  RTE_ETH_FC_FULL },
		40, BY_RSS, false, 1, 0, 0 },
	{ { "net_ena", false, false, 9234, 9216, 8, SCATTER, SEGMENTS,
		  RTE_ETH_RSS_NONFRAG_IPV4_TCP | RTE_ETH_RSS_NONFRAG_IPV4_UDP, 40, false, false,
		  -1 },
		40, BY_RSS, false, 1, 0, 0 },
	{ { "net_gve", false, false, 1474, 1460, 16, 0, SEGMENTS, 0, 0, false, false, -1 }, 0,
		BY_OTHERS, false, 1, 0, 0 },
	{ { "net_virtio", false, false, 9728, 9698, 8, SCATTER, SEGMENTS, 0, 0, true, true, -1 }, 0,
		BY_OTHERS, false, 1, 0, 0 },
	{ { "net_virtio", false, false, 9728, 9698, 8, SCATTER, SEGMENTS,
		  RTE_ETH_RSS_IPV4 | RTE_ETH_RSS_NONFRAG_IPV4_TCP, 40, true, true, -1 },
		40, BY_RSS, false, 1, 0, 0 },
	{ { "net_vmxnet3", false, false, 16384, 9000, 16, SCATTER, SEGMENTS,
		  RTE_ETH_RSS_IPV4 | RTE_ETH_RSS_NONFRAG_IPV4_TCP, 0, true, true, -1 },
		40, BY_RSS, false, 1, 0, 16 },
	{ { "net_mana", false, false, 9018, 9000, 64, 0, SEGMENTS, FLOWS, 40, false, false, -1 },
		40, BY_RSS, false, 2, 0, 0 },
	{ { "net_af_xdp", true, true, 3520, 3502, 8, 0, 0, 0, 0, true, false, -1 }, 0, BY_OTHERS,
		false, 2, 0, 0 },
	{ { "net_af_packet", true, true, 1518, UINT16_MAX, 8, 0, SEGMENTS, 0, 0, true, false, -1 },
		0, BY_OTHERS, false, 1, 0, 0 },
};

struct setup {
	struct plan_rig plan;
	struct fc_port tap, output;
	struct fc_findings *findings;
};

static void begin(struct setup *s, const struct asked *asked, const char *json)
{
	memset(s, 0, sizeof(*s));
	s->findings = fc_findings_new("test");
	rig_be(&asked->driver);
	rig_plan_begin(&s->plan, json, 1);
	for (unsigned i = 0; i < 2; i++) {
		const char *name = i == 0 ? "p1" : "p2";

		assert_int_equal(fc_port_facts(name, &s->plan.facts[i]), 0);
	}
	rig_make(&s->plan);
}

static void start(struct setup *s)
{
	assert_int_equal(fc_port_start(&s->tap, &s->plan.plan->ports[0], s->findings), 0);
	assert_int_equal(fc_port_start(&s->output, &s->plan.plan->ports[1], s->findings), 0);
}

static void end(struct setup *s)
{
	fc_port_stop(&s->tap);
	fc_port_stop(&s->output);
	assert_int_equal(fc_findings_n_errors(s->findings), 0);
	fc_findings_free(s->findings);
	rig_plan_end(&s->plan);
}

/* What net_pcap says of itself, release by release, and what follows from it. */
static void test_pcap(void **state)
{
	static const struct {
		struct rig_driver driver;
		const char *args;
		bool is_virtual, splits, takes_segments;
		uint16_t max_mtu;
		uint32_t max_tx_frame;
	} cases[] = {
		/* DPDK 22.11 and 25.11 */
		{ { "net_pcap", true, false, UINT32_MAX, UINT16_MAX, 1, 0, 0, 0, 0, true, true,
			  -1 },
			"rx_pcap=in,tx_pcap=out", true, true, false, UINT16_MAX, UINT32_MAX },
		{ { "net_pcap", true, false, UINT32_MAX, UINT16_MAX, 1, 0, 0, 0, 0, true, true,
			  -1 },
			"rx_pcap=in,infinite_rx=1", true, true, false, UINT16_MAX, UINT32_MAX },
		{ { "net_pcap", true, true, UINT32_MAX, UINT16_MAX, 1, 0, 0, 0, 0, true, true, -1 },
			"iface=eth7", false, true, false, UINT16_MAX, UINT32_MAX },
		/* DPDK 26.07 */
		{ { "net_pcap", true, false, 65535, 65521, 1, SCATTER, SEGMENTS, 0, 0, true, true,
			  -1 },
			"rx_pcap=in,tx_pcap=out", true, true, true, 65521, 65535 },
		{ { "net_pcap", true, false, 65535, 65521, 1, 0, SEGMENTS, 0, 0, true, true, -1 },
			"rx_pcap=in,infinite_rx=1", true, false, true, 65521, 65535 },
		{ { "net_pcap", true, false, 256, 242, 1, SCATTER, SEGMENTS, 0, 0, true, true, -1 },
			"rx_pcap=in,tx_pcap=out,snaplen=256", true, true, true, 242, 256 },
		{ { "net_pcap", true, true, 65535, 65521, 1, SCATTER, SEGMENTS, 0, 0, true, true,
			  -1 },
			"iface=eth7", false, true, true, 65521, 65535 },
	};

	(void)state;
	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		struct fc_port_facts facts;

		rig_be(&cases[i].driver);
		rig_args = cases[i].args;
		assert_int_equal(fc_port_facts("p1", &facts), 0);
		assert_int_equal(facts.is_virtual, cases[i].is_virtual);
		assert_int_equal(facts.splits_rx, cases[i].splits);
		assert_int_equal(facts.takes_segments, cases[i].takes_segments);
		assert_int_equal(facts.max_mtu, cases[i].max_mtu);
		assert_int_equal(facts.max_tx_frame, cases[i].max_tx_frame);
		assert_int_equal(facts.mtu, cases[i].is_virtual ? 0 : RIG_KERNEL_MTU);
		assert_false(facts.may_split);
	}
	rig_args = NULL;
}

/* The finding with these words, or NULL. */
static const char *find(const struct fc_findings *findings, const char *words)
{
	for (size_t i = 0; i < fc_findings_count(findings); i++)
		if (strstr(fc_findings_get(findings, i).text, words) != NULL)
			return fc_findings_get(findings, i).text;
	return NULL;
}

static const struct asked *find_driver(const char *name)
{
	for (size_t i = 0; i < RTE_DIM(drivers); i++)
		if (strcmp(drivers[i].driver.name, name) == 0)
			return &drivers[i];
	fail_msg("no driver %s", name);
	return NULL;
}

#define SIMPLE JSON(TAP, OUT(""), "")
#define QUEUES JSON(TAP, OUT(""), ",\"ports\":{\"p1\":{\"rx_queues\":2}}")
#define SMALL  JSON(TAP, OUT(""), ",\"ports\":{\"p1\":{\"mtu\":1400},\"p2\":{\"mtu\":1400}}")
#define EDITED                                                                                     \
	JSON(TAP, OUT(",\"vlan\":{\"push\":7}"),                                                   \
		",\"ports\":{\"p1\":{\"mtu\":1400},\"p2\":{\"mtu\":1400}}")

/* On every port, tap or output, after its start. */
static void test_flow_control(void **state)
{
	(void)state;
	for (size_t i = 0; i < RTE_DIM(drivers); i++) {
		struct setup s;

		begin(&s, &drivers[i], SIMPLE);
		start(&s);
		for (unsigned p = 0; p < 2; p++)
			assert_int_equal(rig_ports[p].flow_control, RTE_ETH_FC_NONE);
		assert_null(find(s.findings, "PAUSE"));
		end(&s);
		/* The kernel's interface gets back what it had. */
		if (drivers[i].driver.has_interface && drivers[i].driver.flow_control > 0)
			assert_int_equal(rig_ports[0].flow_control, RTE_ETH_FC_FULL);
	}
}

/* Where the driver cannot, and the kernel's interface does: how to switch it off. */
static void test_flow_control_of_the_kernel(void **state)
{
	struct setup s;

	(void)state;
	begin(&s, find_driver("net_af_xdp"), SIMPLE);
	rig_ports[0].pauses = true;
	start(&s);
	assert_non_null(find(s.findings, "ethtool -A eth7 autoneg off rx off tx off"));
	end(&s);
}

static void test_rx_queues(void **state)
{
	(void)state;
	for (size_t i = 0; i < RTE_DIM(drivers); i++) {
		const struct asked *asked = &drivers[i];
		struct rig_port *port = &rig_ports[0];
		struct rte_eth_rss_conf *rss = &port->conf.rx_adv_conf.rss_conf;
		const char *said;
		struct setup s;

		begin(&s, asked, QUEUES);
		start(&s);
		assert_int_equal(port->n_rx, 2);
		assert_int_equal(port->n_tx, asked->n_tx);
		assert_int_equal(port->rx.rx_drop_en, 1);
		assert_int_equal(rig_ports[1].rx.rx_drop_en, 0);
		assert_int_equal(rig_ports[1].n_tx, 1);
		/* What each queue's socket of net_af_xdp keeps for ever. */
		assert_int_equal(s.plan.plan->ports[0].pool.n_kept,
			2U * s.plan.plan->ports[0].facts.kept_buffers);
		assert_int_equal(rss->rss_hf, FLOWS & asked->driver.rss_types);
		assert_int_equal(port->conf.rxmode.mq_mode,
			asked->spreading == BY_RSS ? RTE_ETH_MQ_RX_RSS : RTE_ETH_MQ_RX_NONE);
		assert_int_equal(rss->rss_key_len, asked->key_size);
		for (uint8_t k = 0; k < asked->key_size; k++)
			assert_int_equal(port->key[k], k % 2 == 0 ? 0x6d : 0x5a);
		said = find(s.plan.findings, "has no RSS");
		assert_int_equal(said != NULL, asked->spreading != BY_RSS);
		if (said != NULL)
			assert_int_equal(
				strstr(said, "chooses") != NULL, asked->spreading == BY_OTHERS);
		assert_int_equal(rig_ports[1].conf.rxmode.mq_mode, RTE_ETH_MQ_RX_NONE);
		end(&s);
	}
}

/* With the key that is asked for, both directions of a flow come in one queue, and flows differ. */
static void test_both_directions(void **state)
{
	enum { N = 1000, N_QUEUES = 4, V6_WORDS = 9 };
	unsigned n_in[N_QUEUES] = { 0 };
	struct setup s;

	(void)state;
	begin(&s, find_driver("net_ice"), QUEUES);
	start(&s);
	for (unsigned i = 0; i < N; i++) {
		/* Source and destination addresses, then ports. */
		uint32_t there[V6_WORDS], back[V6_WORDS];
		uint32_t hash;

		for (unsigned w = 0; w < V6_WORDS; w++)
			there[w] = (uint32_t)mrand48(); /* rte_rand() wants EAL */
		memcpy(back, there + 4, 16);
		memcpy(back + 4, there, 16);
		back[8] = there[8] << 16 | there[8] >> 16;
		hash = rte_softrss(there, V6_WORDS, rig_ports[0].key);
		assert_int_equal(hash, rte_softrss(back, V6_WORDS, rig_ports[0].key));
		n_in[hash % N_QUEUES]++;
		/* The same of IPv4: two addresses, then ports. */
		there[2] = there[8];
		back[0] = there[1];
		back[1] = there[0];
		back[2] = back[8];
		assert_int_equal(rte_softrss(there, 3, rig_ports[0].key),
			rte_softrss(back, 3, rig_ports[0].key));
	}
	for (unsigned q = 0; q < N_QUEUES; q++)
		assert_in_range(n_in[q], N / N_QUEUES / 2, N / N_QUEUES * 2);
	end(&s);
}

/* The rx queues are made for the MTU of configuring. */
static void test_mtu(void **state)
{
	(void)state;
	for (size_t i = 0; i < RTE_DIM(drivers); i++) {
		const struct rig_driver *driver = &drivers[i].driver;
		uint32_t expected = RTE_MIN(9000U, (uint32_t)driver->max_mtu);
		struct setup s;

		if (strcmp(driver->name, "net_af_packet") == 0) /* a frame is 1,518 bytes at most */
			expected = RIG_KERNEL_MTU;
		if (driver->has_interface)
			expected = RIG_KERNEL_MTU;
		begin(&s, &drivers[i], SIMPLE);
		start(&s);
		assert_int_equal(rig_ports[0].conf.rxmode.mtu, expected);
		assert_int_equal(rig_ports[1].conf.rxmode.mtu, expected);
		assert_int_equal(rig_ports[0].set_mtu, 0);
		end(&s);
		begin(&s, &drivers[i], SMALL);
		start(&s);
		assert_int_equal(rig_ports[0].conf.rxmode.mtu, 1400);
		assert_int_equal(rig_ports[0].set_mtu, driver->has_interface ? 1400 : 0);
		end(&s);
	}
}

/* Several segments are asked for only where they can come or go. */
static void test_segments(void **state)
{
	static const char *const configs[] = { SIMPLE, SMALL, EDITED };

	(void)state;
	for (size_t i = 0; i < RTE_DIM(drivers); i++) {
		const struct asked *asked = &drivers[i];
		const struct rig_driver *driver = &asked->driver;

		for (size_t c = 0; c < RTE_DIM(configs); c++) {
			bool splits = (c == 0 && driver->max_mtu > 2048) || !asked->keeps_mtu;
			uint64_t scatter = splits ? driver->rx_offloads : 0;
			uint64_t chains = c == 2 || scatter != 0 ? driver->tx_offloads : 0;
			struct setup s;

			begin(&s, asked, configs[c]);
			start(&s);
			assert_int_equal(rig_ports[0].conf.rxmode.offloads, scatter);
			assert_int_equal(rig_ports[0].rx.offloads, scatter);
			assert_int_equal(rig_ports[1].conf.txmode.offloads, chains);
			assert_int_equal(rig_ports[1].tx.offloads, chains);
			/* Nothing leaves by the tap's port. */
			assert_int_equal(rig_ports[0].tx.offloads, 0);
			end(&s);
		}
	}
}

static void test_limits_of_sending(void **state)
{
	(void)state;
	for (size_t i = 0; i < RTE_DIM(drivers); i++) {
		const struct asked *asked = &drivers[i];
		struct setup s;

		begin(&s, asked, SIMPLE);
		assert_int_equal(s.plan.facts[1].min_tx_frame, asked->min_tx_frame);
		assert_int_equal(s.plan.facts[1].max_tx_segments, asked->max_tx_segments);
		assert_int_equal(s.plan.plan->outputs[0].mends, asked->min_tx_frame != 0);
		assert_int_equal(s.plan.plan->outputs[0].copies.n_mbufs != 0,
			asked->min_tx_frame != 0 || asked->driver.tx_offloads == 0);
		rig_plan_end(&s.plan);
		fc_findings_free(s.findings);
	}
}

static void test_hearing(void **state)
{
	(void)state;
	for (size_t i = 0; i < RTE_DIM(drivers); i++) {
		const struct rig_driver *driver = &drivers[i].driver;
		struct fc_plan_port plain, tunnel;
		struct setup s;

		begin(&s, &drivers[i], SIMPLE);
		start(&s);
		assert_int_equal(rig_ports[0].is_promiscuous, driver->has_promiscuous);
		assert_false(rig_ports[0].is_allmulticast);
		assert_false(rig_ports[1].is_promiscuous || rig_ports[1].is_allmulticast);
		assert_int_equal(
			find(s.findings, "is not promiscuous") != NULL, !driver->has_promiscuous);
		/* A reload brings the output a tunnel, and another one takes it away. */
		plain = tunnel = s.plan.plan->ports[1];
		tunnel.is_host = true;
		for (unsigned turn = 0; turn < 2; turn++) {
			fc_port_follow(&s.output, &tunnel);
			fc_port_hear(&s.output, s.findings);
			assert_int_equal(rig_ports[1].is_allmulticast, driver->has_allmulticast);
			assert_int_equal(rig_ports[1].is_promiscuous,
				!driver->has_allmulticast && driver->has_promiscuous);
			fc_port_follow(&s.output, &plain);
			fc_port_hear(&s.output, s.findings);
			assert_false(rig_ports[1].is_promiscuous || rig_ports[1].is_allmulticast);
		}
		/* It stays so when the port is set up anew. */
		if (fc_driver_restarts(&tunnel.facts)) {
			assert_int_equal(fc_port_restart(&s.output, &tunnel, s.findings), 0);
		} else {
			fc_port_follow(&s.output, &tunnel);
			fc_port_hear(&s.output, s.findings);
		}
		assert_true(rig_ports[1].is_allmulticast || rig_ports[1].is_promiscuous ||
			    !driver->has_promiscuous);
		end(&s);
	}
}

/* A tap whose port cannot be promiscuous says so once, not with every reload. */
static void test_deaf_once(void **state)
{
	struct setup s;

	(void)state;
	begin(&s, find_driver("net_ena"), SIMPLE);
	start(&s);
	assert_int_equal(fc_findings_count(s.findings), 1);
	fc_port_hear(&s.tap, s.findings);
	assert_int_equal(fc_findings_count(s.findings), 1);
	end(&s);
}

static void set_stats(struct rig_port *port, uint64_t n)
{
	port->stats = (struct rte_eth_stats){
		.imissed = n, .ierrors = 2 * n, .rx_nombuf = 3 * n, .oerrors = 4 * n
	};
}

static void expect_counts(struct fc_port *port, uint64_t n)
{
	struct fc_port_counts counts;

	fc_port_stats(port, &counts);
	assert_int_equal(counts.rx_missed, n);
	assert_int_equal(counts.rx_errors, 2 * n);
	assert_int_equal(counts.rx_nombuf, 3 * n);
	assert_int_equal(counts.tx_errors, 4 * n);
}

static void lose_stats(struct rig_port *port)
{
	set_stats(port, 0);
}

/* Drivers that begin anew when they are started, and drivers that go on. */
static void test_counts_only_grow(void **state)
{
	struct setup s;

	(void)state;
	for (int forgets = 0; forgets <= 1; forgets++) {
		begin(&s, find_driver("net_i40e"), SIMPLE);
		start(&s);
		rig_ports[0].at_start = forgets ? lose_stats : NULL;
		set_stats(&rig_ports[0], 10);
		expect_counts(&s.tap, 10);
		/* What came since it was last read, and more than that afterwards. */
		set_stats(&rig_ports[0], 13);
		assert_int_equal(fc_port_restart(&s.tap, s.tap.plan, s.findings), 0);
		expect_counts(&s.tap, 13);
		set_stats(&rig_ports[0], forgets ? 20 : 33);
		expect_counts(&s.tap, 33);
		expect_counts(&s.tap, 33);
		/* Another device in its place. */
		fc_port_stop(&s.tap);
		expect_counts(&s.tap, 33);
		set_stats(&rig_ports[0], 0);
		assert_int_equal(fc_port_start(&s.tap, s.tap.plan, s.findings), 0);
		expect_counts(&s.tap, 33);
		set_stats(&rig_ports[0], 100);
		expect_counts(&s.tap, 133);
		/* Somebody sets the driver's counters to zero. */
		set_stats(&rig_ports[0], 1);
		expect_counts(&s.tap, 134);
		end(&s);
	}
}

#if FC_HAS_QUEUE_COUNTERS
/* What a full queue loses with rx_drop_en is an error of the queue with ixgbe and igc only. */
static void test_drops_of_queues(void **state)
{
	(void)state;
	for (size_t i = 0; i < RTE_DIM(drivers); i++) {
		bool counts = strcmp(drivers[i].driver.name, "net_ixgbe") == 0 ||
			      strcmp(drivers[i].driver.name, "net_igc") == 0;
		struct fc_port_counts read;
		struct setup s;

		begin(&s, &drivers[i], QUEUES);
		start(&s);
		assert_int_equal(rig_ports[0].n_mapped, counts ? 2 : 0);
		rig_ports[0].stats.imissed = 5;
		rig_ports[0].stats.q_errors[0] = 7;
		rig_ports[0].stats.q_errors[1] = 11;
		fc_port_stats(&s.tap, &read);
		assert_int_equal(read.rx_missed, counts ? 23 : 5);
		end(&s);
	}
}
#endif

static void test_wrong_lengths(void **state)
{
	static const struct {
		uint64_t length, undersize, oversize, expected;
	} cases[] = { { 0, 2, 3, 5 }, { 5, 2, 3, 0 }, { 4, 2, 3, 1 }, { 9, 2, 3, 0 } };

	(void)state;
	for (size_t i = 0; i < RTE_DIM(drivers); i++) {
		bool counts = strcmp(drivers[i].driver.name, "net_e1000_igb") == 0 ||
			      strcmp(drivers[i].driver.name, "net_igc") == 0;
		struct fc_port_counts read;
		struct setup s;

		for (size_t c = 0; c < RTE_DIM(cases); c++) {
			begin(&s, &drivers[i], SIMPLE);
			start(&s);
			rig_ports[0].stats.ierrors = cases[c].length;
			rig_ports[0].n_length_errors = cases[c].length;
			rig_ports[0].n_undersize = cases[c].undersize;
			rig_ports[0].n_oversize = cases[c].oversize;
			fc_port_stats(&s.tap, &read);
			assert_int_equal(
				read.rx_errors, cases[c].length + (counts ? cases[c].expected : 0));
			end(&s);
		}
	}
}

/* Of a NIC with two ports that is pulled out, or of which one port goes: the last one lets it go.
 */
static void test_two_ports_of_a_device(void **state)
{
	(void)state;
	for (unsigned how = 0; how < 3; how++) {
		struct fc_engine engine = { 0 };
		struct fc_generation now = { 0 };
		struct fc_port *ports[2];
		struct setup s;

		begin(&s, find_driver("net_i40e"), SIMPLE);
		start(&s);
		ports[0] = &s.tap;
		ports[1] = &s.output;
		now.plan = s.plan.plan;
		now.ports = ports;
		engine.now = &now;
		atomic_store(&s.tap.is_removed, how != 1);
		atomic_store(&s.output.is_removed, how != 1);
		if (how == 2)
			fc_plug_out(&engine, &s.tap);
		else
			fc_plug_let_go(&engine, &s.tap);
		assert_int_equal(rig_n_removed, 0);
		assert_true(s.output.is_started);
		assert_true(rig_ports[1].is_started);
		assert_false(rig_ports[0].is_started);
		if (how == 2)
			fc_plug_out(&engine, &s.output);
		else
			fc_plug_let_go(&engine, &s.output);
		assert_int_equal(rig_n_removed, 1);
		fc_plug_end(&engine);
		end(&s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pcap),
		cmocka_unit_test(test_flow_control),
		cmocka_unit_test(test_flow_control_of_the_kernel),
		cmocka_unit_test(test_rx_queues),
		cmocka_unit_test(test_both_directions),
		cmocka_unit_test(test_mtu),
		cmocka_unit_test(test_segments),
		cmocka_unit_test(test_limits_of_sending),
		cmocka_unit_test(test_hearing),
		cmocka_unit_test(test_deaf_once),
		cmocka_unit_test(test_two_ports_of_a_device),
		cmocka_unit_test(test_counts_only_grow),
#if FC_HAS_QUEUE_COUNTERS
		cmocka_unit_test(test_drops_of_queues),
#endif
		cmocka_unit_test(test_wrong_lengths),
	};

	return cmocka_run_group_tests_name("port_asks", tests, NULL, NULL);
}
