/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HOLDUPD_PROBES_H
#define HOLDUPD_PROBES_H

#include <stdbool.h>
#include <stdint.h>

#include "bpf/events.h"
#include "source/live.h"
#include "util/msgs.h"
#include "watch.h"

/*
 * The ladder: each probe attaches or is reported missing, with what is lost for it. The maps stay
 * mapped, so that reading what the probes saw costs no system call; a forked child shares them.
 */
enum probe {
	PROBE_SAMPLER,
	PROBE_COUNTS, /* the sampler's view of the preempt count */
	PROBE_WAITS,
	PROBES_N,
};

struct probe_state {
	const char *name;
	bool attached;
	char why[160];	  /* why not; empty when it is */
	const char *lost; /* what is lost without it */
};

struct probes;

/*
 * Loads and attaches. 0 also when some probes are missing; -errno with a line in @msgs when not
 * even the sampler can be had. @period_ns, @keep_ns, @dormant_ns: as in struct ev_settings.
 */
int probes_new(struct msgs *msgs, uint64_t period_ns, uint64_t keep_ns, uint64_t dormant_ns,
	       struct probes **ret_probes);
void probes_free(struct probes *probes);

const struct probe_state *probes_state(const struct probes *probes, enum probe probe);

/* Tells the programs that the daemon lives. */
void probes_beat(struct probes *probes, uint64_t now_ns);
/* A descriptor that becomes readable when a CPU that is well reports trouble; then drain it. */
int probes_fd(const struct probes *probes);
void probes_drain(struct probes *probes);

uint32_t probes_n_cpus(const struct probes *probes);
/* The judgement's inputs; arrays of probes_n_cpus() and EV_SLEEPS_MAX. */
void probes_read_watch(const struct probes *probes, struct watch_cpu *ret_cpus);
uint32_t probes_read_sleeps(const struct probes *probes, struct watch_sleep *ret_sleeps);

/* All that the probes know, for a snapshot; live_state_free() it. 0 or -ENOMEM. */
int probes_read_state(const struct probes *probes, const struct watch_limits *limits,
		      uint64_t now_ns, struct live_state *ret_state);
void live_state_free(struct live_state *state);

struct probe_counts {
	uint64_t ticks, begun, missed, lost;
	uint64_t late_max_ns;
	uint32_t late_cpu;
};
void probes_count(const struct probes *probes, struct probe_counts *ret_counts);

/* Which CPUs are online, by /sys; all of them when that cannot be read. */
void probes_online(const struct probes *probes, bool *ret_online);

#endif
