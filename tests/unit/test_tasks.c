// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "fake_kernel.h"
#include "kernel/tasks.h"

/* struct task_struct of the tests: byte offsets. */
enum {
	STATE = 0, STACK = 8, FLAGS = 16, ON_CPU = 20, CPU = 24, TASKS = 32, PID = 48, TGID = 52,
	THREAD_NODE = 56, SIGNAL = 72, COMM = 80, EXIT_STATE = 96, ARRIVAL = 104, PID_LINK = 112,
	TASK_SIZE = 128,
};
enum { THREAD_HEAD = 16, SIGNAL_SIZE = 32 };
enum { PID_FIRST = 8, XA_HEAD = 8, SLOTS = 16 };

#define N 12
#define INIT_TASK (FK_BASE + 0x100000)
#define INIT_PID_NS (FK_BASE + 0x100800)
#define PID_NODE (FK_BASE + 0x90000)

/* Each in a page of its own, so that one can be lost. */
static uint64_t task_va(int i)
{
	return INIT_TASK + 0x2000 * (uint64_t)i;
}

static uint64_t signal_va(int i)
{
	return FK_BASE + 0x80000 + 0x40 * (uint64_t)i;
}

static uint64_t pid_va(int i)
{
	return FK_BASE + 0xa0000 + 0x20 * (uint64_t)i;
}

static void types_add(struct fake_kernel *f)
{
	int u32 = btf__add_int(f->btf, "unsigned int", 4, 0);
	int u64 = btf__add_int(f->btf, "long unsigned int", 8, 0);
	int ch = btf__add_int(f->btf, "char", 1, 0);
	int comm = btf__add_array(f->btf, u32, ch, 16), pair, links, info, slots, heads, root, idr;

	pair = fk_struct(f, "list_head", 16);
	fk_field(f, "next", u64, 0);
	fk_field(f, "prev", u64, 8);
	links = btf__add_array(f->btf, u32, pair, 1);
	info = fk_struct(f, "sched_info", 8);
	fk_field(f, "last_arrival", u64, 0);
	fk_struct(f, "signal_struct", SIGNAL_SIZE);
	fk_field(f, "thread_head", pair, THREAD_HEAD);
	fk_struct(f, "hlist_head", 8);
	fk_field(f, "first", u64, 0);
	heads = btf__add_array(f->btf, u32, btf__find_by_name(f->btf, "hlist_head"), 1);
	fk_struct(f, "pid", 32);
	fk_field(f, "tasks", heads, PID_FIRST);
	slots = btf__add_array(f->btf, u32, u64, 64);
	fk_struct(f, "xa_node", SLOTS + 64 * 8);
	fk_field(f, "shift", ch, 0);
	fk_field(f, "slots", slots, SLOTS);
	root = fk_struct(f, "xarray", 16);
	fk_field(f, "xa_head", u64, XA_HEAD);
	idr = fk_struct(f, "idr", 24);
	fk_field(f, "idr_rt", root, 0);
	fk_struct(f, "pid_namespace", 64);
	fk_field(f, "idr", idr, 8);
	fk_struct(f, "task_struct", TASK_SIZE);
	fk_field(f, "__state", u32, STATE);
	fk_field(f, "stack", u64, STACK);
	fk_field(f, "flags", u32, FLAGS);
	fk_field(f, "on_cpu", u32, ON_CPU);
	fk_field(f, "cpu", u32, CPU);
	fk_field(f, "tasks", pair, TASKS);
	fk_field(f, "pid", u32, PID);
	fk_field(f, "tgid", u32, TGID);
	fk_field(f, "thread_node", pair, THREAD_NODE);
	fk_field(f, "signal", u64, SIGNAL);
	fk_field(f, "comm", comm, COMM);
	fk_field(f, "exit_state", u32, EXIT_STATE);
	fk_field(f, "sched_info", info, ARRIVAL);
	fk_field(f, "pid_links", links, PID_LINK);
}

/* Task @i: pid i, alone in its process. */
static void task_put(struct fake_kernel *f, int i, uint32_t state)
{
	uint64_t t = task_va(i);
	char comm[16] = "";

	snprintf(comm, sizeof(comm), "task%d", i);
	fk_put32(f, t + STATE, state);
	fk_put64(f, t + STACK, FK_BASE + 0x200000 + 0x4000 * (uint64_t)i);
	fk_put32(f, t + PID, (uint32_t)i);
	fk_put32(f, t + TGID, (uint32_t)i);
	fk_put(f, t + COMM, comm, sizeof(comm));
	fk_put64(f, t + ARRIVAL, 1000 + (uint64_t)i);
	fk_put64(f, t + SIGNAL, signal_va(i));
	fk_put64(f, t + THREAD_NODE, signal_va(i) + THREAD_HEAD);
	fk_put64(f, signal_va(i) + THREAD_HEAD, t + THREAD_NODE);
	fk_put64(f, pid_va(i) + PID_FIRST, t + PID_LINK);
	fk_put64(f, PID_NODE + SLOTS + 8 * (uint64_t)i, i ? pid_va(i) : 0);
}

static int setup(void **state)
{
	static const struct symbol_entry symbols[] = {
		{ "_stext", FK_TEXT, 0, 'T' },
		{ "_etext", FK_TEXT + 0x1000, 0, 'T' },
		{ "init_task", INIT_TASK, 0, 'D' },
		{ "init_pid_ns", INIT_PID_NS, 0, 'D' },
	};
	struct fake_kernel *f = fk_new();

	types_add(f);
	fk_ready(f, symbols, 4);
	for (int i = 0; i < N; i++) {
		task_put(f, i, i == 5 ? 2 : 1);
		fk_put64(f, task_va(i) + TASKS, task_va((i + 1) % N) + TASKS);
		fk_put64(f, task_va((i + 1) % N) + TASKS + 8, task_va(i) + TASKS);
	}
	fk_put64(f, INIT_PID_NS + 8 + XA_HEAD, PID_NODE | 2);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	fk_free(*state);
	return 0;
}

/* How many tasks there are with @pid. */
static uint32_t count(const struct task_table *table, uint32_t pid)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < table->n; i++)
		n += table->tasks[i].pid == pid;
	return n;
}

static void test_all(void **state)
{
	struct fake_kernel *f = *state;
	uint64_t first[] = { task_va(7), 0, task_va(3), task_va(7) };
	struct task_table table;

	assert_int_equal(tasks_load(&f->kernel, first, 4, &table), 0);
	assert_string_equal(table.damage, "");
	assert_int_equal(table.n, N);
	assert_int_equal(table.n_first, 2);
	assert_int_equal(table.tasks[0].pid, 7);
	assert_int_equal(table.tasks[1].pid, 3);
	for (uint32_t pid = 0; pid < N; pid++)
		assert_int_equal(count(&table, pid), 1);
	assert_string_equal(table.tasks[0].comm, "task7");
	assert_int_equal(table.tasks[0].last_arrival, 1007);
	assert_int_equal(table.stack_size, 16384);
	assert_int_equal(task_table_sort(&table, table.n_first), 1);
	assert_int_equal(table.tasks[2].pid, 5);
	for (uint32_t i = 0; i < table.n; i++)
		assert_int_equal(task_table_find(&table, table.tasks[i].address), i);
	assert_int_equal(task_table_find(&table, task_va(N)), SNAPSHOT_NONE);
	assert_int_equal(task_table_find(&table, 0), SNAPSHOT_NONE);
}

/* Tasks 8 and 9 become threads of 2; 9 is the one that runs. */
static void test_threads(void **state)
{
	struct fake_kernel *f = *state;
	uint64_t running = task_va(9), head = signal_va(2) + THREAD_HEAD;
	struct task_table table;

	fk_put64(f, task_va(7) + TASKS, task_va(10) + TASKS);
	fk_put64(f, task_va(2) + THREAD_NODE, task_va(8) + THREAD_NODE);
	fk_put64(f, task_va(8) + THREAD_NODE, task_va(9) + THREAD_NODE);
	fk_put64(f, task_va(9) + THREAD_NODE, head);
	assert_int_equal(tasks_load(&f->kernel, &running, 1, &table), 0);
	assert_string_equal(table.damage, "");
	assert_int_equal(table.n, N);
	for (uint32_t pid = 0; pid < N; pid++)
		assert_int_equal(count(&table, pid), 1);
}

/* A task whose page is not in the dump: the pids lead to the ones behind it. */
static void test_lost_task(void **state)
{
	struct fake_kernel *f = *state;
	struct task_table table;

	fk_lose(f, task_va(4));
	assert_int_equal(tasks_load(&f->kernel, NULL, 0, &table), 0);
	assert_true(table.damage[0] != '\0');
	assert_int_equal(table.n, N - 1);
	assert_int_equal(count(&table, 4), 0);
	assert_int_equal(count(&table, 11), 1);
}

/* One that runs and is lost keeps its place: its CPU knows more of it. */
static void test_lost_running(void **state)
{
	struct fake_kernel *f = *state;
	uint64_t first[] = { task_va(3), task_va(4), 0x1234 };
	struct task_table table;

	fk_lose(f, task_va(4));
	assert_int_equal(tasks_load(&f->kernel, first, 3, &table), 0);
	assert_int_equal(table.n_first, 2);
	assert_false(table.tasks[0].lost);
	assert_true(table.tasks[1].lost);
	assert_int_equal(table.tasks[1].pid, SNAPSHOT_NONE);
	assert_int_equal(task_table_find(&table, task_va(4)), 1);
	assert_int_equal(table.n, N);
}

/* Without the pids, what lies before the damage is kept. */
static void test_damaged_links(void **state)
{
	static const uint64_t bad[] = { 0, 8, 0x4141414141414141ULL, 0xffffffffffffffffULL,
					FK_BASE + FK_SIZE + TASKS, FK_BASE + 0x100000 + 0x8000 + 3 };

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct fake_kernel *f;
		struct task_table table;
		void *own;

		setup(&own);
		f = own;
		fk_put64(f, INIT_PID_NS + 8 + XA_HEAD, 0);
		fk_put64(f, task_va(6) + TASKS, bad[i]);
		assert_int_equal(tasks_load(&f->kernel, NULL, 0, &table), 0);
		assert_true(table.damage[0] != '\0');
		assert_int_equal(table.n, 7);
		teardown(&own);
	}
}

/* A link back into the middle: no endless walk, nobody twice. */
static void test_circle(void **state)
{
	struct fake_kernel *f = *state;
	struct task_table table;

	fk_put64(f, task_va(6) + TASKS, task_va(2) + TASKS);
	fk_put64(f, INIT_PID_NS + 8 + XA_HEAD, 0);
	assert_int_equal(tasks_load(&f->kernel, NULL, 0, &table), 0);
	assert_true(table.damage[0] != '\0');
	assert_int_equal(table.n, 7);
	for (uint32_t pid = 0; pid < 7; pid++)
		assert_int_equal(count(&table, pid), 1);
}

/* A pid tree that leads into itself is walked once; one more level on top of it is right. */
static void test_pid_tree(void **state)
{
	struct fake_kernel *f = *state;
	const uint64_t root = PID_NODE + 0x1000;
	struct task_table table;

	fk_put64(f, task_va(6) + TASKS, 0);
	fk_put64(f, INIT_PID_NS + 8 + XA_HEAD, root | 2);
	fk_put(f, root, "\x06", 1);
	for (uint64_t i = 0; i < 64; i++)
		fk_put64(f, root + SLOTS + 8 * i, i == 9 ? PID_NODE | 2 : root | 2);
	for (uint64_t i = 20; i < 64; i++)
		fk_put64(f, PID_NODE + SLOTS + 8 * i, PID_NODE | 2);
	assert_int_equal(tasks_load(&f->kernel, NULL, 0, &table), 0);
	assert_int_equal(table.n, N);
	/* Not 64 to the power of anything. */
	assert_true(f->dump.reads < 20000);
}

/* A node of a shift that no tree has must not lead into itself for ever: that ends the stack. */
static void test_pid_tree_shift(void **state)
{
	for (unsigned char shift = 1; shift < 80; shift++) {
		struct fake_kernel *f;
		struct task_table table;
		void *own;

		setup(&own);
		f = own;
		fk_put64(f, task_va(6) + TASKS, 0);
		fk_put(f, PID_NODE, &shift, 1);
		for (uint64_t i = 0; i < 64; i++)
			fk_put64(f, PID_NODE + SLOTS + 8 * i, PID_NODE | 2);
		assert_int_equal(tasks_load(&f->kernel, NULL, 0, &table), 0);
		assert_int_equal(table.n, 7);
		assert_true(f->dump.reads < 20000);
		teardown(&own);
	}
}

static void test_states(void **state)
{
	static const struct {
		uint32_t state, exit_state;
		enum task_state want;
	} cases[] = {
		{ 0, 0, TASK_STATE_RUNNING },	     { 0x1, 0, TASK_STATE_INTERRUPTIBLE },
		{ 0x2, 0, TASK_STATE_UNINTERRUPTIBLE }, { 0x102, 0, TASK_STATE_UNINTERRUPTIBLE },
		{ 0x402, 0, TASK_STATE_IDLE },	     { 0x4, 0, TASK_STATE_STOPPED },
		{ 0x108, 0, TASK_STATE_STOPPED },    { 0x40, 0, TASK_STATE_STOPPED },
		{ 0x80, 0, TASK_STATE_DEAD },	     { 0, 0x20, TASK_STATE_DEAD },
		{ 0x1, 0x10, TASK_STATE_DEAD },	     { 0x8000, 0, TASK_STATE_STOPPED },
		{ 0x1000, 0, TASK_STATE_UNINTERRUPTIBLE }, { 0x2001, 0, TASK_STATE_INTERRUPTIBLE },
		{ 0x800, 0, TASK_STATE_RUNNING },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		assert_int_equal(task_state_decode(cases[i].state, cases[i].exit_state),
				 cases[i].want);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_all, setup, teardown),
		cmocka_unit_test_setup_teardown(test_threads, setup, teardown),
		cmocka_unit_test_setup_teardown(test_lost_task, setup, teardown),
		cmocka_unit_test_setup_teardown(test_lost_running, setup, teardown),
		cmocka_unit_test(test_damaged_links),
		cmocka_unit_test_setup_teardown(test_circle, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pid_tree, setup, teardown),
		cmocka_unit_test(test_pid_tree_shift),
		cmocka_unit_test(test_states),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
