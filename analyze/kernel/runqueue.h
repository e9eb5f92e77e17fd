/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HOLDUP_KERNEL_RUNQUEUE_H
#define HOLDUP_KERNEL_RUNQUEUE_H

#include "kernel/kernel.h"

/*
 * What the scheduler's per-CPU data say of one CPU (kernel/sched/sched.h struct rq,
 * arch/x86/include/asm/preempt.h, kernel/watchdog.c). A field that could not be read is 0, or has
 * its has_ flag unset.
 */
struct runqueue {
	uint64_t address;	/* of this CPU's struct rq */
	uint64_t curr;		/* task_struct that runs here */
	uint64_t idle;		/* task_struct of its idle task */
	uint64_t clock;		/* ns, sched_clock's; stale where neither tick nor switch happens */
	bool has_nr_running;
	uint32_t nr_running;
	bool has_preempt;
	uint32_t preempt_count; /* without PREEMPT_NEED_RESCHED, which is kept inverted */
	bool has_watchdog;
	uint64_t watchdog;	/* ns of the same clock, in steps of 2^30 */
};

/*
 * One per CPU number, kernel->nr_cpu_ids of them, in the kernel's arena; offline ones are zero.
 * 0 also when parts are missing; -ENOMEM.
 */
int runqueues_load(struct kernel *kernel, struct runqueue **ret_runqueues);

#endif
