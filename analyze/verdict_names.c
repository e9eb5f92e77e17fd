// SPDX-License-Identifier: GPL-2.0-or-later
#include "verdict.h"

/* The names of the JSON contract, schema holdup.verdict/1: they never change, only grow. */

#define NAME(table, value)                                                                       \
	((size_t)(value) < sizeof(table) / sizeof((table)[0]) && (table)[value] ? (table)[value] \
										: "unknown")

const char *event_name(enum event event)
{
	static const char *const names[] = {
		[EVENT_NONE] = "none",
		[EVENT_SOFT_LOCKUP] = "soft-lockup",
		[EVENT_HARD_LOCKUP] = "hard-lockup",
		[EVENT_RCU_STALL] = "rcu-stall",
		[EVENT_HUNG_TASK] = "hung-task",
		[EVENT_SPINLOCK_LOCKUP] = "spinlock-lockup",
		[EVENT_SPINLOCK_RECURSION] = "spinlock-recursion",
		[EVENT_WORKQUEUE_LOCKUP] = "workqueue-lockup",
		[EVENT_DEADLOCK_REPORT] = "deadlock-report",
		[EVENT_EARLY_WARNING] = "early-warning",
		[EVENT_OOPS] = "oops",
	};

	return NAME(names, event);
}

const char *pattern_name(enum pattern pattern)
{
	static const char *const names[] = {
		[PATTERN_NONE] = "none",
		[PATTERN_UNKNOWN] = "unknown",
		[PATTERN_LONG_HOLD] = "long-hold",
		[PATTERN_SELF_DEADLOCK] = "self-deadlock",
		[PATTERN_CYCLE] = "cycle",
		[PATTERN_LOST_HOLDER] = "lost-holder",
		[PATTERN_BUSY_LOOP] = "busy-loop",
		[PATTERN_LIVELOCK] = "livelock",
		[PATTERN_IRQ_STORM] = "irq-storm",
		[PATTERN_IPI_WAIT] = "ipi-wait",
		[PATTERN_IO_WAIT] = "io-wait",
		[PATTERN_STARVATION] = "starvation",
		[PATTERN_CONTENTION] = "contention",
	};

	return NAME(names, pattern);
}

const char *lock_kind_name(enum lock_kind kind)
{
	static const char *const names[] = {
		[LOCK_UNKNOWN] = "unknown",
		[LOCK_SPINLOCK] = "spinlock",
		[LOCK_RWLOCK] = "rwlock",
		[LOCK_MUTEX] = "mutex",
		[LOCK_RWSEM] = "rwsem",
		[LOCK_SEMAPHORE] = "semaphore",
		[LOCK_RTMUTEX] = "rtmutex",
		[LOCK_PERCPU_RWSEM] = "percpu-rwsem",
		[LOCK_COMPLETION] = "completion",
		[LOCK_RCU] = "rcu",
		[LOCK_CSD] = "csd",
		[LOCK_WORKQUEUE] = "workqueue",
		[LOCK_SEQCOUNT] = "seqcount",
		[LOCK_BIT_SPINLOCK] = "bit-spinlock",
		[LOCK_WAITQUEUE] = "waitqueue",
		[LOCK_IO] = "io",
		[LOCK_FUTEX] = "futex",
	};

	return NAME(names, kind);
}

const char *role_name(enum role role)
{
	static const char *const names[] = {
		[ROLE_UNKNOWN] = "unknown",	[ROLE_WAITER] = "waiter", [ROLE_HOLDER] = "holder",
		[ROLE_BYSTANDER] = "bystander", [ROLE_IDLE] = "idle",	  [ROLE_PANIC] = "panic",
	};

	return NAME(names, role);
}

const char *frame_context_name(enum frame_context context)
{
	static const char *const names[] = {
		[CONTEXT_TASK] = "task", [CONTEXT_SOFTIRQ] = "softirq",	    [CONTEXT_IRQ] = "irq",
		[CONTEXT_NMI] = "nmi",	 [CONTEXT_EXCEPTION] = "exception",
	};

	return NAME(names, context);
}

const char *source_kind_name(enum source_kind kind)
{
	static const char *const names[] = {
		[SOURCE_VMCORE] = "vmcore",
		[SOURCE_CONSOLE_LOG] = "console-log",
		[SOURCE_CRASH_TRANSCRIPT] = "crash-transcript",
		[SOURCE_INCIDENT] = "incident",
		[SOURCE_LIVE] = "live",
	};

	return NAME(names, kind);
}

const char *task_state_name(enum task_state state)
{
	static const char *const names[] = {
		[TASK_STATE_UNKNOWN] = "unknown",
		[TASK_STATE_RUNNING] = "running",
		[TASK_STATE_INTERRUPTIBLE] = "interruptible",
		[TASK_STATE_UNINTERRUPTIBLE] = "uninterruptible",
		[TASK_STATE_IDLE] = "idle",
		[TASK_STATE_STOPPED] = "stopped",
		[TASK_STATE_DEAD] = "dead",
	};

	return NAME(names, state);
}
