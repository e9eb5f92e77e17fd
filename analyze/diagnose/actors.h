/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HOLDUP_DIAGNOSE_ACTORS_H
#define HOLDUP_DIAGNOSE_ACTORS_H

#include "snapshot.h"

/*
 * An actor: whoever has a stack. One for each CPU (what runs there, interrupts included) and one
 * for each task that is on no CPU. Waiting and holding are told of actors.
 */
struct actor {
	uint32_t cpu;		  /* index in snapshot->cpus, or SNAPSHOT_NONE */
	uint32_t task;		  /* index in snapshot->tasks, or SNAPSHOT_NONE */
	const struct stack *stack;
	const struct wait *waits;
	uint32_t n_waits;
	const struct lock_ref *refs;
	uint32_t n_refs;
	uint32_t first, last;	  /* frames of the active context; first == stack->n: none */
	const struct wait *wait;  /* what the active context waits for, or NULL */
	bool idle;		  /* an idle CPU, with no interrupt at work on it */
	bool user;		  /* a CPU in user mode */
	bool crashing;		  /* what it does is the panic itself, which blames nobody */
	bool running;		  /* a CPU in the kernel that does none of this and does not wait */
	bool sleeping;		  /* a task on no CPU */
	bool cut_off;		  /* its stack ends in an interrupt: below, all is unknown */
};

struct actors {
	struct actor *v; /* CPUs first, in the snapshot's order, then tasks */
	uint32_t n;
};

/*
 * Does a watchdog's report or a panic wait here, for the console or the log, on top of what it
 * interrupted? That is what the lockup led to, not the lockup.
 */
bool wait_is_of_report(const struct stack *stack, const struct wait *wait);

/* 0 or -ENOMEM. */
int actors_build(struct arena *arena, const struct snapshot *snapshot, struct actors *ret_actors);

/* The actor that task @task (index) is, on a CPU or not; NULL when it has no stack here. */
const struct actor *actors_by_task(const struct actors *actors, uint32_t task);

uint32_t actor_pid(const struct snapshot *snapshot, const struct actor *actor);
uint32_t actor_cpu(const struct snapshot *snapshot, const struct actor *actor); /* CPU number */
const char *actor_comm(const struct snapshot *snapshot, const struct actor *actor);

/*
 * Does @frame name what somebody is doing? Not so: primitives, interrupt and scheduler plumbing,
 * leaf helpers (memcpy, delay), frames without a name.
 */
bool frame_is_telling(const struct frame *frame);

/* The innermost telling frame in [@from, @to] of @stack; SNAPSHOT_NONE when there is none. */
uint32_t stack_telling(const struct stack *stack, uint32_t from, uint32_t to);

#endif
