/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the subsystems of the test module share: the truth port, threads bound to CPUs and the
 * gates that order them.
 */
#ifndef HOLDUP_LAB_H
#define HOLDUP_LAB_H

#include <linux/kernel.h>
#include <linux/timer.h>
#include <linux/types.h>

/* A function whose frame the tests expect under this very name: never inlined, cloned or split. */
#define LAB_FN noinline __attribute__((__noipa__))

#define LAB_GATES 4

/*
 * Write one line to the second serial port (0x2f8, polled), for the current task and CPU.
 * @role: holder, waiter or looper. @lock: symbol or type.field, or "-". Any context.
 * The kernel log never sees it: the analyzer reads that log.
 */
void lab_truth(const char *role, const char *function, const char *lock, const void *address);

/* The truth of a holder, then open the gate that its waiters stand at. */
void lab_truth_holder(unsigned int gate, const char *function, const char *lock,
		      const void *address);

void lab_gate_open(unsigned int gate);
bool lab_gate_is_open(unsigned int gate);
/*
 * Sleep until the gate is open, and a moment longer, for whoever opened it with its next
 * instruction still to come. Process context; does not depend on jiffies.
 */
void lab_gate_wait(unsigned int gate);
/* Spin until @want have arrived at @count. Any context; for lock orders that must overlap. */
void lab_rendezvous(atomic_t *count, int want);

/*
 * Start a kernel thread "@name/@cpu", bound to @cpu. It runs @fn after the module's start delay,
 * so that insmod has returned before anything locks up. Returns 0 or a negative errno.
 */
int lab_thread_start(int (*fn)(void *data), void *data, unsigned int cpu, const char *name);

/* Arm a pinned timer of @cpu to fire in @ms milliseconds, in softirq context. */
void lab_timer_start(struct timer_list *timer, unsigned int cpu, unsigned int ms);

/* One starter per scenario; each returns 0 or a negative errno. */
int labset_start_expire(void); /* 1 */
int labpool_start_shrink(void); /* 2 */
int labstat_start_timer(void); /* 3 */
int labset_start_dump(void); /* 4 */
int labpool_start_resize(void); /* 5 */
int labnet_start_route(void); /* 6 */
int labnet_start_port(void); /* 7 */
int labcfg_start_apply(void); /* 8 */
int labtree_start_lookup(void); /* 9 */
int labpool_start_register(void); /* 10 */
int labdev_start_drain(void); /* 11 */
int labdev_start_scan(void); /* 12 */
int labtab_start_walk(void); /* 13 */
int labset_start_flush(void); /* 14, with labpool_start_shrink_on() */
int labpool_start_traffic(void); /* 15 */
int labnode_start_visit(void); /* 16 */
int labwork_start_drain(void); /* 17 */
int labcrowd_start_jobs(void); /* 18, of the bench: not in scenarios.tsv */

/* Scenario 2's holder on @first and @waiters tasks on the CPUs after it. */
int labpool_start_shrink_on(unsigned int first, unsigned int waiters);
/* Harmless traffic on one CPU: short holds, with @idle_us microseconds of sleep between them. */
int labpool_start_traffic_on(unsigned int cpu, unsigned int idle_us);

/* Fill as many pages as the module's parameter says; 0 or a negative errno. Never freed. */
int labcrowd_ballast(void);

#endif
