/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HOLDUP_DIAGNOSE_EXPLAIN_H
#define HOLDUP_DIAGNOSE_EXPLAIN_H

#include "diagnose/holder.h"
#include "verdict.h"

/*
 * The judgement in sentences. All strings come from the verdict's arena; functions return NULL or
 * -ENOMEM when memory is short.
 */

/* "CPU 7 (ksoftirqd/7, pid 33)", "pid 812 (kworker/3:1)", "CPU 2" */
const char *explain_party(struct arena *arena, const struct party *party);

/* "ip_set.lock (rwlock)", "the spinlock at ffff88075efe27e0", "a mutex" */
const char *explain_lock(struct arena *arena, const struct verdict *verdict);

/* The proofs for the holder of @group, strongest first, as evidence of @verdict. */
int explain_holder(const struct snapshot *snapshot, const struct group *group,
		   struct verdict *verdict);

/* Which registers of the waiters say that it is one lock, as evidence of @verdict. */
int explain_registers(const struct snapshot *snapshot, const struct group *group,
		      struct verdict *verdict);

/* What would settle who holds @group's lock, as unknowns of @verdict. */
int explain_unknown_holder(const struct snapshot *snapshot, const struct actors *actors,
			   const struct group *group, struct verdict *verdict);

/* Sets verdict->summary; everything else in it is there already. */
int explain_summary(const struct snapshot *snapshot, struct verdict *verdict);

int verdict_add_evidence(struct verdict *verdict, const char *sentence);
int verdict_add_unknown(struct verdict *verdict, const char *sentence);

#endif
