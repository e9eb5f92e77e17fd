// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Stacks laid out by hand in a made-up kernel. Function number i is 0x100 bytes at FN(i); RET(i)
 * is the return address of a call in it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fake_unwind.h"
#include "kernel/stacks.h"
#include "kernel/unwind.h"

#define FN(i) (FU_TEXT + 0x100 * (uint64_t)(i))
#define RET(i) (FN(i) + 0x40)
#define TOP (FU_TASK_STACK + FU_STACK_SIZE)
#define IRQ_TOP (FU_IRQ_STACK + FU_STACK_SIZE)
#define NMI_TOP (fu_estack(1) + FU_ESTACK_SIZE)
#define END 63 /* number of the function that ends every stack */

static struct unwinder *unwinder;
static struct stack stack;

static void fn_orc(int i, const char *name, uint8_t sp_reg, int16_t sp_offset, uint8_t type)
{
	fu_symbol(name, FN(i), 0x100);
	fu_orc(FN(i), sp_reg, sp_offset, 0, 0, type);
	fu_call(RET(i), 0);
}

/* A function that has pushed (@sp_offset - 8) bytes below its return address. */
static void fn(int i, const char *name, int16_t sp_offset)
{
	fn_orc(i, name, ORC_REG_SP, sp_offset, ORC_TYPE_CALL);
}

static void setup(const char *release)
{
	fu_init(strcmp(release, "6.12.0") == 0 ? ORC_FORMAT_6_4 : ORC_FORMAT_4_18, release);
}

/* Functions must have been added in order of their number. */
static void ready(void)
{
	fn_orc(END, "ret_from_fork", 0, 0, ORC_TYPE_END_OF_STACK);
	fu_orc_write();
	assert_int_equal(unwinder_new(&fu.kernel, &unwinder), 0);
}

static void finish(void)
{
	unwinder_free(unwinder);
	fu_done();
}

static struct regs regs_at(uint64_t ip, uint64_t sp)
{
	struct regs regs = { 0 };

	for (unsigned int i = 0; i <= REG_X86_SS; i++)
		regs_set(&regs, i, 0x1000 + i);
	regs_set(&regs, REG_IP, ip);
	regs_set(&regs, REG_SP, sp);
	regs_set(&regs, REG_X86_CS, 0x10);
	return regs;
}

static void unwind_regs(const struct regs *regs)
{
	assert_int_equal(unwind_cpu(unwinder, &fu.arena, regs, 0, FU_TASK, &stack), 0);
}

static void unwind(uint64_t ip, uint64_t sp)
{
	struct regs regs = regs_at(ip, sp);

	unwind_regs(&regs);
}

static void assert_function(unsigned int i, const char *name)
{
	assert_true(i < stack.n);
	assert_non_null(stack.frames[i].function);
	assert_string_equal(stack.frames[i].function, name);
}

/* The names, innermost first, and nothing else. */
static void assert_stack(const char *const *names)
{
	uint32_t n;

	for (n = 0; names[n]; n++)
		assert_function(n, names[n]);
	assert_int_equal(stack.n, n);
}
#define STACK_IS(...) assert_stack((const char *const[]){ __VA_ARGS__, NULL })

static void put_pt_regs(uint64_t at, uint64_t ip, uint64_t sp, uint64_t cs)
{
	for (unsigned int i = 0; i < PT_REGS_WORDS; i++)
		fu_put64(at + 8 * i, 0xaa00 + i);
	fu_put64(at + 8 * 16, ip);
	fu_put64(at + 8 * 17, cs);
	fu_put64(at + 8 * 18, 0x246);
	fu_put64(at + 8 * 19, sp);
	fu_put64(at + 8 * 20, 0x18);
}

/* Below: @sp is where the frame of function END begins. */
static void put_end(uint64_t slot)
{
	fu_put64(slot, RET(END));
}

/* --- calls --- */

static void test_calls(void **state)
{
	setup("6.12.0");
	fn(1, "inner", 8);
	fn(2, "middle", 32);
	fn(3, "outer", 16);
	ready();
	fu_put64(TOP - 0x100, RET(2));
	fu_put64(TOP - 0x100 + 8 + 24, RET(3));
	put_end(TOP - 0x100 + 8 + 32 + 8);
	unwind(FN(1) + 0x10, TOP - 0x100);
	STACK_IS("inner", "middle", "outer", "ret_from_fork");
	assert_null(stack.stopped);
	assert_int_equal(stack.frames[0].address, FN(1) + 0x10);
	assert_int_equal(stack.frames[0].offset, 0x10);
	assert_int_equal(stack.frames[0].size, 0x100);
	assert_true(stack.frames[0].interrupted);
	assert_non_null(stack.frames[0].regs);
	assert_int_equal(stack.frames[0].regs->v[REG_X86_R12], 0x1000 + REG_X86_R12);
	assert_int_equal(stack.frames[1].address, RET(2));
	assert_int_equal(stack.frames[1].sp, TOP - 0x100 + 8);
	assert_false(stack.frames[1].interrupted);
	assert_null(stack.frames[1].regs);
	assert_int_equal(stack.frames[2].sp, TOP - 0x100 + 8 + 32);
	for (uint32_t i = 0; i < stack.n; i++) {
		assert_true(stack.frames[i].reliable);
		assert_int_equal(stack.frames[i].context, CONTEXT_TASK);
	}
	finish();
}

/* A call of a function that does not return may be the last instruction: the next one is another's. */
static void test_return_address_past_the_function(void **state)
{
	setup("6.12.0");
	fn(1, "inner", 8);
	fn(2, "calls_panic", 8);
	fn(3, "neighbour", 64);
	ready();
	fu_put64(TOP - 0x40, FN(3)); /* right after calls_panic() */
	put_end(TOP - 0x38);
	unwind(FN(1), TOP - 0x40);
	STACK_IS("inner", "calls_panic", "ret_from_fork");
	assert_int_equal(stack.frames[1].offset, 0x100);
	finish();
}

/* The first instruction of a function: an exact address is not taken back by one. */
static void test_interrupted_at_first_instruction(void **state)
{
	setup("6.12.0");
	fn(1, "before", 64);
	fn(2, "struck", 8);
	ready();
	put_end(TOP - 0x40);
	unwind(FN(2), TOP - 0x40);
	STACK_IS("struck", "ret_from_fork");
	finish();
}

/* --- base registers --- */

static void test_bp(void **state)
{
	setup("6.12.0");
	fn(1, "saves_bp", 24);
	fu.orcs[0].bp_reg = ORC_REG_PREV_SP;
	fu.orcs[0].bp_offset = -16;
	fn_orc(2, "bp_based", ORC_REG_BP, 16, ORC_TYPE_CALL);
	fu.orcs[1].bp_reg = ORC_REG_PREV_SP;
	fu.orcs[1].bp_offset = -16;
	fn_orc(3, "bp_of_caller", ORC_REG_BP, 16, ORC_TYPE_CALL);
	fu.orcs[2].bp_reg = ORC_REG_BP; /* saved at BP + offset */
	fu.orcs[2].bp_offset = 0;
	fn_orc(4, "bp_again", ORC_REG_BP, 16, ORC_TYPE_CALL);
	ready();
	fu_put64(TOP - 0x200 + 8, TOP - 0x180);
	fu_put64(TOP - 0x200 + 16, RET(2));
	fu_put64(TOP - 0x180, TOP - 0x100);
	fu_put64(TOP - 0x180 + 8, RET(3));
	fu_put64(TOP - 0x100, TOP - 0x80);
	fu_put64(TOP - 0x100 + 8, RET(4));
	put_end(TOP - 0x80 + 8);
	unwind(FN(1) + 1, TOP - 0x200);
	STACK_IS("saves_bp", "bp_based", "bp_of_caller", "bp_again", "ret_from_fork");
	assert_null(stack.stopped);
	finish();
}

/* The innermost function's base is a register that only whole register sets have. */
static void test_other_registers(void **state)
{
	static const struct {
		uint8_t orc;
		unsigned int reg;
	} cases[] = {
		{ ORC_REG_R10, REG_X86_R10 }, { ORC_REG_R13, REG_X86_R13 },
		{ ORC_REG_DI, REG_X86_RDI },  { ORC_REG_DX, REG_X86_RDX },
	};

	for (size_t i = 0; i < 4; i++) {
		struct regs regs;

		setup("6.12.0");
		fn_orc(1, "realigned", cases[i].orc, 0, ORC_TYPE_CALL);
		fn(2, "caller", 8);
		ready();
		fu_put64(TOP - 0x108, RET(2));
		put_end(TOP - 0x100);
		regs = regs_at(FN(1) + 8, TOP - 0x200);
		regs_set(&regs, cases[i].reg, TOP - 0x100);
		unwind_regs(&regs);
		STACK_IS("realigned", "caller", "ret_from_fork");
		assert_true(stack.frames[1].reliable);
		/* Without the register there is only a guess. */
		regs.known &= ~(1ULL << cases[i].reg);
		unwind_regs(&regs);
		STACK_IS("realigned", "caller", "ret_from_fork");
		assert_false(stack.frames[1].reliable);
		finish();
	}
}

static void test_bp_indirect(void **state)
{
	struct regs regs;

	setup("6.12.0");
	fn_orc(1, "indirect", ORC_REG_BP_INDIRECT, -16, ORC_TYPE_CALL);
	ready();
	fu_put64(TOP - 0x110, TOP - 0x80);
	put_end(TOP - 0x88);
	regs = regs_at(FN(1) + 8, TOP - 0x200);
	regs_set(&regs, REG_X86_RBP, TOP - 0x100);
	unwind_regs(&regs);
	STACK_IS("indirect", "ret_from_fork");
	assert_int_equal(stack.frames[1].sp, TOP - 0x80);
	assert_true(stack.frames[1].reliable);
	assert_null(stack.stopped);
	finish();
}

/* Until 5.11 the offset was added before the value was read, since then after. */
static void test_sp_indirect(void **state)
{
	setup("5.10.0");
	fn_orc(1, "indirect", ORC_REG_SP_INDIRECT, 8, ORC_TYPE_CALL);
	ready();
	fu_put64(TOP - 0x200 + 8, TOP - 0x80);
	put_end(TOP - 0x88);
	unwind(FN(1) + 8, TOP - 0x200);
	STACK_IS("indirect", "ret_from_fork");
	assert_int_equal(stack.frames[1].sp, TOP - 0x80);
	assert_true(stack.frames[1].reliable);
	assert_null(stack.stopped);
	finish();

	setup("6.1.0");
	fn_orc(1, "indirect", ORC_REG_SP_INDIRECT, 8, ORC_TYPE_CALL);
	ready();
	fu_put64(TOP - 0x200, TOP - 0x88);
	put_end(TOP - 0x88);
	unwind(FN(1) + 8, TOP - 0x200);
	STACK_IS("indirect", "ret_from_fork");
	assert_int_equal(stack.frames[1].sp, TOP - 0x80);
	assert_true(stack.frames[1].reliable);
	assert_null(stack.stopped);
	finish();
}

/* --- saved registers and other stacks --- */

/* A timer interrupt on its own stack, over a task; as in 6.x. */
static void irq_over_task(void)
{
	setup("6.12.0");
	fn(1, "__crash_kexec_like", 8);
	fn_orc(2, "sysvec_apic_timer_interrupt", ORC_REG_SP_INDIRECT, 8, ORC_TYPE_CALL);
	fn_orc(3, "asm_sysvec_apic_timer_interrupt", ORC_REG_SP, 0, ORC_TYPE_REGS);
	fn(4, "worker", 16);
	fn(5, "outer", 8);
	ready();
	/* The interrupt stack: the old stack pointer in the last word, the call's return below. */
	fu_put64(IRQ_TOP - 8, TOP - 0x300);
	fu_put64(IRQ_TOP - 16, RET(2));
	/* sysvec_…() was called by the entry code, pt_regs lie above its return address. */
	fu_put64(TOP - 0x300, RET(3));
	put_pt_regs(TOP - 0x2f8, FN(4), TOP - 0x100, 0x10);
	fu_put64(TOP - 0x100 + 8, RET(5));
	put_end(TOP - 0x100 + 16);
}

static void test_interrupt(void **state)
{
	static const unsigned int order[] = {
		REG_X86_R15, REG_X86_R14, REG_X86_R13, REG_X86_R12, REG_X86_RBP, REG_X86_RBX,
		REG_X86_R11, REG_X86_R10, REG_X86_R9,  REG_X86_R8,  REG_X86_RAX, REG_X86_RCX,
		REG_X86_RDX, REG_X86_RSI, REG_X86_RDI,
	};
	const struct regs *regs;

	irq_over_task();
	unwind(FN(1) + 4, IRQ_TOP - 16);
	STACK_IS("__crash_kexec_like", "sysvec_apic_timer_interrupt",
		 "asm_sysvec_apic_timer_interrupt", "worker", "outer", "ret_from_fork");
	assert_null(stack.stopped);
	assert_int_equal(stack.frames[0].context, CONTEXT_IRQ);
	assert_int_equal(stack.frames[1].context, CONTEXT_IRQ);
	assert_int_equal(stack.frames[2].context, CONTEXT_IRQ);
	assert_int_equal(stack.frames[3].context, CONTEXT_TASK);
	assert_int_equal(stack.frames[4].context, CONTEXT_TASK);
	assert_true(stack.frames[3].interrupted);
	/* At the function's first byte, which a return address could not be. */
	assert_int_equal(stack.frames[3].address, FN(4));
	assert_int_equal(stack.frames[3].sp, TOP - 0x100);
	regs = stack.frames[3].regs;
	assert_non_null(regs);
	for (unsigned int i = 0; i < 15; i++) {
		assert_true(regs_has(regs, order[i]));
		assert_int_equal(regs->v[order[i]], 0xaa00 + i);
	}
	assert_int_equal(regs->v[REG_FLAGS], 0x246);
	assert_int_equal(regs->v[REG_X86_CS], 0x10);
	assert_int_equal(regs->v[REG_X86_SS], 0x18);
	finish();
}

static void test_user_mode(void **state)
{
	struct regs regs;

	irq_over_task();
	put_pt_regs(TOP - 0x2f8, 0x401000, 0x7ffd00001000, 0x33);
	unwind(FN(1) + 4, IRQ_TOP - 16);
	STACK_IS("__crash_kexec_like", "sysvec_apic_timer_interrupt",
		 "asm_sysvec_apic_timer_interrupt");
	assert_null(stack.stopped);
	/* And a CPU that was in user mode has no kernel frames. */
	regs = regs_at(0x401000, 0x7ffd00001000);
	regs_set(&regs, REG_X86_CS, 0x33);
	unwind_regs(&regs);
	assert_int_equal(stack.n, 0);
	assert_null(stack.stopped);
	finish();
}

/* Struck in the entry code before pt_regs is complete: R10 still holds, and is used. */
static void test_partial_registers(void **state)
{
	struct regs regs;

	setup("6.12.0");
	fn_orc(1, "asm_exc_page_fault", ORC_REG_SP, 8, ORC_TYPE_REGS_PARTIAL);
	fn_orc(2, "realigned", ORC_REG_R10, 0, ORC_TYPE_CALL);
	ready();
	fu_put64(TOP - 0x200 + 8, FN(2) + 4);
	fu_put64(TOP - 0x200 + 16, 0x10);
	fu_put64(TOP - 0x200 + 24, 0x46);
	fu_put64(TOP - 0x200 + 32, TOP - 0x100);
	fu_put64(TOP - 0x200 + 40, 0x18);
	put_end(TOP - 0x88);
	regs = regs_at(FN(1) + 2, TOP - 0x200);
	regs_set(&regs, REG_X86_R10, TOP - 0x80);
	unwind_regs(&regs);
	STACK_IS("asm_exc_page_fault", "realigned", "ret_from_fork");
	assert_int_equal(stack.frames[0].context, CONTEXT_EXCEPTION);
	assert_true(stack.frames[1].interrupted);
	assert_int_equal(stack.frames[1].regs->v[REG_FLAGS], 0x46);
	assert_true(stack.frames[2].reliable);
	finish();
}

/* NMI over an interrupt over a task: three stacks. */
static void test_nmi_over_irq_over_task(void **state)
{
	setup("6.12.0");
	fn(1, "watchdog", 8);
	fn_orc(2, "sysvec_call_function", ORC_REG_SP_INDIRECT, 8, ORC_TYPE_CALL);
	fn_orc(3, "asm_sysvec_call_function", ORC_REG_SP, 0, ORC_TYPE_REGS);
	fn(4, "worker", 8);
	fn_orc(5, "asm_exc_nmi", ORC_REG_SP, 0, ORC_TYPE_REGS);
	fn(6, "exc_nmi", 8);
	ready();
	fu_put64(NMI_TOP - 264 - 8, RET(5));
	put_pt_regs(NMI_TOP - 264, FN(1) + 9, IRQ_TOP - 16, 0x10);
	fu_put64(IRQ_TOP - 16, RET(2));
	fu_put64(IRQ_TOP - 8, TOP - 0x300);
	fu_put64(TOP - 0x300, RET(3));
	put_pt_regs(TOP - 0x2f8, FN(4) + 6, TOP - 0x100, 0x10);
	put_end(TOP - 0x100);
	unwind(FN(6) + 4, NMI_TOP - 264 - 8);
	STACK_IS("exc_nmi", "asm_exc_nmi", "watchdog", "sysvec_call_function",
		 "asm_sysvec_call_function", "worker", "ret_from_fork");
	assert_null(stack.stopped);
	assert_int_equal(stack.frames[0].context, CONTEXT_NMI);
	assert_int_equal(stack.frames[1].context, CONTEXT_NMI);
	assert_int_equal(stack.frames[2].context, CONTEXT_IRQ);
	assert_int_equal(stack.frames[4].context, CONTEXT_IRQ);
	assert_int_equal(stack.frames[5].context, CONTEXT_TASK);
	finish();
}

/* --- ends, loops, damage --- */

static void test_loops(void **state)
{
	/* pt_regs that lead back to the same stack pointer. */
	setup("6.12.0");
	fn_orc(1, "entry", ORC_REG_SP, 0, ORC_TYPE_REGS);
	ready();
	put_pt_regs(TOP - 0x200, FN(1), TOP - 0x200, 0x10);
	unwind(FN(1), TOP - 0x200);
	assert_int_equal(stack.n, 1);
	assert_non_null(strstr(stack.stopped, "does not advance"));
	/* Down the same stack. */
	put_pt_regs(TOP - 0x200, FN(1), TOP - 0x400, 0x10);
	unwind(FN(1), TOP - 0x200);
	assert_int_equal(stack.n, 1);
	assert_non_null(stack.stopped);
	/* To the interrupt stack and back for ever. */
	put_pt_regs(TOP - 0x200, FN(1), IRQ_TOP - 0x200, 0x10);
	put_pt_regs(IRQ_TOP - 0x200, FN(1), TOP - 0x200, 0x10);
	unwind(FN(1), TOP - 0x200);
	assert_int_equal(stack.n, 2);
	assert_non_null(strstr(stack.stopped, "left before"));
	finish();
}

static void test_too_deep(void **state)
{
	setup("6.12.0");
	fn(1, "recursion", 8);
	ready();
	for (uint64_t at = FU_TASK_STACK; at < TOP; at += 8)
		fu_put64(at, RET(1));
	unwind(FN(1) + 4, FU_TASK_STACK);
	assert_int_equal(stack.n, 256);
	assert_non_null(strstr(stack.stopped, "frames"));
	finish();
}

static void test_bad_return_address(void **state)
{
	setup("6.12.0");
	fn(1, "inner", 8);
	ready();
	fu_put64(TOP - 0x40, 0xdeadbeef);
	unwind(FN(1) + 4, TOP - 0x40);
	STACK_IS("inner");
	assert_non_null(strstr(stack.stopped, "below inner"));
	assert_non_null(strstr(stack.stopped, "0xdeadbeef"));
	finish();
}

static void test_stack_not_in_dump(void **state)
{
	setup("6.12.0");
	fn(1, "inner", 8);
	ready();
	fu.regions[3].size = FU_STACK_SIZE - 0x1000; /* the task stack's top page is lost */
	unwind(FN(1) + 4, TOP - 0x40);
	STACK_IS("inner");
	assert_non_null(strstr(stack.stopped, "cannot be read"));
	/* No kernel address at all. */
	unwind(FN(1) + 4, 0x1234);
	assert_int_equal(stack.n, 0);
	assert_non_null(stack.stopped);
	finish();
}

/* A stack that nobody knows of (the task was not known, or is being switched) is walked as one. */
static void test_unknown_stack(void **state)
{
	setup("6.12.0");
	fn(1, "inner", 8);
	ready();
	fu_map(0xffffc90000400000ULL, FU_STACK_SIZE, 0);
	put_end(0xffffc90000400000ULL + 0x100);
	unwind(FN(1) + 4, 0xffffc90000400000ULL + 0x100);
	STACK_IS("inner", "ret_from_fork");
	assert_null(stack.stopped);
	finish();
}

/* --- without ORC --- */

static void test_scan(void **state)
{
	setup("6.12.0");
	fu_symbol("no_orc", FN(1), 0x100);
	fu_orc(FN(1), 0, 0, 0, 0, ORC_TYPE_UNDEFINED);
	fu_put(FN(1), "\xff\xe0", 2); /* jmp *%rax: the code does not tell either */
	fn(2, "caller", 8);
	fn(3, "other", 8);
	ready();
	fu_call(RET(2), FN(1)); /* calls no_orc() */
	fu_call(RET(3), FN(9)); /* calls somebody else */
	fu_put64(TOP - 0x80, 0x1234);
	fu_put64(TOP - 0x78, FN(2) + 0x20); /* text, but after no call */
	fu_put64(TOP - 0x70, RET(3));
	fu_put64(TOP - 0x68, RET(2));
	put_end(TOP - 0x60);
	unwind(FN(1) + 0x30, TOP - 0x80);
	STACK_IS("no_orc", "caller", "ret_from_fork");
	assert_true(stack.frames[0].reliable);
	assert_false(stack.frames[1].reliable);
	assert_false(stack.frames[2].reliable);
	/* Nothing that fits: the nearest, for a tail call may have led here. */
	fu_put64(TOP - 0x70, RET(2));
	fu_call(RET(2), FN(8));
	fu_call(RET(END), FN(7));
	put_end(TOP - 0x68);
	unwind(FN(1) + 0x30, TOP - 0x80);
	STACK_IS("no_orc", "caller", "ret_from_fork");
	finish();
}

/* Guesses on one stack do not make the next stack's frames doubtful. */
static void test_scan_then_other_stack(void **state)
{
	setup("6.12.0");
	fu_symbol("no_orc", FN(1), 0x100);
	fu_orc(FN(1), 0, 0, 0, 0, ORC_TYPE_UNDEFINED);
	fu_put(FN(1), "\xff\xe0", 2);
	fn_orc(2, "sysvec_call_function", ORC_REG_SP_INDIRECT, 8, ORC_TYPE_CALL);
	fn_orc(3, "asm_sysvec_call_function", ORC_REG_SP, 0, ORC_TYPE_REGS);
	fn(4, "worker", 8);
	ready();
	fu_put64(IRQ_TOP - 16, RET(2));
	fu_put64(IRQ_TOP - 8, TOP - 0x300);
	fu_put64(TOP - 0x300, RET(3));
	put_pt_regs(TOP - 0x2f8, FN(4) + 6, TOP - 0x100, 0x10);
	put_end(TOP - 0x100);
	unwind(FN(1) + 0x30, IRQ_TOP - 0x80);
	STACK_IS("no_orc", "sysvec_call_function", "asm_sysvec_call_function", "worker",
		 "ret_from_fork");
	assert_false(stack.frames[1].reliable);
	assert_true(stack.frames[2].reliable);
	assert_true(stack.frames[3].reliable);
	finish();
}

/* __crash_kexec() and the like: no entry, but the code tells where the return address is. */
static void test_code_flow(void **state)
{
	static const uint8_t code[] = {
		0x53,				/* push %rbx */
		0x48, 0x81, 0xec, 0xb0, 0, 0, 0, /* sub $0xb0,%rsp */
		0x90,
	};

	setup("6.12.0");
	fu_symbol("__crash_kexec", FN(1), 0x100);
	fu_orc(FN(1), 0, 0, 0, 0, ORC_TYPE_UNDEFINED);
	fu_put(FN(1), code, sizeof(code));
	fn(2, "panic", 8);
	ready();
	fu_put64(TOP - 0x200 + 0xb0, RET(2)); /* where RBX is: not the return address */
	fu_put64(TOP - 0x200 + 0xb8, RET(2));
	put_end(TOP - 0x200 + 0xc0);
	unwind(FN(1) + 0x20, TOP - 0x200);
	STACK_IS("__crash_kexec", "panic", "ret_from_fork");
	assert_int_equal(stack.frames[1].sp, TOP - 0x200 + 0xc0);
	assert_true(stack.frames[1].reliable);
	finish();
}

static void test_call_of_null(void **state)
{
	setup("6.12.0");
	fn(1, "calls_null", 8);
	ready();
	fu_put64(TOP - 0x80, RET(1));
	put_end(TOP - 0x78);
	unwind(0, TOP - 0x80);
	assert_int_equal(stack.n, 3);
	assert_null(stack.frames[0].function);
	assert_function(1, "calls_null");
	assert_true(stack.frames[1].reliable);
	/* A jump to any other place without code. */
	unwind(0xffffffffc0ff0000ULL, TOP - 0x80);
	assert_int_equal(stack.n, 3);
	assert_function(1, "calls_null");
	assert_false(stack.frames[1].reliable);
	finish();
}

static void add_ksym(uint64_t at, uint64_t start, uint64_t end, const char *name)
{
	fu_put64(at, start);
	fu_put64(at + 8, end);
	fu_put(at + 16, name, strlen(name) + 1);
}

static void test_bpf(void **state)
{
	struct regs regs;

	setup("6.12.0");
	fu_member("bpf_ksym", "start", 0, 8);
	fu_member("bpf_ksym", "end", 8, 8);
	fu_member("bpf_ksym", "name", 16, 64);
	fu_member("bpf_ksym", "lnode", 80, 16);
	fu_symbol("bpf_kallsyms", FU_HEAP, 0);
	fn(1, "caller", 8);
	ready();
	/* Two programs in the list; the list is circular. */
	fu_put64(FU_HEAP, FU_HEAP + 0x100 + 80);
	add_ksym(FU_HEAP + 0x100, FU_JIT + 0x200, FU_JIT + 0x300, "bpf_prog_0123_other");
	fu_put64(FU_HEAP + 0x100 + 80, FU_HEAP + 0x200 + 80);
	add_ksym(FU_HEAP + 0x200, FU_JIT, FU_JIT + 0x100, "bpf_prog_6deef7357e7b4530_sched");
	fu_put64(FU_HEAP + 0x200 + 80, FU_HEAP);
	fu_put64(TOP - 0x100, 0);
	fu_put64(TOP - 0xf8, RET(1));
	put_end(TOP - 0xf0);
	regs = regs_at(FU_JIT + 0x40, TOP - 0x200);
	regs_set(&regs, REG_X86_RBP, TOP - 0x100);
	unwind_regs(&regs);
	STACK_IS("bpf_prog_6deef7357e7b4530_sched", "caller", "ret_from_fork");
	assert_string_equal(stack.frames[0].module, "bpf");
	assert_int_equal(stack.frames[0].offset, 0x40);
	assert_true(stack.frames[1].reliable);
	finish();
}

static void test_ftrace_trampoline(void **state)
{
	setup("6.12.0");
	fu_member("ftrace_ops", "trampoline", 0, 8);
	fu_member("ftrace_ops", "trampoline_size", 8, 8);
	fu_member("ftrace_ops", "flags", 16, 8);
	fu_member("ftrace_ops", "next", 24, 8);
	fu_symbol("ftrace_ops_list", FU_HEAP, 0);
	fn(1, "handler", 8);
	fu_symbol("ftrace_call", FN(2) + 0x10, 0);
	fu_symbol("ftrace_regs_call", FN(3) + 0x10, 0);
	fn(2, "ftrace_caller", 0x20);
	fn(3, "ftrace_regs_caller", 0x60);
	fn(4, "traced", 8);
	ready();
	fu_put64(FU_HEAP, FU_HEAP + 0x100);
	fu_put64(FU_HEAP + 0x100, FU_JIT);
	fu_put64(FU_HEAP + 0x108, 0x100);
	fu_put64(FU_HEAP + 0x110, 1 << 2); /* FTRACE_OPS_FL_SAVE_REGS */
	fu_put64(TOP - 0x200, FU_JIT + 0x50);
	fu_put64(TOP - 0x1f8 + 0x58, RET(4));
	put_end(TOP - 0x1f8 + 0x60);
	unwind(FN(1) + 4, TOP - 0x200);
	STACK_IS("handler", "ftrace_trampoline", "traced", "ret_from_fork");
	assert_true(stack.frames[2].reliable);
	finish();
}

static void test_return_hooks(void **state)
{
	setup("6.12.0");
	fu_member("task_struct", "ret_stack", 0x40, 8);
	fu_member("task_struct", "curr_ret_stack", 0x48, 4);
	fu_member("ftrace_ret_stack", NULL, 0, 32);
	fu_member("ftrace_ret_stack", "ret", 0, 8);
	fu_member("ftrace_ret_stack", "retp", 24, 8);
	fu_member("task_struct", "rethooks.first", 0x50, 8);
	fu_member("rethook_node", "llist.next", 16, 8);
	fu_member("rethook_node", "ret_addr", 32, 8);
	fu_member("rethook_node", "frame", 40, 8);
	fn(1, "inner", 8);
	fn(2, "graphed", 8);
	fn(3, "probed", 8);
	fn(4, "return_to_handler", 8);
	fn(5, "arch_rethook_trampoline", 8);
	ready();
	fu_put64(TOP - 0x80, FN(4));
	fu_put64(TOP - 0x78, FN(5));
	put_end(TOP - 0x70);
	fu_put64(FU_TASK + 0x40, FU_HEAP);
	fu_put64(FU_TASK + 0x48, 2);
	fu_put64(FU_HEAP + 0x00, RET(9)); /* an entry for another place */
	fu_put64(FU_HEAP + 0x18, TOP - 0x1000);
	fu_put64(FU_HEAP + 0x20, RET(2));
	fu_put64(FU_HEAP + 0x38, TOP - 0x80);
	fu_put64(FU_HEAP + 0x40, RET(9));
	fu_put64(FU_HEAP + 0x58, TOP - 0x2000);
	fu_put64(FU_TASK + 0x50, FU_HEAP + 0x200 + 16);
	fu_put64(FU_HEAP + 0x200 + 32, RET(3));
	fu_put64(FU_HEAP + 0x200 + 40, TOP - 0x78);
	unwind(FN(1) + 4, TOP - 0x80);
	STACK_IS("inner", "graphed", "probed", "ret_from_fork");
	finish();
}

/* CONFIG_UNWINDER_FRAME_POINTER: no ORC tables at all. */
static void test_frame_pointers(void **state)
{
	struct regs regs;

	setup("6.12.0");
	fu_symbol("inner", FN(1), 0x100);
	fu_symbol("middle", FN(2), 0x100);
	fu_symbol("asm_sysvec_call_function", FN(3), 0x100);
	fu_symbol("struck", FN(4), 0x100);
	fu_symbol("outer", FN(5), 0x100);
	for (int i = 1; i <= 5; i++) {
		fu_put(FN(i), "\xff\xe0", 2); /* the code is not followed */
		fu_call(RET(i), 0);
	}
	assert_int_equal(unwinder_new(&fu.kernel, &unwinder), 0);
	fu_put64(TOP - 0x400, TOP - 0x3c0);
	fu_put64(TOP - 0x3f8, RET(2));
	fu_put64(TOP - 0x3c0, (TOP - 0x300) | 1); /* entry code: pt_regs are at TOP - 0x300 */
	fu_put64(TOP - 0x3b8, RET(3));
	put_pt_regs(TOP - 0x300, FN(4) + 0x50, TOP - 0x200, 0x10);
	fu_put64(TOP - 0x300 + 8 * 4, TOP - 0x100); /* RBP */
	fu_put64(TOP - 0x100, (TOP - 0xa8) | 1);
	fu_put64(TOP - 0xf8, RET(5));
	put_pt_regs(TOP - 0xa8, 0x401000, 0x7ffd00001000, 0x33);
	regs = regs_at(FN(1) + 0x50, TOP - 0x440);
	regs_set(&regs, REG_X86_RBP, TOP - 0x400);
	unwind_regs(&regs);
	STACK_IS("inner", "middle", "asm_sysvec_call_function", "struck", "outer");
	assert_null(stack.stopped);
	assert_true(stack.frames[3].interrupted);
	assert_int_equal(stack.frames[2].context, CONTEXT_IRQ);
	assert_int_equal(stack.frames[4].context, CONTEXT_TASK);
	for (uint32_t i = 0; i < stack.n; i++)
		assert_true(stack.frames[i].reliable);
	/* In the prologue, before the frame pointer is set: middle() must not be lost. */
	fu_call(RET(2), FN(1));
	fu_put64(TOP - 0x440, RET(2));
	regs_set(&regs, REG_IP, FN(1) + 3);
	regs_set(&regs, REG_X86_RBP, TOP - 0x3c0);
	unwind_regs(&regs);
	STACK_IS("inner", "middle", "asm_sysvec_call_function", "struck", "outer");
	finish();
}

/* --- sleeping tasks --- */

static void put_inactive(uint64_t sp, uint64_t ip)
{
	fu_put64(FU_TASK + 0x28, sp);
	for (unsigned int i = 0; i < 6; i++)
		fu_put64(sp + 8 * i, 0xbb00 + i);
	fu_put64(sp + 48, ip);
}

static void test_task(void **state)
{
	const struct regs *regs;

	setup("6.12.0");
	fn(1, "__schedule", 16);
	fn(2, "schedule", 8);
	ready();
	put_inactive(TOP - 0x200, RET(1));
	fu_put64(TOP - 0x200 + 56 + 8, RET(2));
	put_end(TOP - 0x200 + 56 + 16);
	assert_int_equal(unwind_task(unwinder, &fu.arena, FU_TASK, &stack), 0);
	STACK_IS("__schedule", "schedule", "ret_from_fork");
	assert_null(stack.stopped);
	assert_false(stack.frames[0].interrupted);
	assert_int_equal(stack.frames[0].sp, TOP - 0x200 + 56);
	regs = stack.frames[0].regs;
	assert_int_equal(regs->v[REG_X86_R15], 0xbb00);
	assert_int_equal(regs->v[REG_X86_RBX], 0xbb04);
	assert_int_equal(regs->v[REG_X86_RBP], 0xbb05);
	assert_false(regs_has(regs, REG_X86_RDI));
	/* The same by unwind_cpu() without a CPU. */
	assert_int_equal(unwind_cpu(unwinder, &fu.arena, NULL, SNAPSHOT_NONE, FU_TASK, &stack), 0);
	STACK_IS("__schedule", "schedule", "ret_from_fork");
	finish();
}

static void test_task_never_ran(void **state)
{
	setup("6.12.0");
	fn(1, "neighbour", 8);
	ready();
	put_inactive(TOP - 0x200, FN(END)); /* the first instruction of ret_from_fork() */
	assert_int_equal(unwind_task(unwinder, &fu.arena, FU_TASK, &stack), 0);
	STACK_IS("ret_from_fork");
	assert_null(stack.stopped);
	finish();
}

static void test_task_not_to_be_had(void **state)
{
	uint32_t one = 1;

	setup("6.12.0");
	fn(1, "__schedule", 16);
	ready();
	put_inactive(TOP - 0x200, RET(1));
	fu_put(FU_TASK + 0x30, &one, 4);
	assert_int_equal(unwind_task(unwinder, &fu.arena, FU_TASK, &stack), 0);
	assert_int_equal(stack.n, 0);
	assert_non_null(strstr(stack.stopped, "on a CPU"));
	assert_int_equal(unwind_task(unwinder, &fu.arena, 0xffff888000000000ULL, &stack), 0);
	assert_int_equal(stack.n, 0);
	assert_non_null(stack.stopped);
	finish();
}

/* --- CPUs without registers --- */

static void unwind_nothing(void)
{
	struct regs regs = { 0 };

	unwind_regs(&regs);
}

static void test_nmi_anchor(void **state)
{
	setup("6.12.0");
	fn(1, "worker", 8);
	ready();
	unwind_nothing();
	assert_int_equal(stack.n, 0);
	assert_non_null(strstr(stack.stopped, "no registers"));
	/* The hardware's frame, "NMI executing", pt_regs; see asm_exc_nmi in entry_64.S. */
	put_pt_regs(NMI_TOP - 264, FN(1) + 4, TOP - 0x100, 0x10);
	fu_put64(NMI_TOP - 264 + 8 * 15, UINT64_MAX);
	fu_put64(NMI_TOP - 40, FN(1) + 4);
	fu_put64(NMI_TOP - 16, TOP - 0x100);
	put_end(TOP - 0x100);
	unwind_nothing();
	assert_int_equal(stack.n, 0); /* not in an NMI: all that is stale */
	fu_put64(NMI_TOP - 56, 1);
	unwind_nothing();
	STACK_IS("worker", "ret_from_fork");
	assert_non_null(strstr(stack.stopped, "NMI"));
	assert_false(stack.frames[0].reliable);
	assert_false(stack.frames[1].reliable);
	assert_int_equal(stack.frames[0].regs->v[REG_X86_R15], 0xaa00);
	/* The copies disagree. */
	fu_put64(NMI_TOP - 40, FN(1) + 5);
	unwind_nothing();
	assert_int_equal(stack.n, 0);
	finish();
}

static void test_irq_anchor(void **state)
{
	uint8_t in_use = 1;

	irq_over_task();
	unwind_nothing();
	assert_int_equal(stack.n, 0);
	fu_put(FU_PERCPU + 0x20, &in_use, 1);
	unwind_nothing();
	STACK_IS("sysvec_apic_timer_interrupt", "asm_sysvec_apic_timer_interrupt", "worker",
		 "outer", "ret_from_fork");
	assert_non_null(strstr(stack.stopped, "interrupt stack"));
	assert_false(stack.frames[0].reliable);
	assert_false(stack.frames[4].reliable);
	assert_int_equal(stack.frames[0].context, CONTEXT_IRQ);
	assert_int_equal(stack.frames[2].context, CONTEXT_TASK);
	finish();
}

/* As 5.10 has it: the code that switches stacks saves BP and keeps the old stack pointer there. */
static void test_irq_anchor_5_10(void **state)
{
	int32_t count = -1;

	setup("5.10.0");
	for (unsigned int i = 0; i < fu.n_symbols; i++)
		if (strcmp(fu.symbols[i].name, "hardirq_stack_inuse") == 0)
			fu.symbols[i].name = "irq_count";
	fn_orc(1, "asm_call_sysvec_on_stack", ORC_REG_BP, 16, ORC_TYPE_CALL);
	fu.orcs[0].bp_reg = ORC_REG_PREV_SP;
	fu.orcs[0].bp_offset = -16;
	fn(2, "sysvec_apic_timer_interrupt", 8);
	ready();
	fu_put64(IRQ_TOP - 8, TOP - 0x110);
	fu_put64(IRQ_TOP - 16, RET(1));
	fu_put64(TOP - 0x108, RET(2));
	put_end(TOP - 0x100);
	fu_put(FU_PERCPU + 0x20, &count, 4);
	unwind_nothing();
	assert_int_equal(stack.n, 0);
	count = 0;
	fu_put(FU_PERCPU + 0x20, &count, 4);
	unwind_nothing();
	STACK_IS("asm_call_sysvec_on_stack", "sysvec_apic_timer_interrupt", "ret_from_fork");
	assert_non_null(strstr(stack.stopped, "interrupt stack"));
	finish();
}

/* --- anything at all --- */

static uint64_t random_word(uint64_t *seed)
{
	static const uint64_t bases[] = { FU_TEXT, FU_TASK_STACK, FU_IRQ_STACK, FU_JIT, FU_MODULE,
					  0xfffffe0000038000ULL, 0 };

	*seed = *seed * 6364136223846793005ULL + 1442695040888963407ULL;
	if (*seed >> 60 == 0)
		return *seed;
	return bases[(*seed >> 56) % 7] + ((*seed >> 32) & 0x3fff);
}

/* Random stacks, ORC entries, registers and code: it ends, and within its bounds. */
static void test_garbage(void **state)
{
	for (uint64_t seed = 1; seed <= 300; seed++) {
		uint64_t s = seed;

		setup(seed & 1 ? "6.12.0" : "5.10.0");
		for (unsigned int i = 0; i < FU_TEXT_SIZE / 8; i++)
			fu_put64(FU_TEXT + 8 * i, random_word(&s) ^ s);
		for (int i = 1; i < 40; i++)
			fn_orc(i, "f", (uint8_t)(random_word(&s) >> 7) % 12,
			       (int16_t)(random_word(&s) & 0xff8), (s >> 40) % 6);
		ready();
		for (unsigned int i = 0; i < FU_STACK_SIZE / 8; i++) {
			fu_put64(FU_TASK_STACK + 8 * i, s >> 63 ? RET((s >> 50) % 40) :
								  random_word(&s));
			fu_put64(FU_IRQ_STACK + 8 * i, random_word(&s));
		}
		for (unsigned int i = 0; i < FU_ESTACK_SIZE / 8; i++)
			fu_put64(fu_estack(1) + 8 * i, random_word(&s));
		for (unsigned int i = 0; i < 40; i++) {
			struct regs regs = regs_at(RET(i), random_word(&s));

			regs_set(&regs, REG_X86_RBP, random_word(&s));
			regs_set(&regs, REG_X86_R10, random_word(&s));
			if (i & 1)
				regs_set(&regs, REG_SP, FU_TASK_STACK + 8 * (s % 2048));
			unwind_regs(&regs);
			assert_true(stack.n <= 256);
			assert_true(stack.n > 0 || stack.stopped);
		}
		fu_put64(FU_TASK + 0x28, random_word(&s));
		assert_int_equal(unwind_task(unwinder, &fu.arena, FU_TASK, &stack), 0);
		finish();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_calls),
		cmocka_unit_test(test_return_address_past_the_function),
		cmocka_unit_test(test_interrupted_at_first_instruction),
		cmocka_unit_test(test_bp),
		cmocka_unit_test(test_other_registers),
		cmocka_unit_test(test_bp_indirect),
		cmocka_unit_test(test_sp_indirect),
		cmocka_unit_test(test_interrupt),
		cmocka_unit_test(test_user_mode),
		cmocka_unit_test(test_partial_registers),
		cmocka_unit_test(test_nmi_over_irq_over_task),
		cmocka_unit_test(test_loops),
		cmocka_unit_test(test_too_deep),
		cmocka_unit_test(test_bad_return_address),
		cmocka_unit_test(test_stack_not_in_dump),
		cmocka_unit_test(test_unknown_stack),
		cmocka_unit_test(test_scan),
		cmocka_unit_test(test_scan_then_other_stack),
		cmocka_unit_test(test_code_flow),
		cmocka_unit_test(test_call_of_null),
		cmocka_unit_test(test_bpf),
		cmocka_unit_test(test_ftrace_trampoline),
		cmocka_unit_test(test_return_hooks),
		cmocka_unit_test(test_frame_pointers),
		cmocka_unit_test(test_task),
		cmocka_unit_test(test_task_never_ran),
		cmocka_unit_test(test_task_not_to_be_had),
		cmocka_unit_test(test_nmi_anchor),
		cmocka_unit_test(test_irq_anchor),
		cmocka_unit_test(test_irq_anchor_5_10),
		cmocka_unit_test(test_garbage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
