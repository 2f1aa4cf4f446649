/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "frames.h"

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

#define IPV6_HEADER_SIZE 40

/* The bytes of a string literal without its NUL. */
#define ADD(frame, text) add(frame, text, sizeof(text) - 1)

static void add(struct frame *frame, const char *bytes, uint32_t n)
{
	memcpy(frame->bytes + frame->length, bytes, n);
	frame->length += n;
}

static void add16(struct frame *frame, unsigned value)
{
	const char bytes[] = { (char)(value >> 8), (char)value };

	add(frame, bytes, sizeof(bytes));
}

static void set16(struct frame *frame, uint32_t at, unsigned value)
{
	frame->bytes[at] = (uint8_t)(value >> 8);
	frame->bytes[at + 1] = (uint8_t)value;
}

/* Each adds what stands in front of an IP header of @type. */

static void add_untagged(struct frame *frame, unsigned type)
{
	add16(frame, type);
}

static void add_tag(struct frame *frame, unsigned type)
{
	ADD(frame, "\x81\x00\x20\x07");
	add16(frame, type);
}

static void add_two_tags(struct frame *frame, unsigned type)
{
	ADD(frame, "\x88\xa8\x00\x07");
	add_tag(frame, type);
}

static void add_mpls(struct frame *frame, unsigned type)
{
	(void)type;
	ADD(frame, "\x88\x47\x00\x00\x50\x40\x00\x00\x61\x40");
}

static void add_pppoe(struct frame *frame, unsigned type)
{
	ADD(frame, "\x88\x64\x11\x00\x00\x05\x00\x30");
	add16(frame, type == 0x0800 ? 0x0021 : 0x0057);
}

/* Each adds a transport header and some payload. */

static void add_syn(struct frame *frame)
{
	ADD(frame, "\xc0\x00\x00\x50\x01\x02\x03\x04\x00\x00\x00\x00\x60\x02\xff\xff\0\0\0\0"
		   "\x02\x04\x05\xb4");
}

static void add_request(struct frame *frame)
{
	ADD(frame, "\xc0\x00\x00\x50\x01\x02\x03\x05\xff\xff\xff\xff\x50\x18\x01\x00\0\0\0\0"
		   "GET / HTTP/1.1\r\n");
}

static void add_tls(struct frame *frame)
{
	ADD(frame, "\x01\xbb\xd4\x31\xff\x02\x03\x05\x80\x00\x00\x01\x80\x10\x01\x00\0\0\0\0"
		   "\x01\x01\x08\x0a\0\0\0\x01\0\0\0\x02\x17\x03\x03\x00\x05hello");
}

static void add_dns(struct frame *frame)
{
	ADD(frame, "\x9c\x40\x00\x35\x00\x14\x00\x00\x12\x34\x01\x00\x00\x01\x00\x00\0\0\0\0");
}

static void add_geneve(struct frame *frame)
{
	ADD(frame, "\x9c\x41\x17\xc1\x00\x60\x00\x00\x02\x00\x65\x58\x00\x00\x2a\x00"
		   "\x00\x00\x00\x01\xab\xcd\xef\x01\x02\x00\x00\x00\x00\x01\x02\x00\x00\x00\x00"
		   "\x02\x08\x00\x45\x00\x00\x28\x00\x01\x00\x00\x40\x06\x00\x00\x0a\x01\x01\x01"
		   "\x0a\x01\x01\x02");
	add_syn(frame);
}

static void add_ping(struct frame *frame)
{
	ADD(frame, "\x08\x00\x00\x00\x12\x34\x00\x01"
		   "0123456789abcdef");
}

static const struct {
	uint8_t protocol, protocol6;
	void (*add)(struct frame *frame);
} transports[] = {
	{ 6, 6, add_syn },
	{ 6, 6, add_request },
	{ 6, 6, add_tls },
	{ 17, 17, add_dns },
	{ 17, 17, add_geneve },
	{ 1, 58, add_ping },
	{ 132, 132, add_dns },
};

static void add_ip(struct frame *frame, unsigned protocol, unsigned fragment, const char *addresses)
{
	ADD(frame, "\x45\x10\x00\x00\x12\x34");
	add16(frame, fragment);
	add16(frame, 0x4000 | protocol);
	add16(frame, 0);
	add(frame, addresses, 8);
}

/* Each adds a network header. */

static void add_ip_whole(struct frame *frame, unsigned protocol)
{
	add_ip(frame, protocol, 0, "\x0a\x00\x00\x01\x0a\x00\x00\x02");
}

static void add_ip_unfragmentable(struct frame *frame, unsigned protocol)
{
	add_ip(frame, protocol, 0x4000, "\xc0\xa8\x01\x64\x0a\x00\x00\x01");
}

static void add_ip_first_fragment(struct frame *frame, unsigned protocol)
{
	add_ip(frame, protocol, 0x2000, "\x0a\x00\x00\x02\xe0\x00\x00\x05");
}

static void add_ip_next_fragment(struct frame *frame, unsigned protocol)
{
	add_ip(frame, protocol, 0x00b9, "\x0a\x00\x00\x02\xff\xff\xff\xff");
}

static void add_ip_options(struct frame *frame, unsigned protocol)
{
	uint32_t at = frame->length;

	add_ip(frame, protocol, 0, "\xac\x10\x05\x06\x0a\x00\x00\x01");
	frame->bytes[at] = 0x48;
	ADD(frame, "\x94\x04\x00\x00\x01\x01\x01\x01\x01\x01\x01\x00");
}

static void add_ipv6(struct frame *frame, unsigned protocol)
{
	ADD(frame, "\x60\x00\x00\x00\x00\x40");
	add16(frame, protocol << 8 | 64);
	ADD(frame, "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01");
	ADD(frame, "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02");
}

static void add_ipv6_options(struct frame *frame, unsigned protocol)
{
	const char option[] = { (char)protocol, 0, 1, 4, 0, 0, 0, 0 };

	add_ipv6(frame, 0);
	add(frame, option, sizeof(option));
}

static const struct {
	unsigned type;
	void (*add)(struct frame *frame, unsigned protocol);
} networks[] = {
	{ 0x0800, add_ip_whole },
	{ 0x0800, add_ip_unfragmentable },
	{ 0x0800, add_ip_first_fragment },
	{ 0x0800, add_ip_next_fragment },
	{ 0x0800, add_ip_options },
	{ 0x86dd, add_ipv6 },
	{ 0x86dd, add_ipv6_options },
};

static void (*const links[])(struct frame *frame, unsigned type) = {
	add_untagged,
	add_tag,
	add_two_tags,
	add_mpls,
	add_pppoe,
};

/* Frames that are not made of the three layers. */
static void build_other(struct frame *frame, unsigned kind)
{
	static const char arp[] = "\xff\xff\xff\xff\xff\xff\x02\x00\x00\x00\x00\x01\x08\x06"
				  "\x00\x01\x08\x00\x06\x04\x00\x01\x02\x00\x00\x00\x00\x01"
				  "\x0a\x00\x00\x01\0\0\0\0\0\0\x0a\x00\x00\x02";
	static const char stp[] = "\x01\x80\xc2\x00\x00\x00\x02\x00\x00\x00\x00\x01\x00\x26"
				  "\x42\x42\x03\x00\x00\x00\x00\x00\x80\x00\x02\x00";
	static const char lldp[] = "\x01\x80\xc2\x00\x00\x0e\x02\x00\x00\x00\x00\x01\x88\xcc"
				   "\x02\x07\x04\x02\x00\x00\x00\x00\x01";

	if (kind == 0)
		ADD(frame, arp);
	else if (kind == 1)
		ADD(frame, stp);
	else
		ADD(frame, lldp);
}

#define N_LAYERED (LENGTH(links) * LENGTH(networks) * LENGTH(transports))
#define N_OTHER	  3

unsigned frames_n(void)
{
	return N_LAYERED + N_OTHER;
}

void frames_build(struct frame *frame, unsigned kind)
{
	unsigned link = kind % LENGTH(links);
	unsigned network = kind / LENGTH(links) % LENGTH(networks);
	unsigned transport = kind / LENGTH(links) / LENGTH(networks);
	uint32_t at;

	frame->length = 0;
	if (kind >= N_LAYERED) {
		build_other(frame, kind - N_LAYERED);
		return;
	}
	ADD(frame, "\x02\x00\x00\x00\x00\x02\x02\x00\x00\x00\x00\x01");
	links[link](frame, networks[network].type);
	at = frame->length;
	if (networks[network].type == 0x0800) {
		networks[network].add(frame, transports[transport].protocol);
		transports[transport].add(frame);
		set16(frame, at + 2, frame->length - at);
	} else {
		networks[network].add(frame, transports[transport].protocol6);
		transports[transport].add(frame);
		set16(frame, at + 4, frame->length - at - IPV6_HEADER_SIZE);
	}
}
