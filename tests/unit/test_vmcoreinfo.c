// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "kernel/vmcoreinfo.h"
#include "util/arena.h"

static struct arena arena;

static int setup(void **state)
{
	arena_init(&arena);
	return 0;
}

static int teardown(void **state)
{
	arena_done(&arena);
	return 0;
}

static const char text_6_1[] = "OSRELEASE=6.1.0-56-amd64\n"
			       "BUILD-ID=eb4fbcd037e7253717950bf2b93bd5566f47c56f\n"
			       "PAGESIZE=4096\n"
			       "SYMBOL(init_uts_ns)=ffffffff85bfb000\n"
			       "OFFSET(uts_namespace.name)=0\n"
			       "SYMBOL(swapper_pg_dir)=ffffffff85a10000\n"
			       "NUMBER(PAGE_BUDDY_MAPCOUNT_VALUE)=-129\n"
			       "NUMBER(phys_base)=815792128\n"
			       "NUMBER(sme_mask)=0\n"
			       "NUMBER(VA_BITS)=0x30\n"
			       "KERNELOFFSET=3000000\n"
			       "CRASHTIME=1795395398\n";

static void test_kinds(void **state)
{
	struct vmcoreinfo info;
	uint64_t v;

	assert_int_equal(vmcoreinfo_parse(&arena, text_6_1, sizeof(text_6_1), &info), 0);
	assert_int_equal(info.n, 12);
	assert_string_equal(vmcoreinfo_find(&info, "OSRELEASE"), "6.1.0-56-amd64");
	assert_null(vmcoreinfo_find(&info, "OSRELEAS"));
	assert_null(vmcoreinfo_find(&info, "OSRELEASE=6.1.0-56-amd64"));

	/* Symbols and KERNELOFFSET are hexadecimal without 0x, all else is decimal. */
	assert_int_equal(vmcoreinfo_find_u64(&info, "SYMBOL(swapper_pg_dir)", &v), 0);
	assert_true(v == 0xffffffff85a10000);
	assert_int_equal(vmcoreinfo_find_u64(&info, "KERNELOFFSET", &v), 0);
	assert_true(v == 0x3000000);
	assert_int_equal(vmcoreinfo_find_u64(&info, "NUMBER(phys_base)", &v), 0);
	assert_true(v == 815792128);
	assert_int_equal(vmcoreinfo_find_u64(&info, "NUMBER(VA_BITS)", &v), 0);
	assert_true(v == 48);
	assert_int_equal(vmcoreinfo_find_u64(&info, "NUMBER(PAGE_BUDDY_MAPCOUNT_VALUE)", &v), 0);
	assert_true((int64_t)v == -129);
	assert_int_equal(vmcoreinfo_find_u64(&info, "OFFSET(uts_namespace.name)", &v), 0);
	assert_true(v == 0);
}

static void test_no_number(void **state)
{
	static const char text[] = "A=\nB=12x\nC= 12\nD=99999999999999999999\nE=-\nF=--1\nG=0x\n"
				   "SYMBOL(h)=0xzz\nSYMBOL(i)=-1\nJ=+1\n";
	static const char *const keys[] = { "A", "B", "C", "D", "E", "F", "G", "SYMBOL(h)",
					    "SYMBOL(i)", "J" };
	struct vmcoreinfo info;
	uint64_t v = 77;

	assert_int_equal(vmcoreinfo_parse(&arena, text, sizeof(text), &info), 0);
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		assert_int_equal(vmcoreinfo_find_u64(&info, keys[i], &v), -EBADMSG);
	assert_int_equal(vmcoreinfo_find_u64(&info, "absent", &v), -ENOENT);
	assert_true(v == 77);
	assert_string_equal(vmcoreinfo_find(&info, "A"), "");
}

static void test_garbage(void **state)
{
	static const char text[] = "no equals\n=no key\nbad\x01key=1\nkey=bad\xffvalue\n\n\n"
				   "OSRELEASE=first\nOSRELEASE=second\nKEY=a=b\nlast=without newline";
	struct vmcoreinfo info = { .n = 99 };
	char noise[4096];

	/* The note's descriptor has no NUL of its own: nothing past the given size counts. */
	assert_int_equal(vmcoreinfo_parse(&arena, text, sizeof(text) - 1 - 8, &info), 0);
	assert_int_equal(info.n, 4);
	assert_string_equal(vmcoreinfo_find(&info, "OSRELEASE"), "first");
	assert_string_equal(vmcoreinfo_find(&info, "KEY"), "a=b");
	assert_string_equal(vmcoreinfo_find(&info, "last"), "without");

	info.n = 99;
	assert_int_equal(vmcoreinfo_parse(&arena, "", 0, &info), -ENOENT);
	memset(noise, 0, sizeof(noise));
	assert_int_equal(vmcoreinfo_parse(&arena, noise, sizeof(noise), &info), -ENOENT);
	memset(noise, '=', sizeof(noise));
	assert_int_equal(vmcoreinfo_parse(&arena, noise, sizeof(noise), &info), -ENOENT);
	memset(noise, '\n', sizeof(noise));
	assert_int_equal(vmcoreinfo_parse(&arena, noise, sizeof(noise), &info), -ENOENT);
	assert_int_equal(info.n, 99);
}

/* Text after the first NUL is what an earlier, longer text left there. */
static void test_ends_at_nul(void **state)
{
	static const char text[] = "A=1\n\0B=2\n";
	struct vmcoreinfo info;

	assert_int_equal(vmcoreinfo_parse(&arena, text, sizeof(text), &info), 0);
	assert_non_null(vmcoreinfo_find(&info, "A"));
	assert_null(vmcoreinfo_find(&info, "B"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_kinds, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_number, setup, teardown),
		cmocka_unit_test_setup_teardown(test_garbage, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ends_at_nul, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
