/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "cases.h"
#include "row.h"

static void assert_file_is(const char *path, char *generated)
{
	char *committed = cases_read_file(path);

	assert_non_null(generated);
	if (strcmp(committed, generated) != 0)
		fail_msg("%s is not what the tables say: run 'ninja config-docs'", path);
	free(committed);
	free(generated);
}

static void test_files(void **state)
{
	(void)state;
	assert_file_is(SOURCE_ROOT "/docs/configuration.md", fc_config_reference());
	assert_file_is(SOURCE_ROOT "/config/fluxcap.schema.json", fc_config_schema());
}

/* Decode the text of a short form as a row's value; the number of findings. */
static size_t decode_text(
	const struct key_table *table, const struct key_row *row, const char *text, void *owner)
{
	struct decoder decoder = { .findings = fc_findings_new(row->name) };
	json_t *value = row->type->read(row, text);

	decoder.taps = json_pack("{s:{}, s:{}}", "cisco", "dell");
	assert_non_null(value);
	row->type->decode(&decoder, row, value, owner);
	fc_findings_print(decoder.findings, stderr);
	size_t n = fc_findings_count(decoder.findings);

	assert_int_equal(row->type->is_set(row, owner), fc_table_has(table, row, owner));
	json_decref(value);
	json_decref(decoder.taps);
	fc_findings_free(decoder.findings);
	return n;
}

static void check_row(const struct key_table *table, const struct key_row *row)
{
	char *owner = calloc(1, table->size);

	assert_non_null(owner);
	assert_true(strlen(row->doc) > 0 && row->doc[strlen(row->doc) - 1] == '.');
	assert_true(row->offset + row->size <= table->size);
	/* A key has either an example or keys of its own. */
	assert_int_equal(row->example == NULL, row->table != NULL);
	assert_true(row->needs == NULL || fc_table_find(table, row->needs) != NULL);
	if (row->example != NULL && row->needs == NULL)
		assert_int_equal(decode_text(table, row, row->example, owner), 0);
	fc_table_release(table, owner);
	free(owner);
}

static void test_rows(void **state)
{
	(void)state;
	const struct key_table *tables[FC_MAX_TABLES];
	size_t n = fc_tables_list(tables);

	assert_in_range(n, 6, FC_MAX_TABLES - 1);
	for (size_t i = 0; i < n; i++) {
		assert_true(tables[i]->shorthand == NULL ||
			    fc_table_find(tables[i], tables[i]->shorthand) != NULL);
		for (size_t j = 0; j < tables[i]->n_rows; j++)
			check_row(tables[i], &tables[i]->rows[j]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_rows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
