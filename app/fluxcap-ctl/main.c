/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <getopt.h>
#include <libgen.h>
#include <limits.h>
#include <locale.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client.h"
#include "fetch.h"
#include "live.h"
#include "order.h"
#include "reload.h"
#include "show.h"
#include "view.h"

#define STATUS_FAILED 1
#define STATUS_USAGE  2

/* fluxcap itself answers within 60 s, whatever comes of it. */
#define RELOAD_PATIENCE_MS 70000

static const char usage_text[] =
	"Usage: fluxcap-ctl [-f FILE_PREFIX] io [--interval SECONDS] [--count N]\n"
	"                   [--sort COLUMN] [--reverse] [--feeds] [--wide]\n"
	"       fluxcap-ctl [-f FILE_PREFIX] show [--all | --json]\n"
	"       fluxcap-ctl [-f FILE_PREFIX] reload [--dry-run] [--json]\n"
	"       fluxcap-ctl check FILE\n"
	"\n"
	"io      watch rates, losses and backlogs of taps and outputs\n"
	"show    print all counters\n"
	"reload  have fluxcap read its configuration file again and act by it\n"
	"check   check a configuration file (fluxcap --check)\n"
	"\n"
	"  -f, --file-prefix PREFIX  fluxcap's --file-prefix (default: rte)\n"
	"  -t, --timeout SECONDS     longest wait for each answer (default: 3;\n"
	"                            for that to reload: 70)\n"
	"  -i, --interval SECONDS    io: time between refreshes, 0.1 to 3600 (default: 1)\n"
	"  -n, --count N             io: end after N refreshes (default: go on)\n"
	"  -s, --sort COLUMN         io: config (default), name, bits, packets, drops,\n"
	"                            or backlog\n"
	"  -r, --reverse             io: sort the other way round\n"
	"  -F, --feeds               io: also each feed, below its output\n"
	"  -w, --wide                io: each drop reason by its name\n"
	"  -a, -v, --all             show: also the drop reasons that are zero\n"
	"  -d, --dry-run             reload: only find out what would change\n"
	"  -j, --json                show, reload: one JSON object, for scripts\n"
	"  -h, --help                print this text\n"
	"  -V, --version             print the version\n";

enum command {
	COMMAND_IO,
	COMMAND_SHOW,
	COMMAND_RELOAD,
	COMMAND_CHECK,
};

struct arguments {
	enum command command;
	const char *file; /* check */
	struct fc_live_options live;
	bool zeros;
	bool json;
	bool is_dry_run;
	int timeout_ms;		   /* 0: not given */
	const char *io_option;	   /* the last one given that only io takes, or NULL */
	const char *show_option;   /* likewise show */
	const char *reload_option; /* likewise reload */
	const char *json_option;   /* likewise both of them */
};

static int __attribute__((format(printf, 1, 2))) complain(const char *format, ...)
{
	va_list args;

	fputs("fluxcap-ctl: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputs("\nfluxcap-ctl --help lists commands and options.\n", stderr);
	return -EINVAL;
}

static int parse_seconds(double *seconds, const char *option, const char *text, double least)
{
	char *end;
	double value = strtod(text, &end);

	if (end == text || *end != '\0' || isnan(value) || value < least || value > 3600)
		return complain(
			"%s: '%s' is not a number of seconds in %g..3600", option, text, least);
	*seconds = value;
	return 0;
}

static int parse_count(unsigned long *count, const char *text)
{
	char *end;
	long value;

	errno = 0;
	value = strtol(text, &end, 10);
	if (end == text || *end != '\0' || errno != 0 || value < 1 || value > INT_MAX)
		return complain("--count: '%s' is not a whole number in 1..%d", text, INT_MAX);
	*count = (unsigned long)value;
	return 0;
}

static int parse_order(enum fc_order *order, const char *text)
{
	int found = fc_order_parse(text);

	if (found < 0)
		return complain(
			"--sort: '%s' is not config, name, bits, packets, drops or backlog", text);
	*order = (enum fc_order)found;
	return 0;
}

/* The options that only io takes. */
static int parse_io_option(struct arguments *arguments, int letter)
{
	struct fc_live_options *live = &arguments->live;

	switch (letter) {
	case 'i':
		arguments->io_option = "--interval";
		return parse_seconds(&live->interval_s, "--interval", optarg, FC_INTERVAL_MIN);
	case 'n':
		arguments->io_option = "--count";
		return parse_count(&live->count, optarg);
	case 's':
		arguments->io_option = "--sort";
		return parse_order(&live->order, optarg);
	case 'r':
		arguments->io_option = "--reverse";
		live->is_reverse = true;
		return 0;
	case 'F':
		arguments->io_option = "--feeds";
		live->feeds = true;
		return 0;
	default:
		arguments->io_option = "--wide";
		live->wide = true;
		return 0;
	}
}

static int parse_option(struct arguments *arguments, int letter)
{
	double timeout_s = 0;

	switch (letter) {
	case 'f':
		if (!fc_place_prefix_ok(optarg))
			return complain("--file-prefix: '%s' cannot be a file prefix", optarg);
		arguments->live.client.prefix = optarg;
		return 0;
	case 't':
		if (parse_seconds(&timeout_s, "--timeout", optarg, 0.01) < 0)
			return -EINVAL;
		arguments->timeout_ms = (int)lround(timeout_s * 1000);
		arguments->live.client.timeout_ms = arguments->timeout_ms;
		return 0;
	case 'i':
	case 'n':
	case 's':
	case 'r':
	case 'F':
	case 'w':
		return parse_io_option(arguments, letter);
	case 'a':
	case 'v':
		arguments->show_option = "--all";
		arguments->zeros = true;
		return 0;
	case 'd':
		arguments->reload_option = "--dry-run";
		arguments->is_dry_run = true;
		return 0;
	case 'j':
		arguments->json_option = "--json";
		arguments->json = true;
		return 0;
	default:
		/* getopt has said what is wrong. */
		fputs("fluxcap-ctl --help lists commands and options.\n", stderr);
		return -EINVAL;
	}
}

/* An option that was given and the command does not take, or NULL. */
static const char *wrong_option(const struct arguments *arguments)
{
	enum command command = arguments->command;

	if (command != COMMAND_IO && arguments->io_option != NULL)
		return arguments->io_option;
	if (command != COMMAND_SHOW && arguments->show_option != NULL)
		return arguments->show_option;
	if (command != COMMAND_RELOAD && arguments->reload_option != NULL)
		return arguments->reload_option;
	return command != COMMAND_SHOW && command != COMMAND_RELOAD ? arguments->json_option : NULL;
}

static int parse_command(struct arguments *arguments, int n_operands, char **operands)
{
	static const struct {
		const char *name;
		enum command command;
		int n_operands;
	} commands[] = {
		{ "io", COMMAND_IO, 0 },
		{ "show", COMMAND_SHOW, 0 },
		{ "reload", COMMAND_RELOAD, 0 },
		{ "check", COMMAND_CHECK, 1 },
	};

	if (n_operands == 0)
		return complain("a command is missing: io, show, reload or check FILE");
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strcmp(operands[0], commands[i].name) != 0)
			continue;
		arguments->command = commands[i].command;
		if (n_operands - 1 < commands[i].n_operands)
			return complain("check: the FILE to check is missing");
		if (arguments->command == COMMAND_RELOAD && n_operands > 1)
			return complain("reload: takes no file: fluxcap reads the one that it was "
					"started with, not '%s'",
				operands[1]);
		if (n_operands - 1 > commands[i].n_operands)
			return complain("%s: '%s' is one argument too many", operands[0],
				operands[1 + commands[i].n_operands]);
		if (wrong_option(arguments) != NULL)
			return complain(
				"%s does not take %s", operands[0], wrong_option(arguments));
		arguments->file = operands[1];
		return 0;
	}
	return complain("unknown command '%s': io, show, reload or check FILE", operands[0]);
}

/* 0 to go on, 1 when everything asked for is done, -EINVAL for bad usage. */
static int parse_arguments(struct arguments *arguments, int argc, char **argv)
{
	static const struct option options[] = {
		{ "file-prefix", required_argument, NULL, 'f' },
		{ "timeout", required_argument, NULL, 't' },
		{ "interval", required_argument, NULL, 'i' },
		{ "count", required_argument, NULL, 'n' },
		{ "sort", required_argument, NULL, 's' },
		{ "reverse", no_argument, NULL, 'r' },
		{ "feeds", no_argument, NULL, 'F' },
		{ "wide", no_argument, NULL, 'w' },
		{ "all", no_argument, NULL, 'a' },
		{ "dry-run", no_argument, NULL, 'd' },
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	int letter;

	while ((letter = getopt_long(argc, argv, "f:t:i:n:s:rFwavdjhV", options, NULL)) != -1) {
		if (letter == 'h' || letter == 'V') {
			fputs(letter == 'h' ? usage_text : "fluxcap-ctl " FC_VERSION "\n", stdout);
			return 1;
		}
		if (parse_option(arguments, letter) < 0)
			return -EINVAL;
	}
	return parse_command(arguments, argc - optind, argv + optind);
}

static int finish_output(void)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return 0;
	fprintf(stderr, "fluxcap-ctl: cannot write to standard output: %s\n", strerror(errno));
	return STATUS_FAILED;
}

static int run_show(const struct arguments *arguments)
{
	struct fc_problem problem = { 0 };
	struct fc_client *client = fc_client_open(&arguments->live.client, &problem);
	json_t *all = client != NULL ? fc_fetch_all(client, &problem) : NULL;
	int status = STATUS_FAILED;

	if (all == NULL) {
		fprintf(stderr, "fluxcap-ctl: %s\n", problem.text);
	} else {
		if (arguments->json) {
			json_dumpf(all, stdout, JSON_INDENT(2));
			fputc('\n', stdout);
		} else {
			fc_show_print(stdout, all, arguments->zeros);
		}
		status = finish_output();
	}
	json_decref(all);
	fc_client_close(client);
	return status;
}

static int run_reload(const struct arguments *arguments)
{
	struct fc_reload_options options = {
		.client = arguments->live.client,
		.patience_ms =
			arguments->timeout_ms != 0 ? arguments->timeout_ms : RELOAD_PATIENCE_MS,
		.is_dry_run = arguments->is_dry_run,
		.json = arguments->json,
	};
	int status = fc_reload_run(&options);

	return finish_output() == 0 ? status : FC_RELOAD_NO_ANSWER;
}

/* Replace this process by fluxcap: the one beside this program, else the one in PATH. */
static int run_check(const char *file)
{
	char own[PATH_MAX], beside[PATH_MAX + sizeof("/fluxcap")];
	char *const argv[] = { "fluxcap", "--check", (char *)file, NULL };
	ssize_t size = readlink("/proc/self/exe", own, sizeof(own) - 1);

	if (size > 0) {
		own[size] = '\0';
		snprintf(beside, sizeof(beside), "%s/fluxcap", dirname(own));
		if (access(beside, X_OK) == 0)
			execv(beside, argv);
	}
	execvp(argv[0], argv);
	fprintf(stderr,
		"fluxcap-ctl: cannot run fluxcap: %s\n"
		"It has to be beside fluxcap-ctl or in PATH.\n",
		strerror(errno));
	return STATUS_FAILED;
}

int main(int argc, char **argv)
{
	struct arguments arguments = {
		.live = { .client = { .prefix = "rte", .timeout_ms = 3000, .wake_fd = -1 },
			.interval_s = 1 },
	};
	int rc;

	/* Only which characters there are: numbers are read and written the same everywhere. */
	setlocale(LC_CTYPE, "");
	arguments.live.client.rules = (struct fc_place_rules){
		.runtime_directory = getenv("RUNTIME_DIRECTORY"),
		.xdg_runtime_dir = getenv("XDG_RUNTIME_DIR"),
		.is_root = getuid() == 0,
	};
	rc = parse_arguments(&arguments, argc, argv);
	if (rc < 0)
		return STATUS_USAGE;
	if (rc > 0)
		return finish_output();
	switch (arguments.command) {
	case COMMAND_IO:
		return fc_live_run(&arguments.live);
	case COMMAND_SHOW:
		return run_show(&arguments);
	case COMMAND_RELOAD:
		return run_reload(&arguments);
	default:
		return run_check(arguments.file);
	}
}
