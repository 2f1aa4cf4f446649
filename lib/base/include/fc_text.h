/* SPDX-License-Identifier: MIT */
#ifndef FC_TEXT_H
#define FC_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * Reading and showing the small texts of configurations and command lines.
 *
 * Every parser takes the whole text: leading or trailing blanks, signs and anything after the
 * value are errors. None of them looks at the locale, and none changes its result on an error.
 * All functions may be called from any thread.
 */

#define FC_TEXT_NAME_MAX   31 /**< characters of a tap's or output's name */
#define FC_TEXT_SHOWN_SIZE 48 /**< bytes that fc_text_show() writes at most, its NUL included */

/**
 * Read a whole number in decimal digits.
 *
 * @param text   Such as "4094".
 * @param min    Smallest value allowed.
 * @param max    Largest value allowed.
 * @param value  Gets the number.
 * @return       0; -EINVAL: not a whole number; -ERANGE: not in min..max (or beyond 64 bits).
 */
int fc_text_parse_whole(const char *text, uint64_t min, uint64_t max, uint64_t *value);

/**
 * Read a size in bytes: a whole number, then nothing or one of k, m, g, t (either case), which
 * stand for powers of 1024.
 *
 * @param min, max  Range allowed, bytes.
 * @param size      Gets the bytes.
 * @return          0; -EINVAL: not a size; -ERANGE: not in min..max (or beyond 64 bits).
 */
int fc_text_parse_size(const char *text, uint64_t min, uint64_t max, uint64_t *size);

/**
 * Write a size so that fc_text_parse_size() reads the same value: in the largest unit that
 * divides it, such as "64m" or "65537".
 *
 * @param buffer       Gets the text and a NUL; 21 bytes are always enough.
 * @param buffer_size  Bytes of it, at least 1; a text that does not fit is cut.
 */
void fc_text_format_size(uint64_t size, char *buffer, size_t buffer_size);

/**
 * Read a decimal number: digits, and where wanted a point and more digits; no exponent. Digits
 * after the 15th significant one are ignored.
 *
 * @param value  Gets the number.
 * @return       0; -EINVAL: not a decimal number; -ERANGE: 10^15 or more.
 */
int fc_text_parse_decimal(const char *text, double *value);

/**
 * Read a TPID, the ethertype of a VLAN tag: "0x" and four hexadecimal digits.
 *
 * @param tpid  Gets the number, host order.
 * @return      0; -EINVAL: not of that form; -ERANGE: none of 0x8100, 0x88a8, 0x9100, 0x9200,
 *              0x9300.
 */
int fc_text_parse_tpid(const char *text, uint16_t *tpid);

/** Whether the text is a name: 1..31 of A-Z, a-z, 0-9, '_', '-' and '.'. */
bool fc_text_is_name(const char *text);

/**
 * Read a port's name: a PCI address such as "0000:03:00.1", or a vdev's name (letters, digits,
 * '_', '-', '.').
 *
 * A PCI address may lack its domain and may be in upper case; the result is what EAL calls the
 * device: the domain in 4 digits (more where it needs them), lower case.
 *
 * @param port       Gets the name.
 * @param port_size  Bytes of it; a name that needs more with its NUL is an error.
 * @return           0; -EINVAL: neither of the two.
 */
int fc_text_parse_port(const char *text, char *port, size_t port_size);

/**
 * Make a text fit to be put into a message: at most a few dozen characters, "..." where it was
 * cut, and "\xNN" for every byte that is not printable ASCII.
 *
 * @param buffer  Gets the result and a NUL.
 * @return        The buffer.
 */
const char *fc_text_show(const char *text, char buffer[FC_TEXT_SHOWN_SIZE]);

/**
 * The search for the known word that a wrong one was probably meant to be.
 *
 * Set `word` (and the rest to zero), offer every known word, then look at `best`: NULL when none
 * is near enough to be suggested. The words belong to the caller and must outlive the search.
 */
struct fc_nearest {
	const char *word;  /**< what was written */
	const char *best;  /**< the nearest known word so far */
	unsigned distance; /**< of `best`: letters to insert, remove, replace or swap */
};

/** Offer one known word to a search; of equally near ones the first offered stays. */
void fc_nearest_offer(struct fc_nearest *nearest, const char *known);

/** Whether @p text begins with @p start. Any thread. */
bool fc_text_begins(const char *text, const char *start);

#endif
