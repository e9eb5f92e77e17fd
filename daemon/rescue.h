/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HOLDUPD_RESCUE_H
#define HOLDUPD_RESCUE_H

#include <stdint.h>
#include <sys/types.h>

/*
 * A few threads, each bound to a CPU of its own, that look whether the daemon still runs. Where it
 * waits to run on a CPU that is stuck, the first of them to notice moves it over to its own: a
 * task that is queued can be moved, and only its wake-ups keep going to where it last ran.
 */
struct rescue;

/* For the thread that calls, on up to @n_cpus CPUs. 0 or -errno; a few threads less are no error. */
int rescue_new(uint32_t n_cpus, struct rescue **ret_rescue);
/* Threads that hang are left behind. */
void rescue_free(struct rescue *rescue);

/* The daemon lives. */
void rescue_beat(struct rescue *rescue, uint64_t now_ns);

/* @pid owes an answer since @now_ns: it is moved too when it is late; 0: nobody does. */
void rescue_expect(struct rescue *rescue, pid_t pid, uint64_t now_ns);

#endif
