/* SPDX-License-Identifier: MIT */
#ifndef FC_ADDRESS_H
#define FC_ADDRESS_H

#include <stdbool.h>
#include <stdint.h>

/**
 * IPv4, IPv6 and MAC addresses, and their texts.
 *
 * Every parser takes the whole text: blanks around the value and anything behind it are errors.
 * None of them looks at the locale or asks a resolver, and none changes its result on an error.
 * All functions may be called from any thread.
 */

#define FC_ADDRESS_TEXT_SIZE 46 /**< bytes of an address as text, its NUL included */
#define FC_PREFIX_TEXT_SIZE  50 /**< bytes of an address with "/128", its NUL included */
#define FC_MAC_SIZE	     6	/**< bytes of a MAC address */
#define FC_MAC_TEXT_SIZE     18 /**< bytes of a MAC address as text, its NUL included */

/** An IPv4 or IPv6 address. All zero: none. */
struct fc_address {
	uint8_t family;	   /**< 4, 6; 0: none */
	uint8_t bytes[16]; /**< network order; IPv4 in the first 4, the others 0 */
};

/** What an address can stand for. */
enum fc_address_kind {
	FC_ADDRESS_UNICAST,	/**< none of the others */
	FC_ADDRESS_UNSPECIFIED, /**< 0.0.0.0/8 (RFC 1122 section 3.2.1.3), :: */
	FC_ADDRESS_LOOPBACK,	/**< 127.0.0.0/8, ::1 */
	FC_ADDRESS_MULTICAST,	/**< 224.0.0.0/4, ff00::/8 */
	FC_ADDRESS_BROADCAST,	/**< 255.255.255.255 */
	FC_ADDRESS_MAPPED,	/**< ::ffff:0:0/96, never on a wire (RFC 4291 section 2.5.5.2) */
};

/**
 * Read an IPv4 address (four decimal numbers without leading zeros) or an IPv6 address (RFC 4291
 * section 2.2, without a zone).
 *
 * @param address  Gets the address.
 * @return         0; -EINVAL: neither of the two.
 */
int fc_address_parse(const char *text, struct fc_address *address);

/**
 * Read an address and the length of its network's prefix, such as "192.0.2.1/24".
 *
 * @param address        Gets the address, with the bits behind the prefix.
 * @param prefix_length  Gets the length, bits.
 * @return               0; -EINVAL: not of that form; -ERANGE: the length is not in 1..32 (IPv4) or
 *                       1..128 (IPv6).
 */
int fc_address_parse_prefix(const char *text, struct fc_address *address, uint8_t *prefix_length);

/**
 * Write an address: IPv4 as four decimal numbers, IPv6 in the shortest form (RFC 5952), none as an
 * empty text.
 *
 * @param buffer  Gets the text and a NUL.
 * @return        The buffer.
 */
const char *fc_address_format(const struct fc_address *address, char buffer[FC_ADDRESS_TEXT_SIZE]);

/** Write an address and a prefix length so that fc_address_parse_prefix() reads the same. */
const char *fc_address_format_prefix(
	const struct fc_address *address, uint8_t prefix_length, char buffer[FC_PREFIX_TEXT_SIZE]);

/** Whether two addresses are of one family and have the same bytes. */
bool fc_address_is_equal(const struct fc_address *a, const struct fc_address *b);

/**
 * Whether an address is in the network of another one.
 *
 * @param member         The address in question.
 * @param prefix_length  Bits that both must have in common, at most 32 (IPv4) or 128 (IPv6).
 * @return               False also where the families differ.
 */
bool fc_address_is_within(
	const struct fc_address *member, const struct fc_address *network, uint8_t prefix_length);

/**
 * Whether an address can be that of one host in its network. Those with only zeros behind the
 * prefix stand for the network (IPv4) or for any of its routers (IPv6, RFC 4291 section 2.6.1),
 * those with only ones for all its hosts (IPv4). Networks of one or two addresses have only hosts
 * (RFC 3021, RFC 6164).
 */
bool fc_address_is_host(const struct fc_address *address, uint8_t prefix_length);

/** Whether it is an IPv6 address of fe80::/10, which is on the link whatever the prefix. */
bool fc_address_is_link_local(const struct fc_address *address);

/** What an address stands for; the family must not be 0. */
enum fc_address_kind fc_address_kind(const struct fc_address *address);

/**
 * Read a MAC address: six times two hexadecimal digits of either case, with colons between them.
 *
 * @param mac  Gets the address.
 * @return     0; -EINVAL: not of that form.
 */
int fc_mac_parse(const char *text, uint8_t mac[FC_MAC_SIZE]);

/**
 * Write a MAC address in lower case.
 *
 * @param buffer  Gets the text and a NUL.
 * @return        The buffer.
 */
const char *fc_mac_format(const uint8_t mac[FC_MAC_SIZE], char buffer[FC_MAC_TEXT_SIZE]);

/** Whether a MAC address can be that of one interface: neither a group's nor all zero. */
bool fc_mac_is_unicast(const uint8_t mac[FC_MAC_SIZE]);

#endif
