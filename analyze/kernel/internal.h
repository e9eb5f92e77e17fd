/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HOLDUP_KERNEL_INTERNAL_H
#define HOLDUP_KERNEL_INTERNAL_H

/* What the files of kernel/ share among themselves; the rest of the analyzer uses kernel.h. */

#include "kernel/kernel.h"
#include "kernel/vmcoreinfo.h"

/*
 * Kernel image mapping and its end: arch/x86/include/asm/page_64_types.h,
 * Documentation/x86/x86_64/mm.rst.
 */
#define KERNEL_MAP_START 0xffffffff80000000ULL
#define KERNEL_MAP_END 0xffffffffc0000000ULL

/* --- provided by bootstrap.c --- */

/*
 * Looks up VMCOREINFO's "KEY=" line: vmcoreinfo_get(kernel, "SYMBOL(swapper_pg_dir)"). The value is
 * owned by the kernel. NULL when there is no VMCOREINFO or no such line.
 */
const char *vmcoreinfo_get(const struct kernel *kernel, const char *key);
/* The same as a number; SYMBOL() values are hexadecimal, the others as the kernel printed them. */
int vmcoreinfo_get_u64(const struct kernel *kernel, const char *key, uint64_t *ret_value);

/* --- provided by symbols.c and kallsyms.c --- */

/* Run-time addresses of kernel/kallsyms.c's tables, from VMCOREINFO (6.0 on) ; 0 where unknown. */
struct kallsyms_addresses {
	uint64_t names;		 /* kallsyms_names */
	uint64_t num_syms;	 /* kallsyms_num_syms */
	uint64_t token_table;	 /* kallsyms_token_table */
	uint64_t token_index;	 /* kallsyms_token_index */
	uint64_t offsets;	 /* kallsyms_offsets, CONFIG_KALLSYMS_BASE_RELATIVE */
	uint64_t relative_base;	 /* kallsyms_relative_base */
	uint64_t addresses;	 /* kallsyms_addresses, without BASE_RELATIVE */
};

/*
 * Fills kernel->symbols from the tables at @addresses. -ENOENT, -EBADMSG (not what kallsyms looks
 * like), -ENODATA (not in the dump), with a line in msgs.
 */
int symbols_load_kallsyms(struct kernel *kernel, const struct kallsyms_addresses *addresses);

/*
 * The same without addresses (before 6.0, or no VMCOREINFO): searches the kernel image
 * [kernel->image_start, kernel->image_end) for the tables.
 */
int symbols_find_kallsyms(struct kernel *kernel);

/* One symbol of System.map or of a vmlinux's symtab. */
struct symbol_entry {
	const char *name;  /* lives as long as the kernel (its arena) */
	uint64_t address;  /* at run time: KASLR offset applied; per-CPU ones are left as they are */
	uint64_t size;	   /* 0 unknown */
	char type;	   /* as in System.map */
};

/* Fills kernel->symbols from @entries, which need not be sorted; the array is the caller's. */
int symbols_load_table(struct kernel *kernel, const struct symbol_entry *entries, size_t n);

void symbols_free(struct symbols *symbols); /* takes NULL */

/* --- provided by modules.c --- */

/* Fills kernel->modules from the kernel's list; needs symbols, and types or VMCOREINFO offsets. */
int modules_load(struct kernel *kernel);

/* --- provided by types.c --- */

/* Fills kernel->types from __start_BTF..__stop_BTF in the dump; needs symbols. -ENOENT. */
int types_load(struct kernel *kernel);
void types_free(struct types *types); /* takes NULL */

/* --- provided by module_btf.c --- */

/* Where the raw BTF of @module lies in the kernel's memory, and its bytes. -ENOENT. */
int module_btf_find(struct kernel *kernel, const struct module *module, uint64_t *ret_va,
		    uint64_t *ret_size);

/* --- provided by pgtable_x86_64.c, memory.c, percpu.c, vmlinux.c, system_map.c --- */

struct translate_cache *translate_cache_new(void);
void translate_cache_free(struct translate_cache *cache); /* takes NULL */

/* Sets the page table to use and forgets what was translated with another. */
void translate_setup(struct kernel *kernel, uint64_t pgd, bool la57, uint64_t encryption_mask);
/* page_offset_base: where dumps that lost page tables still find linearly mapped memory. */
void translate_set_direct_map(struct kernel *kernel, uint64_t start);
/*
 * kernel_translate(), and how many bytes from @va on are contiguous in physical memory (at least
 * up to the end of the page).
 */
int translate_run(struct kernel *kernel, uint64_t va, uint64_t *ret_pa, uint64_t *ret_run);
/*
 * Where the current page table maps the kernel image, in 2 MiB steps. -EFAULT or -EINVAL when it
 * is not a kernel's page table, -ENODATA when its pages are not in the dump.
 */
int translate_find_image(struct kernel *kernel, uint64_t *ret_start, uint64_t *ret_end,
			 uint64_t *ret_phys_base);

/*
 * Finds the page tables, image and phys_base; fills those fields and ->vmcoreinfo if the dump has
 * its text. -EINVAL with a line in msgs.
 */
int bootstrap_find_kernel(struct kernel *kernel);
/* When the dump has no VMCOREINFO note: the kernel's own copy of it, by symbol. Needs symbols. */
int bootstrap_read_vmcoreinfo(struct kernel *kernel);

/* kernel->nr_cpu_ids, percpu_offset, cpu_online, cpu_possible; needs symbols. */
int percpu_load(struct kernel *kernel);

#endif
