/* SPDX-License-Identifier: MIT */
/*
 * How far apart two CPUs are: the time that a cache line takes from one to the other and back. On a
 * virtual machine it changes while one looks, as its CPUs are moved, and with it the rate of
 * everything that goes from one lcore to another.
 *
 * Usage: distance CPU CPU; prints nanoseconds, the median of several rounds.
 */
#include <pthread.h>
#include <sched.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define N_ROUNDS 9
#define N_TRIPS	 5000

static alignas(128) atomic_int ball;
static int cpus[2];

static void pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((size_t)cpu, &set);
	pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
}

static void await(int value)
{
	while (atomic_load_explicit(&ball, memory_order_acquire) != value)
		;
}

static void *return_ball(void *arg)
{
	(void)arg;
	pin(cpus[1]);
	for (int trip = 0; trip < N_ROUNDS * N_TRIPS; trip++) {
		await(2 * trip + 1);
		atomic_store_explicit(&ball, 2 * trip + 2, memory_order_release);
	}
	return NULL;
}

static double now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static int compare(const void *a, const void *b)
{
	double difference = *(const double *)a - *(const double *)b;

	return (difference > 0) - (difference < 0);
}

int main(int argc, char **argv)
{
	double rounds[N_ROUNDS];
	pthread_t thread;

	if (argc != 3) {
		fprintf(stderr, "usage: distance CPU CPU\n");
		return 2;
	}
	cpus[0] = atoi(argv[1]);
	cpus[1] = atoi(argv[2]);
	pin(cpus[0]);
	if (pthread_create(&thread, NULL, return_ball, NULL) != 0)
		return 1;
	for (int round = 0; round < N_ROUNDS; round++) {
		double start = now_ns();

		for (int trip = round * N_TRIPS; trip < (round + 1) * N_TRIPS; trip++) {
			atomic_store_explicit(&ball, 2 * trip + 1, memory_order_release);
			await(2 * trip + 2);
		}
		rounds[round] = (now_ns() - start) / N_TRIPS;
	}
	pthread_join(thread, NULL);
	qsort(rounds, N_ROUNDS, sizeof(rounds[0]), compare);
	printf("%.0f\n", rounds[N_ROUNDS / 2]);
	return 0;
}
