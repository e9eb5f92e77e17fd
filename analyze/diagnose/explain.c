// SPDX-License-Identifier: GPL-2.0-or-later
#include "diagnose/explain.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

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

/* What is waited for, where it has neither a name nor an address. */
static const char *kind_text(struct arena *arena, enum lock_kind kind)
{
	switch (kind) {
	case LOCK_UNKNOWN:
	case LOCK_WAITQUEUE:
		return "an event";
	case LOCK_IO:
		return "I/O";
	case LOCK_RCU:
		return "an RCU grace period";
	case LOCK_CSD:
		return "other CPUs to answer";
	case LOCK_WORKQUEUE:
		return "work to finish";
	default:
		return arena_printf(arena, "a %s", lock_kind_name(kind));
	}
}

const char *explain_lock(struct arena *arena, const struct verdict *verdict)
{
	const char *kind = lock_kind_name(verdict->lock_kind);

	if (verdict->lock_name)
		return arena_printf(arena, "%s (%s)", verdict->lock_name, kind);
	if (verdict->lock_address)
		return arena_printf(arena, "the %s at %" PRIx64, kind, verdict->lock_address);
	return kind_text(arena, verdict->lock_kind);
}

/* "f+0x12"; "f at ffffffffa0726860" where the source tells no offsets. */
static const char *place_text(struct arena *arena, const struct frame *frame)
{
	if (!frame->function)
		return "an unknown function";
	if (frame->offset != SNAPSHOT_NONE)
		return arena_printf(arena, "%s+0x%x", frame->function, frame->offset);
	if (frame->address)
		return arena_printf(arena, "%s at %" PRIx64, frame->function, frame->address);
	return frame->function;
}

/* Where the waiters' call of the lock returns to in @section's function; "" when not there. */
static const char *call_text(struct arena *arena, const struct group *group,
			     const struct frame *section)
{
	for (uint32_t i = 0; section && i < group->n_waiters; i++) {
		const struct waiter *waiter = &group->waiters[i];
		const struct frame *caller;

		if (waiter->caller == SNAPSHOT_NONE)
			continue;
		caller = &waiter->actor->stack->frames[waiter->caller];
		if (function_same(caller->function, section->function)) {
			const char *where = place_text(arena, caller);

			return where ? arena_printf(arena, " (which returns to %s)", where) : NULL;
		}
	}
	return "";
}

/* Proofs by what is left as the only possibility; how many sentences there are now. */
static unsigned int explain_inferred(struct arena *arena, const struct candidate *c,
				     const struct lock *lock, const char *who, const char **say,
				     unsigned int n)
{
	if ((c->proof & PROOF_DIED) && lock)
		say[n++] = arena_printf(arena,
					"%s died in an oops with the lock's address, %" PRIx64
					", in its %s; nobody unlocks for the dead.",
					who, lock->address, c->actor->refs[c->ref].where);
	if (c->proof & PROOF_RUNS_LOCKED)
		say[n++] = arena_printf(arena, "%s is in a function that only runs with this lock held.",
					who);
	if (c->proof & PROOF_IRQS_OFF)
		say[n++] = arena_printf(arena,
					"The lock is taken in interrupts, so that it is held with "
					"interrupts off; %s is the only one left that has them off and "
					"does not go on.",
					who);
	if (c->proof & PROOF_NO_ANSWER)
		say[n++] = arena_printf(arena, "%s has interrupts off: it does not take the others' "
					       "interrupt.",
					who);
	if (c->proof & PROOF_RUNNING)
		say[n++] = arena_printf(arena, "%s is the only one at work while the others wait; it "
					       "has not slept.",
					who);
	if ((c->proof & PROOF_RECLAIM) && c->section != SNAPSHOT_NONE)
		say[n++] = arena_printf(arena,
					"%s allocated memory in %s, and reclaim called the same file "
					"system, which now waits for what is not done further out.",
					who, c->actor->stack->frames[c->section].function);
	return n;
}

/* "_raw_spin_lock_bh", "lock_it (it calls _raw_spin_lock_bh, and returns with the lock held)" */
static const char *site_text(struct arena *arena, const struct held_call *site)
{
	return site->via ? arena_printf(arena, "%s (it calls %s, and returns with the lock held)",
					site->via, site->target) :
			   site->target;
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
	const char *where = section ? place_text(arena, section) : NULL;
	const char *say[12];
	unsigned int n = 0;
	int r = 0;

	if (!who || (section && !where))
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
					"%s is in %s, whose code called %s with this very "
					"lock (%" PRIx64 ") on the way here and has not released it.",
					who, where, site_text(arena, c->site), c->site->lock);
	else if ((c->proof & PROOF_PAST_CALL) && section)
		say[n++] = arena_printf(arena,
					"%s is in %s, the function that the waiters wait in, "
					"past their call of the lock%s%s.",
					who, where, call_text(arena, group, section),
					c->proof & PROOF_SECTION ? ", with no release between" :
								   "");
	else if ((c->proof & PROOF_SECTION) && section && c->site)
		say[n++] = arena_printf(arena,
					"%s is in %s, whose code calls %s before this point "
					"and releases it only after.",
					who, where, site_text(arena, c->site));
	else if ((c->proof & PROOF_SECTION) && section)
		say[n++] = arena_printf(arena,
					"%s is in %s, which the scheduler calls with its CPU's run "
					"queue locked.",
					who, where);
	if ((c->proof & PROOF_SAME_STACK) && section && !(c->proof & PROOF_RECLAIM))
		say[n++] = arena_printf(arena,
					"%s waits for the lock further in on the same stack: it "
					"cannot come back to release it.",
					who);
	if ((c->proof & PROOF_ADDRESS) && c->ref != SNAPSHOT_NONE && lock &&
	    !(c->proof & PROOF_DIED))
		say[n++] = arena_printf(arena, "The lock's address, %" PRIx64 ", is in its %s%s%s.",
					lock->address, c->actor->refs[c->ref].where,
					section ? " below " : "", section ? section->function : "");
	if (c->proof & PROOF_OWNER_HINT)
		say[n++] = arena_printf(arena,
					"The lock names %s as its last reader; a hint, as readers "
					"do not sign out.",
					who);
	n = explain_inferred(arena, c, lock, who, say, n);
	if (c->proof & PROOF_ONLY_ONE)
		say[n++] = "All other CPUs wait for it, are idle or in user mode, or can hold no "
			   "such lock.";
	for (unsigned int i = 0; i < n && r == 0; i++)
		r = verdict_add_evidence(verdict, say[i]);
	return r;
}

/* The registers of @waiter, at the place where it waits, that hold @lock's address: up to 4. */
static unsigned int waiter_registers(const struct waiter *waiter, uint32_t lock,
				     const char *names[4])
{
	const struct actor *actor = waiter->actor;
	uint32_t inner = context_innermost(actor->stack, waiter->wait->frame);
	unsigned int n = 0;

	for (uint32_t i = 0; i < actor->n_refs && n < 4; i++)
		if (actor->refs[i].lock == lock && actor->refs[i].frame == inner &&
		    actor->stack->frames[inner].regs)
			names[n++] = actor->refs[i].where;
	return n;
}

static bool name_in(const char *name, const char *const *names, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return false;
}

int explain_registers(const struct snapshot *snapshot, const struct group *group,
		      struct verdict *verdict)
{
	const char *common[4], *text = NULL;
	unsigned int n_common = 0, n_waiters = 0;

	if (group->lock >= snapshot->n_locks || !snapshot->locks[group->lock].address)
		return 0;
	for (uint32_t i = 0; i < group->n_waiters; i++) {
		const char *names[4];
		unsigned int n = waiter_registers(&group->waiters[i], group->lock, names), kept = 0;

		if (n == 0)
			continue;
		for (unsigned int k = 0; k < (n_waiters ? n_common : n); k++)
			if (!n_waiters || name_in(common[k], names, n))
				common[kept++] = n_waiters ? common[k] : names[k];
		n_common = kept;
		n_waiters++;
	}
	if (n_common == 0)
		return 0;
	for (unsigned int k = 0; k < n_common; k++)
		text = arena_printf(verdict->arena, "%s%s%s", text ? text : "",
				    !text ? "" : k + 1 == n_common ? " and " : ", ", common[k]);
	return verdict_add_evidence(
		verdict, n_waiters == 1 ?
				 arena_printf(verdict->arena,
					      "The lock's address, %" PRIx64 ", is in the waiter's %s.",
					      snapshot->locks[group->lock].address, text) :
				 arena_printf(verdict->arena,
					      "One lock: its address, %" PRIx64 ", is in %s of %s%u "
					      "waiters.",
					      snapshot->locks[group->lock].address, text,
					      n_waiters == group->n_waiters ? "all " : "",
					      n_waiters));
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

/* "2 CPUs wait in f": of the waiters from @first on, those that wait in the same function. */
static const char *same_waiters_text(struct arena *arena, const struct verdict *v, uint32_t first,
				     bool verb, uint32_t *told)
{
	const struct party *party = &v->waiters[first];
	uint32_t same = 0, cpus = 0;
	const char *who;

	for (uint32_t i = first; i < v->n_waiters; i++)
		if (i == first || (!v->waiters[i].behind &&
				   function_same(v->waiters[i].function, party->function))) {
			same++;
			cpus += v->waiters[i].cpu != SNAPSHOT_NONE;
		}
	*told += same;
	who = same == 1 ? explain_party(arena, party) :
			  arena_printf(arena, "%u %s", same, cpus == same ? "CPUs" : "tasks");
	return arena_printf(arena, "%s%s in %s", who, !verb ? "" : same == 1 ? " waits" : " wait",
			    function_text(arena, party->function, party->module));
}

/* "7 CPUs wait in ip_set_add", "task a (pid 5) waits in f, 2 tasks in g; 3 more wait behind" */
static const char *waiters_text(struct arena *arena, const struct verdict *v)
{
	uint32_t first = v->n_waiters, second = v->n_waiters, direct = 0, told = 0;
	const char *text;

	for (uint32_t i = 0; i < v->n_waiters; i++) {
		if (v->waiters[i].behind)
			continue;
		direct++;
		if (first == v->n_waiters)
			first = i;
		else if (second == v->n_waiters &&
			 !function_same(v->waiters[i].function, v->waiters[first].function))
			second = i;
	}
	if (first == v->n_waiters)
		return NULL;
	text = same_waiters_text(arena, v, first, true, &told);
	if (second < v->n_waiters)
		text = arena_printf(arena, "%s, %s", text,
				    same_waiters_text(arena, v, second, false, &told));
	if (direct > told)
		text = arena_printf(arena, "%s, and %u more elsewhere", text, direct - told);
	if (v->n_waiters > direct)
		text = arena_printf(arena, "%s; %u more wait%s behind", text, v->n_waiters - direct,
				    v->n_waiters - direct == 1 ? "s" : "");
	return text;
}

static const char *cycle_text(struct arena *arena, const struct snapshot *snapshot,
			      const struct verdict *v)
{
	const char *text = "deadlock, a cycle: ";

	for (uint32_t i = 0; i < v->n_cycle; i++) {
		const struct edge *e = &v->cycle[i];
		const struct lock *lock =
			e->lock < snapshot->n_locks ? &snapshot->locks[e->lock] : NULL;
		const char *name = lock && lock->name ? lock->name :
				   lock ? arena_printf(arena, "the %s at %" PRIx64,
						       lock_kind_name(lock->kind), lock->address) :
					  "a lock";

		text = arena_printf(arena, "%s%s%s waits in %s for %s, held by %s in %s", text,
				    i ? "; " : "", explain_party(arena, &e->waiter),
				    e->waiter.function ? e->waiter.function : "?", name,
				    explain_party(arena, &e->holder),
				    e->holder.acquired_in ? e->holder.acquired_in :
				    e->holder.function	  ? e->holder.function :
							    "?");
		if (!text)
			return NULL;
	}
	return text;
}

static const char *how_held(const struct snapshot *snapshot, const struct verdict *v)
{
	const struct lock *lock = v->lock < snapshot->n_locks ? &snapshot->locks[v->lock] : NULL;

	if (!lock || lock->writer < 0)
		return "";
	return lock->writer ? " for writing" : " for reading";
}

/* The sentence without its full stop, for a lockup with a holder and no deadlock. */
static const char *held_up_text(struct arena *arena, const struct snapshot *snapshot,
				const struct verdict *v, const char *wait)
{
	const char *lock = explain_lock(arena, v);
	const char *who = explain_party(arena, &v->holder);
	const char *where = function_text(arena, v->holder.function, v->holder.module);
	const char *acquired = v->holder.acquired_in &&
					       !function_same(v->holder.acquired_in, v->holder.function) ?
				       arena_printf(arena, ", taken in %s", v->holder.acquired_in) :
				       "";
	const char *sep = wait ? "; " : "";

	wait = wait ? wait : "";
	switch (v->lock_kind) {
	case LOCK_UNKNOWN:
		return arena_printf(arena, "%s runs on and on in %s and holds no lock that others "
				    "wait for%s%s", who, where, sep, wait);
	case LOCK_CSD:
		return arena_printf(arena, "%s does not answer the other CPUs' interrupts, in %s%s%s",
				    who, where, sep, wait);
	case LOCK_RCU:
		return arena_printf(arena, "%s holds up the RCU grace period, in %s%s%s", who, where,
				    sep, wait);
	case LOCK_WORKQUEUE:
	case LOCK_COMPLETION:
	case LOCK_WAITQUEUE:
		return arena_printf(arena, "%s waits for %s, in %s%s%s", lock, who, where, sep, wait);
	default:
		return arena_printf(arena, "%s is held%s by %s in %s%s%s%s", lock,
				    how_held(snapshot, v), who, where, acquired, sep, wait);
	}
}

static const char *starvation_text(struct arena *arena, const struct verdict *v)
{
	const char *starved = explain_party(arena, &v->waiters[0]);

	if (!v->has_holder)
		return arena_printf(arena, "%s gets no CPU; what keeps it from running is not known",
				    starved);
	return arena_printf(arena, "%s gets no CPU: %s keeps it, in %s", starved,
			    explain_party(arena, &v->holder),
			    function_text(arena, v->holder.function, v->holder.module));
}

int explain_summary(const struct snapshot *snapshot, struct verdict *v)
{
	struct arena *arena = v->arena;
	const char *lock = explain_lock(arena, v);
	const char *wait = v->n_waiters ? waiters_text(arena, v) : NULL;
	const char *text;
	char *sentence;

	if (v->event == EVENT_NONE && v->pattern == PATTERN_CONTENTION)
		text = arena_printf(arena, "no lockup: %s is contended, but it moves on", lock);
	else if (v->event == EVENT_NONE)
		text = "no lockup is to be seen here";
	else if (v->event == EVENT_OOPS)
		text = "an oops, not a lockup: nobody holds the kernel up";
	else if (v->pattern == PATTERN_STARVATION && v->n_waiters)
		text = starvation_text(arena, v);
	else if (v->pattern == PATTERN_CYCLE)
		text = cycle_text(arena, snapshot, v);
	else if (v->pattern == PATTERN_SELF_DEADLOCK && v->has_holder)
		text = arena_printf(arena, "self-deadlock: %s %s %s in %s and waits for it in %s",
				    explain_party(arena, &v->holder),
				    v->lock_kind == LOCK_WORKQUEUE ? "runs work of" : "holds", lock,
				    function_text(arena, v->holder.function, v->holder.module),
				    v->n_cycle && v->cycle[0].waiter.function ?
					    v->cycle[0].waiter.function :
					    "an unknown function");
	else if (v->pattern == PATTERN_LOST_HOLDER)
		text = arena_printf(arena, "%s is held, but whoever took it is gone; %s", lock,
				    wait ? wait : "nobody waits");
	else if (v->has_holder)
		text = held_up_text(arena, snapshot, v, wait);
	else if (wait)
		text = arena_printf(arena, "%s for %s; who holds it is not known", wait, lock);
	else
		text = arena_printf(arena, "a %s; who caused it is not known", event_name(v->event));
	sentence = text ? arena_printf(arena, "%s.", text) : NULL;
	if (!sentence)
		return -ENOMEM;
	/* Names of locks keep their case; words of ours begin the sentence. */
	if (!v->lock_name || strncmp(sentence, v->lock_name, strlen(v->lock_name)) != 0)
		*sentence = (char)toupper((unsigned char)*sentence);
	v->summary = sentence;
	return 0;
}
