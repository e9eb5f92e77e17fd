/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HOLDUP_SOURCE_TEXT_H
#define HOLDUP_SOURCE_TEXT_H

#include "snapshot.h"
#include "util/msgs.h"

/*
 * A text of any kind: a console log or a crash(8) transcript, by what is in it, plain or compressed
 * with gzip, xz or zstd, in the file @path or, when it is "-", on standard input.
 *
 * A crash transcript is one snapshot; a log has one for each event, see console_log_finish():
 * *@ret_snapshots is on the heap, each of its *@ret_n items to be snapshot_done(). -EINVAL with a
 * message where it is no text at all, -EBADMSG where nothing of a kernel is in it, other -errno.
 */
int text_snapshots(struct msgs *msgs, const char *path, struct snapshot **ret_snapshots,
		   uint32_t *ret_n);

#endif
