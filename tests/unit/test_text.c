/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include <fc_text.h>

#define UNCHANGED 77

static void test_whole(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		uint64_t min, max;
		int rc;
		uint64_t value;
	} cases[] = {
		{ "1", 1, 4094, 0, 1 },
		{ "4094", 1, 4094, 0, 4094 },
		{ "007", 0, 10, 0, 7 },
		{ "0", 1, 4094, -ERANGE, UNCHANGED },
		{ "4095", 1, 4094, -ERANGE, UNCHANGED },
		{ "18446744073709551615", 0, UINT64_MAX, 0, UINT64_MAX },
		{ "18446744073709551616", 0, UINT64_MAX, -ERANGE, UNCHANGED },
		{ "99999999999999999999999999", 0, UINT64_MAX, -ERANGE, UNCHANGED },
		{ "99999999999999999999999999x", 0, UINT64_MAX, -EINVAL, UNCHANGED },
		{ "", 0, 9, -EINVAL, UNCHANGED },
		{ "-1", 0, 9, -EINVAL, UNCHANGED },
		{ "+1", 0, 9, -EINVAL, UNCHANGED },
		{ " 1", 0, 9, -EINVAL, UNCHANGED },
		{ "1 ", 0, 9, -EINVAL, UNCHANGED },
		{ "1.0", 0, 9, -EINVAL, UNCHANGED },
		{ "0x1", 0, 9, -EINVAL, UNCHANGED },
		{ "1e3", 0, 9999, -EINVAL, UNCHANGED },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t value = UNCHANGED;

		assert_int_equal(
			fc_text_parse_whole(cases[i].text, cases[i].min, cases[i].max, &value),
			cases[i].rc);
		assert_int_equal(value, cases[i].value);
	}
}

static void test_size(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int rc;
		uint64_t size;
	} cases[] = {
		{ "64k", 0, 65536 },
		{ "64K", 0, 65536 },
		{ "1m", 0, 1048576 },
		{ "2g", 0, UINT64_C(2) << 30 },
		{ "1t", 0, UINT64_C(1) << 40 },
		{ "70000", 0, 70000 },
		{ "2t", -ERANGE, UNCHANGED },
		{ "63k", -ERANGE, UNCHANGED },
		{ "18446744073709551615t", -ERANGE, UNCHANGED },
		{ "16777216t", -ERANGE, UNCHANGED },
		{ "99999999999999999999k", -ERANGE, UNCHANGED },
		{ "", -EINVAL, UNCHANGED },
		{ "k", -EINVAL, UNCHANGED },
		{ "64kb", -EINVAL, UNCHANGED },
		{ "64p", -EINVAL, UNCHANGED },
		{ "64 k", -EINVAL, UNCHANGED },
		{ "1.5m", -EINVAL, UNCHANGED },
		{ "-64k", -EINVAL, UNCHANGED },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t size = UNCHANGED;

		assert_int_equal(fc_text_parse_size(cases[i].text, 65536, UINT64_C(1) << 40, &size),
			cases[i].rc);
		assert_int_equal(size, cases[i].size);
	}
}

static void test_format_size(void **state)
{
	(void)state;
	static const struct {
		uint64_t size;
		const char *text;
	} cases[] = {
		{ 0, "0" },
		{ 1, "1" },
		{ 1024, "1k" },
		{ 1025, "1025" },
		{ UINT64_C(64) << 20, "64m" },
		{ UINT64_C(1536) << 20, "1536m" },
		{ UINT64_C(1) << 40, "1t" },
		{ UINT64_C(1) << 60, "1048576t" },
		{ UINT64_MAX, "18446744073709551615" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[21];
		uint64_t size = UNCHANGED;

		fc_text_format_size(cases[i].size, text, sizeof(text));
		assert_string_equal(text, cases[i].text);
		assert_int_equal(fc_text_parse_size(text, 0, UINT64_MAX, &size), 0);
		assert_int_equal(size, cases[i].size);
	}
}

static void test_decimal(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int rc;
		double value;
	} cases[] = {
		{ "100", 0, 100 },
		{ "0", 0, 0 },
		{ "0.1", 0, 0.1 },
		{ "33.3", 0, 33.3 },
		{ "000000000000000000012.50", 0, 12.5 },
		{ "0.000001", 0, 0.000001 },
		{ "0.1000000000000000000000000000000000", 0, 0.1 },
		{ "999999999999999", 0, 999999999999999.0 },
		{ "1000000000000000", -ERANGE, UNCHANGED },
		{ "99999999999999999999999999999999.5", -ERANGE, UNCHANGED },
		{ "", -EINVAL, UNCHANGED },
		{ ".5", -EINVAL, UNCHANGED },
		{ "5.", -EINVAL, UNCHANGED },
		{ "1.2.3", -EINVAL, UNCHANGED },
		{ "1,5", -EINVAL, UNCHANGED },
		{ "1e2", -EINVAL, UNCHANGED },
		{ "-1", -EINVAL, UNCHANGED },
		{ "nan", -EINVAL, UNCHANGED },
		{ "inf", -EINVAL, UNCHANGED },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		double value = UNCHANGED;

		assert_int_equal(fc_text_parse_decimal(cases[i].text, &value), cases[i].rc);
		assert_true(value == cases[i].value);
	}
}

static void test_tpid(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int rc;
		uint16_t tpid;
	} cases[] = {
		{ "0x8100", 0, 0x8100 },
		{ "0X88A8", 0, 0x88a8 },
		{ "0x88a8", 0, 0x88a8 },
		{ "0x9100", 0, 0x9100 },
		{ "0x9200", 0, 0x9200 },
		{ "0x9300", 0, 0x9300 },
		{ "0x0800", -ERANGE, UNCHANGED },
		{ "0x88a", -EINVAL, UNCHANGED },
		{ "0x88a80", -EINVAL, UNCHANGED },
		{ "8100", -EINVAL, UNCHANGED },
		{ "0x", -EINVAL, UNCHANGED },
		{ "0", -EINVAL, UNCHANGED },
		{ "", -EINVAL, UNCHANGED },
		{ "0x81g0", -EINVAL, UNCHANGED },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint16_t tpid = UNCHANGED;

		assert_int_equal(fc_text_parse_tpid(cases[i].text, &tpid), cases[i].rc);
		assert_int_equal(tpid, cases[i].tpid);
	}
}

static void test_name(void **state)
{
	(void)state;
	assert_true(fc_text_is_name("a"));
	assert_true(fc_text_is_name("Rack-7.port_2"));
	assert_true(fc_text_is_name("0123456789012345678901234567890"));
	assert_false(fc_text_is_name("01234567890123456789012345678901"));
	assert_false(fc_text_is_name(""));
	assert_false(fc_text_is_name("a b"));
	assert_false(fc_text_is_name("a/b"));
	assert_false(fc_text_is_name("a,b"));
	assert_false(fc_text_is_name("\xc3\xa4"));
}

static void test_port(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		const char *port; /* NULL: an error */
	} cases[] = {
		{ "0000:03:00.1", "0000:03:00.1" },
		{ "03:00.1", "0000:03:00.1" },
		{ "0000:AF:1F.7", "0000:af:1f.7" },
		{ "10000:e1:00.0", "10000:e1:00.0" },
		{ "0000000a:e1:00.0", "000a:e1:00.0" },
		{ "net_pcap0", "net_pcap0" },
		{ "a.b-c_D9", "a.b-c_D9" },
		{ "012345678901234567890123456789012345678901234567890123456789012",
			"012345678901234567890123456789012345678901234567890123456789012" },
		{ "0123456789012345678901234567890123456789012345678901234567890123", NULL },
		{ "", NULL },
		{ "0000:03:00", NULL },
		{ "0000:03:00.8", NULL },
		{ "0000:03:20.0", NULL },
		{ "000:03:00.0", NULL },
		{ "123456789:03:00.0", NULL },
		{ "0000:03:00.01", NULL },
		{ "0000:03:00.1 ", NULL },
		{ "0:0000:03:00.1", NULL },
		{ ":03:00.1", NULL },
		{ "3:0.1", NULL },
		{ "net/pcap", NULL },
		{ "net_pcap0,rx_pcap=x", NULL },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char port[64] = "";
		int rc = fc_text_parse_port(cases[i].text, port, sizeof(port));

		if (cases[i].port == NULL) {
			assert_int_equal(rc, -EINVAL);
			assert_string_equal(port, "");
		} else {
			assert_int_equal(rc, 0);
			assert_string_equal(port, cases[i].port);
		}
	}
	char small[8] = "";

	assert_int_equal(fc_text_parse_port("03:00.1", small, sizeof(small)), -EINVAL);
	assert_int_equal(fc_text_parse_port("net_null", small, sizeof(small)), -EINVAL);
	assert_int_equal(fc_text_parse_port("net_nul", small, sizeof(small)), 0);
}

static void test_show(void **state)
{
	(void)state;
	char buffer[FC_TEXT_SHOWN_SIZE];
	char exact[FC_TEXT_SHOWN_SIZE];

	assert_string_equal(fc_text_show("plain", buffer), "plain");
	assert_string_equal(fc_text_show("", buffer), "");
	assert_string_equal(fc_text_show("a\n\x1b\xff", buffer), "a\\x0a\\x1b\\xff");
	memset(exact, 'x', sizeof(exact));
	exact[44] = '\0';
	assert_string_equal(fc_text_show(exact, buffer), exact);
	assert_string_equal(fc_text_show("0123456789012345678901234567890123456789012345", buffer),
		"01234567890123456789012345678901234567890123...");
	assert_string_equal(fc_text_show("01234567890123456789012345678901234567890\n", buffer),
		"01234567890123456789012345678901234567890...");
}

static const char *find_nearest(const char *word)
{
	static const char *const known[] = { "port", "from", "filter", "sample", "vlan", "trim",
		"truncate" };
	struct fc_nearest nearest = { .word = word };

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		fc_nearest_offer(&nearest, known[i]);
	return nearest.best;
}

static void test_nearest(void **state)
{
	(void)state;
	static char long_word[100000];

	assert_string_equal(find_nearest("truncat"), "truncate");
	assert_string_equal(find_nearest("trunctae"), "truncate");
	assert_string_equal(find_nearest("TRUNCATE"), "truncate");
	assert_string_equal(find_nearest("filtre"), "filter");
	assert_string_equal(find_nearest("form"), "from");
	assert_string_equal(find_nearest("vlans"), "vlan");
	assert_null(find_nearest("encapsulation"));
	assert_null(find_nearest(""));
	assert_null(find_nearest("x"));
	memset(long_word, 'x', sizeof(long_word) - 1);
	assert_null(find_nearest(long_word));
}

static void test_begins(void **state)
{
	(void)state;
	assert_true(fc_text_begins("net_pcap0", "net_"));
	assert_true(fc_text_begins("net_", "net_"));
	assert_true(fc_text_begins("", ""));
	assert_true(fc_text_begins("x", ""));
	assert_false(fc_text_begins("net", "net_"));
	assert_false(fc_text_begins("", "n"));
	assert_false(fc_text_begins("a net_", "net_"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole),
		cmocka_unit_test(test_size),
		cmocka_unit_test(test_format_size),
		cmocka_unit_test(test_decimal),
		cmocka_unit_test(test_tpid),
		cmocka_unit_test(test_name),
		cmocka_unit_test(test_port),
		cmocka_unit_test(test_show),
		cmocka_unit_test(test_nearest),
		cmocka_unit_test(test_begins),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
