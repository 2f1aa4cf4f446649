/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json_error.h"
#include "row.h"

#define FILE_SIZE_MAX ((size_t)4 << 20) /* far above what 128 taps and outputs can fill */
#define CHUNK_SIZE    ((size_t)64 << 10)

static bool is_blank(const char *text, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		if (text[i] != ' ' && text[i] != '\t' && text[i] != '\r' && text[i] != '\n')
			return false;
	}
	return true;
}

struct fc_config *fc_config_parse(const char *text, size_t size,
	const struct fc_config_checks *checks, struct fc_findings *findings)
{
	json_error_t error = { .line = 0 }; /* jansson leaves it as it is when memory runs out */

	if (is_blank(text, size)) {
		fc_findings_add(findings, FC_ERROR, "", "is empty; expected a JSON object");
		return NULL;
	}
	if (fc_json_error_check(text, size, findings) != 0)
		return NULL;
	json_t *root = json_loadb(text, size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);

	if (root == NULL) {
		fc_json_error_explain(text, size, &error, findings);
		return NULL;
	}
	struct fc_config *config = fc_config_build(root, checks, findings);

	json_decref(root);
	return config;
}

/* All that a stream has, at most limit + 1 bytes; NULL with errno where it cannot be read. */
static char *read_stream(FILE *stream, size_t limit, size_t *size)
{
	char *text = NULL;
	size_t room = 0;

	*size = 0;
	for (;;) {
		if (*size == room) {
			room += CHUNK_SIZE;
			char *larger = realloc(text, room);

			if (larger == NULL)
				goto free_text;
			text = larger;
		}
		size_t n = fread(text + *size, 1, room - *size, stream);

		*size += n;
		if (ferror(stream))
			goto free_text;
		if (n == 0 || *size > limit)
			return text;
	}
free_text:
	free(text);
	return NULL;
}

struct fc_config *fc_config_load(
	const char *path, const struct fc_config_checks *checks, struct fc_findings *findings)
{
	bool is_stdin = strcmp(path, "-") == 0;
	FILE *stream = is_stdin ? stdin : fopen(path, "re");
	struct fc_config *config = NULL;
	size_t size = 0;

	if (stream == NULL) {
		fc_findings_add(findings, FC_ERROR, "", "cannot be opened: %s", strerror(errno));
		return NULL;
	}
	char *text = read_stream(stream, FILE_SIZE_MAX, &size);

	if (text == NULL)
		fc_findings_add(findings, FC_ERROR, "", "cannot be read: %s", strerror(errno));
	else if (size > FILE_SIZE_MAX)
		fc_findings_add(
			findings, FC_ERROR, "", "is larger than %zu MiB", FILE_SIZE_MAX >> 20);
	else
		config = fc_config_parse(text, size, checks, findings);
	free(text);
	if (!is_stdin)
		fclose(stream);
	return config;
}
