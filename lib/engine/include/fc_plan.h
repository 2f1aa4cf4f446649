/* SPDX-License-Identifier: MIT */
#ifndef FC_PLAN_H
#define FC_PLAN_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <fc_config.h>
#include <fc_findings.h>

/**
 * From a configuration and what is known of the ports and lcores to queues, lcores, rings and
 * pools: all sizes that the program will have, before anything is allocated.
 *
 * It is a pure calculation: no EAL is needed, so `fluxcap --check` prints it with assumed facts and
 * a test can give any. Control thread.
 */

#define FC_BURST	 32   /**< packets that are received and sent at once */
#define FC_HANDOFF_WORDS 1024 /**< slots of the ring between two lcores, a power of 2 */
#define FC_POOL_CACHE_SIZE                                                                         \
	512 /**< buffers that each lcore keeps of each pool, RTE_MEMPOOL_CACHE_MAX_SIZE */
#define FC_DEFAULT_MTU	  9000
#define FC_VIRTUAL_FRAME  16128 /**< bytes that a virtual port takes which is told no MTU */
#define FC_HUGE_PAGE_SIZE (UINT64_C(2) << 20)
#define FC_MAX_QUEUES	  64	     /**< rx queues of a port */
#define FC_LONGEST_FRAME  UINT16_MAX /**< bytes; an mbuf's segment cannot say more */
#define FC_HOST_WORDS	  64 /**< packets between a tunnel port and the control thread, each way */

/** How many descriptors a queue may have. */
struct fc_limits {
	uint16_t min, max; /**< max 0: no limit */
	uint16_t step;	   /**< a multiple of this, 0: any number */
};

/** What a port is and can; from ethdev, or assumed. */
struct fc_port_facts {
	char name[FC_PORT_NAME_SIZE];
	char driver[32];
	bool is_absent;	 /**< it is not there; the facts are assumed */
	bool is_running; /**< as the plan before has it */
	int socket;	 /**< NUMA node, -1: any */
	uint16_t max_rx_queues;
	uint16_t max_tx_queues;
	uint16_t rx_queues;	 /**< to poll unless configured otherwise, at least 1 */
	uint16_t rx_descriptors; /**< that the driver likes best */
	uint16_t tx_descriptors;
	struct fc_limits rx_limits, tx_limits;
	uint16_t spare_rx_rings; /**< of as many descriptors, that an rx queue fills besides */
	uint16_t tx_held;	 /**< packets that a full port holds besides its descriptors */
	uint16_t mtu;		 /**< of the kernel interface behind it, 0: there is none */
	uint16_t max_mtu;
	uint32_t max_rx_frame; /**< longest frame that it gives in one buffer, 0: by the MTU */
	uint32_t cut_at;       /**< frames of so many bytes and more it may have cut, 0: none */
	uint32_t max_tx_frame; /**< limit of the driver itself, UINT32_MAX: none */
	bool is_virtual;       /**< neither a NIC nor a kernel interface: no limit to a frame */
	bool splits_rx;	       /**< a frame that is longer than a buffer comes in several */
	bool may_split;	       /**< nobody knows whether it does that */
	bool takes_segments;   /**< sends frames of several segments */
	bool lets_go;	       /**< what it has taken to send it holds no more when it returns */
	bool refuses_long;     /**< to send: as if it were full, where others would say never */
	bool is_fixed;	       /**< it cannot be set up again once it has been closed */
	bool is_nic;	    /**< a device on a bus, not one that EAL makes out of something else */
	bool keeps_mtu;	    /**< it gives no frame that is longer than its MTU allows */
	bool pairs_queues;  /**< it wants as many tx queues as rx queues */
	uint64_t rss_types; /**< kinds of flows that it can spread over its rx queues by */
	const char
		*spreader; /**< who chooses the rx queue where it has no RSS, NULL: nobody known */
	uint8_t rss_key_size;	  /**< bytes of its hash key */
	uint16_t min_tx_frame;	  /**< it refuses shorter frames, 0: none */
	uint16_t max_tx_segments; /**< it refuses frames of more segments, 0: none */
	uint16_t idle_buffers; /**< for an rx queue that nobody polls, 0: it can be without one */
	uint16_t kept_buffers; /**< of its rx pool that a queue does not give back when it is closed
				*/
};

/** An lcore that can work. */
struct fc_lcore_facts {
	unsigned id;
	int socket;
};

/** A pool of mbufs. */
struct fc_plan_pool {
	uint32_t n_mbufs;
	uint16_t data_room; /**< bytes of an mbuf's buffer, headroom included */
	uint32_t mbuf_size; /**< bytes of memory that one mbuf takes */
	uint32_t n_kept;    /**< mbufs that a driver does not give back */
	bool has_caches;    /**< lcores keep some of it for themselves, when it is large enough */
	int socket;
};

struct fc_plan_port {
	struct fc_port_facts facts;
	bool is_tap, is_output;
	bool is_host;  /**< tunnels end or begin here: it has addresses that answer */
	bool ends;     /**< tunnels end here: a tap has decap */
	bool receives; /**< its rx queues are polled */
	bool drains;   /**< only so that they do not fill: nobody wants what arrives */
	bool sends;    /**< a lane sends on it */
	bool is_kept;  /**< it runs already, and goes on as it is */
	bool splits;   /**< a frame that comes in may have several segments */
	bool chains;   /**< a frame that goes out may have several segments */
	uint16_t mtu;  /**< 0: leave it as it is */
	uint16_t n_rx_queues;
	uint16_t rx_descriptors;
	uint16_t tx_descriptors;
	uint16_t rx_lanes[FC_MAX_QUEUES]; /**< which lane polls each queue */
	uint16_t tx_lane;		  /**< index of the lane that sends on it */
	uint32_t max_frame;		  /**< longest that it sends, Ethernet header to payload */
	uint32_t max_tagged_frame;
	struct fc_plan_pool pool; /**< of its rx queues; no mbufs: it has none */
	uint32_t n_for_taps;	  /**< of the pool: what its taps' packets may occupy waiting */
	uint32_t n_for_ports;	  /**< of the pool: descriptors, its own and of its taps' outputs */
	uint32_t n_for_lcores;	  /**< of the pool: rings, caches and bursts in hand */
	uint32_t n_for_fragments; /**< of the pool: outer fragments that wait for the others */
	struct fc_plan_pool host; /**< for what the box itself says; no mbufs: it says nothing */
};

struct fc_plan_tap {
	uint16_t port;
	uint32_t wanted;     /**< mbufs that waiting packets are to have: `ring` */
	uint32_t window;     /**< that they may occupy: as many, or less in a pool that is kept */
	bool gives_segments; /**< packets may have several segments */
};

struct fc_plan_output {
	uint16_t port;
	bool needs_copies;    /**< something writes, or the port takes one segment only */
	bool is_linear;	      /**< copies must have one segment */
	bool mends;	      /**< what the port refuses is copied, padded and made linear */
	uint16_t mtu;	      /**< of its tunnel: outer packets are at most so long; 0: none */
	uint16_t n_fragments; /**< frames that one packet becomes at most */
	struct fc_plan_pool copies;
};

/** An lcore with work. */
struct fc_plan_lane {
	struct fc_lcore_facts lcore;
	bool receives, sends;
};

struct fc_plan {
	const struct fc_config *config;
	uint16_t n_ports, n_lanes;
	struct fc_plan_port *ports;	/**< each once, those of the taps first */
	struct fc_plan_tap *taps;	/**< as in the configuration */
	struct fc_plan_output *outputs; /**< as in the configuration */
	struct fc_plan_lane *lanes;
	uint64_t backlog_size; /**< bytes for the backlogs of all feeds */
};

/** The names of the ports that a configuration uses, each once; those of the taps first. */
uint16_t fc_plan_port_names(
	const struct fc_config *config, const char *names[FC_MAX_TAPS + FC_MAX_OUTPUTS]);

/** Facts to assume for a port of which only the name is known. */
void fc_plan_assume_port(const char *name, struct fc_port_facts *facts);

/**
 * The same for a virtual device of which the arguments are known, too: what it will say of itself
 * when it is made.
 *
 * @param args  As behind the name in --vdev.
 * @return      Whether its driver is one of those that are known well; else nothing is done.
 */
bool fc_port_assume_vdev(const char *name, const char *args, struct fc_port_facts *facts);

/**
 * Make the plan.
 *
 * @param config    Must outlive the plan.
 * @param facts     One for each name of fc_plan_port_names(), in that order.
 * @param lcores    The lcores that may work, at least one.
 * @param findings  Gets what cannot be done: more queues than the port has, lcores that are not
 *                  there.
 * @return          The plan (fc_plan_free()), or NULL when there was an error.
 */
struct fc_plan *fc_plan_make(const struct fc_config *config, const struct fc_port_facts *facts,
	const struct fc_lcore_facts *lcores, uint16_t n_lcores, struct fc_findings *findings);

/**
 * Make the plan of a configuration that takes the place of another one.
 *
 * Ports stay with their lcores, also those that are gone, and running ones of which neither queues
 * nor memory change are kept. The pool of a port that is kept cannot grow: when its taps get more
 * outputs, their packets give up room for what these need, and a warning says so.
 *
 * @param before  The plan that is carried out; NULL: none, as in fc_plan_make().
 */
struct fc_plan *fc_plan_make_beside(const struct fc_config *config,
	const struct fc_port_facts *facts, const struct fc_lcore_facts *lcores, uint16_t n_lcores,
	const struct fc_plan *before, struct fc_findings *findings);

/** The port of this name, or NULL. */
const struct fc_plan_port *fc_plan_find_port(const struct fc_plan *plan, const char *name);

void fc_plan_free(struct fc_plan *plan);

/**
 * Bytes of memory that the plan takes.
 *
 * @param socket     On this NUMA node; -1: what may be on any.
 * @param page_size  Bytes; an mbuf lies within one page, which makes a difference with small ones.
 */
uint64_t fc_plan_memory(const struct fc_plan *plan, int socket, uint64_t page_size);

/** Bytes of memory that a pool takes. */
uint64_t fc_plan_pool_memory(const struct fc_plan_pool *pool, uint64_t page_size);

/**
 * The names of the ports that a lane polls or sends on, separated by spaces, each once.
 *
 * @param text  Gets as many whole names as fit @p size bytes.
 */
void fc_plan_lane_ports(const struct fc_plan *plan, uint16_t lane, char *text, size_t size);

/**
 * The taps and outputs of a port: "tap a, output x".
 *
 * @param text  Gets as many of them as fit, and "..." when that are not all.
 */
void fc_plan_port_users(const struct fc_plan *plan, uint16_t port, char *text, size_t size);

/** Write the plan for a person: each tap's pool and its parts, copies, lcores, sums. */
void fc_plan_print(const struct fc_plan *plan, FILE *stream);

/**
 * The plan for a program, one JSON object: `ports` (`name`, `node`, `rx_queues`, `tx_queues`);
 * `pools` (`for`: "receive" and "answers" of the port, "copies" of the output that `name` says;
 * `node`, `buffers`, `buffer_bytes`, `bytes`); `backlog_bytes`; `nodes` (`node`, `bytes`), the sums
 * by NUMA node; `page_bytes`, the size of pages that all bytes are counted with; `lcores` (`named`
 * by the configuration, `wanted` with one for control). Node -1 is any.
 *
 * @return  The text, to be freed with free(), or NULL when memory has run out.
 */
char *fc_plan_json(const struct fc_plan *plan);

#endif
