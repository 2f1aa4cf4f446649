/* SPDX-License-Identifier: MIT */
#include "reload.h"

#include <stdio.h>
#include <string.h>

#include "units.h"

#define TEXT_SIZE 4096

static json_t *ask(const struct fc_reload_options *options, struct fc_problem *problem)
{
	struct fc_client *client = fc_client_open(&options->client, problem);
	json_t *answer = NULL;

	if (client != NULL)
		answer = fc_client_ask_within(client,
			options->is_dry_run ? "/fluxcap/reload,dry-run" : "/fluxcap/reload",
			options->patience_ms, problem);
	if (json_is_null(answer))
		fc_problem_set(problem, FC_PROBLEM_ANSWER,
			"process %lld at %s does not know /fluxcap/reload: it is another DPDK "
			"program, an older fluxcap, or one that has not started yet\n"
			"Name the --file-prefix of fluxcap with -f.",
			fc_client_pid(client), fc_client_path(client));
	fc_client_close(client);
	return answer;
}

/*
 * The findings, each one text: those that are longer than a text of telemetry come in pieces, of
 * which all but the first begin with a blank. NULL when they are something else.
 */
static json_t *join_findings(const json_t *pieces)
{
	json_t *findings = json_is_array(pieces) ? json_array() : NULL;
	json_t *piece;
	size_t i;

	json_array_foreach ((json_t *)pieces, i, piece) {
		size_t n = json_array_size(findings);
		const char *text = json_string_value(piece);
		json_t *whole = n > 0 ? json_array_get(findings, n - 1) : NULL;

		if (text == NULL) {
			json_decref(findings);
			return NULL;
		}
		if (text[0] == ' ' && whole != NULL)
			json_array_set_new(findings, n - 1,
				json_sprintf("%s%s", json_string_value(whole), text));
		else
			json_array_append(findings, piece);
	}
	return findings;
}

/* Put whole findings into the answer. */
static int understand(json_t *answer, struct fc_problem *problem)
{
	json_t *findings = join_findings(json_object_get(answer, "findings"));

	if (json_object_set_new(answer, "findings", findings) != 0 ||
		!json_is_string(json_object_get(answer, "result")) ||
		!json_is_integer(json_object_get(answer, "changes"))) {
		fc_problem_set(problem, FC_PROBLEM_ANSWER,
			"the answer to /fluxcap/reload is not what became of a reload");
		return -1;
	}
	return 0;
}

static bool is_note(const char *finding)
{
	static const char note[] = "note: ";

	return strncmp(finding, note, sizeof(note) - 1) == 0;
}

static void print_findings(const json_t *findings)
{
	char text[TEXT_SIZE];
	json_t *finding;
	size_t i;

	json_array_foreach ((json_t *)findings, i, finding) {
		fc_unit_printable(text, sizeof(text), json_string_value(finding));
		fprintf(is_note(text) ? stdout : stderr, "%s\n", text);
	}
}

static void print_result(bool is_ok, bool is_dry_run, long long n_changes)
{
	const char *ending = n_changes == 1 ? "" : "s";

	if (!is_ok)
		fprintf(stderr, "fluxcap-ctl: %s\n",
			is_dry_run ? "it would not be reloaded"
				   : "not reloaded: fluxcap goes on as before");
	else if (is_dry_run)
		printf("would be reloaded: %lld change%s\n", n_changes, ending);
	else
		printf("reloaded: %lld change%s\n", n_changes, ending);
}

int fc_reload_run(const struct fc_reload_options *options)
{
	struct fc_problem problem = { 0 };
	json_t *answer = ask(options, &problem);
	bool is_ok;

	if (answer == NULL || json_is_null(answer) || understand(answer, &problem) != 0) {
		fprintf(stderr, "fluxcap-ctl: %s\n", problem.text);
		json_decref(answer);
		return FC_RELOAD_NO_ANSWER;
	}
	is_ok = strcmp(json_string_value(json_object_get(answer, "result")), "ok") == 0;
	if (options->json) {
		json_dumpf(answer, stdout, JSON_INDENT(2));
		putchar('\n');
	} else {
		print_findings(json_object_get(answer, "findings"));
		fflush(stdout); /* before what is printed on standard error */
		print_result(is_ok, options->is_dry_run,
			json_integer_value(json_object_get(answer, "changes")));
	}
	json_decref(answer);
	return is_ok ? FC_RELOAD_DONE : FC_RELOAD_REFUSED;
}
