/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HOLDUP_VERDICT_H
#define HOLDUP_VERDICT_H

#include "snapshot.h"

/*
 * The judgement on a snapshot. The JSON form, schema holdup.verdict/1, is described in
 * docs/verdict.md; the enumerators' names there are verdict_event_name() and the like.
 */

enum event {
	EVENT_NONE,
	EVENT_SOFT_LOCKUP,
	EVENT_HARD_LOCKUP,
	EVENT_RCU_STALL,
	EVENT_HUNG_TASK,
	EVENT_SPINLOCK_LOCKUP,
	EVENT_SPINLOCK_RECURSION,
	EVENT_WORKQUEUE_LOCKUP,
	EVENT_DEADLOCK_REPORT,
	EVENT_EARLY_WARNING,
	EVENT_OOPS,
};

enum pattern {
	PATTERN_NONE,
	PATTERN_UNKNOWN,
	PATTERN_LONG_HOLD,
	PATTERN_SELF_DEADLOCK,
	PATTERN_CYCLE,
	PATTERN_LOST_HOLDER,
	PATTERN_BUSY_LOOP,
	PATTERN_LIVELOCK,
	PATTERN_IRQ_STORM,
	PATTERN_IPI_WAIT,
	PATTERN_IO_WAIT,
	PATTERN_STARVATION,
	PATTERN_CONTENTION,
};

enum role {
	ROLE_UNKNOWN,
	ROLE_WAITER,
	ROLE_HOLDER,
	ROLE_BYSTANDER,
	ROLE_IDLE,
	ROLE_PANIC,
};

/* Somebody in a verdict: a waiter, the holder or a member of a cycle. */
struct party {
	uint32_t cpu, pid;    /* SNAPSHOT_NONE unknown */
	const char *comm;
	const char *function; /* waiter: who called the lock primitive; holder: what it is doing */
	const char *module;
	uint32_t offset;      /* holder: of address in function */
	uint64_t address;     /* holder: where it is, 0 unknown */
	const char *file;
	uint32_t line;
	const char *primitive;	 /* waiter: "_raw_write_lock_bh" */
	const char *acquired_in; /* holder: the function that took the lock */
	uint64_t time_ns;     /* waited or held; SNAPSHOT_NO_TIME unknown */
	uint32_t lock;	      /* waiter: index in snapshot->locks of what it waits for, or NONE */
	bool behind;	      /* waiter: not for the holder itself, but for others who wait for it */
	uint32_t snapshot_cpu, snapshot_task; /* indexes, SNAPSHOT_NONE */
	uint32_t frame;	      /* index in its stack of the frame that @function names */
};

/* @waiter waits for @lock, which @holder holds. */
struct edge {
	struct party waiter, holder;
	uint32_t lock;	      /* index, SNAPSHOT_NONE unknown */
};

struct bystander {
	uint32_t cpu, pid;    /* either may be SNAPSHOT_NONE */
	const char *comm;
	const char *why;
};

struct verdict {
	struct arena *arena;  /* the first verdict's own; shared by ->others */
	enum event event;
	enum pattern pattern;
	uint32_t lock;	      /* index in snapshot->locks, SNAPSHOT_NONE */
	enum lock_kind lock_kind;  /* also where there is no lock object (from the primitive) */
	const char *lock_name;
	uint64_t lock_address;
	int8_t lock_write;    /* how the waiters want it: 1 write, 0 read, -1 no such thing */
	const char *primitive;
	struct party *waiters;
	uint32_t n_waiters;
	bool has_holder;
	struct party holder;
	struct edge *cycle;
	uint32_t n_cycle;
	struct bystander *bystanders;
	uint32_t n_bystanders;
	double confidence;    /* 0..1, of the holder where there is one, else of the verdict */
	const char **evidence;
	uint32_t n_evidence;
	const char **unknowns;
	uint32_t n_unknowns;
	char signature[33];   /* 32 hex digits; empty when there is nothing to sign */
	const char *summary;
	enum role *cpu_roles;	/* one per snapshot->cpus */
	uint32_t *graph_tasks;	/* indexes of the blocked tasks in the wait graph */
	uint32_t n_graph_tasks;
	/* Where this is an other of another event of the same source; NULL: the first verdict's. */
	const struct snapshot *snapshot;
	struct verdict **others; /* further independent lockups, worst first; then earlier events */
	uint32_t n_others;
};

/*
 * diagnose() is pure: it reads @snapshot and nothing else. The verdict refers to the snapshot's
 * strings and must not outlive it. 0 or -ENOMEM.
 */
int diagnose(const struct snapshot *snapshot, struct verdict **ret_verdict);
void verdict_free(struct verdict *verdict);

/*
 * Makes @other, the verdict on @snapshot, one of @verdict's others. It stays with its owner, and both
 * must outlive @verdict's use. 0 or -ENOMEM.
 */
int verdict_adopt(struct verdict *verdict, struct verdict *other, const struct snapshot *snapshot);

/* The snapshot that @verdict, one of @first's verdicts, refers to. */
static inline const struct snapshot *verdict_snapshot(const struct verdict *verdict,
						      const struct snapshot *first)
{
	return verdict->snapshot ? verdict->snapshot : first;
}

const char *event_name(enum event event);
const char *pattern_name(enum pattern pattern);
const char *lock_kind_name(enum lock_kind kind);
const char *role_name(enum role role);
const char *frame_context_name(enum frame_context context);
const char *source_kind_name(enum source_kind kind);
const char *task_state_name(enum task_state state);

#endif
