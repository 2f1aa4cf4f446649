/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "introduction.h"
#include "row.h"

/* The row as it is written in a file; false when out of memory. */
static bool print_json_example(const struct key_row *row, FILE *stream)
{
	json_t *value = row->type->read(row, row->example);
	bool ok = value != NULL;

	if (ok) {
		fprintf(stream, "`\"%s\": ", row->name);
		ok = json_dumpf(value, stream, JSON_ENCODE_ANY | JSON_REAL_PRECISION(15)) == 0;
		fputc('`', stream);
	}
	json_decref(value);
	return ok;
}

static bool print_row(const struct key_table *table, const struct key_row *row, FILE *stream)
{
	char phrase[FC_PHRASE_SIZE];
	bool ok = true;

	row->type->describe(row, phrase);
	fprintf(stream, "| `%s` | %s | ", row->name, phrase);
	if (row->required)
		fprintf(stream, "required");
	else if (row->preset != NULL)
		fprintf(stream, "`%s`", row->preset);
	fprintf(stream, " | ");
	if (row->example != NULL)
		ok = print_json_example(row, stream);
	/* A port is not KEY=VALUE in the short form but stands behind the name. */
	if (row->example != NULL && table->short_form != NULL && row->type == &fc_key_port)
		fprintf(stream, ", `NAME=%s`", row->example);
	else if (row->example != NULL && table->short_form != NULL)
		fprintf(stream, ", `%s%s=%s`", table->short_form, row->name, row->example);
	fprintf(stream, " | %s%s%s%s |\n", row->doc, row->needs == NULL ? "" : " Needs `",
		row->needs == NULL ? "" : row->needs, row->needs == NULL ? "" : "`.");
	return ok;
}

char *fc_config_reference(void)
{
	const struct key_table *tables[FC_MAX_TABLES];
	size_t n = fc_tables_list(tables);
	char *text = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&text, &size);
	bool ok = true;

	if (stream == NULL)
		return NULL;
	for (size_t i = 0; fc_introduction[i] != NULL; i++)
		fputs(fc_introduction[i], stream);
	fprintf(stream, "## Reference\n");
	for (size_t i = 0; i < n; i++) {
		fprintf(stream, "\n### %s\n\n", tables[i]->title);
		fprintf(stream, "| key | value | default | example%s | meaning |\n",
			tables[i]->short_form == NULL ? "" : ", short form");
		fprintf(stream, "|---|---|---|---|---|\n");
		for (size_t j = 0; j < tables[i]->n_rows; j++)
			ok &= print_row(tables[i], &tables[i]->rows[j], stream);
	}
	ok &= ferror(stream) == 0;
	if (fclose(stream) == 0 && ok)
		return text;
	free(text);
	return NULL;
}
