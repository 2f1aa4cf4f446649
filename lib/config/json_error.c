/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "json_error.h"

#define SHOWN_LINE   80 /* bytes of a line that a message shows */
#define SHOWN_BEFORE 50 /* of them at most, in front of the mistake */

/* Where the text is wrong. */
struct mistake {
	const char *text;
	size_t size;
	const char *said;   /* jansson's words */
	size_t start, end;  /* the token that it did not expect */
	size_t before;	    /* what stands in front of it: the last byte that is not blank */
	char first, former; /* the first byte of the token, and that byte; NUL: there is none */
};

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '$';
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Bytes of the token that jansson shows at the end of its message, at least 1. */
static size_t token_length(const char *said)
{
	static const char mark[] = " near '";
	const char *near = strstr(said, mark);
	size_t length = near != NULL ? strlen(near) - strlen(mark) : 0;

	return length > 1 ? length - 1 : 1; /* without the closing quote */
}

static struct mistake find_mistake(const char *text, size_t size, const json_error_t *error)
{
	struct mistake m = { .text = text, .size = size, .said = error->text };
	size_t length = token_length(error->text);

	m.end = (size_t)error->position < size ? (size_t)error->position : size;
	m.start = m.end > length ? m.end - length : 0;
	if (strstr(error->text, "near end of file") != NULL)
		m.start = m.end = size;
	m.before = m.start;
	while (m.before > 0 && is_space(text[m.before - 1]))
		m.before--;
	m.first = m.start < size ? text[m.start] : '\0';
	m.former = m.before > 0 ? text[--m.before] : '\0';
	return m;
}

static bool begins_with(const struct mistake *m, const char *with)
{
	return strncmp(m->said, with, strlen(with)) == 0;
}

static bool is_word(const struct mistake *m, const char *word)
{
	return m->end - m->start == strlen(word) &&
	       memcmp(m->text + m->start, word, strlen(word)) == 0;
}

static const char *hint_of_word(const struct mistake *m)
{
	static const char *const constants[] = { "True", "False", "None", "TRUE", "FALSE", "NULL",
		"Null" };

	for (size_t i = 0; i < sizeof(constants) / sizeof(constants[0]); i++)
		if (is_word(m, constants[i]))
			return "JSON writes true, false and null in small letters";
	if (is_word(m, "NaN") || is_word(m, "Infinity"))
		return "JSON has no such number";
	if (is_digit(m->former) && m->before + 1 == m->start)
		return "a number is decimal digits only; a size such as \"100m\" or an address is "
		       "a string in double quotes";
	return "JSON has names and strings in double quotes";
}

/* What was probably done, or NULL. Moves the place to where it is to be mended. */
static const char *guess_hint(struct mistake *m)
{
	bool wants_more = begins_with(m, "'}' expected") || begins_with(m, "']' expected");

	if (begins_with(m, "unexpected newline"))
		return "a string ends on its line: a double quote is missing";
	if (m->start == m->size)
		return "the file ends too early: a brace, bracket or quote is not closed";
	if ((m->first == '/' && m->end < m->size &&
		    (m->text[m->end] == '/' || m->text[m->end] == '*')) ||
		m->first == '#')
		return "JSON has no comments; take it out, or make it a \"description\"";
	if (begins_with(m, "end of file expected"))
		return "the configuration has ended before this";
	if (m->first == '\'' || (unsigned char)m->first >= 0x80)
		return "JSON has names and strings in plain double quotes";
	if ((m->first == '}' || m->first == ']' || m->first == ',') && m->former == ',') {
		m->start = m->before;
		return "this comma is one too many";
	}
	if (begins_with(m, "':' expected"))
		return "a colon is missing between a name and its value";
	if (wants_more && (m->first == '"' || m->first == '{' || m->first == '[')) {
		m->start = m->before + 1;
		return "a comma is missing here";
	}
	if (begins_with(m, "invalid token") && is_digit(m->first))
		return "a number does not begin with 0; an address is a string in double quotes";
	return is_letter(m->first) && !begins_with(m, "duplicate") ? hint_of_word(m) : NULL;
}

/* The line that has this place, without blanks around it; of a long one what is near. */
static void show_line(const char *text, size_t size, size_t at, char shown[SHOWN_LINE + 1])
{
	size_t first = at, last = at, n = 0;

	while (first > 0 && text[first - 1] != '\n')
		first--;
	while (last < size && text[last] != '\n')
		last++;
	while (first < at && is_space(text[first]))
		first++;
	if (at - first > SHOWN_BEFORE)
		first = at - SHOWN_BEFORE;
	while (last > first && is_space(text[last - 1]))
		last--;
	for (size_t i = first; i < last && n < SHOWN_LINE; i++)
		shown[n++] = text[i] == '\t' ? ' ' : text[i];
	shown[n] = '\0';
}

static void print_place(const struct mistake *m, char *place, size_t size)
{
	size_t line = 1, column = 1;

	for (size_t i = 0; i < m->start; i++) {
		bool is_character = ((unsigned char)m->text[i] & 0xc0) != 0x80;

		column = m->text[i] == '\n' ? 1 : column + is_character;
		line += m->text[i] == '\n';
	}
	snprintf(place, size, "line %zu, column %zu", line, column);
}

void fc_json_error_explain(
	const char *text, size_t size, const json_error_t *error, struct fc_findings *findings)
{
	char place[64], shown[SHOWN_LINE + 1];
	struct mistake m;
	const char *hint;

	if (error->text[0] == '\0') {
		fc_findings_add(findings, FC_ERROR, "", "out of memory");
		return;
	}
	m = find_mistake(text, size, error);
	hint = guess_hint(&m);
	/* Where the file ends it is the last line with anything in it that is shown. */
	show_line(text, size, m.start < size ? m.start : m.before, shown);
	snprintf(place, sizeof(place), "line %d, column %d", error->line, error->column);
	if (hint != NULL)
		print_place(&m, place, sizeof(place));
	if (json_error_code(error) == json_error_null_character)
		fc_findings_add(findings, FC_ERROR, place,
			"a string cannot have a NUL character: %s", shown);
	else if (hint != NULL)
		fc_findings_add(findings, FC_ERROR, place, "%s (%s): %s", hint, error->text, shown);
	else
		fc_findings_add(findings, FC_ERROR, place, "%s: %s", error->text, shown);
}

int fc_json_error_check(const char *text, size_t size, struct fc_findings *findings)
{
	const char *nul = memchr(text, '\0', size);

	if (size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
		fc_findings_add(findings, FC_ERROR, "",
			"begins with a byte order mark (BOM), which JSON does not have; save it as "
			"UTF-8 without BOM");
		return -EINVAL;
	}
	if (size >= 2 && (memcmp(text, "\xff\xfe", 2) == 0 || memcmp(text, "\xfe\xff", 2) == 0)) {
		fc_findings_add(findings, FC_ERROR, "", "is UTF-16; save it as UTF-8 without BOM");
		return -EINVAL;
	}
	/* jansson takes it for the end of the text in some places. */
	if (nul != NULL) {
		fc_findings_add(findings, FC_ERROR, "", "is not text: byte %zu is NUL",
			(size_t)(nul - text));
		return -EINVAL;
	}
	return 0;
}
