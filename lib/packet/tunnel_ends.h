/* SPDX-License-Identifier: MIT */
#ifndef TUNNEL_ENDS_H
#define TUNNEL_ENDS_H

#include <fc_tunnel_pop.h>

/* Whether an address of 4 or 16 bytes is one that lives on the port. */
bool tunnel_ends_have_host(
	const struct fc_tunnel_ends *ends, uint8_t family, const uint8_t *address);

#endif
