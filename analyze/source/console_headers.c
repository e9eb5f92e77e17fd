// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Lines that say whose stack or list follows, and reports. The wording is that of kernel/watchdog.c,
 * kernel/rcu/tree_stall.h, kernel/sched/core.c, lib/nmi_backtrace.c, lib/dump_stack.c and
 * kernel/printk/printk.c, from 2.6.18 on.
 */
#include <stdlib.h>

#include "source/console_log_internal.h"
#include "source/kernel_reports.h"

#define EVENT_GAP_US (600 * 1000000ULL)
/* Lines after a report's first that may still complete it. */
#define REPORT_LINES 120

/* The end of a comm that is followed by the taint flags, or a Kdump mark, and the kernel's release. */
static const char *comm_end(struct console_log *log, const char *p, const char *end)
{
	static const char *const tails[] = { " Kdump: ", " Not tainted", " Tainted: " };
	struct snapshot *snapshot = &log->event->snapshot;
	const char *stop = end, *release = NULL;

	for (size_t i = 0; i < sizeof(tails) / sizeof(*tails); i++) {
		const char *found = line_find(p, end, tails[i]);

		if (found && found < stop)
			stop = found;
		if (found && i > 0)
			release = found + strlen(tails[i]);
	}
	/* Behind the flags: the first word with a digit. */
	while (!snapshot->kernel_release && release && release < end) {
		const char *blank;

		line_blanks(&release, end);
		if (release == end)
			break;
		blank = memchr(release, ' ', (size_t)(end - release));
		if (!blank)
			blank = end;
		if (*release >= '0' && *release <= '9' && blank - release < 100)
			snapshot->kernel_release = log_name(log, release, blank);
		release = blank;
	}
	while (stop > p && stop[-1] == ' ')
		stop--;
	return stop;
}

static struct report *stream_report(struct console_log *log, struct log_stream *s)
{
	if (s->report >= log->event->snapshot.n_reports || s->report_age > REPORT_LINES)
		return NULL;
	return &log->event->snapshot.reports[s->report];
}

/* A stack's header completes the report that it stands below. */
static void report_complete(struct console_log *log, struct log_stream *s, uint32_t cpu,
			    uint32_t pid, const char *comm)
{
	struct report *report = stream_report(log, s);

	if (!report)
		return;
	switch (report->kind) {
	case REPORT_SOFT_LOCKUP:
	case REPORT_HARD_LOCKUP:
	case REPORT_SPINLOCK_LOCKUP:
	case REPORT_SPINLOCK_RECURSION:
	case REPORT_OOPS:
	case REPORT_SCHED_ATOMIC:
	case REPORT_PANIC:
	case REPORT_DEADLOCK:
		break;
	case REPORT_RCU_STALL:
		/* Whoever detects its own stall prints its own stack. */
		if (!strstr(report->text, "self-detected"))
			return;
		break;
	default:
		return;
	}
	if (report->kind != REPORT_DEADLOCK && report->cpu == SNAPSHOT_NONE)
		report->cpu = cpu;
	if (report->pid == SNAPSHOT_NONE && (cpu == SNAPSHOT_NONE || report->cpu == cpu ||
					     report->kind == REPORT_DEADLOCK)) {
		report->pid = pid;
		report->comm = comm;
	}
}

static void cpu_section(struct console_log *log, struct log_stream *s, uint32_t cpu, uint32_t pid,
			const char *comm)
{
	const struct report *report;

	log_section_end(log, s);
	report_complete(log, s, cpu, pid, comm);
	if (s->deadlock != SNAPSHOT_NONE) {
		/* lockdep's own backtrace: nobody is stuck in it yet. */
		if (s->deadlock < log->event->n_deadlocks)
			log->event->deadlocks[s->deadlock].cpu = cpu;
		s->deadlock = SNAPSHOT_NONE;
		log_section_begin(s, SECTION_TASK, cpu, pid, comm);
		return;
	}
	log_section_begin(s, SECTION_CPU, cpu, pid, comm);
	report = stream_report(log, s);
	if (report && report->pid == pid) {
		s->oops = report->kind == REPORT_OOPS && s->report_age < 40;
		s->panic = report->kind == REPORT_PANIC;
	}
	s->nmi_cpu = SNAPSHOT_NONE;
}

/* "CPU: 2 PID: 4888 Comm: foo Not tainted 4.20.0 #5"; "CPU: 0 UID: 0 PID: 7 Comm: …" since 6.11. */
static bool cpu_line(struct console_log *log, struct log_stream *s, const char *p, const char *end)
{
	uint32_t cpu, pid = SNAPSHOT_NONE;
	const char *comm = NULL, *at;

	if (!line_eat(&p, end, "CPU:"))
		return false;
	line_blanks(&p, end);
	if (!line_u32(&p, end, &cpu))
		return false;
	at = line_find(p, end, "PID: ");
	if (at) {
		at += 5;
		if (line_u32(&at, end, &pid) && line_eat(&at, end, " Comm: "))
			comm = log_name(log, at, comm_end(log, at, end));
	} else {
		comm_end(log, p, end);
	}
	log->n_kernel++;
	cpu_section(log, s, cpu, pid, comm);
	return true;
}

/* "Pid: 5487, comm: sshd Not tainted 2.6.32 …", until 3.9 (commit a43cb95d547a) */
static bool pid_line(struct console_log *log, struct log_stream *s, const char *p, const char *end)
{
	const struct report *report = stream_report(log, s);
	uint32_t pid, cpu = s->nmi_cpu;
	const char *comm;

	if (!line_eat(&p, end, "Pid: ") || !line_u32(&p, end, &pid) || !line_eat(&p, end, ", comm: "))
		return false;
	log->n_kernel++;
	comm = log_name(log, p, comm_end(log, p, end));
	if (cpu == SNAPSHOT_NONE && report && report->pid == pid && pid)
		cpu = report->cpu;
	if (cpu == SNAPSHOT_NONE && s->section == SECTION_CPU && s->pid == pid && !s->shown)
		cpu = s->cpu;
	if (cpu != SNAPSHOT_NONE) {
		cpu_section(log, s, cpu, pid, comm);
		return true;
	}
	log_section_end(log, s);
	report_complete(log, s, SNAPSHOT_NONE, pid, comm);
	s->deadlock = SNAPSHOT_NONE;
	log_section_begin(s, SECTION_TASK, SNAPSHOT_NONE, pid, comm);
	s->oops = report && report->kind == REPORT_OOPS && s->report_age < 40;
	if (pid) {
		struct log_task *task = log_task_get(log, pid, comm);

		if (task)
			task->running = true;
	}
	return true;
}

/* "CPU 2", "CPU 2:", above "Modules linked in:" in kernels up to 3.8 */
static bool cpu_number_line(struct log_stream *s, const char *p, const char *end)
{
	uint32_t cpu;

	if (!line_eat(&p, end, "CPU ") || !line_u32(&p, end, &cpu))
		return false;
	line_eat(&p, end, ":");
	line_blanks(&p, end);
	if (p != end)
		return false;
	s->nmi_cpu = cpu;
	return true;
}

static enum task_state state_of(char c)
{
	switch (c) {
	case 'R':
		return TASK_STATE_RUNNING;
	case 'S':
		return TASK_STATE_INTERRUPTIBLE;
	case 'D':
		return TASK_STATE_UNINTERRUPTIBLE;
	case 'I':
		return TASK_STATE_IDLE;
	case 'T':
	case 't':
		return TASK_STATE_STOPPED;
	case 'X':
	case 'Z':
		return TASK_STATE_DEAD;
	}
	return TASK_STATE_UNKNOWN;
}

static void task_section(struct console_log *log, struct log_stream *s, uint32_t pid,
			 const char *comm, char state)
{
	uint32_t cpu = s->nmi_cpu;

	log->n_kernel++;
	log_section_end(log, s);
	s->deadlock = SNAPSHOT_NONE;
	s->nmi_cpu = SNAPSHOT_NONE;
	/* "Task dump for CPU 3:": the task that runs there. */
	if (cpu != SNAPSHOT_NONE && state == 'R') {
		report_complete(log, s, cpu, pid, comm);
		log_section_begin(s, SECTION_CPU, cpu, pid, comm);
		return;
	}
	log_section_begin(s, SECTION_TASK, SNAPSHOT_NONE, pid, comm);
	s->state = state_of(state);
}

/* "task:bash state:D stack:0 pid:71 tgid:71 ppid:1 flags:0x4", since 5.11 (commit 20bb759a66be) */
static bool task_line(struct console_log *log, struct log_stream *s, const char *p, const char *end)
{
	const char *state, *at, *name_end;
	uint32_t pid;

	if (!line_eat(&p, end, "task:"))
		return false;
	state = line_find(p, end, " state:");
	at = state ? line_find(state, end, " pid:") : NULL;
	if (!at || state + 7 >= end)
		return false;
	at += 5;
	line_blanks(&at, end);
	if (!line_u32(&at, end, &pid))
		return false;
	for (name_end = state; name_end > p && name_end[-1] == ' '; name_end--)
		;
	task_section(log, s, pid, log_name(log, p, name_end), state[7]);
	return true;
}

/* The last blank-separated word of [p, *end), cutting it off. */
static bool last_word(const char *p, const char **end, const char **ret)
{
	const char *e = *end;

	while (e > p && e[-1] == ' ')
		e--;
	*end = e;
	while (e > p && e[-1] != ' ')
		e--;
	if (e == *end)
		return false;
	*ret = e;
	return true;
}

/*
 * "lab-reproduc.6  D29880  3901   2584 0x00000004", "init D ffff8800db0de820  0  2293  1 0x00000000",
 * "rcu_preempt     R  running task    29104    10      2 0x80000000", and with a number behind
 */
static bool old_task_line(struct console_log *log, struct log_stream *s, const char *p,
			  const char *end)
{
	const char *e = end, *word, *at, *stop;
	uint32_t pid, ppid;

	/* The flags are the last 0x word. */
	for (int i = 0;; i++) {
		if (i == 3 || !last_word(p, &e, &word))
			return false;
		at = word;
		if (line_eat(&at, e, "0x"))
			break;
		e = word;
	}
	for (stop = word; at < e; at++)
		if (!((*at >= '0' && *at <= '9') || (*at >= 'a' && *at <= 'f')))
			return false;
	e = stop;
	if (!last_word(p, &e, &word) || (at = word, !line_u32(&at, e, &ppid)) || at != e)
		return false;
	e = word;
	if (!last_word(p, &e, &word) || (at = word, !line_u32(&at, e, &pid)) || at != e)
		return false;
	/* The name is padded to 15 and followed by the state; both may touch what follows. */
	for (at = p + 1; at + 1 < word; at++) {
		if (at[-1] != ' ' || !strchr("RSDTtXZxKWPINi?", *at))
			continue;
		if (at[1] != ' ' && !(at[1] >= '0' && at[1] <= '9'))
			continue;
		if (at - p < 15 && at + 2 < word && at[1] != ' ' && at[2] == ' ')
			continue;
		for (stop = at; stop > p && stop[-1] == ' '; stop--)
			;
		task_section(log, s, pid, log_name(log, p, stop), *at);
		return true;
	}
	return false;
}

/* "NMI backtrace for cpu 2", "… skipped: idling at f+0x2/0x10", "Task dump for CPU 2:" */
static bool nmi_line(struct console_log *log, struct log_stream *s, const char *p, const char *end)
{
	struct log_cpu *cpu;
	uint32_t id;

	if (!line_eat(&p, end, "NMI backtrace for cpu ") && !line_eat(&p, end, "Task dump for CPU ") &&
	    !line_eat(&p, end, "CPU backtrace for cpu "))
		return false;
	if (!line_u32(&p, end, &id))
		return false;
	log->n_kernel++;
	log->event->all_cpus = true;
	log_section_end(log, s);
	if (line_find(p, end, "skipped: idling")) {
		cpu = log_cpu_get(log, id);
		if (cpu) {
			cpu->idle = true;
			cpu->pid = SNAPSHOT_NONE;
			cpu->comm = NULL;
			cpu->stack.n = 0;
			cpu->stack.shown = true;
		}
		return true;
	}
	s->nmi_cpu = id;
	s->deadlock = SNAPSHOT_NONE;
	/* Some architectures go on with registers at once. */
	log_section_begin(s, SECTION_CPU, id, SNAPSHOT_NONE, NULL);
	return true;
}

/* --- RCU --- */

/* "rcu: \t3-....: (1 GPs behind) idle=…", "\t3: (1 GPs behind)": a CPU that the stall names. */
static bool rcu_cpu_line(struct console_log *log, struct log_stream *s, const char *p,
			 const char *end)
{
	struct report *report = stream_report(log, s);
	uint32_t cpu;

	if (!report || report->kind != REPORT_RCU_STALL || !line_u32(&p, end, &cpu))
		return false;
	while (p < end && strchr(".-!?ODLTo%", *p) && *p)
		p++;
	if (!line_eat(&p, end, ": (") && !line_eat(&p, end, ":("))
		return false;
	if (report->cpu == SNAPSHOT_NONE)
		report->cpu = cpu;
	else if (report->cpu != cpu) {
		struct report *more = ARENA_APPEND(&log->event->snapshot.arena,
						   log->event->snapshot.reports,
						   log->event->snapshot.n_reports);

		if (!more) {
			log->failed = true;
			return true;
		}
		*more = log->event->snapshot.reports[s->report];
		more->cpu = cpu;
		more->pid = SNAPSHOT_NONE;
		more->comm = more->function = NULL;
	}
	return true;
}

/* "rcu_preempt kthread starved for 10546 jiffies! g301501 f0x2 RCU_GP_WAIT_FQS(5) ->state=0x0 ->cpu=0" */
static bool rcu_starved_line(struct console_log *log, const char *p, const char *end)
{
	const char *starved = line_find(p, end, " kthread starved for "), *state, *cpu;

	if (!starved || starved - p > 32)
		return false;
	state = line_find(starved, end, "->state=0x");
	cpu = line_find(starved, end, "->cpu=");
	/* Asleep, it waits for a timer that does not come; only a runnable one wants a CPU. */
	if (state && state[10] != '0')
		return true;
	log->event->starved = log_name(log, p, starved);
	if (cpu) {
		cpu += 6;
		line_u32(&cpu, end, &log->event->starved_cpu);
	}
	return true;
}

/* --- reports --- */

static bool same_report(const struct report *a, const struct report *b)
{
	return a->kind == b->kind && a->cpu == b->cpu && a->pid == b->pid &&
	       (a->kind != REPORT_DEADLOCK);
}

/* The kernel repeats itself: one report for what it says again, with the newest time. */
static uint32_t report_store(struct console_log *log, struct report *report)
{
	struct snapshot *snapshot = &log->event->snapshot;
	uint32_t from = snapshot->n_reports > 256 ? snapshot->n_reports - 256 : 0;
	struct report *slot;

	/* A panic within a panic tells no more. */
	if (report->kind == REPORT_PANIC && log->event->has_panic)
		return SNAPSHOT_NONE;
	for (uint32_t i = from; i < snapshot->n_reports; i++) {
		slot = &snapshot->reports[i];
		if (!same_report(slot, report) || (report->cpu == SNAPSHOT_NONE &&
						   report->pid == SNAPSHOT_NONE))
			continue;
		slot->stuck_ns = report->stuck_ns;
		return i;
	}
	if (snapshot->n_reports >= LOG_REPORTS_MAX) {
		log->event->dropped = true;
		return SNAPSHOT_NONE;
	}
	slot = ARENA_APPEND(&snapshot->arena, snapshot->reports, snapshot->n_reports);
	if (!slot) {
		log->failed = true;
		return SNAPSHOT_NONE;
	}
	*slot = *report;
	if (report->comm)
		slot->comm = log_name(log, report->comm, report->comm + strlen(report->comm));
	if (report->function)
		slot->function = log_name(log, report->function,
					  report->function + strlen(report->function));
	slot->text = arena_strdup(&snapshot->arena, report->text);
	if (!slot->text)
		log->failed = true;
	return snapshot->n_reports - 1;
}

/* The report's own section, where its stack comes without a header. */
static void report_section(struct console_log *log, struct log_stream *s,
			   const struct report *report)
{
	switch (report->kind) {
	case REPORT_HUNG_TASK:
		log_section_begin(s, SECTION_TASK, SNAPSHOT_NONE, report->pid, report->comm);
		s->state = TASK_STATE_UNINTERRUPTIBLE;
		if (report->pid != SNAPSHOT_NONE) {
			struct log_task *task = log_task_get(log, report->pid, report->comm);

			if (task) {
				task->state = TASK_STATE_UNINTERRUPTIBLE;
				task->blocked_ns = report->stuck_ns;
			}
		}
		break;
	case REPORT_SPINLOCK_LOCKUP:
	case REPORT_SPINLOCK_RECURSION:
	case REPORT_SOFT_LOCKUP:
		if (report->cpu != SNAPSHOT_NONE)
			log_section_begin(s, SECTION_CPU, report->cpu, report->pid, report->comm);
		break;
	default:
		log_section_begin(s, SECTION_NONE, SNAPSHOT_NONE, SNAPSHOT_NONE, NULL);
	}
}

static void event_time(struct console_log *log, uint64_t time_us)
{
	struct log_event *event = log->event;

	if (time_us == SNAPSHOT_NO_TIME)
		return;
	if (event->last_us != SNAPSHOT_NO_TIME && time_us > event->last_us &&
	    time_us - event->last_us > EVENT_GAP_US)
		log_event_cut(log, true);
	log->event->last_us = time_us;
}

/* Those that make an event of their own; an oops or a panic may be its cause or its end. */
static bool report_is_lockup(enum report_kind kind)
{
	return kind != REPORT_OOPS && kind != REPORT_PANIC && kind != REPORT_SYSRQ &&
	       kind != REPORT_SCHED_ATOMIC;
}

bool log_report_line(struct console_log *log, struct log_stream **ps,
			const struct text_line *line)
{
	struct log_stream *s = *ps;
	struct report report;
	struct arena scratch;
	uint32_t index;
	int r;

	arena_init(&scratch);
	r = kernel_report_line(&scratch, line->p, line->end, line->time_us, &report);
	if (r <= 0) {
		log->failed |= r < 0;
		arena_done(&scratch);
		return false;
	}
	log->n_kernel++;
	/* The lines of one oops: what happened, then "Oops: 0000 [#1] SMP". */
	if (report.kind == REPORT_OOPS && s->report_age < 12) {
		const struct report *last = stream_report(log, s);

		if (last && last->kind == REPORT_OOPS) {
			arena_done(&scratch);
			return true;
		}
	}
	log_section_end(log, s);
	if (report_is_lockup(report.kind))
		event_time(log, line->time_us);
	s = *ps = log_stream_get(log, line);
	if (!s) {
		arena_done(&scratch);
		return true;
	}
	index = report_store(log, &report);
	arena_done(&scratch);
	s->report = index;
	s->report_age = 0;
	s->deadlock = SNAPSHOT_NONE;
	s->nmi_cpu = SNAPSHOT_NONE;
	if (index == SNAPSHOT_NONE)
		return true;
	report_section(log, s, &log->event->snapshot.reports[index]);
	if (report.kind == REPORT_DEADLOCK)
		log_deadlock_begin(log, s, index);
	if (report.kind == REPORT_PANIC)
		log->event->has_panic = true;
	return true;
}

/* "Linux version 6.1.0-13-amd64 (…)": a boot begins. */
static bool banner_line(struct console_log *log, const char *p, const char *end)
{
	const char *blank;

	if (!line_eat(&p, end, "Linux version "))
		return false;
	log->n_kernel++;
	log_event_cut(log, false);
	blank = memchr(p, ' ', (size_t)(end - p));
	free(log->release);
	log->release = strndup(p, (size_t)((blank ? blank : end) - p));
	if (!log->release)
		log->failed = true;
	return true;
}

/* "smp: Brought up 1 node, 8 CPUs", "Brought up 8 CPUs" */
static bool cpus_line(struct console_log *log, const char *p, const char *end)
{
	const char *cpus = line_find(p, end, " CPUs"), *at = cpus;

	line_eat(&p, end, "smp: ");
	if (!line_eat(&p, end, "Brought up ") || !cpus)
		return false;
	while (at > p && at[-1] >= '0' && at[-1] <= '9')
		at--;
	line_u32(&at, end, &log->n_cpus);
	return true;
}

/* "<Same stack as pid 2294>" */
static bool same_stack_line(struct console_log *log, struct log_stream *s, const char *p,
			    const char *end)
{
	struct log_task *task;
	uint32_t pid;

	if (s->section != SECTION_TASK || !line_eat(&p, end, "<Same stack as pid ") ||
	    !line_u32(&p, end, &pid))
		return false;
	task = log_task_get(log, s->pid, s->comm);
	if (task) {
		task->same_as = pid;
		if (s->state != TASK_STATE_UNKNOWN)
			task->state = s->state;
	}
	return true;
}

/* "Not tainted 5.4.0-rc2+ #0", below a hung task's report */
static bool tainted_line(struct console_log *log, const char *p, const char *end)
{
	struct snapshot *snapshot = &log->event->snapshot;
	const char *blank;

	if (!line_eat(&p, end, "Not tainted ") || snapshot->kernel_release || p == end ||
	    *p < '0' || *p > '9')
		return false;
	blank = memchr(p, ' ', (size_t)(end - p));
	snapshot->kernel_release = log_name(log, p, blank ? blank : end);
	return true;
}

/*
 * kernel/workqueue.c show_pwq(): "pwq 6: cpus=3 node=0 flags=0x0 nice=0 active=2/256 refcnt=3", then
 * "in-flight: 14164:refill_work [mod], 29532(RESCUER):other_work" for those of its pool.
 */
static bool pool_line(struct log_stream *s, const char *p, const char *end)
{
	uint32_t pool, cpu;

	if (!line_eat(&p, end, "pwq ") || !line_u32(&p, end, &pool) || !line_eat(&p, end, ": cpus="))
		return false;
	s->pool_cpu = SNAPSHOT_NONE;
	/* A range of CPUs: an unbound pool, whose workers may be anywhere. */
	if (line_u32(&p, end, &cpu) && (p == end || *p == ' '))
		s->pool_cpu = cpu;
	return true;
}

static bool works_line(struct console_log *log, struct log_stream *s, const char *p,
		       const char *end)
{
	struct log_event *event = log->event;

	if (!line_eat(&p, end, "in-flight:"))
		return false;
	event->busy_workqueues = true;
	while (s->pool_cpu != SNAPSHOT_NONE && event->n_works < LOG_REPORTS_MAX) {
		struct log_work *work;
		const char *stop;
		uint32_t pid;

		line_blanks(&p, end);
		if (!line_u32(&p, end, &pid))
			break;
		line_eat(&p, end, "(RESCUER)");
		if (!line_eat(&p, end, ":"))
			break;
		for (stop = p; stop < end && *stop != ' ' && *stop != ','; stop++)
			;
		work = ARENA_APPEND(&event->snapshot.arena, event->works, event->n_works);
		if (!work) {
			log->failed = true;
			return true;
		}
		*work = (struct log_work){ .cpu = s->pool_cpu, .pid = pid,
					   .function = log_name(log, p, stop) };
		p = stop;
		if (end - p > 2 && p[0] == ' ' && p[1] == '[') {
			stop = memchr(p, ']', (size_t)(end - p));
			if (stop)
				work->module = log_name(log, p + 2, stop);
		}
		p = memchr(p, ',', (size_t)(end - p));
		if (!p++)
			break;
	}
	return true;
}

static bool is_end(const char *p, const char *end)
{
	return line_eat(&p, end, "---[ end ") || line_eat(&p, end, "====") ||
	       line_eat(&p, end, "Showing all locks held") || line_eat(&p, end, "Sending NMI") ||
	       line_eat(&p, end, "sending NMI") || line_eat(&p, end, "Rebooting in ") ||
	       line_eat(&p, end, "Kernel Offset:") || line_eat(&p, end, "Dumping ftrace buffer");
}

bool log_header_line(struct console_log *log, struct log_stream *s, const struct text_line *line)
{
	const char *p = line->p, *end = line->end;

	line_eat(&p, end, "rcu: ");
	line_blanks(&p, end);
	if (p == end)
		return false;
	if (is_end(p, end)) {
		if (*p != '=')
			log->event->all_cpus |= *p == 'S' && p[1] == 'e';
		log_section_end(log, s);
		return true;
	}
	switch (*p) {
	case 'C':
		if (cpu_line(log, s, p, end) || nmi_line(log, s, p, end) ||
		    cpu_number_line(s, p, end))
			return true;
		break;
	case 'P':
		if (pid_line(log, s, p, end))
			return true;
		break;
	case 'N':
		if (nmi_line(log, s, p, end) || tainted_line(log, p, end))
			return true;
		break;
	case 'T':
		if (nmi_line(log, s, p, end))
			return true;
		break;
	case 't':
		if (task_line(log, s, p, end))
			return true;
		break;
	case 'L':
		if (banner_line(log, p, end))
			return true;
		break;
	case 's':
	case 'B':
		if (cpus_line(log, p, end))
			return true;
		break;
	case '<':
		if (same_stack_line(log, s, p, end))
			return true;
		break;
	case '0': case '1': case '2': case '3': case '4': case '5': case '6': case '7': case '8':
	case '9':
		if (s->report != SNAPSHOT_NONE && rcu_cpu_line(log, s, p, end))
			return true;
		break;
	case 'r':
		if (rcu_starved_line(log, p, end))
			return true;
		break;
	case 'p':
		if (pool_line(s, p, end))
			return true;
		break;
	case 'i':
		if (works_line(log, s, p, end))
			return true;
		break;
	}
	/* All that a task's header has in every version is its flags at the end. */
	return end - p > 20 && end - p < 160 && line_find(p + 10, end, " 0x") &&
	       old_task_line(log, s, p, end);
}
