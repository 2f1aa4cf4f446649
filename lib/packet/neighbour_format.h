/* SPDX-License-Identifier: MIT */
#ifndef NEIGHBOUR_FORMAT_H
#define NEIGHBOUR_FORMAT_H

/* Numbers of ICMP (RFC 792), ICMPv6 (RFC 4443) and neighbour discovery (RFC 4861). */

#define ICMP_ECHO_REPLY_    0
#define ICMP_ECHO_REQUEST_  8
#define ICMP_ECHO_SIZE	    8
#define ICMP6_ECHO_REQUEST_ 128
#define ICMP6_ECHO_REPLY_   129
#define ICMP6_SOLICITATION  135
#define ICMP6_ADVERTISEMENT 136

#define NEIGHBOUR_HOP_LIMIT   255 /* no router has forwarded it */
#define NEIGHBOUR_ND_SIZE     24  /* without options */
#define NEIGHBOUR_TARGET_AT   8
#define NEIGHBOUR_FLAGS_AT    4
#define NEIGHBOUR_ROUTER      0x80
#define NEIGHBOUR_SOLICITED   0x40
#define NEIGHBOUR_OVERRIDE    0x20
#define NEIGHBOUR_SOURCE_LINK 1 /* option types */
#define NEIGHBOUR_TARGET_LINK 2
#define NEIGHBOUR_LINK_SIZE   8 /* of an option with a MAC address */

#endif
