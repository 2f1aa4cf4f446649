/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <rte_devargs.h>
#include <rte_ethdev.h>

#include <fc_port_name.h>

#include "holder.h"
#include "missing_port.h"

#define MEND_SIZE 512

void fc_missing_port_list(char *text, size_t size)
{
	char name[RTE_ETH_NAME_MAX_LEN];
	size_t used = 0;
	uint16_t id;

	snprintf(text, size, "none");
	RTE_ETH_FOREACH_DEV (id) {
		if (used < size && rte_eth_dev_get_name_by_port(id, name) == 0)
			used += (size_t)snprintf(
				text + used, size - used, "%s%s", used == 0 ? "" : ", ", name);
	}
}

/* What EAL was given for a device of a bus on its command line; NULL: nothing. */
static const struct rte_devargs *find_devargs(const char *bus, const char *name)
{
	struct rte_devargs *devargs;

	RTE_EAL_DEVARGS_FOREACH(bus, devargs)
	if (strcmp(devargs->name, name) == 0)
		return devargs;
	return NULL;
}

/* The kernel driver of a PCI device: "" without one; false: there is no such device. */
static bool find_pci_driver(const char *name, char *driver, size_t size)
{
	char path[FC_PORT_NAME_SIZE + 64], target[256];
	ssize_t n;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s", name);
	if (access(path, F_OK) != 0)
		return false;
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver", name);
	n = readlink(path, target, sizeof(target) - 1);
	target[n < 0 ? 0 : n] = '\0';
	snprintf(driver, size, "%.*s", (int)size - 1,
		strrchr(target, '/') != NULL ? strrchr(target, '/') + 1 : target);
	return true;
}

static void mend_pci(const char *name, char *mend)
{
	struct rte_devargs *any = NULL;
	bool has_list = false;
	char driver[64], holder[256];

	RTE_EAL_DEVARGS_FOREACH("pci", any)
	has_list = true;
	if (!find_pci_driver(name, driver, sizeof(driver)))
		snprintf(mend, MEND_SIZE, "there is no such PCI device (lspci -D lists them)");
	else if (has_list && find_devargs("pci", name) == NULL)
		snprintf(mend, MEND_SIZE,
			"allow it with -a %s (fluxcap-run does), or leave all -a out", name);
	else if (strstr(driver, "vfio") == NULL && strstr(driver, "uio") == NULL)
		snprintf(mend, MEND_SIZE,
			"it is %s%s: 'fluxcap-host prepare' gives it to vfio-pci, if fluxcap's "
			"driver needs that",
			driver[0] != '\0' ? "with " : "without a driver", driver);
	else if (fc_holder_find(name, holder, sizeof(holder)))
		snprintf(mend, MEND_SIZE, "%s has it open, and it can have one owner only", holder);
	else
		snprintf(mend, MEND_SIZE,
			"it is with %s, and could not be opened: EAL's messages above say why",
			driver);
}

/* Of a device that was to be made with these arguments. */
static void mend_failed(const char *how, const char *args, char *mend)
{
	char reason[MEND_SIZE / 2];

	fc_port_explain_args(args, reason, sizeof(reason));
	snprintf(mend, MEND_SIZE, "it could not be made with %s '%.100s': %s", how, args,
		reason[0] != '\0' ? reason : "EAL's messages above say why");
}

static void mend_vdev(const struct fc_config *config, const char *name, char *mend)
{
	const struct fc_port_config *settings = fc_config_port(config, name);
	const struct rte_devargs *given = find_devargs("vdev", name);

	if (settings != NULL && settings->devargs != NULL)
		mend_failed("the devargs", settings->devargs, mend);
	else if (given != NULL)
		mend_failed("--vdev's arguments", given->args != NULL ? given->args : "", mend);
	else
		snprintf(mend, MEND_SIZE,
			"have it made: '--vdev %s,...' among EAL's options, or \"ports\": { "
			"\"%s\": "
			"{ \"devargs\": \"...\" } }",
			name, name);
}

void fc_missing_port_report(
	const struct fc_config *config, const char *name, struct fc_findings *findings)
{
	enum fc_port_kind kind = fc_port_kind(name);
	char known[256], mend[MEND_SIZE], text[MEND_SIZE + 512];

	fc_missing_port_list(known, sizeof(known));
	if (kind == FC_PORT_PCI)
		mend_pci(name, mend);
	else if (kind == FC_PORT_INTERFACE || kind == FC_PORT_UNKNOWN)
		fc_port_explain_name(config, name, mend, MEND_SIZE);
	else
		mend_vdev(config, name, mend);
	snprintf(text, sizeof(text), "EAL has no port '%s' (it has: %s); %s", name, known, mend);
	fc_port_add_finding(config, name, FC_ERROR, text, findings);
}
