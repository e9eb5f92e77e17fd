// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Flushes of work (kernel/workqueue.c). flush_work() queues a barrier, which is on the waiter's
 * stack, behind the work: in the list of the worker that executes it. flush_workqueue() waits with a
 * flusher on its stack, which the workqueue points to. The owner is the task of a worker.
 */
#include <errno.h>
#include <stdlib.h>

#include "kernel/locks_internal.h"

#define WORK_PWQ 4ULL /* WORK_STRUCT_PWQ: data is a pool_workqueue's address and flags */
#define FLUSHERS_MAX 65536

struct worker_facts {
	uint64_t address;
	uint64_t current_work;
	uint64_t current_func;
	uint64_t workqueue; /* of the work it executes, 0 none */
	uint32_t task;	    /* index */
};

struct worker_table {
	struct worker_facts *v;
	uint32_t n;
	int64_t scheduled; /* offset in struct worker */
};

/* kthread_data(): what the worker's thread was started with. */
static uint64_t worker_of_task(struct lock_scene *scene, uint32_t task)
{
	const struct task_facts *facts = &scene->means->tasks->tasks[task];
	int64_t data = types_offset(scene->kernel->types, "kthread", "data");
	int64_t task_offset = types_offset(scene->kernel->types, "worker", "task");
	uint64_t worker, back;

	if (!kernel_is_address(facts->kthread) ||
	    !read_u64(scene, facts->kthread, data, &worker) || !kernel_is_address(worker) ||
	    !read_u64(scene, worker, task_offset, &back) || back != facts->address)
		return 0;
	return worker;
}

static int workers_load(struct lock_scene *scene)
{
	const struct types *t = scene->kernel->types;
	int64_t work = types_offset(t, "worker", "current_work");
	int64_t func = types_offset(t, "worker", "current_func");
	int64_t pwq = types_offset(t, "worker", "current_pwq");
	int64_t wq = types_offset(t, "pool_workqueue", "wq");
	const struct task_table *tasks = scene->means->tasks;
	struct worker_table *table;

	if (scene->workers)
		return 0;
	table = arena_calloc(&scene->kernel->arena, 1, sizeof(*table));
	if (!table)
		return -ENOMEM;
	scene->workers = table;
	table->scheduled = types_offset(t, "worker", "scheduled");
	for (uint32_t i = 0; i < tasks->n; i++) {
		struct worker_facts facts = { .task = i }, *item;
		uint64_t pool;

		if (!(tasks->tasks[i].flags & TASK_PF_WQ_WORKER))
			continue;
		facts.address = worker_of_task(scene, i);
		if (!facts.address || !read_u64(scene, facts.address, work, &facts.current_work))
			continue;
		read_u64(scene, facts.address, func, &facts.current_func);
		if (read_u64(scene, facts.address, pwq, &pool) && kernel_is_address(pool))
			read_u64(scene, pool, wq, &facts.workqueue);
		item = ARENA_APPEND(&scene->kernel->arena, table->v, table->n);
		if (!item)
			return -ENOMEM;
		*item = facts;
	}
	return 0;
}

static const char *function_name(struct lock_scene *scene, uint64_t func)
{
	struct symbol symbol;

	if (!func || kernel_symbol_at(scene->kernel, func, &symbol) < 0)
		return NULL;
	return arena_strdup(&scene->snapshot->arena, symbol.name);
}

static int work_lock_set(struct lock_scene *scene, const struct waiter *waiter,
			 const struct worker_facts *worker, uint64_t address, const char *name)
{
	uint32_t index = scene_lock(scene, LOCK_WORKQUEUE, address);
	struct lock *lock;

	if (index == SNAPSHOT_NONE)
		return -ENOMEM;
	waiter->wait->lock = index;
	lock = &scene->snapshot->locks[index];
	if (lock->word_text)
		return 0;
	lock->locked = worker != NULL;
	lock->name = name;
	lock->word_text = arena_strdup(&scene->snapshot->arena,
				       worker ? "being executed" : "not being executed");
	if (worker)
		scene_owner(scene, index, scene->snapshot->tasks[worker->task].address,
			    OWNER_STORED);
	return 0;
}

/* The worker in whose list of scheduled works the list node @node is. */
static const struct worker_facts *worker_by_list(struct lock_scene *scene, uint64_t node)
{
	const struct worker_table *table = scene->workers;
	uint64_t at = node;

	while (table->scheduled >= 0 && scene->steps_left) {
		scene->steps_left--;
		if (kernel_read_u64(scene->kernel, at, &at) < 0 || at == node ||
		    !kernel_is_address(at))
			return NULL;
		for (uint32_t i = 0; i < table->n; i++)
			if (at == table->v[i].address + (uint64_t)table->scheduled)
				return &table->v[i];
	}
	return NULL;
}

/*
 * The work before the barrier at list node @node, which nobody executes yet: *@ret_work. The pool
 * that should is told by the work's data (WORK_STRUCT_PWQ and a pool_workqueue in its upper bits).
 */
static bool pending_work(struct lock_scene *scene, uint64_t node, uint64_t *ret_work,
			 uint32_t *ret_cpu)
{
	const struct types *t = scene->kernel->types;
	int64_t entry = types_offset(t, "work_struct", "entry");
	int64_t pool_offset = types_offset(t, "pool_workqueue", "pool");
	int64_t cpu_offset = types_offset(t, "worker_pool", "cpu");
	uint64_t prev, work, data, func, pool;
	int64_t bits;
	uint32_t cpu;

	if (types_enum(t, "WORK_STRUCT_PWQ_SHIFT", &bits) < 0 && /* 6.9 */
	    types_enum(t, "WORK_STRUCT_FLAG_BITS", &bits) < 0)
		bits = 8;
	if (bits < 0 || bits > 12 || entry < 0 || !read_u64(scene, node, 8, &prev))
		return false;
	work = prev - (uint64_t)entry;
	if (!read_u64(scene, work, types_offset(t, "work_struct", "func"), &func) ||
	    !kernel_is_text(scene->kernel, func) ||
	    !read_u64(scene, work, types_offset(t, "work_struct", "data"), &data) ||
	    !(data & WORK_PWQ) || !read_u64(scene, data >> bits << bits, pool_offset, &pool) ||
	    !read_u32(scene, pool, cpu_offset, &cpu))
		return false;
	*ret_work = work;
	/* Unbound pools have -1. */
	*ret_cpu = kernel_cpu_online(scene->kernel, cpu) ? cpu : SNAPSHOT_NONE;
	return true;
}

/* The completion in which @waiter stands: its struct's address, 0 none. */
static uint64_t waited_completion(struct lock_scene *scene, const struct waiter *waiter)
{
	const struct lock_layout *l = &scene->layout;
	uint64_t entry, head;

	if (l->completion_list < 0)
		return 0;
	if ((wait_list_find(scene, waiter, l->swait_node, l->swait_task, &entry, &head) < 0 ||
	     !head) &&
	    (wait_list_find(scene, waiter, l->wqe_node, l->wqe_private, &entry, &head) < 0 ||
	     !head))
		return 0;
	return head - (uint64_t)l->completion_list;
}

/* flush_work(), cancel_work_sync(): a wq_barrier of the waiter is in some worker's list. */
static int barrier_find(struct lock_scene *scene, const struct waiter *waiter, uint64_t completion)
{
	const struct types *t = scene->kernel->types;
	int64_t done = types_offset(t, "wq_barrier", "done");
	int64_t entry = types_offset(t, "wq_barrier", "work.entry");
	int64_t task = types_offset(t, "wq_barrier", "task");
	const struct worker_facts *worker;
	uint64_t barrier, named, work, func = 0;
	uint32_t cpu;
	int r;

	if (done < 0 || entry < 0 || task < 0)
		return -ENOENT;
	barrier = completion - (uint64_t)done;
	if (!read_u64(scene, barrier, task, &named) ||
	    named != waiter_task_address(scene, waiter))
		return -ENOENT;
	worker = worker_by_list(scene, barrier + (uint64_t)entry);
	if (worker)
		return work_lock_set(scene, waiter, worker, worker->current_work,
				     function_name(scene, worker->current_func));
	if (!pending_work(scene, barrier + (uint64_t)entry, &work, &cpu))
		return -ENOENT;
	read_u64(scene, work, types_offset(t, "work_struct", "func"), &func);
	r = work_lock_set(scene, waiter, NULL, work, function_name(scene, func));
	if (r >= 0 && cpu != SNAPSHOT_NONE) {
		struct lock *lock = &scene->snapshot->locks[waiter->wait->lock];

		/* A bound pool's works run on its CPU and nowhere else. */
		lock->locked = 1;
		lock->owner_source = OWNER_STORED;
		lock->owner_cpu = cpu;
	}
	return r;
}

/* Is @flusher the first flusher of the workqueue at @wq, or in its queue of flushers? */
static bool workqueue_has_flusher(struct lock_scene *scene, uint64_t wq, uint64_t flusher)
{
	const struct types *t = scene->kernel->types;
	int64_t first = types_offset(t, "workqueue_struct", "first_flusher");
	int64_t queue = types_offset(t, "workqueue_struct", "flusher_queue");
	uint64_t at;

	if (read_u64(scene, wq, first, &at) && at == flusher)
		return true;
	if (queue < 0)
		return false;
	at = wq + (uint64_t)queue;
	for (int i = 0; i < FLUSHERS_MAX; i++)
		if (kernel_read_u64(scene->kernel, at, &at) < 0 || at == wq + (uint64_t)queue)
			return false;
		else if (at == flusher) /* ->list is its first member */
			return true;
	return false;
}

/*
 * flush_workqueue(): any worker that executes a work of it may be what it waits for; the waiter
 * itself above all, if it is one of them.
 */
static int flusher_find(struct lock_scene *scene, const struct waiter *waiter, uint64_t completion)
{
	const struct types *t = scene->kernel->types;
	int64_t done = types_offset(t, "wq_flusher", "done");
	int64_t name = types_offset(t, "workqueue_struct", "name");
	const struct worker_table *table = scene->workers;
	const struct worker_facts *worker = NULL;
	uint64_t wq = 0;
	uint32_t busy = 0;
	char buf[32] = "";

	if (done < 0)
		return -ENOENT;
	slots_collect(scene, waiter->stack, NULL, waiter->inner, waiter->wait->frame + 2);
	for (uint32_t i = 0; i < scene->slots.n && !wq; i++)
		if (address_may_be_lock(scene, scene->slots.v[i].value, 8) &&
		    workqueue_has_flusher(scene, scene->slots.v[i].value,
					  completion - (uint64_t)done))
			wq = scene->slots.v[i].value;
	if (!wq)
		return -ENOENT;
	for (uint32_t i = 0; i < table->n; i++) {
		if (table->v[i].workqueue != wq || !table->v[i].current_work)
			continue;
		busy++;
		if (!worker || table->v[i].task == waiter->task)
			worker = &table->v[i];
	}
	if (worker && worker->task != waiter->task && busy > 1)
		worker = NULL;
	if (name >= 0)
		kernel_read_string(scene->kernel, wq + (uint64_t)name, buf, sizeof(buf));
	return work_lock_set(scene, waiter, worker, wq,
			     buf[0] ? arena_strdup(&scene->snapshot->arena, buf) : NULL);
}

int work_wait_find(struct lock_scene *scene, const struct waiter *waiter)
{
	uint64_t completion;
	int r;

	if (waiter->cpu != SNAPSHOT_NONE || waiter->task == SNAPSHOT_NONE)
		return -ENOENT;
	r = workers_load(scene);
	if (r < 0)
		return r;
	completion = waited_completion(scene, waiter);
	if (!completion)
		return -ENOENT;
	r = barrier_find(scene, waiter, completion);
	return r == -ENOENT ? flusher_find(scene, waiter, completion) : r;
}
