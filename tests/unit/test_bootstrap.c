// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "fake_pgtable.h"
#include "kernel/internal.h"

/* A kernel image of 16 MiB at 0x3a600000, moved by KASLR to 0xffffffff8ca00000. */
#define IMAGE_VA 0xffffffff8ca00000ULL
#define IMAGE_PA 0x3a600000ULL
#define IMAGE_SIZE (16ULL << 20)
#define PHYS_BASE (IMAGE_PA - 0xca00000ULL)
/* init_top_pgt in its .data, whose start is aligned to 2 MiB; tables behind it. */
#define PGD_OFFSET (0xa00000ULL + 0xa000)

struct fixture {
	struct dump dump;
	struct kernel kernel;
	struct msgs msgs;
	char text[1024];
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->kernel.dump = &f->dump;
	f->kernel.tlb = translate_cache_new();
	f->kernel.msgs = &f->msgs;
	f->dump.info.cpus = f->dump.cpus;
	arena_init(&f->kernel.arena);
	msgs_init(&f->msgs);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	translate_cache_free(f->kernel.tlb);
	arena_done(&f->kernel.arena);
	msgs_done(&f->msgs);
	fake_done(&f->dump);
	free(f);
	return 0;
}

static void page_clear(struct dump *dump, uint64_t pa)
{
	static const uint8_t zeros[FAKE_PAGE];

	fake_write(dump, pa, zeros, sizeof(zeros));
}

/* Page tables of a kernel: @top maps @size bytes of the image. */
static void image_map(struct fixture *f, uint64_t top, uint64_t tables, bool la57, uint64_t size)
{
	struct fake_pgtable t = { .dump = &f->dump, .top = top, .next = tables, .la57 = la57 };

	page_clear(&f->dump, top);
	for (uint64_t at = 0; at < size; at += 2ULL << 20)
		fake_map(&t, IMAGE_VA + at, IMAGE_PA + at, 21);
}

static void kernel_image_make(struct fixture *f, bool la57)
{
	image_map(f, IMAGE_PA + PGD_OFFSET, IMAGE_PA + PGD_OFFSET + 0x4000, la57, IMAGE_SIZE);
}

static void vmcoreinfo_make(struct fixture *f, uint64_t pgd_va, uint64_t phys_base, int la57)
{
	snprintf(f->text, sizeof(f->text),
		 "OSRELEASE=6.1.0-56-amd64\nSYMBOL(swapper_pg_dir)=%llx\nNUMBER(phys_base)=%lld\n"
		 "NUMBER(pgtable_l5_enabled)=%d\nNUMBER(sme_mask)=0\nKERNELOFFSET=ba00000\n",
		 (unsigned long long)pgd_va, (long long)phys_base, la57);
}

static void vmcoreinfo_note(struct fixture *f)
{
	f->dump.info.vmcoreinfo = f->text;
	f->dump.info.vmcoreinfo_size = strlen(f->text);
}

static void assert_found(struct fixture *f, uint64_t pgd)
{
	uint64_t pa;

	assert_int_equal(bootstrap_find_kernel(&f->kernel), 0);
	assert_true(f->kernel.pgd == pgd);
	assert_true(f->kernel.image_start == IMAGE_VA);
	assert_true(f->kernel.image_end == IMAGE_VA + IMAGE_SIZE);
	assert_true(f->kernel.phys_base == PHYS_BASE);
	assert_true(f->kernel.kaslr_offset == 0xba00000);
	assert_int_equal(kernel_translate(&f->kernel, IMAGE_VA + 0x345678, &pa), 0);
	assert_true(pa == IMAGE_PA + 0x345678);
}

static void cr3_set(struct fixture *f, size_t cpu, uint64_t cr3)
{
	f->dump.cpus[cpu].has_control = true;
	f->dump.cpus[cpu].cr3 = cr3;
	if (f->dump.info.n_cpus <= cpu)
		f->dump.info.n_cpus = cpu + 1;
}

static void test_vmcoreinfo(void **state)
{
	struct fixture *f = *state;

	kernel_image_make(f, false);
	vmcoreinfo_make(f, IMAGE_VA + PGD_OFFSET, PHYS_BASE, 0);
	vmcoreinfo_note(f);
	assert_found(f, IMAGE_PA + PGD_OFFSET);
	assert_non_null(f->kernel.vmcoreinfo);
	assert_int_equal(f->msgs.n, 0);
}

static void test_vmcoreinfo_la57(void **state)
{
	struct fixture *f = *state;

	kernel_image_make(f, true);
	vmcoreinfo_make(f, IMAGE_VA + PGD_OFFSET, PHYS_BASE, 1);
	vmcoreinfo_note(f);
	assert_found(f, IMAGE_PA + PGD_OFFSET);
	assert_true(f->kernel.la57);
}

/* The note lies: its page table is no page table. CR3 is asked next. */
static void test_vmcoreinfo_wrong(void **state)
{
	struct fixture *f = *state;

	kernel_image_make(f, false);
	page_clear(&f->dump, IMAGE_PA + 0x5000);
	vmcoreinfo_make(f, IMAGE_VA + 0x5000, PHYS_BASE, 0);
	vmcoreinfo_note(f);
	cr3_set(f, 0, IMAGE_PA + PGD_OFFSET);
	assert_found(f, IMAGE_PA + PGD_OFFSET);
}

/* Page tables cut off from the dump: the image is still read, linearly, and it is said. */
static void test_tables_missing(void **state)
{
	struct fixture *f = *state;

	fake_write(&f->dump, IMAGE_PA + 0x1000, "here", 4);
	vmcoreinfo_make(f, IMAGE_VA + PGD_OFFSET, PHYS_BASE, 0);
	strcat(f->text, "SYMBOL(_stext)=ffffffff8ca00000\n");
	vmcoreinfo_note(f);
	assert_int_equal(bootstrap_find_kernel(&f->kernel), 0);
	assert_int_equal(f->msgs.n, 1);
	assert_non_null(strstr(f->msgs.lines[0], "page tables are missing"));
	char text[5] = "";
	assert_int_equal(kernel_read(&f->kernel, IMAGE_VA + 0x1000, text, 4), 0);
	assert_string_equal(text, "here");
}

static void test_cr3(void **state)
{
	struct fixture *f = *state;

	kernel_image_make(f, false);
	/* CPU 0's points nowhere, CPU 1 has PCID bits. */
	cr3_set(f, 0, 0x77000);
	cr3_set(f, 1, (IMAGE_PA + PGD_OFFSET) | 6);
	assert_found(f, IMAGE_PA + PGD_OFFSET);
	assert_null(f->kernel.vmcoreinfo);
	assert_false(f->kernel.la57);
}

static void test_cr3_la57(void **state)
{
	struct fixture *f = *state;

	kernel_image_make(f, true);
	cr3_set(f, 0, IMAGE_PA + PGD_OFFSET);
	assert_found(f, IMAGE_PA + PGD_OFFSET);
	assert_true(f->kernel.la57);
}

/* PTI: the CPU was in user mode, on the odd page of the pair, which maps the entry text alone. */
static void test_cr3_pti(void **state)
{
	struct fixture *f = *state;

	image_map(f, 0x1000000, 0x1100000, false, IMAGE_SIZE);
	image_map(f, 0x1001000, 0x1200000, false, 4 << 20);
	cr3_set(f, 0, 0x1001000 | 1ULL << 63 | 0x806);
	assert_found(f, 0x1000000);
}

/* Without PTI a page table may lie on an odd page; the even one before it is something else. */
static void test_cr3_odd_page(void **state)
{
	struct fixture *f = *state;

	image_map(f, 0x1001000, 0x1100000, false, IMAGE_SIZE);
	page_clear(&f->dump, 0x1000000);
	cr3_set(f, 0, 0x1001000);
	assert_found(f, 0x1001000);
}

static void test_scan_tables(void **state)
{
	struct fixture *f = *state;

	kernel_image_make(f, false);
	/* A process's table maps the kernel too, but lies outside its image: not the one to take. */
	image_map(f, 0x1000000, 0x1001000, false, IMAGE_SIZE);
	assert_found(f, IMAGE_PA + PGD_OFFSET);
}

static void test_scan_la57(void **state)
{
	struct fixture *f = *state;

	kernel_image_make(f, true);
	assert_found(f, IMAGE_PA + PGD_OFFSET);
	assert_true(f->kernel.la57);
}

/* The note's page in memory, with the header before the text; the tables are where a scan of
 * .data's start does not look, and not next to one another. */
static void test_scan_text(void **state)
{
	struct fixture *f = *state;
	static const uint32_t header[3] = { 11, 200, 0 };

	image_map(f, IMAGE_PA + 0x980000, 0x1100000, false, IMAGE_SIZE);
	vmcoreinfo_make(f, IMAGE_VA + 0x980000, PHYS_BASE, 0);
	fake_write(&f->dump, 0x2345000, header, sizeof(header));
	fake_write(&f->dump, 0x2345000 + 12, "VMCOREINFO", 11);
	fake_write(&f->dump, 0x2345000 + 24, f->text, strlen(f->text));
	assert_found(f, IMAGE_PA + 0x980000);
	assert_non_null(f->kernel.vmcoreinfo);
	assert_string_equal(vmcoreinfo_get(&f->kernel, "OSRELEASE"), "6.1.0-56-amd64");
}

/* Text of the boot before this one was left in memory: its page table is gone. */
static void test_scan_stale_text(void **state)
{
	struct fixture *f = *state;

	kernel_image_make(f, false);
	page_clear(&f->dump, IMAGE_PA + 0x5000);
	vmcoreinfo_make(f, IMAGE_VA + 0x5000, PHYS_BASE, 0);
	fake_write(&f->dump, 0x1000, f->text, strlen(f->text));
	assert_found(f, IMAGE_PA + PGD_OFFSET);
	assert_null(f->kernel.vmcoreinfo);
}

static void test_nothing(void **state)
{
	struct fixture *f = *state;

	page_clear(&f->dump, 0x1000);
	page_clear(&f->dump, IMAGE_PA);
	f->dump.range.end = UINT64_MAX; /* a hostile header; the scan must end soon */
	cr3_set(f, 0, 0x1000);
	assert_int_equal(bootstrap_find_kernel(&f->kernel), -EINVAL);
	assert_int_equal(f->msgs.n, 2);
	assert_non_null(strstr(f->msgs.lines[0], "no VMCOREINFO"));
	assert_non_null(strstr(f->msgs.lines[1], "no page table"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_vmcoreinfo),	 TEST(test_vmcoreinfo_la57), TEST(test_vmcoreinfo_wrong),
		TEST(test_tables_missing), TEST(test_cr3),	     TEST(test_cr3_la57),
		TEST(test_cr3_pti),	 TEST(test_cr3_odd_page),    TEST(test_scan_tables),
		TEST(test_scan_la57),	 TEST(test_scan_text),	     TEST(test_scan_stale_text),
		TEST(test_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
