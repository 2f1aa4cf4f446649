/* SPDX-License-Identifier: MIT */
#ifndef FC_QUEUE_H
#define FC_QUEUE_H

#include <stdint.h>

#include <rte_ring.h>

#include <fc_private.h>
#include <fc_reassembly.h>
#include <fc_tunnel_pop.h>

#include "intake.h"
#include "port.h"

/**
 * One rx queue, on the lcore that polls it.
 *
 * What it receives goes to its port's only tap; or, where tunnels end, to the tap whose tunnel it
 * came out of. Each frame is counted by one tap: what matches none, is malformed, or is an outer
 * fragment that does not complete a packet, by the first tap of the port. What is addressed to the
 * port itself goes to the control thread, too.
 */
struct fc_queue {
	struct fc_port *port;
	uint16_t id;
	uint16_t n_intakes;
	uint32_t longest;	    /* bytes of a frame; longer ones have arrived cut */
	struct fc_intake **intakes; /* of the port's taps; of end i of `ends`: intakes[i] */

	/* For ports where tunnels end or begin; control: rw before the lcore runs. */
	const struct fc_tunnel_ends *ends; /* NULL: it is none of these */
	struct fc_private how;		   /* for frames that come in shared, before stripping */
	struct fc_reassembly *reassembly;  /* NULL: no tunnel ends here */
	bool borrows_reassembly;	   /* it is another queue's still; control: rw */
	struct fc_tunnel_memory last;	   /* of a packet that came out of a tunnel; lcore: rw */
	uint16_t n_unlike;		   /* packets since then that were not like it */
	struct rte_ring *heard;		   /* what the control thread is to hear */
};

/**
 * Receive one burst and pass it on.
 *
 * When every lcore behind the queue is too busy to take a burst, nothing is received: what is lost
 * then is lost in the NIC, where it costs least, and is counted there.
 *
 * @return  How many frames were received. The rx lcore.
 */
unsigned fc_queue_poll(struct fc_queue *queue);

#endif
