// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stdlib.h>

#include "render/place.h"

static struct place *party_place(struct places *places, const struct snapshot *snapshot,
				 const struct party *party)
{
	if (party->snapshot_cpu < snapshot->n_cpus)
		return &places->cpus[party->snapshot_cpu];
	if (party->snapshot_task < snapshot->n_tasks)
		return &places->tasks[party->snapshot_task];
	return NULL;
}

/* A role stands unless it says nothing; one that waits or holds goes before one that does not. */
static bool role_yields(enum role role)
{
	return role != ROLE_WAITER && role != ROLE_HOLDER;
}

static void place_wait(struct place *place, const struct party *party, uint32_t lockup)
{
	if (!place)
		return;
	if (role_yields(place->role)) {
		place->role = ROLE_WAITER;
		place->lockup = lockup;
	}
	if (place->lockup == lockup && place->wait_frame == SNAPSHOT_NONE) {
		place->wait_frame = party->frame;
		place->wait_lock = party->lock;
	}
}

static void place_hold(struct place *place, const struct party *party, uint32_t lockup)
{
	if (!place)
		return;
	if (role_yields(place->role)) {
		place->role = ROLE_HOLDER;
		place->lockup = lockup;
	}
	if (place->lockup == lockup && place->hold_frame == SNAPSHOT_NONE)
		place->hold_frame = party->frame;
}

static void places_add(struct places *places, const struct snapshot *snapshot,
		       const struct verdict *verdict, uint32_t lockup)
{
	if (verdict->has_holder)
		place_hold(party_place(places, snapshot, &verdict->holder), &verdict->holder,
			   lockup);
	for (uint32_t i = 0; i < verdict->n_waiters; i++)
		place_wait(party_place(places, snapshot, &verdict->waiters[i]),
			   &verdict->waiters[i], lockup);
	for (uint32_t i = 0; i < verdict->n_cycle; i++) {
		const struct edge *edge = &verdict->cycle[i];

		place_wait(party_place(places, snapshot, &edge->waiter), &edge->waiter, lockup);
		place_hold(party_place(places, snapshot, &edge->holder), &edge->holder, lockup);
	}
	for (uint32_t i = 0; i < verdict->n_graph_tasks; i++) {
		uint32_t index = verdict->graph_tasks[i];

		if (index < snapshot->n_tasks && !places->tasks[index].graph)
			places->tasks[index].graph = lockup + 1;
	}
}

static struct place *places_new(uint32_t n)
{
	struct place *places = calloc(n ? n : 1, sizeof(*places));

	for (uint32_t i = 0; places && i < n; i++)
		places[i].wait_frame = places[i].wait_lock = places[i].hold_frame = SNAPSHOT_NONE;
	return places;
}

int places_init(struct places *places, const struct snapshot *snapshot,
		const struct verdict *verdict, bool others)
{
	places->cpus = places_new(snapshot->n_cpus);
	places->tasks = places_new(snapshot->n_tasks);
	if (!places->cpus || !places->tasks) {
		places_done(places);
		return -ENOMEM;
	}
	places_add(places, snapshot, verdict, 0);
	for (uint32_t i = 0; others && i < verdict->n_others; i++)
		if (verdict_snapshot(verdict->others[i], snapshot) == snapshot)
			places_add(places, snapshot, verdict->others[i], i + 1);
	for (uint32_t i = 0; verdict->cpu_roles && i < snapshot->n_cpus; i++) {
		if (role_yields(places->cpus[i].role) || !role_yields(verdict->cpu_roles[i]))
			places->cpus[i].role = verdict->cpu_roles[i];
	}
	return 0;
}

void places_done(struct places *places)
{
	free(places->cpus);
	free(places->tasks);
	places->cpus = places->tasks = NULL;
}
