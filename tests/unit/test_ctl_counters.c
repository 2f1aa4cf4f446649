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

static void test_read_state(void **state)
{
	(void)state;
	assert_string_equal(
		row_of(FC_ROW_TAP, "x", "{\"link\":\"up\",\"state\":\"running\"}", 0).note, "up");
	assert_string_equal(
		row_of(FC_ROW_TAP, "x", "{\"link\":\"down\",\"state\":\"absent\"}", 0).note,
		"absent");
	assert_string_equal(
		row_of(FC_ROW_LCORE, "1", "{\"role\":\"rx\",\"state\":\"odd\"}", 0).note, "rx");
}

static void test_read_feed(void **state)
{
	struct fc_row row = row_of(FC_ROW_FEED, "cisco,ids", "{\"tx_packets\":3,\"queued\":4}", 5);

	(void)state;
	assert_string_equal(row.name, "cisco");
	assert_string_equal(row.output, "ids");
	assert_int_equal(row.known, FC_BIT(FC_PACKETS) | FC_BIT(FC_QUEUED));
}

static void test_rates(void **state)
{
	struct fc_row before = row_of(FC_ROW_OUTPUT, "ids",
		"{\"tx_packets\":100,\"tx_bytes\":1000,\"overrun\":7,\"queued\":50}", 10 * SECOND);
	struct fc_row now = row_of(FC_ROW_OUTPUT, "ids",
		"{\"tx_packets\":350,\"tx_bytes\":9007199254741992,\"overrun\":7,\"queued\":20,"
		"\"nombuf\":3}",
		12 * SECOND + SECOND / 2);

	(void)state;
	fc_row_compare(&now, &before);
	assert_true(now.rates[FC_PACKETS] == 100);
	assert_true(now.rates[FC_BYTES] == 9007199254740992 / 2.5);
	assert_true(now.rates[FC_OVERRUN] == 0);
	assert_true(now.rates[FC_QUEUED] == 20);
	/* Known only now, and known never. */
	assert_true(isnan(now.rates[FC_NOMBUF]));
	assert_true(isnan(now.rates[FC_RX_MISSED]));
	assert_false(fc_row_is_losing(&now));
	assert_false(now.has_lost);
}

static void test_rates_large(void **state)
{
	struct fc_row before = { .known = FC_BIT(FC_BYTES),
		.values[FC_BYTES] = UINT64_MAX - 10000 };
	struct fc_row now = { .known = FC_BIT(FC_BYTES), .time_ns = SECOND };

	(void)state;
	/* Differences are exact also where a double cannot hold the counters themselves. */
	now.values[FC_BYTES] = UINT64_MAX - 9999;
	fc_row_compare(&now, &before);
	assert_true(now.rates[FC_BYTES] == 1);
}

static void test_rates_unknown(void **state)
{
	struct fc_row before = row_of(
		FC_ROW_TAP, "x", "{\"rx_packets\":100,\"rx_bytes\":5,\"pool_free\":8}", SECOND);
	struct fc_row now = row_of(
		FC_ROW_TAP, "x", "{\"rx_packets\":109,\"rx_bytes\":9,\"pool_free\":7}", 2 * SECOND);

	(void)state;
	fc_row_compare(&now, &before);
	assert_true(now.rates[FC_BYTES] == 4);
	/* Nothing to compare with. */
	fc_row_compare(&now, NULL);
	assert_true(isnan(now.rates[FC_BYTES]));
	assert_true(now.rates[FC_POOL_FREE] == 7);
	/* A clock that stands, and one that went back. */
	now.time_ns = before.time_ns;
	fc_row_compare(&now, &before);
	assert_true(isnan(now.rates[FC_BYTES]));
	now.time_ns = before.time_ns - 1;
	fc_row_compare(&now, &before);
	assert_true(isnan(now.rates[FC_BYTES]));
}

/* A tap that was removed and made again counts from 0, and some of its counters have grown beyond
 * what they were: their differences mean nothing. */
static void test_rates_anew(void **state)
{
	struct fc_row before = row_of(FC_ROW_TAP, "x",
		"{\"rx_packets\":100,\"rx_bytes\":5,\"rx_missed\":1,\"pool_free\":8}", SECOND);
	struct fc_row now = row_of(FC_ROW_TAP, "x",
		"{\"rx_packets\":99,\"rx_bytes\":9,\"rx_missed\":2,\"pool_free\":7}", 2 * SECOND);

	(void)state;
	fc_row_compare(&now, &before);
	assert_true(isnan(now.rates[FC_PACKETS]));
	assert_true(isnan(now.rates[FC_BYTES]));
	assert_true(isnan(now.rates[FC_RX_MISSED]));
	assert_true(now.rates[FC_POOL_FREE] == 7);
	/* The NIC's own counters start anew by themselves. */
	now.values[FC_PACKETS] = 101;
	now.values[FC_RX_MISSED] = 0;
	fc_row_compare(&now, &before);
	assert_true(now.rates[FC_PACKETS] == 1);
	assert_true(isnan(now.rates[FC_RX_MISSED]));
}

static void test_losing(void **state)
{
	struct fc_row first = row_of(FC_ROW_OUTPUT, "x", "{\"overrun\":1,\"filtered\":1}", SECOND);
	struct fc_row second =
		row_of(FC_ROW_OUTPUT, "x", "{\"overrun\":2,\"filtered\":1}", 2 * SECOND);
	struct fc_row third =
		row_of(FC_ROW_OUTPUT, "x", "{\"overrun\":2,\"filtered\":9}", 3 * SECOND);

	(void)state;
	/* What was lost before the view began is not its matter. */
	fc_row_compare(&first, NULL);
	assert_false(fc_row_is_losing(&first) || first.has_lost);
	fc_row_compare(&second, &first);
	assert_true(fc_row_is_losing(&second) && second.has_lost);
	/* What the configuration leaves out is no loss. */
	fc_row_compare(&third, &second);
	assert_false(fc_row_is_losing(&third));
	assert_true(third.has_lost);
}

static void test_sum(void **state)
{
	struct fc_row row = { 0 };

	(void)state;
	for (int i = 0; i < FC_N_VALUES; i++)
		row.rates[i] = NAN;
	assert_true(isnan(fc_row_sum(&row, UINT32_MAX)));
	row.rates[FC_RX_MISSED] = 3;
	row.rates[FC_RX_NOMBUF] = 4;
	assert_true(fc_row_sum(&row, UINT32_MAX) == 7);
	assert_true(fc_row_sum(&row, FC_BIT(FC_RX_NOMBUF) | FC_BIT(FC_NOMBUF)) == 4);
	assert_true(isnan(fc_row_sum(&row, FC_BIT(FC_NOMBUF))));
	assert_true(isnan(fc_row_sum(&row, 0)));
}

static void test_down(void **state)
{
	(void)state;
	assert_false(fc_row_is_down(&(struct fc_row){ .note = "up" }));
	assert_false(fc_row_is_down(&(struct fc_row){ .note = "" }));
	assert_true(fc_row_is_down(&(struct fc_row){ .note = "down" }));
	assert_true(fc_row_is_down(&(struct fc_row){ .note = "gone" }));
	assert_false(fc_row_is_down(&(struct fc_row){ .kind = FC_ROW_LCORE, .note = "rx" }));
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
		row->kind = i % 2 ? FC_ROW_TAP : FC_ROW_FEED;
		row->name[0] = (char)('a' + i % 26);
		row->output[0] = i == 28 ? 'y' : 'x';
	}
	assert_int_equal(sample->n_rows, 300);
	assert_ptr_equal(fc_sample_find(sample, &sample->rows[1]), &sample->rows[1]);
	/* Two feeds of one tap. */
	assert_ptr_equal(fc_sample_find(sample, &sample->rows[28]), &sample->rows[28]);
	assert_ptr_equal(fc_sample_find(sample, &sample->rows[54]), &sample->rows[2]);
	assert_null(fc_sample_find(sample, &(struct fc_row){ FC_ROW_OUTPUT, .name = "b" }));
	assert_null(fc_sample_find(NULL, &sample->rows[1]));
	fc_sample_free(sample);
	fc_sample_free(NULL);
}

static void add(struct fc_sample *sample, enum fc_row_kind kind, const char *name, const char *text)
{
	struct fc_row *row = fc_sample_add(sample);

	assert_non_null(row);
	*row = row_of(kind, name, text, sample->time_ns);
}

static struct fc_sample *sample_at(uint64_t seconds)
{
	struct fc_sample *sample = fc_sample_new();

	assert_non_null(sample);
	sample->time_ns = seconds * SECOND;
	sample->pid = 7;
	return sample;
}

static void test_backlog(void **state)
{
	struct fc_sample *sample = sample_at(1);
	const struct fc_row *rows;

	(void)state;
	add(sample, FC_ROW_TAP, "a", "{\"ring_bytes\":1000}");
	add(sample, FC_ROW_TAP, "b", "{\"ring_bytes\":1000,\"ring_buffers\":10}");
	add(sample, FC_ROW_TAP, "idle", "{\"ring_bytes\":1000}");
	add(sample, FC_ROW_OUTPUT, "x", "{\"queued\":9}");
	add(sample, FC_ROW_FEED, "a,x", "{\"queued\":4,\"queued_bytes\":400}");
	add(sample, FC_ROW_FEED, "b,x", "{\"queued\":5,\"queued_bytes\":300}");
	add(sample, FC_ROW_FEED, "a,y", "{\"queued\":2,\"queued_bytes\":4000}");
	add(sample, FC_ROW_FEED, "none,y", "{\"queued\":2}");
	fc_sample_compare(sample, NULL);
	rows = sample->rows;
	/* A tap's feeds share its ring: the longest backlog counts, not the sum. */
	assert_true(rows[0].backlog == 4 && rows[0].ring_share == 1);
	assert_true(rows[1].backlog == 5 && rows[1].ring_share == 0.5);
	assert_true(isnan(rows[2].backlog) && isnan(rows[2].ring_share));
	/* An output's feeds are of different rings. */
	assert_true(rows[3].backlog == 9 && rows[3].ring_share == 0.5);
	assert_true(rows[4].backlog == 4 && rows[4].ring_share == 0.4);
	/* By buffers where that is known. */
	assert_true(rows[5].backlog == 5 && rows[5].ring_share == 0.5);
	assert_true(rows[6].ring_share == 1);
	assert_true(rows[7].backlog == 2 && isnan(rows[7].ring_share));
	fc_sample_free(sample);
}

static void test_compare(void **state)
{
	struct fc_sample *before = sample_at(10), *now = sample_at(14), *blank;
	char text[64], little[16];

	(void)state;
	add(before, FC_ROW_TAP, "old", "{\"rx_packets\":5}");
	add(before, FC_ROW_TAP, "a", "{\"rx_packets\":100,\"link\":\"up\",\"flaps\":1}");
	add(before, FC_ROW_OUTPUT, "x", "{\"tx_packets\":100}");
	add(now, FC_ROW_TAP, "a", "{\"rx_packets\":108,\"link\":\"up\",\"flaps\":3}");
	add(now, FC_ROW_OUTPUT, "new", "{\"tx_packets\":100}");
	add(now, FC_ROW_OUTPUT, "x", "{\"tx_packets\":104}");
	fc_sample_compare(now, before);
	assert_true(now->interval_s == 4);
	assert_true(now->rows[0].rates[FC_PACKETS] == 2);
	assert_true(isnan(now->rows[1].rates[FC_PACKETS]));
	assert_true(now->rows[2].rates[FC_PACKETS] == 1);
	fc_sample_changes(text, sizeof(text), now, before);
	assert_string_equal(
		text, "tap old removed, tap a changed its link in between, output new~");
	fc_sample_changes(little, sizeof(little), now, before);
	assert_string_equal(little, "tap old remove~");
	fc_sample_changes(text, sizeof(text), before, before);
	assert_string_equal(text, "");

	blank = fc_sample_blank(now);
	assert_non_null(blank);
	assert_int_equal(blank->n_rows, 3);
	assert_string_equal(blank->rows[0].name, "a");
	assert_string_equal(blank->rows[0].note, "");
	assert_true(isnan(blank->rows[0].rates[FC_PACKETS]));
	fc_sample_free(blank);
	fc_sample_free(now);
	fc_sample_free(before);
}

static bool is_same(uint64_t uptime_s, uint64_t later_uptime_s, uint64_t passed_s, long long pid)
{
	struct fc_sample before = { .pid = 7, .uptime_s = uptime_s, .time_ns = SECOND };
	struct fc_sample now = {
		.pid = pid, .uptime_s = later_uptime_s, .time_ns = (1 + passed_s) * SECOND
	};

	return fc_sample_is_same_process(&now, &before);
}

/* In a container every fluxcap may have the same pid. */
static void test_same_process(void **state)
{
	(void)state;
	assert_true(is_same(100, 105, 5, 7));
	assert_true(is_same(100, 104, 5, 7));
	assert_true(is_same(100, 106, 5, 7));
	assert_false(is_same(100, 105, 5, 8));
	assert_false(is_same(100, 1, 5, 7));
	/* It runs longer than when it was last seen, but not as long as time has passed. */
	assert_false(is_same(2, 5, 60, 7));
	assert_true(is_same(UINT64_MAX, UINT64_MAX, 5, 7));
	assert_false(is_same(5, UINT64_MAX, 5, 7));
}

static void test_total(void **state)
{
	struct fc_sample *before = sample_at(0), *now = sample_at(1);
	struct fc_row total;

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct fc_sample *sample = i == 0 ? before : now;
		const char *first = i == 0 ? "{\"tx_packets\":0,\"tx_errors\":0,\"port\":\"p\"}"
					   : "{\"tx_packets\":3,\"tx_errors\":5,\"port\":\"p\","
					     "\"queued\":3}";
		const char *third = i == 0 ? "{\"tx_packets\":0,\"tx_errors\":0,\"port\":\"q\"}"
					   : "{\"tx_packets\":4,\"tx_errors\":7,\"port\":\"q\","
					     "\"queued\":1}";

		add(sample, FC_ROW_OUTPUT, "a", first);
		/* Another output of the same port, which has the same errors. */
		add(sample, FC_ROW_OUTPUT, "b", first);
		add(sample, FC_ROW_OUTPUT, "c", third);
		add(sample, FC_ROW_OUTPUT, "d", "{}");
		add(sample, FC_ROW_TAP, "t", "{\"rx_packets\":100}");
	}
	fc_sample_compare(now, before);
	assert_int_equal(fc_sample_total(&total, now, FC_ROW_OUTPUT), 4);
	assert_string_equal(total.name, "total");
	assert_true(total.rates[FC_PACKETS] == 10);
	assert_true(total.rates[FC_TX_ERRORS] == 12);
	assert_true(isnan(total.rates[FC_OVERRUN]));
	assert_true(total.backlog == 7);
	assert_true(fc_row_is_losing(&total));
	assert_int_equal(fc_sample_total(&total, now, FC_ROW_LCORE), 0);
	assert_true(isnan(total.rates[FC_PACKETS]));
	fc_sample_free(now);
	fc_sample_free(before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_read),
		cmocka_unit_test(test_read_hostile),
		cmocka_unit_test(test_read_link),
		cmocka_unit_test(test_read_state),
		cmocka_unit_test(test_read_feed),
		cmocka_unit_test(test_rates),
		cmocka_unit_test(test_rates_large),
		cmocka_unit_test(test_rates_unknown),
		cmocka_unit_test(test_rates_anew),
		cmocka_unit_test(test_losing),
		cmocka_unit_test(test_sum),
		cmocka_unit_test(test_down),
		cmocka_unit_test(test_sample),
		cmocka_unit_test(test_backlog),
		cmocka_unit_test(test_compare),
		cmocka_unit_test(test_same_process),
		cmocka_unit_test(test_total),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
