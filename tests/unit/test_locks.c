// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Waiters on a made-up kernel: which lock is proven, which must stay unknown, and that damaged
 * queues and lists end.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "fake_kernel.h"
#include "kernel/locks.h"

enum { QNODE = 32, QNODES_SYMBOL = 0x400 };
enum { WAITER_TASK = 16, MUTEX_OWNER = 0, MUTEX_LIST = 16, RWSEM_LIST = 32, RWSEM_OWNER = 8 };

#define OBJECTS (FK_BASE + 0x80000) /* where locks are */
#define TASKS (FK_BASE + 0x100000)
#define STACKS (FK_BASE + 0x200000)
#define STACK 0x4000ULL
#define N_TASKS 8

struct fixture {
	struct fake_kernel *f;
	struct snapshot snapshot;
	struct task_table tasks;
	struct runqueue rqs[FK_CPUS];
	struct cpu cpus[FK_CPUS];
	struct task task[N_TASKS];
	struct task_facts facts[N_TASKS];
	struct frame frames[FK_CPUS + N_TASKS][3];
	struct wait waits[FK_CPUS + N_TASKS];
	uint32_t unwound; /* calls of the callback */
};

static uint64_t task_va(int i)
{
	return TASKS + 0x1000 * (uint64_t)i;
}

static uint64_t stack_va(int i)
{
	return STACKS + STACK * (uint64_t)i;
}

static uint64_t qnode(uint32_t cpu, uint32_t index)
{
	return fk_percpu(cpu, QNODES_SYMBOL) + QNODE * index;
}

static void types_add(struct fake_kernel *f)
{
	int u32 = btf__add_int(f->btf, "unsigned int", 4, 0);
	int u64 = btf__add_int(f->btf, "long unsigned int", 8, 0);
	int list, mcs, atomic, counter;

	list = fk_struct(f, "list_head", 16);
	fk_field(f, "next", u64, 0);
	fk_field(f, "prev", u64, 8);
	fk_struct(f, "qrwlock", 8);
	fk_field(f, "cnts", u32, 0);
	fk_field(f, "wait_lock", u32, 4);
	mcs = fk_struct(f, "mcs_spinlock", 16);
	fk_field(f, "next", u64, 0);
	fk_field(f, "locked", u32, 8);
	fk_field(f, "count", u32, 12);
	fk_struct(f, "qnode", QNODE);
	fk_field(f, "mcs", mcs, 0);
	fk_struct(f, "mutex", 32);
	fk_field(f, "owner", u64, MUTEX_OWNER);
	fk_field(f, "wait_list", list, MUTEX_LIST);
	fk_struct(f, "mutex_waiter", 24);
	fk_field(f, "list", list, 0);
	fk_field(f, "task", u64, WAITER_TASK);
	counter = btf__add_int(f->btf, "long int", 8, BTF_INT_SIGNED);
	atomic = fk_struct(f, "atomic64", 8);
	fk_field(f, "counter", counter, 0);
	fk_struct(f, "rw_semaphore", 48);
	fk_field(f, "count", atomic, 0);
	fk_field(f, "owner", atomic, RWSEM_OWNER);
	fk_field(f, "wait_list", list, RWSEM_LIST);
	fk_struct(f, "rwsem_waiter", 32);
	fk_field(f, "list", list, 0);
	fk_field(f, "task", u64, WAITER_TASK);
	fk_field(f, "type", u32, 24);
}

/* A spin loop that reads (%rbx): pause; mov (%rbx),%eax; test %eax,%eax; jne back; ret. */
static const uint8_t spin_code[] = { 0x90, 0xf3, 0x90, 0x8b, 0x03, 0x85, 0xc0, 0x75, 0xf8, 0xc3 };

static int unwind(void *arg, struct snapshot *snapshot, uint32_t task)
{
	((struct fixture *)arg)->unwound++;
	return 0;
}

static int setup(void **state)
{
	static const struct symbol_entry symbols[] = {
		{ "qnodes", QNODES_SYMBOL, 128, 'd' },
		{ "_stext", FK_TEXT, 0, 'T' },
		{ "spin", FK_TEXT, sizeof(spin_code), 'T' },
		{ "after", FK_TEXT + sizeof(spin_code), 0, 'T' },
		{ "_etext", FK_TEXT + 0x1000, 0, 'T' },
	};
	struct fixture *x = calloc(1, sizeof(*x));

	assert_non_null(x);
	x->f = fk_new();
	types_add(x->f);
	fk_ready(x->f, symbols, sizeof(symbols) / sizeof(*symbols));
	fk_put(x->f, FK_TEXT, spin_code, sizeof(spin_code));
	snapshot_init(&x->snapshot);
	x->snapshot.cpus = x->cpus;
	x->snapshot.n_cpus = FK_CPUS;
	x->snapshot.tasks = x->task;
	x->snapshot.n_tasks = N_TASKS;
	for (uint32_t i = 0; i < N_TASKS; i++) {
		x->facts[i] = (struct task_facts){ .address = task_va((int)i),
						   .stack = stack_va((int)i), .pid = 100 + i };
		x->task[i] = (struct task){ .address = task_va((int)i), .pid = 100 + i,
					    .cpu = SNAPSHOT_NONE };
	}
	for (uint32_t i = 0; i < FK_CPUS; i++) {
		x->cpus[i] = (struct cpu){ .id = i, .online = true, .task = i };
		x->task[i].on_cpu = true;
	}
	x->tasks = (struct task_table){ .tasks = x->facts, .n = N_TASKS, .hash_size = 64,
					.stack_size = STACK };
	x->tasks.hash = arena_calloc(&x->f->kernel.arena, 64, sizeof(*x->tasks.hash));
	task_table_sort(&x->tasks, N_TASKS);
	*state = x;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *x = *state;

	snapshot_done(&x->snapshot);
	fk_free(x->f);
	free(x);
	return 0;
}

static void find(struct fixture *x)
{
	struct lock_means means = { .kernel = &x->f->kernel, .tasks = &x->tasks, .rqs = x->rqs,
				    .unwind = unwind, .unwind_arg = x };

	assert_int_equal(locks_find(&means, &x->snapshot), 0);
}

/* A stack of three frames of 0x40 bytes, its wait in the second: [0] slow path, [2] the caller. */
static struct stack stack_make(struct fixture *x, int i, int task, enum lock_kind kind,
			       struct wait **ret_wait)
{
	for (int k = 0; k < 3; k++)
		x->frames[i][k] = (struct frame){ .address = FK_TEXT + 0x100, .reliable = true,
						  .sp = stack_va(task) + 0x3000 + 0x40 * (uint64_t)k };
	x->waits[i] = (struct wait){ .lock = SNAPSHOT_NONE, .frame = 1, .write = -1,
				     .queue_pos = -1, .slow = true, .kind = kind };
	*ret_wait = &x->waits[i];
	return (struct stack){ .frames = x->frames[i], .n = 3 };
}

static struct wait *cpu_waits(struct fixture *x, uint32_t id, enum lock_kind kind, uint64_t rbx)
{
	struct cpu *cpu = &x->cpus[id];

	cpu->stack = stack_make(x, (int)id, (int)id, kind, &cpu->waits);
	cpu->n_waits = 1;
	regs_set(&cpu->regs, REG_IP, FK_TEXT + 0x100);
	regs_set(&cpu->regs, REG_SP, cpu->stack.frames[0].sp);
	regs_set(&cpu->regs, REG_X86_RBX, rbx);
	return cpu->waits;
}

static struct wait *task_waits(struct fixture *x, int i, enum lock_kind kind)
{
	x->task[i].stack = stack_make(x, FK_CPUS + i, i, kind, &x->task[i].waits);
	x->task[i].n_waits = 1;
	return x->task[i].waits;
}

/* CPUs @cpus (-1 ends them) queue in this order with their nodes @index. */
static void queue_put(struct fixture *x, const int *cpus, uint32_t index)
{
	for (; *cpus >= 0; cpus++) {
		fk_put32(x->f, qnode((uint32_t)*cpus, 0) + 12, index + 1);
		fk_put64(x->f, qnode((uint32_t)*cpus, index),
			 cpus[1] >= 0 ? qnode((uint32_t)cpus[1], index) : 0);
	}
}

static uint32_t word(int tail_cpu, uint32_t index, uint32_t low)
{
	return (uint32_t)(tail_cpu + 1) << 18 | index << 16 | low;
}

static void test_spin_queue(void **state)
{
	static const int order[] = { 1, 3, -1 };
	struct fixture *x = *state;
	const uint64_t lock = OBJECTS + 0x100, other = OBJECTS + 0x200;
	struct wait *pending = cpu_waits(x, 2, LOCK_SPINLOCK, lock);
	struct wait *first = cpu_waits(x, 1, LOCK_SPINLOCK, other);
	struct wait *last = cpu_waits(x, 3, LOCK_SPINLOCK, lock);

	queue_put(x, order, 0);
	fk_put32(x->f, lock, word(3, 0, 0x101));
	/* CPU 1 has another contended lock in RBX, and the right one in its stack. */
	fk_put32(x->f, other, word(0, 0, 0x101));
	fk_put64(x->f, x->cpus[1].stack.frames[1].sp + 8, lock);
	find(x);
	assert_int_equal(x->snapshot.n_locks, 1);
	assert_int_equal(x->snapshot.locks[0].address, lock);
	assert_int_equal(x->snapshot.locks[0].locked, 1);
	assert_int_equal(x->snapshot.locks[0].tail_cpu, 3);
	assert_int_equal(pending->lock, 0);
	assert_int_equal(first->lock, 0);
	assert_int_equal(last->lock, 0);
	assert_int_equal(pending->queue_pos, 0);
	assert_int_equal(first->queue_pos, 1);
	assert_int_equal(last->queue_pos, 2);
	assert_int_equal(x->snapshot.n_unknowns, 0);
}

/* A tail that this CPU's queue does not lead to proves nothing, nor does a bare locked byte. */
static void test_spin_unproven(void **state)
{
	static const int order[] = { 1, 3, -1 };
	struct fixture *x = *state;
	struct wait *wait = cpu_waits(x, 1, LOCK_SPINLOCK, OBJECTS + 0x100);

	queue_put(x, order, 0);
	fk_put32(x->f, OBJECTS + 0x100, word(2, 0, 0x101));
	fk_put32(x->f, OBJECTS + 0x200, 1);
	regs_set(&x->cpus[1].regs, REG_X86_R12, OBJECTS + 0x200);
	find(x);
	assert_int_equal(wait->lock, SNAPSHOT_NONE);
	assert_int_equal(x->snapshot.n_locks, 0);
	assert_int_equal(x->snapshot.n_unknowns, 1);
}

/* Two words that would both do: a wrong lock is worse than none. */
static void test_spin_tie(void **state)
{
	struct fixture *x = *state;
	struct wait *wait = cpu_waits(x, 1, LOCK_SPINLOCK, OBJECTS + 0x100);

	fk_put32(x->f, OBJECTS + 0x100, 0x101);
	fk_put32(x->f, OBJECTS + 0x200, 0x101);
	regs_set(&x->cpus[1].regs, REG_X86_R12, OBJECTS + 0x200);
	find(x);
	assert_int_equal(wait->lock, SNAPSHOT_NONE);
	assert_int_equal(x->snapshot.n_unknowns, 1);
}

/* Test and set: what the loop reads through RBX is the lock, whatever R12 points to. */
static void test_spin_polled(void **state)
{
	struct fixture *x = *state;
	struct wait *wait = cpu_waits(x, 1, LOCK_SPINLOCK, OBJECTS + 0x100);

	fk_put32(x->f, OBJECTS + 0x100, 1);
	fk_put32(x->f, OBJECTS + 0x200, 0x101);
	regs_set(&x->cpus[1].regs, REG_X86_R12, OBJECTS + 0x200);
	regs_set(&x->cpus[1].regs, REG_IP, FK_TEXT + 3);
	find(x);
	assert_int_equal(wait->lock, 0);
	assert_int_equal(x->snapshot.locks[0].address, OBJECTS + 0x100);
	/* Outside of the loop nothing is read. */
	teardown(state);
	setup(state);
	x = *state;
	wait = cpu_waits(x, 1, LOCK_SPINLOCK, OBJECTS + 0x100);
	fk_put32(x->f, OBJECTS + 0x100, 1);
	regs_set(&x->cpus[1].regs, REG_IP, FK_TEXT + 9);
	find(x);
	assert_int_equal(wait->lock, SNAPSHOT_NONE);
}

/* A softirq's wait has the second node of its CPU; the task below it waits with the first. */
static void test_spin_nested(void **state)
{
	struct fixture *x = *state;
	struct wait *wait = cpu_waits(x, 1, LOCK_SPINLOCK, OBJECTS + 0x100);

	fk_put32(x->f, qnode(1, 0) + 12, 2);
	fk_put32(x->f, OBJECTS + 0x100, word(1, 1, 1));
	find(x);
	assert_int_equal(wait->lock, 0);
}

/* Queue nodes that point in a circle, or anywhere. */
static void test_spin_damaged_queue(void **state)
{
	struct fixture *x = *state;
	struct wait *wait = cpu_waits(x, 1, LOCK_SPINLOCK, OBJECTS + 0x100);

	fk_put32(x->f, qnode(1, 0) + 12, 4);
	fk_put64(x->f, qnode(1, 0), qnode(1, 0));
	fk_put64(x->f, qnode(1, 1), 0x4141414141414141);
	fk_put64(x->f, qnode(1, 2), FK_BASE + FK_SIZE);
	fk_put64(x->f, qnode(1, 3), qnode(1, 0));
	fk_put32(x->f, OBJECTS + 0x100, word(3, 0, 1));
	find(x);
	assert_int_equal(wait->lock, SNAPSHOT_NONE);
}

/* The head of a rwlock's queue, one behind it in the queue's spinlock, one that only looks so. */
static void test_rwlock(void **state)
{
	struct fixture *x = *state;
	const uint64_t lock = OBJECTS + 0x104;
	struct wait *head = cpu_waits(x, 0, LOCK_RWLOCK, lock);
	struct wait *behind = cpu_waits(x, 1, LOCK_RWLOCK, lock + 4);
	struct wait *stranger = cpu_waits(x, 2, LOCK_RWLOCK, OBJECTS + 0x300);

	head->write = behind->write = stranger->write = 1;
	behind->queued_behind = true;
	fk_put32(x->f, lock, 0x1ff);
	fk_put32(x->f, lock + 4, 0x101);
	fk_put32(x->f, OBJECTS + 0x300, 0x0ff);
	fk_put32(x->f, OBJECTS + 0x304, 0);
	find(x);
	assert_int_equal(x->snapshot.n_locks, 1);
	assert_int_equal(x->snapshot.locks[0].address, lock);
	assert_int_equal(x->snapshot.locks[0].writer, 1);
	assert_int_equal(x->snapshot.locks[0].readers, 0);
	assert_int_equal(head->lock, 0);
	assert_int_equal(head->queue_pos, 0);
	assert_int_equal(behind->lock, 0);
	assert_int_equal(behind->queue_pos, 1);
	assert_int_equal(stranger->lock, SNAPSHOT_NONE);
}

/* The stack of CPU 2 ends in the queue's spinlock; CPU 0's shows that it is a rwlock's queue. */
static void test_rwlock_queue_alone(void **state)
{
	static const int order[] = { 2, 3, -1 };
	struct fixture *x = *state;
	const uint64_t lock = OBJECTS + 0x104, other = OBJECTS + 0x200;
	struct wait *stump = cpu_waits(x, 2, LOCK_SPINLOCK, lock + 4);
	struct wait *head = cpu_waits(x, 0, LOCK_RWLOCK, lock);
	struct wait *plain = cpu_waits(x, 1, LOCK_SPINLOCK, other);

	head->write = 1;
	queue_put(x, order, 0);
	fk_put32(x->f, lock, 0x1ff);
	fk_put32(x->f, lock + 4, word(3, 0, 1));
	fk_put32(x->f, other, 0x101);
	find(x);
	assert_int_equal(x->snapshot.n_locks, 2);
	assert_int_equal(stump->lock, head->lock);
	assert_int_equal(stump->kind, LOCK_RWLOCK);
	assert_true(stump->queued_behind);
	assert_int_equal(x->snapshot.locks[head->lock].address, lock);
	assert_int_equal(x->snapshot.locks[plain->lock].address, other);
	/* CPU 3 has no stack, but its node stands in that queue. */
	assert_int_equal(x->snapshot.n_unknowns, 1);
	assert_non_null(strstr(x->snapshot.unknowns[0], "CPU 3"));
}

/* Where task @i has its waiter, in the second frame of its stack. */
static uint64_t entry_va(int i)
{
	return stack_va(i) + 0x3048;
}

/* The list at @head of the waiters of tasks @order (-1 ends them). */
static void list_put(struct fixture *x, uint64_t head, const int *order)
{
	uint64_t last = head;

	for (; *order >= 0; order++) {
		uint64_t entry = entry_va(*order);

		fk_put64(x->f, last, entry);
		fk_put64(x->f, entry + 8, last);
		fk_put64(x->f, entry + WAITER_TASK, task_va(*order));
		last = entry;
	}
	fk_put64(x->f, last, head);
	fk_put64(x->f, head + 8, last);
}

static void test_mutex(void **state)
{
	static const int order[] = { 6, 4, 7, -1 };
	struct fixture *x = *state;
	const uint64_t mutex = OBJECTS + 0x400;
	struct wait *four = task_waits(x, 4, LOCK_MUTEX), *six = task_waits(x, 6, LOCK_MUTEX);
	const struct lock *lock;

	list_put(x, mutex + MUTEX_LIST, order);
	fk_put64(x->f, mutex, task_va(5) | 1);
	find(x);
	assert_int_equal(x->snapshot.n_locks, 1);
	lock = &x->snapshot.locks[0];
	assert_int_equal(lock->address, mutex);
	assert_int_equal(lock->kind, LOCK_MUTEX);
	assert_int_equal(lock->owner_source, OWNER_STORED);
	assert_int_equal(lock->owner_pid, 105);
	assert_int_equal(lock->owner_task, task_va(5));
	assert_false(lock->owner_gone);
	assert_int_equal(six->lock, 0);
	assert_int_equal(six->queue_pos, 0);
	assert_int_equal(four->queue_pos, 1);
	/* Asked for: both that have stacks, the owner, and 7, which the list tells of. */
	assert_int_equal(x->unwound, 4);
	/* The lock's address is in the waiter's list links only as that of the list. */
	assert_int_equal(x->task[5].n_refs, 0);
}

static void test_mutex_owner_gone(void **state)
{
	static const int order[] = { 4, -1 };
	struct fixture *x = *state;
	struct wait *wait = task_waits(x, 4, LOCK_MUTEX);

	list_put(x, OBJECTS + 0x400 + MUTEX_LIST, order);
	fk_put64(x->f, OBJECTS + 0x400, (TASKS + 0x80000) | 1);
	find(x);
	assert_int_equal(wait->lock, 0);
	assert_true(x->snapshot.locks[0].owner_gone);
	assert_int_equal(x->snapshot.locks[0].owner_pid, SNAPSHOT_NONE);
}

/* With a task list that is damaged, a missing owner may well live. */
static void test_mutex_owner_unknown(void **state)
{
	static const int order[] = { 4, -1 };
	struct fixture *x = *state;

	task_waits(x, 4, LOCK_MUTEX);
	snprintf(x->tasks.damage, sizeof(x->tasks.damage), "broken");
	list_put(x, OBJECTS + 0x400 + MUTEX_LIST, order);
	fk_put64(x->f, OBJECTS + 0x400, (TASKS + 0x80000) | 1);
	find(x);
	assert_int_equal(x->snapshot.n_locks, 1);
	assert_false(x->snapshot.locks[0].owner_gone);
}

/* What a damaged list looks like; none may name a lock, none may hang. */
static void mutex_damage(struct fixture *x, int kind)
{
	static const int order[] = { 4, 5, 6, -1 };
	const uint64_t head = OBJECTS + 0x400 + MUTEX_LIST;

	list_put(x, head, order);
	fk_put64(x->f, OBJECTS + 0x400, task_va(7) | 1);
	switch (kind) {
	case 0: /* one way only */
		fk_put64(x->f, entry_va(5) + 8, head);
		fk_put64(x->f, entry_va(4), OBJECTS + 0x800);
		break;
	case 1: /* a circle that leaves out the head */
		fk_put64(x->f, entry_va(6), entry_va(5));
		break;
	case 2: /* the next one's page is gone */
		fk_lose(x->f, entry_va(6) & ~0xfffULL);
		break;
	case 3: /* names another task: not this one's entry */
		fk_put64(x->f, entry_va(4) + WAITER_TASK, task_va(5));
		break;
	case 4: /* two places that are nobody's entry */
		fk_put64(x->f, entry_va(6) + WAITER_TASK, 0);
		break;
	case 5: /* the mutex says that nobody waits */
		fk_put64(x->f, OBJECTS + 0x400, task_va(7));
		break;
	}
}

static void test_mutex_damaged(void **state)
{
	for (int kind = 0; kind < 6; kind++) {
		struct fixture *x;
		struct wait *wait;
		void *own;

		setup(&own);
		x = own;
		wait = task_waits(x, 4, LOCK_MUTEX);
		mutex_damage(x, kind);
		find(x);
		if (wait->lock != SNAPSHOT_NONE)
			print_error("damage %d gave a lock", kind);
		assert_int_equal(wait->lock, SNAPSHOT_NONE);
		assert_int_equal(x->snapshot.n_locks, 0);
		assert_int_equal(x->snapshot.n_unknowns, 1);
		teardown(&own);
	}
}

static void test_rwsem(void **state)
{
	static const int order[] = { 4, 5, -1 };
	struct fixture *x = *state;
	const uint64_t sem = OBJECTS + 0x500;
	struct wait *writer = task_waits(x, 4, LOCK_RWSEM);
	const struct lock *lock;

	list_put(x, sem + RWSEM_LIST, order);
	fk_put64(x->f, sem, 0x102);
	fk_put64(x->f, sem + RWSEM_OWNER, task_va(6) | 1);
	find(x);
	assert_int_equal(writer->lock, 0);
	lock = &x->snapshot.locks[0];
	assert_int_equal(lock->readers, 1);
	assert_int_equal(lock->writer, 0);
	assert_int_equal(lock->owner_source, OWNER_HINT);
	assert_int_equal(lock->owner_pid, 106);
}

/* The address in somebody's stack, said with the frame that it belongs to. */
static void test_refs(void **state)
{
	struct fixture *x = *state;
	const uint64_t lock = OBJECTS + 0x100;

	cpu_waits(x, 1, LOCK_SPINLOCK, lock);
	fk_put32(x->f, lock, 0x101);
	cpu_waits(x, 0, LOCK_UNKNOWN, 0);
	x->cpus[0].n_waits = 0;
	fk_put64(x->f, x->cpus[0].stack.frames[1].sp + 0x10, lock);
	find(x);
	assert_int_equal(x->cpus[1].n_refs, 1);
	assert_int_equal(x->cpus[1].refs[0].frame, 0);
	assert_string_equal(x->cpus[1].refs[0].where, "RBX");
	assert_int_equal(x->cpus[0].n_refs, 1);
	assert_int_equal(x->cpus[0].refs[0].frame, 1);
	assert_int_equal(x->cpus[0].refs[0].lock, 0);
	assert_string_equal(x->cpus[0].refs[0].where, "stack slot");
	assert_int_equal(x->cpus[2].n_refs, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_spin_queue, setup, teardown),
		cmocka_unit_test_setup_teardown(test_spin_unproven, setup, teardown),
		cmocka_unit_test_setup_teardown(test_spin_tie, setup, teardown),
		cmocka_unit_test_setup_teardown(test_spin_polled, setup, teardown),
		cmocka_unit_test_setup_teardown(test_spin_nested, setup, teardown),
		cmocka_unit_test_setup_teardown(test_spin_damaged_queue, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rwlock, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rwlock_queue_alone, setup, teardown),
		cmocka_unit_test_setup_teardown(test_mutex, setup, teardown),
		cmocka_unit_test_setup_teardown(test_mutex_owner_gone, setup, teardown),
		cmocka_unit_test_setup_teardown(test_mutex_owner_unknown, setup, teardown),
		cmocka_unit_test(test_mutex_damaged),
		cmocka_unit_test_setup_teardown(test_rwsem, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refs, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
