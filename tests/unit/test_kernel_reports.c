// SPDX-License-Identifier: GPL-2.0-or-later
/* Lines as kernels of the versions named print them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "source/kernel_reports.h"

#define NONE SNAPSHOT_NONE
#define S 1000000000ULL

struct expected {
	const char *text;
	enum report_kind kind;
	uint64_t time_us;
	uint32_t cpu, pid;
	const char *comm, *function;
	uint64_t stuck_ns;
};

static const struct expected cases[] = {
	/* 6.1 */
	{ "[   12.886146] watchdog: BUG: soft lockup - CPU#5 stuck for 6s! [lab_writer/5:175]\n"
	  "[   12.886219] Modules linked in: holdup_lab(OE)\n"
	  "[   12.886500] CPU: 5 PID: 175 Comm: lab_writer/5 Kdump: loaded Tainted: G OE 6.1.0\n"
	  "[   12.886600] RIP: 0010:native_queued_spin_lock_slowpath+0x30/0x2a0\n",
	  REPORT_SOFT_LOCKUP, 12886146, 5, 175, "lab_writer/5",
	  "native_queued_spin_lock_slowpath", 6 * S },
	/* 2.6.32 */
	{ "BUG: soft lockup - CPU#7 stuck for 67s! [ksoftirqd/7:33]\n", REPORT_SOFT_LOCKUP,
	  SNAPSHOT_NO_TIME, 7, 33, "ksoftirqd/7", NULL, 67 * S },
	/* 3.16, with printk level */
	{ "<0>[ 1234.000001] NMI watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [a b:c:1580]\n",
	  REPORT_SOFT_LOCKUP, 1234000001, 0, 1580, "a b:c", NULL, 22 * S },
	/* syzbot's 4.15, caller in brackets */
	{ "[  345.678901][    C2] watchdog: BUG: soft lockup - CPU#2 stuck for 136s! "
	  "[lab-reproduc4:4888]\n",
	  REPORT_SOFT_LOCKUP, 345678901, 2, 4888, "lab-reproduc4", NULL, 136 * S },
	/* syslog */
	{ "Nov 23 00:57:01 db1 kernel: [   99.000000] watchdog: BUG: soft lockup - CPU#1 stuck for "
	  "23s! [mysqld:77]\n",
	  REPORT_SOFT_LOCKUP, 99000000, 1, 77, "mysqld", NULL, 23 * S },
	/* 6.1 hard lockup; 6.6 wording; 2.6.32 */
	{ "[   30.500000] NMI watchdog: Watchdog detected hard LOCKUP on cpu 3\n"
	  "[   30.500001] CPU: 3 PID: 12 Comm: spinner Not tainted 6.1.0 #1\n"
	  "[   30.500002] RIP: 0010:spin+0x5/0x10 [mod]\n",
	  REPORT_HARD_LOCKUP, 30500000, 3, 12, "spinner", "spin", SNAPSHOT_NO_TIME },
	{ "[    1.000000] watchdog: CPU12: Watchdog detected hard LOCKUP on cpu 12\n",
	  REPORT_HARD_LOCKUP, 1000000, 12, NONE, NULL, NULL, SNAPSHOT_NO_TIME },
	{ "BUG: NMI Watchdog detected LOCKUP on CPU4, ip ffffffff81064223, registers:\n"
	  "Pid: 511, comm: events/4 Not tainted 2.6.32-71.el6.x86_64 #1\n"
	  "RIP: 0010:[<ffffffff81064223>]  [<ffffffff81064223>] task_rq_lock+0x53/0xa0\n",
	  REPORT_HARD_LOCKUP, SNAPSHOT_NO_TIME, 4, 511, "events/4", "task_rq_lock",
	  SNAPSHOT_NO_TIME },
	/* RCU: the CPU is on the line of the stall's list */
	{ "[   21.003000] rcu: INFO: rcu_preempt self-detected stall on CPU\n"
	  "[   21.003100] rcu: \t2-....: (5249 ticks this GP) idle=a54c/1/0x4000000000000000\n",
	  REPORT_RCU_STALL, 21003000, 2, NONE, NULL, NULL, SNAPSHOT_NO_TIME },
	{ "[   21.003000] rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:\n"
	  "[   21.003100] rcu: \t3-....: (1 GPs behind) idle=ef6/1/0x4000000000000002\n"
	  "[   21.003200] rcu: \t(detected by 1, t=10002 jiffies, g=13073, q=1262 ncpus=2)\n",
	  REPORT_RCU_STALL, 21003000, 3, NONE, NULL, NULL, SNAPSHOT_NO_TIME },
	{ "INFO: rcu_sched detected stalls on CPUs/tasks: { 3} (detected by 1, t=15002 jiffies)\n",
	  REPORT_RCU_STALL, SNAPSHOT_NO_TIME, 3, NONE, NULL, NULL, SNAPSHOT_NO_TIME },
	{ "INFO: rcu_sched detected stall on CPU 6 (t=16250 jiffies)\n", REPORT_RCU_STALL,
	  SNAPSHOT_NO_TIME, 6, NONE, NULL, NULL, SNAPSHOT_NO_TIME },
	/* hung task: the colon belongs to the name */
	{ "[  363.123456] INFO: task kworker/1:0:17 blocked for more than 143 seconds.\n"
	  "[  363.123500]       Not tainted 5.4.0-rc1+ #0\n",
	  REPORT_HUNG_TASK, 363123456, NONE, 17, "kworker/1:0", NULL, 143 * S },
	/* spinlock debugging */
	{ "[   50.000000] BUG: spinlock recursion on CPU#0, lab-reproduc7/5032\n",
	  REPORT_SPINLOCK_RECURSION, 50000000, 0, 5032, "lab-reproduc7", NULL, SNAPSHOT_NO_TIME },
	{ "BUG: spinlock lockup suspected on CPU#4, udevd/5709\n", REPORT_SPINLOCK_LOCKUP,
	  SNAPSHOT_NO_TIME, 4, 5709, "udevd", NULL, SNAPSHOT_NO_TIME },
	{ "BUG: spinlock lockup on CPU#6, kworker/6:1/4422, ffff88003fc0d840\n",
	  REPORT_SPINLOCK_LOCKUP, SNAPSHOT_NO_TIME, 6, 4422, "kworker/6:1", NULL,
	  SNAPSHOT_NO_TIME },
	{ "BUG: workqueue lockup - pool cpus=3 node=0 flags=0x0 nice=0 stuck for 34s!\n",
	  REPORT_WORKQUEUE_LOCKUP, SNAPSHOT_NO_TIME, 3, NONE, NULL, NULL, 34 * S },
	{ "BUG: workqueue lockup - pool cpus=0-7 flags=0x4 nice=0 stuck for 40s!\n",
	  REPORT_WORKQUEUE_LOCKUP, SNAPSHOT_NO_TIME, NONE, NONE, NULL, NULL, 40 * S },
	/* lockdep: 4.x INFO in brackets, then WARNING; 5.x */
	{ "[ INFO: possible circular locking dependency detected ]\n", REPORT_DEADLOCK,
	  SNAPSHOT_NO_TIME, NONE, NONE, NULL, NULL, SNAPSHOT_NO_TIME },
	{ "[    5.000000] WARNING: possible recursive locking detected\n", REPORT_DEADLOCK,
	  5000000, NONE, NONE, NULL, NULL, SNAPSHOT_NO_TIME },
	{ "WARNING: inconsistent lock state\n", REPORT_DEADLOCK, SNAPSHOT_NO_TIME, NONE, NONE, NULL,
	  NULL, SNAPSHOT_NO_TIME },
	{ "WARNING: SOFTIRQ-safe -> SOFTIRQ-unsafe lock order detected\n", REPORT_DEADLOCK,
	  SNAPSHOT_NO_TIME, NONE, NONE, NULL, NULL, SNAPSHOT_NO_TIME },
	{ "[  100.000000] smp: csd: Detected non-responsive CSD lock (#1) on CPU#0, waiting "
	  "5000000042 ns for CPU#55 flush_tlb_func(0x0).\n",
	  REPORT_CSD_LOCKUP, 100000000, 55, NONE, NULL, "flush_tlb_func", 5000000042 },
	{ "BUG: scheduling while atomic: lab_taker/0/148/0x00000002\n", REPORT_SCHED_ATOMIC,
	  SNAPSHOT_NO_TIME, NONE, 148, "lab_taker/0", NULL, SNAPSHOT_NO_TIME },
	/* oopses */
	{ "[    9.000000] BUG: kernel NULL pointer dereference, address: 0000000000000010\n"
	  "[    9.000001] #PF: supervisor read access in kernel mode\n"
	  "[    9.000002] PGD 0 P4D 0 \n"
	  "[    9.000003] Oops: 0000 [#1] PREEMPT SMP PTI\n"
	  "[    9.000004] CPU: 1 UID: 0 PID: 147 Comm: lab_sum/1 Tainted: G OE 6.12\n"
	  "[    9.000005] RIP: 0010:labnode_visit+0x14/0x30 [holdup_lab]\n",
	  REPORT_OOPS, 9000000, 1, 147, "lab_sum/1", "labnode_visit", SNAPSHOT_NO_TIME },
	{ "BUG: unable to handle kernel NULL pointer dereference at 0000000000000010\n"
	  "IP: [<ffffffffa01b3e1d>] handler+0x1d/0x40\n"
	  "Oops: 0000 [#1] SMP\n"
	  "Pid: 3048, comm: modprobe Tainted: G 2.6.32\n",
	  REPORT_OOPS, SNAPSHOT_NO_TIME, NONE, 3048, "modprobe", NULL, SNAPSHOT_NO_TIME },
	{ "general protection fault, probably for non-canonical address 0xdead000000000108: 0000 [#1]"
	  " SMP\n",
	  REPORT_OOPS, SNAPSHOT_NO_TIME, NONE, NONE, NULL, NULL, SNAPSHOT_NO_TIME },
	{ "kernel BUG at mm/slub.c:305!\n", REPORT_OOPS, SNAPSHOT_NO_TIME, NONE, NONE, NULL, NULL,
	  SNAPSHOT_NO_TIME },
	/* A panic's user-mode registers name no function. */
	{ "[    3.000000] Kernel panic - not syncing: softlockup: hung tasks\n"
	  "[    3.000001] CPU: 3 PID: 174 Comm: lab_waiter/3 Tainted: G OEL 6.1.0\n"
	  "[    3.000002] RIP: 0033:0x7f1234567890\n",
	  REPORT_PANIC, 3000000, 3, 174, "lab_waiter/3", NULL, SNAPSHOT_NO_TIME },
	{ "[    3.000000] sysrq: Trigger a crash\n", REPORT_SYSRQ, 3000000, NONE, NONE, NULL, NULL,
	  SNAPSHOT_NO_TIME },
	{ "SysRq : Trigger a crash\n", REPORT_SYSRQ, SNAPSHOT_NO_TIME, NONE, NONE, NULL, NULL,
	  SNAPSHOT_NO_TIME },
};

static void string_check(const char *got, const char *want)
{
	if (!want)
		assert_null(got);
	else
		assert_string_equal(got, want);
}

static void test_each(void **state)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct report *reports;
		struct arena arena;
		uint32_t n;

		arena_init(&arena);
		assert_int_equal(kernel_reports_parse(&arena, cases[i].text, strlen(cases[i].text),
						      &reports, &n), 0);
		if (n != 1)
			print_error("%u reports in: %s", n, cases[i].text);
		assert_int_equal(n, 1);
		assert_int_equal(reports->kind, cases[i].kind);
		assert_int_equal(reports->time_us, cases[i].time_us);
		assert_int_equal(reports->cpu, cases[i].cpu);
		assert_int_equal(reports->pid, cases[i].pid);
		string_check(reports->comm, cases[i].comm);
		string_check(reports->function, cases[i].function);
		assert_int_equal(reports->stuck_ns, cases[i].stuck_ns);
		arena_done(&arena);
	}
}

/* What only looks like a report is none. */
static void test_none(void **state)
{
	static const char text[] =
		"[    0.000000] Command line: softlockup_panic=1 crashkernel=256M oops=panic\n"
		"[    1.000000] watchdog: Delayed init of the lockup detector failed: -2\n"
		"[    1.000000] systemd[1]: said \"BUG: soft lockup - CPU#1 stuck for 9s! [a:1]\"\n"
		"[    1.000000] rcu: Hierarchical RCU implementation.\n"
		"[    1.000000] rcu: \t3-....: (1 GPs behind) idle=ef6\n"
		"[    1.000000] CPU: 0 PID: 1 Comm: init Not tainted 6.1 #1\n"
		"[    1.000000] RIP: 0010:f+0x1/0x2\n"
		"[    1.000000] INFO: task a:1 is fine\n"
		"[    1.000000] hung_task: ignoring 0 tasks\n"
		"[    1.000000] WARNING: CPU: 0 PID: 1 at kernel/x.c:1 f+0x1/0x2\n";
	struct report *reports;
	struct arena arena;
	uint32_t n;

	arena_init(&arena);
	assert_int_equal(kernel_reports_parse(&arena, text, strlen(text), &reports, &n), 0);
	assert_int_equal(n, 0);
	arena_done(&arena);
}

/* Several reports keep their order, and each its own lines. */
static void test_sequence(void **state)
{
	static const char text[] =
		"[   12.000000] watchdog: BUG: soft lockup - CPU#0 stuck for 6s! [holder:171]\n"
		"[   12.000100] watchdog: BUG: soft lockup - CPU#1 stuck for 6s! [waiter:172]\n"
		"[   12.000200] CPU: 1 PID: 172 Comm: waiter Tainted: G\n"
		"[   12.000300] RIP: 0010:spin_here+0x1/0x2\n"
		"[   12.000400] Kernel panic - not syncing: softlockup: hung tasks";
	const struct report *panic;
	struct report *reports;
	struct arena arena;
	uint32_t n;

	arena_init(&arena);
	assert_int_equal(kernel_reports_parse(&arena, text, strlen(text), &reports, &n), 0);
	assert_int_equal(n, 3);
	assert_null(reports[0].function);
	assert_string_equal(reports[1].function, "spin_here");
	panic = kernel_reports_panic(reports, n);
	assert_ptr_equal(panic, &reports[2]);
	assert_string_equal(panic->text, "Kernel panic - not syncing: softlockup: hung tasks");
	assert_null(kernel_reports_panic(reports, 2));
	arena_done(&arena);
}

static void test_prefixes(void **state)
{
	static const struct {
		const char *line, *message;
		uint64_t time;
	} lines[] = {
		{ "[    0.000001] x", "x", 1 },
		{ "[12345.678901] x", "x", 12345678901 },
		{ "<6>[    1.500000] x", "x", 1500000 },
		{ "[    1.500000][  T123] x", "x", 1500000 },
		{ "[    1.500000] [    C3] x", "x", 1500000 },
		{ "x y", "x y", SNAPSHOT_NO_TIME },
		{ "[ INFO: x ]", "[ INFO: x ]", SNAPSHOT_NO_TIME },
		{ "[<ffffffff81064223>] f", "[<ffffffff81064223>] f", SNAPSHOT_NO_TIME },
		{ "May  4 12:00:00 h kernel: [    1.500000] x", "x", 1500000 },
		{ "[99999999999999999999.000000] x", "[99999999999999999999.000000] x",
		  SNAPSHOT_NO_TIME },
		{ "[    1.5] x", "[    1.5] x", SNAPSHOT_NO_TIME },
		{ "", "", SNAPSHOT_NO_TIME },
	};

	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
		uint64_t time;
		const char *m = log_line_message(lines[i].line, lines[i].line + strlen(lines[i].line),
						 &time);

		assert_string_equal(m, lines[i].message);
		assert_int_equal(time, lines[i].time);
	}
}

/* Ten times the text must not take much more than ten times as long. */
static void test_linear(void **state)
{
	static const char line[] = "[    1.000000] BUG: [[[[ watchdog: BUG: soft lockup - CPU# [::::\n";
	double seconds[2];

	for (int k = 0; k < 2; k++) {
		size_t lines = k ? 200000 : 20000, size = lines * (sizeof(line) - 1);
		char *text = malloc(size);
		struct timespec a, b;
		struct report *reports;
		struct arena arena;
		uint32_t n;

		assert_non_null(text);
		for (size_t i = 0; i < lines; i++)
			memcpy(text + i * (sizeof(line) - 1), line, sizeof(line) - 1);
		arena_init(&arena);
		clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
		assert_int_equal(kernel_reports_parse(&arena, text, size, &reports, &n), 0);
		clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b);
		seconds[k] = (double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) / 1e9;
		arena_done(&arena);
		free(text);
	}
	assert_true(seconds[1] < seconds[0] * 40 + 0.05);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each),	 cmocka_unit_test(test_none),
		cmocka_unit_test(test_sequence), cmocka_unit_test(test_prefixes),
		cmocka_unit_test(test_linear),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
