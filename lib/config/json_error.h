/* SPDX-License-Identifier: MIT */
#ifndef FC_JSON_ERROR_H
#define FC_JSON_ERROR_H

#include <stddef.h>

#include <jansson.h>

#include <fc_findings.h>

/**
 * Say why a text is not JSON: what jansson found, what a person probably did, and the line.
 *
 * @param text   What was read, need not end in NUL.
 * @param size   Bytes of it.
 * @param error  What jansson made of it; without a text memory ran out.
 */
void fc_json_error_explain(
	const char *text, size_t size, const json_error_t *error, struct fc_findings *findings);

/**
 * Refuse what is no UTF-8 text from its beginning: a byte order mark, UTF-16, a NUL.
 *
 * @return  0, or -EINVAL with a finding.
 */
int fc_json_error_check(const char *text, size_t size, struct fc_findings *findings);

#endif
