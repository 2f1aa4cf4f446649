/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <fc_plan.h>
#include <fc_port_name.h>
#include <fc_stage.h>

#include "facts.h"
#include "inspect.h"
#include "log.h"
#include "vdevs.h"

struct fc_config *fc_inspect_load(const struct fc_args *args, struct fc_findings *findings)
{
	if (args->config_path != NULL)
		return fc_config_load(args->config_path, &fc_stage_checks, findings);
	return fc_config_from_options(args->options, args->n_options, &fc_stage_checks, findings);
}

static int print_json(const struct fc_plan *plan)
{
	char *text = fc_plan_json(plan);
	int ret = text != NULL ? 0 : -ENOMEM;

	if (ret == 0)
		puts(text);

	free(text);
	return ret;
}

static int print_plan(
	const struct fc_config *config, const struct fc_args *args, struct fc_findings *findings)
{
	const char *names[FC_MAX_TAPS + FC_MAX_OUTPUTS];
	struct fc_lcore_facts lcores[FC_FACTS_MAX_LCORES];
	uint16_t n_ports = fc_plan_port_names(config, names);
	uint16_t n_lcores = fc_facts_of_lcores(&config->lcores, args->lcores, lcores);
	struct fc_port_facts *facts = calloc(n_ports, sizeof(*facts));
	struct fc_plan *plan = NULL;
	int ret = 0;

	if (n_lcores == 0) {
		fc_log(FC_ERROR, "--assume-lcores takes a list such as 1-3,8, not: %s",
			args->lcores);
		free(facts);
		return -EINVAL;
	}
	if (facts == NULL)
		return -ENOMEM;
	fc_port_check_names(config, args->assume_ports, findings);
	if (!args->assume_ports)
		fc_vdevs_check(args, config, findings);
	for (uint16_t i = 0; i < n_ports; i++)
		fc_facts_of_port(names[i], &facts[i]);
	plan = fc_plan_make(config, facts, lcores, n_lcores, findings);
	free(facts);
	if (plan == NULL || fc_findings_n_errors(findings) != 0) {
		fc_plan_free(plan);
		return -EINVAL;
	}
	if (args->mode == FC_MODE_PLAN)
		ret = print_json(plan);
	else
		fc_plan_print(plan, stdout);
	fc_plan_free(plan);
	return ret;
}

static int print_dump(const struct fc_config *config)
{
	char *text = fc_config_dump(config);
	int ret = text != NULL ? 0 : -ENOMEM;

	if (ret == 0)
		fputs(text, stdout);

	free(text);
	return ret;
}

int fc_inspect(const struct fc_args *args)
{
	struct fc_findings *findings = fc_findings_new(fc_args_source(args));
	struct fc_config *config = fc_inspect_load(args, findings);
	int ret = -EINVAL;

	if (config != NULL)
		ret = args->mode == FC_MODE_DUMP ? print_dump(config)
						 : print_plan(config, args, findings);
	fc_log_findings(findings);
	if (ret == -ENOMEM)
		fc_log(FC_ERROR, "out of memory");
	if (fflush(stdout) != 0 || ferror(stdout)) {
		fc_log(FC_ERROR, "cannot write to standard output: %s", strerror(errno));
		ret = -EIO;
	}
	fc_findings_free(findings);
	fc_config_free(config);
	return ret;
}
