/* SPDX-License-Identifier: MIT */
#ifndef FC_DRIVER_H
#define FC_DRIVER_H

#include <rte_ethdev.h>

#include <fc_plan.h>

/**
 * Correct the facts of ports whose drivers do not tell all about themselves through ethdev: DPDK's
 * virtual devices, whose arguments must be read.
 *
 * @param facts  Filled from its dev_info; what the driver is known to do otherwise is overwritten.
 * @param args   Of the device, as behind the name in --vdev.
 */
void fc_driver_correct(struct fc_port_facts *facts, const char *args);

/** Whether what a full rx queue loses is counted as an error of the queue, and nowhere else. */
bool fc_driver_counts_by_queue(const struct fc_port_facts *facts);

/** Whether frames of a wrong length are counted in its extended statistics, and not all of them as
 * errors. */
bool fc_driver_hides_lengths(const struct fc_port_facts *facts);

/** Whether a port has a link that can be down while it is started. Files have none, and a secondary
 * process that attaches to net_pcap (dpdk-dumpcap) sets what it calls its link to down. */
bool fc_driver_has_link(const struct fc_port_facts *facts);

/** Whether it is net_af_packet: see af_packet.h. */
bool fc_driver_is_af_packet(const struct fc_port_facts *facts);

/** Whether a port of this driver can be started again after it was stopped; else it has to be
 * unplugged and plugged in (net_af_packet closes its sockets for good, net_pcap forgets what it
 * plays again and again). */
bool fc_driver_restarts(const struct fc_port_facts *facts);

/**
 * Free what a driver leaves behind when its device is unplugged, or it could not be plugged in
 * again (net_ring leaves rings with what is in them).
 *
 * @param facts  Of the port that was unplugged.
 * @param args   That its device had.
 */
void fc_driver_clean_up(const struct fc_port_facts *facts, const char *args);

/** Whether what was sent on a port of this driver can be received from it again (net_ring). */
bool fc_driver_loops(const struct fc_port_facts *facts);

#endif
