/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HOLDUP_SOURCE_TEXT_REGS_H
#define HOLDUP_SOURCE_TEXT_REGS_H

#include <stdbool.h>

#include "regs.h"
#include "source/text_frame.h"

/* Whose register dump a line is from, by the names of its registers. */
enum text_arch {
	TEXT_ARCH_UNKNOWN,
	TEXT_ARCH_X86_64,
	TEXT_ARCH_I386,
	TEXT_ARCH_ARM,
	TEXT_ARCH_ARM64,
	TEXT_ARCH_PPC64,
};

/* As uname -m says it; NULL for TEXT_ARCH_UNKNOWN. */
const char *text_arch_name(enum text_arch arch);

/* What one line of a register dump says beside the values it adds to the set. */
struct text_regs_line {
	bool ip;		/* it names the place: a register dump begins here */
	bool user;		/* that is in user mode */
	struct text_frame frame; /* the place; ->function.p NULL and ->address 0: not told here */
	uint32_t next_gpr;	/* ppc64 prints GPR04… without names: the next one's number */
};

/*
 * Reads [@p, @end) where it is a line of a register dump of x86-64, i386, arm, arm64 or ppc64, as
 * kernels from 2.6.18 on print them: adds its values to @regs, and sets *@arch where the names tell
 * it (arm and arm64 share some). False, and nothing is changed, where the line is none. @line is
 * zeroed by the caller before a dump's first line and handed on from line to line.
 */
bool text_regs_scan(const char *p, const char *end, enum text_arch *arch, struct regs *regs,
		    struct text_regs_line *line);

/* 1 interrupts off, 0 on, -1 the set does not tell: EFLAGS.IF, PSTATE.I, CPSR.I, MSR.EE. */
int text_regs_irqs_off(enum text_arch arch, const struct regs *regs);

#endif
