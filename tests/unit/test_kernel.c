// SPDX-License-Identifier: GPL-2.0-or-later
/* kernel_open() on a kernel of a few symbols, made in memory and described by a System.map. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "fake_pgtable.h"
#include "kernel/internal.h"

/* Linked at 0xffffffff81000000, moved by KASLR, 16 MiB at 0x2000000. */
#define KASLR 0xba00000ULL
#define IMAGE_VA (0xffffffff81000000ULL + KASLR)
#define IMAGE_PA 0x2000000ULL
#define PERCPU_VA 0xffff888010000000ULL
#define PERCPU_PA 0x10000000ULL

/* Offsets in the image. */
enum {
	BANNER = 0x3000,
	NOTES = 0x4000,
	UTS = 0x5000,
	NR_CPU_IDS = 0x6000,
	PER_CPU_OFFSET = 0x6100,
	ONLINE = 0x7000,
	POSSIBLE = 0x7100,
	VMCOREINFO_DATA = 0x8000,
	VMCOREINFO_NOTE = 0x8008,
	TEXT_OF_VMCOREINFO = 0x9000,
	PGD = 0xa000,
};

struct fixture {
	struct dump dump;
	struct msgs msgs;
	struct kernel *kernel;
	char map_path[64];
	struct kernel_options options;
};

static const char map[] = "0000000000000000 D __per_cpu_start\n"
			  "0000000000012340 D runqueues\n"
			  "ffffffff81000000 T _text\n"
			  "ffffffff81000000 T _stext\n"
			  "ffffffff81002000 T _etext\n"
			  "ffffffff81003000 R linux_banner\n"
			  "ffffffff81004000 R __start_notes\n"
			  "ffffffff81004100 R __stop_notes\n"
			  "ffffffff81005000 D init_uts_ns\n"
			  "ffffffff81006000 D nr_cpu_ids\n"
			  "ffffffff81006100 D __per_cpu_offset\n"
			  "ffffffff81007000 D __cpu_online_mask\n"
			  "ffffffff81007100 D __cpu_possible_mask\n"
			  "ffffffff81007200 D __cpu_present_mask\n"
			  "ffffffff81008000 D vmcoreinfo_data\n"
			  "ffffffff81008008 D vmcoreinfo_note\n"
			  "ffffffff8100a000 D init_top_pgt\n"
			  "ffffffff82000000 B _end\n";

static void image_write(struct fixture *f, uint64_t offset, const void *data, size_t size)
{
	fake_write(&f->dump, IMAGE_PA + offset, data, size);
}

static void uts_write(struct fixture *f, uint64_t offset)
{
	char uts[5][65] = { "Linux", "host", "6.1.0-56-amd64", "#1 SMP Debian", "x86_64" };

	image_write(f, UTS + offset, uts, sizeof(uts));
}

static void map_write(struct fixture *f, const char *text)
{
	FILE *file = fopen(f->map_path, "w");

	assert_non_null(file);
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
}

static int setup(void **state)
{
	static const uint8_t zeros[0x10000];
	/* ELF notes: some other first, then NT_GNU_BUILD_ID. */
	static const uint32_t notes[] = { 4, 4,	 1, 0x554e47, 0, 4, 8, 3, 0x554e47,
					  0xd0bc4feb, 0x3725e737 };
	struct fixture *f = calloc(1, sizeof(*f));
	struct fake_pgtable t = { .dump = &f->dump, .top = IMAGE_PA + PGD,
				  .next = IMAGE_PA + PGD + 0x1000 };
	uint64_t v;

	image_write(f, 0, zeros, sizeof(zeros));
	for (uint64_t at = 0; at < 16 << 20; at += 2 << 20)
		fake_map(&t, IMAGE_VA + at, IMAGE_PA + at, 21);
	fake_map(&t, PERCPU_VA, PERCPU_PA, 21);
	image_write(f, BANNER, "Linux version 6.1.0-56-amd64 (x)", 33);
	image_write(f, NOTES, notes, sizeof(notes));
	uts_write(f, 0);
	v = 3;
	image_write(f, NR_CPU_IDS, &v, 4);
	for (uint64_t cpu = 0; cpu < 3; cpu++) {
		v = PERCPU_VA + cpu * 0x40000;
		image_write(f, PER_CPU_OFFSET + cpu * 8, &v, 8);
	}
	/* CPU 1 is offline; bits past nr_cpu_ids are no CPUs. */
	v = 0xf5;
	image_write(f, ONLINE, &v, 8);
	v = 0xf7;
	image_write(f, POSSIBLE, &v, 8);
	f->dump.info.cpus = f->dump.cpus;
	f->dump.info.n_cpus = 1;
	f->dump.cpus[0].has_control = true;
	f->dump.cpus[0].cr3 = IMAGE_PA + PGD;
	msgs_init(&f->msgs);
	strcpy(f->map_path, "/tmp/holdup-test-XXXXXX");
	if (close(mkstemp(f->map_path)) < 0)
		return -1;
	map_write(f, map);
	f->options.system_map = f->map_path;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	kernel_free(f->kernel);
	msgs_done(&f->msgs);
	fake_done(&f->dump);
	unlink(f->map_path);
	free(f);
	return 0;
}

/* An ELF note in the image at @offset, with @size as the length of its text. */
static void note_write(struct fixture *f, uint64_t offset, const char *text, uint32_t size)
{
	const uint32_t header[3] = { 11, size, 0 };

	image_write(f, offset, header, sizeof(header));
	image_write(f, offset + 12, "VMCOREINFO", 11);
	image_write(f, offset + 24, text, strlen(text));
}

static void pointer_write(struct fixture *f, uint64_t offset, uint64_t target)
{
	image_write(f, offset, &target, sizeof(target));
}

static bool said(const struct fixture *f, const char *what)
{
	for (size_t i = 0; i < f->msgs.n; i++)
		if (strstr(f->msgs.lines[i], what))
			return true;
	return false;
}

static void open_kernel(struct fixture *f)
{
	assert_int_equal(kernel_open(&f->msgs, &f->dump, &f->options, &f->kernel), 0);
}

static void test_open(void **state)
{
	struct fixture *f = *state;
	uint64_t va;

	open_kernel(f);
	assert_string_equal(f->kernel->release, "6.1.0-56-amd64");
	assert_string_equal(f->kernel->version, "#1 SMP Debian");
	assert_string_equal(f->kernel->nodename, "host");
	assert_string_equal(f->kernel->machine, "x86_64");
	assert_string_equal(f->kernel->build_id, "eb4fbcd037e72537");
	assert_true(f->kernel->kaslr_offset == KASLR);
	assert_true(f->kernel->phys_base == IMAGE_PA - (IMAGE_VA - KERNEL_MAP_START));
	assert_null(f->kernel->vmcoreinfo);
	assert_int_equal(kernel_symbol(f->kernel, "linux_banner", &va), 0);
	assert_true(va == IMAGE_VA + BANNER);
}

static void test_percpu(void **state)
{
	struct fixture *f = *state;
	uint64_t va = 4711;

	open_kernel(f);
	assert_int_equal(f->kernel->nr_cpu_ids, 3);
	assert_true(kernel_cpu_online(f->kernel, 0));
	assert_false(kernel_cpu_online(f->kernel, 1));
	assert_true(kernel_cpu_online(f->kernel, 2));
	assert_false(kernel_cpu_online(f->kernel, 3));
	assert_true(f->kernel->cpu_possible[0] == 7);
	assert_int_equal(kernel_percpu(f->kernel, "runqueues", 3, &va), -ERANGE);
	assert_int_equal(kernel_percpu(f->kernel, "no_such", 2, &va), -ENOENT);
	assert_true(va == 4711);
	assert_int_equal(kernel_percpu(f->kernel, "runqueues", 2, &va), 0);
	assert_true(va == PERCPU_VA + 0x80000 + 0x12340);
}

/* Numbers of CPUs that no kernel has. */
static void test_percpu_garbage(void **state)
{
	static const uint32_t numbers[] = { 0, 65537, UINT32_MAX };
	struct fixture *f = *state;
	uint64_t va;

	for (size_t i = 0; i < 3; i++) {
		image_write(f, NR_CPU_IDS, &numbers[i], 4);
		open_kernel(f);
		assert_int_equal(f->kernel->nr_cpu_ids, 0);
		assert_int_equal(kernel_percpu(f->kernel, "runqueues", 0, &va), -ERANGE);
		assert_false(kernel_cpu_online(f->kernel, 0));
		assert_true(said(f, "nr_cpu_ids"));
		kernel_free(f->kernel);
		f->kernel = NULL;
	}
}

/* CONFIG_FORCE_NR_CPUS: no such variable; the highest possible CPU tells. */
static void test_percpu_no_nr(void **state)
{
	struct fixture *f = *state;
	char text[sizeof(map)];
	uint64_t v = 5; /* CPUs 0 and 2 */

	strcpy(text, map);
	memcpy(strstr(text, "nr_cpu_ids"), "other_name", 10);
	map_write(f, text);
	image_write(f, POSSIBLE, &v, 8);
	open_kernel(f);
	assert_int_equal(f->kernel->nr_cpu_ids, 3);
	assert_int_equal(kernel_percpu(f->kernel, "runqueues", 1, &v), -ERANGE);
}

/* struct uts_namespace with its kref first. */
static void test_uts_old(void **state)
{
	struct fixture *f = *state;
	char zeros[512] = "";

	image_write(f, UTS, zeros, sizeof(zeros));
	uts_write(f, 4);
	open_kernel(f);
	assert_string_equal(f->kernel->release, "6.1.0-56-amd64");
	assert_string_equal(f->kernel->nodename, "host");
}

/* No utsname in memory: the dump's header, with what is not text made harmless. */
static void test_uts_from_header(void **state)
{
	struct fixture *f = *state;
	char zeros[512] = "";

	image_write(f, UTS, zeros, sizeof(zeros));
	strcpy(f->dump.info.release, "6.1.0\x1b[31m");
	open_kernel(f);
	assert_string_equal(f->kernel->release, "6.1.0?[31m");
	assert_string_equal(f->kernel->nodename, "");
}

static void test_notes_garbage(void **state)
{
	static const uint32_t all_ones[] = { UINT32_MAX, UINT32_MAX, 3, 0x554e47 };
	static const uint32_t long_id[] = { 4, 200, 3, 0x554e47 };
	struct fixture *f = *state;

	image_write(f, NOTES, all_ones, sizeof(all_ones));
	open_kernel(f);
	assert_string_equal(f->kernel->build_id, "");
	kernel_free(f->kernel);
	image_write(f, NOTES, long_id, sizeof(long_id));
	open_kernel(f);
	assert_string_equal(f->kernel->build_id, "");
}

static const char vmcoreinfo_text[] = "OSRELEASE=6.1.0-56-amd64\nBUILD-ID=00112233\nNUMBER(x)=7\n";

static void assert_vmcoreinfo(struct fixture *f)
{
	open_kernel(f);
	assert_non_null(f->kernel->vmcoreinfo);
	assert_string_equal(vmcoreinfo_get(f->kernel, "NUMBER(x)"), "7");
	assert_string_equal(f->kernel->build_id, "00112233");
	assert_true(f->kernel->kaslr_offset == KASLR);
}

static void test_vmcoreinfo_note_in_memory(void **state)
{
	struct fixture *f = *state;

	note_write(f, TEXT_OF_VMCOREINFO, vmcoreinfo_text, sizeof(vmcoreinfo_text) - 1);
	pointer_write(f, VMCOREINFO_NOTE, IMAGE_VA + TEXT_OF_VMCOREINFO);
	assert_vmcoreinfo(f);
}

/* Before 4.13 the symbol is the buffer. */
static void test_vmcoreinfo_note_array(void **state)
{
	struct fixture *f = *state;

	note_write(f, VMCOREINFO_NOTE, vmcoreinfo_text, sizeof(vmcoreinfo_text) - 1);
	assert_vmcoreinfo(f);
}

static void test_vmcoreinfo_data_in_memory(void **state)
{
	struct fixture *f = *state;

	image_write(f, TEXT_OF_VMCOREINFO, vmcoreinfo_text, sizeof(vmcoreinfo_text));
	pointer_write(f, VMCOREINFO_DATA, IMAGE_VA + TEXT_OF_VMCOREINFO);
	assert_vmcoreinfo(f);
}

static void test_vmcoreinfo_in_memory_garbage(void **state)
{
	static const uint32_t sizes[] = { 0, 1, 65537, UINT32_MAX };
	static const uint64_t pointers[] = { 0, 1, UINT64_MAX, UINT64_MAX - 20, IMAGE_VA,
					     0xffff900000000000, 0x1234567800000000 };
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		note_write(f, TEXT_OF_VMCOREINFO, vmcoreinfo_text, sizes[i]);
		pointer_write(f, VMCOREINFO_NOTE, IMAGE_VA + TEXT_OF_VMCOREINFO);
		open_kernel(f);
		assert_null(f->kernel->vmcoreinfo);
		kernel_free(f->kernel);
		f->kernel = NULL;
	}
	for (size_t i = 0; i < sizeof(pointers) / sizeof(pointers[0]); i++) {
		pointer_write(f, VMCOREINFO_NOTE, pointers[i]);
		pointer_write(f, VMCOREINFO_DATA, pointers[i]);
		open_kernel(f);
		assert_null(f->kernel->vmcoreinfo);
		kernel_free(f->kernel);
		f->kernel = NULL;
	}
}

/* The map of another build: no banner where it says. */
static void test_map_of_another_build(void **state)
{
	struct fixture *f = *state;
	char text[sizeof(map)];

	strcpy(text, map);
	memcpy(strstr(text, "ffffffff81003000"), "ffffffff81003100", 16);
	map_write(f, text);
	open_kernel(f);
	assert_null(f->kernel->symbols);
	assert_true(said(f, "of another build"));
	assert_true(said(f, "ignoring it"));
	assert_true(said(f, f->map_path));
}

static void test_no_map(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(kernel_open(&f->msgs, &f->dump, NULL, &f->kernel), 0);
	assert_null(f->kernel->symbols);
	assert_true(said(f, "no symbols found"));
	assert_true(f->kernel->phys_base == IMAGE_PA - (IMAGE_VA - KERNEL_MAP_START));
}

static void test_bad_map_is_left_out(void **state)
{
	struct fixture *f = *state;

	map_write(f, "nonsense\n");
	open_kernel(f);
	assert_null(f->kernel->symbols);
	assert_true(said(f, "not usable as System.map, ignoring it"));
}

static void test_no_kernel(void **state)
{
	struct fixture *f = *state;
	static const uint8_t zeros[FAKE_PAGE];

	fake_write(&f->dump, IMAGE_PA + PGD, zeros, sizeof(zeros));
	assert_int_equal(kernel_open(&f->msgs, &f->dump, NULL, &f->kernel), -EINVAL);
	assert_null(f->kernel);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_open),
		TEST(test_percpu),
		TEST(test_percpu_garbage),
		TEST(test_percpu_no_nr),
		TEST(test_uts_old),
		TEST(test_uts_from_header),
		TEST(test_notes_garbage),
		TEST(test_vmcoreinfo_note_in_memory),
		TEST(test_vmcoreinfo_note_array),
		TEST(test_vmcoreinfo_data_in_memory),
		TEST(test_vmcoreinfo_in_memory_garbage),
		TEST(test_map_of_another_build),
		TEST(test_no_map),
		TEST(test_bad_map_is_left_out),
		TEST(test_no_kernel),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
