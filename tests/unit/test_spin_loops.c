// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Waits inside the waiting function's own code: the functions below are assembled into this
 * program, never run, and copied into a made-up kernel's text. The loops are as GCC makes them of
 * spin_trylock(), bit_spin_lock() and read_seqbegin().
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fake_kernel.h"
#include "kernel/sections.h"
#include "kernel/spin_loops.h"

asm(".pushsection .rodata\n"
    ".balign 16\n"
    "spin_code_begin:\n"
    "sl_trylock: ret\n .balign 16\n"
    "sl_work: ret\n .balign 16\n"

    "sl_try: push %rbx\n lea 8(%rdi), %rbx\n jmp 2f\n1: pause\n2: mov %rbx, %rdi\nmark_try:"
    " call sl_trylock\nmark_trying: test %eax, %eax\n je 1b\n pop %rbx\n ret\n"
    "end_try: .balign 16\n"
    /* The same, but work is done on each round. */
    "sl_busy: push %rbx\n mov %rdi, %rbx\n jmp 2f\n1: pause\n call sl_work\n2: mov %rbx, %rdi\n"
    "mark_busy: call sl_trylock\n test %eax, %eax\n je 1b\n pop %rbx\n ret\n"
    "end_busy: .balign 16\n"

    "sl_bit: push %rbx\n mov %rdi, %rbx\n1: lock btsq $3, (%rbx)\n jb 2f\n call sl_work\n"
    "mark_bit_held: lock andb $0xf7, (%rbx)\n call sl_work\nmark_bit_dropped: pop %rbx\n ret\n"
    "2: pause\nmark_bit: mov (%rbx), %rax\n test $8, %al\n jne 2b\n jmp 1b\n"
    "end_bit: .balign 16\n"

    "sl_seq: push %rbx\n mov %rdi, %rbx\n jmp 2f\n1: pause\n2: mov 0x10(%rbx), %eax\nmark_seq:"
    " test $1, %al\n jne 1b\n pop %rbx\n ret\n"
    "end_seq: .balign 16\n"
    /* A flag that is polled is no lock. */
    "sl_flag: push %rbx\n mov %rdi, %rbx\n1: pause\n mov (%rbx), %eax\nmark_flag: test %eax, %eax\n"
    " je 1b\n pop %rbx\n ret\n"
    "end_flag: .balign 16\n"
    "spin_code_end:\n"
    ".popsection\n");

#define DECLARE(name) extern const uint8_t name[];
DECLARE(spin_code_begin)
DECLARE(spin_code_end)
DECLARE(sl_trylock)
DECLARE(sl_work)
DECLARE(sl_try)
DECLARE(mark_try)
DECLARE(mark_trying)
DECLARE(end_try)
DECLARE(sl_busy)
DECLARE(mark_busy)
DECLARE(end_busy)
DECLARE(sl_bit)
DECLARE(mark_bit)
DECLARE(mark_bit_held)
DECLARE(mark_bit_dropped)
DECLARE(end_bit)
DECLARE(sl_seq)
DECLARE(mark_seq)
DECLARE(end_seq)
DECLARE(sl_flag)
DECLARE(mark_flag)
DECLARE(end_flag)

#define OBJECT (FK_BASE + 0x20000)

static uint64_t va(const uint8_t *label)
{
	return FK_TEXT + (uint64_t)(label - spin_code_begin);
}

struct scene {
	struct fake_kernel *fk;
	struct sections *sections;
	struct arena arena;
	struct frame frames[2];
	struct stack stack;
	struct regs regs;
	struct wait *waits;
	uint32_t n;
};

static int setup(void **state)
{
	struct scene *s = calloc(1, sizeof(*s));
	struct symbol_entry symbols[] = {
		{ "_stext", FK_TEXT, 0, 'T' },
		{ "_etext", FK_TEXT + FAKE_PAGE, 0, 'T' },
		{ "_raw_spin_trylock", va(sl_trylock), 16, 'T' },
	};

	assert_true((size_t)(spin_code_end - spin_code_begin) < FAKE_PAGE);
	s->fk = fk_new();
	fk_put(s->fk, FK_TEXT, spin_code_begin, (size_t)(spin_code_end - spin_code_begin));
	fk_ready(s->fk, symbols, sizeof(symbols) / sizeof(*symbols));
	arena_init(&s->arena);
	assert_int_equal(sections_new(&s->fk->kernel, &s->sections), 0);
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct scene *s = *state;

	sections_free(s->sections);
	arena_done(&s->arena);
	fk_free(s->fk);
	free(s);
	return 0;
}

/* A CPU interrupted at @mark with RBX = @rbx; what it waits for is in s->waits. */
static void look(struct scene *s, const uint8_t *begin, const uint8_t *end, const uint8_t *mark,
		 uint64_t rbx)
{
	regs_set(&s->regs, REG_X86_RBX, rbx);
	s->frames[0] = (struct frame){
		.function = "f", .address = va(mark), .reliable = true, .interrupted = true,
		.offset = (uint32_t)(mark - begin), .size = (uint32_t)(end - begin),
		.regs = &s->regs, .sp = OBJECT + 0x1000,
	};
	s->stack = (struct stack){ .frames = s->frames, .n = 1 };
	s->waits = NULL;
	s->n = 0;
	assert_int_equal(sections_annotate(s->sections, &s->arena, &s->stack), 0);
	assert_int_equal(spin_loops_find(s->sections, &s->arena, &s->stack, &s->waits, &s->n), 0);
}

static void check_wait(const struct scene *s, enum lock_kind kind, const char *callee,
		       uint64_t lock)
{
	assert_int_equal(s->n, 1);
	assert_true(s->waits[0].inlined);
	assert_int_equal(s->waits[0].kind, kind);
	assert_string_equal(s->frames[s->waits[0].frame].callee, callee);
	assert_int_equal(s->frames[s->waits[0].frame].callee_lock, lock);
}

static void test_trylock(void **state)
{
	struct scene *s = *state;

	look(s, sl_try, end_try, mark_try, OBJECT + 8);
	check_wait(s, LOCK_SPINLOCK, "_raw_spin_trylock", OBJECT + 8);
}

/* Met inside the trylock. */
static void test_in_trylock(void **state)
{
	struct scene *s = *state;
	struct kept_regs kept;

	look(s, sl_try, end_try, mark_trying, OBJECT + 8);
	regs_get_kept(&s->regs, &kept);
	s->frames[1] = s->frames[0];
	s->frames[1].interrupted = false;
	s->frames[1].regs = NULL;
	s->frames[1].saved = &kept;
	s->frames[0] = (struct frame){ .function = "_raw_spin_trylock", .address = va(sl_trylock),
				       .reliable = true, .interrupted = true, .size = 1,
				       .regs = &s->regs };
	s->stack.n = 2;
	s->waits = NULL;
	s->n = 0;
	assert_int_equal(spin_loops_find(s->sections, &s->arena, &s->stack, &s->waits, &s->n), 0);
	check_wait(s, LOCK_SPINLOCK, "_raw_spin_trylock", OBJECT + 8);
	assert_int_equal(s->waits[0].frame, 1);
}

static void test_works_between(void **state)
{
	struct scene *s = *state;

	look(s, sl_busy, end_busy, mark_busy, OBJECT);
	assert_int_equal(s->n, 0);
}

static void test_bit(void **state)
{
	struct scene *s = *state;

	fk_put64(s->fk, OBJECT, 8);
	look(s, sl_bit, end_bit, mark_bit, OBJECT);
	check_wait(s, LOCK_BIT_SPINLOCK, "bit_spin_lock", OBJECT);
	/* The bit is clear: it is on its way out of the loop. */
	fk_put64(s->fk, OBJECT, 4);
	look(s, sl_bit, end_bit, mark_bit, OBJECT);
	assert_int_equal(s->n, 0);
}

/* Who has set the bit holds it, until it clears it. */
static void test_bit_held(void **state)
{
	struct scene *s = *state;

	look(s, sl_bit, end_bit, mark_bit_held, OBJECT);
	assert_int_equal(s->n, 0);
	assert_int_equal(s->frames[0].n_held, 1);
	assert_true(s->frames[0].held[0].always);
	assert_int_equal(s->frames[0].held[0].lock, OBJECT);
	look(s, sl_bit, end_bit, mark_bit_dropped, OBJECT);
	assert_true(s->frames[0].code_read);
	assert_int_equal(s->frames[0].n_held, 0);
	look(s, sl_bit, end_bit, mark_bit, OBJECT);
	assert_int_equal(s->frames[0].n_held, 0);
}

static void test_seqcount(void **state)
{
	struct scene *s = *state;

	fk_put32(s->fk, OBJECT + 0x10, 7);
	look(s, sl_seq, end_seq, mark_seq, OBJECT);
	check_wait(s, LOCK_SEQCOUNT, "read_seqbegin", OBJECT + 0x10);
	fk_put32(s->fk, OBJECT + 0x10, 8);
	look(s, sl_seq, end_seq, mark_seq, OBJECT);
	assert_int_equal(s->n, 0);
	/* Not in the dump, as a device's registers are not. */
	look(s, sl_seq, end_seq, mark_seq, OBJECT + 64 * FK_SIZE);
	assert_int_equal(s->n, 0);
}

static void test_other_loops(void **state)
{
	struct scene *s = *state;

	fk_put32(s->fk, OBJECT, 1);
	look(s, sl_flag, end_flag, mark_flag, OBJECT);
	assert_int_equal(s->n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_trylock, setup, teardown),
		cmocka_unit_test_setup_teardown(test_in_trylock, setup, teardown),
		cmocka_unit_test_setup_teardown(test_works_between, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bit, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bit_held, setup, teardown),
		cmocka_unit_test_setup_teardown(test_seqcount, setup, teardown),
		cmocka_unit_test_setup_teardown(test_other_loops, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
