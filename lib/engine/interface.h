/* SPDX-License-Identifier: MIT */
#ifndef FC_INTERFACE_H
#define FC_INTERFACE_H

#include <stdbool.h>
#include <stdint.h>

#include <net/if.h>

/** The kernel interface behind a port. Control thread. */

/**
 * Ask the kernel about an interface (netdevice(7)).
 *
 * @param index    Of the interface.
 * @param what     SIOCGIFMTU, SIOCGIFFLAGS and the like.
 * @param request  Gets the answer.
 * @return         0, or -errno; -ENODEV: it does not exist.
 */
int fc_interface_ask(unsigned index, unsigned long what, struct ifreq *request);

/** Its MTU; 0: there is none. */
uint16_t fc_interface_mtu(unsigned index);

/** Whether it sends PAUSE frames or obeys them; false when it does not say. */
bool fc_interface_pauses(unsigned index);

/** Whether the kernel joins packets that it received into longer ones (GRO, LRO), as it does with
 * TCP unless told otherwise: then frames of up to 64 KiB arrive, whatever the MTU is. */
bool fc_interface_joins(unsigned index);

#endif
