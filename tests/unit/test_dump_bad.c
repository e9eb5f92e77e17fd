// SPDX-License-Identifier: GPL-2.0-or-later
/* Damaged, cut-off and foreign files: a message that says what and where, and no wrong bytes. */
#include <elf.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "dump_fixture.h"

#define PAGE 4096
/* Offsets in the default fixtures. */
#define KDUMP_VERSION 8
#define KDUMP_MACHINE (12 + 4 * 65)
#define KDUMP_STATUS 424
#define KDUMP_BLOCK_SIZE 428
#define KDUMP_SUB_SIZE 432
#define KDUMP_BITMAP_BLOCKS 436
#define KDUMP_SUB PAGE
#define KDUMP_BITMAPS (2 * PAGE)
#define KDUMP_DESCS (4 * PAGE)
#define ELF_PHDR(n) (64 + (n)*56)

/* Opens @image and wants @want and a line with @message (or none); returns the dump, or NULL. */
static struct dump *open_want(const struct buf *image, int want, const char *message)
{
	struct dump *dump;
	struct msgs msgs;
	int r;

	msgs_init(&msgs);
	r = fixture_open(image, image->n, &msgs, &dump);
	if (r != want || (message ? !msgs_have(&msgs, message) : msgs.n != 0)) {
		for (size_t i = 0; i < msgs.n; i++)
			print_error("got: %s\n", msgs.lines[i]);
		fail_msg("%d where %d was expected, or no message says: %s", r, want,
			 message ? message : "(nothing)");
	}
	msgs_done(&msgs);
	return dump;
}

/* One change of @bytes bytes at @off, and what must come of it. */
struct change {
	size_t off;
	uint64_t value;
	size_t bytes;
	int want;
	const char *message;
};

static void check_changes(const struct buf *image, const struct change *changes, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct buf copy = { 0 };

		buf_put(&copy, image->p, image->n);
		buf_poke(&copy, changes[i].off, changes[i].value, changes[i].bytes);
		dump_free(open_want(&copy, changes[i].want, changes[i].message));
		buf_done(&copy);
	}
}

static void test_kdump_headers(void **state)
{
	static const struct change changes[] = {
		{ KDUMP_VERSION, 7, 4, -ENOTSUP, "header of version 7" },
		{ KDUMP_VERSION, 0x06000000, 4, -ENOTSUP, "header of version 100663296" },
		{ KDUMP_VERSION, -1ULL, 4, -ENOTSUP, "header of version -1" },
		{ KDUMP_MACHINE, 0x3436383369, 6, -ENOTSUP, "another architecture: i3864" },
		{ KDUMP_MACHINE, 0x3438726161, 6, -ENOTSUP, "another architecture: aar84" },
		/* What goes to a terminal must not be able to steer it. */
		{ KDUMP_MACHINE, 0x5b1b, 2, -ENOTSUP, "another architecture: ?[6_64;" },
		{ KDUMP_MACHINE, 0, 8, 0, NULL },
		{ KDUMP_STATUS, 9, 4, 0, "ran out of space" },
		{ KDUMP_BLOCK_SIZE, 0, 4, -EINVAL, "block size of 0 bytes" },
		{ KDUMP_BLOCK_SIZE, 65536, 4, -EINVAL, "block size of 65536 bytes" },
		{ KDUMP_BLOCK_SIZE, -1ULL, 4, -EINVAL, "block size of 4294967295 bytes" },
		{ KDUMP_SUB_SIZE, 0, 4, -EINVAL, "sub-header of 0 blocks" },
		{ KDUMP_SUB_SIZE, -1ULL, 4, 0,
		  "bitmaps of 8192 bytes at offset 17592186044416 pass" },
		{ KDUMP_BITMAP_BLOCKS, 0, 4, 0, "max_mapnr of 20001 pages is more than the 0" },
		{ KDUMP_BITMAP_BLOCKS, 3, 4, -EINVAL, "bitmaps of 3 blocks" },
		{ KDUMP_BITMAP_BLOCKS, 0xfffffffe, 4, 0, "bitmaps of 17592186036224 bytes at" },
		{ KDUMP_SUB + 12, 1, 4, -ENOTSUP, "one part of a split dump, pages 0 to 7" },
		{ KDUMP_SUB + 32, -1ULL, 8, 0,
		  "VMCOREINFO of 86 bytes at offset 18446744073709551615" },
		{ KDUMP_SUB + 40, 1ULL << 40, 8, 0, "VMCOREINFO of 1099511627776 bytes at" },
		{ KDUMP_SUB + 48, -1ULL, 8, 0,
		  "notes of 1068 bytes at offset 18446744073709551615" },
		{ KDUMP_SUB + 56, -1ULL, 8, 0,
		  "notes of 18446744073709551615 bytes at offset 4200" },
		{ KDUMP_SUB + 56, 0, 8, 0, NULL },
		{ KDUMP_SUB + 96, -1ULL, 8, 0, "max_mapnr of 18446744073709551615 pages" },
		{ KDUMP_SUB + 96, 0, 8, 0, NULL },
		{ 0, 0x504d55444b534944, 8, -ENOTSUP, "the diskdump format" },
		{ 0, 0x20202020504d5544, 8, -EINVAL, "is not a memory dump" },
		{ 0, 0x88b1f, 3, -ENOTSUP, "compressed by gzip" },
	};
	struct fixture f = fixture_default();
	struct buf image;

	fixture_kdump(&f, &image);
	check_changes(&image, changes, sizeof(changes) / sizeof(changes[0]));
	buf_done(&image);
	fixture_done(&f);
}

static void test_elf_headers(void **state)
{
	static const struct change changes[] = {
		{ EI_CLASS, ELFCLASS32, 1, -ENOTSUP, "class 1, byte order 1" },
		{ 18, EM_AARCH64, 2, -ENOTSUP, "another architecture: e_machine 183 (aarch64)" },
		{ 18, EM_386, 2, -ENOTSUP, "another architecture: e_machine 3 (i386)" },
		{ 18, 9999, 2, -ENOTSUP, "another architecture: e_machine 9999 (unknown)" },
		{ 16, ET_EXEC, 2, -EINVAL, "of type 2 (a program), not a core" },
		{ 16, ET_REL, 2, -EINVAL, "of type 1 (an object or module), not a core" },
		{ 32, -1ULL, 8, -EINVAL, "offset 18446744073709551615 passes the end" },
		{ 32, 0x7fffffffffffffff, 8, -EINVAL, "segment header 0 of 9 at offset 922" },
		{ 48, 1, 4, 0, "ran out of space" },
		{ 54, 0, 2, -EINVAL, "e_phentsize is 0 where ELF64 has 56" },
		{ 54, 65535, 2, 0, "segment header 1 of 9 at offset 65599" },
		{ 56, 0, 2, -EINVAL, "without memory or notes" },
		{ 56, 65535, 2, -EINVAL, "e_phnum is PN_XNUM, and section header 0 at offset 0" },
		{ ELF_PHDR(0) + 32, -1ULL, 8, 0, "notes of 18446744073709551615 bytes" },
		{ ELF_PHDR(0) + 8, -1ULL, 8, 0, "bytes at offset 18446744073709551615" },
		{ ELF_PHDR(1) + 8, -1ULL, 8, 0, "segment 1: physical address 0, 16384 bytes" },
		{ ELF_PHDR(1) + 8, 1ULL << 40, 8, 0,
		  "segment 1: 12288 bytes at offset 1099511627776" },
		{ ELF_PHDR(1) + 24, -2ULL, 8, 0, "segment 1: physical address 0xfffffffffffffffe" },
		{ ELF_PHDR(1) + 32, -1ULL, 8, 0, "segment 1: physical address 0, 16384 bytes" },
		{ ELF_PHDR(1) + 40, 1, 8, 0, "12288 at offset" },
	};
	struct fixture f = fixture_default();
	struct buf image;

	fixture_elf(&f, &image);
	check_changes(&image, changes, sizeof(changes) / sizeof(changes[0]));
	/* A big-endian core's machine is named all the same. */
	image.p[EI_DATA] = ELFDATA2MSB;
	buf_poke(&image, 18, EM_PPC64 << 8, 2);
	open_want(&image, -ENOTSUP, "e_machine 21 (ppc64)");
	buf_done(&image);
	fixture_done(&f);
}

/* A descriptor that lies about its page spoils that page and no other. */
static void test_kdump_descriptors(void **state)
{
	static const struct change changes[] = {
		{ KDUMP_DESCS, 0, 8, -EIO, NULL }, /* no space left to write it */
		{ KDUMP_DESCS, -1ULL, 8, -EIO, "passes" },
		{ KDUMP_DESCS, 1ULL << 45, 8, -EIO, "passes" },
		{ KDUMP_DESCS, 100, 8, -EIO, NULL }, /* not its data */
		{ KDUMP_DESCS + 8, 0, 4, -EIO, NULL },
		{ KDUMP_DESCS + 8, 1, 4, -EIO, NULL },
		{ KDUMP_DESCS + 8, PAGE + 1, 4, -EIO, NULL },
		{ KDUMP_DESCS + 8, -1ULL, 4, -EIO, "passes" },
		{ KDUMP_DESCS + 12, FIXTURE_LZO, 4, -EIO, NULL },
		{ KDUMP_DESCS + 12, FIXTURE_SNAPPY, 4, -EIO, NULL },
		{ KDUMP_DESCS + 12, FIXTURE_ZSTD, 4, -EIO, NULL },
		{ KDUMP_DESCS + 12, 3, 4, -EIO, NULL },
		{ KDUMP_DESCS + 12, 0, 4, -EIO, NULL },
	};
	struct fixture f = fixture_default();
	struct buf image;

	fixture_kdump(&f, &image);
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		uint8_t want[PAGE], got[PAGE];
		struct buf copy = { 0 };
		struct dump *dump;
		struct msgs msgs;

		buf_put(&copy, image.p, image.n);
		buf_poke(&copy, changes[i].off, changes[i].value, changes[i].bytes);
		msgs_init(&msgs);
		assert_int_equal(fixture_open(&copy, copy.n, &msgs, &dump), 0);
		assert_int_equal(dump_info(dump)->truncated, changes[i].message != NULL);
		assert_int_equal(msgs_have(&msgs, "page descriptor 0 of 11"), !!changes[i].message);
		assert_int_equal(dump_read(dump, 0, got, 8), changes[i].want);
		assert_int_equal(dump_read(dump, 0, got, PAGE), changes[i].want);
		assert_null(dump_page(dump, 0));
		fixture_page_fill(&f.pages[1], want);
		assert_int_equal(dump_read(dump, PAGE, got, PAGE), 0);
		assert_memory_equal(got, want, PAGE);
		dump_free(dump);
		msgs_done(&msgs);
		buf_done(&copy);
	}
	buf_done(&image);
	fixture_done(&f);
}

/* Damage inside the data: an error or, where the format has no checksum, a page of some content. */
static void test_kdump_damaged_data(void **state)
{
	static const unsigned int methods[] = { FIXTURE_ZLIB, FIXTURE_LZO, FIXTURE_SNAPPY,
						FIXTURE_ZSTD };

	for (size_t i = 0; i < 4; i++) {
		struct fixture f = fixture_default();
		unsigned int refused = 0;
		uint64_t off = 0, size = 0;
		struct buf image;

		f.compression = methods[i];
		fixture_kdump(&f, &image);
		memcpy(&off, image.p + KDUMP_DESCS, 8);
		memcpy(&size, image.p + KDUMP_DESCS + 8, 4);
		for (uint64_t at = 0; at < size; at++) {
			uint8_t got[PAGE], old = image.p[off + at];
			struct dump *dump;
			int r;

			image.p[off + at] ^= 0xa5;
			dump = open_want(&image, 0, NULL);
			r = dump_read(dump, 0, got, PAGE);
			assert_true(r == 0 || r == -EIO);
			refused += r == -EIO;
			dump_free(dump);
			image.p[off + at] = old;
		}
		/* zlib's checksum finds all of it. */
		if (methods[i] == FIXTURE_ZLIB)
			assert_int_equal(refused, size);
		assert_true(refused > 0);
		buf_done(&image);
		fixture_done(&f);
	}
}

/* Whatever a cut-off file still gives must be right, and it must say that it is cut off. */
static void check_prefix(const struct buf *image, size_t size, const struct fixture *f)
{
	struct dump *dump;
	struct msgs msgs;
	int r;

	msgs_init(&msgs);
	r = fixture_open(image, size, &msgs, &dump);
	if (size < image->n)
		assert_true(msgs.n > 0);
	if (r < 0) {
		assert_true(r == -EINVAL);
		msgs_done(&msgs);
		return;
	}
	assert_int_equal(dump_info(dump)->truncated, size < image->n);
	for (size_t i = 0; i < f->n_pages; i++) {
		uint8_t want[PAGE], got[PAGE];

		r = dump_read(dump, f->pages[i].pfn * PAGE, got, PAGE);
		if (r < 0) {
			assert_true(r == -EIO || r == -ENODATA);
			assert_true(size < image->n || f->pages[i].kind == PAGE_EXCLUDED);
			continue;
		}
		fixture_page_fill(&f->pages[i], want);
		assert_memory_equal(got, want, PAGE);
	}
	for (size_t i = 0; i < dump_info(dump)->n_cpus; i++) {
		const struct dump_cpu *cpu = &dump_info(dump)->cpus[i];

		assert_true(!cpu->regs.known || cpu->regs.v[REG_IP] == FIXTURE_REG(i, 16));
	}
	if (dump_info(dump)->vmcoreinfo)
		assert_string_equal(dump_info(dump)->vmcoreinfo, f->vmcoreinfo);
	dump_free(dump);
	msgs_done(&msgs);
}

static void check_prefixes(const struct buf *image, const struct fixture *f)
{
	/* Each byte of the headers and of the descriptors' region's start, then in steps. */
	for (size_t size = 0; size < image->n; size += size < 600 ? 1 : 67)
		check_prefix(image, size, f);
	for (size_t i = 1; i < 40 && i < image->n; i++)
		check_prefix(image, image->n - i, f);
	check_prefix(image, image->n, f);
}

static void test_every_prefix(void **state)
{
	static const unsigned int methods[] = { FIXTURE_RAW, FIXTURE_ZLIB, FIXTURE_LZO,
						FIXTURE_SNAPPY, FIXTURE_ZSTD };

	for (size_t i = 0; i < 6; i++) {
		struct fixture f = fixture_default();
		struct buf image, flat;

		if (i < 5) {
			f.compression = methods[i];
			fixture_kdump(&f, &image);
		} else {
			fixture_elf(&f, &image);
		}
		check_prefixes(&image, &f);
		fixture_flatten(&image, 3000, i % 2, &flat);
		check_prefixes(&flat, &f);
		buf_done(&flat);
		buf_done(&image);
		fixture_done(&f);
	}
}

static void test_paths(void **state)
{
	struct dump *dump = NULL;
	struct msgs msgs;

	msgs_init(&msgs);
	assert_int_equal(dump_open(&msgs, "/nonexistent/vmcore", &dump), -ENOENT);
	assert_true(msgs_have(&msgs, "/nonexistent/vmcore: No such file"));
	assert_int_equal(dump_open(&msgs, "/", &dump), -EISDIR);
	assert_true(msgs_have(&msgs, "/: Is a directory"));
	assert_int_equal(dump_open(&msgs, "/dev/null", &dump), -EINVAL);
	assert_true(msgs_have(&msgs, "/dev/null: is empty"));
	assert_int_equal(dump_open(NULL, "/dev/null", &dump), -EINVAL);
	assert_null(dump);
	dump_free(NULL);
	msgs_done(&msgs);
}

/* A file that shrinks, or a disk that fails, after the dump was opened. */
static void test_file_shrinks(void **state)
{
	char path[] = "/tmp/holdup-test.XXXXXX";
	struct fixture f = fixture_default();
	struct dump *dump = NULL;
	struct msgs msgs;
	uint8_t got[PAGE];
	struct buf image;
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	f.compression = FIXTURE_RAW;
	fixture_kdump(&f, &image);
	assert_int_equal(write(fd, image.p, image.n), image.n);
	msgs_init(&msgs);
	assert_int_equal(dump_open(&msgs, path, &dump), 0);
	assert_int_equal(msgs.n, 0);
	assert_int_equal(ftruncate(fd, (off_t)image.n - 1), 0);
	assert_int_equal(dump_read(dump, 20000ULL * PAGE, got, PAGE), -EIO);
	assert_null(dump_page(dump, 20000ULL * PAGE));
	assert_int_equal(dump_read(dump, 8192ULL * PAGE, got, PAGE), 0);
	dump_free(dump);
	msgs_done(&msgs);
	buf_done(&image);
	fixture_done(&f);
	close(fd);
	unlink(path);
}

static void test_process_core(void **state)
{
	struct fixture f = fixture_default();
	uint8_t auxv[64] = { 0 };
	struct buf image;

	note_put(&f.notes, "CORE", NT_AUXV, auxv, sizeof(auxv));
	fixture_elf(&f, &image);
	assert_null(open_want(&image, -EINVAL, "the core of a user process"));
	buf_done(&image);
	fixture_done(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kdump_headers),	  cmocka_unit_test(test_elf_headers),
		cmocka_unit_test(test_kdump_descriptors), cmocka_unit_test(test_kdump_damaged_data),
		cmocka_unit_test(test_every_prefix),	  cmocka_unit_test(test_paths),
		cmocka_unit_test(test_file_shrinks),	  cmocka_unit_test(test_process_core),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
