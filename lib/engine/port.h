/* SPDX-License-Identifier: MIT */
#ifndef FC_PORT_H
#define FC_PORT_H

#include <net/if.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <rte_ethdev.h>
#include <rte_mempool.h>

#include <fc_address.h>
#include <fc_findings.h>
#include <fc_plan.h>
#include <fc_stats.h>

#include "link_watch.h"

#define FC_DEVICE_ARGS_SIZE 1024

/** What a port receives. */
enum fc_hearing {
	FC_HEARS_UNKNOWN,   /**< its driver has not been asked for anything yet */
	FC_HEARS_ITSELF,    /**< what is addressed to it, and broadcasts */
	FC_HEARS_MULTICAST, /**< and all multicast: neighbour solicitations for its tunnels */
	FC_HEARS_ALL,	    /**< everything */
};

/** What a port's driver counts. Each only grows, however often the port is set up anew. */
struct fc_port_counts {
	uint64_t rx_missed, rx_nombuf, rx_errors;
	uint64_t tx_errors;
};

/** A kernel interface whose packets net_af_packet takes; the control thread's. */
struct fc_interface {
	uint16_t mtu;	   /**< 0: it has not been seen yet, or the port is none of that driver */
	bool joins;	   /**< GRO or LRO */
	uint16_t told_mtu; /**< with which the user was told that frames are too long */
	bool told_joins;
};

/**
 * A running ethdev port.
 *
 * Control thread unless said otherwise.
 */
struct fc_port {
	const struct fc_plan_port *plan;
	uint16_t id;		  /* ethdev port id */
	unsigned interface_index; /* of the kernel interface behind it, 0: none */
	/* Control: wo, lcores: ro. */
	_Atomic uint32_t max_frame;	   /* longest frame that it sends, UINT32_MAX: no limit */
	_Atomic uint32_t max_tagged_frame; /* the same for a frame that begins with a VLAN tag */
	_Atomic bool only_8021q;	   /* and only one of TPID 0x8100 counts as one */
	struct rte_mempool *rx_pool;	   /* of its rx queues, NULL: none; belongs to the engine */
	bool is_started;
	bool is_promiscuous;	   /* shall be, and could be made so */
	bool is_waiting;	   /* its device is stopped until its other end is there */
	bool is_meeting;	   /* and is started when the lcores know that it is paused */
	uint64_t next_meeting_ms;  /* when to look for the other end again */
	bool is_leaving;	   /* it is gone, and waits for the lcores to know it */
	uint32_t left_at;	   /* see lane.h: the epoch in which they do */
	_Atomic bool is_gone;	   /* it is not there; control: wo, lcores: ro */
	_Atomic uint32_t n_looks;  /* at the port, a clock of FC_PORT_LOOK_MS; as is_gone */
	_Atomic bool is_paused;	   /* it is being changed; control: wo, lcores: ro */
	_Atomic bool is_removed;   /* its device is; EAL's interrupt thread: wo, control: ro */
	struct rte_device *device; /* behind it, NULL: it is not started */
	bool has_device_args;	   /* it has been plugged in some time */
	char device_args[FC_DEVICE_ARGS_SIZE]; /* that it was plugged in with */
	char interface_name[IF_NAMESIZE];      /* of the kernel interface behind it */
	struct fc_interface interface;	       /* as it was last seen */
	struct fc_link_watch watch;	       /* see there for who reads it */
	uint64_t next_look_ms;		       /* at the link */
	enum fc_hearing hearing;	       /* that its driver was last asked for */
	bool has_flow_control;
	struct rte_eth_fc_conf flow_control; /* before fluxcap switched it off */
	pthread_mutex_t lock; /* of plan, is_started and counts, for those who read statistics */
	struct fc_port_counts counts; /* when they were last read */
	struct fc_port_counts seen;   /* what the driver said then: it may begin anew */
	uint64_t n_kernel_drops; /* frames that the kernel has lost and the driver not told of */
};

/** Whether nothing can be received or sent now. Any lcore. */
static inline bool fc_port_is_away(const struct fc_port *port)
{
	/* Who sees that a port has returned sees that it is paused. */
	return atomic_load_explicit(&port->is_gone, memory_order_acquire) ||
	       atomic_load_explicit(&port->is_paused, memory_order_relaxed);
}

/**
 * Look a port up among EAL's and find out what it can.
 *
 * @param name   The ethdev's name.
 * @param facts  Filled.
 * @return       0, or -ENODEV when there is no such port.
 */
int fc_port_facts(const char *name, struct fc_port_facts *facts);

/** The MAC address of a port; all zero when it has none. */
void fc_port_mac(const char *name, uint8_t mac[FC_MAC_SIZE]);

/**
 * Configure queues, MTU and promiscuous mode as planned, and start. Errors go to @p findings.
 *
 * A port that the plan says is absent is not started, and counts as gone. One that was gone and has
 * come back may be started again; its flaps are counted on.
 */
int fc_port_start(
	struct fc_port *port, const struct fc_plan_port *plan, struct fc_findings *findings);

/**
 * Stop and close; what the driver held goes back to the pools. Allowed for a port not started.
 *
 * Its device stays plugged in (see plug.h). Nobody may receive or send on the port any more.
 */
void fc_port_stop(struct fc_port *port);

/**
 * Set a started port up as another plan says, with the pool that is its rx_pool now. Nobody may
 * receive or send on it meanwhile: it is paused, and the lcores know it.
 *
 * @return  0, or -errno with the reason in @p findings: the port may be set up again then.
 */
int fc_port_restart(
	struct fc_port *port, const struct fc_plan_port *plan, struct fc_findings *findings);

/** Plug a device in with these arguments, which may be "". @return 0, or -errno. */
int fc_port_probe(const char *name, const char *device_args);

/** Have it go by another plan, from which what it sends at most follows; nothing of it is set up.
 */
void fc_port_follow(struct fc_port *port, const struct fc_plan_port *plan);

/** Have a started port receive what its plan wants; what it cannot goes to @p findings, once. */
void fc_port_hear(struct fc_port *port, struct fc_findings *findings);

/** Set a port up by its plan after its device was taken out and put in again. As fc_port_restart().
 */
int fc_port_replug(struct fc_port *port, struct fc_findings *findings);

/** Let the lcores use a port that was paused, unless it waits for its other end. */
void fc_port_resume(struct fc_port *port);

/** Whether the port's link is down and comes back only when the port is started anew. */
bool fc_port_needs_peer(const struct fc_port *port, uint64_t now_ms);

/** Start it anew. The lcores know that it is paused. */
void fc_port_meet(struct fc_port *port);

/** Say that a port cannot be used; it may be found again. */
void fc_port_give_up(struct fc_port *port);

/**
 * Look at the port: is it still there, is its link up. To be called at least every FC_PORT_LOOK_MS.
 *
 * A driver that takes long to answer is asked less often, so that this takes at most a tenth of
 * the caller's time.
 *
 * @param now_ms  Of CLOCK_MONOTONIC, in milliseconds.
 */
void fc_port_look(struct fc_port *port, uint64_t now_ms);

#define FC_PORT_LOOK_MS 50

/** The link, as it was last seen. Any thread. */
enum fc_link fc_port_link(const struct fc_port *port);

/** How the port fares, as it was last seen. Any thread. */
struct fc_port_health fc_port_health(const struct fc_port *port);

/** The driver's counters; of a port that is closed the last ones. Any thread. */
void fc_port_stats(struct fc_port *port, struct fc_port_counts *counts);

#endif
