/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HOLDUP_KERNEL_VMLINUX_H
#define HOLDUP_KERNEL_VMLINUX_H

#include "kernel/internal.h"

/* What a file beside the dump says about a kernel; addresses as linked, KASLR not yet applied. */
struct symbol_table {
	char build_id[41];	      /* hex; empty when the file has none (System.map never has) */
	struct symbol_entry *entries; /* heap; the names are in the arena given at load */
	size_t n;		      /* 0 for a stripped vmlinux, which is no error */
};

void symbol_table_done(struct symbol_table *table);

/* The entry called @name, or NULL. Slow: a walk over all. */
const struct symbol_entry *symbol_table_find(const struct symbol_table *table, const char *name);

/*
 * Reads @path: an ELF vmlinux or its .debug file, plain or compressed (gzip, xz, zstd as libdw was
 * built), or a bzImage. @with_symbols false: the build-id alone, which costs next to nothing.
 * -errno with a line in @msgs. kernel/vmlinux.c.
 */
int vmlinux_load(struct msgs *msgs, struct arena *arena, const char *path, bool with_symbols,
		 struct symbol_table *ret_table);

/*
 * Reads @path: System.map, or a copy of /proc/kallsyms (module lines are left out). -EINVAL with
 * a line in @msgs when it is neither, or is Debian's placeholder. kernel/system_map.c.
 */
int system_map_load(struct msgs *msgs, struct arena *arena, const char *path,
		    struct symbol_table *ret_table);

#endif
