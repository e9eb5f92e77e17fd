/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HOLDUP_KERNEL_LOCKS_INTERNAL_H
#define HOLDUP_KERNEL_LOCKS_INTERNAL_H

#include "diagnose/primitives.h"
#include "kernel/lock_words.h"
#include "kernel/locks.h"

/* Offsets of members, -1 where this kernel has none. */
struct lock_layout {
	int64_t qrwlock_wait_lock;
	int64_t mcs_next, mcs_count, qnode_size;
	int64_t spin_owner, spin_owner_cpu; /* DEBUG_SPINLOCK */
	int64_t mutex_owner, mutex_wait_list, mutex_osq;
	int64_t mutex_waiter_task;
	int64_t rwsem_count, rwsem_owner, rwsem_wait_list, rwsem_osq;
	int64_t rwsem_waiter_task;
	bool rwsem_xadd;
	int64_t semaphore_count, semaphore_wait_list, semaphore_waiter_task, semaphore_last_holder;
	int64_t rt_owner, rt_waiter_task, rt_waiter_lock;
	int64_t swait_task, swait_node, completion_done, completion_list;
	int64_t wqe_private, wqe_node; /* wait_queue_entry */
	int64_t percpu_rwsem_waiters, percpu_rwsem_block, percpu_rwsem_writer;
};

/* One value in registers or stack memory of somebody. */
struct slot {
	uint64_t value;
	uint64_t at;	/* its address in the stack, 0 for a register */
	uint32_t frame;
	uint8_t reg;	/* REG_*, when @at is 0 */
};

struct slots {
	struct slot *v;
	uint32_t n, capacity;
};

/* Somebody who waits. */
struct waiter {
	const struct stack *stack;
	struct wait *wait;
	uint32_t cpu;	   /* CPU number, SNAPSHOT_NONE for a task on no CPU */
	uint32_t task;	   /* index in snapshot->tasks, SNAPSHOT_NONE */
	uint32_t inner;	   /* innermost frame of the context that waits */
};

/* A waiter's entry in a sleeping lock's list, found when the list was walked. */
struct queued {
	uint64_t entry;	   /* its address; 0: an empty place of the table */
	uint32_t lock;	   /* index */
	int32_t position;
};

struct lock_scene {
	const struct lock_means *means;
	struct kernel *kernel;
	struct snapshot *snapshot;
	struct lock_layout layout;
	struct slots slots;	    /* scratch, refilled for each waiter */
	struct queued *queued;	    /* hash by entry */
	uint32_t queued_size, n_queued;
	uint32_t steps_left;	    /* list nodes that may still be read, over all lists */
	uint32_t *todo, n_todo, todo_capacity; /* tasks to be unwound and looked at */
	uint8_t *seen;		    /* by task: in @todo or done */
	uint32_t n_unknown_spin, n_unknown_sleep;
	struct worker_table *workers; /* locks_work.c */
	struct {
		uint64_t ip, registers;
	} polls[16];		    /* answers of poll_registers() */
	uint32_t n_polls;
};

#define LOCK_LIST_STEPS (4U << 20)

/* --- locks.c --- */

/*
 * The lock of @kind at @address, as an index; added when it is new, with everything unknown.
 * SNAPSHOT_NONE when memory is short.
 */
uint32_t scene_lock(struct lock_scene *scene, enum lock_kind kind, uint64_t address);

/* Whether there is such a lock already. */
uint32_t scene_lock_find(const struct lock_scene *scene, enum lock_kind kind, uint64_t address);

/* Adds a sentence, in the snapshot's arena, to what is unknown; NULL adds nothing. */
void scene_say(struct lock_scene *scene, const char *text);

/* Makes @task (index) be unwound and its waits be looked at. */
void scene_want_task(struct lock_scene *scene, uint32_t task);

/* Fills lock's owner from a task_struct address; 0 is no owner. */
void scene_owner(struct lock_scene *scene, uint32_t lock, uint64_t task, enum owner_source source);

/*
 * Fills scene->slots with the registers and stack slots of frames [@first, @last] of @stack.
 * The area between two frames is the inner one's; pt_regs areas are left out: their values are
 * the registers of the frame that was interrupted.
 */
void slots_collect(struct lock_scene *scene, const struct stack *stack, const struct regs *regs,
		   uint32_t first, uint32_t last);

/* Adds the general registers of @regs to scene->slots. */
void slots_add_regs(struct lock_scene *scene, const struct regs *regs, uint32_t frame);

bool read_u64(struct lock_scene *scene, uint64_t base, int64_t offset, uint64_t *ret);
bool read_u32(struct lock_scene *scene, uint64_t base, int64_t offset, uint32_t *ret);

/* Could there be a lock: a kernel address, aligned to @align, in no text? */
bool address_may_be_lock(struct lock_scene *scene, uint64_t address, unsigned int align);

uint64_t waiter_task_address(const struct lock_scene *scene, const struct waiter *waiter);

/* --- locks_spin.c: the lock that @waiter spins for --- */
int spin_wait_find(struct lock_scene *scene, const struct waiter *waiter);
/* A wait in the waiter's own code, which says for what. */
int inlined_wait_find(struct lock_scene *scene, const struct waiter *waiter);
/* After all waits are known: places in the queues. */
void spin_queues_order(struct lock_scene *scene);

/* --- locks_sleep.c: mutexes, rwsems, semaphores, rtmutexes, completions --- */
int sleep_wait_find(struct lock_scene *scene, const struct waiter *waiter);
/*
 * The head of the list (struct list_head) in which an entry on @waiter's stack is linked:
 * @node_offset of the list_head in the entry, @task_offset of the pointer to the waiting task.
 * @ret_entry: the entry. -ENOENT.
 */
int wait_list_find(struct lock_scene *scene, const struct waiter *waiter, int64_t node_offset,
		   int64_t task_offset, uint64_t *ret_entry, uint64_t *ret_head);

/* --- locks_cpu.c: waits for other CPUs: csd, stop_machine, RCU --- */
int csd_wait_find(struct lock_scene *scene, const struct waiter *waiter);
int rcu_wait_find(struct lock_scene *scene, const struct waiter *waiter);

/* --- locks_work.c: flushes of work and workqueues --- */
int work_wait_find(struct lock_scene *scene, const struct waiter *waiter);

/* --- locks_poll.c --- */

/*
 * Registers that the loop around @ip uses as an address without displacement: what a CPU that
 * spins there reads. Bit n is REG_n. 0 when there is no loop or the code cannot be read.
 */
uint64_t poll_registers(struct kernel *kernel, uint64_t ip);

/* --- lock_names.c --- */
void locks_name(struct lock_scene *scene);

#endif
