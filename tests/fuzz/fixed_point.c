/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "fixed_point.h"

static void require(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "does not hold: %s\n", what);
	abort();
}

static void check_line(const char *text)
{
	for (; *text != '\0'; text++)
		require(*text >= 0x20 && *text <= 0x7e, "a finding is printable");
}

void fixed_point_check(struct fc_config *config, struct fc_findings *findings)
{
	require((config == NULL) == (fc_findings_n_errors(findings) > 0),
		"no configuration means an error, and the other way round");
	for (size_t i = 0; i < fc_findings_count(findings); i++) {
		struct fc_finding finding = fc_findings_get(findings, i);

		check_line(finding.place);
		check_line(finding.text);
		require(finding.text[0] != '\0', "a finding says something");
		require(strlen(finding.text) < 400, "a finding is short");
	}
	if (config != NULL) {
		char *dump = fc_config_dump(config);

		require(dump != NULL, "a configuration can be dumped");
		struct fc_config *again = fc_config_parse(dump, strlen(dump), NULL, findings);

		require(again != NULL, "a dump parses");
		char *dump_again = fc_config_dump(again);

		require(dump_again != NULL && strcmp(dump, dump_again) == 0,
			"a dump dumps to itself");
		free(dump);
		free(dump_again);
		fc_config_free(again);
	}
	fc_config_free(config);
	fc_findings_free(findings);
}
