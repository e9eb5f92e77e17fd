/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HOLDUP_SIGNATURE_H
#define HOLDUP_SIGNATURE_H

#include "verdict.h"

/*
 * Fills verdict->signature: 32 hex digits that the same bug has live, in a dump, in a log, on every
 * host and in every build. Made of the class of the event, the pattern, the lock's kind and mode,
 * the first telling frames of waiters and holder, and the lock's name where there are no waiters'
 * functions; never of addresses, offsets, CPU numbers or compiler tails. Empty for no lockup. Pure.
 */
void signature_make(const struct snapshot *snapshot, struct verdict *verdict);

#endif
