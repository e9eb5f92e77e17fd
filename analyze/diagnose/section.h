/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HOLDUP_DIAGNOSE_SECTION_H
#define HOLDUP_DIAGNOSE_SECTION_H

#include "snapshot.h"

enum section {
	SECTION_UNKNOWN, /* the function's code was not read */
	SECTION_OUTSIDE, /* read: no lock of that kind is held at this address */
	SECTION_MAYBE,	 /* read: held on some of the ways that lead here */
	SECTION_INSIDE,  /* read: held on all of them */
	SECTION_EXACT,	 /* and it is this very lock that was taken, by its address */
};

/*
 * Is @frame's address inside a critical section of a lock of @kind, taken in @frame's own
 * function? @write: 1 or 0 when only that mode counts, -1 for any. @address: the lock's, 0 unknown;
 * calls that are known to have taken another lock do not count. *@ret_site is the call that took it
 * (from SECTION_MAYBE up; @ret_site may be NULL).
 */
enum section frame_section(const struct frame *frame, enum lock_kind kind, int write,
			   uint64_t address, const struct held_call **ret_site);

/*
 * By the scheduler's own order of things, for sources that show no code: does whoever is in @index
 * of @stack hold its CPU's run queue lock there? The scheduler takes it in one function and calls
 * others with it held; some of them let go of it, which ends it for the frames outside of them.
 * @from: the innermost frame that counts.
 */
bool frame_holds_run_queue(const struct stack *stack, uint32_t from, uint32_t index);

/* Is what @wait of @stack waits for a run queue's lock, by the names of the functions? */
bool wait_is_for_run_queue(const struct stack *stack, const struct wait *wait);

#endif
