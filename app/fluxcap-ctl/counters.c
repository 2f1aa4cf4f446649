/* SPDX-License-Identifier: MIT */
#include "counters.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "units.h"

/* The fields of telemetry that are shared by all kinds of rows. */
static const char *const field_names[FC_N_VALUES] = {
	[FC_RX_MISSED] = "rx_missed",
	[FC_RX_NOMBUF] = "rx_nombuf",
	[FC_RX_ERRORS] = "rx_errors",
	[FC_NOT_OURS] = "not_ours",
	[FC_MALFORMED] = "malformed",
	[FC_MALFORMED_CUT] = "malformed_cut",
	[FC_MALFORMED_NO_LENGTH] = "malformed_no_length",
	[FC_BAD_CHECKSUM] = "bad_checksum",
	[FC_FRAGMENTS_TIMED_OUT] = "fragments_timed_out",
	[FC_FRAGMENTS_REFUSED] = "fragments_refused",
	[FC_FRAGMENTS_TABLE_FULL] = "fragments_table_full",
	[FC_FILTERED] = "filtered",
	[FC_SAMPLED_OUT] = "sampled_out",
	[FC_NOMBUF] = "nombuf",
	[FC_HANDOFF_FULL] = "handoff_full",
	[FC_OVERRUN] = "overrun",
	[FC_UNRESOLVED] = "unresolved",
	[FC_OVERSIZE] = "oversize",
	[FC_TX_REFUSED] = "tx_refused",
	[FC_TX_ERRORS] = "tx_errors",
	[FC_BUSY_CYCLES] = "busy_cycles",
	[FC_IDLE_CYCLES] = "idle_cycles",
	[FC_FLAPS] = "flaps",
	[FC_QUEUED] = "queued",
	[FC_QUEUED_BYTES] = "queued_bytes",
	[FC_RING_BYTES] = "ring_bytes",
	[FC_RING_BUFFERS] = "ring_buffers",
	[FC_POOL_SIZE] = "pool_size",
	[FC_POOL_FREE] = "pool_free",
};

static const uint32_t levels = FC_BIT(FC_QUEUED) | FC_BIT(FC_QUEUED_BYTES) | FC_BIT(FC_RING_BYTES) |
			       FC_BIT(FC_RING_BUFFERS) | FC_BIT(FC_POOL_SIZE) |
			       FC_BIT(FC_POOL_FREE);

/* What the port counts for all that use it. */
static const uint32_t port_counters = FC_BIT(FC_RX_MISSED) | FC_BIT(FC_RX_NOMBUF) |
				      FC_BIT(FC_RX_ERRORS) | FC_BIT(FC_TX_ERRORS) |
				      FC_BIT(FC_FLAPS);

const char *fc_value_name(enum fc_row_kind kind, int value)
{
	if (value == FC_PACKETS)
		return kind == FC_ROW_TAP ? "rx_packets" : "tx_packets";
	if (value == FC_BYTES)
		return kind == FC_ROW_TAP ? "rx_bytes" : "tx_bytes";
	return field_names[value];
}

static bool is_good_state(const char *state)
{
	return strcmp(state, "up") == 0 || strcmp(state, "running") == 0;
}

static void read_note(struct fc_row *row, const json_t *answer)
{
	const json_t *note = json_object_get(answer, row->kind == FC_ROW_LCORE ? "role" : "link");
	const char *state = json_string_value(json_object_get(answer, "state"));

	if (json_is_string(note))
		fc_unit_printable(row->note, sizeof(row->note), json_string_value(note));
	else if (json_is_boolean(note) || json_is_integer(note))
		snprintf(row->note, sizeof(row->note), "%s",
			json_is_true(note) || json_integer_value(note) != 0 ? "up" : "down");
	/* The state says more than the link, such as why there is none. */
	if (state != NULL && state[0] != '\0' && !is_good_state(state) && row->kind != FC_ROW_LCORE)
		fc_unit_printable(row->note, sizeof(row->note), state);
}

static void read_name(struct fc_row *row, const char *name)
{
	char tap[FC_ROW_NAME_SIZE];
	const char *comma = row->kind == FC_ROW_FEED ? strchr(name, ',') : NULL;

	if (comma == NULL) {
		fc_unit_printable(row->name, sizeof(row->name), name);
		return;
	}
	snprintf(tap, sizeof(tap), "%.*s", (int)(comma - name), name);
	fc_unit_printable(row->name, sizeof(row->name), tap);
	fc_unit_printable(row->output, sizeof(row->output), comma + 1);
}

static void forget_rates(struct fc_row *row)
{
	for (int i = 0; i < FC_N_VALUES; i++)
		row->rates[i] = NAN;
	row->backlog = row->ring_share = NAN;
}

void fc_row_read(struct fc_row *row, enum fc_row_kind kind, const char *name, const json_t *answer,
	uint64_t time_ns)
{
	const char *port = json_string_value(json_object_get(answer, "port"));

	memset(row, 0, sizeof(*row));
	row->kind = kind;
	row->time_ns = time_ns;
	read_name(row, name);
	read_note(row, answer);
	fc_unit_printable(row->port, sizeof(row->port), port != NULL ? port : "");
	for (int i = 0; i < FC_N_VALUES; i++) {
		const json_t *field = json_object_get(answer, fc_value_name(kind, i));

		if (!json_is_integer(field) || json_integer_value(field) < 0)
			continue;
		row->values[i] = (uint64_t)json_integer_value(field);
		row->known |= FC_BIT(i);
	}
	forget_rates(row);
}

static bool is_anew(const struct fc_row *now, const struct fc_row *before)
{
	uint32_t both = now->known & before->known & ~levels & ~port_counters;

	for (int i = 0; i < FC_N_VALUES; i++)
		if ((both & FC_BIT(i)) && now->values[i] < before->values[i])
			return true;
	return false;
}

void fc_row_compare(struct fc_row *row, const struct fc_row *before)
{
	double seconds = 0;

	if (before != NULL && row->time_ns > before->time_ns && !is_anew(row, before))
		seconds = (double)(row->time_ns - before->time_ns) / 1e9;
	for (int i = 0; i < FC_N_VALUES; i++) {
		row->rates[i] = NAN;
		if (!(row->known & FC_BIT(i)))
			continue;
		if (levels & FC_BIT(i))
			row->rates[i] = (double)row->values[i];
		else if (seconds > 0 && (before->known & FC_BIT(i)) &&
			 row->values[i] >= before->values[i])
			row->rates[i] = (double)(row->values[i] - before->values[i]) / seconds;
	}
	row->has_lost = (before != NULL && before->has_lost) || fc_row_is_losing(row);
}

double fc_row_sum(const struct fc_row *row, uint32_t values)
{
	double sum = NAN;

	for (int i = 0; i < FC_N_VALUES; i++)
		if ((values & FC_BIT(i)) && !isnan(row->rates[i]))
			sum = isnan(sum) ? row->rates[i] : sum + row->rates[i];
	return sum;
}

bool fc_row_is_losing(const struct fc_row *row)
{
	return fc_row_sum(row, FC_LOSSES) > 0;
}

bool fc_row_is_down(const struct fc_row *row)
{
	return row->kind != FC_ROW_LCORE && row->note[0] != '\0' && !is_good_state(row->note);
}

struct fc_sample *fc_sample_new(void)
{
	struct fc_sample *sample = calloc(1, sizeof(*sample));

	if (sample != NULL)
		sample->uptime_s = UINT64_MAX;
	return sample;
}

void fc_sample_free(struct fc_sample *sample)
{
	if (sample == NULL)
		return;
	free(sample->rows);
	free(sample);
}

struct fc_row *fc_sample_add(struct fc_sample *sample)
{
	struct fc_row *rows;

	rows = reallocarray(sample->rows, sample->n_rows + 1, sizeof(*rows));
	if (rows == NULL)
		return NULL;
	sample->rows = rows;
	memset(&rows[sample->n_rows], 0, sizeof(*rows));
	return &rows[sample->n_rows++];
}

static void read_text(char *text, size_t size, const json_t *info, const char *key)
{
	const char *value = json_string_value(json_object_get(info, key));

	fc_unit_printable(text, size, value != NULL ? value : "");
}

void fc_sample_read_info(struct fc_sample *sample, const json_t *info)
{
	const json_t *uptime = json_object_get(info, "uptime_s");

	read_text(sample->version, sizeof(sample->version), info, "version");
	read_text(sample->config, sizeof(sample->config), info, "config");
	if (json_is_integer(uptime) && json_integer_value(uptime) >= 0)
		sample->uptime_s = (uint64_t)json_integer_value(uptime);
}

static bool is_like(const struct fc_row *row, const struct fc_row *like)
{
	return row->kind == like->kind && strcmp(row->name, like->name) == 0 &&
	       strcmp(row->output, like->output) == 0;
}

const struct fc_row *fc_sample_find(const struct fc_sample *sample, const struct fc_row *like)
{
	for (size_t i = 0; sample != NULL && i < sample->n_rows; i++)
		if (is_like(&sample->rows[i], like))
			return &sample->rows[i];
	return NULL;
}

/* As fc_sample_find() for the row at an index of another sample, where it nearly always is. */
static const struct fc_row *find_near(
	const struct fc_sample *sample, const struct fc_row *like, size_t index)
{
	if (sample != NULL && index < sample->n_rows && is_like(&sample->rows[index], like))
		return &sample->rows[index];
	return fc_sample_find(sample, like);
}

static struct fc_row *find_owner(struct fc_sample *sample, enum fc_row_kind kind, const char *name)
{
	for (size_t i = 0; i < sample->n_rows; i++)
		if (sample->rows[i].kind == kind && strcmp(sample->rows[i].name, name) == 0)
			return &sample->rows[i];
	return NULL;
}

static double ring_share(const struct fc_row *feed, const struct fc_row *tap)
{
	double share;

	/* Buffers are what runs out: a small packet takes a whole one. */
	if (tap->rates[FC_RING_BUFFERS] > 0)
		share = feed->rates[FC_QUEUED] / tap->rates[FC_RING_BUFFERS];
	else
		share = feed->rates[FC_QUEUED_BYTES] / tap->rates[FC_RING_BYTES];
	return share <= 1 || isnan(share) ? share : 1;
}

/*
 * A tap's backlogs hold packets out of the same window, and share them: what is occupied of the
 * ring is what the longest one holds, not their sum.
 */
static void spread_backlog(struct fc_sample *sample, struct fc_row *feed)
{
	struct fc_row *tap = find_owner(sample, FC_ROW_TAP, feed->name);
	struct fc_row *output = find_owner(sample, FC_ROW_OUTPUT, feed->output);

	feed->backlog = feed->rates[FC_QUEUED];
	if (tap == NULL)
		return;
	feed->ring_share = ring_share(feed, tap);
	tap->backlog = fmax(tap->backlog, feed->backlog);
	tap->ring_share = fmax(tap->ring_share, feed->ring_share);
	if (output != NULL)
		output->ring_share = fmax(output->ring_share, feed->ring_share);
}

void fc_sample_compare(struct fc_sample *now, const struct fc_sample *before)
{
	now->interval_s = 0;
	if (before != NULL && now->time_ns > before->time_ns)
		now->interval_s = (double)(now->time_ns - before->time_ns) / 1e9;
	for (size_t i = 0; i < now->n_rows; i++) {
		struct fc_row *row = &now->rows[i];

		fc_row_compare(row, find_near(before, row, i));
		row->ring_share = NAN;
		row->backlog = row->kind == FC_ROW_OUTPUT ? row->rates[FC_QUEUED] : NAN;
	}
	for (size_t i = 0; i < now->n_rows; i++)
		if (now->rows[i].kind == FC_ROW_FEED)
			spread_backlog(now, &now->rows[i]);
}

bool fc_sample_is_same_process(const struct fc_sample *now, const struct fc_sample *before)
{
	uint64_t passed_s;

	if (now->pid != before->pid || now->time_ns < before->time_ns)
		return false;
	if (now->uptime_s == UINT64_MAX || before->uptime_s == UINT64_MAX)
		return now->uptime_s == before->uptime_s;
	passed_s = (now->time_ns - before->time_ns) / 1000000000;
	/* Both clocks are read with a second's precision, one after the other. */
	return now->uptime_s + 2 >= before->uptime_s + passed_s;
}

struct fc_sample *fc_sample_blank(const struct fc_sample *sample)
{
	struct fc_sample *blank = malloc(sizeof(*blank));

	if (blank == NULL)
		return NULL;
	*blank = *sample;
	blank->interval_s = 0;
	blank->rows = calloc(sample->n_rows + 1, sizeof(*blank->rows));
	if (blank->rows == NULL) {
		free(blank);
		return NULL;
	}
	for (size_t i = 0; i < sample->n_rows; i++) {
		struct fc_row *row = &blank->rows[i];

		*row = sample->rows[i];
		row->known = 0;
		row->note[0] = '\0';
		forget_rates(row);
	}
	return blank;
}

static void append(
	char *text, size_t size, size_t *used, const char *what, const struct fc_row *row)
{
	static const char *const kinds[] = { [FC_ROW_TAP] = "tap", [FC_ROW_OUTPUT] = "output" };
	int n;

	if (*used >= size)
		return;
	n = snprintf(text + *used, size - *used, "%s%s %s %s", *used > 0 ? ", " : "",
		kinds[row->kind], row->name, what);
	if (n > 0)
		*used += (size_t)n;
	if (*used >= size)
		text[size - 2] = '~';
}

void fc_sample_changes(
	char *text, size_t size, const struct fc_sample *now, const struct fc_sample *before)
{
	size_t used = 0;

	text[0] = '\0';
	for (size_t i = 0; i < before->n_rows; i++) {
		const struct fc_row *row = &before->rows[i];

		if (row->kind <= FC_ROW_OUTPUT && find_near(now, row, i) == NULL)
			append(text, size, &used, "removed", row);
	}
	for (size_t i = 0; i < now->n_rows; i++) {
		const struct fc_row *row = &now->rows[i];
		const struct fc_row *former;

		if (row->kind > FC_ROW_OUTPUT)
			continue;
		former = find_near(before, row, i);
		if (former == NULL)
			append(text, size, &used, "added", row);
		else if (row->rates[FC_FLAPS] > 0 && strcmp(row->note, former->note) == 0)
			append(text, size, &used, "changed its link in between", row);
	}
}

static bool shares_port(const struct fc_sample *sample, size_t index)
{
	const struct fc_row *row = &sample->rows[index];

	for (size_t i = 0; i < index && row->port[0] != '\0'; i++)
		if (sample->rows[i].kind == row->kind &&
			strcmp(sample->rows[i].port, row->port) == 0)
			return true;
	return false;
}

static void add_to(double *sum, double value)
{
	if (!isnan(value))
		*sum = isnan(*sum) ? value : *sum + value;
}

size_t fc_sample_total(struct fc_row *total, const struct fc_sample *sample, enum fc_row_kind kind)
{
	size_t n_rows = 0;

	memset(total, 0, sizeof(*total));
	total->kind = kind;
	forget_rates(total);
	for (size_t r = 0; r < sample->n_rows; r++) {
		const struct fc_row *row = &sample->rows[r];
		uint32_t values = UINT32_MAX;

		if (row->kind != kind)
			continue;
		if (shares_port(sample, r))
			values &= ~port_counters;
		for (int i = 0; i < FC_N_VALUES; i++)
			if (values & FC_BIT(i))
				add_to(&total->rates[i], row->rates[i]);
		add_to(&total->backlog, row->backlog);
		total->ring_share = fmax(total->ring_share, row->ring_share);
		total->has_lost |= row->has_lost;
		n_rows++;
	}
	snprintf(total->name, sizeof(total->name), "total");
	return n_rows;
}
