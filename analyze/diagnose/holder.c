// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Who holds what. The kinds of proof are those of DESIGN.md, "How a holder is found". Each alone
 * gives a confidence; two that are independent give more. A choice between two that are nearly
 * equal is no choice: then there is no holder.
 */
#include "diagnose/holder.h"

#include <errno.h>
#include <string.h>

#include "diagnose/infer.h"
#include "diagnose/primitives.h"
#include "diagnose/section.h"

#define PREEMPT_MASK 0xffu   /* include/linux/preempt.h: preempt_disable() nesting */
#define SOFTIRQ_MASK 0xff00u /* … and softirqs or bottom halves disabled */
#define CLEAR_MARGIN 0.1     /* how far the best must be ahead of the next */
#define FUNCTION_SIZE_MAX 0x10000 /* hardly any is larger */

bool lock_kind_spins(enum lock_kind kind)
{
	return kind == LOCK_SPINLOCK || kind == LOCK_RWLOCK || kind == LOCK_BIT_SPINLOCK ||
	       kind == LOCK_CSD || kind == LOCK_SEQCOUNT;
}

static bool kind_has_sections(enum lock_kind kind)
{
	return kind == LOCK_SPINLOCK || kind == LOCK_RWLOCK || kind == LOCK_BIT_SPINLOCK ||
	       kind == LOCK_SEQCOUNT || kind == LOCK_MUTEX || kind == LOCK_RWSEM || kind == LOCK_SEMAPHORE ||
	       kind == LOCK_RTMUTEX || kind == LOCK_PERCPU_RWSEM;
}

static const struct lock *group_lock(const struct snapshot *snapshot, const struct group *group)
{
	return group->lock < snapshot->n_locks ? &snapshot->locks[group->lock] : NULL;
}

/* --- gathering --- */

static const char *waiter_function(const struct waiter *waiter)
{
	return waiter->caller == SNAPSHOT_NONE ? NULL :
						 waiter->actor->stack->frames[waiter->caller].function;
}

struct gathering {
	struct arena *arena;
	const struct snapshot *snapshot;
	struct groups groups;
	uint32_t *of_lock;    /* by lock: its group, NONE */
	uint32_t *unnamed;    /* groups of spinning locks that are told by function alone */
	uint32_t n_unnamed;
};

/*
 * Text never shows the address of a lock in which tasks sleep. Those who called for one at the very
 * same place are told of together, though they may be at several objects.
 */
static bool is_told_by_place(const struct gathering *g, const struct waiter *waiter)
{
	return (g->snapshot->kind == SOURCE_CRASH_TRANSCRIPT ||
		g->snapshot->kind == SOURCE_CONSOLE_LOG) &&
	       waiter->caller != SNAPSHOT_NONE && kind_has_sections(waiter->wait->kind);
}

static bool same_place(const struct waiter *a, const struct waiter *b)
{
	const struct frame *x = &a->actor->stack->frames[a->caller];
	const struct frame *y = &b->actor->stack->frames[b->caller];

	return x->address && y->address ? x->address == y->address : x->offset == y->offset;
}

/* Where the lock's address is unknown, the same caller of the same kind of lock stands for it. */
static uint32_t group_find(const struct gathering *g, const struct waiter *waiter)
{
	if (waiter->wait->lock < g->snapshot->n_locks)
		return g->of_lock[waiter->wait->lock];
	if (!lock_kind_spins(waiter->wait->kind) && !is_told_by_place(g, waiter))
		return SNAPSHOT_NONE;
	for (uint32_t i = 0; i < g->n_unnamed; i++) {
		const struct group *group = &g->groups.v[g->unnamed[i]];

		if (group->kind == waiter->wait->kind &&
		    function_same(waiter_function(&group->waiters[0]), waiter_function(waiter)) &&
		    (lock_kind_spins(group->kind) || same_place(&group->waiters[0], waiter)))
			return g->unnamed[i];
	}
	return SNAPSHOT_NONE;
}

static int group_new(struct gathering *g, const struct waiter *waiter, uint32_t *ret_index)
{
	struct group *group = ARENA_APPEND(g->arena, g->groups.v, g->groups.n);
	uint32_t *slot;

	if (!group)
		return -ENOMEM;
	*ret_index = g->groups.n - 1;
	group->lock = waiter->wait->lock < g->snapshot->n_locks ? waiter->wait->lock : SNAPSHOT_NONE;
	group->kind = waiter->wait->kind;
	group->write = waiter->wait->write;
	if (group_lock(g->snapshot, group) && group_lock(g->snapshot, group)->kind != LOCK_UNKNOWN)
		group->kind = group_lock(g->snapshot, group)->kind;
	if (group->lock != SNAPSHOT_NONE) {
		g->of_lock[group->lock] = *ret_index;
	} else if (lock_kind_spins(group->kind) || is_told_by_place(g, waiter)) {
		slot = ARENA_APPEND(g->arena, g->unnamed, g->n_unnamed);
		if (!slot)
			return -ENOMEM;
		*slot = *ret_index;
	}
	return 0;
}

static int groups_add(struct gathering *g, const struct waiter *waiter, uint32_t *ret_index)
{
	uint32_t index = group_find(g, waiter);
	struct group *group;
	struct waiter *slot;
	int r;

	if (index == SNAPSHOT_NONE) {
		r = group_new(g, waiter, &index);
		if (r < 0)
			return r;
	}
	group = &g->groups.v[index];
	if (group->write != waiter->wait->write)
		group->write = -1;
	slot = ARENA_APPEND(g->arena, group->waiters, group->n_waiters);
	if (!slot)
		return -ENOMEM;
	*slot = *waiter;
	*ret_index = index;
	return 0;
}

static int gather(struct gathering *g, const struct actors *actors)
{
	size_t n_locks = g->snapshot->n_locks;

	g->of_lock = arena_calloc(g->arena, n_locks + 1, sizeof(*g->of_lock));
	g->groups.of_actor = arena_calloc(g->arena, (size_t)actors->n + 1, sizeof(uint32_t));
	if (!g->of_lock || !g->groups.of_actor)
		return -ENOMEM;
	memset(g->of_lock, 0xff, n_locks * sizeof(*g->of_lock));
	memset(g->groups.of_actor, 0xff, actors->n * sizeof(uint32_t));
	for (uint32_t i = 0; i < actors->n; i++) {
		const struct actor *actor = &actors->v[i];

		for (uint32_t k = 0; k < actor->n_waits; k++) {
			struct waiter waiter = { .actor = actor, .wait = &actor->waits[k] };
			uint32_t index;
			int r;

			waiter.caller = wait_caller(actor->stack, waiter.wait);
			/* Kernels that spin inline show no slow path; others just pass through. */
			if (!waiter.wait->slow && waiter.wait->lock == SNAPSHOT_NONE &&
			    g->snapshot->kind == SOURCE_VMCORE)
				continue;
			if (wait_is_of_report(actor->stack, waiter.wait))
				continue;
			r = groups_add(g, &waiter, &index);
			if (r < 0)
				return r;
			if (waiter.wait == actor->wait)
				g->groups.of_actor[i] = index;
		}
	}
	return 0;
}

/* --- one candidate --- */

struct question {
	const struct snapshot *snapshot;
	const struct actors *actors;
	const struct group *group;
	const struct lock *lock; /* NULL unknown */
	uint64_t address;	 /* of the lock, 0 unknown */
	int held_write;		 /* how it is held: 1, 0, -1 unknown */
	bool preempt_counts;	 /* spinlocks raise the preempt count on this kernel */
	bool run_queue;		 /* the lock is a run queue's */
};

/* The wait of @actor that belongs to the group, or NULL. */
static const struct waiter *group_waiter(const struct group *group, const struct actor *actor)
{
	for (uint32_t i = 0; i < group->n_waiters; i++)
		if (group->waiters[i].actor == actor)
			return &group->waiters[i];
	return NULL;
}

/*
 * Is @frame further on in the same function than @call? By address where both have one, as some
 * sources tell no offsets; but two functions may have one name, so not across half the kernel.
 */
static bool frame_is_past(const struct frame *frame, const struct frame *call)
{
	if (!frame->function || !call->function || strcmp(frame->function, call->function) != 0)
		return false;
	if (frame->offset != SNAPSHOT_NONE && call->offset != SNAPSHOT_NONE)
		return frame->offset > call->offset;
	return frame->address && call->address && frame->address > call->address &&
	       frame->address - call->address < FUNCTION_SIZE_MAX;
}

/* Is @frame in a waiter's own caller, past the place from which that waiter called the lock? */
static bool frame_past_call(const struct group *group, const struct frame *frame)
{
	for (uint32_t i = 0; i < group->n_waiters; i++) {
		const struct waiter *waiter = &group->waiters[i];
		const struct frame *caller;

		if (waiter->caller == SNAPSHOT_NONE)
			continue;
		caller = &waiter->actor->stack->frames[waiter->caller];
		if (frame_is_past(frame, caller))
			return true;
	}
	return false;
}

/* The innermost reference to the lock from a frame in [@from, @to]; NONE. */
static uint32_t actor_ref(const struct question *q, const struct actor *actor, uint32_t from,
			  uint32_t to)
{
	if (q->group->lock == SNAPSHOT_NONE)
		return SNAPSHOT_NONE;
	for (uint32_t i = 0; i < actor->n_refs; i++)
		if (actor->refs[i].lock == q->group->lock && actor->refs[i].frame >= from &&
		    actor->refs[i].frame <= to)
			return i;
	return SNAPSHOT_NONE;
}

/*
 * A function that locks at two places may have let go between them; whoever waits at the second
 * one for a lock of that kind may be after the very same lock.
 */
static bool waits_at_second_call(const struct question *q, const struct actor *actor, uint32_t index)
{
	return actor->wait && actor->wait->kind == q->group->kind &&
	       wait_caller(actor->stack, actor->wait) == index &&
	       (q->group->lock == SNAPSHOT_NONE || actor->wait->lock == SNAPSHOT_NONE ||
		actor->wait->lock == q->group->lock);
}

/*
 * Weighs one frame of somebody who may hold the lock. @from is the innermost frame of @actor that
 * is not part of waiting for this very lock.
 */
static void weigh_frame(const struct question *q, const struct actor *actor, uint32_t from,
			uint32_t index, bool self, struct candidate *best)
{
	const struct frame *frame = &actor->stack->frames[index];
	struct candidate c = { .actor = actor, .section = index, .ref = SNAPSHOT_NONE };
	bool past = frame_past_call(q->group, frame) && !waits_at_second_call(q, actor, index);
	enum section section;
	bool implied;

	section = frame_section(frame, q->group->kind, q->held_write, q->address, &c.site);
	implied = section == SECTION_UNKNOWN && q->run_queue &&
		  frame_holds_run_queue(actor->stack, from, index);
	if (section == SECTION_OUTSIDE || (section == SECTION_UNKNOWN && !past && !implied))
		return;
	c.ref = actor_ref(q, actor, from, index);
	if (section >= SECTION_MAYBE || implied)
		c.proof |= PROOF_SECTION;
	if (section == SECTION_EXACT)
		c.proof |= PROOF_TAKEN;
	if (past)
		c.proof |= PROOF_PAST_CALL;
	if (c.ref != SNAPSHOT_NONE)
		c.proof |= PROOF_ADDRESS;
	if (self)
		c.proof |= PROOF_SAME_STACK;
	if (section == SECTION_EXACT)
		c.confidence = 0.96;
	else if (past)
		c.confidence = section == SECTION_UNKNOWN ? 0.8 : 0.9;
	else if (c.ref != SNAPSHOT_NONE)
		c.confidence = 0.88;
	else
		c.confidence = self ? 0.62 : 0.4;
	if (past && c.ref != SNAPSHOT_NONE && section != SECTION_EXACT)
		c.confidence += 0.06;
	if (section == SECTION_MAYBE)
		c.confidence -= 0.15;
	if (c.confidence > best->confidence)
		*best = c;
}

/* The lock's address alone, in an interrupted context or in somebody who waits for nothing. */
static void weigh_address(const struct question *q, const struct actor *actor, uint32_t from,
			  bool self, struct candidate *best)
{
	uint32_t ref = actor_ref(q, actor, from, actor->stack->n);

	/* A waiter's callers pass the lock down: its address there is no news. */
	if (ref == SNAPSHOT_NONE || best->confidence > 0.5)
		return;
	if (self && context_innermost(actor->stack, actor->refs[ref].frame) <= from)
		return;
	*best = (struct candidate){ .actor = actor, .section = SNAPSHOT_NONE, .ref = ref,
				    .proof = PROOF_ADDRESS | (self ? PROOF_SAME_STACK : 0),
				    .confidence = 0.5 };
}

/* Could @actor hold a lock of this kind at all, now? */
static bool actor_can_hold(const struct question *q, const struct actor *actor)
{
	const struct cpu *cpu;

	if (actor->idle || actor->user)
		return false;
	if (!lock_kind_spins(q->group->kind))
		return true;
	if (actor->sleeping)
		return false;
	cpu = &q->snapshot->cpus[actor->cpu];
	return !(q->preempt_counts && cpu->has_preempt &&
		 (cpu->preempt_count & (PREEMPT_MASK | SOFTIRQ_MASK)) == 0);
}

static struct candidate weigh(const struct question *q, const struct actor *actor)
{
	const struct waiter *waiter = group_waiter(q->group, actor);
	const struct stack *stack = actor->stack;
	struct candidate best = { .section = SNAPSHOT_NONE, .ref = SNAPSHOT_NONE };
	/* It may not sleep with such a lock; only if the code proves this very one is it believed. */
	bool asleep = actor->sleeping && lock_kind_spins(q->group->kind) &&
		      q->snapshot->tasks[actor->task].state != TASK_STATE_DEAD;
	uint32_t from = actor->first;

	if (!asleep && !actor_can_hold(q, actor))
		return best;
	/* What a waiter holds it took before it came to wait: at its caller's frame or further out. */
	if (waiter) {
		if (waiter->caller == SNAPSHOT_NONE)
			return best;
		from = waiter->caller;
	}
	for (uint32_t i = from; i < stack->n; i++)
		if (stack->frames[i].reliable)
			weigh_frame(q, actor, from, i, waiter != NULL, &best);
	if (asleep && !(best.proof & PROOF_TAKEN))
		return (struct candidate){ .section = SNAPSHOT_NONE, .ref = SNAPSHOT_NONE };
	weigh_address(q, actor, from, waiter != NULL, &best);
	if (best.actor && actor->cpu != SNAPSHOT_NONE && lock_kind_spins(q->group->kind)) {
		const struct cpu *cpu = &q->snapshot->cpus[actor->cpu];

		if (q->preempt_counts && cpu->has_preempt && !waiter) {
			best.proof |= PROOF_PREEMPT;
			best.confidence += 0.02;
		}
	}
	return best;
}

/* --- the owner that the lock or the log names --- */

static struct candidate stored_owner(const struct question *q)
{
	static const struct {
		unsigned int proof;
		double confidence;
	} known[] = {
		[OWNER_PROBE] = { PROOF_OWNER_RECORD, 0.98 },
		[OWNER_STORED] = { PROOF_OWNER_STORED, 0.97 },
		[OWNER_HINT] = { PROOF_OWNER_HINT, 0.6 },
		[OWNER_REPORTED] = { PROOF_OWNER_REPORTED, 0.8 },
	};
	struct candidate c = { .section = SNAPSHOT_NONE, .ref = SNAPSHOT_NONE };
	const struct lock *lock = q->lock;
	uint32_t task;

	if (!lock)
		return c;
	if ((q->group->kind == LOCK_CSD || q->group->kind == LOCK_RCU) &&
	    lock->owner_cpu != SNAPSHOT_NONE) {
		uint32_t cpu = snapshot_cpu_by_id(q->snapshot, lock->owner_cpu);

		if (cpu != SNAPSHOT_NONE) {
			c.actor = &q->actors->v[cpu];
			c.proof = PROOF_TARGET;
			c.confidence = 0.95;
		}
		return c;
	}
	if (lock->owner_source == OWNER_NONE || lock->owner_gone)
		return c;
	task = snapshot_task_by_address(q->snapshot, lock->owner_task);
	if (task == SNAPSHOT_NONE)
		task = snapshot_task_by_pid(q->snapshot, lock->owner_pid);
	c.actor = actors_by_task(q->actors, task);
	/* The idle task is pid 0 everywhere: only its CPU names it. */
	if (!c.actor && lock->owner_pid == 0 && lock_kind_spins(q->group->kind) &&
	    lock->owner_cpu != SNAPSHOT_NONE) {
		uint32_t cpu = snapshot_cpu_by_id(q->snapshot, lock->owner_cpu);

		if (cpu != SNAPSHOT_NONE)
			c.actor = &q->actors->v[cpu];
	}
	if (!c.actor)
		return c;
	c.proof = q->group->kind == LOCK_WORKQUEUE ? PROOF_TARGET :
						      known[lock->owner_source].proof;
	c.confidence = known[lock->owner_source].confidence;
	for (uint32_t i = c.actor->first; i < c.actor->stack->n; i++) {
		enum section section = frame_section(&c.actor->stack->frames[i], q->group->kind,
						     q->held_write, q->address, &c.site);

		if (section < SECTION_MAYBE)
			continue;
		c.section = i;
		c.proof |= PROOF_SECTION | (section == SECTION_EXACT ? PROOF_TAKEN : 0);
		break;
	}
	c.ref = actor_ref(q, c.actor, 0, c.actor->stack->n);
	if (lock->owner_source == OWNER_HINT && (c.proof & PROOF_SECTION))
		c.confidence = 0.9;
	if (group_waiter(q->group, c.actor))
		c.proof |= PROOF_SAME_STACK;
	return c;
}

bool actor_holds(const struct snapshot *snapshot, const struct group *group,
		 const struct actor *actor)
{
	const struct lock *lock = group_lock(snapshot, group);

	if (!lock || !kind_has_sections(group->kind))
		return false;
	for (uint32_t i = actor->first; i < actor->stack->n; i++)
		if (actor->stack->frames[i].reliable &&
		    frame_section(&actor->stack->frames[i], group->kind, lock->writer, lock->address,
				  NULL) == SECTION_EXACT)
			return true;
	return false;
}

/* --- nobody left --- */

/*
 * Preemption is off more often than the locks explain that its code is known to have taken: there
 * is one more, perhaps.
 */
static bool has_more_locks(const struct question *q, const struct actor *actor)
{
	const struct cpu *cpu = &q->snapshot->cpus[actor->cpu];
	uint32_t known = 0;

	if (!q->preempt_counts || !cpu->has_preempt || !actor->running)
		return false;
	for (uint32_t i = 0; i < actor->stack->n; i++)
		for (uint32_t k = 0; k < actor->stack->frames[i].n_held; k++) {
			struct primitive p;

			known += primitive_find(actor->stack->frames[i].held[k].target, &p) &&
				 lock_kind_spins(p.kind);
		}
	/* spin_lock_bh() counts among the softirqs, twice. */
	return (cpu->preempt_count & PREEMPT_MASK) +
		       ((cpu->preempt_count & SOFTIRQ_MASK) >= 0x200) > known;
}

/*
 * Held, but every CPU is accounted for: it waits for this lock, it is idle or in user mode, or the
 * code of every function on its stack was read and holds no such lock.
 */
static bool lock_is_lost(const struct question *q)
{
	const struct lock *lock = q->lock;

	/* A bit or a count may be changed by code that does not look like a lock's. */
	if (!lock || !lock->has_word ||
	    (q->group->kind != LOCK_SPINLOCK && q->group->kind != LOCK_RWLOCK))
		return lock && lock->owner_gone;
	if (lock->locked != 1 && lock->writer != 1 && lock->readers <= 0)
		return false;
	for (uint32_t i = 0; i < q->actors->n; i++) {
		const struct actor *actor = &q->actors->v[i];
		const struct waiter *waiter = group_waiter(q->group, actor);
		uint32_t from = waiter ? waiter->caller : actor->first;

		if (!actor_can_hold(q, actor))
			continue;
		if (actor->stack->n == 0 || actor->stack->stopped || from == SNAPSHOT_NONE ||
		    (!waiter && actor->cpu != SNAPSHOT_NONE && has_more_locks(q, actor)))
			return false;
		for (uint32_t f = from; f < actor->stack->n; f++)
			if (frame_section(&actor->stack->frames[f], q->group->kind, q->held_write,
					  q->address, NULL) != SECTION_OUTSIDE &&
			    frame_is_telling(&actor->stack->frames[f]))
				return false;
	}
	return true;
}

/* --- the choice --- */

static bool preempt_counts(const struct snapshot *snapshot, const struct group *group)
{
	for (uint32_t i = 0; i < group->n_waiters; i++) {
		uint32_t cpu = group->waiters[i].actor->cpu;

		if (cpu < snapshot->n_cpus && snapshot->cpus[cpu].has_preempt &&
		    (snapshot->cpus[cpu].preempt_count & PREEMPT_MASK))
			return true;
	}
	return false;
}

/* Text may show only some of the CPUs, and not even say how many there are. */
static bool all_cpus_shown(const struct snapshot *snapshot)
{
	if (snapshot->kind != SOURCE_CRASH_TRANSCRIPT && snapshot->kind != SOURCE_CONSOLE_LOG)
		return true;
	return snapshot->n_cpus_total != SNAPSHOT_NONE && snapshot->n_cpus >= snapshot->n_cpus_total;
}

static bool group_is_run_queue(const struct group *group)
{
	for (uint32_t i = 0; i < group->n_waiters; i++)
		if (wait_is_for_run_queue(group->waiters[i].actor->stack, group->waiters[i].wait))
			return true;
	return false;
}

static void group_choose(struct question *q, struct group *group)
{
	struct candidate best = stored_owner(q), next = { 0 };
	bool shared = q->lock && q->lock->writer == 0 && q->lock->readers > 1;
	uint32_t n_able = 0;

	if (best.confidence < 0.9 && kind_has_sections(group->kind)) {
		for (uint32_t i = 0; i < q->actors->n; i++) {
			const struct actor *actor = &q->actors->v[i];
			struct candidate c = weigh(q, actor);

			n_able += actor_can_hold(q, actor) && !group_waiter(group, actor);
			if (c.actor == best.actor && c.confidence <= best.confidence)
				continue;
			if (c.confidence > best.confidence) {
				next = c.actor == best.actor ? next : best;
				best = c;
			} else if (c.confidence > next.confidence) {
				next = c;
			}
		}
		/* The only one left who can hold it, and it is inside such a section. */
		if (best.actor && n_able == 1 && all_cpus_shown(q->snapshot) && !group_waiter(group, best.actor) &&
		    next.confidence < 0.4) {
			best.proof |= PROOF_ONLY_ONE;
			best.confidence += best.confidence < 0.6 ? 0.2 : 0.03;
		}
	}
	if (best.confidence > 0.98)
		best.confidence = 0.98;
	if (best.actor && best.confidence >= 0.5 &&
	    (shared || best.confidence - next.confidence >= CLEAR_MARGIN)) {
		group->holder = best;
	} else {
		group->runner_up = best;
		group->lost = lock_is_lost(q);
		if (!group->lost)
			group_infer(q->snapshot, q->actors, group);
	}
}

int groups_build(struct arena *arena, const struct snapshot *snapshot,
		 const struct actors *actors, struct groups *ret_groups)
{
	struct gathering g = { .arena = arena, .snapshot = snapshot };
	int r = gather(&g, actors);

	if (r < 0)
		return r;
	for (uint32_t i = 0; i < g.groups.n; i++) {
		struct question q = { .snapshot = snapshot, .actors = actors,
				      .group = &g.groups.v[i], .held_write = -1 };

		q.lock = group_lock(snapshot, &g.groups.v[i]);
		q.address = q.lock ? q.lock->address : 0;
		if (q.lock && q.lock->writer == 1)
			q.held_write = 1;
		else if (q.lock && q.lock->writer == 0 && q.lock->readers > 0)
			q.held_write = 0;
		q.preempt_counts = lock_kind_spins(q.group->kind) &&
				   preempt_counts(snapshot, q.group);
		q.run_queue = q.group->kind == LOCK_SPINLOCK && group_is_run_queue(q.group);
		group_choose(&q, &g.groups.v[i]);
	}
	*ret_groups = g.groups;
	return 0;
}
