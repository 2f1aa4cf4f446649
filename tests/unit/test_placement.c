/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include <rte_common.h>

#include <fc_plan.h>

#define MAX_TEXT 512

/*
 * Each case: a configuration, the NUMA nodes of its ports ("01": the first on node 0, the second on
 * node 1; "-": any) and of its lcores 1, 2, ..., and who does what in the end.
 */
struct example {
	const char *name, *json, *ports, *lcores, *expected;
};

#define TAP(name, port)		 "\"" name "\":{\"port\":\"" port "\"}"
#define OUT(name, port, from)	 "\"" name "\":{\"port\":\"" port "\",\"from\":[" from "]}"
#define CONFIG(taps, outs, more) "{\"taps\":{" taps "},\"outputs\":{" outs "}" more "}"
#define LCORES(rx, tx)		 ",\"lcores\":{\"rx\":[" rx "],\"tx\":[" tx "]}"

static const struct example examples[] = {
	{ "one lcore does all", CONFIG(TAP("a", "p"), OUT("b", "q", "\"a\""), ""), "--", "0",
		"1: rx p.0 tx q" },
	{ "rx and tx of a path are split when there are two",
		CONFIG(TAP("a", "p"), OUT("b", "q", "\"a\""), ""), "--", "00",
		"1: rx p.0; 2: tx q" },
	{ "no more lcores than there is work for",
		CONFIG(TAP("a", "p"), OUT("b", "q", "\"a\""), ""), "--", "0000",
		"1: rx p.0; 2: tx q" },
	{ "two paths, two lcores: each has its own",
		CONFIG(TAP("a", "p") "," TAP("b", "r"),
			OUT("c", "q", "\"a\"") "," OUT("d", "s", "\"b\""), ""),
		"----", "00", "1: rx p.0 tx q; 2: rx r.0 tx s" },
	{ "two paths, one lcore",
		CONFIG(TAP("a", "p") "," TAP("b", "r"),
			OUT("c", "q", "\"a\"") "," OUT("d", "s", "\"b\""), ""),
		"----", "0", "1: rx p.0 rx r.0 tx q tx s" },
	{ "three paths, two lcores: the load decides",
		CONFIG(TAP("a", "p") "," TAP("b", "r") "," TAP("e", "t"),
			OUT("c", "q", "\"a\"") "," OUT("d", "s", "\"b\"") "," OUT(
				"f", "u", "\"e\""),
			""),
		"------", "00", "1: rx p.0 rx t.0 tx q tx u; 2: rx r.0 tx s" },
	{ "ports stay on their NUMA node",
		CONFIG(TAP("a", "p") "," TAP("b", "r"),
			OUT("c", "q", "\"a\"") "," OUT("d", "s", "\"b\""), ""),
		"1010", "01", "1: rx r.0 tx s; 2: rx p.0 tx q" },
	{ "four lcores on two nodes, two paths",
		CONFIG(TAP("a", "p") "," TAP("b", "r"),
			OUT("c", "q", "\"a\"") "," OUT("d", "s", "\"b\""), ""),
		"1010", "0011", "1: rx r.0; 2: tx s; 3: rx p.0; 4: tx q" },
	{ "what shares an output is one group",
		CONFIG(TAP("a", "p") "," TAP("b", "r"), OUT("c", "q", "\"a\",\"b\""), ""), "---",
		"000", "1: rx p.0; 2: rx r.0; 3: tx q" },
	{ "an output on a tap's port joins two groups",
		CONFIG(TAP("a", "p") "," TAP("b", "r"),
			OUT("c", "r", "\"a\"") "," OUT("d", "p", "\"b\""), ""),
		"--", "0", "1: rx p.0 rx r.0 tx p tx r" },
	{ "the heavier group gets the third lcore",
		CONFIG(TAP("a", "p") "," TAP("b", "r"),
			OUT("c", "q", "\"a\"") "," OUT("d", "s", "\"b\"") "," OUT(
				"e", "t", "\"b\""),
			""),
		"-----", "000", "1: rx p.0 tx q; 2: rx r.0; 3: tx s tx t" },
	{ "many outputs: more lcores send than receive",
		CONFIG(TAP("a", "p"),
			OUT("b", "q", "\"a\"") "," OUT("c", "r", "\"a\"") "," OUT(
				"d", "s", "\"a\""),
			""),
		"----", "000", "1: rx p.0; 2: tx q tx s; 3: tx r" },
	{ "queues of a tap go round",
		CONFIG(TAP("a", "p"), OUT("b", "q", "\"a\""),
			",\"ports\":{\"p\":{\"rx_queues\":4}}"),
		"--", "000", "1: rx p.0 rx p.2; 2: rx p.1 rx p.3; 3: tx q" },
	{ "as told", CONFIG(TAP("a", "p"), OUT("b", "q", "\"a\""), LCORES("3", "1")), "--", "000",
		"1: tx q; 3: rx p.0" },
	{ "as told, on one", CONFIG(TAP("a", "p"), OUT("b", "q", "\"a\""), LCORES("2", "2")), "--",
		"000", "2: rx p.0 tx q" },
	{ "as told, several, the near one first",
		CONFIG(TAP("a", "p") "," TAP("b", "r"), OUT("c", "q", "\"a\",\"b\""),
			LCORES("1,2", "3")),
		"101", "010", "1: rx r.0; 2: rx p.0; 3: tx q" },
	{ "only rx told: the others send",
		CONFIG(TAP("a", "p"), OUT("b", "q", "\"a\""), ",\"lcores\":{\"rx\":[2]}"), "--",
		"00", "1: tx q; 2: rx p.0" },
	{ "only tx told: the others receive",
		CONFIG(TAP("a", "p"), OUT("b", "q", "\"a\""), ",\"lcores\":{\"tx\":[1]}"), "--",
		"00", "1: tx q; 2: rx p.0" },
	{ "only rx told, and it is all there is",
		CONFIG(TAP("a", "p"), OUT("b", "q", "\"a\""), ",\"lcores\":{\"rx\":[1]}"), "--",
		"0", "1: rx p.0 tx q" },
	{ "no lcore on the port's node", CONFIG(TAP("a", "p"), OUT("b", "q", "\"a\""), ""), "11",
		"0", "1: rx p.0 tx q" },
	{ "an lcore that is not there",
		CONFIG(TAP("a", "p"), OUT("b", "q", "\"a\""), LCORES("1,7", "9")), "--", "00",
		"lcores.rx[1] lcores.tx[0]" },
};

static struct fc_plan *place(
	const struct example *example, struct fc_config *config, struct fc_findings *findings)
{
	const char *names[FC_MAX_TAPS + FC_MAX_OUTPUTS];
	struct fc_port_facts facts[8];
	struct fc_lcore_facts lcores[8];
	uint16_t n_lcores = (uint16_t)strlen(example->lcores);
	uint16_t n_ports = fc_plan_port_names(config, names);

	assert_int_equal(n_ports, strlen(example->ports));
	for (uint16_t i = 0; i < n_ports; i++) {
		fc_plan_assume_port(names[i], &facts[i]);
		if (example->ports[i] != '-')
			facts[i].socket = example->ports[i] - '0';
	}
	for (uint16_t i = 0; i < n_lcores; i++)
		lcores[i] = (struct fc_lcore_facts){ i + 1U, example->lcores[i] - '0' };
	return fc_plan_make(config, facts, lcores, n_lcores, findings);
}

/* Write who does what, in the order of the lcores. */
static void describe(const struct fc_plan *plan, char text[MAX_TEXT])
{
	size_t used = 0;

	for (uint16_t l = 0; l < plan->n_lanes; l++) {
		bool receives = false, sends = false;

		used += (size_t)snprintf(text + used, MAX_TEXT - used, "%s%u:", l == 0 ? "" : "; ",
			plan->lanes[l].lcore.id);
		for (uint16_t t = 0; t < plan->config->n_taps; t++) {
			const struct fc_plan_port *port = &plan->ports[plan->taps[t].port];

			for (uint16_t q = 0; q < port->n_rx_queues; q++) {
				if (port->rx_lanes[q] != l)
					continue;
				used += (size_t)snprintf(text + used, MAX_TEXT - used, " rx %s.%u",
					plan->config->taps[t].port, q);
				receives = true;
			}
		}
		for (uint16_t i = 0; i < plan->n_ports; i++) {
			if (!plan->ports[i].is_output || plan->ports[i].tx_lane != l)
				continue;
			used += (size_t)snprintf(
				text + used, MAX_TEXT - used, " tx %s", plan->ports[i].facts.name);
			sends = true;
		}
		assert_int_equal(plan->lanes[l].receives, receives);
		assert_int_equal(plan->lanes[l].sends, sends);
	}
}

static void test_examples(void **state)
{
	(void)state;
	for (size_t i = 0; i < RTE_DIM(examples); i++) {
		const struct example *example = &examples[i];
		struct fc_findings *findings = fc_findings_new("test");
		struct fc_config *config =
			fc_config_parse(example->json, strlen(example->json), NULL, findings);
		char text[MAX_TEXT] = "";
		struct fc_plan *plan;

		if (config == NULL)
			fc_findings_print(findings, stderr);
		assert_non_null(config);
		plan = place(example, config, findings);
		if (plan != NULL)
			describe(plan, text);
		for (size_t f = 0; f < fc_findings_count(findings); f++)
			snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s",
				f == 0 ? "" : " ", fc_findings_get(findings, f).place);
		if (strcmp(text, example->expected) != 0)
			fail_msg("%s: %s, expected %s", example->name, text, example->expected);
		fc_plan_free(plan);
		fc_config_free(config);
		fc_findings_free(findings);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_examples),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
