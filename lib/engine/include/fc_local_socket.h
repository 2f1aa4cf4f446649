/* SPDX-License-Identifier: MIT */
#ifndef FC_LOCAL_SOCKET_H
#define FC_LOCAL_SOCKET_H

#include <stddef.h>

#include <fc_capture.h>

/**
 * Remove the sockets at which nobody listens any more, and at which these devices are to listen:
 * net_memif servers, net_vhost, net_virtio_user servers. A process that was killed leaves its own
 * behind, and the drivers do not start then.
 *
 * @param findings  Gets a note for each. Control thread, before the devices are made.
 */
void fc_local_socket_clean(const struct fc_vdev *vdevs, size_t n, struct fc_findings *findings);

#endif
