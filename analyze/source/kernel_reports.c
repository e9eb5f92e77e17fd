// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Reports are recognised by the beginning of their message, so that a line that merely quotes one
 * is none. The wording is that of kernel/watchdog.c, kernel/watchdog_perf.c, kernel/rcu/tree_stall.h,
 * kernel/hung_task.c, kernel/locking/spinlock_debug.c, kernel/locking/lockdep.c, kernel/workqueue.c,
 * kernel/smp.c, kernel/sched/core.c, kernel/panic.c, drivers/tty/sysrq.c and arch/x86/mm/fault.c, from
 * 2.6.32 to 6.x.
 */
#include "source/kernel_reports.h"

#include <errno.h>

/* Lines after a report's first that may still belong to it: modules, registers, code, stack. */
#define FOLLOW_LINES 120
/* An Oops line this close to the line that names the fault is the same report. */
#define OOPS_LINES 12

struct text {
	const char *p, *end;
};

static bool text_eat(struct text *t, const char *literal)
{
	size_t n = strlen(literal);

	if ((size_t)(t->end - t->p) < n || memcmp(t->p, literal, n) != 0)
		return false;
	t->p += n;
	return true;
}

static bool text_starts(struct text t, const char *literal)
{
	return text_eat(&t, literal);
}

static const char *text_find(struct text t, const char *literal)
{
	return memmem(t.p, (size_t)(t.end - t.p), literal, strlen(literal));
}

/* Moves past @literal, wherever it is. */
static bool text_skip_past(struct text *t, const char *literal)
{
	const char *found = text_find(*t, literal);

	if (found)
		t->p = found + strlen(literal);
	return found != NULL;
}

static void text_spaces(struct text *t)
{
	while (t->p < t->end && (*t->p == ' ' || *t->p == '\t'))
		t->p++;
}

static bool text_number(struct text *t, uint64_t *ret)
{
	const char *start = t->p;
	uint64_t v = 0;

	for (; t->p < t->end && *t->p >= '0' && *t->p <= '9'; t->p++)
		if (__builtin_mul_overflow(v, 10, &v) ||
		    __builtin_add_overflow(v, (uint64_t)(*t->p - '0'), &v))
			return false;
	if (t->p == start)
		return false;
	*ret = v;
	return true;
}

static bool text_u32(struct text *t, uint32_t *ret)
{
	uint64_t v;

	if (!text_number(t, &v) || v >= UINT32_MAX)
		return false;
	*ret = (uint32_t)v;
	return true;
}

/* "[   12.345678]" */
static bool eat_time(struct text *t, uint64_t *ret_us)
{
	struct text s = *t;
	uint64_t seconds, micros;
	const char *digits;

	if (!text_eat(&s, "["))
		return false;
	text_spaces(&s);
	if (!text_number(&s, &seconds) || !text_eat(&s, "."))
		return false;
	digits = s.p;
	if (!text_number(&s, &micros) || s.p - digits != 6 || !text_eat(&s, "]") ||
	    __builtin_mul_overflow(seconds, 1000000, &seconds))
		return false;
	*ret_us = seconds + micros;
	*t = s;
	return true;
}

/* "[  T123]", "[    C3]" */
static bool eat_caller(struct text *t)
{
	struct text s = *t;
	uint64_t id;

	if (!text_eat(&s, "["))
		return false;
	text_spaces(&s);
	if (!(text_eat(&s, "T") || text_eat(&s, "C")) || !text_number(&s, &id) || !text_eat(&s, "]"))
		return false;
	*t = s;
	return true;
}

static bool eat_level(struct text *t)
{
	struct text s = *t;
	uint64_t level;

	if (!text_eat(&s, "<") || !text_number(&s, &level) || !text_eat(&s, ">"))
		return false;
	*t = s;
	return true;
}

/* "Nov 23 00:57:01 host kernel: ": ends with the first "kernel:" within what a prefix may be. */
static void eat_syslog(struct text *t)
{
	struct text head = *t, rest = *t;

	if (t->p == t->end || *t->p == '[' || *t->p == '<')
		return;
	if (head.end - head.p > 120)
		head.end = head.p + 120;
	if (!text_find(head, "kernel: ") || !text_skip_past(&rest, "kernel: "))
		return;
	/* A date or a host stands before it, so at least one space, and a digit. */
	for (const char *p = t->p; p < rest.p; p++)
		if (*p >= '0' && *p <= '9') {
			*t = rest;
			return;
		}
}

const char *log_line_message(const char *line, const char *end, uint64_t *ret_time_us)
{
	struct text t = { line, end };
	uint64_t time = SNAPSHOT_NO_TIME;

	eat_level(&t);
	eat_syslog(&t);
	for (int i = 0; i < 4; i++) {
		uint64_t us;
		bool more = eat_level(&t);

		if (eat_time(&t, &us)) {
			time = us;
			more = true;
		}
		more |= eat_caller(&t);
		if (t.p < t.end && *t.p == ' ')
			t.p++;
		if (!more)
			break;
	}
	*ret_time_us = time;
	return t.p;
}

struct parser {
	struct arena *arena;
	struct report *reports;
	uint32_t n;
	uint32_t age;	/* lines since the last report began */
	bool failed;	/* memory is short */
};

static char *keep(struct parser *ps, const char *from, const char *to)
{
	char *s = arena_strndup(ps->arena, from, to > from ? (size_t)(to - from) : 0);

	if (!s)
		ps->failed = true;
	return s;
}

/* "comm:pid" or "comm/pid", where the name may hold the separator as well. */
static void parse_comm_pid(struct parser *ps, const char *from, const char *to, char separator,
			   struct report *report)
{
	const char *mark = memrchr(from, separator, (size_t)(to - from));
	struct text number;
	uint32_t pid;

	if (!mark)
		return;
	number = (struct text){ mark + 1, to };
	if (!text_u32(&number, &pid) || number.p != to)
		return;
	report->pid = pid;
	report->comm = keep(ps, from, mark);
}

/* A function's name: what stands before "+0x". */
static void parse_function(struct parser *ps, struct text t, struct report *report)
{
	const char *start, *plus = text_find(t, "+0x");

	if (!plus || report->function)
		return;
	start = plus;
	while (start > t.p && start[-1] != ' ' && start[-1] != ':' && start[-1] != ']' &&
	       start[-1] != '(')
		start--;
	if (start < plus)
		report->function = keep(ps, start, plus);
}

static void parse_seconds(struct text t, struct report *report)
{
	uint64_t s;

	if (text_number(&t, &s) && s < UINT32_MAX)
		report->stuck_ns = s * 1000000000ULL;
}

/* "soft lockup - CPU#2 stuck for 22s! [comm:pid]" */
static void parse_soft_lockup(struct parser *ps, struct text t, struct report *report)
{
	const char *close;

	if (text_skip_past(&t, "CPU#"))
		text_u32(&t, &report->cpu);
	if (text_skip_past(&t, "stuck for "))
		parse_seconds(t, report);
	if (!text_skip_past(&t, "["))
		return;
	close = memrchr(t.p, ']', (size_t)(t.end - t.p));
	if (close)
		parse_comm_pid(ps, t.p, close, ':', report);
}

/*
 * "… on cpu 3", "… LOCKUP on CPU3, ip …"; powerpc: "CPU 3 self-detected hard LOCKUP @ f+0x1/0x2",
 * "CPU 3 detected hard LOCKUP on other CPUs 4-5", "CPU 4 Hard LOCKUP"; 4.13 to 4.15 "Watchdog CPU:42
 * Hard LOCKUP", "Watchdog CPU:71 detected Hard LOCKUP other CPUS:42"
 */
static void parse_hard_lockup(struct parser *ps, struct text t, struct report *report)
{
	if (t.p < t.end && *t.p >= '0' && *t.p <= '9') {
		struct text other = t;

		if (text_skip_past(&other, "other CPUs ") || text_skip_past(&other, "other CPUS:"))
			text_u32(&other, &report->cpu);
		else
			text_u32(&t, &report->cpu);
		return;
	}
	if (!text_skip_past(&t, "on cpu ") && !text_skip_past(&t, "on CPU"))
		return;
	text_spaces(&t);
	text_u32(&t, &report->cpu);
}

/* "task comm:pid blocked for more than 120 seconds." */
static void parse_hung_task(struct parser *ps, struct text t, struct report *report)
{
	const char *blocked = text_find(t, " blocked for more than ");

	if (!blocked)
		blocked = text_find(t, " blocked in I/O wait for more than ");
	if (!blocked)
		return;
	parse_comm_pid(ps, t.p, blocked, ':', report);
	t.p = blocked;
	text_skip_past(&t, "for more than ");
	parse_seconds(t, report);
}

/* "spinlock lockup suspected on CPU#0, swapper/0/1" */
static void parse_spin_bug(struct parser *ps, struct text t, struct report *report)
{
	const char *comma;

	if (!text_skip_past(&t, "on CPU#"))
		return;
	text_u32(&t, &report->cpu);
	if (!text_eat(&t, ", "))
		return;
	/* 2.6.32 adds the lock's address after one more comma. */
	comma = memchr(t.p, ',', (size_t)(t.end - t.p));
	parse_comm_pid(ps, t.p, comma ? comma : t.end, '/', report);
}

/* "… self-detected stall on CPU { 3}  (t=65000 jiffies …", "detected stall on CPU 3 (t=" */
static void parse_rcu_stall(struct parser *ps, struct text t, struct report *report)
{
	if (text_skip_past(&t, "{")) {
		text_spaces(&t);
		text_u32(&t, &report->cpu);
	} else if (text_skip_past(&t, "CPU ")) {
		text_u32(&t, &report->cpu);
	}
}

/* "pool cpus=3 node=0 flags=0x0 nice=0 stuck for 34s!" */
static void parse_workqueue(struct parser *ps, struct text t, struct report *report)
{
	struct text cpus = t;

	if (text_skip_past(&cpus, "cpus=") && text_u32(&cpus, &report->cpu) &&
	    !text_starts(cpus, " "))
		report->cpu = SNAPSHOT_NONE; /* a range: any of them */
	if (text_skip_past(&t, "stuck for "))
		parse_seconds(t, report);
}

/* "… on CPU#0, waiting 5000000042 ns for CPU#55 do_nothing(0x0)." */
static void parse_csd(struct parser *ps, struct text t, struct report *report)
{
	uint64_t ns;

	if (!text_skip_past(&t, "waiting "))
		return;
	if (text_number(&t, &ns))
		report->stuck_ns = ns;
	if (!text_skip_past(&t, "for CPU#"))
		return;
	text_u32(&t, &report->cpu);
	text_spaces(&t);
	if (text_find(t, "("))
		report->function = keep(ps, t.p, text_find(t, "("));
	if (report->function && !*report->function)
		report->function = NULL;
}

/* "comm/pid/0x00000002" */
static void parse_atomic(struct parser *ps, struct text t, struct report *report)
{
	const char *slash = memrchr(t.p, '/', (size_t)(t.end - t.p));

	if (slash)
		parse_comm_pid(ps, t.p, slash, '/', report);
}

struct rule {
	const char *start; /* of the message, after the subsystem's prefix */
	const char *also;  /* must occur further on; NULL: nothing must */
	enum report_kind kind;
	void (*parse)(struct parser *ps, struct text rest, struct report *report);
};

static const struct rule rules[] = {
	{ "BUG: soft lockup - ", NULL, REPORT_SOFT_LOCKUP, parse_soft_lockup },
	{ "Watchdog detected hard LOCKUP", NULL, REPORT_HARD_LOCKUP, parse_hard_lockup },
	{ "BUG: NMI Watchdog detected LOCKUP", NULL, REPORT_HARD_LOCKUP, parse_hard_lockup },
	{ "Watchdog CPU:", "Hard LOCKUP", REPORT_HARD_LOCKUP, parse_hard_lockup },
	{ "CPU ", "detected hard LOCKUP", REPORT_HARD_LOCKUP, parse_hard_lockup },
	{ "CPU ", "Hard LOCKUP", REPORT_HARD_LOCKUP, parse_hard_lockup },
	{ "INFO: task ", " blocked for more than ", REPORT_HUNG_TASK, parse_hung_task },
	{ "INFO: task ", " blocked in I/O wait for more than ", REPORT_HUNG_TASK, parse_hung_task },
	{ "INFO: rcu", "self-detected stall", REPORT_RCU_STALL, parse_rcu_stall },
	{ "INFO: rcu", "detected stall", REPORT_RCU_STALL, parse_rcu_stall },
	{ "INFO: rcu", "detected expedited stall", REPORT_RCU_STALL, parse_rcu_stall },
	{ "INFO: RCU detected CPU", "stall", REPORT_RCU_STALL, parse_rcu_stall },
	{ "BUG: spinlock ", "lockup", REPORT_SPINLOCK_LOCKUP, parse_spin_bug },
	{ "BUG: write-lock ", "lockup", REPORT_SPINLOCK_LOCKUP, parse_spin_bug },
	{ "BUG: read-lock ", "lockup", REPORT_SPINLOCK_LOCKUP, parse_spin_bug },
	{ "BUG: rwlock ", "lockup", REPORT_SPINLOCK_LOCKUP, parse_spin_bug },
	{ "BUG: spinlock ", "recursion", REPORT_SPINLOCK_RECURSION, parse_spin_bug },
	{ "BUG: rwlock ", "recursion", REPORT_SPINLOCK_RECURSION, parse_spin_bug },
	{ "BUG: spinlock ", "bad magic", REPORT_OOPS, parse_spin_bug },
	{ "BUG: rwlock ", "bad magic", REPORT_OOPS, parse_spin_bug },
	{ "BUG: workqueue lockup - ", NULL, REPORT_WORKQUEUE_LOCKUP, parse_workqueue },
	{ "possible circular locking dependency detected", NULL, REPORT_DEADLOCK, NULL },
	{ "possible recursive locking detected", NULL, REPORT_DEADLOCK, NULL },
	{ "possible irq lock inversion dependency detected", NULL, REPORT_DEADLOCK, NULL },
	{ "inconsistent lock state", NULL, REPORT_DEADLOCK, NULL },
	{ "Detected non-responsive CSD lock", NULL, REPORT_CSD_LOCKUP, parse_csd },
	{ "BUG: scheduling while atomic: ", NULL, REPORT_SCHED_ATOMIC, parse_atomic },
	{ "BUG: sleeping function called from invalid context", NULL, REPORT_SCHED_ATOMIC, NULL },
	{ "Kernel panic - not syncing", NULL, REPORT_PANIC, NULL },
	{ "Trigger a crash", NULL, REPORT_SYSRQ, NULL },
	{ "Trigger a crashdump", NULL, REPORT_SYSRQ, NULL },
	{ "BUG: unable to handle ", NULL, REPORT_OOPS, NULL },
	{ "BUG: kernel NULL pointer dereference", NULL, REPORT_OOPS, NULL },
	{ "BUG: stack guard page was hit", NULL, REPORT_OOPS, NULL },
	{ "BUG: TASK stack guard page was hit", NULL, REPORT_OOPS, NULL },
	{ "Unable to handle kernel ", NULL, REPORT_OOPS, NULL },
	{ "kernel BUG at ", NULL, REPORT_OOPS, NULL },
	{ "kernel tried to execute NX-protected page", NULL, REPORT_OOPS, NULL },
	{ "general protection fault", NULL, REPORT_OOPS, NULL },
	{ "invalid opcode: ", NULL, REPORT_OOPS, NULL },
	{ "divide error: ", NULL, REPORT_OOPS, NULL },
	{ "double fault: ", NULL, REPORT_OOPS, NULL },
	{ "PANIC: double fault", NULL, REPORT_OOPS, NULL },
	{ "stack segment: ", NULL, REPORT_OOPS, NULL },
	{ "int3: ", NULL, REPORT_OOPS, NULL },
	{ "Internal error: ", NULL, REPORT_OOPS, NULL },
	{ "Oops: ", NULL, REPORT_OOPS, NULL },
	{ "Oops - ", NULL, REPORT_OOPS, NULL },
};

static void subsystem_eat(struct text *t)
{
	static const char *const names[] = { "NMI watchdog: ", "watchdog: ", "rcu: ", "sysrq: ",
					     "SysRq : ", "smp: ", "csd: ", "WARNING: ", "[ INFO: ",
					     "[ BUG: ", "workqueue: " };
	struct text cpu;
	uint32_t id;

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (text_eat(t, names[i]))
			i = (size_t)-1;
	/* "CPU3: Watchdog detected hard LOCKUP on cpu 3" (6.6, commit 1356d0b966e7) */
	cpu = *t;
	if (text_eat(&cpu, "CPU") && text_u32(&cpu, &id) && text_eat(&cpu, ": ") &&
	    text_starts(cpu, "Watchdog"))
		*t = cpu;
	/* lockdep says INFO or WARNING, by version. */
	cpu = *t;
	if (text_eat(&cpu, "INFO: ") && (text_starts(cpu, "possible ") ||
					 text_starts(cpu, "inconsistent ")))
		*t = cpu;
}

static const struct rule *rule_find(struct text message, struct text *ret_rest)
{
	/* Most lines of a log end here: no rule begins with another letter. */
	if (message.p == message.end || !strchr("BWIpiDKTUkgdPsOC", *message.p))
		return NULL;
	for (size_t i = 0; i < sizeof(rules) / sizeof(*rules); i++) {
		struct text rest = message;

		if (!text_eat(&rest, rules[i].start))
			continue;
		if (rules[i].also && !text_find(rest, rules[i].also))
			continue;
		*ret_rest = rest;
		return &rules[i];
	}
	return NULL;
}

/* "HARDIRQ-safe -> HARDIRQ-unsafe lock order detected" */
static bool is_irq_inversion(struct text message)
{
	return (text_starts(message, "HARDIRQ-safe") || text_starts(message, "SOFTIRQ-safe")) &&
	       text_find(message, "lock order detected");
}

static void report_add(struct parser *ps, enum report_kind kind, struct text line, struct text rest,
		       uint64_t time, const struct rule *rule)
{
	struct report *report = ARENA_APPEND(ps->arena, ps->reports, ps->n);

	if (!report) {
		ps->failed = true;
		return;
	}
	*report = (struct report){ .kind = kind,
				   .time_us = time,
				   .cpu = SNAPSHOT_NONE,
				   .pid = SNAPSHOT_NONE,
				   .stuck_ns = SNAPSHOT_NO_TIME };
	report->text = keep(ps, line.p, line.end);
	if (rule && rule->parse)
		rule->parse(ps, rest, report);
	ps->age = 0;
}

/* "CPU: 3 PID: 71 Comm: foo Tainted: G …", with "UID: 0" between since 6.10. */
static void follow_cpu_line(struct parser *ps, struct text t, struct report *report)
{
	static const char *const ends[] = { " Kdump: ", " Tainted: ", " Not tainted" };
	uint32_t cpu, pid;
	const char *stop;

	text_spaces(&t);
	if (!text_u32(&t, &cpu))
		return;
	if (report->cpu == SNAPSHOT_NONE)
		report->cpu = cpu;
	if (report->pid != SNAPSHOT_NONE || !text_skip_past(&t, "PID: ") || !text_u32(&t, &pid))
		return;
	report->pid = pid;
	if (!text_eat(&t, " Comm: "))
		return;
	stop = t.end;
	for (size_t i = 0; i < sizeof(ends) / sizeof(*ends); i++) {
		const char *end = text_find(t, ends[i]);

		if (end && end < stop)
			stop = end;
	}
	report->comm = keep(ps, t.p, stop);
}

/* "Pid: 5487, comm: sshd Not tainted …", until 3.9 (commit a43cb95d547a) */
static void follow_pid_line(struct parser *ps, struct text t, struct report *report)
{
	const char *end;
	uint32_t pid;

	if (report->pid != SNAPSHOT_NONE || !text_u32(&t, &pid) || !text_eat(&t, ", comm: "))
		return;
	report->pid = pid;
	end = text_find(t, " Not tainted");
	if (!end)
		end = text_find(t, " Tainted: ");
	report->comm = keep(ps, t.p, end ? end : t.end);
	while (report->comm && *report->comm && report->comm[strlen(report->comm) - 1] == ' ')
		((char *)report->comm)[strlen(report->comm) - 1] = '\0';
}

/* "rcu: \t3-....: (1 GPs behind) …": the first CPU that a stall names. */
static void follow_rcu_line(struct text t, struct report *report)
{
	uint32_t cpu;

	text_spaces(&t);
	if (report->cpu != SNAPSHOT_NONE || !text_u32(&t, &cpu) || !text_eat(&t, "-"))
		return;
	while (t.p < t.end && strchr(".-!?ODLT%", *t.p) && *t.p)
		t.p++;
	if (text_starts(t, ": ("))
		report->cpu = cpu;
}

/* Whose stack the report shows: not that of whoever prints it. */
static bool follows_itself(enum report_kind kind)
{
	return kind != REPORT_HUNG_TASK && kind != REPORT_RCU_STALL && kind != REPORT_CSD_LOCKUP &&
	       kind != REPORT_WORKQUEUE_LOCKUP && kind != REPORT_SYSRQ;
}

static void follow(struct parser *ps, struct text t)
{
	struct report *report = &ps->reports[ps->n - 1];

	if (report->kind == REPORT_RCU_STALL) {
		struct text line = t;

		text_eat(&line, "rcu: ");
		follow_rcu_line(line, report);
		return;
	}
	if (!follows_itself(report->kind))
		return;
	if (text_eat(&t, "CPU: ")) {
		follow_cpu_line(ps, t, report);
	} else if (text_eat(&t, "Pid: ")) {
		follow_pid_line(ps, t, report);
	} else if (text_eat(&t, "RIP: 0033:") || text_eat(&t, "RIP: 002b:")) {
		return;
	} else if (text_eat(&t, "RIP: ") || text_eat(&t, "EIP: ") || text_eat(&t, "EIP is at ") ||
		   text_eat(&t, "pc : ") || text_eat(&t, "PC is at ") || text_eat(&t, "NIP [")) {
		/* A panic's registers are those of a user process or of panic() itself. */
		if (report->kind != REPORT_PANIC)
			parse_function(ps, t, report);
	}
}

static void line_parse(struct parser *ps, const char *line, const char *end)
{
	struct text message, body, rest;
	const struct rule *rule;
	enum report_kind kind;
	uint64_t time;

	if (end > line && end[-1] == '\r')
		end--;
	message = (struct text){ log_line_message(line, end, &time), end };
	body = message;
	subsystem_eat(&body);
	ps->age++;
	rule = rule_find(body, &rest);
	if (!rule && !is_irq_inversion(body)) {
		if (ps->n && ps->age <= FOLLOW_LINES)
			follow(ps, message);
		return;
	}
	kind = rule ? rule->kind : REPORT_DEADLOCK;
	/* The lines of one oops: what happened, then "Oops: 0000 [#1] SMP". */
	if (kind == REPORT_OOPS && ps->n && ps->reports[ps->n - 1].kind == REPORT_OOPS &&
	    ps->age <= OOPS_LINES)
		return;
	report_add(ps, kind, message, rule ? rest : body, time, rule);
}

int kernel_report_line(struct arena *arena, const char *p, const char *end, uint64_t time_us,
		       struct report *ret_report)
{
	struct parser ps = { .arena = arena };
	struct text body = { p, end }, rest;
	const struct rule *rule;

	subsystem_eat(&body);
	rule = rule_find(body, &rest);
	if (!rule && !is_irq_inversion(body))
		return 0;
	report_add(&ps, rule ? rule->kind : REPORT_DEADLOCK, (struct text){ p, end },
		   rule ? rest : body, time_us, rule);
	if (ps.failed)
		return -ENOMEM;
	*ret_report = ps.reports[0];
	return 1;
}

int kernel_reports_parse(struct arena *arena, const char *text, size_t size,
			 struct report **ret_reports, uint32_t *ret_n)
{
	struct parser ps = { .arena = arena };
	const char *p = text, *end = text + size;

	while (p < end && !ps.failed && ps.n < UINT32_MAX / 2) {
		const char *nl = memchr(p, '\n', (size_t)(end - p));
		const char *stop = nl ? nl : end;

		line_parse(&ps, p, stop);
		p = stop + 1;
	}
	if (ps.failed)
		return -ENOMEM;
	*ret_reports = ps.reports;
	*ret_n = ps.n;
	return 0;
}

const struct report *kernel_reports_panic(const struct report *reports, uint32_t n)
{
	const struct report *last = NULL;

	for (uint32_t i = 0; i < n; i++)
		if (reports[i].kind == REPORT_PANIC)
			return &reports[i];
	for (uint32_t i = 0; i < n; i++)
		if (reports[i].kind == REPORT_OOPS || reports[i].kind == REPORT_SYSRQ)
			last = &reports[i];
	return last;
}
