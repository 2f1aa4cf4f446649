/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include <rte_ethdev.h>

#include <fc_compat.h>

#include "af_packet.h"
#include "capture.h"
#include "driver.h"
#include "port_counts.h"

/* One counter of a driver by its name; 0: the driver has none. */
static uint64_t read_extended(uint16_t id, const char *name)
{
	uint64_t index, value;

	if (rte_eth_xstats_get_id_by_name(id, name, &index) != 0 ||
		rte_eth_xstats_get_by_id(id, &index, &value, 1) != 1)
		return 0;
	return value;
}

/*
 * Frames of a wrong length that the driver knows of and does not report as errors: those of igb
 * and igc report what the NIC counts as length errors, which is not with every NIC all of them.
 */
static uint64_t count_wrong_lengths(const struct fc_port *port)
{
	uint64_t n, n_reported;

	if (!fc_driver_hides_lengths(&port->plan->facts))
		return 0;
	n_reported = read_extended(port->id, "rx_length_errors");
	n = read_extended(port->id, "rx_undersize_errors") +
	    read_extended(port->id, "rx_oversize_errors");
	return n > n_reported ? n - n_reported : 0;
}

/* What an rx queue that was full has lost, with drivers that call it an error of the queue. */
static uint64_t count_queue_errors(const struct fc_port *port, const struct rte_eth_stats *stats)
{
	uint64_t n = 0;

	if (!fc_driver_counts_by_queue(&port->plan->facts))
		return 0;
#if FC_HAS_QUEUE_COUNTERS
	for (unsigned q = 0; q < RTE_DIM(stats->q_errors); q++)
		n += stats->q_errors[q];
#else
	RTE_SET_USED(stats);
	for (unsigned q = 0; q < port->plan->n_rx_queues; q++) {
		char name[RTE_ETH_XSTATS_NAME_SIZE];

		snprintf(name, sizeof(name), "rx_q%u_errors", q);
		n += read_extended(port->id, name);
	}
#endif
	return n;
}

static int read_driver(struct fc_port *port, struct fc_port_counts *counts)
{
	const struct fc_port_facts *facts = &port->plan->facts;
	struct rte_eth_stats stats;
	int ret = rte_eth_stats_get(port->id, &stats);

	if (ret != 0)
		return ret;
	*counts = (struct fc_port_counts){
		.rx_missed = stats.imissed,
		.rx_nombuf = stats.rx_nombuf,
		.rx_errors = stats.ierrors + count_wrong_lengths(port),
		.tx_errors = stats.oerrors,
	};
	counts->rx_missed += count_queue_errors(port, &stats);
	if (port->plan->is_tap && fc_driver_is_af_packet(facts))
		port->n_kernel_drops += fc_af_packet_drops(
			port->id, port->plan->n_rx_queues, port->interface_index);
	return 0;
}

/* What it has counted since it was last read. */
static void add_growth(uint64_t *sum, uint64_t *seen, uint64_t now)
{
	*sum += now - (now >= *seen ? *seen : 0);
	*seen = now;
}

void fc_port_read_counts(struct fc_port *port)
{
	struct fc_port_counts *sum = &port->counts, *seen = &port->seen, now;

	/* A NIC that is not there any more answers with all bits set. */
	if (atomic_load_explicit(&port->is_removed, memory_order_relaxed) ||
		read_driver(port, &now) != 0)
		return;
	add_growth(&sum->rx_missed, &seen->rx_missed, now.rx_missed);
	add_growth(&sum->rx_nombuf, &seen->rx_nombuf, now.rx_nombuf);
	add_growth(&sum->rx_errors, &seen->rx_errors, now.rx_errors);
	add_growth(&sum->tx_errors, &seen->tx_errors, now.tx_errors);
	if (fc_capture_is_device(port->plan->facts.name))
		sum->tx_errors += fc_capture_take_lost(port->device_args);
}

void fc_port_stats(struct fc_port *port, struct fc_port_counts *counts)
{
	pthread_mutex_lock(&port->lock);
	if (port->is_started)
		fc_port_read_counts(port);
	*counts = port->counts;
	counts->rx_missed += port->n_kernel_drops;
	pthread_mutex_unlock(&port->lock);
}
