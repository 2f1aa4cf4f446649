/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include <linux/if_packet.h>

#include <rte_devargs.h>
#include <rte_kvargs.h>
#include <rte_ring.h>

#include "af_packet.h"
#include "driver.h"

/* Facts from the drivers' sources, DPDK 22.11: each differs from what dev_info says, or says not.
 */

#define RING_SLOTS	    1024 /* drivers/net/ring: of a ring that --vdev makes */
#define NULL_FRAME_SIZE	    64	 /* drivers/net/null: default of `size` */
#define AF_PACKET_FRAMESIZE 2048 /* drivers/net/af_packet: default of `framesz` */
#define MEMIF_BUFFER_SIZE   2048 /* drivers/net/memif: default of `bsize` */
#define MEMIF_RSIZE	    10	 /* drivers/net/memif: default of `rsize`, a power of 2 */
#define AF_XDP_DESCRIPTORS                                                                         \
	2048 /* drivers/net/af_xdp: of each of its four rings; fill has twice that */

static int read_number(const char *key, const char *value, void *opaque)
{
	RTE_SET_USED(key);
	*(unsigned long *)opaque = strtoul(value, NULL, 0);
	return 0;
}

static int read_yes(const char *key, const char *value, void *opaque)
{
	RTE_SET_USED(key);
	*(bool *)opaque = value != NULL && strcmp(value, "yes") == 0;
	return 0;
}

static unsigned long number_argument(
	struct rte_kvargs *arguments, const char *key, unsigned long otherwise)
{
	unsigned long value = otherwise;

	rte_kvargs_process(arguments, key, read_number, &value);
	return value != 0 ? value : otherwise;
}

static void correct_null(struct fc_port_facts *facts, struct rte_kvargs *arguments)
{
	facts->max_rx_frame = (uint32_t)number_argument(arguments, "size", NULL_FRAME_SIZE);
	/* It frees whatever it is given, and says nothing of it; with `copy` it reads one segment.
	 */
	facts->takes_segments |= number_argument(arguments, "copy", 0) == 0;
	facts->lets_go = true;
}

static void correct_ring(struct fc_port_facts *facts, struct rte_kvargs *arguments)
{
	RTE_SET_USED(arguments);
	/* It hands over the packets themselves. */
	facts->tx_held = RING_SLOTS;
}

static void correct_pcap(struct fc_port_facts *facts, struct rte_kvargs *arguments)
{
	unsigned n_rx =
		rte_kvargs_count(arguments, "rx_pcap") + rte_kvargs_count(arguments, "rx_iface") +
		rte_kvargs_count(arguments, "rx_iface_in") + rte_kvargs_count(arguments, "iface");
	unsigned n_tx = rte_kvargs_count(arguments, "tx_pcap") +
			rte_kvargs_count(arguments, "tx_iface") +
			rte_kvargs_count(arguments, "iface");

	/* Without a file it receives nothing, and throws away what it is given to send. */
	facts->max_rx_queues = (uint16_t)n_rx;
	facts->max_tx_queues = (uint16_t)n_tx;
	/* Every file is a queue, and each is meant to be read. */
	facts->rx_queues = (uint16_t)RTE_MAX(n_rx, 1U);
	facts->lets_go = true;
	/* Of `iface` alone it says which interface that is. */
	facts->is_virtual = rte_kvargs_count(arguments, "iface") == 0;
	/*
	 * Up to DPDK 25.11 it says nothing about lengths, and splits what is longer than a buffer.
	 * Later ones split where they announce it, and cut what they write at `snaplen`, of which
	 * they tell by their largest MTU.
	 */
	if (facts->max_mtu == UINT16_MAX)
		facts->splits_rx = true;
	else
		facts->max_tx_frame = (uint32_t)facts->max_mtu + RTE_ETHER_HDR_LEN;
}

static void correct_af_packet(struct fc_port_facts *facts, struct rte_kvargs *arguments)
{
	uint32_t framesz = (uint32_t)number_argument(arguments, "framesz", AF_PACKET_FRAMESIZE);

	/* Longer ones it drops and counts nowhere. */
	facts->max_tx_frame = framesz - (uint32_t)(TPACKET2_HDRLEN - sizeof(struct sockaddr_ll));
	facts->max_rx_frame = facts->max_tx_frame;
	/* The kernel gives each queue (`qpairs`) its share of the flows. */
	facts->rx_queues = RTE_MAX(facts->max_rx_queues, (uint16_t)1);
	/*
	 * It gives what is in a buffer, and does not look how long the frame was. One whose tag the
	 * kernel took off is longer by that in the end, and nobody knows whether it had one.
	 */
	facts->cut_at = fc_af_packet_room(framesz);
	facts->lets_go = true;
}

static void correct_af_xdp(struct fc_port_facts *facts, struct rte_kvargs *arguments)
{
	RTE_SET_USED(arguments);
	/* Its buffers for both directions come from the pool of the rx queue, and stay in its
	 * rings. */
	facts->rx_descriptors = 2 * AF_XDP_DESCRIPTORS;
	facts->idle_buffers = 2 * AF_XDP_DESCRIPTORS;
	facts->kept_buffers = 3 * AF_XDP_DESCRIPTORS;
	/* It leaves its socket open, and the interface takes no second one. */
	facts->is_fixed = true;
	facts->tx_descriptors = AF_XDP_DESCRIPTORS;
	facts->tx_held = AF_XDP_DESCRIPTORS;
}

static void correct_tap(struct fc_port_facts *facts, struct rte_kvargs *arguments)
{
	RTE_SET_USED(arguments);
	/* It wants as many rx queues as tx queues, and one is what a port sends on. */
	facts->max_rx_queues = 1;
	facts->lets_go = true;
}

/*
 * It tells of frames of 1518 bytes, and gives what its other end sends, in as many buffers as that
 * takes. Of a frame that needs two of its other end's buffers (`bsize`) it sends the second one
 * marked wrongly, and from then on others as well; with zero-copy it does not.
 */
static void correct_memif(struct fc_port_facts *facts, struct rte_kvargs *arguments)
{
	bool is_zero_copy = false;

	rte_kvargs_process(arguments, "zero-copy", read_yes, &is_zero_copy);
	facts->is_virtual = true;
	facts->max_mtu = UINT16_MAX;
	facts->splits_rx = true;
	facts->lets_go = !is_zero_copy;
	if (is_zero_copy)
		facts->tx_held = (uint16_t)(1U << number_argument(arguments, "rsize", MEMIF_RSIZE));
	else
		facts->max_tx_frame =
			(uint32_t)number_argument(arguments, "bsize", MEMIF_BUFFER_SIZE);
}

static void correct_vhost(struct fc_port_facts *facts, struct rte_kvargs *arguments)
{
	RTE_SET_USED(arguments);
	/* A frame of a guest that is longer than a buffer comes in several. */
	facts->splits_rx = true;
	facts->lets_go = true;
	/* It takes no frame that finds no room in a guest's buffers, ever, and says no more of it.
	 */
	facts->refuses_long = true;
}

static void correct_vmxnet3(struct fc_port_facts *facts, struct rte_kvargs *arguments)
{
	RTE_SET_USED(arguments);
	/* The first buffer of a frame comes from one ring, the others from another. */
	facts->spare_rx_rings = 1;
}

static const struct {
	const char *driver;
	void (*correct)(struct fc_port_facts *facts, struct rte_kvargs *arguments);
} drivers[] = {
	{ "net_null", correct_null },
	{ "net_ring", correct_ring },
	{ "net_pcap", correct_pcap },
	{ "net_af_packet", correct_af_packet },
	{ "net_af_xdp", correct_af_xdp },
	{ "net_tap", correct_tap },
	{ "net_memif", correct_memif },
	{ "net_vhost", correct_vhost },
	{ "net_vmxnet3", correct_vmxnet3 },
};

/*
 * What i40e, ice and iavf refuse to send would make the NIC take the driver for malicious, and stop
 * its queue. vmxnet3 has descriptors for so many segments. ixgbe, i40e, ice and iavf tell the NIC
 * the longest frame, so that none is longer than their MTU allows; em's NICs take what they like.
 */
static const struct nic {
	const char *driver;
	bool keeps_mtu, pairs_queues;
	uint16_t min_tx_frame, max_tx_segments;
	const char *spreader;
} nics[] = {
	{ "net_ixgbe", .keeps_mtu = true },
	{ "net_i40e", .keeps_mtu = true, .min_tx_frame = 17, .max_tx_segments = 8 },
	{ "net_ice", .keeps_mtu = true, .min_tx_frame = 17, .max_tx_segments = 8 },
	{ "net_iavf", .keeps_mtu = true, .min_tx_frame = 17, .max_tx_segments = 8 },
	{ "net_vmxnet3", .max_tx_segments = 16 },
	{ "net_mana", .pairs_queues = true },
	{ "net_gve", .spreader = "the virtual NIC chooses" },
	{ "net_virtio", .spreader = "the host chooses" },
	{ "net_virtio_user", .spreader = "the other end of the vhost socket chooses" },
	{ "net_af_packet", .spreader = "the kernel chooses by flow (PACKET_FANOUT)" },
	{ "net_af_xdp", .pairs_queues = true,
		.spreader = "the NIC's kernel driver chooses ('ethtool -X', 'ethtool -N')" },
};

static void correct_nic(struct fc_port_facts *facts)
{
	for (size_t i = 0; i < RTE_DIM(nics); i++) {
		if (strcmp(nics[i].driver, facts->driver) != 0)
			continue;
		facts->keeps_mtu = nics[i].keeps_mtu;
		facts->pairs_queues = nics[i].pairs_queues;
		facts->min_tx_frame = nics[i].min_tx_frame;
		facts->max_tx_segments = nics[i].max_tx_segments;
		facts->spreader = nics[i].spreader;
	}
}

void fc_driver_correct(struct fc_port_facts *facts, const char *args)
{
	struct rte_kvargs *arguments;

	correct_nic(facts);
	/* What is not on a bus and not known here may do as net_memif does. */
	facts->may_split = !facts->is_nic;
	for (size_t i = 0; i < RTE_DIM(drivers); i++) {
		if (strcmp(drivers[i].driver, facts->driver) != 0)
			continue;
		arguments = rte_kvargs_parse(args, NULL);
		facts->may_split = false;
		if (arguments != NULL)
			drivers[i].correct(facts, arguments);
		rte_kvargs_free(arguments);
	}
}

bool fc_driver_loops(const struct fc_port_facts *facts)
{
	return strcmp(facts->driver, "net_ring") == 0;
}

bool fc_driver_counts_by_queue(const struct fc_port_facts *facts)
{
	return strcmp(facts->driver, "net_ixgbe") == 0 || strcmp(facts->driver, "net_igc") == 0;
}

bool fc_driver_hides_lengths(const struct fc_port_facts *facts)
{
	return strcmp(facts->driver, "net_e1000_igb") == 0 || strcmp(facts->driver, "net_igc") == 0;
}

bool fc_driver_has_link(const struct fc_port_facts *facts)
{
	return strcmp(facts->driver, "net_pcap") != 0;
}

bool fc_driver_is_af_packet(const struct fc_port_facts *facts)
{
	return strcmp(facts->driver, "net_af_packet") == 0;
}

bool fc_driver_restarts(const struct fc_port_facts *facts)
{
	return !fc_driver_is_af_packet(facts) && strcmp(facts->driver, "net_pcap") != 0;
}

#define MAX_RINGS 16 /* RTE_PMD_RING_MAX_RX_RINGS of the driver */

void fc_driver_clean_up(const struct fc_port_facts *facts, const char *args)
{
	char name[FC_PORT_NAME_SIZE + 24];

	/* With arguments they may be somebody else's. */
	if (strcmp(facts->driver, "net_ring") != 0 || args[0] != '\0')
		return;
	for (unsigned i = 0; i < MAX_RINGS; i++) {
		struct rte_ring *ring;
		void *packet;

		snprintf(name, sizeof(name), "ETH_RXTX%u_%s", i, facts->name);
		ring = rte_ring_lookup(name);
		while (ring != NULL && rte_ring_dequeue(ring, &packet) == 0)
			rte_pktmbuf_free(packet);
		rte_ring_free(ring);
	}
}
