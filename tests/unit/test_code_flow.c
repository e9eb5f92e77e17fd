// SPDX-License-Identifier: GPL-2.0-or-later
/* Functions in machine code; what the stack looks like at their instructions is known by hand. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kernel/code_flow.h"

#define START 0xffffffff81000000ULL

#define RULE(code, offset, ret) \
	code_flow_rule_of((code), sizeof(code), START, START + (offset), (ret))

static void assert_rule(const uint8_t *code, size_t size, uint64_t offset, int sp_reg,
			int sp_offset, int bp_offset)
{
	struct orc_entry e;

	assert_int_equal(code_flow_rule_of(code, size, START, START + offset, &e), 0);
	assert_int_equal(e.type, ORC_TYPE_CALL);
	assert_int_equal(e.sp_reg, sp_reg);
	assert_int_equal(e.sp_offset, sp_offset);
	assert_int_equal(e.bp_reg, bp_offset ? ORC_REG_PREV_SP : ORC_REG_UNDEFINED);
	assert_int_equal(e.bp_offset, bp_offset);
	assert_false(e.signal);
}
#define RULE_IS(code, offset, ...) assert_rule((code), sizeof(code), (offset), __VA_ARGS__)

static void test_push_and_sub(void **state)
{
	static const uint8_t code[] = {
		0x41, 0x54,			/* 00 push %r12 */
		0x55,				/* 02 push %rbp */
		0x53,				/* 03 push %rbx */
		0x48, 0x83, 0xec, 0x10,		/* 04 sub $0x10,%rsp */
		0xe8, 0x00, 0x01, 0x00, 0x00,	/* 08 call */
		0x9c,				/* 0d pushf */
		0x8f, 0x44, 0x24, 0x08,		/* 0e pop 0x8(%rsp) */
		0x48, 0x83, 0xc4, 0x10,		/* 12 add $0x10,%rsp */
		0x5b,				/* 16 pop %rbx */
		0x5d,				/* 17 pop %rbp */
		0x41, 0x5c,			/* 18 pop %r12 */
		0xc3,				/* 1a ret */
	};

	RULE_IS(code, 0x00, ORC_REG_SP, 8, 0);
	RULE_IS(code, 0x02, ORC_REG_SP, 16, 0);
	RULE_IS(code, 0x03, ORC_REG_SP, 24, -24);
	RULE_IS(code, 0x04, ORC_REG_SP, 32, -24);
	RULE_IS(code, 0x08, ORC_REG_SP, 48, -24);
	RULE_IS(code, 0x0c, ORC_REG_SP, 48, -24); /* inside the call: a return address less one */
	RULE_IS(code, 0x0e, ORC_REG_SP, 56, -24);
	RULE_IS(code, 0x12, ORC_REG_SP, 48, -24);
	RULE_IS(code, 0x17, ORC_REG_SP, 24, -24);
	RULE_IS(code, 0x18, ORC_REG_SP, 16, 0);
	RULE_IS(code, 0x1a, ORC_REG_SP, 8, 0);
}

static void test_frame_pointer(void **state)
{
	static const uint8_t code[] = {
		0x55,				/* 00 push %rbp */
		0x48, 0x89, 0xe5,		/* 01 mov %rsp,%rbp */
		0x41, 0x57,			/* 04 push %r15 */
		0x48, 0x83, 0xe4, 0xf0,		/* 06 and $~15,%rsp */
		0x48, 0x83, 0xec, 0x20,		/* 0a sub $0x20,%rsp */
		0x90,				/* 0e nop */
		0x48, 0x8d, 0x65, 0xf8,		/* 0f lea -0x8(%rbp),%rsp */
		0x41, 0x5f,			/* 13 pop %r15 */
		0x5d,				/* 15 pop %rbp */
		0xc3,				/* 16 ret */
	};
	static const uint8_t leave[] = {
		0x55, 0x48, 0x89, 0xe5,		/* 00 push %rbp; mov %rsp,%rbp */
		0x48, 0x29, 0xc4,		/* 04 sub %rax,%rsp */
		0x90,				/* 07 nop */
		0xc9,				/* 08 leave */
		0xc3,				/* 09 ret */
	};

	RULE_IS(code, 0x01, ORC_REG_SP, 16, -16);
	RULE_IS(code, 0x04, ORC_REG_BP, 16, -16);
	RULE_IS(code, 0x0e, ORC_REG_BP, 16, -16);
	RULE_IS(code, 0x15, ORC_REG_BP, 16, -16);
	RULE_IS(code, 0x16, ORC_REG_SP, 8, 0);
	RULE_IS(leave, 0x07, ORC_REG_BP, 16, -16);
	RULE_IS(leave, 0x09, ORC_REG_SP, 8, 0);
}

/* The shape of __crash_kexec(): an epilogue in the middle, and code after it that is jumped to. */
static void test_epilogue_in_the_middle(void **state)
{
	static const uint8_t code[] = {
		0x53,				  /* 00 push %rbx */
		0x48, 0x81, 0xec, 0xb0, 0, 0, 0,  /* 01 sub $0xb0,%rsp */
		0x85, 0xc0,			  /* 08 test %eax,%eax */
		0x74, 0x09,			  /* 0a je 15 */
		0x48, 0x81, 0xc4, 0xb0, 0, 0, 0,  /* 0c add $0xb0,%rsp */
		0x5b,				  /* 13 pop %rbx */
		0xc3,				  /* 14 ret */
		0x48, 0x8d, 0x05, 0, 0, 0, 0,	  /* 15 lea 0(%rip),%rax */
		0x90,				  /* 1c nop */
		0xeb, 0xed,			  /* 1d jmp 0c */
	};

	RULE_IS(code, 0x0c, ORC_REG_SP, 0xc0, 0);
	RULE_IS(code, 0x14, ORC_REG_SP, 8, 0);
	RULE_IS(code, 0x1c, ORC_REG_SP, 0xc0, 0);
}

/* Two ways with different depths: one of them is none, and who knows which. */
static void test_conflict(void **state)
{
	static const uint8_t code[] = {
		0x85, 0xc0,		/* 00 test %eax,%eax */
		0x74, 0x06,		/* 02 je 0a */
		0x53,			/* 04 push %rbx */
		0xe8, 0, 1, 0, 0,	/* 05 call: does not return, but that cannot be seen */
		0x90,			/* 0a nop */
		0x90,			/* 0b nop */
		0xc3,			/* 0c ret */
	};
	struct orc_entry e;

	RULE_IS(code, 0x05, ORC_REG_SP, 16, 0);
	assert_int_equal(RULE(code, 0x0a, &e), -ENOENT);
	assert_int_equal(RULE(code, 0x0b, &e), -ENOENT);
	assert_int_equal(RULE(code, 0x0c, &e), -ENOENT);
}

static void test_not_reached(void **state)
{
	static const uint8_t code[] = {
		0x53,			/* 00 push %rbx */
		0xff, 0xe0,		/* 01 jmp *%rax */
		0x90,			/* 03 nop: the case of a switch, perhaps */
		0xc3,			/* 04 ret */
		0x48, 0x89, 0xc4,	/* 05 … */
	};
	static const uint8_t other_stack[] = {
		0x48, 0x89, 0xc4,	/* 00 mov %rax,%rsp */
		0x90,			/* 03 nop */
	};
	static const uint8_t bp_used[] = {
		0x48, 0x31, 0xed,	/* 00 xor %rbp,%rbp without saving it */
		0x90,			/* 03 nop */
	};
	static const uint8_t too_much[] = {
		0x5b, 0x5b, 0x90,	/* pops more than was pushed */
	};
	struct orc_entry e;

	assert_int_equal(RULE(code, 0x03, &e), -ENOENT);
	assert_int_equal(RULE(code, sizeof(code), &e), -ENOENT);
	assert_int_equal(code_flow_rule_of(code, sizeof(code), START, START - 1, &e), -ENOENT);
	assert_int_equal(RULE(other_stack, 0x03, &e), -ENOENT);
	assert_int_equal(RULE(bp_used, 0x03, &e), -ENOENT);
	assert_int_equal(RULE(too_much, 0x02, &e), -ENOENT);
}

static void test_random_bytes(void **state)
{
	uint8_t code[256];
	uint64_t s = 1;

	for (unsigned int i = 0; i < 2000; i++) {
		struct orc_entry e;

		for (size_t k = 0; k < sizeof(code); k++) {
			s = s * 6364136223846793005ULL + 1442695040888963407ULL;
			code[k] = s >> 56;
			if ((s >> 40 & 3) == 0) /* more of what moves the stack pointer */
				code[k] = "\x53\x55\x5b\x5d\x74\xeb\xc9\x48"[s >> 50 & 7];
		}
		if (RULE(code, s >> 33 & 255, &e) == 0) {
			assert_true(e.sp_offset >= 8);
			assert_int_equal(e.type, ORC_TYPE_CALL);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_push_and_sub),
		cmocka_unit_test(test_frame_pointer),
		cmocka_unit_test(test_epilogue_in_the_middle),
		cmocka_unit_test(test_conflict),
		cmocka_unit_test(test_not_reached),
		cmocka_unit_test(test_random_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
