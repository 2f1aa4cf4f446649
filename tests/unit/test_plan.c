/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <rte_common.h>
#include <rte_ether.h>
#include <rte_mbuf.h>

#include <fc_plan.h>

#include "backlog.h"

/* The plan without EAL: sums, sizes, defaults and limits. */

#define CACHE (FC_POOL_CACHE_SIZE * 3U / 2)
#define HAND  (4U * FC_BURST)

struct setup {
	struct fc_findings *findings;
	struct fc_config *config;
	struct fc_port_facts facts[8];
	struct fc_lcore_facts lcores[8];
	uint16_t n_lcores;
	struct fc_plan *plan;
};

/* Facts as assumed for a NIC, one that needs no rx queue to send; a test changes them. */
static void begin(struct setup *s, const char *json, uint16_t n_lcores)
{
	const char *names[FC_MAX_TAPS + FC_MAX_OUTPUTS];
	uint16_t n;

	*s = (struct setup){ .findings = fc_findings_new("test"), .n_lcores = n_lcores };
	s->config = fc_config_parse(json, strlen(json), NULL, s->findings);
	if (s->config == NULL)
		fc_findings_print(s->findings, stderr);
	assert_non_null(s->config);
	n = fc_plan_port_names(s->config, names);
	assert_true(n <= RTE_DIM(s->facts));
	for (uint16_t i = 0; i < n; i++) {
		fc_plan_assume_port(names[i], &s->facts[i]);
		s->facts[i].idle_buffers = 0;
	}
	for (uint16_t i = 0; i < n_lcores; i++)
		s->lcores[i] = (struct fc_lcore_facts){ .id = i + 1U, .socket = 0 };
}

static const struct fc_plan *make(struct setup *s)
{
	s->plan = fc_plan_make(s->config, s->facts, s->lcores, s->n_lcores, s->findings);
	if (s->plan == NULL)
		fc_findings_print(s->findings, stderr);
	assert_non_null(s->plan);
	return s->plan;
}

static void end(struct setup *s)
{
	fc_plan_free(s->plan);
	fc_config_free(s->config);
	fc_findings_free(s->findings);
}

/* The plan fails with one error, at @place, that says @text. */
static void expect_error(struct setup *s, const char *place, const char *text)
{
	assert_null(fc_plan_make(s->config, s->facts, s->lcores, s->n_lcores, s->findings));
	assert_int_equal(fc_findings_n_errors(s->findings), 1);
	assert_string_equal(fc_findings_get(s->findings, 0).place, place);
	assert_non_null(strstr(fc_findings_get(s->findings, 0).text, text));
	end(s);
}

#define ONE_TO_TWO                                                                                 \
	"{\"taps\":{\"a\":{\"port\":\"0000:01:00.0\",\"ring\":\"10m\"}},\"outputs\":{"             \
	"\"b\":{\"port\":\"0000:02:00.0\",\"from\":[\"a\"]},"                                      \
	"\"c\":{\"port\":\"0000:03:00.0\",\"from\":[\"a\"]}}"

static void test_port_names(void **state)
{
	const char *names[FC_MAX_TAPS + FC_MAX_OUTPUTS];
	struct setup s;

	(void)state;
	begin(&s,
		"{\"taps\":{\"a\":{\"port\":\"p1\"},\"b\":{\"port\":\"p2\"}},\"outputs\":{"
		"\"c\":{\"port\":\"p2\",\"from\":[\"a\"]},\"d\":{\"port\":\"p3\",\"from\":[\"a\"]},"
		"\"e\":{\"port\":\"p3\",\"from\":[\"b\"]}}}",
		1);
	assert_int_equal(fc_plan_port_names(s.config, names), 3);
	assert_string_equal(names[0], "p1");
	assert_string_equal(names[1], "p2");
	assert_string_equal(names[2], "p3");
	make(&s);
	assert_int_equal(s.plan->n_ports, 3);
	assert_true(s.plan->ports[1].is_tap && s.plan->ports[1].is_output);
	assert_false(s.plan->ports[2].is_tap);
	assert_int_equal(s.plan->outputs[0].port, 1);
	assert_int_equal(s.plan->outputs[1].port, 2);
	assert_int_equal(s.plan->outputs[2].port, 2);
	end(&s);
}

/* ring + rx descriptors + tx descriptors of its outputs + handoff rings + caches + in hand */
static void test_pool_on_one_lcore(void **state)
{
	const struct fc_plan_port *port;
	struct setup s;

	(void)state;
	begin(&s, ONE_TO_TWO "}", 1);
	s.facts[0].rx_descriptors = 512;
	s.facts[1].tx_descriptors = 256;
	s.facts[2].tx_descriptors = 128;
	s.facts[2].tx_held = 100;
	port = &make(&s)->ports[0];
	assert_int_equal(port->pool.data_room, 2048 + RTE_PKTMBUF_HEADROOM);
	assert_true(port->pool.mbuf_size >= sizeof(struct rte_mbuf) + port->pool.data_room);
	assert_int_equal(s.plan->taps[0].window, (10 << 20) / port->pool.mbuf_size);
	assert_int_equal(port->n_for_taps, s.plan->taps[0].window);
	assert_true(port->n_for_ports >= 512 + 256 + 128 + 100);
	assert_true(port->n_for_lcores >= CACHE + HAND);
	assert_int_equal(port->n_for_fragments, 0);
	assert_int_equal(
		port->pool.n_mbufs, port->n_for_taps + port->n_for_ports + port->n_for_lcores);
	end(&s);
}

static void test_pool_on_two_lcores(void **state)
{
	uint32_t alone, n_lanes;
	struct setup s;

	(void)state;
	begin(&s, ONE_TO_TWO "}", 1);
	alone = make(&s)->ports[0].n_for_lcores;
	end(&s);
	for (n_lanes = 2; n_lanes <= 3; n_lanes++) {
		begin(&s, ONE_TO_TWO "}", (uint16_t)n_lanes);
		assert_int_equal(make(&s)->n_lanes, n_lanes);
		/* For each further lcore a cache and a burst in hand, and a ring to it. */
		assert_true(s.plan->ports[0].n_for_lcores >=
			    alone + (n_lanes - 1) * (CACHE + HAND + FC_HANDOFF_WORDS));
		end(&s);
	}
}

/* A queue may have a second ring, which its driver fills with buffers as well: vmxnet3. */
static void test_spare_rx_rings(void **state)
{
	(void)state;
	for (uint16_t n_spare = 0; n_spare <= 1; n_spare++) {
		struct setup s;

		begin(&s, ONE_TO_TWO "}", 1);
		s.facts[0].rx_descriptors = 512;
		s.facts[0].spare_rx_rings = n_spare;
		assert_int_equal(make(&s)->ports[0].n_for_ports, 512 * (1 + n_spare) + 1024 + 1024);
		end(&s);
	}
}

/* Rings hold packets, and a packet may have several segments: five of 2 KiB for 9,000 bytes. */
static void test_segments(void **state)
{
	(void)state;
	for (unsigned n_segments = 1; n_segments <= 5; n_segments += 4) {
		const struct fc_plan_port *port;
		struct setup s;

		begin(&s, ONE_TO_TWO ",\"lcores\":{\"rx\":[1],\"tx\":[2]}}", 2);
		s.facts[0].splits_rx = n_segments != 1;
		s.facts[1].tx_held = 500;
		port = &make(&s)->ports[0];
		assert_int_equal(port->n_for_ports, 1024 + 1024 + 500 * n_segments + 1024);
		assert_true(port->n_for_lcores >=
			    2 * CACHE + (FC_HANDOFF_WORDS + 2 * HAND) * n_segments);
		end(&s);
	}
}

/* An lcore may have a burst in hand of each queue that it polls, and of each lcore before it. */
static void test_many_queues(void **state)
{
	struct setup s;

	(void)state;
	begin(&s,
		ONE_TO_TWO ",\"ports\":{\"0000:01:00.0\":{\"rx_queues\":40}},"
			   "\"lcores\":{\"rx\":[1,2],\"tx\":[3]}}",
		3);
	s.facts[0].splits_rx = false;
	assert_true(make(&s)->ports[0].n_for_lcores >=
		    3 * CACHE + 2 * (20 * FC_BURST + FC_HANDOFF_WORDS + HAND));
	end(&s);
}

/* A port that two outputs share holds its descriptors once. */
static void test_shared_port(void **state)
{
	struct setup s;
	uint32_t n;

	(void)state;
	begin(&s,
		"{\"taps\":{\"a\":{\"port\":\"p1\"}},\"outputs\":{"
		"\"b\":{\"port\":\"p2\",\"from\":[\"a\"]}}}",
		1);
	n = make(&s)->ports[0].n_for_ports;
	end(&s);
	begin(&s,
		"{\"taps\":{\"a\":{\"port\":\"p1\"}},\"outputs\":{"
		"\"b\":{\"port\":\"p2\",\"from\":[\"a\"]},"
		"\"c\":{\"port\":\"p2\",\"from\":[\"a\"]}}}",
		1);
	assert_int_equal(make(&s)->ports[0].n_for_ports, n);
	end(&s);
}

static void test_small_ring(void **state)
{
	struct setup s;

	(void)state;
	begin(&s,
		"{\"taps\":{\"a\":{\"port\":\"p1\",\"ring\":\"64k\"}},\"outputs\":{"
		"\"b\":{\"port\":\"p2\",\"from\":[\"a\"]}}}",
		1);
	assert_int_equal(make(&s)->taps[0].window, 4 * FC_BURST);
	end(&s);
}

/* Without scatter one buffer must hold the longest frame, two tags and a checksum included. */
static void test_data_room(void **state)
{
	static const struct {
		bool splits;
		uint16_t mtu;
		uint32_t max_rx_frame;
		uint32_t buffer;
	} cases[] = {
		{ true, 9000, 0, 2048 },
		{ false, 9000, 0, 9000 + 14 + 4 + 8 },
		{ false, 1500, 0, 2048 },
		{ false, 2100, 0, 2100 + 14 + 4 + 8 },
		{ false, 9000, 64, 2048 },
		{ false, 9000, 5000, 5000 },
		{ false, 65535, 0, UINT16_MAX - RTE_PKTMBUF_HEADROOM },
	};

	(void)state;
	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		const struct fc_plan_tap *tap;
		struct setup s;
		char json[512];

		snprintf(json, sizeof(json),
			ONE_TO_TWO ",\"ports\":{\"0000:01:00.0\":{\"mtu\":%u}}}", cases[i].mtu);
		begin(&s, json, 1);
		s.facts[0].splits_rx = cases[i].splits;
		s.facts[0].max_rx_frame = cases[i].max_rx_frame;
		tap = &make(&s)->taps[0];
		assert_int_equal(
			s.plan->ports[0].pool.data_room, cases[i].buffer + RTE_PKTMBUF_HEADROOM);
		assert_int_equal(tap->gives_segments, cases[i].splits);
		assert_int_equal(s.plan->ports[0].mtu, cases[i].mtu);
		end(&s);
	}
}

static void test_defaults(void **state)
{
	const struct fc_plan_port *port;
	struct setup s;

	(void)state;
	begin(&s, ONE_TO_TWO "}", 1);
	s.facts[0].rx_queues = 2;
	s.facts[0].rx_descriptors = 333;
	s.facts[1].max_mtu = 3000;
	s.facts[2].mtu = 1500; /* of a kernel interface: stays as it is */
	make(&s);
	port = s.plan->ports;
	assert_int_equal(port[0].mtu, FC_DEFAULT_MTU);
	assert_int_equal(port[0].n_rx_queues, 2);
	assert_int_equal(port[0].rx_descriptors, 333);
	assert_int_equal(port[1].mtu, 3000);
	assert_int_equal(port[1].n_rx_queues, 0);
	assert_int_equal(port[1].max_frame, 3000 + 14 + 8);
	assert_int_equal(port[1].max_tagged_frame, 3000 + 14 + 8);
	assert_int_equal(port[2].mtu, 0);
	/* A kernel interface lets one tag pass beyond its MTU. */
	assert_int_equal(port[2].max_frame, 1514);
	assert_int_equal(port[2].max_tagged_frame, 1518);
	end(&s);

	begin(&s,
		ONE_TO_TWO ",\"ports\":{\"0000:01:00.0\":{\"mtu\":1600,\"rx_queues\":3,"
			   "\"rx_descriptors\":64,\"tx_descriptors\":32}}}",
		1);
	port = make(&s)->ports;
	assert_int_equal(port[0].mtu, 1600);
	assert_int_equal(port[0].n_rx_queues, 3);
	assert_int_equal(port[0].rx_descriptors, 64);
	assert_int_equal(port[0].tx_descriptors, 32);
	end(&s);
}

/* Virtual ports carry anything, but for what their driver cannot. */
static void test_max_frame(void **state)
{
	struct setup s;

	(void)state;
	begin(&s,
		"{\"taps\":{\"a\":{\"port\":\"p1\"}},\"outputs\":{"
		"\"b\":{\"port\":\"p2\",\"from\":[\"a\"]},"
		"\"c\":{\"port\":\"p3\",\"from\":[\"a\"]}}}",
		1);
	s.facts[2].max_tx_frame = 2016;
	make(&s);
	assert_int_equal(s.plan->ports[1].max_frame, UINT32_MAX);
	assert_int_equal(s.plan->ports[1].max_tagged_frame, UINT32_MAX);
	assert_int_equal(s.plan->ports[2].max_frame, 2016);
	assert_int_equal(s.plan->ports[2].max_tagged_frame, 2016);
	end(&s);
}

static void test_limits(void **state)
{
	struct setup s;

	(void)state;
	begin(&s, ONE_TO_TWO ",\"ports\":{\"0000:01:00.0\":{\"rx_queues\":3}}}", 1);
	s.facts[0].max_rx_queues = 2;
	expect_error(&s, "ports.0000:01:00.0.rx_queues", "2");

	begin(&s, ONE_TO_TWO ",\"ports\":{\"0000:02:00.0\":{\"mtu\":3001}}}", 1);
	s.facts[1].max_mtu = 3000;
	expect_error(&s, "ports.0000:02:00.0.mtu", "3000");

	begin(&s, ONE_TO_TWO "}", 1);
	s.facts[0].max_rx_queues = 0;
	expect_error(&s, "port 0000:01:00.0", "receive");

	begin(&s, ONE_TO_TWO "}", 1);
	s.facts[2].max_tx_queues = 0;
	expect_error(&s, "port 0000:03:00.0", "send");
}

/* Who needs copies: whoever writes, and a port for single segments, whatever is in front of it. */
static void test_copies(void **state)
{
	static const struct {
		const char *edit;
		bool splits, takes_segments, needs_copies, is_linear;
	} cases[] = {
		{ "", true, true, false, false },
		{ "", true, false, true, true },
		{ "", false, false, true, true },
		{ "", false, true, false, false },
		{ ",\"vlan\":{\"push\":5}", true, true, true, false },
		{ ",\"vlan\":{\"pop\":1}", true, true, true, false },
		{ ",\"trim\":4", false, true, true, false },
		{ ",\"trim\":4", false, false, true, true },
		{ ",\"truncate\":64", true, true, true, false },
		{ ",\"sample\":10", true, true, false, false },
		{ ",\"filter\":\"ip\"", true, true, false, false },
	};

	(void)state;
	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		const struct fc_plan_output *output;
		struct setup s;
		char json[512];

		snprintf(json, sizeof(json),
			"{\"taps\":{\"a\":{\"port\":\"p1\"}},\"outputs\":{"
			"\"b\":{\"port\":\"p2\",\"from\":[\"a\"]%s}}}",
			cases[i].edit);
		begin(&s, json, 1);
		s.facts[0].splits_rx = cases[i].splits;
		s.facts[1].takes_segments = cases[i].takes_segments;
		s.facts[1].tx_held = 500;
		output = &make(&s)->outputs[0];
		assert_int_equal(output->needs_copies, cases[i].needs_copies);
		assert_int_equal(output->is_linear, cases[i].is_linear);
		assert_int_equal(output->copies.n_mbufs != 0, cases[i].needs_copies);
		/* The port full, a burst in the stash, the cache; of each packet all segments. */
		if (cases[i].is_linear && !cases[i].splits && cases[i].edit[0] == '\0')
			/* Only for what nobody expects. */
			assert_int_equal(output->copies.n_mbufs, 2 * FC_POOL_CACHE_SIZE);
		else if (cases[i].needs_copies)
			assert_true(
				output->copies.n_mbufs >= 1024 + CACHE +
								  (cases[i].is_linear	    ? 1U
									  : cases[i].splits ? 6U
											    : 2U) *
									  (FC_BURST + 500));
		if (cases[i].needs_copies && cases[i].is_linear)
			assert_true(output->copies.data_room >= 9018 + RTE_PKTMBUF_HEADROOM);
		end(&s);
	}
}

/* A port that can have an rx queue though nobody receives gets a pool of its own for it. */
static void test_idle_pool(void **state)
{
	const struct fc_plan_port *port;
	struct setup s;

	(void)state;
	begin(&s, ONE_TO_TWO "}", 1);
	s.facts[0].idle_buffers = s.facts[1].idle_buffers = 64;
	s.facts[1].is_nic = false;
	port = make(&s)->ports;
	assert_false(port[1].receives);
	assert_int_equal(port[1].n_rx_queues, 1);
	assert_int_equal(port[1].rx_descriptors, 64);
	assert_true(port[1].pool.n_mbufs > 64);
	assert_int_equal(port[2].n_rx_queues, 0);
	assert_int_equal(port[2].pool.n_mbufs, 0);
	end(&s);
}

/* That of a NIC is emptied all the same, by the lcore that sends there. */
static void test_idle_nic(void **state)
{
	const struct fc_plan_port *port;
	struct setup s;

	(void)state;
	begin(&s, ONE_TO_TWO "}", 2);
	s.facts[1].idle_buffers = 64;
	s.facts[1].is_nic = s.facts[2].is_nic = true;
	s.facts[2].idle_buffers = 0;
	port = make(&s)->ports;
	assert_false(port[0].drains);
	assert_true(port[1].drains && port[1].receives && !port[1].is_host);
	assert_int_equal(port[1].rx_lanes[0], port[1].tx_lane);
	assert_false(port[2].drains || port[2].receives);
	end(&s);
}

static uint64_t pool_size(const struct fc_plan_pool *pool)
{
	return (uint64_t)pool->n_mbufs * pool->mbuf_size;
}

/* The memory of the nodes is that of all pools and backlogs, each on the node of its port. */
static void test_memory(void **state)
{
	const struct fc_plan *plan;
	uint64_t node0, node1;
	struct setup s;

	(void)state;
	begin(&s,
		"{\"taps\":{\"a\":{\"port\":\"p1\",\"ring\":\"1m\"},\"b\":{\"port\":\"p2\","
		"\"ring\":\"2m\"}},\"outputs\":{"
		"\"c\":{\"port\":\"p3\",\"from\":[\"a\",\"b\"],\"truncate\":64},"
		"\"d\":{\"port\":\"p1\",\"from\":[\"b\"]}}}",
		1);
	s.facts[0].socket = 0;
	s.facts[1].socket = 1;
	s.facts[2].socket = 0;
	for (unsigned i = 0; i < 3; i++)
		s.facts[i].takes_segments = true;
	plan = make(&s);
	assert_int_equal(plan->ports[0].pool.socket, 0);
	assert_int_equal(plan->ports[1].pool.socket, 1);
	node0 = pool_size(&plan->ports[0].pool) + pool_size(&plan->outputs[0].copies);
	node1 = pool_size(&plan->ports[1].pool);
	/* The mbufs, and for each at least a pointer and at most four in the ring of free ones. */
	assert_in_range(
		fc_plan_memory(plan, 0, FC_HUGE_PAGE_SIZE), node0 * 1001 / 1000, node0 * 102 / 100);
	assert_in_range(
		fc_plan_memory(plan, 1, FC_HUGE_PAGE_SIZE), node1 * 1001 / 1000, node1 * 102 / 100);
	assert_int_equal(plan->backlog_size,
		fc_backlog_size(plan->taps[0].window) + 2 * fc_backlog_size(plan->taps[1].window));
	assert_int_equal(fc_plan_memory(plan, -1, FC_HUGE_PAGE_SIZE), plan->backlog_size);
	assert_int_equal(fc_plan_memory(plan, 5, FC_HUGE_PAGE_SIZE), 0);
	end(&s);
}

static void test_print(void **state)
{
	char *text = NULL;
	size_t size = 0;
	struct setup s;
	FILE *stream = open_memstream(&text, &size);
	char sum[64];

	(void)state;
	begin(&s, ONE_TO_TWO "}", 2);
	s.facts[2].idle_buffers = 64;
	make(&s);
	fc_plan_print(s.plan, stream);
	fclose(stream);
	snprintf(sum, sizeof(sum), "tap a: pool of %u buffers", s.plan->ports[0].pool.n_mbufs);
	assert_non_null(strstr(text, sum));
	assert_non_null(strstr(text, "port 0000:03:00.0: its driver's"));
	snprintf(sum, sizeof(sum), "sum: %.1f MiB",
		(double)fc_plan_memory(s.plan, -1, FC_HUGE_PAGE_SIZE) / (1 << 20));
	assert_non_null(strstr(text, sum));
	assert_non_null(strstr(text, "lcore 1:"));
	assert_non_null(strstr(text, " rx 0000:01:00.0.0"));
	assert_non_null(strstr(text, " tx 0000:02:00.0"));
	free(text);
	end(&s);
}

static void test_lane_ports(void **state)
{
	char text[64];
	struct setup s;

	(void)state;
	begin(&s,
		"{\"taps\":{\"a\":{\"port\":\"p1\"}},\"outputs\":{"
		"\"b\":{\"port\":\"p1\",\"from\":[\"a\"]},"
		"\"c\":{\"port\":\"p22\",\"from\":[\"a\"]}}}",
		1);
	make(&s);
	fc_plan_lane_ports(s.plan, 0, text, sizeof(text));
	assert_string_equal(text, "p1 p22");
	fc_plan_lane_ports(s.plan, 0, text, 7);
	assert_string_equal(text, "p1 p22");
	/* Whole names only. */
	fc_plan_lane_ports(s.plan, 0, text, 6);
	assert_string_equal(text, "p1");
	fc_plan_lane_ports(s.plan, 0, text, 1);
	assert_string_equal(text, "");
	end(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_port_names),
		cmocka_unit_test(test_pool_on_one_lcore),
		cmocka_unit_test(test_pool_on_two_lcores),
		cmocka_unit_test(test_spare_rx_rings),
		cmocka_unit_test(test_segments),
		cmocka_unit_test(test_many_queues),
		cmocka_unit_test(test_shared_port),
		cmocka_unit_test(test_small_ring),
		cmocka_unit_test(test_data_room),
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_max_frame),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_copies),
		cmocka_unit_test(test_idle_pool),
		cmocka_unit_test(test_idle_nic),
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_print),
		cmocka_unit_test(test_lane_ports),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
