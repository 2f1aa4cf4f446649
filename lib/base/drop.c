/* SPDX-License-Identifier: MIT */
#include <fc_drop.h>

static const char *const names[FC_N_DROPS] = {
	[FC_DROP_NOT_OURS] = "not_ours",
	[FC_DROP_MALFORMED] = "malformed",
	[FC_DROP_FILTERED] = "filtered",
	[FC_DROP_SAMPLED_OUT] = "sampled_out",
	[FC_DROP_NOMBUF] = "nombuf",
	[FC_DROP_HANDOFF_FULL] = "handoff_full",
	[FC_DROP_OVERRUN] = "overrun",
	[FC_DROP_UNRESOLVED] = "unresolved",
	[FC_DROP_OVERSIZE] = "oversize",
	[FC_DROP_TX_REFUSED] = "tx_refused",
};

static const char *const hint_names[FC_N_HINTS] = {
	[FC_HINT_CUT] = "malformed_cut",
	[FC_HINT_NO_LENGTH] = "malformed_no_length",
	[FC_HINT_BAD_CHECKSUM] = "bad_checksum",
};

const char *fc_drop_name(enum fc_drop drop)
{
	return names[drop];
}

const char *fc_hint_name(enum fc_hint hint)
{
	return hint_names[hint];
}
