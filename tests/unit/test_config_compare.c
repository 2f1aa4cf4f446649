/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <fc_config_compare.h>

#include "cases.h"
#include "row.h"

/* What the comparison of two texts says: a line "PLACE: TEXT" for each note. */
static void expect_notes(const char *from_text, const char *to_text, const char *expected)
{
	struct fc_findings *findings = fc_findings_new("x");
	struct fc_config *from = cases_parse(from_text);
	struct fc_config *to = cases_parse(to_text);
	char *text = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&text, &size);

	assert_non_null(stream);
	unsigned n = fc_config_compare(from, to, findings);

	assert_int_equal(fc_findings_count(findings), n);
	for (size_t i = 0; i < n; i++) {
		struct fc_finding finding = fc_findings_get(findings, i);

		assert_int_equal(finding.severity, FC_NOTE);
		fprintf(stream, "%s: %s\n", finding.place, finding.text);
	}
	assert_int_equal(fclose(stream), 0);
	assert_string_equal(text, expected);
	/* The other way round there are as many. */
	assert_int_equal(fc_config_compare(to, from, findings), n);
	free(text);
	fc_config_free(from);
	fc_config_free(to);
	fc_findings_free(findings);
}

/* A configuration with something in the place of TAP, OUTPUT and the rest of the file. */
#define FILE_OF(tap, output, rest)                                                                 \
	"{\"taps\": {\"dell\": {\"port\": \"p\"" tap "}, \"cisco\": {\"port\": \"q\"}}, "          \
	"\"outputs\": {\"ids\": {\"port\": \"r\", \"from\": [\"dell\", \"cisco\"]" output          \
	"}}" rest "}"

#define PLAIN FILE_OF("", "", "")

static void test_equal(void **state)
{
	(void)state;
	static const char reordered[] =
		"{\"lcores\": {\"idle_us\": 0}, \"outputs\": {\"ids\": {\"sample\": 100.0, "
		"\"from\": "
		"[\"cisco\", \"dell\"], \"port\": \"r\"}}, \"taps\": {\"cisco\": {\"port\": \"q\", "
		"\"ring\": 67108864}, \"dell\": {\"port\": \"p\"}}}";

	expect_notes(PLAIN, PLAIN, "");
	expect_notes(PLAIN, reordered, "");
	expect_notes(FILE_OF("", ", \"vlan\": {\"push\": [7], \"pcp\": 0}", ""),
		FILE_OF("", ", \"vlan\": {\"push\": 7, \"tpid\": \"0x8100\"}", ""), "");
}

static void test_values(void **state)
{
	(void)state;
	expect_notes(FILE_OF("", ", \"truncate\": 64", ""), FILE_OF("", ", \"truncate\": 128", ""),
		"outputs.ids.truncate: 128 instead of 64\n");
	expect_notes(PLAIN, FILE_OF("", ", \"filter\": \"tcp\"", ""),
		"outputs.ids.filter: 'tcp' instead of none\n");
	expect_notes(FILE_OF("", ", \"filter\": \"tcp\"", ""), PLAIN,
		"outputs.ids.filter: none instead of 'tcp'\n");
	expect_notes(PLAIN, FILE_OF(", \"ring\": \"1g\", \"sample\": 12.5", "", ""),
		"taps.dell.ring: '1g' instead of '64m'\n"
		"taps.dell.sample: 12.5 instead of 100\n");
	expect_notes(FILE_OF("", "", ", \"ports\": {\"r\": {\"mtu\": 9000}}, \"lcores\": {}"),
		FILE_OF("", "", ", \"ports\": {\"r\": {\"optional\": true}}"),
		"ports.r.mtu: none instead of 9000\n"
		"ports.r.optional: true instead of false\n");
}

static void test_lists(void **state)
{
	(void)state;
	expect_notes("{\"taps\": {\"a\": {\"port\": \"p\"}, \"b\": {\"port\": \"q\"}}, "
		     "\"outputs\": {\"o\": {\"port\": \"r\", \"from\": [\"a\", \"b\"]}, "
		     "\"x\": {\"port\": \"r\", \"from\": [\"a\"]}}}",
		"{\"taps\": {\"b\": {\"port\": \"q\"}, \"a\": {\"port\": \"p\"}}, "
		"\"outputs\": {\"x\": {\"port\": \"r\", \"from\": [\"b\"]}, "
		"\"o\": {\"port\": \"r\", \"from\": [\"b\"]}}}",
		"outputs.o.from: ['b'] instead of ['a', 'b']\n"
		"outputs.x.from: ['b'] instead of ['a']\n");
	expect_notes(FILE_OF("", ", \"vlan\": {\"push\": [1, 2]}", ""),
		FILE_OF("", ", \"vlan\": {\"push\": [2, 1]}", ""),
		"outputs.ids.vlan.push: [2, 1] instead of [1, 2]\n");
	expect_notes(FILE_OF("", "", ", \"lcores\": {\"rx\": [1, 2], \"tx\": [3]}"),
		FILE_OF("", "", ", \"lcores\": {\"rx\": [1, 4], \"idle_us\": 50}"),
		"lcores.rx: [1, 4] instead of [1, 2]\n"
		"lcores.tx: none instead of [3]\n"
		"lcores.idle_us: 50 instead of 0\n");
}

static void test_entries(void **state)
{
	(void)state;
	expect_notes(
		"{\"taps\": {\"a\": {\"port\": \"p\"}, \"b\": {\"port\": \"q\", \"trim\": 4}}, "
		"\"outputs\": {\"o\": {\"port\": \"r\", \"from\": [\"a\"]}, "
		"\"x\": {\"port\": \"r\", \"from\": [\"b\"]}}, "
		"\"ports\": {\"p\": {\"mtu\": 9000}, \"r\": {\"devargs\": \"a=1\"}}}",
		"{\"taps\": {\"c\": {\"port\": \"p\"}, \"b\": {\"port\": \"q\", \"trim\": 5}}, "
		"\"outputs\": {\"y\": {\"port\": \"r\", \"from\": [\"c\", \"b\"]}, "
		"\"x\": {\"port\": \"s\", \"from\": [\"b\"]}}, "
		"\"ports\": {\"q\": {}, \"r\": {\"devargs\": \"a=2\", \"optional\": true}}}",
		"taps.a: removed\n"
		"taps.b.trim: 5 instead of 4\n"
		"taps.c: added\n"
		"outputs.o: removed\n"
		"outputs.x.port: 's' instead of 'r'\n"
		"outputs.y: added\n"
		"ports.p: removed\n"
		"ports.r.optional: true instead of false\n"
		"ports.r.devargs: 'a=2' instead of 'a=1'\n"
		"ports.q: added\n");
}

/* An object that comes is its keys, but those that have their defaults. */
static void test_objects(void **state)
{
	(void)state;
	expect_notes(PLAIN,
		FILE_OF(", \"decap\": {\"type\": \"erspan\", \"local\": \"192.0.2.1\"}",
			", \"vlan\": {\"pop\": 1}, \"encap\": {\"type\": \"vxlan\", \"local\": "
			"\"2001:DB8::1/64\", \"remote\": \"2001:db8::2\", \"key\": 5, \"ttl\": 9}",
			""),
		"taps.dell.decap.type: 'erspan2' instead of none\n"
		"taps.dell.decap.local: '192.0.2.1' instead of none\n"
		"outputs.ids.vlan.pop: 1 instead of none\n"
		"outputs.ids.encap.type: 'vxlan' instead of none\n"
		"outputs.ids.encap.local: '2001:db8::1/64' instead of none\n"
		"outputs.ids.encap.remote: '2001:db8::2' instead of none\n"
		"outputs.ids.encap.key: 5 instead of none\n"
		"outputs.ids.encap.ttl: 9 instead of none\n");
}

#define X40  "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define X160 X40 X40 X40 X40

/* Of long values a note shows where they differ. */
static void test_long_values(void **state)
{
	(void)state;
	expect_notes(FILE_OF("", ", \"filter\": \"" X160 X160 "a" X160 X40 "\"", ""),
		FILE_OF("", ", \"filter\": \"" X160 X160 "b\"", ""),
		"outputs.ids.filter: ...xxxxxxxxxxxxxxxxxxxxxxxxb' instead of "
		"...xxxxxxxxxxxxxxxxxxxxxxxxa" X40 X40 X40 "xxxxxxxxxxxxxxx...\n");
	expect_notes(PLAIN, FILE_OF("", ", \"filter\": \"" X160 "\"", ""),
		"outputs.ids.filter: '" X40 X40 X40 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx... "
		"instead of none\n");
}

/* More differences than a list can hold are counted all the same. */
static void test_many(void **state)
{
	(void)state;
	struct fc_findings *findings = fc_findings_new("x");
	struct fc_config *from = cases_parse(PLAIN);
	struct fc_config *to = cases_parse(FILE_OF("", ", \"trim\": 4", ""));

	for (size_t i = 1; i <= 1200; i++) {
		assert_int_equal(fc_config_compare(from, to, findings), 1);
		assert_int_equal(fc_findings_n_errors(findings), 0);
	}
	assert_in_range(fc_findings_count(findings), 100, 1199);
	fc_config_free(from);
	fc_config_free(to);
	fc_findings_free(findings);
}

/*
 * Every key that the tables have. Each gets the value of its example, which is not the one that it
 * has here: a comparison that does not look at the key finds nothing.
 */
static const char full_text[] =
	"{\"taps\": {\"cisco\": {\"port\": \"p\", \"decap\": {\"type\": \"vxlan\", \"local\": "
	"\"192.0.2.76\", \"key\": 5}, \"vlan\": {\"push\": 7}}, \"dell\": {\"port\": \"q\"}}, "
	"\"outputs\": {\"o\": {\"port\": \"r\", \"from\": [\"dell\"], \"vlan\": {\"push\": 7}, "
	"\"encap\": {\"type\": \"vxlan\", \"local\": \"192.0.2.77/24\", \"remote\": "
	"\"192.0.2.78\", \"key\": 5}}, \"x\": {\"port\": \"r\", \"from\": [\"cisco\"]}}, "
	"\"ports\": {\"r\": {}}}";

/* The parts of a configuration that have an equality of their own, byte by byte. */
struct parts {
	struct fc_edits tap_edits;
	struct fc_edits output_edits;
	struct fc_encap encap;
	struct fc_decap decap;
	struct fc_port_config port;
};

static void copy_parts(const struct fc_config *config, struct parts *parts)
{
	/* Not by assignment, which need not copy what is between the fields. */
	memcpy(&parts->tap_edits, &config->taps[0].edits, sizeof(parts->tap_edits));
	memcpy(&parts->output_edits, &config->outputs[0].edits, sizeof(parts->output_edits));
	memcpy(&parts->encap, &config->outputs[0].encap, sizeof(parts->encap));
	memcpy(&parts->decap, &config->taps[0].decap, sizeof(parts->decap));
	memcpy(&parts->port, &config->ports[0], sizeof(parts->port));
	parts->port.optional = false;
	parts->port.devargs = NULL;
	parts->port.description = NULL;
}

/* Each part of @b is equal to that of @a exactly where its bytes are still those before. */
static void check_parts(
	const struct fc_config *a, const struct fc_config *b, const struct parts *before)
{
	struct parts after;

	copy_parts(b, &after);
	assert_int_equal(fc_edits_is_equal(&a->taps[0].edits, &b->taps[0].edits),
		memcmp(&before->tap_edits, &after.tap_edits, sizeof(after.tap_edits)) == 0);
	assert_int_equal(fc_edits_is_equal(&a->outputs[0].edits, &b->outputs[0].edits),
		memcmp(&before->output_edits, &after.output_edits, sizeof(after.output_edits)) ==
			0);
	assert_int_equal(fc_encap_is_equal(&a->outputs[0].encap, &b->outputs[0].encap),
		memcmp(&before->encap, &after.encap, sizeof(after.encap)) == 0);
	assert_int_equal(fc_decap_is_equal(&a->taps[0].decap, &b->taps[0].decap),
		memcmp(&before->decap, &after.decap, sizeof(after.decap)) == 0);
	assert_int_equal(fc_port_config_is_equal(&a->ports[0], &b->ports[0]),
		memcmp(&before->port, &after.port, sizeof(after.port)) == 0);
}

/* The walk to the key of a number. */
struct walk {
	struct decoder decoder; /* with the place of the key */
	size_t n_left;		/* keys in front of it */
	bool found;
};

static void set_example(struct walk *walk, const struct key_row *row, void *owner)
{
	json_t *value = row->type->read(row, row->example);

	assert_non_null(value);
	row->type->decode(&walk->decoder, row, value, owner);
	json_decref(value);
	assert_int_equal(fc_findings_count(walk->decoder.findings), 0);
	walk->found = true;
}

/* Give the key its example, in the first entry of each map. */
static void walk_table(struct walk *walk, const struct key_table *table, char *owner)
{
	for (size_t i = 0; i < table->n_rows && !walk->found; i++) {
		const struct key_row *row = &table->rows[i];
		char *field = owner + row->offset;
		size_t mark = fc_place_enter(&walk->decoder, row->name);

		if (row->type == &fc_key_map) {
			char *entry = *(char **)(void *)field;

			assert_non_null(entry);
			fc_place_enter(&walk->decoder, entry);
			walk_table(walk, row->table, entry);
		} else if (row->table != NULL) {
			walk_table(walk, row->table, field);
		} else if (walk->n_left-- == 0) {
			set_example(walk, row, owner);
		}
		if (!walk->found)
			fc_place_leave(&walk->decoder, mark);
	}
}

/* False where there is no key of this number. */
static bool check_key(size_t number)
{
	struct fc_findings *findings = fc_findings_new("x");
	struct fc_config *a = cases_parse(full_text);
	struct fc_config *b = cases_parse(full_text);
	struct walk walk = { .decoder.findings = findings, .n_left = number };
	struct parts before;

	walk.decoder.taps = json_pack("{s:{}, s:{}}", "cisco", "dell");
	assert_int_equal(fc_config_compare(a, b, findings), 0);
	copy_parts(b, &before);
	walk_table(&walk, &fc_root_table, (char *)b);
	if (walk.found) {
		unsigned n = fc_config_compare(a, b, findings);

		if (n != 1)
			fail_msg("%s: %u differences", walk.decoder.place, n);
		assert_int_equal(fc_findings_get(findings, 0).severity, FC_NOTE);
		assert_string_equal(fc_findings_get(findings, 0).place, walk.decoder.place);
		assert_int_equal(fc_config_compare(b, a, findings), 1);
	}
	check_parts(a, b, &before);
	json_decref(walk.decoder.taps);
	fc_config_free(a);
	fc_config_free(b);
	fc_findings_free(findings);
	return walk.found;
}

static void test_every_key(void **state)
{
	(void)state;
	size_t n = 0;

	while (check_key(n))
		n++;
	/* 14 of a tap, 21 of an output, 6 of a port, 3 of lcores. */
	assert_in_range(n, 44, 1000);
}

/* A default stands in the tables as a dump writes it, so that both are the same value. */
static void test_defaults(void **state)
{
	(void)state;
	const struct key_table *tables[FC_MAX_TABLES];
	size_t n_tables = fc_tables_list(tables);
	size_t n = 0;

	for (size_t i = 0; i < n_tables; i++) {
		for (size_t j = 0; j < tables[i]->n_rows; j++) {
			const struct key_row *row = &tables[i]->rows[j];
			struct decoder decoder = { .findings = fc_findings_new("x") };
			char *owner = calloc(1, tables[i]->size);

			if (row->preset != NULL) {
				json_t *value = row->type->read(row, row->preset);

				row->type->decode(&decoder, row, value, owner);
				json_t *again = row->type->encode(NULL, row, owner);

				assert_true(json_equal(value, again));
				json_decref(value);
				json_decref(again);
				n++;
			}
			fc_table_release(tables[i], owner);
			free(owner);
			fc_findings_free(decoder.findings);
		}
	}
	assert_in_range(n, 8, 1000);
}

static void test_no_tunnel(void **state)
{
	(void)state;
	struct fc_encap encap = { .type = FC_TUNNEL_NONE };
	struct fc_decap decap = { .type = FC_TUNNEL_NONE };
	struct fc_config *config = cases_parse(full_text);

	assert_false(fc_encap_is_equal(&encap, &config->outputs[0].encap));
	assert_false(fc_encap_is_equal(&config->outputs[0].encap, &encap));
	assert_false(fc_decap_is_equal(&decap, &config->taps[0].decap));
	/* This one has its defaults, and no type. */
	assert_true(fc_decap_is_equal(&decap, &config->taps[1].decap));
	config->outputs[0].encap.type = FC_TUNNEL_NONE;
	assert_true(fc_encap_is_equal(&encap, &config->outputs[0].encap));
	fc_config_free(config);
}

static void test_no_settings(void **state)
{
	(void)state;
	char devargs[] = "size=64";
	struct fc_port_config a = { .name = "p" };
	char words[] = "slot 3";
	struct fc_port_config b = {
		.name = "q", .optional = true, .devargs = devargs, .description = words
	};

	assert_true(fc_port_config_is_equal(NULL, NULL));
	assert_true(fc_port_config_is_equal(NULL, &a));
	assert_true(fc_port_config_is_equal(&b, NULL));
	assert_true(fc_port_config_is_equal(&a, &b));
	b.rx_queues = 1;
	assert_false(fc_port_config_is_equal(&a, &b));
	assert_false(fc_port_config_is_equal(NULL, &b));
	assert_false(fc_port_config_is_equal(&b, NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_equal),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_lists),
		cmocka_unit_test(test_entries),
		cmocka_unit_test(test_objects),
		cmocka_unit_test(test_long_values),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_every_key),
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_no_tunnel),
		cmocka_unit_test(test_no_settings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
