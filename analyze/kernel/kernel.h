/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HOLDUP_KERNEL_KERNEL_H
#define HOLDUP_KERNEL_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/arena.h"
#include "util/msgs.h"

struct dump;
struct module_index;
struct symbols;
struct types;
struct vmcoreinfo;

/* Means given on the command line beside the dump; each may be NULL. */
struct kernel_options {
	const char *vmlinux;	/* ELF vmlinux or .debug, also .gz/.xz/.zst, or a bzImage (build-id) */
	const char *system_map; /* System.map */
};

struct module {
	char name[64];
	uint64_t base, size;	   /* core text and data (5.10, 6.1); of the text region since 6.4 */
	uint64_t text_end;	   /* one past the last text byte, >= base */
	char build_id[41];	   /* hex, empty when unknown */
	uint64_t symtab, strtab;   /* kernel addresses of mod->kallsyms' tables */
	uint64_t typetab;	   /* the same, one character per symbol; 0 before 5.2 */
	uint32_t n_symbols;
	uint64_t orc_ip, orc;	   /* mod->arch.orc_unwind_ip, .orc_unwind */
	uint32_t n_orc;
	uint64_t address;	   /* of struct module */
};

/*
 * A kernel inside a dump: address translation, symbols, types, modules. All pointers are owned by
 * the kernel and live until kernel_free().
 */
struct kernel {
	struct msgs *msgs;   /* the caller's */
	struct dump *dump;   /* the caller's */
	struct arena arena;
	char release[65];    /* uname -r */
	char version[65];    /* uname -v */
	char nodename[65];
	char machine[65];
	char build_id[41];   /* hex of .note.gnu.build-id, empty when unknown */
	uint64_t kaslr_offset; /* added to link-time text addresses */
	uint64_t phys_base;  /* physical = virtual - __START_KERNEL_map + phys_base, kernel image */
	uint64_t pgd;	     /* physical address of init_top_pgt */
	bool la57;	     /* 5-level page tables */
	struct vmcoreinfo *vmcoreinfo; /* parsed lines; NULL when there is none */
	uint64_t image_start;	 /* first mapped byte of the kernel image, 0 unknown */
	uint64_t image_end;	 /* one past its last mapped byte */
	struct symbols *symbols; /* NULL when none were found: addresses stay bare */
	struct types *types;	 /* NULL when no BTF was found */
	struct module *modules;  /* sorted by base */
	size_t n_modules;
	struct module_index *module_index; /* modules.c's; in the arena */
	uint32_t nr_cpu_ids;
	uint64_t *percpu_offset; /* __per_cpu_offset[cpu], nr_cpu_ids of them */
	uint64_t *cpu_online, *cpu_possible; /* bitmaps, nr_cpu_ids bits */
	struct translate_cache *tlb;
};

/*
 * Finds the kernel in @dump. 0 also when parts are missing (each missing part adds a line to
 * @msgs and leaves its field empty); -EINVAL when not even address translation can be had.
 * @options may be NULL. A file of another build (build-ids compared) is said and not used.
 */
int kernel_open(struct msgs *msgs, struct dump *dump, const struct kernel_options *options,
		struct kernel **ret_kernel);
void kernel_free(struct kernel *kernel);

/* --- memory: kernel/memory.c, kernel/pgtable_x86_64.c --- */

/*
 * Virtual to physical through the kernel's page tables (4- and 5-level, large pages).
 * -EFAULT not mapped, -ENODATA a table page is not in the dump.
 */
int kernel_translate(struct kernel *kernel, uint64_t va, uint64_t *ret_pa);

/* All or nothing; 0, -EFAULT, -ENODATA or -EIO. Quiet. */
int kernel_read(struct kernel *kernel, uint64_t va, void *buf, size_t len);
int kernel_read_u8(struct kernel *kernel, uint64_t va, uint8_t *ret);
int kernel_read_u16(struct kernel *kernel, uint64_t va, uint16_t *ret);
int kernel_read_u32(struct kernel *kernel, uint64_t va, uint32_t *ret);
int kernel_read_u64(struct kernel *kernel, uint64_t va, uint64_t *ret);
/* At most @size - 1 bytes and a NUL; stops at the first NUL. Returns the length or -errno. */
int kernel_read_string(struct kernel *kernel, uint64_t va, char *buf, size_t size);

/* Could @va be a kernel pointer at all (canonical, upper half, not an error value)? No reads. */
bool kernel_is_address(uint64_t va);

/* --- symbols: kernel/symbols.c (lookups), kernel/kallsyms.c, kernel/system_map.c --- */

struct symbol {
	const char *name;   /* owned by the kernel */
	const char *module; /* NULL for the kernel proper */
	uint64_t address;
	uint64_t size;	    /* bytes up to the next symbol (modules: st_size), 0 when unknown */
	char type;	    /* as in /proc/kallsyms: t T d D b B r R A … */
};

/* Address of the kernel's own symbol @name (exact). -ENOENT. Fast: all names are hashed once. */
int kernel_symbol(struct kernel *kernel, const char *name, uint64_t *ret_address);

/* The symbol that @va lies in, of the kernel or a module. -ENOENT. */
int kernel_symbol_at(struct kernel *kernel, uint64_t va, struct symbol *ret_symbol);

/* Is @va inside the kernel's or a module's text? */
bool kernel_is_text(struct kernel *kernel, uint64_t va);

/* The module whose core region holds @va, or NULL. */
const struct module *kernel_module_at(struct kernel *kernel, uint64_t va);

/* Address of the per-CPU variable @name on @cpu. -ENOENT, -ERANGE. */
int kernel_percpu(struct kernel *kernel, const char *name, uint32_t cpu, uint64_t *ret_address);

static inline bool kernel_cpu_online(const struct kernel *kernel, uint32_t cpu)
{
	return cpu < kernel->nr_cpu_ids && kernel->cpu_online &&
	       (kernel->cpu_online[cpu / 64] >> (cpu % 64) & 1);
}

/* --- types: kernel/types.c (BTF in the dump, libbpf's btf API) --- */

struct member {
	uint64_t offset;     /* bytes from the start of the outer type */
	uint64_t size;	     /* bytes of the member's type */
	uint8_t bit_offset;  /* of a bit-field, within the bytes at @offset */
	uint8_t bit_size;    /* 0: not a bit-field */
	uint32_t type_id;    /* BTF id of the member's type, modifiers and typedefs skipped */
};

/*
 * @path is a member path through nested and anonymous structs and unions, and arrays by index:
 * types_member(t, "task_struct", "se.exec_start", &m), (t, "cpumask", "bits[0]", &m).
 * -ENOENT where the kernel has no such type or member: that is how features are told apart.
 */
int types_member(const struct types *types, const char *type, const char *path,
		 struct member *ret_member);
/* Size in bytes of struct, union, enum or typedef @type. -ENOENT. */
int types_size(const struct types *types, const char *type, uint64_t *ret_size);
/* Value of enumerator @name in any enum. -ENOENT. */
int types_enum(const struct types *types, const char *name, int64_t *ret_value);

/* Offset of a member or -1: for tables of offsets filled once. */
int64_t types_offset(const struct types *types, const char *type, const char *path);

/*
 * Walks the members (through nested and anonymous structs) of struct @type, calling @fn with the
 * member's dotted path, its type's name and its offset; stops when @fn returns non-zero, and
 * returns that. For "which lock is at this offset".
 */
int types_walk(const struct types *types, const char *type,
	       int (*fn)(void *arg, const char *path, const char *type_name, uint64_t offset),
	       void *arg);

/*
 * Types that @module adds (its own BTF), with the kernel's behind them; loaded when first asked
 * for. -ENOENT: it has none. Valid until kernel_free().
 */
int types_module(struct kernel *kernel, const struct module *module,
		 const struct types **ret_types);

struct function_param {
	const char *name;      /* empty when unknown */
	const char *type_name; /* of the type, or of what it points to: "ip_set", "rwlock_t", "" */
	bool pointer;
};

/*
 * The parameters of @function (".isra.0" and the like are cut off): the first @max into @params,
 * and how many there are. -ENOENT.
 */
int types_function_params(const struct types *types, const char *function,
			  struct function_param *params, size_t max, size_t *ret_n);

/* Reads the unsigned integer member @m (also a bit-field) of the object at @va. */
int kernel_read_member(struct kernel *kernel, uint64_t va, const struct member *m,
		       uint64_t *ret_value);

/* --- printk: kernel/printk.c --- */

/*
 * The kernel log as text, one "[seconds.micros] message" line per record, oldest first, from the
 * printk_ringbuffer (5.10 on, commit 896fbe20b4e2) or the older log_buf of struct printk_log.
 * @ret_text is in the kernel's arena. -ENOENT with a line in msgs.
 */
int kernel_log(struct kernel *kernel, const char **ret_text, size_t *ret_size);

#endif
