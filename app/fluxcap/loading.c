/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <fc_stage.h>

#include "loading.h"

#define PERIOD_NS  10000000
#define PLACE_SIZE 128

/* The filter that is being compiled. The thread that reads writes it, the one that waits reads. */
static char compiling[PLACE_SIZE];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void set_place(const char *place)
{
	pthread_mutex_lock(&lock);
	snprintf(compiling, sizeof(compiling), "%s", place);
	pthread_mutex_unlock(&lock);
}

static void get_place(char place[PLACE_SIZE])
{
	pthread_mutex_lock(&lock);
	memcpy(place, compiling, PLACE_SIZE);
	pthread_mutex_unlock(&lock);
}

static void check_filter(const char *expression, struct fc_findings *findings, const char *place)
{
	set_place(place);
	fc_stage_checks.filter(expression, findings, place);
	set_place("");
}

static void check_whole(const struct fc_config *config, struct fc_findings *findings)
{
	fc_stage_checks.whole(config, findings);
}

static const struct fc_config_checks checks = { .filter = check_filter, .whole = check_whole };

/* What the thread reads, and what comes of it. */
struct work {
	struct fc_loading from;
	struct fc_findings *findings;
	struct fc_config *config;
};

static void *do_work(void *arg)
{
	struct work *work = arg;
	const struct fc_loading *from = &work->from;

	work->config = from->path != NULL ? fc_config_load(from->path, &checks, work->findings)
					  : fc_config_from_options(from->options, from->n_options,
						    &checks, work->findings);
	return NULL;
}

static struct timespec next_period(void)
{
	struct timespec time;

	clock_gettime(CLOCK_REALTIME, &time);
	time.tv_nsec += PERIOD_NS;
	time.tv_sec += time.tv_nsec / 1000000000;
	time.tv_nsec %= 1000000000;
	return time;
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Whether the thread has come to its end; false: nobody waits for it any more. */
static bool wait_for(const struct fc_loading *loading, pthread_t thread)
{
	uint64_t began_ms = now_ms();
	struct timespec end = next_period();
	char place[PLACE_SIZE];

	while (pthread_timedjoin_np(thread, NULL, &end) != 0) {
		get_place(place);
		if (!loading->meanwhile(loading->context, place, now_ms() - began_ms)) {
			pthread_detach(thread);
			return false;
		}
		end = next_period();
	}
	return true;
}

int fc_loading_run(
	const struct fc_loading *loading, struct fc_findings *findings, struct fc_config **config)
{
	struct work *work = calloc(1, sizeof(*work));
	pthread_t thread;

	*config = NULL;
	if (work == NULL)
		return -ENOMEM;
	work->from = *loading;
	work->findings = findings;
	if (loading->meanwhile == NULL || pthread_create(&thread, NULL, do_work, work) != 0)
		do_work(work);
	else if (!wait_for(loading, thread))
		return -ECANCELED; /* the thread has the rest */
	*config = work->config;
	free(work);
	return 0;
}
