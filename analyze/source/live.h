/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HOLDUP_SOURCE_LIVE_H
#define HOLDUP_SOURCE_LIVE_H

#include "snapshot.h"
#include "util/msgs.h"

/*
 * The running kernel as a source of snapshots: what the daemon's probes have seen of each CPU,
 * completed, where it can be read, from the kernel's own memory (/proc/kcore).
 */

#define LIVE_STACK_MAX 48
#define LIVE_WAITS_MAX 4

struct live_wait {
	uint64_t lock;	    /* address */
	uint64_t waited_ns;
	uint32_t flags;	    /* EV_LOCK_* of bpf/events.h */
	uint32_t pid;
};

struct live_cpu {
	uint32_t id;
	bool sampled;	    /* the sampler has ever ticked here; nothing below is known without */
	bool user, idle;
	uint64_t silent_ns; /* since its last tick */
	uint64_t stuck_ns;  /* of the no-switch streak, 0 none */
	uint32_t pid, tgid; /* current task at that tick */
	uint64_t task;	    /* struct task_struct */
	char comm[16];
	bool has_preempt;
	uint32_t preempt_count;
	struct regs regs;   /* known == 0: not kept */
	uint64_t stack[LIVE_STACK_MAX]; /* innermost first */
	uint32_t n_stack;
	struct live_wait waits[LIVE_WAITS_MAX]; /* innermost first */
	uint32_t n_waits;
};

struct live_state {
	struct live_cpu *cpus;
	uint32_t n_cpus;
	struct live_wait *sleeps; /* tasks that sleep for a lock */
	uint32_t n_sleeps;
};

/*
 * What is opened ahead of time, so that a snapshot costs little: the kernel's memory at @kcore
 * ("/proc/kcore"; NULL: do not try). Without it symbols come from /proc/kallsyms, and only what
 * the probes saw is known; why is said in the snapshot's unknowns. Open late: modules loaded
 * afterwards are not known. 0 or -ENOMEM.
 */
struct live;
int live_open(struct msgs *msgs, const char *kcore, struct live **ret_live);
void live_free(struct live *live);
bool live_has_memory(const struct live *live);

/* Once per handle. The snapshot is the caller's to snapshot_done(). 0 or -ENOMEM. */
int live_take(struct live *live, const struct live_state *state, struct snapshot *ret_snapshot);

#endif
