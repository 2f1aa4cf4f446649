/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/stat.h>

#include <rte_log.h>

#include "log.h"

#define LINE_SIZE  2048
#define NOT_KNOWN  (-1)
#define PRIO_DEBUG 7 /* LOG_DEBUG of syslog(3) */

/* Priorities of syslog(3). */
static const int priorities[] = { [FC_ERROR] = 3, [FC_WARNING] = 4, [FC_NOTE] = 6 };

/* Whether standard error is the journal: systemd has said which file that is. */
static bool find_journal(void)
{
	const char *text = getenv("JOURNAL_STREAM");
	unsigned long long device, inode;
	struct stat file;

	return text != NULL && sscanf(text, "%llu:%llu", &device, &inode) == 2 &&
	       fstat(STDERR_FILENO, &file) == 0 && file.st_dev == device && file.st_ino == inode;
}

static bool is_journal(void)
{
	static atomic_int known = NOT_KNOWN; /* whichever thread finds it out finds the same */
	int is = atomic_load_explicit(&known, memory_order_relaxed);

	if (is == NOT_KNOWN) {
		is = find_journal();
		atomic_store_explicit(&known, is, memory_order_relaxed);
	}
	return is != 0;
}

static void write_all(const char *text, size_t size)
{
	while (size > 0) {
		ssize_t n = write(STDERR_FILENO, text, size);

		if (n < 0 && errno != EINTR)
			return;
		if (n > 0) {
			text += n;
			size -= (size_t)n;
		}
	}
}

/* Lines, the last one perhaps without its end; each gets its priority. */
static void write_lines(int priority, const char *text, size_t size)
{
	char *buffer = NULL;
	size_t buffer_size = 0;
	FILE *stream = is_journal() ? open_memstream(&buffer, &buffer_size) : NULL;

	if (stream == NULL) {
		write_all(text, size);
		return;
	}
	while (size > 0) {
		const char *end = memchr(text, '\n', size);
		size_t length = end != NULL ? (size_t)(end - text) + 1 : size;

		fprintf(stream, "<%d>%.*s", priority, (int)length, text);
		text += length;
		size -= length;
	}
	if (fclose(stream) == 0)
		write_all(buffer, buffer_size);
	free(buffer);
}

void fc_log(enum fc_severity severity, const char *format, ...)
{
	char line[LINE_SIZE] = "fluxcap: ";
	size_t length = strlen(line);
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(line + length, sizeof(line) - length - 1, format, args);
	va_end(args);
	if (n > 0)
		length = strlen(line);
	line[length] = '\n';
	write_lines(priorities[severity], line, length + 1);
}

static void say_line(void *to, enum fc_severity severity, const char *line)
{
	(void)to;
	write_lines(priorities[severity], line, strlen(line));
}

void fc_log_findings(const struct fc_findings *findings)
{
	fc_findings_tell(findings, say_line, NULL);
}

/* EAL flushes after each message, so that what comes here is of one level. */
static ssize_t take_message(void *cookie, const char *text, size_t size)
{
	int level = rte_log_cur_msg_loglevel(); /* 1 is where syslog(3) has 0 */

	(void)cookie;
	write_lines(level > 0 && level - 1 < PRIO_DEBUG ? level - 1 : PRIO_DEBUG, text, size);
	return (ssize_t)size;
}

void fc_log_take_eal(void)
{
	cookie_io_functions_t functions = { .write = take_message };
	FILE *stream = fopencookie(NULL, "w", functions);

	/* Without it EAL says everything twice, which does no harm. */
	if (stream != NULL)
		rte_openlog_stream(stream);
}
