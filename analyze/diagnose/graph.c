// SPDX-License-Identifier: GPL-2.0-or-later
#include "diagnose/graph.h"

#include <errno.h>

struct graph {
	struct arena *arena;
	const struct actors *actors;
	const struct groups *groups;
	struct lockups lockups;
	uint32_t *by_group; /* the lockup that has this group as its root or in its cycle, NONE */
	uint32_t *by_actor; /* the lockup without a cycle whose culprit this is, NONE */
};

/* Waits that may well have no holder: for an event, for I/O, for a grace period. */
static bool kind_is_event(enum lock_kind kind)
{
	return kind == LOCK_COMPLETION || kind == LOCK_WAITQUEUE || kind == LOCK_IO ||
	       kind == LOCK_RCU || kind == LOCK_WORKQUEUE || kind == LOCK_UNKNOWN ||
	       kind == LOCK_FUTEX;
}

/* What @group's holder waits for itself, when following on leads nearer to the culprit. */
static const struct group *group_next(const struct graph *graph, const struct group *group)
{
	const struct group *next;
	uint32_t index;

	if (!group->holder.actor)
		return NULL;
	index = graph->groups->of_actor[group->holder.actor - graph->actors->v];
	next = index == SNAPSHOT_NONE ? NULL : &graph->groups->v[index];
	if (next && !next->holder.actor && !next->lost && kind_is_event(next->kind))
		return NULL;
	return next;
}

static int lockup_new(struct graph *graph, const struct group *end)
{
	struct lockup *lockup = ARENA_APPEND(graph->arena, graph->lockups.v, graph->lockups.n);
	uint32_t index = graph->lockups.n - 1;
	const struct group *g = end;

	if (!lockup)
		return -ENOMEM;
	lockup->root = end;
	lockup->culprit = end->holder.actor;
	graph->by_group[end - graph->groups->v] = index;
	/* @end is on a cycle exactly when following on from it comes back to it. */
	for (uint32_t steps = 0; steps <= graph->groups->n; steps++) {
		g = group_next(graph, g);
		if (!g || g == end)
			break;
	}
	if (g != end) {
		if (lockup->culprit)
			graph->by_actor[lockup->culprit - graph->actors->v] = index;
		return 0;
	}
	do {
		const struct group **slot =
			ARENA_APPEND(graph->arena, lockup->cycle, lockup->n_cycle);

		if (!slot)
			return -ENOMEM;
		*slot = g;
		graph->by_group[g - graph->groups->v] = index;
		g = group_next(graph, g);
	} while (g != end);
	return 0;
}

/* Two locks with one holder are one lockup: what counts is who holds the others up. */
static uint32_t lockup_find(const struct graph *graph, const struct group *end)
{
	uint32_t found = graph->by_group[end - graph->groups->v];

	if (found == SNAPSHOT_NONE && end->holder.actor)
		found = graph->by_actor[end->holder.actor - graph->actors->v];
	return found;
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

static int graph_follow(struct graph *graph, const struct group *group)
{
	const struct group *end = group, *next, **slot;
	struct lockup *lockup;
	uint32_t index;

	/* As many steps as there are groups end in the root or inside the cycle. */
	for (uint32_t steps = 0; steps < graph->groups->n; steps++) {
		next = group_next(graph, end);
		if (!next)
			break;
		end = next;
		if (graph->by_group[end - graph->groups->v] != SNAPSHOT_NONE)
			break;
	}
	index = lockup_find(graph, end);
	if (index == SNAPSHOT_NONE) {
		int r = lockup_new(graph, end);

		if (r < 0)
			return r;
		index = graph->lockups.n - 1;
	}
	lockup = &graph->lockups.v[index];
	slot = ARENA_APPEND(graph->arena, lockup->groups, lockup->n_groups);
	if (!slot)
		return -ENOMEM;
	*slot = group;
	return 0;
}

int lockups_find(struct arena *arena, const struct actors *actors, const struct groups *groups,
		 struct lockups *ret_lockups)
{
	struct graph graph = { .arena = arena, .actors = actors, .groups = groups };

	graph.by_group = arena_calloc(arena, (size_t)groups->n + 1, sizeof(uint32_t));
	graph.by_actor = arena_calloc(arena, (size_t)actors->n + 1, sizeof(uint32_t));
	if (!graph.by_group || !graph.by_actor)
		return -ENOMEM;
	memset(graph.by_group, 0xff, groups->n * sizeof(uint32_t));
	memset(graph.by_actor, 0xff, actors->n * sizeof(uint32_t));
	for (uint32_t i = 0; i < groups->n; i++) {
		int r = graph_follow(&graph, &groups->v[i]);

		if (r < 0)
			return r;
	}
	for (uint32_t i = 0; i < graph.lockups.n; i++)
		lockup_order(&graph.lockups.v[i]);
	*ret_lockups = graph.lockups;
	return 0;
}
