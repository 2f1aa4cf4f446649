/* SPDX-License-Identifier: MIT */
#ifndef RUN_RIG_H
#define RUN_RIG_H

#include <pthread.h>
#include <stdbool.h>

#include <rte_ring.h>

#include <fc_engine.h>

/** The whole engine, for tests; EAL runs with the lcores that the test was given. */

/** Fixtures of a group of tests: EAL with the lcores that run_use_lcores() was given. */
int run_start_eal(void **state);
int run_stop_eal(void **state);
void run_use_lcores(const char *list);

struct run {
	struct fc_findings *findings;
	struct fc_config *config; /* the engine's, when there is one */
	struct fc_engine *engine;
	pthread_t worker;
};

/** Whether other lcores than the main one work. */
bool run_has_workers(void);

bool run_has_finding(const struct fc_findings *findings, const char *place, const char *text);

/** Make an engine. @return As fc_engine_new(). */
int run_create(struct run *run, const char *json);

/** Make one and start it. */
void run_start(struct run *run, const char *json);
void run_stop(struct run *run, unsigned patience_ms);

/** Every pool is full, and all packets are accounted for. */
void run_check(struct run *run);
void run_destroy(struct run *run);

/** Make a virtual device. */
void run_make_port(const char *name, const char *arguments);

/** A port of which the test has the far ends; to the configuration it is net_ring_NAME. */
struct far_port {
	struct rte_ring *in, *out;
	char name[64];
};

void far_port_make(struct far_port *port, const char *name, unsigned n_out);

/** Free what is in a ring. @return How many packets. */
unsigned run_free_ring(struct rte_ring *ring);

/** Read and free what the port has sent. @return How many packets. */
unsigned far_port_free(struct far_port *port);
void far_port_drop(struct far_port *port);

/** Bytes of EAL's memory that are in use. */
size_t run_heap_used(void);

void run_wait_received(const struct fc_engine *engine, uint64_t n);

#endif
