/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <jansson.h>

#include <rte_common.h>

#include <fc_plan.h>

/* The plan as JSON: the same figures as in the plan, and sums that are those of their parts. */

/* Ports on node 0, on node 1, where a tunnel ends, and on none, with an edit and so copies. */
static const char *const CONFIG =
	"{\"taps\":{"
	"\"x\":{\"port\":\"0000:01:00.0\",\"ring\":\"10m\"},"
	"\"y\":{\"port\":\"0000:02:00.0\",\"ring\":\"20m\",\"decap\":{\"type\":\"vxlan\",\"local\":"
	"\"192.0.2.1\"}}},"
	"\"outputs\":{"
	"\"z\":{\"port\":\"net_tap0\",\"from\":[\"x\",\"y\"],\"vlan\":{\"push\":7}}},"
	"\"lcores\":{\"rx\":[5,6],\"tx\":[6]}}";

struct setup {
	struct fc_findings *findings;
	struct fc_config *config;
	struct fc_plan *plan;
	json_t *json;
};

static int set_up(void **state)
{
	static struct setup s;
	const struct fc_lcore_facts lcores[] = { { 5, 0 }, { 6, 1 } };
	const char *names[FC_MAX_TAPS + FC_MAX_OUTPUTS];
	struct fc_port_facts facts[3];
	char *text;

	s.findings = fc_findings_new("test");
	s.config = fc_config_parse(CONFIG, strlen(CONFIG), NULL, s.findings);
	fc_findings_print(s.findings, stderr);
	assert_non_null(s.config);
	assert_int_equal(fc_plan_port_names(s.config, names), RTE_DIM(facts));
	for (unsigned i = 0; i < RTE_DIM(facts); i++) {
		fc_plan_assume_port(names[i], &facts[i]);
		facts[i].socket = i < 2 ? (int)i : -1;
	}
	s.plan = fc_plan_make(s.config, facts, lcores, RTE_DIM(lcores), s.findings);
	assert_non_null(s.plan);
	text = fc_plan_json(s.plan);
	assert_non_null(text);
	s.json = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	free(text);
	assert_non_null(s.json);
	*state = &s;
	return 0;
}

static int tear_down(void **state)
{
	struct setup *s = *state;

	json_decref(s->json);
	fc_plan_free(s->plan);
	fc_config_free(s->config);
	fc_findings_free(s->findings);
	return 0;
}

static json_int_t number(const json_t *object, const char *name)
{
	const json_t *value = json_object_get(object, name);

	assert_true(json_is_integer(value));
	return json_integer_value(value);
}

static void assert_text(const json_t *object, const char *name, const char *text)
{
	assert_string_equal(json_string_value(json_object_get(object, name)), text);
}

static void test_ports(void **state)
{
	struct setup *s = *state;
	const json_t *ports = json_object_get(s->json, "ports");

	assert_int_equal(json_array_size(ports), 3);
	assert_text(json_array_get(ports, 0), "name", "0000:01:00.0");
	assert_int_equal(number(json_array_get(ports, 0), "node"), 0);
	assert_int_equal(number(json_array_get(ports, 0), "rx_queues"), 1);
	assert_int_equal(number(json_array_get(ports, 0), "tx_queues"), 0);
	assert_int_equal(number(json_array_get(ports, 1), "node"), 1);
	assert_text(json_array_get(ports, 2), "name", "net_tap0");
	assert_int_equal(number(json_array_get(ports, 2), "node"), -1);
	assert_int_equal(number(json_array_get(ports, 2), "tx_queues"), 1);
}

static const json_t *find_pool(const json_t *json, const char *purpose, const char *name)
{
	size_t i;
	const json_t *pool;

	json_array_foreach (json_object_get(json, "pools"), i, pool)
		if (strcmp(json_string_value(json_object_get(pool, "for")), purpose) == 0 &&
			strcmp(json_string_value(json_object_get(pool, "name")), name) == 0)
			return pool;
	fail_msg("no pool for %s of %s", purpose, name);
	return NULL;
}

static void test_pools_are_those_of_the_plan(void **state)
{
	struct setup *s = *state;
	const json_t *pool;

	for (uint16_t i = 0; i < 2; i++) {
		pool = find_pool(s->json, "receive", i == 0 ? "0000:01:00.0" : "0000:02:00.0");
		assert_int_equal(number(pool, "node"), i);
		assert_int_equal(number(pool, "buffers"), s->plan->ports[i].pool.n_mbufs);
		assert_int_equal(number(pool, "buffer_bytes"), s->plan->ports[i].pool.mbuf_size);
		assert_int_equal(number(pool, "bytes"),
			fc_plan_pool_memory(&s->plan->ports[i].pool, FC_HUGE_PAGE_SIZE));
	}
	pool = find_pool(s->json, "copies", "z");
	assert_int_equal(number(pool, "buffers"), s->plan->outputs[0].copies.n_mbufs);
	pool = find_pool(s->json, "answers", "0000:02:00.0");
	assert_int_equal(number(pool, "buffers"), s->plan->ports[1].host.n_mbufs);
}

static void test_nodes_are_the_sums_of_their_pools(void **state)
{
	struct setup *s = *state;
	json_int_t sums[3] = { number(s->json, "backlog_bytes") }; /* of node -1, 0, 1 */
	size_t i;
	const json_t *object;
	size_t n_nodes = 0;

	json_array_foreach (json_object_get(s->json, "pools"), i, object)
		sums[number(object, "node") + 1] += number(object, "bytes");
	json_array_foreach (json_object_get(s->json, "nodes"), i, object)
		assert_int_equal(number(object, "bytes"), sums[number(object, "node") + 1]);
	for (i = 0; i < RTE_DIM(sums); i++)
		n_nodes += sums[i] != 0;
	assert_int_equal(json_array_size(json_object_get(s->json, "nodes")), n_nodes);
	assert_int_equal(number(s->json, "page_bytes"), FC_HUGE_PAGE_SIZE);
}

static void test_lcores_are_named_once_and_control_has_one(void **state)
{
	struct setup *s = *state;
	const json_t *lcores = json_object_get(s->json, "lcores");
	const json_t *named = json_object_get(lcores, "named");

	assert_int_equal(json_array_size(named), 2);
	assert_int_equal(json_integer_value(json_array_get(named, 0)), 5);
	assert_int_equal(json_integer_value(json_array_get(named, 1)), 6);
	assert_int_equal(number(lcores, "wanted"), 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ports),
		cmocka_unit_test(test_pools_are_those_of_the_plan),
		cmocka_unit_test(test_nodes_are_the_sums_of_their_pools),
		cmocka_unit_test(test_lcores_are_named_once_and_control_has_one),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
