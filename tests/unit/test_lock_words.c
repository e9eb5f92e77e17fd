// SPDX-License-Identifier: GPL-2.0-or-later
/* Expectations are from the kernel's headers (include/asm-generic/q*lock*.h, kernel/locking/). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/lock_words.h"

static void test_qspinlock(void **state)
{
	static const struct {
		uint32_t word, nr_cpus;
		bool ok, locked, pending;
		int32_t tail_cpu;
		uint8_t tail_index;
	} cases[] = {
		{ 0x00000000, 8, true, false, false, -1, 0 },
		{ 0x00000001, 8, true, true, false, -1, 0 },
		{ 0x00000003, 8, true, true, false, -1, 0 }, /* _Q_SLOW_VAL */
		{ 0x00000101, 8, true, true, true, -1, 0 },
		{ 0x00000100, 8, true, false, true, -1, 0 }, /* between owners */
		{ 0x00040001, 8, true, true, false, 0, 0 },  /* CPU 0 + 1 at bit 18 */
		{ 0x00100101, 8, true, true, true, 3, 0 },
		{ 0x00210001, 8, true, true, false, 7, 1 },  /* a softirq of CPU 7 */
		{ 0x00230001, 8, true, true, false, 7, 3 },  /* its NMI */
		{ 0x00240001, 8, false, false, false, 0, 0 }, /* CPU 8 of 8 */
		{ 0x00240001, 9, true, true, false, 8, 0 },
		{ 0x00010001, 8, false, false, false, 0, 0 }, /* an index of no CPU */
		{ 0x00000002, 8, false, false, false, 0, 0 },
		{ 0x000000ff, 8, false, false, false, 0, 0 }, /* a qrwlock's writer */
		{ 0x000001ff, 8, false, false, false, 0, 0 },
		{ 0x00000201, 8, false, false, false, 0, 0 }, /* pending is 0 or 1 */
		{ 0xffffffff, 8, false, false, false, 0, 0 },
		{ 0xffff8881, 8192, false, false, false, 0, 0 },
		{ 0x00000801, 16384, true, true, false, 0, 0 }, /* index bits 9-10, CPU from 11 */
		{ 0x00000f01, 16384, true, true, true, 0, 3 },
		{ 0x00001001, 16384, true, true, false, 1, 0 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct qspinlock_word w;

		assert_int_equal(qspinlock_decode(cases[i].word, cases[i].nr_cpus, &w), cases[i].ok);
		if (!cases[i].ok)
			continue;
		assert_int_equal(w.locked, cases[i].locked);
		assert_int_equal(w.pending, cases[i].pending);
		assert_int_equal(w.tail_cpu, cases[i].tail_cpu);
		assert_int_equal(w.tail_index, cases[i].tail_index);
	}
}

static void test_qrwlock(void **state)
{
	static const struct {
		uint32_t cnts;
		bool ok, writer, waiting;
		uint32_t readers;
	} cases[] = {
		{ 0x000, true, false, false, 0 },  { 0x0ff, true, true, false, 0 },
		{ 0x1ff, true, true, true, 0 },	   { 0x100, true, false, true, 0 },
		{ 0x200, true, false, false, 1 },  { 0x300, true, false, true, 1 },
		{ 0xa00, true, false, false, 5 },  { 0x2ff, true, true, false, 1 },
		{ 0x001, false, false, false, 0 }, { 0x0fe, false, false, false, 0 },
		{ 0x90fff, false, false, false, 0 }, /* more readers than contexts */
		{ 0xffffffff, false, false, false, 0 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct qrwlock_word w;

		assert_int_equal(qrwlock_decode(cases[i].cnts, 8, &w), cases[i].ok);
		if (!cases[i].ok)
			continue;
		assert_int_equal(w.writer, cases[i].writer);
		assert_int_equal(w.waiting, cases[i].waiting);
		assert_int_equal(w.readers, cases[i].readers);
	}
}

static void test_mutex(void **state)
{
	struct mutex_word w;

	mutex_decode(0, &w);
	assert_int_equal(w.owner, 0);
	assert_false(w.has_waiters);
	mutex_decode(0xffff888001234001, &w);
	assert_int_equal(w.owner, 0xffff888001234000);
	assert_true(w.has_waiters && !w.handoff && !w.pickup);
	mutex_decode(0xffff888001234003, &w);
	assert_true(w.has_waiters && w.handoff && !w.pickup);
	mutex_decode(0xffff888001234005, &w);
	assert_true(w.has_waiters && !w.handoff && w.pickup);
	assert_int_equal(w.owner, 0xffff888001234000);
	mutex_decode(1, &w); /* free, somebody was just woken */
	assert_int_equal(w.owner, 0);
	assert_true(w.has_waiters);
}

#define TASK 0xffff888001234000ULL

static void test_rwsem(void **state)
{
	static const struct {
		int64_t count;
		uint64_t owner;
		bool ok, writer;
		int32_t readers;
		bool waiters;
		uint64_t holder;
		bool hint;
	} cases[] = {
		{ 0, 0, true, false, 0, false, 0, true },
		{ 0x001, TASK, true, true, 0, false, TASK, false },
		{ 0x003, TASK, true, true, 0, true, TASK, false },
		{ 0x007, TASK | 2, true, true, 0, true, TASK, false }, /* NONSPINNABLE */
		{ 0x100, TASK | 1, true, false, 1, false, TASK, true },
		{ 0x502, TASK | 1, true, false, 5, true, TASK, true },
		/* The last reader left and cleared no owner: nobody is in it. */
		{ 0x002, TASK | 1, true, false, 0, true, 0, true },
		{ 0x008, TASK, false, false, 0, false, 0, false },
		{ INT64_MAX, 0, false, false, 0, false, 0, false },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct rwsem_word w;

		assert_int_equal(rwsem_decode(cases[i].count, cases[i].owner, false, &w),
				 cases[i].ok);
		if (!cases[i].ok)
			continue;
		assert_int_equal(w.writer, cases[i].writer);
		assert_int_equal(w.readers, cases[i].readers);
		assert_int_equal(w.has_waiters, cases[i].waiters);
		assert_int_equal(w.owner, cases[i].holder);
		assert_int_equal(w.owner_is_hint, cases[i].hint);
	}
}

/* RWSEM_WAITING_BIAS is -2^32, RWSEM_ACTIVE_BIAS 1, a writer adds both. */
static void test_rwsem_xadd(void **state)
{
	const int64_t waiting = -(1LL << 32);
	struct rwsem_word w;

	assert_true(rwsem_decode(0, 0, true, &w));
	assert_true(!w.writer && w.readers == 0 && !w.has_waiters);
	assert_true(rwsem_decode(3, TASK | 1, true, &w));
	assert_true(!w.writer && w.readers == 3 && w.owner_is_hint);
	assert_true(rwsem_decode(waiting + 1, TASK, true, &w));
	assert_true(w.writer && w.owner == TASK && !w.owner_is_hint);
	/* The same count is one reader with somebody behind it, when the owner is a reader's. */
	assert_true(rwsem_decode(waiting + 1, 1, true, &w));
	assert_true(!w.writer && w.readers == 1 && w.has_waiters);
	assert_true(rwsem_decode(2 * waiting + 1, TASK, true, &w));
	assert_true(w.writer && w.has_waiters && w.owner == TASK);
	assert_true(rwsem_decode(waiting + 4, 1, true, &w));
	assert_true(!w.writer && w.readers == 4 && w.has_waiters);
	assert_false(rwsem_decode(1LL << 33, 0, true, &w));
}

static void test_texts(void **state)
{
	struct qspinlock_word spin = { .locked = true, .pending = true, .tail_cpu = 5 };
	struct qrwlock_word rw = { .writer = true, .waiting = true };
	struct arena arena;

	arena_init(&arena);
	assert_non_null(strstr(qspinlock_text(&arena, &spin), "CPU 5"));
	spin.tail_cpu = -1;
	assert_null(strstr(qspinlock_text(&arena, &spin), "CPU"));
	assert_non_null(strstr(qrwlock_text(&arena, &rw), "held for writing"));
	rw = (struct qrwlock_word){ .readers = 1 };
	assert_string_equal(qrwlock_text(&arena, &rw), "held by 1 reader");
	arena_done(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_qspinlock), cmocka_unit_test(test_qrwlock),
		cmocka_unit_test(test_mutex),	  cmocka_unit_test(test_rwsem),
		cmocka_unit_test(test_rwsem_xadd), cmocka_unit_test(test_texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
