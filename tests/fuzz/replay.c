/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

/*
 * Runs a target once on each file of the folders that are named as arguments. It stands in for
 * libFuzzer where that is not built in, so that a corpus is a test with every compiler.
 */

#define INPUT_SIZE_MAX ((size_t)1 << 20)

static int run_file(const char *path, uint8_t *buffer)
{
	FILE *file = fopen(path, "re");

	if (file == NULL) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		return -1;
	}
	size_t size = fread(buffer, 1, INPUT_SIZE_MAX, file);
	/* A copy of just this size lets the sanitizers see a read beyond it. */
	uint8_t *input = malloc(size > 0 ? size : 1);

	fclose(file);
	if (input == NULL)
		return -1;
	memcpy(input, buffer, size);
	LLVMFuzzerTestOneInput(input, size);
	free(input);
	return 0;
}

/* The number of inputs, or -1. */
static int run_folder(const char *folder, uint8_t *buffer)
{
	DIR *entries = opendir(folder);
	const struct dirent *entry = NULL;
	int n = 0;

	if (entries == NULL) {
		fprintf(stderr, "%s: %s\n", folder, strerror(errno));
		return -1;
	}
	while (n >= 0 && (entry = readdir(entries)) != NULL) {
		char path[4096];

		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
		n = run_file(path, buffer) == 0 ? n + 1 : -1;
	}
	closedir(entries);
	return n;
}

int main(int argc, char **argv)
{
	uint8_t *buffer = malloc(INPUT_SIZE_MAX);
	int rc = buffer == NULL || argc < 2;

	for (int i = 1; i < argc && rc == 0; i++) {
		int n = run_folder(argv[i], buffer);

		printf("%s: %d inputs\n", argv[i], n);
		if (n <= 0)
			rc = 1;
	}
	free(buffer);
	return rc;
}
