/* SPDX-License-Identifier: MIT */
#ifndef FC_TUNNEL_RULES_H
#define FC_TUNNEL_RULES_H

#include "row.h"

#define FC_FLOW_BITS 8
#define FC_VSID_MAX  0xffffff /* RFC 7637: 24 bits of a GRE key, and the flow's 8 behind them */

/* The words of fc_tunnel_type. */
extern const struct key_choice fc_tunnel_types[];

/* The rules across the keys of one `encap` or `decap`: checks of their tables. */
void fc_encap_check(struct decoder *decoder, json_t *object, const void *owner);
void fc_decap_check(struct decoder *decoder, json_t *object, const void *owner);

/* The least MTU of a network of this family: RFC 791 (what every host takes in), RFC 8200. */
unsigned fc_min_mtu(uint8_t family);

#endif
