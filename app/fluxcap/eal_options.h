/* SPDX-License-Identifier: MIT */
#ifndef FC_EAL_OPTIONS_H
#define FC_EAL_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include <fc_config.h>
#include <fc_plan.h>

/**
 * What stands in front of "--", read as EAL reads it, as far as the program has to know it before
 * EAL starts or without starting it. What is wrong there EAL says itself. Its texts are argv's.
 */
struct fc_eal_options {
	bool is_given;	     /**< there is a "--" */
	const char *prefix;  /**< --file-prefix; "rte" without one, as in EAL */
	const char *process; /**< --proc-type; NULL: not given */
	const char *huge_dir;
	bool no_huge, in_memory, no_shconf, has_syslog;
	uint64_t memory;     /**< bytes of -m or --socket-mem, 0: not given */
	const char **vdevs;  /**< NAME[,ARGUMENTS] of each --vdev */
	const char **allows; /**< of each -a */
	uint16_t n_vdevs, n_allows;
	bool has_lcores;
	bool is_main_given;
	unsigned main_lcore;
	unsigned last_cpu;			     /**< the highest that is named for lcores */
	uint16_t n_lcores;			     /**< 0 without has_lcores: EAL decides */
	struct fc_lcore_facts lcores[FC_MAX_LCORES]; /**< in the order of their ids */
};

/**
 * Read EAL's options.
 *
 * @param n        argv[0 .. n - 1], the program's name first.
 * @param options  End it with fc_eal_options_free(), also after an error.
 * @return         0 or -ENOMEM.
 */
int fc_eal_options_read(int n, char **argv, bool is_given, struct fc_eal_options *options);

void fc_eal_options_free(struct fc_eal_options *options);

/** The arguments of the --vdev that makes the port of this name, NULL: there is none. */
const char *fc_eal_options_vdev(const struct fc_eal_options *options, const char *name);

/**
 * The lcores that will move packets: those that are given, or the CPUs of this machine, without the
 * main one unless it is the only one.
 *
 * @return  How many, at least 1; 0 where what is given cannot be read.
 */
uint16_t fc_eal_options_workers(
	const struct fc_eal_options *options, struct fc_lcore_facts workers[FC_MAX_LCORES]);

#endif
