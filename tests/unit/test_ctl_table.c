/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "table.h"

#define SECOND UINT64_C(1000000000)

static char *draw(const struct fc_table_style *style, const struct fc_sample *now,
	const struct fc_sample *before, const char *notice)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	fc_table_draw(out, style, now, before, notice);
	assert_int_equal(fclose(out), 0);
	return text;
}

static struct fc_row *add(struct fc_sample *sample, enum fc_row_kind kind, const char *name,
	uint64_t packets, uint64_t bytes)
{
	struct fc_row *row = fc_sample_add(sample);

	assert_non_null(row);
	row->kind = kind;
	snprintf(row->name, sizeof(row->name), "%s", name);
	snprintf(row->note, sizeof(row->note), kind == FC_ROW_LCORE ? "rx+tx" : "up");
	row->known = (UINT32_C(1) << FC_N_VALUES) - 1;
	row->values[FC_PACKETS] = packets;
	row->values[FC_BYTES] = bytes;
	row->values[FC_POOL_SIZE] = 1000;
	row->values[FC_POOL_FREE] = 870;
	return row;
}

/* A second later everything has grown: rates are the values of `now`. */
static void later(struct fc_sample *now)
{
	for (size_t i = 0; i < now->n_rows; i++)
		now->rows[i].time_ns = SECOND;
}

struct pair {
	struct fc_sample *before, *now;
};

static struct pair busy_pair(void)
{
	struct pair pair = { fc_sample_new(), fc_sample_new() };
	struct fc_row *row;

	assert_non_null(pair.before);
	assert_non_null(pair.now);
	add(pair.before, FC_ROW_TAP, "cisco", 0, 0);
	add(pair.before, FC_ROW_OUTPUT, "ids", 0, 0);
	add(pair.before, FC_ROW_LCORE, "1", 0, 0);
	strcpy(pair.now->version, "0.1.0");
	strcpy(pair.now->config, "/etc/fluxcap.json");
	pair.now->pid = 42;
	pair.now->uptime_s = 61;
	row = add(pair.now, FC_ROW_TAP, "cisco", 1210000, 1170000000);
	row->values[FC_RX_MISSED] = 1;
	row->values[FC_RX_NOMBUF] = 20;
	row->values[FC_NOMBUF] = 300;
	row->values[FC_MALFORMED] = 2;
	row->values[FC_NOT_OURS] = 30;
	row->values[FC_RX_ERRORS] = 400;
	row->values[FC_FILTERED] = 3;
	row->values[FC_SAMPLED_OUT] = 40;
	row = add(pair.now, FC_ROW_OUTPUT, "ids", 110000, 120000000);
	row->values[FC_OVERRUN] = 980000;
	row->values[FC_HANDOFF_FULL] = 5;
	row->values[FC_FILTERED] = 3;
	row->values[FC_SAMPLED_OUT] = 40;
	row->values[FC_UNRESOLVED] = 1;
	row->values[FC_OVERSIZE] = 2;
	row->values[FC_NOMBUF] = 3;
	row->values[FC_TX_REFUSED] = 4;
	row->values[FC_TX_ERRORS] = 5;
	row->values[FC_QUEUED] = 48211;
	row = add(pair.now, FC_ROW_LCORE, "1", 0, 0);
	row->values[FC_BUSY_CYCLES] = 300;
	row->values[FC_IDLE_CYCLES] = 100;
	later(pair.now);
	return pair;
}

static void free_pair(struct pair pair)
{
	fc_sample_free(pair.before);
	fc_sample_free(pair.now);
}

static void check_drawn(char *text, const char *expected)
{
	assert_string_equal(text, expected);
	free(text);
}

static void test_narrow(void **state)
{
	const struct fc_table_style style = { .width = 80, .utf8 = true };
	struct pair pair = busy_pair();

	(void)state;
	check_drawn(draw(&style, pair.now, pair.before, NULL),
		"fluxcap 0.1.0  process 42  up 00:01:01  /etc/fluxcap.json\n"
		"tap    link  bit/s pkt/s  missed     bad filter         pool 1k     1M      100G\n"
		"cisco  up    9.36G 1.21M     321     432     43          13% ████████████████▌\n"
		"output link  bit/s pkt/s overrun handoff filter other queued\n"
		"ids    up     960M  110k    980k       5     43    15  48.2k ██████████████▎\n"
		"lcores  1 rx+tx 75%\n");
	free_pair(pair);
}

static void test_wide(void **state)
{
	const struct fc_table_style style = { .wide = true };
	struct pair pair = busy_pair();

	(void)state;
	check_drawn(draw(&style, pair.now, pair.before, NULL),
		"fluxcap 0.1.0  process 42  up 00:01:01  /etc/fluxcap.json\n"
		"tap    link  bit/s pkt/s    rx_missed rx_nombuf filtered sampled_out  rx_errors "
		"malformed  not_ours nombuf              pool 1k  100G\n"
		"cisco  up    9.36G 1.21M            1        20        3          40        400 "
		"        2        30    300               13% #######\n"
		"output link  bit/s pkt/s handoff_full   overrun filtered sampled_out unresolved "
		" oversize tx_errors nombuf tx_refused queued\n"
		"ids    up     960M  110k            5      980k        3          40          1 "
		"        2         5      3          4  48.2k ######\n"
		"lcores  1 rx+tx 75%\n");
	free_pair(pair);
}

/* Without anything to compare with there are levels, but no rates. */
static void test_first(void **state)
{
	const struct fc_table_style style = { .width = 80 };
	struct pair pair = busy_pair();

	(void)state;
	check_drawn(draw(&style, pair.now, NULL, "connected again"),
		"fluxcap 0.1.0  process 42  up 00:01:01  /etc/fluxcap.json\n"
		"connected again\n"
		"tap    link  bit/s pkt/s  missed     bad filter         pool 1k     1M      100G\n"
		"cisco  up        -     -       -       -      -          13%\n"
		"output link  bit/s pkt/s overrun handoff filter other queued\n"
		"ids    up        -     -       -       -      -     -  48.2k\n"
		"lcores  1 rx+tx -\n");
	free_pair(pair);
}

static void test_nothing(void **state)
{
	const struct fc_table_style style = { .width = 80 };
	struct fc_sample *sample = fc_sample_new();

	(void)state;
	assert_non_null(sample);
	check_drawn(draw(&style, NULL, NULL, "lost"), "fluxcap\nlost\n");
	check_drawn(draw(&style, sample, sample, ""),
		"fluxcap\n"
		"tap    link  bit/s pkt/s  missed     bad filter         pool 1k     1M      100G\n"
		"(none)\n"
		"output link  bit/s pkt/s overrun handoff filter other queued\n"
		"(none)\n");
	fc_sample_free(sample);
}

static void test_colour(void **state)
{
	const struct fc_table_style style = { .width = 60, .colour = true };
	struct pair pair = busy_pair();
	char *text;

	(void)state;
	strcpy(pair.now->rows[1].note, "down");
	pair.now->rows[1].values[FC_HANDOFF_FULL] = 0;
	text = draw(&style, pair.now, pair.before, NULL);
	assert_non_null(strstr(text, "\033[1;31m    980k\033[0m       0     43"));
	assert_non_null(strstr(text, "\033[1;31mdown\033[0m"));
	free(text);
	free_pair(pair);
}

/* The number of columns of the longest line; what UTF-8 has beside its first bytes is none. */
static unsigned longest_line(const char *text)
{
	unsigned longest = 0, used = 0;

	for (; *text != '\0'; text++) {
		if (*text == '\n')
			used = 0;
		else if (((unsigned char)*text & 0xc0) != 0x80)
			used++;
		longest = used > longest ? used : longest;
	}
	return longest;
}

static void test_bounds(void **state)
{
	static const char name[] = "a-name-of-thirty-one-characters";
	struct pair pair = busy_pair();
	char *text;

	(void)state;
	for (int i = 0; i < 40; i++) {
		struct fc_row *row =
			add(pair.now, i % 2 ? FC_ROW_OUTPUT : FC_ROW_LCORE, name, 0, 0);

		row->name[0] = (char)('a' + i);
		if (row->kind == FC_ROW_LCORE)
			row->name[2] = '\0';
		row->values[FC_BYTES] = UINT64_MAX;
		row->values[FC_QUEUED] = 10000000000000;
		add(pair.before, row->kind, row->name, 0, 0);
	}
	later(pair.now);
	for (unsigned width = 1; width <= 250; width++) {
		for (int wide = 0; wide < 2; wide++) {
			struct fc_table_style style = {
				.width = width, .wide = wide, .utf8 = width % 2
			};

			text = draw(&style, pair.now, pair.before,
				"a notice that is far longer than the narrowest of all these "
				"terminals");
			assert_in_range(longest_line(text), 1, width);
			free(text);
		}
	}
	/* A name is cut where there is no room for it, and only there. */
	text = draw(&(struct fc_table_style){ .width = 80 }, pair.now, pair.before, NULL);
	assert_null(strstr(text, "-of-thirty"));
	assert_non_null(strstr(text, "b-name-of-t~ up"));
	free(text);
	text = draw(&(struct fc_table_style){ .width = 0 }, pair.now, pair.before, NULL);
	assert_non_null(strstr(text, "b-name-of-thirty-one-characters up"));
	free(text);
	free_pair(pair);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_narrow),
		cmocka_unit_test(test_wide),
		cmocka_unit_test(test_first),
		cmocka_unit_test(test_nothing),
		cmocka_unit_test(test_colour),
		cmocka_unit_test(test_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
