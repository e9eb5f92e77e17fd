/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HOLDUP_UTIL_MSGS_H
#define HOLDUP_UTIL_MSGS_H

#include <stddef.h>

/*
 * A chain of messages about one source: what could not be read, and where. Libraries add lines
 * and never print; the program prints them once. Lines carry no trailing newline.
 */
struct msgs {
	char **lines;	   /* heap strings, in the order they were added */
	size_t n;	   /* lines held */
	size_t n_dropped;  /* lines past MSGS_MAX, or lost to lack of memory */
};

#define MSGS_MAX 200

void msgs_init(struct msgs *msgs);
void msgs_done(struct msgs *msgs);

/* Adds one line; a line equal to the last one is not repeated. @msgs may be NULL. */
__attribute__((format(printf, 2, 3))) void msgs_add(struct msgs *msgs, const char *fmt, ...);

#endif
