/* SPDX-License-Identifier: MIT */
#include "row.h"
#include "tunnel.h"

const struct key_choice fc_tunnel_types[] = {
	{ "gre", FC_TUNNEL_GRE },
	{ "gretap", FC_TUNNEL_GRETAP },
	{ "erspan1", FC_TUNNEL_ERSPAN1 },
	{ "erspan2", FC_TUNNEL_ERSPAN2 },
	{ "erspan", FC_TUNNEL_ERSPAN2 },
	{ "erspan3", FC_TUNNEL_ERSPAN3 },
	{ "vxlan", FC_TUNNEL_VXLAN },
	{ "geneve", FC_TUNNEL_GENEVE },
	{ NULL, 0 },
};

static const struct key_choice oversizes[] = {
	{ "fragment", FC_OVERSIZE_FRAGMENT },
	{ "truncate", FC_OVERSIZE_TRUNCATE },
	{ "drop", FC_OVERSIZE_DROP },
	{ NULL, 0 },
};

static const struct key_row encap_rows[] = {
	{
		.name = "type",
		.type = &fc_key_choice,
		FIELD(fc_encap, type),
		.choices = fc_tunnel_types,
		.required = true,
		.example = "gretap",
		.doc = "How packets are wrapped; `erspan` is `erspan2`. All but `gre` carry whole "
		       "frames.",
	},
	{
		.name = "local",
		.type = &fc_key_address_prefix,
		FIELD(fc_encap, local),
		SECOND(fc_encap, prefix_length),
		.required = true,
		.example = "192.0.2.1/24",
		.doc = "This end of the tunnel: the source of the outer packets. Its port answers "
		       "ARP, neighbour solicitation and ping for it. The prefix length says who "
		       "is on the link.",
	},
	{
		.name = "remote",
		.type = &fc_key_address,
		FIELD(fc_encap, remote),
		.required = true,
		.example = "192.0.2.9",
		.doc = "The other end: the destination of the outer packets, of the same family as "
		       "`local`.",
	},
	{
		.name = "gateway",
		.type = &fc_key_address,
		FIELD(fc_encap, gateway),
		.example = "192.0.2.254",
		.doc = "The router to send to where `remote` is not on the link.",
	},
	{
		.name = "mac",
		.type = &fc_key_mac,
		FIELD(fc_encap, mac),
		SECOND(fc_encap, has_mac),
		.example = "02:00:00:00:00:09",
		.doc = "The next hop's MAC address. Without it, it is found by ARP or neighbour "
		       "discovery.",
	},
	{
		.name = "key",
		.type = &fc_key_tunnel_key,
		FIELD(fc_encap, key),
		SECOND(fc_encap, has_key),
		.max = UINT32_MAX,
		.example = "100",
		.doc = "Which of the tunnels between two ends it is. Its range depends on `type`.",
	},
	{
		.name = "udp_port",
		.type = &fc_key_whole,
		FIELD(fc_encap, udp_port),
		.min = 1,
		.max = 65535,
		.example = "8472",
		.doc = "UDP port of the other end, for `vxlan` (without it 4789) and `geneve` "
		       "(6081).",
	},
	{
		.name = "vlan",
		.type = &fc_key_whole,
		FIELD(fc_encap, vlan),
		.min = 1,
		.max = 4094,
		.example = "30",
		.doc = "VLAN ID of the outer frame. Without it the outer frame has no tag.",
	},
	{
		.name = "dscp",
		.type = &fc_key_whole,
		FIELD(fc_encap, dscp),
		.max = 63,
		.preset = "0",
		.example = "10",
		.doc = "DSCP of the outer header.",
	},
	{
		.name = "ttl",
		.type = &fc_key_whole,
		FIELD(fc_encap, ttl),
		.min = 1,
		.max = 255,
		.preset = "64",
		.example = "16",
		.doc = "TTL or hop limit of the outer header.",
	},
	{
		.name = "mtu",
		.type = &fc_key_whole,
		FIELD(fc_encap, mtu),
		.min = 576,
		.max = 65535,
		.example = "1500",
		.doc = "Bytes of an outer IP packet at most; for IPv6 at least 1280. Without it, "
		       "the MTU of the port.",
	},
	{
		.name = "oversize",
		.type = &fc_key_choice,
		FIELD(fc_encap, oversize),
		.choices = oversizes,
		.preset = "fragment",
		.example = "truncate",
		.doc = "What to do when an outer packet would be longer than `mtu`: send it as IP "
		       "fragments, cut the inner frame so that it fits, or drop it (counted as "
		       "`oversize`).",
	},
};

const struct key_table fc_encap_table = {
	.noun = "encap",
	.title = "`encap` of an output",
	.rows = encap_rows,
	.n_rows = N_ROWS(encap_rows),
	.check = fc_encap_check,
	.size = sizeof(struct fc_encap),
	.short_form = "encap.",
	.shorthand = "type",
};

static const struct key_row decap_rows[] = {
	{
		.name = "type",
		.type = &fc_key_choice,
		FIELD(fc_decap, type),
		.choices = fc_tunnel_types,
		.required = true,
		.example = "gretap",
		.doc = "How packets are wrapped; `erspan` is `erspan2`.",
	},
	{
		.name = "local",
		.type = &fc_key_address,
		FIELD(fc_decap, local),
		.required = true,
		.example = "192.0.2.9",
		.doc = "This end of the tunnel: the destination of the outer packets. Its port "
		       "answers ARP, neighbour solicitation and ping for it.",
	},
	{
		.name = "remote",
		.type = &fc_key_address,
		FIELD(fc_decap, remote),
		.example = "192.0.2.1",
		.doc = "The other end: the source of the outer packets. Without it, any.",
	},
	{
		.name = "key",
		.type = &fc_key_tunnel_key,
		FIELD(fc_decap, key),
		SECOND(fc_decap, has_key),
		.max = UINT32_MAX,
		.example = "100",
		.doc = "The key that packets must have. Without it, packets with any key and with "
		       "none. Its range depends on `type`.",
	},
	{
		.name = "vsid",
		.type = &fc_key_whole,
		FIELD(fc_decap, vsid),
		SECOND(fc_decap, has_vsid),
		.max = FC_VSID_MAX,
		.example = "5001",
		.doc = "For `gretap`, in place of `key`: its upper 24 bits, the virtual subnet of "
		       "NVGRE, whatever flow the others name.",
	},
	{
		.name = "udp_port",
		.type = &fc_key_whole,
		FIELD(fc_decap, udp_port),
		.min = 1,
		.max = 65535,
		.example = "8472",
		.doc = "UDP port that packets must come to, for `vxlan` (without it 4789) and "
		       "`geneve` (6081).",
	},
};

const struct key_table fc_decap_table = {
	.noun = "decap",
	.title = "`decap` of a tap",
	.rows = decap_rows,
	.n_rows = N_ROWS(decap_rows),
	.check = fc_decap_check,
	.size = sizeof(struct fc_decap),
	.short_form = "decap.",
	.shorthand = "type",
};
