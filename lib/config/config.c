/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "row.h"

struct fc_config *fc_config_build(
	json_t *root, const struct fc_config_checks *checks, struct fc_findings *findings)
{
	struct decoder decoder = {
		.findings = findings,
		.checks = checks,
		.taps = json_object_get(root, "taps"),
	};
	size_t n_errors = fc_findings_n_errors(findings);
	struct fc_config *config = calloc(1, sizeof(*config));

	/* Without findings there is nothing to tell a good configuration from a bad one by. */
	if (config == NULL || findings == NULL) {
		free(config);
		fc_decoder_no_memory(&decoder);
		return NULL;
	}
	if (json_is_object(root)) {
		fc_table_preset(&decoder, &fc_root_table, config);
		fc_table_decode(&decoder, &fc_root_table, root, config);
		fc_config_check(config, fc_findings_n_errors(findings) == n_errors, findings);
		if (checks != NULL && checks->whole != NULL &&
			fc_findings_n_errors(findings) == n_errors)
			checks->whole(config, findings);
	} else {
		fc_decoder_mismatch(&decoder, "an object with 'taps' and 'outputs'", root);
	}
	if (fc_findings_n_errors(findings) != n_errors) {
		fc_config_free(config);
		return NULL;
	}
	return config;
}

void fc_config_free(struct fc_config *config)
{
	if (config == NULL)
		return;
	fc_table_release(&fc_root_table, config);
	free(config);
}

char *fc_json_text(const json_t *value)
{
	char *text = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&text, &size);

	if (stream == NULL)
		return NULL;
	/* json_dumps() can forget that memory ran out and leave a piece out; a stream does not. */
	int rc = json_dumpf(
		value, stream, JSON_INDENT(2) | JSON_REAL_PRECISION(15) | JSON_ENCODE_ANY);

	rc |= fputc('\n', stream) == EOF || ferror(stream) != 0;
	rc |= fclose(stream) != 0;
	if (rc == 0)
		return text;
	free(text);
	return NULL;
}

char *fc_config_dump(const struct fc_config *config)
{
	json_t *root = fc_table_encode(config, &fc_root_table, config);
	char *text = root == NULL ? NULL : fc_json_text(root);

	json_decref(root);
	return text;
}

const struct fc_port_config *fc_config_port(const struct fc_config *config, const char *port)
{
	for (size_t i = 0; i < config->n_ports; i++) {
		if (strcmp(config->ports[i].name, port) == 0)
			return &config->ports[i];
	}
	return NULL;
}
