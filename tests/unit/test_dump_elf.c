// SPDX-License-Identifier: GPL-2.0-or-later
/* ELF cores whose segments are not one page after the other. */
#include <elf.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dump_fixture.h"

#define PAGE 4096ULL

struct segment {
	uint32_t type;
	uint64_t paddr, filesz, memsz;
	int fill; /* byte that the data are made of; notes: unused */
};

/* A core of @segments, the data in their order; notes segments hold one NT_PRSTATUS each. */
static void core_make(const struct segment *segments, size_t n, bool xnum, struct buf *ret_image)
{
	size_t headers = 64 + n * 56, off = headers + (xnum ? 64 : 0);
	struct buf image = { 0 }, data = { 0 };
	unsigned int cpu = 0;

	elf_header_put(&image, xnum ? PN_XNUM : (uint16_t)n, xnum ? headers : 0);
	for (size_t i = 0; i < n; i++) {
		const struct segment *s = &segments[i];
		size_t start = data.n;

		if (s->type == PT_NOTE)
			prstatus_put(&data, cpu++);
		for (size_t j = 0; s->type != PT_NOTE && j < s->filesz; j++)
			buf_put(&data, &(uint8_t){ (uint8_t)s->fill }, 1);
		phdr_put(&image, s->type, off + start, s->paddr, data.n - start,
			 s->type == PT_NOTE ? data.n - start : s->memsz);
	}
	if (xnum) {
		buf_zeros(&image, 44); /* up to sh_info of section header 0 */
		buf_u32(&image, (uint32_t)n);
		buf_zeros(&image, 16);
	}
	buf_put(&image, data.p, data.n);
	buf_done(&data);
	*ret_image = image;
}

static struct dump *core_open(const struct segment *segments, size_t n, bool xnum)
{
	struct dump *dump;
	struct buf image;
	struct msgs msgs;

	core_make(segments, n, xnum, &image);
	msgs_init(&msgs);
	assert_int_equal(fixture_open(&image, image.n, &msgs, &dump), 0);
	assert_int_equal(msgs.n, 0);
	msgs_done(&msgs);
	buf_done(&image);
	return dump;
}

static int byte_at(struct dump *dump, uint64_t pa)
{
	uint8_t byte;
	int r = dump_read(dump, pa, &byte, 1);

	return r < 0 ? r : byte;
}

/* Firmware's ranges end inside pages; the bytes that are there can be read, and no page. */
static void test_partial_pages(void **state)
{
	static const struct segment segments[] = {
		{ PT_NOTE, 0, 0, 0, 0 },
		{ PT_LOAD, 0x1000, 0x1c00, 0x1c00, 'a' },
		{ PT_LOAD, 0x4400, 0x0c00, 0x0c00, 'b' },
		{ PT_LOAD, 0x5000, 0x0800, 0x0800, 'c' },
		{ PT_LOAD, 0x5800, 0x0800, 0x0800, 'd' },
	};
	struct dump *dump = core_open(segments, 5, false);
	uint8_t buf[PAGE];

	assert_int_equal(byte_at(dump, 0x0fff), -ENODATA);
	assert_int_equal(byte_at(dump, 0x1000), 'a');
	assert_int_equal(byte_at(dump, 0x2bff), 'a');
	assert_int_equal(byte_at(dump, 0x2c00), -ENODATA);
	assert_null(dump_page(dump, 0x2000));
	assert_non_null(dump_page(dump, 0x1fff));
	assert_int_equal(dump_read(dump, 0x2000, buf, 0xc00), 0);
	assert_int_equal(dump_read(dump, 0x2000, buf, 0xc01), -ENODATA);
	assert_int_equal(byte_at(dump, 0x43ff), -ENODATA);
	assert_int_equal(byte_at(dump, 0x4400), 'b');
	/* Two segments make up one page. */
	assert_non_null(dump_page(dump, 0x5000));
	assert_int_equal(byte_at(dump, 0x57ff), 'c');
	assert_int_equal(byte_at(dump, 0x5800), 'd');
	assert_int_equal(dump_read(dump, 0x5000, buf, PAGE), 0);
	assert_int_equal(buf[0x7ff], 'c');
	assert_int_equal(buf[0x800], 'd');
	dump_free(dump);
}

/* Kdump describes the kernel image by a segment of its own, besides the memory that it lies in. */
static void test_overlap(void **state)
{
	static const struct segment segments[] = {
		{ PT_NOTE, 0, 0, 0, 0 },
		{ PT_LOAD, 0x8000, 0x2000, 0x2000, 'k' },
		{ PT_LOAD, 0x1000, 0x9000, 0x20000, 'm' },
		{ PT_LOAD, 0x40000, 0x1000, 0x1000, 'n' },
	};
	const struct dump_range *ranges;
	struct dump *dump = core_open(segments, 4, false);

	assert_int_equal(byte_at(dump, 0x7fff), 'm');
	assert_int_equal(byte_at(dump, 0x8000), 'm');
	assert_int_equal(byte_at(dump, 0xa000), -ENODATA);
	assert_int_equal(byte_at(dump, 0x40fff), 'n');
	assert_int_equal(dump_ranges(dump, &ranges), 2);
	assert_int_equal(ranges[0].start, 0x1000);
	assert_int_equal(ranges[0].end, 0x21000);
	assert_int_equal(ranges[1].start, 0x40000);
	assert_int_equal(dump_info(dump)->max_paddr, 0x41000);
	dump_free(dump);
}

/* What one segment leaves out another may have. */
static void test_left_out_here_and_there(void **state)
{
	static const struct segment segments[] = {
		{ PT_NOTE, 0, 0, 0, 0 },
		{ PT_LOAD, 0x1000, 0x1000, 0x8000, 'x' },
		{ PT_LOAD, 0x3000, 0x1000, 0x1000, 'y' },
	};
	struct dump *dump = core_open(segments, 3, false);

	assert_int_equal(byte_at(dump, 0x1800), 'x');
	assert_int_equal(byte_at(dump, 0x2000), -ENODATA);
	assert_int_equal(byte_at(dump, 0x3000), 'y');
	assert_int_equal(byte_at(dump, 0x4000), -ENODATA);
	dump_free(dump);
}

/* /proc/kcore: segments without a physical address. */
static void test_no_physical_address(void **state)
{
	static const struct segment segments[] = {
		{ PT_NOTE, 0, 0, 0, 0 },
		{ PT_LOAD, UINT64_MAX, 0x1000, 0x1000, 'v' },
		{ PT_LOAD, 0x1000, 0x1000, 0x1000, 'x' },
	};
	struct dump *dump = core_open(segments, 3, false);

	assert_int_equal(byte_at(dump, 0x1000), 'x');
	assert_int_equal(dump_info(dump)->max_paddr, 0x2000);
	dump_free(dump);
}

static void test_several_note_segments(void **state)
{
	static const struct segment segments[] = {
		{ PT_NOTE, 0, 0, 0, 0 },
		{ PT_LOAD, 0x1000, 0x1000, 0x1000, 'x' },
		{ PT_NOTE, 0, 0, 0, 0 },
		{ PT_NOTE, 0, 0, 0, 0 },
	};
	struct dump *dump = core_open(segments, 4, false);

	assert_int_equal(dump_info(dump)->n_cpus, 3);
	for (unsigned int i = 0; i < 3; i++)
		assert_int_equal(dump_info(dump)->cpus[i].regs.v[REG_IP], FIXTURE_REG(i, 16));
	dump_free(dump);
}

/* More segments than e_phnum can tell: their number is in section header 0. */
static void test_many_segments(void **state)
{
	enum { N = 70000 };
	struct segment *segments = calloc(N, sizeof(*segments));
	struct dump *dump;

	assert_non_null(segments);
	segments[0].type = PT_NOTE;
	for (size_t i = 1; i < N; i++)
		segments[i] = (struct segment){ PT_LOAD, (N - i) * PAGE, 8, 8, (int)i % 251 };
	dump = core_open(segments, N, true);
	assert_int_equal(dump_info(dump)->n_cpus, 1);
	for (size_t i = 1; i < N; i += 999)
		assert_int_equal(byte_at(dump, (N - i) * PAGE + 7), (int)i % 251);
	assert_int_equal(byte_at(dump, PAGE), (N - 1) % 251);
	assert_int_equal(byte_at(dump, PAGE + 8), -ENODATA);
	dump_free(dump);
	free(segments);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_partial_pages),
		cmocka_unit_test(test_overlap),
		cmocka_unit_test(test_left_out_here_and_there),
		cmocka_unit_test(test_no_physical_address),
		cmocka_unit_test(test_several_note_segments),
		cmocka_unit_test(test_many_segments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
