// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Console logs to snapshots, and on to the verdict where that is what the words are for. The logs are
 * made up, in the forms that kernels print; each is given with several prefixes, cut off everywhere,
 * and with junk in it.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "source/console_log.h"
#include "verdict.h"

/* CPU 1 and CPU 3 spin for the lock in R12 that CPU 2 took further on in the same function. */
static const char all_cpus[] =
	"watchdog: BUG: soft lockup - CPU#1 stuck for 23s! [feeder/1:201]\n"
	"Modules linked in: ring(O)\n"
	"CPU: 1 PID: 201 Comm: feeder/1 Tainted: G           O       6.1.0-9-amd64 #1 Debian 6.1.27\n"
	"RIP: 0010:native_queued_spin_lock_slowpath+0x6a/0x2b0\n"
	"Code: 00 01 <8b> 07\n"
	"RSP: 0018:ffffc90000a0fd10 EFLAGS: 00000202 ORIG_RAX: ffffffffffffff13\n"
	"RAX: 0000000000000001 RBX: ffff888101234560 RCX: 0000000000000000\n"
	"RDX: 0000000000000000 RSI: 0000000000000001 RDI: ffff888101234560\n"
	"Call Trace:\n"
	" <TASK>\n"
	" _raw_spin_lock+0x2f/0x40\n"
	" ring_put+0x25/0x90 [ring]\n"
	" ? stale_leftover+0x11/0x20\n"
	" ring_feed+0x31/0x60 [ring]\n"
	" kthread+0xe6/0x110\n"
	" </TASK>\n"
	"Sending NMI from CPU 1 to CPUs 0,2-3:\n"
	"NMI backtrace for cpu 0 skipped: idling at native_safe_halt+0xb/0x10\n"
	"NMI backtrace for cpu 2\n"
	"CPU: 2 PID: 202 Comm: drain:er Tainted: G           O       6.1.0-9-amd64 #1 Debian 6.1.27\n"
	"RIP: 0010:ring_scan+0x1d/0x40 [ring]\n"
	"RSP: 0018:ffffc90000a1fd10 EFLAGS: 00000206\n"
	"Call Trace:\n"
	" <TASK>\n"
	" ring_put+0x52/0x90 [ring]\n"
	" ring_drain+0x12/0x30 [ring]\n"
	" kthread+0xe6/0x110\n"
	" </TASK>\n"
	"NMI backtrace for cpu 3\n"
	"CPU: 3 PID: 203 Comm: feeder/3 Tainted: G           O       6.1.0-9-amd64 #1 Debian 6.1.27\n"
	"RIP: 0010:native_queued_spin_lock_slowpath+0x1a9/0x2b0\n"
	"RSP: 0018:ffffc90000a2fd10 EFLAGS: 00000202\n"
	"RAX: 0000000000000001 RBX: ffff888101234560 RCX: 0000000000000000\n"
	"RDX: 0000000000000000 RSI: 0000000000000001 RDI: ffff888101234560\n"
	"Call Trace:\n"
	" <TASK>\n"
	" _raw_spin_lock+0x2f/0x40\n"
	" ring_put+0x25/0x90 [ring]\n"
	" ring_feed+0x31/0x60 [ring]\n"
	" </TASK>\n"
	"Kernel panic - not syncing: softlockup: hung tasks\n"
	"CPU: 1 PID: 201 Comm: feeder/1 Tainted: G           OL      6.1.0-9-amd64 #1 Debian 6.1.27\n"
	"Call Trace:\n"
	" <IRQ>\n"
	" dump_stack_lvl+0x44/0x5c\n"
	" panic+0x118/0x2ed\n"
	" watchdog_timer_fn.cold+0xc/0x16\n"
	" </IRQ>\n";

/* --- helpers --- */

struct result {
	struct snapshot *snapshots;
	uint32_t n;
	struct verdict *verdict; /* on the first */
	int r;
};

static void take(const char *text, size_t size, size_t piece, struct result *ret)
{
	struct console_log *log = console_log_new();
	struct msgs msgs;

	*ret = (struct result){ 0 };
	assert_non_null(log);
	msgs_init(&msgs);
	for (size_t at = 0; at < size; at += piece)
		assert_int_equal(console_log_feed(log, text + at,
						  size - at < piece ? size - at : piece), 0);
	ret->r = console_log_finish(&msgs, log, "test.log", &ret->snapshots, &ret->n);
	console_log_free(log);
	if (ret->r == 0)
		assert_int_equal(diagnose(&ret->snapshots[0], &ret->verdict), 0);
	else
		assert_int_equal(msgs.n, 1);
	msgs_done(&msgs);
}

static void done(struct result *result)
{
	verdict_free(result->verdict);
	for (uint32_t i = 0; i < result->n; i++)
		snapshot_done(&result->snapshots[i]);
	free(result->snapshots);
}

static void check_all_cpus(const char *text, size_t size, size_t piece)
{
	struct result t;
	const struct verdict *v;

	take(text, size, piece, &t);
	assert_int_equal(t.r, 0);
	assert_int_equal(t.n, 1);
	assert_int_equal(t.snapshots[0].n_cpus, 4);
	v = t.verdict;
	assert_string_equal(event_name(v->event), "soft-lockup");
	assert_string_equal(pattern_name(v->pattern), "long-hold");
	assert_true(v->has_holder);
	assert_int_equal(v->holder.cpu, 2);
	assert_int_equal(v->holder.pid, 202);
	assert_string_equal(v->holder.comm, "drain:er");
	assert_string_equal(v->holder.function, "ring_scan");
	assert_string_equal(v->holder.module, "ring");
	assert_string_equal(v->holder.acquired_in, "ring_put");
	assert_int_equal(v->n_waiters, 2);
	assert_string_equal(v->waiters[0].function, "ring_put");
	assert_true(v->lock_address == 0xffff888101234560);
	done(&t);
}

/* Every line of @text between @before and @after; on the heap. */
static char *wrap(const char *text, const char *before, const char *after, size_t *ret_size)
{
	size_t size = 0, n;
	char *to = NULL;
	FILE *f = open_memstream(&to, &size);

	assert_non_null(f);
	for (const char *p = text; *p; p += n + (p[n] == '\n')) {
		n = strcspn(p, "\n");
		fprintf(f, "%s%.*s%s\n", before, (int)n, p, after);
	}
	fclose(f);
	*ret_size = size;
	return to;
}

static void test_prefixes(void **state)
{
	static const char *const wraps[][2] = {
		{ "", "" },
		{ "[  123.456789] ", "" },
		{ "[  123.456789][  T201] ", "" },
		{ "[  123.456789][    C1] ", "\r" },
		{ "<4>[  123.456789] ", "" },
		{ "Nov 23 01:02:03 box kernel: [  123.456789] ", "" },
		{ "Nov 23 01:02:03 box kernel: ", "" },
		{ "2026-11-23T01:02:03+00:00 box kernel: ", "" },
		{ "> [  123.456789] ", "" },
		{ "kern  :warn  : [  123.456789] ", "" },
		{ "4,1000,123456789,-,caller=C1;", "" },
		{ "\033[33m[  123.456789]\033[0m ", "\033[0m" },
	};

	for (size_t i = 0; i < sizeof(wraps) / sizeof(*wraps); i++) {
		size_t size;
		char *text = wrap(all_cpus, wraps[i][0], wraps[i][1], &size);

		check_all_cpus(text, size, size);
		free(text);
	}
}

/* Text arrives in pieces of any size. */
static void test_pieces(void **state)
{
	for (size_t piece = 1; piece < 200; piece += 13)
		check_all_cpus(all_cpus, sizeof(all_cpus) - 1, piece);
}

/* Two CPUs print at once: their caller ids tell the lines apart, the CPU: lines whose they are. */
static void test_interleaved(void **state)
{
	static const char text[] =
		"[   10.000001][    C1] watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [a:11]\n"
		"[   10.000002][    C2] watchdog: BUG: soft lockup - CPU#2 stuck for 22s! [b:12]\n"
		"[   10.000003][    C1] CPU: 1 PID: 11 Comm: a Not tainted 6.6.0 #1\n"
		"[   10.000004][    C2] CPU: 2 PID: 12 Comm: b Not tainted 6.6.0 #1\n"
		"[   10.000005][    C1] RIP: 0010:walk_a+0x1/0x20\n"
		"[   10.000006][    C2] RIP: 0010:walk_b+0x2/0x20\n"
		"[   10.000007][    C1] Call Trace:\n"
		"[   10.000008][    C2] Call Trace:\n"
		"[   10.000009][    C1]  outer_a+0x3/0x20\n"
		"[   10.000010][    C2]  outer_b+0x4/0x20\n";
	struct result t;

	take(text, sizeof(text) - 1, 64, &t);
	assert_int_equal(t.r, 0);
	assert_int_equal(t.snapshots[0].n_cpus, 2);
	for (uint32_t i = 0; i < 2; i++) {
		const struct stack *stack = &t.snapshots[0].cpus[i].stack;

		assert_int_equal(stack->n, 2);
		assert_string_equal(stack->frames[0].function, i ? "walk_b" : "walk_a");
		assert_string_equal(stack->frames[1].function, i ? "outer_b" : "outer_a");
	}
	assert_string_equal(t.snapshots[0].kernel_release, "6.6.0");
	assert_int_equal(t.snapshots[0].n_reports, 2);
	done(&t);
}

/* A place with registers below </IRQ> is what the interrupt struck. */
static void test_interrupted(void **state)
{
	static const char text[] =
		"rcu: INFO: rcu_sched self-detected stall on CPU\n"
		"rcu: \t2-....: (5249 ticks this GP) idle=1/1/0x4 softirq=1/1 fqs=1\n"
		"\t(t=5250 jiffies g=1 q=1)\n"
		"NMI backtrace for cpu 2\n"
		"CPU: 2 PID: 77 Comm: walker Not tainted 5.10.0 #1\n"
		"Call Trace:\n"
		" <IRQ>\n"
		" dump_stack+0x1/0x2\n"
		" nmi_cpu_backtrace.cold+0x1/0x2\n"
		" rcu_dump_cpu_stacks+0x1/0x2\n"
		" rcu_sched_clock_irq.cold+0x1/0x2\n"
		" asm_sysvec_apic_timer_interrupt+0x12/0x20\n"
		" </IRQ>\n"
		"RIP: 0010:table_walk+0x44/0x90\n"
		"RSP: 0018:ffffc90000a0fd10 EFLAGS: 00000293\n"
		"R13: ffff888100000013 R14: ffff888100000014 R15: ffff888100000015\n"
		" table_dump+0x11/0x20\n"
		" entry_SYSCALL_64_after_hwframe+0x44/0xa9\n"
		"RIP: 0033:0x7f0011223344\n"
		"RSP: 002b:00007ffc00000000 EFLAGS: 00000246\n"
		" not_a_kernel_frame+0x1/0x2\n";
	const struct stack *stack;
	struct result t;

	take(text, sizeof(text) - 1, sizeof(text), &t);
	assert_int_equal(t.r, 0);
	assert_int_equal(t.snapshots[0].n_cpus, 1);
	assert_int_equal(t.snapshots[0].reports[0].cpu, 2);
	stack = &t.snapshots[0].cpus[0].stack;
	assert_int_equal(t.snapshots[0].cpus[0].id, 2);
	for (uint32_t i = 0; i < stack->n; i++)
		if (stack->frames[i].interrupted) {
			assert_string_equal(stack->frames[i].function, "table_walk");
			assert_non_null(stack->frames[i].regs);
			assert_true(stack->frames[i].regs->v[REG_X86_R14] == 0xffff888100000014);
			assert_int_equal(stack->frames[i - 1].context, CONTEXT_IRQ);
		}
	assert_string_equal(stack->frames[stack->n - 1].function, "entry_SYSCALL_64_after_hwframe");
	assert_string_equal(pattern_name(t.verdict->pattern), "busy-loop");
	assert_string_equal(t.verdict->holder.function, "table_walk");
	assert_int_equal(t.verdict->holder.pid, 77);
	done(&t);
}

/* lockdep lists waiters as holders: the holder is whose stack waits for something else. */
static void test_held_locks(void **state)
{
	static const char text[] =
		"INFO: task wait one:31 blocked for more than 122 seconds.\n"
		"      Not tainted 6.1.0 #1\n"
		"\"echo 0 > /proc/sys/kernel/hung_task_timeout_secs\" disables this message.\n"
		"task:wait one        state:D stack:    0 pid:   31 ppid:     2 flags:0x00004000\n"
		"Call Trace:\n"
		" <TASK>\n"
		" __schedule+0x1/0x100\n"
		" schedule+0x2/0x100\n"
		" schedule_preempt_disabled+0x3/0x10\n"
		" __mutex_lock+0x4/0x100\n"
		" conf_read+0x21/0x100\n"
		" </TASK>\n"
		"task:sleeper         state:D stack:    0 pid:   32 ppid:     2 flags:0x00004000\n"
		"Call Trace:\n"
		" <TASK>\n"
		" __schedule+0x1/0x100\n"
		" schedule+0x2/0x100\n"
		" schedule_timeout+0x3/0x100\n"
		" wait_for_completion+0x4/0x100\n"
		" conf_write_out+0x9/0x100\n"
		" conf_write+0x31/0x100\n"
		" </TASK>\n"
		"\n"
		"Showing all locks held in the system:\n"
		"1 lock held by khungtaskd/20:\n"
		" #0: ffffffff82a0b0c0 (rcu_read_lock){....}-{1:2}, at: debug_show_all_locks+0x15/0x17e\n"
		"1 lock held by wait one/31:\n"
		" #0: ffffffff82c0d0e0 (conf_mutex){+.+.}-{3:3}, at: conf_read+0x21/0x100\n"
		"1 lock held by sleeper/32:\n"
		" #0: ffffffff82c0d0e0 (conf_mutex){+.+.}-{3:3}, at: conf_write+0x15/0x100\n"
		"1 lock held by unseen/33:\n"
		" #0: ffffffff82c0d0e0 (conf_mutex){+.+.}-{3:3}, at: conf_read+0x21/0x100\n"
		"\n"
		"=============================================\n";
	struct result t;

	take(text, sizeof(text) - 1, 7, &t);
	assert_int_equal(t.r, 0);
	assert_string_equal(event_name(t.verdict->event), "hung-task");
	assert_string_equal(t.verdict->lock_name, "conf_mutex");
	assert_true(t.verdict->has_holder);
	assert_int_equal(t.verdict->holder.pid, 32);
	assert_string_equal(t.verdict->holder.acquired_in, "conf_write");
	assert_int_equal(t.verdict->n_waiters, 1);
	assert_int_equal(t.verdict->waiters[0].pid, 31);
	done(&t);
}

/* Two that may hold it are one too many. */
static void test_held_locks_unclear(void **state)
{
	static const char text[] =
		"INFO: task wait:31 blocked for more than 122 seconds.\n"
		"task:wait            state:D stack:    0 pid:   31 ppid:     2 flags:0x00004000\n"
		"Call Trace:\n"
		" __schedule+0x1/0x100\n"
		" schedule+0x2/0x100\n"
		" __mutex_lock+0x4/0x100\n"
		" conf_read+0x21/0x100\n"
		"Showing all locks held in the system:\n"
		"1 lock held by wait/31:\n"
		" #0: ffffffff82c0d0e0 (conf_mutex){+.+.}-{3:3}, at: conf_read+0x21/0x100\n"
		"2 locks held by one/32:\n"
		" #0: ffffffff82c0d0e0 (conf_mutex){+.+.}-{3:3}, at: conf_write+0x15/0x100\n"
		" #1: ffffffff82c0d1e0 (other_mutex){+.+.}-{3:3}, at: conf_more+0x15/0x100\n"
		"2 locks held by two/33:\n"
		" #0: ffffffff82c0d0e0 (conf_mutex){+.+.}-{3:3}, at: conf_write+0x15/0x100\n"
		" #1: ffffffff82c0d2e0 (third_mutex){+.+.}-{3:3}, at: conf_more+0x25/0x100\n";
	struct result t;

	take(text, sizeof(text) - 1, sizeof(text), &t);
	assert_int_equal(t.r, 0);
	assert_string_equal(t.verdict->lock_name, "conf_mutex");
	assert_false(t.verdict->has_holder);
	done(&t);
}

/* "likely owned by", since 6.15; the owner's stack follows. */
static void test_likely_owner(void **state)
{
	static const char text[] =
		"INFO: task reader:41 blocked for more than 122 seconds.\n"
		"task:reader          state:D stack:0     pid:41    tgid:41    ppid:1      flags:0x00004000\n"
		"Call Trace:\n"
		" __schedule+0x1/0x100\n"
		" schedule+0x2/0x100\n"
		" schedule_preempt_disabled+0x3/0x10\n"
		" __mutex_lock.constprop.0+0x4/0x100\n"
		" store_get+0x21/0x100\n"
		"INFO: task reader:41 is blocked on a mutex likely owned by task writer/0:42.\n"
		"task:writer/0        state:S stack:0     pid:42    tgid:42    ppid:1      flags:0x00004000\n"
		"Call Trace:\n"
		" __schedule+0x1/0x100\n"
		" schedule+0x2/0x100\n"
		" schedule_timeout+0x3/0x100\n"
		" msleep+0x4/0x100\n"
		" store_flush+0x9/0x100\n";
	struct result t;

	take(text, sizeof(text) - 1, sizeof(text), &t);
	assert_int_equal(t.r, 0);
	assert_true(t.verdict->has_holder);
	assert_int_equal(t.verdict->holder.pid, 42);
	assert_string_equal(t.verdict->holder.comm, "writer/0");
	assert_string_equal(t.verdict->holder.function, "store_flush");
	done(&t);
}

static void test_spin_owner(void **state)
{
	static const char text[] =
		"[   20.000001] BUG: spinlock lockup suspected on CPU#3, feeder/61\n"
		"[   20.000002]  lock: 0xffff880012345678, .magic: dead4ead, .owner: drainer/62, .owner_cpu: 1\n"
		"[   20.000003] CPU: 3 PID: 61 Comm: feeder Not tainted 4.9.0 #1\n"
		"[   20.000004] Call Trace:\n"
		"[   20.000005]  [<ffffffff81000001>] dump_stack+0x1/0x2\n"
		"[   20.000006]  [<ffffffff81000002>] spin_dump+0x1/0x2\n"
		"[   20.000007]  [<ffffffff81000003>] do_raw_spin_lock+0x1/0x2\n"
		"[   20.000008]  [<ffffffff81000004>] _raw_spin_lock+0x1/0x2\n"
		"[   20.000009]  [<ffffffff81000005>] ring_put+0x1/0x2\n"
		"[   20.000010] Sending NMI to all CPUs:\n"
		"[   20.000011] NMI backtrace for cpu 1\n"
		"[   20.000012] CPU: 1 PID: 62 Comm: drainer Not tainted 4.9.0 #1\n"
		"[   20.000013] task: ffff880000000040 task.stack: ffff880000001000\n"
		"[   20.000014] RIP: 0010:[<ffffffff81000006>]  [<ffffffff81000006>] ring_scan+0x6/0x20\n"
		"[   20.000015] RSP: 0018:ffff880000001f00  EFLAGS: 00000202\n"
		"[   20.000016] Stack:\n"
		"[   20.000017]  ffff880000001f10 0000000000000000 0000000000000001 ffffffff81000007\n"
		"[   20.000018] Call Trace:\n"
		"[   20.000019]  [<ffffffff81000007>] ring_drain+0x7/0x20\n";
	struct result t;

	take(text, sizeof(text) - 1, sizeof(text), &t);
	assert_int_equal(t.r, 0);
	assert_string_equal(event_name(t.verdict->event), "spinlock-lockup");
	assert_true(t.verdict->has_holder);
	assert_int_equal(t.verdict->holder.cpu, 1);
	assert_int_equal(t.verdict->holder.pid, 62);
	assert_true(t.verdict->lock_address == 0xffff880012345678);
	assert_string_equal(t.verdict->waiters[0].function, "ring_put");
	done(&t);
}

static void test_lockdep(void **state)
{
	static const char text[] =
		"======================================================\n"
		"WARNING: possible circular locking dependency detected\n"
		"6.1.0 #1 Not tainted\n"
		"------------------------------------------------------\n"
		"mover/71 is trying to acquire lock:\n"
		"ffff888100001000 (&a->lock){+.+.}-{3:3}, at: move_to+0x15/0x40\n"
		"\n"
		"but task is already holding lock:\n"
		"ffff888100002000 (&b->lock){+.+.}-{3:3}, at: move_from+0x25/0x40\n"
		"\n"
		"which lock already depends on the new lock.\n"
		"\n"
		"the existing dependency chain (in reverse order) is:\n"
		"\n"
		"-> #1 (&b->lock){+.+.}-{3:3}:\n"
		"       __mutex_lock+0x95/0x900\n"
		"       copy_back+0x35/0x80\n"
		"       kthread+0x1/0x2\n"
		"\n"
		"-> #0 (&a->lock){+.+.}-{3:3}:\n"
		"       __lock_acquire+0x1000/0x2000\n"
		"       lock_acquire+0xc0/0x2b0\n"
		"       __mutex_lock+0x95/0x900\n"
		"       move_to+0x15/0x40\n"
		"       move_from+0x35/0x40\n"
		"\n"
		"other info that might help us debug this:\n"
		"\n"
		" *** DEADLOCK ***\n"
		"\n"
		"1 lock held by mover/71:\n"
		" #0: ffff888100002000 (&b->lock){+.+.}-{3:3}, at: move_from+0x25/0x40\n"
		"\n"
		"stack backtrace:\n"
		"CPU: 2 PID: 71 Comm: mover Not tainted 6.1.0 #1\n"
		"Call Trace:\n"
		" <TASK>\n"
		" dump_stack_lvl+0x1/0x2\n"
		" check_noncircular+0x1/0x2\n"
		" __lock_acquire+0x1000/0x2000\n"
		" lock_acquire+0xc0/0x2b0\n"
		" __mutex_lock+0x95/0x900\n"
		" move_to+0x15/0x40\n"
		" move_from+0x35/0x40\n"
		" </TASK>\n";
	const struct verdict *v;
	struct result t;

	take(text, sizeof(text) - 1, sizeof(text), &t);
	assert_int_equal(t.r, 0);
	v = t.verdict;
	assert_string_equal(event_name(v->event), "deadlock-report");
	assert_string_equal(pattern_name(v->pattern), "cycle");
	assert_string_equal(v->lock_name, "&a->lock");
	assert_int_equal(v->holder.pid, 71);
	assert_string_equal(v->holder.function, "move_from");
	assert_string_equal(v->waiters[0].function, "move_to");
	assert_int_equal(v->n_cycle, 2);
	assert_string_equal(v->cycle[0].holder.function, "copy_back");
	done(&t);
}

/* Kernels until 3.8: no CPU in the header, addresses, ? frames, <EOI>. */
static void test_old(void **state)
{
	static const char text[] =
		"BUG: soft lockup - CPU#2 stuck for 67s! [walker:81]\n"
		"Modules linked in: ring\n"
		"CPU 2 \n"
		"Modules linked in: ring\n"
		"\n"
		"Pid: 81, comm: walker Not tainted 2.6.32-71.el6.x86_64 #1 box\n"
		"RIP: 0010:[<ffffffffa0001234>]  [<ffffffffa0001234>] ring_scan+0x34/0x80 [ring]\n"
		"RSP: 0018:ffff880012345f00  EFLAGS: 00000246\n"
		"RAX: 0000000000000000 RBX: ffff880012345f50 RCX: 0000000000000000\n"
		"Process walker (pid: 81, threadinfo ffff880012344000, task ffff880012346000)\n"
		"Stack:\n"
		" ffff880012345f50 0000000000000000 ffff880012345f60 ffffffffa0001300\n"
		"<0> 0000000000000000 0000000000000000 0000000000000000 0000000000000000\n"
		"Call Trace:\n"
		" [<ffffffffa0001300>] ring_walk+0x20/0x60 [ring]\n"
		" [<ffffffff81090000>] ? autoremove_wake_function+0x0/0x40\n"
		" [<ffffffff81091000>] kthread+0x96/0xa0\n";
	struct result t;

	take(text, sizeof(text) - 1, sizeof(text), &t);
	assert_int_equal(t.r, 0);
	assert_int_equal(t.snapshots[0].n_cpus, 1);
	assert_int_equal(t.snapshots[0].cpus[0].id, 2);
	assert_string_equal(t.snapshots[0].kernel_release, "2.6.32-71.el6.x86_64");
	assert_int_equal(t.verdict->holder.cpu, 2);
	assert_int_equal(t.verdict->holder.pid, 81);
	assert_string_equal(t.verdict->holder.function, "ring_scan");
	assert_true(t.snapshots[0].cpus[0].stack.frames[0].address == 0xffffffffa0001234);
	assert_false(t.snapshots[0].cpus[0].stack.frames[2].reliable);
	done(&t);
}

static void test_arm64(void **state)
{
	static const char text[] =
		"watchdog: BUG: soft lockup - CPU#4 stuck for 26s! [walker:91]\n"
		"Modules linked in: ring\n"
		"CPU: 4 PID: 91 Comm: walker Not tainted 5.15.0 #1\n"
		"Hardware name: linux,dummy-virt (DT)\n"
		"pstate: 80000005 (Nzcv daif -PAN -UAO -TCO -DIT -SSBS BTYPE=--)\n"
		"pc : ring_scan+0x34/0x80 [ring]\n"
		"lr : ring_walk+0x20/0x60 [ring]\n"
		"sp : ffff800012345e00\n"
		"x29: ffff800012345e00 x28: 0000000000000000 x27: 0000000000000000\n"
		"x2 : 0000000000000000 x1 : 0000000000000000 x0 : ffff000001002000\n"
		"Call trace:\n"
		" ring_scan+0x34/0x80 [ring]\n"
		" ring_walk+0x20/0x60 [ring]\n"
		" kthread+0x150/0x160\n"
		" ret_from_fork+0x10/0x20\n";
	struct result t;

	take(text, sizeof(text) - 1, sizeof(text), &t);
	assert_int_equal(t.r, 0);
	assert_string_equal(t.snapshots[0].arch, "aarch64");
	assert_int_equal(t.snapshots[0].cpus[0].irqs_off, 0);
	assert_true(t.snapshots[0].cpus[0].regs.v[REG_GP] == 0xffff000001002000);
	assert_string_equal(t.verdict->holder.function, "ring_scan");
	done(&t);
}

/* The headers of tasks, in the forms of three eras. */
static void test_task_headers(void **state)
{
	static const char text[] =
		"sysrq: Show Blocked State\n"
		"task:new one         state:D stack:13000 pid:101   tgid:101   ppid:1      flags:0x00004002\n"
		"Call Trace:\n __schedule+0x1/0x2\n new_wait+0x1/0x2\n"
		"middle          D29880   102   2584 0x00000004\n"
		"Call Trace:\n __schedule+0x1/0x2\n middle_wait+0x1/0x2\n"
		"old one         D ffff8800db0de820     0   103      1 0x00000000\n"
		" ffff8800db0de820 ffff8800288d1778 ffff8800288d17e8 1ffff100cc82c7ba\n"
		"Call Trace:\n [<ffffffff81000001>] schedule+0x1/0x2\n [<ffffffff81000002>] old_wait+0x1/0x2\n"
		"kworker/0:1     I    0   104      2 0x80004000\n"
		"Call Trace:\n __schedule+0x1/0x2\n worker_thread+0x1/0x2\n"
		"same            D ffff8800db0de820     0   105      1 0x00000000\n"
		"Call Trace:\n <Same stack as pid 103>\n";
	static const struct {
		uint32_t pid;
		const char *comm, *function;
		enum task_state state;
	} want[] = {
		{ 101, "new one", "new_wait", TASK_STATE_UNINTERRUPTIBLE },
		{ 102, "middle", "middle_wait", TASK_STATE_UNINTERRUPTIBLE },
		{ 103, "old one", "old_wait", TASK_STATE_UNINTERRUPTIBLE },
		{ 104, "kworker/0:1", "worker_thread", TASK_STATE_IDLE },
		{ 105, "same", "old_wait", TASK_STATE_UNINTERRUPTIBLE },
	};
	struct result t;

	take(text, sizeof(text) - 1, sizeof(text), &t);
	assert_int_equal(t.r, 0);
	assert_int_equal(t.snapshots[0].n_tasks, 5);
	for (size_t i = 0; i < 5; i++) {
		const struct task *task = &t.snapshots[0].tasks[i];

		assert_int_equal(task->pid, want[i].pid);
		assert_string_equal(task->comm, want[i].comm);
		assert_int_equal(task->state, want[i].state);
		assert_int_equal(task->stack.n, 2);
		assert_string_equal(task->stack.frames[1].function, want[i].function);
	}
	done(&t);
}

/* A pause of hours makes another event; the one with the panic comes first. */
static void test_events(void **state)
{
	static const char text[] =
		"[  100.000000] watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [first:11]\n"
		"[  100.000001] CPU: 1 PID: 11 Comm: first Not tainted 6.6.0 #1\n"
		"[  100.000002] RIP: 0010:walk_first+0x1/0x20\n"
		"[ 9000.000000] watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [second:12]\n"
		"[ 9000.000001] CPU: 1 PID: 12 Comm: second Not tainted 6.6.0 #1\n"
		"[ 9000.000002] RIP: 0010:walk_second+0x1/0x20\n"
		"[ 9000.000003] Kernel panic - not syncing: softlockup: hung tasks\n"
		"[    0.000000] Linux version 6.6.1 (a@b) #2 SMP\n"
		"[   50.000000] watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [third:13]\n"
		"[   50.000001] CPU: 1 PID: 13 Comm: third Not tainted 6.6.1 #1\n"
		"[   50.000002] RIP: 0010:walk_third+0x1/0x20\n";
	struct result t;

	take(text, sizeof(text) - 1, sizeof(text), &t);
	assert_int_equal(t.r, 0);
	assert_int_equal(t.n, 3);
	assert_string_equal(t.verdict->holder.function, "walk_second");
	assert_string_equal(t.snapshots[0].panic, "softlockup: hung tasks");
	assert_int_equal(t.snapshots[1].tasks[0].pid, 11);
	assert_int_equal(t.snapshots[2].tasks[0].pid, 13);
	assert_string_equal(t.snapshots[2].kernel_release, "6.6.1");
	done(&t);
}

/* An oops minutes before took a task and the lock it held with it. */
static void test_lost_holder(void **state)
{
	static const char text[] =
		"[  100.000000] BUG: kernel NULL pointer dereference, address: 0000000000000010\n"
		"[  100.000001] Oops: 0000 [#1] SMP\n"
		"[  100.000002] CPU: 0 PID: 21 Comm: loser Not tainted 5.4.0 #1\n"
		"[  100.000003] RIP: 0010:port_reset+0x12/0x40 [port]\n"
		"[  100.000004] RSP: 0018:ffffc90000a0fd10 EFLAGS: 00010046\n"
		"[  100.000005] RAX: 0000000000000000 RBX: ffff888104440048 RCX: 0000000000000000\n"
		"[  100.000006] Call Trace:\n"
		"[  100.000007]  port_ioctl+0x11/0x40 [port]\n"
		"[  100.000008] ---[ end trace 0123456789abcdef ]---\n"
		"[ 1500.000000] watchdog: BUG: soft lockup - CPU#3 stuck for 22s! [swapper/3:0]\n"
		"[ 1500.000001] CPU: 3 PID: 0 Comm: swapper/3 Tainted: G      D           5.4.0 #1\n"
		"[ 1500.000002] RIP: 0010:native_queued_spin_lock_slowpath+0x61/0x1d0\n"
		"[ 1500.000003] RSP: 0018:ffffc90000a1fe68 EFLAGS: 00000002\n"
		"[ 1500.000004] RAX: 0000000000000001 RBX: 0000000000000000 RCX: 0000000000000000\n"
		"[ 1500.000005] RDX: 0000000000000000 RSI: 0000000000000000 RDI: ffff888104440048\n"
		"[ 1500.000006] Call Trace:\n"
		"[ 1500.000007]  <IRQ>\n"
		"[ 1500.000008]  _raw_spin_lock+0x1e/0x20\n"
		"[ 1500.000009]  port_irq+0x33/0x90 [port]\n"
		"[ 1500.000010]  common_interrupt+0xf/0xf\n"
		"[ 1500.000011]  </IRQ>\n";
	struct result t;

	take(text, sizeof(text) - 1, sizeof(text), &t);
	assert_int_equal(t.r, 0);
	assert_string_equal(event_name(t.verdict->event), "soft-lockup");
	assert_string_equal(pattern_name(t.verdict->pattern), "lost-holder");
	assert_true(t.verdict->has_holder);
	assert_int_equal(t.verdict->holder.pid, 21);
	assert_string_equal(t.verdict->waiters[0].function, "port_irq");
	done(&t);
}

static void test_starved(void **state)
{
	static const char text[] =
		"rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:\n"
		"rcu: \t(detected by 0, t=21002 jiffies, g=1, q=2 ncpus=2)\n"
		"rcu: rcu_preempt kthread starved for 21002 jiffies! g1 f0x0 RCU_GP_WAIT_FQS(5) ->state=0x0 ->cpu=1\n"
		"rcu: RCU grace-period kthread stack dump:\n"
		"task:rcu_preempt     state:R  running task     stack:0     pid:17    tgid:17    ppid:2      flags:0x00004000\n"
		"Call Trace:\n"
		" <TASK>\n"
		" __schedule+0x1/0x2\n"
		" schedule+0x1/0x2\n"
		" schedule_timeout+0x1/0x2\n"
		" rcu_gp_fqs_loop+0x1/0x2\n"
		" </TASK>\n"
		"rcu: Stack dump where RCU GP kthread last ran:\n"
		"Sending NMI from CPU 0 to CPUs 1:\n"
		"NMI backtrace for cpu 1\n"
		"CPU: 1 PID: 55 Comm: hog Not tainted 6.10.0 #1\n"
		"RIP: 0010:hog_spin+0x4/0x20\n";
	struct result t;

	take(text, sizeof(text) - 1, sizeof(text), &t);
	assert_int_equal(t.r, 0);
	assert_string_equal(event_name(t.verdict->event), "rcu-stall");
	assert_string_equal(pattern_name(t.verdict->pattern), "starvation");
	assert_int_equal(t.verdict->holder.cpu, 1);
	assert_int_equal(t.verdict->holder.pid, 55);
	assert_string_equal(t.verdict->waiters[0].function, "rcu_gp_fqs_loop");
	done(&t);
}

static void test_csd(void **state)
{
	static const char text[] =
		"smp: csd: Detected non-responsive CSD lock (#1) on CPU#1, waiting 5000000042 ns for CPU#05 flush_it+0x0/0x30(0x0).\n"
		"watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [caller:31]\n"
		"CPU: 1 PID: 31 Comm: caller Not tainted 6.6.0 #1\n"
		"RIP: 0010:smp_call_function_many_cond+0x11a/0x300\n"
		"Call Trace:\n"
		" on_each_cpu_cond_mask+0x24/0x40\n"
		" cache_flush_all+0x11/0x40\n"
		"NMI backtrace for cpu 5\n"
		"CPU: 5 PID: 35 Comm: deaf Not tainted 6.6.0 #1\n"
		"RIP: 0010:dev_poll+0x11/0x40\n"
		"RSP: 0018:ffffc90000a1fe68 EFLAGS: 00000002\n";
	struct result t;

	take(text, sizeof(text) - 1, sizeof(text), &t);
	assert_int_equal(t.r, 0);
	assert_string_equal(pattern_name(t.verdict->pattern), "ipi-wait");
	assert_int_equal(t.verdict->holder.cpu, 5);
	assert_string_equal(t.verdict->waiters[0].function, "cache_flush_all");
	done(&t);
}

/* The one work item in flight on the stalled CPU's own pool; two of them are one too many. */
static void test_workqueue(void **state)
{
	static const char one[] =
		"BUG: workqueue lockup - pool cpus=3 node=0 flags=0x0 nice=0 stuck for 34s!\n"
		"Showing busy workqueues and worker pools:\n"
		"workqueue events: flags=0x0\n"
		"  pwq 6: cpus=3 node=0 flags=0x0 nice=0 active=2/256 refcnt=3\n"
		"    in-flight: 1234:ring_refill [ring]\n"
		"    pending: vmstat_update\n"
		"workqueue events_unbound: flags=0x2\n"
		"  pwq 16: cpus=0-7 flags=0x4 nice=0 active=1/512 refcnt=2\n"
		"    in-flight: 77:flush_to_disk\n"
		"pool 6: cpus=3 node=0 flags=0x0 nice=0 hung=34s workers=3 idle: 55 66\n";
	static const char two[] =
		"BUG: workqueue lockup - pool cpus=3 node=0 flags=0x0 nice=0 stuck for 34s!\n"
		"Showing busy workqueues and worker pools:\n"
		"workqueue events: flags=0x0\n"
		"  pwq 6: cpus=3 node=0 flags=0x0 nice=0 active=2/256 refcnt=3\n"
		"    in-flight: 1234:ring_refill [ring], 1235:ring_drain [ring]\n";
	struct result t;

	take(one, sizeof(one) - 1, sizeof(one), &t);
	assert_int_equal(t.r, 0);
	assert_string_equal(event_name(t.verdict->event), "workqueue-lockup");
	assert_true(t.verdict->has_holder);
	assert_int_equal(t.verdict->holder.cpu, 3);
	assert_int_equal(t.verdict->holder.pid, 1234);
	assert_string_equal(t.verdict->holder.function, "ring_refill");
	assert_string_equal(t.verdict->holder.module, "ring");
	done(&t);
	take(two, sizeof(two) - 1, sizeof(two), &t);
	assert_int_equal(t.r, 0);
	assert_string_equal(event_name(t.verdict->event), "workqueue-lockup");
	assert_false(t.verdict->has_holder);
	done(&t);
}

/* What the log does not show is said, with what would show it. */
static void test_unknowns(void **state)
{
	static const char text[] =
		"watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [a:11]\n"
		"CPU: 1 PID: 11 Comm: a Not tainted 6.6.0 #1\n"
		"RIP: 0010:native_queued_spin_lock_slowpath+0x61/0x1d0\n"
		"Call Trace:\n _raw_spin_lock+0x1e/0x20\n ring_put+0x1/0x20\n";
	bool told = false;
	struct result t;

	take(text, sizeof(text) - 1, sizeof(text), &t);
	assert_int_equal(t.r, 0);
	assert_false(t.verdict->has_holder);
	for (uint32_t i = 0; i < t.verdict->n_unknowns; i++)
		told |= strstr(t.verdict->unknowns[i], "softlockup_all_cpu_backtrace=1") != NULL;
	assert_true(told);
	done(&t);
}

static void test_nothing(void **state)
{
	static const char prose[] = "Dear all,\nthe machine was slow today.\n";
	struct result t;

	take(prose, sizeof(prose) - 1, 5, &t);
	assert_int_equal(t.r, -EBADMSG);
	take("", 0, 1, &t);
	assert_int_equal(t.r, -EBADMSG);
}

/* A beginning or an end of a log, cut at any byte, is read without harm, and never blames a waiter. */
static void test_cut(void **state)
{
	size_t size = sizeof(all_cpus) - 1;

	for (size_t n = 0; n < size; n += 3) {
		struct result t;

		for (int end = 0; end < 2; end++) {
			take(end ? all_cpus + n : all_cpus, end ? size - n : n, size, &t);
			if (t.r == 0 && t.verdict->has_holder)
				assert_true(t.verdict->holder.cpu == 2 ||
					    t.verdict->pattern == PATTERN_BUSY_LOOP);
			if (t.r == 0)
				done(&t);
		}
	}
}

static void test_junk(void **state)
{
	size_t size = sizeof(all_cpus) - 1, big = 300000;
	char *text = malloc(size), *line = malloc(big);
	uint32_t seed = 1;
	struct result t;

	assert_non_null(text);
	assert_non_null(line);
	for (int round = 0; round < 200; round++) {
		memcpy(text, all_cpus, size);
		for (int i = 0; i < 40; i++) {
			seed = seed * 1664525 + 1013904223;
			text[(seed >> 8) % size] = (char)(seed >> 3);
		}
		take(text, size, 100, &t);
		if (t.r == 0)
			done(&t);
	}
	/* An endless line, and then a log. */
	memset(line, 'A', big);
	memcpy(line + big - size - 1, "\n", 1);
	memcpy(line + big - size, all_cpus, size);
	check_all_cpus(line, big, 4096);
	free(text);
	free(line);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_prefixes),     cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_interleaved),  cmocka_unit_test(test_interrupted),
		cmocka_unit_test(test_held_locks),   cmocka_unit_test(test_held_locks_unclear),
		cmocka_unit_test(test_likely_owner), cmocka_unit_test(test_spin_owner),
		cmocka_unit_test(test_lockdep),	     cmocka_unit_test(test_old),
		cmocka_unit_test(test_arm64),	     cmocka_unit_test(test_task_headers),
		cmocka_unit_test(test_events),	     cmocka_unit_test(test_lost_holder),
		cmocka_unit_test(test_starved),	     cmocka_unit_test(test_csd),
		cmocka_unit_test(test_workqueue),    cmocka_unit_test(test_unknowns),     cmocka_unit_test(test_nothing),
		cmocka_unit_test(test_cut),	     cmocka_unit_test(test_junk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
