// SPDX-License-Identifier: GPL-2.0-or-later
/* Locks by the registers of those who spin: which values are one lock, and which are none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "source/text_locks.h"

#define A 0xffff888100000040ULL
#define B 0xffff888200000040ULL
#define STACK 0xffffc90001230000ULL
#define MAX 8

/* A CPU that spins: its functions from the innermost, and registers by pairs. */
struct machine {
	struct snapshot s;
	struct cpu cpus[MAX];
	struct task tasks[MAX];
	struct frame frames[MAX][4];
	struct regs regs[MAX];
};

static void machine_init(struct machine *m)
{
	*m = (struct machine){ 0 };
	snapshot_init(&m->s);
	m->s.cpus = m->cpus;
	m->s.tasks = m->tasks;
}

static struct regs *cpu_add(struct machine *m, const char *inner, const char *primitive,
			    const char *caller)
{
	uint32_t i = m->s.n_cpus++;
	const char *names[] = { inner, primitive, caller, "outermost" };

	assert_true(i < MAX);
	m->s.n_tasks++;
	for (int f = 0; f < 4; f++)
		m->frames[i][f] = (struct frame){ .function = names[f], .reliable = true,
						  .address = 0xffffffff81000000 + 0x100 * (uint64_t)f,
						  .sp = STACK + i * 0x10000 + 8 * (uint64_t)f };
	m->frames[i][0].interrupted = true;
	m->frames[i][0].regs = &m->regs[i];
	regs_set(&m->regs[i], REG_SP, STACK + i * 0x10000);
	m->cpus[i] = (struct cpu){ .id = i, .has_stack = true, .task = i,
				   .stack = { m->frames[i], 4, NULL } };
	m->tasks[i] = (struct task){ .address = 0xffff888050000000 + i * 0x4000ULL, .pid = 100 + i,
				     .on_cpu = true };
	return &m->regs[i];
}

static uint64_t lock_of(const struct machine *m, uint32_t cpu)
{
	assert_int_equal(m->cpus[cpu].n_waits, 1);
	if (m->cpus[cpu].waits[0].lock == SNAPSHOT_NONE)
		return 0;
	assert_true(m->cpus[cpu].waits[0].lock < m->s.n_locks);
	return m->s.locks[m->cpus[cpu].waits[0].lock].address;
}

static struct regs *spinner(struct machine *m, uint64_t rdi, uint64_t rbx)
{
	struct regs *regs = cpu_add(m, "native_queued_spin_lock_slowpath", "_raw_spin_lock", "f");

	regs_set(regs, REG_X86_RDI, rdi);
	regs_set(regs, REG_X86_RBX, rbx);
	return regs;
}

static void test_same_and_different(void **state)
{
	struct machine m;

	machine_init(&m);
	spinner(&m, A, 0xffff888300000000);
	spinner(&m, A, 0xffff888300000000);
	spinner(&m, B, 0xffff888300000000);
	assert_int_equal(text_locks_find(&m.s), 0);
	assert_int_equal(m.s.n_locks, 2);
	assert_int_equal(lock_of(&m, 0), A);
	assert_int_equal(lock_of(&m, 1), A);
	assert_int_equal(lock_of(&m, 2), B);
	assert_int_equal(m.s.locks[0].kind, LOCK_SPINLOCK);
	assert_int_equal(m.s.locks[0].locked, -1);
	assert_int_equal(m.s.locks[0].owner_pid, SNAPSHOT_NONE);
	snapshot_done(&m.s);
}

/* Its own task, its stack, other stacks, user addresses, odd ones, code: none of them is a lock. */
static void test_no_locks(void **state)
{
	static const uint64_t none[] = {
		0, 1, 0x00007fff12345678, STACK + 0x100, STACK - 0x20, STACK + 0x10000 + 8,
		0xffff888050000000, 0xffff888050004000, A + 1, 0xffffffff81000200,
		0xffffffffffffffff, 0xfffffffffffffff0, 0xffff000000000000 - 4,
	};

	for (size_t i = 0; i < sizeof(none) / sizeof(*none); i++) {
		struct machine m;

		machine_init(&m);
		spinner(&m, none[i], 0);
		spinner(&m, 0, 0);
		assert_int_equal(text_locks_find(&m.s), 0);
		assert_int_equal(m.s.n_locks, 0);
		assert_int_equal(lock_of(&m, 0), 0);
		snapshot_done(&m.s);
	}
}

/*
 * Where a helper has taken the first argument's register, what the same code keeps in one other
 * register is the lock; of two such values nobody knows which.
 */
static void test_shared(void **state)
{
	for (int ambiguous = 0; ambiguous < 2; ambiguous++) {
		struct machine m;

		machine_init(&m);
		for (int i = 0; i < 3; i++) {
			struct regs *regs = cpu_add(&m, "kvm_wait", "__pv_queued_spin_lock_slowpath", "f");

			regs_set(regs, REG_X86_RDI, 0xffff88883fc00000 + (uint64_t)i * 0x40000);
			regs_set(regs, REG_X86_RBX, A);
			regs_set(regs, REG_X86_R15, A);
			if (ambiguous)
				regs_set(regs, REG_X86_R13, B);
			regs_set(regs, REG_X86_R12, 0xffff88883fc00100 + (uint64_t)i * 0x40000);
		}
		assert_int_equal(text_locks_find(&m.s), 0);
		assert_int_equal(lock_of(&m, 0), ambiguous ? 0 : A);
		assert_int_equal(lock_of(&m, 2), ambiguous ? 0 : A);
		snapshot_done(&m.s);
	}
}

/* A helper's caller may still be told by another waiter's first argument. */
static void test_known_elsewhere(void **state)
{
	struct regs *regs;
	struct machine m;

	machine_init(&m);
	spinner(&m, A, 0);
	regs = cpu_add(&m, "__delay", "do_raw_spin_lock", "g");
	regs_set(regs, REG_X86_RDI, B);
	regs_set(regs, REG_X86_R12, A);
	assert_int_equal(text_locks_find(&m.s), 0);
	assert_int_equal(m.s.n_locks, 1);
	assert_int_equal(lock_of(&m, 1), A);
	snapshot_done(&m.s);
}

/* include/asm-generic/qrwlock_types.h: others queue at wait_lock, 4 bytes into the rwlock. */
static void test_rwlock_queue(void **state)
{
	struct regs *regs;
	struct machine m;

	machine_init(&m);
	regs = cpu_add(&m, "queued_write_lock_slowpath", "_raw_write_lock_bh", "f");
	regs_set(regs, REG_X86_RDI, A);
	regs = cpu_add(&m, "native_queued_spin_lock_slowpath", "queued_write_lock_slowpath", "f");
	regs_set(regs, REG_X86_RDI, A + 4);
	assert_int_equal(text_locks_find(&m.s), 0);
	assert_int_equal(m.s.n_locks, 1);
	assert_int_equal(lock_of(&m, 0), A);
	assert_int_equal(lock_of(&m, 1), A);
	assert_int_equal(m.s.locks[0].kind, LOCK_RWLOCK);
	snapshot_done(&m.s);
}

/* Who runs with the lock's address in a register; a lock that the source knew is not made twice. */
static void test_refs(void **state)
{
	struct lock known = { .address = A, .kind = LOCK_SPINLOCK, .owner_pid = 7 };
	struct regs *regs;
	struct machine m;

	machine_init(&m);
	m.s.locks = arena_alloc(&m.s.arena, sizeof(known));
	m.s.locks[0] = known;
	m.s.n_locks = 1;
	spinner(&m, A, 0);
	regs = cpu_add(&m, "walk_table", "audit", "f");
	regs_set(regs, REG_X86_R14, A);
	assert_int_equal(text_locks_find(&m.s), 0);
	assert_int_equal(m.s.n_locks, 1);
	assert_int_equal(m.s.locks[0].owner_pid, 7);
	assert_int_equal(m.cpus[0].waits[0].lock, 0);
	assert_int_equal(m.cpus[1].n_waits, 0);
	assert_int_equal(m.cpus[1].n_refs, 1);
	assert_int_equal(m.cpus[1].refs[0].lock, 0);
	assert_int_equal(m.cpus[1].refs[0].frame, 0);
	assert_string_equal(m.cpus[1].refs[0].where, "R14");
	snapshot_done(&m.s);
}

static void test_other_architectures(void **state)
{
	static const struct {
		const char *arch;
		unsigned int reg;
		uint64_t lock;
	} known[] = {
		{ "i386", REG_X86_RAX, 0xf7001040 },
		{ "i686", REG_X86_RAX, 0xf7001040 },
		{ "aarch64", REG_GP + 0, 0xffff0000c1000040 },
		{ "arm64", REG_GP + 0, 0xffff0000c1000040 },
		{ "arm", REG_GP + 0, 0xc1000040 },
		{ "ppc64le", REG_GP + 3, 0xc000000fe1000040 },
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
		struct machine m;

		machine_init(&m);
		m.s.arch = known[i].arch;
		regs_set(cpu_add(&m, "_raw_spin_lock", "_raw_spin_lock", "f"), known[i].reg,
			 known[i].lock);
		assert_int_equal(text_locks_find(&m.s), 0);
		assert_int_equal(lock_of(&m, 0), known[i].lock);
		snapshot_done(&m.s);
	}
}

/* No registers, no stacks, an unknown machine: waits, but no locks. */
static void test_nothing_known(void **state)
{
	struct machine m;

	machine_init(&m);
	assert_int_equal(text_locks_find(&m.s), 0);
	m.s.arch = "s390x";
	spinner(&m, A, A);
	cpu_add(&m, "native_queued_spin_lock_slowpath", "_raw_spin_lock", "f");
	m.frames[1][0].regs = NULL;
	assert_int_equal(text_locks_find(&m.s), 0);
	assert_int_equal(lock_of(&m, 0), 0);
	assert_int_equal(lock_of(&m, 1), 0);
	snapshot_done(&m.s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same_and_different), cmocka_unit_test(test_no_locks),
		cmocka_unit_test(test_shared),		   cmocka_unit_test(test_known_elsewhere),
		cmocka_unit_test(test_rwlock_queue),	   cmocka_unit_test(test_refs),
		cmocka_unit_test(test_other_architectures), cmocka_unit_test(test_nothing_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
