/* SPDX-License-Identifier: MIT */
#ifndef FC_CTL_UNITS_H
#define FC_CTL_UNITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Bytes that hold the text of fc_unit_si(), which has at most 5 characters. */
#define FC_SI_SIZE	 8
/** Bytes that hold the text of fc_unit_count(). */
#define FC_COUNT_SIZE	 32
/** Bytes that hold the text of fc_unit_duration(). */
#define FC_DURATION_SIZE 40

/** The ends of the bar's scale, in bit/s. */
#define FC_BAR_LOW  1e3
#define FC_BAR_HIGH 1e11

/** Bytes that hold a bar of @p width columns with its NUL. */
#define FC_BAR_SIZE(width) ((size_t)(width)*3 + 1)

/**
 * Write a value in at most 5 characters: three significant digits and an SI prefix (k, M, G, ...).
 *
 * Whole numbers below 1000 stay whole. A value too small for two decimals but not zero is "<.01",
 * so that something never looks like nothing.
 *
 * @param text   Gets the text; FC_SI_SIZE bytes.
 * @param value  Any value; one that is not a number, or negative, is unknown: "-".
 */
void fc_unit_si(char *text, double value);

/** Write a whole number with a comma after each three digits. @p text has FC_COUNT_SIZE bytes. */
void fc_unit_count(char *text, int64_t value);

/** Write a time as "2d 03:12:45", without the days below one. @p text has FC_DURATION_SIZE bytes.
 */
void fc_unit_duration(char *text, uint64_t seconds);

/**
 * Draw a rate as a bar on a log10 scale from FC_BAR_LOW to FC_BAR_HIGH.
 *
 * Zero and unknown give no bar; every rate above zero gives at least the smallest one.
 *
 * @param text   Gets the bar, not padded; FC_BAR_SIZE(width) bytes.
 * @param value  Bit/s.
 * @param width  Columns of a full bar.
 * @param utf8   Draw with block elements (U+2588..U+258F), else with '#' and '-'.
 * @return       Columns drawn.
 */
unsigned fc_unit_bar(char *text, double value, unsigned width, bool utf8);

/**
 * Write the marks of the bar's scale (1k, 1M, 1G, 100G), each where its value ends a bar.
 *
 * Marks for which there is no room are left out.
 *
 * @param text   Gets exactly @p width characters and a NUL.
 * @param width  Columns of a full bar.
 */
void fc_unit_scale(char *text, unsigned width);

/**
 * Copy a text from elsewhere so that it can go to a terminal: what is not printable ASCII becomes
 * '?'. A text that does not fit ends in '~'.
 *
 * @param text   Gets at most @p size - 1 characters and a NUL.
 * @param size   At least 2.
 * @param other  NUL-terminated.
 */
void fc_unit_printable(char *text, size_t size, const char *other);

#endif
