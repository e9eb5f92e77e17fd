/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HOLDUP_DIAGNOSE_PARTY_H
#define HOLDUP_DIAGNOSE_PARTY_H

#include "diagnose/holder.h"
#include "verdict.h"

/* Actors as a verdict tells of them. Strings are the snapshot's. */

/* Who @actor is, without what it does. */
struct party party_of(const struct snapshot *snapshot, const struct actor *actor);

/* Sets what @party does: the function and place of @frame of @stack. */
void party_set_frame(struct party *party, const struct stack *stack, uint32_t frame);

/* The lock function that @waiter called. */
const char *waiter_primitive(const struct waiter *waiter);

struct party waiter_party(const struct snapshot *snapshot, const struct waiter *waiter);

/* @group's holder, which must be known. */
struct party holder_party(const struct snapshot *snapshot, const struct group *group);

#endif
