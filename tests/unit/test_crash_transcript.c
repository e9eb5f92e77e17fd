// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Crash transcripts from the text to the verdict. tests/data/crash/ipset-2.6.32.* is a real one, as
 * crash printed it and as it stands in a wiki, on one line; what must be concluded was written down
 * by people. The rest is made up here, in crash's formats.
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

#include "diagnose/primitives.h"
#include "source/crash_transcript.h"
#include "verdict.h"

#define DATA "tests/data/crash/"

struct text {
	char *s;
	size_t n;
};

static struct text text_of(const char *s)
{
	return (struct text){ strdup(s), strlen(s) };
}

static struct text file_read(const char *path)
{
	FILE *f = fopen(path, "r");
	struct text t = { calloc(1, 1 << 18), 0 };

	assert_non_null(f);
	assert_non_null(t.s);
	t.n = fread(t.s, 1, (1 << 18) - 1, f);
	assert_true(t.n > 0);
	fclose(f);
	return t;
}

struct result {
	struct snapshot s;
	struct verdict *v;
};

/* False: it says that there is nothing in it. */
static bool try_analyze(const char *text, size_t n, struct result *ret)
{
	struct msgs msgs;
	int r;

	msgs_init(&msgs);
	r = crash_transcript_snapshot(&msgs, "x.txt", text, n, &ret->s);
	if (r < 0) {
		assert_int_equal(r, -EBADMSG);
		assert_int_equal(msgs.n, 1);
	} else {
		assert_int_equal(diagnose(&ret->s, &ret->v), 0);
	}
	msgs_done(&msgs);
	return r == 0;
}

static struct result analyze(struct text text)
{
	struct result r;

	assert_true(crash_transcript_detect(text.s, text.n));
	assert_true(try_analyze(text.s, text.n, &r));
	free(text.s);
	return r;
}

static void result_done(struct result *r)
{
	verdict_free(r->v);
	snapshot_done(&r->s);
}

static const struct party *waiter_on(const struct verdict *v, uint32_t cpu)
{
	for (uint32_t i = 0; i < v->n_waiters; i++)
		if (v->waiters[i].cpu == cpu)
			return &v->waiters[i];
	fail_msg("CPU %u is no waiter", cpu);
	return NULL;
}

static bool any_has(const char **lines, uint32_t n, const char *words)
{
	for (uint32_t i = 0; i < n; i++)
		if (strstr(lines[i], words))
			return true;
	return false;
}

/* --- the ipset case --- */

static void check_waiter(const struct verdict *v, uint32_t cpu, uint32_t pid, const char *comm)
{
	const struct party *w = waiter_on(v, cpu);

	assert_int_equal(w->pid, pid);
	assert_string_equal(w->comm, comm);
	assert_string_equal(w->function, "ip_set_add");
	assert_string_equal(w->module, "ip_set");
	assert_string_equal(w->primitive, "_write_lock_bh");
	assert_int_equal(w->address, 0xffffffffa0726841);
}

static void check_ipset_machine(const struct snapshot *s)
{
	assert_string_equal(s->kernel_release, "2.6.32-642.el6.x86_64");
	assert_string_equal(s->kernel_version, "#1 SMP Tue May 10 17:27:01 UTC 2016");
	assert_string_equal(s->arch, "x86_64");
	assert_string_equal(s->nodename, "host22");
	assert_int_equal(s->n_cpus_total, 8);
	assert_true(s->has_uptime);
	assert_int_equal((long)s->uptime_s, 76 * 86400 + 3 * 3600 + 30 * 60 + 21);
	assert_true(s->has_loadavg);
	assert_int_equal((long)(s->loadavg[0] * 100 + 0.5), 4084);
	assert_int_equal((long)(s->loadavg[1] * 100 + 0.5), 2329);
	assert_int_equal((long)(s->loadavg[2] * 100 + 0.5), 1160);
	assert_string_equal(s->panic, "softlockup: hung tasks");
	assert_int_equal(s->panic_cpu, 6);
	assert_int_equal(s->panic_pid, 5487);
	assert_string_equal(s->panic_comm, "sshd");
}

/* CPUs that are not shown are unknown, not invented; the panicking one is accused of nothing. */
static void check_ipset_unknown(const struct result *r)
{
	static const uint32_t absent[] = { 0, 3, 4, 5, 6 };

	for (size_t i = 0; i < sizeof(absent) / sizeof(*absent); i++) {
		uint32_t cpu = snapshot_cpu_by_id(&r->s, absent[i]);

		if (cpu == SNAPSHOT_NONE)
			continue;
		assert_false(r->s.cpus[cpu].has_stack);
		assert_int_not_equal(r->v->cpu_roles[cpu], ROLE_WAITER);
		assert_int_not_equal(r->v->cpu_roles[cpu], ROLE_HOLDER);
	}
	assert_true(any_has(r->v->unknowns, r->v->n_unknowns, "CPUs 0, 3-6"));
	for (uint32_t i = 0; i < r->v->n_waiters; i++)
		assert_int_not_equal(r->v->waiters[i].pid, 5487);
}

static void check_ipset(struct result *r)
{
	const struct verdict *v = r->v;

	check_ipset_machine(&r->s);
	assert_int_equal(v->event, EVENT_SOFT_LOCKUP);
	assert_int_equal(v->pattern, PATTERN_LONG_HOLD);
	assert_int_equal(v->lock_kind, LOCK_RWLOCK);
	assert_int_equal(v->lock_write, 1);
	assert_int_equal(v->lock_address, 0xffff88075efe27e0);
	assert_string_equal(v->primitive, "_write_lock_bh");
	assert_int_equal(v->n_waiters, 2);
	check_waiter(v, 2, 6836, "sshd");
	check_waiter(v, 1, 5752, "modules_ctl");
	assert_true(v->has_holder);
	assert_int_equal(v->holder.cpu, 7);
	assert_int_equal(v->holder.pid, 33);
	assert_string_equal(v->holder.comm, "ksoftirqd/7");
	assert_string_equal(v->holder.function, "hash_netport4_expire");
	assert_int_equal(v->holder.offset, 91);
	assert_int_equal(v->holder.address, 0xffffffffa00c608b);
	assert_string_equal(v->holder.module, "ip_set_hash_netport");
	assert_string_equal(v->holder.acquired_in, "ip_set_add");
	assert_true(any_has(v->evidence, v->n_evidence, "ffffffffa0726860"));
	assert_true(any_has(v->evidence, v->n_evidence, "ffffffffa0726841"));
	assert_true(any_has(v->evidence, v->n_evidence, "RBX, RDI and R15 of all 2 waiters"));
	assert_int_equal(v->n_others, 0);
	check_ipset_unknown(r);
	result_done(r);
}

static void test_ipset(void **state)
{
	struct result r = analyze(file_read(DATA "ipset-2.6.32.crash.txt"));

	/* Crash repeats the exception's place as frame #6: it is one frame. */
	assert_int_equal(r.s.cpus[snapshot_cpu_by_id(&r.s, 2)].stack.n, 18);
	assert_int_equal(r.s.cpus[snapshot_cpu_by_id(&r.s, 7)].stack.n, 19);
	for (uint32_t i = 0; i < 6; i++)
		assert_int_equal(r.s.cpus[7].stack.frames[i].context, CONTEXT_NMI);
	assert_true(r.s.cpus[7].stack.frames[6].interrupted);
	assert_string_equal(r.s.cpus[7].stack.frames[6].module, "ip_set_hash_netport");
	assert_int_equal(r.s.cpus[7].stack.frames[6].regs->v[REG_X86_R15], 0xffff88082e4cd400);
	check_ipset(&r);
}

static void test_wiki(void **state)
{
	struct result r = analyze(file_read(DATA "ipset-2.6.32.wiki.txt"));

	check_ipset(&r);
}

/* --- the same text as it may be pasted --- */

static struct text lines_map(struct text t, const char *before, const char *after)
{
	struct text out = { calloc(1, t.n * 4 + 4096), 0 };

	assert_non_null(out.s);
	for (char *line = strtok(t.s, "\n"); line; line = strtok(NULL, "\n"))
		out.n += (size_t)sprintf(out.s + out.n, "%s%s%s", before, line, after);
	free(t.s);
	return out;
}

static struct text replaced(struct text t, const char *from, const char *to)
{
	struct text out = { calloc(1, t.n * 8 + 4096), 0 };
	size_t n = strlen(from);

	assert_non_null(out.s);
	for (size_t i = 0; i < t.n;) {
		if (strncmp(t.s + i, from, n) == 0) {
			out.n += (size_t)sprintf(out.s + out.n, "%s", to);
			i += n;
		} else {
			out.s[out.n++] = t.s[i++];
		}
	}
	free(t.s);
	return out;
}

/* As mail programs do: lines of at most @width, broken at blanks, each begun with @quote. */
static struct text wrapped(struct text t, size_t width, const char *quote)
{
	struct text out = { calloc(1, t.n * 2 + 65536), 0 };
	size_t column = 0;

	assert_non_null(out.s);
	for (char *word = strtok(t.s, " \n"); word; word = strtok(NULL, " \n")) {
		if (column == 0 || column + strlen(word) > width) {
			out.n += (size_t)sprintf(out.s + out.n, "%s%s", column ? "\n" : "", quote);
			column = 1;
		}
		out.n += (size_t)sprintf(out.s + out.n, "%s ", word);
		column += strlen(word) + 1;
	}
	free(t.s);
	return out;
}

static void test_pasted(void **state)
{
	for (int variant = 0; variant < 12; variant++) {
		struct text t = file_read(DATA "ipset-2.6.32.crash.txt");
		struct result r;

		switch (variant) {
		case 0:
			t = replaced(t, "\n", "\r\n");
			break;
		case 1:
			t = lines_map(t, "> ", "\n");
			break;
		case 2:
			t = lines_map(t, ">> > ", "\n");
			break;
		case 3:
			t = lines_map(t, "| ", " |\n");
			break;
		case 4: /* all on one line */
			t = replaced(t, "\n", " ");
			break;
		case 5:
			t = replaced(replaced(replaced(t, "<", "&lt;"), ">", "&gt;"), "\"", "&quot;");
			break;
		case 6:
			t = replaced(t, " ", "\xc2\xa0");
			break;
		case 7:
			t = lines_map(t, "<span class=\"x\">", "</span><br/>");
			break;
		case 8:
			t = wrapped(t, 60, "> ");
			break;
		case 9:
			t = wrapped(t, 72, "");
			break;
		case 10: /* what a parser that knows tags makes of the borders */
			t = replaced(t, "<NMI exception stack>", "");
			break;
		default:
			t = lines_map(t, "    ", "  \n\n");
			break;
		}
		print_message("variant %d\n", variant);
		r = analyze(t);
		check_ipset(&r);
	}
}

/* However much of the end or the start is missing: nobody else is accused. */
static void test_cut(void **state)
{
	static const char *const files[] = { DATA "ipset-2.6.32.crash.txt",
					     DATA "ipset-2.6.32.wiki.txt" };

	for (int file = 0; file < 2; file++) {
		struct text t = file_read(files[file]);

		for (size_t at = 0; at < t.n; at += file ? 200 : 37)
			for (int start = 0; start < 2; start++) {
				const char *from = start ? t.s + at : t.s;
				size_t n = start ? t.n - at : at;
				char *copy = malloc(n + 1); /* of its own size, for the sanitizer */
				struct result r;

				memcpy(copy, from, n);
				if (try_analyze(copy, n, &r)) {
					if (r.v->has_holder) {
						assert_int_equal(r.v->holder.cpu, 7);
						assert_int_equal(r.v->holder.pid, 33);
						assert_string_equal(r.v->holder.function,
								    "hash_netport4_expire");
					}
					for (uint32_t i = 0; i < r.v->n_waiters; i++)
						assert_true(r.v->waiters[i].pid == 6836 ||
							    r.v->waiters[i].pid == 5752 ||
							    r.v->waiters[i].pid == SNAPSHOT_NONE);
					result_done(&r);
				}
				free(copy);
			}
		free(t.s);
	}
}

/* --- other forms --- */

static void test_nothing(void **state)
{
	static const char *const none[] = {
		"",
		"\n\n",
		"Linux version 6.1.0 #1 SMP\n[    0.000000] Command line: quiet\n",
		"<4>[  12.3] CPU: 3 PID: 71 Comm: cat Not tainted\n RIP: 0010:f+0x1/0x2\n",
		"\0\0\0\377\376",
		"PID: 17 is the culprit, I think",
		"#0 0x00007ffff7e4 in raise () from /lib/libc.so\n#1 main () at x.c:12\n",
	};

	for (size_t i = 0; i < sizeof(none) / sizeof(*none); i++) {
		struct result r;

		assert_false(crash_transcript_detect(none[i], strlen(none[i])));
		assert_false(try_analyze(none[i], strlen(none[i]), &r));
	}
}

/* Blocked tasks, their states from ps; a task's stack shown twice; the command's pid is only used
 * where no header is. */
static void test_blocked(void **state)
{
	struct result r = analyze(text_of(
		"crash> ps | head\n"
		"   PID    PPID  CPU       TASK        ST  %MEM     VSZ    RSS  COMM\n"
		">     0      0   0  ffffffff81a8d020  RU   0.0       0      0  [swapper]\n"
		"      1      0   1  ffff88083f4f4040  IN   0.0   19356   1552  init\n"
		"  47001      2   9  ffff9a1100488000  UN   0.1       0      0  [writer_a]\n"
		"> 44002   1234   3  ffff9a1100480000  RU   0.1   12345    678  two words\n"
		"crash> bt 47001\n"
		"PID: 47001    TASK: ffff9a1100488000  CPU: 9    COMMAND: \"writer_a\"\n"
		" #0 [ffffa7c10123f9a8] __schedule at ffffffff9c0a1010\n"
		"    /usr/src/debug/kernel-4.18/linux/kernel/sched/core.c: 3870\n"
		" #1 [ffffa7c10123fa38] schedule at ffffffff9c0a1420\n"
		" #2 [ffffa7c10123fa48] rwsem_down_write_slowpath at ffffffff9c0a3a30\n"
		" #3 [ffffa7c10123fae0] object_write_lock at ffffffffc0a01b40 [objstore]\n"
		"    /tmp/build/objstore/object.c: 2255\n"
		" #4 [ffffa7c10123fb00] attr_remove at ffffffffc0b02d50 [attrmod]\n"
		"crash> bt 47001\n"
		"PID: 47001    TASK: ffff9a1100488000  CPU: 9    COMMAND: \"writer_a\"\n"
		" #0 [ffffa7c10123f9a8] __schedule at ffffffff9c0a1010\n"
		"crash> bt 555\n"
		" #0 [ffffa7c10123f9a8] __schedule at ffffffff9c0a1010\n"
		" #1 [ffffa7c10123fa38] schedule at ffffffff9c0a1420\n"));
	uint32_t blocked = snapshot_task_by_pid(&r.s, 47001);
	const struct task *task;

	assert_true(blocked < r.s.n_tasks);
	task = &r.s.tasks[blocked];
	assert_int_equal(task->state, TASK_STATE_UNINTERRUPTIBLE);
	assert_int_equal(task->cpu, 9);
	assert_false(task->on_cpu);
	assert_int_equal(task->stack.n, 5);
	assert_string_equal(task->stack.frames[0].file,
			    "/usr/src/debug/kernel-4.18/linux/kernel/sched/core.c");
	assert_int_equal(task->stack.frames[3].line, 2255);
	assert_true(snapshot_task_by_pid(&r.s, 555) < r.s.n_tasks);
	assert_true(r.s.tasks[snapshot_task_by_pid(&r.s, 44002)].on_cpu);
	assert_string_equal(r.s.tasks[snapshot_task_by_pid(&r.s, 44002)].comm, "two words");
	assert_true(r.s.cpus[snapshot_cpu_by_id(&r.s, 0)].idle);
	assert_int_equal(r.v->event, EVENT_HUNG_TASK);
	assert_int_equal(r.v->n_waiters, 1);
	assert_string_equal(r.v->waiters[0].function, "object_write_lock");
	assert_string_equal(r.v->primitive, "rwsem_down_write_slowpath");
	assert_false(r.v->has_holder);
	result_done(&r);
}

#define SPIN(pid, cpu, caller, rdi)                                                             \
	"PID: " pid "  TASK: ffff88000000" pid "  CPU: " cpu "  COMMAND: \"w" pid "\"\n"        \
	"    [exception RIP: native_queued_spin_lock_slowpath+301]\n"                           \
	"    RIP: ffffffff9d40112d  RSP: ffffc9000" pid "fd48  RFLAGS: 00000046\n"              \
	"    RAX: 0000000000000000  RBX: ffff8881aa001880  RCX: 0000000000040000\n"             \
	"    RDX: 0000000000000003  RSI: 0000000000080100  RDI: " rdi "\n"                      \
	"    RBP: 0000000000000000   R8: 0000000000000006   R9: ffffffffffffffe0\n"             \
	"    CS: 0010  SS: 0000\n"                                                              \
	" #0 [ffffc9000" pid "fd68] _raw_spin_lock at ffffffff9d400aa5\n"                       \
	" #1 [ffffc9000" pid "fd70] " caller " at ffffffff9c901129\n"                           \
	" #2 [ffffc9000" pid "fd88] do_work at ffffffff9c91223d\n\n"

/* The same code at two locks: the registers tell them apart, and that RBX is shared says nothing. */
static void test_two_locks(void **state)
{
	struct result r = analyze(text_of("PANIC: \"softlockup: hung tasks\"\n" SPIN(
		"1001", "0", "inode_lock_it", "ffff888100000040")
						  SPIN("1002", "1", "inode_lock_it",
						       "ffff888100000040")
							  SPIN("1003", "2", "inode_lock_it",
							       "ffff888200000040")));

	assert_int_equal(r.s.n_locks, 2);
	assert_int_equal(r.s.cpus[0].waits[0].lock, r.s.cpus[1].waits[0].lock);
	assert_int_not_equal(r.s.cpus[0].waits[0].lock, r.s.cpus[2].waits[0].lock);
	assert_int_equal(r.s.locks[r.s.cpus[2].waits[0].lock].address, 0xffff888200000040);
	assert_true(r.s.cpus[0].stack.frames[0].interrupted);
	assert_int_equal(r.s.cpus[0].irqs_off, 1);
	assert_false(r.v->has_holder);
	assert_int_equal(r.v->n_waiters, 2);
	assert_int_equal(r.v->n_others, 1);
	result_done(&r);
}

/* An IRQ over a task: two contexts. A CPU in user mode holds nothing. An idle one neither. */
static void test_contexts(void **state)
{
	struct result r = analyze(text_of(
		"        CPUS: 3\n"
		"PID: 77     TASK: ffff88007c0c4040  CPU: 0   COMMAND: \"cat\"\n"
		" #0 [ffff88007fc03e98] crash_nmi_callback at ffffffff81045a8a\n"
		" #1 [ffff88007fc03f50] nmi at ffffffff81045b8a\n"
		"    [exception RIP: _spin_lock+33]\n"
		"    RIP: ffffffff8153f330  RSP: ffff88007fc03b50  RFLAGS: 00000297\n"
		"    RAX: 0000000000001a2c  RDI: ffffffff81b07100\n"
		"    ORIG_RAX: ffffffffffffffff  CS: 0010  SS: 0018\n"
		"--- <NMI exception stack> ---\n"
		" #2 [ffff88007fc03b50] _spin_lock at ffffffff8153f330\n"
		" #3 [ffff88007fc03b58] timer_fn at ffffffff81070440\n"
		" #4 [ffff88007fc03f90] __do_softirq at ffffffff8107d8b1\n"
		" #5 [ffff88007fc03fb0] call_softirq at ffffffff8100c38c\n"
		" #6 [ffff88007fc03fd8] apic_timer_interrupt at ffffffff8100bc13\n"
		"--- <IRQ stack> ---\n"
		" #7 [ffff88007c0b9c38] apic_timer_interrupt at ffffffff8100bc13\n"
		"    [exception RIP: copy_things+23]\n"
		"    RIP: ffffffff81160017  RSP: ffff88007c0b9ce8  RFLAGS: 00000246\n"
		"    RAX: 0000000000000000  RBX: ffffffff81b07100\n"
		"    ORIG_RAX: ffffffffffffff10  CS: 0010  SS: 0018\n"
		" #8 [ffff88007c0b9cf0] sys_read at ffffffff81181234\n"
		"    RIP: 00007f3a5c4d8e00  RSP: 00007fff1  RFLAGS: 00000246\n"
		"    ORIG_RAX: 0000000000000000  CS: 0033  SS: 002b\n"
		"PID: 78     TASK: ffff88007c0c5040  CPU: 1   COMMAND: \"loop\"\n"
		" #0 [ffff88007fd03e98] crash_nmi_callback at ffffffff81045a8a\n"
		" #1 [ffff88007fd03f50] nmi at ffffffff81045b8a\n"
		"    RIP: 0000000000400512  RSP: 00007fffd3e1  RFLAGS: 00000202\n"
		"    RAX: 0000000000000000  RBX: ffffffff81b07100\n"
		"    ORIG_RAX: ffffffffffffffff  CS: 0033  SS: 002b\n"
		"--- <NMI exception stack> ---\n"
		"PID: 0      TASK: ffff88007c0c6040  CPU: 2   COMMAND: \"swapper\"\n"
		" #0 [ffff88007fe03e98] crash_nmi_callback at ffffffff81045a8a\n"
		" #1 [ffff88007fe03f50] nmi at ffffffff81045b8a\n"
		"    [exception RIP: native_safe_halt+11]\n"
		"    RIP: ffffffff8103ca2b  RSP: ffff88007c0cbea8  RFLAGS: 00000246\n"
		"    CS: 0010  SS: 0018\n"
		"--- <NMI exception stack> ---\n"
		" #2 [ffff88007c0cbea8] native_safe_halt at ffffffff8103ca2b\n"
		" #3 [ffff88007c0cbeb0] cpu_idle at ffffffff81009fe6\n"));
	const struct stack *stack = &r.s.cpus[0].stack;

	assert_int_equal(r.s.n_cpus, 3);
	assert_int_equal(stack->n, 10);
	assert_int_equal(stack->frames[1].context, CONTEXT_NMI);
	assert_true(stack->frames[2].interrupted);
	assert_int_equal(stack->frames[2].offset, 33);
	assert_int_equal(stack->frames[3].context, CONTEXT_SOFTIRQ);
	assert_int_equal(stack->frames[6].context, CONTEXT_IRQ);
	assert_true(stack->frames[8].interrupted);
	assert_int_equal(stack->frames[8].context, CONTEXT_TASK);
	assert_string_equal(stack->frames[8].function, "copy_things");
	assert_int_equal(stack->frames[8].regs->v[REG_X86_RBX], 0xffffffff81b07100);
	assert_string_equal(stack->frames[9].function, "sys_read");
	assert_true(r.s.cpus[1].user);
	assert_int_equal(r.s.cpus[1].stack.n, 0);
	assert_true(r.s.cpus[2].idle);
	assert_int_equal(r.v->cpu_roles[2], ROLE_IDLE);
	/* The task below the softirq has the lock's address in RBX: it may be the holder itself. */
	assert_int_equal(r.s.n_locks, 1);
	assert_int_equal(r.s.cpus[0].n_refs, 2);
	if (r.v->has_holder)
		assert_int_equal(r.v->holder.cpu, 0);
	result_done(&r);
}

/* bt -t lists every text address on the stack: only those that registers point at are believed. */
static void test_stale(void **state)
{
	struct result r = analyze(text_of(
		"PID: 741    TASK: ffff880311474ab0  CPU: 11  COMMAND: \"reclaim_b\"\n"
		"              START: crash_nmi_callback at ffffffff81030110\n"
		"  [ffff88002a0c9e90] crash_nmi_callback at ffffffff81030110\n"
		"  [ffff88002a0c9f50] nmi at ffffffff81540220\n"
		"    [exception RIP: _spin_lock+24]\n"
		"    RIP: ffffffff8153f330  RSP: ffff88031147fb50  RFLAGS: 00000297\n"
		"    RAX: 0000000000001a2c  RBX: ffff880322205500  RCX: 0000000000000000\n"
		"    RDX: 0000000000001a2b  RSI: ffff880311474ab0  RDI: ffffffff81b07100\n"
		"    RBP: ffff88031147fb50   R8: ffff88031147c000   R9: 0000000000000001\n"
		"    ORIG_RAX: ffffffffffffffff  CS: 0010  SS: 0018\n"
		"--- <NMI exception stack> ---\n"
		"  [ffff88002a0c9000] _spin_lock at ffffffff8153f330\n"
		"  [ffff88031147fb58] lock_again at ffffffff81070440\n"
		"  [ffff88031147fb78] walk_cache_locked at ffffffff811a0550\n"
		"  [ffff88031147fdb8] left_from_before at ffffffff81150660\n"
		"PID: 18001  TASK: ffff880312ccaab0  CPU: 1   COMMAND: \"sleeper\"\n"
		"              START: schedule at ffffffff81530770\n"
		"  [ffff880312bcbd80] sys_pause_here at ffffffff81080880\n"
		"  [ffff880312bcbd90] left_from_earlier at ffffffff81550990\n"));
	const struct stack *stack = &r.s.cpus[0].stack;
	uint32_t sleeper = snapshot_task_by_pid(&r.s, 18001);

	assert_int_equal(r.s.n_cpus, 1);
	assert_int_equal(r.s.cpus[0].id, 11);
	assert_int_equal(stack->n, 6);
	assert_string_equal(stack->frames[3].function, "lock_again");
	assert_true(stack->frames[2].interrupted);
	assert_true(stack->frames[3].reliable);
	assert_false(stack->frames[4].reliable);
	assert_false(stack->frames[5].reliable);
	assert_false(r.s.tasks[sleeper].on_cpu);
	assert_int_equal(r.s.tasks[sleeper].stack.n, 3);
	assert_true(r.s.tasks[sleeper].stack.frames[0].reliable);
	assert_false(r.s.tasks[sleeper].stack.frames[1].reliable);
	result_done(&r);
}

static void test_architectures(void **state)
{
	struct result r;

	/* ppc64: general registers first, NIP after them. */
	r = analyze(text_of("MACHINE: ppc64le  (3425 Mhz)\n"
			    "PID: 9    TASK: c000000feb123000  CPU: 4   COMMAND: \"w\"\n"
			    " R0:  c00000000001234    R1:  c000000feb127a00    R2:  c000000001234500\n"
			    " R3:  c000000fe1000040    R4:  0000000000000000    R5:  0000000000000000\n"
			    " NIP: c000000000dd1234   MSR: 9000000000009033\n"
			    " #0 [c000000feb127a00] ._raw_spin_lock at c000000000dd1234\n"
			    " #1 [c000000feb127a30] .take_it at c000000000123450\n"
			    " #2 [c000000feb127b00] .do_it at c000000000123550\n"));
	assert_string_equal(r.s.arch, "ppc64le");
	assert_string_equal(r.s.cpus[0].stack.frames[0].function, "_raw_spin_lock");
	assert_true(r.s.cpus[0].stack.frames[0].interrupted);
	assert_int_equal(r.s.cpus[0].stack.frames[0].regs->v[REG_GP + 3], 0xc000000fe1000040);
	assert_int_equal(r.s.n_locks, 1);
	assert_int_equal(r.s.locks[0].address, 0xc000000fe1000040);
	result_done(&r);
	/* i386: EIP after the general registers, the frame repeated after the set. */
	r = analyze(text_of("PID: 9    TASK: f6d3a000  CPU: 0   COMMAND: \"w\"\n"
			    " #0 [f6d3be5c] crash_nmi_callback at c041b2c7\n"
			    " #1 [f6d3bec0] nmi_stack_correct at c060a9c5\n"
			    "    EAX: f7001040  EBX: 00000000  ECX: 00000000  EDX: 00000000  EBP: f6d3bf88\n"
			    "    DS:  007b      ESI: 00000000  ES:  007b      EDI: 00000000\n"
			    "    CS:  0060      EIP: c060a812  ERR: ffffffff  EFLAGS: 00000286\n"
			    " #2 [f6d3bf00] _spin_lock at c060a812\n"
			    " #3 [f6d3bf04] take_it at c04a1234\n"));
	assert_string_equal(r.s.arch, "i386");
	assert_true(r.s.cpus[0].stack.frames[2].interrupted);
	assert_int_equal(r.s.locks[0].address, 0xf7001040);
	assert_string_equal(r.s.cpus[0].stack.frames[3].function, "take_it");
	result_done(&r);
	/* arm64 */
	r = analyze(text_of("PID: 9    TASK: ffff8000fa123000  CPU: 0   COMMAND: \"w\"\n"
			    " #0 [ffff80001000be00] crash_save_cpu at ffff800010123450\n"
			    " #1 [ffff80001000bf00] el1_irq at ffff800010011234\n"
			    "     PC: ffff800010d01234  [queued_spin_lock_slowpath+132]\n"
			    "     LR: ffff800010d05678  [_raw_spin_lock+40]\n"
			    "     SP: ffff800012345a00  PSTATE: 60400009\n"
			    "    X29: ffff800012345a00  X28: 0000000000000000  X0: ffff0000c1000040\n"
			    " #2 [ffff800012345a00] queued_spin_lock_slowpath at ffff800010d01234\n"
			    " #3 [ffff800012345a10] _raw_spin_lock at ffff800010d05678\n"
			    " #4 [ffff800012345a20] take_it at ffff800010456780\n"));
	assert_string_equal(r.s.arch, "aarch64");
	assert_true(r.s.cpus[0].stack.frames[2].interrupted);
	assert_int_equal(r.s.cpus[0].stack.frames[1].context, CONTEXT_IRQ);
	assert_int_equal(r.s.locks[0].address, 0xffff0000c1000040);
	result_done(&r);
}

/* The kernel's log inside a session says what happened, and is no stack. */
static void test_log(void **state)
{
	struct result r = analyze(text_of(
		"crash> log | tail -5\n"
		"[ 1234.567890] BUG: soft lockup - CPU#1 stuck for 67s! [w1002:1002]\n"
		"[ 1234.567891] RIP: 0010:[<ffffffff9d40112d>]  [<ffffffff9d40112d>] f+0x1/0x2\n"
		"[ 1234.567892] #1 [ffff880028246ea0] not_a_frame at ffffffff8154dc85\n"
		"crash> bt -a\n" SPIN("1001", "0", "f", "ffff888100000040")
			SPIN("1002", "1", "f", "ffff888100000040")));

	assert_int_equal(r.s.n_reports, 1);
	assert_int_equal(r.s.reports[0].kind, REPORT_SOFT_LOCKUP);
	assert_int_equal(r.s.reports[0].pid, 1002);
	assert_int_equal(r.v->event, EVENT_SOFT_LOCKUP);
	assert_int_equal(r.v->n_waiters, 2);
	assert_int_equal(r.s.n_tasks, 2);
	result_done(&r);
}

/* A second machine's session in one file is another case: its CPUs are not mixed in. */
static void test_second_session(void **state)
{
	struct result r = analyze(text_of(
		"NODENAME: a\nRELEASE: 5.1\n" SPIN("1001", "0", "f", "ffff888100000040")
			"NODENAME: a\nRELEASE: 5.1\n" SPIN("1002", "1", "f", "ffff888100000040")
				"NODENAME: b\nRELEASE: 5.1\n" SPIN("1003", "2", "g",
								   "ffff888100000040")));

	assert_int_equal(r.s.n_cpus, 2);
	assert_true(any_has(r.v->unknowns, r.v->n_unknowns, "another machine"));
	result_done(&r);
}

/* Neither panic nor log is shown, but the stack of the watchdog that was reporting. */
static void test_event_by_stack(void **state)
{
	static const struct {
		const char *functions[2];
		enum event event;
	} known[] = {
		{ { "panic", "watchdog_timer_fn" }, EVENT_SOFT_LOCKUP },
		{ { "panic", "softlockup_tick" }, EVENT_SOFT_LOCKUP },
		{ { "nmi_panic", "watchdog_overflow_callback" }, EVENT_HARD_LOCKUP },
		{ { "_printk", "print_cpu_stall" }, EVENT_RCU_STALL },
		/* it only looks after things */
		{ { "hrtimer_forward", "watchdog_timer_fn" }, EVENT_SOFT_LOCKUP },
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
		struct result r;
		char text[4096];

		snprintf(text, sizeof(text),
			 "PID: 9 TASK: ffff888000009000 CPU: 7 COMMAND: \"x\"\n"
			 " #0 [ffffc90000a54ea8] %s at ffffffff9c885b38\n"
			 " #1 [ffffc90000a54f08] %s at ffffffff9c929464\n%s",
			 known[i].functions[0], known[i].functions[1],
			 SPIN("1001", "0", "f", "ffff888100000040")
				 SPIN("1002", "1", "f", "ffff888100000040"));
		r = analyze(text_of(text));
		assert_int_equal(r.v->event, known[i].event);
		assert_int_equal(r.v->n_waiters, 2);
		result_done(&r);
	}
}

/* Tasks at one place of one function are told of together. */
static void test_mutex_queue(void **state)
{
	char text[8192] = "PANIC: \"hung_task: blocked tasks\"\n";
	struct result r;

	for (int i = 0; i < 3; i++)
		sprintf(text + strlen(text),
			"PID: %d TASK: ffff88800000%d000 CPU: 1 COMMAND: \"x\"\n"
			" #0 [ffffc90000a54e08] __schedule at ffffffff9c885b38\n"
			" #1 [ffffc90000a54ea8] schedule at ffffffff9c885c38\n"
			" #2 [ffffc90000a54f08] __mutex_lock_slowpath at ffffffff9c929464\n"
			" #3 [ffffc90000a54f18] mutex_lock at ffffffff9c929564\n"
			" #4 [ffffc90000a54f28] take_it at ffffffff9ca295%d4\n",
			100 + i, i + 1, i == 2);
	r = analyze(text_of(text));
	assert_int_equal(r.v->event, EVENT_HUNG_TASK);
	assert_int_equal(r.v->n_waiters, 2);
	assert_int_equal(r.v->n_others, 1);
	assert_false(r.v->has_holder);
	result_done(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ipset),	   cmocka_unit_test(test_wiki),
		cmocka_unit_test(test_pasted),	   cmocka_unit_test(test_cut),
		cmocka_unit_test(test_nothing),	   cmocka_unit_test(test_blocked),
		cmocka_unit_test(test_two_locks),  cmocka_unit_test(test_contexts),
		cmocka_unit_test(test_stale),	   cmocka_unit_test(test_architectures),
		cmocka_unit_test(test_log),	   cmocka_unit_test(test_second_session),
		cmocka_unit_test(test_event_by_stack), cmocka_unit_test(test_mutex_queue),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
