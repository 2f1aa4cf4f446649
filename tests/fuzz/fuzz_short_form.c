/* SPDX-License-Identifier: MIT */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "fixed_point.h"
#include "fuzz.h"

#define MAX_OPTIONS 32

/* The input is options, one a line: the letter and right behind it the text. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fc_findings *findings = fc_findings_new("fuzz");
	struct fc_short_option options[MAX_OPTIONS];
	char *text = strndup((const char *)data, size);
	char *rest = text;
	size_t n = 0;

	while (rest != NULL && *rest != '\0' && n < MAX_OPTIONS) {
		char *line = strsep(&rest, "\n");

		if (*line != '\0')
			options[n++] = (struct fc_short_option){ line[0], line + 1 };
	}
	struct fc_config *config = fc_config_from_options(options, n, NULL, findings);

	free(text);
	fixed_point_check(config, findings);
	return 0;
}
