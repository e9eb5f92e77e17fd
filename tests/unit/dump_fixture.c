// SPDX-License-Identifier: GPL-2.0-or-later
#include "dump_fixture.h"

#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <lzo/lzo1x.h>
#include <snappy-c.h>
#include <zlib.h>
#include <zstd.h>

#define PAGE 4096

static void *must(void *p)
{
	if (!p)
		abort();
	return p;
}

void buf_done(struct buf *buf)
{
	free(buf->p);
	*buf = (struct buf){ 0 };
}

void buf_put(struct buf *buf, const void *data, size_t len)
{
	if (buf->cap - buf->n < len) {
		buf->cap = (buf->n + len) * 2;
		buf->p = must(realloc(buf->p, buf->cap));
	}
	if (len)
		memcpy(buf->p + buf->n, data, len);
	buf->n += len;
}

void buf_u16(struct buf *buf, uint16_t v)
{
	buf_put(buf, &v, sizeof(v));
}

void buf_u32(struct buf *buf, uint32_t v)
{
	buf_put(buf, &v, sizeof(v));
}

void buf_u64(struct buf *buf, uint64_t v)
{
	buf_put(buf, &v, sizeof(v));
}

void buf_zeros(struct buf *buf, size_t len)
{
	uint8_t *zeros = must(calloc(1, len + 1));

	buf_put(buf, zeros, len);
	free(zeros);
}

void buf_pad(struct buf *buf, size_t size)
{
	if (size < buf->n)
		abort();
	buf_zeros(buf, size - buf->n);
}

void buf_poke(struct buf *buf, size_t off, uint64_t v, size_t bytes)
{
	if (off + bytes > buf->n)
		abort();
	memcpy(buf->p + off, &v, bytes);
}

/* Pages in several rank groups of 4096 bits, at both ends of them and in the middle. */
static const struct fixture_page default_pages[] = {
	{ 0, PAGE_TEXT },    { 1, PAGE_NOISE },	   { 2, PAGE_ZERO },	 { 3, PAGE_EXCLUDED },
	{ 4, PAGE_TEXT },    { 63, PAGE_TEXT },	   { 64, PAGE_ZERO },	 { 65, PAGE_EXCLUDED },
	{ 4095, PAGE_TEXT }, { 4096, PAGE_TEXT },  { 5000, PAGE_NOISE }, { 8191, PAGE_EXCLUDED },
	{ 8192, PAGE_TEXT }, { 20000, PAGE_TEXT },
};

static const char default_vmcoreinfo[] = "OSRELEASE=6.1.0-test\n"
					 "PAGESIZE=4096\n"
					 "NUMBER(phys_base)=-664797184\n"
					 "KERNELOFFSET=1dc00000\n";

struct fixture fixture_default(void)
{
	struct fixture f = {
		.pages = default_pages,
		.n_pages = sizeof(default_pages) / sizeof(default_pages[0]),
		.vmcoreinfo = default_vmcoreinfo,
		.compression = FIXTURE_ZLIB,
		.version = 6,
		.max_mapnr = 20001,
		.phys_base = 0x1c200000,
		.release = "6.1.0-test",
		.machine = "x86_64",
	};

	prstatus_put(&f.notes, 0);
	prstatus_put_zero(&f.notes);
	prstatus_put(&f.notes, 2);
	return f;
}

void fixture_done(struct fixture *fixture)
{
	buf_done(&fixture->notes);
}

void fixture_page_fill(const struct fixture_page *page, uint8_t *ret_data)
{
	uint64_t x = page->pfn * 0x9e3779b97f4a7c15ULL + 1;

	memset(ret_data, 0, PAGE);
	for (size_t i = 0; i < PAGE && page->kind == PAGE_NOISE; i++) {
		x = x * 6364136223846793005ULL + 1442695040888963407ULL;
		ret_data[i] = (uint8_t)(x >> 56);
	}
	for (size_t i = 0; i + 32 <= PAGE && page->kind == PAGE_TEXT; i += 32) {
		char line[33];

		snprintf(line, sizeof(line), "page %8llx, byte %11zx\n",
			 (unsigned long long)page->pfn, i);
		memcpy(ret_data + i, line, 32);
	}
}

void note_put(struct buf *buf, const char *name, uint32_t type, const void *desc, size_t len)
{
	buf_u32(buf, (uint32_t)strlen(name) + 1);
	buf_u32(buf, (uint32_t)len);
	buf_u32(buf, type);
	buf_put(buf, name, strlen(name) + 1);
	buf_pad(buf, (buf->n + 3) / 4 * 4);
	buf_put(buf, desc, len);
	buf_pad(buf, (buf->n + 3) / 4 * 4);
}

void prstatus_put(struct buf *buf, unsigned int cpu)
{
	struct buf desc = { 0 };

	buf_pad(&desc, 32);
	buf_u32(&desc, 100 + cpu); /* pr_pid */
	buf_pad(&desc, 112);
	for (unsigned int i = 0; i < 27; i++)
		buf_u64(&desc, FIXTURE_REG(cpu, i));
	buf_pad(&desc, 336);
	note_put(buf, "CORE", NT_PRSTATUS, desc.p, desc.n);
	buf_done(&desc);
}

void prstatus_put_zero(struct buf *buf)
{
	uint8_t zeros[336] = { 0 };

	note_put(buf, "CORE", NT_PRSTATUS, zeros, sizeof(zeros));
}

void qemu_put(struct buf *buf, uint64_t gs, uint64_t kernel_gs, uint64_t cr3, uint64_t idt,
	      size_t size)
{
	struct buf desc = { 0 };

	buf_u32(&desc, 1);
	buf_u32(&desc, (uint32_t)size);
	for (unsigned int i = 0; i < 18; i++)
		buf_u64(&desc, 0x1111111111111111ULL * (i % 15 + 1));
	/* cs, ds, es, fs, gs, ss, ldt, tr, gdt, idt */
	for (unsigned int i = 0; i < 10; i++) {
		buf_u32(&desc, 0x10);
		buf_u32(&desc, 0xffffffff);
		buf_u32(&desc, 0xa09b00);
		buf_u32(&desc, 0);
		buf_u64(&desc, i == 4 ? gs : i == 9 ? idt : 0x5555000000000000ULL + i);
	}
	for (unsigned int i = 0; i < 5; i++)
		buf_u64(&desc, i == 3 ? cr3 : 0x80050033 + i);
	buf_u64(&desc, kernel_gs);
	desc.n = size < desc.n ? size : desc.n;
	note_put(buf, "QEMU", 0, desc.p, desc.n);
	buf_done(&desc);
}

/* Returns the compressed size, or 0 when it does not get smaller. */
static size_t page_compress(unsigned int method, const uint8_t *page, uint8_t *out, size_t cap)
{
	static uint8_t lzo_work[LZO1X_1_MEM_COMPRESS];
	size_t n = 0;
	uLongf zlib_n = cap;
	lzo_uint lzo_n = cap;

	switch (method) {
	case FIXTURE_ZLIB:
		if (compress2(out, &zlib_n, page, PAGE, 6) != Z_OK)
			abort();
		n = zlib_n;
		break;
	case FIXTURE_LZO:
		if (lzo_init() != LZO_E_OK ||
		    lzo1x_1_compress(page, PAGE, out, &lzo_n, lzo_work) != LZO_E_OK)
			abort();
		n = lzo_n;
		break;
	case FIXTURE_SNAPPY:
		n = cap;
		if (snappy_compress((const char *)page, PAGE, (char *)out, &n) != SNAPPY_OK)
			abort();
		break;
	case FIXTURE_ZSTD:
		n = ZSTD_compress(out, cap, page, PAGE, 1);
		if (ZSTD_isError(n))
			abort();
		break;
	default:
		break;
	}
	return n < PAGE ? n : 0;
}

static void utsname_put(struct buf *image, const char *value)
{
	size_t start = image->n;

	buf_put(image, value, strlen(value));
	buf_pad(image, start + 65);
}

static void kdump_header_put(const struct fixture *f, uint32_t sub_blocks, uint32_t bitmap_blocks,
			     uint32_t n_dumped, struct buf *image)
{
	buf_put(image, "KDUMP   ", 8);
	buf_u32(image, (uint32_t)f->version);
	utsname_put(image, "Linux");
	utsname_put(image, "node1");
	utsname_put(image, f->release);
	utsname_put(image, "#1 SMP test");
	utsname_put(image, f->machine);
	utsname_put(image, "(none)");
	buf_pad(image, 408);
	buf_zeros(image, 16); /* timestamp */
	buf_u32(image, f->compression);
	buf_u32(image, PAGE);
	buf_u32(image, sub_blocks);
	buf_u32(image, bitmap_blocks);
	/* Version 6 has 64 bits for it in the sub-header, and this is not to be believed. */
	buf_u32(image, f->version >= 6 ? 0 : (uint32_t)f->max_mapnr);
	buf_u32(image, n_dumped);
	buf_zeros(image, 16);
	buf_pad(image, PAGE);
}

static void kdump_sub_header_put(const struct fixture *f, struct buf *image)
{
	size_t text = f->vmcoreinfo ? strlen(f->vmcoreinfo) : 0;
	uint64_t notes_off = PAGE + 104, text_off = notes_off + f->notes.n;

	buf_u64(image, f->phys_base);
	buf_u32(image, 31);
	/* A field that the version does not have holds rubbish, so that reading it shows. */
	buf_u32(image, f->version >= 2 ? f->split : 1);
	buf_u64(image, f->version >= 2 ? 0 : ~0ULL);
	buf_u64(image, f->version >= 2 ? 7 : ~0ULL);
	buf_u64(image, f->version >= 3 ? text_off : ~0ULL);
	buf_u64(image, f->version >= 3 ? text : ~0ULL);
	buf_u64(image, f->version >= 4 ? notes_off : ~0ULL);
	buf_u64(image, f->version >= 4 ? f->notes.n : ~0ULL);
	buf_u64(image, f->version >= 5 ? 0 : ~0ULL);
	buf_u64(image, f->version >= 5 ? 0 : ~0ULL);
	buf_u64(image, f->version >= 6 ? 0 : ~0ULL);
	buf_u64(image, f->version >= 6 ? 7 : ~0ULL);
	buf_u64(image, f->version >= 6 ? f->max_mapnr : ~0ULL);
	buf_put(image, f->notes.p, f->notes.n);
	buf_put(image, f->vmcoreinfo, text);
	buf_pad(image, (image->n + PAGE - 1) / PAGE * PAGE);
}

static void kdump_page_put(const struct fixture *f, const struct fixture_page *page, size_t desc,
			   uint64_t *zero_off, struct buf *image)
{
	uint8_t data[PAGE], out[2 * PAGE];
	size_t n;

	fixture_page_fill(page, data);
	n = page_compress(f->compression, data, out, sizeof(out));
	buf_poke(image, desc + 8, n ? n : PAGE, 4);
	buf_poke(image, desc + 12, n ? f->compression : 0, 4);
	if (page->kind == PAGE_ZERO && *zero_off) {
		buf_poke(image, desc, *zero_off, 8);
		return;
	}
	buf_poke(image, desc, image->n, 8);
	if (page->kind == PAGE_ZERO)
		*zero_off = image->n;
	buf_put(image, n ? out : data, n ? n : PAGE);
}

void fixture_kdump(const struct fixture *f, struct buf *ret_image)
{
	size_t bitmap_size = (f->max_mapnr + 8 * PAGE - 1) / (8 * PAGE) * PAGE, bitmaps, desc;
	size_t sub_blocks, n_dumped = 0;
	struct buf image = { 0 }, sub = { 0 };
	uint64_t zero_off = 0;

	kdump_sub_header_put(f, &sub);
	sub_blocks = sub.n / PAGE;
	for (size_t i = 0; i < f->n_pages; i++)
		n_dumped += f->pages[i].kind != PAGE_EXCLUDED;
	kdump_header_put(f, (uint32_t)sub_blocks, (uint32_t)(2 * bitmap_size / PAGE),
			 (uint32_t)n_dumped, &image);
	buf_put(&image, sub.p, sub.n);
	buf_done(&sub);
	bitmaps = image.n;
	buf_zeros(&image, 2 * bitmap_size);
	for (size_t i = 0; i < f->n_pages; i++) {
		uint64_t pfn = f->pages[i].pfn;

		image.p[bitmaps + pfn / 8] |= (uint8_t)(1 << pfn % 8);
		if (f->pages[i].kind != PAGE_EXCLUDED)
			image.p[bitmaps + bitmap_size + pfn / 8] |= (uint8_t)(1 << pfn % 8);
	}
	desc = image.n;
	buf_zeros(&image, n_dumped * 24);
	for (size_t i = 0; i < f->n_pages; i++) {
		if (f->pages[i].kind == PAGE_EXCLUDED)
			continue;
		kdump_page_put(f, &f->pages[i], desc, &zero_off, &image);
		desc += 24;
	}
	*ret_image = image;
}

void elf_header_put(struct buf *image, uint16_t phnum, uint64_t shoff)
{
	buf_put(image, "\177ELF\2\1\1", 7);
	buf_pad(image, 16);
	buf_u16(image, ET_CORE);
	buf_u16(image, EM_X86_64);
	buf_u32(image, 1);
	buf_u64(image, 0);
	buf_u64(image, 64); /* e_phoff */
	buf_u64(image, shoff);
	buf_u32(image, 0);
	buf_u16(image, 64);
	buf_u16(image, 56);
	buf_u16(image, phnum);
	buf_u16(image, 64);
	buf_u16(image, shoff ? 1 : 0);
	buf_u16(image, 0);
}

void phdr_put(struct buf *image, uint32_t type, uint64_t off, uint64_t paddr, uint64_t filesz,
	      uint64_t memsz)
{
	buf_u32(image, type);
	buf_u32(image, 7);
	buf_u64(image, off);
	buf_u64(image, type == PT_LOAD ? 0xffff888000000000ULL + paddr : 0);
	buf_u64(image, paddr);
	buf_u64(image, filesz);
	buf_u64(image, memsz);
	buf_u64(image, 0);
}

/* Pages from @i that one segment can hold: neighbours, and those left out only at its end. */
static size_t segment_pages(const struct fixture *f, size_t i, size_t *ret_dumped)
{
	size_t n = 0, dumped = 0;

	while (i + n < f->n_pages && f->pages[i + n].pfn == f->pages[i].pfn + n) {
		bool excluded = f->pages[i + n].kind == PAGE_EXCLUDED;

		if (!excluded && dumped < n)
			break;
		dumped += !excluded;
		n++;
	}
	*ret_dumped = dumped;
	return n;
}

void fixture_elf(const struct fixture *f, struct buf *ret_image)
{
	size_t n_segments = 1, dumped, data_off;
	struct buf image = { 0 }, notes = { 0 };

	buf_put(&notes, f->notes.p, f->notes.n);
	if (f->vmcoreinfo)
		note_put(&notes, "VMCOREINFO", 0, f->vmcoreinfo, strlen(f->vmcoreinfo));
	for (size_t i = 0; i < f->n_pages; i += segment_pages(f, i, &dumped))
		n_segments++;
	elf_header_put(&image, (uint16_t)n_segments, 0);
	data_off = 64 + n_segments * 56;
	phdr_put(&image, PT_NOTE, data_off, 0, notes.n, notes.n);
	data_off += notes.n;
	for (size_t i = 0, n; i < f->n_pages; i += n) {
		n = segment_pages(f, i, &dumped);
		phdr_put(&image, PT_LOAD, data_off, f->pages[i].pfn * PAGE, dumped * PAGE,
			 n * PAGE);
		data_off += dumped * PAGE;
	}
	buf_put(&image, notes.p, notes.n);
	buf_done(&notes);
	for (size_t i = 0; i < f->n_pages; i++) {
		uint8_t data[PAGE];

		if (f->pages[i].kind == PAGE_EXCLUDED)
			continue;
		fixture_page_fill(&f->pages[i], data);
		buf_put(&image, data, PAGE);
	}
	*ret_image = image;
}

static void buf_be64(struct buf *buf, uint64_t v)
{
	for (int shift = 56; shift >= 0; shift -= 8) {
		uint8_t byte = (uint8_t)(v >> shift);

		buf_put(buf, &byte, 1);
	}
}

void flat_header_put(struct buf *buf, uint64_t type)
{
	buf_put(buf, "makedumpfile\0\0\0\0", 16);
	buf_be64(buf, type);
	buf_be64(buf, 1);
	buf_pad(buf, 4096);
}

void flat_record_put(struct buf *buf, uint64_t off, const void *data, uint64_t size)
{
	buf_be64(buf, off);
	buf_be64(buf, size);
	buf_put(buf, data, size);
}

void flat_end_put(struct buf *buf)
{
	buf_be64(buf, ~0ULL);
	buf_be64(buf, ~0ULL);
}

void fixture_flatten(const struct buf *image, size_t record, bool backward, struct buf *ret_file)
{
	size_t n = (image->n + record - 1) / record;
	struct buf file = { 0 };

	flat_header_put(&file, 1);
	for (size_t i = 0; i < n; i++) {
		size_t off = (backward ? n - 1 - i : i) * record;
		size_t left = image->n - off;

		flat_record_put(&file, off, image->p + off, left < record ? left : record);
	}
	flat_end_put(&file);
	*ret_file = file;
}

int fixture_open(const struct buf *image, size_t size, struct msgs *msgs, struct dump **ret_dump)
{
	char path[64];
	size_t done = 0;
	int fd, r;

	fd = memfd_create("vmcore", MFD_CLOEXEC);
	if (fd < 0)
		abort();
	while (done < size) {
		ssize_t n = write(fd, image->p + done, size - done);

		if (n <= 0)
			abort();
		done += (size_t)n;
	}
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	*ret_dump = NULL;
	r = dump_open(msgs, path, ret_dump);
	close(fd);
	return r;
}

bool msgs_have(const struct msgs *msgs, const char *part)
{
	for (size_t i = 0; i < msgs->n; i++) {
		if (strstr(msgs->lines[i], part))
			return true;
	}
	return false;
}
