// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "fake_kernel.h"
#include "kernel/runqueue.h"

/* Offsets in a CPU's area, which are what per-CPU symbols are before 6.15; and in struct rq. */
enum { CURRENT = 0x100, PREEMPT = 0x110, TOUCH = 0x120, RQ = 0x200 };
enum { RQ_NR = 4, RQ_CURR = 8, RQ_IDLE = 16, RQ_CLOCK = 24 };

#define TASK (FK_BASE + 0x100000)

static int setup(void **state)
{
	static const struct symbol_entry symbols[] = {
		{ "current_task", CURRENT, 0, 'D' },
		{ "__preempt_count", PREEMPT, 0, 'D' },
		{ "watchdog_touch_ts", TOUCH, 0, 'd' },
		{ "runqueues", RQ, 0, 'D' },
	};
	struct fake_kernel *f = fk_new();
	int u32 = btf__add_int(f->btf, "unsigned int", 4, 0);
	int u64 = btf__add_int(f->btf, "long unsigned int", 8, 0);

	fk_struct(f, "rq", 64);
	fk_field(f, "nr_running", u32, RQ_NR);
	fk_field(f, "curr", u64, RQ_CURR);
	fk_field(f, "idle", u64, RQ_IDLE);
	fk_field(f, "clock", u64, RQ_CLOCK);
	fk_ready(f, symbols, 4);
	for (uint32_t cpu = 0; cpu < FK_CPUS; cpu++) {
		fk_put64(f, fk_percpu(cpu, CURRENT), TASK + 0x1000 * cpu);
		fk_put32(f, fk_percpu(cpu, PREEMPT), 0x80000001 + cpu);
		fk_put64(f, fk_percpu(cpu, TOUCH), 100 + cpu);
		fk_put32(f, fk_percpu(cpu, RQ + RQ_NR), 2 + cpu);
		fk_put64(f, fk_percpu(cpu, RQ + RQ_CURR), TASK + 0x800 + 0x1000 * cpu);
		fk_put64(f, fk_percpu(cpu, RQ + RQ_IDLE), TASK + 0x9000);
		fk_put64(f, fk_percpu(cpu, RQ + RQ_CLOCK), 5000 + cpu);
	}
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	fk_free(*state);
	return 0;
}

static void test_all(void **state)
{
	struct fake_kernel *f = *state;
	struct runqueue *rqs;

	f->online &= ~(1ULL << 2);
	assert_int_equal(runqueues_load(&f->kernel, &rqs), 0);
	for (uint32_t cpu = 0; cpu < FK_CPUS; cpu++) {
		bool online = cpu != 2;

		assert_true(rqs[cpu].curr == (online ? TASK + 0x1000 * cpu : 0));
		assert_true(rqs[cpu].idle == (online ? TASK + 0x9000 : 0));
		assert_int_equal(rqs[cpu].clock, online ? 5000 + cpu : 0);
		assert_int_equal(rqs[cpu].has_nr_running, online);
		assert_int_equal(rqs[cpu].nr_running, online ? 2 + cpu : 0);
		assert_int_equal(rqs[cpu].has_preempt, online);
		/* The inverted need-resched bit is no count. */
		assert_int_equal(rqs[cpu].preempt_count, online ? 1 + cpu : 0);
		assert_int_equal(rqs[cpu].has_watchdog, online);
		assert_true(rqs[cpu].watchdog == (online ? (100ULL + cpu) << 30 : 0));
	}
}

/* Touched and not restarted, delayed, or nonsense: no stamp. Without `current`, rq->curr. */
static void test_unknown(void **state)
{
	static const uint64_t stamps[] = { 0, UINT64_MAX, 1ULL << 34 };
	struct fake_kernel *f = *state;
	struct runqueue *rqs;

	for (uint32_t cpu = 0; cpu < 3; cpu++)
		fk_put64(f, fk_percpu(cpu, TOUCH), stamps[cpu]);
	fk_put64(f, fk_percpu(0, CURRENT), 0x1234);
	fk_put64(f, fk_percpu(1, CURRENT), 0x1234);
	fk_put64(f, fk_percpu(1, RQ + RQ_CURR), 8);
	fk_lose(f, fk_percpu(3, 0));
	assert_int_equal(runqueues_load(&f->kernel, &rqs), 0);
	for (uint32_t cpu = 0; cpu < FK_CPUS; cpu++)
		assert_false(rqs[cpu].has_watchdog);
	assert_true(rqs[0].curr == TASK + 0x800);
	assert_int_equal(rqs[1].curr, 0);
	assert_int_equal(rqs[3].curr, 0);
	assert_false(rqs[3].has_preempt);
	assert_false(rqs[3].has_nr_running);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_all, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unknown, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
