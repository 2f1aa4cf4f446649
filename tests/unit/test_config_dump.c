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

static void assert_configs_equal(const struct fc_config *a, const struct fc_config *b)
{
	assert_int_equal(a->n_taps, b->n_taps);
	for (size_t i = 0; i < a->n_taps; i++) {
		assert_string_equal(a->taps[i].name, b->taps[i].name);
		assert_string_equal(a->taps[i].port, b->taps[i].port);
		assert_int_equal(a->taps[i].ring, b->taps[i].ring);
		assert_edits_equal(&a->taps[i].edits, &b->taps[i].edits);
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
	}
	assert_int_equal(a->n_ports, b->n_ports);
	if (a->n_ports > 0)
		assert_memory_equal(a->ports, b->ports, a->n_ports * sizeof(a->ports[0]));
	assert_memory_equal(&a->lcores, &b->lcores, sizeof(a->lcores));
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
	assert_true(n >= 3);
}

static void test_samples(void **state)
{
	(void)state;
	static const char *const samples[] = { "100", "100.0", "1e2", "0.1",
		"33.333333333333333333", "66.666666666666666", "1e-300", "5e-324",
		"0.30000000000000004", "12.5", "99.999999999999999999", "1.0000000000000002" };

	for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
		struct fc_findings *findings = fc_findings_new("x");
		char text[256];

		snprintf(text, sizeof(text),
			"{\"taps\": {\"a\": {\"port\": \"p\", \"sample\": %s}}, \"outputs\": "
			"{\"o\": "
			"{\"port\": \"p\", \"from\": [\"a\"]}}}",
			samples[i]);
		struct fc_config *config = fc_config_parse(text, strlen(text), NULL, findings);

		fc_findings_print(findings, stderr);
		assert_non_null(config);
		assert_fixed_point(config);
		fc_config_free(config);
		fc_findings_free(findings);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_examples),
		cmocka_unit_test(test_samples),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
