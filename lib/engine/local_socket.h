/* SPDX-License-Identifier: MIT */
#ifndef FC_LOCAL_SOCKET_PRIVATE_H
#define FC_LOCAL_SOCKET_PRIVATE_H

#include <stdbool.h>

#include <fc_local_socket.h>

/** Whether the device is the end of a memif that connects: it is started only when its other end
 * is there. */
bool fc_local_socket_is_client(const char *driver, const char *args);

#endif
