/* SPDX-License-Identifier: MIT */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "finding_texts.h"

#define WHOLE_SIZE 2048
#define MAX_PLACE  512 /* what is left is more than a list of findings keeps of a text */

static const enum fc_severity order[] = { FC_ERROR, FC_WARNING, FC_NOTE };
static const char *const levels[] = { "error", "warning", "note" };

/* What is still free. */
struct room {
	size_t n, size;
};

/* Bytes that a text takes in JSON, with its quotes and a comma. */
static size_t json_size(const char *text)
{
	size_t size = 3;

	for (; *text != '\0'; text++)
		size += *text == '"' || *text == '\\' ? 2 : 1;
	return size;
}

/* How much of a text goes into one piece of @max bytes at most: up to a blank if there is one. */
static size_t piece_length(const char *text, size_t max)
{
	size_t length = strlen(text);

	if (length <= max)
		return length;
	for (length = max; length > 1; length--)
		if (text[length] == ' ')
			return length;
	return max;
}

/* The next piece of a text, which begins with a blank unless it is the first; what is behind it. */
static const char *cut_piece(char piece[FC_FINDING_TEXT_SIZE], const char *text, bool is_first)
{
	size_t n_blanks = is_first || *text == ' ' ? 0 : 1;
	size_t length = piece_length(text, FC_FINDING_TEXT_SIZE - 1 - n_blanks);

	memset(piece, ' ', n_blanks);
	memcpy(piece + n_blanks, text, length);
	piece[n_blanks + length] = '\0';
	return text + length;
}

static struct room room_of(const char *whole)
{
	struct room needed = { 0 };
	char piece[FC_FINDING_TEXT_SIZE];
	const char *rest = whole;

	do {
		rest = cut_piece(piece, rest, rest == whole);
		needed.n++;
		needed.size += json_size(piece);
	} while (*rest != '\0');
	return needed;
}

static bool take_room(struct room *room, const char *whole)
{
	struct room needed = room_of(whole);

	if (needed.n > room->n || needed.size > room->size)
		return false;
	room->n -= needed.n;
	room->size -= needed.size;
	return true;
}

static void write_whole(
	char whole[WHOLE_SIZE], const struct fc_finding *finding, const char *source)
{
	const char *place = finding->place[0] != '\0' ? finding->place : source;

	snprintf(whole, WHOLE_SIZE, "%s: %.*s: %s", levels[finding->severity], MAX_PLACE, place,
		finding->text);
}

void fc_finding_texts(const struct fc_findings *findings, const char *source, size_t n_max,
	size_t size_max, void (*add)(void *to, const char *text), void *to)
{
	struct room room = { n_max - 1, size_max - FC_FINDING_TEXT_SIZE }; /* without the last */
	char whole[WHOLE_SIZE], piece[FC_FINDING_TEXT_SIZE];
	size_t n_left_out = 0;

	for (size_t i = 0; i < 3 * fc_findings_count(findings); i++) {
		struct fc_finding finding =
			fc_findings_get(findings, i % fc_findings_count(findings));
		const char *rest = whole;

		if (finding.severity != order[i / fc_findings_count(findings)])
			continue;
		write_whole(whole, &finding, source);
		if (n_left_out != 0 || !take_room(&room, whole)) {
			n_left_out++;
			continue;
		}
		do {
			rest = cut_piece(piece, rest, rest == whole);
			add(to, piece);
		} while (*rest != '\0');
	}
	if (n_left_out != 0) {
		snprintf(piece, sizeof(piece), "note: %zu more findings do not fit in here",
			n_left_out);
		add(to, piece);
	}
}
