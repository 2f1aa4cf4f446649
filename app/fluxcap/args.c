/* SPDX-License-Identifier: MIT */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include <fc_text.h>

#include "args.h"

#define MAX_IDLE_MS 86400000 /* a day */

enum {
	OPT_EXIT_WHEN_IDLE = 256,
	OPT_STATS_ON_EXIT,
	OPT_CHECK,
	OPT_PLAN,
	OPT_DUMP,
	OPT_LCORES,
	OPT_PORTS
};

static const struct option long_options[] = {
	{ "config", required_argument, NULL, 'c' },
	{ "tap", required_argument, NULL, 't' },
	{ "output", required_argument, NULL, 'o' },
	{ "exit-when-idle", required_argument, NULL, OPT_EXIT_WHEN_IDLE },
	{ "stats-on-exit", required_argument, NULL, OPT_STATS_ON_EXIT },
	{ "check", required_argument, NULL, OPT_CHECK },
	{ "plan", required_argument, NULL, OPT_PLAN },
	{ "dump", required_argument, NULL, OPT_DUMP },
	{ "assume-lcores", required_argument, NULL, OPT_LCORES },
	{ "assume-ports", no_argument, NULL, OPT_PORTS },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ NULL, 0, NULL, 0 },
};

void fc_args_print_help(FILE *stream)
{
	fputs("Usage: fluxcap [EAL options] -- -c FILE [options]\n"
	      "       fluxcap [EAL options] -- -t NAME=PORT[,KEY=VALUE...]... \\\n"
	      "                                -o NAME=PORT,from=TAP[+TAP...][,KEY=VALUE...]... "
	      "[options]\n"
	      "       fluxcap [EAL options --] --check FILE | --plan FILE\n"
	      "       fluxcap --dump FILE | --help | --version\n"
	      "\n"
	      "Takes network taps in on DPDK ports and sends them out again on others: copied, "
	      "merged,\n"
	      "tagged, filtered, cut.\n"
	      "\n"
	      "  -c, --config FILE         JSON configuration, - for standard input\n"
	      "  -t, --tap SPEC            add a tap; repeatable\n"
	      "  -o, --output SPEC         add an output; repeatable\n"
	      "      --exit-when-idle MS   stop once no tap has received anything for MS "
	      "milliseconds\n"
	      "                            and nothing waits\n"
	      "      --stats-on-exit FILE  write every counter as JSON on the way out, - for "
	      "standard\n"
	      "                            output\n"
	      "      --check FILE          check a configuration and print the memory that it "
	      "needs;\n"
	      "                            with EAL's options before --: as it will be with "
	      "them\n"
	      "      --plan FILE           the same for programs, as JSON\n"
	      "      --assume-lcores LIST  for --check and --plan: the lcores that will work\n"
	      "      --assume-ports        for --check and --plan: the configuration is another "
	      "machine's;\n"
	      "                            take every port for present\n"
	      "      --dump FILE           check a configuration and print it with all defaults\n"
	      "  -h, --help                this text\n"
	      "  -V, --version             the version\n"
	      "\n"
	      "Exit status: 0 stopped as asked, 1 failed while running, 2 bad usage or "
	      "configuration.\n"
	      "Signals: INT and TERM stop it; what is waiting is sent first, for at most a "
	      "second.\n"
	      "HUP has it read the file again and do what that says now.\n"
	      "EAL's options: https://doc.dpdk.org/guides/linux_gsg/linux_eal_parameters.html\n",
		stream);
}

static int complain(const char *what, const char *value)
{
	fprintf(stderr, "fluxcap: %s%s%s; see fluxcap --help\n", what, value != NULL ? ": " : "",
		value != NULL ? value : "");
	return -1;
}

static int set_path(const char **path, const char *name, const char *value)
{
	if (*path != NULL)
		return complain("given twice", name);
	*path = value;
	return 0;
}

static int read_option(struct fc_args *args, int letter)
{
	uint64_t number;

	switch (letter) {
	case 'c':
		return set_path(&args->config_path, "--config", optarg);
	case 't':
	case 'o':
		args->options[args->n_options++] = (struct fc_short_option){ (char)letter, optarg };
		return 0;
	case OPT_EXIT_WHEN_IDLE:
		if (fc_text_parse_whole(optarg, 1, MAX_IDLE_MS, &number) != 0)
			return complain(
				"--exit-when-idle takes milliseconds, 1..86400000, not", optarg);
		args->exit_idle_ms = (unsigned)number;
		return 0;
	case OPT_STATS_ON_EXIT:
		return set_path(&args->stats_path, "--stats-on-exit", optarg);
	case OPT_CHECK:
		args->mode = FC_MODE_CHECK;
		return set_path(&args->config_path, "a configuration", optarg);
	case OPT_PLAN:
		args->mode = FC_MODE_PLAN;
		return set_path(&args->config_path, "a configuration", optarg);
	case OPT_DUMP:
		args->mode = FC_MODE_DUMP;
		return set_path(&args->config_path, "a configuration", optarg);
	case OPT_LCORES:
		return set_path(&args->lcores, "--assume-lcores", optarg);
	case OPT_PORTS:
		args->assume_ports = true;
		return 0;
	case 'h':
		args->mode = FC_MODE_HELP;
		return 0;
	case 'V':
		args->mode = FC_MODE_VERSION;
		return 0;
	default:
		return -1; /* getopt has said what is wrong */
	}
}

/* Where our options begin: behind "--", or at once for those that need no EAL. */
static int find_own(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], "--") == 0)
			return i;
	if (argc > 1)
		for (const struct option *o = long_options; o->name != NULL; o++)
			if ((o->val == OPT_CHECK || o->val == OPT_PLAN || o->val == OPT_DUMP ||
				    o->val == 'h' || o->val == 'V') &&
				strncmp(argv[1], "--", 2) == 0 &&
				strncmp(argv[1] + 2, o->name, strlen(o->name)) == 0)
				return 0;
	if (argc == 2 && (strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "-V") == 0))
		return 0;
	return -1;
}

static int check_combination(const struct fc_args *args)
{
	if (args->lcores != NULL && args->mode != FC_MODE_CHECK && args->mode != FC_MODE_PLAN)
		return complain("only for --check and --plan", "--assume-lcores");
	if (args->assume_ports && args->mode != FC_MODE_CHECK && args->mode != FC_MODE_PLAN)
		return complain("only for --check and --plan", "--assume-ports");
	if (args->mode != FC_MODE_RUN)
		return 0;
	if (args->config_path != NULL && args->n_options != 0)
		return complain("give either --config or --tap and --output, not both", NULL);
	if (args->config_path == NULL && args->n_options == 0)
		return complain("nothing to do: give --config, or --tap and --output", NULL);
	return 0;
}

int fc_args_read(struct fc_args *args, int argc, char **argv)
{
	int first = find_own(argc, argv);
	char *name = argv[0];
	int letter;

	memset(args, 0, sizeof(*args));
	if (first < 0)
		return complain(
			"nothing to do: fluxcap's own options stand behind EAL's and --", NULL);
	args->n_eal = first == 0 ? 1 : first;
	args->options = calloc((size_t)argc, sizeof(*args->options));
	if (args->options == NULL ||
		fc_eal_options_read(args->n_eal, argv, first > 0, &args->eal) != 0)
		return complain("out of memory", NULL);
	/* getopt takes argv[0] for its messages; where "--" stood it finds the program's name. */
	argv += first;
	argc -= first;
	argv[0] = name;
	optind = 1;
	while ((letter = getopt_long(argc, argv, "+c:t:o:hV", long_options, NULL)) != -1) {
		if (read_option(args, letter) != 0)
			return -1;
		if (args->mode == FC_MODE_HELP || args->mode == FC_MODE_VERSION)
			return 0;
	}
	if (optind < argc)
		return complain("not an option", argv[optind]);
	return check_combination(args);
}

const char *fc_args_source(const struct fc_args *args)
{
	return args->config_path != NULL ? args->config_path : "command line";
}

void fc_args_free(struct fc_args *args)
{
	free(args->options);
	args->options = NULL;
	fc_eal_options_free(&args->eal);
}
