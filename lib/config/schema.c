/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "row.h"

#define NAME_PATTERN "^[A-Za-z0-9_.-]{1,31}$"
#define PORT_PATTERN                                                                               \
	"^([0-9A-Fa-f]{4,8}:)?[0-9A-Fa-f]{2}:[01][0-9A-Fa-f][.][0-7]$|^[A-Za-z0-9_.-]{1,63}$"

static json_t *make_row(const struct key_row *row)
{
	json_t *schema = row->type->schema(row);
	int rc = json_object_set_new(schema, "description", json_string(row->doc));

	if (row->preset != NULL)
		rc |= json_object_set_new(schema, "default", row->type->read(row, row->preset));
	if (row->example != NULL)
		rc |= json_object_set_new(
			schema, "examples", json_pack("[o]", row->type->read(row, row->example)));
	if (rc == 0)
		return schema;
	json_decref(schema);
	return NULL;
}

static json_t *make_table(const struct key_table *table)
{
	json_t *properties = json_object();
	json_t *required = json_array();
	json_t *needs = json_object();
	int rc = 0;

	for (size_t i = 0; i < table->n_rows; i++) {
		const struct key_row *row = &table->rows[i];

		rc |= json_object_set_new(properties, row->name, make_row(row));
		if (row->required)
			rc |= json_array_append_new(required, json_string(row->name));
		if (row->needs != NULL)
			rc |= json_object_set_new(needs, row->name, json_pack("[s]", row->needs));
	}
	if (rc != 0) {
		json_decref(properties);
		json_decref(required);
		json_decref(needs);
		return NULL;
	}
	/* The arguments are taken over also when this fails. */
	return json_pack("{s:s, s:b, s:o, s:o, s:o}", "type", "object", "additionalProperties",
		false, "required", required, "dependentRequired", needs, "properties", properties);
}

static int add_texts(json_t *definitions)
{
	json_t *name = json_pack("{s:s, s:s}", "type", "string", "pattern", NAME_PATTERN);
	json_t *port = json_pack("{s:s, s:s}", "type", "string", "pattern", PORT_PATTERN);
	int rc = json_object_set_new(definitions, "name", name);

	return rc | json_object_set_new(definitions, "port_name", port);
}

char *fc_config_schema(void)
{
	const struct key_table *tables[FC_MAX_TABLES];
	size_t n = fc_tables_list(tables);
	json_t *definitions = json_object();
	int rc = add_texts(definitions);
	char *text = NULL;

	for (size_t i = 0; i < n; i++)
		rc |= json_object_set_new(definitions, tables[i]->noun, make_table(tables[i]));
	json_t *root = json_pack("{s:s, s:s, s:s, s:O}", "$schema",
		"https://json-schema.org/draft/2020-12/schema", "title", "fluxcap configuration",
		"$ref", "#/$defs/configuration", "$defs", definitions);

	json_decref(definitions);
	if (rc == 0 && root != NULL)
		text = fc_json_text(root);
	json_decref(root);
	return text;
}
