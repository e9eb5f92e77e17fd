/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HOLDUP_SNAPSHOT_H
#define HOLDUP_SNAPSHOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "regs.h"
#include "util/arena.h"

/*
 * A snapshot: the facts about one stuck kernel at one moment, from whatever source. Sources fill
 * it, diagnose() reads it, nobody else writes it. Each fact may be unknown: numbers that may be
 * unknown are SNAPSHOT_NONE or have a has_ flag, strings are NULL, arrays are empty. All memory,
 * strings included, is in the snapshot's arena.
 */

#define SNAPSHOT_NONE UINT32_MAX /* an index, CPU or pid that is not known */
#define SNAPSHOT_NO_TIME UINT64_MAX

enum source_kind {
	SOURCE_VMCORE,
	SOURCE_CONSOLE_LOG,
	SOURCE_CRASH_TRANSCRIPT,
	SOURCE_INCIDENT,
	SOURCE_LIVE,
};

/* What the CPU was doing when this frame's function was entered. */
enum frame_context {
	CONTEXT_TASK,
	CONTEXT_SOFTIRQ,
	CONTEXT_IRQ,
	CONTEXT_NMI,
	CONTEXT_EXCEPTION,
};

struct frame {
	uint64_t address;     /* of the instruction (innermost, interrupted) or return address; 0 unknown */
	const char *function; /* with .constprop and the like as in the kernel; NULL unknown */
	uint32_t offset;      /* of address in function; SNAPSHOT_NONE unknown */
	uint32_t size;	      /* of function, 0 unknown */
	const char *module;   /* NULL for the kernel proper */
	enum frame_context context;
	bool interrupted;     /* address is where an interrupt or exception struck, not a return */
	bool reliable;	      /* false: from a scan or a '?' frame, never evidence on its own */
	bool inlined;
	const char *file;     /* NULL unknown */
	uint32_t line;
	uint64_t sp;	      /* stack pointer inside the frame, 0 unknown */
	const struct regs *regs; /* registers at this frame: innermost and interrupted ones, or NULL */
	/*
	 * Read from the function's code (dump, live): the locks it has taken in its own body to get
	 * here, so that "inside the critical section" is read and not guessed.
	 */
	bool code_read;
	const struct held_call *held;
	uint32_t n_held;
	const char *callee;   /* lock function that the call at a return address calls, or NULL */
	uint64_t callee_lock; /* the lock that it passes, 0 unknown */
	const struct kept_regs *saved; /* callee-saved registers as this function has them, or NULL */
};

/* One call that took a lock on the way to a frame's address, and was not undone. */
struct held_call {
	uint64_t address;     /* return address of the call */
	const char *target;   /* "_raw_spin_lock_bh" */
	const char *via;      /* the function called here that took it and came back with it; NULL:
			       * it was taken here */
	uint64_t lock;	      /* address of the lock it took, 0 unknown */
	bool always;	      /* on every way here; false: only on some */
};

struct stack {
	struct frame *frames; /* innermost first */
	uint32_t n;
	const char *stopped;  /* why the unwind ended early, NULL when it ended at the bottom */
};

enum lock_kind {
	LOCK_UNKNOWN,
	LOCK_SPINLOCK,
	LOCK_RWLOCK,
	LOCK_MUTEX,
	LOCK_RWSEM,
	LOCK_SEMAPHORE,
	LOCK_RTMUTEX,
	LOCK_PERCPU_RWSEM,
	LOCK_COMPLETION,
	LOCK_RCU,
	LOCK_CSD,	/* call_single_data: a wait for another CPU to run a function */
	LOCK_WORKQUEUE, /* flush or cancel of work */
	LOCK_SEQCOUNT,
	LOCK_BIT_SPINLOCK,
	LOCK_WAITQUEUE, /* a wait for an event that has no lock */
	LOCK_IO,	/* buffer, page, request */
	LOCK_FUTEX,
};

/* How an owner is known; ordered by how far it can be trusted, best first. */
enum owner_source {
	OWNER_NONE,
	OWNER_PROBE,  /* hold probes' owner record */
	OWNER_STORED, /* in the lock itself: mutex, rwsem writer, rtmutex, DEBUG_SPINLOCK */
	OWNER_HINT,   /* in the lock, but may be stale: the last reader of an rwsem */
	OWNER_REPORTED, /* a line of the kernel's own ("likely owned by", lockdep's held locks) */
};

struct lock {
	uint64_t address;      /* 0 unknown */
	enum lock_kind kind;
	const char *name;      /* "rtnl_mutex", "ip_set.lock"; NULL unknown */
	bool has_word;
	uint64_t word;	       /* raw lock word */
	const char *word_text; /* decoded, for people: "locked, pending, tail CPU 3" */
	/* Decoded state; -1 unknown. */
	int8_t locked;	       /* is anybody in it */
	int8_t writer;	       /* rwlock, rwsem: held for writing */
	int32_t readers;       /* rwlock, rwsem: readers inside */
	int32_t tail_cpu;      /* qspinlock: CPU last in the queue, -1 none or unknown */
	enum owner_source owner_source;
	uint32_t owner_pid;    /* SNAPSHOT_NONE unknown */
	uint64_t owner_task;   /* task_struct address, 0 unknown */
	uint32_t owner_cpu;    /* SNAPSHOT_NONE unknown; csd: the CPU that must answer */
	bool owner_gone;       /* the stored owner is no live task */
	const char *owner_function; /* from a probe or report: where it was taken */
	uint64_t held_ns;      /* SNAPSHOT_NO_TIME unknown */
};

/* A place that waits on a lock, tied to the frame of its stack that does so. */
struct wait {
	uint32_t lock;	       /* index in snapshot->locks; SNAPSHOT_NONE: which lock is unknown */
	uint32_t frame;	       /* index of the outermost primitive frame ("_raw_spin_lock") */
	int8_t write;	       /* 1 for writing, 0 for reading, -1 no such mode or unknown */
	int32_t queue_pos;     /* place in the lock's own queue from 0, -1 unknown */
	uint64_t waited_ns;    /* SNAPSHOT_NO_TIME unknown */
	bool queued_behind;    /* spins in the queue's own spinlock, inside a rwlock's slow path */
	bool slow;	       /* in the primitive's slow path or asleep in it: it does wait; false: it
				* may just be passing (or spins inline, as kernels before 4.2 do) */
	bool inlined;	       /* ->frame is no primitive: the function that waits has the loop inside;
				* its ->callee says which, its ->callee_lock for what */
	enum lock_kind kind;   /* by the primitive, also where the lock itself is unknown */
};

/* A lock's address seen in the registers or in the stack of somebody. */
struct lock_ref {
	uint32_t lock;	     /* index in snapshot->locks */
	uint32_t frame;	     /* the frame whose registers or own stack slots hold the address */
	const char *where;   /* "RBX" or "stack slot" */
};

enum task_state {
	TASK_STATE_UNKNOWN,
	TASK_STATE_RUNNING,
	TASK_STATE_INTERRUPTIBLE,
	TASK_STATE_UNINTERRUPTIBLE,
	TASK_STATE_IDLE, /* TASK_IDLE: uninterruptible that does not count as load */
	TASK_STATE_STOPPED,
	TASK_STATE_DEAD,
};

struct task {
	uint64_t address;    /* task_struct, 0 unknown */
	uint32_t pid, tgid;  /* SNAPSHOT_NONE unknown */
	const char *comm;
	enum task_state state;
	uint32_t cpu;	     /* where it runs or last ran; SNAPSHOT_NONE unknown */
	bool on_cpu;	     /* it is the current task of that CPU */
	bool kthread;
	bool holds_locks;    /* lockdep counted some, but could not list them as it was running */
	bool starved;	     /* runnable, and the kernel says that it gets no CPU; ->cpu is where */
	uint64_t last_ran_ns; /* how long ago it last got a CPU; SNAPSHOT_NO_TIME unknown */
	uint64_t start_ns;   /* boot-time clock at which it was created; SNAPSHOT_NO_TIME unknown */
	struct stack stack;  /* of a task on no CPU; a running one's is the CPU's */
	struct wait *waits;  /* innermost first */
	uint32_t n_waits;
	struct lock_ref *refs;
	uint32_t n_refs;
};

struct cpu {
	uint32_t id;
	bool online;
	bool has_stack;	     /* the source showed this CPU at all */
	struct stack stack;
	struct regs regs;    /* at the moment of the snapshot; known == 0: none (see why_no_regs) */
	const char *why_no_regs;
	uint32_t task;	     /* index in snapshot->tasks of the current task; SNAPSHOT_NONE */
	bool idle;	     /* its current task is the idle task */
	bool user;	     /* it was in user mode */
	bool panic;	     /* it ran the panic */
	int8_t irqs_off;     /* 1, 0, -1 unknown: at the deepest interrupted or running frame */
	bool has_preempt;
	uint32_t preempt_count; /* raw __preempt_count without the need-resched bit */
	uint64_t no_switch_ns;	/* since the last context switch; SNAPSHOT_NO_TIME unknown */
	uint64_t watchdog_ns;	/* since the soft-lockup watchdog's thread last ran here (its touch
				 * timestamp); SNAPSHOT_NO_TIME unknown */
	uint64_t stuck_ns;	/* a sampler has seen it in the kernel for so long without the
				 * switch that was due; 0: not, or there is no sampler */
	uint64_t last_tick_ns;	/* since its clock was last updated by a tick; SNAPSHOT_NO_TIME */
	uint32_t nr_running;	/* runnable tasks on its queue, SNAPSHOT_NONE unknown */
	struct wait *waits;  /* innermost first: an interrupt may wait over a task that waits */
	uint32_t n_waits;
	struct lock_ref *refs;
	uint32_t n_refs;
};

/* What the kernel's own watchdogs said. */
enum report_kind {
	REPORT_SOFT_LOCKUP,
	REPORT_HARD_LOCKUP,
	REPORT_RCU_STALL,
	REPORT_HUNG_TASK,
	REPORT_SPINLOCK_LOCKUP,
	REPORT_SPINLOCK_RECURSION,
	REPORT_WORKQUEUE_LOCKUP,
	REPORT_DEADLOCK, /* lockdep */
	REPORT_OOPS,	 /* BUG, NULL pointer, general protection fault, die() */
	REPORT_CSD_LOCKUP,
	REPORT_SCHED_ATOMIC,
	REPORT_PANIC,
	REPORT_SYSRQ,	 /* a crash asked for by hand */
};

struct report {
	enum report_kind kind;
	uint64_t time_us;    /* printk clock; SNAPSHOT_NO_TIME unknown */
	uint32_t cpu;	     /* the stuck CPU it names; SNAPSHOT_NONE */
	uint32_t pid;	     /* the task it names */
	const char *comm;
	const char *function; /* RIP or the function it names */
	uint64_t stuck_ns;   /* for how long, by its own words; SNAPSHOT_NO_TIME */
	const char *text;    /* the line itself, without prefix */
};

/*
 * A deadlock that lockdep foresees (kernel/locking/lockdep.c). A task takes @wanted while it holds
 * @held, and others take them the other way round; or @wanted is taken with interrupts on although
 * an interrupt takes it too. Locks are lock classes, by name.
 */
struct deadlock {
	uint32_t report;     /* index in snapshot->reports */
	uint32_t task;	     /* index in snapshot->tasks of who was about to; SNAPSHOT_NONE */
	uint32_t cpu, pid;   /* SNAPSHOT_NONE unknown */
	const char *comm;
	uint32_t wanted;     /* index in snapshot->locks */
	const char *wanted_at; /* the function that takes it */
	const char *primitive; /* NULL unknown */
	uint32_t held;	     /* SNAPSHOT_NONE: none, the lock's own use is inconsistent */
	const char *held_at;
	const char *irq_function, *irq_primitive; /* who takes @wanted in an interrupt; NULL */
	struct lock_link *links; /* each is taken while the next one is held; @held first */
	uint32_t n_links;
};

struct lock_link {
	uint32_t lock;
	const char *function, *primitive; /* where it is taken so; NULL unknown */
};

struct snapshot {
	struct arena arena;
	enum source_kind kind;
	const char *path;
	const char *kernel_release, *kernel_version, *build_id, *arch, *nodename;
	uint32_t n_cpus_total;	/* CPUs of the machine, SNAPSHOT_NONE unknown */
	bool has_uptime;
	double uptime_s;
	bool has_loadavg;
	double loadavg[3];
	uint64_t watchdog_thresh_ns; /* kernel.watchdog_thresh, 0 unknown; a soft lockup is twice it */
	const char *panic;	/* the panic string, NULL: no panic */
	uint32_t panic_cpu, panic_pid;
	const char *panic_comm;
	bool partial;		/* something that belongs to the source could not be read */
	struct cpu *cpus;
	uint32_t n_cpus;
	struct task *tasks;	/* current tasks of the CPUs first, then blocked ones, then others */
	uint32_t n_tasks;
	struct lock *locks;
	uint32_t n_locks;
	struct report *reports; /* oldest first */
	uint32_t n_reports;
	struct deadlock *deadlocks; /* in the order of their reports */
	uint32_t n_deadlocks;
	const char *log;	/* kernel log text, NULL none */
	size_t log_size;
	const char **unknowns;	/* one plain sentence each: what the source could not tell and why */
	uint32_t n_unknowns;
};

void snapshot_init(struct snapshot *snapshot);
void snapshot_done(struct snapshot *snapshot);

/* The index of the task with @pid that may be looked at for evidence, or SNAPSHOT_NONE. */
uint32_t snapshot_task_by_pid(const struct snapshot *snapshot, uint32_t pid);
uint32_t snapshot_task_by_address(const struct snapshot *snapshot, uint64_t address);

/* The index in snapshot->cpus of CPU number @id, or SNAPSHOT_NONE. */
uint32_t snapshot_cpu_by_id(const struct snapshot *snapshot, uint32_t id);

#endif
