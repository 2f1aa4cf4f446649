/* SPDX-License-Identifier: MIT */
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "cases.h"

static void assert_edits_equal(const struct fc_edits *a, const struct fc_edits *b)
{
	assert_int_equal(a->filter == NULL, b->filter == NULL);
	if (a->filter != NULL)
		assert_string_equal(a->filter, b->filter);
	assert_true(a->sample == b->sample);
	assert_int_equal(a->vlan.pop, b->vlan.pop);
	assert_int_equal(a->vlan.n_push, b->vlan.n_push);
	assert_int_equal(a->vlan.pcp, b->vlan.pcp);
	assert_int_equal(a->vlan.tpid, b->vlan.tpid);
	assert_memory_equal(a->vlan.vid, b->vlan.vid, sizeof(a->vlan.vid));
	assert_int_equal(a->trim, b->trim);
	assert_int_equal(a->truncate, b->truncate);
}

static void assert_texts_equal(const char *a, const char *b)
{
	assert_int_equal(a == NULL, b == NULL);
	if (a != NULL)
		assert_string_equal(a, b);
}

static void assert_ports_equal(const struct fc_port_config *a, const struct fc_port_config *b)
{
	assert_string_equal(a->name, b->name);
	assert_int_equal(a->mtu, b->mtu);
	assert_int_equal(a->rx_queues, b->rx_queues);
	assert_int_equal(a->rx_descriptors, b->rx_descriptors);
	assert_int_equal(a->tx_descriptors, b->tx_descriptors);
	assert_int_equal(a->optional, b->optional);
	assert_texts_equal(a->devargs, b->devargs);
	assert_texts_equal(a->description, b->description);
}

static void assert_configs_equal(const struct fc_config *a, const struct fc_config *b)
{
	assert_int_equal(a->n_taps, b->n_taps);
	for (size_t i = 0; i < a->n_taps; i++) {
		assert_string_equal(a->taps[i].name, b->taps[i].name);
		assert_string_equal(a->taps[i].port, b->taps[i].port);
		assert_int_equal(a->taps[i].ring, b->taps[i].ring);
		assert_edits_equal(&a->taps[i].edits, &b->taps[i].edits);
		assert_texts_equal(a->taps[i].description, b->taps[i].description);
		assert_memory_equal(&a->taps[i].decap, &b->taps[i].decap, sizeof(a->taps[i].decap));
	}
	assert_int_equal(a->n_outputs, b->n_outputs);
	for (size_t i = 0; i < a->n_outputs; i++) {
		const struct fc_output_config *output = &a->outputs[i];

		assert_string_equal(output->name, b->outputs[i].name);
		assert_string_equal(output->port, b->outputs[i].port);
		assert_int_equal(output->n_from, b->outputs[i].n_from);
		assert_memory_equal(
			output->from, b->outputs[i].from, output->n_from * sizeof(output->from[0]));
		assert_edits_equal(&output->edits, &b->outputs[i].edits);
		assert_texts_equal(output->description, b->outputs[i].description);
		assert_memory_equal(&output->encap, &b->outputs[i].encap, sizeof(output->encap));
	}
	assert_int_equal(a->n_ports, b->n_ports);
	for (size_t i = 0; i < a->n_ports; i++)
		assert_ports_equal(&a->ports[i], &b->ports[i]);
	assert_memory_equal(&a->lcores, &b->lcores, sizeof(a->lcores));
	assert_texts_equal(a->description, b->description);
	assert_texts_equal(a->schema, b->schema);
}

/* Dump, load the dump: an equal configuration, and the same text again. */
static void assert_fixed_point(const struct fc_config *config)
{
	struct fc_findings *findings = fc_findings_new("dump");
	char *dump = fc_config_dump(config);

	assert_non_null(dump);
	struct fc_config *again = fc_config_parse(dump, strlen(dump), NULL, findings);

	fc_findings_print(findings, stderr);
	assert_non_null(again);
	assert_configs_equal(config, again);
	char *dump_again = fc_config_dump(again);

	assert_string_equal(dump, dump_again);
	free(dump);
	free(dump_again);
	fc_config_free(again);
	fc_findings_free(findings);
}

static void test_examples(void **state)
{
	(void)state;
	glob_t paths;
	size_t n = 0;

	assert_int_equal(glob(SOURCE_ROOT "/config/*.json", 0, NULL, &paths), 0);
	for (size_t i = 0; i < paths.gl_pathc; i++) {
		struct fc_findings *findings = fc_findings_new(paths.gl_pathv[i]);

		if (strstr(paths.gl_pathv[i], ".schema.json") == NULL) {
			struct fc_config *config =
				fc_config_load(paths.gl_pathv[i], NULL, findings);

			fc_findings_print(findings, stderr);
			assert_int_equal(fc_findings_count(findings), 0);
			assert_fixed_point(config);
			fc_config_free(config);
			n++;
		}
		fc_findings_free(findings);
	}
	globfree(&paths);
	assert_true(n >= 5);
}

static void test_tunnels(void **state)
{
	(void)state;
	static const char *const types[] = { "gre", "gretap", "erspan1", "erspan2", "erspan",
		"erspan3", "vxlan", "geneve" };
	static const char *const keys[] = { "", ", \"key\": 0", ", \"key\": 1023",
		", \"key\": \"255.255.255.255\"" };

	for (size_t i = 0; i < 8; i++) {
		bool needs_key = i >= 6;
		size_t n_keys = i == 2 ? 1 : i < 2 ? 4 : 3;

		for (size_t j = needs_key ? 1 : 0; j < n_keys; j++) {
			char text[512];

			snprintf(text, sizeof(text),
				"{\"taps\": {\"a\": {\"port\": \"p\", \"decap\": {\"type\": "
				"\"%s\", \"local\": \"192.0.2.1\", \"remote\": \"192.0.2.9\"%s}}}, "
				"\"outputs\": {\"o\": {\"port\": \"q\", \"from\": [\"a\"], "
				"\"encap\": {\"type\": \"%s\", \"local\": \"2001:DB8:0::1/64\", "
				"\"remote\": \"2001:db8::0:9\", \"mac\": "
				"\"0A:00:00:00:00:01\"%s}}}}",
				types[i], keys[j], types[i], keys[j]);
			struct fc_config *config = cases_parse(text);

			assert_int_equal(config->outputs[0].encap.has_key, j > 0);
			assert_fixed_point(config);
			fc_config_free(config);
		}
	}
}

static void test_samples(void **state)
{
	(void)state;
	static const char *const samples[] = { "100", "100.0", "1e2", "0.1",
		"33.333333333333333333", "66.666666666666666", "1e-300", "5e-324",
		"0.30000000000000004", "12.5", "99.999999999999999999", "1.0000000000000002" };

	for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
		char text[256];

		snprintf(text, sizeof(text),
			"{\"taps\": {\"a\": {\"port\": \"p\", \"sample\": %s}}, \"outputs\": "
			"{\"o\": "
			"{\"port\": \"p\", \"from\": [\"a\"]}}}",
			samples[i]);
		struct fc_config *config = cases_parse(text);

		assert_fixed_point(config);
		fc_config_free(config);
	}
}

static void test_ports(void **state)
{
	(void)state;
	struct fc_config *config = cases_parse(
		"{\"taps\": {\"a\": {\"port\": \"p\"}}, \"outputs\": {\"o\": {\"port\": "
		"\"q\", \"from\": [\"a\"]}}, \"ports\": {\"p\": {\"mtu\": 1500, "
		"\"rx_queues\": 2, \"rx_descriptors\": 512, \"tx_descriptors\": 256, "
		"\"optional\": true, \"devargs\": \"rx_pcap=a b.pcap,infinite_rx=1\"}, "
		"\"q\": {\"devargs\": \"\", \"description\": \"slot 3\"}}, "
		"\"description\": \"\", \"$schema\": \"fluxcap.schema.json\"}");

	assert_string_equal(config->ports[0].devargs, "rx_pcap=a b.pcap,infinite_rx=1");
	assert_string_equal(config->ports[1].devargs, "");
	assert_fixed_point(config);
	fc_config_free(config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_examples),
		cmocka_unit_test(test_tunnels),
		cmocka_unit_test(test_samples),
		cmocka_unit_test(test_ports),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
