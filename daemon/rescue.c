// SPDX-License-Identifier: GPL-2.0-or-later
#include "rescue.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "incident.h"

#define THREADS_MAX 8
#define PERIOD_NS 200000000L
#define LATE_NS 500000000ULL	/* the loop's timer is due every 250 ms */
#define ANSWER_LATE_NS 700000000ULL
#define STACK_SIZE 65536

struct rescuer {
	struct rescue *rescue;
	pthread_t thread;
	int cpu;
};

struct rescue {
	struct rescuer rescuers[THREADS_MAX];
	int n;
	uint32_t n_cpus;
	pid_t main_tid;
	uint64_t beat_ns;
	pid_t expected;
	uint64_t expected_ns;
};

static void drag(const struct rescue *rescue, pid_t tid, int cpu)
{
	cpu_set_t *set = CPU_ALLOC(rescue->n_cpus);
	size_t size = CPU_ALLOC_SIZE(rescue->n_cpus);

	if (!set)
		return;
	CPU_ZERO_S(size, set);
	CPU_SET_S((size_t)cpu, size, set);
	sched_setaffinity(tid, size, set);
	CPU_FREE(set);
}

static void *rescuer_run(void *arg)
{
	struct rescuer *me = arg;
	struct rescue *rescue = me->rescue;
	const struct timespec period = { .tv_nsec = PERIOD_NS };

	drag(rescue, 0, me->cpu);
	for (;;) {
		uint64_t now, beat, since;
		pid_t pid;

		clock_nanosleep(CLOCK_MONOTONIC, 0, &period, NULL);
		now = clock_monotonic();
		beat = __atomic_load_n(&rescue->beat_ns, __ATOMIC_RELAXED);
		if (beat && now > beat && now - beat > LATE_NS) {
			/* Not again by the others. */
			__atomic_store_n(&rescue->beat_ns, now, __ATOMIC_RELAXED);
			drag(rescue, rescue->main_tid, me->cpu);
		}
		since = __atomic_load_n(&rescue->expected_ns, __ATOMIC_RELAXED);
		if (!since || now < since || now - since < ANSWER_LATE_NS)
			continue;
		pid = __atomic_load_n(&rescue->expected, __ATOMIC_RELAXED);
		__atomic_store_n(&rescue->expected_ns, now, __ATOMIC_RELAXED);
		if (pid > 0)
			drag(rescue, pid, me->cpu);
	}
	return NULL;
}

int rescue_new(uint32_t n_cpus, struct rescue **ret_rescue)
{
	struct rescue *rescue = calloc(1, sizeof(*rescue));
	uint32_t n = n_cpus < THREADS_MAX ? n_cpus : THREADS_MAX;
	pthread_attr_t attr;
	sigset_t all, old;

	if (!rescue)
		return -ENOMEM;
	rescue->n_cpus = n_cpus;
	rescue->main_tid = (pid_t)syscall(SYS_gettid);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_SIZE);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	/* Signals are the loop's. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	for (uint32_t i = 0; i < n; i++) {
		struct rescuer *r = &rescue->rescuers[rescue->n];

		r->rescue = rescue;
		r->cpu = (int)(i * n_cpus / n);
		if (pthread_create(&r->thread, &attr, rescuer_run, r) == 0)
			rescue->n++;
	}
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	if (!rescue->n) {
		free(rescue);
		return -EAGAIN;
	}
	*ret_rescue = rescue;
	return 0;
}

void rescue_free(struct rescue *rescue)
{
	/* Detached threads that may sleep on a stuck CPU: the process ends with them. */
	if (rescue) {
		__atomic_store_n(&rescue->beat_ns, 0, __ATOMIC_RELAXED);
		__atomic_store_n(&rescue->expected_ns, 0, __ATOMIC_RELAXED);
	}
}

void rescue_beat(struct rescue *rescue, uint64_t now_ns)
{
	__atomic_store_n(&rescue->beat_ns, now_ns, __ATOMIC_RELAXED);
}

void rescue_expect(struct rescue *rescue, pid_t pid, uint64_t now_ns)
{
	if (!rescue)
		return;
	__atomic_store_n(&rescue->expected, pid, __ATOMIC_RELAXED);
	__atomic_store_n(&rescue->expected_ns, pid ? now_ns : 0, __ATOMIC_RELAXED);
}
