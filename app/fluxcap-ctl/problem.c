/* SPDX-License-Identifier: MIT */
#include "problem.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void fc_problem_set(struct fc_problem *problem, enum fc_problem_kind kind, const char *format, ...)
{
	va_list args;

	problem->kind = kind;
	va_start(args, format);
	vsnprintf(problem->text, sizeof(problem->text), format, args);
	va_end(args);
}

void fc_problem_append(struct fc_problem *problem, const char *format, ...)
{
	size_t used = strlen(problem->text);
	va_list args;

	va_start(args, format);
	vsnprintf(problem->text + used, sizeof(problem->text) - used, format, args);
	va_end(args);
}
