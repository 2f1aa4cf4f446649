/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <fc_address.h>
#include <fc_text.h>

#define IPV4_BITS 32
#define IPV6_BITS 128

_Static_assert(FC_ADDRESS_TEXT_SIZE == INET6_ADDRSTRLEN, "inet_ntop() needs that much");

static unsigned count_bits(const struct fc_address *address)
{
	return address->family == 4 ? IPV4_BITS : IPV6_BITS;
}

int fc_address_parse(const char *text, struct fc_address *address)
{
	struct fc_address read = { .family = 4 };

	if (inet_pton(AF_INET, text, read.bytes) != 1) {
		read.family = 6;
		if (inet_pton(AF_INET6, text, read.bytes) != 1)
			return -EINVAL;
	}
	*address = read;
	return 0;
}

int fc_address_parse_prefix(const char *text, struct fc_address *address, uint8_t *prefix_length)
{
	const char *slash = strchr(text, '/');
	char head[FC_ADDRESS_TEXT_SIZE];
	struct fc_address read;
	uint64_t length = 0;

	if (slash == NULL || (size_t)(slash - text) >= sizeof(head))
		return -EINVAL;
	memcpy(head, text, (size_t)(slash - text));
	head[slash - text] = '\0';
	if (fc_address_parse(head, &read) != 0)
		return -EINVAL;
	int rc = fc_text_parse_whole(slash + 1, 1, count_bits(&read), &length);

	if (rc == 0) {
		*address = read;
		*prefix_length = (uint8_t)length;
	}
	return rc;
}

const char *fc_address_format(const struct fc_address *address, char buffer[FC_ADDRESS_TEXT_SIZE])
{
	buffer[0] = '\0';
	if (address->family != 0)
		inet_ntop(address->family == 4 ? AF_INET : AF_INET6, address->bytes, buffer,
			FC_ADDRESS_TEXT_SIZE);
	return buffer;
}

const char *fc_address_format_prefix(
	const struct fc_address *address, uint8_t prefix_length, char buffer[FC_PREFIX_TEXT_SIZE])
{
	char text[FC_ADDRESS_TEXT_SIZE];

	snprintf(buffer, FC_PREFIX_TEXT_SIZE, "%s/%u", fc_address_format(address, text),
		(unsigned)prefix_length);
	return buffer;
}

bool fc_address_is_equal(const struct fc_address *a, const struct fc_address *b)
{
	return a->family == b->family && memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

static unsigned bit_of(const struct fc_address *address, unsigned index)
{
	return (unsigned)address->bytes[index / 8] >> (7 - index % 8) & 1;
}

bool fc_address_is_within(
	const struct fc_address *member, const struct fc_address *network, uint8_t prefix_length)
{
	if (member->family != network->family)
		return false;
	for (unsigned i = 0; i < prefix_length; i++) {
		if (bit_of(member, i) != bit_of(network, i))
			return false;
	}
	return true;
}

bool fc_address_is_host(const struct fc_address *address, uint8_t prefix_length)
{
	unsigned n_bits = count_bits(address);
	unsigned n_ones = 0;

	if (prefix_length + 2u > n_bits)
		return true;
	for (unsigned i = prefix_length; i < n_bits; i++)
		n_ones += bit_of(address, i);
	if (n_ones == 0)
		return false;
	return address->family != 4 || n_ones != n_bits - prefix_length;
}

bool fc_address_is_link_local(const struct fc_address *address)
{
	return address->family == 6 && address->bytes[0] == 0xfe &&
	       (address->bytes[1] & 0xc0) == 0x80;
}

static enum fc_address_kind kind_of_ipv4(const uint8_t bytes[4])
{
	static const uint8_t broadcast[4] = { 255, 255, 255, 255 };

	if (bytes[0] == 0)
		return FC_ADDRESS_UNSPECIFIED;
	if (bytes[0] == 127)
		return FC_ADDRESS_LOOPBACK;
	if (memcmp(bytes, broadcast, sizeof(broadcast)) == 0)
		return FC_ADDRESS_BROADCAST;
	return bytes[0] >> 4 == 14 ? FC_ADDRESS_MULTICAST : FC_ADDRESS_UNICAST;
}

static enum fc_address_kind kind_of_ipv6(const uint8_t bytes[16])
{
	static const uint8_t unspecified[16];
	static const uint8_t loopback[16] = { [15] = 1 };
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	if (memcmp(bytes, unspecified, sizeof(unspecified)) == 0)
		return FC_ADDRESS_UNSPECIFIED;
	if (memcmp(bytes, loopback, sizeof(loopback)) == 0)
		return FC_ADDRESS_LOOPBACK;
	if (memcmp(bytes, mapped, sizeof(mapped)) == 0)
		return FC_ADDRESS_MAPPED;
	return bytes[0] == 0xff ? FC_ADDRESS_MULTICAST : FC_ADDRESS_UNICAST;
}

enum fc_address_kind fc_address_kind(const struct fc_address *address)
{
	return address->family == 4 ? kind_of_ipv4(address->bytes) : kind_of_ipv6(address->bytes);
}

/* The value of a hexadecimal digit, or -1. <ctype.h> depends on the locale. */
static int read_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int fc_mac_parse(const char *text, uint8_t mac[FC_MAC_SIZE])
{
	uint8_t read[FC_MAC_SIZE];

	for (size_t i = 0; i < sizeof(read); i++) {
		int high = read_digit(text[0]);
		int low = high < 0 ? -1 : read_digit(text[1]);

		if (low < 0 || text[2] != (i + 1 < sizeof(read) ? ':' : '\0'))
			return -EINVAL;
		read[i] = (uint8_t)(high << 4 | low);
		text += 3;
	}
	memcpy(mac, read, sizeof(read));
	return 0;
}

const char *fc_mac_format(const uint8_t mac[FC_MAC_SIZE], char buffer[FC_MAC_TEXT_SIZE])
{
	snprintf(buffer, FC_MAC_TEXT_SIZE, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2],
		mac[3], mac[4], mac[5]);
	return buffer;
}

bool fc_mac_is_unicast(const uint8_t mac[FC_MAC_SIZE])
{
	static const uint8_t none[FC_MAC_SIZE];

	return (mac[0] & 1) == 0 && memcmp(mac, none, sizeof(none)) != 0;
}
