/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HOLDUP_SOURCE_VMCORE_REGS_H
#define HOLDUP_SOURCE_VMCORE_REGS_H

#include "kernel/kernel.h"
#include "regs.h"

struct dump_info;
struct runqueue;

/* The registers of one CPU, and how it is known that they are this CPU's. */
struct cpu_regs {
	struct regs regs;    /* known == 0: none, see @why_none */
	uint32_t pid;	     /* that the note names; SNAPSHOT_NONE when it names none */
	const char *why_none; /* a constant string */
};

/*
 * Registers of each online CPU, by evidence and never by a note's position: the CPU's own
 * crash_notes buffer; else the dump's note with this CPU's GS base, or with a stack pointer in one
 * of its stacks, or with the pid that runs there alone. @rqs as from runqueues_load(). The result
 * has kernel->nr_cpu_ids items in the kernel's arena. @ret_unclaimed: notes with registers that no
 * CPU could be found for. 0 or -ENOMEM.
 */
int vmcore_regs_match(struct kernel *kernel, const struct dump_info *info,
		      const struct runqueue *rqs, struct cpu_regs **ret_regs,
		      uint32_t *ret_unclaimed);

/*
 * One CPU's crash_notes buffer as kernel/kexec_core.c crash_save_cpu() fills it: an ELF note
 * "CORE", NT_PRSTATUS. -ENOENT when it is empty, -EBADMSG when it is something else. Pure.
 */
int crash_note_parse(const void *note, size_t size, struct regs *ret_regs, uint32_t *ret_pid);

#endif
