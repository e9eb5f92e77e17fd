// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The judgement: facts in, verdict out. Actors (who has a stack) wait for locks; groups gather the
 * waiters of one lock and find its holder; the graph follows holders that wait themselves, to an
 * end; each end is a lockup, and the one that the kernel's own watchdog complained about, or the
 * one that most depend on, is the verdict. No I/O, no clock, no globals.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "diagnose/actors.h"
#include "diagnose/event.h"
#include "diagnose/explain.h"
#include "diagnose/graph.h"
#include "diagnose/holder.h"
#include "diagnose/party.h"
#include "diagnose/primitives.h"
#include "diagnose/reported.h"
#include "diagnose/roles.h"
#include "signature.h"
#include "verdict.h"

struct diagnosis {
	const struct snapshot *snapshot;
	struct arena *arena;
	struct actors actors;
	struct groups groups;
	struct lockups lockups;
	struct happening happening;
};

/* --- one lockup into one verdict --- */

static int add_waiters(const struct diagnosis *d, const struct lockup *lockup, struct verdict *v)
{
	for (uint32_t i = 0; i < lockup->n_groups; i++)
		for (uint32_t k = 0; k < lockup->groups[i]->n_waiters; k++) {
			struct party *slot = ARENA_APPEND(v->arena, v->waiters, v->n_waiters);
			uint32_t *task;

			if (!slot)
				return -ENOMEM;
			*slot = waiter_party(d->snapshot, &lockup->groups[i]->waiters[k]);
			slot->behind = lockup->groups[i] != lockup->root &&
				       lockup->groups[i]->holder.actor != lockup->culprit;
			if (!lockup->groups[i]->waiters[k].actor->sleeping)
				continue;
			task = ARENA_APPEND(v->arena, v->graph_tasks, v->n_graph_tasks);
			if (!task)
				return -ENOMEM;
			*task = slot->snapshot_task;
		}
	if (v->has_holder && lockup->culprit && lockup->culprit->sleeping) {
		for (uint32_t i = 0; i < v->n_graph_tasks; i++)
			if (v->graph_tasks[i] == lockup->culprit->task)
				return 0;
		uint32_t *task = ARENA_APPEND(v->arena, v->graph_tasks, v->n_graph_tasks);

		if (!task)
			return -ENOMEM;
		*task = lockup->culprit->task;
	}
	return 0;
}

static int add_cycle(const struct diagnosis *d, const struct lockup *lockup, struct verdict *v)
{
	for (uint32_t i = 0; i < lockup->n_cycle; i++) {
		/* cycle[i]'s holder waits in cycle[i + 1]: told as waiter, lock, holder. */
		const struct group *group = lockup->cycle[i];
		const struct actor *waits =
			lockup->cycle[(i + lockup->n_cycle - 1) % lockup->n_cycle]->holder.actor;
		struct edge *edge = ARENA_APPEND(v->arena, v->cycle, v->n_cycle);

		if (!edge)
			return -ENOMEM;
		edge->lock = group->lock;
		edge->holder = holder_party(d->snapshot, group);
		for (uint32_t k = 0; k < group->n_waiters; k++)
			if (group->waiters[k].actor == waits)
				edge->waiter = waiter_party(d->snapshot, &group->waiters[k]);
	}
	return 0;
}

static enum pattern lockup_pattern(const struct lockup *lockup)
{
	const struct group *root = lockup->root;

	if (lockup->n_cycle > 1)
		return PATTERN_CYCLE;
	if (lockup->n_cycle == 1)
		return PATTERN_SELF_DEADLOCK;
	if (!root)
		return PATTERN_BUSY_LOOP;
	if (root->lost)
		return PATTERN_LOST_HOLDER;
	if (!lockup->culprit)
		return root->kind == LOCK_IO  ? PATTERN_IO_WAIT :
		       root->kind == LOCK_CSD ? PATTERN_IPI_WAIT :
						PATTERN_UNKNOWN;
	if (root->holder.proof & PROOF_RUNNING)
		return PATTERN_BUSY_LOOP;
	if (root->kind == LOCK_CSD)
		return PATTERN_IPI_WAIT;
	if (root->kind == LOCK_RCU)
		return PATTERN_BUSY_LOOP;
	if (lockup->culprit->wait && lockup->culprit->wait->kind == LOCK_IO)
		return PATTERN_IO_WAIT;
	return PATTERN_LONG_HOLD;
}

static void set_lock(const struct diagnosis *d, const struct group *root, struct verdict *v)
{
	v->lock = root->lock;
	v->lock_kind = root->kind;
	v->lock_write = (int8_t)root->write;
	v->primitive = waiter_primitive(&root->waiters[0]);
	if (root->lock < d->snapshot->n_locks) {
		v->lock_name = d->snapshot->locks[root->lock].name;
		v->lock_address = d->snapshot->locks[root->lock].address;
	}
}

/* The culprit of a lockup without a lock: what it runs, and for how long, by the kernel's words. */
static int set_looper(const struct diagnosis *d, const struct lockup *lockup, struct verdict *v)
{
	const struct actor *actor = lockup->culprit;
	const struct report *report = event_names(d->snapshot, actor);
	uint32_t frame = stack_telling(actor->stack, actor->first, actor->last);

	v->has_holder = true;
	v->holder = party_of(d->snapshot, actor);
	if (frame != SNAPSHOT_NONE)
		party_set_frame(&v->holder, actor->stack, frame);
	v->confidence = report ? 0.9 : 0.7;
	if (!report && d->snapshot->cpus[actor->cpu].stuck_ns)
		return verdict_add_evidence(
			v, arena_printf(v->arena, "%s has been in the kernel for %.1f s without the "
						  "switch that was due, and waits for no lock.",
					explain_party(v->arena, &v->holder),
					(double)d->snapshot->cpus[actor->cpu].stuck_ns / 1e9));
	if (report)
		return verdict_add_evidence(
			v, arena_printf(v->arena, "The kernel itself reported it: \"%s\".",
					report->text));
	return verdict_add_evidence(
		v, arena_printf(v->arena, "%s has not let the watchdog's thread run, and waits for "
					  "no lock.",
				explain_party(v->arena, &v->holder)));
}

static int state_word(const struct diagnosis *d, struct verdict *v)
{
	const struct lock *lock;

	if (v->lock >= d->snapshot->n_locks)
		return 0;
	lock = &d->snapshot->locks[v->lock];
	if (!lock->has_word || !lock->word_text)
		return 0;
	return verdict_add_evidence(v, arena_printf(v->arena, "The lock word is 0x%llx: %s.",
						    (unsigned long long)lock->word, lock->word_text));
}

static enum event lockup_event(const struct diagnosis *d, const struct lockup *lockup)
{
	if (d->happening.event != EVENT_NONE && d->happening.event != EVENT_OOPS)
		return d->happening.event;
	if (d->snapshot->kind == SOURCE_LIVE)
		return EVENT_EARLY_WARNING;
	if (lockup->root && !lock_kind_spins(lockup->root->kind))
		return EVENT_HUNG_TASK;
	return EVENT_SOFT_LOCKUP;
}

/* Readers beside the one that is told as the holder. */
static int add_other_holders(const struct diagnosis *d, const struct group *root, struct verdict *v)
{
	for (uint32_t i = 0; i < d->actors.n; i++) {
		const struct actor *actor = &d->actors.v[i];
		struct party party;
		int r;

		if (actor == root->holder.actor || (!actor->running && !actor->sleeping) ||
		    !actor_holds(d->snapshot, root, actor))
			continue;
		party = party_of(d->snapshot, actor);
		r = verdict_add_evidence(v, arena_printf(v->arena, "%s has taken it as well, and not "
								   "released it.",
							 explain_party(v->arena, &party)));
		if (r < 0)
			return r;
	}
	return 0;
}

/* Whoever sleeps with a spinning lock held: those who spin for it wait for what it waits for. */
static int add_sleepers(const struct diagnosis *d, const struct lockup *lockup, struct verdict *v)
{
	for (uint32_t i = 0; i < lockup->n_groups; i++) {
		const struct group *group = lockup->groups[i];
		struct party party;
		const char *name;
		int r;

		if (!group->holder.actor || !group->holder.actor->sleeping ||
		    group->kind == LOCK_CSD || !lock_kind_spins(group->kind))
			continue;
		party = party_of(d->snapshot, group->holder.actor);
		name = group->lock < d->snapshot->n_locks ? d->snapshot->locks[group->lock].name :
							    NULL;
		r = verdict_add_evidence(
			v, arena_printf(v->arena, "%s sleeps with the %s %s held, which nobody may.",
					explain_party(v->arena, &party), lock_kind_name(group->kind),
					name ? name : "that others spin for"));
		if (r < 0)
			return r;
	}
	return 0;
}

/* The holder waits itself, for something that nobody is known to bring about. */
static int add_holders_wait(const struct diagnosis *d, const struct lockup *lockup,
			    struct verdict *v)
{
	const struct actor *culprit = lockup->culprit;
	const struct group *group;
	struct party party;
	uint32_t index, caller;

	if (!culprit || !culprit->wait || lockup->n_cycle)
		return 0;
	index = d->groups.of_actor[culprit - d->actors.v];
	group = index == SNAPSHOT_NONE ? NULL : &d->groups.v[index];
	if (!group || group->holder.actor)
		return 0;
	party = party_of(d->snapshot, culprit);
	caller = wait_caller(culprit->stack, culprit->wait);
	return verdict_add_unknown(
		v, arena_printf(v->arena, "%s waits itself, in %s for a %s; who is to end that wait is "
					  "not known.",
				explain_party(v->arena, &party),
				caller == SNAPSHOT_NONE ? "an unknown function" :
							  culprit->stack->frames[caller].function,
				lock_kind_name(group->kind)));
}

static int describe(const struct diagnosis *d, const struct lockup *lockup, struct verdict *v)
{
	const struct group *root = lockup->root;
	int r;

	v->event = lockup_event(d, lockup);
	v->pattern = lockup_pattern(lockup);
	if (!root) {
		r = set_looper(d, lockup, v);
		return r < 0 ? r : explain_summary(d->snapshot, v);
	}
	set_lock(d, root, v);
	if (root->holder.actor) {
		v->has_holder = true;
		v->holder = holder_party(d->snapshot, root);
		v->confidence = root->holder.confidence;
		r = explain_holder(d->snapshot, root, v);
	} else {
		v->confidence = root->lost ? 0.8 : 0.3;
		r = explain_unknown_holder(d->snapshot, &d->actors, root, v);
		if (r == 0 && root->lost)
			r = verdict_add_evidence(v, "The lock is held, and every CPU's stack was "
						    "read: none of them can hold it.");
	}
	/* A cycle is as sure as its least sure edge. */
	for (uint32_t i = 0; i < lockup->n_cycle; i++)
		if (lockup->cycle[i]->holder.confidence < v->confidence)
			v->confidence = lockup->cycle[i]->holder.confidence;
	if (r == 0)
		r = add_other_holders(d, root, v);
	if (r == 0)
		r = add_sleepers(d, lockup, v);
	if (r == 0)
		r = add_holders_wait(d, lockup, v);
	if (r == 0)
		r = explain_registers(d->snapshot, root, v);
	if (r == 0)
		r = state_word(d, v);
	if (r == 0)
		r = add_waiters(d, lockup, v);
	if (r == 0)
		r = add_cycle(d, lockup, v);
	if (r == 0 && d->happening.report && v->event == d->happening.event)
		r = verdict_add_evidence(v, arena_printf(v->arena, "The kernel reported: \"%s\".",
							 d->happening.report->text));
	return r < 0 ? r : explain_summary(d->snapshot, v);
}

/* --- which of them is the verdict --- */

static bool lockup_has(const struct lockup *lockup, const struct actor *actor)
{
	if (lockup->culprit == actor)
		return true;
	for (uint32_t i = 0; i < lockup->n_groups; i++)
		for (uint32_t k = 0; k < lockup->groups[i]->n_waiters; k++)
			if (lockup->groups[i]->waiters[k].actor == actor)
				return true;
	return false;
}

static uint32_t lockup_n_waiters(const struct lockup *lockup)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < lockup->n_groups; i++)
		n += lockup->groups[i]->n_waiters;
	return n;
}

/* A deadlock that the locks' own owner fields prove needs no clock to be believed. */
static bool lockup_is_proven(const struct lockup *lockup)
{
	for (uint32_t i = 0; i < lockup->n_cycle; i++)
		if (!(lockup->cycle[i]->holder.proof & (PROOF_OWNER_STORED | PROOF_OWNER_RECORD)))
			return false;
	return lockup->n_cycle > 0;
}

/* Blocked for good, as far as can be told: in state D, or in a lock that signals do not end. */
static bool waiter_is_blocked(const struct diagnosis *d, const struct waiter *waiter)
{
	const struct stack *stack = waiter->actor->stack;
	enum task_state state;

	if (waiter->actor->task >= d->snapshot->n_tasks)
		return false;
	state = d->snapshot->tasks[waiter->actor->task].state;
	if (state != TASK_STATE_UNKNOWN)
		return state == TASK_STATE_UNINTERRUPTIBLE;
	return (waiter->wait->kind == LOCK_MUTEX || waiter->wait->kind == LOCK_RWSEM ||
		waiter->wait->kind == LOCK_SEMAPHORE || waiter->wait->kind == LOCK_RTMUTEX ||
		waiter->wait->kind == LOCK_PERCPU_RWSEM) &&
	       !strstr(stack->frames[waiter->wait->frame].function, "interruptible");
}

/*
 * A transcript without the panic's words or the log was made because something hung; that a person
 * picked these stacks is all there is. One CPU in a spinlock may just be passing.
 */
static bool lockup_is_shown(const struct diagnosis *d, const struct lockup *lockup)
{
	const struct group *root = lockup->root;

	if (d->snapshot->kind != SOURCE_CRASH_TRANSCRIPT || d->happening.event != EVENT_NONE || !root)
		return false;
	if (lock_kind_spins(root->kind))
		return lockup->culprit || root->n_waiters > 1;
	for (uint32_t i = 0; i < root->n_waiters; i++)
		if (waiter_is_blocked(d, &root->waiters[i]))
			return true;
	return false;
}

/*
 * A source that shows no report of its own and no clocks (a crash transcript of a few CPUs) still
 * has the panic's word that there is a lockup: then a wait of the right kind is it.
 */
static bool lockup_fits(const struct diagnosis *d, const struct lockup *lockup)
{
	bool sleeping = d->happening.event == EVENT_HUNG_TASK;

	if (lockup_is_shown(d, lockup))
		return true;
	if (d->happening.event == EVENT_NONE || d->happening.event == EVENT_OOPS ||
	    !lockup->root || lock_kind_spins(lockup->root->kind) == sleeping)
		return false;
	for (uint32_t i = 0; i < d->actors.n; i++)
		if (actor_is_stuck(d->snapshot, &d->actors.v[i]))
			return false;
	return true;
}

static void score_actor(const struct diagnosis *d, const struct actor *actor, uint32_t *n_stuck,
			uint32_t *score)
{
	const struct report *named = d->happening.report;
	const struct report *report = event_names(d->snapshot, actor);

	*n_stuck += actor_is_stuck(d->snapshot, actor);
	if (report && report_event(report->kind) == d->happening.event)
		*score += named && report->pid == named->pid && report->cpu == named->cpu ? 100000 :
											    1000;
}

/* A wait of somebody who holds others up: told there, and no lockup of its own. */
static bool lockup_is_holders_wait(const struct diagnosis *d, const struct lockup *lockup)
{
	const struct group *root = lockup->root;

	if (!root || root->holder.actor || root->lost || lockup->n_groups != 1 ||
	    lock_kind_spins(root->kind))
		return false;
	for (uint32_t i = 0; i < root->n_waiters; i++) {
		bool holds = false;

		for (uint32_t k = 0; k < d->lockups.n; k++)
			holds |= &d->lockups.v[k] != lockup && d->lockups.v[k].root &&
				 d->lockups.v[k].culprit == root->waiters[i].actor;
		if (!holds)
			return false;
	}
	return true;
}

/* A lock that is free holds nobody up: the next one in is on its way. */
static bool lock_is_free(const struct diagnosis *d, const struct lockup *lockup)
{
	const struct lock *lock;

	if (!lockup->root || lockup->root->holder.actor || lockup->root->lock >= d->snapshot->n_locks)
		return false;
	lock = &d->snapshot->locks[lockup->root->lock];
	return (lockup->root->kind == LOCK_SPINLOCK || lockup->root->kind == LOCK_RWLOCK) &&
	       lock->has_word && lock->locked == 0;
}

/* 0: nothing shows that anybody is stuck in it. Higher is worse. */
static uint32_t lockup_score(const struct diagnosis *d, const struct lockup *lockup)
{
	uint32_t n_stuck = 0, score = 0;

	if (lockup_is_holders_wait(d, lockup) || lock_is_free(d, lockup))
		return 0;
	if (lockup->culprit)
		score_actor(d, lockup->culprit, &n_stuck, &score);
	for (uint32_t i = 0; i < lockup->n_groups; i++)
		for (uint32_t k = 0; k < lockup->groups[i]->n_waiters; k++)
			if (lockup->groups[i]->waiters[k].actor != lockup->culprit)
				score_actor(d, lockup->groups[i]->waiters[k].actor, &n_stuck,
					    &score);
	if (!n_stuck && !lockup_is_proven(lockup) && !lockup_fits(d, lockup))
		return 0;
	return score + 10 * n_stuck + lockup_n_waiters(lockup) + (lockup->culprit ? 5 : 0) + 1;
}

/* CPUs that are stuck, wait for nothing, and hold nothing that others wait for: loops. */
static int add_loops(struct diagnosis *d)
{
	/* A CPU that oopsed was at work, and what a watchdog said before that is over. */
	if (d->happening.event == EVENT_OOPS)
		return 0;
	for (uint32_t i = 0; i < d->snapshot->n_cpus; i++) {
		const struct actor *actor = &d->actors.v[i];
		bool known = false;
		struct lockup *loop;

		if (!actor->running || !actor_is_stuck(d->snapshot, actor))
			continue;
		for (uint32_t k = 0; k < d->lockups.n; k++)
			known |= lockup_has(&d->lockups.v[k], actor);
		/* One of several readers, of whom only one is told as the holder. */
		for (uint32_t k = 0; k < d->groups.n; k++)
			known |= actor_holds(d->snapshot, &d->groups.v[k], actor);
		if (known)
			continue;
		loop = ARENA_APPEND(d->arena, d->lockups.v, d->lockups.n);
		if (!loop)
			return -ENOMEM;
		loop->culprit = actor;
	}
	return 0;
}

static int verdict_new(struct arena *arena, struct verdict **ret)
{
	struct verdict *v = arena_alloc(arena, sizeof(*v));

	if (!v)
		return -ENOMEM;
	v->arena = arena;
	v->lock = SNAPSHOT_NONE;
	v->lock_write = -1;
	v->holder.cpu = v->holder.pid = v->holder.lock = SNAPSHOT_NONE;
	v->holder.snapshot_cpu = v->holder.snapshot_task = v->holder.frame = SNAPSHOT_NONE;
	v->holder.time_ns = SNAPSHOT_NO_TIME;
	*ret = v;
	return 0;
}

/* Nobody is stuck. A spinning lock with several waiters at this moment is contention. */
static int describe_healthy(struct diagnosis *d, struct verdict *v)
{
	const struct group *hot = NULL;

	v->pattern = PATTERN_NONE;
	v->confidence = 0.8;
	for (uint32_t i = 0; i < d->groups.n; i++) {
		const struct group *group = &d->groups.v[i];

		if (lock_kind_spins(group->kind) && group->n_waiters > 1 &&
		    (!hot || group->n_waiters > hot->n_waiters))
			hot = group;
	}
	v->event = d->happening.event == EVENT_OOPS ? EVENT_OOPS : EVENT_NONE;
	if (d->happening.report && v->event == EVENT_OOPS) {
		int r = verdict_add_evidence(v, arena_printf(v->arena, "The kernel reported: \"%s\".",
							     d->happening.report->text));

		if (r < 0)
			return r;
	}
	if (hot && v->event == EVENT_NONE) {
		v->pattern = PATTERN_CONTENTION;
		set_lock(d, hot, v);
		for (uint32_t i = 0; i < hot->n_waiters; i++) {
			struct party *slot = ARENA_APPEND(v->arena, v->waiters, v->n_waiters);

			if (!slot)
				return -ENOMEM;
			*slot = waiter_party(d->snapshot, &hot->waiters[i]);
		}
	}
	return 0;
}

/* Where nothing locked up, lockdep's reports are the verdicts: the first one, and then others. */
static int describe_deadlocks(struct diagnosis *d, struct verdict *v)
{
	int r;

	v->event = EVENT_DEADLOCK_REPORT;
	r = describe_deadlock(d->snapshot, &d->snapshot->deadlocks[0], v);
	for (uint32_t i = 1; i < d->snapshot->n_deadlocks && r == 0; i++) {
		struct verdict *other, **slot = ARENA_APPEND(v->arena, v->others, v->n_others);

		if (!slot)
			return -ENOMEM;
		r = verdict_new(v->arena, &other);
		if (r < 0)
			break;
		*slot = other;
		other->event = EVENT_DEADLOCK_REPORT;
		r = describe_deadlock(d->snapshot, &d->snapshot->deadlocks[i], other);
	}
	return r;
}

/* A task that RCU says is starved; NONE. */
static uint32_t starved_task(const struct snapshot *snapshot)
{
	for (uint32_t i = 0; i < snapshot->n_tasks; i++)
		if (snapshot->tasks[i].starved)
			return i;
	return SNAPSHOT_NONE;
}

/* No lockup is left to tell of: who is stuck for reasons that are out of sight, if anybody. */
static int describe_unseen(struct diagnosis *d, struct verdict *v)
{
	int r = 0, n = 0;

	v->event = d->happening.event;
	v->pattern = PATTERN_UNKNOWN;
	if (d->happening.report)
		r = verdict_add_evidence(v, arena_printf(v->arena, "The kernel reported: \"%s\".",
							 d->happening.report->text));
	for (uint32_t i = 0; i < d->actors.n && r == 0; i++) {
		const struct actor *actor = &d->actors.v[i];
		struct party party = party_of(d->snapshot, actor);

		if (!actor->cut_off || !actor_is_stuck(d->snapshot, actor))
			continue;
		n++;
		r = verdict_add_unknown(
			v, arena_printf(v->arena, "What %s is stuck in is not known: its stack is cut "
						  "off in an interrupt.",
					explain_party(v->arena, &party)));
	}
	if (r == 0 && n == 0)
		r = verdict_add_unknown(v, "Nobody is seen to be stuck any more at the moment of this "
					   "source.");
	return r < 0 ? r : explain_summary(d->snapshot, v);
}

static int choose(struct diagnosis *d, struct verdict *v)
{
	uint32_t starved = starved_task(d->snapshot);
	uint32_t *order = arena_calloc(d->arena, d->lockups.n + 1, sizeof(*order));
	uint32_t *score = arena_calloc(d->arena, d->lockups.n + 1, sizeof(*score));
	uint32_t n = 0;
	int r = 0;

	if (!order || !score)
		return -ENOMEM;
	for (uint32_t i = 0; i < d->lockups.n; i++) {
		uint32_t at;

		score[i] = lockup_score(d, &d->lockups.v[i]);
		if (!score[i])
			continue;
		for (at = n++; at > 0 && score[order[at - 1]] < score[i]; at--)
			order[at] = order[at - 1];
		order[at] = i;
	}
	if (d->happening.event == EVENT_DEADLOCK_REPORT && d->snapshot->n_deadlocks)
		return describe_deadlocks(d, v);
	if (n == 0 && d->happening.event == EVENT_RCU_STALL && starved != SNAPSHOT_NONE) {
		v->event = EVENT_RCU_STALL;
		return describe_starvation(d->snapshot, &d->actors, starved, v);
	}
	if (n == 0 && (d->happening.event == EVENT_NONE || d->happening.event == EVENT_OOPS)) {
		r = describe_healthy(d, v);
		return r < 0 ? r : explain_summary(d->snapshot, v);
	}
	if (n == 0)
		return describe_unseen(d, v);
	/* An oops that brought the kernel down is the event, whoever else was stuck beside it. */
	if (d->happening.event == EVENT_OOPS) {
		r = describe_healthy(d, v);
		if (r == 0)
			r = explain_summary(d->snapshot, v);
	} else {
		r = describe(d, &d->lockups.v[order[0]], v);
	}
	for (uint32_t i = d->happening.event == EVENT_OOPS ? 0 : 1; i < n && r == 0; i++) {
		struct verdict *other, **slot;

		r = verdict_new(v->arena, &other);
		if (r == 0)
			r = describe(d, &d->lockups.v[order[i]], other);
		if (r < 0)
			break;
		slot = ARENA_APPEND(v->arena, v->others, v->n_others);
		if (!slot)
			return -ENOMEM;
		*slot = other;
	}
	return r;
}

int diagnose(const struct snapshot *snapshot, struct verdict **ret_verdict)
{
	struct diagnosis d = { .snapshot = snapshot };
	struct verdict *v = NULL;
	int r;

	d.arena = calloc(1, sizeof(*d.arena));
	if (!d.arena)
		return -ENOMEM;
	arena_init(d.arena);
	d.happening = event_find(snapshot);
	r = verdict_new(d.arena, &v);
	if (r == 0)
		r = actors_build(d.arena, snapshot, &d.actors);
	if (r == 0)
		r = groups_build(d.arena, snapshot, &d.actors, &d.groups);
	if (r == 0)
		r = lockups_find(d.arena, &d.actors, &d.groups, &d.lockups);
	if (r == 0)
		r = add_loops(&d);
	if (r == 0)
		r = choose(&d, v);
	if (r == 0)
		r = roles_set(snapshot, &d.actors, v);
	for (uint32_t i = 0; i < snapshot->n_unknowns && r == 0; i++)
		r = verdict_add_unknown(v, snapshot->unknowns[i]);
	if (r < 0) {
		arena_done(d.arena);
		free(d.arena);
		return r;
	}
	signature_make(snapshot, v);
	for (uint32_t i = 0; i < v->n_others; i++)
		signature_make(snapshot, v->others[i]);
	*ret_verdict = v;
	return 0;
}

int verdict_adopt(struct verdict *verdict, struct verdict *other, const struct snapshot *snapshot)
{
	struct verdict **slot = ARENA_APPEND(verdict->arena, verdict->others, verdict->n_others);

	if (!slot)
		return -ENOMEM;
	other->snapshot = snapshot;
	*slot = other;
	return 0;
}

void verdict_free(struct verdict *verdict)
{
	struct arena *arena;

	if (!verdict)
		return;
	arena = verdict->arena;
	arena_done(arena);
	free(arena);
}
