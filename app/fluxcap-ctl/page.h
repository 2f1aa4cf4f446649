/* SPDX-License-Identifier: MIT */
#ifndef FC_CTL_PAGE_H
#define FC_CTL_PAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/** How a line behaves when there are more of them than the screen has. */
enum fc_line_kind {
	FC_LINE_TOP,   /**< stays at the top; all such lines come first */
	FC_LINE_HEAD,  /**< of the rows that follow; stays above them */
	FC_LINE_ROW,   /**< scrolls */
	FC_LINE_ALONE, /**< scrolls, and belongs to no head */
};

/** A text of many lines, of which a screen shows a part. */
struct fc_page;

/** An empty page, or NULL when out of memory. */
struct fc_page *fc_page_new(void);

/** Free a page. NULL is allowed. */
void fc_page_free(struct fc_page *page);

/** Where to write the line that comes next, without its newline. Valid until the page is freed. */
FILE *fc_page_out(struct fc_page *page);

/**
 * End the line that was written.
 *
 * @param is_losing  Whether it tells of packets that are lost now.
 */
void fc_page_end_line(struct fc_page *page, enum fc_line_kind kind, bool is_losing);

/** Number of lines that ended. */
size_t fc_page_n_lines(const struct fc_page *page);

/**
 * Print all lines, each with a newline behind it.
 *
 * @return  0, or -ENOMEM when the page has not got all that was written to it.
 */
int fc_page_print(struct fc_page *page, FILE *out);

/**
 * Print the part of a page that fits, each line with a newline behind it.
 *
 * Where lines are hidden, the last line that is printed tells how many.
 *
 * @param height  Lines that there are, >= 1.
 * @param width   Columns of the last line, >= 1.
 * @param top     Lines that are scrolled off; brought into the range that there is.
 * @param foot    What to show in the last line if there is room.
 * @return        Lines that scroll in one step of a whole screen, >= 1; or -ENOMEM.
 */
int fc_page_print_part(struct fc_page *page, FILE *out, unsigned height, unsigned width,
	size_t *top, const char *foot);

#endif
