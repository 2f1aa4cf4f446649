/* SPDX-License-Identifier: MIT */
#include <dlfcn.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/auxv.h>

/*
 * To be preloaded: the allocation number FAIL_ALLOCATION of those that the program itself asks for
 * fails, libraries' own go on. With FAIL_ALLOCATION_COUNT the number of them is written to that
 * file at the end.
 */

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *block, size_t size);

static unsigned long n_calls, n_failing;
static void *program;

static void *base_of(const void *address)
{
	Dl_info info;

	return dladdr(address, &info) != 0 ? info.dli_fbase : NULL;
}

__attribute__((constructor)) static void begin(void)
{
	const char *text = getenv("FAIL_ALLOCATION");

	n_failing = text != NULL ? strtoul(text, NULL, 10) : 0;
	program = base_of((const void *)getauxval(AT_ENTRY));
}

__attribute__((destructor)) static void end(void)
{
	const char *path = getenv("FAIL_ALLOCATION_COUNT");
	FILE *file = path != NULL ? fopen(path, "we") : NULL;

	if (file == NULL)
		return;
	fprintf(file, "%lu\n", n_calls);
	fclose(file);
}

static int fails_now(const void *caller)
{
	return program != NULL && base_of(caller) == program && ++n_calls == n_failing;
}

void *malloc(size_t size)
{
	return fails_now(__builtin_return_address(0)) ? NULL : __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
	return fails_now(__builtin_return_address(0)) ? NULL : __libc_calloc(n, size);
}

void *realloc(void *block, size_t size)
{
	return fails_now(__builtin_return_address(0)) ? NULL : __libc_realloc(block, size);
}

char *strndup(const char *text, size_t size)
{
	size_t length = strnlen(text, size);
	char *copy = fails_now(__builtin_return_address(0)) ? NULL : __libc_malloc(length + 1);

	if (copy == NULL)
		return NULL;
	memcpy(copy, text, length);
	copy[length] = '\0';
	return copy;
}

char *strdup(const char *text)
{
	size_t size = strlen(text) + 1;
	char *copy = fails_now(__builtin_return_address(0)) ? NULL : __libc_malloc(size);

	return copy != NULL ? memcpy(copy, text, size) : NULL;
}
