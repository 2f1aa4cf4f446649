/* SPDX-License-Identifier: MIT */
#ifndef FC_CTL_ORDER_H
#define FC_CTL_ORDER_H

#include <stdbool.h>
#include <stddef.h>

#include "counters.h"

/** What rows are sorted by. */
enum fc_order {
	FC_ORDER_CONFIG, /**< as the process lists them: the order of its configuration */
	FC_ORDER_NAME,
	FC_ORDER_BITS,
	FC_ORDER_PACKETS,
	FC_ORDER_DROPS,
	FC_ORDER_BACKLOG, /**< by the share of the ring, then by packets */
	FC_N_ORDERS,
};

/** The word for an order, as --sort takes it. */
const char *fc_order_name(enum fc_order order);

/** The order that a word stands for, or -EINVAL. A part of the word that is unique will do. */
int fc_order_parse(const char *word);

/**
 * Put rows in order: numbers from the greatest on, names from A on. Unknown numbers come last, also
 * the other way round; equal ones keep the order of the configuration.
 *
 * @param rows        Of one sample; changed in place.
 * @param is_reverse  The other way round.
 */
void fc_order_sort(const struct fc_row **rows, size_t n_rows, enum fc_order order, bool is_reverse);

#endif
