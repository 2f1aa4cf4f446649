/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <fc_address.h>

#define UNCHANGED 77

static struct fc_address address_of(const char *text)
{
	struct fc_address address;

	assert_int_equal(fc_address_parse(text, &address), 0);
	return address;
}

static void test_parse(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		const char *shown;
		struct fc_address address;
	} cases[] = {
		{ "192.0.2.1", "192.0.2.1", { 4, { 192, 0, 2, 1 } } },
		{ "255.255.255.255", "255.255.255.255", { 4, { 255, 255, 255, 255 } } },
		{ "0.0.0.0", "0.0.0.0", { 4, { 0 } } },
		{ "::", "::", { 6, { 0 } } },
		{ "2001:DB8:0:0:0:0:0:1", "2001:db8::1", { 6, { 0x20, 1, 0xd, 0xb8, [15] = 1 } } },
		{ "fe80::0200:ff:fe00:1", "fe80::200:ff:fe00:1",
			{ 6, { 0xfe, 0x80, [8] = 2, [11] = 0xff, [12] = 0xfe, [15] = 1 } } },
		{ "::ffff:192.0.2.1", "::ffff:192.0.2.1",
			{ 6, { [10] = 0xff, [11] = 0xff, [12] = 192, 0, 2, 1 } } },
		{ "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255",
			"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
			{ 6, { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
				     0xff, 0xff, 0xff, 0xff, 0xff } } },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fc_address address = address_of(cases[i].text);
		char buffer[FC_ADDRESS_TEXT_SIZE];

		assert_int_equal(address.family, cases[i].address.family);
		assert_memory_equal(address.bytes, cases[i].address.bytes, sizeof(address.bytes));
		assert_ptr_equal(fc_address_format(&address, buffer), buffer);
		assert_string_equal(buffer, cases[i].shown);
	}
}

static void test_parse_errors(void **state)
{
	(void)state;
	static const char *const texts[] = { "", "1", "1.2.3", "1.2.3.4.5", "1.2.3.256", "01.2.3.4",
		" 1.2.3.4", "1.2.3.4 ", "1.2.3.-4", "1.2.3.4/24", "0x1.2.3.4", ":",
		":::", "1::2::3", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "12345::", "fe80::1%eth0",
		"[::1]", "::g", "::1.2.3", "localhost" };

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct fc_address address = { .family = UNCHANGED };

		assert_int_equal(fc_address_parse(texts[i], &address), -EINVAL);
		assert_int_equal(address.family, UNCHANGED);
	}
}

static void test_format_none(void **state)
{
	(void)state;
	struct fc_address none = { .family = 0 };
	char buffer[FC_ADDRESS_TEXT_SIZE] = "x";

	assert_string_equal(fc_address_format(&none, buffer), "");
}

static void test_prefix(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int rc;
		const char *shown;
		uint8_t length;
	} cases[] = {
		{ "192.0.2.1/24", 0, "192.0.2.1/24", 24 },
		{ "192.0.2.1/32", 0, "192.0.2.1/32", 32 },
		{ "192.0.2.1/1", 0, "192.0.2.1/1", 1 },
		{ "2001:db8::1/64", 0, "2001:db8::1/64", 64 },
		{ "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255/128", 0,
			"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128", 128 },
		{ "192.0.2.1/0", -ERANGE, NULL, UNCHANGED },
		{ "192.0.2.1/33", -ERANGE, NULL, UNCHANGED },
		{ "2001:db8::1/129", -ERANGE, NULL, UNCHANGED },
		{ "192.0.2.1/99999999999999999999", -ERANGE, NULL, UNCHANGED },
		{ "192.0.2.1", -EINVAL, NULL, UNCHANGED },
		{ "192.0.2.1/", -EINVAL, NULL, UNCHANGED },
		{ "192.0.2.1/+24", -EINVAL, NULL, UNCHANGED },
		{ "192.0.2.1/24/24", -EINVAL, NULL, UNCHANGED },
		{ "192.0.2.1/255.255.255.0", -EINVAL, NULL, UNCHANGED },
		{ "192.0.2/24", -EINVAL, NULL, UNCHANGED },
		{ "/24", -EINVAL, NULL, UNCHANGED },
		{ "", -EINVAL, NULL, UNCHANGED },
		{ "00000000000000000000000000000000000000000000::1/64", -EINVAL, NULL, UNCHANGED },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fc_address address = { .family = UNCHANGED };
		uint8_t length = UNCHANGED;
		char buffer[FC_PREFIX_TEXT_SIZE];

		assert_int_equal(
			fc_address_parse_prefix(cases[i].text, &address, &length), cases[i].rc);
		assert_int_equal(length, cases[i].length);
		if (cases[i].rc == 0)
			assert_string_equal(
				fc_address_format_prefix(&address, length, buffer), cases[i].shown);
		else
			assert_int_equal(address.family, UNCHANGED);
	}
}

static void test_equal(void **state)
{
	(void)state;
	struct fc_address a = address_of("192.0.2.1");
	struct fc_address same = address_of("192.0.2.1");
	struct fc_address other = address_of("192.0.2.2");
	struct fc_address same_bytes = address_of("c000:201::");

	assert_memory_equal(a.bytes, same_bytes.bytes, sizeof(a.bytes));
	assert_true(fc_address_is_equal(&a, &same));
	assert_false(fc_address_is_equal(&a, &other));
	assert_false(fc_address_is_equal(&a, &same_bytes));
}

static void test_within(void **state)
{
	(void)state;
	static const struct {
		const char *member;
		const char *network;
		uint8_t prefix_length;
		bool is_within;
	} cases[] = {
		{ "192.0.2.254", "192.0.2.1", 24, true },
		{ "192.0.3.1", "192.0.2.1", 24, false },
		{ "192.0.3.1", "192.0.2.1", 23, true },
		{ "192.0.2.128", "192.0.2.1", 25, false },
		{ "192.0.2.127", "192.0.2.1", 25, true },
		{ "192.0.2.1", "192.0.2.1", 32, true },
		{ "192.0.2.0", "192.0.2.1", 32, false },
		{ "128.0.0.0", "1.0.0.0", 1, false },
		{ "127.0.0.0", "1.0.0.0", 1, true },
		{ "2001:db8::ffff", "2001:db8::1", 64, true },
		{ "2001:db8:0:1::1", "2001:db8::1", 64, false },
		{ "2001:db8:0:1::1", "2001:db8::1", 63, true },
		{ "2001:db8::1", "2001:db8::1", 128, true },
		{ "2001:db8::", "2001:db8::1", 128, false },
		{ "c000:201::", "192.0.2.1", 24, false },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fc_address member = address_of(cases[i].member);
		struct fc_address network = address_of(cases[i].network);

		assert_int_equal(fc_address_is_within(&member, &network, cases[i].prefix_length),
			cases[i].is_within);
	}
}

static void test_host(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		bool is_host;
	} cases[] = {
		{ "192.0.2.1/24", true },
		{ "192.0.2.254/24", true },
		{ "192.0.2.0/24", false },
		{ "192.0.2.255/24", false },
		{ "192.0.2.255/23", true },
		{ "192.0.3.255/23", false },
		{ "192.0.2.3/30", false },
		{ "192.0.2.2/30", true },
		{ "192.0.2.0/31", true },
		{ "192.0.2.1/31", true },
		{ "192.0.2.0/32", true },
		{ "2001:db8::/64", false },
		{ "2001:db8::ffff:ffff:ffff:ffff/64", true },
		{ "2001:db8::/126", false },
		{ "2001:db8::/127", true },
		{ "2001:db8::/128", true },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fc_address address;
		uint8_t length = 0;

		assert_int_equal(fc_address_parse_prefix(cases[i].text, &address, &length), 0);
		assert_int_equal(fc_address_is_host(&address, length), cases[i].is_host);
	}
}

static void test_kind(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		enum fc_address_kind kind;
		bool is_link_local;
	} cases[] = {
		{ "192.0.2.1", FC_ADDRESS_UNICAST, false },
		{ "1.0.0.0", FC_ADDRESS_UNICAST, false },
		{ "223.255.255.255", FC_ADDRESS_UNICAST, false },
		{ "254.128.0.1", FC_ADDRESS_UNICAST, false },
		{ "0.0.0.0", FC_ADDRESS_UNSPECIFIED, false },
		{ "0.1.2.3", FC_ADDRESS_UNSPECIFIED, false },
		{ "127.0.0.1", FC_ADDRESS_LOOPBACK, false },
		{ "127.255.0.1", FC_ADDRESS_LOOPBACK, false },
		{ "224.0.0.1", FC_ADDRESS_MULTICAST, false },
		{ "239.255.255.255", FC_ADDRESS_MULTICAST, false },
		{ "255.255.255.255", FC_ADDRESS_BROADCAST, false },
		{ "255.255.255.254", FC_ADDRESS_UNICAST, false },
		{ "2001:db8::1", FC_ADDRESS_UNICAST, false },
		{ "fe80::1", FC_ADDRESS_UNICAST, true },
		{ "febf::1", FC_ADDRESS_UNICAST, true },
		{ "fec0::1", FC_ADDRESS_UNICAST, false },
		{ "ff80::1", FC_ADDRESS_MULTICAST, false },
		{ "::", FC_ADDRESS_UNSPECIFIED, false },
		{ "::1", FC_ADDRESS_LOOPBACK, false },
		{ "::2", FC_ADDRESS_UNICAST, false },
		{ "::ffff:192.0.2.1", FC_ADDRESS_MAPPED, false },
		{ "::fffe:192.0.2.1", FC_ADDRESS_UNICAST, false },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fc_address address = address_of(cases[i].text);

		assert_int_equal(fc_address_kind(&address), cases[i].kind);
		assert_int_equal(fc_address_is_link_local(&address), cases[i].is_link_local);
	}
}

static void test_mac(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		const char *shown;
		uint8_t mac[FC_MAC_SIZE];
		bool is_unicast;
	} cases[] = {
		{ "02:00:00:00:00:01", "02:00:00:00:00:01", { 2, 0, 0, 0, 0, 1 }, true },
		{ "Aa:bB:Cc:dD:9e:F0", "aa:bb:cc:dd:9e:f0", { 0xaa, 0xbb, 0xcc, 0xdd, 0x9e, 0xf0 },
			true },
		{ "00:00:00:00:00:01", "00:00:00:00:00:01", { 0, 0, 0, 0, 0, 1 }, true },
		{ "00:00:00:00:00:00", "00:00:00:00:00:00", { 0 }, false },
		{ "01:00:5e:00:00:01", "01:00:5e:00:00:01", { 1, 0, 0x5e, 0, 0, 1 }, false },
		{ "ff:ff:ff:ff:ff:ff", "ff:ff:ff:ff:ff:ff", { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff },
			false },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t mac[FC_MAC_SIZE];
		char buffer[FC_MAC_TEXT_SIZE];

		assert_int_equal(fc_mac_parse(cases[i].text, mac), 0);
		assert_memory_equal(mac, cases[i].mac, sizeof(mac));
		assert_string_equal(fc_mac_format(mac, buffer), cases[i].shown);
		assert_int_equal(fc_mac_is_unicast(mac), cases[i].is_unicast);
	}
}

static void test_mac_errors(void **state)
{
	(void)state;
	static const char *const texts[] = { "", "0", "02", "02:", "02:00:00:00:00",
		"02:00:00:00:00:", "02:00:00:00:00:0", "02:00:00:00:00:01:", "02:00:00:00:00:01:02",
		"02:00:00:00:00:011", "02-00-00-00-00-01", "2:0:0:0:0:1", "02:00:00:00:00:0g",
		"02:00:00:00:00:01 ", " 02:00:00:00:00:01", "020000000001", "+2:00:00:00:00:01" };
	static const uint8_t unchanged[FC_MAC_SIZE] = { UNCHANGED };

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		uint8_t mac[FC_MAC_SIZE] = { UNCHANGED };

		assert_int_equal(fc_mac_parse(texts[i], mac), -EINVAL);
		assert_memory_equal(mac, unchanged, sizeof(mac));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_parse_errors),
		cmocka_unit_test(test_format_none),
		cmocka_unit_test(test_prefix),
		cmocka_unit_test(test_equal),
		cmocka_unit_test(test_within),
		cmocka_unit_test(test_host),
		cmocka_unit_test(test_kind),
		cmocka_unit_test(test_mac),
		cmocka_unit_test(test_mac_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
