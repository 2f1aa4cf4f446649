/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <fc_text.h>

#define NEAREST_MAX    63 /* longer words are not compared */
#define DECIMAL_DIGITS 15 /* what a double always holds exactly */

/* <ctype.h> depends on the locale. */
static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static char to_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool is_name_char(char c)
{
	char lower = to_lower(c);

	return (lower >= 'a' && lower <= 'z') || is_digit(c) || c == '_' || c == '-' || c == '.';
}

/* Digits from *cursor on; the cursor ends behind them. */
static int read_whole(const char **cursor, uint64_t *value)
{
	uint64_t sum = 0;
	bool overflow = false;

	if (!is_digit(**cursor))
		return -EINVAL;
	for (; is_digit(**cursor); (*cursor)++) {
		uint64_t digit = (uint64_t)(**cursor - '0');

		if (__builtin_mul_overflow(sum, 10, &sum) ||
			__builtin_add_overflow(sum, digit, &sum))
			overflow = true;
	}
	*value = sum;
	return overflow ? -ERANGE : 0;
}

int fc_text_parse_whole(const char *text, uint64_t min, uint64_t max, uint64_t *value)
{
	uint64_t number = 0;
	int rc = read_whole(&text, &number);

	if (*text != '\0')
		return -EINVAL;
	if (rc == 0 && (number < min || number > max))
		rc = -ERANGE;
	if (rc == 0)
		*value = number;
	return rc;
}

int fc_text_parse_size(const char *text, uint64_t min, uint64_t max, uint64_t *size)
{
	static const char units[] = "kmgt";
	uint64_t number = 0;
	int rc = read_whole(&text, &number);

	if (rc == -EINVAL)
		return rc;
	if (*text != '\0') {
		const char *unit = strchr(units, to_lower(*text));

		if (unit == NULL || text[1] != '\0')
			return -EINVAL;
		if (__builtin_mul_overflow(
			    number, UINT64_C(1) << (10 * (unit - units + 1)), &number))
			rc = -ERANGE;
	}
	if (rc == 0 && (number < min || number > max))
		rc = -ERANGE;
	if (rc == 0)
		*size = number;
	return rc;
}

void fc_text_format_size(uint64_t size, char *buffer, size_t buffer_size)
{
	static const char units[] = { '\0', 'k', 'm', 'g', 't' };
	size_t unit = 0;

	while (size != 0 && size % 1024 == 0 && unit + 1 < sizeof(units)) {
		size /= 1024;
		unit++;
	}
	snprintf(buffer, buffer_size, "%" PRIu64 "%.1s", size, &units[unit]);
}

int fc_text_parse_decimal(const char *text, double *value)
{
	double number = 0;
	double scale = 1;
	unsigned n_digits = 0; /* significant ones */
	bool fraction = false;

	if (!is_digit(*text))
		return -EINVAL;
	for (; is_digit(*text) || (*text == '.' && !fraction && is_digit(text[1])); text++) {
		if (*text == '.') {
			fraction = true;
			continue;
		}
		if (n_digits == DECIMAL_DIGITS) {
			if (!fraction)
				number = 1e15;
			continue;
		}
		if (*text != '0' || n_digits > 0)
			n_digits++;
		number = number * 10 + (*text - '0');
		if (fraction)
			scale *= 10;
	}
	if (*text != '\0')
		return -EINVAL;
	if (number / scale >= 1e15)
		return -ERANGE;
	*value = number / scale;
	return 0;
}

/* The value of 1..max_digits hexadecimal digits; the cursor ends behind them. */
static int read_hex(const char **cursor, unsigned min_digits, unsigned max_digits, uint32_t *value)
{
	static const char digits[] = "0123456789abcdef";
	uint32_t sum = 0;
	unsigned n = 0;

	for (; n < max_digits && **cursor != '\0'; n++, (*cursor)++) {
		const char *digit = strchr(digits, to_lower(**cursor));

		if (digit == NULL)
			break;
		sum = sum << 4 | (uint32_t)(digit - digits);
	}
	*value = sum;
	return n < min_digits ? -EINVAL : 0;
}

int fc_text_parse_tpid(const char *text, uint16_t *tpid)
{
	uint32_t number = 0;

	if (text[0] != '0' || to_lower(text[1]) != 'x')
		return -EINVAL;
	text += 2;
	if (read_hex(&text, 4, 4, &number) != 0 || *text != '\0')
		return -EINVAL;
	switch (number) {
	case 0x8100:
	case 0x88a8:
	case 0x9100:
	case 0x9200:
	case 0x9300:
		*tpid = (uint16_t)number;
		return 0;
	default:
		return -ERANGE;
	}
}

bool fc_text_is_name(const char *text)
{
	size_t length = 0;

	while (length <= FC_TEXT_NAME_MAX && is_name_char(text[length]))
		length++;
	return length >= 1 && length <= FC_TEXT_NAME_MAX && text[length] == '\0';
}

static int parse_pci(const char *text, char *port, size_t port_size)
{
	uint32_t domain = 0;
	uint32_t bus = 0;
	uint32_t device = 0;
	uint32_t function = 0;
	const char *colon = strchr(text, ':');

	if (colon != NULL && strchr(colon + 1, ':') != NULL) {
		if (read_hex(&text, 4, 8, &domain) != 0 || *text++ != ':')
			return -EINVAL;
	}
	if (read_hex(&text, 2, 2, &bus) != 0 || *text++ != ':')
		return -EINVAL;
	if (read_hex(&text, 2, 2, &device) != 0 || *text++ != '.')
		return -EINVAL;
	if (read_hex(&text, 1, 1, &function) != 0 || *text != '\0')
		return -EINVAL;
	if (device > 0x1f || function > 7)
		return -EINVAL;
	int n = snprintf(port, port_size, "%.4" PRIx32 ":%.2" PRIx32 ":%.2" PRIx32 ".%" PRIx32,
		domain, bus, device, function);
	return n < 0 || (size_t)n >= port_size ? -EINVAL : 0;
}

int fc_text_parse_port(const char *text, char *port, size_t port_size)
{
	char pci[32];
	size_t length = 0;

	if (parse_pci(text, pci, sizeof(pci)) == 0) {
		text = pci;
		length = strlen(pci);
	} else {
		while (length < port_size && is_name_char(text[length]))
			length++;
		if (length == 0 || text[length] != '\0')
			return -EINVAL;
	}
	if (length >= port_size)
		return -EINVAL;
	memcpy(port, text, length + 1);
	return 0;
}

const char *fc_text_show(const char *text, char buffer[FC_TEXT_SHOWN_SIZE])
{
	static const char cut[] = "...";
	const size_t room = FC_TEXT_SHOWN_SIZE - sizeof(cut);
	size_t length = 0;

	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;
		bool printable = c >= 0x20 && c <= 0x7e;
		size_t needed = printable ? 1 : 4;

		if (length + needed > room) {
			memcpy(buffer + length, cut, sizeof(cut));
			return buffer;
		}
		if (printable)
			buffer[length] = (char)c;
		else
			snprintf(buffer + length, 5, "\\x%02x", (unsigned)c);
		length += needed;
	}
	buffer[length] = '\0';
	return buffer;
}

static unsigned min_of(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

/*
 * The optimal string alignment distance, blind to upper and lower case. Three rows of the matrix
 * are kept: a swap looks two rows back.
 */
static unsigned count_edits(const char *a, size_t a_length, const char *b, size_t b_length)
{
	unsigned rows[3][NEAREST_MAX + 1];

	for (size_t j = 0; j <= b_length; j++)
		rows[0][j] = (unsigned)j;
	for (size_t i = 1; i <= a_length; i++) {
		const unsigned *above = rows[(i - 1) % 3];
		unsigned *row = rows[i % 3];

		row[0] = (unsigned)i;
		for (size_t j = 1; j <= b_length; j++) {
			bool same = to_lower(a[i - 1]) == to_lower(b[j - 1]);
			unsigned edits = above[j - 1] + (same ? 0 : 1);

			edits = min_of(edits, min_of(above[j], row[j - 1]) + 1);
			if (i > 1 && j > 1 && to_lower(a[i - 1]) == to_lower(b[j - 2]) &&
				to_lower(a[i - 2]) == to_lower(b[j - 1]))
				edits = min_of(edits, rows[(i - 2) % 3][j - 2] + 1);
			row[j] = edits;
		}
	}
	return rows[a_length % 3][b_length];
}

void fc_nearest_offer(struct fc_nearest *nearest, const char *known)
{
	size_t a_length = strnlen(nearest->word, NEAREST_MAX + 1);
	size_t b_length = strnlen(known, NEAREST_MAX + 1);
	size_t longer = a_length > b_length ? a_length : b_length;

	if (longer > NEAREST_MAX)
		return;
	unsigned edits = count_edits(nearest->word, a_length, known, b_length);
	/* A third of the letters may be wrong, but not all of them. */
	if (edits > (longer + 1) / 3 || edits >= longer)
		return;
	if (nearest->best == NULL || edits < nearest->distance) {
		nearest->best = known;
		nearest->distance = edits;
	}
}

bool fc_text_begins(const char *text, const char *start)
{
	return strncmp(text, start, strlen(start)) == 0;
}
