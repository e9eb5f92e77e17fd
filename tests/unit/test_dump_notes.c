// SPDX-License-Identifier: GPL-2.0-or-later
/* Notes of ELF cores and kdump-compressed files: what is in them, and what is wrong with them. */
#include <elf.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dump_fixture.h"

#define KERNEL_GS 0xffff888003c00000ULL
#define KERNEL_GS_57 0xff11000003c40000ULL /* with 5-level page tables */
#define USER_GS 0x7f0000001000ULL

struct opened {
	struct fixture f;
	struct buf image;
	struct msgs msgs;
	struct dump *dump;
};

/* A dump whose notes are those in @notes, and no others; takes @notes over. */
static void open_notes(struct opened *o, struct buf notes, bool elf)
{
	o->f = fixture_default();
	buf_done(&o->f.notes);
	o->f.notes = notes;
	if (elf)
		fixture_elf(&o->f, &o->image);
	else
		fixture_kdump(&o->f, &o->image);
	msgs_init(&o->msgs);
	assert_int_equal(fixture_open(&o->image, o->image.n, &o->msgs, &o->dump), 0);
}

static void close_notes(struct opened *o)
{
	dump_free(o->dump);
	msgs_done(&o->msgs);
	buf_done(&o->image);
	fixture_done(&o->f);
}

/* QEMU writes all NT_PRSTATUS first, then all of its own, in the same order. */
static void test_qemu(void **state)
{
	for (int elf = 0; elf < 2; elf++) {
		struct buf notes = { 0 };
		const struct dump_cpu *cpus;
		struct opened o;

		for (unsigned int i = 0; i < 4; i++)
			prstatus_put(&notes, i);
		qemu_put(&notes, KERNEL_GS, USER_GS, 0x1234000, 0xfffffe0000000000, 440);
		qemu_put(&notes, USER_GS, KERNEL_GS_57, 0x5678000, 0xfffffe0000000000, 440);
		qemu_put(&notes, USER_GS, KERNEL_GS, 0x9abc000, 0xfffffe0000000000, 432);
		open_notes(&o, notes, elf);
		assert_int_equal(o.msgs.n, 0);
		assert_int_equal(dump_info(o.dump)->n_cpus, 4);
		cpus = dump_info(o.dump)->cpus;
		assert_true(cpus[0].has_control && cpus[1].has_control && cpus[2].has_control);
		assert_int_equal(cpus[0].cr3, 0x1234000);
		assert_int_equal(cpus[1].cr3, 0x5678000);
		assert_int_equal(cpus[0].gs_base, KERNEL_GS);
		assert_int_equal(cpus[1].gs_base, KERNEL_GS_57);
		/* An old QEMU does not dump the other base, so this CPU was in user mode. */
		assert_int_equal(cpus[2].gs_base, 0);
		/* QEMU's pr_pid is no PID. */
		assert_int_equal(cpus[0].pid, 0);
		assert_false(cpus[3].has_control);
		assert_int_equal(cpus[3].regs.v[REG_IP], FIXTURE_REG(3, 16));
		close_notes(&o);
	}
}

static void test_qemu_odd(void **state)
{
	struct buf notes = { 0 };
	struct opened o;

	prstatus_put(&notes, 0);
	qemu_put(&notes, KERNEL_GS, 0, 0x1000, 0, 100);
	qemu_put(&notes, KERNEL_GS, 0, 0x1000, 0, 440);
	open_notes(&o, notes, false);
	assert_true(msgs_have(&o.msgs, "note 1: QEMU state of version 1, 100 bytes, is unknown"));
	assert_true(msgs_have(&o.msgs, "note 2: QEMU state without an NT_PRSTATUS note"));
	assert_false(dump_info(o.dump)->cpus[0].has_control);
	close_notes(&o);
}

static void test_foreign_notes(void **state)
{
	uint8_t junk[600];
	struct buf notes = { 0 };
	struct opened o;

	memset(junk, 0x5a, sizeof(junk));
	note_put(&notes, "LINUX", 0x202, junk, 513);
	note_put(&notes, "A name that is longer than all the names of interest", 1, junk, 4);
	note_put(&notes, "", 7, junk, 0);
	note_put(&notes, "CORE", NT_PRPSINFO, junk, 136);
	note_put(&notes, "COREX", NT_PRSTATUS, junk, 336);
	prstatus_put(&notes, 5);
	open_notes(&o, notes, true);
	assert_int_equal(o.msgs.n, 0);
	assert_int_equal(dump_info(o.dump)->n_cpus, 1);
	assert_int_equal(dump_info(o.dump)->cpus[0].regs.v[REG_SP], FIXTURE_REG(5, 19));
	close_notes(&o);
}

/* A note of another size keeps its place among the CPUs, without registers. */
static void test_short_prstatus(void **state)
{
	uint8_t desc[144] = { 1 };
	struct buf notes = { 0 };
	struct opened o;

	prstatus_put(&notes, 0);
	note_put(&notes, "CORE", NT_PRSTATUS, desc, sizeof(desc));
	prstatus_put(&notes, 2);
	open_notes(&o, notes, false);
	assert_true(msgs_have(&o.msgs, "note 1: NT_PRSTATUS of 144 bytes where x86-64 has 336"));
	assert_int_equal(dump_info(o.dump)->n_cpus, 3);
	assert_int_equal(dump_info(o.dump)->cpus[1].regs.known, 0);
	assert_int_equal(dump_info(o.dump)->cpus[2].pid, 102);
	close_notes(&o);
}

static void test_descriptor_passes_end(void **state)
{
	static const size_t cuts[] = { 1, 4, 100, 336 };

	for (size_t i = 0; i < sizeof(cuts) / sizeof(*cuts); i++) {
		struct buf notes = { 0 };
		struct opened o;

		prstatus_put(&notes, 0);
		prstatus_put(&notes, 1);
		notes.n -= cuts[i];
		open_notes(&o, notes, false);
		assert_true(msgs_have(&o.msgs, ": note 1: descriptor of 336 bytes passes the end of"
					       " the segment"));
		assert_int_equal(dump_info(o.dump)->n_cpus, 1);
		close_notes(&o);
	}
}

static void test_name_passes_end(void **state)
{
	struct buf notes = { 0 };
	struct opened o;

	prstatus_put(&notes, 0);
	buf_u32(&notes, 0xfffffffe);
	buf_u32(&notes, 0xfffffffe);
	buf_u32(&notes, 1);
	open_notes(&o, notes, false);
	assert_true(msgs_have(&o.msgs, "note 1: name of 4294967294 bytes passes the end"));
	assert_int_equal(dump_info(o.dump)->n_cpus, 1);
	close_notes(&o);
}

/* All-zero headers are notes of 12 bytes; a segment of nothing else ends by itself. */
static void test_zero_notes(void **state)
{
	struct buf notes = { 0 };
	struct opened o;

	buf_zeros(&notes, 4000);
	open_notes(&o, notes, false);
	assert_int_equal(dump_info(o.dump)->n_cpus, 0);
	close_notes(&o);
}

static void test_vmcoreinfo_padding(void **state)
{
	static const char text[16] = "CRASHTIME=1\n";
	struct buf notes = { 0 };
	struct fixture f = fixture_default();
	struct dump *dump;
	struct buf image;
	struct msgs msgs;

	/* The kernel's note is a whole page, the text and then NULs. */
	note_put(&notes, "VMCOREINFO", 0, text, sizeof(text));
	buf_done(&f.notes);
	f.notes = notes;
	f.vmcoreinfo = NULL;
	fixture_elf(&f, &image);
	msgs_init(&msgs);
	assert_int_equal(fixture_open(&image, image.n, &msgs, &dump), 0);
	assert_string_equal(dump_info(dump)->vmcoreinfo, text);
	assert_int_equal(dump_info(dump)->vmcoreinfo_size, 12);
	dump_free(dump);
	msgs_done(&msgs);
	buf_done(&image);
	fixture_done(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_qemu),
		cmocka_unit_test(test_qemu_odd),
		cmocka_unit_test(test_foreign_notes),
		cmocka_unit_test(test_short_prstatus),
		cmocka_unit_test(test_descriptor_passes_end),
		cmocka_unit_test(test_name_passes_end),
		cmocka_unit_test(test_zero_notes),
		cmocka_unit_test(test_vmcoreinfo_padding),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
