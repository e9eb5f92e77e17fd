// SPDX-License-Identifier: GPL-2.0-or-later
#include "journal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <systemd/sd-journal.h>
#include <unistd.h>

/* stderr is said to be the journal already where JOURNAL_STREAM is set; fields need the socket. */
static bool journal_is_there(void)
{
	return access("/run/systemd/journal/socket", W_OK) == 0;
}

static void stderr_say(int priority, const char *text)
{
	fprintf(stderr, "<%d>holdupd: %s\n", priority, text);
	fflush(stderr);
}

void journal_say(int priority, const char *format, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	if (!journal_is_there() || sd_journal_send("MESSAGE=%s", text, "PRIORITY=%d", priority,
						   NULL) < 0)
		stderr_say(priority, text);
}

static int priority_of(uint32_t level)
{
	return level >= WATCH_CRITICAL ? LOG_CRIT : LOG_WARNING;
}

void journal_incident(const struct incident_report *report)
{
	char text[1400];
	int r = -1;

	snprintf(text, sizeof(text), "%s (%s, %s for %.2f s, analyzed in %.2f s)%s%s", report->summary,
		 watch_level_name(report->level), watch_reason_name(report->reason),
		 (double)report->for_ns / 1e9,
		 report->saved_ns ? (double)(report->saved_ns - report->taken_ns) / 1e9 : 0.0,
		 report->path[0] ? "; saved as " : "",
		 report->path);
	if (journal_is_there())
		r = sd_journal_send("MESSAGE=%s", text, "MESSAGE_ID=" JOURNAL_INCIDENT_ID,
				    "PRIORITY=%d", priority_of(report->level),
				    "HOLDUP_SIGNATURE=%s", report->signature, "HOLDUP_EVENT=%s",
				    report->event, "HOLDUP_PATTERN=%s", report->pattern,
				    "HOLDUP_LOCK=%s", report->lock, "HOLDUP_HOLDER=%s",
				    report->holder, "HOLDUP_HOLDER_CPU=%d", (int)report->holder_cpu,
				    "HOLDUP_HOLDER_PID=%d", (int)report->holder_pid,
				    "HOLDUP_WAITERS=%u", report->n_waiters,
				    "HOLDUP_CONFIDENCE=%.2f", report->confidence,
				    "HOLDUP_LEVEL=%s", watch_level_name(report->level),
				    "HOLDUP_FILE=%s", report->path, NULL);
	if (r < 0)
		stderr_say(priority_of(report->level), text);
}

void journal_probe(const struct probe_state *state)
{
	char text[600];
	int r = -1;

	snprintf(text, sizeof(text), "probe missing: %s: %s; lost: %s", state->name, state->why,
		 state->lost);
	if (journal_is_there())
		r = sd_journal_send("MESSAGE=%s", text, "MESSAGE_ID=" JOURNAL_PROBE_ID,
				    "PRIORITY=%d", LOG_NOTICE, "HOLDUP_PROBE=%s", state->name, NULL);
	if (r < 0)
		stderr_say(LOG_NOTICE, text);
}
