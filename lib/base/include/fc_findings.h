/* SPDX-License-Identifier: MIT */
#ifndef FC_FINDINGS_H
#define FC_FINDINGS_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/**
 * A list of what is wrong and where.
 *
 * Whoever checks something (a configuration, a plan, the ports) adds what it finds and goes on, so
 * that the user sees every mistake at once. Control path only; one thread at a time.
 *
 * A list that could not be made is NULL, and every function takes it: it has one error, that memory
 * ran out, and forgets what is added. As that error was there from the beginning, whoever compares
 * the number of errors before and after must refuse NULL by himself.
 */
struct fc_findings;

enum fc_severity {
	FC_ERROR,   /**< cannot be run */
	FC_WARNING, /**< can be run, but is probably not what was meant */
	FC_NOTE,    /**< good to know */
};

/** One finding; the strings belong to the list. */
struct fc_finding {
	enum fc_severity severity;
	const char *place; /**< such as "outputs.ids.vlan.push"; "" is the source as a whole */
	const char *text;  /**< what is wrong and what would be right, one line */
};

/**
 * Make an empty list.
 *
 * @param source  What is being checked, put before every place: a file's name or "command line".
 * @return        The list (free with fc_findings_free), or NULL when out of memory.
 */
struct fc_findings *fc_findings_new(const char *source);

/** Free a list and all its strings. */
void fc_findings_free(struct fc_findings *findings);

/**
 * Add one finding.
 *
 * When memory runs out the text is lost but the error still counts; a list never forgets that
 * there was one.
 */
void fc_findings_add(struct fc_findings *findings, enum fc_severity severity, const char *place,
	const char *format, ...) __attribute__((format(printf, 4, 5)));

/** How many errors were added; nothing else counts. 1 of NULL. */
size_t fc_findings_n_errors(const struct fc_findings *findings);

/** How many findings can be read with fc_findings_get(). 0 of NULL. */
size_t fc_findings_count(const struct fc_findings *findings);

/** Finding number @p index, 0 <= index < fc_findings_count(), in the order of their adding. */
struct fc_finding fc_findings_get(const struct fc_findings *findings, size_t index);

/**
 * Give one line per finding, "SOURCE: PLACE: TEXT" (a warning: "SOURCE: PLACE: warning: TEXT"),
 * with its newline; of NULL, that memory ran out.
 *
 * @param tell  Gets each of them; the line is gone when it returns.
 * @param to    Goes to @p tell.
 */
void fc_findings_tell(const struct fc_findings *findings,
	void (*tell)(void *to, enum fc_severity severity, const char *line), void *to);

/** Print the lines of fc_findings_tell(). */
void fc_findings_print(const struct fc_findings *findings, FILE *stream);

#endif
