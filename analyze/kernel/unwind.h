/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HOLDUP_KERNEL_UNWIND_H
#define HOLDUP_KERNEL_UNWIND_H

#include "kernel/kernel.h"
#include "regs.h"
#include "snapshot.h"

/*
 * Unwinder over a dump: ORC of the kernel and its modules, else frame pointers, else a scan whose
 * frames are marked unreliable. Crosses every stack: task, softirq and hardirq (one per-CPU stack
 * since 5.8 or older pairs), NMI, #DF, #DB, #MC, #VC (exception stacks), entry stack.
 */
struct unwinder;

int unwinder_new(struct kernel *kernel, struct unwinder **ret_unwinder);
void unwinder_free(struct unwinder *unwinder);

/*
 * Unwinds from @regs on @cpu (or from a sleeping task's saved state when @cpu is SNAPSHOT_NONE),
 * @task the address of the task_struct that runs there. Frames go into @arena, innermost first.
 * A frame entered by an interrupt, exception or NMI carries the interrupted registers (->regs).
 * Never fails for lack of data: it stops, says why in stack->stopped, and keeps what it has.
 * Returns 0 or -ENOMEM.
 */
int unwind_cpu(struct unwinder *unwinder, struct arena *arena, const struct regs *regs,
	       uint32_t cpu, uint64_t task, struct stack *ret_stack);
int unwind_task(struct unwinder *unwinder, struct arena *arena, uint64_t task,
		struct stack *ret_stack);

#endif
