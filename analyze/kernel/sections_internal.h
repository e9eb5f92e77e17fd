/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HOLDUP_KERNEL_SECTIONS_INTERNAL_H
#define HOLDUP_KERNEL_SECTIONS_INTERNAL_H

#include "kernel/lock_flow.h"
#include "kernel/sections.h"

#define SECTIONS_BUCKETS 1024

struct target {
	uint64_t address;
	struct lock_effect effect; /* its lock is the first argument */
};

struct function {
	uint64_t start, size;
	enum { UNREAD, OWN_CALLS, ALL_CALLS } progress;
	unsigned int depth; /* how many calls away from a frame's function it was met */
	bool read;    /* false: its code could not be read or followed */
	bool reading; /* now: it calls itself */
	bool locks;   /* it calls lock functions itself */
	bool decoded; /* @code and @flow.values are there */
	enum { CLEAR_UNKNOWN, CLEAR, NOT_CLEAR } clear;
	struct code code;
	struct lock_flow flow; /* ->states NULL: it has nothing to do with locks */
	struct function *next;
};

struct sections {
	struct kernel *kernel;
	struct arena arena;
	struct target *targets; /* sorted by address */
	size_t n_targets;
	uint64_t *never_return; /* sorted */
	size_t n_never_return;
	bool unlocks_inlined;	/* spin_unlock() has no function on this kernel */
	uint32_t helpers_left;
	csh capstone;
	struct function *buckets[SECTIONS_BUCKETS];
};

/* All that can be known of the locks of the function at @start. 0 or -ENOMEM. */
int function_read(struct sections *sections, uint64_t start, uint64_t size,
		  struct function **ret_function);
/* Makes ->code and ->flow.values there, also of a function without locks. 0 or -errno. */
int function_need_code(struct sections *sections, struct function *function);

const struct target *target_find(const struct sections *sections, uint64_t address);

/* A value of @stack's frame @index, where the code and the registers still tell it. */
struct reading {
	struct sections *s;
	const struct stack *stack;
	uint32_t index;
	const struct function *function;
	unsigned int depth;
};

/* Is @frame's address a return address, of a call in progress? */
bool frame_at_call(const struct frame *frame);
/* Where @frame is in its function's code: a call in progress, or what an interrupt struck. */
const struct code_insn *frame_insn(const struct frame *frame, const struct function *function);

/* @value, or register @reg where that is not negative, before instruction @insn. */
bool reading_value(struct reading *reading, uint32_t insn, struct value value, int reg,
		   uint64_t *ret);

#endif
