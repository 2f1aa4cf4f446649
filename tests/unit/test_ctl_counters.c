/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "counters.h"

#define SECOND UINT64_C(1000000000)

static struct fc_row row_of(
	enum fc_row_kind kind, const char *name, const char *text, uint64_t time_ns)
{
	json_t *answer = json_loads(text, JSON_DECODE_ANY, NULL);
	struct fc_row row;

	assert_non_null(answer);
	fc_row_read(&row, kind, name, answer, time_ns);
	json_decref(answer);
	return row;
}

static void test_read(void **state)
{
	struct fc_row row = row_of(FC_ROW_TAP, "cisco",
		"{\"link\":\"up\",\"rx_packets\":1,\"rx_bytes\":2,\"tx_packets\":3,\"filtered\":4}",
		5);

	(void)state;
	assert_int_equal(row.kind, FC_ROW_TAP);
	assert_string_equal(row.name, "cisco");
	assert_string_equal(row.note, "up");
	assert_int_equal(row.time_ns, 5);
	assert_int_equal(row.known, FC_BIT(FC_PACKETS) | FC_BIT(FC_BYTES) | FC_BIT(FC_FILTERED));
	assert_int_equal(row.values[FC_PACKETS], 1);
	assert_int_equal(row.values[FC_BYTES], 2);
	assert_int_equal(row.values[FC_FILTERED], 4);

	row = row_of(FC_ROW_OUTPUT, "ids", "{\"rx_packets\":1,\"tx_packets\":3,\"queued\":9}", 5);
	assert_int_equal(row.known, FC_BIT(FC_PACKETS) | FC_BIT(FC_QUEUED));
	assert_int_equal(row.values[FC_PACKETS], 3);

	row = row_of(
		FC_ROW_LCORE, "1", "{\"role\":\"rx+tx\",\"link\":\"up\",\"busy_cycles\":3}", 5);
	assert_string_equal(row.note, "rx+tx");
	assert_int_equal(row.known, FC_BIT(FC_BUSY_CYCLES));
}

static void test_read_hostile(void **state)
{
	struct fc_row row = row_of(FC_ROW_TAP, "a\033[2Jb",
		"{\"rx_packets\":\"1\",\"rx_bytes\":-1,\"rx_missed\":1.5,\"malformed\":[],"
		"\"link\":\"\\u001b]0;a very long title\"}",
		5);

	(void)state;
	assert_string_equal(row.name, "a?[2Jb");
	assert_string_equal(row.note, "?]0;a very lon~");
	assert_int_equal(row.known, 0);
	assert_int_equal(row_of(FC_ROW_TAP, "x", "[1]", 0).known, 0);
	assert_int_equal(row_of(FC_ROW_TAP, "x", "\"text\"", 0).known, 0);
}

static void test_read_link(void **state)
{
	(void)state;
	assert_string_equal(row_of(FC_ROW_TAP, "x", "{\"link\":true}", 0).note, "up");
	assert_string_equal(row_of(FC_ROW_TAP, "x", "{\"link\":false}", 0).note, "down");
	assert_string_equal(row_of(FC_ROW_TAP, "x", "{\"link\":1}", 0).note, "up");
	assert_string_equal(row_of(FC_ROW_TAP, "x", "{\"link\":0}", 0).note, "down");
	assert_string_equal(row_of(FC_ROW_TAP, "x", "{\"link\":[]}", 0).note, "");
	assert_string_equal(row_of(FC_ROW_TAP, "x", "{}", 0).note, "");
}

static void test_rates(void **state)
{
	struct fc_row before = row_of(FC_ROW_OUTPUT, "ids",
		"{\"tx_packets\":100,\"tx_bytes\":1000,\"overrun\":7,\"queued\":50}", 10 * SECOND);
	struct fc_row now = row_of(FC_ROW_OUTPUT, "ids",
		"{\"tx_packets\":350,\"tx_bytes\":9007199254741992,\"overrun\":7,\"queued\":20,"
		"\"nombuf\":3}",
		12 * SECOND + SECOND / 2);
	double rates[FC_N_VALUES];

	(void)state;
	fc_row_rates(rates, &now, &before);
	assert_true(rates[FC_PACKETS] == 100);
	assert_true(rates[FC_BYTES] == 9007199254740992 / 2.5);
	assert_true(rates[FC_OVERRUN] == 0);
	assert_true(rates[FC_QUEUED] == 20);
	/* Known only now, and known never. */
	assert_true(isnan(rates[FC_NOMBUF]));
	assert_true(isnan(rates[FC_RX_MISSED]));
}

static void test_rates_large(void **state)
{
	struct fc_row before = { .known = FC_BIT(FC_BYTES),
		.values[FC_BYTES] = UINT64_MAX - 10000 };
	struct fc_row now = { .known = FC_BIT(FC_BYTES), .time_ns = SECOND };
	double rates[FC_N_VALUES];

	(void)state;
	/* Differences are exact also where a double cannot hold the counters themselves. */
	now.values[FC_BYTES] = UINT64_MAX - 9999;
	fc_row_rates(rates, &now, &before);
	assert_true(rates[FC_BYTES] == 1);
}

static void test_rates_unknown(void **state)
{
	struct fc_row before = row_of(
		FC_ROW_TAP, "x", "{\"rx_packets\":100,\"rx_bytes\":5,\"pool_free\":8}", SECOND);
	struct fc_row now = row_of(
		FC_ROW_TAP, "x", "{\"rx_packets\":99,\"rx_bytes\":9,\"pool_free\":7}", 2 * SECOND);
	double rates[FC_N_VALUES];

	(void)state;
	/* A counter that went back. */
	fc_row_rates(rates, &now, &before);
	assert_true(isnan(rates[FC_PACKETS]));
	assert_true(rates[FC_BYTES] == 4);
	assert_true(rates[FC_POOL_FREE] == 7);
	/* Nothing to compare with. */
	fc_row_rates(rates, &now, NULL);
	assert_true(isnan(rates[FC_BYTES]));
	assert_true(rates[FC_POOL_FREE] == 7);
	/* A clock that stands, and one that went back. */
	now.time_ns = before.time_ns;
	fc_row_rates(rates, &now, &before);
	assert_true(isnan(rates[FC_BYTES]));
	now.time_ns = before.time_ns - 1;
	fc_row_rates(rates, &now, &before);
	assert_true(isnan(rates[FC_BYTES]));
}

static void test_sum(void **state)
{
	double rates[FC_N_VALUES];

	(void)state;
	for (int i = 0; i < FC_N_VALUES; i++)
		rates[i] = NAN;
	assert_true(isnan(fc_rates_sum(rates, UINT32_MAX)));
	rates[FC_RX_MISSED] = 3;
	rates[FC_RX_NOMBUF] = 4;
	assert_true(fc_rates_sum(rates, UINT32_MAX) == 7);
	assert_true(fc_rates_sum(rates, FC_BIT(FC_RX_NOMBUF) | FC_BIT(FC_NOMBUF)) == 4);
	assert_true(isnan(fc_rates_sum(rates, FC_BIT(FC_NOMBUF))));
	assert_true(isnan(fc_rates_sum(rates, 0)));
}

static void test_sample(void **state)
{
	struct fc_sample *sample = fc_sample_new();
	json_t *info = json_pack(
		"{s:s, s:s, s:i}", "version", "0.1.0", "config", "/etc/\033x", "uptime_s", 61);
	json_t *odd = json_pack("{s:i, s:s}", "version", 7, "uptime_s", "long");

	(void)state;
	assert_non_null(sample);
	assert_int_equal(sample->uptime_s, UINT64_MAX);
	fc_sample_read_info(sample, odd);
	assert_string_equal(sample->version, "");
	assert_int_equal(sample->uptime_s, UINT64_MAX);
	fc_sample_read_info(sample, info);
	assert_string_equal(sample->version, "0.1.0");
	assert_string_equal(sample->config, "/etc/?x");
	assert_int_equal(sample->uptime_s, 61);
	json_decref(info);
	json_decref(odd);

	for (int i = 0; i < 300; i++) {
		struct fc_row *row = fc_sample_add(sample);

		assert_non_null(row);
		row->kind = i % 2 ? FC_ROW_TAP : FC_ROW_OUTPUT;
		row->name[0] = (char)('a' + i % 26);
	}
	assert_int_equal(sample->n_rows, 300);
	assert_ptr_equal(fc_sample_find(sample, FC_ROW_TAP, "b"), &sample->rows[1]);
	assert_null(fc_sample_find(sample, FC_ROW_OUTPUT, "b"));
	assert_null(fc_sample_find(NULL, FC_ROW_OUTPUT, "b"));
	fc_sample_free(sample);
	fc_sample_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_read),
		cmocka_unit_test(test_read_hostile),
		cmocka_unit_test(test_read_link),
		cmocka_unit_test(test_rates),
		cmocka_unit_test(test_rates_large),
		cmocka_unit_test(test_rates_unknown),
		cmocka_unit_test(test_sum),
		cmocka_unit_test(test_sample),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
