/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HOLDUP_DIAGNOSE_ROLES_H
#define HOLDUP_DIAGNOSE_ROLES_H

#include "diagnose/actors.h"
#include "verdict.h"

/* Fills verdict->cpu_roles and ->bystanders, over the verdict and its others. 0 or -ENOMEM. */
int roles_set(const struct snapshot *snapshot, const struct actors *actors, struct verdict *verdict);

#endif
