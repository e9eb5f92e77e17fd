/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HOLDUPD_WORKER_H
#define HOLDUPD_WORKER_H

#include <sys/types.h>

#include "incident.h"

/*
 * A child that takes snapshots, diagnoses and saves them. It is forked when all is well, so that
 * in a lockup nothing must be forked (which would wait for other CPUs to flush their TLBs), and
 * reading the kernel's memory cannot hang the daemon: the daemon waits for an answer only so long.
 */
struct worker;

int worker_new(const struct config *config, const struct probes *probes,
	       struct worker **ret_worker);
/* Ends the child; does not wait for one that hangs in the kernel. */
void worker_free(struct worker *worker);

pid_t worker_pid(const struct worker *worker);
/* Readable when a report has come. */
int worker_fd(const struct worker *worker);

/* 0 or -errno when there is no worker any more. */
int worker_prepare(struct worker *worker);
int worker_ask(struct worker *worker, const struct watch_finding *finding);
/* 0, -EAGAIN: none is there, or -errno: the worker is gone. */
int worker_report(struct worker *worker, struct incident_report *ret_report);

#endif
