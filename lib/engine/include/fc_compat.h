/* SPDX-License-Identifier: MIT */
#ifndef FC_COMPAT_H
#define FC_COMPAT_H

/**
 * What differs between the DPDK versions that fluxcap builds against: 22.11, the floor, to the
 * newest. No other file looks at the version.
 */

#include <pthread.h>

#include <rte_lcore.h>
#include <rte_telemetry.h>
#include <rte_thread.h>
#include <rte_version.h>

#if RTE_VERSION < RTE_VERSION_NUM(22, 11, 0, 0)
#error "fluxcap needs DPDK 22.11 or newer"
#endif

/** Add a number to a dictionary; the call has another name since 23.03. */
static inline int fc_tel_add_number(struct rte_tel_data *data, const char *name, uint64_t value)
{
#if RTE_VERSION < RTE_VERSION_NUM(23, 3, 0, 0)
	return rte_tel_data_add_dict_u64(data, name, value);
#else
	return rte_tel_data_add_dict_uint(data, name, value);
#endif
}

/*
 * Whether struct rte_eth_stats has what some drivers count for each rx queue. Since 25.11 it is in
 * the extended counters only, and is mapped by the drivers themselves.
 */
#define FC_HAS_QUEUE_COUNTERS (RTE_VERSION < RTE_VERSION_NUM(25, 11, 0, 0))

/*
 * What rte_pcapng_write_packets() of the process that writes a capture expects of each packet's
 * block: the TSC in place of a time, and everything in one segment.
 */
#if RTE_VERSION < RTE_VERSION_NUM(23, 11, 0, 0)
#define FC_PCAPNG_TIME_IS_CYCLES 0
#define FC_PCAPNG_IS_LINEAR	 0
#else
#define FC_PCAPNG_TIME_IS_CYCLES 1
#define FC_PCAPNG_IS_LINEAR	 1
#endif

/*
 * Since when drivers of virtual devices say of themselves what was to be known by heart: net_null
 * that it takes several segments, the others also how long frames may be, and that they split them.
 */
#define FC_NULL_SAYS_SEGMENTS	  (RTE_VERSION >= RTE_VERSION_NUM(25, 7, 0, 0))
#define FC_AF_PACKET_SAYS_LENGTHS (RTE_VERSION >= RTE_VERSION_NUM(26, 3, 0, 0))
#define FC_PCAP_SAYS_LENGTHS	  (RTE_VERSION >= RTE_VERSION_NUM(26, 7, 0, 0))

/**
 * A thread on the CPUs that no lcore has; on the main lcore's when there are none. Its function
 * returns FC_THREAD_RESULT. The start returns 0 or -errno.
 */
#if RTE_VERSION < RTE_VERSION_NUM(23, 11, 0, 0)
typedef void *fc_thread_result;
#define FC_THREAD_RESULT NULL

struct fc_thread {
	pthread_t id;
};

static inline int fc_thread_start(
	struct fc_thread *thread, const char *name, fc_thread_result (*run)(void *), void *arg)
{
	return rte_ctrl_thread_create(&thread->id, name, NULL, run, arg);
}

static inline void fc_thread_join(struct fc_thread *thread)
{
	pthread_join(thread->id, NULL);
}
#else
typedef uint32_t fc_thread_result;
#define FC_THREAD_RESULT 0

struct fc_thread {
	rte_thread_t id;
};

static inline int fc_thread_start(
	struct fc_thread *thread, const char *name, fc_thread_result (*run)(void *), void *arg)
{
	return rte_thread_create_control(&thread->id, name, run, arg);
}

static inline void fc_thread_join(struct fc_thread *thread)
{
	rte_thread_join(thread->id, NULL);
}
#endif

#endif
