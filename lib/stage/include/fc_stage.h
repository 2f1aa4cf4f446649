/* SPDX-License-Identifier: MIT */
#ifndef FC_STAGE_H
#define FC_STAGE_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_mbuf.h>

#include <fc_config.h>
#include <fc_drop.h>
#include <fc_findings.h>

/**
 * The edits, as stages that work on bursts.
 *
 * A stage that only reads may be given packets that others hold too. A stage that writes is given
 * private packets (fc_private.h). All that read come before all that write, in the order of
 * spec: filter, sample | vlan, slice (trim, then truncate).
 *
 * To add an edit: its parameters in struct fc_edits with their rows, one file with its
 * struct fc_stage_ops, and its line in the table of stage.c.
 */

#define FC_MAX_BURST 64 /**< packets that a stage is given at once, at most */

/** One kind of edit. */
struct fc_stage_ops {
	const char *name;
	bool writes;	   /**< changes packets */
	enum fc_drop drop; /**< the reason for which it sorts packets out */

	/** Whether @p edits ask for this stage. */
	bool (*is_wanted)(const struct fc_edits *edits);

	/**
	 * Prepare the stage; control path.
	 *
	 * @return  Its state (ended with destroy), or NULL with the reason in @p findings.
	 */
	void *(*create)(
		const struct fc_edits *edits, struct fc_findings *findings, const char *place);
	void (*destroy)(void *state);

	/**
	 * Work on a burst; the lcore that owns the stage.
	 *
	 * @param packets  1..FC_MAX_BURST packets; reordered so that those that stay come first, in
	 *                 their order, and those that are sorted out follow.
	 * @return         How many stay.
	 */
	uint16_t (*run)(void *state, struct rte_mbuf **packets, uint16_t n);

	/**
	 * How many bytes of a packet this stage needs to give its first @p wanted bytes; NULL: as
	 * many. UINT32_MAX is "all". Only for stages that write.
	 */
	uint32_t (*reach)(const void *state, uint32_t wanted);

	uint16_t growth; /**< bytes that it puts in front of a packet at most */
};

struct fc_stage {
	const struct fc_stage_ops *ops;
	void *state;
};

#define FC_MAX_STAGES 8

/** The stages of one tap or output, in their order. */
struct fc_chain {
	uint8_t n_read;	 /**< stages[0 .. n_read - 1] only read */
	uint8_t n_write; /**< the n_write stages behind them write */
	uint16_t growth; /**< bytes that they put in front of a packet at most */
	uint32_t reach;	 /**< bytes of a packet that the writing ones need, UINT32_MAX: all */
	struct fc_stage stages[FC_MAX_STAGES];
};

/**
 * Build the stages that @p edits ask for.
 *
 * @param chain     Filled; ended with fc_chain_end().
 * @param edits     Need not outlive the call.
 * @param findings  Gets the reason of a failure.
 * @param place     The path of the tap or output in the configuration ("outputs.ids").
 * @return          0, or -EINVAL: the chain is empty then. Control path, EAL running.
 */
int fc_chain_begin(struct fc_chain *chain, const struct fc_edits *edits,
	struct fc_findings *findings, const char *place);

/**
 * How many bytes of a packet the writing stages need to give its first @p wanted bytes.
 *
 * @param wanted  UINT32_MAX: all.
 * @return        As @p wanted. Control path.
 */
uint32_t fc_chain_reach(const struct fc_chain *chain, uint32_t wanted);

/** Whether @p edits ask for a stage that changes packets, which must be private then. Any thread.
 */
bool fc_edits_write(const struct fc_edits *edits);

/** Free the stages' states. A zeroed chain is allowed. */
void fc_chain_end(struct fc_chain *chain);

/** The checks of edits that need more than the configuration's tables, none of which needs EAL. */
extern const struct fc_config_checks fc_stage_checks;

/**
 * Sort a burst by @p keep, one byte per packet, as struct fc_stage_ops.run has to.
 *
 * @return  How many stay.
 */
static inline uint16_t fc_stage_sort(
	struct rte_mbuf **packets, uint16_t n, const uint8_t keep[FC_MAX_BURST])
{
	struct rte_mbuf *out[FC_MAX_BURST];
	uint16_t n_kept = 0, n_out = 0;

	/* Both stores always happen, so that nothing is left to a branch that cannot be predicted.
	 */
	for (uint16_t i = 0; i < n; i++) {
		struct rte_mbuf *packet = packets[i];

		packets[n_kept] = packet;
		out[n_out] = packet;
		n_kept = (uint16_t)(n_kept + keep[i]);
		n_out = (uint16_t)(n_out + !keep[i]);
	}
	for (uint16_t i = 0; i < n_out; i++)
		packets[n_kept + i] = out[i];
	return n_kept;
}

#endif
