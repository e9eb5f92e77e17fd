/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HOLDUP_RENDER_RENDER_H
#define HOLDUP_RENDER_RENDER_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "snapshot.h"
#include "verdict.h"

/* What to show, and how wide. render_options_init() gives the report as it is by default. */
struct render_options {
	unsigned int width; /* columns to wrap sentences at */
	bool color;	    /* ANSI attributes are welcome */
	bool all_stacks;    /* also idle CPUs' and all sleeping tasks' stacks */
	uint32_t cpu;	    /* only this CPU (its number), with registers; SNAPSHOT_NONE: no */
	bool log;	    /* only the kernel log */
	bool ps;	    /* only the table of tasks */
};

void render_options_init(struct render_options *options);

/*
 * The report for people, or the views that @options asks for in its place. @options may be NULL.
 * No control character of a string from the source reaches @file, but for the newlines and tabs of
 * the log. 0; -ENOENT: the source has no such CPU, or no log, and nothing was written;
 * -ENOMEM; -EIO: @file could not be written (errno says why).
 */
int render_text(const struct snapshot *snapshot, const struct verdict *verdict,
		const struct render_options *options, FILE *file);

/*
 * The verdict as JSON, schema holdup.verdict/1 (docs/verdict.schema.json), written piece by piece
 * so that its memory does not grow with the number of tasks. Of @options, which may be NULL, only
 * all_stacks counts. ASCII alone is written. 0, -ENOMEM or -EIO; after an error the text written
 * is not whole.
 */
int render_json(const struct snapshot *snapshot, const struct verdict *verdict,
		const struct render_options *options, FILE *file);

#endif
