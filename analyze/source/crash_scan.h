/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HOLDUP_SOURCE_CRASH_SCAN_H
#define HOLDUP_SOURCE_CRASH_SCAN_H

#include <string.h>

#include "source/crash_session.h"

/*
 * The state of one pass over a session, for the files that know the parts of crash's output. The
 * scan functions take in what begins at @p and return where it ends, or NULL when it is not theirs.
 */
struct scan {
	struct crash_session *s;
	const char *end;
	uint32_t current;	  /* the task whose stack is being read, NONE */
	bool closed;		  /* … and its end was seen: frames that follow are quoted in prose */
	uint32_t last_number;	  /* of its frames, NONE before the first */
	bool stale;		  /* its frames have no numbers: any text address on the stack */
	bool started;		  /* its innermost frame is a "START:" */
	uint32_t exception;	  /* its frame that the next registers belong to, NONE */
	const struct regs *next_regs; /* registers of the frame that comes next, NULL */
	struct crash_regs regs;
	uint32_t typed_pid, typed_cpu; /* of the bt command, until a header is printed */
	bool after_panic;	  /* the next PID: block is the panic's */
	bool in_ps, in_log;
	bool failed;		  /* no memory */
};

static inline bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n';
}

static inline bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static inline bool is_hex(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static inline bool is_upper(char c)
{
	return c >= 'A' && c <= 'Z';
}

static inline const char *skip_blanks(const char *p, const char *end)
{
	while (p < end && is_blank(*p))
		p++;
	return p;
}

static inline bool starts(const char *p, const char *end, const char *word)
{
	size_t n = strlen(word);

	return (size_t)(end - p) >= n && memcmp(p, word, n) == 0;
}

static inline struct crash_task *current(const struct scan *x)
{
	return x->current == SNAPSHOT_NONE ? NULL : &x->s->tasks[x->current];
}

/* A new last task; NULL, with ->failed set, when memory is short. */
struct crash_task *crash_task_new(struct scan *x);

/* crash_stacks.c: frames, borders between stacks, source lines, registers. */
const char *crash_frame_scan(struct scan *x, const char *p);
const char *crash_border_scan(struct scan *x, const char *p);
const char *crash_source_line_scan(struct scan *x, const char *p);
void crash_regs_flush(struct scan *x);  /* the registers read so far are complete */
void crash_stack_close(struct scan *x); /* what follows belongs to another task */

/* crash_tasks.c: "PID: 6836 TASK: …", at the number; a row of ps. */
const char *crash_pid_scan(struct scan *x, const char *p);
const char *crash_ps_row_scan(struct scan *x, const char *p);

/* crash_machine.c: whatever has a name in capitals before a colon. */
const char *crash_key_scan(struct scan *x, const char *p);

#endif
