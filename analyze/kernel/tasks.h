/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HOLDUP_KERNEL_TASKS_H
#define HOLDUP_KERNEL_TASKS_H

#include "kernel/kernel.h"
#include "snapshot.h"

/* One task_struct's facts, as read; times in ns of the scheduler's clock, 0 unknown. */
struct task_facts {
	uint64_t address;
	uint64_t stack;		/* lowest address of its kernel stack, 0 none */
	uint64_t last_arrival;	/* when it last got a CPU (sched_info), 0 never or unknown */
	uint64_t start;		/* boot-time clock */
	uint64_t pi_blocked_on; /* its rt_mutex_waiter */
	uint64_t kthread;	/* struct kthread of a kernel thread, 0 unknown */
	uint64_t mm;
	uint32_t pid, tgid;
	uint32_t state;		/* raw __state */
	uint32_t exit_state;
	uint32_t flags;		/* PF_* */
	uint32_t cpu;		/* SNAPSHOT_NONE unknown */
	bool on_cpu;
	bool lost;		/* not in the dump: nothing but the address is known */
	char comm[17];
};

#define TASK_PF_WQ_WORKER 0x00000020U
#define TASK_PF_KTHREAD 0x00200000U

/* All tasks of the kernel: the idle tasks, then processes and their threads. */
struct task_table {
	struct task_facts *tasks;
	uint32_t n;
	uint32_t n_first;     /* those that were asked for first and could be read */
	uint32_t *hash;	      /* by address: indexes + 1 */
	uint32_t hash_size;   /* a power of two */
	uint64_t stack_size;  /* THREAD_SIZE, bytes */
	char damage[128];     /* where the walk of the list had to stop, empty when it did not */
};

#define TASKS_MAX (4U << 20) /* PID_MAX_LIMIT */

/*
 * Reads the tasks of @kernel: first the @n_first ones at the addresses @first (the running ones;
 * zeros and repeats are left out, unreadable ones are marked ->lost), then all others of
 * init_task's list and its thread groups.
 * Damaged lists end early, said in ->damage. In the kernel's arena. -ENOENT when the kernel has no
 * types or no init_task, -ENOMEM.
 */
int tasks_load(struct kernel *kernel, const uint64_t *first, uint32_t n_first,
	       struct task_table *ret_table);

/*
 * Moves the blocked tasks to the front, behind the first @n_first, which stay. Indexes change.
 * Returns how many are blocked.
 */
uint32_t task_table_sort(struct task_table *table, uint32_t n_first);

/* Index of the task at @address, or SNAPSHOT_NONE. */
uint32_t task_table_find(const struct task_table *table, uint64_t address);

/* The state of a task from its raw words (include/linux/sched.h, values since 4.14). */
enum task_state task_state_decode(uint32_t state, uint32_t exit_state);

/* Is it off the CPU in a sleep that cannot be interrupted and that counts as load? */
static inline bool task_is_blocked(const struct task_facts *task)
{
	return !task->on_cpu &&
	       task_state_decode(task->state, task->exit_state) == TASK_STATE_UNINTERRUPTIBLE;
}

#endif
