// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Crash's output is found by its anchors, wherever they stand: "PID: n TASK: …", "#n [addr] f at
 * addr", "[exception RIP: …]", "RIP:", "PANIC:". Words between them are prose and are passed over.
 * Lines count only for the kernel's log and for ps, whose last column ends with the line.
 */
#include "source/crash_scan.h"

#include <errno.h>
#include <stdlib.h>

const char *crash_number(const char *p, const char *end, uint32_t *ret_number)
{
	const char *start = p;
	uint64_t v = 0;

	while (p < end && is_digit(*p) && p - start < 10)
		v = v * 10 + (uint64_t)(*p++ - '0');
	if (p == start || p == end || is_hex(*p) || v >= SNAPSHOT_NONE)
		return NULL;
	*ret_number = (uint32_t)v;
	return p;
}

const char *crash_hex(const char *p, const char *end, uint64_t *ret_value)
{
	const char *start = p;
	uint64_t v = 0;

	for (; p < end && is_hex(*p) && p - start < 17; p++)
		v = v << 4 | (uint64_t)(*p <= '9' ? *p - '0' : (*p | 32) - 'a' + 10);
	/* 16 digits cannot have been cut. */
	if (p == start || p - start > 16 || (p == end && p - start < 16))
		return NULL;
	if (p < end && !is_blank(*p) && *p != ']' && *p != ',' && *p != '<' && *p != '*')
		return NULL;
	*ret_value = v;
	return p;
}

struct crash_task *crash_task_new(struct scan *x)
{
	struct crash_task *task = ARENA_APPEND(x->s->arena, x->s->tasks, x->s->n_tasks);

	if (!task) {
		x->failed = true;
		return NULL;
	}
	task->pid = task->cpu = SNAPSHOT_NONE;
	task->order = x->s->n_tasks;
	return task;
}

/* --- commands --- */

/* "bt 4711", "bt -c 3", "bt -c 0 1 2": whom it is about, when that is one. */
static const char *bt_arguments(struct scan *x, const char *p)
{
	uint32_t pid = SNAPSHOT_NONE, cpu = SNAPSHOT_NONE, number;
	unsigned int n = 0;

	for (;;) {
		const char *q = p, *next;
		bool is_cpu = false;

		while (q < x->end && (*q == ' ' || *q == '\t'))
			q++;
		if (q < x->end && *q == '-') {
			is_cpu = starts(q, x->end, "-c");
			for (q++; q < x->end && !is_blank(*q); q++)
				;
			while (q < x->end && (*q == ' ' || *q == '\t'))
				q++;
			p = q;
		}
		next = crash_number(q, x->end, &number);
		if (!next || (!is_blank(*next) && *next != '*' && *next != '`'))
			break;
		if (is_cpu)
			cpu = number;
		else
			pid = number;
		n++;
		p = next;
	}
	if (n == 1) {
		x->typed_pid = pid;
		x->typed_cpu = cpu;
	}
	return p;
}

/* "crash> bt -c 0": what was printed before is over. */
static const char *prompt_scan(struct scan *x, const char *p)
{
	const char *q = p + 5, *word;
	size_t n;

	while (q < x->end && (is_digit(*q) || *q == '_') && q - p < 10)
		q++;
	if (q == x->end || *q != '>')
		return NULL;
	crash_stack_close(x);
	x->typed_pid = x->typed_cpu = SNAPSHOT_NONE;
	x->in_ps = x->in_log = false;
	for (q++; q < x->end && (*q == ' ' || *q == '\t'); q++)
		;
	for (word = q; q < x->end && *q >= 'a' && *q <= 'z'; q++)
		;
	n = (size_t)(q - word);
	x->in_log = (n == 3 && memcmp(word, "log", 3) == 0) || (n == 5 && memcmp(word, "dmesg", 5) == 0);
	return n == 2 && memcmp(word, "bt", 2) == 0 ? bt_arguments(x, q) : q;
}

/* --- the kernel's log --- */

/* "[  123.456789] " or "<4>[  123.456789] " at the start of a line. */
static bool is_log_line(const char *p, const char *end)
{
	const char *start;

	if (p < end && *p == '<' && end - p > 3) {
		while (p < end && *p != '>' && *p != '\n')
			p++;
		p += p < end;
	}
	if (p == end || *p++ != '[')
		return false;
	while (p < end && *p == ' ')
		p++;
	for (start = p; p < end && is_digit(*p); p++)
		;
	if (p == start || p == end || *p++ != '.')
		return false;
	for (start = p; p < end && is_digit(*p); p++)
		;
	return p - start >= 6 && p < end && *p == ']';
}

static void log_add(struct scan *x, const char *line, size_t n)
{
	struct crash_session *s = x->s;

	if (n == 0)
		return;
	if (s->log_room - s->log_size < n) {
		size_t room = (s->log_size + n) * 2;
		char *log = realloc(s->log, room);

		if (!log) {
			x->failed = true;
			return;
		}
		s->log = log;
		s->log_room = room;
	}
	memcpy(s->log + s->log_size, line, n);
	s->log_size += n;
}

/* A line that is the kernel's log: kept. Its end where nothing else is in it, else NULL. */
static const char *log_line_scan(struct scan *x, const char *p)
{
	const char *q = p, *eol;
	bool stamped;

	while (q < x->end && (*q == ' ' || *q == '\t'))
		q++;
	stamped = is_log_line(q, x->end);
	if (!stamped && !x->in_log)
		return NULL;
	eol = memchr(p, '\n', (size_t)(x->end - p));
	eol = eol ? eol + 1 : x->end;
	if (memmem(p, (size_t)(eol - p), "crash>", 6))
		return NULL;
	log_add(x, q, (size_t)(eol - q));
	return stamped ? eol : NULL;
}

/* --- all of it --- */

static const char *token_scan(struct scan *x, const char *p)
{
	if (x->in_ps && (*p == '>' || is_digit(*p)))
		return crash_ps_row_scan(x, p);
	if (*p == '#' || *p == '[')
		return crash_frame_scan(x, p);
	if (*p == '-' && starts(p, x->end, "---"))
		return crash_border_scan(x, p);
	if (is_upper(*p))
		return crash_key_scan(x, p);
	if (*p == '/')
		return crash_source_line_scan(x, p);
	if (*p == 'c' && starts(p, x->end, "crash"))
		return prompt_scan(x, p);
	/* "bt: WARNING: possibly bogus exception frame", "bt: cannot transition from …" */
	if (*p == 'b' && starts(p, x->end, "bt: ") && current(x)) {
		crash_regs_flush(x);
		x->closed = true;
	}
	return NULL;
}

/* Past the word at @p; what only wraps a word (**, quotes, brackets) is passed one by one. */
static const char *token_skip(const char *p, const char *end)
{
	if (strchr("*_\"'`(|>\\{", *p))
		return p + 1;
	while (p < end && !is_blank(*p))
		p++;
	return p;
}

int crash_session_scan(struct crash_session *session, struct arena *arena, const char *text,
		       size_t size)
{
	struct scan x = { .s = session, .end = text + size, .current = SNAPSHOT_NONE,
			  .last_number = SNAPSHOT_NONE, .exception = SNAPSHOT_NONE,
			  .typed_pid = SNAPSHOT_NONE, .typed_cpu = SNAPSHOT_NONE };
	bool line_start = true;
	const char *p = text, *next;

	*session = (struct crash_session){ .arena = arena, .n_cpus = SNAPSHOT_NONE,
					   .panic_pid = SNAPSHOT_NONE,
					   .panic_cpu = SNAPSHOT_NONE };
	text_names_init(&session->names, arena);
	while (p < x.end && !x.failed && !session->another) {
		if (line_start && (next = log_line_scan(&x, p))) {
			p = next;
			continue;
		}
		line_start = *p == '\n';
		if (is_blank(*p)) {
			p++;
			continue;
		}
		next = token_scan(&x, p);
		p = next ? next : token_skip(p, x.end);
		line_start = p < x.end && p[-1] == '\n';
	}
	crash_stack_close(&x);
	return x.failed ? -ENOMEM : 0;
}

void crash_session_done(struct crash_session *session)
{
	text_names_done(&session->names);
	free(session->log);
	session->log = NULL;
}
