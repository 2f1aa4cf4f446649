/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <getopt.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "eal_options.h"
#include "facts.h"

enum {
	OPT_OTHER = 256,
	OPT_PREFIX,
	OPT_HUGE_DIR,
	OPT_LCORES,
	OPT_MAIN_LCORE,
	OPT_NO_HUGE,
	OPT_NO_SHCONF,
	OPT_IN_MEMORY,
	OPT_PROC_TYPE,
	OPT_SOCKET_MEM,
	OPT_SYSLOG,
	OPT_VDEV,
};

/* All that DPDK 22.11 knows: an option may be shortened as long as it is the only one, and which
 * take a value tells what is an option. */
static const char short_options[] = "a:b:c:s:d:hl:S:m:n:r:v";

static const struct option long_options[] = {
	{ "base-virtaddr", required_argument, NULL, OPT_OTHER },
	{ "create-uio-dev", no_argument, NULL, OPT_OTHER },
	{ "file-prefix", required_argument, NULL, OPT_PREFIX },
	{ "help", no_argument, NULL, OPT_OTHER },
	{ "huge-dir", required_argument, NULL, OPT_HUGE_DIR },
	{ "huge-unlink", optional_argument, NULL, OPT_OTHER },
	{ "iova-mode", required_argument, NULL, OPT_OTHER },
	{ "lcores", required_argument, NULL, OPT_LCORES },
	{ "log-level", required_argument, NULL, OPT_OTHER },
	{ "trace", required_argument, NULL, OPT_OTHER },
	{ "trace-dir", required_argument, NULL, OPT_OTHER },
	{ "trace-bufsz", required_argument, NULL, OPT_OTHER },
	{ "trace-mode", required_argument, NULL, OPT_OTHER },
	{ "main-lcore", required_argument, NULL, OPT_MAIN_LCORE },
	{ "mbuf-pool-ops-name", required_argument, NULL, OPT_OTHER },
	{ "no-hpet", no_argument, NULL, OPT_OTHER },
	{ "no-huge", no_argument, NULL, OPT_NO_HUGE },
	{ "no-pci", no_argument, NULL, OPT_OTHER },
	{ "no-shconf", no_argument, NULL, OPT_NO_SHCONF },
	{ "in-memory", no_argument, NULL, OPT_IN_MEMORY },
	{ "block", required_argument, NULL, OPT_OTHER },
	{ "allow", required_argument, NULL, 'a' },
	{ "proc-type", required_argument, NULL, OPT_PROC_TYPE },
	{ "socket-mem", required_argument, NULL, OPT_SOCKET_MEM },
	{ "socket-limit", required_argument, NULL, OPT_OTHER },
	{ "syslog", required_argument, NULL, OPT_SYSLOG },
	{ "vdev", required_argument, NULL, OPT_VDEV },
	{ "vfio-intr", required_argument, NULL, OPT_OTHER },
	{ "vfio-vf-token", required_argument, NULL, OPT_OTHER },
	{ "vmware-tsc-map", no_argument, NULL, OPT_OTHER },
	{ "legacy-mem", no_argument, NULL, OPT_OTHER },
	{ "single-file-segments", no_argument, NULL, OPT_OTHER },
	{ "match-allocations", no_argument, NULL, OPT_OTHER },
	{ "telemetry", no_argument, NULL, OPT_OTHER },
	{ "no-telemetry", no_argument, NULL, OPT_OTHER },
	{ "force-max-simd-bitwidth", required_argument, NULL, OPT_OTHER },
	{ "huge-worker-stack", optional_argument, NULL, OPT_OTHER },
	{ NULL, 0, NULL, 0 },
};

static const char *skip_blanks(const char *text)
{
	while (*text == ' ' || *text == '\t')
		text++;
	return text;
}

/* A number at @text, and what is behind it and blanks; NULL: there is none. */
static const char *read_number(const char *text, unsigned *number)
{
	char *end;
	unsigned long value;

	text = skip_blanks(text);
	if (*text < '0' || *text > '9')
		return NULL;
	value = strtoul(text, &end, 10);
	*number = value < CPU_SETSIZE ? (unsigned)value : CPU_SETSIZE;
	return *number < CPU_SETSIZE ? skip_blanks(end) : NULL;
}

/* One number or two with '-' between them, in either order. */
static const char *read_range(const char *text, cpu_set_t *set)
{
	unsigned first, last;

	text = read_number(text, &first);
	last = first;
	if (text != NULL && *text == '-')
		text = read_number(text + 1, &last);
	if (text == NULL)
		return NULL;
	for (unsigned i = first < last ? first : last; i <= (first < last ? last : first); i++)
		CPU_SET(i, set);
	return text;
}

/* A range, or several in brackets. */
static const char *read_set(const char *text, cpu_set_t *set)
{
	CPU_ZERO(set);
	text = skip_blanks(text);
	if (*text != '(')
		return read_range(text, set);
	do {
		text = read_range(text + 1, set);
	} while (text != NULL && *text == ',');
	return text != NULL && *text == ')' ? skip_blanks(text + 1) : NULL;
}

static unsigned first_of(const cpu_set_t *set)
{
	unsigned i = 0;

	while (i < CPU_SETSIZE && !CPU_ISSET(i, set))
		i++;
	return i;
}

/* Keep the lcores in their order; of one that is given twice the last counts. */
static void add_lcore(struct fc_eal_options *options, unsigned id, unsigned cpu)
{
	uint16_t at = 0;

	if (cpu > options->last_cpu)
		options->last_cpu = cpu;
	while (at < options->n_lcores && options->lcores[at].id < id)
		at++;
	if (at == options->n_lcores || options->lcores[at].id != id) {
		if (options->n_lcores == FC_MAX_LCORES)
			return;
		memmove(&options->lcores[at + 1], &options->lcores[at],
			(options->n_lcores - at) * sizeof(options->lcores[0]));
		options->n_lcores++;
	}
	options->lcores[at] = (struct fc_lcore_facts){ id, fc_facts_node_of_cpu(cpu) };
}

/* LCORES[@CPUS],...: where CPUS are missing, they are the same. */
static void read_lcores(struct fc_eal_options *options, const char *text)
{
	options->has_lcores = true;
	options->n_lcores = 0;
	do {
		bool is_group = *skip_blanks(text) == '(';
		cpu_set_t lcores, cpus;
		bool has_cpus = false;

		text = read_set(text, &lcores);
		if (text != NULL && *text == '@') {
			has_cpus = true;
			text = read_set(text + 1, &cpus);
		}
		if (text == NULL || (*text != ',' && *text != '\0')) {
			options->n_lcores = 0;
			return;
		}
		for (unsigned i = 0; i < FC_MAX_LCORES; i++)
			if (CPU_ISSET(i, &lcores))
				add_lcore(options, i,
					has_cpus   ? first_of(&cpus)
					: is_group ? first_of(&lcores)
						   : i);
	} while (*text++ == ',');
}

static void read_mask(struct fc_eal_options *options, const char *text)
{
	size_t length;
	unsigned id = 0;

	options->has_lcores = true;
	options->n_lcores = 0;
	if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X'))
		text += 2;
	for (length = strlen(text); length > 0; length--, id += 4) {
		char digit[2] = { text[length - 1], '\0' };
		unsigned long bits = strtoul(digit, NULL, 16);

		for (unsigned i = 0; i < 4 && id + i < FC_MAX_LCORES; i++)
			if ((bits >> i & 1) != 0)
				add_lcore(options, id + i, id + i);
	}
}

/* MiB, or MiB of each NUMA node with commas between them. */
static uint64_t read_memory(const char *text)
{
	uint64_t sum = 0;

	for (;; text++) {
		char *end;

		sum += strtoull(text, &end, 10) << 20;
		text = end;
		if (*text != ',')
			return sum;
	}
}

static void take_option(struct fc_eal_options *options, int letter, const char *value)
{
	switch (letter) {
	case 'a':
		options->allows[options->n_allows++] = value;
		break;
	case 'c':
		read_mask(options, value);
		break;
	case 'l':
	case OPT_LCORES:
		read_lcores(options, value);
		break;
	case 'm':
	case OPT_SOCKET_MEM:
		options->memory = read_memory(value);
		break;
	case OPT_PREFIX:
		options->prefix = value;
		break;
	case OPT_HUGE_DIR:
		options->huge_dir = value;
		break;
	case OPT_MAIN_LCORE:
		options->is_main_given = read_number(value, &options->main_lcore) != NULL;
		break;
	case OPT_NO_HUGE:
		options->no_huge = true;
		break;
	case OPT_NO_SHCONF:
		options->no_shconf = true;
		break;
	case OPT_IN_MEMORY:
		options->in_memory = true;
		break;
	case OPT_PROC_TYPE:
		options->process = value;
		break;
	case OPT_SYSLOG:
		options->has_syslog = true;
		break;
	case OPT_VDEV:
		options->vdevs[options->n_vdevs++] = value;
		break;
	default:
		break;
	}
}

int fc_eal_options_read(int n, char **argv, bool is_given, struct fc_eal_options *options)
{
	char **copy = calloc((size_t)n + 1, sizeof(*copy)); /* getopt changes their order */
	int letter;

	*options = (struct fc_eal_options){ .is_given = is_given, .prefix = "rte" };
	options->vdevs = calloc((size_t)n, sizeof(*options->vdevs));
	options->allows = calloc((size_t)n, sizeof(*options->allows));
	if (copy == NULL || options->vdevs == NULL || options->allows == NULL) {
		free(copy);
		return -ENOMEM;
	}
	memcpy(copy, argv, (size_t)n * sizeof(*copy));
	optind = 0; /* glibc: begin anew */
	opterr = 0;
	while ((letter = getopt_long(n, copy, short_options, long_options, NULL)) != -1)
		take_option(options, letter, optarg);
	optind = 0;
	opterr = 1;
	free(copy);
	return 0;
}

void fc_eal_options_free(struct fc_eal_options *options)
{
	free(options->vdevs);
	free(options->allows);
	options->vdevs = NULL;
	options->allows = NULL;
}

const char *fc_eal_options_vdev(const struct fc_eal_options *options, const char *name)
{
	size_t length = strlen(name);

	for (uint16_t i = 0; i < options->n_vdevs; i++) {
		const char *vdev = options->vdevs[i];

		if (strncmp(vdev, name, length) == 0 &&
			(vdev[length] == ',' || vdev[length] == '\0'))
			return vdev[length] == ',' ? vdev + length + 1 : "";
	}
	return NULL;
}

/* What EAL takes when it is not told: the CPUs that the process may use. */
static uint16_t list_cpus(struct fc_lcore_facts cpus[FC_MAX_LCORES])
{
	cpu_set_t set;
	uint16_t n = 0;

	if (sched_getaffinity(0, sizeof(set), &set) != 0)
		return 0;
	for (unsigned i = 0; i < FC_MAX_LCORES; i++)
		if (CPU_ISSET(i, &set))
			cpus[n++] = (struct fc_lcore_facts){ i, fc_facts_node_of_cpu(i) };
	return n;
}

uint16_t fc_eal_options_workers(
	const struct fc_eal_options *options, struct fc_lcore_facts workers[FC_MAX_LCORES])
{
	struct fc_lcore_facts all[FC_MAX_LCORES];
	uint16_t n_all = options->n_lcores, n = 0;
	unsigned main_lcore;

	if (options->has_lcores)
		memcpy(all, options->lcores, n_all * sizeof(all[0]));
	else
		n_all = list_cpus(all);
	if (n_all == 0)
		return 0;
	main_lcore = options->is_main_given ? options->main_lcore : all[0].id;
	for (uint16_t i = 0; i < n_all; i++)
		if (all[i].id != main_lcore)
			workers[n++] = all[i];
	if (n == 0)
		workers[n++] = all[0];
	return n;
}
