/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HOLDUP_KERNEL_SPIN_LOOPS_H
#define HOLDUP_KERNEL_SPIN_LOOPS_H

#include "kernel/sections.h"

/*
 * Waits that the compiler put into the waiting function itself, so that no frame of a primitive
 * shows them: loops over spin_trylock(), bit_spin_lock(), read_seqbegin(). Told by the loop around
 * the instruction where the CPU is, and believed only where the lock is really taken.
 *
 * For each context of @stack without a wait in @waits such a loop is looked for; what is found is
 * added in @arena, with ->inlined set, and the frame's ->callee and ->callee_lock filled. 0 or
 * -ENOMEM. sections_annotate() goes before.
 */
int spin_loops_find(struct sections *sections, struct arena *arena, struct stack *stack,
		    struct wait **waits, uint32_t *n);

#endif
