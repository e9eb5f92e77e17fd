// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * ELF cores of a whole machine: /proc/vmcore and copies of it, makedumpfile -E, QEMU's
 * dump-guest-memory, /proc/kcore. Physical memory is where p_paddr of the PT_LOAD segments says.
 */
#include <elf.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "dump/internal.h"
#include "util/cursor.h"
#include "util/msgs.h"

/* makedumpfile's e_flags bit: it ran out of space (its elf_info.h, DUMP_ELF_INCOMPLETE). */
#define ELF_FLAG_INCOMPLETE 0x1
#define MAX_SEGMENTS (1U << 20)

struct elf_header {
	uint16_t type, machine;
	uint64_t phoff, shoff;
	uint32_t flags;
	uint16_t phentsize, phnum;
};

struct segment {
	uint32_t type;
	uint64_t off, paddr, filesz, memsz;
};

static const char *machine_name(uint16_t machine)
{
	switch (machine) {
	case EM_386:
		return "i386";
	case EM_ARM:
		return "arm";
	case EM_AARCH64:
		return "aarch64";
	case EM_PPC:
		return "ppc";
	case EM_PPC64:
		return "ppc64";
	case EM_S390:
		return "s390x";
	case EM_RISCV:
		return "riscv";
	case EM_MIPS:
		return "mips";
	case EM_SPARCV9:
		return "sparc64";
	case EM_IA_64:
		return "ia64";
	case 258:
		return "loongarch";
	default:
		return "unknown";
	}
}

static int machine_check(struct dump *dump, const uint8_t *ident, uint16_t machine)
{
	if (ident[EI_DATA] == ELFDATA2MSB)
		machine = __builtin_bswap16(machine);
	if (machine != EM_X86_64) {
		file_msg(&dump->file,
			 "an ELF core of another architecture: e_machine %u (%s);"
			 " only x86_64 is read",
			 machine, machine_name(machine));
		return -ENOTSUP;
	}
	if (ident[EI_CLASS] != ELFCLASS64 || ident[EI_DATA] != ELFDATA2LSB) {
		file_msg(&dump->file, "an ELF core of class %u, byte order %u; x86_64's is %u, %u",
			 ident[EI_CLASS], ident[EI_DATA], ELFCLASS64, ELFDATA2LSB);
		return -ENOTSUP;
	}
	return 0;
}

static int header_read(struct dump *dump, struct elf_header *ret_header)
{
	uint8_t raw[sizeof(Elf64_Ehdr)];
	struct cursor c = cursor_make(raw, sizeof(raw));
	struct elf_header h;
	int r;

	r = file_read(&dump->file, 0, raw, sizeof(raw));
	if (r < 0) {
		file_msg(&dump->file, "is cut off inside the ELF header (%" PRIu64 " of %zu bytes)",
			 dump->file.size, sizeof(raw));
		return -EINVAL;
	}
	cursor_skip(&c, EI_NIDENT);
	h.type = cursor_u16(&c);
	h.machine = cursor_u16(&c);
	cursor_skip(&c, 4 + 8); /* e_version, e_entry */
	h.phoff = cursor_u64(&c);
	h.shoff = cursor_u64(&c);
	h.flags = cursor_u32(&c);
	cursor_skip(&c, 2); /* e_ehsize */
	h.phentsize = cursor_u16(&c);
	h.phnum = cursor_u16(&c);
	r = machine_check(dump, raw, h.machine);
	if (r < 0)
		return r;
	if (h.type != ET_CORE) {
		file_msg(&dump->file, "an ELF file of type %u%s, not a core", h.type,
			 h.type == ET_EXEC || h.type == ET_DYN ? " (a program)"
			 : h.type == ET_REL		       ? " (an object or module)"
							       : "");
		return -EINVAL;
	}
	*ret_header = h;
	return 0;
}

/* The number of program headers: past 65534 it is in section header 0 (PN_XNUM). */
static int phnum_read(struct dump *dump, const struct elf_header *h, uint32_t *ret_n)
{
	uint8_t raw[sizeof(Elf64_Shdr)];
	struct cursor c = cursor_make(raw, sizeof(raw));

	*ret_n = h->phnum;
	if (h->phnum != PN_XNUM)
		return 0;
	if (!h->shoff || file_read(&dump->file, h->shoff, raw, sizeof(raw)) < 0) {
		file_msg(&dump->file,
			 "e_phnum is PN_XNUM, and section header 0 at offset %" PRIu64
			 " cannot be read",
			 h->shoff);
		return -EINVAL;
	}
	cursor_skip(&c, offsetof(Elf64_Shdr, sh_info));
	*ret_n = cursor_u32(&c);
	return 0;
}

static int segment_read(struct dump *dump, uint64_t off, struct segment *ret_segment)
{
	uint8_t raw[sizeof(Elf64_Phdr)];
	struct cursor c = cursor_make(raw, sizeof(raw));

	if (file_read_cached(&dump->file, off, raw, sizeof(raw)) < 0)
		return -EIO;
	ret_segment->type = cursor_u32(&c);
	cursor_skip(&c, 4); /* p_flags */
	ret_segment->off = cursor_u64(&c);
	cursor_skip(&c, 8); /* p_vaddr */
	ret_segment->paddr = cursor_u64(&c);
	ret_segment->filesz = cursor_u64(&c);
	ret_segment->memsz = cursor_u64(&c);
	return 0;
}

static int load_add(struct dump *dump, uint32_t i, const struct segment *s)
{
	uint64_t end, size = s->filesz;
	int r;

	/* /proc/kcore has segments of the vmalloc area, which have no physical address. */
	if (s->paddr == UINT64_MAX || (!s->filesz && !s->memsz))
		return 0;
	if (__builtin_add_overflow(s->paddr, s->memsz, &end) ||
	    __builtin_add_overflow(s->off, s->filesz, &end) || s->filesz > s->memsz) {
		file_msg(&dump->file,
			 "segment %" PRIu32 ": physical address %#" PRIx64 ", %" PRIu64
			 " bytes in memory, %" PRIu64 " at offset %" PRIu64
			 " of the file are absurd, ignoring",
			 i, s->paddr, s->memsz, s->filesz, s->off);
		return 0;
	}
	if (end > dump->file.size) {
		if (!dump->info.truncated)
			file_msg(&dump->file,
				 "segment %" PRIu32 ": %" PRIu64 " bytes at offset %" PRIu64
				 " pass the end of the file (%" PRIu64 " bytes)",
				 i, s->filesz, s->off, dump->file.size);
		dump->info.truncated = true;
	}
	/* A cut-off part stays mapped: reading it is -EIO and not "left out". */
	if (size) {
		r = extents_add(&dump->memory, s->paddr, size, s->off);
		if (r < 0)
			return r;
	}
	if (s->paddr + s->memsz > dump->info.max_paddr)
		dump->info.max_paddr = s->paddr + s->memsz;
	return dump_range_add(dump, s->paddr, s->paddr + s->memsz);
}

static int segments_read(struct dump *dump, const struct elf_header *h, uint32_t n)
{
	uint64_t off = h->phoff;
	int r;

	for (uint32_t i = 0; i < n; i++, off += h->phentsize) {
		struct segment s;

		if (i == MAX_SEGMENTS) {
			file_msg(&dump->file, "%" PRIu32 " segments, ignoring those past %u", n,
				 MAX_SEGMENTS);
			break;
		}
		if (off < h->phoff || segment_read(dump, off, &s) < 0) {
			file_msg(&dump->file,
				 "segment header %" PRIu32 " of %" PRIu32 " at offset %" PRIu64
				 " passes the end of the file (%" PRIu64 " bytes)",
				 i, n, off, dump->file.size);
			dump->info.truncated = true;
			break;
		}
		if (s.type == PT_NOTE)
			r = notes_read(dump, s.off, s.filesz);
		else if (s.type == PT_LOAD)
			r = load_add(dump, i, &s);
		else
			continue;
		if (r < 0)
			return r;
	}
	return extents_settle(&dump->memory);
}

static int range_cmp(const void *a, const void *b)
{
	const struct dump_range *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

/* Kdump's segment of the kernel image lies inside another one, and comes first. */
static void ranges_settle(struct dump *dump)
{
	struct dump_range *v = dump->ranges;
	size_t n = 0;

	dump->ranges_ready = true;
	if (!dump->n_ranges)
		return;
	qsort(v, dump->n_ranges, sizeof(*v), range_cmp);
	for (size_t i = 1; i < dump->n_ranges; i++) {
		if (v[i].start > v[n].end)
			v[++n] = v[i];
		else if (v[i].end > v[n].end)
			v[n].end = v[i].end;
	}
	dump->n_ranges = n + 1;
}

static int elf_span(struct dump *dump, uint64_t pa, void *buf, size_t len)
{
	uint8_t *p = buf;

	while (len) {
		const struct extent *e = extents_find(&dump->memory, pa);
		uint64_t n;

		if (!e || e->start > pa)
			return -ENODATA;
		n = e->size - (pa - e->start);
		n = n < len ? n : len;
		if (file_read(&dump->file, e->off + (pa - e->start), p, n) < 0)
			return -EIO;
		p += n;
		pa += n;
		len -= n;
	}
	return 0;
}

static int elf_page(struct dump *dump, uint64_t pa, void *buf)
{
	return elf_span(dump, pa, buf, DUMP_PAGE_SIZE);
}

static const struct dump_ops elf_ops = {
	.page = elf_page,
	.span = elf_span,
};

int elfcore_open(struct dump *dump)
{
	struct elf_header h;
	uint32_t n;
	int r;

	dump->info.format = DUMP_ELF;
	dump->ops = &elf_ops;
	r = header_read(dump, &h);
	if (r < 0)
		return r;
	r = phnum_read(dump, &h, &n);
	if (r < 0)
		return r;
	if (n && h.phentsize < sizeof(Elf64_Phdr)) {
		file_msg(&dump->file, "e_phentsize is %u where ELF64 has %zu", h.phentsize,
			 sizeof(Elf64_Phdr));
		return -EINVAL;
	}
	dump->info.incomplete = h.flags & ELF_FLAG_INCOMPLETE;
	if (dump->info.incomplete)
		file_msg(&dump->file, "makedumpfile ran out of space; the dump is incomplete");
	r = segments_read(dump, &h, n);
	if (r < 0)
		return r;
	if (dump->process_core) {
		file_msg(&dump->file, "the core of a user process, not of a kernel");
		return -EINVAL;
	}
	if (!dump->memory.n && !dump->info.n_cpus && !dump->vmcoreinfo) {
		file_msg(&dump->file, "an ELF core without memory or notes");
		return -EINVAL;
	}
	ranges_settle(dump);
	return 0;
}
