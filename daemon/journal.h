/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HOLDUPD_JOURNAL_H
#define HOLDUPD_JOURNAL_H

#include "incident.h"

/* As syslog's; systemd/holdup.catalog explains the entries with these ids. */
#define JOURNAL_INCIDENT_ID "5d6f0e4cf8b24bb0a3a3b4c8f7f1b0a1"
#define JOURNAL_PROBE_ID "9a1c7c1d0b0f4e2f8a4c2f0f4a6f7d52"

/* To the journal where there is one, else to stderr. */
__attribute__((format(printf, 2, 3))) void journal_say(int priority, const char *format, ...);

/* The entry of an incident, with its fields (HOLDUP_SIGNATURE, HOLDUP_LOCK, HOLDUP_HOLDER, …). */
void journal_incident(const struct incident_report *report);

/* A probe that is missing, and what is lost. */
void journal_probe(const struct probe_state *state);

#endif
