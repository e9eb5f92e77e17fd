/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HOLDUP_KERNEL_FRAME_CONTEXT_H
#define HOLDUP_KERNEL_FRAME_CONTEXT_H

#include <stdint.h>

#include "kernel/stacks.h"
#include "snapshot.h"

/* What it means for the frames above (inner to) it that a function is on the stack. */
enum entry_class {
	ENTRY_NONE,
	ENTRY_IRQ,	 /* first code of a hardware interrupt, IPI or APIC vector */
	ENTRY_SOFTIRQ,	 /* runs softirq handlers */
	ENTRY_NMI,
	ENTRY_EXCEPTION,
	ENTRY_EXIT,	 /* the way out of an interrupt: may schedule, is no longer in it */
};

/* By the kernel's function names, 4.14 to now; a suffix after '.' is ignored. */
enum entry_class entry_class_of(const char *function);

/*
 * Sets ->context of the @n frames (innermost first) from each frame's entry class, and from the
 * stack that the outermost one is on. Classes of frames that came from a scan must be given as
 * ENTRY_NONE.
 */
void frame_contexts_assign(struct frame *frames, const uint8_t *classes, uint32_t n,
			   enum stack_kind outermost);

#endif
