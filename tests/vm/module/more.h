/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Further scenarios, from 21 up: lockups that a reader of dumps is easily wrong about. Each has an
 * "innocent" where one is told: a CPU that looks like the holder and is not, and that makes
 * progress, so that no watchdog may complain about it.
 */
#ifndef HOLDUP_LAB_MORE_H
#define HOLDUP_LAB_MORE_H

#include "lab.h"

#define LAB_MORE_FIRST 21

/* Start scenario @id of LAB_MORE_FIRST and above. 0 or a negative errno. */
int lab_more_start(int id);

int more_hold_start(int id);  /* 21 to 30: who holds a spinlock, by its code */
int more_spin_start(int id);  /* 31 to 40: other ways to spin */
int more_sleep_start(int id); /* 41 to 51: sleeping locks */
int more_wait_start(int id);  /* 52 to 60: timers, works, other CPUs, RCU */
int more_gone_start(int id);  /* 61 to 66: takers that are gone; nothing wrong at all */

/* @fn on each CPU from @first to @last. */
static inline int lab_threads_start(int (*fn)(void *data), void *data, unsigned int first,
				    unsigned int last, const char *name)
{
	unsigned int cpu;
	int r = 0;

	for (cpu = first; cpu <= last && !r; cpu++)
		r = lab_thread_start(fn, data, cpu, name);
	return r;
}

#endif
