/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HOLDUP_DIAGNOSE_GRAPH_H
#define HOLDUP_DIAGNOSE_GRAPH_H

#include "diagnose/holder.h"

/*
 * Who waits for whom, followed to its end. A lockup is one end of the wait graph with everybody
 * who waits for it, directly or through others.
 */
struct lockup {
	const struct group *root;    /* what the holder holds; NULL: a loop that holds no known lock */
	const struct actor *culprit; /* who everybody waits for in the end, NULL unknown */
	const struct group **cycle;  /* groups of a cycle in order, each one's holder waits in the next */
	uint32_t n_cycle;	     /* 1: a self-deadlock */
	const struct group **groups; /* all groups that end here, the root or cycle first */
	uint32_t n_groups;
};

struct lockups {
	struct lockup *v;
	uint32_t n;
};

/* 0 or -ENOMEM. */
int lockups_find(struct arena *arena, const struct actors *actors, const struct groups *groups,
		 struct lockups *ret_lockups);

#endif
