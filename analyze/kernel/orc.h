/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HOLDUP_KERNEL_ORC_H
#define HOLDUP_KERNEL_ORC_H

#include <stdbool.h>
#include <stdint.h>

#include "kernel/kernel.h"

/*
 * The kernel's own unwind tables for x86-64, read where they lie in the dump. Two parallel arrays
 * sorted by address: .orc_unwind_ip (s32, relative to the element itself) and .orc_unwind (6 bytes
 * each). Of the kernel's ~10 MB only the pages on the way to one entry are touched.
 */

/* arch/x86/include/asm/orc_types.h since 4.14; numbers never changed. */
enum orc_reg {
	ORC_REG_UNDEFINED,
	ORC_REG_PREV_SP,
	ORC_REG_DX,
	ORC_REG_DI,
	ORC_REG_BP,
	ORC_REG_SP,
	ORC_REG_R10,
	ORC_REG_R13,
	ORC_REG_BP_INDIRECT,
	ORC_REG_SP_INDIRECT,
};

/* Numbered as since 6.4 (fb799447ae29); older entries are normalised to this when read. */
enum orc_type {
	ORC_TYPE_UNDEFINED,
	ORC_TYPE_END_OF_STACK,
	ORC_TYPE_CALL,
	ORC_TYPE_REGS,
	ORC_TYPE_REGS_PARTIAL,
};

enum orc_format {
	ORC_FORMAT_4_14, /* sp_reg:4 bp_reg:4 type:2 */
	ORC_FORMAT_4_18, /* + end:1 ("x86/unwind/orc: Detect the end of the stack") */
	ORC_FORMAT_6_3,	 /* sp_reg:4 bp_reg:4 type:2 signal:1 end:1 (ffb1b4a41016) */
	ORC_FORMAT_6_4,	 /* sp_reg:4 bp_reg:4 type:3 signal:1 (fb799447ae29) */
};

struct orc_entry {
	int16_t sp_offset; /* previous SP = sp_reg + sp_offset, see sp_after for *_INDIRECT */
	int16_t bp_offset;
	uint8_t sp_reg;	   /* enum orc_reg */
	uint8_t bp_reg;	   /* enum orc_reg */
	uint8_t type;	   /* enum orc_type */
	bool signal;	   /* the caller was interrupted: its address is no return address */
	/*
	 * SP_INDIRECT: the offset is added to the value read (since 5.12, 87ccc826bf1c) and not to
	 * the address it is read from.
	 */
	bool sp_after;
};

#define ORC_ENTRY_SIZE 6

struct orc;

/* 0 or -ENOMEM; a kernel without ORC tables gives an object that finds nothing in the kernel. */
int orc_new(struct kernel *kernel, struct orc **ret_orc);
void orc_free(struct orc *orc);

/* Does the kernel proper have ORC tables that can be found? */
bool orc_available(const struct orc *orc);

/*
 * The entry that covers the instruction at @pc, of the kernel or of the module there. -ENOENT no
 * table covers it, -ENODATA or -EFAULT the table cannot be read, -EBADMSG the table is damaged.
 */
int orc_find(struct orc *orc, uint64_t pc, struct orc_entry *ret_entry);

/* One raw entry to the normal form. For tests; orc_find() uses it. */
void orc_entry_decode(enum orc_format format, const uint8_t raw[ORC_ENTRY_SIZE],
		      struct orc_entry *ret_entry);

#endif
