// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A name for a lock that survives a reboot. A global one has its symbol, a per-CPU one its variable.
 * One inside an object that was allocated is named by type and field: those who wait for it or hold it
 * are in functions whose prototypes are known, and a parameter that points to a struct with such a lock
 * in it, at the address which is indeed among their values, is what the lock belongs to. The nearest
 * caller counts most; where two names are equally good there is none.
 */
#include <errno.h>
#include <stdio.h>

#include "kernel/locks_internal.h"

#define PARTIES_MAX 16	/* waiters and holders asked for one lock's name */
#define CALLERS_MAX 6	/* frames outward from the lock's function */
#define PARAMS_MAX 6
#define NAMES_MAX 8
#define PATH_TEXT 128

struct vote {
	char name[PATH_TEXT];
	uint32_t distance; /* of the nearest caller that speaks for it */
	uint32_t count;
};

struct election {
	struct vote votes[NAMES_MAX];
	uint32_t n;
	uint32_t parties;
};

/* One search for a member of some struct. */
struct member_search {
	enum lock_kind kind;
	uint64_t address;
	uint64_t first_offset, last_offset; /* where in the struct it may be */
	const struct slots *slots;	    /* values of the party; NULL: exactly at first_offset */
	char path[PATH_TEXT];
};

static bool type_is_lock(enum lock_kind kind, const char *type)
{
	static const struct {
		enum lock_kind kind;
		const char *name;
	} types[] = {
		{ LOCK_SPINLOCK, "spinlock_t" },      { LOCK_SPINLOCK, "raw_spinlock_t" },
		{ LOCK_SPINLOCK, "spinlock" },	      { LOCK_SPINLOCK, "raw_spinlock" },
		{ LOCK_SPINLOCK, "qspinlock" },	      { LOCK_SPINLOCK, "arch_spinlock_t" },
		{ LOCK_RWLOCK, "rwlock_t" },	      { LOCK_RWLOCK, "qrwlock" },
		{ LOCK_RWLOCK, "arch_rwlock_t" },     { LOCK_MUTEX, "mutex" },
		{ LOCK_MUTEX, "ww_mutex" },	      { LOCK_RWSEM, "rw_semaphore" },
		{ LOCK_SEMAPHORE, "semaphore" },      { LOCK_RTMUTEX, "rt_mutex" },
		{ LOCK_RTMUTEX, "rt_mutex_base" },    { LOCK_PERCPU_RWSEM, "percpu_rw_semaphore" },
		{ LOCK_COMPLETION, "completion" },
	};

	for (size_t i = 0; type && i < sizeof(types) / sizeof(*types); i++)
		if (types[i].kind == kind && strcmp(types[i].name, type) == 0)
			return true;
	return false;
}

static bool values_have(const struct slots *slots, uint64_t value)
{
	for (uint32_t i = 0; i < slots->n; i++)
		if (slots->v[i].value == value)
			return true;
	return false;
}

static int member_visit(void *arg, const char *path, const char *type_name, uint64_t offset)
{
	struct member_search *s = arg;

	if (offset < s->first_offset || offset > s->last_offset || offset > s->address ||
	    !type_is_lock(s->kind, type_name) ||
	    (s->slots && !values_have(s->slots, s->address - offset)))
		return 0;
	snprintf(s->path, sizeof(s->path), "%s", path);
	return 1;
}

static void vote_cast(struct election *e, const char *type, const char *path, uint32_t distance)
{
	struct vote *vote = NULL;
	char name[PATH_TEXT];

	if ((size_t)snprintf(name, sizeof(name), "%s.%s", type, path) >= sizeof(name))
		return;
	for (uint32_t i = 0; i < e->n && !vote; i++)
		if (strcmp(e->votes[i].name, name) == 0)
			vote = &e->votes[i];
	if (!vote) {
		if (e->n == NAMES_MAX)
			return;
		vote = &e->votes[e->n++];
		*vote = (struct vote){ .distance = distance };
		memcpy(vote->name, name, sizeof(name));
	}
	if (distance < vote->distance)
		vote->distance = distance;
	vote->count++;
}

static const struct types *frame_types(struct lock_scene *scene, const struct frame *frame)
{
	const struct module *module = kernel_module_at(scene->kernel, frame->address);
	const struct types *types;

	if (module && types_module(scene->kernel, module, &types) == 0)
		return types;
	return scene->kernel->types;
}

/* Which structs that @frame's function is given hold the lock? */
static void frame_asks(struct lock_scene *scene, const struct lock *lock,
		       const struct frame *frame, uint32_t distance, struct election *e)
{
	const struct types *types = frame_types(scene, frame);
	struct function_param params[PARAMS_MAX];
	size_t n;

	if (!frame->function ||
	    types_function_params(types, frame->function, params, PARAMS_MAX, &n) < 0)
		return;
	for (size_t i = 0; i < n && i < PARAMS_MAX; i++) {
		struct member_search search = {
			.kind = lock->kind,
			.address = lock->address,
			/* At offset 0 the struct's address is the lock's, which proves nothing. */
			.first_offset = distance ? 1 : 0,
			.last_offset = 1 << 20,
			.slots = &scene->slots,
		};

		if (!params[i].pointer || !params[i].type_name || !*params[i].type_name ||
		    type_is_lock(lock->kind, params[i].type_name))
			continue;
		if (types_walk(types, params[i].type_name, member_visit, &search) == 1)
			vote_cast(e, params[i].type_name, search.path, distance);
	}
}

/* The values of a party up to frame @last: registers, stack slots, saved registers. */
static void party_values(struct lock_scene *scene, const struct stack *stack,
			 const struct regs *regs, uint32_t first, uint32_t last)
{
	slots_collect(scene, stack, regs, first, last);
	for (uint32_t i = first; i <= last && i < stack->n; i++) {
		struct regs saved = { 0 };

		if (!stack->frames[i].saved)
			continue;
		regs_set_kept(&saved, stack->frames[i].saved);
		slots_add_regs(scene, &saved, i);
	}
}

static void party_asks(struct lock_scene *scene, const struct lock *lock,
		       const struct stack *stack, const struct regs *regs, uint32_t first,
		       uint32_t nearest, struct election *e)
{
	uint32_t last = nearest + CALLERS_MAX;

	if (++e->parties > PARTIES_MAX || nearest >= stack->n)
		return;
	if (last >= stack->n)
		last = stack->n - 1;
	party_values(scene, stack, regs, first, last);
	for (uint32_t i = nearest; i <= last; i++) {
		if (i > nearest && stack->frames[i].interrupted)
			break;
		if (stack->frames[i].reliable)
			frame_asks(scene, lock, &stack->frames[i], i - nearest, e);
	}
}

/* Those who wait for lock @index, and those who are said to have taken it. */
static void stack_asks(struct lock_scene *scene, uint32_t index, const struct stack *stack,
		       const struct regs *regs, const struct wait *waits, uint32_t n_waits,
		       struct election *e)
{
	const struct lock *lock = &scene->snapshot->locks[index];

	for (uint32_t i = 0; i < n_waits; i++)
		if (waits[i].lock == index && waits[i].frame < stack->n)
			party_asks(scene, lock, stack, regs,
				   context_innermost(stack, waits[i].frame),
				   waits[i].frame + !waits[i].inlined, e);
	for (uint32_t i = 0; i < stack->n; i++)
		for (uint32_t k = 0; k < stack->frames[i].n_held; k++)
			if (stack->frames[i].held[k].lock == lock->address)
				party_asks(scene, lock, stack, regs, context_innermost(stack, i), i,
					   e);
}

static const struct vote *election_result(const struct election *e)
{
	const struct vote *best = NULL;
	bool tie = false;

	for (uint32_t i = 0; i < e->n; i++) {
		const struct vote *v = &e->votes[i];

		if (!best || v->distance < best->distance ||
		    (v->distance == best->distance && v->count > best->count)) {
			best = v;
			tie = false;
		} else if (v->distance == best->distance && v->count == best->count) {
			tie = true;
		}
	}
	return tie ? NULL : best;
}

static const char *name_by_type(struct lock_scene *scene, uint32_t index)
{
	struct snapshot *snapshot = scene->snapshot;
	const struct vote *vote;
	struct election e = { 0 };

	for (uint32_t i = 0; i < snapshot->n_cpus && e.parties < PARTIES_MAX; i++) {
		const struct cpu *cpu = &snapshot->cpus[i];

		stack_asks(scene, index, &cpu->stack, cpu->regs.known ? &cpu->regs : NULL,
			   cpu->waits, cpu->n_waits, &e);
	}
	for (uint32_t i = 0; i < snapshot->n_tasks && e.parties < PARTIES_MAX; i++) {
		const struct task *task = &snapshot->tasks[i];

		stack_asks(scene, index, &task->stack, NULL, task->waits, task->n_waits, &e);
	}
	vote = election_result(&e);
	return vote ? arena_strdup(&snapshot->arena, vote->name) : NULL;
}

/* The lock member at @offset of struct @type, as "variable.path". */
static const char *name_in_struct(struct lock_scene *scene, const struct lock *lock,
				  const char *variable, const char *type, uint64_t offset)
{
	struct member_search search = { .kind = lock->kind,
					.address = UINT64_MAX,
					.first_offset = offset,
					.last_offset = offset };

	if (types_walk(scene->kernel->types, type, member_visit, &search) != 1)
		return NULL;
	return arena_printf(&scene->snapshot->arena, "%s.%s", variable, search.path);
}

static bool symbol_is_data(const struct symbol *symbol)
{
	return symbol->type && strchr("dDbBrRaAvVsSgG", symbol->type);
}

static const char *name_by_symbol(struct lock_scene *scene, const struct lock *lock)
{
	struct symbol symbol;
	const char *name;
	uint64_t offset;

	if (kernel_symbol_at(scene->kernel, lock->address, &symbol) < 0 ||
	    !symbol_is_data(&symbol))
		return NULL;
	offset = lock->address - symbol.address;
	if (symbol.size && offset >= symbol.size)
		return NULL;
	if (!offset)
		return arena_strdup(&scene->snapshot->arena, symbol.name);
	/* A variable that is named like its type, as rcu_state. */
	name = name_in_struct(scene, lock, symbol.name, symbol.name, offset);
	if (name || !symbol.size)
		return name;
	return arena_printf(&scene->snapshot->arena, "%s+%#llx", symbol.name,
			    (unsigned long long)offset);
}

/* Per-CPU variables that are locked by other CPUs, and their types. */
static const char *name_by_percpu(struct lock_scene *scene, const struct lock *lock)
{
	static const struct {
		const char *variable, *type;
	} known[] = {
		{ "runqueues", "rq" },		      { "hrtimer_bases", "hrtimer_cpu_base" },
		{ "timer_bases", "timer_base" },      { "softnet_data", "softnet_data" },
		{ "rcu_data", "rcu_data" },	      { "cpu_worker_pools", "worker_pool" },
		{ "cpu_stopper", "cpu_stopper" },     { "tick_cpu_sched", "tick_sched" },
		{ "rcu_tasks_percpu", "rcu_tasks_percpu" },
	};
	struct kernel *kernel = scene->kernel;

	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
		uint64_t size, va;

		if (types_size(kernel->types, known[i].type, &size) < 0)
			continue;
		for (uint32_t cpu = 0; cpu < kernel->nr_cpu_ids; cpu++) {
			uint64_t offset, index;

			if (!kernel_cpu_online(kernel, cpu) ||
			    kernel_percpu(kernel, known[i].variable, cpu, &va) < 0 ||
			    lock->address < va)
				continue;
			/* timer_bases and cpu_worker_pools are small arrays. */
			offset = lock->address - va;
			index = size ? offset / size : 4;
			if (index < 4)
				return name_in_struct(scene, lock, known[i].variable,
						      known[i].type, offset % size);
		}
	}
	return NULL;
}

void locks_name(struct lock_scene *scene)
{
	for (uint32_t i = 0; i < scene->snapshot->n_locks; i++) {
		struct lock *lock = &scene->snapshot->locks[i];
		const char *name = lock->name;

		if (lock->kind == LOCK_CSD || lock->kind == LOCK_WORKQUEUE ||
		    lock->kind == LOCK_RCU || !lock->address)
			continue;
		if (!name)
			name = name_by_symbol(scene, lock);
		if (!name)
			name = name_by_percpu(scene, lock);
		if (!name)
			name = name_by_type(scene, i);
		lock->name = name;
	}
}
