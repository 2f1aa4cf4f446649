/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <unistd.h>

#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <rte_common.h>

#include "interface.h"

/* @data is what the request takes besides, NULL: nothing. */
static int ask_kernel(unsigned index, unsigned long what, void *data, struct ifreq *request)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int ret = 0;

	if (fd < 0)
		return -errno;
	*request = (struct ifreq){ .ifr_ifindex = (int)index };
	if (ioctl(fd, SIOCGIFNAME, request) != 0)
		ret = -errno;
	if (ret == 0 && data != NULL)
		request->ifr_data = data;
	if (ret == 0 && ioctl(fd, what, request) != 0)
		ret = -errno;
	close(fd);
	return ret;
}

int fc_interface_ask(unsigned index, unsigned long what, struct ifreq *request)
{
	return ask_kernel(index, what, NULL, request);
}

uint16_t fc_interface_mtu(unsigned index)
{
	struct ifreq request;

	if (index == 0 || fc_interface_ask(index, SIOCGIFMTU, &request) != 0)
		return 0;
	return (uint16_t)RTE_MIN(request.ifr_mtu, UINT16_MAX);
}

bool fc_interface_pauses(unsigned index)
{
	struct ethtool_pauseparam pause = { .cmd = ETHTOOL_GPAUSEPARAM };
	struct ifreq request;

	return ask_kernel(index, SIOCETHTOOL, &pause, &request) == 0 &&
	       (pause.rx_pause != 0 || pause.tx_pause != 0);
}

bool fc_interface_joins(unsigned index)
{
	struct ethtool_value gro = { .cmd = ETHTOOL_GGRO }, flags = { .cmd = ETHTOOL_GFLAGS };
	struct ifreq request;

	return (ask_kernel(index, SIOCETHTOOL, &gro, &request) == 0 && gro.data != 0) ||
	       (ask_kernel(index, SIOCETHTOOL, &flags, &request) == 0 &&
		       (flags.data & ETH_FLAG_LRO) != 0);
}
