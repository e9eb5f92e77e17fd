/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HOLDUP_TESTS_DUMP_FIXTURE_H
#define HOLDUP_TESTS_DUMP_FIXTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dump/dump.h"
#include "util/msgs.h"

/*
 * Makes small dumps of every format from a description, at test time. Written from the formats'
 * definitions and not with the reader's code, so that the two check each other; aborts when memory
 * is short.
 */
struct buf {
	uint8_t *p;
	size_t n, cap;
};

void buf_done(struct buf *buf);
void buf_put(struct buf *buf, const void *data, size_t len);
void buf_u16(struct buf *buf, uint16_t v);
void buf_u32(struct buf *buf, uint32_t v);
void buf_u64(struct buf *buf, uint64_t v);
void buf_zeros(struct buf *buf, size_t len);
/* Zeros up to @size, which must not be less than there is. */
void buf_pad(struct buf *buf, size_t size);
/* Overwrites what is there. */
void buf_poke(struct buf *buf, size_t off, uint64_t v, size_t bytes);

enum fixture_kind {
	PAGE_TEXT,     /* compresses well; differs from page to page and inside the page */
	PAGE_NOISE,    /* does not compress, so kdump stores it as it is */
	PAGE_ZERO,     /* kdump: all share the data of the first */
	PAGE_EXCLUDED, /* exists, and was left out */
};

struct fixture_page {
	uint64_t pfn;
	enum fixture_kind kind;
};

enum fixture_compression {
	FIXTURE_RAW = 0,
	FIXTURE_ZLIB = 1,
	FIXTURE_LZO = 2,
	FIXTURE_SNAPPY = 4,
	FIXTURE_ZSTD = 0x20,
};

struct fixture {
	const struct fixture_page *pages; /* ascending */
	size_t n_pages;
	struct buf notes;	/* as note_put() and its like wrote them */
	const char *vmcoreinfo; /* kdump: where the sub-header points; ELF: one more note */
	/* Only kdump has these. */
	unsigned int compression;
	int version;
	uint64_t max_mapnr;
	uint64_t phys_base;
	const char *release, *machine;
	uint32_t split;
};

/* The pages and CPUs that most tests use; notes must be freed by fixture_done(). */
struct fixture fixture_default(void);
void fixture_done(struct fixture *fixture);
void fixture_page_fill(const struct fixture_page *page, uint8_t *ret_data);

void note_put(struct buf *buf, const char *name, uint32_t type, const void *desc, size_t len);
/* NT_PRSTATUS with pr_pid 100 + @cpu and register n of user_regs_struct FIXTURE_REG(cpu, n). */
#define FIXTURE_REG(cpu, n) (0xffffffff80000000ULL + (uint64_t)(cpu) * 0x10000 + (n) * 0x11)
void prstatus_put(struct buf *buf, unsigned int cpu);
void prstatus_put_zero(struct buf *buf);
/* QEMU's CPU state note; @size 440, or 432 for the form without kernel_gs_base. */
void qemu_put(struct buf *buf, uint64_t gs, uint64_t kernel_gs, uint64_t cr3, uint64_t idt,
	      size_t size);

void fixture_kdump(const struct fixture *fixture, struct buf *ret_image);
void fixture_elf(const struct fixture *fixture, struct buf *ret_image);

/* The pieces of an ELF core; program headers follow the 64 bytes of the header. */
void elf_header_put(struct buf *image, uint16_t phnum, uint64_t shoff);
void phdr_put(struct buf *image, uint32_t type, uint64_t off, uint64_t paddr, uint64_t filesz,
	      uint64_t memsz);

/* Flattened: records of @record bytes, in order or (@backward) the last first, and an end mark. */
void fixture_flatten(const struct buf *image, size_t record, bool backward, struct buf *ret_file);
void flat_header_put(struct buf *buf, uint64_t type);
void flat_record_put(struct buf *buf, uint64_t off, const void *data, uint64_t size);
void flat_end_put(struct buf *buf);

/* Opens the first @size bytes of @image as a file; *ret_dump is NULL on failure. */
int fixture_open(const struct buf *image, size_t size, struct msgs *msgs, struct dump **ret_dump);
/* True when a line of @msgs holds @part. */
bool msgs_have(const struct msgs *msgs, const char *part);

#endif
