/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "plan_rig.h"
#include "stages.h"

/* Copies for every edit: what the table of stages says, whatever the port takes. */

/* An example of each stage; one without an example fails the test. */
static const struct {
	const char *stage, *keys;
} examples[] = {
	{ "filter", ",\"filter\":\"ip\"" },
	{ "sample", ",\"sample\":50" },
	{ "vlan", ",\"vlan\":{\"push\":7}" },
	{ "vlan", ",\"vlan\":{\"pop\":1}" },
	{ "slice", ",\"trim\":4" },
	{ "slice", ",\"truncate\":64" },
};

/* Of an output on a port that takes several segments. */
static bool plans_copies(const char *keys)
{
	char json[512];
	struct plan_rig s;
	bool needs;

	snprintf(json, sizeof(json), JSON(TAP, OUT("%s"), ""), keys);
	rig_plan_begin(&s, json, 1);
	s.facts[1].takes_segments = true;
	needs = rig_make(&s)->outputs[0].needs_copies;
	assert_int_equal(s.plan->outputs[0].copies.n_mbufs != 0, needs);
	assert_int_equal(fc_edits_write(&s.config->outputs[0].edits), needs);
	rig_plan_end(&s);
	return needs;
}

/* On a port that takes several segments copies are made for what writes, and for nothing else. */
static void test_all_stages(void **state)
{
	(void)state;
	for (unsigned i = 0; fc_all_stages[i] != NULL; i++) {
		unsigned n = 0;

		for (unsigned k = 0; k < sizeof(examples) / sizeof(examples[0]); k++) {
			if (strcmp(examples[k].stage, fc_all_stages[i]->name) != 0)
				continue;
			assert_int_equal(plans_copies(examples[k].keys), fc_all_stages[i]->writes);
			n++;
		}
		assert_true(n > 0);
	}
	assert_false(plans_copies(""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_stages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
