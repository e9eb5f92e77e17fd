// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "source/vmcore_regs.h"

#define NOTE (12 + 8 + 336)

/* A crash note with register slot i (order of user_regs_struct) holding 0x1000 + i. */
static void note_make(uint8_t note[NOTE])
{
	static const uint32_t header[] = { 5, 336, 1 };
	uint32_t pid = 4711;

	memset(note, 0, NOTE);
	memcpy(note, header, sizeof(header));
	memcpy(note + 12, "CORE", 5);
	memcpy(note + 20 + 32, &pid, 4);
	for (uint64_t i = 0; i < 27; i++) {
		uint64_t v = 0x1000 + i;

		memcpy(note + 20 + 112 + i * 8, &v, 8);
	}
}

static void test_whole(void **state)
{
	struct regs regs;
	uint8_t note[NOTE];
	uint32_t pid;

	note_make(note);
	assert_int_equal(crash_note_parse(note, sizeof(note), &regs, &pid), 0);
	assert_int_equal(pid, 4711);
	assert_int_equal(regs.v[REG_X86_R15], 0x1000);
	assert_int_equal(regs.v[REG_X86_RBP], 0x1004);
	assert_int_equal(regs.v[REG_X86_RBX], 0x1005);
	assert_int_equal(regs.v[REG_X86_RDI], 0x100e);
	assert_int_equal(regs.v[REG_IP], 0x1010); /* behind orig_rax */
	assert_int_equal(regs.v[REG_X86_CS], 0x1011);
	assert_int_equal(regs.v[REG_FLAGS], 0x1012);
	assert_int_equal(regs.v[REG_SP], 0x1013);
	assert_int_equal(regs.v[REG_X86_SS], 0x1014);
}

static void test_empty(void **state)
{
	uint8_t note[NOTE] = { 0 };
	struct regs regs = { .known = 42 };
	uint32_t pid = 7;

	assert_int_equal(crash_note_parse(note, sizeof(note), &regs, &pid), -ENOENT);
	/* A header without registers: the CPU began to save and never came to it. */
	note_make(note);
	memset(note + 20 + 112, 0, 27 * 8);
	assert_int_equal(crash_note_parse(note, sizeof(note), &regs, &pid), -ENOENT);
	assert_int_equal(regs.known, 42);
	assert_int_equal(pid, 7);
}

static void test_damaged(void **state)
{
	struct regs regs;
	uint8_t note[NOTE];
	uint32_t pid;

	for (size_t size = 0; size < NOTE; size++) {
		note_make(note);
		assert_int_equal(crash_note_parse(note, size, &regs, &pid), -EBADMSG);
	}
	for (size_t i = 0; i < 17; i++) {
		note_make(note);
		note[i] ^= 0x40;
		assert_int_equal(crash_note_parse(note, NOTE, &regs, &pid), -EBADMSG);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole),
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_damaged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
