/* SPDX-License-Identifier: MIT */
#ifndef FC_CTL_SHOW_H
#define FC_CTL_SHOW_H

#include <stdbool.h>
#include <stdio.h>

#include <jansson.h>

/**
 * Print all counters for people: one block per tap, output and feed, packets and bytes side by
 * side, and a table of lcores.
 *
 * @param out  Gets the text.
 * @param all  What fc_fetch_all() gives. Fields that this program has not heard of are printed too.
 * @param zeros  Print also the drop reasons that are zero.
 */
void fc_show_print(FILE *out, const json_t *all, bool zeros);

#endif
