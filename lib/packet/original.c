/* SPDX-License-Identifier: MIT */
#include <stdalign.h>

#include <rte_bitops.h>
#include <rte_errno.h>

#include <fc_original.h>

int fc_original_at = -1;
uint64_t fc_original_flag;

int fc_original_register(void)
{
	static const struct rte_mbuf_dynfield field = {
		.name = "fluxcap_dynfield_original_length",
		.size = sizeof(uint32_t),
		.align = alignof(uint32_t),
	};
	static const struct rte_mbuf_dynflag flag = { .name = "fluxcap_dynflag_original_length" };
	int at = rte_mbuf_dynfield_register(&field);
	int bit = at >= 0 ? rte_mbuf_dynflag_register(&flag) : -1;

	if (bit < 0)
		return -rte_errno;
	fc_original_at = at;
	fc_original_flag = RTE_BIT64(bit);
	return 0;
}
