/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_memzone.h>
#include <rte_pdump.h>

#include "pdump.h"
#include "pdump_janitor.h"
#include "pdump_request.h"
#include "lanes.h"

#define STATS_ZONE "rte_pdump_stats"
#define LOOK_MS	   250 /* between looks at the other processes */

/* What rte_pdump_stats() of the other process finds under STATS_ZONE. */
struct shared_stats {
	struct rte_pdump_stats rx[RTE_MAX_ETHPORTS][RTE_MAX_QUEUES_PER_PORT];
	struct rte_pdump_stats tx[RTE_MAX_ETHPORTS][RTE_MAX_QUEUES_PER_PORT];
	const struct rte_memzone *zone;
};

static struct {
	struct fc_pdump_point *removed; /* no new bursts come to them */
	struct shared_stats *stats;
	struct fc_peers peers;
	struct fc_janitor janitor;
	uint64_t next_look_ms;
} all; /* the control thread's */

static void add_finding(struct fc_findings *findings, enum fc_severity severity,
	const struct fc_pdump *capture, const char *text)
{
	char place[RTE_DEV_NAME_MAX_LEN + 8];

	snprintf(place, sizeof(place), "port %s", capture->request.device);
	fc_findings_add(
		findings, severity, place, "process %d %s", fc_peer_process(capture->peer), text);
}

/* The ethdev port of this name, if it is one of ours and can be used; -1: none. */
static int find_port(const struct fc_engine *engine, const char *name)
{
	uint16_t id;

	if (rte_eth_dev_get_port_by_name(name, &id) != 0)
		return -1;
	for (uint16_t i = 0; i < engine->now->plan->n_ports; i++) {
		const struct fc_port *port = engine->now->ports[i];

		if (port->id == id && port->is_started && !fc_port_is_away(port))
			return id;
	}
	return -1;
}

static struct fc_pdump_point *find_point(
	struct fc_pdump_point *list, uint16_t port, uint16_t queue, bool is_tx)
{
	while (list != NULL && (list->port != port || list->queue != queue || list->is_tx != is_tx))
		list = list->next;
	return list;
}

/* Whether some process captures there already. */
static bool is_taken(uint16_t port, uint16_t queue, bool is_tx)
{
	const struct fc_pdump_point *point = NULL;

	for (const struct fc_pdump *one = fc_pdumps.running; one != NULL && point == NULL;
		one = one->next)
		if ((fc_pdump_directions(one) & fc_pdump_direction(is_tx)) != 0)
			point = find_point(one->points, port, queue, is_tx);
	return point != NULL;
}

/* A point that copies nothing yet, in the capture's list. @return 0 or -errno. */
static int add_point(struct fc_pdump *capture, uint16_t port, uint16_t queue, bool is_tx)
{
	struct fc_pdump_point *point;
	int ret;

	if (find_point(capture->points, port, queue, is_tx) != NULL)
		return 0;
	if (is_taken(port, queue, is_tx))
		return -EEXIST;
	point = calloc(1, sizeof(*point));
	if (point == NULL)
		return -ENOMEM;
	point->port = port;
	point->queue = queue;
	point->is_tx = is_tx;
	point->stats = is_tx ? &all.stats->tx[port][queue] : &all.stats->rx[port][queue];
	*point->stats = (struct rte_pdump_stats){ 0 };
	ret = fc_pdump_point_install(point);
	if (ret != 0) {
		free(point);
		return ret;
	}
	/* It may be in `running` already, for a port that has returned. */
	pthread_mutex_lock(&fc_pdumps.lock);
	point->next = capture->points;
	capture->points = point;
	pthread_mutex_unlock(&fc_pdumps.lock);
	return 0;
}

/* Whether a capture's request is for a queue. */
static bool has_queue(const struct fc_pdump *capture, uint16_t queue)
{
	return capture->request.queue == RTE_PDUMP_ALL_QUEUES || capture->request.queue == queue;
}

/* Points for all queues that it is to have and does not have. @return 0 or -errno. */
static int add_points(struct fc_pdump *capture, uint16_t port)
{
	struct rte_eth_dev_info info;
	int ret = rte_eth_dev_info_get(port, &info);

	if (ret != 0)
		return ret;
	if ((fc_pdump_directions(capture) & RTE_PDUMP_FLAG_RX) != 0)
		for (uint16_t q = 0; ret == 0 && q < info.nb_rx_queues; q++)
			if (has_queue(capture, q))
				ret = add_point(capture, port, q, false);
	if ((fc_pdump_directions(capture) & RTE_PDUMP_FLAG_TX) != 0)
		for (uint16_t q = 0; ret == 0 && q < info.nb_tx_queues; q++)
			if (has_queue(capture, q))
				ret = add_point(capture, port, q, true);
	return ret;
}

/* Have its points copy, but those of a direction that has ended meanwhile. */
static void start_points(struct fc_pdump *capture)
{
	pthread_mutex_lock(&fc_pdumps.lock);
	for (struct fc_pdump_point *point = capture->points; point != NULL; point = point->next)
		if ((fc_pdump_directions(capture) & fc_pdump_direction(point->is_tx)) != 0)
			atomic_store_explicit(
				&point->target, &capture->target, memory_order_seq_cst);
	pthread_mutex_unlock(&fc_pdumps.lock);
}

/* Have no bursts come to a point any more. It copies nothing now. */
static void remove_point(struct fc_pdump_point **link)
{
	struct fc_pdump_point *point = *link;

	fc_pdump_point_remove(point);
	pthread_mutex_lock(&fc_pdumps.lock);
	*link = point->next;
	pthread_mutex_unlock(&fc_pdumps.lock);
	point->next = all.removed;
	all.removed = point;
}

static void remove_ended_points(struct fc_pdump *capture)
{
	struct fc_pdump_point **link = &capture->points;

	while (*link != NULL) {
		if ((fc_pdump_directions(capture) & fc_pdump_direction((*link)->is_tx)) == 0)
			remove_point(link);
		else
			link = &(*link)->next;
	}
}

/* Take the points that no lcore can be in any more; see fc_engine_begin_epoch(). */
static struct fc_pdump_point *take_left(struct fc_engine *engine)
{
	struct fc_pdump_point **link = &all.removed, *left = NULL;
	bool waits = false;

	while (*link != NULL) {
		struct fc_pdump_point *point = *link;

		if (!point->is_removed || !fc_engine_has_seen(engine, point->epoch)) {
			waits |= !point->is_removed;
			link = &point->next;
			continue;
		}
		*link = point->next;
		point->next = left;
		left = point;
	}
	if (!waits)
		return left;
	fc_engine_begin_epoch(engine);
	for (struct fc_pdump_point *point = all.removed; point != NULL; point = point->next) {
		if (!point->is_removed)
			point->epoch = engine->epoch;
		point->is_removed = true;
	}
	return left;
}

static void set_target(struct fc_pdump *capture)
{
	const struct fc_pdump_request *request = &capture->request;
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	capture->target = (struct fc_pdump_target){
		.ring = request->ring,
		.pool = request->pool,
		.snaplen = request->snaplen != 0 ? request->snaplen : UINT32_MAX,
		.is_pcapng = request->version == FC_PDUMP_PCAPNG,
		.base_cycles = rte_rdtsc(),
		.base_ns = (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec,
	};
}

/* Whether another capture has taken the same memory. */
static bool is_on_loan(const struct rte_ring *ring)
{
	for (const struct fc_pdump *one = fc_pdumps.running; one != NULL; one = one->next)
		if (one->loan.is_held && one->loan.ring == ring)
			return true;
	return false;
}

/* Everything of beginning a capture that can fail. @return 0 or -errno. */
static int prepare_capture(
	struct fc_engine *engine, struct fc_pdump *capture, struct fc_findings *findings)
{
	const struct fc_pdump_request *request = &capture->request;
	int port = find_port(engine, request->device);
	int ret = fc_pdump_loan_check(request->ring, request->pool);

	if (ret != 0)
		return ret;
	snprintf(capture->ring_name, sizeof(capture->ring_name), "%s", request->ring->name);
	snprintf(capture->pool_name, sizeof(capture->pool_name), "%s", request->pool->name);
	if (port < 0 || fc_pdump_directions(capture) == 0)
		return -ENODEV;
	if (request->filter != NULL) {
		add_finding(findings, FC_WARNING, capture,
			"asks for a capture with a filter, which is refused: DPDK translates "
			"filters wrongly. Write to a pipe and filter behind it: dpdk-dumpcap ... "
			"-P -w - | tcpdump -r - EXPRESSION");
		return -ENOTSUP;
	}
	ret = add_points(capture, (uint16_t)port);
	if (ret == -EEXIST)
		add_finding(findings, FC_WARNING, capture,
			"asks for a capture where another process has one, which is refused");
	return ret;
}

/* Take a capture to the running ones, so that what it has will be looked after. */
static void add_running(struct fc_pdump *capture)
{
	pthread_mutex_lock(&fc_pdumps.lock);
	capture->next = fc_pdumps.running;
	fc_pdumps.running = capture;
	pthread_mutex_unlock(&fc_pdumps.lock);
}

static void begin_capture(
	struct fc_engine *engine, struct fc_pdump *capture, struct fc_findings *findings)
{
	bool is_late = fc_pdump_is_late(capture);
	int ret = is_late ? -ETIMEDOUT : prepare_capture(engine, capture, findings);

	if (ret != 0)
		atomic_store_explicit(&capture->directions, 0, memory_order_relaxed);
	else if (!is_on_loan(capture->request.ring))
		fc_pdump_loan_hold(&capture->loan, capture->request.ring, capture->request.pool);
	set_target(capture);
	add_running(capture); /* refused, too: its process will leave memory behind */
	if (ret == 0)
		start_points(capture);
	if (!is_late && fc_pdump_answer(capture->peer, &capture->request, ret) != 0 && ret == 0) {
		pthread_mutex_lock(&fc_pdumps.lock);
		fc_pdump_end(capture, RTE_PDUMP_FLAG_RXTX);
		pthread_mutex_unlock(&fc_pdumps.lock);
	} else if (ret == 0) {
		add_finding(findings, FC_NOTE, capture, "captures");
	}
}

static void begin_all(struct fc_engine *engine, struct fc_pdump *list, struct fc_findings *findings)
{
	struct fc_pdump *next;

	for (; list != NULL; list = next) {
		next = list->next;
		fc_peers_add(&all.peers, list->peer);
		/* What one that is no more speaks of may have been freed. */
		if (fc_peer_lives(list->peer))
			begin_capture(engine, list, findings);
		else
			free(list);
	}
}

/* Ports that have returned, or have more queues now. */
static void repair_capture(struct fc_engine *engine, struct fc_pdump *capture)
{
	int port = find_port(engine, capture->request.device);

	if (port >= 0 && add_points(capture, (uint16_t)port) == 0)
		start_points(capture);
}

/* End all captures of a process that is no more. */
static void end_captures_of(const char *peer, struct fc_findings *findings)
{
	for (struct fc_pdump *one = fc_pdumps.running; one != NULL; one = one->next) {
		if (strcmp(one->peer, peer) != 0)
			continue;
		if (fc_pdump_directions(one) != 0)
			add_finding(
				findings, FC_NOTE, one, "does not capture any more: it has ended");
		pthread_mutex_lock(&fc_pdumps.lock);
		fc_pdump_end(one, RTE_PDUMP_FLAG_RXTX);
		pthread_mutex_unlock(&fc_pdumps.lock);
		remove_ended_points(one);
	}
}

/* The first capture of a process, unlinked; NULL: none is left. */
static struct fc_pdump *take_capture(const char *peer)
{
	struct fc_pdump **link = &fc_pdumps.running, *capture;

	pthread_mutex_lock(&fc_pdumps.lock);
	while (*link != NULL && strcmp((*link)->peer, peer) != 0)
		link = &(*link)->next;
	capture = *link;
	if (capture != NULL)
		*link = capture->next;
	pthread_mutex_unlock(&fc_pdumps.lock);
	return capture;
}

/* What a process that is no more has left in the shared memory: for the janitor. */
static void list_remains(const char *peer)
{
	int process = fc_peer_process(peer);
	const void *program = NULL; /* a process has one, for all its captures */
	struct fc_pdump *capture;
	char ring[RTE_RING_NAMESIZE], pool[RTE_MEMPOOL_NAMESIZE];

	while ((capture = take_capture(peer)) != NULL) {
		if (capture->is_stuck) /* it may still be used, by whom nobody can tell */
			continue;
		program = capture->request.filter;
		fc_janitor_note(&all.janitor, capture->ring_name, capture->pool_name, NULL);
		free(capture);
	}
	/* What dpdk-dumpcap has before it asks. */
	if (fc_peers_has_process(&all.peers, process))
		return;
	snprintf(ring, sizeof(ring), "dumpcap-%d", process);
	snprintf(pool, sizeof(pool), "capture_%d", process);
	fc_janitor_note(&all.janitor, ring, pool, program);
}

static void look_at_peers(struct fc_findings *findings)
{
	char path[FC_PEER_SIZE];

	fc_peers_find(&all.peers);
	while (fc_peers_take_ended(&all.peers, path)) {
		end_captures_of(path, findings);
		list_remains(path);
	}
}

/* To touch the shared memory now could be the end of the control thread. */
static void refuse_all(struct fc_pdump *list)
{
	for (struct fc_pdump *next; list != NULL; list = next) {
		next = list->next;
		fc_pdump_answer(list->peer, &list->request, -EBUSY);
		free(list);
	}
}

/* What has been asked for begins when what others have left is cleaned up. */
static void begin_asked(struct fc_engine *engine, struct fc_findings *findings)
{
	if (fc_janitor_is_stuck(&all.janitor))
		refuse_all(fc_pdumps_take_asked());
	else if (!fc_janitor_is_busy(&all.janitor))
		begin_all(engine, fc_pdumps_take_asked(), findings);
}

void fc_pdump_watch(struct fc_engine *engine, uint64_t now_ms, struct fc_findings *findings)
{
	if (!fc_pdumps.is_open)
		return;
	fc_janitor_watch(&all.janitor, now_ms, findings);
	if (now_ms >= all.next_look_ms ||
		atomic_load_explicit(&fc_pdumps.has_asked, memory_order_relaxed)) {
		look_at_peers(findings);
		all.next_look_ms = now_ms + LOOK_MS;
	}
	for (struct fc_pdump *one = fc_pdumps.running; one != NULL; one = one->next)
		remove_ended_points(one);
	if (all.removed != NULL)
		fc_janitor_note_points(&all.janitor, take_left(engine));
	fc_janitor_start(&all.janitor, now_ms);
	begin_asked(engine, findings);
	for (struct fc_pdump *one = fc_pdumps.running; one != NULL; one = one->next)
		if (fc_pdump_directions(one) != 0 && !fc_janitor_is_stuck(&all.janitor))
			repair_capture(engine, one);
}

bool fc_pdump_is_stuck(void)
{
	return fc_janitor_is_stuck(&all.janitor);
}

void fc_pdump_leave_port(uint16_t port)
{
	for (struct fc_pdump *one = fc_pdumps.running; one != NULL; one = one->next) {
		struct fc_pdump_point **link = &one->points;

		while (*link != NULL) {
			if ((*link)->port != port) {
				link = &(*link)->next;
				continue;
			}
			fc_pdump_point_end(*link, FC_PDUMP_PATIENCE_MS);
			remove_point(link);
		}
	}
}

int fc_pdump_open(void)
{
	const struct rte_memzone *zone;

	zone = rte_memzone_reserve(STATS_ZONE, sizeof(*all.stats), (int)rte_socket_id(), 0);
	if (zone == NULL)
		return -rte_errno;
	all.stats = zone->addr;
	memset(all.stats, 0, sizeof(*all.stats));
	all.stats->zone = zone;
	fc_pdumps.is_open = true;
	if (rte_mp_action_register(FC_PDUMP_ACTION, fc_pdump_serve) == 0)
		return 0;
	fc_pdumps.is_open = false;
	rte_memzone_free(zone);
	all.stats = NULL;
	/* Without shared files no other process can be there. */
	return rte_errno == ENOTSUP ? 0 : -rte_errno;
}

static void free_list(struct fc_pdump *list)
{
	while (list != NULL) {
		struct fc_pdump *next = list->next;

		free(list);
		list = next;
	}
}

void fc_pdump_close(void)
{
	struct fc_pdump *running;

	if (!fc_pdumps.is_open)
		return;
	rte_mp_action_unregister(FC_PDUMP_ACTION);
	pthread_mutex_lock(&fc_pdumps.lock);
	fc_pdumps.is_open = false;
	for (struct fc_pdump *one = fc_pdumps.running; one != NULL; one = one->next)
		fc_pdump_end(one, RTE_PDUMP_FLAG_RXTX);
	pthread_mutex_unlock(&fc_pdumps.lock);
	for (struct fc_pdump *one = fc_pdumps.running; one != NULL; one = one->next)
		remove_ended_points(one);
	pthread_mutex_lock(&fc_pdumps.lock);
	running = fc_pdumps.running;
	fc_pdumps.running = NULL;
	pthread_mutex_unlock(&fc_pdumps.lock);
	fc_janitor_note_points(&all.janitor, all.removed);
	all.removed = NULL;
	free_list(fc_pdumps_take_asked());
	free_list(running);
	fc_peers_end(&all.peers);
	fc_janitor_end(&all.janitor);
	if (!fc_janitor_is_stuck(&all.janitor))
		rte_memzone_free(all.stats->zone);
	all.stats = NULL;
}
