/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HOLDUP_RENDER_PLACE_H
#define HOLDUP_RENDER_PLACE_H

#include "snapshot.h"
#include "verdict.h"

/* What the verdicts say of one CPU or one sleeping task: to be shown beside its stack. */
struct place {
	enum role role;
	uint32_t lockup;     /* 0: of the first verdict, n: of others[n - 1] */
	uint32_t wait_frame; /* index of the frame that waits, SNAPSHOT_NONE */
	uint32_t wait_lock;  /* what for, index in snapshot->locks, SNAPSHOT_NONE */
	uint32_t hold_frame; /* index of the frame that holds the others up, SNAPSHOT_NONE */
	uint32_t graph;	     /* a blocked task of a verdict's wait graph: lockup + 1; 0 of none */
};

struct places {
	struct place *cpus;  /* one per snapshot->cpus */
	struct place *tasks; /* one per snapshot->tasks */
};

/*
 * With @others also what the further lockups say of whom the first says nothing. The first one's
 * cpu_roles are of all lockups, but do not tell which. 0 or -ENOMEM.
 */
int places_init(struct places *places, const struct snapshot *snapshot,
		const struct verdict *verdict, bool others);
void places_done(struct places *places);

#endif
