/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HOLDUP_SOURCE_VMCORE_INTERNAL_H
#define HOLDUP_SOURCE_VMCORE_INTERNAL_H

#include "dump/dump.h"
#include "kernel/runqueue.h"
#include "kernel/saved_regs.h"
#include "kernel/sections.h"
#include "kernel/tasks.h"
#include "kernel/unwind.h"
#include "source/vmcore.h"
#include "source/vmcore_regs.h"

struct vmcore {
	struct msgs *msgs;
	char *path;
	struct dump *dump;
	struct kernel *kernel;
	struct unwinder *unwinder;
	struct saved_regs *saved_regs;
	struct sections *sections;
	struct runqueue *rqs;	   /* by CPU number */
	struct cpu_regs *cpu_regs; /* by CPU number */
	struct task_table tasks;   /* same indexes as the snapshot's tasks */
	uint64_t now;		   /* newest run-queue clock, ns; 0 unknown */
	struct regs *given;	   /* by CPU number, from vmcore_set_regs(); NULL: not live */
};

/* Adds a plain sentence to snapshot->unknowns; lost when memory is short. */
__attribute__((format(printf, 2, 3))) void unknown_add(struct snapshot *snapshot,
							const char *fmt, ...);

static inline uint64_t time_since(uint64_t now, uint64_t then)
{
	if (!now || !then)
		return SNAPSHOT_NO_TIME;
	return then < now ? now - then : 0;
}

/* What an unwound stack's code tells: registers, critical sections, waits. 0 or -ENOMEM. */
int vmcore_read_stack(struct vmcore *vmcore, struct snapshot *snapshot, struct stack *stack,
		      struct wait **ret_waits, uint32_t *ret_n);

/* vmcore_cpus.c: snapshot->cpus with their stacks and waits, and the current tasks' indexes. */
int vmcore_fill_cpus(struct vmcore *vmcore, struct snapshot *snapshot);
/*
 * What the CPU was doing when it was made to look at the crash: the registers that the NMI or the
 * interrupt which led to the panic had struck, or its own when nothing of the kind is on top.
 */
const struct regs *stack_work_regs(const struct stack *stack, const struct regs *innermost);

/* vmcore_machine.c: release, uptime, load, log, reports, panic. */
int vmcore_fill_machine(struct vmcore *vmcore, struct snapshot *snapshot);

#endif
