/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HOLDUPD_WATCH_H
#define HOLDUPD_WATCH_H

#include <stdbool.h>
#include <stdint.h>

/*
 * The judgement of the daemon: is somebody held up, since when, and what is to be done about it.
 * Pure: what the probes saw and the time are passed in. All times are CLOCK_MONOTONIC in ns.
 */

#define WATCH_WAITS 4

/* One CPU as its sampler and the lock programs left it. */
struct watch_cpu {
	uint32_t cpu;
	bool online;
	uint64_t tick_ns;	 /* its last tick, 0: none yet */
	uint64_t stuck_since_ns; /* of its no-switch streak, 0: none */
	uint32_t n_waits;	 /* open spins, outermost first */
	struct watch_wait {
		uint64_t lock, since_ns;
	} waits[WATCH_WAITS];
};

/* A task asleep in a contended lock. */
struct watch_sleep {
	uint32_t pid;
	uint64_t lock, since_ns;
};

struct watch_limits {
	uint64_t period_ns; /* of the sampler */
	uint64_t notice_ns, warning_ns, critical_ns;
	uint64_t sleep_ns;  /* a sleeping wait this long is a warning; 0: never */
};

enum watch_level {
	WATCH_QUIET = 0,
	WATCH_NOTICE = 1, /* nothing is said yet; the analysis gets ready */
	WATCH_WARNING = 2,
	WATCH_CRITICAL = 3,
};

enum watch_reason {
	WATCH_NOTHING = 0,
	WATCH_WAIT = 1,	  /* a spin for a lock goes on */
	WATCH_STUCK = 2,  /* a CPU is in the kernel without the switch that is due */
	WATCH_SILENT = 3, /* a CPU's sampler does not tick: its interrupts are off, or it is dead */
	WATCH_SLEEP = 4,  /* a task sleeps for a lock too long */
};

struct watch_finding {
	enum watch_level level;
	enum watch_reason reason;
	uint32_t cpu;	/* UINT32_MAX: none (WATCH_SLEEP) */
	uint32_t pid;	/* WATCH_SLEEP */
	uint64_t lock;	/* WATCH_WAIT, WATCH_SLEEP */
	uint64_t since_ns;
	uint64_t for_ns;
};

/* The worst of what is seen; at the same level a wait tells more than a streak, and is preferred. */
struct watch_finding watch_judge(const struct watch_cpu *cpus, uint32_t n_cpus,
				 const struct watch_sleep *sleeps, uint32_t n_sleeps,
				 const struct watch_limits *limits, uint64_t now_ns);

/* Is the spin at @i of @cpu open for certain, or may its end have been missed? */
bool watch_wait_is_open(const struct watch_cpu *cpu, uint32_t i, const struct watch_limits *limits);

/* What goes on over time: an episode lasts from the first notice until all is quiet for a while. */
struct watch {
	enum watch_level reported; /* the worst level reported of this episode */
	uint64_t calm_ns;	   /* since when nothing is found, 0: something is */
	bool prepared;
};

enum watch_action {
	WATCH_DO_NOTHING,
	WATCH_PREPARE,	/* open what an analysis needs */
	WATCH_REPORT,	/* take a snapshot, diagnose, save */
	WATCH_END,	/* the episode is over */
};

enum watch_action watch_step(struct watch *watch, const struct watch_finding *finding,
			     uint64_t now_ns);

const char *watch_level_name(enum watch_level level);
const char *watch_reason_name(enum watch_reason reason);

#endif
