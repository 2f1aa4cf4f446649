/* SPDX-License-Identifier: MIT */
#include <stdint.h>

#include "fixed_point.h"
#include "fuzz.h"

/* The input is the text of a configuration file. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fc_findings *findings = fc_findings_new("fuzz");
	struct fc_config *config = fc_config_parse((const char *)data, size, NULL, findings);

	fixed_point_check(config, findings);
	return 0;
}
