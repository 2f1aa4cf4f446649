/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "progress.h"

#define MAX_WIDTH                                                                                  \
	79 /* shorter than a terminal's line: a line that wraps cannot be written over             \
	    */

bool fc_progress_is_possible(void)
{
	return isatty(STDERR_FILENO) == 1;
}

bool fc_progress_show(void *context, const char *place, uint64_t ms)
{
	struct fc_progress *progress = context;
	char line[MAX_WIDTH + 1];
	int width;

	if (ms / 1000 == progress->second || place[0] == '\0')
		return true;
	progress->second = ms / 1000;
	width = snprintf(line, sizeof(line), "fluxcap: %" PRIu64 " s: compiling %s",
		progress->second, place);
	if (width > MAX_WIDTH)
		width = MAX_WIDTH;
	fprintf(stderr, "\r%-*s", progress->width, line);
	fflush(stderr);
	if (width > progress->width)
		progress->width = width;
	return true;
}

void fc_progress_end(struct fc_progress *progress)
{
	if (progress->width == 0)
		return;
	fprintf(stderr, "\r%*s\r", progress->width, "");
	fflush(stderr);
	progress->width = 0;
}
