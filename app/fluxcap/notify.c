/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "log.h"
#include "notify.h"

#ifdef FC_HAVE_SYSTEMD

#include <systemd/sd-daemon.h>

static void tell(const char *text)
{
	int ret = sd_notify(0, text);

	if (ret < 0)
		fc_log(FC_WARNING, "cannot tell systemd: %s", strerror(-ret));
}

static uint64_t watchdog_us(void)
{
	uint64_t us;

	return sd_watchdog_enabled(0, &us) > 0 ? us : 0;
}

#else

static void tell(const char *text)
{
	(void)text;
}

static uint64_t watchdog_us(void)
{
	if (getenv("NOTIFY_SOCKET") != NULL)
		fc_log(FC_WARNING, "cannot tell systemd: built without libsystemd");
	return 0;
}

#endif

void fc_notify_starting(const char *what)
{
	char text[256];

	snprintf(text, sizeof(text), "EXTEND_TIMEOUT_USEC=60000000\nSTATUS=starting: %s", what);
	tell(text);
}

void fc_notify_begin(struct fc_notify *notify, const char *status)
{
	uint64_t us = watchdog_us();

	*notify = (struct fc_notify){ .status = status };
	if (us != 0)
		notify->period_ms = us >= 4000 ? us / 2000 : 2;
}

bool fc_notify_is_due(const struct fc_notify *notify, uint64_t now_ms)
{
	if (!notify->is_ready)
		return true;
	return notify->period_ms != 0 && now_ms - notify->last_ms >= notify->period_ms;
}

static void tell_ready(const struct fc_notify *notify)
{
	char text[256];

	snprintf(text, sizeof(text), "READY=1\nSTATUS=%s", notify->status);
	tell(text);
}

void fc_notify_well(struct fc_notify *notify, uint64_t now_ms)
{
	if (notify->is_ready)
		tell("WATCHDOG=1");
	else
		tell_ready(notify);
	notify->is_ready = true;
	notify->last_ms = now_ms;
}

void fc_notify_reloading(const struct fc_notify *notify)
{
	struct timespec now;
	char text[128];

	if (!notify->is_ready)
		return;
	clock_gettime(CLOCK_MONOTONIC, &now);
	/* The time is for the notify-reload of systemd 253 and newer; older ones leave it out. */
	snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%" PRIu64 "\nSTATUS=reloading",
		(uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000);
	tell(text);
}

void fc_notify_reloaded(const struct fc_notify *notify)
{
	if (notify->is_ready)
		tell_ready(notify);
}

void fc_notify_stopping(void)
{
	tell("STOPPING=1\nSTATUS=stopping: what waits is being sent");
}
