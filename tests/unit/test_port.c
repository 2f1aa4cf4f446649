/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <errno.h>
#include <sched.h>
#include <unistd.h>

#include <rte_bus_vdev.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>

#include <fc_compat.h>

#include "dpdk_fixture.h"
#include "driver.h"
#include "port.h"

/* What is found out of each kind of port, and that it can be started as planned from that. */

static char directory[] = "/tmp/fluxcap-test-XXXXXX";
static bool has_namespace; /* a network namespace of its own, where it may do what it likes */

static void begin(const char *name, const char *arguments, struct fc_port_facts *facts)
{
	assert_int_equal(rte_vdev_init(name, arguments), 0);
	assert_int_equal(fc_port_facts(name, facts), 0);
	assert_string_equal(facts->name, name);
}

/* Plan one port as a tap, as an output or as both, start it and end it. */
static void run_port(const struct fc_port_facts *facts, bool is_tap, bool is_output,
	const struct fc_port_config *settings, struct rte_mempool *pool)
{
	struct fc_findings *findings = fc_findings_new("port");
	struct fc_tap_config taps[2] = { { .ring = 1 << 20 }, { .ring = 1 << 20 } };
	uint16_t from = 0;
	struct fc_output_config output = { .n_from = 1, .from = &from };
	struct fc_port_config port_config =
		settings != NULL ? *settings : (struct fc_port_config){ 0 };
	struct fc_config config = { .n_taps = 1,
		.n_outputs = 1,
		.n_ports = 1,
		.taps = taps,
		.outputs = &output,
		.ports = &port_config };
	struct fc_port_facts all[2] = { *facts };
	struct fc_lcore_facts lcore = { 0, 0 };
	struct fc_port port = { .rx_pool = pool };
	uint16_t at = is_tap ? 0 : 1;
	struct fc_plan *plan;

	snprintf(taps[0].port, sizeof(taps[0].port), "%s", is_tap ? facts->name : "other");
	snprintf(output.port, sizeof(output.port), "%s", is_output ? facts->name : "other");
	snprintf(port_config.name, sizeof(port_config.name), "%s", facts->name);
	fc_plan_assume_port("other", &all[1 - at]);
	all[at] = *facts;
	plan = fc_plan_make(&config, all, &lcore, 1, findings);
	if (plan == NULL)
		fc_findings_print(findings, stderr);
	assert_non_null(plan);
	assert_int_equal(plan->ports[at].is_tap, is_tap);
	assert_int_equal(plan->ports[at].is_output, is_output);
	if (fc_port_start(&port, &plan->ports[at], findings) != 0)
		fc_findings_print(findings, stderr);
	assert_int_equal(fc_findings_n_errors(findings), 0);
	assert_true(port.is_started);
	assert_int_not_equal(fc_port_link(&port), FC_LINK_GONE);
	fc_port_stop(&port);
	assert_false(port.is_started);
	fc_port_stop(&port);
	fixture_assert_full(pool);
	fc_plan_free(plan);
	fc_findings_free(findings);
}

static void test_missing(void **state)
{
	struct fc_port_facts facts;

	(void)state;
	assert_int_equal(fc_port_facts("net_null7", &facts), -ENODEV);
	assert_int_equal(fc_port_facts("", &facts), -ENODEV);
}

static void test_null(void **state)
{
	struct fc_port_facts facts;

	begin("net_null0", "", &facts);
	assert_string_equal(facts.driver, "net_null");
	assert_int_equal(facts.max_rx_frame, 64);
	assert_int_equal(facts.max_tx_frame, UINT32_MAX);
	assert_int_equal(facts.mtu, 0);
	assert_true(facts.is_virtual);
	assert_int_equal(facts.rx_queues, 1);
	run_port(&facts, true, true, NULL, *state);
	assert_int_equal(rte_vdev_uninit("net_null0"), 0);

	begin("net_null0", "size=1500,copy=1", &facts);
	assert_int_equal(facts.max_rx_frame, 1500);
	run_port(&facts, true, false, NULL, *state);
	assert_int_equal(rte_vdev_uninit("net_null0"), 0);

	begin("net_null0", "size=0x200", &facts);
	assert_int_equal(facts.max_rx_frame, 512);
	run_port(&facts, false, true, NULL, *state);
	assert_int_equal(rte_vdev_uninit("net_null0"), 0);
}

static void test_ring(void **state)
{
	struct fc_port_facts facts;

	begin("net_ring0", "", &facts);
	assert_true(facts.is_virtual);
	assert_true(facts.splits_rx);
	assert_true(facts.takes_segments);
	assert_int_not_equal(facts.idle_buffers, 0);
	assert_int_equal(facts.rx_queues, 1);
	assert_int_equal(facts.tx_held, 1024);
	assert_true(fc_driver_loops(&facts));
	run_port(&facts, false, true, NULL, *state);
	assert_int_equal(rte_vdev_uninit("net_ring0"), 0);
}

/* dpdk-dumpcap makes a port promiscuous, and when it ends it takes that away. */
static void test_promiscuous_again(void **state)
{
	struct fc_findings *findings = fc_findings_new("test");
	struct fc_plan_port plan = { .n_rx_queues = 1, .rx_descriptors = 256, .is_tap = true };
	struct fc_port port = { .rx_pool = *state };

	begin("net_ring0", "", &plan.facts);
	assert_int_equal(fc_port_start(&port, &plan, findings), 0);
	assert_int_equal(rte_eth_promiscuous_get(port.id), 1);
	assert_int_equal(rte_eth_promiscuous_disable(port.id), 0);
	fc_port_look(&port, port.next_look_ms);
	assert_int_equal(rte_eth_promiscuous_get(port.id), 1);
	fc_port_stop(&port);
	assert_int_equal(rte_vdev_uninit("net_ring0"), 0);
	fc_findings_free(findings);
}

static void run_command(const char *command)
{
	if (system(command) != 0)
		fail_msg("%s", command);
}

static bool can_make_interfaces(void)
{
	return has_namespace && access("/dev/net/tun", R_OK | W_OK) == 0 &&
	       system("ip link add fctp0 type veth peer name fctp1 2>/dev/null && "
		      "ip link del fctp0") == 0;
}

/* A capture file with nothing in it. */
static void make_file(char path[128], const char *name)
{
	static const uint32_t header[6] = { 0xa1b2c3d4, 4 << 16 | 2, 0, 0, 65535, 1 };
	FILE *file;

	snprintf(path, 128, "%s/%s", directory, name);
	file = fopen(path, "wb");
	assert_non_null(file);
	assert_int_equal(fwrite(header, sizeof(header), 1, file), 1);
	assert_int_equal(fclose(file), 0);
}

static void test_pcap(void **state)
{
	char in[2][128], out[128], arguments[512];
	struct fc_port_facts facts;

	make_file(in[0], "in0.pcap");
	make_file(in[1], "in1.pcap");
	snprintf(out, sizeof(out), "%s/out.pcap", directory);

	snprintf(arguments, sizeof(arguments), "rx_pcap=%s", in[0]);
	begin("net_pcap0", arguments, &facts);
	assert_int_equal(facts.max_rx_queues, 1);
	assert_int_equal(facts.max_tx_queues, 0);
	assert_int_equal(facts.takes_segments, FC_PCAP_SAYS_LENGTHS);
	assert_true(facts.splits_rx);
	run_port(&facts, true, false, NULL, *state);
	assert_int_equal(rte_vdev_uninit("net_pcap0"), 0);

	snprintf(arguments, sizeof(arguments), "tx_pcap=%s", out);
	begin("net_pcap0", arguments, &facts);
	assert_int_equal(facts.max_rx_queues, 0);
	assert_int_equal(facts.max_tx_queues, 1);
	run_port(&facts, false, true, NULL, *state);
	assert_int_equal(rte_vdev_uninit("net_pcap0"), 0);

	snprintf(arguments, sizeof(arguments), "rx_pcap=%s,rx_pcap=%s,tx_pcap=%s", in[0], in[1],
		out);
	begin("net_pcap0", arguments, &facts);
	assert_int_equal(facts.max_rx_queues, 2);
	assert_int_equal(facts.rx_queues, 2);
	assert_int_equal(facts.max_tx_queues, 1);
	run_port(&facts, true, true, NULL, *state);
	assert_int_equal(rte_vdev_uninit("net_pcap0"), 0);
}

static void test_pcap_interface(void **state)
{
	struct fc_port_facts facts;

	if (!can_make_interfaces())
		skip();
	run_command("ip link set lo up");
	begin("net_pcap0", "iface=lo", &facts);
	assert_int_equal(facts.max_rx_queues, 1);
	assert_int_equal(facts.max_tx_queues, 1);
	run_port(&facts, true, true, NULL, *state);
	assert_int_equal(rte_vdev_uninit("net_pcap0"), 0);
}

/* What a port cannot do is refused by the plan, with the way out. */
static void test_direction(void **state)
{
	struct fc_findings *findings = fc_findings_new("port");
	struct fc_tap_config tap = { .port = "net_pcap0", .ring = 1 << 20 };
	uint16_t from = 0;
	struct fc_output_config output = { .port = "net_pcap1", .n_from = 1, .from = &from };
	struct fc_config config = { .n_taps = 1, .n_outputs = 1, .taps = &tap, .outputs = &output };
	struct fc_lcore_facts lcore = { 0, 0 };
	char in[128], out[128], arguments[256];
	struct fc_port_facts facts[2];

	(void)state;
	make_file(in, "in0.pcap");
	snprintf(out, sizeof(out), "%s/out.pcap", directory);
	snprintf(arguments, sizeof(arguments), "tx_pcap=%s", out);
	begin("net_pcap0", arguments, &facts[0]);
	snprintf(arguments, sizeof(arguments), "rx_pcap=%s", in);
	begin("net_pcap1", arguments, &facts[1]);
	assert_null(fc_plan_make(&config, facts, &lcore, 1, findings));
	assert_int_equal(fc_findings_n_errors(findings), 2);
	assert_string_equal(fc_findings_get(findings, 0).place, "port net_pcap0");
	assert_non_null(strstr(fc_findings_get(findings, 0).text, "rx_pcap="));
	assert_string_equal(fc_findings_get(findings, 1).place, "port net_pcap1");
	assert_non_null(strstr(fc_findings_get(findings, 1).text, "tx_pcap="));
	assert_int_equal(rte_vdev_uninit("net_pcap0"), 0);
	assert_int_equal(rte_vdev_uninit("net_pcap1"), 0);
	fc_findings_free(findings);
}

/* What it is found to be, whenever it was last looked at. */
static enum fc_port_state look(struct fc_port *port)
{
	fc_port_look(port, port->next_look_ms);
	return fc_port_health(port).state;
}

/* The kernel tells of a carrier by and by, where others keep it busy after a second. */
static enum fc_port_state look_until(struct fc_port *port, enum fc_port_state state)
{
	for (unsigned i = 0; i < 1000 && look(port) != state; i++)
		rte_delay_us_sleep(10000);
	return fc_port_health(port).state;
}

/* A kernel interface: its MTU counts, and is changed only when that is asked for. */
static void test_af_packet(void **state)
{
	struct fc_port_config settings = { .mtu = 1400 };
	struct fc_findings *findings = fc_findings_new("port");
	struct fc_port_facts facts;
	struct fc_plan_port plan = { .n_rx_queues = 1, .rx_descriptors = 64, .tx_descriptors = 64 };
	struct fc_port port = { 0 };

	if (!can_make_interfaces())
		skip();
	run_command("ip link add fctp0 mtu 1350 type veth peer name fctp1 mtu 1350");
	run_command("ip link set fctp0 up && ip link set fctp1 up");
	begin("net_af_packet0", "iface=fctp0,framesz=1024,blocksz=4096,framecnt=64", &facts);
	assert_int_equal(facts.mtu, 1350);
	assert_false(facts.is_virtual);
	assert_int_equal(facts.max_tx_frame, 1024 - 32);
	assert_int_equal(facts.max_rx_frame, 1024 - 32);
	run_port(&facts, true, true, NULL, *state);
	assert_int_equal(rte_vdev_uninit("net_af_packet0"), 0);
	run_command("ip link show fctp0 | grep -q 'mtu 1350 '");

	begin("net_af_packet0", "iface=fctp0,qpairs=2", &facts);
	assert_int_equal(facts.rx_queues, 2);
	assert_int_equal(rte_vdev_uninit("net_af_packet0"), 0);
	begin("net_af_packet0", "iface=fctp0", &facts);
	assert_int_equal(facts.rx_queues, 1);
	assert_int_equal(facts.max_tx_frame, 2048 - 32);
	run_port(&facts, true, true, &settings, *state);
	assert_int_equal(rte_vdev_uninit("net_af_packet0"), 0);
	run_command("ip link show fctp0 | grep -q 'mtu 1400 '");

	/* The interface goes away under it. */
	begin("net_af_packet0", "iface=fctp0", &plan.facts);
	plan.is_tap = plan.is_output = true;
	plan.receives = plan.sends = true;
	port.rx_pool = *state;
	assert_int_equal(fc_port_start(&port, &plan, findings), 0);
	assert_int_equal(look_until(&port, FC_PORT_RUNNING), FC_PORT_RUNNING);
	run_command("ip link set fctp1 down");
	assert_int_equal(look_until(&port, FC_PORT_DOWN), FC_PORT_DOWN);
	assert_int_equal(fc_port_link(&port), FC_LINK_DOWN);
	run_command("ip link set fctp1 up");
	assert_int_equal(look_until(&port, FC_PORT_RUNNING), FC_PORT_RUNNING);
	assert_int_equal(fc_port_health(&port).flaps, 1);
	run_command("ip link del fctp0");
	assert_false(atomic_load(&port.is_gone));
	assert_int_equal(look(&port), FC_PORT_GONE);
	assert_true(atomic_load(&port.is_gone));
	assert_int_equal(fc_port_link(&port), FC_LINK_GONE);
	assert_int_equal(fc_port_health(&port).flaps, 1);
	fc_port_stop(&port);
	assert_int_equal(rte_vdev_uninit("net_af_packet0"), 0);
	fc_findings_free(findings);
}

/* Its driver insists on as many rx queues as tx queues. */
static void test_tap(void **state)
{
	struct rte_mempool *pool;
	struct fc_port_facts facts;

	(void)state;
	if (!can_make_interfaces())
		skip();
	pool = fixture_pool_new("tap", 4095, 2048);
	for (unsigned kind = 1; kind <= 3; kind++) {
		begin("net_tap0", "iface=fctp2", &facts);
		assert_int_equal(facts.mtu, 1500);
		assert_int_equal(facts.max_rx_queues, 1);
		run_port(&facts, kind & 1, kind & 2, NULL, pool);
		assert_int_equal(rte_vdev_uninit("net_tap0"), 0);
	}
	rte_mempool_free(pool);
}

/* A device that the kernel wants back is let go; its counters stay. */
static void test_removal(void **state)
{
	struct fc_findings *findings = fc_findings_new("port");
	struct fc_plan_port plan = { .is_tap = true,
		.receives = true,
		.n_rx_queues = 1,
		.rx_descriptors = 64,
		.tx_descriptors = 64 };
	struct fc_port port = { .rx_pool = *state };
	struct rte_mbuf *packets[FC_BURST];
	struct fc_port_counts before, after;
	uint16_t n;

	begin("net_null0", "", &plan.facts);
	assert_int_equal(fc_port_start(&port, &plan, findings), 0);
	n = rte_eth_rx_burst(port.id, 0, packets, FC_BURST);
	assert_int_equal(n, FC_BURST);
	rte_pktmbuf_free_bulk(packets, n);
	fc_port_stats(&port, &before);
	rte_dev_event_callback_process("net_null1", RTE_DEV_EVENT_REMOVE);
	rte_dev_event_callback_process("net_null0", RTE_DEV_EVENT_ADD);
	assert_int_equal(look(&port), FC_PORT_RUNNING);
	rte_dev_event_callback_process("net_null0", RTE_DEV_EVENT_REMOVE);
	/* It is noticed at once, without waiting for the next look at the link. */
	fc_port_look(&port, 0);
	assert_int_equal(fc_port_health(&port).state, FC_PORT_GONE);
	assert_true(atomic_load(&port.is_gone));
	assert_true(port.is_started);
	fc_port_stop(&port);
	assert_false(port.is_started);
	assert_int_equal(fc_port_health(&port).state, FC_PORT_GONE);
	fc_port_stats(&port, &after);
	assert_memory_equal(&before, &after, sizeof(before));
	assert_int_equal(rte_vdev_uninit("net_null0"), 0);
	rte_dev_event_callback_process("net_null0", RTE_DEV_EVENT_REMOVE);
	fc_findings_free(findings);
}

static void test_absent(void **state)
{
	struct fc_findings *findings = fc_findings_new("port");
	struct fc_plan_port plan = { .is_tap = true, .facts.is_absent = true };
	struct fc_port port = { .rx_pool = *state };
	struct fc_port_counts stats;

	assert_int_equal(fc_port_start(&port, &plan, findings), 0);
	assert_int_equal(fc_findings_count(findings), 0);
	assert_false(port.is_started);
	assert_true(atomic_load(&port.is_gone));
	assert_int_equal(look(&port), FC_PORT_ABSENT);
	assert_int_equal(fc_port_link(&port), FC_LINK_GONE);
	fc_port_stats(&port, &stats);
	assert_int_equal(stats.rx_missed + stats.rx_errors + stats.rx_nombuf, 0);
	fc_port_stop(&port);
	assert_int_equal(fc_port_health(&port).state, FC_PORT_ABSENT);
	fc_findings_free(findings);
}

static void test_second_start(void **state)
{
	struct fc_findings *findings = fc_findings_new("port");
	struct fc_plan_port plan = { .is_tap = true,
		.is_output = true,
		.receives = true,
		.sends = true,
		.n_rx_queues = 1,
		.rx_descriptors = 64,
		.tx_descriptors = 64,
		.mtu = 9000,
		.max_frame = 9018,
		.max_tagged_frame = 9022 };
	struct fc_port first = { .rx_pool = *state }, second = { .rx_pool = *state };
	uint16_t mtu;

	begin("net_null0", "", &plan.facts);
	assert_int_equal(fc_port_start(&first, &plan, findings), 0);
	assert_int_equal(first.max_frame, 9018);
	assert_int_equal(first.max_tagged_frame, 9022);
	assert_int_equal(rte_eth_dev_get_mtu(first.id, &mtu), 0);
	assert_int_equal(mtu, 9000);
	assert_int_equal(fc_port_start(&second, &plan, findings), -EBUSY);
	assert_int_equal(fc_findings_n_errors(findings), 1);
	assert_string_equal(fc_findings_get(findings, 0).place, "port net_null0");
	/* The one that failed has nothing to close; the first still works. */
	fc_port_stop(&second);
	assert_int_equal(fc_port_link(&first), FC_LINK_UP);
	fc_port_stop(&first);
	assert_int_equal(fc_port_link(&first), FC_LINK_UP);
	assert_int_equal(fc_port_start(&first, &plan, findings), -ENODEV);
	assert_int_equal(fc_findings_n_errors(findings), 2);
	assert_int_equal(rte_vdev_uninit("net_null0"), 0);
	fc_findings_free(findings);
}

static int begin_all(void **state)
{
	has_namespace = unshare(CLONE_NEWNET) == 0;
	return mkdtemp(directory) == NULL ? -1 : fixture_start(state);
}

static int end_all(void **state)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -r %s", directory);
	return system(command) + fixture_stop(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_missing),
		cmocka_unit_test(test_null),
		cmocka_unit_test(test_ring),
		cmocka_unit_test(test_promiscuous_again),
		cmocka_unit_test(test_pcap),
		cmocka_unit_test(test_pcap_interface),
		cmocka_unit_test(test_direction),
		cmocka_unit_test(test_af_packet),
		cmocka_unit_test(test_tap),
		cmocka_unit_test(test_removal),
		cmocka_unit_test(test_absent),
		cmocka_unit_test(test_second_start),
	};

	return cmocka_run_group_tests(tests, begin_all, end_all);
}
