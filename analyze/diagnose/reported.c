// SPDX-License-Identifier: GPL-2.0-or-later
#include "diagnose/reported.h"

#include <errno.h>
#include <string.h>

#include "diagnose/explain.h"
#include "diagnose/primitives.h"

static struct party party_nobody(void)
{
	return (struct party){ .cpu = SNAPSHOT_NONE, .pid = SNAPSHOT_NONE,
			       .offset = SNAPSHOT_NONE, .time_ns = SNAPSHOT_NO_TIME,
			       .lock = SNAPSHOT_NONE, .snapshot_cpu = SNAPSHOT_NONE,
			       .snapshot_task = SNAPSHOT_NONE, .frame = SNAPSHOT_NONE };
}

static const char *lock_name(const struct snapshot *snapshot, uint32_t lock)
{
	return lock < snapshot->n_locks && snapshot->locks[lock].name ? snapshot->locks[lock].name :
									 "a lock";
}

/* --- lockdep --- */

/* Whoever lockdep stopped, at the place where it was to take the lock. */
static struct party taker(const struct snapshot *snapshot, const struct deadlock *deadlock)
{
	struct party party = party_nobody();

	party.pid = deadlock->pid;
	party.comm = deadlock->comm;
	party.cpu = deadlock->cpu;
	party.function = deadlock->wanted_at;
	party.lock = deadlock->wanted;
	party.primitive = deadlock->primitive;
	if (deadlock->task < snapshot->n_tasks) {
		const struct task *task = &snapshot->tasks[deadlock->task];
		uint32_t caller = SNAPSHOT_NONE;

		party.snapshot_task = deadlock->task;
		for (uint32_t i = 0; i < task->n_waits && caller == SNAPSHOT_NONE; i++) {
			caller = wait_caller(&task->stack, &task->waits[i]);
			if (caller == SNAPSHOT_NONE)
				continue;
			party.function = task->stack.frames[caller].function;
			party.module = task->stack.frames[caller].module;
			party.offset = task->stack.frames[caller].offset;
			party.frame = caller;
			party.primitive = task->stack.frames[task->waits[i].frame].function;
		}
	}
	return party;
}

/* Those whose order of taking the locks is the other one; where they take the last of the chain. */
static struct party other_side(const struct snapshot *snapshot, const struct deadlock *deadlock)
{
	struct party party = party_nobody();

	if (deadlock->irq_function) {
		party.function = deadlock->irq_function;
		party.primitive = deadlock->irq_primitive;
		party.lock = deadlock->wanted;
		return party;
	}
	for (uint32_t i = 0; i < deadlock->n_links; i++) {
		const struct lock_link *link = &deadlock->links[i];

		if (link->lock == deadlock->wanted || !link->function)
			continue;
		party.function = link->function;
		party.primitive = link->primitive;
		party.lock = link->lock;
		break;
	}
	return party;
}

static int add_edge(struct verdict *v, struct party waiter, struct party holder, uint32_t lock)
{
	struct edge *edge = ARENA_APPEND(v->arena, v->cycle, v->n_cycle);

	if (!edge)
		return -ENOMEM;
	*edge = (struct edge){ .waiter = waiter, .holder = holder, .lock = lock };
	return 0;
}

static int deadlock_evidence(const struct snapshot *snapshot, const struct deadlock *deadlock,
			     struct verdict *v)
{
	const char *who = explain_party(v->arena, &v->holder);
	const char *wanted = lock_name(snapshot, deadlock->wanted);
	int r = 0;

	if (!who)
		return -ENOMEM;
	if (deadlock->held != SNAPSHOT_NONE)
		r = verdict_add_evidence(
			v, arena_printf(v->arena, "lockdep saw %s take %s in %s while it holds %s, "
						  "taken in %s.",
					who, wanted,
					v->waiters[0].function ? v->waiters[0].function : "?",
					lock_name(snapshot, deadlock->held),
					deadlock->held_at ? deadlock->held_at : "?"));
	else
		r = verdict_add_evidence(
			v, arena_printf(v->arena, "lockdep saw %s take %s in %s in a way in which an "
						  "interrupt may come and want it too.",
					who, wanted,
					v->waiters[0].function ? v->waiters[0].function : "?"));
	if (r == 0 && deadlock->irq_function)
		r = verdict_add_evidence(v, arena_printf(v->arena, "In an interrupt %s takes it.",
							 deadlock->irq_function));
	for (uint32_t i = 0; i + 1 < deadlock->n_links && r == 0; i++)
		if (deadlock->links[i].function)
			r = verdict_add_evidence(
				v, arena_printf(v->arena, "Elsewhere %s takes %s while %s is held.",
						deadlock->links[i].function,
						lock_name(snapshot, deadlock->links[i].lock),
						lock_name(snapshot, deadlock->links[i + 1].lock)));
	if (r == 0)
		r = verdict_add_evidence(v, "It is foreseen from the order in which the locks are "
					    "taken: at this moment nobody is stuck in it.");
	return r;
}

int describe_deadlock(const struct snapshot *snapshot, const struct deadlock *deadlock,
		      struct verdict *v)
{
	struct party self = taker(snapshot, deadlock), other = other_side(snapshot, deadlock);
	struct party *waiter;
	struct primitive p;
	bool same;
	int r;

	waiter = ARENA_APPEND(v->arena, v->waiters, v->n_waiters);
	if (!waiter)
		return -ENOMEM;
	*waiter = self;
	same = deadlock->held == SNAPSHOT_NONE || deadlock->held == deadlock->wanted;
	v->pattern = same ? PATTERN_SELF_DEADLOCK : PATTERN_CYCLE;
	v->lock = deadlock->wanted;
	v->lock_name = lock_name(snapshot, deadlock->wanted);
	v->primitive = self.primitive;
	if (primitive_find(self.primitive, &p)) {
		v->lock_kind = p.kind;
		v->lock_write = p.write;
	}
	v->has_holder = true;
	v->holder = self;
	v->holder.primitive = NULL;
	v->holder.lock = SNAPSHOT_NONE;
	if (deadlock->held_at) {
		v->holder.function = deadlock->held_at;
		v->holder.module = NULL;
		v->holder.offset = SNAPSHOT_NONE;
		v->holder.frame = SNAPSHOT_NONE;
	}
	v->holder.acquired_in = v->holder.function;
	v->confidence = 0.8;
	if (same) {
		r = add_edge(v, deadlock->irq_function ? other : self, v->holder, deadlock->wanted);
	} else {
		struct party holds = other;

		holds.acquired_in = other.function;
		r = add_edge(v, self, holds, deadlock->wanted);
		if (r == 0)
			r = add_edge(v, other, v->holder, deadlock->held);
	}
	if (r == 0)
		r = deadlock_evidence(snapshot, deadlock, v);
	return r < 0 ? r : explain_summary(snapshot, v);
}

/* --- starvation --- */

/* What a sleeping or preempted task was doing, further out than the scheduler. */
static uint32_t outside_scheduler(const struct stack *stack)
{
	for (uint32_t i = 0; i < stack->n; i++)
		if (frame_is_telling(&stack->frames[i]))
			return i;
	return SNAPSHOT_NONE;
}

static int starving(const struct snapshot *snapshot, uint32_t task, struct verdict *v)
{
	const struct task *t = &snapshot->tasks[task];
	struct party *party = ARENA_APPEND(v->arena, v->waiters, v->n_waiters);
	uint32_t *graph = ARENA_APPEND(v->arena, v->graph_tasks, v->n_graph_tasks);
	uint32_t frame = outside_scheduler(&t->stack);

	if (!party || !graph)
		return -ENOMEM;
	*party = party_nobody();
	party->pid = t->pid;
	party->comm = t->comm;
	party->snapshot_task = *graph = task;
	if (frame != SNAPSHOT_NONE) {
		party->function = t->stack.frames[frame].function;
		party->offset = t->stack.frames[frame].offset;
		party->frame = frame;
	}
	return verdict_add_evidence(
		v, arena_printf(v->arena, "The kernel says that %s can run and gets no CPU%s.",
				t->comm ? t->comm : "a task",
				t->cpu == SNAPSHOT_NONE ?
					"" :
					arena_printf(v->arena, "; it last ran on CPU %u", t->cpu)));
}

int describe_starvation(const struct snapshot *snapshot, const struct actors *actors, uint32_t task,
			struct verdict *v)
{
	uint32_t index = snapshot_cpu_by_id(snapshot, snapshot->tasks[task].cpu), frame;
	const struct actor *actor = index == SNAPSHOT_NONE ? NULL : &actors->v[index];
	int r = starving(snapshot, task, v);

	v->pattern = PATTERN_STARVATION;
	v->confidence = 0.4;
	if (r < 0)
		return r;
	frame = actor && !actor->idle && !actor->user ?
			stack_telling(actor->stack, actor->first, actor->last) :
			SNAPSHOT_NONE;
	if (frame == SNAPSHOT_NONE) {
		r = verdict_add_unknown(v, "What keeps that CPU from it is not shown: its stack at "
					   "the time would tell.");
		return r < 0 ? r : explain_summary(snapshot, v);
	}
	v->has_holder = true;
	v->holder = party_nobody();
	v->holder.cpu = snapshot->cpus[index].id;
	v->holder.snapshot_cpu = index;
	v->holder.snapshot_task = actor->task;
	v->holder.pid = actor_pid(snapshot, actor);
	v->holder.comm = actor_comm(snapshot, actor);
	v->holder.function = actor->stack->frames[frame].function;
	v->holder.module = actor->stack->frames[frame].module;
	v->holder.offset = actor->stack->frames[frame].offset;
	v->holder.frame = frame;
	v->confidence = 0.6;
	r = verdict_add_evidence(v, arena_printf(v->arena, "On that CPU %s runs.",
						 explain_party(v->arena, &v->holder)));
	return r < 0 ? r : explain_summary(snapshot, v);
}
