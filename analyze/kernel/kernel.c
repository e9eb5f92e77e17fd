// SPDX-License-Identifier: GPL-2.0-or-later
#include "kernel/kernel.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dump/dump.h"
#include "kernel/internal.h"
#include "kernel/vmlinux.h"
#include "util/cursor.h"

#define UTS_LEN 65 /* include/uapi/linux/utsname.h: __NEW_UTS_LEN + 1 */
#define NOTES_MAX (64 * 1024)
#define NT_GNU_BUILD_ID 3

/* Printable ASCII of @from, which need not be NUL-ended; empty when there is none. */
static void text_copy(char *to, const char *from, size_t size)
{
	size_t n = strnlen(from, size - 1);

	for (size_t i = 0; i < n; i++)
		to[i] = from[i] >= 0x20 && from[i] <= 0x7e ? from[i] : '?';
	to[n] = '\0';
}

static bool is_hex(const char *s)
{
	return *s && strspn(s, "0123456789abcdef") == strlen(s);
}

/*
 * struct uts_namespace had its kref first until 5.10 or so: the name is where "Linux" is, unless
 * VMCOREINFO says.
 */
static int uts_find(struct kernel *kernel, uint64_t *ret_address)
{
	uint64_t address, offset;
	char head[16];
	int r;

	r = kernel_symbol(kernel, "init_uts_ns", &address);
	if (r < 0 && vmcoreinfo_get_u64(kernel, "SYMBOL(init_uts_ns)", &address) < 0)
		return r;
	if (vmcoreinfo_get_u64(kernel, "OFFSET(uts_namespace.name)", &offset) == 0 &&
	    offset < 4096) {
		*ret_address = address + offset;
		return 0;
	}
	r = kernel_read(kernel, address, head, sizeof(head));
	if (r < 0)
		return r;
	for (offset = 0; offset <= 8; offset += 4) {
		if (memcmp(head + offset, "Linux", 6) == 0) {
			*ret_address = address + offset;
			return 0;
		}
	}
	return -ENOENT;
}

/* Each string from the kernel's memory, else the dump's header, else VMCOREINFO. */
static void uts_load(struct kernel *kernel)
{
	const struct dump_info *info = dump_info(kernel->dump);
	struct {
		char sysname[UTS_LEN], nodename[UTS_LEN], release[UTS_LEN], version[UTS_LEN],
			machine[UTS_LEN];
	} uts;
	const char *release = vmcoreinfo_get(kernel, "OSRELEASE");
	uint64_t address;

	if (uts_find(kernel, &address) == 0 &&
	    kernel_read(kernel, address, &uts, sizeof(uts)) == 0 &&
	    memcmp(uts.sysname, "Linux", 6) == 0) {
		text_copy(kernel->nodename, uts.nodename, UTS_LEN);
		text_copy(kernel->release, uts.release, UTS_LEN);
		text_copy(kernel->version, uts.version, UTS_LEN);
		text_copy(kernel->machine, uts.machine, UTS_LEN);
		return;
	}
	text_copy(kernel->nodename, info->nodename, UTS_LEN);
	text_copy(kernel->release, info->release, UTS_LEN);
	text_copy(kernel->version, info->version, UTS_LEN);
	text_copy(kernel->machine, info->machine, UTS_LEN);
	if (!kernel->release[0] && release)
		text_copy(kernel->release, release, UTS_LEN);
	if (!kernel->release[0])
		msgs_add(kernel->msgs, "kernel: its release cannot be read (init_uts_ns)");
}

/* A build-id among ELF notes. */
static void notes_parse(const void *notes, size_t size, char ret_hex[41])
{
	struct cursor c = cursor_make(notes, size);

	while (cursor_left(&c) >= 12) {
		uint32_t name_size = cursor_u32(&c), desc_size = cursor_u32(&c);
		uint32_t type = cursor_u32(&c);
		const char *name = cursor_bytes(&c, ((size_t)name_size + 3) & ~(size_t)3);
		const uint8_t *desc = cursor_bytes(&c, ((size_t)desc_size + 3) & ~(size_t)3);

		if (c.overrun)
			return;
		if (type != NT_GNU_BUILD_ID || name_size != 4 || memcmp(name, "GNU", 4) != 0 ||
		    !desc_size || desc_size > 20)
			continue;
		for (uint32_t i = 0; i < desc_size; i++)
			snprintf(ret_hex + 2 * i, 3, "%02x", desc[i]);
		return;
	}
}

/* BUILD-ID of VMCOREINFO (5.9, commit 0935288c6e00) or the kernel's own .notes section. */
static void build_id_load(struct kernel *kernel)
{
	const char *id = vmcoreinfo_get(kernel, "BUILD-ID");
	uint64_t start, stop;
	void *notes;

	if (kernel->build_id[0])
		return;
	if (id && is_hex(id) && strlen(id) < sizeof(kernel->build_id)) {
		strcpy(kernel->build_id, id);
		return;
	}
	if (kernel_symbol(kernel, "__start_notes", &start) < 0 ||
	    kernel_symbol(kernel, "__stop_notes", &stop) < 0 || stop <= start ||
	    stop - start > NOTES_MAX)
		return;
	notes = malloc(stop - start);
	if (notes && kernel_read(kernel, start, notes, stop - start) == 0)
		notes_parse(notes, stop - start, kernel->build_id);
	free(notes);
}

/* Is @path, of build @id, of the dump's build? Unknown is not other. */
static int build_id_check(struct kernel *kernel, const char *path, const char *id)
{
	if (!id[0] || !kernel->build_id[0] || strcmp(id, kernel->build_id) == 0)
		return 0;
	msgs_add(kernel->msgs,
		 "%s: of another build: its build-id is %s, the dump's kernel has %s, ignoring it",
		 path, id, kernel->build_id);
	return -ESTALE;
}

/* Applies KASLR to @table, as linked, and sees that it fits this kernel. */
static int table_relocate(struct kernel *kernel, const char *path, struct symbol_table *table)
{
	const struct symbol_entry *text = symbol_table_find(table, "_text"), *known;
	uint64_t offset, address;
	char banner[128];

	if (!text)
		text = symbol_table_find(table, "_stext");
	if (vmcoreinfo_get_u64(kernel, "KERNELOFFSET", &offset) < 0) {
		if (!text) {
			msgs_add(kernel->msgs, "%s: has neither _text nor _stext", path);
			return -EINVAL;
		}
		offset = kernel->image_start - (text->address & ~((2ULL << 20) - 1));
	}
	for (size_t i = 0; i < table->n; i++)
		if (table->entries[i].address >= KERNEL_MAP_START)
			table->entries[i].address += offset;

	known = symbol_table_find(table, "init_uts_ns");
	if (known && vmcoreinfo_get_u64(kernel, "SYMBOL(init_uts_ns)", &address) == 0 &&
	    address != known->address) {
		msgs_add(kernel->msgs,
			 "%s: of another build: init_uts_ns would be at 0x%" PRIx64
			 ", the dump's kernel has it at 0x%" PRIx64 ", ignoring it",
			 path, known->address, address);
		return -ESTALE;
	}
	known = symbol_table_find(table, "linux_banner");
	if (known && kernel_read(kernel, known->address, banner, 14) == 0 &&
	    memcmp(banner, "Linux version ", 14) != 0) {
		msgs_add(kernel->msgs,
			 "%s: of another build: the dump has no \"Linux version\" at its "
			 "linux_banner (0x%" PRIx64 "), ignoring it",
			 path, known->address);
		return -ESTALE;
	}
	kernel->kaslr_offset = offset;
	return 0;
}

static int table_use(struct kernel *kernel, const char *path, struct symbol_table *table)
{
	int r;

	if (!table->n) {
		msgs_add(kernel->msgs, "%s: has no symbol table, ignoring it", path);
		return 0;
	}
	r = table_relocate(kernel, path, table);
	if (r < 0 || kernel->symbols)
		return r;
	r = symbols_load_table(kernel, table->entries, table->n);
	return r == -ENOMEM ? r : 0;
}

/* A file that cannot be read or is of another kernel is said, and left out: the rest may do. */
static int system_map_use(struct kernel *kernel, const char *path)
{
	struct symbol_table table;
	int r;

	r = system_map_load(kernel->msgs, &kernel->arena, path, &table);
	if (r < 0) {
		msgs_add(kernel->msgs, "%s: not usable as System.map, ignoring it", path);
		return r == -ENOMEM ? r : 0;
	}
	r = table_use(kernel, path, &table);
	symbol_table_done(&table);
	return r == -ENOMEM ? r : 0;
}

static int vmlinux_use(struct kernel *kernel, const char *path, char ret_build_id[41])
{
	struct symbol_table table;
	bool need_symbols = !kernel->symbols;
	int r;

	r = vmlinux_load(kernel->msgs, &kernel->arena, path, need_symbols, &table);
	if (r < 0) {
		msgs_add(kernel->msgs, "%s: not usable as vmlinux, ignoring it", path);
		return r == -ENOMEM ? r : 0;
	}
	build_id_load(kernel);
	r = build_id_check(kernel, path, table.build_id);
	if (r == 0 && need_symbols) {
		r = table_use(kernel, path, &table);
		/* Say which build the dump is of, if its own symbols lead to its notes. */
		if (r == -ESTALE && !kernel->build_id[0] && symbols_find_kallsyms(kernel) == 0) {
			build_id_load(kernel);
			(void)build_id_check(kernel, path, table.build_id);
		}
	}
	if (r == 0)
		memcpy(ret_build_id, table.build_id, sizeof(table.build_id));
	symbol_table_done(&table);
	return r == -ENOMEM ? r : 0;
}

static int kallsyms_load(struct kernel *kernel)
{
	static const struct {
		const char *key;
		size_t offset;
	} keys[] = {
		{ "SYMBOL(kallsyms_names)", offsetof(struct kallsyms_addresses, names) },
		{ "SYMBOL(kallsyms_num_syms)", offsetof(struct kallsyms_addresses, num_syms) },
		{ "SYMBOL(kallsyms_token_table)", offsetof(struct kallsyms_addresses, token_table) },
		{ "SYMBOL(kallsyms_token_index)", offsetof(struct kallsyms_addresses, token_index) },
		{ "SYMBOL(kallsyms_offsets)", offsetof(struct kallsyms_addresses, offsets) },
		{ "SYMBOL(kallsyms_relative_base)",
		  offsetof(struct kallsyms_addresses, relative_base) },
		{ "SYMBOL(kallsyms_addresses)", offsetof(struct kallsyms_addresses, addresses) },
	};
	struct kallsyms_addresses addresses = { 0 };

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		(void)vmcoreinfo_get_u64(kernel, keys[i].key,
					 (uint64_t *)((char *)&addresses + keys[i].offset));
	if (!addresses.names)
		return -ENOENT;
	return symbols_load_kallsyms(kernel, &addresses);
}

/* The symbols taken from a vmlinux led to the dump's build-id, and it is another: back to none. */
static int symbols_distrust(struct kernel *kernel)
{
	symbols_free(kernel->symbols);
	kernel->symbols = NULL;
	kernel->kaslr_offset = 0;
	return symbols_find_kallsyms(kernel) == -ENOMEM ? -ENOMEM : 0;
}

/*
 * Symbols, by the best means: kallsyms in the dump where VMCOREINFO leads to it, a file that was
 * given, kallsyms in the dump by search. Given files are checked even when they are not needed.
 */
static int symbols_open(struct kernel *kernel, const struct kernel_options *options)
{
	char vmlinux_id[41] = "";
	bool own;
	int r;

	r = kallsyms_load(kernel);
	if (r == -ENOMEM)
		return r;
	own = kernel->symbols;
	if (options && options->system_map) {
		r = system_map_use(kernel, options->system_map);
		if (r < 0)
			return r;
	}
	if (options && options->vmlinux) {
		r = vmlinux_use(kernel, options->vmlinux, vmlinux_id);
		if (r < 0)
			return r;
	}
	if (!kernel->symbols && symbols_find_kallsyms(kernel) == -ENOMEM)
		return -ENOMEM;
	if (kernel->symbols) {
		if (bootstrap_read_vmcoreinfo(kernel) == -ENOMEM)
			return -ENOMEM;
		build_id_load(kernel);
	}
	if (vmlinux_id[0] && build_id_check(kernel, options->vmlinux, vmlinux_id) < 0 && !own &&
	    symbols_distrust(kernel) < 0)
		return -ENOMEM;
	if (!kernel->symbols)
		msgs_add(kernel->msgs, "kernel: no symbols found: functions stay addresses, locks and "
				       "tasks cannot be read (give --vmlinux or --system-map)");
	return 0;
}

static int parts_load(struct kernel *kernel, const struct kernel_options *options)
{
	uint64_t address, direct_map;
	int r;

	kernel->tlb = translate_cache_new();
	if (!kernel->tlb)
		return -ENOMEM;
	r = bootstrap_find_kernel(kernel);
	if (r == 0)
		r = symbols_open(kernel, options);
	if (r < 0)
		return r;
	/* arch/x86/kernel/head64.c: variable with CONFIG_DYNAMIC_MEMORY_LAYOUT, as all have it. */
	if (kernel_symbol(kernel, "page_offset_base", &address) == 0 &&
	    kernel_read_u64(kernel, address, &direct_map) == 0 && kernel_is_address(direct_map))
		translate_set_direct_map(kernel, direct_map);
	uts_load(kernel);
	if (!kernel->symbols)
		return 0;
	/* What these cannot find is missing from the result and said in msgs. */
	if (types_load(kernel) == -ENOMEM || percpu_load(kernel) == -ENOMEM ||
	    modules_load(kernel) == -ENOMEM)
		return -ENOMEM;
	return 0;
}

int kernel_open(struct msgs *msgs, struct dump *dump, const struct kernel_options *options,
		struct kernel **ret_kernel)
{
	struct kernel *kernel = calloc(1, sizeof(*kernel));
	int r;

	if (!kernel)
		return -ENOMEM;
	arena_init(&kernel->arena);
	kernel->msgs = msgs;
	kernel->dump = dump;
	r = parts_load(kernel, options);
	if (r < 0) {
		if (r == -ENOMEM)
			msgs_add(msgs, "kernel: out of memory");
		kernel_free(kernel);
		return r;
	}
	*ret_kernel = kernel;
	return 0;
}

void kernel_free(struct kernel *kernel)
{
	if (!kernel)
		return;
	symbols_free(kernel->symbols);
	types_free(kernel->types);
	translate_cache_free(kernel->tlb);
	arena_done(&kernel->arena);
	free(kernel);
}
