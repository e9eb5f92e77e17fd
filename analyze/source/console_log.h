/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HOLDUP_SOURCE_CONSOLE_LOG_H
#define HOLDUP_SOURCE_CONSOLE_LOG_H

#include "snapshot.h"
#include "util/msgs.h"

/*
 * A kernel log as text: what dmesg, a serial console, syslog, the journal, netconsole or pstore
 * keep of a lockup. Text is fed in pieces and is not kept: memory grows with the CPUs and tasks
 * that the log tells of, not with its size.
 *
 * Reports less than ten minutes apart are one event, and one snapshot; so are the CPUs' newest
 * stacks and the tasks' within it. A new boot or a longer pause begins another event.
 */
struct console_log;

/* NULL when memory is short. */
struct console_log *console_log_new(void);
void console_log_free(struct console_log *log);

/* The next @size bytes; lines may be cut anywhere. 0 or -ENOMEM. */
int console_log_feed(struct console_log *log, const char *text, size_t size);

/*
 * The end of the text: *@ret_snapshots are its *@ret_n events (at least one), on the heap, each to be
 * snapshot_done(). The first is the one that ended in a panic, else the last in which something
 * locked up, else the last; the others follow in their order in time. @path is only named.
 * -EBADMSG with a message: nothing in it is from a kernel log; -ENOMEM. Once per log.
 */
int console_log_finish(struct msgs *msgs, struct console_log *log, const char *path,
		       struct snapshot **ret_snapshots, uint32_t *ret_n);

/* All of @text at once, and the first event of it alone. As console_log_finish(). */
int console_log_snapshot(struct msgs *msgs, const char *path, const char *text, size_t size,
			 struct snapshot *ret_snapshot);

#endif
