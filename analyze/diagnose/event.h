/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HOLDUP_DIAGNOSE_EVENT_H
#define HOLDUP_DIAGNOSE_EVENT_H

#include "diagnose/actors.h"
#include "verdict.h"

/* What happened, by the kernel's own words: the panic string, else its watchdogs' reports. */
struct happening {
	enum event event;	      /* EVENT_NONE: nothing was reported */
	const struct report *report;  /* the report that the event stands on, NULL none */
};

struct happening event_find(const struct snapshot *snapshot);

/* Did a watchdog name this CPU or task, and is it still the same task there? The report or NULL. */
const struct report *event_names(const struct snapshot *snapshot, const struct actor *actor);

/*
 * Has @actor made no progress for longer than a healthy kernel allows: named by a watchdog, or the
 * soft-lockup watchdog's thread overdue on its CPU, or a task blocked for the kernel's own limit?
 */
bool actor_is_stuck(const struct snapshot *snapshot, const struct actor *actor);

enum event report_event(enum report_kind kind); /* EVENT_NONE: not a lockup */

#endif
