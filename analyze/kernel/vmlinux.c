// SPDX-License-Identifier: GPL-2.0-or-later
#include "kernel/vmlinux.h"

#include <elfutils/libdwelf.h>
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#define SYMBOLS_MAX (8U << 20)
#define DECOMPRESSED_MAX (2ULL << 30)

void symbol_table_done(struct symbol_table *table)
{
	free(table->entries);
	*table = (struct symbol_table){ 0 };
}

const struct symbol_entry *symbol_table_find(const struct symbol_table *table, const char *name)
{
	for (size_t i = 0; i < table->n; i++)
		if (strcmp(table->entries[i].name, name) == 0)
			return &table->entries[i];
	return NULL;
}

/* The letter that nm would print, as System.map has it. */
static char symbol_type(const GElf_Sym *sym, const GElf_Shdr *section)
{
	bool local = GELF_ST_BIND(sym->st_info) == STB_LOCAL;
	char type;

	if (sym->st_shndx == SHN_ABS || !section)
		type = 'A';
	else if (section->sh_flags & SHF_EXECINSTR)
		type = GELF_ST_BIND(sym->st_info) == STB_WEAK ? 'W' : 'T';
	else if (section->sh_flags & SHF_WRITE)
		type = section->sh_type == SHT_NOBITS ? 'B' : 'D';
	else
		type = 'R';
	return local ? (char)(type - 'A' + 'a') : type;
}

static bool is_wanted(const GElf_Sym *sym, size_t names_size)
{
	switch (GELF_ST_TYPE(sym->st_info)) {
	case STT_NOTYPE:
	case STT_OBJECT:
	case STT_FUNC:
		return sym->st_shndx != SHN_UNDEF && sym->st_name && sym->st_name < names_size;
	default:
		return false;
	}
}

static int symtab_load(struct arena *arena, Elf *elf, Elf_Scn *symtab, const GElf_Shdr *header,
		       struct symbol_table *table)
{
	Elf_Scn *strtab = elf_getscn(elf, header->sh_link);
	Elf_Data *symbols = elf_getdata(symtab, NULL), *strings = NULL;
	GElf_Shdr section, *known = NULL;
	size_t n, last = SHN_UNDEF;
	char *names;

	if (strtab)
		strings = elf_getdata(strtab, NULL);
	/* A NOBITS table (of a file made by objcopy --only-keep-debug from a stripped one) is none. */
	if (!symbols || !symbols->d_buf || !strings || !strings->d_buf || !strings->d_size)
		return -ENOENT;
	n = symbols->d_size / sizeof(Elf64_Sym);
	if (n > SYMBOLS_MAX)
		return -EFBIG;
	names = arena_alloc(arena, strings->d_size + 1);
	table->entries = calloc(n ? n : 1, sizeof(*table->entries));
	if (!names || !table->entries)
		return -ENOMEM;
	memcpy(names, strings->d_buf, strings->d_size);

	for (size_t i = 0; i < n; i++) {
		GElf_Sym sym;

		if (!gelf_getsym(symbols, (int)i, &sym) || !is_wanted(&sym, strings->d_size))
			continue;
		if (sym.st_shndx != last) {
			Elf_Scn *scn = sym.st_shndx < SHN_LORESERVE ?
					       elf_getscn(elf, sym.st_shndx) :
					       NULL;

			known = scn ? gelf_getshdr(scn, &section) : NULL;
			last = sym.st_shndx;
		}
		table->entries[table->n++] = (struct symbol_entry){
			.name = names + sym.st_name,
			.address = sym.st_value,
			.size = sym.st_size,
			.type = symbol_type(&sym, known),
		};
	}
	return 0;
}

static int symbols_read(struct arena *arena, Elf *elf, struct symbol_table *table)
{
	Elf_Scn *scn = NULL;
	GElf_Shdr header;

	while ((scn = elf_nextscn(elf, scn)))
		if (gelf_getshdr(scn, &header) && header.sh_type == SHT_SYMTAB)
			return symtab_load(arena, elf, scn, &header, table);
	return -ENOENT;
}

static void build_id_read(Elf *elf, char ret_hex[41])
{
	const void *id;
	ssize_t n = dwelf_elf_gnu_build_id(elf, &id);

	if (n <= 0 || n > 20)
		return;
	for (ssize_t i = 0; i < n; i++) {
		ret_hex[2 * i] = "0123456789abcdef"[((const uint8_t *)id)[i] >> 4];
		ret_hex[2 * i + 1] = "0123456789abcdef"[((const uint8_t *)id)[i] & 15];
	}
	ret_hex[2 * n] = '\0';
}

static int elf_load(struct msgs *msgs, struct arena *arena, const char *path, Elf *elf,
		    bool with_symbols, struct symbol_table *table)
{
	GElf_Ehdr header;
	int r = 0;

	if (elf_kind(elf) != ELF_K_ELF || !gelf_getehdr(elf, &header)) {
		msgs_add(msgs, "%s: not an ELF file, nor a compressed one", path);
		return -EINVAL;
	}
	if (header.e_machine != EM_X86_64 || header.e_ident[EI_CLASS] != ELFCLASS64) {
		msgs_add(msgs, "%s: not of x86-64 (ELF machine %u)", path, header.e_machine);
		return -ENOTSUP;
	}
	build_id_read(elf, table->build_id);
	if (with_symbols)
		r = symbols_read(arena, elf, table);
	if (r == -ENOENT)
		r = 0;
	if (r < 0)
		msgs_add(msgs, "%s: symbol table cannot be read: %s", path, strerror(-r));
	return r;
}

/*
 * The payload of a bzImage (Documentation/arch/x86/boot.rst, protocol 2.08 on), or all of @file.
 * Offsets are from the start of the protected-mode code, behind the setup sectors.
 */
static void payload_find(const uint8_t *file, size_t size, const uint8_t **ret_data,
			 size_t *ret_size)
{
	uint32_t offset, length;
	uint64_t start;

	*ret_data = file;
	*ret_size = size;
	if (size < 0x250 || memcmp(file + 0x202, "HdrS", 4) != 0)
		return;
	memcpy(&offset, file + 0x248, sizeof(offset));
	memcpy(&length, file + 0x24c, sizeof(length));
	start = ((file[0x1f1] ? file[0x1f1] : 4) + 1) * 512ULL + offset;
	if (start > size || length > size - start)
		return;
	*ret_data = file + start;
	*ret_size = length;
}

/* The first zstd frame of @data, into a buffer that the caller frees. -ENOENT: no zstd at all. */
static int zstd_expand(const void *data, size_t size, char **ret_buf, size_t *ret_size)
{
	ZSTD_inBuffer in = { data, size, 0 };
	ZSTD_outBuffer out = { NULL, 0, 0 };
	ZSTD_DStream *stream;
	size_t left = 1;
	int r = 0;

	if (size < 4 || memcmp(data, "\x28\xb5\x2f\xfd", 4) != 0)
		return -ENOENT;
	stream = ZSTD_createDStream();
	if (!stream)
		return -ENOMEM;
	/* Kernels are compressed with windows of up to 128 MiB (zstd --ultra -22). */
	ZSTD_DCtx_setParameter(stream, ZSTD_d_windowLogMax, 27);
	while (r == 0 && left) {
		size_t before = in.pos + out.pos;

		if (out.pos == out.size) {
			size_t bigger = out.size ? out.size * 2 : 8 << 20;
			void *buf = bigger <= DECOMPRESSED_MAX ? realloc(out.dst, bigger) : NULL;

			if (!buf) {
				r = -ENOMEM;
				break;
			}
			out.dst = buf;
			out.size = bigger;
		}
		left = ZSTD_decompressStream(stream, &out, &in);
		if (ZSTD_isError(left) || (left && in.pos + out.pos == before))
			r = -EBADMSG;
	}
	ZSTD_freeDStream(stream);
	if (r < 0) {
		free(out.dst);
		return r;
	}
	*ret_buf = out.dst;
	*ret_size = out.pos;
	return 0;
}

/* libdw reads zstd only where it was built with it (Debian 12's was not); else this does. */
static Elf *zstd_elf_begin(int fd, char **ret_buf)
{
	const uint8_t *data;
	struct stat st;
	size_t size;
	void *file;
	char *buf;
	int r;

	if (fstat(fd, &st) < 0 || st.st_size <= 0)
		return NULL;
	file = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (file == MAP_FAILED)
		return NULL;
	payload_find(file, (size_t)st.st_size, &data, &size);
	r = zstd_expand(data, size, &buf, &size);
	munmap(file, (size_t)st.st_size);
	if (r < 0)
		return NULL;
	*ret_buf = buf;
	return elf_memory(buf, size);
}

int vmlinux_load(struct msgs *msgs, struct arena *arena, const char *path, bool with_symbols,
		 struct symbol_table *ret_table)
{
	struct symbol_table table = { 0 };
	char *expanded = NULL;
	Elf *elf;
	int fd, r;

	elf_version(EV_CURRENT);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		r = -errno;
		msgs_add(msgs, "%s: %s", path, strerror(-r));
		return r;
	}
	elf = dwelf_elf_begin(fd);
	if (elf && elf_kind(elf) != ELF_K_ELF) {
		Elf *other = zstd_elf_begin(fd, &expanded);

		if (other) {
			elf_end(elf);
			elf = other;
		}
	}
	if (elf) {
		r = elf_load(msgs, arena, path, elf, with_symbols, &table);
	} else {
		r = -EINVAL;
		msgs_add(msgs, "%s: %s", path, elf_errmsg(-1));
	}
	elf_end(elf);
	free(expanded);
	close(fd);
	if (r < 0)
		symbol_table_done(&table);
	else
		*ret_table = table;
	return r;
}
