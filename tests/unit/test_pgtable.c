// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "fake_pgtable.h"
#include "kernel/internal.h"

#define TOP 0x100000ULL
#define TABLES 0x200000ULL

struct fixture {
	struct dump dump;
	struct kernel kernel;
	struct fake_pgtable t;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	static const uint8_t zeros[FAKE_PAGE];

	f->t = (struct fake_pgtable){ .dump = &f->dump, .top = TOP, .next = TABLES };
	fake_write(&f->dump, TOP, zeros, sizeof(zeros));
	f->kernel.dump = &f->dump;
	f->kernel.tlb = translate_cache_new();
	translate_setup(&f->kernel, TOP, false, 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	translate_cache_free(f->kernel.tlb);
	fake_done(&f->dump);
	free(f);
	return 0;
}

static void assert_maps(struct fixture *f, uint64_t va, uint64_t pa)
{
	uint64_t got = ~0ULL;

	/* Twice: from the tables, then from the cache. */
	for (int i = 0; i < 2; i++) {
		assert_int_equal(kernel_translate(&f->kernel, va, &got), 0);
		if (got != pa)
			fail_msg("0x%llx -> 0x%llx, not 0x%llx", (unsigned long long)va,
				 (unsigned long long)got, (unsigned long long)pa);
	}
}

static void assert_unmapped(struct fixture *f, uint64_t va, int error)
{
	uint64_t got = 4711;

	assert_int_equal(kernel_translate(&f->kernel, va, &got), error);
	assert_true(got == 4711);
}

static void test_page_sizes(void **state)
{
	struct fixture *f = *state;

	fake_map(&f->t, 0xffffc90000123000, 0x5432000, 12);
	fake_map(&f->t, 0xffffffff81000000, 0x1000000, 21);
	fake_map(&f->t, 0xffff888040000000, 0x40000000, 30);
	fake_map(&f->t, 0x00007f0000001000, 0x7000, 12);
	assert_maps(f, 0xffffc90000123000, 0x5432000);
	assert_maps(f, 0xffffc90000123fff, 0x5432fff);
	assert_maps(f, 0xffffffff81000000, 0x1000000);
	assert_maps(f, 0xffffffff811fffff, 0x11fffff);
	assert_maps(f, 0xffff888040000000, 0x40000000);
	assert_maps(f, 0xffff888064321abc, 0x64321abc);
	assert_maps(f, 0xffff88807fffffff, 0x7fffffff);
	assert_maps(f, 0x00007f0000001234, 0x7234);
	assert_unmapped(f, 0xffffc90000124000, -EFAULT);
	assert_unmapped(f, 0xffffffff81200000, -EFAULT);
	assert_unmapped(f, 0xffff888080000000, -EFAULT);
}

/* Bit 12 of a large page's entry is PAT, bits 13 to 20 are reserved: never part of the address. */
static void test_large_pat(void **state)
{
	struct fixture *f = *state;

	fake_map(&f->t, 0xffffffff81000000, 0x1000000 | 0x1000, 21);
	fake_map(&f->t, 0xffff888040000000, 0x40000000 | 0x1000, 30);
	assert_maps(f, 0xffffffff81000010, 0x1000010);
	assert_maps(f, 0xffff888040200010, 0x40200010);
}

static void test_levels5(void **state)
{
	struct fixture *f = *state;

	f->t.la57 = true;
	fake_map(&f->t, 0xff11000000200000, 0x200000, 21);
	fake_map(&f->t, 0xffffffff81234000, 0x9000, 12);
	translate_setup(&f->kernel, TOP, true, 0);
	assert_maps(f, 0xff11000000234567, 0x234567);
	assert_maps(f, 0xffffffff81234567, 0x9567);
	/* The same tables read as four levels are another thing altogether. */
	translate_setup(&f->kernel, TOP, false, 0);
	assert_unmapped(f, 0xff11000000234567, -EFAULT);
	assert_unmapped(f, 0xffffffff81234567, -EFAULT);
}

static void test_not_canonical(void **state)
{
	struct fixture *f = *state;

	/* Would be read through the same slots as 0xffffc90000123000 if the top bits were ignored. */
	fake_map(&f->t, 0xffffc90000123000, 0x5432000, 12);
	assert_maps(f, 0xffffc90000123000, 0x5432000);
	assert_unmapped(f, 0x0000c90000123000, -EFAULT);
	assert_unmapped(f, 0xdeadc90000123000, -EFAULT);
	assert_unmapped(f, 0xfffec90000123000, -EFAULT);
}

static void test_encrypted(void **state)
{
	struct fixture *f = *state;

	f->t.c_bit = 1ULL << 47;
	fake_map(&f->t, 0xffffc90000123000, 0x5432000, 12);
	fake_map(&f->t, 0xffffffff81000000, 0x1000000, 21);
	translate_setup(&f->kernel, TOP | 1ULL << 47, false, 1ULL << 47);
	assert_maps(f, 0xffffc90000123008, 0x5432008);
	assert_maps(f, 0xffffffff81000008, 0x1000008);
}

static void test_not_present(void **state)
{
	struct fixture *f = *state;

	/* A swapped-out page and a PROT_NONE one have bits set, but not the first. */
	fake_map(&f->t, 0xffffc90000123000, 0x5432000, 12);
	fake_map(&f->t, 0xffffffff81000000, 0x1000000, 21);
	fake_map(&f->t, 0xffffc90000124000, 0x5433000 & ~1ULL, 12);
	fake_write_u64(&f->dump, TABLES + 0x2000 + 0x124 * 8, 0x5433000 | 0x162);
	assert_unmapped(f, 0xffffc90000124000, -EFAULT);
	assert_maps(f, 0xffffc90000123000, 0x5432000);
}

static void test_missing_table(void **state)
{
	struct fixture *f = *state;

	fake_map(&f->t, 0xffffc90000123000, 0x5432000, 12);
	fake_map(&f->t, 0xffffffff81000000, 0x1000000, 21);
	/* PUD, PMD, PTE of the first mapping are the first three tables made. */
	fake_remove(&f->dump, TABLES + 0x1000);
	assert_unmapped(f, 0xffffc90000123000, -ENODATA);
	assert_maps(f, 0xffffffff81000000, 0x1000000);
	fake_remove(&f->dump, TOP);
	translate_setup(&f->kernel, TOP, false, 0);
	assert_unmapped(f, 0xffffffff81000000, -ENODATA);

	/* What the kernel maps linearly is still found, and only that. */
	f->kernel.phys_base = 0x300000;
	f->kernel.image_start = 0xffffffff81000000;
	f->kernel.image_end = 0xffffffff81400000;
	assert_maps(f, 0xffffffff81000123, 0x1300123);
	assert_unmapped(f, 0xffffffff81400000, -ENODATA);
	translate_set_direct_map(&f->kernel, 0xffff888000000000);
	assert_maps(f, 0xffff888000100008, 0x100008);
	assert_unmapped(f, 0xffff888000000000 + f->dump.info.max_paddr, -ENODATA);
}

/* An entry that points to its own table must not be walked for ever, nor past the end. */
static void test_loop(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 512; i++)
		fake_write_u64(&f->dump, TOP + (uint64_t)i * 8, TOP | PTE_TABLE);
	assert_maps(f, 0xffffffff81000123, TOP | 0x123);
	fake_write_u64(&f->dump, TOP + 511 * 8, 0x000ffffffffff000 | PTE_TABLE);
	translate_setup(&f->kernel, TOP, false, 0);
	assert_unmapped(f, 0xffffffff81000123, -ENODATA);
}

static void test_read(void **state)
{
	struct fixture *f = *state;
	uint8_t pattern[3 * 4096], got[3 * 4096];
	uint64_t v64 = 1;
	uint16_t v16;

	for (size_t i = 0; i < sizeof(pattern); i++)
		pattern[i] = (uint8_t)(i * 7 + i / 256);
	/* Three pages in a row, physically in the reverse order. */
	for (uint64_t i = 0; i < 3; i++) {
		fake_map(&f->t, 0xffffc90000100000 + i * 4096, 0x900000 - i * 4096, 12);
		fake_write(&f->dump, 0x900000 - i * 4096, pattern + i * 4096, 4096);
	}
	assert_int_equal(kernel_read(&f->kernel, 0xffffc90000100000, got, sizeof(got)), 0);
	assert_memory_equal(got, pattern, sizeof(got));
	assert_int_equal(kernel_read(&f->kernel, 0xffffc90000100fff, got, 4098), 0);
	assert_memory_equal(got, pattern + 4095, 4098);
	assert_int_equal(kernel_read_u64(&f->kernel, 0xffffc90000100ffc, &v64), 0);
	assert_memory_equal(&v64, pattern + 4092, 8);
	assert_int_equal(kernel_read_u16(&f->kernel, 0xffffc90000100fff, &v16), 0);
	assert_memory_equal(&v16, pattern + 4095, 2);

	/* All or nothing. */
	v64 = 4711;
	assert_int_equal(kernel_read_u64(&f->kernel, 0xffffc90000102ffc, &v64), -EFAULT);
	assert_true(v64 == 4711);
	fake_remove(&f->dump, 0x900000 - 4096);
	assert_int_equal(kernel_read_u64(&f->kernel, 0xffffc90000100ffc, &v64), -ENODATA);
	assert_true(v64 == 4711);
	assert_int_equal(kernel_read(&f->kernel, 0xfffffffffffffff8, got, 16), -EFAULT);
	assert_int_equal(kernel_read(&f->kernel, 0, got, SIZE_MAX), -EFAULT);
	assert_int_equal(kernel_read(&f->kernel, 0, NULL, 0), 0);
}

/* A read inside one large page goes to the dump in one piece. */
static void test_read_contiguous(void **state)
{
	struct fixture *f = *state;
	static uint8_t data[256 * 1024], got[sizeof(data)];
	uint64_t before;

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i >> 8 ^ i);
	fake_map(&f->t, 0xffffffff81000000, 0x1000000, 21);
	fake_write(&f->dump, 0x1000123, data, sizeof(data));
	assert_int_equal(kernel_read(&f->kernel, 0xffffffff81000123, got, 1), 0);
	before = f->dump.reads;
	assert_int_equal(kernel_read(&f->kernel, 0xffffffff81000123, got, sizeof(got)), 0);
	assert_memory_equal(got, data, sizeof(data));
	assert_int_equal(f->dump.reads - before, 1);
}

static void test_read_string(void **state)
{
	struct fixture *f = *state;
	char buf[300], text[300];

	memset(text, 'x', sizeof(text));
	text[299] = '\0';
	fake_map(&f->t, 0xffffc90000100000, 0x900000, 12);
	fake_write(&f->dump, 0x900000, text, sizeof(text));
	assert_int_equal(kernel_read_string(&f->kernel, 0xffffc90000100000, buf, 300), 299);
	assert_string_equal(buf, text);
	assert_int_equal(kernel_read_string(&f->kernel, 0xffffc90000100000, buf, 10), 9);
	assert_string_equal(buf, "xxxxxxxxx");
	assert_int_equal(kernel_read_string(&f->kernel, 0xffffc90000100000 + 299, buf, 10), 0);
	assert_string_equal(buf, "");
	assert_int_equal(kernel_read_string(&f->kernel, 0xffffc90000100000, buf, 1), 0);

	/* A string at the very end of mapped memory is whole; one without a NUL there is not. */
	fake_write(&f->dump, 0x900ffc, "end", 4);
	assert_int_equal(kernel_read_string(&f->kernel, 0xffffc90000100ffc, buf, sizeof(buf)), 3);
	assert_string_equal(buf, "end");
	fake_write(&f->dump, 0x900ffc, "open", 4);
	assert_int_equal(kernel_read_string(&f->kernel, 0xffffc90000100ffc, buf, sizeof(buf)),
			 -EFAULT);
	assert_int_equal(kernel_read_string(&f->kernel, 0xffffc90000100ffc, buf, 5), 4);
	assert_int_equal(kernel_read_string(&f->kernel, 0xffffc90000100000, buf, 0), -EINVAL);
}

static void test_is_address(void **state)
{
	assert_true(kernel_is_address(0xffff888000000000));
	assert_true(kernel_is_address(0xff11000000000000));
	assert_true(kernel_is_address(0xffffffff81000000));
	assert_false(kernel_is_address(0));
	assert_false(kernel_is_address(0x00007fffffffffff));
	assert_false(kernel_is_address(0xdead000000000100)); /* LIST_POISON1 */
	assert_false(kernel_is_address((uint64_t)-EINVAL));
	assert_false(kernel_is_address(UINT64_MAX));
}

static void test_find_image(void **state)
{
	struct fixture *f = *state;
	uint64_t start = 1, end = 1, base = 1;

	assert_int_equal(translate_find_image(&f->kernel, &start, &end, &base), -EFAULT);
	/* Eight large pages, a hole of freed init memory, and a stretch of small pages at the end. */
	for (uint64_t i = 0; i < 8; i++)
		if (i != 5)
			fake_map(&f->t, 0xffffffff8ca00000 + (i << 21), 0x3a600000 + (i << 21), 21);
	for (uint64_t i = 3; i < 512; i++)
		fake_map(&f->t, 0xffffffff8da00000 + (i << 12), 0x3b600000 + (i << 12), 12);
	translate_setup(&f->kernel, TOP, false, 0);
	assert_int_equal(translate_find_image(&f->kernel, &start, &end, &base), 0);
	assert_true(start == 0xffffffff8ca00000 && end == 0xffffffff8dc00000);
	assert_true(base == 0x3a600000 - 0x0ca00000);

	/* One stray entry is damage. */
	start = end = base = 1;
	fake_map(&f->t, 0xffffffff80000000, 0x1000000, 21);
	translate_setup(&f->kernel, TOP, false, 0);
	assert_int_equal(translate_find_image(&f->kernel, &start, &end, &base), 0);
	assert_true(start == 0xffffffff8ca00000 && end == 0xffffffff8dc00000);
	assert_true(base == 0x3a600000 - 0x0ca00000);

	/* Several: not a kernel's image. */
	start = 1;
	fake_map(&f->t, 0xffffffff80800000, 0x2000000, 21);
	fake_map(&f->t, 0xffffffff90000000, 0x3000000, 21);
	translate_setup(&f->kernel, TOP, false, 0);
	assert_int_equal(translate_find_image(&f->kernel, &start, &end, &base), -EINVAL);
	assert_true(start == 1);
}

/* A phys_base below zero: the image lies lower in physical memory than its link address says. */
static void test_find_image_negative(void **state)
{
	struct fixture *f = *state;
	uint64_t start, end, base;

	for (uint64_t i = 0; i < 4; i++)
		fake_map(&f->t, 0xffffffffb2c00000 + (i << 21), 0xb200000 + (i << 21), 21);
	assert_int_equal(translate_find_image(&f->kernel, &start, &end, &base), 0);
	assert_true(base == 0xb200000 - 0x32c00000ULL);
	assert_true((int64_t)base < 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_page_sizes),	     TEST(test_large_pat),
		TEST(test_levels5),	     TEST(test_not_canonical),
		TEST(test_encrypted),	     TEST(test_not_present),
		TEST(test_missing_table),    TEST(test_loop),
		TEST(test_read),	     TEST(test_read_contiguous),
		TEST(test_read_string),	     TEST(test_is_address),
		TEST(test_find_image),	     TEST(test_find_image_negative),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
