/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "show.h"

static char *show(const char *json, bool zeros)
{
	json_t *all = json_loads(json, 0, NULL);
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(all);
	assert_non_null(out);
	fc_show_print(out, all, zeros);
	assert_int_equal(fclose(out), 0);
	json_decref(all);
	return text;
}

static const char small[] =
	"{\"info\":{\"version\":\"0.1.0\",\"uptime_s\":93784,\"last_reload\":\"\",\"tsc_hz\":"
	"2000000},"
	"\"taps\":{\"cisco\":{\"port\":\"net_pcap0\",\"link\":\"up\",\"rx_packets\":1234,"
	"\"rx_bytes\":56789,\"rx_missed\":0,\"filtered\":0,\"filtered_bytes\":0,\"malformed\":7,"
	"\"malformed_bytes\":70,\"malformed_no_length\":2,\"malformed_no_length_bytes\":20,"
	"\"bad_checksum\":0,\"bad_checksum_bytes\":0,\"ring_bytes\":1048576,\"unaccounted\":-3}},"
	"\"outputs\":{},"
	"\"feeds\":{\"cisco\":{\"ids\":{\"forwarded\":0,\"forwarded_bytes\":0,\"overrun\":0}}},"
	"\"lcores\":{\"1\":{\"role\":\"rx\",\"ports\":\"net_pcap0\",\"busy_cycles\":1,"
	"\"idle_cycles\":3},\"2\":{\"role\":\"tx\"}}}";

static void test_print(void **state)
{
	char *text = show(small, false);

	(void)state;
	assert_string_equal(text,
		"fluxcap\n"
		"  version             0.1.0\n"
		"  uptime              1d 02:03:04\n"
		"  last_reload         -\n"
		"  tsc_hz              2,000,000\n"
		"\n"
		"tap cisco  port net_pcap0  link up  ring_bytes 1,048,576\n"
		"                                       packets                     bytes\n"
		"  rx_packets                             1,234                    56,789\n"
		"  malformed                                  7                        70\n"
		"  malformed_no_length                        2                        20\n"
		"  unaccounted                               -3\n"
		"\n"
		"output (none)\n"
		"\n"
		"feed cisco -> ids\n"
		"                                       packets                     bytes\n"
		"  forwarded                                  0                         0\n"
		"\n"
		"lcore   role      busy  ports\n"
		"1       rx       25.0%  net_pcap0\n"
		"2       tx           -  -\n");
	free(text);
}

static void test_zeros(void **state)
{
	char *text = show(small, true);

	(void)state;
	assert_non_null(strstr(text, "  rx_missed                                  0\n"));
	assert_non_null(strstr(text, "  overrun                                    0\n"));
	free(text);
}

/* A reason whose packets are zero but whose bytes are not is a mistake worth seeing. */
static void test_bytes_alone(void **state)
{
	char *text = show("{\"taps\":{\"a\":{\"filtered\":0,\"filtered_bytes\":9}}}", false);

	(void)state;
	assert_non_null(strstr(text, "  filtered                                   0"));
	free(text);
}

/* Fields of a later version, and values of types that nobody expects, are printed, not followed. */
static void test_odd_values(void **state)
{
	char *text =
		show("{\"info\":{\"version\":[1],\"uptime_s\":-1},"
		     "\"taps\":{\"a\\u001b[2J\":{\"new\":5,\"new_bytes\":\"many\",\"rx_bytes\":6,"
		     "\"x\":{\"y\":null},\"r\":1.5}},"
		     "\"outputs\":{\"o\":7},\"feeds\":{\"a\":[]},\"lcores\":{\"1\":[]}}",
			false);

	(void)state;
	assert_null(strchr(text, '\033'));
	assert_non_null(strstr(text, "  version             [1]\n"));
	assert_non_null(strstr(text, "tap a?[2J"));
	assert_non_null(strstr(text, "  x {\"y\":null}"));
	assert_non_null(strstr(text, "  r 1.5"));
	assert_non_null(strstr(text, "  new                                        5"));
	assert_non_null(strstr(text, "many\n"));
	assert_non_null(strstr(text, "  rx_bytes                                   6\n"));
	assert_non_null(strstr(text, "output o\n"));
	free(text);
	text = show("{}", false);
	assert_string_equal(text, "fluxcap\n\ntap (none)\n\noutput (none)\n");
	free(text);
}

/* Fields of which this program knows only what their names and types tell. */
static void test_later_fields(void **state)
{
	char *text = show("{\"taps\":{\"a\":{\"port\":\"0000:03:00.0\",\"link\":\"up\","
			  "\"state\":\"running\",\"flaps\":2,"
			  "\"last_change\":\"2026-11-23T12:34:56+0100\",\"idle_ms\":70,"
			  "\"fragments_held\":0,\"fragments_waiting\":5,\"fragments_refused\":0}},"
			  "\"outputs\":{\"o\":{\"next_hop\":\"192.0.2.9\","
			  "\"next_hop_mac\":\"02:00:00:00:00:09\",\"tx_packets\":1}}}",
		false);

	(void)state;
	assert_non_null(strstr(text, "\ntap a  port 0000:03:00.0  link up  state running  flaps 2\n"
				     "  last_change 2026-11-23T12:34:56+0100  idle_ms 70\n"));
	assert_non_null(strstr(text, "  fragments_waiting                          5\n"));
	assert_null(strstr(text, "fragments_held"));
	assert_null(strstr(text, "fragments_refused"));
	assert_non_null(
		strstr(text, "\noutput o  next_hop 192.0.2.9  next_hop_mac 02:00:00:00:00:09\n"));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_print),
		cmocka_unit_test(test_zeros),
		cmocka_unit_test(test_bytes_alone),
		cmocka_unit_test(test_odd_values),
		cmocka_unit_test(test_later_fields),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
