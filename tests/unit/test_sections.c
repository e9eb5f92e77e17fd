// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Critical sections and saved registers, read from real machine code: the functions below are
 * assembled into this program, never run, and copied into a made-up kernel's text.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fake_kernel.h"
#include "kernel/saved_regs.h"
#include "kernel/sections.h"

/* Each mark_* is a return address of a call, or an instruction where an interrupt struck. */
asm(".pushsection .rodata\n"
    ".balign 16\n"
    ".globl code_begin, code_end\n"
    "code_begin:\n"
    /* The lock functions themselves, and two that are none. */
    ".globl fn_spin_lock, fn_spin_unlock, fn_spin_trylock, fn_mutex_lock_interruptible\n"
    ".globl fn_mutex_unlock, fn_work, fn_read_lock, fn_read_unlock\n"
    "fn_spin_lock: ret\n .balign 16\n"
    "fn_spin_unlock: ret\n .balign 16\n"
    "fn_spin_trylock: ret\n .balign 16\n"
    "fn_mutex_lock_interruptible: ret\n .balign 16\n"
    "fn_mutex_unlock: ret\n .balign 16\n"
    "fn_read_lock: ret\n .balign 16\n"
    "fn_read_unlock: ret\n .balign 16\n"
    "fn_work: ret\n .balign 16\n"

    /* lock; if (x) { unlock; return; } work; unlock: the early exit's unlock comes first. */
    ".globl fn_early_exit, mark_early_work, end_early_exit\n"
    "fn_early_exit: push %rbx\n mov %rdi, %rbx\n call fn_spin_lock\n"
    " test %eax, %eax\n je 1f\n mov %rbx, %rdi\n call fn_spin_unlock\n pop %rbx\n ret\n"
    "1: call fn_work\nmark_early_work: mov %rbx, %rdi\n call fn_spin_unlock\n pop %rbx\n ret\n"
    "end_early_exit: .balign 16\n"

    /* lock; work; unlock; work: outside at the second work. */
    ".globl fn_twice, mark_twice_in, mark_twice_out, mark_twice_lock, end_twice\n"
    "fn_twice: push %rbp\n push %rbx\n mov %rdi, %rbp\n lea 0x18(%rdi), %rbx\n mov %rbx, %rdi\n"
    " call fn_spin_lock\nmark_twice_lock: call fn_work\nmark_twice_in: mov %rbx, %rdi\n"
    " call fn_spin_unlock\n call fn_work\nmark_twice_out: pop %rbx\n pop %rbp\n ret\n"
    "end_twice: .balign 16\n"

    /* if (x) lock; work; if (x) unlock: held on some ways only. */
    ".globl fn_maybe, mark_maybe, end_maybe\n"
    "fn_maybe: push %rbx\n mov %rdi, %rbx\n test %esi, %esi\n je 1f\n call fn_spin_lock\n"
    "1: call fn_work\nmark_maybe: pop %rbx\n ret\n"
    "end_maybe: .balign 16\n"

    /* Two locks of one kind: the release of B leaves A held. */
    ".globl fn_two, mark_two, end_two\n"
    "fn_two: push %rbp\n push %rbx\n mov %rdi, %rbp\n mov %rsi, %rbx\n call fn_spin_lock\n"
    " mov %rbx, %rdi\n call fn_spin_lock\n mov %rbx, %rdi\n call fn_spin_unlock\n"
    " call fn_work\nmark_two: mov %rbp, %rdi\n call fn_spin_unlock\n pop %rbx\n pop %rbp\n ret\n"
    "end_two: .balign 16\n"

    /* An unlock inlined as a store of a zero byte; another zero byte elsewhere is none. */
    ".globl fn_inlined, mark_inl_in, mark_inl_out, end_inlined\n"
    "fn_inlined: push %rbx\n mov %rdi, %rbx\n call fn_spin_lock\n movb $0, 0x40(%rbx)\n"
    " call fn_work\nmark_inl_in: movb $0, (%rbx)\n call fn_work\nmark_inl_out: pop %rbx\n ret\n"
    "end_inlined: .balign 16\n"

    /* As 5.10 has it: the paravirt call is patched to a store through RDI, with a NOP after it. */
    ".globl fn_patched, mark_patched_in, mark_patched_out, mark_patched_end, end_patched\n"
    "fn_patched: push %rbx\n lea 8(%rdi), %rbx\n mov %rbx, %rdi\n call fn_spin_lock\n"
    " mov %rbx, %rdi\n movb $0, (%rdi)\n call fn_work\nmark_patched_in: mov %rbx, %rdi\n"
    " call fn_spin_lock\n mov (%rsp), %rdi\n movb $0, (%rdi)\n .byte 0x0f, 0x1f, 0x40, 0x00\n"
    " call fn_work\nmark_patched_out: mov %rbx, %rdi\n call fn_spin_lock\n mov (%rsp), %rdi\n"
    " movb $0, (%rdi)\n .byte 0x66, 0x66, 0x66, 0x90\n call fn_work\nmark_patched_end: pop %rbx\n"
    " ret\n"
    "end_patched: .balign 16\n"
    ".globl fn_unpatched, mark_unpatched_in, end_unpatched\n"
    "fn_unpatched: push %rbx\n mov %rdi, %rbx\n call fn_spin_lock\n mov (%rsp), %rdi\n"
    " movb $0, (%rdi)\n call fn_work\nmark_unpatched_in: pop %rbx\n ret\n"
    "end_unpatched: .balign 16\n"

    /* read_unlock() inlined, after something else was counted. */
    ".globl fn_xadd, mark_xadd_in, mark_xadd_out, end_xadd\n"
    "fn_xadd: push %rbx\n mov %rdi, %rbx\n call fn_read_lock\n mov $0xfffffe00, %eax\n"
    " lock xadd %eax, 4(%rbx)\n call fn_work\nmark_xadd_in: mov $0xfffffe00, %eax\n"
    " lock xadd %eax, (%rbx)\n call fn_work\nmark_xadd_out: pop %rbx\n ret\n"
    "end_xadd: .balign 16\n"

    /* A KVM guest's. */
    ".globl fn_callee_save, fn_paravirt, mark_pv_in, mark_pv_out, end_paravirt\n"
    "fn_callee_save: ret\n .balign 16\n"
    "fn_paravirt: push %rbx\n mov %rdi, %rbx\n call fn_spin_lock\n call fn_work\nmark_pv_in:"
    " mov %rbx, %rdi\n call fn_callee_save\n call fn_work\nmark_pv_out: pop %rbx\n ret\n"
    "end_paravirt: .balign 16\n"

    /* A loop that takes and drops the lock; the mark is after the drop. */
    ".globl fn_loop, mark_loop, end_loop\n"
    "fn_loop: push %rbx\n mov %rdi, %rbx\n2: mov %rbx, %rdi\n call fn_spin_lock\n mov %rbx, %rdi\n"
    " call fn_spin_unlock\n call fn_work\nmark_loop: test %eax, %eax\n jne 2b\n pop %rbx\n ret\n"
    "end_loop: .balign 16\n"

    /* A lock that may not have been got, and an indirect jump that hides what follows. */
    ".globl fn_interruptible, mark_interruptible, end_interruptible\n"
    "fn_interruptible: push %rbx\n mov %rdi, %rbx\n call fn_mutex_lock_interruptible\n"
    " call fn_work\nmark_interruptible: pop %rbx\n ret\n"
    "end_interruptible: .balign 16\n"
    ".globl fn_indirect, mark_indirect, end_indirect\n"
    "fn_indirect: call fn_spin_lock\n jmp *%rax\n call fn_work\nmark_indirect: ret\n"
    "end_indirect: .balign 16\n"

    /* The register that told the lock is used for something else meanwhile. */
    ".globl fn_reused, mark_reused, end_reused\n"
    "fn_reused: push %rbx\n mov %rdi, %rbx\n call fn_spin_lock\n xor %ebx, %ebx\n call fn_work\n"
    "mark_reused: pop %rbx\n ret\n"
    "end_reused: .balign 16\n"

    /* Shared for reading: a write unlock elsewhere would not end it. */
    ".globl fn_reader, mark_reader, end_reader\n"
    "fn_reader: push %rbx\n mov %rdi, %rbx\n call fn_read_lock\n mov %rbx, %rdi\n"
    " call fn_spin_unlock\n call fn_work\nmark_reader: pop %rbx\n ret\n"
    "end_reader: .balign 16\n"

    /* Helpers: they come back with the lock at 8(%rdi) held, or released. */
    ".globl fn_take, fn_drop, fn_take_twice, fn_take_more\n"
    "fn_take: push %rbx\n lea 8(%rdi), %rbx\n test %esi, %esi\n je 1f\n mov %rbx, %rdi\n"
    " call fn_spin_lock\n pop %rbx\n ret\n1: mov %rbx, %rdi\n call fn_spin_lock\n pop %rbx\n ret\n"
    " .balign 16\n"
    "fn_drop: add $8, %rdi\n jmp fn_spin_unlock\n .balign 16\n"
    /* One that only calls another, and one that calls who knows whom after taking the lock. */
    "fn_take_twice: mov (%rdi), %rdi\n jmp fn_take\n .balign 16\n"
    "fn_take_more: call fn_spin_lock\n call *%rax\n ret\n .balign 16\n"
    ".globl fn_helped, mark_helped_in, mark_helped_out, end_helped\n"
    "fn_helped: push %rbx\n mov %rdi, %rbx\n call fn_take\n call fn_work\nmark_helped_in:"
    " mov %rbx, %rdi\n call fn_drop\n call fn_work\nmark_helped_out: pop %rbx\n ret\n"
    "end_helped: .balign 16\n"
    ".globl fn_wrapped, mark_wrapped, end_wrapped\n"
    "fn_wrapped: push %rbx\n mov %rdi, %rbx\n call fn_take_twice\n call fn_work\nmark_wrapped:"
    " pop %rbx\n ret\n"
    "end_wrapped: .balign 16\n"
    ".globl fn_doubt, mark_doubt, end_doubt\n"
    "fn_doubt: push %rbx\n mov %rdi, %rbx\n call fn_take_more\n call fn_work\nmark_doubt:"
    " pop %rbx\n ret\n"
    "end_doubt: .balign 16\n"

    /* A lock behind two pointers, one inside, and the argument spilled to the stack. */
    ".globl fn_chain, mark_chain, end_chain\n"
    "fn_chain: push %rbx\n mov %rdi, %rbx\n mov 0x10(%rdi), %rax\n mov 8(%rax), %rdi\n"
    " add $0x18, %rdi\n call fn_spin_lock\n mov %rbx, %rdi\n call fn_spin_lock\n mov %rbx, %rdi\n"
    " call fn_spin_unlock\n call fn_work\nmark_chain: pop %rbx\n ret\n"
    "end_chain: .balign 16\n"
    ".globl fn_spilled, mark_spilled, end_spilled\n"
    "fn_spilled: push %rbx\n sub $0x10, %rsp\n mov %rdi, 8(%rsp)\n xor %ebx, %ebx\n"
    " call fn_spin_lock\n call fn_work\nmark_spilled: mov 8(%rsp), %rdi\n call fn_spin_unlock\n"
    " add $0x10, %rsp\n pop %rbx\n ret\n"
    "end_spilled: .balign 16\n"

    /* Hand over hand: the lock of the node before this one is meant no more. */
    ".globl fn_walk, mark_walk, end_walk\n"
    "fn_walk: push %rbx\n mov %rdi, %rbx\n mov %rbx, %rdi\n call fn_spin_lock\n"
    "1: mov 8(%rbx), %rbx\n mov %rbx, %rdi\n call fn_work\nmark_walk: test %eax, %eax\n jne 1b\n"
    " pop %rbx\n ret\n"
    "end_walk: .balign 16\n"

    /* Its argument is kept nowhere: only the caller can tell it. */
    ".globl fn_callee, mark_callee, end_callee, fn_caller, mark_caller, end_caller\n"
    "fn_callee: push %rbx\n call fn_spin_lock\n xor %ebx, %ebx\n call fn_work\nmark_callee:"
    " pop %rbx\n ret\n"
    "end_callee: .balign 16\n"
    "fn_caller: push %rbx\n mov %rdi, %rbx\n lea 0x20(%rbx), %rdi\n call fn_callee\nmark_caller:"
    " pop %rbx\n ret\n"
    "end_caller: .balign 16\n"

    /* if (!trylock) return; the lock is held after it. */
    ".globl fn_tried, mark_tried, mark_not_got, end_tried\n"
    "fn_tried: push %rbx\n mov %rdi, %rbx\n call fn_spin_trylock\n test %eax, %eax\n je 1f\n"
    " call fn_work\nmark_tried: mov %rbx, %rdi\n call fn_spin_unlock\n1: call fn_work\n"
    "mark_not_got: pop %rbx\n ret\n"
    "end_tried: .balign 16\n"

    /* The unlock is in the part that is seldom run. */
    ".globl fn_parted, mark_parted, end_parted, fn_parted_cold, end_parted_cold\n"
    "fn_parted: push %rbx\n mov %rdi, %rbx\n call fn_spin_lock\n jmp fn_parted_cold\n"
    "1: call fn_work\nmark_parted: pop %rbx\n ret\n"
    "end_parted: .balign 16\n"
    "fn_parted_cold: mov %rbx, %rdi\n call fn_spin_unlock\n jmp 1b\n"
    "end_parted_cold: .balign 16\n"

    /* Realigns its stack: no register may be told beyond it. */
    ".globl fn_realign, mark_realign, end_realign\n"
    "fn_realign: push %rbp\n mov %rsp, %rbp\n and $-32, %rsp\n push %rbx\n call fn_work\n"
    "mark_realign: leave\n ret\n"
    "end_realign: .balign 16\n"
    /* … but what it pushed before lies where it always does. */
    ".globl fn_pushed, mark_pushed, end_pushed\n"
    "fn_pushed: push %rbp\n mov %rsp, %rbp\n push %rbx\n and $-32, %rsp\n sub $0x20, %rsp\n"
    " call fn_work\nmark_pushed: lea -8(%rbp), %rsp\n pop %rbx\n pop %rbp\n ret\n"
    "end_pushed: .balign 16\n"
    "code_end:\n"
    ".popsection\n");

extern const uint8_t code_begin[], code_end[];
#define DECLARE(name) extern const uint8_t name[];
DECLARE(fn_spin_lock)
DECLARE(fn_spin_unlock)
DECLARE(fn_spin_trylock)
DECLARE(fn_mutex_lock_interruptible)
DECLARE(fn_mutex_unlock)
DECLARE(fn_read_lock)
DECLARE(fn_read_unlock)
#define FUNCTION(name)          \
	DECLARE(fn_##name)      \
	DECLARE(end_##name)
FUNCTION(early_exit)
FUNCTION(twice)
FUNCTION(maybe)
FUNCTION(two)
FUNCTION(inlined)
FUNCTION(patched)
FUNCTION(unpatched)
FUNCTION(xadd)
FUNCTION(paravirt)
DECLARE(fn_callee_save)
DECLARE(mark_patched_in)
DECLARE(mark_patched_out)
DECLARE(mark_patched_end)
DECLARE(mark_unpatched_in)
DECLARE(mark_xadd_in)
DECLARE(mark_xadd_out)
DECLARE(mark_pv_in)
DECLARE(mark_pv_out)
FUNCTION(loop)
FUNCTION(interruptible)
FUNCTION(indirect)
FUNCTION(reader)
FUNCTION(realign)
FUNCTION(pushed)
FUNCTION(reused)
FUNCTION(helped)
FUNCTION(wrapped)
FUNCTION(doubt)
FUNCTION(chain)
FUNCTION(spilled)
FUNCTION(walk)
FUNCTION(callee)
FUNCTION(caller)
FUNCTION(tried)
FUNCTION(parted)
FUNCTION(parted_cold)
DECLARE(fn_take)
DECLARE(fn_drop)
DECLARE(fn_take_twice)
DECLARE(fn_take_more)
DECLARE(mark_helped_in)
DECLARE(mark_helped_out)
DECLARE(mark_wrapped)
DECLARE(mark_doubt)
DECLARE(mark_chain)
DECLARE(mark_spilled)
DECLARE(mark_walk)
DECLARE(mark_callee)
DECLARE(mark_caller)
DECLARE(mark_tried)
DECLARE(mark_not_got)
DECLARE(mark_parted)
DECLARE(mark_early_work)
DECLARE(mark_twice_in)
DECLARE(mark_twice_out)
DECLARE(mark_twice_lock)
DECLARE(mark_maybe)
DECLARE(mark_two)
DECLARE(mark_inl_in)
DECLARE(mark_inl_out)
DECLARE(mark_loop)
DECLARE(mark_interruptible)
DECLARE(mark_indirect)
DECLARE(mark_reader)
DECLARE(mark_realign)
DECLARE(mark_pushed)
DECLARE(mark_reused)

#define LOCK_A 0xffff888000123440ULL
#define LOCK_B 0xffff888000123480ULL
#define SP (FK_BASE + 0x3f000)

static uint64_t va(const uint8_t *label)
{
	return FK_TEXT + (uint64_t)(label - code_begin);
}

struct scene {
	struct fake_kernel *fk;
	struct sections *sections;
	struct saved_regs *saved;
	struct arena arena;
};

static int setup(void **state)
{
	struct scene *s = calloc(1, sizeof(*s));
	struct symbol_entry symbols[] = {
		{ "_raw_spin_lock", va(fn_spin_lock), 16, 'T' },
		{ "_raw_spin_unlock", va(fn_spin_unlock), 16, 'T' },
		{ "_raw_spin_trylock", va(fn_spin_trylock), 16, 'T' },
		{ "mutex_lock_interruptible", va(fn_mutex_lock_interruptible), 16, 'T' },
		{ "mutex_unlock", va(fn_mutex_unlock), 16, 'T' },
		{ "_raw_read_lock", va(fn_read_lock), 16, 'T' },
		{ "_raw_read_unlock", va(fn_read_unlock), 16, 'T' },
		{ "__raw_callee_save___pv_queued_spin_unlock", va(fn_callee_save), 16, 'T' },
		{ "_stext", FK_TEXT, 0, 'T' },
		{ "_etext", FK_TEXT + FAKE_PAGE, 0, 'T' },
		{ "take", va(fn_take), (uint64_t)(fn_drop - fn_take), 't' },
		{ "drop", va(fn_drop), 16, 't' },
		{ "take_twice", va(fn_take_twice), 16, 't' },
		{ "take_more", va(fn_take_more), 16, 't' },
		{ "parted.cold", va(fn_parted_cold), (uint64_t)(end_parted_cold - fn_parted_cold),
		  't' },
	};

	assert_true((size_t)(code_end - code_begin) < FAKE_PAGE);
	s->fk = fk_new();
	fk_put(s->fk, FK_TEXT, code_begin, (size_t)(code_end - code_begin));
	fk_ready(s->fk, symbols, sizeof(symbols) / sizeof(*symbols));
	arena_init(&s->arena);
	assert_int_equal(sections_new(&s->fk->kernel, &s->sections), 0);
	assert_int_equal(saved_regs_new(&s->fk->kernel, &s->saved), 0);
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct scene *s = *state;

	saved_regs_free(s->saved);
	sections_free(s->sections);
	arena_done(&s->arena);
	fk_free(s->fk);
	free(s);
	return 0;
}

static struct frame frame_at(const uint8_t *begin, const uint8_t *end, const uint8_t *mark)
{
	return (struct frame){ .function = "f", .address = va(mark), .reliable = true,
			       .offset = (uint32_t)(mark - begin), .size = (uint32_t)(end - begin),
			       .sp = SP };
}

/* A frame in which RBX and RBP have these values. */
static struct frame read_frame(struct scene *s, struct frame frame, uint64_t rbx, uint64_t rbp)
{
	static struct kept_regs kept;
	struct stack stack = { .frames = &frame, .n = 1 };
	struct regs regs = { 0 };

	regs_set(&regs, REG_X86_RBX, rbx);
	regs_set(&regs, REG_X86_RBP, rbp);
	regs_get_kept(&regs, &kept);
	frame.saved = &kept;
	assert_int_equal(sections_annotate(s->sections, &s->arena, &stack), 0);
	return frame;
}

#define READ(name, mark) \
	read_frame(s, frame_at(fn_##name, end_##name, mark), LOCK_A, LOCK_B)

static void test_early_exit(void **state)
{
	struct scene *s = *state;
	struct frame f = READ(early_exit, mark_early_work);

	assert_true(f.code_read);
	assert_int_equal(f.n_held, 1);
	assert_string_equal(f.held[0].target, "_raw_spin_lock");
	assert_true(f.held[0].always);
}

static void test_released(void **state)
{
	struct scene *s = *state;
	struct frame in = READ(twice, mark_twice_in), out = READ(twice, mark_twice_out);

	assert_int_equal(in.n_held, 1);
	assert_int_equal(in.held[0].lock, LOCK_A);
	assert_int_equal(in.held[0].address, va(mark_twice_lock));
	assert_true(out.code_read);
	assert_int_equal(out.n_held, 0);
}

static void test_waiter_passes_lock(void **state)
{
	struct scene *s = *state;
	struct frame f = READ(twice, mark_twice_lock);

	assert_int_equal(f.n_held, 0);
	assert_string_equal(f.callee, "_raw_spin_lock");
	assert_int_equal(f.callee_lock, LOCK_A);
}

/* The same address, but struck by an interrupt: the call has come back, the lock is held. */
static void test_interrupted_after_call(void **state)
{
	struct scene *s = *state;
	struct frame f = frame_at(fn_twice, end_twice, mark_twice_lock);

	f.interrupted = true;
	f = read_frame(s, f, LOCK_A, LOCK_B);
	assert_int_equal(f.n_held, 1);
	assert_null(f.callee);
}

static void test_some_ways(void **state)
{
	struct scene *s = *state;
	struct frame f = READ(maybe, mark_maybe);

	assert_int_equal(f.n_held, 1);
	assert_false(f.held[0].always);
}

static void test_two_locks(void **state)
{
	struct scene *s = *state;
	struct frame f = READ(two, mark_two);

	assert_true(f.code_read);
	assert_int_equal(f.n_held, 1);
	assert_int_equal(f.held[0].lock, LOCK_B); /* RBP's */
}

static void test_inlined_unlock(void **state)
{
	struct scene *s = *state;
	struct frame in = READ(inlined, mark_inl_in), out = READ(inlined, mark_inl_out);

	assert_int_equal(in.n_held, 1);
	assert_int_equal(in.held[0].lock, LOCK_A);
	assert_true(out.code_read);
	assert_int_equal(out.n_held, 0);
}

/* A store through RDI that is told: RBX's lock, dropped at the first. */
static void test_patched_unlock(void **state)
{
	struct scene *s = *state;
	struct frame in = READ(patched, mark_patched_in), out = READ(patched, mark_patched_out);
	struct frame last = READ(patched, mark_patched_end);
	struct frame other = READ(unpatched, mark_unpatched_in);

	assert_true(in.code_read);
	assert_int_equal(in.n_held, 0);
	assert_int_equal(out.n_held, 0);
	assert_int_equal(last.n_held, 0);
	/* A zero byte through a pointer of unknown origin is no unlock unless a NOP says so. */
	assert_int_equal(other.n_held, 1);
}

static void test_inlined_read_unlock(void **state)
{
	struct scene *s = *state;
	struct frame in = READ(xadd, mark_xadd_in), out = READ(xadd, mark_xadd_out);

	assert_int_equal(in.n_held, 1);
	assert_true(out.code_read);
	assert_int_equal(out.n_held, 0);
}

static void test_paravirt_unlock(void **state)
{
	struct scene *s = *state;
	struct frame in = READ(paravirt, mark_pv_in), out = READ(paravirt, mark_pv_out);

	assert_int_equal(in.n_held, 1);
	assert_true(out.code_read);
	assert_int_equal(out.n_held, 0);
}

static void test_loop(void **state)
{
	struct scene *s = *state;
	struct frame f = READ(loop, mark_loop);

	assert_true(f.code_read);
	assert_int_equal(f.n_held, 0);
}

static void test_interruptible(void **state)
{
	struct scene *s = *state;
	struct frame f = READ(interruptible, mark_interruptible);

	assert_int_equal(f.n_held, 1);
	assert_false(f.held[0].always);
}

/* What no followed way reaches is unknown, not free of locks. */
static void test_not_reached(void **state)
{
	struct scene *s = *state;
	struct frame f = READ(indirect, mark_indirect);

	assert_false(f.code_read);
	assert_int_equal(f.n_held, 0);
}

static void test_other_kinds_release(void **state)
{
	struct scene *s = *state;
	struct frame f = READ(reader, mark_reader);

	assert_int_equal(f.n_held, 1);
	assert_string_equal(f.held[0].target, "_raw_read_lock");
}

static void test_register_reused(void **state)
{
	struct scene *s = *state;
	struct frame f = READ(reused, mark_reused);

	assert_int_equal(f.n_held, 1);
	assert_int_equal(f.held[0].lock, 0);
}

/* A helper takes it, in either branch, and another releases it. */
static void test_helpers(void **state)
{
	struct scene *s = *state;
	struct frame in = READ(helped, mark_helped_in), out = READ(helped, mark_helped_out);

	assert_int_equal(in.n_held, 1);
	assert_string_equal(in.held[0].target, "_raw_spin_lock");
	assert_string_equal(in.held[0].via, "take");
	assert_true(in.held[0].always);
	assert_int_equal(in.held[0].lock, LOCK_A + 8);
	assert_true(out.code_read);
	assert_int_equal(out.n_held, 0);
}

static void test_helper_of_helper(void **state)
{
	struct scene *s = *state;
	struct frame f;

	fk_put64(s->fk, LOCK_A, LOCK_B);
	f = READ(wrapped, mark_wrapped);
	assert_int_equal(f.n_held, 1);
	assert_true(f.held[0].always);
	assert_int_equal(f.held[0].lock, LOCK_B + 8);
}

/* Whom it called after the lock call may have released it. */
static void test_helper_in_doubt(void **state)
{
	struct scene *s = *state;
	struct frame f = READ(doubt, mark_doubt);

	assert_true(f.code_read);
	assert_int_equal(f.n_held, 0);
}

static void test_pointers(void **state)
{
	struct scene *s = *state;
	struct frame f;

	fk_put64(s->fk, LOCK_A + 0x10, LOCK_B);
	fk_put64(s->fk, LOCK_B + 8, LOCK_A + 0x100);
	f = READ(chain, mark_chain);
	assert_int_equal(f.n_held, 1);
	assert_int_equal(f.held[0].lock, LOCK_A + 0x118);
}

static void test_spilled(void **state)
{
	struct scene *s = *state;
	struct frame f;

	fk_put64(s->fk, SP + 8, LOCK_B);
	f = READ(spilled, mark_spilled);
	assert_int_equal(f.n_held, 1);
	assert_int_equal(f.held[0].lock, LOCK_B);
}

/* The lock is held, and which one it is nothing tells any more: RBX has moved on. */
static void test_moved_on(void **state)
{
	struct scene *s = *state;
	struct frame f = READ(walk, mark_walk);

	assert_int_equal(f.n_held, 1);
	assert_true(f.held[0].always);
	assert_int_equal(f.held[0].lock, 0);
}

static void test_argument_of_caller(void **state)
{
	struct scene *s = *state;
	struct kept_regs kept;
	struct regs regs = { 0 };
	struct frame frames[2] = { frame_at(fn_callee, end_callee, mark_callee),
				   frame_at(fn_caller, end_caller, mark_caller) };
	struct stack stack = { .frames = frames, .n = 2 };

	regs_set(&regs, REG_X86_RBX, LOCK_A);
	regs_get_kept(&regs, &kept);
	frames[1].saved = &kept;
	assert_int_equal(sections_annotate(s->sections, &s->arena, &stack), 0);
	assert_int_equal(frames[0].n_held, 1);
	assert_int_equal(frames[0].held[0].lock, LOCK_A + 0x20);
	/* Another caller than the stack says would tell another lock: none is told. */
	frames[0] = frame_at(fn_callee, end_callee, mark_callee);
	frames[1] = frame_at(fn_helped, end_helped, mark_helped_in);
	frames[1].saved = &kept;
	assert_int_equal(sections_annotate(s->sections, &s->arena, &stack), 0);
	assert_int_equal(frames[0].n_held, 1);
	assert_int_equal(frames[0].held[0].lock, 0);
}

static void test_tried(void **state)
{
	struct scene *s = *state;
	struct frame got = READ(tried, mark_tried), not = READ(tried, mark_not_got);

	assert_int_equal(got.n_held, 1);
	assert_true(got.held[0].always);
	assert_true(not.code_read);
	assert_int_equal(not.n_held, 0);
}

static void test_cold_part(void **state)
{
	struct scene *s = *state;
	struct frame f = READ(parted, mark_parted);

	assert_true(f.code_read);
	assert_int_equal(f.n_held, 0);
}

/* Code that is not in the dump. */
static void test_unreadable(void **state)
{
	struct scene *s = *state;
	struct frame f = frame_at(fn_twice, end_twice, mark_twice_in);

	f.address += 2 * FK_SIZE;
	f = read_frame(s, f, LOCK_A, LOCK_B);
	assert_false(f.code_read);
}

/* The value of register @reg in @frame; -1: not known. */
static uint64_t kept(const struct frame *frame, unsigned int reg)
{
	struct regs regs = { 0 };

	assert_non_null(frame->saved);
	regs_set_kept(&regs, frame->saved);
	return regs_has(&regs, reg) ? regs.v[reg] : UINT64_MAX;
}

/* RBX and RBP of the caller come from where the callee pushed them. */
static void test_saved_registers(void **state)
{
	struct scene *s = *state;
	uint64_t cfa = SP + 24; /* two pushes and the return address */
	struct regs regs = { 0 };
	struct frame frames[2] = { frame_at(fn_twice, end_twice, mark_twice_in),
				   frame_at(fn_two, end_two, mark_two) };
	struct stack stack = { .frames = frames, .n = 2 };

	regs_set(&regs, REG_X86_RBX, 1);
	regs_set(&regs, REG_X86_RBP, 2);
	regs_set(&regs, REG_X86_R12, 3);
	frames[0].regs = &regs;
	frames[1].sp = cfa;
	fk_put64(s->fk, cfa - 16, LOCK_B); /* push %rbp */
	fk_put64(s->fk, cfa - 24, LOCK_A); /* push %rbx */
	assert_int_equal(saved_regs_fill(s->saved, &s->arena, &stack), 0);
	assert_int_equal(kept(&frames[1], REG_X86_RBP), LOCK_B);
	assert_int_equal(kept(&frames[1], REG_X86_RBX), LOCK_A);
	assert_int_equal(kept(&frames[1], REG_X86_R12), 3);
}

/* Struck before the second push: that register is still the caller's own. */
static void test_saved_registers_early(void **state)
{
	struct scene *s = *state;
	uint64_t cfa = SP + 16;
	struct regs regs = { 0 };
	struct frame frames[2] = { frame_at(fn_twice, end_twice, fn_twice + 1),
				   frame_at(fn_two, end_two, mark_two) };
	struct stack stack = { .frames = frames, .n = 2 };

	regs_set(&regs, REG_X86_RBX, 1);
	regs_set(&regs, REG_X86_RBP, 2);
	frames[0].regs = &regs;
	frames[0].interrupted = true;
	frames[1].sp = cfa;
	fk_put64(s->fk, cfa - 16, LOCK_B);
	fk_put64(s->fk, cfa - 24, LOCK_A);
	assert_int_equal(saved_regs_fill(s->saved, &s->arena, &stack), 0);
	assert_int_equal(kept(&frames[1], REG_X86_RBP), LOCK_B);
	assert_int_equal(kept(&frames[1], REG_X86_RBX), 1);
}

static void test_saved_registers_realigned(void **state)
{
	struct scene *s = *state;
	struct regs regs = { 0 };
	struct frame frames[2] = { frame_at(fn_realign, end_realign, mark_realign),
				   frame_at(fn_two, end_two, mark_two) };
	struct stack stack = { .frames = frames, .n = 2 };

	regs_set(&regs, REG_X86_RBX, 1);
	frames[0].regs = &regs;
	frames[1].sp = SP + 64;
	assert_int_equal(saved_regs_fill(s->saved, &s->arena, &stack), 0);
	assert_null(frames[1].saved);
}

static void test_saved_registers_before_realigning(void **state)
{
	struct scene *s = *state;
	uint64_t cfa = SP + 0x60;
	struct regs regs = { 0 };
	struct frame frames[2] = { frame_at(fn_pushed, end_pushed, mark_pushed),
				   frame_at(fn_two, end_two, mark_two) };
	struct stack stack = { .frames = frames, .n = 2 };

	regs_set(&regs, REG_X86_RBX, 1);
	frames[0].regs = &regs;
	frames[1].sp = cfa;
	fk_put64(s->fk, cfa - 16, LOCK_B);
	fk_put64(s->fk, cfa - 24, LOCK_A);
	assert_int_equal(saved_regs_fill(s->saved, &s->arena, &stack), 0);
	assert_int_equal(kept(&frames[1], REG_X86_RBP), LOCK_B);
	assert_int_equal(kept(&frames[1], REG_X86_RBX), LOCK_A);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_early_exit, setup, teardown),
		cmocka_unit_test_setup_teardown(test_released, setup, teardown),
		cmocka_unit_test_setup_teardown(test_waiter_passes_lock, setup, teardown),
		cmocka_unit_test_setup_teardown(test_interrupted_after_call, setup, teardown),
		cmocka_unit_test_setup_teardown(test_some_ways, setup, teardown),
		cmocka_unit_test_setup_teardown(test_two_locks, setup, teardown),
		cmocka_unit_test_setup_teardown(test_inlined_unlock, setup, teardown),
		cmocka_unit_test_setup_teardown(test_patched_unlock, setup, teardown),
		cmocka_unit_test_setup_teardown(test_inlined_read_unlock, setup, teardown),
		cmocka_unit_test_setup_teardown(test_paravirt_unlock, setup, teardown),
		cmocka_unit_test_setup_teardown(test_loop, setup, teardown),
		cmocka_unit_test_setup_teardown(test_interruptible, setup, teardown),
		cmocka_unit_test_setup_teardown(test_not_reached, setup, teardown),
		cmocka_unit_test_setup_teardown(test_other_kinds_release, setup, teardown),
		cmocka_unit_test_setup_teardown(test_register_reused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_helpers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_helper_of_helper, setup, teardown),
		cmocka_unit_test_setup_teardown(test_helper_in_doubt, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pointers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_spilled, setup, teardown),
		cmocka_unit_test_setup_teardown(test_moved_on, setup, teardown),
		cmocka_unit_test_setup_teardown(test_argument_of_caller, setup, teardown),
		cmocka_unit_test_setup_teardown(test_tried, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cold_part, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unreadable, setup, teardown),
		cmocka_unit_test_setup_teardown(test_saved_registers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_saved_registers_early, setup, teardown),
		cmocka_unit_test_setup_teardown(test_saved_registers_realigned, setup, teardown),
		cmocka_unit_test_setup_teardown(test_saved_registers_before_realigning, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
