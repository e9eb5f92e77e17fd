// SPDX-License-Identifier: GPL-2.0-or-later
#include "diagnose/graph.h"

#include <errno.h>

const struct group *groups_of_actor(const struct groups *groups, const struct actor *actor)
{
	for (uint32_t i = 0; i < groups->n; i++)
		for (uint32_t k = 0; k < groups->v[i].n_waiters; k++)
			if (groups->v[i].waiters[k].actor == actor &&
			    groups->v[i].waiters[k].wait == actor->wait && actor->wait)
				return &groups->v[i];
	return NULL;
}

/* Waits that may well have no holder: for an event, for I/O, for a grace period. */
static bool kind_is_event(enum lock_kind kind)
{
	return kind == LOCK_COMPLETION || kind == LOCK_WAITQUEUE || kind == LOCK_IO ||
	       kind == LOCK_RCU || kind == LOCK_WORKQUEUE || kind == LOCK_UNKNOWN ||
	       kind == LOCK_FUTEX;
}

/* What @group's holder waits for itself, when following on leads nearer to the culprit. */
static const struct group *group_next(const struct groups *groups, const struct group *group)
{
	const struct group *next;

	if (!group->holder.actor)
		return NULL;
	next = groups_of_actor(groups, group->holder.actor);
	if (next && !next->holder.actor && !next->lost && kind_is_event(next->kind))
		return NULL;
	return next;
}

static int lockup_new(struct arena *arena, const struct groups *groups, const struct group *end,
		      struct lockups *lockups)
{
	struct lockup *lockup = ARENA_APPEND(arena, lockups->v, lockups->n);
	const struct group *g = end;

	if (!lockup)
		return -ENOMEM;
	lockup->root = end;
	lockup->culprit = end->holder.actor;
	/* @end is on a cycle exactly when following on from it comes back to it. */
	for (uint32_t steps = 0; steps <= groups->n && (g = group_next(groups, g)) != NULL; steps++)
		if (g == end)
			break;
	if (!g || g != end)
		return 0;
	do {
		const struct group **slot = ARENA_APPEND(arena, lockup->cycle, lockup->n_cycle);

		if (!slot)
			return -ENOMEM;
		*slot = g;
		g = group_next(groups, g);
	} while (g != end);
	return 0;
}

/* Two locks with one holder are one lockup: what counts is who holds the others up. */
static bool lockup_ends_at(const struct lockup *lockup, const struct group *end)
{
	if (lockup->root == end)
		return true;
	if (lockup->n_cycle == 0 && lockup->culprit && lockup->culprit == end->holder.actor)
		return true;
	for (uint32_t i = 0; i < lockup->n_cycle; i++)
		if (lockup->cycle[i] == end)
			return true;
	return false;
}

/*
 * Of several locks that the culprit itself holds, the root is the one with the most waiters; the
 * root's own waiters are told first.
 */
static void lockup_order(struct lockup *lockup)
{
	for (uint32_t i = 0; i < lockup->n_groups && lockup->n_cycle == 0; i++)
		if (lockup->culprit && lockup->groups[i]->holder.actor == lockup->culprit &&
		    lockup->groups[i]->n_waiters > lockup->root->n_waiters)
			lockup->root = lockup->groups[i];
	for (uint32_t i = 1; i < lockup->n_groups; i++)
		if (lockup->groups[i] == lockup->root) {
			lockup->groups[i] = lockup->groups[0];
			lockup->groups[0] = lockup->root;
		}
}

int lockups_find(struct arena *arena, const struct actors *actors, const struct groups *groups,
		 struct lockups *ret_lockups)
{
	struct lockups lockups = { 0 };
	int r;

	for (uint32_t i = 0; i < groups->n; i++) {
		const struct group *end = &groups->v[i], *next;
		struct lockup *lockup = NULL;
		const struct group **slot;

		/* As many steps as there are groups end in the root or inside the cycle. */
		for (uint32_t steps = 0; steps < groups->n; steps++) {
			next = group_next(groups, end);
			if (!next)
				break;
			end = next;
		}
		for (uint32_t k = 0; k < lockups.n && !lockup; k++)
			if (lockup_ends_at(&lockups.v[k], end))
				lockup = &lockups.v[k];
		if (!lockup) {
			r = lockup_new(arena, groups, end, &lockups);
			if (r < 0)
				return r;
			lockup = &lockups.v[lockups.n - 1];
		}
		slot = ARENA_APPEND(arena, lockup->groups, lockup->n_groups);
		if (!slot)
			return -ENOMEM;
		*slot = &groups->v[i];
	}
	for (uint32_t i = 0; i < lockups.n; i++)
		lockup_order(&lockups.v[i]);
	*ret_lockups = lockups;
	return 0;
}
