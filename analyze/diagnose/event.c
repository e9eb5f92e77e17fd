// SPDX-License-Identifier: GPL-2.0-or-later
#include "diagnose/event.h"

#include <string.h>

#include "diagnose/primitives.h"

/* kernel/hung_task.c: CONFIG_DEFAULT_HUNG_TASK_TIMEOUT */
#define HUNG_TASK_NS 120000000000ULL
/* A sampler's word that a CPU made no progress: what the daemon warns of by default. */
#define STUCK_NS 1000000000ULL

enum event report_event(enum report_kind kind)
{
	switch (kind) {
	case REPORT_SOFT_LOCKUP:
		return EVENT_SOFT_LOCKUP;
	case REPORT_HARD_LOCKUP:
		return EVENT_HARD_LOCKUP;
	case REPORT_RCU_STALL:
		return EVENT_RCU_STALL;
	case REPORT_HUNG_TASK:
		return EVENT_HUNG_TASK;
	case REPORT_SPINLOCK_LOCKUP:
		return EVENT_SPINLOCK_LOCKUP;
	case REPORT_SPINLOCK_RECURSION:
		return EVENT_SPINLOCK_RECURSION;
	case REPORT_WORKQUEUE_LOCKUP:
		return EVENT_WORKQUEUE_LOCKUP;
	case REPORT_DEADLOCK:
		return EVENT_DEADLOCK_REPORT;
	case REPORT_CSD_LOCKUP:
		return EVENT_SOFT_LOCKUP;
	case REPORT_OOPS:
		return EVENT_OOPS;
	case REPORT_SCHED_ATOMIC:
	case REPORT_PANIC:
	case REPORT_SYSRQ:
		break;
	}
	return EVENT_NONE;
}

/* The strings that panic() is called with, from 2.6.18 to today. */
static bool panic_event(const char *panic, enum event *ret_event)
{
	static const struct {
		const char *words;
		enum event event;
	} known[] = {
		{ "softlockup", EVENT_SOFT_LOCKUP },
		{ "soft lockup", EVENT_SOFT_LOCKUP },
		{ "Hard LOCKUP", EVENT_HARD_LOCKUP },
		{ "hard LOCKUP", EVENT_HARD_LOCKUP },
		{ "hung_task", EVENT_HUNG_TASK },
		{ "RCU Stall", EVENT_RCU_STALL },
		{ "workqueue", EVENT_WORKQUEUE_LOCKUP },
		{ "Fatal exception", EVENT_OOPS },
		{ "Oops", EVENT_OOPS },
		{ "Fatal trap", EVENT_OOPS },
		/* An oops with a crash kernel loaded goes there before panic() has said a word. */
		{ "NULL pointer", EVENT_OOPS },
		{ "nable to handle", EVENT_OOPS },
		{ "general protection fault", EVENT_OOPS },
		{ "kernel BUG at", EVENT_OOPS },
		{ "invalid opcode", EVENT_OOPS },
		{ "divide error", EVENT_OOPS },
		{ "double fault", EVENT_OOPS },
		{ "stack guard page", EVENT_OOPS },
	};

	if (!panic)
		return false;
	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (strstr(panic, known[i].words)) {
			*ret_event = known[i].event;
			return true;
		}
	return false;
}

static int event_rank(enum event event)
{
	return event == EVENT_NONE ? 0 : event == EVENT_OOPS ? 1 : event == EVENT_DEADLOCK_REPORT ? 2 : 3;
}

/*
 * A transcript may show neither the panic's words nor the log, but the stack of the watchdog that
 * was at its report.
 */
static enum event stack_event(const struct stack *stack)
{
	static const struct {
		const char *function;
		enum event event;
	} watchdogs[] = {
		{ "watchdog_timer_fn", EVENT_SOFT_LOCKUP },
		{ "softlockup_tick", EVENT_SOFT_LOCKUP },
		{ "watchdog_overflow_callback", EVENT_HARD_LOCKUP },
		{ "watchdog_hardlockup_check", EVENT_HARD_LOCKUP },
		{ "check_hung_uninterruptible_tasks", EVENT_HUNG_TASK },
		{ "check_hung_task", EVENT_HUNG_TASK },
		{ "print_other_cpu_stall", EVENT_RCU_STALL },
		{ "print_cpu_stall", EVENT_RCU_STALL },
		{ "panic_on_rcu_stall", EVENT_RCU_STALL },
	};
	static const char *const speaks[] = { "panic", "_printk", "printk", "nmi_panic",
					      "show_regs", "dump_stack", "dump_stack_lvl",
					      "show_state_filter", "rcu_dump_cpu_stacks" };
	bool speaking = false;

	for (uint32_t i = 0; i < stack->n; i++) {
		const char *function = stack->frames[i].function;

		if (!stack->frames[i].reliable || !function)
			continue;
		for (size_t k = 0; k < sizeof(speaks) / sizeof(*speaks); k++)
			speaking |= function_same(function, speaks[k]);
		for (size_t k = 0; speaking && k < sizeof(watchdogs) / sizeof(*watchdogs); k++)
			if (function_same(function, watchdogs[k].function))
				return watchdogs[k].event;
	}
	return EVENT_NONE;
}

struct happening event_find(const struct snapshot *snapshot)
{
	struct happening h = { EVENT_NONE, NULL };
	bool by_panic = panic_event(snapshot->panic, &h.event);

	for (uint32_t i = snapshot->n_reports; i > 0; i--) {
		const struct report *report = &snapshot->reports[i - 1];
		enum event event = report_event(report->kind);

		if (event == EVENT_NONE)
			continue;
		if (by_panic) {
			/* The report that made it panic is the last of its kind. */
			if (event == h.event) {
				h.report = report;
				break;
			}
			continue;
		}
		/*
		 * Of several without a panic: the first lockup. What lockdep foresaw, and an oops, only
		 * where nothing locked up.
		 */
		if (event_rank(event) >= event_rank(h.event)) {
			h.event = event;
			h.report = report;
		}
	}
	if (snapshot->kind == SOURCE_CRASH_TRANSCRIPT)
		for (uint32_t i = 0; i < snapshot->n_cpus && h.event == EVENT_NONE; i++)
			h.event = stack_event(&snapshot->cpus[i].stack);
	return h;
}

const struct report *event_names(const struct snapshot *snapshot, const struct actor *actor)
{
	uint32_t pid = actor_pid(snapshot, actor), cpu = actor_cpu(snapshot, actor);

	for (uint32_t i = snapshot->n_reports; i > 0; i--) {
		const struct report *report = &snapshot->reports[i - 1];
		enum event event = report_event(report->kind);

		if (event == EVENT_NONE || event == EVENT_OOPS)
			continue;
		if (report->pid != SNAPSHOT_NONE && pid != SNAPSHOT_NONE) {
			/* Every idle task has pid 0: only its CPU tells it. */
			if (report->pid != pid || (pid == 0 && report->cpu != cpu))
				continue;
			return report;
		}
		if (report->cpu != SNAPSHOT_NONE && report->cpu == cpu)
			return report;
	}
	return NULL;
}

/* Did the watchdog that reports in @actor's own stack interrupt what it does? */
static bool watchdog_struck(const struct actor *actor)
{
	static const char *const own_cpu[] = { "watchdog_timer_fn", "softlockup_tick",
					       "watchdog_overflow_callback" };

	if (stack_event(actor->stack) == EVENT_NONE)
		return false;
	for (uint32_t i = 0; i < actor->first && i < actor->stack->n; i++)
		for (size_t k = 0; k < sizeof(own_cpu) / sizeof(*own_cpu); k++)
			if (function_same(actor->stack->frames[i].function, own_cpu[k]))
				return true;
	return false;
}

bool actor_is_stuck(const struct snapshot *snapshot, const struct actor *actor)
{
	if (event_names(snapshot, actor))
		return true;
	if (actor->cpu < snapshot->n_cpus) {
		const struct cpu *cpu = &snapshot->cpus[actor->cpu];

		if (actor->idle || actor->user)
			return false;
		if (snapshot->kind == SOURCE_CRASH_TRANSCRIPT && watchdog_struck(actor))
			return true;
		if (cpu->stuck_ns >= STUCK_NS)
			return true;
		/*
		 * Its thread is due every 0.8 of watchdog_thresh (kernel/watchdog.c,
		 * set_sample_period()); a second turn missed is no delay any more.
		 */
		return snapshot->watchdog_thresh_ns && cpu->watchdog_ns != SNAPSHOT_NO_TIME &&
		       cpu->watchdog_ns > snapshot->watchdog_thresh_ns / 5 * 8;
	}
	if (actor->task < snapshot->n_tasks) {
		const struct task *task = &snapshot->tasks[actor->task];

		return task->state == TASK_STATE_UNINTERRUPTIBLE && actor->wait &&
		       task->last_ran_ns != SNAPSHOT_NO_TIME && task->last_ran_ns >= HUNG_TASK_NS;
	}
	return false;
}
