/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HOLDUP_TESTS_SNAPSHOT_TEXT_H
#define HOLDUP_TESTS_SNAPSHOT_TEXT_H

#include "snapshot.h"

/*
 * A snapshot from a text description, so that a case for diagnose() can be written and read by a
 * person. One fact per line; '#' begins a comment. Words are separated by blanks.
 *
 *   kind vmcore|console-log|crash-transcript|live
 *   cpus-total N                        CPUs of the machine
 *   panic WORDS...                      the panic string
 *   panic-cpu N
 *   thresh SECONDS                      kernel.watchdog_thresh
 *   report KIND cpu N pid N [text WORDS...]   soft-lockup, hard-lockup, rcu-stall, hung-task, oops…
 *   lock ID KIND [name N] [addr HEX] [word HEX] [locked 0|1] [writer 0|1] [readers N]
 *                [owner-stored PID] [owner-hint PID] [owner-cpu N] [owner-gone]
 *   cpu N pid N comm C [idle] [user] [panic] [irqs-off] [holds-locks] [preempt HEX]
 *     [watchdog SECONDS]
 *   task pid N comm C state D|S|R|X [last-ran SECONDS] [starved CPU]
 *     frame FUNCTION+HEX [@module] [interrupted] [unreliable] [irq|softirq|nmi|exception]
 *           [no-offset]                 only the address is known
 *     held [FUNCTION [maybe] [=HEX] [via F]]... the frame's code was read: lock calls not undone
 *                                       there, on some ways only, with the lock's address, made by
 *                                       the function F that it called
 *     wait ID                           the stack's innermost wait not yet given a lock has this one
 *     ref ID WHERE                      the frame above holds the lock's address in WHERE
 *   deadlock pid N comm C wanted ID at FUNCTION [held ID at FUNCTION] [irq FUNCTION]
 *   link ID FUNCTION PRIMITIVE          of the chain of the deadlock above, the held lock's first
 *   expect KEY VALUE...                 left to the caller, see snapshot_text()
 *
 * frame, held, wait and ref belong to the cpu or task above them; frames innermost first.
 * Addresses are made up: 0x1000 apart per function name in order of appearance, plus the offset.
 */

/* Returns 0, or the number of the first bad line. @expect is called for each expect line. */
int snapshot_text(const char *text, struct snapshot *ret_snapshot,
		  void (*expect)(void *arg, const char *line), void *arg);

#endif
