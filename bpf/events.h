/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef HOLDUP_EVENTS_H
#define HOLDUP_EVENTS_H

/*
 * What the BPF side writes and the daemon (or a dump's reader) reads: the one header that both
 * include. Fixed-width types only, explicit padding, values never renumbered. Including files
 * provide uint32_t and the like (bpf/kernel_types.h or <stdint.h>).
 */

#define EV_MAGIC 0x52465055444c4f48ULL /* "HOLDUPFR" as it stands in memory */
#define EV_VERSION 1

#define EV_STACK_MAX 48	  /* return addresses kept of a kernel stack */
#define EV_SPINS_MAX 4	  /* spinning waits that may nest on one CPU: task, softirq, irq, NMI */
#define EV_SLEEPS_MAX 1024 /* tasks asleep in a contended lock at the same time; a power of two */
#define EV_PROBES 8	  /* slots looked at for one task's sleeping wait */

/* Modes of a sample; bits. */
#define EV_SAMPLE_USER 1u     /* the tick struck user mode */
#define EV_SAMPLE_IDLE 2u     /* the idle task, outside of any interrupt */
#define EV_SAMPLE_IRQS_OFF 4u /* interrupts were off where it struck (NMI samplers only) */
#define EV_SAMPLE_PREEMPT 8u  /* preempt_count below is known */
#define EV_SAMPLE_RUNNING 16u /* nr_running below is known */

/* Order of ev_sample.regs. */
enum ev_reg {
	EV_REG_IP = 0,
	EV_REG_SP = 1,
	EV_REG_FLAGS = 2,
	EV_REG_RAX = 3,
	EV_REG_RBX = 4,
	EV_REG_RCX = 5,
	EV_REG_RDX = 6,
	EV_REG_RSI = 7,
	EV_REG_RDI = 8,
	EV_REG_RBP = 9,
	EV_REG_R8 = 10,
	EV_REG_R9 = 11,
	EV_REG_R10 = 12,
	EV_REG_R11 = 13,
	EV_REG_R12 = 14,
	EV_REG_R13 = 15,
	EV_REG_R14 = 16,
	EV_REG_R15 = 17,
	EV_REG_CS = 18,
	EV_REG_SS = 19,
	EV_REGS = 20,
};

/* Bits of a contention event's flags, as include/trace/events/lock.h (5.19, 16edd9b511a1). */
#define EV_LOCK_SPIN 1u
#define EV_LOCK_READ 2u
#define EV_LOCK_WRITE 4u
#define EV_LOCK_RT 8u
#define EV_LOCK_PERCPU 16u
#define EV_LOCK_MUTEX 32u

/* A wait that is open now: begun and not ended. */
struct ev_wait {
	uint64_t lock;	   /* its address */
	uint64_t since_ns; /* CLOCK_MONOTONIC at its begin */
	uint32_t flags;	   /* EV_LOCK_* */
	uint32_t pid;	   /* of the task that waits, or that the interrupt struck */
};
_Static_assert(sizeof(struct ev_wait) == 24, "frozen");

/* One CPU's waits in a spin: written by that CPU alone, in nesting order. */
struct ev_cpu_waits {
	uint32_t depth;	  /* open waits; those past EV_SPINS_MAX are counted only */
	uint32_t busy;	  /* the CPU is inside one of our lock programs: the re-entry guard */
	uint64_t begun;	  /* contention events since the start */
	uint64_t missed;  /* events that found the guard taken */
	uint64_t lost;	  /* waits past EV_SPINS_MAX, or for which no sleeping slot was free */
	struct ev_wait waits[EV_SPINS_MAX];
};
_Static_assert(sizeof(struct ev_cpu_waits) == 128, "frozen");

/* One task that sleeps (or is about to) for a contended lock; free when @pid is 0. */
struct ev_sleep {
	uint32_t pid;
	uint32_t flags;
	uint64_t lock;
	uint64_t since_ns;
	uint64_t task; /* struct task_struct */
};
_Static_assert(sizeof(struct ev_sleep) == 32, "frozen");

/*
 * What one CPU did when its sampler last ticked; written by that CPU alone. A reader takes @seq
 * before and after: odd or changed means torn.
 */
struct ev_sample {
	uint32_t seq;
	uint32_t mode;		 /* EV_SAMPLE_* */
	uint64_t tick_ns;	 /* CLOCK_MONOTONIC of this tick; 0: none yet */
	uint64_t stuck_since_ns; /* first tick of a streak, 0 none: see sampler.bpf.c */
	uint64_t switches;	 /* nvcsw + nivcsw of the current task */
	uint64_t task;		 /* struct task_struct */
	uint32_t pid;		 /* thread id */
	uint32_t tgid;
	char comm[16];
	uint32_t preempt_count; /* without our own tick's interrupt */
	uint32_t nr_running;	/* on this CPU's run queue */
	uint64_t late_max_ns;	/* the longest that a tick came late: interrupts were off so long */
	uint64_t late_at_ns;	/* when that was */
	uint64_t ticks;		/* since the start */
	uint32_t stack_n;	/* addresses in @stack, 0 when it was not kept */
	uint32_t pad;
	uint64_t regs[EV_REGS]; /* of a tick in the kernel, when the stack was kept */
	uint64_t stack[EV_STACK_MAX]; /* innermost first */
};
_Static_assert(sizeof(struct ev_sample) == 104 + 160 + 384, "frozen");

/* The one element of the map "settings": written by the daemon, but for the last two. */
struct ev_settings {
	uint64_t period_ns;	 /* of the sampler */
	uint64_t keep_ns;	 /* a streak this old has its stack and registers kept */
	uint64_t daemon_seen_ns; /* CLOCK_MONOTONIC of the daemon's last sign of life */
	uint64_t dormant_ns;	 /* silence of the daemon after which the programs do nothing */
	uint32_t n_cpus;	 /* elements of the maps by CPU */
	uint32_t pad;
	uint64_t alarm_ns; /* when a CPU last saw itself stuck, or another without a tick */
	uint64_t wake_ns;  /* when the daemon was last sent a record */
};
_Static_assert(sizeof(struct ev_settings) == 56, "frozen");

/* A spell in the flight recorder, see flight.bpf.h. */
enum ev_flight_kind {
	EV_FLIGHT_NONE = 0,
	EV_FLIGHT_STUCK = 1, /* a CPU's no-switch streak */
	EV_FLIGHT_WAIT = 2,  /* a spinning wait, still open */
	EV_FLIGHT_LATE = 3,  /* a tick came late: interrupts were off */
};

struct ev_flight {
	uint32_t kind; /* enum ev_flight_kind */
	uint32_t cpu;
	uint64_t since_ns; /* when the spell began */
	uint64_t last_ns;  /* when it was last seen to go on */
	uint64_t lock;	   /* EV_FLIGHT_WAIT */
	uint32_t flags;
	uint32_t pid;
	char comm[16];
	uint32_t stack_n;
	uint32_t pad;
	uint64_t stack[EV_STACK_MAX];
};
_Static_assert(sizeof(struct ev_flight) == 64 + 384, "frozen");

#define EV_FLIGHTS 8 /* spells kept of one CPU; a power of two */

/* One CPU's part of the recorder: an element of the map "holdup_flight". */
struct ev_flight_cpu {
	uint64_t magic;	  /* EV_MAGIC once written to */
	uint32_t version; /* EV_VERSION */
	uint32_t size;	  /* of this structure */
	uint32_t cpu;
	uint32_t pad;
	uint64_t n; /* spells ever begun; the latest is spells[(n - 1) % EV_FLIGHTS] */
	struct ev_flight spells[EV_FLIGHTS];
};
_Static_assert(sizeof(struct ev_flight_cpu) == 32 + EV_FLIGHTS * 448, "frozen");

/* Sent through the ring by a CPU that is well, so that the daemon wakes there. */
struct ev_wake {
	uint64_t time_ns;
	uint32_t cpu; /* that sent it */
	uint32_t pad;
};
_Static_assert(sizeof(struct ev_wake) == 16, "frozen");

#endif
