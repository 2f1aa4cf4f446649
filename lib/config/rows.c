/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "row.h"

static const struct key_row vlan_rows[] = {
	{
		.name = "pop",
		.type = &fc_key_whole,
		FIELD(fc_vlan_edit, pop),
		.max = 2,
		.example = "1",
		.doc = "Take off up to so many tags, outermost first. A tag is one of the TPIDs "
		       "below; a frame without tags stays as it is.",
	},
	{
		.name = "push",
		.type = &fc_key_whole_list,
		ITEMS(fc_vlan_edit, vid, n_push),
		.min = 1,
		.max = 4094,
		.max_items = FC_MAX_VLAN_PUSH,
		.single = true,
		.example = "10+20",
		.doc = "Then put on one tag with this VLAN ID, or two: `[outer, inner]`. `pop` 1 "
		       "with one `push` replaces a tag.",
	},
	{
		.name = "pcp",
		.type = &fc_key_whole,
		FIELD(fc_vlan_edit, pcp),
		.max = 7,
		.preset = "0",
		.needs = "push",
		.example = "5",
		.doc = "Priority in every pushed tag.",
	},
	{
		.name = "tpid",
		.type = &fc_key_tpid,
		FIELD(fc_vlan_edit, tpid),
		.preset = "0x8100",
		.needs = "push",
		.example = "0x88a8",
		.doc = "TPID of the outermost pushed tag; an inner one has `0x8100`.",
	},
};

static const struct key_table vlan_table = {
	.noun = "vlan",
	.title = "`vlan` of a tap or of an output",
	.rows = vlan_rows,
	.n_rows = N_ROWS(vlan_rows),
	.size = sizeof(struct fc_vlan_edit),
	.short_form = "vlan.",
	.shorthand = "push",
};

/*
 * The edits of a tap and of an output, in the order in which they are applied. A macro, as the
 * rows of each owner have their own offsets.
 */
/* clang-format off */
#define DESCRIPTION_ROW(owner, words)								   \
	{											   \
		.name = "description",								   \
		.type = &fc_key_text,								   \
		FIELD(owner, description),							   \
		.max = FC_MAX_DESCRIPTION,							   \
		.presence = true,								   \
		.example = words,								   \
		.doc = "What it is, for people. It changes nothing.",				   \
	}

#define EDIT_ROWS(owner)									   \
	{											   \
		.name = "filter",								   \
		.type = &fc_key_filter,								   \
		FIELD(owner, edits.filter),							   \
		.min = 1,									   \
		.max = 65535,									   \
		.example = "tcp port 443",							   \
		.doc = "Keep what matches this pcap-filter(7) expression.",			   \
	},											   \
	{											   \
		.name = "sample",								   \
		.type = &fc_key_percent,							   \
		FIELD(owner, edits.sample),							   \
		.max = 100,									   \
		.preset = "100",								   \
		.example = "12.5",								   \
		.doc = "Percent of the packets to keep, at random, each packet by itself.",	   \
	},											   \
	{											   \
		.name = "vlan",									   \
		.type = &fc_key_object,								   \
		FIELD(owner, edits.vlan),							   \
		.min = 1,									   \
		.table = &vlan_table,								   \
		.doc = "Take VLAN tags off and put them on; see below. In the short form "	   \
			"`vlan=100` stands for `vlan.push=100`.",				   \
	},											   \
	{											   \
		.name = "trim",									   \
		.type = &fc_key_whole,								   \
		FIELD(owner, edits.trim),							   \
		.min = 1,									   \
		.max = 65535,									   \
		.example = "4",									   \
		.doc = "Bytes to cut from the tail; the 14-byte Ethernet header always stays.",	   \
	},											   \
	{											   \
		.name = "truncate",								   \
		.type = &fc_key_whole,								   \
		FIELD(owner, edits.truncate),							   \
		.min = 14,									   \
		.max = 65535,									   \
		.example = "128",								   \
		.doc = "Bytes to keep at most, counted from the Ethernet header on.",		   \
	}
/* clang-format on */

static const struct key_row tap_rows[] = {
	{
		.name = "port",
		.type = &fc_key_port,
		FIELD(fc_tap_config, port),
		.required = true,
		.example = "0000:03:00.0",
		.doc = "The port to receive from. A port serves one tap, or several that each have "
		       "`decap`.",
	},
	{
		.name = "ring",
		.type = &fc_key_size,
		FIELD(fc_tap_config, ring),
		.min = UINT64_C(64) << 10,
		.max = UINT64_C(1) << 40,
		.preset = "64m",
		.example = "100m",
		.doc = "Bytes that its packets may occupy while its outputs catch up; all its "
		       "outputs share them. An output that falls further behind loses the oldest "
		       "packets of its backlog.",
	},
	{
		.name = "decap",
		.type = &fc_key_object,
		FIELD(fc_tap_config, decap),
		.table = &fc_decap_table,
		.doc = "Take packets out of a tunnel that ends here, before all edits. In the "
		       "short form `decap=vxlan` stands for `decap.type=vxlan`.",
	},
	EDIT_ROWS(fc_tap_config),
	DESCRIPTION_ROW(fc_tap_config, "span of core switch 1"),
};

struct edits_alone {
	struct fc_edits edits;
};

static const struct key_row edits_rows[] = { EDIT_ROWS(edits_alone) };

const struct key_table fc_edits_table = {
	.noun = "edits",
	.rows = edits_rows,
	.n_rows = N_ROWS(edits_rows),
	.size = sizeof(struct fc_edits),
};

const struct key_table fc_tap_table = {
	.noun = "tap",
	.title = "A tap: `taps.NAME`",
	.short_form = "",
	.rows = tap_rows,
	.n_rows = N_ROWS(tap_rows),
	.size = sizeof(struct fc_tap_config),
	.name_size = FC_NAME_SIZE,
};

static const struct key_row output_rows[] = {
	{
		.name = "port",
		.type = &fc_key_port,
		FIELD(fc_output_config, port),
		.required = true,
		.example = "0000:04:00.0",
		.doc = "The port to send to. Any number of outputs may share a port, and a tap may "
		       "have it too.",
	},
	{
		.name = "from",
		.type = &fc_key_tap_list,
		ITEMS(fc_output_config, from, n_from),
		.max_items = FC_MAX_TAPS,
		.required = true,
		.unique = true,
		.example = "cisco+dell",
		.doc = "The taps whose packets it sends. Each of them makes a feed.",
	},
	EDIT_ROWS(fc_output_config),
	{
		.name = "encap",
		.type = &fc_key_object,
		FIELD(fc_output_config, encap),
		.table = &fc_encap_table,
		.doc = "Send through a tunnel, after all edits. In the short form `encap=vxlan` "
		       "stands for `encap.type=vxlan`.",
	},
	DESCRIPTION_ROW(fc_output_config, "ids in rack 7"),
};

const struct key_table fc_output_table = {
	.noun = "output",
	.title = "An output: `outputs.NAME`",
	.short_form = "",
	.rows = output_rows,
	.n_rows = N_ROWS(output_rows),
	.size = sizeof(struct fc_output_config),
	.name_size = FC_NAME_SIZE,
};

static const struct key_row port_rows[] = {
	{
		.name = "mtu",
		.type = &fc_key_whole,
		FIELD(fc_port_config, mtu),
		.min = 68,
		.max = 65535,
		.example = "9000",
		.doc = "Bytes of a frame without its Ethernet header. Otherwise jumbo frames pass "
		       "wherever the port can.",
	},
	{
		.name = "rx_queues",
		.type = &fc_key_whole,
		FIELD(fc_port_config, rx_queues),
		.min = 1,
		.max = 64,
		.example = "2",
		.doc = "Queues that the NIC spreads received packets over.",
	},
	{
		.name = "rx_descriptors",
		.type = &fc_key_whole,
		FIELD(fc_port_config, rx_descriptors),
		.min = 32,
		.max = 32768,
		.example = "1024",
		.doc = "Receive descriptors of each queue: packets that the NIC can hold while its "
		       "lcore is busy. More of them cost rate.",
	},
	{
		.name = "tx_descriptors",
		.type = &fc_key_whole,
		FIELD(fc_port_config, tx_descriptors),
		.min = 32,
		.max = 32768,
		.example = "1024",
		.doc = "Transmit descriptors of each queue.",
	},
	{
		.name = "optional",
		.type = &fc_key_bool,
		FIELD(fc_port_config, optional),
		.preset = "false",
		.presence = true,
		.example = "true",
		.doc = "Start without the port when it is not there: its taps receive nothing, and "
		       "what its outputs should send is lost as `overrun`.",
	},
	{
		.name = "devargs",
		.type = &fc_key_text,
		FIELD(fc_port_config, devargs),
		.max = 511,
		.presence = true,
		.example = "rx_pcap=in.pcap,tx_pcap=out.pcap",
		.doc = "EAL device arguments with which fluxcap plugs the port in when EAL does "
		       "not have it: what stands behind the name in `--vdev`. May be empty, for a "
		       "vdev that needs none.",
	},
	DESCRIPTION_ROW(fc_port_config, "slot 3, left"),
};

const struct key_table fc_port_table = {
	.noun = "port",
	.title = "Settings of a port: `ports.PORT`",
	.rows = port_rows,
	.n_rows = N_ROWS(port_rows),
	.size = sizeof(struct fc_port_config),
	.name_size = FC_PORT_NAME_SIZE,
	.named_by_port = true,
};

static const struct key_row lcores_rows[] = {
	{
		.name = "rx",
		.type = &fc_key_whole_list,
		ITEMS(fc_lcores_config, rx, n_rx),
		.max = FC_MAX_LCORES - 1,
		.max_items = FC_MAX_LCORES,
		.unique = true,
		.example = "1+2",
		.doc = "The EAL lcores that receive.",
	},
	{
		.name = "tx",
		.type = &fc_key_whole_list,
		ITEMS(fc_lcores_config, tx, n_tx),
		.max = FC_MAX_LCORES - 1,
		.max_items = FC_MAX_LCORES,
		.unique = true,
		.example = "3",
		.doc = "The EAL lcores that send. An lcore may be in both lists.",
	},
	{
		.name = "idle_us",
		.type = &fc_key_whole,
		FIELD(fc_lcores_config, idle_us),
		.max = 1000000,
		.preset = "0",
		.example = "50",
		.doc = "Microseconds that an lcore may sleep at most when it has found nothing for "
		       "a "
		       "while; 0: it polls without pause.",
	},
};

static const struct key_table lcores_table = {
	.noun = "lcores",
	.title = "Lcores: `lcores`",
	.rows = lcores_rows,
	.n_rows = N_ROWS(lcores_rows),
	.size = sizeof(struct fc_lcores_config),
};

static const struct key_row root_rows[] = {
	{
		.name = "taps",
		.type = &fc_key_map,
		ITEMS(fc_config, taps, n_taps),
		.min = 1,
		.max = FC_MAX_TAPS,
		.required = true,
		.table = &fc_tap_table,
		.doc = "The inputs, by name.",
	},
	{
		.name = "outputs",
		.type = &fc_key_map,
		ITEMS(fc_config, outputs, n_outputs),
		.min = 1,
		.max = FC_MAX_OUTPUTS,
		.required = true,
		.table = &fc_output_table,
		.doc = "The destinations, by name. An output may have the name of a tap.",
	},
	{
		.name = "ports",
		.type = &fc_key_map,
		ITEMS(fc_config, ports, n_ports),
		.max = FC_MAX_TAPS + FC_MAX_OUTPUTS,
		.table = &fc_port_table,
		.doc = "Settings of ports that taps and outputs use, by the port's name. Ports "
		       "need "
		       "none.",
	},
	{
		.name = "lcores",
		.type = &fc_key_object,
		FIELD(fc_config, lcores),
		.table = &lcores_table,
		.doc = "Which lcores do what. Without it every EAL lcore but the main one works, "
		       "on "
		       "the NUMA node of its port where there is a choice.",
	},
	DESCRIPTION_ROW(fc_config, "taps of hall 2"),
	{
		.name = "$schema",
		.type = &fc_key_text,
		FIELD(fc_config, schema),
		.max = 1023,
		.example = "fluxcap.schema.json",
		.doc = "Where an editor finds the JSON Schema. fluxcap does not look there.",
	},
};

const struct key_table fc_root_table = {
	.noun = "configuration",
	.title = "The file",
	.rows = root_rows,
	.n_rows = N_ROWS(root_rows),
	.size = sizeof(struct fc_config),
};

size_t fc_tables_list(const struct key_table *tables[FC_MAX_TABLES])
{
	size_t n = 0;

	tables[n++] = &fc_root_table;
	for (size_t i = 0; i < n; i++) {
		for (size_t j = 0; j < tables[i]->n_rows; j++) {
			const struct key_table *inner = tables[i]->rows[j].table;
			size_t k = 0;

			while (k < n && tables[k] != inner)
				k++;
			if (inner != NULL && k == n && n < FC_MAX_TABLES)
				tables[n++] = inner;
		}
	}
	return n;
}

const struct key_row *fc_table_find(const struct key_table *table, const char *name)
{
	for (size_t i = 0; i < table->n_rows; i++) {
		if (strcmp(table->rows[i].name, name) == 0)
			return &table->rows[i];
	}
	return NULL;
}
