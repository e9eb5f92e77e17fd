// SPDX-License-Identifier: GPL-2.0-or-later
/* vmlinux.c and system_map.c: files made here, by libelf and by hand. */
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <libelf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <cmocka.h>

#include "kernel/vmlinux.h"

struct fixture {
	struct msgs msgs;
	struct arena arena;
	char path[64];
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	int fd;

	msgs_init(&f->msgs);
	arena_init(&f->arena);
	strcpy(f->path, "/tmp/holdup-test-XXXXXX");
	fd = mkstemp(f->path);
	*state = f;
	return fd < 0 ? -1 : close(fd);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	unlink(f->path);
	msgs_done(&f->msgs);
	arena_done(&f->arena);
	free(f);
	return 0;
}

static void file_write(struct fixture *f, const void *data, size_t size)
{
	FILE *file = fopen(f->path, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(data, 1, size, file), size);
	assert_int_equal(fclose(file), 0);
}

static int map_load(struct fixture *f, const char *text, struct symbol_table *table)
{
	file_write(f, text, strlen(text));
	return system_map_load(&f->msgs, &f->arena, f->path, table);
}

static void assert_said(struct fixture *f, const char *what)
{
	assert_int_equal(f->msgs.n, 1);
	assert_non_null(strstr(f->msgs.lines[0], f->path));
	if (!strstr(f->msgs.lines[0], what))
		fail_msg("\"%s\" does not say \"%s\"", f->msgs.lines[0], what);
}

static void test_map(void **state)
{
	struct fixture *f = *state;
	struct symbol_table table;
	const struct symbol_entry *entry;

	assert_int_equal(map_load(f,
				  "0000000000000000 D __per_cpu_start\n"
				  "ffffffff81000000 T _text\n"
				  "ffffffff82161900 R linux_banner\n"
				  "garbage\n"
				  "ffffffffc0201000 t lab_add\t[lab]\n"
				  "ffffffff82a10000 D init_top_pgt",
				  &table),
			 0);
	assert_int_equal(table.n, 4);
	assert_string_equal(table.build_id, "");
	assert_int_equal(f->msgs.n, 0);
	entry = symbol_table_find(&table, "linux_banner");
	assert_non_null(entry);
	assert_true(entry->address == 0xffffffff82161900);
	assert_int_equal(entry->type, 'R');
	assert_non_null(symbol_table_find(&table, "init_top_pgt"));
	assert_non_null(symbol_table_find(&table, "__per_cpu_start"));
	assert_null(symbol_table_find(&table, "lab_add"));
	assert_null(symbol_table_find(&table, "lab_add\t[lab]"));
	symbol_table_done(&table);
}

static void test_map_placeholder(void **state)
{
	struct fixture *f = *state;
	struct symbol_table table = { .n = 99 };

	assert_int_equal(map_load(f,
				  "ffffffffffffffff B The real System.map is in the "
				  "linux-image-<version>-dbg package\n",
				  &table),
			 -EINVAL);
	assert_said(f, "linux-image-<version>-dbg package");
	assert_int_equal(table.n, 99);
}

static void test_map_zeros(void **state)
{
	struct fixture *f = *state;
	struct symbol_table table;

	assert_int_equal(map_load(f, "0000000000000000 T _text\n0000000000000000 T _stext\n",
				  &table),
			 -EINVAL);
	assert_said(f, "all addresses are zero");
}

static void test_map_garbage(void **state)
{
	static const char *const texts[] = {
		"",
		"\n",
		"#!/bin/sh\nexit 0\n",
		"ffffffff81000000 T\n",
		"ffffffff81000000 T \n",
		"ffffffff81000000  _text\n",
		"ffffffff8100000000 T _text\n",
		"FFFFFFFF81000000 T _text\n",
	};
	struct fixture *f = *state;
	struct symbol_table table;
	char noise[5000];

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		int r = map_load(f, texts[i], &table);

		if (r != -EINVAL)
			fail_msg("\"%s\" gives %d", texts[i], r);
	}
	for (size_t i = 0; i < sizeof(noise); i++)
		noise[i] = (char)(i * i * 31 >> 3);
	file_write(f, noise, sizeof(noise));
	assert_int_equal(system_map_load(&f->msgs, &f->arena, f->path, &table), -EINVAL);
}

static void test_map_absent(void **state)
{
	struct fixture *f = *state;
	struct symbol_table table;

	unlink(f->path);
	assert_int_equal(system_map_load(&f->msgs, &f->arena, f->path, &table), -ENOENT);
	assert_said(f, "No such file");
	assert_int_equal(mkdir(f->path, 0700), 0);
	assert_int_equal(system_map_load(&f->msgs, &f->arena, f->path, &table), -EISDIR);
	assert_int_equal(rmdir(f->path), 0);
}

/* --- vmlinux --- */

static const uint8_t build_id[20] = { 0xeb, 0x4f, 0xbc, 0xd0, 0x37, 0xe7, 0x25, 0x37, 0x17, 0x95,
				      0x0b, 0xf2, 0xb9, 0x3b, 0xd5, 0x56, 0x6f, 0x47, 0xc5, 0x6f };

enum { TEXT = 1, RODATA, DATA, BSS };

static const char strings[] = "\0_text\0linux_banner\0local\0weak\0bss\0absolute\0file.c\0undef\0data";
/* Offsets of the names above, counted by hand. */
static const Elf64_Sym symbols[] = {
	{ 0 },
	{ 35, ELF64_ST_INFO(STB_LOCAL, STT_NOTYPE), 0, SHN_ABS, 0x1234, 0 },
	{ 44, ELF64_ST_INFO(STB_LOCAL, STT_FILE), 0, SHN_ABS, 0, 0 },
	{ 20, ELF64_ST_INFO(STB_LOCAL, STT_FUNC), 0, TEXT, 0xffffffff81000040, 0x30 },
	{ 0, ELF64_ST_INFO(STB_LOCAL, STT_SECTION), 0, TEXT, 0xffffffff81000000, 0 },
	{ 1, ELF64_ST_INFO(STB_GLOBAL, STT_NOTYPE), 0, TEXT, 0xffffffff81000000, 0 },
	{ 7, ELF64_ST_INFO(STB_GLOBAL, STT_OBJECT), 0, RODATA, 0xffffffff82161900, 0xdd },
	{ 26, ELF64_ST_INFO(STB_WEAK, STT_FUNC), 0, TEXT, 0xffffffff81000080, 0x10 },
	{ 31, ELF64_ST_INFO(STB_LOCAL, STT_OBJECT), 0, BSS, 0xffffffff83310000, 8 },
	{ 51, ELF64_ST_INFO(STB_GLOBAL, STT_NOTYPE), 0, SHN_UNDEF, 0, 0 },
	{ 57, ELF64_ST_INFO(STB_GLOBAL, STT_OBJECT), 0, DATA, 0xffffffff82a00000, 8 },
	{ 4000, ELF64_ST_INFO(STB_GLOBAL, STT_OBJECT), 0, DATA, 0xffffffff82a00008, 8 },
	{ 57, ELF64_ST_INFO(STB_GLOBAL, STT_OBJECT), 0, 0x7000, 0xffffffff82a00010, 8 },
};

static Elf_Scn *section_add(Elf *elf, Elf64_Word type, Elf64_Xword flags, const void *data,
			    size_t size, Elf_Type data_type)
{
	Elf_Scn *scn = elf_newscn(elf);
	Elf_Data *d = elf_newdata(scn);
	Elf64_Shdr *header = elf64_getshdr(scn);

	header->sh_type = type;
	header->sh_flags = flags;
	header->sh_addralign = 4;
	d->d_buf = (void *)data;
	d->d_size = size;
	d->d_type = data_type;
	d->d_align = 4;
	return scn;
}

static void elf_write(struct fixture *f, Elf64_Half machine, bool stripped)
{
	static uint8_t note[36] = { 4, 0, 0, 0, 20, 0, 0, 0, 3, 0, 0, 0, 'G', 'N', 'U', 0 };
	int fd = open(f->path, O_RDWR | O_TRUNC);
	Elf64_Ehdr *header;
	Elf *elf;

	elf_version(EV_CURRENT);
	memcpy(note + 16, build_id, sizeof(build_id));
	elf = elf_begin(fd, ELF_C_WRITE, NULL);
	assert_non_null(elf);
	header = elf64_newehdr(elf);
	header->e_ident[EI_DATA] = ELFDATA2LSB;
	header->e_machine = machine;
	header->e_type = ET_EXEC;
	header->e_version = EV_CURRENT;
	section_add(elf, SHT_PROGBITS, SHF_ALLOC | SHF_EXECINSTR, "text", 4, ELF_T_BYTE);
	section_add(elf, SHT_PROGBITS, SHF_ALLOC, "ro", 2, ELF_T_BYTE);
	section_add(elf, SHT_PROGBITS, SHF_ALLOC | SHF_WRITE, "data", 4, ELF_T_BYTE);
	section_add(elf, SHT_NOBITS, SHF_ALLOC | SHF_WRITE, NULL, 8, ELF_T_BYTE);
	section_add(elf, SHT_NOTE, SHF_ALLOC, note, sizeof(note), ELF_T_BYTE);
	if (!stripped) {
		Elf_Scn *strtab = section_add(elf, SHT_STRTAB, 0, strings, sizeof(strings),
					      ELF_T_BYTE);
		Elf_Scn *symtab = section_add(elf, SHT_SYMTAB, 0, symbols, sizeof(symbols),
					      ELF_T_SYM);

		elf64_getshdr(symtab)->sh_link = (Elf64_Word)elf_ndxscn(strtab);
		elf64_getshdr(symtab)->sh_entsize = sizeof(Elf64_Sym);
	}
	assert_true(elf_update(elf, ELF_C_WRITE) > 0);
	elf_end(elf);
	close(fd);
}

static void assert_symbol(const struct symbol_table *table, const char *name, uint64_t address,
			  uint64_t size, char type)
{
	const struct symbol_entry *entry = symbol_table_find(table, name);

	if (!entry)
		fail_msg("no %s", name);
	assert_true(entry->address == address);
	assert_true(entry->size == size);
	assert_int_equal(entry->type, type);
}

static void assert_vmlinux(struct fixture *f)
{
	struct symbol_table table;

	assert_int_equal(vmlinux_load(&f->msgs, &f->arena, f->path, true, &table), 0);
	assert_string_equal(table.build_id, "eb4fbcd037e7253717950bf2b93bd5566f47c56f");
	assert_symbol(&table, "_text", 0xffffffff81000000, 0, 'T');
	assert_symbol(&table, "linux_banner", 0xffffffff82161900, 0xdd, 'R');
	assert_symbol(&table, "local", 0xffffffff81000040, 0x30, 't');
	assert_symbol(&table, "weak", 0xffffffff81000080, 0x10, 'W');
	assert_symbol(&table, "bss", 0xffffffff83310000, 8, 'b');
	assert_symbol(&table, "absolute", 0x1234, 0, 'a');
	assert_symbol(&table, "data", 0xffffffff82a00000, 8, 'D');
	/* And no file, section or undefined symbol, nor the one whose name passes the end. */
	assert_int_equal(table.n, 8);
	symbol_table_done(&table);
	assert_int_equal(f->msgs.n, 0);
}

static void test_vmlinux(void **state)
{
	struct fixture *f = *state;

	elf_write(f, EM_X86_64, false);
	assert_vmlinux(f);
}

static size_t file_read(struct fixture *f, char *buf, size_t size)
{
	FILE *file = fopen(f->path, "r");
	size_t n;

	assert_non_null(file);
	n = fread(buf, 1, size, file);
	fclose(file);
	assert_true(n > 500 && n < size);
	return n;
}

static void test_vmlinux_gz(void **state)
{
	struct fixture *f = *state;
	char plain[65536];
	size_t n;
	gzFile gz;

	elf_write(f, EM_X86_64, false);
	n = file_read(f, plain, sizeof(plain));
	gz = gzopen(f->path, "wb");
	assert_int_equal(gzwrite(gz, plain, (unsigned int)n), n);
	assert_int_equal(gzclose(gz), Z_OK);
	assert_vmlinux(f);
}

static void test_vmlinux_zst(void **state)
{
	struct fixture *f = *state;
	static char plain[65536], packed[65536];
	size_t n;

	elf_write(f, EM_X86_64, false);
	n = ZSTD_compress(packed, sizeof(packed), plain, file_read(f, plain, sizeof(plain)), 3);
	assert_false(ZSTD_isError(n));
	file_write(f, packed, n);
	assert_vmlinux(f);

	/* Cut short, at each byte, it is no vmlinux. */
	for (size_t cut = n - 1; cut > 3; cut -= cut > 64 ? 13 : 1) {
		struct symbol_table table;

		file_write(f, packed, cut);
		assert_int_equal(vmlinux_load(&f->msgs, &f->arena, f->path, true, &table), -EINVAL);
	}
}

/* Setup sectors, the protected-mode code with its payload somewhere inside, bytes after it. */
static void test_bzimage_zst(void **state)
{
	struct fixture *f = *state;
	static char plain[65536], image[65536 * 2];
	const uint32_t offset = 700;
	uint32_t length;
	size_t n;

	elf_write(f, EM_X86_64, false);
	n = file_read(f, plain, sizeof(plain));
	image[0x1f1] = 3;
	memcpy(image + 0x1fe, "\x55\xaa", 2);
	memcpy(image + 0x202, "HdrS\x0f\x02", 6);
	memcpy(image + 0x248, &offset, 4);
	n = ZSTD_compress(image + 2048 + offset, 65536, plain, n, 19);
	assert_false(ZSTD_isError(n));
	/* The build appends the size of the plain file. */
	length = (uint32_t)n + 4;
	memcpy(image + 0x24c, &length, 4);
	file_write(f, image, 2048 + offset + length + 100);
	assert_vmlinux(f);

	/* A payload that passes the end of the file. */
	length = UINT32_MAX;
	memcpy(image + 0x24c, &length, 4);
	file_write(f, image, 2048 + offset + n);
	struct symbol_table table;
	assert_int_equal(vmlinux_load(&f->msgs, &f->arena, f->path, true, &table), -EINVAL);
}

static void test_vmlinux_build_id_only(void **state)
{
	struct fixture *f = *state;
	struct symbol_table table;

	elf_write(f, EM_X86_64, false);
	assert_int_equal(vmlinux_load(&f->msgs, &f->arena, f->path, false, &table), 0);
	assert_string_equal(table.build_id, "eb4fbcd037e7253717950bf2b93bd5566f47c56f");
	assert_int_equal(table.n, 0);
	symbol_table_done(&table);
}

static void test_vmlinux_stripped(void **state)
{
	struct fixture *f = *state;
	struct symbol_table table;

	elf_write(f, EM_X86_64, true);
	assert_int_equal(vmlinux_load(&f->msgs, &f->arena, f->path, true, &table), 0);
	assert_string_equal(table.build_id, "eb4fbcd037e7253717950bf2b93bd5566f47c56f");
	assert_int_equal(table.n, 0);
	symbol_table_done(&table);
}

static void test_vmlinux_other_machine(void **state)
{
	struct fixture *f = *state;
	struct symbol_table table;

	elf_write(f, EM_AARCH64, false);
	assert_int_equal(vmlinux_load(&f->msgs, &f->arena, f->path, true, &table), -ENOTSUP);
	assert_said(f, "not of x86-64");
}

static void test_vmlinux_garbage(void **state)
{
	struct fixture *f = *state;
	struct symbol_table table;

	file_write(f, "KDUMP   not an ELF file at all", 30);
	assert_int_equal(vmlinux_load(&f->msgs, &f->arena, f->path, true, &table), -EINVAL);
	assert_said(f, "not an ELF file");
}

/* Cut anywhere: an error, or what is left, but no read past the end (run under ASan). */
static void test_vmlinux_truncated(void **state)
{
	struct fixture *f = *state;
	struct symbol_table table;
	unsigned int whole = 0, n = 0;
	struct stat st;

	elf_write(f, EM_X86_64, false);
	assert_int_equal(stat(f->path, &st), 0);
	for (off_t size = st.st_size - 1; size >= 0; size -= 7, n++) {
		assert_int_equal(truncate(f->path, size), 0);
		if (vmlinux_load(&f->msgs, &f->arena, f->path, true, &table) < 0)
			continue;
		/* Section headers are last, so that a cut file has no symbols. */
		whole += table.n != 0;
		symbol_table_done(&table);
	}
	assert_true(n > 100);
	assert_int_equal(whole, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_map),			   TEST(test_map_placeholder),
		TEST(test_map_zeros),		   TEST(test_map_garbage),
		TEST(test_map_absent),		   TEST(test_vmlinux),
		TEST(test_vmlinux_gz),		   TEST(test_vmlinux_build_id_only),
		TEST(test_vmlinux_zst),		   TEST(test_bzimage_zst),
		TEST(test_vmlinux_stripped),	   TEST(test_vmlinux_other_machine),
		TEST(test_vmlinux_garbage),	   TEST(test_vmlinux_truncated),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
