// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Locks that sleep. Their waiters stand in a list whose entries are on the waiters' own stacks and
 * name the waiting task: an entry that names its own task, is linked to by its neighbours, and
 * leads to exactly one place that is nobody's stack, the head inside the lock, is proof enough.
 * Each list is walked once and its entries are remembered; ten thousand waiters cost one walk.
 *
 * Those that still spin for a mutex or rwsem (optimistic spinning) have no entry yet: they are told
 * by the queue of spinners, whose tail must be a CPU that spins so.
 */
#include <errno.h>
#include <stdlib.h>

#include "kernel/locks_internal.h"

/* What the entries of one kind of list look like. */
struct shape {
	enum lock_kind kind;
	int64_t node;  /* struct list_head in the entry */
	int64_t task;  /* pointer to the waiting task in the entry */
	int64_t head;  /* struct list_head in the lock */
};

static uint32_t queued_hash(uint64_t entry)
{
	return (uint32_t)((entry >> 3) * 0x9e3779b97f4a7c15ULL >> 32);
}

static struct queued *queued_find(struct lock_scene *scene, uint64_t entry)
{
	for (uint32_t i = queued_hash(entry);; i++) {
		struct queued *q = &scene->queued[i & (scene->queued_size - 1)];

		if (!q->entry || q->entry == entry)
			return q;
	}
}

static int queued_add(struct lock_scene *scene, struct queued item)
{
	struct queued *old = scene->queued, *q;
	uint32_t old_size = scene->queued_size;

	if (scene->n_queued >= old_size / 2) {
		struct queued *bigger = calloc((size_t)old_size * 2, sizeof(*bigger));

		if (!bigger)
			return -ENOMEM;
		scene->queued = bigger;
		scene->queued_size = old_size * 2;
		for (uint32_t i = 0; i < old_size; i++)
			if (old[i].entry)
				*queued_find(scene, old[i].entry) = old[i];
		free(old);
	}
	q = queued_find(scene, item.entry);
	scene->n_queued += !q->entry;
	*q = item;
	return 0;
}

/* The task whose stack holds @entry, when the entry names that very task. */
static uint32_t entry_task(struct lock_scene *scene, uint64_t entry, int64_t task_offset)
{
	const struct task_table *table = scene->means->tasks;
	uint64_t address;
	uint32_t task;

	if (!read_u64(scene, entry, task_offset, &address))
		return SNAPSHOT_NONE;
	task = task_table_find(table, address);
	if (task == SNAPSHOT_NONE || entry < table->tasks[task].stack ||
	    entry >= table->tasks[task].stack + table->stack_size)
		return SNAPSHOT_NONE;
	return task;
}

static bool node_is_linked(struct lock_scene *scene, uint64_t node)
{
	uint64_t next, prev, back, forth;

	return read_u64(scene, node, 0, &next) && read_u64(scene, node, 8, &prev) &&
	       next != node && read_u64(scene, next, 8, &back) && back == node &&
	       read_u64(scene, prev, 0, &forth) && forth == node;
}

/* The node of the list of @node that is in no waiter's entry. -ENOENT: none, or more than one. */
static int head_find(struct lock_scene *scene, uint64_t node, int64_t node_offset,
		     int64_t task_offset, uint64_t *ret_head)
{
	uint64_t at = node, head = 0;

	while (scene->steps_left) {
		scene->steps_left--;
		if (!read_u64(scene, at, 0, &at) || !kernel_is_address(at))
			return -ENOENT;
		if (at == node) {
			if (!head)
				return -ENOENT;
			*ret_head = head;
			return 0;
		}
		if (entry_task(scene, at - (uint64_t)node_offset, task_offset) != SNAPSHOT_NONE)
			continue;
		if (head)
			return -ENOENT;
		head = at;
	}
	return -ENOENT;
}

int wait_list_find(struct lock_scene *scene, const struct waiter *waiter, int64_t node_offset,
		   int64_t task_offset, uint64_t *ret_entry, uint64_t *ret_head)
{
	uint64_t task = waiter_task_address(scene, waiter);

	if (!task || node_offset < 0 || task_offset < 0)
		return -ENOENT;
	slots_collect(scene, waiter->stack, NULL, waiter->inner, waiter->wait->frame + 1);
	for (uint32_t i = 0; i < scene->slots.n; i++) {
		const struct slot *slot = &scene->slots.v[i];
		uint64_t entry = slot->at - (uint64_t)task_offset;

		if (!slot->at || slot->value != task)
			continue;
		if (queued_find(scene, entry)->entry) {
			*ret_entry = entry;
			*ret_head = 0;
			return 0;
		}
		if (!node_is_linked(scene, entry + (uint64_t)node_offset) ||
		    head_find(scene, entry + (uint64_t)node_offset, node_offset, task_offset,
			      ret_head) < 0)
			continue;
		*ret_entry = entry;
		return 0;
	}
	return -ENOENT;
}

/* Remembers the places of all waiters in the list at @head of lock @index. */
static int list_remember(struct lock_scene *scene, const struct shape *shape, uint64_t head,
			 uint32_t index)
{
	uint64_t at = head;
	int32_t position = 0;

	while (scene->steps_left) {
		struct queued item = { .lock = index, .position = position++ };
		int r;

		scene->steps_left--;
		if (!read_u64(scene, at, 0, &at) || !kernel_is_address(at) || at == head)
			return 0;
		item.entry = at - (uint64_t)shape->node;
		/* Those in interruptible sleep are not blocked for the scheduler, but they wait. */
		scene_want_task(scene, entry_task(scene, item.entry, shape->task));
		r = queued_add(scene, item);
		if (r < 0)
			return r;
	}
	return 0;
}

static void mutex_fill(struct lock_scene *scene, uint32_t index, uint64_t raw)
{
	struct lock *lock = &scene->snapshot->locks[index];
	struct mutex_word word;

	mutex_decode(raw, &word);
	lock->has_word = true;
	lock->word = raw;
	lock->locked = word.owner != 0;
	lock->word_text = mutex_text(&scene->snapshot->arena, &word);
	scene_owner(scene, index, word.owner, OWNER_STORED);
}

static void rwsem_fill(struct lock_scene *scene, uint32_t index, uint64_t count, uint64_t owner)
{
	struct lock *lock = &scene->snapshot->locks[index];
	struct rwsem_word word;

	lock->has_word = true;
	lock->word = count;
	if (!rwsem_decode((int64_t)count, owner, scene->layout.rwsem_xadd, &word))
		return;
	lock->locked = word.writer || word.readers;
	lock->writer = word.writer;
	lock->readers = word.readers;
	lock->word_text = rwsem_text(&scene->snapshot->arena, &word);
	scene_owner(scene, index, word.owner, word.owner_is_hint ? OWNER_HINT : OWNER_STORED);
}

static void semaphore_fill(struct lock_scene *scene, uint32_t index, uint32_t count)
{
	struct lock *lock = &scene->snapshot->locks[index];
	uint64_t holder;

	lock->has_word = true;
	lock->word = count;
	lock->locked = count == 0;
	lock->word_text = arena_printf(&scene->snapshot->arena, count ? "count %u" : "taken", count);
	if (count == 0 && read_u64(scene, lock->address, scene->layout.semaphore_last_holder,
				   &holder))
		scene_owner(scene, index, holder, OWNER_HINT);
}

static void percpu_rwsem_fill(struct lock_scene *scene, uint32_t index, uint32_t block)
{
	struct lock *lock = &scene->snapshot->locks[index];
	uint64_t writer = 0;

	lock->has_word = true;
	lock->word = block;
	read_u64(scene, lock->address, scene->layout.percpu_rwsem_writer, &writer);
	/* ->writer is only set while the writer that has blocked new readers waits for old ones. */
	lock->locked = block != 0;
	lock->writer = block != 0 && !writer;
	lock->word_text = arena_strdup(&scene->snapshot->arena,
				       !block ? "open for readers" :
				       writer ? "a writer waits for the readers inside" :
						"held for writing");
	if (writer)
		scene_want_task(scene, task_table_find(scene->means->tasks, writer));
}

static void completion_fill(struct lock_scene *scene, uint32_t index, uint32_t done)
{
	struct lock *lock = &scene->snapshot->locks[index];

	lock->has_word = true;
	lock->word = done;
	lock->locked = done == 0;
	lock->word_text = arena_strdup(&scene->snapshot->arena, done ? "done" : "not done");
}

/* Reads the state of the new lock @index; false when the place cannot be such a lock. */
static bool state_fill(struct lock_scene *scene, enum lock_kind kind, uint64_t address,
		       uint32_t *ret_index)
{
	const struct lock_layout *l = &scene->layout;
	uint64_t a = 0, b = 0;
	uint32_t n = 0;
	bool ok;

	switch (kind) {
	case LOCK_MUTEX:
		ok = read_u64(scene, address, l->mutex_owner, &a) && (a & 1);
		break;
	case LOCK_RWSEM:
		ok = read_u64(scene, address, l->rwsem_count, &a) &&
		     read_u64(scene, address, l->rwsem_owner, &b);
		break;
	case LOCK_SEMAPHORE:
		ok = read_u32(scene, address, l->semaphore_count, &n);
		break;
	case LOCK_PERCPU_RWSEM:
		ok = read_u32(scene, address, l->percpu_rwsem_block, &n) && n <= 1;
		break;
	default:
		ok = read_u32(scene, address, l->completion_done, &n);
	}
	if (!ok)
		return false;
	*ret_index = scene_lock(scene, kind, address);
	if (*ret_index == SNAPSHOT_NONE || scene->snapshot->locks[*ret_index].has_word)
		return true;
	if (kind == LOCK_MUTEX)
		mutex_fill(scene, *ret_index, a);
	else if (kind == LOCK_RWSEM)
		rwsem_fill(scene, *ret_index, a, b);
	else if (kind == LOCK_SEMAPHORE)
		semaphore_fill(scene, *ret_index, n);
	else if (kind == LOCK_PERCPU_RWSEM)
		percpu_rwsem_fill(scene, *ret_index, n);
	else
		completion_fill(scene, *ret_index, n);
	return true;
}

static int list_wait_find(struct lock_scene *scene, const struct waiter *waiter,
			  const struct shape *shape)
{
	uint64_t entry, head;
	uint32_t index;
	int r;

	if (shape->head < 0)
		return -ENOENT;
	r = wait_list_find(scene, waiter, shape->node, shape->task, &entry, &head);
	if (r < 0)
		return r;
	if (head) {
		if (!state_fill(scene, shape->kind, head - (uint64_t)shape->head, &index))
			return -ENOENT;
		if (index == SNAPSHOT_NONE)
			return -ENOMEM;
		r = list_remember(scene, shape, head, index);
		if (r < 0)
			return r;
	}
	if (!queued_find(scene, entry)->entry)
		return -ENOENT;
	waiter->wait->lock = queued_find(scene, entry)->lock;
	waiter->wait->queue_pos = queued_find(scene, entry)->position;
	return 0;
}

/* The task's own pointer to its waiter leads to the lock (kernel/locking/rtmutex.c). */
static int rt_wait_find(struct lock_scene *scene, const struct waiter *waiter)
{
	const struct lock_layout *l = &scene->layout;
	uint64_t entry, task = waiter_task_address(scene, waiter), named, lock, owner;
	struct lock *item;
	uint32_t index;

	if (!task)
		return -ENOENT;
	entry = scene->means->tasks->tasks[waiter->task].pi_blocked_on;
	if (!kernel_is_address(entry) || !read_u64(scene, entry, l->rt_waiter_task, &named) ||
	    named != task || !read_u64(scene, entry, l->rt_waiter_lock, &lock) ||
	    !address_may_be_lock(scene, lock, 8) || !read_u64(scene, lock, l->rt_owner, &owner))
		return -ENOENT;
	index = scene_lock(scene, waiter->wait->kind, lock);
	if (index == SNAPSHOT_NONE)
		return -ENOMEM;
	waiter->wait->lock = index;
	item = &scene->snapshot->locks[index];
	if (item->has_word)
		return 0;
	item->has_word = true;
	item->word = owner;
	item->locked = (owner & ~1ULL) != 0;
	item->word_text = arena_strdup(&scene->snapshot->arena,
				       owner & ~1ULL ? "locked, with waiters" : "free");
	scene_owner(scene, index, owner & ~1ULL, OWNER_STORED);
	return 0;
}

/* percpu_down_write() waits with itself in ->writer for the readers inside to leave. */
static int percpu_writer_find(struct lock_scene *scene, const struct waiter *waiter)
{
	const struct lock_layout *l = &scene->layout;
	uint64_t task = waiter_task_address(scene, waiter), writer;
	uint32_t block, index;

	if (!task || waiter->wait->kind != LOCK_PERCPU_RWSEM || l->percpu_rwsem_writer < 0)
		return -ENOENT;
	for (uint32_t i = 0; i < scene->slots.n; i++) {
		uint64_t sem = scene->slots.v[i].value;

		if (!address_may_be_lock(scene, sem, 8) ||
		    !read_u64(scene, sem, l->percpu_rwsem_writer, &writer) || writer != task ||
		    !read_u32(scene, sem, l->percpu_rwsem_block, &block) || block != 1 ||
		    !state_fill(scene, LOCK_PERCPU_RWSEM, sem, &index))
			continue;
		waiter->wait->lock = index;
		return index == SNAPSHOT_NONE ? -ENOMEM : 0;
	}
	return -ENOENT;
}

static bool cpu_spins_for(const struct lock_scene *scene, uint32_t id, enum lock_kind kind)
{
	uint32_t i = snapshot_cpu_by_id(scene->snapshot, id);

	if (i == SNAPSHOT_NONE)
		return false;
	for (uint32_t k = 0; k < scene->snapshot->cpus[i].n_waits; k++)
		if (scene->snapshot->cpus[i].waits[k].kind == kind)
			return true;
	return false;
}

/* Is @address a mutex or rwsem for which CPUs spin, with an owner who is somebody else? */
static bool spins_for(struct lock_scene *scene, const struct waiter *waiter, uint64_t address)
{
	const struct lock_layout *l = &scene->layout;
	bool mutex = waiter->wait->kind == LOCK_MUTEX;
	uint64_t owner;
	uint32_t tail;

	if (!address_may_be_lock(scene, address, 8) ||
	    !read_u32(scene, address, mutex ? l->mutex_osq : l->rwsem_osq, &tail) ||
	    tail == 0 || tail > scene->kernel->nr_cpu_ids ||
	    !cpu_spins_for(scene, tail - 1, waiter->wait->kind) ||
	    !read_u64(scene, address, mutex ? l->mutex_owner : l->rwsem_owner, &owner))
		return false;
	owner &= ~7ULL;
	return owner != waiter_task_address(scene, waiter) &&
	       (!owner || task_table_find(scene->means->tasks, owner) != SNAPSHOT_NONE);
}

static int optimistic_find(struct lock_scene *scene, const struct waiter *waiter)
{
	const struct lock_layout *l = &scene->layout;
	bool mutex = waiter->wait->kind == LOCK_MUTEX;
	int64_t osq = mutex ? l->mutex_osq : l->rwsem_osq;
	uint32_t cpu = snapshot_cpu_by_id(scene->snapshot, waiter->cpu), index;
	uint64_t found = 0;

	if ((!mutex && waiter->wait->kind != LOCK_RWSEM) || osq < 0 || cpu == SNAPSHOT_NONE)
		return -ENOENT;
	slots_collect(scene, waiter->stack, &scene->snapshot->cpus[cpu].regs, waiter->inner,
		      waiter->wait->frame + 1);
	for (uint32_t i = 0; i < scene->slots.n; i++) {
		/* osq_lock() has the address of the queue, the others that of the lock. */
		uint64_t value = scene->slots.v[i].value;
		uint64_t try[] = { value, value - (uint64_t)osq };

		for (int k = 0; k < 2; k++) {
			if (try[k] == found || !spins_for(scene, waiter, try[k]))
				continue;
			if (found)
				return -ENOENT;
			found = try[k];
		}
	}
	if (!found)
		return -ENOENT;
	index = scene_lock(scene, waiter->wait->kind, found);
	if (index == SNAPSHOT_NONE)
		return -ENOMEM;
	waiter->wait->lock = index;
	if (!scene->snapshot->locks[index].has_word) {
		uint64_t a = 0, b = 0;

		if (mutex && read_u64(scene, found, l->mutex_owner, &a))
			mutex_fill(scene, index, a);
		else if (read_u64(scene, found, l->rwsem_count, &a) &&
			 read_u64(scene, found, l->rwsem_owner, &b))
			rwsem_fill(scene, index, a, b);
	}
	return 0;
}

int sleep_wait_find(struct lock_scene *scene, const struct waiter *waiter)
{
	const struct lock_layout *l = &scene->layout;
	const struct shape shapes[] = {
		{ LOCK_MUTEX, 0, l->mutex_waiter_task, l->mutex_wait_list },
		{ LOCK_RWSEM, 0, l->rwsem_waiter_task, l->rwsem_wait_list },
		{ LOCK_SEMAPHORE, 0, l->semaphore_waiter_task, l->semaphore_wait_list },
		{ LOCK_COMPLETION, l->swait_node, l->swait_task, l->completion_list },
		{ LOCK_COMPLETION, l->wqe_node, l->wqe_private, l->completion_list },
		{ LOCK_PERCPU_RWSEM, l->wqe_node, l->wqe_private, l->percpu_rwsem_waiters },
	};

	for (size_t i = 0; i < sizeof(shapes) / sizeof(*shapes); i++) {
		int r;

		if (shapes[i].kind != waiter->wait->kind)
			continue;
		r = list_wait_find(scene, waiter, &shapes[i]);
		if (r != -ENOENT)
			return r;
	}
	if (percpu_writer_find(scene, waiter) == 0)
		return 0;
	/* rtmutexes proper, and under PREEMPT_RT all the others. */
	if (rt_wait_find(scene, waiter) == 0)
		return 0;
	return waiter->cpu == SNAPSHOT_NONE ? -ENOENT : optimistic_find(scene, waiter);
}
