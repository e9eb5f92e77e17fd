/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HOLDUP_DIAGNOSE_INFER_H
#define HOLDUP_DIAGNOSE_INFER_H

#include "diagnose/holder.h"

/*
 * Who holds @group's lock where neither the lock nor the code on anybody's stack says so: by what
 * the kernel's own rules leave as the only possibility. Sets group->holder (and ->lost) or leaves the
 * group as it is.
 */
void group_infer(const struct snapshot *snapshot, const struct actors *actors, struct group *group);

#endif
