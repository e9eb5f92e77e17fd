/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HOLDUP_KERNEL_LOCK_FLOW_H
#define HOLDUP_KERNEL_LOCK_FLOW_H

#include "diagnose/primitives.h"
#include "kernel/code_values.h"

/*
 * Which locks are held at each instruction of a function: the lock calls made and not undone on the
 * ways that lead there, and what a caller is left with when the function returns. Pure.
 */
#define LOCK_SITES 64 /* bits of a mask; a function with more locks is left unread */

/* A lock function, or a function that leaves its caller with a lock more, or less. */
struct lock_effect {
	const char *name;	  /* of the lock function in the end: "_raw_spin_lock_bh" */
	struct primitive what;
	const char *via;	  /* the function called, when it is not that one; NULL */
	struct value_path path;	  /* the lock, in terms of the function's arguments */
	bool has_path;
	bool sure;		  /* on every way through it */
};

struct lock_action {
	uint32_t insn;
	const struct lock_effect *effect;
	struct value operand;	  /* the lock */
	int8_t bit;		  /* in may and must, or for a release in let_go: one for each lock */
	bool only_same;		  /* an unlock only when this very lock is held */
	bool undone;		  /* some release in this function is of this very lock */
	int32_t origin;		  /* value_origin() of @operand */
	bool origin_merge;
};

struct lock_state {
	uint64_t may, must;	  /* acquires not undone: on some ways, on all */
	uint64_t stale;		  /* of those: the operand means something else by now, perhaps */
	uint64_t doubt;		  /* of those: somebody was called since who may have released it */
	uint64_t let_go, let_go_sure; /* releases of what was not taken here: the caller's */
	bool reached;
};

struct lock_flow {
	const struct code *code;
	struct code_values *values;
	struct lock_action *actions; /* by instruction */
	uint32_t n_actions;
	uint8_t n_acquires, n_releases;
	const bool *opaque;	     /* by instruction: calls somebody unknown; NULL: nobody does */
	struct lock_state *states;   /* before each instruction */
	struct lock_effect *effects; /* on the caller */
	uint32_t n_effects;
};

/* Adds what @effect does to the action list, at instruction @insn; 0, -ENOMEM, -E2BIG. */
int lock_flow_add(struct lock_flow *flow, struct arena *arena, uint32_t insn,
		  const struct lock_effect *effect, struct value operand, bool only_same);

/*
 * Follows the lock state over all branches, once all actions are added, and sums up the effects: of
 * acquires those that are kept on all ways out, with nobody unknown called after them.
 * 0, -ENOMEM, or -E2BIG when it does not come to an end.
 */
int lock_flow_follow(struct lock_flow *flow, struct arena *arena);

/* The first acquire, or release, that has @bit. */
const struct lock_action *lock_flow_action(const struct lock_flow *flow, int bit, bool acquire);

#endif
