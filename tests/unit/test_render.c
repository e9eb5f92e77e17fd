// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>

#include <cmocka.h>
#include <jansson.h>

#include "render/escape.h"
#include "render/render.h"

/*
 * Verdicts made by hand, against texts written by hand from the description of the layout at the
 * top of render/text.c, graph.c and stacks.c: tests/data/render/.
 */

#define DATA "tests/data/render/"
#define MAX 16

/* A snapshot and a verdict on it, in fixed arrays. */
struct fixture {
	struct snapshot s;
	struct verdict v;
	struct cpu cpus[MAX];
	struct task tasks[MAX];
	struct lock locks[MAX];
	enum role roles[MAX];
	struct party waiters[MAX];
	struct edge edges[MAX];
	struct frame frames[MAX][MAX];
	uint32_t graph_tasks[MAX];
	uint32_t n_stacks;
};

static void verdict_blank(struct verdict *v)
{
	*v = (struct verdict){ .lock = SNAPSHOT_NONE, .lock_write = -1 };
}

static void fixture_init(struct fixture *f)
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

	assert_true(f->n_stacks <= MAX);
	stack->frames = copy;
	for (stack->n = 0; frames[stack->n].function || frames[stack->n].address; stack->n++) {
		assert_true(stack->n < MAX);
		copy[stack->n] = frames[stack->n];
	}
}

static struct task *fixture_task(struct fixture *f, uint32_t pid, const char *comm,
				 enum task_state state)
{
	struct task *task = &f->tasks[f->s.n_tasks++];

	assert_true(f->s.n_tasks <= MAX);
	*task = (struct task){ .pid = pid,
			       .tgid = pid,
			       .comm = comm,
			       .state = state,
			       .cpu = SNAPSHOT_NONE,
			       .last_ran_ns = SNAPSHOT_NO_TIME,
			       .start_ns = SNAPSHOT_NO_TIME };
	return task;
}

static struct cpu *fixture_cpu(struct fixture *f, uint32_t id, uint32_t pid, const char *comm,
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

/* The party on CPU index @cpu, or the sleeping task of index @task when @cpu is SNAPSHOT_NONE. */
static struct party fixture_party(const struct fixture *f, uint32_t cpu, uint32_t task,
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

	assert_true(f->v.n_waiters <= MAX);
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
		{ .address = 0xffffffff81077e00, .function = "stale", .offset = 0x10, .size = 0x40,
		  .context = CONTEXT_TASK },
		{ .address = 0xffffffff81077f00, .function = "ksoftirqd", .offset = 0xd5, TASK },
		{ 0 },
	};

	cpu->has_stack = true;
	fixture_stack(f, &cpu->stack, frames);
}

/* The case of the ipset transcript, with an idle CPU and the panicking one, whose stack is lost. */
static void make_ipset(struct fixture *f)
{
	static const char *evidence[] = {
		"CPU 7 is in ip_set_add past the return address of the waiters' _write_lock_bh call, "
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
	fixture_cpu(f, 0, 0, "swapper/0", ROLE_IDLE)->has_stack = true;
	waiter_stack(f, fixture_cpu(f, 1, 5752, "modules_ctl", ROLE_WAITER), 0xf);
	waiter_stack(f, fixture_cpu(f, 2, 6836, "sshd", ROLE_WAITER), 0x9);
	fixture_cpu(f, 6, 5487, "sshd", ROLE_PANIC)->why_no_regs = "its note is empty";
	holder_stack(f, fixture_cpu(f, 7, 33, "ksoftirqd/7", ROLE_HOLDER));
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

/* Two CPUs wait for each other's spinlock, a third waits behind them. */
static void make_cycle(struct fixture *f)
{
	static const struct frame spin[] = {
		{ .function = "native_queued_spin_lock_slowpath", .offset = 0x60, .size = 0x2c0,
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

/* A chain of mutexes: task one waits for two's, two and four for three's, which spins on CPU 2. */
static void make_chain(struct fixture *f)
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

/* Somebody holds a spinlock, nobody can tell who; one CPU was in user mode. */
static void make_unknown(struct fixture *f)
{
	static const char *unknowns[] = {
		"Who holds the lock is not known: no CPU's stack is inside of what it protects.",
		"A dump with the hold probes' record, or a kernel with DEBUG_SPINLOCK, would settle "
		"it.",
	};
	static const char *source_unknowns[] = { "The dump ends at byte 4096 of 65536." };
	static const struct frame spin[] = {
		{ .function = "_raw_spin_lock_irqsave", .offset = 0x30, .context = CONTEXT_NMI,
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

/* --- what is checked --- */

static char *text_of(const struct fixture *f, const struct render_options *options, int *ret_r)
{
	char *text = NULL;
	size_t size = 0;
	FILE *file = open_memstream(&text, &size);

	assert_non_null(file);
	*ret_r = render_text(&f->s, &f->v, options, file);
	fclose(file);
	return text;
}

static char *file_read(const char *path)
{
	FILE *file = fopen(path, "r");
	char *text = calloc(1, 65536);

	if (!file)
		fail_msg("%s: %s", path, strerror(errno));
	assert_non_null(text);
	assert_true(fread(text, 1, 65535, file) > 0);
	fclose(file);
	return text;
}

static void check_golden(const struct fixture *f, const struct render_options *options,
			 const char *path)
{
	char *expected = file_read(path);
	int r;
	char *text = text_of(f, options, &r);

	assert_int_equal(r, 0);
	if (strcmp(text, expected) != 0)
		fail_msg("%s differs; rendered:\n%s", path, text);
	free(text);
	free(expected);
}

static void test_text_ipset(void **state)
{
	struct fixture f;

	make_ipset(&f);
	check_golden(&f, NULL, DATA "ipset.txt");
}

static void test_text_cycle(void **state)
{
	struct fixture f;

	make_cycle(&f);
	check_golden(&f, NULL, DATA "cycle.txt");
}

static void test_text_chain(void **state)
{
	struct fixture f;

	make_chain(&f);
	check_golden(&f, NULL, DATA "chain.txt");
}

static void test_text_unknown(void **state)
{
	struct fixture f;

	make_unknown(&f);
	check_golden(&f, NULL, DATA "unknown.txt");
}

static void test_text_empty(void **state)
{
	struct fixture f;

	fixture_init(&f);
	f.s.kind = SOURCE_VMCORE;
	f.s.path = "empty";
	check_golden(&f, NULL, DATA "empty.txt");
}

/* The lockup of make_cycle() is the second one of make_chain()'s source. */
static void test_text_others(void **state)
{
	struct verdict *others[1];
	enum role roles[2] = { ROLE_UNKNOWN, ROLE_WAITER };
	struct verdict other;
	struct party waiter;
	struct fixture f;

	make_chain(&f);
	fixture_cpu(&f, 5, 300, "other", ROLE_BYSTANDER)->has_stack = true;
	f.tasks[5].on_cpu = true;
	verdict_blank(&other);
	other.event = EVENT_RCU_STALL;
	other.pattern = PATTERN_UNKNOWN;
	other.cpu_roles = roles;
	waiter = fixture_party(&f, 1, 0, "lab_other", NULL);
	waiter.frame = SNAPSHOT_NONE;
	other.waiters = &waiter;
	other.n_waiters = 1;
	other.confidence = 0.6;
	other.summary = "CPU 5 waits for a grace period.";
	others[0] = &other;
	f.v.others = others;
	f.v.n_others = 1;
	f.v.n_graph_tasks = 0;
	f.v.n_waiters = 0;
	check_golden(&f, NULL, DATA "others.txt");
}

static void test_view_cpu(void **state)
{
	struct render_options options;
	struct fixture f;
	char *text;
	int r;

	make_ipset(&f);
	render_options_init(&options);
	options.cpu = 7;
	regs_set(&f.cpus[4].regs, REG_IP, 0xffffffffa00c608b);
	regs_set(&f.cpus[4].regs, REG_SP, 0xffff8800283c3878);
	regs_set(&f.cpus[4].regs, REG_FLAGS, 0x246);
	regs_set(&f.cpus[4].regs, REG_X86_R15, 0xffff88082e4cd400);
	f.cpus[4].irqs_off = 0;
	f.cpus[4].has_preempt = true;
	f.cpus[4].preempt_count = 0x301;
	f.cpus[4].nr_running = 2;
	f.cpus[4].stack.frames[0].sp = 0xffff8800283c3878;
	check_golden(&f, &options, DATA "cpu.txt");
	options.cpu = 3;
	text = text_of(&f, &options, &r);
	assert_int_equal(r, -ENOENT);
	assert_string_equal(text, "");
	free(text);
}

static void test_view_ps(void **state)
{
	struct render_options options;
	struct fixture f;

	make_chain(&f);
	f.tasks[2].kthread = true;
	f.tasks[3].pid = SNAPSHOT_NONE;
	f.tasks[3].cpu = SNAPSHOT_NONE;
	f.tasks[3].state = TASK_STATE_UNKNOWN;
	f.tasks[3].comm = NULL;
	render_options_init(&options);
	options.ps = true;
	check_golden(&f, &options, DATA "ps.txt");
}

static void test_view_log(void **state)
{
	struct render_options options;
	struct fixture f;
	char *text;
	int r;

	make_chain(&f);
	render_options_init(&options);
	options.log = true;
	text = text_of(&f, &options, &r);
	assert_int_equal(r, -ENOENT);
	free(text);
	f.s.log = "[1.0] one\ttab\n[2.0] \033[2Jtwo\r\n[3.0] no end";
	f.s.log_size = strlen(f.s.log);
	text = text_of(&f, &options, &r);
	assert_int_equal(r, 0);
	assert_string_equal(text, "[1.0] one\ttab\n[2.0] \\x1b[2Jtwo\\x0d\n[3.0] no end\n");
	free(text);
}

/* Every string that a source can choose carries an escape sequence, a newline and bad UTF-8. */
static void make_hostile(struct fixture *f, const char *evil)
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

static void check_harmless(const char *text)
{
	assert_non_null(strstr(text, "EVIL"));
	for (const char *s = text; *s; s++) {
		if (*s != '\n' && ((unsigned char)*s < 0x20 || (unsigned char)*s >= 0x7f))
			fail_msg("byte 0x%02x in: %.60s", (unsigned char)*s,
				 s - text > 20 ? s - 20 : text);
	}
	/* A newline of the source's would begin a line with what follows it there. */
	assert_null(strstr(text, "\nfake"));
}

static void test_escape_injection(void **state)
{
	const char *evil = "EVIL\033]0;x\007\033[31m\nfake\r\x9b\xc2\x9b\xe2\x80\xae\x7f\b";
	struct render_options options;
	struct fixture f;
	char *text;
	int r;

	make_hostile(&f, evil);
	render_options_init(&options);
	for (int i = 0; i < 3; i++) {
		options.all_stacks = i == 0;
		options.cpu = i == 1 ? 7 : SNAPSHOT_NONE;
		options.ps = i == 2;
		text = text_of(&f, &options, &r);
		assert_int_equal(r, 0);
		check_harmless(text);
		free(text);
	}
}

static void test_text_escape(void **state)
{
	static const struct {
		const char *in, *out;
		bool multiline;
	} cases[] = {
		{ "plain (1)", "plain (1)", false },
		{ "gr\xc3\xbc\xc3\x9f \xe2\x86\x92 \xf0\x9f\x94\x92", "gr\xc3\xbc\xc3\x9f \xe2\x86\x92 \xf0\x9f\x94\x92",
		  false },
		{ "a\nb\tc", "a\\nb\\tc", false },
		{ "a\nb\tc", "a\nb\tc", true },
		{ "\033[0m", "\\x1b[0m", true },
		{ "\x7f\xc2\x85", "\\x7f\\xc2\\x85", true },	   /* DEL, C1 next line */
		{ "\xe2\x80\xaetxt", "\\xe2\\x80\\xaetxt", false }, /* right-to-left override */
		{ "\xc0\x9b", "\\xc0\\x9b", false },		   /* overlong ESC */
		{ "\xed\xa0\x80", "\\xed\\xa0\\x80", false },	   /* a surrogate */
		{ "\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80", false }, /* past U+10FFFF */
		{ "cut \xe2\x86", "cut \\xe2\\x86", false },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *out = text_escape(cases[i].in, strlen(cases[i].in), cases[i].multiline);

		assert_non_null(out);
		assert_string_equal(out, cases[i].out);
		free(out);
	}
}

/* Colours are modest and always taken back; without them the text is the same. */
static void test_color(void **state)
{
	struct render_options options;
	struct fixture f;
	char *plain, *colored, *out;
	int r;

	make_ipset(&f);
	render_options_init(&options);
	plain = text_of(&f, &options, &r);
	assert_int_equal(r, 0);
	options.color = true;
	colored = text_of(&f, &options, &r);
	assert_int_equal(r, 0);
	assert_non_null(strstr(colored, "\033[1m"));
	out = colored;
	for (const char *s = colored; *s;) {
		if (*s == '\033')
			s += strcspn(s, "m") + 1;
		else
			*out++ = *s++;
	}
	*out = '\0';
	assert_string_equal(plain, colored);
	free(plain);
	free(colored);
}

static json_t *json_of(const struct fixture *f, const struct render_options *options)
{
	char *text = NULL;
	json_error_t error;
	size_t size = 0;
	FILE *file = open_memstream(&text, &size);
	json_t *root;

	assert_non_null(file);
	assert_int_equal(render_json(&f->s, &f->v, options, file), 0);
	fclose(file);
	for (size_t i = 0; i < size; i++)
		assert_true((unsigned char)text[i] < 0x80);
	root = json_loads(text, JSON_REJECT_DUPLICATES, &error);
	if (!root)
		fail_msg("line %d: %s", error.line, error.text);
	free(text);
	return root;
}

static void check_string(json_t *object, const char *key, const char *expected)
{
	json_t *value = json_object_get(object, key);

	if (!json_is_string(value) || strcmp(json_string_value(value), expected) != 0)
		fail_msg("%s is %s, not %s", key, json_string_value(value), expected);
}

static void check_integer(json_t *object, const char *key, long long expected)
{
	json_t *value = json_object_get(object, key);

	assert_true(json_is_integer(value));
	assert_int_equal(json_integer_value(value), expected);
}

static void check_null(json_t *object, const char *key)
{
	if (!json_is_null(json_object_get(object, key)))
		fail_msg("%s is not null", key);
}

static void test_json_ipset(void **state)
{
	struct fixture f;
	json_t *root, *lock, *holder, *waiter, *cpu, *frame;

	make_ipset(&f);
	root = json_of(&f, NULL);
	check_string(root, "schema", "holdup.verdict/1");
	check_string(root, "event", "soft-lockup");
	check_string(root, "pattern", "long-hold");
	check_string(json_object_get(root, "source"), "nodename", "host22");
	check_integer(json_object_get(root, "source"), "cpus", 8);
	check_null(json_object_get(root, "source"), "build_id");
	lock = json_object_get(root, "lock");
	check_string(lock, "address", "0xffff88075efe27e0");
	check_string(lock, "kind", "rwlock");
	check_string(lock, "mode", "write");
	check_string(lock, "primitive", "_write_lock_bh");
	check_string(json_object_get(lock, "word"), "raw", "0xff");
	assert_true(json_is_true(json_object_get(json_object_get(lock, "word"), "writer")));
	check_null(json_object_get(lock, "word"), "owner");
	check_null(json_object_get(lock, "word"), "tail_cpu");
	assert_int_equal(json_array_size(json_object_get(root, "waiters")), 2);
	waiter = json_array_get(json_object_get(root, "waiters"), 0);
	check_integer(waiter, "cpu", 1);
	check_string(waiter, "function", "ip_set_add");
	check_integer(waiter, "waited_ms", 20100);
	holder = json_object_get(root, "holder");
	check_integer(holder, "cpu", 7);
	check_integer(holder, "pid", 33);
	check_integer(holder, "offset", 91);
	check_integer(holder, "line", 701);
	check_integer(holder, "held_ms", 21300);
	check_string(holder, "acquired_in", "ip_set_add");
	assert_true(json_real_value(json_object_get(root, "confidence")) == 0.92);
	assert_int_equal(json_array_size(json_object_get(root, "unknowns")), 1);
	assert_int_equal(json_array_size(json_object_get(root, "cpus")), 5);
	cpu = json_array_get(json_object_get(root, "cpus"), 4);
	check_integer(cpu, "cpu", 7);
	check_string(cpu, "role", "holder");
	check_string(cpu, "state", "running");
	assert_int_equal(json_array_size(json_object_get(cpu, "stack")), 4);
	frame = json_array_get(json_object_get(cpu, "stack"), 2);
	check_string(frame, "context", "task");
	assert_true(json_is_false(json_object_get(frame, "reliable")));
	check_null(frame, "line");
	check_null(json_array_get(json_object_get(root, "cpus"), 3), "stack");
	assert_int_equal(json_array_size(json_object_get(root, "others")), 0);
	json_decref(root);
}

static void test_json_cycle_others(void **state)
{
	struct verdict *others[1];
	struct fixture f, second;
	json_t *root, *edge, *other;

	make_cycle(&f);
	second = f;
	second.v.n_others = 0;
	others[0] = &second.v;
	f.v.others = others;
	f.v.n_others = 1;
	root = json_of(&f, NULL);
	assert_int_equal(json_array_size(json_object_get(root, "cycle")), 2);
	edge = json_array_get(json_object_get(root, "cycle"), 0);
	check_integer(json_object_get(edge, "waiter"), "cpu", 0);
	check_string(json_object_get(edge, "lock"), "address", "0xffff888001000040");
	check_null(json_object_get(edge, "lock"), "name");
	check_string(json_object_get(edge, "holder"), "function", "lab_ba");
	check_null(root, "holder");
	check_null(root, "signature");
	other = json_array_get(json_object_get(root, "others"), 0);
	check_string(other, "pattern", "cycle");
	assert_null(json_object_get(other, "cpus"));
	assert_null(json_object_get(other, "source"));
	assert_int_equal(json_array_size(json_object_get(other, "tasks")), 0);
	json_decref(root);
}

static void test_json_tasks(void **state)
{
	struct render_options options;
	struct fixture f;
	json_t *root, *tasks;

	make_chain(&f);
	f.v.n_graph_tasks = 1;
	root = json_of(&f, NULL);
	tasks = json_object_get(root, "tasks");
	assert_int_equal(json_array_size(tasks), 1);
	check_string(json_array_get(tasks, 0), "comm", "one");
	check_string(json_array_get(tasks, 0), "role", "waiter");
	check_string(json_array_get(tasks, 0), "state", "uninterruptible");
	json_decref(root);
	render_options_init(&options);
	options.all_stacks = true;
	root = json_of(&f, &options);
	assert_int_equal(json_array_size(json_object_get(root, "tasks")), 4);
	json_decref(root);
}

static void test_json_empty(void **state)
{
	struct fixture f;
	json_t *root;

	fixture_init(&f);
	root = json_of(&f, NULL);
	check_string(root, "event", "none");
	check_string(root, "pattern", "none");
	check_null(root, "lock");
	check_null(root, "holder");
	check_null(root, "summary");
	check_null(json_object_get(root, "source"), "cpus");
	check_null(json_object_get(root, "source"), "uptime_s");
	assert_int_equal(json_array_size(json_object_get(root, "cpus")), 0);
	assert_true(json_is_array(json_object_get(root, "waiters")));
	json_decref(root);
}

/* Hostile strings come back whole, but for what is no UTF-8. */
static void test_json_hostile(void **state)
{
	struct fixture f;
	json_t *root;

	make_hostile(&f, "EVIL\033[1m\"\\\n\xff");
	root = json_of(&f, NULL);
	check_string(json_object_get(root, "holder"), "comm", "EVIL\033[1m\"\\\n\xef\xbf\xbd");
	json_decref(root);
}

/* A loop of owners in damaged memory must not be followed for ever. */
static void test_owner_loop(void **state)
{
	struct fixture f;
	char *text;
	int r;

	make_chain(&f);
	f.locks[0].owner_pid = 112;
	f.waiters[3].pid = 111;
	f.locks[1].owner_pid = 111; /* two waits for one, who waits for two */
	f.v.has_holder = false;
	text = text_of(&f, NULL, &r);
	assert_int_equal(r, 0);
	assert_non_null(strstr(text, "one (111)"));
	assert_non_null(strstr(text, "two (112)"));
	free(text);
}

/* For "validate_json.py" from outside: the scenarios' JSON into the folder @dir. */
static int scenarios_write(const char *dir)
{
	static void (*const make[])(struct fixture *) = { make_ipset, make_cycle, make_chain,
							  make_unknown, fixture_init };
	static const char *const names[] = { "ipset", "cycle", "chain", "unknown", "empty" };

	for (size_t i = 0; i < sizeof(make) / sizeof(make[0]); i++) {
		struct fixture f;
		char path[4096];
		FILE *file;
		int r;

		make[i](&f);
		snprintf(path, sizeof(path), "%s/%s.json", dir, names[i]);
		file = fopen(path, "w");
		if (!file)
			return 1;
		r = render_json(&f.s, &f.v, NULL, file);
		if (fclose(file) != 0 || r < 0)
			return 1;
	}
	return 0;
}

/* Every scenario's JSON holds against the schema, by the same check that others' JSON passes. */
static void test_schema(void **state)
{
	char dir[] = "/tmp/test_render.XXXXXX", command[512];

	assert_non_null(mkdtemp(dir));
	assert_int_equal(scenarios_write(dir), 0);
	snprintf(command, sizeof(command), "python3 tests/unit/validate_json.py %s/*.json", dir);
	assert_int_equal(system(command), 0);
	snprintf(command, sizeof(command), "rm -r %s", dir);
	assert_int_equal(system(command), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text_ipset),
		cmocka_unit_test(test_text_cycle),
		cmocka_unit_test(test_text_chain),
		cmocka_unit_test(test_text_unknown),
		cmocka_unit_test(test_text_empty),
		cmocka_unit_test(test_text_others),
		cmocka_unit_test(test_view_cpu),
		cmocka_unit_test(test_view_ps),
		cmocka_unit_test(test_view_log),
		cmocka_unit_test(test_escape_injection),
		cmocka_unit_test(test_text_escape),
		cmocka_unit_test(test_color),
		cmocka_unit_test(test_json_ipset),
		cmocka_unit_test(test_json_cycle_others),
		cmocka_unit_test(test_json_tasks),
		cmocka_unit_test(test_json_empty),
		cmocka_unit_test(test_json_hostile),
		cmocka_unit_test(test_owner_loop),
		cmocka_unit_test(test_schema),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
