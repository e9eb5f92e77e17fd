// SPDX-License-Identifier: GPL-2.0-or-later
#include "diagnose/party.h"

#include "diagnose/primitives.h"

void party_set_frame(struct party *party, const struct stack *stack, uint32_t frame)
{
	const struct frame *f;

	party->frame = frame;
	if (frame >= stack->n)
		return;
	f = &stack->frames[frame];
	party->function = f->function;
	party->module = f->module;
	party->offset = f->offset;
	party->address = f->address;
	party->file = f->file;
	party->line = f->line;
}

struct party party_of(const struct snapshot *snapshot, const struct actor *actor)
{
	return (struct party){
		.cpu = actor_cpu(snapshot, actor),
		.pid = actor_pid(snapshot, actor),
		.comm = actor_comm(snapshot, actor),
		.time_ns = SNAPSHOT_NO_TIME,
		.lock = SNAPSHOT_NONE,
		.snapshot_cpu = actor->cpu,
		.snapshot_task = actor->task,
		.frame = SNAPSHOT_NONE,
	};
}

/*
 * What the waiter called: by its code where that was read, as the compiler may have turned the
 * primitive's own call of its slow path into a jump, which leaves no frame.
 */
const char *waiter_primitive(const struct waiter *waiter)
{
	const struct stack *stack = waiter->actor->stack;
	uint32_t frame = waiter->wait->frame;
	struct primitive p;

	if (waiter->caller != SNAPSHOT_NONE && stack->frames[waiter->caller].callee &&
	    primitive_find(stack->frames[waiter->caller].callee, &p))
		return stack->frames[waiter->caller].callee;
	/* Wrappers say less than what they call: task_rq_lock(), on_each_cpu(). */
	for (uint32_t i = frame; i > 0; i--) {
		const struct frame *inner = &stack->frames[i - 1];

		if (!inner->reliable)
			continue;
		if (!primitive_is_wrapper(stack->frames[frame].function) ||
		    !primitive_find(inner->function, &p) || p.kind != waiter->wait->kind ||
		    p.act == PRIMITIVE_SLOWPATH)
			break;
		frame = i - 1;
	}
	return stack->frames[frame].function;
}

struct party waiter_party(const struct snapshot *snapshot, const struct waiter *waiter)
{
	const struct stack *stack = waiter->actor->stack;
	struct party party = party_of(snapshot, waiter->actor);

	if (waiter->caller != SNAPSHOT_NONE)
		party_set_frame(&party, stack, waiter->caller);
	party.primitive = waiter_primitive(waiter);
	party.lock = waiter->wait->lock;
	party.time_ns = waiter->wait->waited_ns;
	if (party.time_ns == SNAPSHOT_NO_TIME && waiter->actor->sleeping)
		party.time_ns = snapshot->tasks[waiter->actor->task].last_ran_ns;
	return party;
}

/*
 * What a holder is doing: the innermost telling frame of what it runs now. In a self-deadlock that
 * would be the waiting, so there it is what was going on where the lock is held.
 */
/*
 * What a CPU that holds a lock is at: what it runs now. But an interrupt in passing, a timer's tick,
 * is not what takes so long: there it is what goes on where the lock is held.
 */
static uint32_t holder_at(const struct actor *actor, const struct candidate *c)
{
	const struct stack *stack = actor->stack;
	uint32_t first = actor->first, last = actor->last;

	if (c->section != SNAPSHOT_NONE && c->section > last && first < stack->n &&
	    stack->frames[first].context == CONTEXT_IRQ) {
		first = context_innermost(stack, c->section);
		last = c->section;
	}
	return stack_telling(stack, first, last);
}

struct party holder_party(const struct snapshot *snapshot, const struct group *group)
{
	const struct candidate *c = &group->holder;
	const struct actor *actor = c->actor;
	const struct stack *stack = actor->stack;
	struct party party = party_of(snapshot, actor);
	uint32_t frame = SNAPSHOT_NONE;

	if ((c->proof & PROOF_SAME_STACK) && c->section != SNAPSHOT_NONE) {
		uint32_t from = context_innermost(stack, c->section);

		for (uint32_t i = 0; i < group->n_waiters; i++)
			if (group->waiters[i].actor == actor &&
			    group->waiters[i].caller != SNAPSHOT_NONE &&
			    group->waiters[i].caller >= from)
				from = c->section;
		frame = stack_telling(stack, from, c->section);
	} else if (actor->wait) {
		frame = wait_caller(stack, actor->wait);
		if (frame != SNAPSHOT_NONE && !frame_is_telling(&stack->frames[frame]))
			frame = stack_telling(stack, frame, stack->n);
	} else {
		frame = holder_at(actor, c);
	}
	if (frame == SNAPSHOT_NONE)
		frame = c->section;
	if (frame == SNAPSHOT_NONE && !actor->cut_off)
		frame = stack_telling(stack, 0, stack->n);
	if (frame != SNAPSHOT_NONE)
		party_set_frame(&party, stack, frame);
	if (c->section != SNAPSHOT_NONE)
		party.acquired_in = c->site && c->site->via ? c->site->via :
							      stack->frames[c->section].function;
	else if (group->lock < snapshot->n_locks)
		party.acquired_in = snapshot->locks[group->lock].owner_function;
	if (group->lock < snapshot->n_locks)
		party.time_ns = snapshot->locks[group->lock].held_ns;
	return party;
}
