/* SPDX-License-Identifier: MIT */
#include "page.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct line {
	size_t end; /* in the text */
	enum fc_line_kind kind;
	bool is_losing;
};

struct fc_page {
	FILE *out;
	char *text;
	size_t size;
	size_t n_lines;
	struct line *lines;
	bool is_short; /* of memory */
};

/* The lines that are printed. */
struct window {
	size_t n_top;	/* that stay, at the top */
	size_t n_heads; /* that stay, below them, from the line `head` on */
	size_t head;
	size_t first, end;
	bool has_foot;
};

struct fc_page *fc_page_new(void)
{
	struct fc_page *page = calloc(1, sizeof(*page));

	if (page == NULL)
		return NULL;
	page->out = open_memstream(&page->text, &page->size);
	if (page->out == NULL) {
		free(page);
		return NULL;
	}
	return page;
}

void fc_page_free(struct fc_page *page)
{
	if (page == NULL)
		return;
	fclose(page->out);
	free(page->text);
	free(page->lines);
	free(page);
}

FILE *fc_page_out(struct fc_page *page)
{
	return page->out;
}

void fc_page_end_line(struct fc_page *page, enum fc_line_kind kind, bool is_losing)
{
	struct line *lines = reallocarray(page->lines, page->n_lines + 1, sizeof(*lines));

	if (lines == NULL || fflush(page->out) != 0) {
		page->is_short = true;
		page->lines = lines != NULL ? lines : page->lines;
		return;
	}
	page->lines = lines;
	lines[page->n_lines++] = (struct line){ page->size, kind, is_losing };
}

size_t fc_page_n_lines(const struct fc_page *page)
{
	return page->n_lines;
}

static void print_line(const struct fc_page *page, FILE *out, size_t index)
{
	size_t start = index > 0 ? page->lines[index - 1].end : 0;

	fwrite(page->text + start, 1, page->lines[index].end - start, out);
	fputc('\n', out);
}

int fc_page_print(struct fc_page *page, FILE *out)
{
	if (page->is_short)
		return -ENOMEM;
	for (size_t i = 0; i < page->n_lines; i++)
		print_line(page, out, i);
	return 0;
}

/*
 * The head of the section that a line is in, and how many lines it has. 0 where it would hide the
 * section's last rows, for it stands in the place of as many rows.
 */
static size_t find_head(const struct fc_page *page, size_t index, size_t n_top, size_t *head)
{
	size_t end = index, rows;

	while (end > n_top && page->lines[end].kind == FC_LINE_ROW)
		end--;
	if (page->lines[end].kind != FC_LINE_HEAD)
		return 0;
	*head = end;
	while (*head > n_top && page->lines[*head - 1].kind == FC_LINE_HEAD)
		(*head)--;
	for (rows = end + 1; rows < page->n_lines && page->lines[rows].kind == FC_LINE_HEAD;)
		rows++;
	for (end = rows; end < page->n_lines && page->lines[end].kind == FC_LINE_ROW;)
		end++;
	return end - index > rows - *head ? rows - *head : 0;
}

static struct window choose_window(const struct fc_page *page, unsigned height, size_t *top)
{
	struct window window = { 0 };
	size_t room, n_scrolling, last;

	while (window.n_top < page->n_lines && page->lines[window.n_top].kind == FC_LINE_TOP)
		window.n_top++;
	window.has_foot = height > 1 && page->n_lines != height;
	if (page->n_lines <= height) {
		*top = 0;
		window.first = window.n_top;
		window.end = page->n_lines;
		return window;
	}
	n_scrolling = page->n_lines - window.n_top;
	room = height - window.has_foot;
	/* Too low for what should stay: nothing does. */
	if (room < window.n_top + 4) {
		window.n_top = 0;
		n_scrolling = page->n_lines;
	}
	room -= window.n_top;
	last = n_scrolling - (n_scrolling < room ? n_scrolling : room);
	*top = *top < last ? *top : last;
	window.first = window.n_top + *top;
	window.end = window.first + room;
	if (room >= 4)
		window.n_heads = find_head(page, window.first, window.n_top, &window.head);
	/* Heads stand in the place of the rows that they belong to. */
	window.first += window.n_heads;
	return window;
}

/* Say what is not to be seen. */
static void describe_hidden(
	const struct fc_page *page, const struct window *window, char *text, size_t size)
{
	size_t n_above = 0, n_below = page->n_lines - window->end, n_losing = 0;
	int used = 0;

	for (size_t i = window->n_top; i < page->n_lines; i++) {
		if (i >= window->first && i < window->end)
			continue;
		if (window->n_heads > 0 && i >= window->head && i < window->head + window->n_heads)
			continue;
		n_above += i < window->first;
		n_losing += page->lines[i].is_losing && page->lines[i].kind == FC_LINE_ROW;
	}
	text[0] = '\0';
	if (n_above > 0)
		used += snprintf(text + used, size - (size_t)used, "+%zu above  ", n_above);
	if (n_below > 0)
		used += snprintf(text + used, size - (size_t)used, "+%zu below  ", n_below);
	if (n_losing > 0)
		snprintf(text + used, size - (size_t)used, "!%zu of them  ", n_losing);
}

static void print_foot(const struct fc_page *page, FILE *out, const struct window *window,
	unsigned width, const char *foot)
{
	char text[256];
	size_t used;

	describe_hidden(page, window, text, sizeof(text));
	used = strlen(text);
	snprintf(text + used, sizeof(text) - used, "%s", foot);
	if (strlen(text) > width)
		snprintf(text + width - 1, sizeof(text) - (width - 1), "~");
	fprintf(out, "%s\n", text);
}

int fc_page_print_part(struct fc_page *page, FILE *out, unsigned height, unsigned width,
	size_t *top, const char *foot)
{
	struct window window = choose_window(page, height, top);
	size_t step;

	if (page->is_short)
		return -ENOMEM;
	for (size_t i = 0; i < window.n_top; i++)
		print_line(page, out, i);
	for (size_t i = 0; i < window.n_heads; i++)
		print_line(page, out, window.head + i);
	for (size_t i = window.first; i < window.end; i++)
		print_line(page, out, i);
	if (window.has_foot) {
		/* The foot is the last line of the screen, also below a short page. */
		for (size_t i = page->n_lines + 1; i < height; i++)
			fputc('\n', out);
		print_foot(page, out, &window, width, foot);
	}
	step = window.end - window.first;
	return step > 1 ? (int)(step - 1) : 1;
}
