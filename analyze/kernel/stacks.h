/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HOLDUP_KERNEL_STACKS_H
#define HOLDUP_KERNEL_STACKS_H

#include <stdbool.h>
#include <stdint.h>

#include "kernel/kernel.h"
#include "regs.h"

/* The stacks an x86-64 CPU may be on. */
enum stack_kind {
	STACK_NONE,
	STACK_TASK,
	STACK_IRQ,   /* hard and soft interrupts share it */
	STACK_ENTRY, /* the trampoline stack of entries from user mode */
	STACK_DF,
	STACK_NMI,
	STACK_DB,
	STACK_MCE,
	STACK_VC,
	STACK_VC2,
	STACK_OTHER, /* in none of the known ones: taken to be a stack of the task stacks' size */
};

struct stack_area {
	enum stack_kind kind;
	uint64_t begin, end; /* [begin, end) */
};

#define STACK_AREAS_MAX 12

/* The stacks that one walk may visit, each once. */
struct stack_set {
	struct stack_area areas[STACK_AREAS_MAX];
	unsigned int n;
	unsigned int visited; /* bit i: areas[i] was entered */
};

struct stacks;

int stacks_new(struct kernel *kernel, struct stacks **ret_stacks);
void stacks_free(struct stacks *stacks);

/* THREAD_SIZE of this kernel, in bytes. */
uint64_t stacks_thread_size(const struct stacks *stacks);

/*
 * The stacks of @cpu (SNAPSHOT_NONE: none) and of @task (task_struct address, 0: none). What the
 * dump does not tell is left out.
 */
void stacks_collect(struct stacks *stacks, uint32_t cpu, uint64_t task, struct stack_set *ret_set);

/*
 * Enters the stack that holds @sp, which must not have been visited before. An address in the
 * guard page below a stack belongs to that stack (it overflowed). One in no known stack opens a
 * STACK_OTHER, at most one per walk. -ENOENT: no such stack, -ELOOP: visited before.
 */
int stack_set_enter(struct stacks *stacks, struct stack_set *set, uint64_t sp,
		    struct stack_area *ret_area);

/*
 * Anchors for a CPU without registers: places at fixed addresses where its own entry code saved
 * a state. 0 with registers to unwind from, -ENOENT when there is none that can be trusted.
 *  - nmi: it is inside its NMI handler, the registers are those that the NMI interrupted;
 *  - irq: it is on its interrupt stack, the registers are those of the call that led there.
 */
int stacks_nmi_anchor(struct stacks *stacks, uint32_t cpu, struct regs *ret_regs);
int stacks_irq_anchor(struct stacks *stacks, uint32_t cpu, struct regs *ret_regs);

/* The 21 words of struct pt_regs as registers, all general ones known. */
#define PT_REGS_WORDS 21
void regs_from_pt_regs(const uint64_t words[PT_REGS_WORDS], struct regs *ret_regs);

#endif
