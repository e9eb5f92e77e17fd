// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The task list. A host may have a hundred thousand tasks, so each task_struct costs one read of
 * the span that holds all members of interest; the list links come out of the same bytes. A list
 * in a dump may be damaged or caught in the middle of a change: a task is taken only once, and a
 * link that leads nowhere ends that list.
 */
#include "kernel/tasks.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define TASK_INTERRUPTIBLE 0x0001U
#define TASK_UNINTERRUPTIBLE 0x0002U
#define TASK_STOPPED_OR_TRACED 0x000cU
#define TASK_PARKED 0x0040U
#define TASK_DEAD 0x0080U
#define TASK_NOLOAD 0x0400U
#define TASK_NEW 0x0800U
#define TASK_RTLOCK_WAIT 0x1000U
#define TASK_FROZEN 0x8000U
#define EXIT_DEAD_OR_ZOMBIE 0x0030U

#define SPAN_MAX (32 * 1024) /* no task_struct's interesting part is longer */

#define XA_DEPTH_MAX 11 /* 64 bits at 6 bits a level */
#define XA_SLOTS_MAX 64
#define XA_BITS 6
#define PID_STEPS_MAX (1U << 20) /* entries of a damaged tree that are visited at most */

struct layout {
	int64_t stack, last_arrival, exec_start, start, pi_blocked_on, kthread, mm;
	int64_t pid, tgid, state, exit_state, flags, cpu, on_cpu, comm;
	int64_t tasks, thread_node, signal, thread_head;
	uint64_t start_of_span, span;
};

struct walk {
	struct kernel *kernel;
	struct layout l;
	struct task_table *table;
	uint8_t *span;
	uint32_t seen_again; /* tasks met a second time */
	uint32_t seen_again_max;
	uint32_t pid_steps;  /* entries of the pid tree that may still be visited */
};

enum task_state task_state_decode(uint32_t state, uint32_t exit_state)
{
	if (exit_state & EXIT_DEAD_OR_ZOMBIE || state & TASK_DEAD)
		return TASK_STATE_DEAD;
	if (state == 0)
		return TASK_STATE_RUNNING;
	if (state & (TASK_STOPPED_OR_TRACED | TASK_FROZEN | TASK_PARKED))
		return TASK_STATE_STOPPED;
	if (state & TASK_RTLOCK_WAIT)
		return TASK_STATE_UNINTERRUPTIBLE;
	if (state & TASK_UNINTERRUPTIBLE)
		return state & TASK_NOLOAD ? TASK_STATE_IDLE : TASK_STATE_UNINTERRUPTIBLE;
	if (state & TASK_INTERRUPTIBLE)
		return TASK_STATE_INTERRUPTIBLE;
	if (state & TASK_NEW)
		return TASK_STATE_RUNNING;
	return TASK_STATE_UNKNOWN;
}

static void span_include(struct layout *l, int64_t offset, uint64_t size)
{
	uint64_t o = (uint64_t)offset;

	if (offset < 0)
		return;
	if (!l->span) {
		l->start_of_span = o;
		l->span = size;
		return;
	}
	if (o < l->start_of_span) {
		l->span += l->start_of_span - o;
		l->start_of_span = o;
	}
	if (o + size > l->start_of_span + l->span)
		l->span = o + size - l->start_of_span;
}

static int layout_get(const struct types *types, struct layout *ret)
{
	const char *t = "task_struct";
	struct layout l = { 0 };

	l.stack = types_offset(types, t, "stack");
	l.last_arrival = types_offset(types, t, "sched_info.last_arrival");
	l.exec_start = types_offset(types, t, "se.exec_start");
	l.start = types_offset(types, t, "start_boottime"); /* 5.5, commit cf25e24db61c */
	if (l.start < 0)
		l.start = types_offset(types, t, "real_start_time");
	l.pi_blocked_on = types_offset(types, t, "pi_blocked_on");
	/* struct kthread hung off set_child_tid until 5.17 (commit e32cf5dfbe22). */
	l.kthread = types_offset(types, t, "worker_private");
	if (l.kthread < 0)
		l.kthread = types_offset(types, t, "set_child_tid");
	l.mm = types_offset(types, t, "mm");
	l.pid = types_offset(types, t, "pid");
	l.tgid = types_offset(types, t, "tgid");
	l.state = types_offset(types, t, "__state"); /* 5.14, commit 2f064a59a11f */
	if (l.state < 0)
		l.state = types_offset(types, t, "state");
	l.exit_state = types_offset(types, t, "exit_state");
	l.flags = types_offset(types, t, "flags");
	l.cpu = types_offset(types, t, "thread_info.cpu"); /* 5.16, commit bcf9033e5449 */
	if (l.cpu < 0)
		l.cpu = types_offset(types, t, "cpu");
	l.on_cpu = types_offset(types, t, "on_cpu");
	l.comm = types_offset(types, t, "comm");
	l.tasks = types_offset(types, t, "tasks");
	l.thread_node = types_offset(types, t, "thread_node");
	l.signal = types_offset(types, t, "signal");
	l.thread_head = types_offset(types, "signal_struct", "thread_head");
	if (l.pid < 0 || l.comm < 0 || l.tasks < 0 || l.state < 0)
		return -ENOENT;
	for (const int64_t *p = &l.stack; p <= &l.signal; p++)
		span_include(&l, *p, 16);
	if (l.span > SPAN_MAX)
		return -ENOENT;
	*ret = l;
	return 0;
}

static uint64_t get64(const struct walk *w, int64_t offset)
{
	uint64_t v;

	if (offset < 0)
		return 0;
	memcpy(&v, w->span + ((uint64_t)offset - w->l.start_of_span), sizeof(v));
	return v;
}

static uint32_t get32(const struct walk *w, int64_t offset)
{
	return (uint32_t)get64(w, offset);
}

static uint32_t hash_address(uint64_t address)
{
	return (uint32_t)((address >> 6) * 0x9e3779b97f4a7c15ULL >> 32);
}

uint32_t task_table_find(const struct task_table *table, uint64_t address)
{
	if (!table->hash_size || !address)
		return SNAPSHOT_NONE;
	for (uint32_t i = hash_address(address);; i++) {
		uint32_t slot = table->hash[i & (table->hash_size - 1)];

		if (!slot)
			return SNAPSHOT_NONE;
		if (table->tasks[slot - 1].address == address)
			return slot - 1;
	}
}

static void hash_put(struct task_table *table, uint32_t index)
{
	uint32_t i = hash_address(table->tasks[index].address);

	while (table->hash[i & (table->hash_size - 1)])
		i++;
	table->hash[i & (table->hash_size - 1)] = index + 1;
}

uint32_t task_table_sort(struct task_table *table, uint32_t n_first)
{
	uint32_t front = n_first;

	for (uint32_t i = n_first; i < table->n; i++)
		if (task_is_blocked(&table->tasks[i])) {
			struct task_facts task = table->tasks[front];

			table->tasks[front++] = table->tasks[i];
			table->tasks[i] = task;
		}
	if (table->hash_size)
		memset(table->hash, 0, table->hash_size * sizeof(*table->hash));
	for (uint32_t i = 0; i < table->n; i++)
		hash_put(table, i);
	return front - n_first;
}

static int hash_reserve(struct kernel *kernel, struct task_table *table)
{
	uint32_t size = table->hash_size ? table->hash_size * 2 : 1024;
	uint32_t *hash;

	if (table->hash_size && table->n < table->hash_size / 2)
		return 0;
	hash = arena_calloc(&kernel->arena, size, sizeof(*hash));
	if (!hash)
		return -ENOMEM;
	table->hash = hash;
	table->hash_size = size;
	for (uint32_t i = 0; i < table->n; i++)
		hash_put(table, i);
	return 0;
}

static void facts_fill(const struct walk *w, uint64_t address, struct task_facts *task)
{
	const struct layout *l = &w->l;

	task->address = address;
	task->stack = get64(w, l->stack);
	task->last_arrival = get64(w, l->last_arrival);
	if (l->last_arrival < 0)
		task->last_arrival = get64(w, l->exec_start);
	task->start = get64(w, l->start);
	task->pi_blocked_on = get64(w, l->pi_blocked_on);
	task->mm = get64(w, l->mm);
	task->pid = get32(w, l->pid);
	task->tgid = l->tgid < 0 ? SNAPSHOT_NONE : get32(w, l->tgid);
	task->state = get32(w, l->state);
	task->exit_state = get32(w, l->exit_state);
	task->flags = get32(w, l->flags);
	task->cpu = l->cpu < 0 ? SNAPSHOT_NONE : get32(w, l->cpu);
	task->on_cpu = l->on_cpu >= 0 && get32(w, l->on_cpu) != 0;
	if (task->flags & TASK_PF_KTHREAD)
		task->kthread = get64(w, l->kthread);
	memcpy(task->comm, w->span + ((uint64_t)l->comm - l->start_of_span), 16);
	for (char *p = task->comm; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = '?';
}

/* Adds the task at @address; its bytes stay in w->span. 1 when it was there already. */
static int task_add(struct walk *w, uint64_t address)
{
	struct task_facts *task;
	int r;

	if (!kernel_is_address(address) || address & 7)
		return -EFAULT;
	if (w->table->n >= TASKS_MAX)
		return -E2BIG;
	r = kernel_read(w->kernel, address + w->l.start_of_span, w->span, w->l.span);
	if (r < 0)
		return r;
	if (task_table_find(w->table, address) != SNAPSHOT_NONE)
		return 1;
	r = hash_reserve(w->kernel, w->table);
	if (r < 0)
		return r;
	task = ARENA_APPEND(&w->kernel->arena, w->table->tasks, w->table->n);
	if (!task)
		return -ENOMEM;
	facts_fill(w, address, task);
	hash_put(w->table, w->table->n - 1);
	return 0;
}

/* A task that runs and whose task_struct is not in the dump: its CPU tells of it all the same. */
static int task_add_lost(struct walk *w, uint64_t address)
{
	struct task_facts *task;
	int r;

	if (!kernel_is_address(address) ||
	    task_table_find(w->table, address) != SNAPSHOT_NONE)
		return 0;
	r = hash_reserve(w->kernel, w->table);
	if (r < 0)
		return r;
	task = ARENA_APPEND(&w->kernel->arena, w->table->tasks, w->table->n);
	if (!task)
		return -ENOMEM;
	*task = (struct task_facts){ .address = address, .lost = true, .pid = SNAPSHOT_NONE,
				     .tgid = SNAPSHOT_NONE, .cpu = SNAPSHOT_NONE };
	hash_put(w->table, w->table->n - 1);
	return 0;
}

static void damage_note(struct task_table *table, const char *what, uint64_t at)
{
	if (!table->damage[0])
		snprintf(table->damage, sizeof(table->damage), "%s at %#llx", what,
			 (unsigned long long)at);
}

/*
 * The other threads of the process whose leader's bytes are in w->span. A process of one thread,
 * the usual one, is told by its links alone: no read of its signal_struct.
 */
static int threads_walk(struct walk *w)
{
	const struct layout *l = &w->l;
	uint64_t head, node;

	if (l->thread_node < 0 || l->signal < 0 || l->thread_head < 0)
		return 0;
	head = get64(w, l->signal) + (uint64_t)l->thread_head;
	node = get64(w, l->thread_node);
	while (node && node != head) {
		uint64_t task = node - (uint64_t)l->thread_node;
		int r = task_add(w, task);

		if (r == -ENOMEM || r == -E2BIG)
			return r;
		if (r < 0) {
			damage_note(w->table, "a thread list breaks off", task);
			return 0;
		}
		if (r == 1 && ++w->seen_again > w->seen_again_max) {
			damage_note(w->table, "a thread list runs in a circle", task);
			return 0;
		}
		node = get64(w, l->thread_node);
	}
	return 0;
}

struct pid_layout {
	int64_t head;	    /* of the tree, in struct pid_namespace */
	int64_t shift;	    /* in struct xa_node: bits of the pid below this node's */
	int64_t slots;	    /* in struct xa_node */
	uint32_t n_slots;
	int64_t first_task; /* head of the list of tasks with this pid, in struct pid */
	int64_t task_link;  /* their node, in struct task_struct */
};

static bool pid_layout_get(const struct types *types, struct pid_layout *ret)
{
	struct pid_layout l;
	struct member m;

	/* 4.20, commit f8d5d0cc145c; the radix tree before had the same shape and other names. */
	l.head = types_offset(types, "pid_namespace", "idr.idr_rt.xa_head");
	l.first_task = types_offset(types, "pid", "tasks[0].first");
	l.task_link = types_offset(types, "task_struct", "pid_links[0]");
	l.shift = types_offset(types, "xa_node", "shift");
	if (l.head < 0 || l.first_task < 0 || l.task_link < 0 || l.shift < 0 ||
	    types_member(types, "xa_node", "slots", &m) < 0)
		return false;
	l.slots = (int64_t)m.offset;
	l.n_slots = (uint32_t)(m.size / 8);
	*ret = l;
	return l.n_slots > 0 && l.n_slots <= XA_SLOTS_MAX;
}

/*
 * One entry of the pid tree: a node (lowest bits 10), of @shift, or a struct pid. A shift of -1
 * takes any: the root's. Below it shifts fall to 0, which bounds the depth. @lost counts what cannot
 * be read.
 */
static int pid_entry_walk(struct walk *w, const struct pid_layout *l, uint64_t entry, int shift,
			  uint32_t *lost)
{
	uint64_t slots[XA_SLOTS_MAX], node = entry & ~3ULL, task;
	uint8_t own;
	int r = 0;

	if (!kernel_is_address(entry) || !w->pid_steps)
		return 0;
	w->pid_steps--;
	if ((entry & 3) != 2) {
		r = kernel_read_u64(w->kernel, entry + (uint64_t)l->first_task, &task);
		if (r >= 0 && !task)
			return 0; /* a pid that only a session or process group keeps */
		if (r >= 0)
			r = task_add(w, task - (uint64_t)l->task_link);
		*lost += r < 0 && r != -ENOMEM;
		return r == -ENOMEM ? r : 0;
	}
	if (kernel_read_u8(w->kernel, node + (uint64_t)l->shift, &own) < 0 ||
	    own > XA_DEPTH_MAX * XA_BITS || own % XA_BITS || (shift >= 0 && own != shift) ||
	    kernel_read(w->kernel, node + (uint64_t)l->slots, slots, l->n_slots * 8) < 0) {
		++*lost;
		return 0;
	}
	for (uint32_t i = 0; i < l->n_slots && r >= 0; i++)
		if (own || (slots[i] & 3) != 2)
			r = pid_entry_walk(w, l, slots[i], own - XA_BITS, lost);
	return r;
}

/* Where the list is broken, the pids lead to the tasks behind the break. */
static int pids_walk(struct walk *w)
{
	struct pid_layout l;
	uint64_t namespace, entry;
	uint32_t lost = 0;
	int r;

	w->pid_steps = PID_STEPS_MAX;
	if (!pid_layout_get(w->kernel->types, &l) ||
	    kernel_symbol(w->kernel, "init_pid_ns", &namespace) < 0 ||
	    kernel_read_u64(w->kernel, namespace + (uint64_t)l.head, &entry) < 0)
		return 0;
	r = pid_entry_walk(w, &l, entry, -1, &lost);
	if (r >= 0 && lost)
		snprintf(w->table->damage, sizeof(w->table->damage),
			 "%u of them %s not in the dump or damaged", lost,
			 lost == 1 ? "is" : "are");
	return r;
}

static int list_walk(struct walk *w, uint64_t init_task)
{
	uint64_t head = init_task + (uint64_t)w->l.tasks, node;
	int r;

	r = task_add(w, init_task);
	if (r < 0)
		return r;
	node = get64(w, w->l.tasks);
	while (node != head) {
		uint64_t task = node - (uint64_t)w->l.tasks;

		r = task_add(w, task);
		if (r == -ENOMEM)
			return r;
		if (r < 0) {
			damage_note(w->table, "the task list breaks off", task);
			return 0;
		}
		if (r == 1 && ++w->seen_again > w->seen_again_max) {
			damage_note(w->table, "the task list runs in a circle", task);
			return 0;
		}
		node = get64(w, w->l.tasks);
		r = threads_walk(w);
		if (r == -E2BIG) {
			damage_note(w->table, "there are more than there can be, from the threads",
				    task);
			return 0;
		}
		if (r < 0)
			return r;
	}
	return 0;
}

static uint64_t stack_size_find(struct kernel *kernel)
{
	uint64_t start, end;

	/* INIT_TASK_DATA in include/asm-generic/vmlinux.lds.h; renamed in 6.10. */
	if ((kernel_symbol(kernel, "__start_init_stack", &start) == 0 &&
	     kernel_symbol(kernel, "__end_init_stack", &end) == 0) ||
	    (kernel_symbol(kernel, "__start_init_task", &start) == 0 &&
	     kernel_symbol(kernel, "__end_init_task", &end) == 0)) {
		uint64_t size = end - start;

		if (size >= 4096 && size <= 256 * 1024 && (size & (size - 1)) == 0)
			return size;
	}
	return 16384;
}

int tasks_load(struct kernel *kernel, const uint64_t *first, uint32_t n_first,
	       struct task_table *ret_table)
{
	struct task_table table = { 0 };
	struct walk w = { .kernel = kernel, .table = &table };
	uint64_t init_task;
	int r;

	if (!kernel->types)
		return -ENOENT;
	r = layout_get(kernel->types, &w.l);
	if (r < 0)
		return r;
	w.span = malloc(w.l.span);
	if (!w.span)
		return -ENOMEM;
	table.stack_size = stack_size_find(kernel);
	/* Only those added ahead of the walk are met again by it, and init_task. */
	w.seen_again_max = n_first + 1;
	for (uint32_t i = 0; i < n_first && r >= 0; i++) {
		if (!first[i])
			continue;
		r = task_add(&w, first[i]);
		if (r < 0 && r != -ENOMEM)
			r = task_add_lost(&w, first[i]);
	}
	table.n_first = table.n;
	if (r >= 0)
		r = kernel_symbol(kernel, "init_task", &init_task);
	if (r >= 0) {
		r = list_walk(&w, init_task);
		if (r < 0 && r != -ENOMEM) {
			damage_note(&table, "the first task cannot be read", init_task);
			r = 0;
		}
		if (r >= 0 && table.damage[0])
			r = pids_walk(&w);
	}
	free(w.span);
	if (r < 0)
		return r;
	*ret_table = table;
	return 0;
}
