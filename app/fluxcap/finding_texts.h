/* SPDX-License-Identifier: MIT */
#ifndef FC_FINDING_TEXTS_H
#define FC_FINDING_TEXTS_H

#include <stddef.h>

#include <fc_findings.h>

/** Findings for a reply of telemetry, which takes short texts, and a few KiB of them. */

#define FC_FINDING_TEXT_SIZE 128 /**< of one text with its NUL (RTE_TEL_MAX_STRING_LEN) */

/**
 * Give findings as texts: "LEVEL: PLACE: TEXT", where LEVEL is error, warning or note. Errors come
 * first, then warnings, then notes, each in the order of their adding.
 *
 * A finding that is longer than one text goes on in the next ones, which begin with a blank: put
 * one behind the other, they are the finding. When not all fit, a last text says how many are left
 * out; none is given in part.
 *
 * @param source    The place of a finding that has none.
 * @param n_max     Texts at most, the last one included.
 * @param size_max  Bytes at most, as texts of a JSON array.
 * @param add       Gets each text, which has less than FC_FINDING_TEXT_SIZE bytes.
 * @param to        For add.
 */
void fc_finding_texts(const struct fc_findings *findings, const char *source, size_t n_max,
	size_t size_max, void (*add)(void *to, const char *text), void *to);

#endif
