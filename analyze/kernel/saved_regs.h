/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HOLDUP_KERNEL_SAVED_REGS_H
#define HOLDUP_KERNEL_SAVED_REGS_H

#include "kernel/kernel.h"
#include "snapshot.h"

/*
 * Callee-saved registers (RBX, RBP, R12 to R15) of every frame, not only of the interrupted ones:
 * a function that uses one pushes its caller's value in its prologue, and the unwinder knows where
 * that is. So the address that a waiter or a holder passed to a lock call can be told.
 */
struct saved_regs;

int saved_regs_new(struct kernel *kernel, struct saved_regs **ret_saved);
void saved_regs_free(struct saved_regs *saved);

/*
 * Fills frame->saved of @stack's frames, in @arena, as far out as the chain of prologues can be
 * followed without a gap; each interrupted frame begins a new chain. 0 or -ENOMEM.
 */
int saved_regs_fill(struct saved_regs *saved, struct arena *arena, struct stack *stack);

#endif
