// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Locks and owners from the log's words, tied to the waits that the stacks show: owner lines,
 * lockdep's lists of held locks, CPUs that do not answer, RCU's stalled CPUs.
 *
 * lockdep enters a lock in a task's list before it waits for it, so a list's last lock may be one
 * that the task waits for: the place where it was to be taken ("at: f+0x1/0x2") is then the place
 * where its stack waits. A task holds a lock when it took another one after it, or when its
 * stack waits for something else; one whose stack is not shown is not counted either way.
 */
#include <errno.h>
#include <stdlib.h>

#include "diagnose/actors.h"
#include "diagnose/primitives.h"
#include "source/console_log_internal.h"

struct facts {
	struct log_event *event;
	struct snapshot *snapshot;
};

static struct lock *lock_new(struct facts *f, uint32_t *ret_index)
{
	struct snapshot *snapshot = f->snapshot;
	struct lock *lock = ARENA_APPEND(&snapshot->arena, snapshot->locks, snapshot->n_locks);

	if (!lock)
		return NULL;
	*lock = (struct lock){ .locked = -1, .writer = -1, .readers = -1, .tail_cpu = -1,
			       .owner_pid = SNAPSHOT_NONE, .owner_cpu = SNAPSHOT_NONE,
			       .held_ns = SNAPSHOT_NO_TIME };
	*ret_index = snapshot->n_locks - 1;
	return lock;
}

static uint32_t lock_by_address(const struct facts *f, uint64_t address)
{
	for (uint32_t i = 0; address && i < f->snapshot->n_locks; i++)
		if (f->snapshot->locks[i].address == address)
			return i;
	return SNAPSHOT_NONE;
}

/* The waits of the CPU with number @cpu, or of the task @pid. */
static struct wait *waits_of(struct facts *f, uint32_t cpu, uint32_t pid, uint32_t *ret_n,
			     const struct stack **ret_stack)
{
	uint32_t index = cpu == SNAPSHOT_NONE ? SNAPSHOT_NONE : snapshot_cpu_by_id(f->snapshot, cpu);

	for (uint32_t i = 0; index == SNAPSHOT_NONE && pid && i < f->snapshot->n_cpus; i++) {
		uint32_t task = f->snapshot->cpus[i].task;

		if (task != SNAPSHOT_NONE && f->snapshot->tasks[task].pid == pid)
			index = i;
	}
	if (index != SNAPSHOT_NONE) {
		*ret_n = f->snapshot->cpus[index].n_waits;
		*ret_stack = &f->snapshot->cpus[index].stack;
		return f->snapshot->cpus[index].waits;
	}
	index = snapshot_task_by_pid(f->snapshot, pid);
	*ret_n = 0;
	*ret_stack = NULL;
	if (index == SNAPSHOT_NONE)
		return NULL;
	*ret_n = f->snapshot->tasks[index].n_waits;
	*ret_stack = &f->snapshot->tasks[index].stack;
	return f->snapshot->tasks[index].waits;
}

/* The task's entry in the snapshot; made where it has none yet. */
static uint32_t task_need(struct facts *f, uint32_t pid, const char *comm)
{
	uint32_t index = snapshot_task_by_pid(f->snapshot, pid);
	struct task *task;

	if (index != SNAPSHOT_NONE || pid == 0 || pid == SNAPSHOT_NONE)
		return index;
	task = ARENA_APPEND(&f->snapshot->arena, f->snapshot->tasks, f->snapshot->n_tasks);
	if (!task)
		return SNAPSHOT_NONE;
	*task = (struct task){ .pid = pid, .tgid = SNAPSHOT_NONE, .comm = comm,
			       .cpu = SNAPSHOT_NONE, .last_ran_ns = SNAPSHOT_NO_TIME,
			       .start_ns = SNAPSHOT_NO_TIME };
	return f->snapshot->n_tasks - 1;
}

/* --- owner lines --- */

static bool kind_fits(enum lock_kind wait, enum lock_kind lock)
{
	if (wait == lock || lock == LOCK_UNKNOWN)
		return true;
	return (wait == LOCK_MUTEX && lock == LOCK_RTMUTEX) ||
	       (wait == LOCK_RTMUTEX && lock == LOCK_MUTEX) ||
	       (lock == LOCK_SPINLOCK && (wait == LOCK_RWLOCK || wait == LOCK_BIT_SPINLOCK));
}

static uint32_t owner_lock(struct facts *f, const struct log_owner *owner)
{
	uint32_t index = lock_by_address(f, owner->address);
	struct lock *lock;

	for (uint32_t i = 0; index == SNAPSHOT_NONE && i < f->snapshot->n_locks; i++) {
		lock = &f->snapshot->locks[i];
		if (owner->name ? lock->name && strcmp(lock->name, owner->name) == 0 :
				  !owner->address && lock->kind == owner->kind && !lock->address &&
					  lock->owner_pid == owner->owner_pid)
			index = i;
	}
	if (index == SNAPSHOT_NONE) {
		lock = lock_new(f, &index);
		if (!lock)
			return SNAPSHOT_NONE;
		lock->address = owner->address;
	}
	lock = &f->snapshot->locks[index];
	lock->kind = lock->kind == LOCK_UNKNOWN ? owner->kind : lock->kind;
	if (owner->name)
		lock->name = owner->name;
	if (owner->owner_pid == SNAPSHOT_NONE)
		return index;
	lock->locked = 1;
	lock->owner_source = owner->stored ? OWNER_STORED : OWNER_REPORTED;
	lock->owner_pid = owner->owner_pid;
	if (owner->stored)
		lock->owner_cpu = owner->owner_cpu;
	return index;
}

static int owners_tie(struct facts *f)
{
	for (uint32_t i = 0; i < f->event->n_owners; i++) {
		const struct log_owner *owner = &f->event->owners[i];
		const struct stack *stack;
		struct wait *waits;
		uint32_t n, index;

		task_need(f, owner->owner_pid, owner->owner_comm);
		index = owner_lock(f, owner);
		if (index == SNAPSHOT_NONE)
			return -ENOMEM;
		waits = waits_of(f, owner->waiter_cpu, owner->waiter_pid, &n, &stack);
		for (uint32_t k = 0; k < n; k++) {
			if (!kind_fits(waits[k].kind, owner->kind))
				continue;
			waits[k].lock = index;
			break;
		}
	}
	return 0;
}

/* --- lockdep's lists --- */

/* A name of a single lock, not of a class of many. */
static bool is_global(const char *name)
{
	for (const char *p = name; *p; p++)
		if (!((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
		      (*p >= '0' && *p <= '9') || *p == '_' || *p == '.'))
			return false;
	return *name != '\0' && strncmp(name, "rcu_read_lock", 13) != 0 &&
	       strncmp(name, "sk_lock-", 8) != 0 && strncmp(name, "slock-", 6) != 0;
}

static uint64_t held_hash(const struct log_held *held)
{
	uint64_t h = held->address ? held->address : 14695981039346656037ULL;

	for (const char *p = held->address ? "" : held->name; *p; p++)
		h = (h ^ (unsigned char)*p) * 1099511628211ULL;
	return h * 0x9e3779b97f4a7c15ULL >> 32;
}

static bool held_same(const struct log_held *a, const struct log_held *b)
{
	if (a->address || b->address)
		return a->address == b->address;
	return strcmp(a->name, b->name) == 0;
}

/* One lock that some list has: who may hold it. */
struct listed {
	const struct log_held *held;
	uint32_t lock;	  /* index in snapshot->locks, NONE: not made yet */
	uint32_t holder;  /* index in event->tasks */
	uint32_t entry;	  /* of it in the holder's list */
	uint32_t n_holders;
};

struct listing {
	struct listed *v;
	uint32_t n;
	uint32_t *hash;	  /* index + 1 */
	uint32_t n_hash;
};

static struct listed *listed_get(struct facts *f, struct listing *l, const struct log_held *held)
{
	uint32_t at = (uint32_t)held_hash(held) & (l->n_hash - 1);
	struct listed *slot;

	while (l->hash[at]) {
		if (held_same(l->v[l->hash[at] - 1].held, held))
			return &l->v[l->hash[at] - 1];
		at = (at + 1) & (l->n_hash - 1);
	}
	slot = ARENA_APPEND(&f->snapshot->arena, l->v, l->n);
	if (!slot)
		return NULL;
	*slot = (struct listed){ .held = held, .lock = SNAPSHOT_NONE };
	l->hash[at] = l->n;
	return slot;
}

static bool frame_is_at(const struct frame *frame, const struct log_held *held)
{
	return frame->function && held->at && frame->offset == held->offset &&
	       held->offset != SNAPSHOT_NONE && function_same(frame->function, held->at);
}

/*
 * Does the stack wait at the place where the list says the lock was to be taken? Some locks are
 * entered by a wrapper, so a few frames around count.
 */
static struct wait *wait_at(struct wait *waits, uint32_t n, const struct stack *stack,
			    const struct log_held *held)
{
	for (uint32_t i = 0; i < n; i++) {
		uint32_t from = waits[i].frame > 2 ? waits[i].frame - 2 : 0;

		for (uint32_t k = from; k < stack->n && k <= waits[i].frame + 2; k++)
			if (frame_is_at(&stack->frames[k], held))
				return &waits[i];
	}
	return NULL;
}

static enum lock_kind listed_kind(const struct listed *listed, enum lock_kind wait)
{
	if (strstr(listed->held->name, "(work_completion)") ||
	    strstr(listed->held->name, "(wq_completion)"))
		return LOCK_WORKQUEUE;
	return wait;
}

static int listed_lock(struct facts *f, struct listed *listed, enum lock_kind kind)
{
	struct lock *lock;

	if (listed->lock != SNAPSHOT_NONE)
		return 0;
	listed->lock = lock_by_address(f, listed->held->address);
	if (listed->lock == SNAPSHOT_NONE && !lock_new(f, &listed->lock))
		return -ENOMEM;
	lock = &f->snapshot->locks[listed->lock];
	lock->name = listed->held->name;
	if (lock->kind == LOCK_UNKNOWN)
		lock->kind = listed_kind(listed, kind);
	/* Hashes (4.15 to 5.x print them in lists) are no addresses. */
	if (listed->held->address >> 32 && listed->held->address >> 63)
		lock->address = listed->held->address;
	return 0;
}

/* Who waits for which listed lock, and who then holds it. */
static int lists_read(struct facts *f, struct listing *l)
{
	for (uint32_t i = 0; i < f->event->n_tasks; i++) {
		const struct log_task *task = &f->event->tasks[i];
		const struct stack *stack;
		struct wait *waits;
		uint32_t n;

		if (!task->n_held)
			continue;
		waits = waits_of(f, SNAPSHOT_NONE, task->pid, &n, &stack);
		for (uint32_t k = 0; k < task->n_held; k++) {
			const struct log_held *held = &task->held[k];
			struct listed *listed = listed_get(f, l, held);
			bool last = k + 1 == task->n_held;
			struct wait *wait;

			if (!listed)
				return -ENOMEM;
			wait = last && stack ? wait_at(waits, n, stack, held) : NULL;
			if (wait) {
				if (listed_lock(f, listed, wait->kind) < 0)
					return -ENOMEM;
				wait->lock = listed->lock;
			} else if (!last || (stack && stack->n)) {
				listed->holder = i;
				listed->entry = k;
				listed->n_holders++;
			}
		}
	}
	return 0;
}

/* The same place in the code takes the same global lock: those whose list is not shown. */
static int lists_spread(struct facts *f, struct listing *l)
{
	for (uint32_t i = 0; i < f->snapshot->n_tasks; i++) {
		struct task *task = &f->snapshot->tasks[i];

		for (uint32_t k = 0; k < task->n_waits; k++) {
			if (task->waits[k].lock != SNAPSHOT_NONE)
				continue;
			for (uint32_t j = 0; j < l->n && j < 4096; j++) {
				if (!is_global(l->v[j].held->name) ||
				    !wait_at(&task->waits[k], 1, &task->stack, l->v[j].held))
					continue;
				if (listed_lock(f, &l->v[j], task->waits[k].kind) < 0)
					return -ENOMEM;
				task->waits[k].lock = l->v[j].lock;
				break;
			}
		}
	}
	return 0;
}

/* Where a task is by the locks it took last, when its stack is not shown. */
static int stack_from_list(struct facts *f, struct task *task, const struct log_task *from,
			   uint32_t first)
{
	uint32_t n = 0;

	task->stack.frames = arena_calloc(&f->snapshot->arena, from->n_held,
					  sizeof(*task->stack.frames));
	if (!task->stack.frames)
		return -ENOMEM;
	for (uint32_t k = from->n_held; k > first; k--) {
		const struct log_held *held = &from->held[k - 1];

		if (!held->at || function_is_generic(held->at))
			continue;
		task->stack.frames[n++] = (struct frame){ .function = held->at,
							  .offset = held->offset,
							  .size = held->size,
							  .reliable = true };
	}
	task->stack.n = n;
	task->stack.stopped = "the log shows only where it took its locks";
	return 0;
}

static int lists_own(struct facts *f, struct listing *l)
{
	for (uint32_t i = 0; i < l->n; i++) {
		const struct listed *listed = &l->v[i];
		const struct log_task *from;
		struct lock *lock;
		uint32_t index;

		/* Several may hold a class's locks, or one for reading. */
		if (listed->lock == SNAPSHOT_NONE || listed->n_holders != 1 ||
		    (!listed->held->address && !is_global(listed->held->name)))
			continue;
		lock = &f->snapshot->locks[listed->lock];
		if (lock->owner_source != OWNER_NONE)
			continue;
		from = &f->event->tasks[listed->holder];
		index = task_need(f, from->pid, from->comm);
		if (index == SNAPSHOT_NONE)
			continue;
		lock->owner_source = OWNER_REPORTED;
		lock->owner_pid = from->pid;
		lock->owner_function = from->held[listed->entry].at;
		if (!f->snapshot->tasks[index].stack.n && !f->snapshot->tasks[index].on_cpu &&
		    stack_from_list(f, &f->snapshot->tasks[index], from, listed->entry) < 0)
			return -ENOMEM;
	}
	return 0;
}

/* Whoever flushes or cancels work waits for a worker: the only one that the lists show at work. */
static int workers_tie(struct facts *f)
{
	const struct log_task *worker = NULL;
	const char *name = NULL;
	uint32_t n = 0, index = SNAPSHOT_NONE;

	for (uint32_t i = 0; i < f->event->n_tasks; i++) {
		const struct log_task *task = &f->event->tasks[i];

		for (uint32_t k = 0; k < task->n_held; k++)
			if (strncmp(task->held[k].name, "(work_completion)", 17) == 0 &&
			    task->comm && strncmp(task->comm, "kworker/", 8) == 0) {
				worker = task;
				name = task->held[k].name;
				n++;
			}
	}
	if (n != 1)
		return 0;
	for (uint32_t i = 0; i < f->snapshot->n_tasks; i++)
		for (uint32_t k = 0; k < f->snapshot->tasks[i].n_waits; k++) {
			struct wait *wait = &f->snapshot->tasks[i].waits[k];
			struct lock *lock;

			if (wait->kind != LOCK_WORKQUEUE || wait->lock != SNAPSHOT_NONE ||
			    f->snapshot->tasks[i].pid == worker->pid)
				continue;
			if (index == SNAPSHOT_NONE) {
				lock = lock_new(f, &index);
				if (!lock)
					return -ENOMEM;
				lock->kind = LOCK_WORKQUEUE;
				lock->name = name;
				lock->owner_source = OWNER_REPORTED;
				lock->owner_pid = worker->pid;
				if (task_need(f, worker->pid, worker->comm) == SNAPSHOT_NONE)
					return 0;
			}
			f->snapshot->tasks[i].waits[k].lock = index;
		}
	return 0;
}

static int lists_tie(struct facts *f)
{
	struct listing l = { .n_hash = 256 };
	uint32_t n_held = 0;
	int r;

	for (uint32_t i = 0; i < f->event->n_tasks; i++)
		n_held += f->event->tasks[i].n_held;
	while (l.n_hash < n_held * 2)
		l.n_hash *= 2;
	l.hash = calloc(l.n_hash, sizeof(*l.hash));
	if (!l.hash)
		return -ENOMEM;
	r = lists_read(f, &l);
	if (r == 0)
		r = lists_spread(f, &l);
	if (r == 0)
		r = lists_own(f, &l);
	free(l.hash);
	return r;
}

/* --- CPUs that others wait for --- */

static int wait_for_cpu(struct facts *f, enum lock_kind kind, const char *name, uint32_t cpu,
			uint32_t only_cpu)
{
	uint32_t index = SNAPSHOT_NONE;
	struct lock *lock = NULL;

	for (uint32_t i = 0; i < f->snapshot->n_cpus + f->snapshot->n_tasks; i++) {
		bool is_cpu = i < f->snapshot->n_cpus;
		struct task *task = is_cpu ? NULL : &f->snapshot->tasks[i - f->snapshot->n_cpus];
		struct wait *waits = is_cpu ? f->snapshot->cpus[i].waits : task->waits;
		uint32_t n = is_cpu ? f->snapshot->cpus[i].n_waits : task->n_waits;

		if (only_cpu != SNAPSHOT_NONE && (!is_cpu || f->snapshot->cpus[i].id != only_cpu))
			continue;
		if (is_cpu && f->snapshot->cpus[i].id == cpu)
			continue;
		for (uint32_t k = 0; k < n; k++) {
			if (waits[k].kind != kind || waits[k].lock != SNAPSHOT_NONE)
				continue;
			if (!lock) {
				lock = lock_new(f, &index);
				if (!lock)
					return -ENOMEM;
				lock->kind = kind;
				lock->name = name;
				lock->owner_cpu = cpu;
				lock->owner_source = OWNER_REPORTED;
			}
			waits[k].lock = index;
		}
	}
	return 0;
}

/* "… on CPU#1, waiting 5000000007 ns for CPU#00 …" */
static int csd_tie(struct facts *f, const struct report *report)
{
	const char *on = strstr(report->text, "on CPU#");
	uint32_t waiter = SNAPSHOT_NONE;

	if (report->cpu == SNAPSHOT_NONE)
		return 0;
	if (on) {
		on += 7;
		line_u32(&on, on + strlen(on), &waiter);
	}
	return wait_for_cpu(f, LOCK_CSD, NULL, report->cpu, waiter);
}

static bool cpu_may_stall(const struct snapshot *snapshot, uint32_t id)
{
	uint32_t index = snapshot_cpu_by_id(snapshot, id);
	const struct cpu *cpu = index == SNAPSHOT_NONE ? NULL : &snapshot->cpus[index];

	return cpu && cpu->has_stack && cpu->stack.n;
}

static int cpus_tie(struct facts *f)
{
	uint32_t stalled = SNAPSHOT_NONE, n_stalled = 0;
	int r = 0;

	for (uint32_t i = 0; i < f->snapshot->n_reports && r == 0; i++) {
		const struct report *report = &f->snapshot->reports[i];

		if (report->kind == REPORT_CSD_LOCKUP)
			r = csd_tie(f, report);
		if (report->kind == REPORT_RCU_STALL && report->cpu != SNAPSHOT_NONE &&
		    cpu_may_stall(f->snapshot, report->cpu) && report->cpu != stalled) {
			stalled = report->cpu;
			n_stalled++;
		}
	}
	if (r == 0 && n_stalled == 1)
		r = wait_for_cpu(f, LOCK_RCU, NULL, stalled, SNAPSHOT_NONE);
	return r;
}

/* --- an oops's registers and stack --- */

static const char *word_place(const struct log_task *from, uint64_t address, uint32_t *ret_frame)
{
	for (uint32_t i = 0; i < from->stack.n; i++) {
		const struct regs *regs = from->stack.frames[i].regs;

		for (unsigned int r = REG_GP; regs && r < REG_MAX; r++)
			if (regs_has(regs, r) && regs->v[r] == address) {
				*ret_frame = i;
				return "registers";
			}
	}
	*ret_frame = 0;
	for (uint32_t i = 0; i < from->n_words; i++)
		if (from->words[i] == address)
			return "stack";
	return NULL;
}

static int oops_refs(struct facts *f)
{
	for (uint32_t i = 0; i < f->event->n_tasks; i++) {
		const struct log_task *from = &f->event->tasks[i];
		uint32_t index;

		if (!from->oops || !from->stack.n)
			continue;
		index = snapshot_task_by_pid(f->snapshot, from->pid);
		if (index == SNAPSHOT_NONE || f->snapshot->tasks[index].on_cpu)
			continue;
		for (uint32_t k = 0; k < f->snapshot->n_locks; k++) {
			struct task *task = &f->snapshot->tasks[index];
			struct lock_ref *ref;
			const char *where;
			uint32_t frame;

			if (!f->snapshot->locks[k].address)
				continue;
			where = word_place(from, f->snapshot->locks[k].address, &frame);
			if (!where)
				continue;
			ref = ARENA_APPEND(&f->snapshot->arena, task->refs, task->n_refs);
			if (!ref)
				return -ENOMEM;
			*ref = (struct lock_ref){ .lock = k, .frame = frame, .where = where };
		}
	}
	return 0;
}

/* --- lockdep's reports --- */

static int class_lock(struct facts *f, const char *name, uint32_t *ret_index)
{
	struct lock *lock;

	*ret_index = SNAPSHOT_NONE;
	if (!name)
		return 0;
	for (uint32_t i = 0; i < f->snapshot->n_locks; i++)
		if (f->snapshot->locks[i].name && strcmp(f->snapshot->locks[i].name, name) == 0) {
			*ret_index = i;
			return 0;
		}
	lock = lock_new(f, ret_index);
	if (!lock)
		return -ENOMEM;
	lock->name = name;
	if (strncmp(name, "(work_completion)", 17) == 0 || strncmp(name, "(wq_completion)", 15) == 0)
		lock->kind = LOCK_WORKQUEUE;
	return 0;
}

static int deadlock_fill(struct facts *f, const struct log_deadlock *from)
{
	struct snapshot *snapshot = f->snapshot;
	struct deadlock *to = ARENA_APPEND(&snapshot->arena, snapshot->deadlocks,
					   snapshot->n_deadlocks);
	int r;

	if (!to)
		return -ENOMEM;
	*to = (struct deadlock){ .report = from->report, .cpu = from->cpu, .pid = from->pid,
				 .comm = from->comm, .wanted_at = from->wanted.at,
				 .held_at = from->has_held ? from->held.at : NULL,
				 .irq_function = from->irq.function,
				 .irq_primitive = from->irq.primitive };
	to->task = snapshot_task_by_pid(snapshot, from->pid);
	r = class_lock(f, from->wanted.name, &to->wanted);
	if (r == 0)
		r = class_lock(f, from->has_held ? from->held.name : NULL, &to->held);
	for (uint32_t i = 0; i < from->n_links && r == 0; i++) {
		struct lock_link *link = ARENA_APPEND(&snapshot->arena, to->links, to->n_links);

		if (!link)
			return -ENOMEM;
		link->function = from->links[i].function;
		link->primitive = from->links[i].primitive;
		r = class_lock(f, from->links[i].name, &link->lock);
		if (link->lock == to->wanted && !to->primitive)
			to->primitive = link->primitive;
	}
	return r;
}

int log_event_locks(struct log_event *event)
{
	struct facts f = { .event = event, .snapshot = &event->snapshot };
	int r;

	r = owners_tie(&f);
	if (r == 0)
		r = lists_tie(&f);
	if (r == 0)
		r = workers_tie(&f);
	if (r == 0)
		r = cpus_tie(&f);
	if (r == 0)
		r = oops_refs(&f);
	for (uint32_t i = 0; i < event->n_deadlocks && r == 0; i++)
		if (event->deadlocks[i].has_wanted)
			r = deadlock_fill(&f, &event->deadlocks[i]);
	return r;
}
