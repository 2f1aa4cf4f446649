/* SPDX-License-Identifier: MIT */
#include "show.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "units.h"

#define NAME_WIDTH  18
#define COUNT_WIDTH 26
#define TEXT_SIZE   256
#define LINE_WIDTH  78

/*
 * What packets are lost by, hints about them, and differences that should be none: not worth a line
 * when zero.
 */
static const char *const drop_reasons[] = {
	"rx_missed",
	"rx_nombuf",
	"rx_errors",
	"not_ours",
	"malformed",
	"malformed_cut",
	"malformed_no_length",
	"bad_checksum",
	"filtered",
	"sampled_out",
	"nombuf",
	"handoff_full",
	"overrun",
	"unresolved",
	"oversize",
	"tx_refused",
	"tx_errors",
	"unaccounted",
};

/* Whole numbers that count nothing. */
static const char *const settings[] = { "link", "ring_bytes", "ring_buffers", "pool_size",
	"pool_free", "flaps", "last_change" };

/* The ends of names of whole numbers that are times. */
static const char *const time_units[] = { "_s", "_ms", "_us", "_ns" };

static bool is_in(const char *key, const char *const *list, size_t n_list)
{
	for (size_t i = 0; i < n_list; i++)
		if (strcmp(key, list[i]) == 0)
			return true;
	return false;
}

static bool ends_in(const char *key, const char *end)
{
	size_t n_key = strlen(key), n_end = strlen(end);

	return n_key > n_end && strcmp(key + n_key - n_end, end) == 0;
}

/* Reassembly counts nothing on most taps, whatever its counters are. */
static bool is_drop_reason(const char *key)
{
	return is_in(key, drop_reasons, sizeof(drop_reasons) / sizeof(drop_reasons[0])) ||
	       strncmp(key, "fragments_", strlen("fragments_")) == 0;
}

static bool is_time(const char *key)
{
	for (size_t i = 0; i < sizeof(time_units) / sizeof(time_units[0]); i++)
		if (ends_in(key, time_units[i]))
			return true;
	return false;
}

static bool is_counter(const char *key, const json_t *value)
{
	return json_is_integer(value) && !is_time(key) &&
	       !is_in(key, settings, sizeof(settings) / sizeof(settings[0]));
}

static const char *value_text(char *text, const json_t *value)
{
	char number[32];

	if (json_is_integer(value)) {
		fc_unit_count(text, json_integer_value(value));
	} else if (json_is_string(value) && json_string_length(value) > 0) {
		fc_unit_printable(text, TEXT_SIZE, json_string_value(value));
	} else if (json_is_real(value)) {
		snprintf(number, sizeof(number), "%.17g", json_real_value(value));
		fc_unit_printable(text, TEXT_SIZE, number);
	} else if (json_is_null(value) || json_is_string(value)) {
		fc_unit_printable(text, TEXT_SIZE, "-");
	} else {
		char *dump = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);

		fc_unit_printable(text, TEXT_SIZE, dump != NULL ? dump : "?");
		free(dump);
	}
	return text;
}

/* The name of the counter that stands beside another: rx_packets - rx_bytes, filtered -
 * filtered_bytes. */
static void byte_name(char *name, size_t size, const char *key)
{
	size_t n_key = strlen(key);
	static const char packets[] = "_packets";
	const size_t n_packets = sizeof(packets) - 1;

	if (n_key > n_packets && strcmp(key + n_key - n_packets, packets) == 0)
		n_key -= n_packets;
	snprintf(name, size, "%.*s_bytes", (int)n_key, key);
}

/* Whether this is the byte counter of another field of the object, which prints it. */
static bool is_byte_counter(const json_t *object, const char *key)
{
	size_t n_key = strlen(key);
	static const char bytes[] = "_bytes";
	const size_t n_bytes = sizeof(bytes) - 1;
	char base[TEXT_SIZE];

	if (n_key <= n_bytes || strcmp(key + n_key - n_bytes, bytes) != 0)
		return false;
	snprintf(base, sizeof(base), "%.*s", (int)(n_key - n_bytes), key);
	if (json_is_integer(json_object_get(object, base)))
		return true;
	snprintf(base, sizeof(base), "%.*s_packets", (int)(n_key - n_bytes), key);
	return json_is_integer(json_object_get(object, base));
}

static bool is_zero(const json_t *value)
{
	return value == NULL || (json_is_integer(value) && json_integer_value(value) == 0);
}

static void print_counters(FILE *out, const json_t *object, bool zeros)
{
	const char *key;
	json_t *value;

	fprintf(out, "  %-*s%*s%*s\n", NAME_WIDTH, "", COUNT_WIDTH, "packets", COUNT_WIDTH,
		"bytes");
	json_object_foreach ((json_t *)object, key, value) {
		char name[TEXT_SIZE], beside[TEXT_SIZE], packets[TEXT_SIZE], bytes[TEXT_SIZE] = "";
		const json_t *byte_value;
		int width;

		if (!is_counter(key, value) || is_byte_counter(object, key))
			continue;
		byte_name(beside, sizeof(beside), key);
		byte_value = json_object_get(object, beside);
		if (!zeros && is_drop_reason(key) && is_zero(value) && is_zero(byte_value))
			continue;
		fc_unit_printable(name, sizeof(name), key);
		if (byte_value != NULL)
			value_text(bytes, byte_value);
		value_text(packets, value);
		/* A long name takes of the room for its number. */
		width = NAME_WIDTH + COUNT_WIDTH - (int)strlen(name);
		fprintf(out, "  %s%*s", name, width, packets);
		if (bytes[0] != '\0')
			fprintf(out, "%*s", COUNT_WIDTH, bytes);
		fputc('\n', out);
	}
}

/*
 * The settings and states of an object, after its title and as far as they fit in its line; then in
 * lines below it.
 */
static void print_texts(FILE *out, const json_t *object, size_t used)
{
	const char *key;
	json_t *value;

	json_object_foreach ((json_t *)object, key, value) {
		char name[TEXT_SIZE], text[TEXT_SIZE];
		size_t size;

		if (is_counter(key, value))
			continue;
		fc_unit_printable(name, sizeof(name), key);
		value_text(text, value);
		size = strlen("   ") + strlen(name) + strlen(text);
		if (used > 0 && used + size > LINE_WIDTH) {
			fputc('\n', out);
			used = 0;
		}
		fprintf(out, "  %s %s", name, text);
		used += size;
	}
	fputc('\n', out);
}

static void print_objects(FILE *out, const char *what, const json_t *objects, bool zeros)
{
	const char *key;
	json_t *object;

	if (json_object_size(objects) == 0)
		fprintf(out, "\n%s (none)\n", what);
	json_object_foreach ((json_t *)objects, key, object) {
		char name[TEXT_SIZE];
		int used;

		fc_unit_printable(name, sizeof(name), key);
		used = fprintf(out, "\n%s %s", what, name);
		print_texts(out, object, used > 0 ? (size_t)used : 0);
		print_counters(out, object, zeros);
	}
}

static void print_feeds(FILE *out, const json_t *feeds, bool zeros)
{
	const char *tap, *output;
	json_t *outputs, *feed;

	json_object_foreach ((json_t *)feeds, tap, outputs) {
		json_object_foreach (outputs, output, feed) {
			char from[TEXT_SIZE], to[TEXT_SIZE];
			int used;

			fc_unit_printable(from, sizeof(from), tap);
			fc_unit_printable(to, sizeof(to), output);
			used = fprintf(out, "\nfeed %s -> %s", from, to);
			print_texts(out, feed, used > 0 ? (size_t)used : 0);
			print_counters(out, feed, zeros);
		}
	}
}

static void print_info(FILE *out, const json_t *info)
{
	const char *key;
	json_t *value;

	fprintf(out, "fluxcap\n");
	json_object_foreach ((json_t *)info, key, value) {
		char name[TEXT_SIZE], text[TEXT_SIZE];

		fc_unit_printable(name, sizeof(name), key);
		if (strcmp(key, "uptime_s") == 0 && json_is_integer(value) &&
			json_integer_value(value) >= 0) {
			fc_unit_duration(text, (uint64_t)json_integer_value(value));
			snprintf(name, sizeof(name), "uptime");
		} else {
			value_text(text, value);
		}
		fprintf(out, "  %-*s  %s\n", NAME_WIDTH, name, text);
	}
}

static void print_lcores(FILE *out, const json_t *lcores)
{
	const char *id;
	json_t *lcore;

	if (json_object_size(lcores) == 0)
		return;
	fprintf(out, "\n%-8s%-8s%6s  %s\n", "lcore", "role", "busy", "ports");
	json_object_foreach ((json_t *)lcores, id, lcore) {
		double busy = (double)json_integer_value(json_object_get(lcore, "busy_cycles"));
		double idle = (double)json_integer_value(json_object_get(lcore, "idle_cycles"));
		const json_t *role = json_object_get(lcore, "role");
		const json_t *ports = json_object_get(lcore, "ports");
		char name[TEXT_SIZE], text[TEXT_SIZE];

		fc_unit_printable(name, sizeof(name), id);
		fprintf(out, "%-8s%-8s", name, role != NULL ? value_text(text, role) : "-");
		if (busy >= 0 && idle >= 0 && busy + idle > 0)
			fprintf(out, "%5.1f%%", busy * 100 / (busy + idle));
		else
			fprintf(out, "%6s", "-");
		fprintf(out, "  %s\n", ports != NULL ? value_text(text, ports) : "-");
	}
}

void fc_show_print(FILE *out, const json_t *all, bool zeros)
{
	print_info(out, json_object_get(all, "info"));
	print_objects(out, "tap", json_object_get(all, "taps"), zeros);
	print_objects(out, "output", json_object_get(all, "outputs"), zeros);
	print_feeds(out, json_object_get(all, "feeds"), zeros);
	print_lcores(out, json_object_get(all, "lcores"));
}
