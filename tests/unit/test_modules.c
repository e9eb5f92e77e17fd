// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/btf.h>
#include <cmocka.h>

#include "fake_pgtable.h"
#include "kernel/internal.h"
#include "kernel/symbols.h"
#include "kernel/types.h"

#define TOP 0x100000ULL
#define TABLES 0x200000ULL
#define MEMORY 0xffffffffc0000000ULL /* 1 MB of module memory, all of it mapped */
#define MEMORY_PA 0x4000000ULL
#define HEAD (MEMORY + 0x80) /* LIST_HEAD(modules) */

/* struct module of the tests: byte offsets. */
enum {
	LIST = 8, NAME = 24, KALLSYMS = 80, NOTES = 88,
	CORE = 96, /* module_layout: base, size, text_size; module_memory[7] with mem_layout */
	INIT = 112,
	ORC_IP = 208, ORC = 216, NUM_ORCS = 224, MODULE_SIZE = 240,
};

struct fixture {
	struct dump dump;
	struct kernel kernel;
	struct fake_pgtable t;
	struct msgs msgs;
};

/* The types that modules.c asks for; @mem: as since 6.4. */
static struct types *make_types(bool mem)
{
	struct btf *btf = btf__new_empty();
	struct types *types = NULL;
	int u32, u64, ch, list, name, layout, memory, mems, arch, attr, bin, notes, bins;
	uint32_t size;
	const void *data;

	u32 = btf__add_int(btf, "unsigned int", 4, 0);
	u64 = btf__add_int(btf, "long unsigned int", 8, 0);
	ch = btf__add_int(btf, "char", 1, 0);
	list = btf__add_struct(btf, "list_head", 16);
	btf__add_field(btf, "next", u64, 0, 0);
	btf__add_field(btf, "prev", u64, 64, 0);
	name = btf__add_array(btf, u32, ch, 56);
	layout = btf__add_struct(btf, "module_layout", 16);
	btf__add_field(btf, "base", u64, 0, 0);
	btf__add_field(btf, "size", u32, 64, 0);
	btf__add_field(btf, "text_size", u32, 96, 0);
	memory = btf__add_struct(btf, "module_memory", 16);
	btf__add_field(btf, "base", u64, 0, 0);
	btf__add_field(btf, "size", u32, 64, 0);
	mems = btf__add_array(btf, u32, memory, 7);
	arch = btf__add_struct(btf, "mod_arch_specific", 20);
	btf__add_field(btf, "orc_unwind_ip", u64, 0, 0);
	btf__add_field(btf, "orc_unwind", u64, 64, 0);
	btf__add_field(btf, "num_orcs", u32, 128, 0);
	btf__add_struct(btf, "mod_kallsyms", 32);
	btf__add_field(btf, "symtab", u64, 0, 0);
	btf__add_field(btf, "num_symtab", u32, 64, 0);
	btf__add_field(btf, "strtab", u64, 128, 0);
	btf__add_field(btf, "typetab", u64, 192, 0);
	attr = btf__add_struct(btf, "attribute", 8);
	btf__add_field(btf, "name", u64, 0, 0);
	bin = btf__add_struct(btf, "bin_attribute", 24);
	btf__add_field(btf, "attr", attr, 0, 0);
	btf__add_field(btf, "size", u64, 64, 0);
	btf__add_field(btf, "private", u64, 128, 0);
	bins = btf__add_array(btf, u32, bin, 0);
	notes = btf__add_struct(btf, "module_notes_attrs", 16);
	btf__add_field(btf, "notes", u32, 64, 0);
	btf__add_field(btf, "attrs", bins, 128, 0);
	btf__add_struct(btf, "module", MODULE_SIZE);
	btf__add_field(btf, "list", list, LIST * 8, 0);
	btf__add_field(btf, "name", name, NAME * 8, 0);
	btf__add_field(btf, "kallsyms", u64, KALLSYMS * 8, 0);
	btf__add_field(btf, "notes_attrs", u64, NOTES * 8, 0);
	if (mem) {
		btf__add_field(btf, "mem", mems, CORE * 8, 0);
	} else {
		btf__add_field(btf, "core_layout", layout, CORE * 8, 0);
		btf__add_field(btf, "init_layout", layout, INIT * 8, 0);
	}
	btf__add_field(btf, "arch", arch, ORC_IP * 8, 0);
	data = btf__raw_data(btf, &size);
	assert_non_null(data);
	assert_true(notes > 0);
	assert_int_equal(types_new(data, size, NULL, &types), 0);
	btf__free(btf);
	return types;
}

static void put(struct fixture *f, uint64_t va, const void *data, size_t len)
{
	fake_write(&f->dump, va - MEMORY + MEMORY_PA, data, len);
}

static void put64(struct fixture *f, uint64_t va, uint64_t v)
{
	put(f, va, &v, 8);
}

static void put32(struct fixture *f, uint64_t va, uint32_t v)
{
	put(f, va, &v, 4);
}

static int setup_kind(void **state, bool mem)
{
	static const struct symbol_entry entries[] = { { "modules", HEAD, 0, 'd' },
						       { "_end", HEAD + 16, 0, 'B' } };
	static const uint8_t zeros[FAKE_PAGE];
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->t = (struct fake_pgtable){ .dump = &f->dump, .top = TOP, .next = TABLES };
	fake_write(&f->dump, TOP, zeros, sizeof(zeros));
	for (uint64_t at = 0; at < 1 << 20; at += FAKE_PAGE) {
		fake_map(&f->t, MEMORY + at, MEMORY_PA + at, 12);
		put(f, MEMORY + at, zeros, sizeof(zeros));
	}
	msgs_init(&f->msgs);
	arena_init(&f->kernel.arena);
	f->kernel.msgs = &f->msgs;
	f->kernel.dump = &f->dump;
	f->kernel.tlb = translate_cache_new();
	translate_setup(&f->kernel, TOP, false, 0);
	f->kernel.types = make_types(mem);
	assert_int_equal(symbols_from_table(entries, 2, &f->kernel.symbols), 0);
	*state = f;
	return 0;
}

static int setup(void **state)
{
	return setup_kind(state, false);
}

static int setup_mem(void **state)
{
	return setup_kind(state, true);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	symbols_free(f->kernel.symbols);
	types_free(f->kernel.types);
	translate_cache_free(f->kernel.tlb);
	arena_done(&f->kernel.arena);
	msgs_done(&f->msgs);
	fake_done(&f->dump);
	free(f);
	return 0;
}

/* Module @i has its struct at 0x1000 * (i + 1), its memory at 0x40000 + 0x4000 * i. */
static uint64_t module_va(int i)
{
	return MEMORY + 0x1000 * (uint64_t)(i + 1);
}

static uint64_t core_va(int i)
{
	return MEMORY + 0x40000 + 0x4000 * (uint64_t)i;
}

static void put_module(struct fixture *f, int i, const char *name)
{
	put(f, module_va(i) + NAME, name, strlen(name) + 1);
	put64(f, module_va(i) + CORE, core_va(i));
	put32(f, module_va(i) + CORE + 8, 0x3000);
	put32(f, module_va(i) + CORE + 12, 0x1000);
}

/* Links HEAD and the modules of @order (-1 ends it) both ways. */
static void link_modules(struct fixture *f, const int *order)
{
	uint64_t last = HEAD;

	for (; *order >= 0; order++) {
		put64(f, last, module_va(*order) + LIST);
		put64(f, module_va(*order) + LIST + 8, last);
		last = module_va(*order) + LIST;
	}
	put64(f, last, HEAD);
	put64(f, HEAD + 8, last);
}

static void put_sym(struct fixture *f, uint64_t symtab, int i, uint32_t name, uint8_t info,
		    uint64_t value, uint64_t size)
{
	put32(f, symtab + 24 * (uint64_t)i, name);
	put(f, symtab + 24 * (uint64_t)i + 4, &info, 1);
	put64(f, symtab + 24 * (uint64_t)i + 8, value);
	put64(f, symtab + 24 * (uint64_t)i + 16, size);
}

/* mod->kallsyms of module @i, in its own data: functions a (0x10), b (0x40), data d (0x2010). */
static void put_symbols(struct fixture *f, int i)
{
	static const char strings[] = "\0a\0b\0d\0.Llocal\0__pfx_b\0undefined";
	uint64_t kallsyms = core_va(i) + 0x2100, symtab = kallsyms + 0x100, strtab = symtab + 0x400;
	uint64_t typetab = strtab + 0x100;

	put64(f, module_va(i) + KALLSYMS, kallsyms);
	put64(f, kallsyms, symtab);
	put32(f, kallsyms + 8, 8);
	put64(f, kallsyms + 16, strtab);
	put64(f, kallsyms + 24, typetab);
	put(f, strtab, strings, sizeof(strings));
	put(f, typetab, "\0dttttrU", 8);
	put_sym(f, symtab, 1, 5, 1, core_va(i) + 0x2010, 0x20);
	put_sym(f, symtab, 2, 3, 2, core_va(i) + 0x40, 0x25);
	put_sym(f, symtab, 3, 1, 2, core_va(i) + 0x10, 0);
	put_sym(f, symtab, 4, 7, 0, core_va(i) + 0x40, 0);
	put_sym(f, symtab, 5, 15, 0, core_va(i) + 0x40, 0);
	put_sym(f, symtab, 6, 1, 3, core_va(i) + 0x50, 0); /* a section's */
	put_sym(f, symtab, 7, 23, 0, 0, 0);
}

static void expect_symbol(struct fixture *f, uint64_t va, const char *name, const char *module,
			  uint64_t offset, uint64_t size)
{
	struct symbol symbol;

	assert_int_equal(kernel_symbol_at(&f->kernel, va, &symbol), 0);
	assert_string_equal(symbol.name, name);
	assert_string_equal(symbol.module, module);
	assert_int_equal(va - symbol.address, offset);
	assert_int_equal(symbol.size, size);
}

static void test_list(void **state)
{
	struct fixture *f = *state;
	static const int order[] = { 2, 0, 1, -1 };
	struct symbol symbol;

	put_module(f, 0, "first");
	put_module(f, 1, "second");
	put_module(f, 2, "third");
	put64(f, module_va(1) + ORC_IP, 0x1111);
	put64(f, module_va(1) + ORC, 0x2222);
	put32(f, module_va(1) + NUM_ORCS, 33);
	put_symbols(f, 1);
	link_modules(f, order);
	assert_int_equal(modules_load(&f->kernel), 0);
	assert_int_equal(f->kernel.n_modules, 3);
	assert_string_equal(f->kernel.modules[0].name, "first");
	assert_string_equal(f->kernel.modules[2].name, "third");
	assert_int_equal(f->kernel.modules[1].base, core_va(1));
	assert_int_equal(f->kernel.modules[1].size, 0x3000);
	assert_int_equal(f->kernel.modules[1].text_end, core_va(1) + 0x1000);
	assert_int_equal(f->kernel.modules[1].address, module_va(1));
	assert_int_equal(f->kernel.modules[1].orc_ip, 0x1111);
	assert_int_equal(f->kernel.modules[1].orc, 0x2222);
	assert_int_equal(f->kernel.modules[1].n_orc, 33);

	assert_true(kernel_is_text(&f->kernel, core_va(1)));
	assert_true(kernel_is_text(&f->kernel, core_va(1) + 0xfff));
	assert_false(kernel_is_text(&f->kernel, core_va(1) + 0x1000));
	assert_false(kernel_is_text(&f->kernel, core_va(1) - 1));
	assert_ptr_equal(kernel_module_at(&f->kernel, core_va(1) + 0x2fff), &f->kernel.modules[1]);
	assert_null(kernel_module_at(&f->kernel, core_va(1) + 0x3000));

	expect_symbol(f, core_va(1) + 0x41, "b", "second", 1, 0x25);
	expect_symbol(f, core_va(1) + 0x64, "b", "second", 0x24, 0x25);
	/* Past its size, up to the end of text. */
	expect_symbol(f, core_va(1) + 0x65, "b", "second", 0x25, 0xfc0);
	expect_symbol(f, core_va(1) + 0x3f, "a", "second", 0x2f, 0x30);
	expect_symbol(f, core_va(1) + 0x2011, "d", "second", 1, 0x20);
	assert_int_equal(kernel_symbol_at(&f->kernel, core_va(1) + 0xf, &symbol), -ENOENT);
	/* Data in front of the first data symbol is not the last function's. */
	assert_int_equal(kernel_symbol_at(&f->kernel, core_va(1) + 0x1000, &symbol), -ENOENT);
	assert_int_equal(kernel_symbol_at(&f->kernel, core_va(0) + 0x41, &symbol), -ENOENT);
	assert_int_equal(f->msgs.n, 0);
}

static void test_mem(void **state)
{
	struct fixture *f = *state;
	static const int order[] = { 0, -1 };
	uint64_t mem = module_va(0) + CORE;

	put(f, module_va(0) + NAME, "modern", 7);
	/* MOD_TEXT, MOD_DATA, MOD_INIT_TEXT; as it is while the module starts. */
	put64(f, mem, core_va(0));
	put32(f, mem + 8, 0x1000);
	put64(f, mem + 16, core_va(3));
	put32(f, mem + 24, 0x2000);
	put64(f, mem + 4 * 16, core_va(5));
	put32(f, mem + 4 * 16 + 8, 0x1000);
	link_modules(f, order);
	assert_int_equal(modules_load(&f->kernel), 0);
	assert_int_equal(f->kernel.n_modules, 1);
	assert_int_equal(f->kernel.modules[0].base, core_va(0));
	assert_int_equal(f->kernel.modules[0].text_end, core_va(0) + 0x1000);
	assert_true(kernel_is_text(&f->kernel, core_va(0) + 0xfff));
	assert_true(kernel_is_text(&f->kernel, core_va(5)));
	assert_false(kernel_is_text(&f->kernel, core_va(3)));
	assert_ptr_equal(kernel_module_at(&f->kernel, core_va(3) + 0x1fff), &f->kernel.modules[0]);
	assert_null(kernel_module_at(&f->kernel, core_va(4) + 0x2000));
}

static void test_build_id(void **state)
{
	struct fixture *f = *state;
	static const int order[] = { 0, -1 };
	static const char note[] = "\4\0\0\0\24\0\0\0\3\0\0\0GNU\0"
				   "\xab\1\2\3\4\5\6\7\x8\x9\xa\xb\xc\xd\xe\xf\x10\x11\x12\xcd";
	uint64_t notes = core_va(0) + 0x1800, sections = notes + 0x100;

	put_module(f, 0, "noted");
	put64(f, module_va(0) + NOTES, notes);
	put32(f, notes + 8, 2);
	/* Some other note first. */
	put64(f, notes + 16 + 8, 48);
	put64(f, notes + 16 + 16, sections + 0x40);
	put64(f, notes + 40 + 8, 36);
	put64(f, notes + 40 + 16, sections);
	put(f, sections, note, 36);
	link_modules(f, order);
	assert_int_equal(modules_load(&f->kernel), 0);
	assert_string_equal(f->kernel.modules[0].build_id,
			    "ab0102030405060708090a0b0c0d0e0f101112cd");
}

/* The link from 1 to 2 is gone: 2 and 3 are reached from the other end. */
static void test_broken_link(void **state)
{
	struct fixture *f = *state;
	static const int order[] = { 0, 1, 2, 3, -1 };

	for (int i = 0; i < 4; i++)
		put_module(f, i, (const char *[]){ "m0", "m1", "m2", "m3" }[i]);
	link_modules(f, order);
	put64(f, module_va(1) + LIST, 0x1234);
	assert_int_equal(modules_load(&f->kernel), 0);
	assert_int_equal(f->kernel.n_modules, 4);
	for (int i = 0; i < 4; i++)
		assert_int_equal(f->kernel.modules[i].address, module_va(i));
	assert_int_equal(f->msgs.n, 1);
	assert_non_null(strstr(f->msgs.lines[0], "list is broken after 2"));
}

/* A list that goes in a circle past its head, and one whose head points at itself. */
static void test_cycles(void **state)
{
	struct fixture *f = *state;
	static const int order[] = { 0, 1, 2, -1 }, none[] = { -1 };

	for (int i = 0; i < 3; i++)
		put_module(f, i, "m");
	link_modules(f, order);
	put64(f, module_va(2) + LIST, module_va(0) + LIST);
	put64(f, module_va(0) + LIST + 8, module_va(2) + LIST);
	assert_int_equal(modules_load(&f->kernel), 0);
	assert_true(f->kernel.n_modules <= 3);
	assert_true(f->msgs.n >= 1);
	link_modules(f, none);
	assert_int_equal(modules_load(&f->kernel), 0);
	assert_int_equal(f->kernel.n_modules, 0);
}

/* Sizes and tables that cannot be. */
static void test_damaged_module(void **state)
{
	struct fixture *f = *state;
	static const int order[] = { 0, 1, -1 };
	struct symbol symbol;

	put_module(f, 0, "bad");
	put_module(f, 1, "good");
	put64(f, module_va(0) + CORE, 0x1000); /* no kernel address */
	put_symbols(f, 1);
	put32(f, core_va(1) + 0x2108, 0xffffffff); /* num_symtab */
	link_modules(f, order);
	assert_int_equal(modules_load(&f->kernel), 0);
	assert_int_equal(f->kernel.n_modules, 1);
	assert_string_equal(f->kernel.modules[0].name, "good");
	assert_int_equal(f->kernel.modules[0].n_symbols, 0);
	assert_int_equal(kernel_symbol_at(&f->kernel, core_va(1) + 0x41, &symbol), -ENOENT);
	assert_int_equal(f->msgs.n, 1);
	assert_non_null(strstr(f->msgs.lines[0], "damaged, ignoring it"));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_list, setup, teardown),
		cmocka_unit_test_setup_teardown(test_mem, setup_mem, teardown),
		cmocka_unit_test_setup_teardown(test_build_id, setup, teardown),
		cmocka_unit_test_setup_teardown(test_broken_link, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cycles, setup, teardown),
		cmocka_unit_test_setup_teardown(test_damaged_module, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
