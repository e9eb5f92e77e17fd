// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "render_fixture.h"

void verdict_blank(struct verdict *v)
{
	*v = (struct verdict){ .lock = SNAPSHOT_NONE, .lock_write = -1 };
}

void fixture_init(struct fixture *f)
{
	memset(f, 0, sizeof(*f));
	snapshot_init(&f->s);
	verdict_blank(&f->v);
	f->s.cpus = f->cpus;
	f->s.tasks = f->tasks;
	f->s.locks = f->locks;
	f->v.cpu_roles = f->roles;
	f->v.waiters = f->waiters;
	f->v.cycle = f->edges;
	f->v.graph_tasks = f->graph_tasks;
}

/* Frames end with one whose function is NULL and address 0. */
static void fixture_stack(struct fixture *f, struct stack *stack, const struct frame *frames)
{
	struct frame *copy = f->frames[f->n_stacks++];

	assert_true(f->n_stacks <= FIXTURE_MAX);
	stack->frames = copy;
	for (stack->n = 0; frames[stack->n].function || frames[stack->n].address; stack->n++) {
		assert_true(stack->n < FIXTURE_MAX);
		copy[stack->n] = frames[stack->n];
	}
}

struct task *fixture_task(struct fixture *f, uint32_t pid, const char *comm, enum task_state state)
{
	struct task *task = &f->tasks[f->s.n_tasks++];

	assert_true(f->s.n_tasks <= FIXTURE_MAX);
	*task = (struct task){ .pid = pid,
			       .tgid = pid,
			       .comm = comm,
			       .state = state,
			       .cpu = SNAPSHOT_NONE,
			       .last_ran_ns = SNAPSHOT_NO_TIME,
			       .start_ns = SNAPSHOT_NO_TIME };
	return task;
}

struct cpu *fixture_cpu(struct fixture *f, uint32_t id, uint32_t pid, const char *comm,
			enum role role)
{
	struct task *task = fixture_task(f, pid, comm, TASK_STATE_RUNNING);
	struct cpu *cpu = &f->cpus[f->s.n_cpus];

	task->cpu = id;
	task->on_cpu = true;
	*cpu = (struct cpu){ .id = id,
			     .online = true,
			     .task = (uint32_t)(task - f->tasks),
			     .irqs_off = -1,
			     .no_switch_ns = SNAPSHOT_NO_TIME,
			     .last_tick_ns = SNAPSHOT_NO_TIME,
			     .watchdog_ns = SNAPSHOT_NO_TIME,
			     .nr_running = SNAPSHOT_NONE };
	f->roles[f->s.n_cpus++] = role;
	return cpu;
}

static struct lock *fixture_lock(struct fixture *f, enum lock_kind kind, const char *name,
				 uint64_t address)
{
	struct lock *lock = &f->locks[f->s.n_locks++];

	*lock = (struct lock){ .address = address,
			       .kind = kind,
			       .name = name,
			       .locked = -1,
			       .writer = -1,
			       .readers = -1,
			       .tail_cpu = -1,
			       .owner_pid = SNAPSHOT_NONE,
			       .owner_cpu = SNAPSHOT_NONE,
			       .held_ns = SNAPSHOT_NO_TIME };
	return lock;
}

struct party fixture_party(const struct fixture *f, uint32_t cpu, uint32_t task,
			   const char *function, const char *module)
{
	const struct task *t = &f->tasks[cpu == SNAPSHOT_NONE ? task : f->cpus[cpu].task];

	return (struct party){ .cpu = t->cpu,
			       .pid = t->pid,
			       .comm = t->comm,
			       .function = function,
			       .module = module,
			       .time_ns = SNAPSHOT_NO_TIME,
			       .lock = SNAPSHOT_NONE,
			       .snapshot_cpu = cpu,
			       .snapshot_task = (uint32_t)(t - f->tasks) };
}

static struct party *fixture_waiter(struct fixture *f, struct party party, const char *primitive,
				    uint32_t lock, uint32_t frame)
{
	struct party *waiter = &f->waiters[f->v.n_waiters++];

	assert_true(f->v.n_waiters <= FIXTURE_MAX);
	*waiter = party;
	waiter->primitive = primitive;
	waiter->lock = lock;
	waiter->frame = frame;
	return waiter;
}

static void fixture_edge(struct fixture *f, struct party waiter, const char *primitive,
			 uint32_t lock, struct party holder)
{
	struct edge *edge = &f->edges[f->v.n_cycle++];

	edge->waiter = waiter;
	edge->waiter.primitive = primitive;
	edge->waiter.lock = lock;
	edge->holder = holder;
	edge->lock = lock;
}

/* --- the scenarios --- */

#define SOFT .context = CONTEXT_SOFTIRQ, .reliable = true
#define TASK .context = CONTEXT_TASK, .reliable = true

static void waiter_stack(struct fixture *f, struct cpu *cpu, uint32_t spin_offset)
{
	const struct frame frames[] = {
		{ .function = "__write_lock_failed", .offset = spin_offset, .size = 0x20, SOFT },
		{ .function = "_write_lock_bh", .offset = 0x27, .size = 0x30, SOFT },
		{ .function = "ip_set_add", .offset = 0x91, .module = "ip_set", SOFT },
		{ .function = "ip_rcv", .offset = 0x275, SOFT },
		{ .function = "sys_read", .offset = 0x10, .interrupted = true, TASK },
		{ 0 },
	};

	cpu->has_stack = true;
	fixture_stack(f, &cpu->stack, frames);
}

static void holder_stack(struct fixture *f, struct cpu *cpu)
{
	const struct frame frames[] = {
		{ .address = 0xffffffffa00c608b,
		  .function = "hash_netport4_expire",
		  .offset = 91,
		  .module = "ip_set_hash_netport",
		  .file = "include/linux/netfilter/ipset/ip_set_ahash.h",
		  .line = 701,
		  SOFT },
		{ .address = 0xffffffffa0726860,
		  .function = "ip_set_add",
		  .offset = 0xb0,
		  .module = "ip_set",
		  SOFT },
		{ .address = 0xffffffff81077e00,
		  .function = "stale",
		  .offset = 0x10,
		  .size = 0x40,
		  .context = CONTEXT_TASK },
		{ .address = 0xffffffff81077f00, .function = "ksoftirqd", .offset = 0xd5, TASK },
		{ 0 },
	};

	cpu->has_stack = true;
	fixture_stack(f, &cpu->stack, frames);
}

void make_ipset(struct fixture *f)
{
	static const char *evidence[] = {
		"CPU 7 is in ip_set_add past the return address of the waiters' _write_lock_bh "
		"call, "
		"so that it is inside what they wait for.",
		"The lock word says that a writer is inside.",
	};
	static const char *unknowns[] = { "CPU 6 has no stack in the dump." };
	struct party holder;
	struct lock *lock;

	fixture_init(f);
	f->s.kind = SOURCE_VMCORE;
	f->s.path = "/var/crash/vmcore";
	f->s.kernel_release = "2.6.32-642.el6.x86_64";
	f->s.arch = "x86_64";
	f->s.nodename = "host22";
	f->s.n_cpus_total = 8;
	f->s.has_uptime = true;
	f->s.uptime_s = 76 * 86400 + 3 * 3600 + 30 * 60 + 21;
	f->s.has_loadavg = true;
	memcpy(f->s.loadavg, (double[]){ 40.84, 23.29, 11.60 }, sizeof(f->s.loadavg));
	f->s.panic = "Kernel panic - not syncing: softlockup: hung tasks";
	f->s.panic_cpu = 6;
	f->s.panic_pid = 5487;
	f->s.panic_comm = "sshd";
	waiter_stack(f, fixture_cpu(f, 0, 0, "swapper/0", ROLE_IDLE), 0); /* not shown */
	waiter_stack(f, fixture_cpu(f, 1, 5752, "modules_ctl", ROLE_WAITER), 0xf);
	waiter_stack(f, fixture_cpu(f, 2, 6836, "sshd", ROLE_WAITER), 0x9);
	fixture_cpu(f, 6, 5487, "sshd", ROLE_PANIC)->why_no_regs = "its note is empty";
	holder_stack(f, fixture_cpu(f, 7, 33, "ksoftirqd/7", ROLE_HOLDER));
	fixture_cpu(f, 8, 0, "swapper/8", ROLE_IDLE)->has_stack = true;
	fixture_cpu(f, 9, 0, "swapper/9", ROLE_UNKNOWN)->online = false;
	lock = fixture_lock(f, LOCK_RWLOCK, "ip_set.lock", 0xffff88075efe27e0);
	lock->has_word = true;
	lock->word = 0xff;
	lock->word_text = "held for writing";
	lock->locked = 1;
	lock->writer = 1;
	lock->readers = 0;
	f->v.event = EVENT_SOFT_LOCKUP;
	f->v.pattern = PATTERN_LONG_HOLD;
	f->v.lock = 0;
	f->v.lock_kind = LOCK_RWLOCK;
	f->v.lock_name = "ip_set.lock";
	f->v.lock_address = 0xffff88075efe27e0;
	f->v.lock_write = 1;
	f->v.primitive = "_write_lock_bh";
	fixture_waiter(f, fixture_party(f, 1, 0, "ip_set_add", "ip_set"), "_write_lock_bh", 0, 2)
		->time_ns = 20100000000;
	fixture_waiter(f, fixture_party(f, 2, 0, "ip_set_add", "ip_set"), "_write_lock_bh", 0, 2)
		->time_ns = 19000000000;
	holder = fixture_party(f, 4, 0, "hash_netport4_expire", "ip_set_hash_netport");
	holder.offset = 91;
	holder.address = 0xffffffffa00c608b;
	holder.acquired_in = "ip_set_add";
	holder.file = "include/linux/netfilter/ipset/ip_set_ahash.h";
	holder.line = 701;
	holder.time_ns = 21300000000;
	f->v.has_holder = true;
	f->v.holder = holder;
	f->v.confidence = 0.92;
	f->v.evidence = evidence;
	f->v.n_evidence = 2;
	f->v.unknowns = unknowns;
	f->v.n_unknowns = 1;
	f->s.unknowns = unknowns; /* the same sentence: said once */
	f->s.n_unknowns = 1;
	strcpy(f->v.signature, "0123456789abcdef0123456789abcdef");
	f->v.summary = "ksoftirqd/7 on CPU 7 holds ip_set.lock in hash_netport4_expire; 2 CPUs "
		       "wait for it in ip_set_add.";
}

void make_cycle(struct fixture *f)
{
	static const struct frame spin[] = {
		{ .function = "native_queued_spin_lock_slowpath",
		  .offset = 0x60,
		  .size = 0x2c0,
		  TASK },
		{ .function = "lab_ab", .offset = 0x20, .module = "lab", TASK },
		{ 0 },
	};
	static const char *evidence[] = { "Each of the two waits for what the other has taken." };
	struct party one, two;

	fixture_init(f);
	f->s.kind = SOURCE_VMCORE;
	f->s.kernel_release = "6.1.0-40-amd64";
	for (uint32_t i = 0; i < 3; i++) {
		static const char *const comms[] = { "one", "two", "three" };
		struct cpu *cpu = fixture_cpu(f, i, 101 + i, comms[i], ROLE_WAITER);

		cpu->has_stack = true;
		fixture_stack(f, &cpu->stack, spin);
	}
	fixture_lock(f, LOCK_SPINLOCK, "lab.a", 0xffff888001000000);
	fixture_lock(f, LOCK_SPINLOCK, NULL, 0xffff888001000040);
	one = fixture_party(f, 0, 0, "lab_ab", "lab");
	two = fixture_party(f, 1, 0, "lab_ba", "lab");
	one.frame = two.frame = 1;
	fixture_edge(f, one, "_raw_spin_lock", 1, two);
	fixture_edge(f, two, "_raw_spin_lock", 0, one);
	fixture_waiter(f, one, "_raw_spin_lock", 1, 1);
	fixture_waiter(f, two, "_raw_spin_lock", 0, 1);
	fixture_waiter(f, fixture_party(f, 2, 0, "lab_ab", "lab"), "_raw_spin_lock", 0, 1);
	f->v.event = EVENT_SOFT_LOCKUP;
	f->v.pattern = PATTERN_CYCLE;
	f->v.lock = 0;
	f->v.lock_kind = LOCK_SPINLOCK;
	f->v.lock_name = "lab.a";
	f->v.confidence = 0.95;
	f->v.evidence = evidence;
	f->v.n_evidence = 1;
	f->v.summary = "CPUs 0 and 1 wait for each other.";
}

void make_chain(struct fixture *f)
{
	static const struct frame spin[] = {
		{ .function = "lab_spin", .offset = 0x12, .module = "lab", TASK },
		{ .function = "kthread", .offset = 0xe0, .size = 0x110, TASK },
		{ 0 },
	};
	static const struct frame sleep[] = {
		{ .function = "schedule", .offset = 0x5a, .size = 0xb0, TASK },
		{ .function = "mutex_lock", .offset = 0x2a, TASK },
		{ .function = "lab_bc", .offset = 0x30, .module = "lab", TASK },
		{ 0 },
	};
	struct task *task;

	fixture_init(f);
	f->s.kind = SOURCE_VMCORE;
	f->s.kernel_release = "6.1.0-40-amd64";
	fixture_cpu(f, 2, 103, "three", ROLE_HOLDER)->has_stack = true;
	fixture_stack(f, &f->cpus[0].stack, spin);
	for (uint32_t i = 0; i < 4; i++) {
		static const char *const comms[] = { "one", "two", "four", "five" };

		task = fixture_task(f, 111 + i, comms[i], TASK_STATE_UNINTERRUPTIBLE);
		task->cpu = i;
		fixture_stack(f, &task->stack, sleep);
		f->graph_tasks[f->v.n_graph_tasks++] = 1 + i;
	}
	f->tasks[1].last_ran_ns = 12500000000;
	fixture_lock(f, LOCK_MUTEX, "lab.b", 0xffff888001000000)->owner_pid = 112;
	fixture_lock(f, LOCK_MUTEX, "lab.c", 0xffff888001000040)->owner_pid = 103;
	f->locks[0].owner_source = f->locks[1].owner_source = OWNER_STORED;
	fixture_waiter(f, fixture_party(f, SNAPSHOT_NONE, 3, "lab_read", "lab"), "mutex_lock", 1,
		       2);
	fixture_waiter(f, fixture_party(f, SNAPSHOT_NONE, 4, "lab_read", "lab"), "mutex_lock", 1,
		       2);
	fixture_waiter(f, fixture_party(f, SNAPSHOT_NONE, 2, "lab_bc", "lab"), "mutex_lock", 1, 2);
	fixture_waiter(f, fixture_party(f, SNAPSHOT_NONE, 1, "lab_ab", "lab"), "mutex_lock", 0, 2);
	f->v.event = EVENT_HUNG_TASK;
	f->v.pattern = PATTERN_LONG_HOLD;
	f->v.lock = 1;
	f->v.lock_kind = LOCK_MUTEX;
	f->v.lock_name = "lab.c";
	f->v.lock_address = 0xffff888001000040;
	f->v.has_holder = true;
	f->v.holder = fixture_party(f, 0, 0, "lab_spin", "lab");
	f->v.holder.offset = 0x12;
	f->v.confidence = 0.97;
	f->v.summary = "three (103) holds lab.c.";
}

void make_unknown(struct fixture *f)
{
	static const char *unknowns[] = {
		"Who holds the lock is not known: no CPU's stack is inside of what it protects.",
		"A dump with the hold probes' record, or a kernel with DEBUG_SPINLOCK, would "
		"settle "
		"it.",
	};
	static const char *source_unknowns[] = { "The dump ends at byte 4096 of 65536." };
	static const struct frame spin[] = {
		{ .function = "_raw_spin_lock_irqsave",
		  .offset = 0x30,
		  .context = CONTEXT_NMI,
		  .reliable = true },
		{ .address = 0xffffffffc0001234, TASK },
		{ 0 },
	};

	fixture_init(f);
	f->s.kind = SOURCE_VMCORE;
	f->s.partial = true;
	f->s.unknowns = source_unknowns;
	f->s.n_unknowns = 1;
	fixture_cpu(f, 3, 200, "victim", ROLE_WAITER)->has_stack = true;
	fixture_stack(f, &f->cpus[0].stack, spin);
	f->cpus[0].stack.stopped = "the stack's page is not in the dump";
	fixture_cpu(f, 4, 201, NULL, ROLE_BYSTANDER)->has_stack = true;
	f->cpus[1].user = true;
	fixture_waiter(f, fixture_party(f, 0, 0, NULL, NULL), "_raw_spin_lock_irqsave",
		       SNAPSHOT_NONE, 0);
	f->v.event = EVENT_SPINLOCK_LOCKUP;
	f->v.pattern = PATTERN_UNKNOWN;
	f->v.lock_kind = LOCK_SPINLOCK;
	f->v.primitive = "_raw_spin_lock_irqsave";
	f->v.confidence = 0.3;
	f->v.unknowns = unknowns;
	f->v.n_unknowns = 2;
}

void make_hostile(struct fixture *f, const char *evil)
{
	static const char *sentences[1];

	make_ipset(f);
	f->s.path = f->s.nodename = f->s.kernel_release = f->s.panic = f->s.panic_comm = evil;
	f->s.arch = evil;
	f->v.summary = f->v.lock_name = f->v.primitive = evil;
	sentences[0] = evil;
	f->v.evidence = f->v.unknowns = f->s.unknowns = sentences;
	f->v.n_evidence = f->v.n_unknowns = f->s.n_unknowns = 1;
	f->locks[0].name = f->locks[0].word_text = evil;
	f->v.holder.comm = f->v.holder.function = f->v.holder.module = evil;
	f->v.holder.acquired_in = f->v.holder.file = evil;
	for (uint32_t i = 0; i < f->v.n_waiters; i++) {
		f->waiters[i].comm = f->waiters[i].function = f->waiters[i].module = evil;
		f->waiters[i].primitive = evil;
	}
	for (uint32_t i = 0; i < f->s.n_tasks; i++)
		f->tasks[i].comm = evil;
	for (uint32_t i = 0; i < f->s.n_cpus; i++) {
		f->cpus[i].stack.stopped = f->cpus[i].why_no_regs = evil;
		for (uint32_t j = 0; j < f->cpus[i].stack.n; j++) {
			struct frame *frame = &f->cpus[i].stack.frames[j];

			frame->function = frame->module = frame->file = evil;
		}
	}
}
