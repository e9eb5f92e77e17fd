/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HOLDUP_KERNEL_SECTIONS_H
#define HOLDUP_KERNEL_SECTIONS_H

#include "kernel/kernel.h"
#include "snapshot.h"

/*
 * Critical sections, read from a function's code in the dump: which lock calls have been made and
 * not undone on the ways that lead to an address. The function is disassembled once and its lock
 * state followed over all branches, so that an early exit's unlock or a retry does not mislead.
 */
struct sections;

int sections_new(struct kernel *kernel, struct sections **ret_sections);
void sections_free(struct sections *sections);

/*
 * Fills frame->held, ->n_held, ->code_read, ->callee and ->callee_lock of every reliable frame of
 * @stack, in @arena; saved_regs_fill() goes before, or few addresses of locks are known. Code that
 * cannot be read or followed leaves ->code_read false. 0 or -ENOMEM.
 */
int sections_annotate(struct sections *sections, struct arena *arena, struct stack *stack);

#endif
