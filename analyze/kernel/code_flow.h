/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HOLDUP_KERNEL_CODE_FLOW_H
#define HOLDUP_KERNEL_CODE_FLOW_H

#include <stdint.h>

#include "kernel/kernel.h"
#include "kernel/orc.h"

/*
 * Unwind rules for functions that have none, made by following the function's own code in the dump
 * from its first instruction and adding up what it does to the stack pointer. Needed on the way of
 * every panic: __crash_kexec() is STACK_FRAME_NON_STANDARD, so objtool wrote no ORC for it. Also
 * serves modules built without objtool, and kernels without ORC.
 */
#define CODE_FLOW_MAX 65536 /* bytes of a function */

/*
 * The rule at the instruction that holds @pc of the function of @size bytes at @start, in the form
 * of an ORC entry (SP or BP based, type CALL). -ENOENT when no path from the start leads there or
 * the paths do not agree, -E2BIG, -ENOMEM, or what reading the code gave.
 */
int code_flow_rule(struct kernel *kernel, uint64_t start, uint64_t size, uint64_t pc,
		   struct orc_entry *ret_rule);

/* The same over bytes at hand, for tests. */
int code_flow_rule_of(const uint8_t *bytes, size_t size, uint64_t start, uint64_t pc,
		      struct orc_entry *ret_rule);

#endif
