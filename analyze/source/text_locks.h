/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HOLDUP_SOURCE_TEXT_LOCKS_H
#define HOLDUP_SOURCE_TEXT_LOCKS_H

#include "snapshot.h"

/*
 * The waits of all CPUs and tasks by their stacks, and the locks that they wait for by their
 * registers: what a text does not say in words. Call it when CPUs, tasks, stacks, registers (in
 * frame->regs of the frames they belong to, the innermost or interrupted one) and ->arch are in;
 * locks and waits that are there already (the kernel's own owner lines) are kept and added to.
 * Pure but for @snapshot and its arena. 0 or -ENOMEM.
 *
 * A spinning waiter has the lock's address in the registers of the place where it spins: in the
 * one of the first argument, as the slow paths take the lock there, or in one that the same code
 * uses for it on every CPU. A value in two waiters' registers is the lock; one waiter alone is
 * believed only in the first argument's register, inside a slow path. Values that are the task,
 * its stack or no kernel address are no locks.
 */
int text_locks_find(struct snapshot *snapshot);

#endif
