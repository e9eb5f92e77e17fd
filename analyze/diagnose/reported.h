/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HOLDUP_DIAGNOSE_REPORTED_H
#define HOLDUP_DIAGNOSE_REPORTED_H

#include "diagnose/actors.h"
#include "verdict.h"

/*
 * Verdicts that stand on the kernel's own analysis and not on the wait graph. Both fill @verdict but
 * for its event; 0 or -ENOMEM.
 */

/* A deadlock that lockdep foresees in the order of locks. */
int describe_deadlock(const struct snapshot *snapshot, const struct deadlock *deadlock,
		      struct verdict *verdict);

/* @task, runnable, gets no CPU; the kernel says so and where. */
int describe_starvation(const struct snapshot *snapshot, const struct actors *actors, uint32_t task,
			struct verdict *verdict);

#endif
