/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include <rte_common.h>

#include "plan_rig.h"

/* Ports as NICs are, with an MTU of 9,000; a test changes them before it plans. */
void rig_plan_begin(struct plan_rig *s, const char *json, uint16_t n_lcores)
{
	const char *names[FC_MAX_TAPS + FC_MAX_OUTPUTS];
	uint16_t n;

	*s = (struct plan_rig){ .findings = fc_findings_new("test"), .n_lcores = n_lcores };
	s->config = fc_config_parse(json, strlen(json), NULL, s->findings);
	if (s->config == NULL)
		fc_findings_print(s->findings, stderr);
	assert_non_null(s->config);
	n = fc_plan_port_names(s->config, names);
	assert_true(n <= RTE_DIM(s->facts));
	for (uint16_t i = 0; i < n; i++) {
		fc_plan_assume_port(names[i], &s->facts[i]);
		s->facts[i].is_virtual = false;
		s->facts[i].takes_segments = true;
		s->facts[i].idle_buffers = 64;
	}
	for (uint16_t i = 0; i < n_lcores; i++)
		s->lcores[i] = (struct fc_lcore_facts){ .id = i + 1U };
}

/* As if a kernel interface of that MTU were behind the port. */
void rig_interface(struct plan_rig *s, unsigned port, uint16_t mtu)
{
	s->facts[port].mtu = mtu;
}

const struct fc_plan *rig_make(struct plan_rig *s)
{
	s->plan = fc_plan_make(s->config, s->facts, s->lcores, s->n_lcores, s->findings);
	if (s->plan == NULL)
		fc_findings_print(s->findings, stderr);
	assert_non_null(s->plan);
	return s->plan;
}

const struct fc_plan *rig_make_beside(struct plan_rig *s, const struct fc_plan *before)
{
	for (uint16_t i = 0; i < RTE_DIM(s->facts); i++)
		s->facts[i].is_running =
			fc_plan_find_port(before, s->facts[i].name) != NULL &&
			(s->gone == NULL || strcmp(s->gone, s->facts[i].name) != 0);
	s->plan = fc_plan_make_beside(
		s->config, s->facts, s->lcores, s->n_lcores, before, s->findings);
	if (s->plan == NULL)
		fc_findings_print(s->findings, stderr);
	assert_non_null(s->plan);
	return s->plan;
}

void rig_plan_end(struct plan_rig *s)
{
	fc_plan_free(s->plan);
	fc_config_free(s->config);
	fc_findings_free(s->findings);
}
