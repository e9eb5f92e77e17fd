// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Modules: the list, what each covers in memory, and their own symbol tables. A module's memory is
 * one core_layout (and one init_layout while it starts) up to 6.3, several mem[] regions since 6.4
 * (ac3b43283923). Its kallsyms are ELF symbols whose addresses are final, the types beside them in
 * typetab since 5.2 (1c7651f43777).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/internal.h"
#include "kernel/symbols.h"

#define MODULES_MAX 8192u
#define MODULE_SIZE_MAX (1ull << 30)
#define MODULE_SYMBOLS_MAX (1u << 18)
#define NOTE_SECTIONS_MAX 32u
#define ELF_SYM_SIZE 24u
#define MOD_MEM_TYPES_MAX 16

/* Memory of a module: [start, end), text or not. */
struct region {
	uint64_t start, end;
	uint32_t module; /* index in kernel->modules */
	bool text;
};

struct module_symbol {
	uint64_t address;
	uint32_t size, name; /* name: offset in the string table */
	char type;
};

struct module_symbols {
	bool loaded;
	struct module_symbol *list; /* sorted by address */
	uint32_t n;
	char *strings; /* ends with a NUL */
	uint64_t strings_size;
};

struct module_index {
	struct region *regions; /* sorted by start */
	size_t n_regions;
	struct module_symbols *symbols; /* by module */
};

/* Members of struct module and of those in it; offset -1: this kernel has it not. */
struct module_layout {
	uint64_t size;
	int64_t list, name, kallsyms, notes, build_id;
	int64_t core_base, core_size, core_text_size, init_base, init_size, init_text_size;
	int64_t mem, mem_base, mem_size;
	uint64_t mem_stride;
	int n_mem, mod_text, mod_init_text;
	int64_t orc_ip, orc, num_orcs;
	int64_t ks_symtab, ks_num, ks_strtab, ks_typetab;
	int64_t notes_count, notes_attrs, attr_private, attr_size;
	uint64_t attr_stride;
	uint64_t name_size;
};

static int mem_type(const struct types *types, const char *name, int fallback)
{
	int64_t value;

	if (types_enum(types, name, &value) < 0 || value < 0 || value >= MOD_MEM_TYPES_MAX)
		return fallback;
	return (int)value;
}

static int layout_init(const struct types *t, struct module_layout *l)
{
	struct member m;

	memset(l, 0, sizeof(*l));
	l->list = types_offset(t, "module", "list");
	if (l->list < 0 || types_size(t, "module", &l->size) < 0 ||
	    types_member(t, "module", "name", &m) < 0 || !l->size || l->size > 1 << 16)
		return -ENOENT;
	l->name = (int64_t)m.offset;
	l->name_size = m.size;
	l->kallsyms = types_offset(t, "module", "kallsyms");
	l->core_base = types_offset(t, "module", "core_layout.base");
	l->core_size = types_offset(t, "module", "core_layout.size");
	l->core_text_size = types_offset(t, "module", "core_layout.text_size");
	l->init_base = types_offset(t, "module", "init_layout.base");
	l->init_size = types_offset(t, "module", "init_layout.size");
	l->init_text_size = types_offset(t, "module", "init_layout.text_size");
	l->mem = types_offset(t, "module", "mem");
	if (l->mem >= 0 && types_size(t, "module_memory", &l->mem_stride) == 0 && l->mem_stride) {
		l->mem_base = types_offset(t, "module_memory", "base");
		l->mem_size = types_offset(t, "module_memory", "size");
		l->n_mem = mem_type(t, "MOD_MEM_NUM_TYPES", 7);
		l->mod_text = mem_type(t, "MOD_TEXT", 0);
		l->mod_init_text = mem_type(t, "MOD_INIT_TEXT", 4);
	}
	if (!(l->core_base >= 0 && l->core_size >= 0) &&
	    !(l->n_mem && l->mem_base >= 0 && l->mem_size >= 0))
		return -ENOENT;
	l->orc_ip = types_offset(t, "module", "arch.orc_unwind_ip");
	l->orc = types_offset(t, "module", "arch.orc_unwind");
	l->num_orcs = types_offset(t, "module", "arch.num_orcs");
	l->build_id = types_offset(t, "module", "build_id");
	l->notes = types_offset(t, "module", "notes_attrs");
	l->ks_symtab = types_offset(t, "mod_kallsyms", "symtab");
	l->ks_num = types_offset(t, "mod_kallsyms", "num_symtab");
	l->ks_strtab = types_offset(t, "mod_kallsyms", "strtab");
	l->ks_typetab = types_offset(t, "mod_kallsyms", "typetab");
	l->notes_count = types_offset(t, "module_notes_attrs", "notes");
	l->notes_attrs = types_offset(t, "module_notes_attrs", "attrs");
	l->attr_size = types_offset(t, "bin_attribute", "size");
	l->attr_private = types_offset(t, "bin_attribute", "private");
	if (types_size(t, "bin_attribute", &l->attr_stride) < 0)
		l->notes = -1;
	return 0;
}

/* A field of the copy of a struct module; 0 when this kernel has it not. */
static uint64_t field(const struct module_layout *l, const uint8_t *raw, int64_t offset,
		      size_t size)
{
	uint64_t value = 0;

	if (offset < 0 || (uint64_t)offset + size > l->size)
		return 0;
	memcpy(&value, raw + offset, size);
	return value;
}

static void hex(char *out, const uint8_t *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		*out++ = "0123456789abcdef"[bytes[i] >> 4];
		*out++ = "0123456789abcdef"[bytes[i] & 15];
	}
	*out = 0;
}

/* Looks for NT_GNU_BUILD_ID in the note section that a bin_attribute stands for. */
static bool build_id_from_note(struct kernel *kernel, uint64_t va, uint64_t size, char out[41])
{
	uint8_t note[36]; /* header, "GNU", 20 bytes */
	uint32_t head[3];

	if (size < sizeof(note) || kernel_read(kernel, va, note, sizeof(note)) < 0)
		return false;
	memcpy(head, note, sizeof(head));
	if (head[0] != 4 || head[1] != 20 || head[2] != 3 || memcmp(note + 12, "GNU", 4) != 0)
		return false;
	hex(out, note + 16, 20);
	return true;
}

static void load_build_id(struct kernel *kernel, const struct module_layout *l, const uint8_t *raw,
			  struct module *module)
{
	uint64_t notes = field(l, raw, l->notes, 8);
	uint32_t n;

	/* struct module keeps it since 5.14, CONFIG_STACKTRACE_BUILD_ID (9294523e3768). */
	if (l->build_id >= 0 && (uint64_t)l->build_id + 20 <= l->size) {
		static const uint8_t none[20];

		if (memcmp(raw + l->build_id, none, 20) != 0) {
			hex(module->build_id, raw + l->build_id, 20);
			return;
		}
	}
	if (!notes || l->notes_count < 0 || l->notes_attrs < 0 || l->attr_private < 0 ||
	    l->attr_size < 0 || kernel_read_u32(kernel, notes + l->notes_count, &n) < 0)
		return;
	for (uint32_t i = 0; i < n && i < NOTE_SECTIONS_MAX; i++) {
		uint64_t attr = notes + l->notes_attrs + i * l->attr_stride, va, size;

		if (kernel_read_u64(kernel, attr + l->attr_private, &va) < 0 ||
		    kernel_read_u64(kernel, attr + l->attr_size, &size) < 0)
			return;
		if (build_id_from_note(kernel, va, size, module->build_id))
			return;
	}
}

static int add_region(struct kernel *kernel, uint64_t start, uint64_t size, bool text,
		      size_t module)
{
	struct module_index *index = kernel->module_index;
	struct region *region;

	/* Init memory is given back when a module has started: base 0. */
	if (!start || !size)
		return 0;
	if (!kernel_is_address(start) || size > MODULE_SIZE_MAX || start + size < start)
		return -EBADMSG;
	region = ARENA_APPEND(&kernel->arena, index->regions, index->n_regions);
	if (!region)
		return -ENOMEM;
	*region = (struct region){
		.start = start, .end = start + size, .text = text, .module = (uint32_t)module
	};
	return 0;
}

/* One core_layout or init_layout: text in front, the rest behind. */
static int add_layout(struct kernel *kernel, uint64_t base, uint64_t size, uint64_t text,
		      size_t module)
{
	int r;

	if (text > size)
		text = size;
	r = add_region(kernel, base, text, true, module);
	return r < 0 ? r : add_region(kernel, base + text, size - text, false, module);
}

static int load_regions(struct kernel *kernel, const struct module_layout *l, const uint8_t *raw,
			size_t i, struct module *module)
{
	int r = 0;

	if (!l->n_mem) {
		uint64_t text = field(l, raw, l->core_text_size, 4);

		module->base = field(l, raw, l->core_base, 8);
		module->size = field(l, raw, l->core_size, 4);
		module->text_end = module->base + (text < module->size ? text : module->size);
		r = add_layout(kernel, module->base, module->size, text, i);
		if (r == 0)
			r = add_layout(kernel, field(l, raw, l->init_base, 8),
				       field(l, raw, l->init_size, 4),
				       field(l, raw, l->init_text_size, 4), i);
		return r;
	}
	for (int type = 0; type < l->n_mem && r == 0; type++) {
		int64_t mem = l->mem + type * (int64_t)l->mem_stride;
		uint64_t base = field(l, raw, mem + l->mem_base, 8);
		uint64_t size = field(l, raw, mem + l->mem_size, 4);

		if (type == l->mod_text) {
			module->base = base;
			module->size = size;
			module->text_end = base + size;
		}
		r = add_region(kernel, base, size, type == l->mod_text || type == l->mod_init_text,
			       i);
	}
	return r;
}

static void load_kallsyms(struct kernel *kernel, const struct module_layout *l, const uint8_t *raw,
			  struct module *module)
{
	uint64_t kallsyms = field(l, raw, l->kallsyms, 8);

	if (!kallsyms || l->ks_symtab < 0 || l->ks_num < 0 || l->ks_strtab < 0)
		return;
	if (kernel_read_u64(kernel, kallsyms + l->ks_symtab, &module->symtab) < 0 ||
	    kernel_read_u64(kernel, kallsyms + l->ks_strtab, &module->strtab) < 0 ||
	    kernel_read_u32(kernel, kallsyms + l->ks_num, &module->n_symbols) < 0 ||
	    module->n_symbols > MODULE_SYMBOLS_MAX)
		module->n_symbols = 0;
	module->typetab = 0;
	if (l->ks_typetab >= 0)
		(void)kernel_read_u64(kernel, kallsyms + l->ks_typetab, &module->typetab);
}

/* The struct module at @address. */
static int load_module(struct kernel *kernel, const struct module_layout *l, uint64_t address,
		       uint8_t *raw)
{
	struct module *module;
	size_t len;
	int r;

	r = kernel_read(kernel, address, raw, l->size);
	if (r < 0)
		return r;
	module = ARENA_APPEND(&kernel->arena, kernel->modules, kernel->n_modules);
	if (!module)
		return -ENOMEM;
	module->address = address;
	len = l->name_size < sizeof(module->name) - 1 ? l->name_size : sizeof(module->name) - 1;
	if ((uint64_t)l->name + len <= l->size)
		memcpy(module->name, raw + l->name, len);
	r = load_regions(kernel, l, raw, kernel->n_modules - 1, module);
	if (r < 0) {
		/* The regions that were added name an index that nobody has: dropped by the caller.
		 */
		kernel->n_modules--;
		return r;
	}
	load_kallsyms(kernel, l, raw, module);
	load_build_id(kernel, l, raw, module);
	module->n_orc = (uint32_t)field(l, raw, l->num_orcs, 4);
	module->orc_ip = field(l, raw, l->orc_ip, 8);
	module->orc = field(l, raw, l->orc, 8);
	return 0;
}

/*
 * Follows the list from @head until it is back or breaks: every entry must point back to the one
 * before, so that no cycle is entered. @stop: an entry that the other direction has reached.
 * Returns true when the list closed.
 */
static bool walk_list(struct kernel *kernel, const struct module_layout *l, uint64_t head,
		      bool backward, uint64_t stop, uint8_t *raw, uint64_t *ret_last)
{
	uint64_t last = head, node;

	for (uint32_t i = 0; i < MODULES_MAX; i++) {
		size_t n_regions = kernel->module_index->n_regions;
		uint64_t back;
		int r;

		if (kernel_read_u64(kernel, last + (backward ? 8 : 0), &node) < 0)
			break;
		*ret_last = last;
		if (node == head || (stop && node == stop))
			return node == head;
		if (!kernel_is_address(node) ||
		    kernel_read_u64(kernel, node + (backward ? 0 : 8), &back) < 0 || back != last)
			break;
		r = load_module(kernel, l, node - (uint64_t)l->list, raw);
		if (r < 0) {
			kernel->module_index->n_regions = n_regions;
			msgs_add(kernel->msgs, "modules: struct module at 0x%llx: %s, ignoring it",
				 (unsigned long long)(node - (uint64_t)l->list),
				 r == -EBADMSG ? "damaged" : strerror(-r));
		}
		last = node;
	}
	*ret_last = last;
	return false;
}

static int compare_modules(const void *a, const void *b)
{
	const struct module *x = a, *y = b;

	return x->base < y->base ? -1 : x->base > y->base;
}

static int compare_regions(const void *a, const void *b)
{
	const struct region *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

/* Sorts modules by base; their regions follow to the new indexes. */
static int sort_modules(struct kernel *kernel)
{
	struct module_index *index = kernel->module_index;
	uint32_t *place = calloc(kernel->n_modules + 1, sizeof(*place));
	uint64_t *address = calloc(kernel->n_modules + 1, sizeof(*address));

	if (!place || !address) {
		free(place);
		free(address);
		return -ENOMEM;
	}
	for (size_t i = 0; i < kernel->n_modules; i++)
		address[i] = kernel->modules[i].address;
	if (kernel->n_modules)
		qsort(kernel->modules, kernel->n_modules, sizeof(*kernel->modules),
		      compare_modules);
	for (size_t i = 0; i < kernel->n_modules; i++)
		for (size_t j = 0; j < kernel->n_modules; j++)
			if (address[j] == kernel->modules[i].address)
				place[j] = (uint32_t)i;
	for (size_t i = 0; i < index->n_regions; i++)
		index->regions[i].module = place[index->regions[i].module];
	if (index->n_regions)
		qsort(index->regions, index->n_regions, sizeof(*index->regions), compare_regions);
	free(place);
	free(address);
	return 0;
}

int modules_load(struct kernel *kernel)
{
	struct module_layout layout;
	uint64_t head, last, back;
	uint8_t *raw;
	int r;

	if (kernel_symbol(kernel, "modules", &head) < 0)
		return -ENOENT; /* CONFIG_MODULES=n */
	if (!kernel->types || layout_init(kernel->types, &layout) < 0) {
		msgs_add(kernel->msgs, "modules: no types to read them with");
		return -ENOENT;
	}
	kernel->module_index = arena_calloc(&kernel->arena, 1, sizeof(*kernel->module_index));
	raw = malloc(layout.size);
	if (!kernel->module_index || !raw) {
		kernel->module_index = NULL;
		free(raw);
		return -ENOMEM;
	}
	kernel->modules = NULL;
	kernel->n_modules = 0;
	if (!walk_list(kernel, &layout, head, false, 0, raw, &last)) {
		msgs_add(kernel->msgs, "modules: list is broken after %zu, at 0x%llx",
			 kernel->n_modules, (unsigned long long)last);
		/* What lies behind the break is reached from the other end. */
		walk_list(kernel, &layout, head, true, last, raw, &back);
	}
	free(raw);
	kernel->module_index->symbols = arena_calloc(&kernel->arena, kernel->n_modules + 1,
						     sizeof(*kernel->module_index->symbols));
	r = kernel->module_index->symbols ? sort_modules(kernel) : -ENOMEM;
	if (r < 0) {
		kernel->module_index = NULL;
		kernel->n_modules = 0;
	}
	return r;
}

static const struct region *region_at(const struct kernel *kernel, uint64_t va)
{
	const struct module_index *index = kernel->module_index;
	size_t low = 0, high = index ? index->n_regions : 0;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (va >= index->regions[mid].end)
			low = mid + 1;
		else if (va < index->regions[mid].start)
			high = mid;
		else
			return &index->regions[mid];
	}
	return NULL;
}

const struct module *kernel_module_at(struct kernel *kernel, uint64_t va)
{
	const struct region *region = region_at(kernel, va);

	return region ? &kernel->modules[region->module] : NULL;
}

bool module_is_text(struct kernel *kernel, uint64_t va)
{
	const struct region *region = region_at(kernel, va);

	return region && region->text;
}

static int compare_symbols(const void *a, const void *b)
{
	const struct module_symbol *x = a, *y = b;

	return x->address < y->address ? -1 : x->address > y->address;
}

/* Keeps of a symbol table what names an address in the module. */
static void take_symbols(struct kernel *kernel, struct module_symbols *symbols, size_t module,
			 const uint8_t *symtab, const char *types, uint32_t n)
{
	for (uint32_t i = 1; i < n; i++) {
		const uint8_t *sym = symtab + i * ELF_SYM_SIZE;
		struct module_symbol s = { .type = types ? types[i] : 0 };
		const struct region *region;
		uint64_t size;

		memcpy(&s.name, sym, 4);
		memcpy(&s.address, sym + 8, 8);
		memcpy(&size, sym + 16, 8);
		s.size = size > UINT32_MAX ? 0 : (uint32_t)size;
		/* STT_SECTION, STT_FILE; what is undefined or absolute is in no region. */
		if ((sym[4] & 15) == 3 || (sym[4] & 15) == 4 || s.name >= symbols->strings_size ||
		    !symbols->strings[s.name])
			continue;
		region = region_at(kernel, s.address);
		if (!region || region->module != module)
			continue;
		if (!s.type)
			s.type = region->text ? 't' : 'd';
		symbols->list[symbols->n++] = s;
	}
	if (symbols->n)
		qsort(symbols->list, symbols->n, sizeof(*symbols->list), compare_symbols);
}

/* One past the last string that @symtab names, but for that string itself. */
static uint64_t strings_span(const uint8_t *symtab, uint32_t n)
{
	uint32_t max = 0;

	for (uint32_t i = 0; i < n; i++) {
		uint32_t name;

		memcpy(&name, symtab + i * ELF_SYM_SIZE, 4);
		if (name > max && name < 1u << 26)
			max = name;
	}
	return max + 1ull;
}

static int load_symbols(struct kernel *kernel, const struct module *module,
			struct module_symbols *symbols)
{
	struct reader reader = kernel_reader(kernel);
	uint32_t n = module->n_symbols;
	uint8_t *symtab = malloc(n * ELF_SYM_SIZE + 1ul);
	char *types = malloc(n + 1ul);
	uint64_t span;
	int r = -ENOMEM;

	if (!symtab || !types)
		goto out;
	n = (uint32_t)(reader_read_prefix(&reader, module->symtab, symtab, n * ELF_SYM_SIZE) /
		       ELF_SYM_SIZE);
	span = strings_span(symtab, n) + SYMBOL_NAME_MAX;
	symbols->list = arena_calloc(&kernel->arena, n + 1ul, sizeof(*symbols->list));
	symbols->strings = arena_alloc(&kernel->arena, span + 1);
	if (!symbols->list || !symbols->strings)
		goto out;
	/* The last string ends somewhere in the slack, which need not be there. */
	symbols->strings_size = reader_read_prefix(&reader, module->strtab, symbols->strings, span);
	symbols->strings[symbols->strings_size] = 0;
	if (module->typetab && kernel_read(kernel, module->typetab, types, n) == 0)
		take_symbols(kernel, symbols, (size_t)(module - kernel->modules), symtab, types, n);
	else
		take_symbols(kernel, symbols, (size_t)(module - kernel->modules), symtab, NULL, n);
	if (!symbols->n)
		msgs_add(kernel->msgs, "modules: %s: symbols are not in the dump", module->name);
	r = 0;
out:
	free(symtab);
	free(types);
	return r;
}

int module_symbol_at(struct kernel *kernel, const struct module *module, uint64_t va,
		     struct symbol *ret_symbol)
{
	struct module_symbols *symbols = &kernel->module_index->symbols[module - kernel->modules];
	const struct region *region = region_at(kernel, va);
	const struct module_symbol *best = NULL;
	unsigned int best_rank = UINT32_MAX;
	size_t low = 0, high;
	uint64_t next;

	if (!symbols->loaded) {
		symbols->loaded = true;
		if (module->n_symbols && load_symbols(kernel, module, symbols) < 0)
			symbols->n = 0;
	}
	if (!region)
		return -ENOENT;
	for (high = symbols->n; low < high;) {
		size_t mid = low + (high - low) / 2;

		if (symbols->list[mid].address <= va)
			low = mid + 1;
		else
			high = mid;
	}
	next = low < symbols->n && symbols->list[low].address < region->end
		       ? symbols->list[low].address
		       : region->end;
	/* Of the nearest address's aliases the best; one address down when all are mere labels. */
	for (; low > 0 && symbols->list[low - 1].address >= region->start; low--) {
		const struct module_symbol *s = &symbols->list[low - 1];
		unsigned int rank =
			symbol_name_rank(symbols->strings + s->name, s->type, region->text);

		if (best && s->address != best->address && best_rank < 500)
			break;
		if (rank < best_rank) {
			best_rank = rank;
			best = s;
		}
	}
	if (!best)
		return -ENOENT;
	*ret_symbol = (struct symbol){
		.name = symbols->strings + best->name,
		.module = module->name,
		.address = best->address,
		/* Padding behind a function belongs to it, as in the kernel's own traces. */
		.size = va - best->address < best->size ? best->size : next - best->address,
		.type = best->type,
	};
	return 0;
}
