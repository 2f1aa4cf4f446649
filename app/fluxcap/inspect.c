/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <fc_plan.h>
#include <fc_port_name.h>

#include "facts.h"
#include "inspect.h"
#include "loading.h"
#include "log.h"
#include "progress.h"
#include "vdevs.h"

#define MIB		(1024 * 1024.0)
#define MAX_NODES	32		     /* as many as DPDK has */
#define SMALL_PAGE_SIZE 4096		     /* bytes of the pages that --no-huge takes */
#define NO_HUGE_DEFAULT (UINT64_C(64) << 20) /* bytes that EAL takes with it, and without -m */

int fc_inspect_load(const struct fc_args *args, struct fc_findings *findings,
	bool (*meanwhile)(void *context, const char *place, uint64_t ms), void *context,
	struct fc_config **config)
{
	struct fc_loading loading = {
		.path = args->config_path,
		.options = args->options,
		.n_options = args->n_options,
		.meanwhile = meanwhile,
		.context = context,
	};

	return fc_loading_run(&loading, findings, config);
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

/* What a plan without ports and without EAL goes by. */
struct basis {
	struct fc_lcore_facts lcores[FC_FACTS_MAX_LCORES];
	struct fc_port_facts *ports;
	const char *names[FC_MAX_TAPS + FC_MAX_OUTPUTS];
	uint16_t n_lcores, n_ports;
	uint16_t n_nics; /* PCI ports, whose drivers will say what they can */
	uint16_t n_vdevs;
	const char *vdev;   /* the first of those virtual devices whose arguments are not known */
	bool assumes_lcore; /* nobody has said how many there are */
};

static int choose_lcores(
	const struct fc_config *config, const struct fc_args *args, struct basis *basis)
{
	if (args->eal.is_given && args->lcores == NULL) {
		basis->n_lcores = fc_eal_options_workers(&args->eal, basis->lcores);
		if (basis->n_lcores == 0)
			fc_log(FC_ERROR, "-l or --lcores cannot be read");
	} else {
		basis->n_lcores = fc_facts_of_lcores(&config->lcores, args->lcores, basis->lcores);
		if (basis->n_lcores == 0)
			fc_log(FC_ERROR, "--assume-lcores takes a list such as 1-3,8, not: %s",
				args->lcores);
		basis->assumes_lcore = args->lcores == NULL && config->lcores.n_rx == 0 &&
				       config->lcores.n_tx == 0;
	}
	return basis->n_lcores != 0 ? 0 : -EINVAL;
}

/* One that EAL's options are there for, and none of them makes it. */
static void check_made(const struct fc_config *config, const struct fc_args *args, const char *name,
	struct fc_findings *findings)
{
	const struct fc_port_config *settings = fc_config_port(config, name);
	char text[256];

	if (!args->eal.is_given || args->assume_ports || strstr(name, "_vsc") != NULL)
		return;
	snprintf(text, sizeof(text),
		"nothing makes %s: '--vdev %s,...' among EAL's options, or \"ports\": { \"%s\": { "
		"\"devargs\": \"...\" } }",
		name, name, name);
	fc_port_add_finding(config, name,
		settings != NULL && settings->optional ? FC_WARNING : FC_ERROR, text, findings);
}

static void learn_port(const struct fc_config *config, const struct fc_args *args, uint16_t index,
	struct basis *basis, struct fc_findings *findings)
{
	const char *name = basis->names[index];
	const struct fc_port_config *settings = fc_config_port(config, name);
	const char *vdev = fc_eal_options_vdev(&args->eal, name);
	bool is_vdev = fc_port_kind(name) == FC_PORT_VDEV;

	if (vdev == NULL && settings != NULL)
		vdev = settings->devargs;
	if (is_vdev && vdev == NULL)
		check_made(config, args, name, findings);
	if (fc_facts_of_port(name, is_vdev ? vdev : NULL, &basis->ports[index]))
		return;
	if (!is_vdev) {
		basis->n_nics++;
		return;
	}
	if (basis->n_vdevs++ == 0)
		basis->vdev = name;
}

/* Bytes that EAL will have at most; 0: as many as there are hugepages. */
static uint64_t memory_limit(const struct fc_eal_options *eal)
{
	if (!eal->is_given || !eal->no_huge)
		return 0;
	return eal->memory != 0 ? eal->memory : NO_HUGE_DEFAULT;
}

static void check_memory(
	const struct fc_plan *plan, const struct fc_eal_options *eal, struct fc_findings *findings)
{
	uint64_t limit = memory_limit(eal), needed = 0;

	for (int node = -1; node < MAX_NODES; node++)
		needed += fc_plan_memory(plan, node, SMALL_PAGE_SIZE);
	if (limit != 0 && needed > limit)
		fc_findings_add(findings, FC_ERROR, "",
			"needs %.1f MiB, and EAL gets %.0f MiB (--no-huge, -m); give it more, or "
			"make "
			"'ring' smaller",
			(double)needed / MIB, (double)limit / MIB);
}

static void print_assumptions(const struct basis *basis)
{
	if (basis->assumes_lcore)
		printf("assumed: one lcore moves packets\n");
	if (basis->n_vdevs == 1)
		printf("assumed: usual arguments of %s\n", basis->vdev);
	if (basis->n_vdevs > 1)
		printf("assumed: usual arguments of %s and %u more\n", basis->vdev,
			basis->n_vdevs - 1U);
	if (basis->n_nics != 0)
		printf("assumed: NICs with 1024 descriptors that take long frames in several "
		       "buffers\n");
	if (basis->assumes_lcore || basis->n_vdevs != 0)
		printf("EAL's options say it exactly: fluxcap EAL-OPTION... -- --check FILE\n");
}

static int print_plan(
	const struct fc_config *config, const struct fc_args *args, struct fc_findings *findings)
{
	struct basis basis = { 0 };
	struct fc_plan *plan = NULL;
	int ret = choose_lcores(config, args, &basis);

	if (ret != 0)
		return ret;
	basis.n_ports = fc_plan_port_names(config, basis.names);
	basis.ports = calloc(basis.n_ports, sizeof(*basis.ports));
	if (basis.ports == NULL)
		return -ENOMEM;
	fc_port_check_names(config, args->assume_ports, findings);
	if (!args->assume_ports)
		fc_vdevs_check(args, config, findings);
	for (uint16_t i = 0; i < basis.n_ports; i++)
		learn_port(config, args, i, &basis, findings);
	plan = fc_plan_make(config, basis.ports, basis.lcores, basis.n_lcores, findings);
	free(basis.ports);
	if (plan != NULL)
		check_memory(plan, &args->eal, findings);
	if (plan == NULL || fc_findings_n_errors(findings) != 0) {
		fc_plan_free(plan);
		return -EINVAL;
	}
	if (args->mode == FC_MODE_PLAN) {
		ret = print_json(plan);
	} else {
		fc_plan_print(plan, stdout);
		print_assumptions(&basis);
	}
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
	struct fc_progress progress = { 0 };
	struct fc_config *config;
	int ret = fc_inspect_load(args, findings,
		fc_progress_is_possible() ? fc_progress_show : NULL, &progress, &config);

	fc_progress_end(&progress);
	if (ret == 0 && config == NULL)
		ret = -EINVAL;
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
