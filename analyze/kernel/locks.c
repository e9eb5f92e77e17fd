// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Which lock does a waiter wait for? Its address is somewhere in the waiter's registers or stack,
 * among hundreds of others, so nothing counts but proof in the lock itself: a wait-queue entry that
 * leads to it, a queue node that its tail names, a word that only a contended lock has. Where two
 * candidates are left, the lock is unknown: a wrong lock is worse than none.
 *
 * Owners found on the way are unwound too, and their waits looked at, until nobody new turns up.
 */
#include "kernel/locks.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "kernel/locks_internal.h"

#define FRAME_SLOTS_MAX 512 /* of 8 bytes: larger frames than 4 KiB are not scanned further */
#define TASKS_CHASED_MAX 200000
#define STACK_MAX 32768

static struct lock_layout layout_get(const struct types *t)
{
	struct lock_layout l;
	uint64_t size;
	struct member m;

	l.qrwlock_wait_lock = types_offset(t, "qrwlock", "wait_lock");
	l.mcs_next = types_offset(t, "mcs_spinlock", "next");
	l.mcs_count = types_offset(t, "mcs_spinlock", "count");
	l.qnode_size = types_size(t, "qnode", &size) == 0 ? (int64_t)size : -1;
	l.spin_owner = types_offset(t, "raw_spinlock", "owner");
	l.spin_owner_cpu = types_offset(t, "raw_spinlock", "owner_cpu");
	l.mutex_owner = types_offset(t, "mutex", "owner");
	l.mutex_wait_list = types_offset(t, "mutex", "wait_list");
	l.mutex_osq = types_offset(t, "mutex", "osq");
	l.mutex_waiter_task = types_offset(t, "mutex_waiter", "task");
	l.rwsem_count = types_offset(t, "rw_semaphore", "count");
	l.rwsem_owner = types_offset(t, "rw_semaphore", "owner");
	l.rwsem_wait_list = types_offset(t, "rw_semaphore", "wait_list");
	l.rwsem_osq = types_offset(t, "rw_semaphore", "osq");
	l.rwsem_waiter_task = types_offset(t, "rwsem_waiter", "task");
	/* The owner became an atomic_long_t together with the new count, in 5.3. */
	l.rwsem_xadd = types_member(t, "rw_semaphore", "owner.counter", &m) < 0;
	l.semaphore_count = types_offset(t, "semaphore", "count");
	l.semaphore_wait_list = types_offset(t, "semaphore", "wait_list");
	l.semaphore_waiter_task = types_offset(t, "semaphore_waiter", "task");
	l.semaphore_last_holder = types_offset(t, "semaphore", "last_holder"); /* 6.16 */
	l.rt_owner = types_offset(t, "rt_mutex_base", "owner"); /* 5.15, commit 830e6acc8a1c */
	if (l.rt_owner < 0)
		l.rt_owner = types_offset(t, "rt_mutex", "owner");
	l.rt_waiter_task = types_offset(t, "rt_mutex_waiter", "task");
	l.rt_waiter_lock = types_offset(t, "rt_mutex_waiter", "lock");
	l.swait_task = types_offset(t, "swait_queue", "task");
	l.swait_node = types_offset(t, "swait_queue", "task_list");
	l.completion_done = types_offset(t, "completion", "done");
	l.completion_list = types_offset(t, "completion", "wait.task_list"); /* 5.7 */
	if (l.completion_list < 0)
		l.completion_list = types_offset(t, "completion", "wait.head");
	l.wqe_private = types_offset(t, "wait_queue_entry", "private");
	l.wqe_node = types_offset(t, "wait_queue_entry", "entry");
	l.percpu_rwsem_waiters = types_offset(t, "percpu_rw_semaphore", "waiters.head");
	l.percpu_rwsem_block = types_offset(t, "percpu_rw_semaphore", "block");
	l.percpu_rwsem_writer = types_offset(t, "percpu_rw_semaphore", "writer.task");
	return l;
}

bool read_u64(struct lock_scene *scene, uint64_t base, int64_t offset, uint64_t *ret)
{
	return offset >= 0 && kernel_read_u64(scene->kernel, base + (uint64_t)offset, ret) == 0;
}

bool read_u32(struct lock_scene *scene, uint64_t base, int64_t offset, uint32_t *ret)
{
	return offset >= 0 && kernel_read_u32(scene->kernel, base + (uint64_t)offset, ret) == 0;
}

bool address_may_be_lock(struct lock_scene *scene, uint64_t address, unsigned int align)
{
	return kernel_is_address(address) && (address & (align - 1)) == 0 &&
	       !kernel_is_text(scene->kernel, address);
}

uint64_t waiter_task_address(const struct lock_scene *scene, const struct waiter *waiter)
{
	return waiter->task == SNAPSHOT_NONE ? 0 : scene->snapshot->tasks[waiter->task].address;
}

uint32_t scene_lock_find(const struct lock_scene *scene, enum lock_kind kind, uint64_t address)
{
	const struct snapshot *snapshot = scene->snapshot;

	for (uint32_t i = 0; i < snapshot->n_locks; i++)
		if (snapshot->locks[i].address == address && snapshot->locks[i].kind == kind)
			return i;
	return SNAPSHOT_NONE;
}

uint32_t scene_lock(struct lock_scene *scene, enum lock_kind kind, uint64_t address)
{
	struct snapshot *snapshot = scene->snapshot;
	uint32_t found = scene_lock_find(scene, kind, address);
	struct lock *lock;

	if (found != SNAPSHOT_NONE)
		return found;
	lock = ARENA_APPEND(&snapshot->arena, snapshot->locks, snapshot->n_locks);
	if (!lock)
		return SNAPSHOT_NONE;
	*lock = (struct lock){
		.address = address,
		.kind = kind,
		.locked = -1,
		.writer = -1,
		.readers = -1,
		.tail_cpu = -1,
		.owner_pid = SNAPSHOT_NONE,
		.owner_cpu = SNAPSHOT_NONE,
		.held_ns = SNAPSHOT_NO_TIME,
	};
	return snapshot->n_locks - 1;
}

void scene_want_task(struct lock_scene *scene, uint32_t task)
{
	if (task == SNAPSHOT_NONE || scene->seen[task] || scene->n_todo >= TASKS_CHASED_MAX)
		return;
	if (scene->n_todo == scene->todo_capacity) {
		uint32_t capacity = scene->todo_capacity ? scene->todo_capacity * 2 : 256;
		uint32_t *todo = reallocarray(scene->todo, capacity, sizeof(*todo));

		if (!todo)
			return;
		scene->todo = todo;
		scene->todo_capacity = capacity;
	}
	scene->seen[task] = 1;
	scene->todo[scene->n_todo++] = task;
}

void scene_owner(struct lock_scene *scene, uint32_t index, uint64_t address,
		 enum owner_source source)
{
	struct lock *lock = &scene->snapshot->locks[index];
	uint32_t task;

	if (!address)
		return;
	task = task_table_find(scene->means->tasks, address);
	lock->owner_source = source;
	lock->owner_task = address;
	if (task == SNAPSHOT_NONE) {
		/* An owner that is not in the list has exited, unless the list is damaged. */
		lock->owner_gone = !scene->means->tasks->damage[0];
		return;
	}
	lock->owner_pid = scene->snapshot->tasks[task].pid;
	lock->owner_gone = scene->snapshot->tasks[task].state == TASK_STATE_DEAD;
	scene_want_task(scene, task);
}

static bool slot_add(struct lock_scene *scene, struct slot slot)
{
	struct slots *slots = &scene->slots;

	if (slots->n == slots->capacity) {
		uint32_t capacity = slots->capacity ? slots->capacity * 2 : 1024;
		struct slot *v = reallocarray(slots->v, capacity, sizeof(*v));

		if (!v)
			return false;
		slots->v = v;
		slots->capacity = capacity;
	}
	slots->v[slots->n++] = slot;
	return true;
}

void slots_add_regs(struct lock_scene *scene, const struct regs *regs, uint32_t frame)
{
	for (unsigned int reg = REG_X86_RAX; reg <= REG_X86_R15; reg++)
		if (regs_has(regs, reg))
			slot_add(scene, (struct slot){ .value = regs->v[reg], .frame = frame,
						       .reg = (uint8_t)reg });
}

static void frame_collect(struct lock_scene *scene, const struct stack *stack, uint32_t i)
{
	uint64_t words[FRAME_SLOTS_MAX], sp = stack->frames[i].sp & ~7ULL, end;
	uint32_t n;

	if (!sp || i + 1 >= stack->n || stack->frames[i + 1].interrupted)
		return;
	end = stack->frames[i + 1].sp;
	/* On the way to another stack the frame ends where its stack does. */
	if (end <= sp || end - sp > STACK_MAX)
		end = sp + 8;
	n = end - sp > sizeof(words) ? FRAME_SLOTS_MAX : (uint32_t)((end - sp) / 8);
	if (kernel_read(scene->kernel, sp, words, n * 8) < 0)
		return;
	for (uint32_t k = 0; k < n; k++)
		if (words[k])
			slot_add(scene, (struct slot){ .value = words[k], .at = sp + k * 8,
						       .frame = i });
}

void slots_collect(struct lock_scene *scene, const struct stack *stack, const struct regs *regs,
		   uint32_t first, uint32_t last)
{
	scene->slots.n = 0;
	for (uint32_t i = first; i <= last && i < stack->n; i++) {
		const struct regs *r = stack->frames[i].regs;

		if (!r && i == 0)
			r = regs;
		if (r)
			slots_add_regs(scene, r, i);
		frame_collect(scene, stack, i);
	}
}

static int wait_find(struct lock_scene *scene, const struct waiter *waiter)
{
	if (waiter->wait->inlined)
		return inlined_wait_find(scene, waiter);
	switch (waiter->wait->kind) {
	case LOCK_SPINLOCK:
	case LOCK_RWLOCK:
		/* PREEMPT_RT's spinlocks sleep on an rtmutex. */
		return waiter->cpu == SNAPSHOT_NONE ? sleep_wait_find(scene, waiter) :
						      spin_wait_find(scene, waiter);
	case LOCK_MUTEX:
	case LOCK_RWSEM:
	case LOCK_SEMAPHORE:
	case LOCK_RTMUTEX:
	case LOCK_PERCPU_RWSEM:
	case LOCK_COMPLETION:
		return sleep_wait_find(scene, waiter);
	case LOCK_WORKQUEUE:
		return work_wait_find(scene, waiter);
	case LOCK_CSD:
		return csd_wait_find(scene, waiter);
	case LOCK_RCU:
		return rcu_wait_find(scene, waiter);
	default:
		return 0;
	}
}

static bool kind_has_object(enum lock_kind kind)
{
	return kind == LOCK_SPINLOCK || kind == LOCK_RWLOCK || kind == LOCK_MUTEX ||
	       kind == LOCK_RWSEM || kind == LOCK_SEMAPHORE || kind == LOCK_RTMUTEX;
}

static int waits_resolve(struct lock_scene *scene, const struct stack *stack, struct wait *waits,
			 uint32_t n, uint32_t cpu, uint32_t task)
{
	for (uint32_t i = 0; i < n; i++) {
		struct waiter waiter = { .stack = stack, .wait = &waits[i], .cpu = cpu,
					 .task = task };
		int r;

		if (waits[i].frame >= stack->n || !waits[i].slow)
			continue;
		waiter.inner = context_innermost(stack, waits[i].frame);
		r = wait_find(scene, &waiter);
		if (r == -ENOMEM)
			return r;
		if (waits[i].lock != SNAPSHOT_NONE || !kind_has_object(waits[i].kind))
			continue;
		if (cpu != SNAPSHOT_NONE)
			scene->n_unknown_spin++;
		else
			scene->n_unknown_sleep++;
	}
	return 0;
}

static int tasks_chase(struct lock_scene *scene)
{
	for (uint32_t i = 0; i < scene->n_todo; i++) {
		uint32_t index = scene->todo[i];
		struct task *task = &scene->snapshot->tasks[index];
		int r;

		if (task->on_cpu)
			continue;
		r = scene->means->unwind(scene->means->unwind_arg, scene->snapshot, index);
		if (r >= 0)
			r = waits_resolve(scene, &task->stack, task->waits, task->n_waits,
					  SNAPSHOT_NONE, index);
		if (r == -ENOMEM)
			return r;
	}
	return 0;
}

static const char *slot_name(const struct slot *slot)
{
	static const char *const regs[] = {
		[REG_X86_RAX] = "RAX", [REG_X86_RBX] = "RBX", [REG_X86_RCX] = "RCX",
		[REG_X86_RDX] = "RDX", [REG_X86_RSI] = "RSI", [REG_X86_RDI] = "RDI",
		[REG_X86_RBP] = "RBP", [REG_X86_R8] = "R8",   [REG_X86_R9] = "R9",
		[REG_X86_R10] = "R10", [REG_X86_R11] = "R11", [REG_X86_R12] = "R12",
		[REG_X86_R13] = "R13", [REG_X86_R14] = "R14", [REG_X86_R15] = "R15",
	};

	return slot->at ? "stack slot" : regs[slot->reg];
}

static int address_compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* Locks by address, for many lookups. */
struct lock_index {
	struct {
		uint64_t address;
		uint32_t lock;
	} *v;
	uint32_t n;
};

static int refs_find(struct lock_scene *scene, const struct lock_index *index,
		     const struct stack *stack, const struct regs *regs, struct lock_ref **ret_refs,
		     uint32_t *ret_n)
{
	struct lock_ref *refs = NULL;
	uint32_t n = 0;

	if (!index->n || !stack->n)
		return 0;
	slots_collect(scene, stack, regs, 0, stack->n - 1);
	for (uint32_t i = 0; i < scene->slots.n; i++) {
		const struct slot *slot = &scene->slots.v[i];
		struct lock_ref *ref;
		bool again = false;
		typeof(index->v) found = bsearch(&slot->value, index->v, index->n,
						 sizeof(*index->v), address_compare);

		if (!found)
			continue;
		for (uint32_t k = 0; k < n && !again; k++)
			again = refs[k].lock == found->lock && refs[k].frame == slot->frame;
		if (again)
			continue;
		ref = ARENA_APPEND(&scene->snapshot->arena, refs, n);
		if (!ref)
			return -ENOMEM;
		*ref = (struct lock_ref){ .lock = found->lock, .frame = slot->frame,
					  .where = slot_name(slot) };
	}
	*ret_refs = refs;
	*ret_n = n;
	return 0;
}

static int refs_fill(struct lock_scene *scene)
{
	struct snapshot *snapshot = scene->snapshot;
	struct lock_index index = { .v = calloc(snapshot->n_locks + 1, sizeof(*index.v)) };
	int r = 0;

	if (!index.v)
		return -ENOMEM;
	for (uint32_t i = 0; i < snapshot->n_locks; i++)
		if (snapshot->locks[i].address) {
			index.v[index.n].address = snapshot->locks[i].address;
			index.v[index.n++].lock = i;
		}
	qsort(index.v, index.n, sizeof(*index.v), address_compare);
	for (uint32_t i = 0; i < snapshot->n_cpus && r >= 0; i++) {
		struct cpu *cpu = &snapshot->cpus[i];

		r = refs_find(scene, &index, &cpu->stack, cpu->regs.known ? &cpu->regs : NULL,
			      &cpu->refs, &cpu->n_refs);
	}
	for (uint32_t i = 0; i < snapshot->n_tasks && r >= 0; i++) {
		struct task *task = &snapshot->tasks[i];

		r = refs_find(scene, &index, &task->stack, NULL, &task->refs, &task->n_refs);
	}
	free(index.v);
	return r;
}

static int scene_init(struct lock_scene *scene, const struct lock_means *means,
		      struct snapshot *snapshot)
{
	*scene = (struct lock_scene){
		.means = means,
		.kernel = means->kernel,
		.snapshot = snapshot,
		.layout = layout_get(means->kernel->types),
		.steps_left = LOCK_LIST_STEPS,
		.queued_size = 1024,
	};
	scene->seen = calloc(snapshot->n_tasks + 1, 1);
	scene->queued = calloc(scene->queued_size, sizeof(*scene->queued));
	return scene->seen && scene->queued ? 0 : -ENOMEM;
}

static void scene_done(struct lock_scene *scene)
{
	free(scene->seen);
	free(scene->queued);
	free(scene->todo);
	free(scene->slots.v);
}

void scene_say(struct lock_scene *scene, const char *text)
{
	struct snapshot *snapshot = scene->snapshot;
	const char **item = text ? ARENA_APPEND(&snapshot->arena, snapshot->unknowns,
						snapshot->n_unknowns) : NULL;

	if (item)
		*item = text;
}

static void unknowns_say(struct lock_scene *scene)
{
	if (!scene->n_unknown_spin && !scene->n_unknown_sleep)
		return;
	scene_say(scene, arena_printf(&scene->snapshot->arena,
				      "Which lock they wait for could not be proven for %u waits on"
				      " CPUs and %u of blocked tasks.",
				      scene->n_unknown_spin, scene->n_unknown_sleep));
}

int locks_find(const struct lock_means *means, struct snapshot *snapshot)
{
	struct lock_scene scene;
	int r;

	/* Without types no lock can be read, which is said where they are missed. */
	if (!means->kernel->types)
		return 0;
	r = scene_init(&scene, means, snapshot);
	for (uint32_t i = 0; i < snapshot->n_cpus && r >= 0; i++) {
		struct cpu *cpu = &snapshot->cpus[i];

		r = waits_resolve(&scene, &cpu->stack, cpu->waits, cpu->n_waits, cpu->id,
				  cpu->task);
	}
	for (uint32_t i = 0; i < snapshot->n_tasks && r >= 0; i++)
		if (snapshot->tasks[i].stack.n)
			scene_want_task(&scene, i);
	if (r >= 0)
		r = tasks_chase(&scene);
	if (r >= 0) {
		spin_queues_order(&scene);
		locks_name(&scene);
		r = refs_fill(&scene);
		unknowns_say(&scene);
	}
	scene_done(&scene);
	return r;
}
