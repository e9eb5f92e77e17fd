/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HOLDUP_SOURCE_CRASH_TRANSCRIPT_H
#define HOLDUP_SOURCE_CRASH_TRANSCRIPT_H

#include "snapshot.h"
#include "util/msgs.h"

/*
 * A crash(8) session as text: sys, bt in its forms, ps, log; pasted into anything, with or without
 * its line breaks, quoted, among prose. What is printed counts, not the command typed before it.
 */

/* Does @text have a crash session's backtraces in it? Cheap: it stops at the first. */
bool crash_transcript_detect(const char *text, size_t size);

/*
 * The snapshot that the session shows; @path is only named. One pass, linear in @size. -EBADMSG
 * with a message: no backtrace in it; -ENOMEM. The snapshot is the caller's to snapshot_done().
 */
int crash_transcript_snapshot(struct msgs *msgs, const char *path, const char *text, size_t size,
			      struct snapshot *ret_snapshot);

#endif
