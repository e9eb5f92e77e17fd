/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HOLDUP_KERNEL_VMCOREINFO_H
#define HOLDUP_KERNEL_VMCOREINFO_H

#include <stddef.h>
#include <stdint.h>

struct arena;

/*
 * VMCOREINFO: the "KEY=value" lines that the kernel writes about itself for dump readers
 * (kernel/crash_core.c, kernel/vmcore_info.c since 6.9; arch/x86/kernel/machine_kexec_64.c).
 * Keys are plain (OSRELEASE) or with a kind: SYMBOL(x) hexadecimal, SIZE(t), OFFSET(t.m),
 * LENGTH(x) and NUMBER(x) decimal, but NUMBER(x) with 0x where the kernel writes so.
 */
struct vmcoreinfo {
	struct vmcoreinfo_line {
		const char *key;
		const char *value;
	} *lines;	/* sorted by key, the first of equal keys first */
	size_t n;
};

/*
 * Parses @text of @size bytes (ends at the first NUL, if any) into @arena. Lines without '=', with
 * an empty key or with bytes that are not printable ASCII are left out. -ENOENT when nothing is
 * left, -ENOMEM.
 */
int vmcoreinfo_parse(struct arena *arena, const char *text, size_t size,
		     struct vmcoreinfo *ret_info);

/* The value of @key, or NULL. */
const char *vmcoreinfo_find(const struct vmcoreinfo *info, const char *key);

/*
 * The value of @key as a number. KERNELOFFSET and SYMBOL() are hexadecimal without 0x, negative
 * decimals (NUMBER(phys_base) of a relocated kernel) wrap. -ENOENT, -EBADMSG when it is no number.
 */
int vmcoreinfo_find_u64(const struct vmcoreinfo *info, const char *key, uint64_t *ret_value);

#endif
