/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HOLDUPD_INCIDENT_H
#define HOLDUPD_INCIDENT_H

#include <jansson.h>

#include "config.h"
#include "probes.h"
#include "source/live.h"
#include "verdict.h"
#include "watch.h"

/* What of a saved incident goes into the journal and to whoever asked for it. Fixed size: it
 * travels from the worker to the daemon as one packet. */
struct incident_report {
	int result; /* 0 saved, -EAGAIN: the same again too soon, -ENODATA: no lockup yet, -errno */
	bool memory; /* the kernel's memory was read */
	uint32_t level;
	uint32_t reason;
	uint32_t holder_cpu, holder_pid, n_waiters; /* SNAPSHOT_NONE unknown */
	uint64_t for_ns;   /* of the spell that set it off */
	uint64_t taken_ns; /* CLOCK_MONOTONIC when the snapshot was begun */
	uint64_t saved_ns; /* and when the file was in its place */
	double confidence;
	char signature[33], event[32], pattern[32], lock[96], holder[96];
	char summary[512];
	char path[512];
	char error[256];
};

/*
 * Snapshot, diagnosis, file. @live may have been opened ahead. Always fills @ret_report. The file
 * is schema holdup.incident/1, docs/incident.md.
 */
void incident_make(const struct config *config, const struct probes *probes, struct live *live,
		   const struct watch_limits *limits, const struct watch_finding *finding,
		   struct incident_report *ret_report);

uint64_t clock_monotonic(void);
void watch_limits_from(const struct config *config, struct watch_limits *ret_limits);

#endif
