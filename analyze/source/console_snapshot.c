// SPDX-License-Identifier: GPL-2.0-or-later
/* An event's facts as a snapshot: CPUs, tasks, the machine, and what the log leaves unsaid. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "source/console_log_internal.h"
#include "source/text_locks.h"

#define LISTED_MAX 20000 /* tasks of a snapshot */

__attribute__((format(printf, 2, 3))) static void unknown_add(struct snapshot *snapshot,
							      const char *fmt, ...)
{
	char text[512];
	const char **slot;
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	slot = ARENA_APPEND(&snapshot->arena, snapshot->unknowns, snapshot->n_unknowns);
	if (slot)
		*slot = arena_strdup(&snapshot->arena, text);
	if (slot && !*slot)
		snapshot->n_unknowns--;
}

static struct task *task_add(struct snapshot *snapshot)
{
	struct task *task;

	if (snapshot->n_tasks >= LISTED_MAX)
		return NULL;
	task = ARENA_APPEND(&snapshot->arena, snapshot->tasks, snapshot->n_tasks);
	if (task)
		*task = (struct task){ .pid = SNAPSHOT_NONE, .tgid = SNAPSHOT_NONE,
				       .cpu = SNAPSHOT_NONE, .last_ran_ns = SNAPSHOT_NO_TIME,
				       .start_ns = SNAPSHOT_NO_TIME };
	return task;
}

static struct stack stack_of(const struct log_stack *stack)
{
	return (struct stack){ .frames = stack->frames, .n = stack->n };
}

/* --- CPUs --- */

static int cpu_compare(const void *a, const void *b)
{
	const struct log_cpu *x = a, *y = b;

	return x->id < y->id ? -1 : x->id > y->id;
}

/*
 * Until 3.9 a stack's header has no CPU. Where a report names the task with its CPU, it is that one's.
 */
static void cpus_from_tasks(struct console_log *log, struct log_event *event)
{
	for (uint32_t i = 0; i < event->snapshot.n_reports; i++) {
		const struct report *report = &event->snapshot.reports[i];
		struct log_task *task;
		struct log_cpu *cpu;

		if (report->cpu == SNAPSHOT_NONE || report->pid == SNAPSHOT_NONE || !report->pid)
			continue;
		task = (struct log_task *)log_task_find(event, report->pid, report->comm);
		if (!task || !task->running || task->oops || !task->stack.n)
			continue;
		cpu = log_cpu_get(log, report->cpu);
		if (!cpu || cpu->stack.n)
			continue;
		cpu->pid = task->pid;
		cpu->comm = task->comm;
		cpu->stack = task->stack;
		task->running = false;
	}
}

/*
 * A CPU's pool only stalls while a worker of it runs and does not sleep: where one alone is in a work
 * item, it is that one, and it is on that CPU.
 */
static int cpus_from_works(struct console_log *log, struct log_event *event)
{
	for (uint32_t i = 0; i < event->snapshot.n_reports; i++) {
		const struct report *report = &event->snapshot.reports[i];
		const struct log_work *found = NULL;
		struct frame *frame;
		struct log_cpu *cpu;
		uint32_t n = 0;

		if (report->kind != REPORT_WORKQUEUE_LOCKUP || report->cpu == SNAPSHOT_NONE)
			continue;
		for (uint32_t k = 0; k < event->n_works; k++)
			if (event->works[k].cpu == report->cpu &&
			    !(found && found->pid == event->works[k].pid)) {
				found = &event->works[k];
				n++;
			}
		cpu = n == 1 ? log_cpu_get(log, report->cpu) : NULL;
		if (!cpu || cpu->stack.shown)
			continue;
		frame = arena_alloc(&event->snapshot.arena, sizeof(*frame));
		if (!frame)
			return -ENOMEM;
		*frame = (struct frame){ .function = found->function, .module = found->module,
					 .offset = SNAPSHOT_NONE, .reliable = true };
		cpu->pid = found->pid;
		cpu->comm = "kworker";
		cpu->stack = (struct log_stack){ .frames = frame, .n = 1, .cap = 1, .shown = true,
						 .irqs_off = -1 };
		cpu->listed = true;
	}
	return 0;
}

static bool is_idle_task(uint32_t pid, const char *comm)
{
	return pid == 0 && comm && (strncmp(comm, "swapper", 7) == 0 || strncmp(comm, "idle", 4) == 0);
}

static int cpus_fill(struct log_event *event)
{
	struct snapshot *snapshot = &event->snapshot;

	if (event->n_cpus)
		qsort(event->cpus, event->n_cpus, sizeof(*event->cpus), cpu_compare);
	snapshot->cpus = arena_calloc(&snapshot->arena, event->n_cpus + 1, sizeof(*snapshot->cpus));
	if (!snapshot->cpus)
		return -ENOMEM;
	for (uint32_t i = 0; i < event->n_cpus; i++) {
		const struct log_cpu *from = &event->cpus[i];
		struct cpu *cpu = &snapshot->cpus[i];
		const struct log_task *listed;
		struct task *task;

		*cpu = (struct cpu){ .id = from->id, .online = true, .task = SNAPSHOT_NONE,
				     .no_switch_ns = SNAPSHOT_NO_TIME,
				     .watchdog_ns = SNAPSHOT_NO_TIME,
				     .last_tick_ns = SNAPSHOT_NO_TIME,
				     .nr_running = SNAPSHOT_NONE };
		cpu->stack = stack_of(&from->stack);
		if (from->listed)
			cpu->stack.stopped = "the log names only the work that it is in";
		cpu->has_stack = from->stack.shown;
		cpu->user = from->stack.user && !from->stack.n;
		cpu->idle = from->idle || is_idle_task(from->pid, from->comm);
		cpu->panic = from->panic;
		cpu->irqs_off = from->stack.irqs_off;
		if (cpu->stack.n && cpu->stack.frames[0].regs)
			cpu->regs = *cpu->stack.frames[0].regs;
		else
			cpu->why_no_regs = "the log shows none for this CPU";
		if (from->pid == SNAPSHOT_NONE)
			continue;
		task = task_add(snapshot);
		if (!task)
			return -ENOMEM;
		cpu->task = snapshot->n_tasks - 1;
		task->pid = from->pid;
		task->comm = from->comm;
		task->cpu = from->id;
		task->state = TASK_STATE_RUNNING;
		task->on_cpu = true;
		listed = log_task_find(event, from->pid, from->comm);
		task->holds_locks = listed && listed->held_listed && !listed->n_held;
	}
	snapshot->n_cpus = event->n_cpus;
	snapshot->n_cpus_total = SNAPSHOT_NONE;
	return 0;
}

/* --- tasks --- */

static bool task_runs(const struct log_event *event, const struct log_task *task)
{
	for (uint32_t i = 0; i < event->n_cpus; i++)
		if (task->pid && event->cpus[i].pid == task->pid)
			return true;
	return false;
}

static bool is_kthread(const char *comm)
{
	static const char *const names[] = { "kworker/", "ksoftirqd/", "migration/", "rcu_", "kswapd",
					     "jbd2/", "khungtaskd", "watchdog/", "kthreadd" };

	for (size_t i = 0; comm && i < sizeof(names) / sizeof(*names); i++)
		if (strncmp(comm, names[i], strlen(names[i])) == 0)
			return true;
	return false;
}

static int tasks_fill(struct log_event *event)
{
	struct snapshot *snapshot = &event->snapshot;
	bool known = false;

	for (uint32_t i = 0; i < event->n_tasks; i++) {
		const struct log_task *from = &event->tasks[i];
		const struct log_task *same;
		struct task *task;

		/* A task's own, older stack is no news where its CPU was shown. */
		if (!from->oops && task_runs(event, from))
			continue;
		same = from->same_as != SNAPSHOT_NONE ? log_task_find(event, from->same_as, NULL) :
							NULL;
		if (!from->stack.n && !same && from->blocked_ns == SNAPSHOT_NO_TIME)
			continue;
		task = task_add(snapshot);
		if (!task)
			return snapshot->n_tasks >= LISTED_MAX ? 0 : -ENOMEM;
		task->pid = from->pid;
		task->comm = from->comm;
		task->state = from->state;
		task->kthread = is_kthread(from->comm);
		task->stack = stack_of(same && !from->stack.n ? &same->stack : &from->stack);
		if (from->blocked_ns != SNAPSHOT_NO_TIME)
			task->last_ran_ns = from->blocked_ns;
		if (event->starved && from->comm && strcmp(from->comm, event->starved) == 0) {
			task->starved = known = true;
			task->cpu = event->starved_cpu;
		}
	}
	if (event->starved && !known) {
		struct task *task = task_add(snapshot);

		if (!task)
			return -ENOMEM;
		task->comm = event->starved;
		task->starved = task->kthread = true;
		task->cpu = event->starved_cpu;
	}
	return 0;
}

/* --- the machine --- */

static void machine_fill(struct console_log *log, struct log_event *event)
{
	struct snapshot *snapshot = &event->snapshot;

	if (!snapshot->kernel_release && log->release)
		snapshot->kernel_release = arena_strdup(&snapshot->arena, log->release);
	snapshot->arch = text_arch_name(event->arch);
	if (log->n_cpus != SNAPSHOT_NONE)
		snapshot->n_cpus_total = log->n_cpus;
	if (event->end_us != SNAPSHOT_NO_TIME) {
		snapshot->has_uptime = true;
		snapshot->uptime_s = (double)event->end_us / 1e6;
	}
	for (uint32_t i = 0; i < snapshot->n_reports; i++) {
		const struct report *report = &snapshot->reports[i];
		const char *words;

		if (report->kind != REPORT_PANIC || snapshot->panic)
			continue;
		words = strstr(report->text, "not syncing: ");
		snapshot->panic = words ? words + strlen("not syncing: ") : report->text;
		snapshot->panic_cpu = report->cpu;
		snapshot->panic_pid = report->pid;
		snapshot->panic_comm = report->comm;
		for (uint32_t k = 0; k < snapshot->n_cpus; k++)
			snapshot->cpus[k].panic = snapshot->cpus[k].id == report->cpu;
	}
}

/* --- what is not there --- */

static bool has_report(const struct snapshot *snapshot, enum report_kind kind)
{
	for (uint32_t i = 0; i < snapshot->n_reports; i++)
		if (snapshot->reports[i].kind == kind)
			return true;
	return false;
}

static void unknowns_fill(struct log_event *event)
{
	struct snapshot *snapshot = &event->snapshot;
	bool stuck_cpu = has_report(snapshot, REPORT_SOFT_LOCKUP) ||
			 has_report(snapshot, REPORT_HARD_LOCKUP);
	uint32_t shown = 0;

	for (uint32_t i = 0; i < snapshot->n_cpus; i++)
		shown += snapshot->cpus[i].has_stack;
	if (stuck_cpu && !event->all_cpus)
		unknown_add(snapshot,
			    "The log shows %u CPU%s: kernel.softlockup_all_cpu_backtrace=1 and "
			    "kernel.hardlockup_all_cpu_backtrace=1 would show all of them next time.",
			    shown, shown == 1 ? "" : "s");
	else if (snapshot->n_cpus_total != SNAPSHOT_NONE && event->all_cpus &&
		 shown < snapshot->n_cpus_total)
		unknown_add(snapshot, "The log shows %u of %u CPUs.", shown, snapshot->n_cpus_total);
	if (has_report(snapshot, REPORT_HUNG_TASK) && !event->all_cpus)
		unknown_add(snapshot,
			    "The log shows only the tasks that the hung-task watchdog named: "
			    "kernel.hung_task_all_cpu_backtrace=1 shows all CPUs next time, and "
			    "`echo w > /proc/sysrq-trigger` all blocked tasks.");
	if (has_report(snapshot, REPORT_WORKQUEUE_LOCKUP) && !event->busy_workqueues)
		unknown_add(snapshot, "The log does not show what the workers run: "
				      "`echo t > /proc/sysrq-trigger` lists them.");
	if (event->dropped)
		unknown_add(snapshot, "There is more in the log than is kept of it; "
				      "what is beyond the limits was passed over.");
	snapshot->partial |= event->dropped;
}

int log_event_snapshot(struct console_log *log, struct log_event *event)
{
	struct log_event *current = log->event;
	int r;

	log->event = event;
	cpus_from_tasks(log, event);
	r = cpus_from_works(log, event);
	log->event = current;
	if (log->failed)
		return -ENOMEM;
	if (r == 0)
		r = cpus_fill(event);
	if (r == 0)
		r = tasks_fill(event);
	if (r < 0)
		return r;
	machine_fill(log, event);
	r = text_locks_find(&event->snapshot);
	if (r == 0)
		r = log_event_locks(event);
	if (r < 0)
		return r;
	unknowns_fill(event);
	return 0;
}
