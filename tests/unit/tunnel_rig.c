/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "dpdk_fixture.h"
#include "tunnel_rig.h"

const enum fc_tunnel_type rig_types[7] = { FC_TUNNEL_GRE, FC_TUNNEL_GRETAP, FC_TUNNEL_ERSPAN1,
	FC_TUNNEL_ERSPAN2, FC_TUNNEL_ERSPAN3, FC_TUNNEL_VXLAN, FC_TUNNEL_GENEVE };

struct fc_address rig_address(uint8_t family, uint8_t host)
{
	struct fc_address address = { .family = family };

	if (family == 4)
		memcpy(address.bytes, (const uint8_t[]){ 192, 0, 2, host }, 4);
	else
		memcpy(address.bytes, (const uint8_t[16]){ 0x20, 1, 0x0d, 0xb8, [15] = host }, 16);
	return address;
}

struct fc_tunnel_params rig_params(enum fc_tunnel_type type, uint8_t family)
{
	return (struct fc_tunnel_params){
		.type = type,
		.local = rig_address(family, 1),
		.remote = rig_address(family, 9),
		.mac = { 2, 0, 0, 0, 0, 1 },
		.has_key = type != FC_TUNNEL_ERSPAN1,
		.key = type != FC_TUNNEL_ERSPAN1 ? 5 : 0,
		.ttl = 64,
		.mtu = UINT16_MAX,
		.oversize = FC_OVERSIZE_FRAGMENT,
	};
}

void rig_prepare(struct fc_tunnel_header *header, const struct fc_tunnel_params *params)
{
	assert_int_equal(fc_tunnel_prepare(header, params), 0);
	fc_tunnel_set_destination(header, (const uint8_t[]){ 2, 0, 0, 0, 0, 9 });
}

void rig_all_ends(struct fc_tunnel_ends *ends)
{
	memset(ends, 0, sizeof(*ends));
	for (uint8_t family = 4; family <= 6; family += 2) {
		for (unsigned i = 0; i < RTE_DIM(rig_types); i++) {
			struct fc_tunnel_end end = {
				.type = rig_types[i],
				.local = rig_address(family, 9),
			};

			assert_int_equal(fc_tunnel_add_end(ends, &end), 0);
		}
	}
}

void rig_inner(uint8_t *bytes, uint32_t length, uint32_t seed)
{
	fixture_fill(bytes, length, seed);
	/* The EtherType for experiments: IEEE 802, local experimental 1. */
	bytes[12] = 0x88;
	bytes[13] = 0xb5;
}

void rig_expect(uint8_t *bytes, enum fc_tunnel_type type)
{
	if (type == FC_TUNNEL_GRE)
		memset(bytes, 0, 12);
}

void rig_push(const struct fc_tunnel_header *header, struct fc_tunnel_state *state,
	struct rte_mbuf **packets, uint16_t n, uint64_t timestamp_ns)
{
	const struct fc_tunnel_burst burst = {
		.packets = packets, .n = n, .longest = UINT32_MAX, .timestamp_ns = timestamp_ns
	};
	uint64_t size = 0;

	assert_int_equal(fc_tunnel_push(header, state, &burst, &size), n);
	for (uint16_t i = 0; i < n; i++)
		size -= packets[i]->pkt_len;
	assert_int_equal(size, 0);
}
