/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <net/if.h>

#include <rte_dev.h>

#include "capture.h"
#include "driver.h"
#include "local_socket.h"
#include "plug.h"

/* Devices that come and go while EAL runs. */

static const struct fc_device *find_device(const struct fc_engine *engine, const char *name)
{
	for (uint16_t i = 0; i < engine->n_devices; i++)
		if (strcmp(engine->devices[i].name, name) == 0)
			return &engine->devices[i];
	return NULL;
}

/* The arguments to plug a device in with, or NULL: it is not to be tried. */
static const char *find_args(
	const struct fc_engine *engine, const struct fc_config *config, const char *name)
{
	const struct fc_port_config *told = fc_config_port(config, name);
	const struct fc_device *device = find_device(engine, name);
	const struct fc_port *port = fc_engine_find_port(engine, name);

	if (told != NULL && told->devargs != NULL)
		return told->devargs;
	if (port != NULL && port->has_device_args) /* it has gone, and may have returned */
		return port->device_args;
	if (device != NULL)
		return device->args;
	/* At the start what EAL has is what it was allowed to have. */
	return engine->is_running && strchr(name, ':') != NULL ? "" : NULL;
}

bool fc_plug_can(const struct fc_engine *engine, const struct fc_config *config, const char *name)
{
	return find_args(engine, config, name) != NULL;
}

/* Whether a kernel driver that gives NICs to programs has the device. */
static bool is_offered(const char *name)
{
	static const char *const drivers[] = { "vfio-pci", "uio_pci_generic", "igb_uio" };
	char path[FC_PORT_NAME_SIZE + 64], target[256];
	const char *driver;
	ssize_t n;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver", name);
	n = readlink(path, target, sizeof(target) - 1);
	if (n < 0)
		return false;
	target[n] = '\0';
	driver = strrchr(target, '/') != NULL ? strrchr(target, '/') + 1 : target;
	for (size_t i = 0; i < RTE_DIM(drivers); i++)
		if (strcmp(driver, drivers[i]) == 0)
			return true;
	return false;
}

/* The name of the kernel interface that device arguments speak of; false: of none. */
static bool find_interface(const char *args, char name[IF_NAMESIZE])
{
	const char *at = strstr(args, "iface=");
	size_t length;

	if (at == NULL)
		return false;
	at += strlen("iface=");
	length = strcspn(at, ",");
	if (length == 0 || length >= IF_NAMESIZE)
		return false;
	snprintf(name, IF_NAMESIZE, "%.*s", (int)length, at);
	return true;
}

bool fc_plug_is_there(
	const struct fc_engine *engine, const struct fc_config *config, const char *name)
{
	const char *args = find_args(engine, config, name);
	char interface[IF_NAMESIZE];
	uint16_t id;

	if (rte_eth_dev_get_port_by_name(name, &id) == 0)
		return true;
	if (strchr(name, ':') != NULL)
		return is_offered(name);
	return args != NULL && find_interface(args, interface) && if_nametoindex(interface) != 0;
}

/* Without memory for that it stays plugged in, which does no harm. */
static void note_plugged(struct fc_engine *engine, const char *name)
{
	char(*list)[FC_PORT_NAME_SIZE] =
		realloc(engine->plugged, (engine->n_plugged + 1U) * sizeof(*list));

	if (list == NULL)
		return;
	engine->plugged = list;
	snprintf(list[engine->n_plugged++], sizeof(*list), "%s", name);
}

int fc_plug_in(struct fc_engine *engine, const struct fc_config *config, const char *name)
{
	const char *args = find_args(engine, config, name);

	if (args == NULL)
		return -ENODEV;
	fc_local_socket_clean(&(struct fc_vdev){ name, args }, 1, NULL);
	if (fc_port_probe(name, args) != 0)
		return -ENODEV;
	note_plugged(engine, name);
	return 0;
}

void fc_plug_undo(struct fc_engine *engine)
{
	for (uint16_t i = 0; i < engine->n_plugged; i++) {
		struct rte_eth_dev_info info;
		uint16_t id;

		if (rte_eth_dev_get_port_by_name(engine->plugged[i], &id) == 0 &&
			rte_eth_dev_info_get(id, &info) == 0)
			rte_dev_remove(info.device);
	}
	engine->n_plugged = 0;
}

int fc_plug_check_files(const struct fc_engine *engine, const struct fc_config *config,
	const char *const *names, uint16_t n, struct fc_findings *findings)
{
	struct fc_vdev vdevs[RTE_MAX_ETHPORTS + FC_MAX_TAPS + FC_MAX_OUTPUTS];
	char known[RTE_MAX_ETHPORTS][RTE_ETH_NAME_MAX_LEN];
	size_t n_known = 0, n_vdevs;
	uint16_t id;

	RTE_ETH_FOREACH_DEV (id) {
		const struct rte_devargs *devargs;
		struct rte_eth_dev_info info;

		if (rte_eth_dev_get_name_by_port(id, known[n_known]) != 0 ||
			rte_eth_dev_info_get(id, &info) != 0)
			continue;
		devargs = rte_dev_devargs(info.device);
		vdevs[n_known].name = known[n_known];
		vdevs[n_known++].args =
			devargs != NULL && devargs->args != NULL ? devargs->args : "";
	}
	n_vdevs = n_known;
	for (uint16_t i = 0; i < n; i++) {
		const char *args = find_args(engine, config, names[i]);

		if (args != NULL && rte_eth_dev_get_port_by_name(names[i], &id) != 0)
			vdevs[n_vdevs++] = (struct fc_vdev){ names[i], args };
	}
	return fc_capture_check(vdevs, n_vdevs, n_known, findings);
}

static void remember(struct fc_engine *engine, const char *name, const char *args)
{
	struct fc_device *device = (struct fc_device *)(uintptr_t)find_device(engine, name);

	if (device == NULL) {
		struct fc_device *list =
			realloc(engine->devices, (engine->n_devices + 1U) * sizeof(*list));

		if (list == NULL)
			return;
		engine->devices = list;
		device = &list[engine->n_devices++];
	}
	snprintf(device->name, sizeof(device->name), "%s", name);
	snprintf(device->args, sizeof(device->args), "%s", args);
}

bool fc_plug_is_shared(const struct fc_engine *engine, const struct fc_port *port)
{
	for (uint16_t i = 0; engine->now != NULL && i < engine->now->plan->n_ports; i++) {
		const struct fc_port *other = engine->now->ports[i];

		if (other != port && other->is_started && other->device == port->device)
			return true;
	}
	return false;
}

void fc_plug_let_go(const struct fc_engine *engine, struct fc_port *port)
{
	struct rte_device *device = port->device;
	bool is_shared = fc_plug_is_shared(engine, port);

	fc_port_stop(port);
	/* What is plugged in still cannot be plugged in again. */
	if (device != NULL && !is_shared)
		rte_dev_remove(device);
	port->device = NULL;
}

void fc_plug_out(struct fc_engine *engine, struct fc_port *port)
{
	struct rte_device *device = port->device;
	bool is_removed = atomic_load_explicit(&port->is_removed, memory_order_relaxed);
	bool takes_out =
		port->is_started && !fc_plug_is_shared(engine, port) &&
		(is_removed || !atomic_load_explicit(&port->is_gone, memory_order_relaxed));

	if (port->has_device_args)
		remember(engine, port->plan->facts.name, port->device_args);
	fc_port_stop(port);
	if (takes_out && rte_dev_remove(device) == 0 && !is_removed)
		fc_driver_clean_up(&port->plan->facts, port->device_args);
}

void fc_plug_end(struct fc_engine *engine)
{
	free(engine->devices);
	free(engine->plugged);
}
