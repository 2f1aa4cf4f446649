/* SPDX-License-Identifier: MIT */
#ifndef CASES_H
#define CASES_H

#include <fc_config.h>

/*
 * Files of cases. Each case is
 *
 *	--- its name
 *	the input
 *	>>>
 *	what is expected
 *
 * Lines in front of the first case are comments.
 */

/* Make the findings of one input, a string, and put them into the list. */
typedef struct fc_config *case_reader(char *input, struct fc_findings *findings);

/*
 * Run each case of a file of the folder tests/unit/data: what the findings print (with no source)
 * and then the dump of the configuration, if there is one, must be what is expected. Fails the
 * test when there are fewer cases than min_cases.
 */
void cases_run(const char *file, case_reader *read, size_t min_cases);

/* A configuration that has no errors; fails the test where it has. */
struct fc_config *cases_parse(const char *text);

/* A whole file as a string that the caller frees; fails the test where it cannot be read. */
char *cases_read_file(const char *path);

#endif
