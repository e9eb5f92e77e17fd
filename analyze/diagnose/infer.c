// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The last resort: each rule here names somebody only where exactly one can be meant. Sources without
 * the code and the memory of the kernel, that is logs and transcripts, need them most.
 */
#include "diagnose/infer.h"

#include <string.h>

#include "diagnose/event.h"
#include "diagnose/primitives.h"

static bool waits_here(const struct group *group, const struct actor *actor)
{
	for (uint32_t i = 0; i < group->n_waiters; i++)
		if (group->waiters[i].actor == actor)
			return true;
	return false;
}

static void infer(struct group *group, const struct actor *actor, unsigned int proof,
		  double confidence)
{
	group->holder = (struct candidate){ .actor = actor, .section = SNAPSHOT_NONE,
					    .ref = SNAPSHOT_NONE, .proof = proof,
					    .confidence = confidence };
}

static const struct frame *frame_named(const struct actor *actor, const char *function)
{
	for (uint32_t i = 0; i < actor->stack->n; i++)
		if (actor->stack->frames[i].reliable &&
		    function_same(actor->stack->frames[i].function, function))
			return &actor->stack->frames[i];
	return NULL;
}

/* --- a task that died with it --- */

/* An oops kills its task where it stands: what it held stays locked (kernel/exit.c frees no locks). */
static bool infer_dead(const struct snapshot *snapshot, const struct actors *actors,
		       struct group *group)
{
	const struct actor *found = NULL;
	uint32_t ref = 0;

	if (group->lock == SNAPSHOT_NONE)
		return false;
	for (uint32_t i = 0; i < actors->n; i++) {
		const struct actor *actor = &actors->v[i];

		if (!actor->sleeping || snapshot->tasks[actor->task].state != TASK_STATE_DEAD)
			continue;
		for (uint32_t k = 0; k < actor->n_refs; k++)
			if (actor->refs[k].lock == group->lock) {
				if (found && found != actor)
					return false;
				found = actor;
				ref = k;
			}
	}
	if (!found)
		return false;
	infer(group, found, PROOF_DIED | PROOF_ADDRESS, 0.8);
	group->holder.ref = ref;
	group->lost = true;
	return true;
}

/* --- functions that run with the lock --- */

/* kernel/printk/printk.c: console_unlock() prints all that is there, for whoever wants console_sem. */
static bool infer_runs_locked(const struct actors *actors, struct group *group)
{
	static const struct {
		const char *waits, *runs;
	} known[] = {
		{ "console_lock", "console_unlock" },
		{ "console_lock", "console_flush_all" },
		{ "console_lock", "legacy_kthread_func" },
	};
	const struct waiter *w = &group->waiters[0];
	const char *primitive = w->actor->stack->frames[w->wait->frame].function;
	const struct actor *found = NULL;

	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
		if (!function_same(primitive, known[i].waits))
			continue;
		for (uint32_t k = 0; k < actors->n; k++) {
			const struct actor *actor = &actors->v[k];

			if (waits_here(group, actor) || !frame_named(actor, known[i].runs))
				continue;
			if (found && found != actor)
				return false;
			found = actor;
		}
	}
	if (!found)
		return false;
	infer(group, found, PROOF_RUNS_LOCKED, 0.85);
	return true;
}

/* --- reclaim --- */

static bool is_reclaim(const char *function)
{
	static const char *const names[] = { "shrink_slab", "do_try_to_free_pages",
					     "try_to_free_pages", "shrink_node", "shrink_zone",
					     "do_shrink_slab", "prune_icache_sb", "shrink_inactive_list",
					     "shrink_lruvec", "try_to_free_mem_cgroup_pages" };

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (function_same(function, names[i]))
			return true;
	return false;
}

/* The part of the kernel that a function is of: its module, or what its name begins with. */
static bool same_part(const struct frame *a, const struct frame *b)
{
	static const char *const parts[] = { "ext4_", "xfs_", "btrfs_", "nfs_", "f2fs_", "jbd2_",
					     "ocfs2_", "gfs2_", "ceph_", "zfs_" };

	if (a->module && b->module)
		return strcmp(a->module, b->module) == 0;
	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++)
		if (strncmp(a->function, parts[i], strlen(parts[i])) == 0 &&
		    strncmp(b->function, parts[i], strlen(parts[i])) == 0)
			return true;
	return false;
}

/*
 * A file system that allocates memory where reclaim may call it back, and then waits for itself: the
 * same stack has it waiting, reclaim, and it again, further out (the allocation lacked GFP_NOFS).
 */
static bool infer_reclaim(struct group *group)
{
	for (uint32_t i = 0; i < group->n_waiters; i++) {
		const struct waiter *waiter = &group->waiters[i];
		const struct stack *stack = waiter->actor->stack;
		bool reclaim = false;

		if (waiter->caller == SNAPSHOT_NONE || waiter->actor->wait != waiter->wait ||
		    !waiter->actor->sleeping)
			continue;
		for (uint32_t k = waiter->caller; k < stack->n; k++) {
			const struct frame *frame = &stack->frames[k];

			if (!frame->reliable || !frame->function)
				continue;
			reclaim |= is_reclaim(frame->function);
			if (!reclaim || !same_part(frame, &stack->frames[waiter->caller]))
				continue;
			infer(group, waiter->actor, PROOF_RECLAIM | PROOF_SAME_STACK, 0.65);
			group->holder.section = k;
			return true;
		}
	}
	return false;
}

/* --- CPUs --- */

static bool cpu_irqs_off(const struct snapshot *snapshot, const struct actor *actor)
{
	return actor->cpu < snapshot->n_cpus && snapshot->cpus[actor->cpu].irqs_off == 1 &&
	       !actor->idle && !actor->user && !actor->crashing && actor->stack->n;
}

/*
 * A lock that is taken in interrupts is only held with interrupts off, or an interrupt on its own
 * CPU could come to want it: so the holder is a CPU with interrupts off. One that has had them off
 * for as long waits itself, or was reported.
 */
static bool infer_irqs_off(const struct snapshot *snapshot, const struct actors *actors,
			   struct group *group)
{
	const struct actor *found = NULL;
	bool in_irq = false;

	if (!lock_kind_spins(group->kind) || group->kind == LOCK_CSD)
		return false;
	for (uint32_t i = 0; i < group->n_waiters; i++) {
		const struct waiter *w = &group->waiters[i];
		const struct frame *frame = &w->actor->stack->frames[w->wait->frame];

		in_irq |= frame->context == CONTEXT_IRQ && w->actor->cpu != SNAPSHOT_NONE;
	}
	for (uint32_t i = 0; in_irq && i < snapshot->n_cpus; i++) {
		const struct actor *actor = &actors->v[i];

		if (waits_here(group, actor) || !cpu_irqs_off(snapshot, actor))
			continue;
		if (!actor->wait && !event_names(snapshot, actor))
			continue;
		if (found)
			return false;
		found = actor;
	}
	if (!found)
		return false;
	infer(group, found, PROOF_IRQS_OFF, 0.7);
	return true;
}

/* Waiting for other CPUs to take an interrupt: for those that have them off, and do not go on. */
static bool infer_ipi(const struct snapshot *snapshot, const struct actors *actors,
		      struct group *group)
{
	const struct actor *found = NULL, *waiting = NULL;
	uint32_t n = 0;

	for (uint32_t i = 0; i < snapshot->n_cpus; i++) {
		const struct actor *actor = &actors->v[i];

		if (waits_here(group, actor) || !cpu_irqs_off(snapshot, actor))
			continue;
		n++;
		found = actor;
		if (actor->wait && !waiting)
			waiting = actor;
	}
	/* All of several have not answered; the one that waits leads on. */
	if (n != 1 && !waiting)
		return false;
	infer(group, n == 1 ? found : waiting, PROOF_NO_ANSWER, n == 1 ? 0.75 : 0.65);
	return true;
}

/* hrtimer_cancel() and del_timer_sync() wait until the timer's function, on another CPU, is done. */
static bool infer_timer(const struct snapshot *snapshot, const struct actors *actors,
			struct group *group)
{
	const struct waiter *w = &group->waiters[0];
	const char *primitive = w->actor->stack->frames[w->wait->frame].function;
	bool hr = primitive && strncmp(primitive, "hrtimer_", 8) == 0;
	const struct actor *found = NULL;

	if (!hr && !function_same(primitive, "del_timer_sync") &&
	    !function_same(primitive, "timer_delete_sync") &&
	    !function_same(primitive, "__timer_delete_sync"))
		return false;
	for (uint32_t i = 0; i < snapshot->n_cpus; i++) {
		const struct actor *actor = &actors->v[i];
		bool inside = false;

		if (waits_here(group, actor) || !actor->wait)
			continue;
		for (uint32_t k = actor->wait->frame; k <= actor->last && k < actor->stack->n; k++) {
			const char *function = actor->stack->frames[k].function;

			inside |= hr ? function_same(function, "__hrtimer_run_queues") ||
					       function_same(function, "__run_hrtimer") :
				       function_same(function, "call_timer_fn");
		}
		if (!inside)
			continue;
		if (found)
			return false;
		found = actor;
	}
	if (!found)
		return false;
	infer(group, found, PROOF_TARGET, 0.7);
	return true;
}

/*
 * The only CPU that is at work. For a grace period of sched RCU, which waits for CPUs and nothing
 * else; for a sleeping lock only where lockdep counted locks of the task and could not list them,
 * as it was running then as well.
 */
static bool infer_running(const struct snapshot *snapshot, const struct actors *actors,
			  struct group *group)
{
	const struct waiter *w = &group->waiters[0];
	const char *primitive = w->actor->stack->frames[w->wait->frame].function;
	bool sched = primitive && strncmp(primitive, "synchronize_sched", 17) == 0;
	const struct actor *found = NULL;

	if (!sched && group->kind != LOCK_MUTEX && group->kind != LOCK_RWSEM &&
	    group->kind != LOCK_RTMUTEX && group->kind != LOCK_SEMAPHORE)
		return false;
	for (uint32_t i = 0; i < snapshot->n_cpus; i++) {
		const struct actor *actor = &actors->v[i];

		if (waits_here(group, actor) || actor->idle || actor->user || actor->crashing ||
		    !actor->stack->n || actor->task == SNAPSHOT_NONE)
			continue;
		if (!sched && !snapshot->tasks[actor->task].holds_locks)
			continue;
		if (found)
			return false;
		found = actor;
	}
	if (!found)
		return false;
	infer(group, found, PROOF_RUNNING, 0.6);
	return true;
}

void group_infer(const struct snapshot *snapshot, const struct actors *actors, struct group *group)
{
	if (group->n_waiters == 0)
		return;
	if (infer_dead(snapshot, actors, group) || infer_runs_locked(actors, group) ||
	    infer_reclaim(group))
		return;
	if (group->kind == LOCK_CSD) {
		infer_ipi(snapshot, actors, group);
		return;
	}
	if (infer_irqs_off(snapshot, actors, group) || infer_timer(snapshot, actors, group))
		return;
	infer_running(snapshot, actors, group);
}
