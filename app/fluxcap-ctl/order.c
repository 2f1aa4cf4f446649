/* SPDX-License-Identifier: MIT */
#include "order.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[FC_N_ORDERS] = {
	[FC_ORDER_CONFIG] = "config",
	[FC_ORDER_NAME] = "name",
	[FC_ORDER_BITS] = "bits",
	[FC_ORDER_PACKETS] = "packets",
	[FC_ORDER_DROPS] = "drops",
	[FC_ORDER_BACKLOG] = "backlog",
};

struct rule {
	enum fc_order order;
	bool is_reverse;
};

const char *fc_order_name(enum fc_order order)
{
	return names[order];
}

int fc_order_parse(const char *word)
{
	size_t size = strlen(word);
	int found = -EINVAL;

	for (int i = 0; i < FC_N_ORDERS; i++) {
		if (size == 0 || strncmp(names[i], word, size) != 0)
			continue;
		if (found >= 0)
			return -EINVAL;
		found = i;
	}
	return found;
}

static double key_of(const struct fc_row *row, enum fc_order order)
{
	switch (order) {
	case FC_ORDER_BITS:
		return row->rates[FC_BYTES];
	case FC_ORDER_PACKETS:
		return row->rates[FC_PACKETS];
	case FC_ORDER_DROPS:
		return fc_row_sum(row, FC_LOSSES);
	default:
		return row->ring_share;
	}
}

/* The greater one first, or the smaller one; what is not known last. */
static int compare_numbers(double a, double b, bool is_reverse)
{
	if (isnan(a) || isnan(b))
		return isnan(a) - isnan(b);
	return is_reverse ? (a > b) - (a < b) : (a < b) - (a > b);
}

static int compare(const void *left, const void *right, void *context)
{
	const struct fc_row *a = *(const struct fc_row *const *)left;
	const struct fc_row *b = *(const struct fc_row *const *)right;
	const struct rule *rule = context;
	int place = (a > b) - (a < b), difference;

	switch (rule->order) {
	case FC_ORDER_CONFIG:
		return rule->is_reverse ? -place : place;
	case FC_ORDER_NAME:
		difference = strcmp(a->name, b->name);
		return rule->is_reverse ? -difference : difference;
	default:
		difference = compare_numbers(
			key_of(a, rule->order), key_of(b, rule->order), rule->is_reverse);
		if (difference == 0 && rule->order == FC_ORDER_BACKLOG)
			difference = compare_numbers(a->backlog, b->backlog, rule->is_reverse);
		return difference != 0 ? difference : place;
	}
}

void fc_order_sort(const struct fc_row **rows, size_t n_rows, enum fc_order order, bool is_reverse)
{
	struct rule rule = { order, is_reverse };

	if (n_rows > 1)
		qsort_r(rows, n_rows, sizeof(rows[0]), compare, &rule);
}
