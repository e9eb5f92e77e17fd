// SPDX-License-Identifier: GPL-2.0-or-later
#include "diagnose/explain.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "diagnose/primitives.h"

static int add_line(struct arena *arena, const char ***lines, uint32_t *n, const char *sentence)
{
	const char **slot;

	if (!sentence)
		return -ENOMEM;
	slot = ARENA_APPEND(arena, *lines, *n);
	if (!slot)
		return -ENOMEM;
	*slot = sentence;
	return 0;
}

int verdict_add_evidence(struct verdict *verdict, const char *sentence)
{
	return add_line(verdict->arena, &verdict->evidence, &verdict->n_evidence, sentence);
}

int verdict_add_unknown(struct verdict *verdict, const char *sentence)
{
	return add_line(verdict->arena, &verdict->unknowns, &verdict->n_unknowns, sentence);
}

const char *explain_party(struct arena *arena, const struct party *party)
{
	const char *comm = party->comm ? party->comm : "?";

	if (party->cpu != SNAPSHOT_NONE && party->pid != SNAPSHOT_NONE)
		return arena_printf(arena, "CPU %u (%s, pid %u)", party->cpu, comm, party->pid);
	if (party->cpu != SNAPSHOT_NONE)
		return party->comm ? arena_printf(arena, "CPU %u (%s)", party->cpu, comm) :
				     arena_printf(arena, "CPU %u", party->cpu);
	if (party->pid != SNAPSHOT_NONE)
		return arena_printf(arena, "task %s (pid %u)", comm, party->pid);
	return party->comm ? party->comm : "somebody";
}

static const char *function_text(struct arena *arena, const char *function, const char *module)
{
	if (!function)
		return "an unknown function";
	return module ? arena_printf(arena, "%s [%s]", function, module) : function;
}

static const char *mode_text(int write)
{
	return write == 1 ? ", for writing" : write == 0 ? ", for reading" : "";
}

const char *explain_lock(struct arena *arena, const struct snapshot *snapshot,
			 const struct verdict *verdict)
{
	const char *kind = lock_kind_name(verdict->lock_kind);

	if (verdict->lock_name)
		return arena_printf(arena, "%s (%s%s)", verdict->lock_name, kind,
				    mode_text(verdict->lock_write));
	if (verdict->lock_address)
		return arena_printf(arena, "the %s at %" PRIx64 "%s", kind, verdict->lock_address,
				    mode_text(verdict->lock_write));
	return arena_printf(arena, "a %s%s", kind, mode_text(verdict->lock_write));
}

int explain_holder(const struct snapshot *snapshot, const struct group *group,
		   struct verdict *verdict)
{
	const struct candidate *c = &group->holder;
	struct arena *arena = verdict->arena;
	const struct lock *lock =
		group->lock < snapshot->n_locks ? &snapshot->locks[group->lock] : NULL;
	const struct frame *section =
		c->section != SNAPSHOT_NONE ? &c->actor->stack->frames[c->section] : NULL;
	const char *who = explain_party(arena, &verdict->holder);
	const char *say[8];
	unsigned int n = 0;
	int r = 0;

	if (!who)
		return -ENOMEM;
	if (c->proof & PROOF_OWNER_RECORD)
		say[n++] = arena_printf(arena, "The hold probes recorded %s as the owner.", who);
	if (c->proof & PROOF_OWNER_STORED)
		say[n++] = arena_printf(arena, "The lock itself stores its owner: %s.", who);
	if (c->proof & PROOF_OWNER_REPORTED)
		say[n++] = arena_printf(arena, "The kernel's log names the owner: %s.", who);
	if (c->proof & PROOF_TARGET)
		say[n++] = arena_printf(arena, "The wait is for %s to act, and it has not.", who);
	if ((c->proof & PROOF_TAKEN) && section)
		say[n++] = arena_printf(arena,
					"%s is in %s+0x%x, whose code called %s with this very "
					"lock (%" PRIx64 ") on the way here and has not released it.",
					who, section->function, section->offset, c->site->target,
					c->site->lock);
	else if ((c->proof & PROOF_PAST_CALL) && section)
		say[n++] = arena_printf(arena,
					"%s is in %s+0x%x, the function that the waiters wait in, "
					"past their call of the lock%s.",
					who, section->function, section->offset,
					c->proof & PROOF_SECTION ? ", with no release between" :
								   "");
	else if ((c->proof & PROOF_SECTION) && section && c->site)
		say[n++] = arena_printf(arena,
					"%s is in %s+0x%x, whose code calls %s before this point "
					"and releases it only after.",
					who, section->function, section->offset, c->site->target);
	if ((c->proof & PROOF_SAME_STACK) && section)
		say[n++] = arena_printf(arena,
					"%s waits for the lock further in on the same stack: it "
					"cannot come back to release it.",
					who);
	if ((c->proof & PROOF_ADDRESS) && c->ref != SNAPSHOT_NONE && lock)
		say[n++] = arena_printf(arena, "The lock's address, %" PRIx64 ", is in its %s%s%s.",
					lock->address, c->actor->refs[c->ref].where,
					section ? " below " : "", section ? section->function : "");
	if (c->proof & PROOF_OWNER_HINT)
		say[n++] = arena_printf(arena,
					"The lock names %s as its last reader; a hint, as readers "
					"do not sign out.",
					who);
	if (c->proof & PROOF_ONLY_ONE)
		say[n++] = "All other CPUs wait for it, are idle or in user mode, or can hold no "
			   "such lock.";
	for (unsigned int i = 0; i < n && r == 0; i++)
		r = verdict_add_evidence(verdict, say[i]);
	return r;
}

int explain_unknown_holder(const struct snapshot *snapshot, const struct actors *actors,
			   const struct group *group, struct verdict *verdict)
{
	struct arena *arena = verdict->arena;
	const struct candidate *c = &group->runner_up;
	int r;

	if (group->lost)
		return verdict_add_unknown(verdict, "Who took the lock and left it locked cannot "
						    "be read from this source.");
	for (uint32_t i = 0; i < actors->n; i++) {
		const struct actor *actor = &actors->v[i];

		if (actor->cpu == SNAPSHOT_NONE || actor->stack->n || actor->user || actor->idle)
			continue;
		r = verdict_add_unknown(
			verdict, arena_printf(arena,
					      "The stack of CPU %u is not in this source; the "
					      "holder may be there.",
					      actor_cpu(snapshot, actor)));
		if (r < 0)
			return r;
	}
	if (!c->actor)
		return verdict_add_unknown(verdict, "No stack here shows who holds the lock.");
	return verdict_add_unknown(
		verdict,
		arena_printf(arena, "%s (pid %u) may hold the lock, but the proof is not enough "
				    "to name it.",
			     actor_comm(snapshot, c->actor) ? actor_comm(snapshot, c->actor) : "?",
			     actor_pid(snapshot, c->actor)));
}

static const char *waiters_text(struct arena *arena, const struct verdict *v)
{
	const struct party *first = &v->waiters[0];
	uint32_t same = 0, cpus = 0, rest;
	const char *who, *text;

	for (uint32_t i = 0; i < v->n_waiters; i++)
		if (function_same(v->waiters[i].function, first->function)) {
			same++;
			cpus += v->waiters[i].cpu != SNAPSHOT_NONE;
		}
	rest = v->n_waiters - same;
	if (same == 1)
		who = explain_party(arena, first);
	else
		who = arena_printf(arena, "%u %s", same, cpus == same ? "CPUs" : "tasks");
	text = arena_printf(arena, "%s wait%s in %s", who, same == 1 ? "s" : "",
			    function_text(arena, first->function, first->module));
	if (text && rest)
		text = arena_printf(arena, "%s, and %u other%s elsewhere", text, rest,
				    rest == 1 ? "" : "s");
	return text;
}

static const char *cycle_text(struct arena *arena, const struct snapshot *snapshot,
			      const struct verdict *v)
{
	const char *text = "Deadlock, a cycle: ";

	for (uint32_t i = 0; i < v->n_cycle; i++) {
		const struct edge *e = &v->cycle[i];
		const char *name = e->lock < snapshot->n_locks ? snapshot->locks[e->lock].name :
								 NULL;

		text = arena_printf(arena, "%s%s%s waits in %s for %s, held by %s", text,
				    i ? "; " : "", explain_party(arena, &e->waiter),
				    e->waiter.function ? e->waiter.function : "?",
				    name ? name : "a lock without a name",
				    explain_party(arena, &e->holder));
		if (!text)
			return NULL;
	}
	return arena_printf(arena, "%s.", text);
}

int explain_summary(const struct snapshot *snapshot, struct verdict *v)
{
	struct arena *arena = v->arena;
	const char *lock = explain_lock(arena, snapshot, v);
	const char *who = v->has_holder ? explain_party(arena, &v->holder) : NULL;
	const char *where =
		v->has_holder ? function_text(arena, v->holder.function, v->holder.module) : NULL;
	const char *wait = v->n_waiters ? waiters_text(arena, v) : NULL;

	if (v->event == EVENT_NONE) {
		v->summary = v->pattern == PATTERN_CONTENTION ?
			arena_printf(arena, "No lockup: %s is contended, but it moves on.", lock) :
			"No lockup is to be seen here.";
	} else if (v->event == EVENT_OOPS) {
		v->summary = "An oops, not a lockup: nobody holds the kernel up.";
	} else if (v->pattern == PATTERN_CYCLE) {
		v->summary = cycle_text(arena, snapshot, v);
	} else if (v->pattern == PATTERN_SELF_DEADLOCK && who) {
		v->summary = arena_printf(arena, "Self-deadlock: %s holds %s in %s and waits for it%s%s.",
					  who, lock, where, v->n_waiters ? " in " : "",
					  v->n_waiters ? v->waiters[0].function : "");
	} else if (v->pattern == PATTERN_LOST_HOLDER) {
		v->summary = arena_printf(arena, "%s is held, but who took it is gone; %s.", lock,
					  wait ? wait : "nobody waits");
	} else if (v->pattern == PATTERN_IPI_WAIT && who) {
		v->summary = arena_printf(arena, "%s does not answer interrupts, in %s; %s for it.",
					  who, where, wait ? wait : "nobody waits");
	} else if (who && v->lock_kind == LOCK_UNKNOWN) {
		v->summary = arena_printf(arena, "%s keeps running in %s and lets nobody else in%s%s.",
					  who, where, wait ? "; " : "", wait ? wait : "");
	} else if (who) {
		v->summary = arena_printf(arena, "%s is held by %s in %s%s%s%s%s.", lock, who, where,
					  v->holder.acquired_in ? ", acquired in " : "",
					  v->holder.acquired_in ? v->holder.acquired_in : "",
					  wait ? "; " : "", wait ? wait : "");
	} else if (wait) {
		v->summary = arena_printf(arena, "%s for %s; who holds it is not known.", wait, lock);
	} else {
		v->summary = arena_printf(arena, "A %s; who caused it is not known.",
					  event_name(v->event));
	}
	return v->summary ? 0 : -ENOMEM;
}
