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

static char *draw(
	const struct fc_table_style *style, const struct fc_sample *sample, const char *notice)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	struct fc_page *page = fc_page_new();

	assert_non_null(out);
	assert_non_null(page);
	fc_table_draw(page, style, sample, "", notice);
	assert_int_equal(fc_page_print(page, out), 0);
	assert_int_equal(fclose(out), 0);
	fc_page_free(page);
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
	row->known = FC_BIT(FC_N_VALUES) - 1;
	row->values[FC_PACKETS] = packets;
	row->values[FC_BYTES] = bytes;
	row->values[FC_POOL_SIZE] = 1000;
	row->values[FC_POOL_FREE] = 870;
	row->values[FC_RING_BUFFERS] = 50000;
	return row;
}

static struct fc_row *add_feed(struct fc_sample *sample, const char *tap, const char *output,
	uint64_t packets, uint64_t bytes)
{
	struct fc_row *row = add(sample, FC_ROW_FEED, tap, packets, bytes);

	row->note[0] = '\0';
	snprintf(row->output, sizeof(row->output), "%s", output);
	return row;
}

/* A second later everything has grown: rates are the values of `now`. */
static void compare(struct fc_sample *now, const struct fc_sample *before)
{
	for (size_t i = 0; i < now->n_rows; i++)
		now->rows[i].time_ns = SECOND;
	now->time_ns = SECOND;
	fc_sample_compare(now, before);
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
	add_feed(pair.before, "cisco", "ids", 0, 0);
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
	row->values[FC_MALFORMED_CUT] = 1;
	row->values[FC_BAD_CHECKSUM] = 6;
	row->values[FC_NOT_OURS] = 30;
	row->values[FC_RX_ERRORS] = 400;
	row->values[FC_FRAGMENTS_TIMED_OUT] = 1000;
	row->values[FC_FRAGMENTS_REFUSED] = 2000;
	row->values[FC_FRAGMENTS_TABLE_FULL] = 4000;
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
	row = add_feed(pair.now, "cisco", "ids", 110000, 120000000);
	row->values[FC_OVERRUN] = 980000;
	row->values[FC_QUEUED] = 48211;
	row = add(pair.now, FC_ROW_LCORE, "1", 0, 0);
	row->values[FC_BUSY_CYCLES] = 300;
	row->values[FC_IDLE_CYCLES] = 100;
	compare(pair.now, pair.before);
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

static void test_80_columns(void **state)
{
	const struct fc_table_style style = { .width = 80, .utf8 = true };
	struct pair pair = busy_pair();

	(void)state;
	check_drawn(draw(&style, pair.now, NULL),
		"fluxcap 0.1.0  process 42  up 00:01:01  /etc/fluxcap.json\n"
		" tap    link bit/s pkt/s  missed     bad filter  pool queued ring 1k   1M   100G\n"
		"!cisco  up   9.36G 1.21M     321   7.40k     73   13%  48.2k  96% ████████████▎\n"
		" output link bit/s pkt/s overrun handoff filter other queued ring\n"
		"!ids    up    960M  110k    980k       5     43    15  48.2k  96% ██████████▌\n"
		"lcores  1 rx+tx 75%\n");
	free_pair(pair);
}

static void test_wide(void **state)
{
	const struct fc_table_style style = { .wide = true };
	struct pair pair = busy_pair();

	(void)state;
	check_drawn(draw(&style, pair.now, NULL),
		"fluxcap 0.1.0  process 42  up 00:01:01  /etc/fluxcap.json\n"
		" tap    link bit/s pkt/s    rx_missed rx_nombuf nombuf rx_errors malformed "
		"fragments filtered sampled_out not_ours pool queued ring 1k  100G\n"
		"!cisco  up   9.36G 1.21M            1        20    300       400         2     "
		"7.00k        3          40       30  13%  48.2k  96% #######\n"
		" output link bit/s pkt/s handoff_full overrun unresolved oversize nombuf "
		"tx_refused tx_errors filtered sampled_out      queued ring\n"
		"!ids    up    960M  110k            5    980k          1        2      3          "
		"4         5        3          40       48.2k  96% ######\n"
		"lcores  1 rx+tx 75%\n");
	free_pair(pair);
}

/* What each of narrower terminals leaves out. */
static void test_narrow(void **state)
{
	struct pair pair = busy_pair();

	(void)state;
	check_drawn(draw(&(struct fc_table_style){ .width = 50 }, pair.now, NULL),
		"fluxcap 0.1.0  process 42  up 00:01:01  /etc/flux~\n"
		" tap    link bit/s pkt/s drops queued ring\n"
		"!cisco  up   9.36G 1.21M 7.72k  48.2k  96%\n"
		" output link bit/s pkt/s drops queued ring\n"
		"!ids    up    960M  110k  980k  48.2k  96%\n"
		"lcores  1 rx+tx 75%\n");
	check_drawn(draw(&(struct fc_table_style){ .width = 30, .wide = true }, pair.now, NULL),
		"fluxcap 0.1.0  process 42  up~\n"
		" tap    link bit/s drops\n"
		"!cisco  up   9.36G 7.72k\n"
		"    rx_missed 1  rx_nombuf 20\n"
		"    rx_errors 400  not_ours 30\n"
		"    malformed 2\n"
		"    malformed_cut 1\n"
		"    bad_checksum 6\n"
		"    fragments_timed_out 1.00k\n"
		"    fragments_refused 2.00k\n"
		"    fragments_table_full 4.00k\n"
		"    filtered 3  sampled_out 40\n"
		"    nombuf 300\n"
		" output link bit/s drops\n"
		"!ids    up    960M  980k\n"
		"    filtered 3  sampled_out 40\n"
		"    nombuf 3  handoff_full 5\n"
		"    overrun 980k  unresolved 1\n"
		"    oversize 2  tx_refused 4\n"
		"    tx_errors 5\n"
		"lcores  1 rx+tx 75%\n");
	free_pair(pair);
}

static void test_feeds(void **state)
{
	const struct fc_table_style style = { .width = 60, .feeds = true };
	struct pair pair = busy_pair();

	(void)state;
	check_drawn(draw(&style, pair.now, NULL),
		"fluxcap 0.1.0  process 42  up 00:01:01  /etc/fluxcap.json\n"
		" tap     link bit/s pkt/s drops queued ring 1k    1M    100G\n"
		"!cisco   up   9.36G 1.21M 7.72k  48.2k  96% ##############\n"
		" output  link bit/s pkt/s drops queued ring\n"
		"!ids     up    960M  110k  980k  48.2k  96% ############\n"
		"! <cisco -     960M  110k  980k  48.2k  96% ############\n"
		"lcores  1 rx+tx 75%\n");
	free_pair(pair);
}

/* Without anything to compare with there are levels, but no rates. */
static void test_first(void **state)
{
	const struct fc_table_style style = { .width = 80 };
	struct pair pair = busy_pair();

	(void)state;
	fc_sample_compare(pair.now, NULL);
	for (size_t i = 0; i < pair.now->n_rows; i++)
		pair.now->rows[i].has_lost = false;
	check_drawn(draw(&style, pair.now, "connected again"),
		"fluxcap 0.1.0  process 42  up 00:01:01  /etc/fluxcap.json\n"
		"connected again\n"
		" tap    link bit/s pkt/s  missed     bad filter  pool queued ring 1k   1M   100G\n"
		"^cisco  up       -     -       -       -      -   13%  48.2k  96%\n"
		" output link bit/s pkt/s overrun handoff filter other queued ring\n"
		"^ids    up       -     -       -       -      -     -  48.2k  96%\n"
		"lcores  1 rx+tx -\n");
	free_pair(pair);
}

static void test_nothing(void **state)
{
	const struct fc_table_style style = { .width = 80 };
	struct fc_sample *sample = fc_sample_new();

	(void)state;
	assert_non_null(sample);
	check_drawn(draw(&style, NULL, "lost"), "fluxcap\nlost\n");
	check_drawn(draw(&style, sample, ""),
		"fluxcap\n"
		" tap    link bit/s pkt/s  missed     bad filter  pool queued ring 1k   1M   100G\n"
		" (none)\n"
		" output link bit/s pkt/s overrun handoff filter other queued ring\n"
		" (none)\n");
	fc_sample_free(sample);
}

/* Losing now, about to, having lost; a total where there are several. */
static void test_marks(void **state)
{
	const struct fc_table_style style = { .width = 60, .order = FC_ORDER_DROPS };
	struct pair pair = { fc_sample_new(), fc_sample_new() };
	static const char *const names[] = { "well", "full", "lost", "losing" };

	(void)state;
	assert_non_null(pair.before);
	assert_non_null(pair.now);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		add(pair.before, FC_ROW_TAP, names[i], 0, 0);
		add(pair.now, FC_ROW_TAP, names[i], 1000, 125000);
	}
	add_feed(pair.now, "full", "x", 0, 0)->values[FC_QUEUED] = 40000;
	pair.before->rows[2].has_lost = true;
	pair.now->rows[3].values[FC_RX_MISSED] = 1;
	compare(pair.now, pair.before);
	check_drawn(draw(&style, pair.now, NULL),
		"fluxcap\n"
		" tap    link bit/s pkt/s drops queued ring 1k    1M     100G\n"
		"!total  -    4.00M 4.00k     1  40.0k  80% ########\n"
		"!losing up   1.00M 1.00k     1      -    - ######-\n"
		" well   up   1.00M 1.00k     0      -    - ######-\n"
		"^full   up   1.00M 1.00k     0  40.0k  80% ######-\n"
		"*lost   up   1.00M 1.00k     0      -    - ######-\n"
		" output link bit/s pkt/s drops queued ring\n"
		" (none)\n");
	free_pair(pair);
}

static void test_colour(void **state)
{
	const struct fc_table_style style = { .width = 80, .colour = true };
	struct pair pair = busy_pair();
	char *text;

	(void)state;
	strcpy(pair.now->rows[1].note, "down");
	pair.now->rows[1].rates[FC_HANDOFF_FULL] = 0;
	text = draw(&style, pair.now, NULL);
	assert_non_null(strstr(text, "\033[1;31m!\033[0mids "));
	assert_non_null(strstr(text, "    \033[1;31m980k\033[0m       \033[2m0\033[0m     43"));
	assert_non_null(strstr(text, "\033[1;31m down\033[0m"));
	assert_non_null(strstr(text, "\033[33m96%\033[0m"));
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
		else
			strcpy(row->note, "more than four");
		row->values[FC_BYTES] = UINT64_MAX;
		row->values[FC_QUEUED] = 10000000000000;
		row->values[FC_OVERSIZE] = UINT64_MAX;
		add(pair.before, row->kind, row->name, 0, 0);
	}
	compare(pair.now, pair.before);
	for (unsigned width = 1; width <= 250; width++) {
		for (int i = 0; i < 4; i++) {
			struct fc_table_style style = {
				.width = width, .wide = i & 1, .feeds = i & 2, .utf8 = width % 2
			};

			text = draw(&style, pair.now,
				"a notice that is far longer than the narrowest of all these "
				"terminals");
			assert_in_range(longest_line(text), 1, width);
			free(text);
		}
	}
	/* A name is cut where there is no room for it, and only there. */
	text = draw(&(struct fc_table_style){ .width = 80 }, pair.now, NULL);
	assert_null(strstr(text, "-of-thirty"));
	assert_non_null(strstr(text, "b-name-of-t~ more th~ "));
	free(text);
	text = draw(&(struct fc_table_style){ .width = 0 }, pair.now, NULL);
	assert_non_null(strstr(text, "b-name-of-thirty-one-characters more th~ "));
	free(text);
	free_pair(pair);
}

static void test_title(void **state)
{
	struct pair pair = busy_pair();
	struct fc_table_style style = { .width = 60 };
	struct fc_page *page = fc_page_new();
	char text[4096];
	FILE *out = fmemopen(text, sizeof(text), "w");

	(void)state;
	assert_non_null(page);
	assert_non_null(out);
	fc_table_draw(page, &style, pair.now, "12:34:56", NULL);
	assert_int_equal(fc_page_print(page, out), 0);
	assert_int_equal(fclose(out), 0);
	text[strcspn(text, "\n")] = '\0';
	assert_string_equal(text, "fluxcap 0.1.0  process 42  up 00:01:01  /etc/flux~  12:34:56");
	fc_page_free(page);
	free_pair(pair);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_80_columns),
		cmocka_unit_test(test_wide),
		cmocka_unit_test(test_narrow),
		cmocka_unit_test(test_feeds),
		cmocka_unit_test(test_first),
		cmocka_unit_test(test_nothing),
		cmocka_unit_test(test_marks),
		cmocka_unit_test(test_colour),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_title),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
