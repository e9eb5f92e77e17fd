// SPDX-License-Identifier: GPL-2.0-or-later
/* Whole dumps of each format: what was put in must come out, and what was left out must not. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dump_fixture.h"

#define PAGE 4096

static struct dump *open_ok(const struct buf *image)
{
	struct dump *dump;
	struct msgs msgs;

	msgs_init(&msgs);
	assert_int_equal(fixture_open(image, image->n, &msgs, &dump), 0);
	for (size_t i = 0; i < msgs.n; i++)
		print_error("unexpected: %s\n", msgs.lines[i]);
	assert_int_equal(msgs.n, 0);
	msgs_done(&msgs);
	return dump;
}

/* Every page of the fixture by each way of reading, and the gaps between them. */
static void check_pages(struct dump *dump, const struct fixture *f)
{
	for (int round = 0; round < 2; round++) {
		for (size_t i = 0; i < f->n_pages; i++) {
			uint64_t pa = f->pages[i].pfn * PAGE;
			uint8_t want[PAGE], got[PAGE];
			const void *page;

			fixture_page_fill(&f->pages[i], want);
			if (f->pages[i].kind == PAGE_EXCLUDED) {
				assert_int_equal(dump_read(dump, pa, got, 8), -ENODATA);
				assert_int_equal(dump_read(dump, pa, got, PAGE), -ENODATA);
				assert_null(dump_page(dump, pa));
				continue;
			}
			assert_int_equal(dump_read(dump, pa, got, PAGE), 0);
			assert_memory_equal(got, want, PAGE);
			assert_int_equal(dump_read(dump, pa + 77, got, 300), 0);
			assert_memory_equal(got, want + 77, 300);
			page = dump_page(dump, pa + 5);
			assert_non_null(page);
			assert_memory_equal(page, want, PAGE);
		}
	}
}

static void check_borders(struct dump *dump, const struct fixture *f)
{
	uint8_t want[3 * PAGE], got[3 * PAGE];

	for (int i = 0; i < 3; i++)
		fixture_page_fill(&f->pages[i], want + i * PAGE);
	assert_int_equal(dump_read(dump, 0, got, 3 * PAGE), 0);
	assert_memory_equal(got, want, 3 * PAGE);
	assert_int_equal(dump_read(dump, 1, got, 3 * PAGE - 1), 0);
	assert_memory_equal(got, want + 1, 3 * PAGE - 1);
	assert_int_equal(dump_read(dump, PAGE - 3, got, 6), 0);
	assert_memory_equal(got, want + PAGE - 3, 6);
	/* Page 3 was left out, page 5 and page 66 were never there. */
	assert_int_equal(dump_read(dump, 3 * PAGE - 1, got, 2), -ENODATA);
	assert_int_equal(dump_read(dump, 2 * PAGE, got, 2 * PAGE), -ENODATA);
	assert_int_equal(dump_read(dump, 5 * PAGE, got, 1), -ENODATA);
	assert_int_equal(dump_read(dump, 66 * PAGE, got, PAGE), -ENODATA);
	assert_int_equal(dump_read(dump, 20001ULL * PAGE, got, 1), -ENODATA);
	assert_int_equal(dump_read(dump, 1ULL << 60, got, 1), -ENODATA);
	assert_int_equal(dump_read(dump, UINT64_MAX - 3, got, 16), -ENODATA);
	assert_int_equal(dump_read(dump, UINT64_MAX, got, 0), 0);
}

static void check_ranges(struct dump *dump)
{
	static const struct dump_range want[] = {
		{ 0, 5 * PAGE },
		{ 63 * PAGE, 66 * PAGE },
		{ 4095 * PAGE, 4097 * PAGE },
		{ 5000 * PAGE, 5001 * PAGE },
		{ 8191 * PAGE, 8193 * PAGE },
		{ 20000 * PAGE, 20001 * PAGE },
	};
	const struct dump_range *ranges;

	for (int i = 0; i < 2; i++) {
		assert_int_equal(dump_ranges(dump, &ranges), 6);
		assert_memory_equal(ranges, want, sizeof(want));
	}
	assert_int_equal(dump_info(dump)->max_paddr, 20001ULL * PAGE);
}

static void check_cpus(const struct dump_info *info)
{
	/* user_regs_struct: r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi rdi orig rip.. */
	assert_int_equal(info->n_cpus, 3);
	for (unsigned int cpu = 0; cpu < 3; cpu += 2) {
		const struct dump_cpu *c = &info->cpus[cpu];

		assert_int_equal(c->pid, 100 + cpu);
		assert_int_equal(c->regs.v[REG_X86_R15], FIXTURE_REG(cpu, 0));
		assert_int_equal(c->regs.v[REG_X86_RBP], FIXTURE_REG(cpu, 4));
		assert_int_equal(c->regs.v[REG_X86_RBX], FIXTURE_REG(cpu, 5));
		assert_int_equal(c->regs.v[REG_X86_R8], FIXTURE_REG(cpu, 9));
		assert_int_equal(c->regs.v[REG_X86_RAX], FIXTURE_REG(cpu, 10));
		assert_int_equal(c->regs.v[REG_X86_RCX], FIXTURE_REG(cpu, 11));
		assert_int_equal(c->regs.v[REG_X86_RDX], FIXTURE_REG(cpu, 12));
		assert_int_equal(c->regs.v[REG_X86_RSI], FIXTURE_REG(cpu, 13));
		assert_int_equal(c->regs.v[REG_X86_RDI], FIXTURE_REG(cpu, 14));
		assert_int_equal(c->regs.v[REG_IP], FIXTURE_REG(cpu, 16));
		assert_int_equal(c->regs.v[REG_X86_CS], FIXTURE_REG(cpu, 17));
		assert_int_equal(c->regs.v[REG_FLAGS], FIXTURE_REG(cpu, 18));
		assert_int_equal(c->regs.v[REG_SP], FIXTURE_REG(cpu, 19));
		assert_int_equal(c->regs.v[REG_X86_SS], FIXTURE_REG(cpu, 20));
		assert_int_equal(c->regs.known, (1ULL << (REG_X86_SS + 1)) - 1);
		assert_false(c->has_control);
	}
	assert_int_equal(info->cpus[1].regs.known, 0);
}

static void check_all(const struct buf *image, const struct fixture *f, const char *name)
{
	struct dump *dump = open_ok(image);
	const struct dump_info *info = dump_info(dump);

	assert_string_equal(info->format_name, name);
	assert_false(info->truncated);
	assert_false(info->incomplete);
	check_pages(dump, f);
	check_borders(dump, f);
	check_ranges(dump);
	check_cpus(info);
	assert_string_equal(info->vmcoreinfo, f->vmcoreinfo);
	assert_int_equal(info->vmcoreinfo_size, strlen(f->vmcoreinfo));
	assert_true(info->has_phys_base);
	assert_int_equal(info->phys_base, -664797184LL);
	if (info->format == DUMP_KDUMP) {
		assert_string_equal(info->release, "6.1.0-test");
		assert_string_equal(info->version, "#1 SMP test");
		assert_string_equal(info->nodename, "node1");
		assert_string_equal(info->machine, "x86_64");
	}
	dump_free(dump);
}

static const struct {
	unsigned int compression;
	const char *name, *flat;
} kdump_forms[] = {
	{ FIXTURE_RAW, "kdump-compressed (uncompressed)",
	  "kdump-compressed (uncompressed), flattened" },
	{ FIXTURE_ZLIB, "kdump-compressed (zlib)", "kdump-compressed (zlib), flattened" },
	{ FIXTURE_LZO, "kdump-compressed (lzo)", "kdump-compressed (lzo), flattened" },
	{ FIXTURE_SNAPPY, "kdump-compressed (snappy)", "kdump-compressed (snappy), flattened" },
	{ FIXTURE_ZSTD, "kdump-compressed (zstd)", "kdump-compressed (zstd), flattened" },
};

static void test_kdump_each_compression(void **state)
{
	for (size_t i = 0; i < sizeof(kdump_forms) / sizeof(kdump_forms[0]); i++) {
		struct fixture f = fixture_default();
		struct buf image, flat;

		f.compression = kdump_forms[i].compression;
		fixture_kdump(&f, &image);
		check_all(&image, &f, kdump_forms[i].name);
		fixture_flatten(&image, 1000, false, &flat);
		check_all(&flat, &f, kdump_forms[i].flat);
		buf_done(&flat);
		buf_done(&image);
		fixture_done(&f);
	}
}

static void test_elf(void **state)
{
	struct fixture f = fixture_default();
	struct buf image, flat;

	fixture_elf(&f, &image);
	check_all(&image, &f, "ELF core");
	fixture_flatten(&image, 4097, true, &flat);
	check_all(&flat, &f, "ELF core, flattened");
	buf_done(&flat);
	buf_done(&image);
	fixture_done(&f);
}

/* Older headers have fewer fields; where the field would be, the fixture puts rubbish. */
static void test_kdump_each_version(void **state)
{
	for (int version = 0; version <= 6; version++) {
		struct fixture f = fixture_default();
		const struct dump_info *info;
		struct dump *dump;
		struct buf image;

		f.version = version;
		fixture_kdump(&f, &image);
		dump = open_ok(&image);
		info = dump_info(dump);
		check_pages(dump, &f);
		check_ranges(dump);
		assert_int_equal(info->vmcoreinfo != NULL, version >= 3);
		assert_int_equal(info->n_cpus, version >= 4 ? 3 : 0);
		assert_true(info->has_phys_base);
		assert_int_equal(info->phys_base, version >= 3 ? -664797184LL : 0x1c200000);
		dump_free(dump);
		buf_done(&image);
		fixture_done(&f);
	}
}

/* Descriptors and data above 4 GB of guest memory, with 2 MB of bitmap below them. */
static void test_kdump_high_memory(void **state)
{
	static const struct fixture_page pages[] = {
		{ 1, PAGE_TEXT },	   { 0xfffff, PAGE_TEXT },
		{ 0x1000000, PAGE_TEXT },  { 0x1000001, PAGE_EXCLUDED },
		{ 0x1234567, PAGE_NOISE },
	};
	struct fixture f = fixture_default();
	struct dump *dump;
	struct buf image;

	f.pages = pages;
	f.n_pages = 5;
	f.max_mapnr = 0x1234568;
	fixture_kdump(&f, &image);
	dump = open_ok(&image);
	check_pages(dump, &f);
	assert_int_equal(dump_info(dump)->max_paddr, 0x1234568ULL * PAGE);
	dump_free(dump);
	buf_done(&image);
	fixture_done(&f);
}

/* QEMU leaves release and phys_base empty when the guest gave it no VMCOREINFO. */
static void test_phys_base_unknown(void **state)
{
	struct fixture f = fixture_default();
	struct dump *dump;
	struct buf image;

	f.vmcoreinfo = NULL;
	f.phys_base = 0;
	f.release = "";
	fixture_kdump(&f, &image);
	dump = open_ok(&image);
	assert_false(dump_info(dump)->has_phys_base);
	assert_null(dump_info(dump)->vmcoreinfo);
	dump_free(dump);
	buf_done(&image);
	/* makedumpfile writes 0 for a kernel that is where it was linked to be. */
	f.release = "4.4.0";
	fixture_kdump(&f, &image);
	dump = open_ok(&image);
	assert_true(dump_info(dump)->has_phys_base);
	assert_int_equal(dump_info(dump)->phys_base, 0);
	dump_free(dump);
	buf_done(&image);
	f.vmcoreinfo = "A=1\nNUMBER(phys_base)=12x\nXNUMBER(phys_base)=13\n";
	f.phys_base = 0x77000;
	fixture_kdump(&f, &image);
	dump = open_ok(&image);
	assert_int_equal(dump_info(dump)->phys_base, 0x77000);
	dump_free(dump);
	buf_done(&image);
	fixture_done(&f);
}

/* More pages than the cache holds, in an order that evicts, with failures in between. */
static void test_page_cache(void **state)
{
	enum { N = 5000 };
	static struct fixture_page pages[N];
	struct fixture f = fixture_default();
	uint32_t x = 1;
	struct dump *dump;
	struct buf image;

	for (size_t i = 0; i < N; i++)
		pages[i] = (struct fixture_page){ i, i % 50 == 49 ? PAGE_EXCLUDED : PAGE_TEXT };
	f.pages = pages;
	f.n_pages = N;
	f.max_mapnr = N;
	f.compression = FIXTURE_LZO;
	fixture_kdump(&f, &image);
	dump = open_ok(&image);
	for (size_t i = 0; i < 40000; i++) {
		uint8_t want[PAGE], got[64];
		size_t pfn, off;

		x = x * 1664525 + 1013904223;
		/* Half of the reads go to few pages, so that the clock has something to keep. */
		pfn = x >> 16 & 1 ? (x >> 8) % 100 : i < 20000 ? i % N : (x >> 8) % N;
		off = (x >> 4) % (PAGE - sizeof(got));
		if (pages[pfn].kind == PAGE_EXCLUDED) {
			assert_null(dump_page(dump, pfn * PAGE));
			continue;
		}
		fixture_page_fill(&pages[pfn], want);
		assert_int_equal(dump_read(dump, pfn * PAGE + off, got, sizeof(got)), 0);
		assert_memory_equal(got, want + off, sizeof(got));
	}
	/* About 20000 of the reads went to the 98 hot pages; few of those may miss. */
	assert_in_range(dump_info(dump)->pages_read, N - N / 50, 24000);
	dump_free(dump);
	buf_done(&image);
	fixture_done(&f);
}

/* A page read twice is fetched once. */
static void test_page_cache_hit(void **state)
{
	struct fixture f = fixture_default();
	struct dump *dump;
	struct buf image;
	uint8_t byte;

	fixture_kdump(&f, &image);
	dump = open_ok(&image);
	for (int i = 0; i < 10; i++)
		assert_int_equal(dump_read(dump, 100 + (uint64_t)i, &byte, 1), 0);
	assert_int_equal(dump_info(dump)->pages_read, 1);
	dump_free(dump);
	buf_done(&image);
	fixture_done(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kdump_each_compression),
		cmocka_unit_test(test_elf),
		cmocka_unit_test(test_kdump_each_version),
		cmocka_unit_test(test_kdump_high_memory),
		cmocka_unit_test(test_phys_base_unknown),
		cmocka_unit_test(test_page_cache),
		cmocka_unit_test(test_page_cache_hit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
