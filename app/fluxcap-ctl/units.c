/* SPDX-License-Identifier: MIT */
#include "units.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static int decimals_of(double value)
{
	if (value < 9.995)
		return 2;
	return value < 99.95 ? 1 : 0;
}

void fc_unit_si(char *text, double value)
{
	static const char prefixes[] = { 'k', 'M', 'G', 'T', 'P', 'E' };
	size_t next = 0;

	if (isnan(value) || value < 0) {
		snprintf(text, FC_SI_SIZE, "-");
		return;
	}
	if (value > 0 && value < 0.005) {
		snprintf(text, FC_SI_SIZE, "<.01");
		return;
	}
	if (value < 999.5) {
		int decimals = value == floor(value) ? 0 : decimals_of(value);

		snprintf(text, FC_SI_SIZE, "%.*f", decimals, value);
		return;
	}
	while (value >= 999.5 && next < sizeof(prefixes)) {
		value /= 1000;
		next++;
	}
	if (value >= 999.5)
		value = 999;
	snprintf(text, FC_SI_SIZE, "%.*f%c", decimals_of(value), value, prefixes[next - 1]);
}

void fc_unit_count(char *text, int64_t value)
{
	char digits[FC_COUNT_SIZE];
	/* Negated as unsigned: INT64_MIN has no positive counterpart. */
	uint64_t magnitude = value < 0 ? -(uint64_t)value : (uint64_t)value;
	int n_digits = snprintf(digits, sizeof(digits), "%" PRIu64, magnitude);
	size_t used = 0;

	if (value < 0)
		text[used++] = '-';
	for (int i = 0; i < n_digits; i++) {
		if (i > 0 && (n_digits - i) % 3 == 0)
			text[used++] = ',';
		text[used++] = digits[i];
	}
	text[used] = '\0';
}

void fc_unit_duration(char *text, uint64_t seconds)
{
	uint64_t days = seconds / 86400;
	unsigned rest = seconds % 86400;
	int used = 0;

	if (days > 0)
		used = snprintf(text, FC_DURATION_SIZE, "%" PRIu64 "d ", days);
	snprintf(text + used, FC_DURATION_SIZE - (size_t)used, "%02u:%02u:%02u", rest / 3600,
		rest / 60 % 60, rest % 60);
}

/* The length of a bar in eighths of a column. */
static unsigned bar_eighths(double value, unsigned width)
{
	double share;
	unsigned eighths;

	if (isnan(value) || value <= 0 || width == 0)
		return 0;
	share = log10(value / FC_BAR_LOW) / log10(FC_BAR_HIGH / FC_BAR_LOW);
	if (share >= 1)
		return width * 8;
	eighths = share > 0 ? (unsigned)lround(share * width * 8) : 0;
	return eighths > 0 ? eighths : 1;
}

unsigned fc_unit_bar(char *text, double value, unsigned width, bool utf8)
{
	static const char *const blocks[] = { "", "▏", "▎", "▍", "▌", "▋", "▊", "▉" };
	unsigned eighths = bar_eighths(value, width);
	const char *full = utf8 ? "█" : "#";
	size_t full_size = strlen(full);
	const char *last;

	for (unsigned i = 0; i < eighths / 8; i++) {
		memcpy(text, full, full_size);
		text += full_size;
	}
	if (eighths % 8 == 0)
		last = "";
	else if (utf8)
		last = blocks[eighths % 8];
	else
		last = eighths % 8 >= 4 ? "#" : "-";
	memcpy(text, last, strlen(last) + 1);
	return (eighths + 7) / 8;
}

void fc_unit_scale(char *text, unsigned width)
{
	static const struct {
		const char *label;
		double value;
	} marks[] = { { "1k", 1e3 }, { "1M", 1e6 }, { "1G", 1e9 } };
	static const char last[] = "100G";
	const unsigned last_size = sizeof(last) - 1;
	unsigned free_from = 0;

	memset(text, ' ', width);
	text[width] = '\0';
	if (width < last_size)
		return;
	memcpy(text + width - last_size, last, last_size);
	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
		unsigned size = (unsigned)strlen(marks[i].label);
		unsigned at = bar_eighths(marks[i].value, width) / 8;

		if (at < free_from || at + size + 1 > width - last_size)
			continue;
		memcpy(text + at, marks[i].label, size);
		free_from = at + size + 1;
	}
}

void fc_unit_printable(char *text, size_t size, const char *other)
{
	size_t i;

	for (i = 0; other[i] != '\0' && i < size - 1; i++)
		text[i] = other[i] >= 0x20 && other[i] < 0x7f ? other[i] : '?';
	text[i] = '\0';
	if (other[i] != '\0')
		text[i - 1] = '~';
}
