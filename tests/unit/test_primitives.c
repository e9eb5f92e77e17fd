// SPDX-License-Identifier: GPL-2.0-or-later
/* What functions do by name, over the eras, and which waits a stack shows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "diagnose/primitives.h"

struct expected {
	const char *function;
	enum lock_kind kind;
	enum primitive_act act;
	int write;
};

static void test_names(void **state)
{
	static const struct expected cases[] = {
		{ "_spin_lock", LOCK_SPINLOCK, PRIMITIVE_ACQUIRE, -1 },		/* 2.6.18 */
		{ "__ticket_spin_lock", LOCK_SPINLOCK, PRIMITIVE_ACQUIRE, -1 },	/* 2.6.32 */
		{ "_write_lock_bh", LOCK_RWLOCK, PRIMITIVE_ACQUIRE, 1 },
		{ "__write_lock_failed", LOCK_RWLOCK, PRIMITIVE_SLOWPATH, 1 },
		{ "__read_lock_failed", LOCK_RWLOCK, PRIMITIVE_SLOWPATH, 0 },
		{ "_raw_spin_lock_irqsave", LOCK_SPINLOCK, PRIMITIVE_ACQUIRE, -1 },
		{ "do_raw_spin_lock", LOCK_SPINLOCK, PRIMITIVE_ACQUIRE, -1 },
		{ "native_queued_spin_lock_slowpath", LOCK_SPINLOCK, PRIMITIVE_SLOWPATH, -1 },
		{ "native_queued_spin_lock_slowpath.part.0", LOCK_SPINLOCK, PRIMITIVE_SLOWPATH, -1 },
		{ "__pv_queued_spin_lock_slowpath", LOCK_SPINLOCK, PRIMITIVE_SLOWPATH, -1 },
		{ "queued_read_lock_slowpath", LOCK_RWLOCK, PRIMITIVE_SLOWPATH, 0 },
		{ "raw_spin_rq_lock_nested", LOCK_SPINLOCK, PRIMITIVE_ACQUIRE, -1 },
		{ "_raw_spin_trylock_bh", LOCK_SPINLOCK, PRIMITIVE_TRYLOCK, -1 },
		{ "_raw_write_unlock_irqrestore", LOCK_RWLOCK, PRIMITIVE_RELEASE, 1 },
		{ "__mutex_lock.constprop.0", LOCK_MUTEX, PRIMITIVE_SLOWPATH, -1 },
		{ ".mutex_lock", LOCK_MUTEX, PRIMITIVE_ACQUIRE, -1 }, /* ppc64's dot */
		{ "mutex_unlock", LOCK_MUTEX, PRIMITIVE_RELEASE, -1 },
		{ "rwsem_down_write_slowpath", LOCK_RWSEM, PRIMITIVE_SLOWPATH, 1 },
		{ "call_rwsem_down_read_failed", LOCK_RWSEM, PRIMITIVE_SLOWPATH, 0 },
		{ "up_read", LOCK_RWSEM, PRIMITIVE_RELEASE, 0 },
		{ "up", LOCK_SEMAPHORE, PRIMITIVE_RELEASE, -1 },
		{ "rt_spin_lock", LOCK_SPINLOCK, PRIMITIVE_ACQUIRE, -1 },
		{ "smp_call_function_many_cond", LOCK_CSD, PRIMITIVE_WAIT, -1 },
		{ "synchronize_rcu_expedited", LOCK_RCU, PRIMITIVE_WAIT, -1 },
		{ "__flush_workqueue", LOCK_WORKQUEUE, PRIMITIVE_WAIT, -1 },
		{ "io_schedule", LOCK_IO, PRIMITIVE_WAIT, -1 },
		{ "__schedule", LOCK_UNKNOWN, PRIMITIVE_SCHEDULE, -1 },
		{ "ww_mutex_unlock", LOCK_MUTEX, PRIMITIVE_RELEASE, -1 }, /* the table's last */
		{ "__bio_wait", LOCK_IO, PRIMITIVE_WAIT, -1 },		  /* and its first */
	};
	static const char *const none[] = { "ip_set_add", "spin", "lock", "read_lock_table", "_raw_",
					    "mutex", "", "spin_lockup", "unlock_page" };

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct primitive p = { 0 };

		if (!primitive_find(cases[i].function, &p) || p.kind != cases[i].kind ||
		    p.act != cases[i].act || p.write != cases[i].write)
			fail_msg("%s: kind %d, act %d, write %d", cases[i].function, p.kind, p.act,
				 p.write);
	}
	for (size_t i = 0; i < sizeof(none) / sizeof(*none); i++) {
		struct primitive p;

		if (primitive_find(none[i], &p))
			fail_msg("\"%s\" is no primitive", none[i]);
	}
	assert_false(primitive_find(NULL, &(struct primitive){ 0 }));
}

/* Whatever is looked up in the code must be known as a lock call by name. */
static void test_lock_calls(void **state)
{
	const char *const *names;
	size_t n = primitive_lock_calls(&names);

	assert_true(n > 50);
	for (size_t i = 0; i < n; i++)
		if (!primitive_is_lock_call(names[i]))
			fail_msg("%s", names[i]);
}

static void test_same(void **state)
{
	assert_true(function_same("f.constprop.0", "f"));
	assert_true(function_same("f.isra.0.cold", "f.part.1"));
	assert_false(function_same("f", "ff"));
	assert_false(function_same(NULL, NULL));
}

#define FRAME(name, ...) { .function = name, .reliable = true, ##__VA_ARGS__ }

static struct wait one_wait(struct arena *arena, struct frame *frames, uint32_t n)
{
	struct stack stack = { .frames = frames, .n = n };
	struct wait *waits;
	uint32_t n_waits;

	assert_int_equal(waits_find(arena, &stack, &waits, &n_waits), 0);
	assert_int_equal(n_waits, 1);
	return waits[0];
}

static void test_waits(void **state)
{
	struct frame rwlock[] = { FRAME("native_queued_spin_lock_slowpath"),
				  FRAME("queued_write_lock_slowpath"), FRAME("_raw_write_lock_bh"),
				  FRAME("ip_set_add"), FRAME("set_target") };
	struct frame work[] = { FRAME("__schedule"), FRAME("schedule"), FRAME("schedule_timeout"),
				FRAME("__wait_for_common"), FRAME("__flush_work"),
				FRAME("cancel_work_sync"), FRAME("close") };
	struct frame first[] = { FRAME("queued_write_lock_slowpath"), FRAME("ip_set_add") };
	struct arena arena;
	struct wait wait;

	arena_init(&arena);
	wait = one_wait(&arena, rwlock, 5);
	assert_int_equal(wait.frame, 2);
	assert_int_equal(wait.kind, LOCK_RWLOCK);
	assert_int_equal(wait.write, 1);
	assert_true(wait.queued_behind);
	assert_true(wait.slow);
	wait = one_wait(&arena, first, 2);
	assert_false(wait.queued_behind);
	wait = one_wait(&arena, work, 7);
	assert_int_equal(wait.frame, 5);
	assert_int_equal(wait.kind, LOCK_WORKQUEUE);
	arena_done(&arena);
}

static void test_two_contexts(void **state)
{
	struct frame frames[] = { FRAME("native_queued_spin_lock_slowpath"), FRAME("_raw_spin_lock"),
				  FRAME("timer_fn"), FRAME("asm_sysvec_apic_timer_interrupt"),
				  FRAME("queued_read_lock_slowpath", .interrupted = true),
				  FRAME("_raw_read_lock"), FRAME("task_fn") };
	struct stack stack = { .frames = frames, .n = 7 };
	struct arena arena;
	struct wait *waits;
	uint32_t n;

	arena_init(&arena);
	assert_int_equal(waits_find(&arena, &stack, &waits, &n), 0);
	assert_int_equal(n, 2);
	assert_int_equal(waits[0].frame, 1);
	assert_int_equal(waits[1].frame, 5);
	assert_int_equal(context_outermost(&stack, 0), 3);
	assert_int_equal(context_innermost(&stack, 6), 4);
	assert_int_equal(wait_caller(&stack, &waits[0]), 2);
	arena_done(&arena);
}

/* A primitive that is not innermost is over; a bare sleep waits for nothing with a name. */
static void test_no_wait(void **state)
{
	struct frame inside[] = { FRAME("expire"), FRAME("_raw_spin_lock"), FRAME("ip_set_add") };
	struct frame sleep[] = { FRAME("__schedule"), FRAME("schedule"), FRAME("worker_thread") };
	struct frame unlock[] = { FRAME("_raw_spin_unlock_irqrestore"), FRAME("wake_up") };
	struct frame *stacks[] = { inside, sleep, unlock };
	struct arena arena;

	arena_init(&arena);
	for (int i = 0; i < 3; i++) {
		struct stack stack = { .frames = stacks[i], .n = i == 2 ? 2 : 3 };
		struct wait *waits;
		uint32_t n;

		assert_int_equal(waits_find(&arena, &stack, &waits, &n), 0);
		assert_int_equal(n, 0);
	}
	arena_done(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),	     cmocka_unit_test(test_lock_calls),
		cmocka_unit_test(test_same),	     cmocka_unit_test(test_waits),
		cmocka_unit_test(test_two_contexts), cmocka_unit_test(test_no_wait),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
