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
	[FC_QUEUED] = "queued",
	[FC_POOL_SIZE] = "pool_size",
	[FC_POOL_FREE] = "pool_free",
};

static const uint32_t levels = FC_BIT(FC_QUEUED) | FC_BIT(FC_POOL_SIZE) | FC_BIT(FC_POOL_FREE);

static const char *field_name(enum fc_row_kind kind, int value)
{
	if (value == FC_PACKETS)
		return kind == FC_ROW_TAP ? "rx_packets" : "tx_packets";
	if (value == FC_BYTES)
		return kind == FC_ROW_TAP ? "rx_bytes" : "tx_bytes";
	return field_names[value];
}

static void read_note(struct fc_row *row, const json_t *answer)
{
	const json_t *note = json_object_get(answer, row->kind == FC_ROW_LCORE ? "role" : "link");

	if (json_is_string(note))
		fc_unit_printable(row->note, sizeof(row->note), json_string_value(note));
	else if (json_is_boolean(note) || json_is_integer(note))
		snprintf(row->note, sizeof(row->note), "%s",
			json_is_true(note) || json_integer_value(note) != 0 ? "up" : "down");
}

void fc_row_read(struct fc_row *row, enum fc_row_kind kind, const char *name, const json_t *answer,
	uint64_t time_ns)
{
	memset(row, 0, sizeof(*row));
	row->kind = kind;
	row->time_ns = time_ns;
	fc_unit_printable(row->name, sizeof(row->name), name);
	read_note(row, answer);
	for (int i = 0; i < FC_N_VALUES; i++) {
		const json_t *field = json_object_get(answer, field_name(kind, i));

		if (!json_is_integer(field) || json_integer_value(field) < 0)
			continue;
		row->values[i] = (uint64_t)json_integer_value(field);
		row->known |= FC_BIT(i);
	}
}

void fc_row_rates(double *rates, const struct fc_row *now, const struct fc_row *before)
{
	double seconds = 0;

	if (before != NULL && now->time_ns > before->time_ns)
		seconds = (double)(now->time_ns - before->time_ns) / 1e9;
	for (int i = 0; i < FC_N_VALUES; i++) {
		rates[i] = NAN;
		if (!(now->known & FC_BIT(i)))
			continue;
		if (levels & FC_BIT(i))
			rates[i] = (double)now->values[i];
		else if (seconds > 0 && (before->known & FC_BIT(i)) &&
			 now->values[i] >= before->values[i])
			rates[i] = (double)(now->values[i] - before->values[i]) / seconds;
	}
}

double fc_rates_sum(const double *rates, uint32_t values)
{
	double sum = NAN;

	for (int i = 0; i < FC_N_VALUES; i++)
		if ((values & FC_BIT(i)) && !isnan(rates[i]))
			sum = isnan(sum) ? rates[i] : sum + rates[i];
	return sum;
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

const struct fc_row *fc_sample_find(
	const struct fc_sample *sample, enum fc_row_kind kind, const char *name)
{
	for (size_t i = 0; sample != NULL && i < sample->n_rows; i++)
		if (sample->rows[i].kind == kind && strcmp(sample->rows[i].name, name) == 0)
			return &sample->rows[i];
	return NULL;
}
