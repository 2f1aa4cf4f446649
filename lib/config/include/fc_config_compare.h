/* SPDX-License-Identifier: MIT */
#ifndef FC_CONFIG_COMPARE_H
#define FC_CONFIG_COMPARE_H

#include <stdbool.h>

#include <fc_config.h>
#include <fc_findings.h>

/**
 * What differs between two configurations.
 *
 * Everything here walks the tables of the keys, so a new key is compared as soon as it has its
 * row. A key that is not there is as if it had its default, and a key that has no effect (`tpid`
 * where nothing is pushed) is as if it were not there. All functions may be called from any thread;
 * they only read. They allocate: when memory runs out, the answer is that there is a difference.
 */

/** Whether two lists of edits do the same to every packet. */
bool fc_edits_is_equal(const struct fc_edits *a, const struct fc_edits *b);

/** Whether two tunnels to send through are the same, with all their settings; also where neither of
 * the two has a type. */
bool fc_encap_is_equal(const struct fc_encap *a, const struct fc_encap *b);

/** Whether two tunnels to receive from are the same; also where neither of the two has a type. */
bool fc_decap_is_equal(const struct fc_decap *a, const struct fc_decap *b);

/**
 * Whether two ports are to be set up alike: all settings but those that say how a port comes to be
 * there or what it is (`optional`, `devargs`, `description`), and not the name.
 *
 * @param a, b  The settings; NULL: none.
 */
bool fc_port_config_is_equal(const struct fc_port_config *a, const struct fc_port_config *b);

/**
 * List the differences between two configurations.
 *
 * Taps, outputs and settings of ports that only one of the two has are one difference each; of
 * those in both, every key that differs is one. They belong together by their names: in which
 * order anything is written makes no difference, but that of the lists `vlan.push`, `lcores.rx`
 * and `lcores.tx`.
 *
 * @param from      What was.
 * @param to        What shall be.
 * @param findings  Gets one FC_NOTE for each difference: "added", "removed" or "NEW instead of
 *                  OLD", where "none" stands for a key that is not there. Values that are too long
 *                  for one line are cut to where they differ. An FC_ERROR at the place "" when
 *                  memory ran out.
 * @return          The number of differences, also of those whose note did not fit in; 0: the two
 *                  are equal. Running out of memory counts as one.
 */
unsigned fc_config_compare(
	const struct fc_config *from, const struct fc_config *to, struct fc_findings *findings);

#endif
