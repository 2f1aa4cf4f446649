/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <fc_config.h>

/* Writes docs/configuration.md and config/fluxcap.schema.json: generate REFERENCE SCHEMA. */

static int write_file(const char *path, const char *text)
{
	FILE *stream = text == NULL ? NULL : fopen(path, "we");

	if (stream == NULL) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		return 1;
	}
	int rc = fputs(text, stream) < 0;

	rc |= fclose(stream) != 0;
	if (rc != 0)
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
	return rc;
}

int main(int argc, char **argv)
{
	if (argc != 3) {
		fprintf(stderr, "usage: fc-config-generate REFERENCE.md SCHEMA.json\n");
		return 2;
	}
	char *reference = fc_config_reference();
	char *schema = fc_config_schema();
	int rc = write_file(argv[1], reference);

	rc |= write_file(argv[2], schema);
	free(reference);
	free(schema);
	return rc;
}
