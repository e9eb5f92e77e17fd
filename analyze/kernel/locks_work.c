// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Flushes of work (kernel/workqueue.c). flush_work() queues a barrier, which is on the waiter's
 * stack, behind the work: in the list of the worker that executes it. flush_workqueue() waits with a
 * flusher on its stack, which the workqueue points to. The owner is the task of a worker.
 */
#include <errno.h>
#include <stdlib.h>

#include "kernel/locks_internal.h"

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
				       worker ? "being executed" : "not yet executed");
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

/* flush_work(), cancel_work_sync(): a wq_barrier of the waiter is in some worker's list. */
static int barrier_find(struct lock_scene *scene, const struct waiter *waiter)
{
	const struct types *t = scene->kernel->types;
	int64_t done = types_offset(t, "wq_barrier", "done");
	int64_t entry = types_offset(t, "wq_barrier", "work.entry");
	int64_t task = types_offset(t, "wq_barrier", "task");
	const struct lock_layout *l = &scene->layout;
	const struct worker_facts *worker;
	uint64_t at, head, barrier, named;

	if (done < 0 || entry < 0 || task < 0 || l->completion_list < 0 ||
	    wait_list_find(scene, waiter, l->swait_node, l->swait_task, &at, &head) < 0 || !head)
		return -ENOENT;
	barrier = head - (uint64_t)l->completion_list - (uint64_t)done;
	/* The task whose work it waits in, in case of a rescuer; or who waits. */
	if (!read_u64(scene, barrier, task, &named) ||
	    named != waiter_task_address(scene, waiter))
		return -ENOENT;
	worker = worker_by_list(scene, barrier + (uint64_t)entry);
	if (!worker)
		return -ENOENT;
	return work_lock_set(scene, waiter, worker, worker->current_work,
			     function_name(scene, worker->current_func));
}

/*
 * flush_workqueue(): the waiter's wq_flusher is the workqueue's first, or in its queue of flushers.
 * Any worker that executes a work of it may be what it waits for; itself above all.
 */
static int flusher_find(struct lock_scene *scene, const struct waiter *waiter)
{
	const struct types *t = scene->kernel->types;
	int64_t first = types_offset(t, "workqueue_struct", "first_flusher");
	int64_t name = types_offset(t, "workqueue_struct", "name");
	const struct worker_table *table = scene->workers;
	const struct worker_facts *worker = NULL;
	uint64_t wq = 0, flusher, sp = waiter->stack->frames[waiter->inner].sp;
	uint32_t busy = 0;
	char buf[32] = "";

	slots_collect(scene, waiter->stack, NULL, waiter->inner, waiter->wait->frame + 2);
	for (uint32_t i = 0; i < scene->slots.n && !wq; i++) {
		uint64_t value = scene->slots.v[i].value;

		if (address_may_be_lock(scene, value, 8) &&
		    read_u64(scene, value, first, &flusher) && flusher > sp &&
		    flusher < sp + scene->means->tasks->stack_size)
			wq = value;
	}
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
	int r;

	if (waiter->cpu != SNAPSHOT_NONE || waiter->task == SNAPSHOT_NONE)
		return -ENOENT;
	r = workers_load(scene);
	if (r < 0)
		return r;
	r = barrier_find(scene, waiter);
	return r == -ENOENT ? flusher_find(scene, waiter) : r;
}
