/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HOLDUP_SOURCE_TEXT_FRAME_H
#define HOLDUP_SOURCE_TEXT_FRAME_H

#include "snapshot.h"

/*
 * One stack frame as text shows it, in any notation that kernels and crash(8) have printed:
 *
 *   #6 [ffff880028283950] f at ffffffff812a6f29 [mod]	crash; without #, without [], with f+9
 *   [ffff88002a009e90] f at ffffffff81030110		crash bt -t: any text address on the stack
 *   START: f at ffffffff81030110			… and what it says before them
 *   [exception RIP: f+9]				crash
 *   [<ffffffff810366e6>] f+0x12/0x40 [mod]		x86 until 4.9, arm64, ? f: not reliable
 *   [<ffffffff88012345>] :mod:f+0x12/0x40		2.6.18
 *   f+0x12/0x40 [mod 0123456789abcdef]		x86 and arm64 today
 *   f+0x12/0x40 net/core/dev.c:12 [inline]		after decode_stacktrace.sh
 *   [<c0011e04>] (f+0x0/0x138) from [<c03d1a8c>] (g+0x20/0x24)	arm: ->frame is g, ->callee f
 *   (f) from [<c03d1a8c>] (g+0x20/0x24), f from g+0x20/0x24
 *   [c000000feb123] [c00000000012345] .f+0x10/0x20 (unreliable)	ppc64
 *
 * Slices point into the text and are not NUL-ended.
 */
struct text_slice {
	const char *p; /* NULL: not there */
	size_t n;
};

struct text_frame {
	uint32_t number;	    /* crash's "#6"; SNAPSHOT_NONE: none */
	uint64_t slot;		    /* where on the stack, as crash and ppc64 print it; 0 unknown */
	uint64_t address;	    /* 0 unknown */
	struct text_slice function; /* ->p NULL: an address without a name */
	struct text_slice module;
	struct text_slice file;
	struct text_slice callee;   /* arm: the function that was called from this frame */
	uint64_t callee_address;
	uint32_t offset;	    /* SNAPSHOT_NONE unknown */
	uint32_t size;		    /* 0 unknown */
	uint32_t line;
	bool unreliable;	    /* '?' or "(unreliable)" */
	bool inlined;
	bool exception;		    /* "[exception RIP: …]" */
	bool start;		    /* "START: …": where the task is, above what bt -t found */
};

/*
 * Reads the frame that begins at @p (blanks before it are skipped) and ends by @end, which may be
 * far behind: lines are not relied on. Returns where it ends, NULL when there is no frame. A bare
 * name is a frame only with an offset, a "?", a file and line, or an address.
 */
const char *text_frame_scan(const char *p, const char *end, struct text_frame *ret_frame);

/*
 * Names as NUL-ended strings in an arena, each kept once: a log of 100 MB has few of them.
 * text_names_add() returns NULL when memory is short or the slice is absent.
 */
struct text_names {
	struct arena *arena;
	struct text_name **buckets;
	size_t n_buckets, n;
};

void text_names_init(struct text_names *names, struct arena *arena);
void text_names_done(struct text_names *names); /* the strings stay in the arena */
const char *text_names_add(struct text_names *names, struct text_slice slice);

/* The same as the snapshot has it; context task, reliable unless marked. 0 or -ENOMEM. */
int text_frame_make(struct text_names *names, const struct text_frame *text,
		    struct frame *ret_frame);

#endif
