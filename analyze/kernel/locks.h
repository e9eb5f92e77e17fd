/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HOLDUP_KERNEL_LOCKS_H
#define HOLDUP_KERNEL_LOCKS_H

#include "kernel/kernel.h"
#include "kernel/runqueue.h"
#include "kernel/tasks.h"
#include "snapshot.h"

struct lock_means {
	struct kernel *kernel;
	const struct task_table *tasks; /* same indexes as snapshot->tasks */
	const struct runqueue *rqs;	/* by CPU number */
	/* Unwinds task @task of @snapshot if it is not yet, and finds its waits; 0 or -ENOMEM. */
	int (*unwind)(void *arg, struct snapshot *snapshot, uint32_t task);
	void *unwind_arg;
};

/* Fills snapshot->locks, the waits' lock indexes and the lock_refs. 0 or -ENOMEM. */
int locks_find(const struct lock_means *means, struct snapshot *snapshot);

#endif
